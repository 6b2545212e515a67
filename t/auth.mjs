#!/usr/bin/env node
/* --auth jwt: who may open a session, and what it may do, on every instance and transport; attacks on tokens and on where keys come
   from. */
import { createHmac } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import WebSocket from 'ws';
import { connect as connectClient } from '../www/pollgate.js';
import { createSession, newToken, pollOnce, pollTogether, request, sendOps } from './lib/client.mjs';
import { KeyServer, encode, keyFile, newCertificate, newKeys, now, sign } from './lib/jwt.mjs';
import { forEachStore, pollcat, runPollgate, sourceDir, startPollgate, waitFor } from './lib/pollgate.mjs';
import { Child } from './lib/process.mjs';
import { atEnd, done, is, isDeep, like, ok, scope, unlike } from './lib/tap.mjs';

const secret = 'a secret that nobody guesses, of more than 32 bytes';
const apiKey = 'a-key-of-a-backend';
const everything = { join: ['*'], send: ['*'], history: ['*'] };
const claims = (rights = everything, more = {}) => ({ sub: 'ann', exp: now() + 600, pollgate: rights, ...more });
const token = (rights, more, options) => sign(claims(rights, more), secret, options);
const open = (base, auth, body = {}) => createSession(base, { auth, ...body });
const renew = (base, session, auth) => request(base, 'POST', '/v1/auth', { token: session.token, body: { auth } });
const errors = (answer) => answer.json.results.map((result) => result.error?.code ?? 'ok');

async function session(base, rights, { body, ...more } = {}) {
	const answer = await open(base, token(rights, more), body);
	if (answer.status !== 201)
		throw new Error(`no session: ${answer.status} ${answer.text}`);
	return answer.json;
}

/* ---- Tokens ---- */

async function opening(base) {
	const jwt = token();
	const byBody = await open(base, jwt);
	is(byBody.status, 201, 'a token in the body opens a session', byBody.text);
	ok(byBody.json.expires > 590_000 && byBody.json.expires <= 630_000, 'its end is told, leeway included', byBody.json.expires);
	is((await createSession(base, {}, { bearer: jwt })).status, 201, 'one in Authorization as well');
	is((await createSession(base, { auth: jwt }, { bearer: 'x' })).status, 201, 'that in the body wins');
	ok(!('expires' in (await open(base, sign({ sub: 'ann' }, secret))).json), 'a token without an end has none');
	const none = await createSession(base, {});
	isDeep([none.status, none.code, none.headers['www-authenticate']], [401, 'auth_required', 'Bearer'], 'without a token there is no session');
	const own = newToken();
	const first = await open(base, jwt, { token: own });
	const again = await open(base, jwt, { token: own });
	isDeep([first.status, again.status, again.json.id], [201, 200, first.json.id], 'opening may be repeated');
	is((await open(base, token(everything, { sub: 'bob' }), { token: own })).code, 'other_user', 'not by another user');
	is((await request(base, 'GET', '/engine.io/?EIO=4&transport=polling')).status, 401, 'a protocol that brings no tokens opens none');
}

