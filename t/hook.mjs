#!/usr/bin/env node
/*
 * The application's backend: what it is told, what comes of its answers, and that whatever is killed or wrong no event is lost, none
 * has its effects twice, and each session's are in order.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { connect } from '../www/pollgate.js';
import { secret, startBackend } from './lib/backend.mjs';
import { Client, createSession, newToken, pollOnce, sendOps } from './lib/client.mjs';
import { now, sign } from './lib/jwt.mjs';
import { execute, freePort, tempDir, Child } from './lib/process.mjs';
import { forEachStore, pollgatectl, runPollgate, sleep, slowness, sourceDir, waitFor } from './lib/pollgate.mjs';
import { forEachTransport, waitingGauge } from './lib/receive.mjs';
import { request } from './lib/request.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const range = (n) => [...Array(n).keys()];
const dir = tempDir('hook');
const secretFile = path.join(dir, 'secret');
writeFileSync(secretFile, `${secret}\n`);

const optionsOf = (backend, more = {}) => ({ 'hook': backend.url, 'hook-secret-file': secretFile, 'hook-retries': 50, 'hook-timeout': '5s', ...more });
const told = (client, event) => client.messages.filter((message) => message.event === event);
const ackOf = (client, id) => told(client, '$ack').find((message) => message.data.id === id)?.data;

async function acked(client, result) {
	await waitFor(() => ackOf(client, result.id), () => `$ack of ${result.id}; got ${JSON.stringify(client.messages.slice(-5))}`);
	return ackOf(client, result.id);
}

const say = async (client, event, data) => (await client.ops({ op: 'send', event, data }))[0];

/* ---- Options ---- */

async function options() {
	const listen = `--listen=127.0.0.1:${await freePort()}`;
	const refuses = async (args, pattern, what) => {
		const { code, stderr } = await runPollgate([listen, ...args], { limitMs: 10000 });
		ok(code !== 0, what);
		like(stderr, pattern, `${what}: it says why`);
		ok(!stderr.includes('hunter2') && !stderr.includes(secret.slice(6)), `${what}: no secret is shown`);
	};
	await refuses(['--hook=http://me:hunter2@127.0.0.1/'], /--hook/, 'a URL with a password is refused');
	await refuses(['--hook=ftp://127.0.0.1/'], /--hook/, 'so is another scheme');
	await refuses(['--hook=http://127.0.0.1/', '--hook-events=dance'], /--hook-events/, 'and an event that is none');
	await refuses([`--hook-secret-file=${secretFile}`], /want --hook/, 'and a secret without a hook');
	const bad = path.join(dir, 'bad');
	writeFileSync(bad, `${secret.slice(6)}\n`);
	await refuses(['--hook=http://127.0.0.1/', `--hook-secret-file=${bad}`], /--hook-secret-file/, 'and a secret that is none');
}

/* ---- Events and answers ---- */

async function connects({ start }) {
	const backend = await startBackend(({ type, session, rooms }) => {
		if (type !== 'connect')
			return;
		if (session.data?.name === 'Mallory')
			return { accept: false, code: 'banned', message: 'You are not welcome.' };
		return { accept: true, data: { name: session.data?.name ?? 'nobody', asked: rooms }, rooms: ['lobby'] };
	});
	const { base } = await start({ options: optionsOf(backend) });
	const token = newToken();
	const body = { token, data: { name: 'Ann' }, rooms: ['own'] };
	const opened = await createSession(base, body, { headers: { 'Origin': 'https://app.example', 'User-Agent': 'me', 'X-Forwarded-For': '1.2.3.4' } });
	is(opened.status, 201, 'a session is opened when the application accepts it');
	const [event] = backend.events;
	isDeep([event.type, event.session, event.rooms, event.attempt], ['connect', { id: opened.json.id, data: { name: 'Ann' } }, ['own'], 1], 'it is asked first');
	isDeep(event.request, { origin: 'https://app.example', userAgent: 'me', address: '127.0.0.1', forwardedFor: '1.2.3.4' }, 'and told where from');
	const look = await request(base, 'GET', `/v1/sessions/${opened.json.id}`, { token });
	isDeep(look.json.data, { name: 'Ann', asked: ['own'] }, 'the session has the data that the application gave');
	isDeep(opened.json.rooms.map(({ room }) => room), ['own', 'lobby'], 'and is in its rooms, too');
	is((await createSession(base, body)).status, 200, 'who opens again finds it');
	is(backend.of('connect').length, 1, 'and the application is not asked again');
	const refused = await createSession(base, { data: { name: 'Mallory' } });
	isDeep([refused.status, refused.code, refused.json.reason, refused.json.detail], [403, 'connect_refused', 'banned', 'You are not welcome.'],
		'the application refuses, and says why');
	isDeep(backend.wrong, [], 'each request is signed, and is what it says');
	await backend.stop();
}

