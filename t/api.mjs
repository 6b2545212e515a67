#!/usr/bin/env node
/* The API of backends: who may use it, what it does, and that an idempotency key makes it safe to ask again, whatever was killed. */
import { chmodSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { connect } from '../www/pollgate.js';
import { Client, createSession, pollOnce } from './lib/client.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { now, sign } from './lib/jwt.mjs';
import { forEachStore, runPollgate, sleep, startCluster, startPollgate, waitFor } from './lib/pollgate.mjs';
import { chances, randomFrom } from './lib/proxy.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { request } from './lib/request.mjs';
import { atEnd, done, is, isDeep, like, ok, scope, skip } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const range = (n) => [...Array(n).keys()];
const WebSocket = globalThis.WebSocket ?? (await import('ws').catch(() => ({}))).WebSocket;
const dir = tempDir('api');
const KEY = 'first-key-0123456789';
const SECOND = 'second-key-0123456789';

function keyFile(name, text, mode = 0o600) {
	const file = path.join(dir, name);
	writeFileSync(file, text);
	chmodSync(file, mode);
	return file;
}

const keys = keyFile('keys', `# of the application\n\n${KEY}\n  ${SECOND}\r\n#commented-key-0123456789\n`);

/** A backend, which knows one key: each call is one request. */
function backend(base, bearer = KEY) {
	const ask = (method, target, body, idempotency, more = {}) => request(typeof base === 'function' ? base() : base, method, `/api/v1${target}`,
		{ bearer, body, headers: idempotency === undefined ? {} : { 'Idempotency-Key': idempotency }, ...more });
	return {
		ask,
		publish: (body, idempotency) => ask('POST', '/publish', body, idempotency),
		ops: (ops, idempotency) => ask('POST', '/ops', { ops }, idempotency),
		look: (id) => ask('GET', `/sessions/${id}`),
		list: (what, query) => ask('GET', `/${what}`, undefined, undefined, { query }),
		disconnect: (id, idempotency) => ask('DELETE', `/sessions/${id}`, undefined, idempotency),
		members: (room, query = {}) => ask('GET', `/rooms/${encodeURIComponent(room)}/members`, undefined, undefined, { query }),
		history: (room, query = {}) => ask('GET', `/rooms/${encodeURIComponent(room)}/history`, undefined, undefined, { query }),
	};
}

const endpoints = [['POST', '/publish'], ['POST', '/ops'], ['GET', `/sessions/${'A'.repeat(22)}`], ['DELETE', `/sessions/${'A'.repeat(22)}`],
	['GET', '/rooms/r/members'], ['GET', '/rooms/r/history'], ['GET', '/rooms'], ['GET', '/sessions'], ['GET', '/users/u/sessions']];

function refused(answer, status, code, what) {
	isDeep([answer.status, answer.code], [status, code], what, answer.text.slice(0, 300));
}

/* ---- Who may ---- */

async function disabled() {
	const instance = await startPollgate();
	for (const [method, target] of endpoints)
		refused(await backend(instance.base).ask(method, target, method === 'POST' ? {} : undefined), 404, 'api_disabled',
			`without --api-key-file there is no ${method} ${target}`);
	await instance.stop();
}

async function keysOf(file, whose) {
	const { code, stdout, stderr } = await runPollgate([`--listen=127.0.0.1:${await freePort()}`, `--api-key-file=${file}`], { limitMs: 10000 });
	is(code, 1, `${whose}: it does not start`);
	return stdout + stderr;
}

async function files() {
	like(await keysOf(path.join(dir, 'nowhere'), 'a file that is not there'), /--api-key-file .*nowhere: No such file/, '... and says so');
	like(await keysOf(dir, 'a directory'), /--api-key-file .*: Is a directory/, '... and says so');
	like(await keysOf(keyFile('empty', '# nothing\n\n'), 'a file of comments'), /there is no key in it/, '... and says so');
	like(await keysOf(keyFile('short', `${KEY}\ntoo-short\n`), 'a key of 9 characters'), /line 2: a key has 16 to 512 printable characters/, '... and says where');
	like(await keysOf(keyFile('spaces', 'a key with spaces in it\n'), 'a key with spaces'), /line 1: /, '... and says where');
	like(await keysOf(keyFile('open', `${KEY}\n`, 0o666), 'a file that everybody may write'), /everybody may write it/, '... and says so');
	like(await keysOf(keyFile('huge', `# ${'x'.repeat(70000)}\n${KEY}\n`), 'a file of 70 kB'), /too large/, '... and says so');
}

async function authentication() {
	const file = keyFile('changing', `${KEY}\n${SECOND}\n`);
	const instance = await startPollgate({ options: { 'api-key-file': file } });
	const { base } = instance;
	for (const [method, target] of endpoints) {
		const body = method === 'POST' ? {} : undefined;
		const none = await backend(base, null).ask(method, target, body, undefined, { bearer: undefined });
		refused(none, 401, 'api_key_required', `${method} ${target} needs a key`);
		is(none.headers['www-authenticate'], 'Bearer', '... and says how to give it');
		refused(await backend(base, 'wrong-key-0123456789').ask(method, target, body), 401, 'api_key_invalid', '... a right one');
	}
	const near = [KEY.slice(0, -1), `${KEY}0`, KEY.toUpperCase(), `x${KEY.slice(1)}`, `${KEY.slice(0, -1)}x`, `${KEY},${SECOND}`, 'x'.repeat(8000)];
	const answers = await Promise.all(near.map((key) => backend(base, key).publish({})));
	ok(answers.every(({ status, code }) => status === 401 && code === 'api_key_invalid'), 'what is nearly a key is none',
		...answers.map(({ text }) => text));
	refused(await backend(base).ask('POST', '/publish', {}, undefined, { bearer: undefined, headers: { Authorization: `Basic ${KEY}` } }), 401,
		'api_key_required', 'a key is a bearer token');
	refused(await backend(base).ask('POST', '/publish', {}, undefined, { bearer: undefined, query: { token: KEY } }), 401, 'api_key_required',
		'and has no place in a URL');
	for (const key of [KEY, SECOND])
		is((await backend(base, key).members('r')).status, 200, 'each of several keys will do');
	const { token } = (await createSession(base)).json;
	refused(await backend(base, token).members('r'), 401, 'api_key_invalid', 'a session\'s token is no key');
	refused(await pollOnce(base, KEY), 401, 'token_invalid', 'nor a key a token');

	writeFileSync(file, '# nothing\n');
	instance.signal('SIGHUP');
	await waitFor(() => instance.log.some((line) => line.includes('there is no key in it')), 'the file to be read');
	is((await backend(base).members('r')).status, 200, 'a file that is wrong when SIGHUP comes changes nothing');
	writeFileSync(file, 'third-key-0123456789\n');
	instance.signal('SIGHUP');
	await waitFor(async () => (await backend(base, 'third-key-0123456789').members('r')).status === 200, 'the new key to be good');
	refused(await backend(base).members('r'), 401, 'api_key_invalid', 'SIGHUP reads the keys again: those that are not there any more are refused');
	ok(!instance.log.some((line) => line.includes('key-0123456789')), 'keys are not logged');
	ok(await instance.metrics('pollgate_api_refused_total') >= 2 * endpoints.length, 'requests without a right key are counted');
	await instance.stop();
}

/** Wrong keys by the hundred: they are refused, and nobody else waits for that. */
async function floods() {
	const instance = await startPollgate({ options: { 'api-key-file': keys } });
	const { base } = instance;
	const ann = await Client.open(base, { rooms: ['flood'] });
	const flood = range(400).map((i) => backend(base, `wrong-key-${i}-0123456789`).ask('POST', '/publish', 'x'.repeat(i * 50)));
	const right = await backend(base).publish({ room: 'flood', event: 'through' });
	await ann.waitEvent('through');
	is(right.status, 200, 'a backend gets through a flood of wrong keys');
	const answers = await Promise.all(flood);
	ok(answers.every(({ status }) => status === 401), 'each of which is refused');
	await ann.stop();
	await instance.stop();
}

/* ---- What it does ---- */

async function publishing(base, at) {
	const api = backend(at);
	const [ann, bob] = await Promise.all([Client.open(base, { rooms: ['news'], data: { n: 'Ann' } }), Client.open(base)]);
	const { status, json } = await api.publish({ room: 'news', event: 'hello', data: { deep: ['ü', true] } });
	is(status, 200, 'a backend publishes to a room');
	isDeep(await ann.waitEvent('hello'), { id: json.id, room: 'news', event: 'hello', data: { deep: ['ü', true] } }, 'its members get it, without "from", with the id of the answer');
	const direct = (await api.publish({ to: bob.id, event: 'direct', data: 1 })).json;
	isDeep(await bob.waitEvent('direct'), { id: direct.id, event: 'direct', data: 1 }, 'and to a session');
	refused(await api.publish({ to: 'A'.repeat(22), event: 'e' }), 404, 'recipient_gone', 'not to one that is not there');
	is((await api.publish({ room: 'empty', event: 'e' })).status, 200, 'a room that nobody is in is made');
	isDeep((await api.publish({ room: 'news', event: 'second', history: 2 })).json.history.map(({ event }) => event), ['hello', 'second'],
		'the answer may have the history up to the message');
	for (const [body, code] of [[{}, 'bad_op'], [{ room: 'r' }, 'bad_op'], [{ room: 'r', to: ann.id, event: 'e' }, 'bad_op'], ['', 'bad_json'],
		[{ room: 'r', event: '$join' }, 'bad_op'], [{ user: 7, event: 'e' }, 'bad_op'], ['[]', 'bad_request']])
		refused(await api.publish(body), 400, code, `refused: ${JSON.stringify(body)}`);
	await ann.stop();
	await bob.stop();
}

/** Through the client's every way to receive. */
async function library(base, at) {
	for (const transport of WebSocket ? ['poll', 'sse', 'ws'] : ['poll', 'sse']) {
		const client = connect(base, { rooms: ['lib'], transports: transport === 'poll' ? ['poll'] : ['poll', transport], WebSocket });
		const got = [];
		atEnd(() => client.close());
		client.on('news', (message) => got.push(message));
		await client.ready;
		await waitFor(() => client.transport === transport, `the client to receive by ${transport}`);
		await backend(at).publish({ room: 'lib', event: 'news', data: transport });
		await waitFor(() => got.length > 0, 'the message to come');
		isDeep([got[0].from, got[0].data, 'from' in got[0]], [undefined, transport, false], `pollgate.js hands on a backend's message as it is, by ${transport}`);
		const previous = client.id;
		const resumed = new Promise((resolve) => client.on('resumed', resolve));
		await backend(at).ops([{ op: 'join', session: previous, room: 'put' }]);
		await backend(at).publish({ room: 'put', event: 'news', data: 'put' });
		await waitFor(() => got.some(({ room, data }) => room === 'put' && data === 'put'), 'a message of the room that it was put in');
		ok(true, '... and those of a room that a backend put it in');
		await backend(at).disconnect(previous);
		isDeep((({ fresh, previous: of }) => [fresh, of])(await within(resumed, 'the client to learn of it')), [true, previous],
			'... and opens another session when a backend ends its own');
		await client.close();
	}
}

async function batches(base, at) {
	const api = backend(at);
	const [ann, bob] = await Promise.all([Client.open(base, { rooms: ['batch'] }), Client.open(base, { data: { n: 'Bob' } })]);
	const { status, json: { results } } = await api.ops([
		{ op: 'join', session: bob.id, room: 'batch', history: 5 }, { op: 'send', room: 'batch', event: 'one' }, { op: 'send', to: 'A'.repeat(22), event: 'no' },
		{ op: 'append', room: 'batch', event: 'kept', data: 'kept' }, { op: 'set', session: bob.id, data: { n: 'Rob' } }, { op: 'send', to: bob.id, event: 'two' },
		{ op: 'leave', session: bob.id, room: 'batch' }, { op: 'leave', session: bob.id, room: 'batch' }, { op: 'join', session: 'A'.repeat(22), room: 'batch' },
		{ op: 'join', session: bob.id, room: 'full', max: 1 }, { op: 'join', session: ann.id, room: 'full', max: 1 }]);
	is(status, 200, 'several operations are one request');
	isDeep(results.map((result) => result.error?.code ?? null), [null, null, 'recipient_gone', null, null, null, null, 'not_joined', 'recipient_gone', null,
		'room_full'], 'each has a result of its own, and one that is refused does not stop the others', JSON.stringify(results));
	isDeep([results[0].count, results[0].history], [1, []], 'that of a join has members, as they are then, and history');
	await ann.waitEvent('$leave');
	isDeep(ann.messages.map(({ event, from, data }) => [event, from, data]), [['$join', bob.id, { n: 'Bob' }], ['one', undefined, null],
		['$set', bob.id, { n: 'Rob' }], ['$leave', bob.id, { n: 'Rob' }]], 'the others see it as if the session had done it; what is appended does not come');
	await bob.waitEvent('two');
	isDeep((await api.look(bob.id)).json.rooms, ['full'], 'the session is where it was put');
	await api.publish({ room: 'full', event: 'inside' });
	await bob.waitEvent('inside');
	ok(true, 'and gets what is sent there');
	isDeep((await api.history('batch')).json.messages.map(({ event }) => event), ['one', 'kept'], 'the history has what was appended');
	refused(await api.ops([]), 400, 'bad_request', 'no operation at all is refused');
	ok(/"user"/.test((await api.publish({ event: 'e' })).json.detail), 'who names no recipient is told of all kinds of them');
	refused(await api.ops([{ op: 'shout' }]), 400, 'bad_op', 'as is one that is none');
	await ann.stop();
	await bob.stop();
}

async function looking(base, at) {
	const api = backend(at);
	const ann = await Client.open(base, { rooms: ['a', 'ä/b'], data: { n: 'Ann' }, start: false });
	const { json } = await api.look(ann.id);
	isDeep([json.id, json.away, json.data, json.rooms.sort()], [ann.id, false, { n: 'Ann' }, ['a', 'ä/b']], 'a session tells its data and rooms');
	like(`${json.acked} ${json.last}`, /^\d+-\d+ \d+-\d+$/, '... and what its client has received');
	refused(await api.look('A'.repeat(22)), 404, 'recipient_gone', 'one that is not there does not');
	refused(await api.look('x'), 404, 'recipient_gone', 'nor does what is no id');
	isDeep((await api.members('ä/b')).json, { room: 'ä/b', count: 1, members: [{ id: ann.id, data: { n: 'Ann' } }] }, 'a room tells its members');
	isDeep((await api.members('ä/b', { max: 0 })).json, { room: 'ä/b', count: 1, members: [] }, 'or only how many they are');
	isDeep((await api.members('nobody')).json, { room: 'nobody', count: 0, members: [] }, 'a room that is none has no members');
	refused(await api.members('ä/b', { max: 'x' }), 400, 'bad_request', 'a number is a number');
	const ids = [];
	for (const i of range(5))
		ids.push((await api.publish({ room: 'log', event: 'n', data: i })).json.id);
	const texts = async (query) => (await api.history('log', query)).json.messages.map(({ data }) => data);
	isDeep(await texts(), [0, 1, 2, 3, 4], 'a room\'s history can be read');
	isDeep(await texts({ count: 2 }), [3, 4], 'the last messages of it');
	isDeep(await texts({ count: 2, before: ids[3] }), [1, 2], 'and those before one of them');
	isDeep(await texts({ before: ids[0] }), [], 'until there is nothing');
	isDeep((await api.history('nowhere')).json, { room: 'nowhere', messages: [] }, 'a room that is none has no history');
	refused(await api.history('log', { before: 'x' }), 400, 'bad_request', 'an id is an id');
	is((await api.history('log', { before: '0-0' })).json.messages.length, 0, 'nothing is before all others');
	await ann.stop();
}

/** Sessions of users, whom tokens name. */
async function users() {
	const secret = 'a secret that nobody guesses, of more than 32 bytes';
	const { instances: [instance], stop } = await startCluster({ options: { 'api-key-file': keys, 'auth': 'jwt', 'auth-key-file': keyFile('secret', secret) } });
	const open = async (claims) => (await createSession(instance.base, { auth: sign({ exp: now() + 600, pollgate: { join: ['*'], send: [] }, ...claims }, secret) })).json.id;
	const api = backend(instance.base);
	const [ann, nobody] = [await open({ sub: 'Änn "1"' }), await open({})];
	is((await api.look(ann)).json.user, 'Änn "1"', 'a session tells whose it is');
	ok(!('user' in (await api.look(nobody)).json), 'or nothing of that');
	isDeep((await api.ops([{ op: 'join', session: nobody, room: 'r' }, { op: 'send', room: 'r', event: 'e' }])).json.results.map(({ error }) => error), [undefined, undefined],
		'a backend may do what its clients may not');
	await stop();
}

/** Messages to all sessions of a user, on stores and instances of all kinds. */
async function toUsers(start) {
	const secret = 'a secret that nobody guesses, of more than 32 bytes';
	const { base, instances, stop } = await start({ options: { 'api-key-file': keys, 'auth': 'jwt', 'auth-key-file': keyFile('secret', secret) } });
	let turn = 0;
	const at = () => instances[turn++ % instances.length].base;
	const api = backend(at);
	const open = async (sub, data) => (await createSession(at(), { data, auth: sign({ exp: now() + 600, pollgate: { join: ['*'], set: true }, sub }, secret) })).json;
	const got = async ({ token, cursor }) => (await pollOnce(at(), token, cursor)).json.messages;
	const events = async (session) => (await got(session)).map(({ event, data }) => `${event}:${data}`);
	const listed = async (user) => (await api.list(`users/${encodeURIComponent(user)}/sessions`)).json;
	const sessionsOf = async (user) => (await listed(user)).sessions.map(({ id }) => id).sort();
	const name = 'Änn/"1"?';
	const [one, two, bob, nobody] = [await open(name, { n: 1 }), await open(name), await open('bob'), await open(undefined)];

	isDeep(await sessionsOf(name), [one.id, two.id].sort(), 'the sessions of a user are listed, whatever its name');
	isDeep((await listed('bob')), { sessions: [{ id: bob.id, data: null }] }, 'as all sessions are');
	isDeep((await listed(name)).sessions.find(({ id }) => id === one.id).data, { n: 1 }, 'with their data');
	isDeep(await listed('nobody'), { sessions: [] }, 'who has none has none');
	const sent = await api.publish({ user: name, event: 'e', data: 1 });
	isDeep([sent.status, sent.json], [200, { sessions: 2 }], 'a message goes to all sessions of a user');
	const [message] = await got(one);
	isDeep([message.event, message.data, 'from' in message, 'room' in message], ['e', 1, false, false], 'each gets it, from nobody');
	isDeep([await events(two), await events(bob), await events(nobody)], [['e:1'], [], []], 'and nobody else');
	isDeep((await api.publish({ user: 'nobody', event: 'e' })).json, { sessions: 0 }, 'who has no sessions gets it at none, which is no error');

	const body = { user: name, event: 'once', data: 2 };
	isDeep((await api.publish(body, '"user-1"')).json, { sessions: 2 }, 'with an idempotency key it is sent');
	const three = await open(name);
	isDeep((await api.publish(body, '"user-1"')).json, { sessions: 2 }, 'a repeat says what was done then, though there is one session more');
	isDeep([await events(two), await events(three)], [['e:1', 'once:2'], []], 'and sends nothing');
	await api.disconnect(one.id);
	isDeep((await api.publish(body, '"user-1"')).json, { sessions: 2 }, 'or one less');
	refused(await api.publish({ ...body, data: 3 }, '"user-1"'), 422, 'idempotency_key_reused', 'another message needs another key');
	const crowd = await Promise.all(range(20).map(() => api.publish({ user: name, event: 'crowd', data: 0 }, '"user-2"')));
	ok(crowd.every(({ status, json }) => status === 200 && json.sessions === 2), 'of many at once all have the same answer', ...crowd.map(({ text }) => text));
	isDeep([await events(two), await events(three)], [['e:1', 'once:2', 'crowd:0'], ['crowd:0']], 'and one is done');
	isDeep(await sessionsOf(name), [two.id, three.id].sort(), 'a session that ended is not listed');

	const batch = (await api.ops([{ op: 'send', user: name, event: 'b', data: 1 }, { op: 'disconnect', session: two.id }, { op: 'send', user: name, event: 'b', data: 2 },
		{ op: 'send', user: 'bob', event: 'b', data: 3 }, { op: 'send', to: bob.id, event: 'b', data: 4 }], '"user-3"')).json.results;
	isDeep(batch.slice(0, 4), [{ sessions: 2 }, {}, { sessions: 1 }, { sessions: 1 }], 'in a batch it is sent as things stand then');
	isDeep([(await events(three)).slice(1), await events(bob)], [['b:1', 'b:2'], ['b:3', 'b:4']], 'in order');
	const parked = pollOnce(at(), bob.token, (await pollOnce(at(), bob.token, bob.cursor)).json.cursor, 10_000);
	await sleep(100);
	await api.publish({ user: 'bob', event: 'now' });
	isDeep((await parked).json.messages.map(({ event }) => event), ['now'], 'who waits gets it at once');

	for (const bad of [{ user: name, room: 'r' }, { user: name, to: bob.id }, { user: 7 }, { user: 'x'.repeat(256) }, { user: 'bob', history: 3 }])
		refused(await api.publish({ event: 'e', ...bad }), 400, 'bad_op', `${JSON.stringify(bad).slice(0, 60)} is no recipient`);
	refused(await api.ops([{ op: 'append', user: 'bob', event: 'e' }]), 400, 'bad_op', 'a user has no history');
	refused(await request(at(), 'POST', '/v1/send', { token: bob.token, body: { seq: 1, ops: [{ op: 'send', user: 'bob', event: 'e' }] } }), 400, 'bad_op',
		'clients cannot send to users');
	await stop();
}

/** Backends send to a user while its sessions come and go and instances are killed: each message is in all mailboxes or in none. */
async function usersInChaos() {
	if (!haveRedis())
		return skip('sending to users while instances are killed', 'redis-server is not installed');
	const secret = 'a secret that nobody guesses, of more than 32 bytes';
	const redis = await startRedis();
	const cluster = await startCluster({ n: 3, redis, options: { 'api-key-file': keys, 'auth': 'jwt', 'auth-key-file': keyFile('secret', secret) }, proxy: { retry: 'refused' } });
	const { instances, proxy, base } = cluster;
	const auth = sign({ exp: now() + 600, pollgate: {}, sub: 'ann' }, secret);
	const stay = await Promise.all(range(3).map(() => createSession(base, { auth }).then(({ json }) => json)));
	proxy.fault = chances({ dropBefore: 0.05, dropAfter: 0.1, repeat: 0.1, delay: [0.1, 30] }, /^\/api\//, randomFrom(11));
	let working = true;
	const persist = async (ask) => {
		for (;;) {
			const answer = await ask().catch(() => ({ status: 0 }));
			if (answer.status >= 200 && answer.status < 300)
				return answer.json;
			await sleep(5);
		}
	};
	const killed = (async () => {
		for (let i = 0; working; i++)
			await instances[i % 3].restart();
	})();
	const coming = (async () => {
		while (working) {
			const { token } = await persist(() => createSession(base, { auth }));
			await persist(() => request(base, 'DELETE', '/v1/sessions', { token }));
		}
	})();
	const answers = await Promise.all(range(4).map(async (k) => {
		const told = [];
		for (const i of range(20))
			told.push(await persist(() => backend(base).publish({ user: 'ann', event: 'n', data: `${k}:${i}` }, `"u${k}-${i}"`)));
		return told;
	}));
	working = false;
	await Promise.all([killed, coming]);
	proxy.fault = undefined;
	ok(answers.flat().every(({ sessions }) => sessions >= 3), 'each message went to all sessions that stayed');
	const wanted = range(4).flatMap((k) => range(20).map((i) => `${k}:${i}`)).sort();
	for (const { token, cursor } of stay)
		isDeep((await pollOnce(base, token, cursor)).json.messages.map(({ data }) => data).sort(), wanted, 'and is there once, whatever was killed');
	isDeep((await backend(base).list('users/ann/sessions')).json.sessions.map(({ id }) => id).filter((id) => stay.some((one) => one.id === id)).length, 3,
		'they are listed');
	await cluster.stop();
	await redis.kill();
}

/** All of a list, part by part. */
async function walk(api, what, max) {
	const all = [];
	let next;
	let parts = 0;
	do {
		const { status, json } = await api.list(what, { max, at: next });
		if (status !== 200)
			throw new Error(`${what}: ${status}`);
		all.push(...json[what]);
		next = json.next;
	} while (next !== undefined && ++parts < 1000);
	return all;
}

async function listing(base, at) {
	const api = backend(at);
	const sessions = await Promise.all(range(60).map(async (i) => (await createSession(base, { rooms: ['all', `l ${i % 20}`], data: { i } })).json.id));
	for (const max of [7, 1000, undefined]) {
		const listed = await walk(api, 'sessions', max);
		ok(sessions.every((id, i) => listed.some((one) => one.id === id && one.data.i === i)), `all sessions are listed, ${max ?? 'as many as may be'} at a time`);
		const rooms = new Map((await walk(api, 'rooms', max)).map(({ room, count, last }) => [room, { count, last }]));
		isDeep([rooms.get('all').count, ...range(20).map((i) => rooms.get(`l ${i}`).count)], [60, ...range(20).map(() => 3)],
			'all rooms, with how many are in them');
		like(rooms.get('all').last, /^\d+-\d+$/, 'and the last id');
	}
	for (const what of ['sessions', 'rooms']) {
		refused(await api.list(what, { at: 'x' }), 400, 'bad_request', 'a place that is none is refused');
		is((await api.list(what, { at: '999999-99' })).status, 200, 'or does no harm');
	}
}

/** Relay clients know of no sessions: they get what is a text. */
async function relayed(base, at) {
	if (!WebSocket)
		return skip('a relay\'s client gets what a backend publishes', 'there is no WebSocket');
	const socket = new WebSocket(`${base.replace('http', 'ws')}/relay/raw`);
	const got = [];
	socket.onmessage = ({ data }) => got.push(data);
	atEnd(() => socket.close());
	await waitFor(async () => (await backend(at).members('raw')).json.count === 1, 'the client to be in the room');
	await backend(at).ops([{ op: 'send', room: 'raw', event: 'other', data: 'no' }, { op: 'append', room: 'raw', event: 'text', data: 'no' },
		{ op: 'send', room: 'raw', event: 'text', data: 'yes' }]);
	await waitFor(() => got.length > 0, 'the text to come');
	isDeep(got, ['yes'], 'a relay\'s client gets the texts that a backend publishes');
	socket.close();
}

/** Stock Socket.IO clients. */
async function socketio(base, at) {
	const io = (await import('socket.io-client').catch(() => null))?.io;
	if (!io)
		return skip('Socket.IO clients get what a backend publishes', 'socket.io-client is not installed');
	const api = backend(at);
	const got = { root: [], other: [] };
	const open = (name, namespace) => {
		const socket = io(base + namespace, { transports: ['polling'], forceNew: true });
		socket.onAny((event, data) => got[name].push(`${event}:${data}`));
		atEnd(() => socket.close());
		return new Promise((resolve) => socket.once('connect', () => resolve(socket)));
	};
	const [root, other] = await Promise.all([open('root', '/'), open('other', '/api')]);
	await api.ops([{ op: 'join', session: root.id, room: 'io' }, { op: 'join', session: other.id, room: '/api#io' }]);
	await api.ops([{ op: 'send', to: root.id, event: 'direct', data: 1 }, { op: 'send', room: 'io', event: 'room', data: 2 }, { op: 'append', room: 'io', event: 'no', data: 0 },
		{ op: 'send', room: '/api#io', event: 'room', data: 3 }, { op: 'send', room: '/', event: 'all', data: 4 }, { op: 'send', room: '/api', event: 'all', data: 5 }]);
	await waitFor(() => got.root.length >= 3 && got.other.length >= 2, () => `messages; there are ${JSON.stringify(got)}`);
	isDeep([got.root.sort(), got.other.sort()], [['all:4', 'direct:1', 'room:2'], ['all:5', 'room:3']],
		'Socket.IO clients get what a backend sends to their id, their rooms and their namespace');
	is((await api.disconnect(root.id)).status, 200, 'a backend ends the session of one');
	await waitFor(() => !root.connected, 'it to be told');
	ok(true, '... which learns of it');
	root.close();
	other.close();
}

async function disconnecting(base, at) {
	const api = backend(at);
	const ann = await Client.open(base, { rooms: ['exit'] });
	const bob = await Client.open(base, { rooms: ['exit'], data: 'Bob', hold: 20000 });
	await ann.waitEvent('$join');
	isDeep((await api.disconnect(bob.id)).json, {}, 'a backend ends a session');
	await waitFor(() => bob.gone, 'its poll to be answered');
	ok(true, 'its client learns at once that it is gone');
	await ann.waitEvent('$leave', ({ from, data }) => from === bob.id && data === 'Bob');
	ok(true, 'the others see it leave');
	refused(await api.disconnect(bob.id), 404, 'recipient_gone', 'it cannot be ended twice');
	refused(await api.look(bob.id), 404, 'recipient_gone', 'it is not there any more');
	refused(await pollOnce(base, bob.token), 410, 'session_gone', 'for its client neither');
	await ann.stop();
}

/* ---- Once ---- */

async function idempotency(base, at) {
	const api = backend(at);
	const ann = await Client.open(base, { rooms: ['once'] });
	const body = { room: 'once', event: 'n', data: 1, history: 3 };
	const first = await api.publish(body, '"key-1"');
	is(first.status, 200, 'a request with an idempotency key is answered');
	for (const i of range(3)) {
		const again = await api.publish(body, i ? '"key-1"' : 'key-1');
		isDeep([again.status, again.json], [200, first.json], i ? 'a repeat, anywhere, has the same answer' : 'the quotes may be left out');
	}
	refused(await api.publish({ ...body, data: 2 }, '"key-1"'), 422, 'idempotency_key_reused', 'another body with the same key is refused');
	refused(await api.ops([{ op: 'send', ...body }], '"key-1"'), 422, 'idempotency_key_reused', 'so is another endpoint');
	const crowd = await Promise.all(range(20).map(() => api.publish({ ...body, data: 'crowd' }, '"key-2"')));
	ok(crowd.every(({ status, json }) => status === 200 && json.id === crowd[0].json.id), 'of many at once all have the same answer',
		...crowd.map(({ text }) => text));
	const missing = await api.publish({ to: 'A'.repeat(22), event: 'e' }, '"key-3"');
	isDeep([missing.status, (await api.publish({ to: 'A'.repeat(22), event: 'e' }, '"key-3"')).code], [404, 'recipient_gone'], 'a refusal is an answer, too');
	const bob = await Client.open(base, { start: false });
	is((await api.disconnect(bob.id, '"key-4"')).status, 200, 'a session is ended with a key');
	is((await api.disconnect(bob.id, '"key-4"')).status, 200, 'and a repeat says that it was');
	await api.publish({ room: 'once', event: 'end' });
	await ann.waitEvent('end');
	isDeep(ann.of('once', 'n').map(({ data }) => data), [1, 'crowd'], 'each was done once');
	for (const bad of ['""', '"open', 'a b', `"${'x'.repeat(256)}"`, 'é'])
		refused(await api.publish(body, Buffer.from(bad).toString('latin1')), 400, 'bad_idempotency_key', `no key: ${bad.slice(0, 20)}`);
	is((await api.publish(body, `"${'x'.repeat(255)}"`)).status, 200, 'a key may be as long as --idempotency-key-max');
	await ann.stop();
}

async function limits(start) {
	const { instances, base, stop } = await start({ options: { 'api-key-file': keys, 'idempotency-max': 2, 'idempotency-ttl': '1s', 'idempotency-key-max': 4,
		'max-body': '2K', 'max-message': '1K', 'max-data': '1K', 'ops-max': 3, 'history-max': 2 } });
	const api = backend(base);
	const body = { room: 'r', event: 'n', data: 1 };
	refused(await api.publish(body, '"12345"'), 400, 'bad_idempotency_key', 'a key is no longer than --idempotency-key-max');
	const at = Date.now();
	for (const key of ['"a"', '"b"'])
		is((await api.publish(body, key)).status, 200, `key ${key} of --idempotency-max is remembered`);
	const third = await api.publish(body, '"c"');
	if (Date.now() - at < 900)
		refused(third, 503, 'too_many_idempotency_keys', 'one more is refused');
	is((await api.publish(body)).status, 200, 'what has no key is not');
	await waitFor(async () => (await api.publish(body, '"c"')).status === 200, 'keys to be forgotten after --idempotency-ttl');
	ok(true, 'after --idempotency-ttl keys are forgotten');
	const huge = await api.publish({ ...body, data: 'x'.repeat(3000) }).catch((error) => error);
	isDeep([huge.status, huge.code], [413, 'body_too_large'], 'a body is no larger than --max-body');
	refused(await api.publish({ ...body, data: 'x'.repeat(1023) }), 413, 'message_too_large', 'nor a message than --max-message');
	refused(await api.ops(Array(4).fill({ op: 'send', ...body })), 400, 'too_many_ops', 'there are no more operations than --ops-max');
	refused(await api.publish({ ...body, history: 3 }), 400, 'bad_op', 'nor more history than --history-max');
	is((await api.history('r', { count: 100 })).json.messages.length, 2, 'which is what is read of it at most');
	ok((await Promise.all(instances.map((instance) => instance.metrics('pollgate_api_pending')))).every((n) => n === 0), 'nothing is left waiting');
	await stop();
}

/* ---- When things break ---- */

/** Between an instance and its Redis: answers can be held back. */
async function startHold(port) {
	const state = { held: false, waiting: 0 };
	const server = net.createServer((client) => {
		const redis = net.connect(port, '127.0.0.1');
		client.on('data', (bytes) => redis.write(bytes));
		redis.on('data', (bytes) => {
			if (state.held)
				state.waiting += bytes.length;
			else
				client.write(bytes);
		});
		for (const [one, other] of [[client, redis], [redis, client]])
			one.on('error', () => {}).on('close', () => other.destroy());
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	atEnd(() => server.close());
	return Object.assign(state, { url: `redis://127.0.0.1:${server.address().port}`, close: () => server.close() });
}

async function kills() {
	if (!haveRedis())
		return skip('an instance killed between doing and answering', 'redis-server is not installed');
	const redis = await startRedis();
	const hold = await startHold(redis.port);
	const options = { 'api-key-file': keys, 'api-pending-max': 3, 'store-timeout': '20s' };
	const [victim, other] = [await startPollgate({ options: { ...options, redis: hold.url } }), await startPollgate({ redis, options })];
	const [ann, bob] = [await Client.open(other.base, { rooms: ['kill'] }), await Client.open(other.base, { rooms: ['kill'], start: false })];
	const one = (op, i) => ({ op, room: 'kill', event: 'n', data: `${op} ${i}` });
	for (const i of range(4)) {
		const ops = [one('send', i), one('append', i), { op: 'set', session: bob.id, data: i }];
		await backend(victim.base).members('kill'); /* Its scripts are there. */
		if (i === 0)
			await backend(victim.base).ops(ops.slice(0, 1), '"warm"');
		hold.held = i % 2 === 0;
		const asked = backend(victim.base).ops(ops.slice(0, i < 2 ? 2 : 3), `"kill-${i}"`).catch((error) => error);
		if (i % 2 === 0)
			await waitFor(() => ann.of('kill', 'n').some(({ data }) => data === `send ${i}`) || i >= 2, 'it to be done');
		await victim.kill();
		await asked;
		hold.held = false;
		const again = await backend(other.base).ops(ops.slice(0, i < 2 ? 2 : 3), `"kill-${i}"`);
		is(again.status, 200, `${i % 2 ? 'asked' : 'done'}, killed, and asked again elsewhere`);
		const twice = await backend(other.base).ops(ops.slice(0, i < 2 ? 2 : 3), `"kill-${i}"`);
		isDeep(twice.json, again.json, '... and once more, with the same answer');
		await victim.start();
	}
	await backend(other.base).publish({ room: 'kill', event: 'end' });
	await ann.waitEvent('end');
	isDeep(ann.of('kill', 'n').map(({ data }) => data), ['send 0', 'send 0', 'send 1', 'send 2', 'send 3'], 'nothing is done twice, or not at all (the first was asked for with two keys)');
	isDeep((await backend(other.base).history('kill')).json.messages.filter(({ data }) => /^append/.test(data)).map(({ data }) => data),
		range(4).map((i) => `append ${i}`), 'nor is what is for the history');

	hold.held = true;
	const waiting = range(3).map((i) => backend(victim.base).publish({ room: 'kill', event: 'late', data: i }, `"late-${i}"`).catch((error) => error));
	await waitFor(async () => await victim.metrics('pollgate_api_pending') === 3, 'requests to wait');
	refused(await backend(victim.base).publish({ room: 'kill', event: 'late' }), 503, 'overloaded', 'no more wait for the store than --api-pending-max');
	await victim.kill();
	await Promise.all(waiting);
	await Promise.all([ann.stop(), bob.stop()]);
	await victim.check();
	redis.pause();
	const lost = await startPollgate({ redis, options: { 'api-key-file': keys, 'store-timeout': '200ms' }, waitUp: true });
	for (const [method, target] of endpoints)
		refused(await backend(lost.base).ask(method, target, target === '/publish' ? { room: 'r', event: 'e' } : target === '/ops'
			? { ops: [{ op: 'set', session: 'A'.repeat(22), data: 1 }, { op: 'send', room: 'r', event: 'e' }] } : undefined), 503, 'store_unavailable',
		`${method} ${target} without a store`);
	redis.resume();
	await lost.stop();
	await other.stop();
	hold.close();
	await redis.kill();
}

/** Many backends publish, each asking until it is answered, while requests are lost and repeated and instances killed. */
async function chaos() {
	if (!haveRedis())
		return skip('publishing while instances are killed', 'redis-server is not installed');
	const redis = await startRedis();
	const cluster = await startCluster({ n: 3, redis, options: { 'api-key-file': keys }, proxy: { retry: 'refused' } });
	const { instances, proxy, base } = cluster;
	const ann = await Client.open(base, { rooms: ['chaos'], retryMs: 20 });
	proxy.fault = chances({ dropBefore: 0.05, dropAfter: 0.1, repeat: 0.1, delay: [0.1, 30] }, /^\/api\//, randomFrom(7));
	const statuses = new Map();
	let repeats = 0;
	const publish = async (name, n) => {
		for (const i of range(n))
			for (;;) {
				const answer = await backend(base).publish({ room: 'chaos', event: 'n', data: `${name}:${i}` }, `"${name}-${i}"`).catch(() => ({ status: 0 }));
				statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
				if (answer.status === 200)
					break;
				repeats++;
				await sleep(5);
			}
	};
	let killing = true;
	const killed = (async () => {
		for (let i = 0; killing; i++)
			await instances[i % 3].restart();
	})();
	await Promise.all(range(8).map((k) => publish(`b${k}`, 25)));
	killing = false;
	await killed;
	proxy.fault = undefined;
	const { messages } = (await backend(base).history('chaos')).json;
	const texts = messages.map(({ data }) => data);
	isDeep([...texts].sort(), range(8).flatMap((k) => range(25).map((i) => `b${k}:${i}`)).sort(), 'what backends publish is there once, whatever was killed');
	ok(range(8).every((k) => texts.filter((text) => text.startsWith(`b${k}:`)).every((text, i) => text === `b${k}:${i}`)), '... and in the order of each');
	await waitFor(() => ann.of('chaos', 'n').length >= 200, 'the listener to get all');
	isDeep(ann.of('chaos', 'n').map(({ data }) => data), texts, '... as a client gets it');
	ok(repeats > 0, 'requests were lost', JSON.stringify([...statuses]));
	await ann.stop();
	await cluster.stop();
	await redis.kill();
}

await scope('keys', async () => {
	await disabled();
	await files();
	await authentication();
	await floods();
	await users();
});
await forEachStore(async ({ start }) => {
	const { base, instances, stop } = await start({ options: { 'api-key-file': keys } });
	let turn = 0;
	const at = () => instances[turn++ % instances.length].base;
	await publishing(base, at);
	await library(base, at);
	await batches(base, at);
	await looking(base, at);
	await listing(base, at);
	await relayed(base, at);
	await socketio(base, at);
	await disconnecting(base, at);
	await idempotency(base, at);
	await stop();
});
await forEachStore(({ start }) => toUsers(start));
/* With a store of its own: what is counted is the whole store. */
await forEachStore(({ start }) => limits(start));
await scope('kills', kills);
await scope('chaos', chaos);
await scope('users in chaos', usersInChaos);
await done();