async function attacks(base) {
	const pair = newKeys('RS256');
	const payload = encode(claims());
	const [head, body, signature] = token().split('.');
	const bad = {
		'alg none': sign(claims(), secret, { alg: 'none' }),
		'alg none with a signature': sign(claims(), secret, { alg: 'none', by: 'HS256' }),
		'alg NONE': `${encode({ alg: 'NONE' })}.${payload}.`,
		'no alg': `${encode({ typ: 'JWT' })}.${payload}.${signature}`,
		'an empty signature': `${head}.${body}.`,
		'another secret': sign(claims(), `${secret}.`),
		'other claims under the signature': `${head}.${payload}x.${signature}`,
		'another algorithm': sign(claims(), { ...pair, kid: undefined }),
		'a key of its own in the header': sign(claims(), pair, { header: { jwk: pair.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' } }),
		'HS512': `${encode({ alg: 'HS512' })}.${payload}.${createHmac('sha512', secret).update(`${encode({ alg: 'HS512' })}.${payload}`).digest('base64url')}`,
		'critical extensions': token(everything, {}, { header: { crit: ['b64'], b64: false } }),
		'another type': token(everything, {}, { header: { typ: 'secevent+jwt' } }),
		'an expired one': token(everything, { exp: now() - 31 }),
		'one that is not valid yet': token(everything, { nbf: now() + 60 }),
		'an exp that is text': token(everything, { exp: String(now() + 600) }),
		'another audience': token(everything, { aud: 'somebody' }),
		'a huge one': token(everything, { more: 'x'.repeat(7000) }),
		'claims that are no object': sign([], secret),
		'rooms that are no list': token({ join: '*' }),
		'a user that is a number': token(everything, { sub: 7 }),
		'data over the limit': token({ data: 'x'.repeat(4096) }),
		'padding': `${token()}=`,
		'white space': ` ${token()}`,
		'four parts': `${token()}.e30`,
		'JSON': JSON.stringify({ payload, signatures: [{ protected: head, signature }] }),
		'nothing': '',
		'a session\'s token': newToken(),
		'a NUL': `${token()}\u0000`,
		'no UTF-8': `${head}.${Buffer.from('{"sub":"\xff"}', 'latin1').toString('base64url')}.${signature}`,
		'deep nesting': sign(claims({ data: JSON.parse('['.repeat(70) + ']'.repeat(70)) }), secret),
	};
	for (const [what, jwt] of Object.entries(bad)) {
		const answer = await open(base, jwt);
		isDeep([answer.status, answer.code, typeof answer.json?.detail], [401, 'auth_invalid', 'string'], `${what} opens nothing`, answer.text);
	}
	for (const auth of [7, null, {}, [], true])
		is((await createSession(base, { auth })).code, 'auth_invalid', `nor does ${JSON.stringify(auth)} in place of a token`);
	ok((await createSession(base, {}, { bearer: token(everything, { more: 'x'.repeat(20_000) }) })).status >= 400, 'one that is larger than headers may be is refused with them');
	is((await open(base, token(everything, { exp: now() - 25 }))).status, 201, 'clocks may differ a little');
	is((await open(base, token(everything, { nbf: now() + 20 }))).status, 201, 'in both directions');
}

/* ---- Rights ---- */

async function rooms(base) {
	const rights = { join: ['lobby', 'team-*'], send: ['lobby', 'wall'], history: ['lobby'] };
	const ann = await session(base, rights, { body: { rooms: ['lobby', 'secret', { room: 'team-7', history: 3 }, { room: 'lobby', history: 3 }] } });
	isDeep(ann.rooms.map((room) => room.error?.code ?? room.room), ['lobby', 'forbidden', 'forbidden', 'lobby'],
		'an opening enters the rooms that the token names, and no others');
	const answer = await sendOps(base, ann.token, [
		{ op: 'join', room: 'team-7' }, { op: 'join', room: 'team' }, { op: 'join', room: 'lobby ' }, { op: 'join', room: 'LOBBY' },
		{ op: 'send', room: 'lobby', event: 'e' }, { op: 'send', room: 'wall', event: 'e' }, { op: 'send', room: 'team-7', event: 'e' },
		{ op: 'join', room: 'wall' }, { op: 'join', room: 'team-8', history: 1 }, { op: 'join', room: 'team-8', history: 0 },
		{ op: 'leave', room: 'team-8' }, { op: 'send', to: ann.id, event: 'e' }, { op: 'set', data: 1 }], 1);
	isDeep(errors(answer), ['ok', 'forbidden', 'forbidden', 'forbidden', 'ok', 'ok', 'forbidden', 'forbidden', 'forbidden', 'ok', 'ok', 'ok', 'ok'],
		'each operation is judged for itself');
	is(answer.json.seq, 14, 'those that are refused have their numbers');
	const again = await sendOps(base, ann.token, [...Array(13)].map(() => ({ op: 'send', room: 'lobby', event: 'other' })), 1);
	isDeep(errors(again), errors(answer), 'and the same result when the request is repeated');
	const members = (room) => request(base, 'GET', `/v1/rooms/${room}/members`, { token: ann.token });
	isDeep([(await members('lobby')).status, (await members('team-9')).status, (await members('wall')).code, (await members('secret')).status],
		[200, 200, 'forbidden', 403], 'members are told to whoever may enter');
	const poll = await pollOnce(base, ann.token, ann.cursor);
	isDeep(poll.json.messages.map(({ room, event }) => `${room ?? ''}/${event}`), ['/e'], 'what was forbidden reached nobody');
}

async function nothing(base) {
	const bare = (await open(base, sign({ sub: 'ann' }, secret))).json;
	const answer = await sendOps(base, bare.token, [{ op: 'join', room: 'lobby' }, { op: 'send', room: 'lobby', event: 'e' }, { op: 'set', data: 1 },
		{ op: 'send', to: bare.id, event: 'e' }]);
	isDeep(errors(answer), ['forbidden', 'forbidden', 'ok', 'ok'], 'a token that names no rooms opens a session that enters none');
	const still = await session(base, { direct: false, set: false }, { body: { data: 'mine' } });
	isDeep(errors(await sendOps(base, still.token, [{ op: 'set', data: 1 }, { op: 'send', to: bare.id, event: 'e' }])), ['forbidden', 'forbidden'],
		'sending to ids and changing data can be refused, too');
	is((await request(base, 'GET', `/v1/sessions/${still.id}`, { token: bare.token })).json.data, null, 'then the client does not choose its data at the beginning either');
}

async function data(base) {
	const named = await session(base, { ...everything, data: { name: 'Ann' } }, { body: { data: { name: 'Mallory' }, rooms: ['named'] } });
	isDeep(named.rooms[0].members[0].data, { name: 'Ann' }, 'the token\'s public data is the session\'s');
	isDeep(errors(await sendOps(base, named.token, [{ op: 'set', data: { name: 'Mallory' } }])), ['forbidden'], 'and cannot be changed');
	const other = await session(base, everything, { sub: 'bob', body: { rooms: ['named'], data: { name: 'Bob' } } });
	isDeep(other.rooms[0].members.map((member) => member.data.name).sort(), ['Ann', 'Bob'], 'without any the client chooses');
	is((await renew(base, named, token({ ...everything, data: { name: 'Anne' } }))).status, 200, 'a new token may bring other data');
	const poll = await pollOnce(base, other.token, other.cursor, 5000);
	isDeep(poll.json.messages.map((message) => [message.event, message.data.name]), [['$set', 'Anne']], 'of which the others in its rooms are told');
	await renew(base, named, token({ ...everything, data: { name: 'Anne' } }));
	isDeep((await pollOnce(base, other.token, poll.json.cursor)).json.messages, [], 'of the same data they are not');
}

/* ---- Time ---- */

const briefly = (seconds) => ({ exp: now() + seconds });

async function expiry(base, instances) {
	const brief = await session(base, everything, { ...briefly(1.5), body: { rooms: ['lobby'] } });
	const other = await session(base, everything, { sub: 'bob', body: { rooms: ['lobby'] } });
	const held = await session(base, everything, briefly(1.5));
	const socket = new WebSocket(`${instances.at(-1).base.replace('http', 'ws')}/v1/ws?token=${held.token}&cursor=${held.cursor}`);
	atEnd(() => socket.terminate());
	const closed = new Promise((resolve) => socket.once('close', (code, reason) => resolve([code, reason.toString()])).once('error', resolve));
	const streamed = await session(base, everything, briefly(1.5));
	const stream = fetch(`${instances[0].base}/v1/events?token=${streamed.token}&cursor=${streamed.cursor}`).then((answer) => answer.text());
	const parked = await pollOnce(base, brief.token, brief.cursor, 20_000);
	const two = [parked, await pollOnce(base, brief.token, parked.json.cursor ?? brief.cursor, 20_000)];
	const ended = two.find(({ status }) => status !== 200);
	isDeep([ended.status, ended.code], [401, 'auth_expired'], 'a parked poll is answered when the token ends');
	like(await stream, /event: expired\ndata: \{.*"code":"auth_expired"/, 'a stream ends with an event that says so');
	isDeep(await closed, [4401, 'auth_expired'], 'a socket is closed with 4401');
	is((await pollOnce(base, brief.token, brief.cursor)).code, 'auth_expired', 'from then on polls are refused');
	is((await sendOps(base, brief.token, [{ op: 'send', room: 'lobby', event: 'late' }], 1)).code, 'auth_expired', 'and sends');
	is((await request(base, 'GET', '/v1/rooms/lobby/members', { token: brief.token })).code, 'auth_expired', 'members');
	is((await request(base, 'GET', `/v1/sessions/${other.id}`, { token: brief.token })).code, 'auth_expired', 'looks');
	is((await request(base, 'HEAD', '/v1/poll', { token: brief.token, query: { cursor: brief.cursor } })).status, 401, 'HEAD');
	is((await request(base, 'GET', '/v1/events', { token: brief.token, query: { cursor: brief.cursor } })).code, 'auth_expired', 'streams');
	const shared = await pollTogether(base, [brief, other]);
	isDeep([shared.json.polls[0].error?.code, shared.json.polls[1]?.messages?.length >= 0], ['auth_expired', true], 'and its part of a shared poll, which goes on for others');
	await sendOps(base, other.token, [{ op: 'send', room: 'lobby', event: 'meanwhile' }, { op: 'send', to: brief.id, event: 'direct' }]);
	is((await renew(base, brief, token(everything, { exp: now() - 60 }))).code, 'auth_invalid', 'it is renewed by a token that counts only');
	is((await renew(base, brief, token(everything, { sub: 'bob' }))).code, 'other_user', 'of the same user');
	is((await renew(base, { token: newToken() }, token())).code, 'session_gone', 'if it is there');
	is((await request(base, 'POST', '/v1/auth', { token: brief.token, body: {} })).code, 'bad_request', 'and if there is one');
	const renewed = await renew(base, brief, token());
	isDeep([renewed.status, renewed.json.id, renewed.json.expires > 590_000], [200, brief.id, true], 'then it goes on');
	const rest = await pollOnce(base, brief.token, parked.json.cursor ?? brief.cursor);
	isDeep(rest.json.messages.filter(({ event }) => !event.startsWith('$')).map(({ event }) => event).sort(), ['direct', 'meanwhile'], 'with all that was sent to it meanwhile');
	isDeep(errors(await sendOps(base, brief.token, [{ op: 'send', room: 'lobby', event: 'on' }], 1)), ['ok'], 'and with the number where it was');
	const ending = await session(base, everything, briefly(1));
	await waitFor(async () => (await pollOnce(base, ending.token, ending.cursor)).code === 'auth_expired', 'it to end');
	is((await request(base, 'POST', '/v1/close', { token: ending.token })).status, 200, 'a session may be closed at any time');
}

async function renewal(base) {
	const ann = await session(base, everything, { ...briefly(2), body: { rooms: ['keep', 'drop'] } });
	const bob = await session(base, everything, { sub: 'bob', body: { rooms: ['drop'] } });
	const poll = pollOnce(base, ann.token, ann.cursor, 6000);
	is((await renew(base, ann, token({ join: ['keep'] }))).status, 200, 'a session is renewed while it is polled');
	const left = await pollOnce(base, bob.token, bob.cursor, 5000);
	isDeep(left.json.messages.map(({ event, from }) => [event, from]), [['$leave', ann.id]], 'it leaves the rooms that the new token does not let it enter');
	const waited = await poll;
	is(waited.status, 200, 'the poll outlives the old token', waited.text);
	isDeep(errors(await sendOps(base, ann.token, [{ op: 'join', room: 'drop' }, { op: 'send', room: 'keep', event: 'e' }, { op: 'join', room: 'keep' }])),
		['forbidden', 'forbidden', 'ok'], 'the new rights count');
	await sendOps(base, bob.token, [{ op: 'send', room: 'drop', event: 'not for her' }, { op: 'send', room: 'keep', event: 'for her' }]);
	const messages = (await pollOnce(base, ann.token, waited.json.cursor)).json.messages;
	isDeep(messages.filter(({ event }) => !event.startsWith('$')).map(({ event }) => event), ['for her'], 'and nothing more comes of what it left');
}

/* ---- Sockets ---- */

function connect(base, path, protocols) {
	const ws = new WebSocket(base.replace('http', 'ws') + path, protocols);
	const socket = { ws, got: [], closed: null };
	atEnd(() => ws.terminate());
	ws.on('message', (text, binary) => socket.got.push(binary ? text : text.toString()));
	ws.on('close', (code, reason) => socket.closed = [code, reason.toString()]);
	ws.on('error', () => {});
	return socket;
}

const ended = (socket) => waitFor(() => socket.closed, 'the socket to be closed').then(() => socket.closed);

async function sockets(base, instances) {
	const ann = await session(base, { join: ['lobby'], send: ['lobby'] });
	const { ws, got } = connect(instances[0].base, `/v1/ws?token=${ann.token}&cursor=${ann.cursor}`);
	await waitFor(() => got.length > 0, 'the first document');
	ws.send(JSON.stringify({ seq: 1, ops: [{ op: 'join', room: 'lobby' }, { op: 'join', room: 'secret' }, { op: 'send', room: 'secret', event: 'e' }] }));
	await waitFor(() => got.some((text) => text.includes('results')), 'results');
	isDeep(errors({ json: JSON.parse(got.find((text) => text.includes('results'))) }), ['ok', 'forbidden', 'forbidden'], 'frames with operations are judged like sends');
	ws.close();
	const brief = await session(base, everything, briefly(0.5));
	const late = connect(instances[0].base, `/v1/ws?token=${brief.token}`);
	await waitFor(async () => (await pollOnce(base, brief.token, brief.cursor)).status === 401, 'the end of the token');
	late.ws.send(JSON.stringify({ seq: 1, ops: [{ op: 'join', room: 'lobby' }] }));
	await waitFor(() => late.got.length > 0, 'an answer');
	isDeep([JSON.parse(late.got[0]).code, late.closed], ['auth_expired', null], 'on a socket that is no sink they are answered so, and it stays');
	late.ws.send(JSON.stringify({ cursor: brief.cursor }));
	isDeep(await ended(late), [4401, 'auth_expired'], 'it cannot become one');
}

async function relay(base, instances) {
	const at = (i) => instances[i % instances.length].base;
	const path = (jwt, room = 'den') => `/relay/${room}${jwt === undefined ? '' : `?auth=${encodeURIComponent(jwt)}`}`;
	const watcher = await session(base, everything, { sub: 'bob', body: { rooms: ['den'] } });
	isDeep(await ended(connect(at(0), path())), [4401, 'auth_required'], 'a relay wants a token');
	isDeep(await ended(connect(at(1), path(sign(claims(), 'x'.repeat(40))))), [4401, 'auth_invalid'], 'that counts');
	isDeep(await ended(connect(at(2), path(token({ send: ['den'] })))), [4403, 'forbidden'], 'for this room');
	const [one, two] = [connect(at(0), path(token({ join: ['d*'], send: ['den'], data: 'one' }))), connect(at(1), path(token({ join: ['den'] })))];
	await waitFor(async () => (await request(base, 'GET', '/v1/rooms/den/members', { token: watcher.token })).json.count === 3, 'three members');
	one.ws.send('hello');
	await waitFor(() => two.got.length > 0, 'a frame');
	isDeep(two.got, ['hello'], 'with it frames go through');
	const members = (await request(base, 'GET', '/v1/rooms/den/members', { token: watcher.token })).json.members;
	ok(members.some((member) => member.data === 'one'), 'and the others see its public data');
	two.ws.send('no');
	isDeep(await ended(two), [4403, 'forbidden'], 'a socket that may not send is closed when it does');
	isDeep(one.got, [], 'and nothing of it arrives');
	isDeep(await ended(connect(at(2), path(token({ join: ['den'], send: ['den'] }, briefly(1.2))))), [4401, 'auth_expired'], 'when the token ends it is closed');
	one.ws.close();
	const header = new WebSocket(at(0).replace('http', 'ws') + path(), { headers: { authorization: `Bearer ${token()}` } });
	atEnd(() => header.terminate());
	await new Promise((resolve, reject) => header.once('open', resolve).once('error', reject));
	await waitFor(async () => (await request(base, 'GET', '/v1/rooms/den/members', { token: watcher.token })).json.count === 2, 'two members');
	ok(true, 'who can set headers may give it there');
}

/* ---- So many sessions of a user ---- */

async function users(base, instances, keys) {
	const at = (i) => instances[i % instances.length].base;
	const of = (sub) => token(everything, { sub });
	const backend = (path) => request(base, 'GET', path, { bearer: keys });
	const count = async (room) => (await backend(`/api/v1/rooms/${room}/members`)).json.count;
	const all = async () => (await backend('/api/v1/sessions')).json.sessions.length;
	const before = await all();
	const [one, two] = [(await open(at(0), of('eve'), { rooms: ['full'] })).json, (await open(at(1), of('eve'), { rooms: ['full'] })).json];
	const own = newToken();
	const third = await open(at(2), of('eve'), { token: own, rooms: ['full'] });
	isDeep([third.status, third.code], [409, 'too_many_sessions'], 'a user has so many sessions; another one is refused', third.text);
	is((await open(at(0), of('eve'), { token: own, rooms: ['full'] })).code, 'too_many_sessions', 'also when asked for again');
	is((await pollOnce(base, own, one.cursor)).status, 410, 'nothing is left of it');
	isDeep([await count('full'), await all() - before], [2, 2], 'in no room and in no list');
	is((await renew(at(2), two, of('eve'))).status, 200, 'those that are there can be renewed');
	is((await open(at(1), of('mallory'))).status, 201, 'other users are not concerned');
	for (let i = 0; i < 3; i++)
		is((await open(at(i), sign({ pollgate: everything }, secret))).status, 201, 'nor are sessions of nobody in particular');
	const socket = connect(at(2), `/relay/full?auth=${of('eve')}`);
	isDeep(await ended(socket), [1013, 'too_many_sessions'], 'a relay says so as well');
	const seen = await pollOnce(base, one.token, one.cursor);
	is(seen.json.messages.filter(({ event }) => event === '$join').length, 1, 'and nobody has seen it', seen.text);
	is((await request(base, 'DELETE', '/v1/sessions', { token: one.token })).status, 200, 'one of them ends');
	is((await open(at(0), of('eve'), { token: own })).status, 201, 'then there is place for that one');
	const many = await Promise.all(Array.from({ length: 12 }, (_, i) => open(at(i), of('trudy'))));
	isDeep(many.map(({ status }) => status).sort(), [201, 201, ...Array(10).fill(409)], 'also of many at once no more are let in');
	is((await Promise.all(instances.map((instance) => instance.metrics('pollgate_sessions_refused_total')))).reduce((a, b) => a + b), 13, 'they are counted');
	for (const { token: mine } of [two, { token: own }, ...many.filter(({ status }) => status === 201).map(({ json }) => json)])
		await request(base, 'DELETE', '/v1/sessions', { token: mine });
	is((await open(at(0), of('trudy'))).status, 201, 'what has ended counts no more');
}

/* ---- www/pollgate.js ---- */

/** Tokens that last so many seconds; the first `fails` attempts after the first one fail. */
function issuer(seconds, fails = 0) {
	const give = async () => {
		if (++give.calls > 1 && give.calls <= 1 + fails)
			throw new Error('the issuer does not answer');
		return token(everything, briefly(seconds));
	};
	give.calls = 0;
	return give;
}

function openClient(base, auth, options = {}) {
	const client = connectClient(base, { auth, rooms: ['talk'], WebSocket, ...options });
	client.events = [];
	client.numbers = [];
	for (const event of ['gap', 'resumed', 'closed'])
		client.on(event, (value) => client.events.push([event, value.reason ?? value.fresh]));
	client.on('n', ({ data }) => client.numbers.push(data));
	atEnd(() => client.close());
	return client;
}

async function client(base) {
	await Promise.all([['poll'], ['poll', 'sse'], ['poll', 'ws']].map(async (transports) => {
		const auth = issuer(4); // It is renewed at 80 %: there is time for it on a busy machine.
		const room = `by ${transports}`;
		const options = { transports, rooms: [room] };
		const [ann, bob] = [openClient(base, auth, options), openClient(base, issuer(600), options)];
		const { id } = await ann.ready;
		await bob.ready;
		let n = 0;
		await waitFor(async () => {
			await bob.send({ room, event: 'n', data: n++ });
			await ann.send({ room, event: 'm' });
			return auth.calls >= 4;
		}, () => `${auth.calls} tokens`);
		await waitFor(() => ann.numbers.length >= n, () => `all messages; ${ann.numbers.length} of ${n} are there, ${JSON.stringify(ann.events)}`);
		isDeep(ann.numbers, [...Array(n).keys()], `${room}: a client renews its tokens, and gets each message once`);
		isDeep([ann.id, ann.events], [id, []], 'in time, again and again, as one session');
		await Promise.all([ann.close(), bob.close()]);
	}));
	const late = openClient(base, issuer(1, 3));
	const bob = openClient(base, issuer(600));
	const { id } = await late.ready;
	await bob.ready;
	let n = 0;
	await waitFor(async () => {
		await bob.send({ room: 'talk', event: 'n', data: n++ });
		return late.events.some(([event]) => event === 'resumed');
	}, 'it to have a token again');
	await waitFor(() => late.numbers.length >= n, 'all messages');
	isDeep(late.numbers, [...Array(n).keys()], 'one whose issuer fails for a while misses nothing');
	isDeep([late.id, late.events.filter(([event]) => event !== 'resumed')], [id, []], 'and keeps its session');
	await late.send({ room: 'talk', event: 'm' });
	const refused = async (auth) => openClient(base, auth).ready.then(() => 'opened', ({ code, message }) => code ?? message);
	isDeep([await refused(), await refused(() => 'nonsense'), await refused(() => Promise.reject(new Error('not signed in')))],
		['auth_required', 'auth_invalid', 'not signed in'], 'what is wrong at the beginning is told');
	let jwt = token(everything, briefly(1));
	const fired = openClient(base, () => jwt);
	await fired.ready;
	jwt = 'nonsense';
	await waitFor(() => fired.events.length, 'the end');
	isDeep(fired.events, [['closed', 'auth_invalid']], 'a token that is refused later ends it');
}

/** www/websocket.js, here as in a page. */
async function shim(base, instances) {
	globalThis.document = { baseURI: base, currentScript: { src: `${base}/websocket.js`, dataset: {} } };
	globalThis.CloseEvent ??= class extends Event {
		constructor(type, init) {
			super(type);
			Object.assign(this, init);
		}
	};
	vm.runInThisContext(readFileSync(path.join(sourceDir, 'www/websocket.js'), 'utf8'));
	delete globalThis.document;
	const peer = connect(instances[0].base, `/relay/shim?auth=${token()}`);
	await new Promise((resolve, reject) => peer.ws.once('open', resolve).once('error', reject));
	const at = (jwt) => new globalThis.PollgateWebSocket(`${base.replace('http', 'ws')}/relay/shim${jwt ? `?auth=${jwt}` : ''}`);
	const end = (socket) => new Promise((resolve) => socket.onclose = ({ code, reason }) => resolve([code, reason]));
	isDeep([await end(at()), await end(at('nonsense')), await end(at(token({ join: ['other'] })))],
		[[4401, 'auth_required'], [4401, 'auth_invalid'], [4403, 'forbidden']], 'it closes as the relay does');
	const socket = at(token());
	await new Promise((resolve) => socket.onopen = resolve);
	const heard = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
	socket.send('from the page');
	await waitFor(() => peer.got.length > 0, 'a frame');
	peer.ws.send('from the relay');
	isDeep([peer.got, await heard], [['from the page'], 'from the relay'], 'with the token in its URL it meets the relay');
	socket.close();
	peer.ws.close();
}

/** Sessions that were opened when no tokens were asked for. */
async function without(base, redis) {
	const plain = await startPollgate({ redis });
	const made = (await createSession(plain.base, { rooms: ['lobby'] })).json;
	is((await pollOnce(base, made.token, made.cursor)).code, 'auth_expired', 'a session without grants may do nothing');
	is((await sendOps(base, made.token, [{ op: 'join', room: 'lobby' }])).code, 'auth_expired', 'neither send');
	is((await renew(base, made, token())).status, 200, 'until a token gives it some');
	is((await pollOnce(base, made.token, made.cursor)).status, 200, 'and then it may');
	is((await request(plain.base, 'POST', '/v1/auth', { token: made.token, body: { auth: token() } })).code, 'auth_disabled', 'who asks for no tokens renews none');
	await plain.check();
}

/* ---- Keys ---- */

async function files() {
	for (const alg of ['RS256', 'ES256']) {
		const pair = newKeys(alg);
		for (const [what, text] of [['PEM', pair.pem], ['a JWK', JSON.stringify(pair.jwk)], ['a JWK set', JSON.stringify({ keys: [newKeys(alg).jwk, pair.jwk] })]]) {
			const gateway = await startPollgate({ options: { auth: 'jwt', 'auth-key-file': keyFile(text), 'auth-issuer': 'issuer', 'auth-audience': ['us', 'them'],
				'auth-claim': 'https://example.com/chat' } });
			const good = { iss: 'issuer', aud: ['x', 'us'], exp: now() + 60, 'https://example.com/chat': { join: ['a'] } };
			const made = await open(gateway.base, sign(good, pair), { rooms: ['a', 'b'] });
			isDeep([made.status, made.json.rooms?.map((room) => room.error?.code)], [201, [undefined, 'forbidden']], `${alg} by ${what}, and a claim of another name`);
			const refused = async (more, key = pair, options) => (await open(gateway.base, sign({ ...good, ...more }, key, options))).code;
			isDeep([await refused({ iss: 'other' }), await refused({ iss: undefined }), await refused({ aud: 'x' }), await refused({ aud: undefined })],
				Array(4).fill('auth_invalid'), 'another issuer or audience is refused');
			isDeep([await refused({}, newKeys(alg)), await refused({}, pair.pem, { alg: 'HS256' }), await refused({}, JSON.stringify(pair.jwk), { alg: 'HS256' }),
				await refused({}, text, { alg: 'HS256' })], Array(4).fill('auth_invalid'), 'another key is, and the public one used as a secret');
			await gateway.check();
		}
	}
}

/** SIGHUP reads the file again. */
async function reloaded() {
	const [old, next] = [newKeys('ES256', 'old'), newKeys('ES256', 'next')];
	const file = keyFile(old.pem);
	const gateway = await startPollgate({ options: { auth: 'jwt', 'auth-key-file': file } });
	const made = (await open(gateway.base, sign(claims(), old), { rooms: ['lobby'] })).json;
	const parked = pollOnce(gateway.base, made.token, made.cursor, 20000, { limitMs: 30000 });
	const hangUp = async (pattern) => {
		const from = gateway.log.length;
		gateway.signal('SIGHUP');
		await gateway.waitLog(pattern, from);
	};
	const status = async (key) => (await open(gateway.base, sign(claims(), key))).status;
	writeFileSync(file, 'short');
	await hangUp(/--auth-key-file .*: /);
	isDeep([await status(old), await status(next)], [201, 401], 'a file of keys that is wrong when SIGHUP comes changes nothing');
	rmSync(file);
	await hangUp(/--auth-key-file .*No such file/);
	is(await status(old), 201, 'nor does one that is not there');
	writeFileSync(file, old.pem + next.pem);
	await hangUp(/--auth-key-file .*: 2 keys/);
	isDeep([await status(old), await status(next)], [201, 201], 'SIGHUP reads it again: a new key counts beside the old one');
	writeFileSync(file, next.pem);
	await hangUp(/--auth-key-file .*: 1 keys/);
	isDeep([await status(old), await status(next)], [401, 201], 'until that is not there any more');
	await sendOps(gateway.base, made.token, [{ op: 'send', to: made.id, event: 'hi' }]);
	const got = await parked;
	isDeep([got.status, got.json.messages?.some(({ event }) => event === 'hi')], [200, true], 'who came by the old one stays, and what was under way goes on');
	await gateway.check();
}

const jwksOptions = { auth: 'jwt', 'auth-jwks-cooldown': '300ms', 'auth-jwks-timeout': '500ms', 'auth-jwks-max-age': '1s', 'auth-jwks-stale': '30s' };

async function published() {
	const [old, fresh, never] = [newKeys('ES256', 'old'), newKeys('RS256', 'fresh'), newKeys('ES256', 'never')];
	const server = await KeyServer.start([old]);
	const gateway = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url, 'auth-jwks-max-age': '1h' } });
	const status = async (key, options) => (await open(gateway.base, sign(claims(), key, options))).status;
	is(await status(old), 201, 'published keys are fetched');
	is(server.requests, 1, 'once');
	await waitFor(async () => { server.publish([old, fresh]); return await status(fresh) === 201; }, 'the new key to count');
	is(await status(old), 201, 'a token that names a new key makes them be fetched again');
	const before = server.requests;
	const began = Date.now();
	const tries = await Promise.all([...Array(200)].map(() => status(never)));
	isDeep([...new Set(tries)], [401], 'a key that is not there is refused');
	const most = 2 + Math.ceil((Date.now() - began) / 300);
	ok(server.requests - before <= most, 'but they are not asked for at each such token', `${server.requests - before} requests, at most ${most}`);
	is(await status({ ...never, kid: 'old' }), 401, 'nor does another key\'s name help');
	is(await status(old, { header: { kid: undefined } }), 201, 'a token need not name its key');
	is(await status(old, { header: { kid: 'x'.repeat(3000) } }), 401, 'nor may it name a strange one');
	is(await status(secret, { header: { kid: 'old' } }), 401, 'a secret is no published key');
	server.publish([fresh]);
	await gateway.check();
}

async function failing() {
	const [key, next] = [newKeys('ES256', 'one'), newKeys('ES256', 'two')];
	const server = await KeyServer.start([key]);
	server.hang();
	const gateway = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url } });
	let users = 0; /* One may have so many sessions. */
	const attempt = (of = key) => open(gateway.base, sign({ ...claims(), sub: `user ${++users}` }, of));
	const first = await attempt();
	isDeep([first.status, first.code, 'retry-after' in first.headers], [503, 'auth_unavailable', true], 'while there never were keys nobody is judged');
	is((await gateway.request('GET', '/health')).status, 200, 'the rest goes on');
	server.publish([key]);
	await waitFor(async () => (await attempt()).status === 201, 'keys');
	const wrong = [['never answers', () => server.hang()], ['fails', () => server.reply(500, '{"keys":[]}')], ['redirects', () => server.reply(302, '', { location: server.url })],
		['talks nonsense', () => server.reply(200, '<html>')], ['has no keys', () => server.reply(200, '{"keys":[]}')],
		['is huge', () => server.reply(200, `{"keys":[${'{},'.repeat(100_000)}{}]}`)], ['cuts', () => { server.answer = (_, response) => { response.write('{'); response.destroy(); }; }]];
	for (const [what, begin] of wrong) {
		begin();
		const errors = await gateway.metrics('pollgate_auth_keys_errors_total');
		await waitFor(async () => (await attempt()).status === 201 && await gateway.metrics('pollgate_auth_keys_errors_total') > errors, 'a fetch that fails');
		ok(true, `the last keys count while the server ${what}`);
	}
	await server.stop();
	await waitFor(async () => (await attempt(next)).status === 401, 'an answer');
	is((await attempt()).status, 201, 'or is gone');
	await server.restart();
	server.publish([next]);
	await waitFor(async () => (await attempt(next)).status === 201, 'the new key');
	is((await attempt()).status, 401, 'when it is back its keys replace the old ones');
	like(gateway.log.join('\n'), /auth-jwks/, 'it is logged');
	const short = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url, 'auth-jwks-stale': '0' } });
	await waitFor(async () => (await open(short.base, sign(claims(), next))).status === 201, 'keys');
	server.hang();
	await waitFor(async () => (await open(short.base, sign(claims(), next))).code === 'auth_unavailable', 'the end of the keys');
	ok(true, 'keys that are too old do not count any more');
	await gateway.check();
	await short.check();
}