async function events({ start }) {
	const backend = await startBackend(({ type, event, data, session }) => {
		if (type === 'connect')
			return { rooms: ['all'] };
		if (type !== 'message')
			return;
		if (event === 'echo')
			return { ack: { got: data } };
		if (event === 'chat')
			return { ack: 'done', actions: [
				{ do: 'append', room: 'all', event: 'chat', data },
				{ do: 'emit', to: { room: 'all' }, event: 'said', data },
				{ do: 'emit', to: { others: 'all' }, event: 'others', data },
				{ do: 'emit', to: { id: session.id }, event: 'yours', data },
				{ do: 'history', room: 'all', max: 3 }] };
		if (event === 'move')
			return { actions: [{ do: 'join', room: 'extra' }, { do: 'set', data: { moved: true } }, { do: 'leave', room: 'all' }] };
		if (event === 'kick')
			return { actions: [{ do: 'disconnect', session: data }] };
	});
	const { base, instances } = await start({ options: optionsOf(backend) });
	const ann = await Client.open(base, { data: { name: 'Ann' }, rooms: ['den'] });
	const bob = await Client.open(base);
	isDeep((await acked(ann, await say(ann, 'echo', { n: 0.5 }))).data, { got: { n: 0.5 } }, 'a send to nobody goes to the application, which acknowledges it');
	const [message] = backend.of('message', ann.id);
	isDeep([message.event, message.data, message.session], ['echo', { n: 0.5 }, { id: ann.id, data: { name: 'Ann' }, away: false,
		rooms: message.session.rooms }], 'the event has its session');
	isDeep([...message.session.rooms].sort(), ['all', 'den'], 'with the rooms that it is in');
	await acked(ann, await say(ann, 'chat', 'hi'));
	await waitFor(() => told(ann, '$history').length > 0 && told(bob, 'others').length > 0, 'what the answer ordered');
	const names = ({ messages }) => messages.filter(({ event }) => !event.startsWith('$') || ['$ack', '$history'].includes(event)).map(({ event }) => event);
	isDeep(names(ann).slice(1).sort(), ['$ack', '$history', 'said', 'yours'], 'who sent it gets all but what is for the others');
	ok(names(ann).indexOf('yours') < names(ann).lastIndexOf('$ack'), 'its acknowledgement behind its messages');
	isDeep(names(bob), ['said', 'others'], 'the others get theirs, in order');
	isDeep(told(ann, '$history')[0].data, { room: 'all', messages: told(ann, '$history')[0].data.messages }, 'a history is of a room');
	ok(told(ann, '$history')[0].data.messages.some(({ event, data }) => event === 'chat' && data === 'hi'), 'and has what was appended before');
	is(told(bob, 'others')[0].from, ann.id, 'a message to the others is from whom they are the others of');
	await ann.ops({ op: 'join', room: 'quay' }, { op: 'join', room: 'quay' });
	await ann.ops({ op: 'leave', room: 'quay' });
	await backend.wait('join and leave', () => backend.of('leave', ann.id).length > 0);
	isDeep(backend.events.filter(({ type, session }) => ['join', 'leave'].includes(type) && session.id === ann.id).map(({ type, room }) => [type, room]),
		[['join', 'den'], ['join', 'quay'], ['leave', 'quay']], 'entering and leaving are told, once, but not what the application itself orders');
	await say(ann, 'move');
	await waitFor(async () => (await request(base, 'GET', `/v1/sessions/${ann.id}`, { token: bob.token })).json.data?.moved, 'new data');
	await acked(ann, await say(ann, 'echo', 1));
	isDeep(backend.of('message', ann.id).at(-1).session.rooms.sort(), ['den', 'extra'], 'the application moves a session');
	await say(bob, 'kick', ann.id);
	await backend.wait('the end of ann', () => backend.of('disconnect', ann.id).length > 0);
	isDeep(backend.of('disconnect', ann.id)[0].session, { id: ann.id, data: { moved: true } }, 'and ends one, of which it is told');
	await request(base, 'DELETE', '/v1/sessions', { token: bob.token });
	await backend.wait('the end of bob', () => backend.of('disconnect', bob.id).length > 0);
	bob.stop();
	ann.stop();
	is((await sendOps(base, (await createSession(base)).json.token, [{ op: 'send', event: '$x' }])).code, 'bad_op', 'events of the gateway are nobody else\'s');
	await Promise.all(instances.map((instance) => instance.waitMetric('pollgate_hook_waiting', 0)));
	await Promise.all(instances.map((instance) => instance.waitMetric('pollgate_hook_running', 0)));
	is(backend.of('disconnect').length, 2, 'each session ends once');
	isDeep(backend.wrong, [], 'all is signed');
	await backend.stop();
}

/* What an answer has for a session that it ends comes first, whatever the client waits with. */
async function farewells({ start }) {
	let parked;
	const backend = await startBackend(async ({ type, event, data, session }) => {
		if (type !== 'message' || event === 'echo')
			return type === 'message' ? { ack: data } : undefined;
		await parked();
		return { ack: data, actions: [{ do: 'emit', to: { id: session.id }, event: 'last', data }, { do: 'disconnect' }] };
	});
	const { base, instances: [gateway] } = await start({ n: 1, options: optionsOf(backend) });
	await forEachTransport(async (transport) => {
		const client = await Client.open(base);
		await acked(client, await say(client, 'echo', 1)); // From now on it hears of what comes.
		parked = () => gateway.waitMetric(waitingGauge(transport), 1);
		const { id } = await say(client, 'bye', 2);
		await waitFor(() => client.gone, 'its end');
		isDeep([told(client, 'last').map(({ data }) => data), ackOf(client, id)], [[2], { id, data: 2 }], 'a session gets what the answer has that ends it');
		is((await sendOps(base, client.token, [{ op: 'leave', room: 'r' }])).code, 'session_gone', 'and is gone');
		await backend.wait('its end', () => backend.of('disconnect', client.id).length > 0);
		client.stop();
		await gateway.waitMetric(waitingGauge(transport), 0);
	});
	await backend.stop();
}

async function lapses({ start }) {
	const backend = await startBackend();
	const { base } = await start({ options: optionsOf(backend, { 'away-after': '500ms', 'session-ttl': `${2 * slowness}s` }) });
	const opened = await Promise.all(range(10).map(() => createSession(base)));
	await backend.wait('ten ends', () => backend.of('disconnect').length >= 10);
	opened.push(await createSession(base)); // By the time that it has ended all instances have looked at the others again.
	await backend.wait('the last end', () => backend.of('disconnect', opened[10].json.id).length > 0);
	is(new Set(backend.of('disconnect').map(({ session }) => session.id)).size, 11, 'a session that nobody hears of ends');
	is(backend.of('disconnect').filter(({ attempt }) => attempt === 1).length, 11, 'once, however many instances look');
	ok(opened.every(({ status }) => status === 201), 'all had been opened');
	await backend.stop();
}

/* What pages are written with. */
async function pages({ start }) {
	const backend = await startBackend(({ type, event, data, session }) => {
		if (type === 'connect')
			return session.data ? { rooms: ['all'] } : { accept: false, code: 'no_name', message: 'Who are you?' };
		return type === 'message' ? { ack: [event, data], actions: [{ do: 'emit', to: { room: 'all' }, event: 'said', data }] } : undefined;
	});
	const { base } = await start({ options: optionsOf(backend) });
	const client = connect(base, { data: { name: 'Ann' } });
	const got = [];
	client.on('$ack', ({ data }) => got.push(['ack', data]));
	client.on('said', ({ data, room }) => got.push(['said', data, room]));
	await client.ready;
	const { id } = await client.send({ event: 'chat', data: 'hi' });
	await waitFor(() => got.length >= 2, () => `an acknowledgement and a message, got ${JSON.stringify(got)}`);
	isDeep(got.find(([what]) => what === 'ack'), ['ack', { id, data: ['chat', 'hi'] }], 'a page asks the application by www/pollgate.js');
	isDeep(got.find(([what]) => what === 'said'), ['said', 'hi', 'all'], 'and is in the rooms that it was brought into');
	const refused = await connect(base).ready.catch((error) => error);
	isDeep([refused.code, refused.message, refused.reason], ['connect_refused', 'Who are you?', 'no_name'], 'and is told that it may not come in, and why');
	await client.close();
	await backend.wait('its end', () => backend.of('disconnect').length > 0);
	await backend.stop();
}

/* With tokens: the application is told whose session it is, and a token's data and rooms are the last word. */
async function tokens({ start }) {
	const backend = await startBackend(({ type }) => (type === 'connect' ? { data: { from: 'hook' }, rooms: ['open', 'closed'] }
		: type === 'message' ? { actions: [{ do: 'emit', to: { user: 'ann' }, event: 'hello' }] } : undefined));
	const secretOfTokens = 'secret of the tokens 0123456789ab';
	const file = path.join(dir, 'tokens');
	writeFileSync(file, secretOfTokens, { mode: 0o600 });
	const { base } = await start({ options: optionsOf(backend, { auth: 'jwt', 'auth-key-file': file }) });
	const claims = (more) => sign({ sub: 'ann', exp: now() + 600, pollgate: { join: ['open'], send: ['open'], ...more } }, secretOfTokens);
	const opened = await createSession(base, { auth: claims(), data: 1 });
	is(opened.status, 201, 'who has a token is let in', opened.text);
	isDeep([backend.events[0].session.user, backend.events[0].session.data], ['ann', 1], 'the application is told whose session it is');
	isDeep(opened.json.rooms.map(({ room, error }) => room ?? error.code), ['open', 'forbidden'], 'and brings it into rooms that the token opens');
	isDeep((await request(base, 'GET', `/v1/sessions/${opened.json.id}`, { token: opened.json.token })).json.data, { from: 'hook' }, 'with its data');
	const claimed = await createSession(base, { auth: claims({ data: { from: 'token' } }) });
	isDeep((await request(base, 'GET', `/v1/sessions/${claimed.json.id}`, { token: claimed.json.token })).json.data, { from: 'token' },
		'unless the token says what it is');
	is((await createSession(base, { auth: 'nonsense' })).status, 401, 'who has none is not let in');
	is(backend.of('connect').length, 2, 'and the application is not asked');
	await sendOps(base, opened.json.token, [{ op: 'send', event: 'x' }]);
	await backend.wait('a message', () => backend.of('message').length > 0);
	is(backend.of('message')[0].session.user, 'ann', 'so it is with each event');
	for (const { token, cursor } of [opened.json, claimed.json])
		await waitFor(async () => (await pollOnce(base, token, cursor)).json.messages.some(({ event }) => event === 'hello'), 'what goes to a user');
	ok(true, 'and it may send to all sessions of a user');
	await backend.stop();
}

/* A backend that gives the same answer to the same id lets nobody in by what somebody else said. */
async function questions({ start }) {
	const answers = new Map();
	const judge = ({ auth }) => (auth?.password === 'right' ? { user: auth.user } : { accept: false });
	const backend = await startBackend((event) => {
		if (event.type === 'connect' && !answers.has(event.id))
			answers.set(event.id, judge(event));
		return answers.get(event.id);
	});
	const { base } = await start({ options: optionsOf(backend, { 'auth': 'hook', 'hook-events': ['connect'] }) });
	const token = newToken();
	const ask = (auth, more = {}) => createSession(base, { token, auth, ...more });
	const right = { user: 'ann', password: 'right' };
	const wrong = { user: 'ann', password: 'wrong' };
	isDeep([(await ask(wrong)).status, (await ask(wrong)).status], [403, 403], 'who says something wrong is refused');
	is(answers.size, 1, 'an opening that is repeated has the same id');
	is((await ask(right)).status, 201, 'who says something else, by the same token, is another one');
	const renew = (auth) => request(base, 'POST', '/v1/auth', { token, body: { auth } });
	isDeep([(await renew(right)).status, (await renew(wrong)).status], [200, 403], 'a session is not renewed by what opened it');
	is((await renew({ user: 'bob', password: 'right' })).code, 'other_user', 'nor by another user');
	is((await renew(right)).status, 200, 'but by who may');
	is(answers.size, 6, 'each renewal has an id of its own', [...answers.keys()]);
	await request(base, 'DELETE', '/v1/sessions', { token });
	is((await ask(wrong)).status, 403, 'the token alone does not let in');
	const before = answers.size;
	await ask(wrong, { rooms: ['r'] });
	await ask(wrong, { data: { name: 'Ann' } });
	await createSession(base, { token: newToken(), auth: wrong });
	is(answers.size, before + 3, 'rooms, data and token make another question, too');
	ok(backend.of('connect').every(({ id, session }) => id.startsWith(`${session.id}_`)), 'each id has its session');
	await backend.stop();
}