async function certificates() {
	const [certificate, key] = [await newCertificate(), newKeys()];
	const server = await KeyServer.start([key], certificate);
	const trusting = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url, 'ca-file': certificate.file } });
	await waitFor(async () => (await open(trusting.base, sign(claims(), key))).status === 201, 'keys');
	is(server.version, '2.0', 'keys are fetched by HTTP/2 where it is offered');
	const before = server.requests;
	const doubting = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url } });
	await doubting.waitMetric('pollgate_auth_keys_errors_total', (errors) => errors > 0);
	is((await open(doubting.base, sign(claims(), key))).code, 'auth_unavailable', 'not from a server whose certificate nobody vouches for');
	const other = await startPollgate({ options: { ...jwksOptions, 'auth-jwks': server.url.replace('localhost', '127.0.0.1'), 'ca-file': certificate.file } });
	await other.waitMetric('pollgate_auth_keys_errors_total', (errors) => errors > 0);
	is((await open(other.base, sign(claims(), key))).code, 'auth_unavailable', 'nor from one whose certificate has another name');
	is(server.requests, before, 'these are not even asked');
	await Promise.all([trusting, doubting, other].map((gateway) => gateway.check()));
}

/** Who asks by the header Authorization, which the gateway sees as well in requests with the session's token. */
async function fromShell(base) {
	const watcher = await session(base, everything, { body: { rooms: ['shell'] } });
	const child = new Child(pollcat, [base, '--room', 'shell', '--send-only', '--header', `Authorization: Bearer ${token()}`], { stdio: ['pipe', 'pipe', 'pipe'] });
	child.process.stdin.end('a line\n');
	isDeep(await child.exited, { code: 0, signal: null }, 'pollcat brings a token by --header', child.stderr);
	const { json } = await pollOnce(base, watcher.token, watcher.cursor, 5000);
	ok(json.messages.some((message) => message.data === 'a line'), 'and its lines arrive', json);
	const refused = new Child(pollcat, [base, '--room', 'shell', '--send-only'], { stdio: ['pipe', 'pipe', 'pipe'] });
	refused.process.stdin.end('a line\n');
	const { code } = await refused.exited;
	ok(code > 0 && /auth_required|JSON Web Token/.test(refused.stderr), 'without it is told that there has to be one', code, refused.stderr);
}