/* Grants bind the client, and the rooms that the same answer names, but not what the application orders. */
async function granted({ start }) {
	const backend = await startBackend(({ type }) => (type === 'message' ? { ackArgs: [7, 8], actions: [{ do: 'join', room: 'cellar' }] } : {
		user: 'ann', grants: { join: ['den'] }, rooms: ['den', 'attic'], actions: [{ do: 'join', room: 'loft' }] }));
	const { base } = await start({ options: optionsOf(backend, { 'auth': 'hook', 'hook-events': ['connect', 'message'] }) });
	const client = await Client.open(base);
	isDeep(client.session.rooms.map(({ room, error }) => room ?? error.code), ['den', 'forbidden'], 'rooms of the answer are entered as far as its grants go');
	is((await acked(client, await say(client, 'x'))).data, 7, 'a native client gets the first of several arguments');
	await acked(client, await say(client, 'x'));
	isDeep(backend.of('message').at(-1).session.rooms.toSorted(), ['cellar', 'den', 'loft'], 'what the application orders is done whatever they say');
	isDeep((await client.ops({ op: 'join', room: 'attic' }))[0].error.code, 'forbidden', 'but not what the client wants');
	client.stop();
	await backend.stop();
}

/* ---- Order, and what runs at once ---- */

async function order({ start, n }) {
	const backend = await startBackend(async ({ data, type }) => {
		await sleep(Math.random() * 10); // A backend takes its time.
		return type === 'message' ? { ack: data } : undefined;
	});
	const { base, instances } = await start({ options: optionsOf(backend, { 'hook-concurrency': 5 }) });
	const clients = await Promise.all(range(12).map(() => Client.open(base)));
	await Promise.all(clients.map(async (client) => {
		for (const i of range(15))
			await say(client, 'count', i);
	}));
	await waitFor(() => clients.every((client) => told(client, '$ack').length === 15), 'all to be acknowledged', { limitMs: 30000 });
	ok(clients.every((client) => told(client, '$ack').every(({ data }, i) => data.data === i)), 'each session is acknowledged in order');
	ok(clients.every(({ id }) => backend.of('message', id).filter(({ attempt }) => attempt === 1).every(({ data }, i) => data === i)), 'and told of in order');
	ok(backend.most > 1, 'several sessions at once', backend.most);
	ok(backend.most <= 10 * n, 'but not more than may');
	const counts = await Promise.all(instances.map((instance) => instance.metrics('pollgate_hook_done_total')));
	ok(counts.reduce((a, b) => a + b) >= 12 * 15, 'metrics count them', counts);
	clients.forEach((client) => client.stop());
	await backend.stop();
}

/* ---- A backend that is not well ---- */

async function trouble({ start }) {
	let mood = () => undefined;
	const backend = await startBackend((event) => (event.type === 'message' ? mood(event) ?? { ack: event.data } : undefined));
	const { base, instances } = await start({ options: optionsOf(backend, { 'hook-timeout': '500ms', 'hook-answer-max': '2K' }) });
	const client = await Client.open(base);
	const moods = {
		'says 500': () => ({ raw: { status: 500, text: 'oops' } }),
		'says 404': () => ({ raw: { status: 404 } }),
		'redirects': () => ({ raw: { status: 302 } }),
		'answers with HTML': () => ({ raw: { text: '<!doctype html><h1>It works' } }),
		'answers too much': () => ({ raw: { text: JSON.stringify({ ack: 'x'.repeat(3000) }) } }),
		'answers half': () => ({ raw: { text: '{"ack":1,"actions":[{"do":"emit","to":{"room":"r"},"event":"half"}]' } }),
		'orders what cannot be done': () => ({ ack: 1, actions: [{ do: 'emit', to: { id: client.id }, event: 'half' }, { do: 'dance' }] }),
		'never answers': () => ({ raw: { hang: true } }),
		'cuts the connection': ({ res }) => (res.destroy(), { raw: { hang: true } }),
	};
	for (const [what, bad] of Object.entries(moods)) {
		mood = ({ attempt }) => (attempt < 3 ? bad : () => undefined)({ res: backend.events.at(-1).res });
		const result = await say(client, 'try', what);
		is((await acked(client, result)).data, what, `a backend that ${what} is asked again`);
		const tries = backend.of('message').filter(({ data }) => data === what);
		isDeep([...new Set(tries.map(({ attempt }) => attempt))], [1, 2, 3], `${what}: attempts are counted`);
		is(new Set(tries.map(({ id }) => id)).size, 1, `${what}: by the same id`);
	}
	is(told(client, 'half').length, 0, 'nothing of an answer that is wrong in part was done');
	mood = () => undefined;
	await backend.stop();
	const lost = await say(client, 'try', 'later');
	ok(lost.id, 'a backend that is not there stops no client');
	const refused = await createSession(base);
	isDeep([refused.status, refused.code], [503, 'hook_unavailable'], 'but nobody new gets in');
	ok(refused.headers['retry-after'] > 0, 'who is told to come again');
	await waitFor(async () => (await Promise.all(instances.map((instance) => instance.metrics('pollgate_hook_circuit_open')))).some(Boolean), 'the circuit to open', { limitMs: 30000 });
	await backend.start();
	is((await acked(client, lost)).data, 'later', 'what happened meanwhile is told when it is back');
	await waitFor(async () => (await createSession(base)).status === 201, 'somebody new to get in');
	client.stop();
	await backend.stop();
}

/* Who writes a backend looks into the log. */
async function diagnosed({ start }) {
	const backend = await startBackend(({ type, attempt, session }) => {
		if (type === 'connect')
			return session.data === 'wrong' ? { accept: 'yes' } : session.data === 'lost' ? { raw: { status: 404 } } : undefined;
		return type === 'message' ? { ack: 1, ...(attempt < 3 ? { ackArgs: [1] } : {}) } : undefined;
	});
	const { base, instances: [{ log }] } = await start({ n: 1, options: optionsOf(backend) });
	const lines = (pattern) => log.filter((line) => pattern.test(line));
	const client = await Client.open(base);
	isDeep(lines(/WARN.*not answered well/), [], 'of what is answered well nothing is logged');
	is((await acked(client, await say(client, 'x'))).data, 1, 'an answer that is wrong is none');
	const messages = lines(/WARN.*a message of \S+ was not answered well/);
	ok(messages.length === 1 && /\(attempt 1\): .*ackArgs/.test(messages[0]), 'the first time is a warning, with what is wrong', messages);
	ok(messages[0]?.includes(client.id), 'and whose event it was');
	const refused = await Promise.all(['wrong', 'wrong', 'lost'].map((data) => createSession(base, { data })));
	isDeep(refused.map(({ code }) => code), Array(3).fill('hook_unavailable'), 'who cannot come in for that');
	const connects = lines(/WARN.*a connect of \S+ was not answered well/);
	ok(connects.length === 1 && /accept|status 404/.test(connects[0]), 'is seen there as well, with one line for many', connects);
	client.stop();
	await backend.stop();
}

/* A backend that says when to ask again. */
async function busyBackend({ start }) {
	const answers = {
		'503 and seconds': () => ({ status: 503, headers: { 'Retry-After': '3' } }),
		'429 and a date': () => ({ status: 429, headers: { 'Retry-After': new Date(Date.now() + 4000).toUTCString() } }),
	};
	const backend = await startBackend(({ data, attempt }) => (answers[data] && attempt === 1 ? { raw: answers[data]() } : { ack: data }));
	const { base } = await start({ options: optionsOf(backend, { 'hook-events': ['message'] }) });
	const [client, other] = await Promise.all([Client.open(base), Client.open(base)]);
	for (const what of Object.keys(answers)) {
		const result = await say(client, 'x', what);
		await backend.wait('an event', () => backend.of('message').some(({ data }) => data === what));
		await acked(other, await say(other, 'x', 'other'));
		is((await acked(client, result)).data, what, `${what}: it is asked again`);
		/* Who takes the queue of an instance that stood still begins at 1, and is told for itself. */
		const tries = backend.of('message').filter(({ data }) => data === what);
		const second = tries.find(({ attempt }) => attempt === 2);
		const first = tries[tries.indexOf(second) - 1];
		ok(first.attempt === 1 && second.at - first.at >= 2950, `${what}: but not before`, tries.map(({ attempt, at }) => [attempt, at]));
		ok(backend.of('message').filter(({ data }) => data === 'other').at(-1).at < second.at, `${what}: others do not wait`);
	}
	client.stop();
	other.stop();
	await backend.stop();
}

/* Instances that come later do not get a queue of which something is to be left alone, for they would not know. */
async function leftAlone({ start, store }) {
	if (store === 'memory')
		return;
	const REST = 8;
	const backend = await startBackend(({ attempt }) => (attempt === 1 ? { raw: { status: 429, headers: { 'Retry-After': `${REST}` } } } : { ack: 1 }));
	const { base, instances } = await start({ options: optionsOf(backend, { 'hook-events': ['message'] }), proxy: { retry: 'refused' } });
	const queues = async (instance) => (instance.running ? instance.metrics('pollgate_hook_queues') : 0);
	await Promise.all(instances.slice(1).map((instance) => instance.stop()));
	await instances[0].waitMetric('pollgate_hook_queues', 16);
	const clients = await Promise.all(range(8).map(() => Client.open(base)));
	const results = await Promise.all(clients.map((client) => say(client, 'x')));
	await backend.wait('an event of each', () => backend.of('message').length === clients.length);
	await Promise.all(instances.slice(1).map((instance) => instance.start()));
	await waitFor(async () => await queues(instances[1]) + await queues(instances[2]) > 0, 'them to get a queue', { limitMs: 40000, everyMs: 100 });
	await Promise.all(clients.map((client, i) => acked(client, results[i])));
	const attempts = backend.of('message').map(({ attempt }) => attempt).sort();
	const stoodStill = instances[0].log.some((line) => /a queue was not kept in time/.test(line)); /* Then it has lost them. */
	ok(stoodStill || attempts.join() === [...clients.map(() => 1), ...clients.map(() => 2)].join(), 'nobody else asks about what is to be left alone', attempts);
	clients.forEach((client) => client.stop());
	await backend.stop();
}

const KEY = 'key-of-the-hook-0123456789';
const keyFile = path.join(dir, 'keys');
writeFileSync(keyFile, `${KEY}\n`, { mode: 0o600 });