async function settings() {
	const file = keyFile(secret);
	const refused = async (args, env) => (await runPollgate(args, { env })).stderr;
	like(await refused(['--auth=jwt']), /--auth-key-file and --auth-jwks/, 'keys must come from somewhere');
	like(await refused(['--auth=jwt', `--auth-key-file=${file}`, '--auth-jwks=https://a.example/']), /one of/, 'but not from two places');
	like(await refused([`--auth-key-file=${file}`]), /--auth jwt/, 'and not for nothing');
	const said = await refused(['--auth=jwt', '--auth-jwks=https://user:hunter2@a.example/']);
	like(said, /password/, 'a URL with a password is refused');
	unlike(said, /hunter2/, 'without saying it');
	like(await refused(['--auth=jwt', '--auth-jwks=file:///etc/passwd']), /https:/, 'so is one that is no http');
	const weak = await runPollgate(['--auth=jwt', `--auth-key-file=${keyFile('hunter2')}`]);
	ok(weak.code !== 0 && /32 bytes/.test(weak.stderr) && !/hunter2/.test(weak.stderr), 'a secret that is too short is refused, and not repeated');
	const shown = await runPollgate(['--auth=jwt', `--auth-key-file=${file}`, '--check-config']);
	unlike(shown.stdout, new RegExp(secret), 'a secret is not shown');
}