async function limits({ start }) {
	let cured = false;
	const backend = await startBackend(({ type, event }) => {
		if (type === 'message')
			return event === 'poison' && !cured ? { raw: { status: 400 } } : event === 'hold' ? { raw: { hang: true } } : { ack: event };
	});
	const { base, instances } = await start({ options: optionsOf(backend, { 'hook-retries': 1, 'hook-queue-max': 4, 'hook-timeout': '3s', 'api-key-file': keyFile }) });
	const client = await Client.open(base);
	const poison = await say(client, 'poison');
	const next = await say(client, 'next');
	isDeep((await acked(client, poison)).error.code, 'hook_failed', 'an event that is never answered well is dropped, and its sender told');
	is((await acked(client, next)).data, 'next', 'those behind it go on');
	is(backend.of('message').filter(({ event }) => event === 'poison').length, 2, 'it was asked about as often as may be');
	await waitFor(async () => (await Promise.all(instances.map((instance) => instance.metrics('pollgate_hook_dropped_total')))).includes(1), 'a metric');
	ok(instances.some(({ log }) => log.some((line) => /a message of \S+ was not answered well in 2 attempts, and is a dead letter; the last time: status 400/.test(line))), 'and logged');
	const letters = async () => (await request(base, 'GET', '/api/v1/letters', { bearer: KEY })).json.letters;
	const [letter] = await letters();
	isDeep([letter.session, letter.type, letter.event, letter.data], [client.id, 'message', 'poison', null], 'it is a dead letter');
	cured = true;
	const replay = ['--url', base, '--key-file', keyFile, '--idempotency-key', 'replay-1', 'replay', letter.id];
	const ctl = await execute(pollgatectl, replay);
	is(ctl.code, 0, 'which is replayed', ctl.stderr);
	const again = await execute(pollgatectl, replay);
	isDeep([again.code, again.stdout], [0, ctl.stdout], 'once, whoever asks by the same key again', again.stderr);
	is((await acked(client, JSON.parse(ctl.stdout))).data, 'poison', 'and answered, when the backend can');
	isDeep(await letters(), [], 'then it is none any more');
	is((await request(base, 'POST', `/api/v1/letters/${letter.id}`, { bearer: KEY })).code, 'letter_gone', 'and not replayed twice');
	cured = false;
	await acked(client, await say(client, 'poison'));
	const [{ id: second }] = await letters();
	const forget = (headers) => request(base, 'DELETE', `/api/v1/letters/${second}`, { bearer: KEY, headers });
	const key = { 'Idempotency-Key': '"forget-1"' };
	isDeep([(await forget(key)).json, (await forget(key)).json], [{}, {}], 'or it is forgotten, by a key as well');
	isDeep(await letters(), [], 'and gone');
	is((await forget({ 'Idempotency-Key': '"forget-2"' })).code, 'letter_gone', 'for who asks by another one');
	is((await request(base, 'POST', `/api/v1/letters/${second}`, { bearer: KEY, headers: key })).code, 'idempotency_key_reused', 'and a key stands for one request');
	const taken = () => Promise.all(instances.map((instance) => instance.metrics('pollgate_hook_events_total')));
	const before = await taken();
	const moved = { ops: [{ op: 'join', session: client.id, room: 'ordered' }, { op: 'leave', session: client.id, room: 'ordered' }] };
	is((await request(base, 'POST', '/api/v1/ops', { bearer: KEY, body: moved })).json.results.length, 2, 'a backend moves a session');
	isDeep(await taken(), before, 'which is no event for the application, nor counted as one');
	const results = [];
	for (const i of range(6))
		results.push((await sendOps(base, client.token, [{ op: 'send', event: 'hold', data: i }])).json.results[0]);
	ok(results.some(({ error }) => error?.code === 'overloaded'), 'no more events wait than may');
	is(results.filter(({ id }) => id).length, 4, 'as many as may do');
	is((await sendOps(base, client.token, [{ op: 'send', to: client.id, event: 'direct' }])).json.results[0].error, undefined, 'all else goes on');
	client.stop();
	await backend.stop();
}

async function only({ start }) {
	const backend = await startBackend(({ type }) => (type === 'message' ? { ack: 1 } : undefined));
	const { base } = await start({ options: optionsOf(backend, { 'hook-events': ['message'] }) });
	const client = await Client.open(base, { rooms: ['r'] });
	await acked(client, await say(client, 'x'));
	client.stop();
	await request(base, 'DELETE', '/v1/sessions', { token: client.token });
	isDeep([...new Set(backend.events.map(({ type }) => type))], ['message'], 'the application is told of what it wants');
	await backend.stop();
}

/* ---- Secrets that change ---- */

/* SIGHUP: each instance reads the file, and says what came of it. */
async function reread(instances, pattern) {
	await Promise.all(instances.map((instance) => {
		const from = instance.log.length;
		instance.signal('SIGHUP');
		return instance.waitLog(pattern, from);
	}));
}