async function tellsNobody(instances) {
	const log = instances.flatMap((instance) => instance.log).join('\n');
	unlike(log, /eyJ|a secret that nobody/, 'no token and no secret is in the log');
	const refused = (await Promise.all(instances.map((instance) => instance.metrics()))).map((metrics) =>
		[metrics.pollgate_auth_refused_total, metrics.pollgate_auth_forbidden_total]);
	ok(refused.some(([tokens]) => tokens > 0) && refused.some(([, ops]) => ops > 0), 'refusals are counted', refused);
}

await forEachStore(async ({ start, redis }) => {
	const options = { auth: 'jwt', 'auth-key-file': keyFile(`${secret}\n`) };
	const { base, instances } = await start({ options });
	await scope('opening', () => opening(base));
	await scope('attacks', () => attacks(base));
	await scope('rooms', () => rooms(base));
	await scope('no rooms', () => nothing(base));
	await scope('data', () => data(base));
	await scope('renewal', () => renewal(base));
	await scope('pollcat', () => fromShell(base));
	if (redis)
		await scope('sessions from before', () => without(base, redis));
	await scope('what is told', () => tellsNobody(instances));
	const exact = await start({ options: { ...options, 'auth-leeway': '0' } });
	await scope('the end', () => expiry(exact.base, exact.instances));
	await scope('the client', () => client(exact.base));
	await scope('the shim', () => shim(base, instances));
	await scope('sockets', () => sockets(exact.base, exact.instances));
	await scope('the relay', () => relay(exact.base, exact.instances));
	const full = await start({ options: { ...options, 'user-sessions-max': '2', 'api-key-file': keyFile(`${apiKey}\n`) } });
	await scope('users', () => users(full.base, full.instances, apiKey));
});
await scope('key files', files);
await scope('key files that change', reloaded);
await scope('published keys', published);
await scope('a server that fails', failing);
await scope('certificates', certificates);
await scope('options', settings);
await done();