async function reload({ start, store }) {
	let held;
	const backend = await startBackend(async ({ type, data }) => {
		await held;
		return type === 'message' ? { ack: data } : undefined;
	});
	const file = path.join(dir, `changing-${store}`);
	const next = `whsec_${Buffer.from('the next secret of 32 bytes, yes').toString('base64')}`;
	writeFileSync(file, `${secret}\n`);
	const { base, instances } = await start({ options: optionsOf(backend, { 'hook-secret-file': file, 'hook-events': ['message'] }) });
	const client = await Client.open(base);
	writeFileSync(file, `${next.slice(6)}\n`);
	await reread(instances, /--hook-secret-file .*: has a line that is no secret/);
	await acked(client, await say(client, 'x', 1));
	isDeep(backend.wrong, [], 'a file of secrets that is wrong when SIGHUP comes changes nothing');
	let release;
	held = new Promise((resolve) => release = resolve);
	const under = await say(client, 'x', 2);
	await backend.wait('an event', () => backend.events.length > 1);
	writeFileSync(file, `${secret}\n${next}\n`);
	await reread(instances, /--hook-secret-file .*: read/);
	backend.secret = next;
	release();
	is((await acked(client, under)).data, 2, 'what the backend is being asked meanwhile goes on');
	await acked(client, await say(client, 'x', 3));
	isDeep(backend.wrong, [], 'SIGHUP reads it again: a new secret signs');
	is(backend.events.at(-1).headers['webhook-signature'].split(' ').length, 2, 'beside the old one');
	writeFileSync(file, `${next}\n`);
	await reread(instances, /--hook-secret-file .*: read/);
	await acked(client, await say(client, 'x', 4));
	is(backend.events.at(-1).headers['webhook-signature'].split(' ').length, 1, 'until that is not there any more');
	isDeep(backend.wrong, [], 'then the new one signs alone');
	ok(instances.every(({ log }) => !log.some((line) => line.includes(secret.slice(6)) || line.includes(next.slice(6)))), 'secrets are not logged');
	client.stop();
	await backend.stop();
}

/* ---- Killed ---- */

const busy = (instances) => waitFor(async () => {
	for (const instance of instances)
		if (instance.running && await instance.metrics('pollgate_hook_running') > 0)
			return instance;
}, 'an instance to ask');

/* The instance that asks is killed when the backend has the event, and when it has answered, before, while or after it does what was answered. */
async function killed({ start, store }) {
	if (store === 'memory')
		return;
	let victim;
	const mode = new Map();
	const effects = ({ data, id }) => ({ ack: data, actions: [{ do: 'emit', to: { room: 'log' }, event: 'effect', data: [data, id] }] });
	let instances;
	const backend = await startBackend(async (event) => {
		if (event.type !== 'message')
			return;
		const how = mode.get(event.data);
		if (how === undefined)
			return effects(event);
		mode.delete(event.data);
		victim = await busy(instances);
		if (how === 'before') {
			await victim.kill();
			return { raw: { hang: true } };
		}
		return { raw: { text: JSON.stringify(effects(event)), sent: () => setTimeout(() => victim.signal('SIGKILL'), how) } };
	});
	const cluster = await start({ options: optionsOf(backend), proxy: { retry: 'refused' } });
	({ instances } = cluster);
	const watcher = await Client.open(cluster.base, { rooms: ['log'] });
	const client = await Client.open(cluster.base);
	const hows = ['before', 0, 'before', 1, 2, 'before', 0, 3];
	let n = 0;
	for (const how of hows) {
		mode.set(n, how);
		await say(client, 'do', n++);
		for (const _ of range(3))
			await say(client, 'do', n++);
		await waitFor(() => told(client, '$ack').length >= n, () => `${n} acknowledgements after ${how}, got ${told(client, '$ack').length}`, { limitMs: 30000 });
		await waitFor(() => !victim.running, 'the victim to be dead');
		await victim.start();
	}
	await say(client, 'do', n++); // What was to come twice comes before it: events of a session are in order.
	await waitFor(() => told(watcher, 'effect').some(({ data }) => data[0] === n - 1) && told(client, '$ack').some(({ data }) => data.data === n - 1), 'all effects');
	isDeep(told(watcher, 'effect').map(({ data }) => data[0]), range(n), `with ${hows.length} instances killed, each event has its effects once, in order`);
	isDeep(told(client, '$ack').map(({ data }) => data.data), range(n), 'and is acknowledged once, in order');
	is(new Set(backend.of('message').map(({ id }) => id)).size, n, 'by the same id, however often it was asked about');
	client.stop();
	watcher.stop();
	await backend.stop();
}

/* SIGTERM: what is under way is ended, the rest is left to others at once. */
async function drained({ start, store }) {
	if (store === 'memory')
		return;
	const backend = await startBackend(async ({ type, data }) => {
		await sleep(20); // Something is under way when an instance is told to end.
		return type === 'message' ? { ack: data } : undefined;
	});
	const { base, instances } = await start({ options: optionsOf(backend), proxy: { retry: 'refused' } });
	const clients = await Promise.all(range(8).map(() => Client.open(base)));
	const talk = Promise.all(clients.map(async (client) => {
		for (const i of range(20))
			await say(client, 'count', i);
	}));
	for (const instance of instances.slice(0, 2)) {
		await waitFor(() => backend.of('message').length > 10, 'events');
		is((await instance.stop()).code, 0, 'an instance that asks ends in order');
		await instance.start();
	}
	await talk;
	await waitFor(() => clients.every((client) => told(client, '$ack').length >= 20), 'all to be acknowledged', { limitMs: 30000 });
	ok(clients.every((client) => JSON.stringify(told(client, '$ack').map(({ data }) => data.data)) === JSON.stringify(range(20))),
		'through restarts each session is acknowledged in order, nothing twice');
	clients.forEach((client) => client.stop());
	await backend.stop();
}

/* Instances that come later get their share, and those that go leave theirs, while events go on. */
async function shares({ start, store }) {
	if (store === 'memory')
		return;
	const backend = await startBackend(async ({ type, data }) => {
		await sleep(20);
		return type === 'message' ? { ack: data } : undefined;
	});
	const { base, instances } = await start({ options: optionsOf(backend), proxy: { retry: 'refused' } });
	let held;
	const look = async () => (await Promise.all(instances.filter(({ running }) => running).map((instance) => instance.metrics('pollgate_hook_queues')))).sort().join();
	const shared = (wanted, what) => waitFor(async () => (held = await look()) === wanted, () => `${what}: ${wanted}, got ${held}`, { limitMs: 40000, everyMs: 100 });
	await Promise.all(instances.slice(1).map((instance) => instance.stop()));
	await shared('16', 'one to have all queues');
	const clients = await Promise.all(range(20).map(() => Client.open(base)));
	let going = true;
	const counts = Promise.all(clients.map(async (client) => {
		let n = 0;
		while (going)
			await acked(client, await say(client, 'count', n++));
		return n;
	}));
	await Promise.all(instances.slice(1).map((instance) => instance.start()));
	await shared('5,5,6', 'three to share them');
	ok(true, 'instances that come later get their share of the queues');
	await instances[0].stop();
	await shared('8,8', 'two to share them');
	ok(true, 'and those that are left that of one that goes');
	going = false;
	const sent = await counts;
	const askedOf = (client) => [...new Map(backend.of('message', client.id).map(({ id, data }) => [id, data])).values()];
	ok(clients.every((client, i) => JSON.stringify(askedOf(client)) === JSON.stringify(range(sent[i]))), 'meanwhile each session is asked about in order');
	await instances[0].start();
	clients.forEach((client) => client.stop());
	await backend.stop();
}

/* A Redis that lost a queue and has a clock that was set back gives ids that were passed already. */
async function setBack({ start, redis, store }) {
	if (store === 'memory')
		return;
	let hold;
	const backend = await startBackend(async ({ type, data }) => {
		await hold;
		return type === 'message' ? { ack: data } : undefined;
	});
	const { base } = await start({ options: optionsOf(backend, { 'hook-events': ['message'] }) });
	const client = await Client.open(base);
	let release;
	hold = new Promise((resolve) => release = resolve);
	const first = await say(client, 'x', 1);
	await backend.wait('an event', () => backend.events.length > 0);
	const [key] = await redis.command('KEYS', 'setBack:*}q:*');
	const [[, [, payload]]] = await redis.command('XRANGE', key, '-', '+');
	release();
	await acked(client, first);
	await redis.command('DEL', key);
	await redis.command('XADD', key, '1-1', 'd', payload);
	is((await acked(client, { id: '1-1' })).data, 1, 'an event with an id that was passed is found');
	client.stop();
	await backend.stop();
}

/* Who opens a session while its instance is killed asks again. */
async function killedConnect({ start, store }) {
	if (store === 'memory')
		return;
	let kill = true;
	let instances;
	const backend = await startBackend(async ({ type }) => {
		if (type !== 'connect' || !kill)
			return;
		kill = false;
		await Promise.all(instances.map((instance) => instance.kill()));
		await Promise.all(instances.map((instance) => instance.start()));
		return { raw: { hang: true } };
	});
	const cluster = await start({ options: optionsOf(backend) });
	({ instances } = cluster);
	const client = await Client.open(cluster.base);
	const [first, second] = backend.of('connect');
	is(first.id, second.id, 'an opening that is asked about again has the same id');
	client.stop();
	await request(cluster.base, 'DELETE', '/v1/sessions', { token: client.token });
	await backend.wait('its end', () => backend.of('disconnect').length > 0);
	is(backend.of('disconnect').length, 1, 'and its session ends once');
	await backend.stop();
}

/* ---- The manual's example ---- */

async function example({ start }) {
	const page = readFileSync(path.join(sourceDir, 'man/pollgate-hooks.7'), 'utf8');
	const code = /\.Bd -literal -offset indent\n(\/\/ backend\.mjs[^]*?)\n\.Ed/.exec(page)[1].replaceAll('\\e', '\\').replaceAll('\\&', '');
	const file = path.join(dir, 'backend.mjs');
	writeFileSync(file, code);
	const port = await freePort();
	const child = new Child(process.execPath, [file], { env: { ...process.env, PORT: String(port), SECRET: secret }, name: 'backend' });
	await waitFor(() => child.lines.some((line) => /listening/.test(line)), 'the example to listen');
	const { base } = await start({ options: optionsOf({ url: `http://127.0.0.1:${port}/` }) });
	const ann = await Client.open(base, { data: { name: 'Ann' } });
	const bob = await Client.open(base, { data: { name: 'Bob' } });
	isDeep((await acked(ann, await say(ann, 'chat', 'hi'))).data, { ok: true }, 'the example of the manual acknowledges');
	await waitFor(() => told(bob, 'chat').length > 0, 'a message');
	isDeep(told(bob, 'chat')[0].data, { name: 'Ann', text: 'hi' }, 'and tells the others');
	is((await createSession(base, {})).json.reason, 'no_name', 'it lets in who has a name');
	is((await request(`http://127.0.0.1:${port}`, 'POST', '/', { body: '{}', headers: { 'webhook-id': 'x', 'webhook-timestamp': '1', 'webhook-signature': 'v1,eA==' } })).status, 401,
		'and believes nobody else');
	await request(base, 'DELETE', '/v1/sessions', { token: ann.token });
	await waitFor(() => told(bob, 'left').length > 0, 'who left');
	ann.stop();
	bob.stop();
	await child.end('SIGKILL');
}

const parts = { connects, events, pages, tokens, questions, granted, farewells, lapses, order, trouble, diagnosed, busyBackend, leftAlone, limits, only, reload, shares, drained, setBack, killed, killedConnect, example };
const wanted = (process.env.HOOK_PARTS ?? Object.keys(parts).join(',')).split(',');
if (!process.env.HOOK_PARTS)
	await scope('options', options);
await forEachStore(async (setting) => {
	for (const name of wanted) {
		/* Each has a store of its own, and nobody else who asks. */
		const start = (settings) => setting.start({ ...settings, options: { prefix: name, ...settings.options } });
		await scope(name, () => parts[name]({ ...setting, start }));
	}
});
await done();
