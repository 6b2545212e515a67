#!/usr/bin/env node
/* www/pollgate.js against a gateway that loses, repeats, refuses and forgets on purpose. */
import { connect, PollgateError } from '../www/pollgate.js';
import { atEnd, done, is, isDeep, like, ok, scope } from './lib/tap.mjs';
import { waitFor } from './lib/wait.mjs';
import { CUT, error, page, startFake } from './lib/fake.mjs';
import { randomFrom } from './lib/proxy.mjs';
import { pause, realNow, run, speed } from './lib/time.mjs';

/** A client, the fake it talks to, and all that it tells. */
async function begin({ hold, on = {}, ...options } = {}) {
	const fake = await startFake();
	Object.assign(fake.on, on);
	fake.hold = hold ?? fake.hold;
	const client = connect(fake.url, options);
	const told = [];
	for (const event of ['gap', 'reconnecting', 'resumed', 'closed', 'message'])
		client.on(event, (value) => told.push({ told: event, ...value }));
	atEnd(() => client.close());
	const end = async () => {
		await client.close();
		await fake.stop();
	};
	return { fake, client, told, end, of: (event) => told.filter((one) => one.told === event) };
}

const rejection = (promise) => promise.then(() => undefined, (reason) => reason);
const firstTimes = (n, answer) => (request, usual) => n-- > 0 ? answer : usual();
const text = (id, data, room) => ({ id, from: 'someone', ...(room ? { room } : {}), event: 'chat', data });

async function opening() {
	const { fake, client, end } = await begin({ data: { name: 'Ann' }, rooms: ['lobby', { room: 'x', history: 5 }], on: { open: firstTimes(2, CUT) } });
	const answer = await client.ready;
	const asked = fake.of('open');
	is(asked.length, 3, 'opening a session is repeated until it is answered');
	like(asked[0].body.token, /^[A-Za-z0-9_-]{21}[AQgw]$/, 'the client brings a token of 128 bits in base64url');
	ok(asked.every(({ text: body }) => body === asked[0].text), 'each repeat says the same, so it opens one session');
	isDeep([asked[0].body.data, asked[0].body.rooms], [{ name: 'Ann' }, ['lobby', { room: 'x', history: 5 }]], 'public data and rooms go with it');
	isDeep([client.id, answer.id, answer.transports, answer.rooms.length], ['session-1', 'session-1', ['poll'], 2], 'ready tells the id, the transports and the rooms');
	like(asked[0].headers['content-type'], /^text\/plain/, 'a POST is text/plain, which needs no preflight');
	await waitFor(() => fake.of('poll').length > 0);
	isDeep(fake.of('poll')[0].query, { token: asked[0].body.token, cursor: 'start' }, 'the first poll goes on from the cursor of the session');
	await end();
}

async function openingAgain() {
	const { fake, client, end } = await begin({ on: { open: (request, usual) => usual().seq ? CUT : usual() } });
	await client.ready;
	isDeep([fake.sessions.length, (await client.send({ to: 'b', event: 'x' })).id, fake.of('send')[0].body.seq], [1, '1001-0', 1],
		'when the answer to the opening is lost, the repeated one finds the session, and numbers begin by 1');
	await end();
	const portal = await begin({ on: { open: firstTimes(2, { welcome: 'Please log in.' }) } });
	ok((await portal.client.ready).id, 'an answer that no gateway would give is none');
	await portal.end();
}

async function wrongUrl() {
	const { fake, client, of } = await begin({ on: { open: () => page(404, 'what?') } });
	const refused = await rejection(client.ready);
	is(refused?.code, 'http_404', 'a URL without a gateway is told, not repeated for ever');
	is(of('closed')[0]?.reason, 'http_404', 'and the client is closed');
	is((await rejection(client.join('lobby')))?.code, 'closed', 'nothing can be done with a closed client');
	await fake.stop();
}

async function refusedSession() {
	const { client, of, end } = await begin({ on: { open: () => error(403, 'origin_forbidden', { detail: 'Not from there.' }) } });
	await rejection(client.ready);
	isDeep([of('closed')[0]?.reason, of('closed')[0]?.detail], ['origin_forbidden', 'Not from there.'], 'a refusal closes the client with the gateway\'s reason');
	await end();
	const banned = await begin({ on: { open: () => error(403, 'connect_refused', { detail: 'You are not welcome.', reason: 'banned' }) } });
	const told = await rejection(banned.client.ready);
	ok(told instanceof PollgateError, 'the application\'s refusal is an error of ours');
	isDeep([told.code, told.message, told.reason, told.status], ['connect_refused', 'You are not welcome.', 'banned', 403], 'with the application\'s own code');
	isDeep(banned.of('closed').map(({ reason, error: why }) => [reason, why === told]), [['connect_refused', true]], 'which "closed" has as well');
	await banned.end();
}

async function permission() {
	for (const [what, auth, wanted] of [['a string', 'jwt', 'jwt'], ['an object', { name: 'Ann', roles: [1] }, { name: 'Ann', roles: [1] }], ['a list', [1, null], [1, null]],
		['nothing true', 0, 0], ['null', null, null], ['a function', () => 'jwt', 'jwt'], ['an async one', async () => ({ name: 'Ann' }), { name: 'Ann' }],
		['nothing', undefined, undefined]]) {
		const { fake, client, end } = await begin({ auth });
		await client.ready;
		isDeep(fake.of('open')[0].body.auth, wanted, `auth may be ${what}`);
		await end();
	}
	let asked = 0;
	for (const auth of ['jwt', { name: 'Ann' }, () => ++asked]) {
		const { fake, client, end } = await begin({ auth, on: { open: (request, usual) => ({ ...usual(), expires: 50 }) } });
		await client.ready;
		await waitFor(() => fake.of('auth').length > 0, 'a renewal');
		isDeep(fake.of('auth')[0].body, { auth: asked || auth }, 'and is brought again before it ends');
		await end();
	}
	is(asked, 2, 'a function is asked each time');
}

async function withoutCrypto() {
	const { crypto } = globalThis;
	Object.defineProperty(globalThis, 'crypto', { value: undefined, configurable: true });
	const { fake, client, end } = await begin();
	await client.ready;
	like(fake.of('open')[0].body.token, /^[\w-]{22}$/, 'Node 18, which has no global crypto, makes tokens, too');
	Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true });
	await end();
}

async function batching() {
	let flying = 0;
	let most = 0;
	const { fake, client, end } = await begin({ on: { send: async (request, usual) => {
		most = Math.max(most, ++flying);
		await pause(20);
		flying--;
		return usual();
	} } });
	const early = client.send({ to: 'b', event: 'early' });
	await client.ready;
	const first = [1, 2, 3].map((data) => client.send({ to: 'b', event: 'chat', data }));
	await early;
	const second = Array.from({ length: 70 }, (_, data) => client.send({ room: 'r', event: 'chat', data, self: true }));
	const results = await Promise.all([...first, ...second]);
	const sent = fake.of('send').map(({ body }) => body);
	is(sent[0].seq, 1, 'the first operation has number 1; what is sent before the session is open waits');
	is(most, 1, 'one request is under way at a time');
	ok(sent.every(({ ops }) => ops.length <= 64), 'a request has at most 64 operations');
	ok(sent.length <= 5, 'what is sent meanwhile goes with the next request', sent.map(({ ops }) => ops.length));
	let next = 1;
	ok(sent.every(({ seq, ops }) => seq === next && (next += ops.length)), 'numbers follow each other');
	isDeep(sent.flatMap(({ ops }) => ops).map(({ data }) => data), [null, 1, 2, 3, ...Array(70).keys()], 'the order is the order of the calls');
	ok(results.every(({ id }, i) => i === 0 || parseInt(id) > parseInt(results[i - 1].id)), 'each call gets its own result');
	await end();
}

async function bytes() {
	const { fake, client, end } = await begin();
	await client.ready;
	const data = 'ä'.repeat(30_000);
	await Promise.all(Array.from({ length: 12 }, () => client.send({ to: 'b', event: 'big', data })));
	ok(fake.of('send').every(({ text: body }) => Buffer.byteLength(body) <= 262144 + 50), 'a request has at most 256 kB of operations');
	await end();
}

async function repeating() {
	for (const [what, answer] of [['a cut connection', CUT], ['503', error(503, 'store_unavailable')], ['a proxy\'s error page', page(502, '<h1>Bad')],
		['somebody else\'s JSON', page(403, '{"code":"Forbidden"}', { 'Content-Type': 'application/json' })],
		['a page with 200', page(200, '<html>Log in</html>')], ['a page with 404', page(404, 'no')], ['429', error(429, 'slow_down')], ['half an answer', {}],
		['a refusal that breaks off', page(400, '{"code":"bad', { 'Content-Type': 'application/problem+json' })]]) {
		const { fake, client, end } = await begin({ on: { send: firstTimes(2, answer) } });
		const results = await Promise.all([client.send({ to: 'b', event: 'x', data: 1 }), client.set({ a: 1 })]);
		const sent = fake.of('send').map(({ text: body }) => body);
		ok(sent.length === 3 && sent.every((one) => one === sent[0]) && results[0].id, `after ${what} the same request is repeated until it is answered`, sent);
		await end();
	}
}

async function retryAfter() {
	const times = [];
	const { client, end } = await begin({ on: { send: (request, usual) => {
		times.push(realNow());
		return times.length === 1 ? error(503, 'overloaded', {}, { 'Retry-After': '1' }) : usual();
	} } });
	await client.send({ to: 'b', event: 'x' });
	ok(times[1] - times[0] >= 990, 'Retry-After is waited for', times[1] - times[0]);
	await end();
}

async function opErrors() {
	const { fake, client, end } = await begin();
	fake.result = (op) => op.to === 'gone' ? { error: { code: 'recipient_gone', detail: 'No such session.' } } : { id: fake.id() };
	const [bad, good] = await Promise.all([rejection(client.send({ to: 'gone', event: 'x' })), client.send({ to: 'b', event: 'x' })]);
	ok(bad instanceof PollgateError && bad.code === 'recipient_gone' && bad.message === 'No such session.', 'a refused operation rejects its own promise, by code');
	ok(good.id, 'and not that of the one behind it');
	const circular = {};
	circular.self = circular;
	ok(await rejection(client.send({ to: 'b', event: 'x', data: circular })) instanceof TypeError, 'data that JSON cannot say is refused at once');
	await end();
}

async function badRequest() {
	const { fake, client, end } = await begin({ on: { send: (request, usual) =>
		request.body.ops.some(({ event }) => event === '$bad') ? error(400, 'bad_op', { detail: 'no' }) : usual() } });
	const answers = await Promise.all(['a', '$bad', 'b', 'c'].map((event) => client.send({ to: 'x', event }).then(() => 'sent', ({ code }) => code)));
	isDeep(answers, ['sent', 'bad_op', 'sent', 'sent'], 'of a request that is refused for one operation the others are sent');
	const applied = fake.of('send').map(({ body }) => body).filter(({ ops }) => !ops.some(({ event }) => event === '$bad'));
	isDeep(applied.map(({ seq }) => seq), [1, 2, 3], 'and the refused one uses no number');
	await end();
}

async function tooLarge() {
	const { client, fake, end } = await begin({ on: { send: (request, usual) => request.text.length > 1000 ? error(413, 'body_too_large') : usual() } });
	const small = Array.from({ length: 20 }, (_, i) => client.send({ to: 'b', event: 'x', data: `${i}`.padEnd(100) }));
	const big = rejection(client.send({ to: 'b', event: 'x', data: 'x'.repeat(2000) }));
	await Promise.all(small);
	is((await big)?.code, 'body_too_large', 'an operation that alone is too large is rejected');
	const order = fake.of('send').filter(({ text: body }) => body.length <= 1000).flatMap(({ body }) => body.ops).map(({ data }) => parseInt(data));
	isDeep(order, [...Array(20).keys()], 'a gateway with a smaller limit gets smaller requests');
	await end();
}

async function hole() {
	const { fake, client, of, end } = await begin();
	for (let i = 0; i < 5; i++)
		await client.send({ to: 'b', event: 'x', data: i });
	let holes = 0;
	fake.on.send = (request, usual) => request.body.seq > 4 && holes++ === 0 ? error(409, 'seq_hole', { expected: 4 }) : usual();
	await client.send({ to: 'b', event: 'x', data: 'later' });
	isDeep(of('gap').map(({ reason, from, to }) => [reason, from, to]), [['sent', 4, 5]], 'a store that lost accepted sends is told as a gap with their numbers');
	is(fake.of('send').at(-1).body.seq, 4, 'and numbering goes on from where the store is');
	fake.on.send = firstTimes(2, error(409, 'seq_hole', { expected: 99 }));
	await client.send({ to: 'b', event: 'x' });
	is(fake.of('send').at(-1).body.seq, 5, 'a hole that cannot be is asked again');
	await end();
}

async function queueLimit() {
	const { fake, client, end } = await begin({ maxQueue: 3, on: { send: () => CUT } });
	const waiting = [1, 2, 3].map((data) => client.send({ to: 'b', event: 'x', data }));
	is((await rejection(client.send({ to: 'b', event: 'x' })))?.code, 'queue_full', 'more operations than maxQueue are refused with queue_full');
	delete fake.on.send;
	await Promise.all(waiting);
	ok((await client.send({ to: 'b', event: 'x' })).id, 'there is room again when the others are answered');
	await end();
}

async function polling() {
	const { fake, client, of, end } = await begin();
	const named = [];
	const off = client.on('chat', ({ data }) => named.push(data));
	client.on('closed', () => named.push('mistaken for the end'));
	await client.ready;
	fake.push([text('10-0', 'one'), text('10-1', 'two')]);
	await waitFor(() => of('message').length === 2);
	await waitFor(() => fake.of('poll').length >= 2);
	let failures = 0;
	fake.on.poll = (request, usual) => ++failures <= 3 ? CUT : usual();
	fake.push([text('10-1', 'again'), text('9-5', 'older'), text('11-0', 'three')]);
	await waitFor(() => of('message').length === 3);
	isDeep(of('message').map(({ data }) => data), ['one', 'two', 'three'], 'what comes twice is delivered once');
	fake.push([{ ...text('12-0', 'x'), event: 'closed' }]);
	await waitFor(() => failures > 5);
	isDeep(named, ['one', 'two', 'three'], 'messages are also events by their own name, unless that is one of the client\'s');
	const polls = fake.of('poll').slice(2, 7).map(({ query }) => query);
	ok(polls.slice(0, 4).every(({ cursor }) => cursor === polls[0].cursor), 'a poll that failed is repeated with the same cursor', polls);
	isDeep(polls.map(({ hold }) => hold), [undefined, '0', '0', '0', undefined], 'after a failure polls are not held, so success is known at once');
	off();
	fake.push([text('13-0', 'after off')]);
	await waitFor(() => of('message').length === 5);
	is(named.length, 3, 'a handler that was taken off hears nothing');
	await end();
}

async function rooms() {
	let answer;
	const { fake, client, of, end } = await begin({ on: { send: async (request, usual) => {
		await new Promise((resolve) => answer = resolve);
		return usual();
	} } });
	fake.joined = ({ room, history }) => ({ room, id: '50-0', members: [], count: 2, ...(history ? { history: [text('49-0', 'old', room), text('51-0', 'live', room)] } : {}) });
	await client.ready;
	const order = [];
	client.on('message', ({ data }) => order.push(data));
	const joining = client.join('lobby', { history: 10 }).then((result) => {
		order.push('joined');
		return result;
	});
	await waitFor(() => answer);
	fake.push([text('50-0', 'before', 'lobby'), text('51-0', 'live', 'lobby'), text('7-0', 'put there', 'other'), text('5-0', 'direct')]);
	await waitFor(() => of('message').length === 2);
	answer();
	const result = await joining;
	await waitFor(() => of('message').length === 3);
	isDeep(order, ['put there', 'direct', 'joined', 'live'], 'messages of a room come after the answer to its join, from its position on; those of a room that a backend put us in come at once');
	isDeep(result.history.map(({ data }) => data), ['old'], 'history has what is before that position, so nothing comes twice');
	isDeep(fake.of('send')[0].body.ops, [{ op: 'join', room: 'lobby', history: 10 }], 'join asks for what it was told to, and no more');
	answer = undefined;
	const leaving = client.leave('lobby');
	await waitFor(() => answer);
	answer();
	await leaving;
	fake.push([text('60-0', 'too late', 'lobby'), text('7-0', 'put there', 'other'), text('6-0', 'direct')]);
	await waitFor(() => of('message').length === 4);
	is(of('message').at(-1).data, 'direct', 'nothing comes from a room that was left, nor twice from one that we were put in');
	answer = undefined;
	const away = client.leave('other');
	await waitFor(() => answer);
	answer();
	await away;
	fake.push([text('61-0', 'too late', 'other'), text('7-0', 'direct, too')]);
	await waitFor(() => of('message').length === 5);
	is(of('message').at(-1).data, 'direct, too', 'which can be left, too');
	await end();
}

async function joinRefused() {
	const { fake, client, of, end } = await begin();
	fake.joined = () => ({ error: { code: 'room_full', detail: 'Two are there.' } });
	is((await rejection(client.join('lobby', { max: 2 })))?.code, 'room_full', 'a full room rejects with room_full');
	let joins = 0;
	fake.joined = ({ room }) => ++joins === 1 ? { repeated: true } : { room, id: '50-0', members: [], count: 1, existing: true };
	is((await client.join('lobby', { max: 2 })).count, 1, 'a join whose answer is forgotten is asked for again');
	fake.push([text('51-0', 'live', 'lobby')]);
	await waitFor(() => of('message').length === 1);
	await end();
}

async function gaps() {
	const { fake, client, told, end } = await begin({ rooms: ['lobby'] });
	fake.push([text('2000-0', 'a'), text('2000-0', 'a', 'lobby')]);
	await waitFor(() => told.length === 2);
	fake.push([text('3005-0', 'b')], { gaps: [{ from: '2000-0', to: '3000-0' }, { room: 'lobby', from: '2000-0', to: '1500-0' }, { room: 'other', from: '1-0', to: '2-0' }] });
	await waitFor(() => told.length === 6);
	isDeep(told.slice(2).map(({ told: what, reason, room, to, data }) => [what, reason, room, to, data]), [
		['gap', 'trimmed', undefined, '3000-0', undefined], ['gap', 'trimmed', 'lobby', '1500-0', undefined], ['gap', 'trimmed', 'other', '2-0', undefined], ['message', undefined, undefined, undefined, 'b'],
	], 'a gap is told before what comes after it');
	fake.push([text('1500-0', 'no', 'lobby'), text('1600-0', 'lower than before', 'lobby'), text('2999-0', 'no')]);
	await waitFor(() => told.length === 7);
	is(told.at(-1).data, 'lower than before', 'ids may go back when the gap says so');
	await end();
}

async function forgotten() {
	const { fake, client, told, of, end } = await begin({ data: 1, rooms: ['first'] });
	await client.ready;
	await client.join('second', { max: 2, history: 3 });
	await client.join('left');
	await client.leave('left');
	await client.set({ name: 'Ann' });
	fake.push([text('2000-0', 'a'), text('2000-0', 'b', 'first')]);
	await waitFor(() => of('message').length === 2);
	const [old] = fake.sessions;
	const gone = (request, usual) => request.token === old.token ? error(410, 'session_gone') : usual();
	let unanswered = 0;
	fake.on.send = (request, usual) => request.token === old.token && ++unanswered === 1 ? CUT : gone(request, usual);
	const unsure = rejection(client.send({ to: 'b', event: 'unsure' }));
	const harmless = client.set({ name: 'Ann' });
	await waitFor(() => fake.of('send').some(({ body }) => body.ops[0].event === 'unsure'));
	const queued = client.send({ to: 'b', event: 'untried' });
	fake.on.poll = gone;
	is((await unsure)?.code, 'session_gone', 'a send that the old session may have got is rejected with session_gone');
	ok((await queued).id && await harmless === undefined, 'what it cannot have got, and what does no harm twice, goes to the new session');
	await waitFor(() => of('resumed').length === 1);
	const reopened = fake.of('open')[1].body;
	ok(reopened.token !== old.token, 'a forgotten session is followed by a new one with a new token');
	isDeep([reopened.data, reopened.rooms], [{ name: 'Ann' }, ['first', 'second'].map((room) => room === 'first' ? { room } : { room, history: 3, max: 2 })],
		'which has the public data and enters the rooms that the old one was in');
	isDeep(of('gap').map(({ reason, room, from }) => [reason, room, from === null ? from : /^\d+-\d+$/.test(from)]),
		[['session', undefined, true], ['session', 'first', true], ['session', 'second', true]], 'a gap is told for the mailbox and for each room');
	const [resumed] = of('resumed');
	isDeep([resumed.fresh, resumed.id, resumed.previous, resumed.rooms.map(({ room }) => room), client.id],
		[true, 'session-2', 'session-1', ['first', 'second'], 'session-2'], 'resumed says that all is new, and what the joins answered');
	ok(told.findIndex((one) => one.told === 'reconnecting') < told.findIndex((one) => one.told === 'gap') &&
		told.findLastIndex((one) => one.told === 'gap') < told.indexOf(resumed), 'the order is reconnecting, gap, resumed');
	is(fake.of('send').at(-1).token, reopened.token, 'sends go to the new session');
	is(fake.of('send').find(({ token }) => token === reopened.token).body.seq, 1, 'and are numbered from 1');
	fake.on.poll = undefined;
	fake.push([text('1-0', 'low id'), text('9999-0', 'room', 'second')]);
	await waitFor(() => of('message').length === 4);
	ok(true, 'messages of the new session come whatever their ids');
	await end();
}

/** A request that hangs in the old session does not hold up the new one. */
async function hanging() {
	const { fake, client, of, end } = await begin();
	await client.ready;
	fake.on.send = () => new Promise(() => {});
	const lost = rejection(client.send({ to: 'b', event: 'x' }));
	await waitFor(() => fake.of('send').length >= 1);
	delete fake.on.send;
	fake.on.poll = firstTimes(1, error(410, 'session_gone'));
	fake.push([text('1-0', 'wake')]);
	await waitFor(() => of('resumed').length === 1);
	is((await lost)?.code, 'session_gone', 'what the old session has not answered is rejected');
	ok((await client.send({ to: 'b', event: 'x' })).id, 'and holds nothing up in the new one');
	ok((await client.members('r').catch(({ code }) => code)) === 'not_found', 'questions go to the new session');
	is(fake.of('other')[0].token, fake.sessions[1].token, 'with its token');
	await end();
}

async function notForgiven() {
	const { fake, client, of, end } = await begin({ resume: false });
	await client.ready;
	const asked = rejection(new Promise((resolve, reject) => client.on('closed', reject)));
	fake.on.poll = () => error(410, 'session_gone');
	fake.push([text('1-0', 'wake')]);
	await asked;
	is(of('closed')[0].reason, 'session_gone', 'with resume: false a forgotten session is the end');
	is(fake.of('open').length, 1, 'and no other is opened');
	await end();
}

async function invalid() {
	const { client, of, end } = await begin({ on: { poll: () => error(401, 'token_invalid') } });
	await client.ready;
	await waitFor(() => of('closed').length === 1);
	is(of('closed')[0].reason, 'token_invalid', 'any other refusal of a poll closes the client with its code');
	await end();
}

async function outage() {
	const { fake, client, told, of, end } = await begin();
	await client.ready;
	await waitFor(() => fake.of('poll').length >= 1);
	let failed = 0;
	fake.on.poll = (request, usual) => failed++ === 0 ? CUT : usual();
	fake.push([text('1-0', 'wake')]);
	await waitFor(() => failed >= 3);
	isDeep(of('reconnecting'), [], 'one failure that its repeat makes good is not told');
	let down = true;
	fake.on.poll = fake.on.send = (request, usual) => down ? CUT : usual();
	fake.push([text('2-0', 'wake')]);
	await waitFor(() => of('reconnecting').length >= 2);
	ok(of('reconnecting').every(({ reason, delay }) => reason === 'network' && delay >= 0 && delay <= 10000), 'reconnecting says why, and when the next attempt is');
	const sending = client.send({ to: 'b', event: 'x' });
	down = false;
	ok((await sending).id, 'what is sent meanwhile is sent later');
	await waitFor(() => of('resumed').length === 1);
	ok(!of('resumed')[0].fresh && told.at(-1).told === 'resumed', 'resumed comes as soon as the gateway answers again');
	await end();
}

async function restart() {
	const { fake, client, end, of } = await begin({ on: { open: () => CUT } });
	await waitFor(() => of('reconnecting').length >= 1);
	delete fake.on.open;
	await client.ready;
	await waitFor(() => of('resumed').length === 1);
	isDeep(of('resumed').map(({ fresh }) => fresh), [false], 'a gateway that comes up late is reconnecting, then resumed');
	await end();
}

async function emptyAnswers() {
	const { fake, client, end } = await begin({ on: { poll: ({ query }) => ({ cursor: query.cursor, messages: [] }) } });
	await client.ready;
	await pause(700); // The time over which requests are counted.
	ok(fake.of('poll').length < 60, 'a gateway that answers nothing at once is not asked without a pause', fake.of('poll').length);
	await end();
}

async function silence() {
	run(200);
	const { fake, client, of, end } = await begin({ on: { poll: () => new Promise(() => {}) } });
	await client.ready;
	await waitFor(() => fake.of('poll').length >= 3);
	ok(true, 'a poll that is not answered 10 s after its hold is given up and repeated');
	delete fake.on.poll;
	fake.on.send = firstTimes(1, new Promise(() => {}));
	ok((await client.send({ to: 'b', event: 'x' })).id, 'so is a send');
	ok(of('closed').length === 0, 'silence closes nothing');
	run(1);
	await end();
}

async function cuts() {
	run(100);
	const { fake, client, end } = await begin({ on: { poll: async ({ query }, usual) => {
		const hold = Number(query.hold ?? 25000);
		await pause(Math.min(hold, 20000) / speed);
		return hold > 20000 ? CUT : { cursor: query.cursor, messages: [] };
	} } });
	await client.ready;
	const held = () => fake.of('poll').filter(({ query }) => query.hold > 0);
	await waitFor(() => held().length >= 3);
	ok(held().every(({ query }) => query.hold > 8000 && query.hold < 20000), 'where idle requests are cut after 20 s, polls are held for less', held().map(({ query }) => query.hold));
	is(fake.of('poll').filter(({ query }) => query.hold === undefined).length, 2, 'from the second cut on');
	run(1);
	await end();
}

async function closing() {
	const { fake, client, of, end } = await begin({ on: { send: () => new Promise(() => {}) } });
	await client.ready;
	await waitFor(() => fake.of('poll').length >= 1);
	const pending = rejection(client.send({ to: 'b', event: 'x' }));
	await waitFor(() => fake.of('send').length >= 1);
	await client.close();
	is((await pending)?.code, 'closed', 'close rejects what is not answered');
	isDeep(of('closed').map(({ reason }) => reason), ['closed'], 'and tells closed');
	is(fake.of('close')[0]?.token, fake.sessions[0].token, 'the gateway is told');
	await fake.of('poll')[0].aborted;
	ok(true, 'the poll is ended');
	await client.close();
	is(fake.of('close').length, 1, 'closing twice is closing once');
	await end();
}

async function closingEarly() {
	let answer;
	const { fake, client, end } = await begin({ on: { open: async (request, usual) => {
		await new Promise((resolve) => answer = resolve);
		return usual();
	} } });
	await waitFor(() => answer);
	await client.close();
	answer();
	is((await rejection(client.ready))?.code, 'closed', 'a client that is closed while it opens says so');
	await waitFor(() => fake.of('close').length >= 2);
	is(fake.of('close')[1].token, fake.sessions[0].token, 'and does not leave its session behind');
	await end();
}

async function questions() {
	const { fake, client, end } = await begin();
	let failures = 0;
	fake.on.other = ({ path }) => failures++ < 2 ? error(503, 'store_unavailable')
		: path.startsWith('/v1/rooms/') ? { room: 'a/b', members: [], count: 0 } : error(404, 'recipient_gone');
	is((await client.members('a/b é')).count, 0, 'questions are repeated, too');
	is(fake.of('other')[0].path, '/v1/rooms/a%2Fb%20%C3%A9/members', 'a room\'s name is encoded');
	is((await rejection(client.look('nobody')))?.code, 'recipient_gone', 'a session that is not there is told by code');
	await end();
}

async function badHandler() {
	const { fake, client, of, end } = await begin();
	const thrown = [];
	const { queueMicrotask: real } = globalThis;
	globalThis.queueMicrotask = (fn) => {
		try {
			fn();
		} catch (reason) {
			thrown.push(reason.message);
		}
	};
	client.on('chat', () => {
		throw new Error('oops');
	});
	fake.push([text('1-0', 'a'), text('2-0', 'b')]);
	fake.push([text('3-0', 'c')]);
	await waitFor(() => of('message').length === 3);
	globalThis.queueMicrotask = real;
	isDeep(thrown, ['oops', 'oops', 'oops'], 'a handler that throws is reported, and the rest goes on');
	await end();
}

async function pageEvents() {
	const handlers = {};
	const beacons = [];
	const target = { addEventListener: (name, fn) => handlers[name] = fn, removeEventListener: (name) => delete handlers[name] };
	const { addEventListener, removeEventListener } = target;
	Object.assign(globalThis, { addEventListener, removeEventListener, document: { ...target, hidden: false } });
	Object.defineProperty(globalThis, 'navigator', { value: { sendBeacon: (url) => beacons.push(url) }, configurable: true });
	const { fake, client, of, end } = await begin();
	await client.ready;
	await waitFor(() => fake.of('poll').length >= 1);
	handlers.visibilitychange();
	handlers.online();
	await fake.of('poll')[0].aborted;
	await waitFor(() => fake.of('poll').length >= 3);
	is(fake.of('poll')[1].query.hold, '0', 'back online, the poll is renewed at once: its connection is probably dead');
	fake.on.send = firstTimes(1, error(503, 'overloaded', {}, { 'Retry-After': '60' }));
	const sending = client.send({ to: 'b', event: 'x' });
	await waitFor(() => fake.of('send').length >= 1);
	await waitFor(async () => handlers.online() || (await pause(10), fake.of('send').length === 2));
	ok((await sending).id, 'and what waited is sent at once');
	await waitFor(() => fake.of('poll').at(-1).query.hold === undefined);
	const polls = fake.of('poll');
	handlers.pagehide();
	isDeep(beacons, [`${fake.url}/v1/close?token=${fake.sessions[0].token}`], 'a page that goes away closes its session by a beacon');
	await polls.at(-1).aborted;
	handlers.pageshow({ persisted: false });
	handlers.pageshow({ persisted: true });
	await waitFor(() => of('resumed').length === 1);
	ok(of('resumed')[0].fresh, 'and opens a new one when it comes back from the back-forward cache');
	await end();
	isDeep(handlers, {}, 'a closed client listens to nothing');
	for (const name of ['addEventListener', 'removeEventListener', 'document', 'navigator'])
		delete globalThis[name];
}

/** A store of its own in the fake: applies by number, remembers results, and a network that does everything to requests. */
async function torture() {
	const random = randomFrom(7);
	const applied = [];
	const results = new Map();
	const late = [];
	let next = 1;
	const apply = ({ seq, ops }) => {
		if (seq > next)
			return error(409, 'seq_hole', { expected: next });
		ops.forEach((op, i) => {
			if (seq + i !== next)
				return;
			applied.push(op.data);
			results.set(next++, { id: `${next}-0` });
		});
		return { seq: next, results: ops.map((op, i) => results.get(seq + i)) };
	};
	const stream = [];
	const { fake, client, of, end } = await begin({ on: {
		send: async ({ body }) => {
			await pause(random() * 5);
			const dice = random();
			if (dice < 0.1)
				return CUT;
			if (dice < 0.2)
				return error(503, 'store_unavailable');
			late.push(body);
			if (dice < 0.3)
				apply(late[Math.floor(random() * late.length)]); // A copy that was on its way for long.
			const answer = apply(body);
			return dice < 0.5 ? CUT : answer;
		},
		poll: async ({ query }) => {
			await pause(random() * 5);
			const from = Number(query.cursor === 'start' ? 0 : query.cursor);
			const again = Math.max(0, from - Math.floor(random() * 3));
			const dice = random();
			return dice < 0.2 ? CUT : dice < 0.3 ? page(504, 'late') : { cursor: String(stream.length), messages: stream.slice(again) };
		},
	} });
	run(20);
	const sending = [];
	for (let i = 0; i < 400; i++) {
		sending.push(client.send({ to: 'b', event: 'n', data: i }));
		stream.push(text(`${i + 1}-0`, i));
		if (random() < 0.2)
			await pause(random() * 8);
	}
	const answers = await Promise.all(sending);
	await waitFor(() => of('message').length >= 400);
	run(1);
	isDeep(applied, [...Array(400).keys()], 'through lost, late and repeated requests every send is applied once and in order');
	ok(answers.every(({ id }, i) => id === `${i + 2}-0`), 'and its promise has its own result');
	isDeep(of('message').map(({ data }) => data), [...Array(400).keys()], 'through lost and repeated answers every message is delivered once and in order');
	isDeep(of('gap'), [], 'without a gap');
	await end();
}

/** Who is there: from the answer to the join, then from the gateway's events. */
async function presence() {
	const { fake, client, end } = await begin({ data: 'me' });
	const changes = [];
	client.on('presence', ({ room, members, change }) => changes.push([room, change.type, change.id, members.map(({ id }) => id).join()]));
	fake.joined = ({ room }) => ({ room, id: '50-0', members: [{ id: 'session-1', data: 'me' }, { id: 'a', data: 1 }], count: 2 });
	await client.join('lobby');
	isDeep(client.presence('lobby'), [{ id: 'session-1', data: 'me' }, { id: 'a', data: 1 }], 'presence is the members of the join');
	const event = (id, name, from, data) => ({ id, from, room: 'lobby', event: name, data });
	fake.push([event('51-0', '$join', 'b', 2), event('52-0', '$away', 'a', 1), event('53-0', '$set', 'a', 3), event('54-0', '$back', 'b', 2),
		event('55-0', '$leave', 'b', 2), event('56-0', '$leave', 'b', 2), event('57-0', '$set', 'nobody', 2)]);
	await waitFor(() => changes.length === 6);
	isDeep(client.presence('lobby'), [{ id: 'session-1', data: 'me' }, { id: 'a', data: 3, away: true }], 'and what the events made of it');
	isDeep(changes.map(([, type, id]) => [type, id]), [['reset', undefined], ['join', 'b'], ['away', 'a'], ['set', 'a'], ['back', 'b'], ['leave', 'b']],
		'each change is told once; what changes nothing is not');
	is(changes[1][3], 'session-1,a,b', 'with the list as it is then');
	await client.set('changed');
	is(client.presence('lobby')[0].data, 'changed', 'our own data changes as well, although the gateway tells only the others');
	let answer;
	fake.on.other = (request, usual) => new Promise((resolve) => answer = () => resolve({ room: 'lobby', members: [{ id: 'session-1', data: 'me' }, { id: 'c', data: 1 }], count: 2 }));
	fake.push([], { gaps: [{ room: 'lobby', from: '57-0', to: '60-0' }] });
	await waitFor(() => answer);
	fake.push([event('61-0', '$leave', 'c', 1), event('62-0', '$join', 'd', 1)]);
	await waitFor(() => changes.at(-1)[1] === 'join');
	answer();
	await waitFor(() => changes.at(-1)[1] === 'reset');
	is(changes.at(-1)[3], 'session-1,d', 'after a gap the members are asked for; what came before the answer counts on top of it');
	await client.leave('lobby');
	isDeep(client.presence('lobby'), [], 'a room that was left has nobody');
	await end();
}

async function history() {
	const { fake, client, end } = await begin();
	is((await rejection(client.history('lobby', 5)))?.code, 'not_joined', 'history is for rooms that we are in');
	await client.join('lobby');
	fake.joined = ({ room, history: n }) => ({ room, id: '50-0', members: [], count: 1, existing: true, history: [text('49-0', n, room)] });
	isDeep((await client.history('lobby', 5)).map(({ data }) => data), [5], 'history asks for so many messages');
	await end();
}

async function away() {
	const { fake, client, told, of, end } = await begin();
	client.on('away', () => told.push({ told: 'away' }));
	await client.ready;
	await waitFor(() => fake.of('poll').length >= 1);
	run(200);
	fake.on.poll = () => CUT;
	fake.push([text('1-0', 'wake')]);
	await waitFor(() => of('away').length === 1, undefined, { limitMs: 60000 * 20 });
	delete fake.on.poll;
	run(1);
	await waitFor(() => told.at(-1).told === 'resumed');
	is(of('away').length, 1, 'who is out of contact for as long as the gateway says is away, until resumed');
	await end();
}

async function transports() {
	const { client, end } = await begin();
	const changes = [];
	client.on('transport', (change) => changes.push(change));
	is(client.transport, undefined, 'before the session is open nothing comes');
	await client.ready;
	isDeep([client.transport, changes], ['poll', [{ transport: 'poll', previous: undefined, reason: 'open' }]], 'then messages come by poll, which is told');
	client.use('poll');
	is((await rejection((async () => client.use('pigeon'))()))?.code, 'transport_unavailable', 'another transport cannot be chosen');
	await end();
}

for (const [words, test] of Object.entries({
	opening, openingAgain, wrongUrl, refusedSession, permission, withoutCrypto, batching, bytes, repeating, retryAfter, opErrors, badRequest, tooLarge, hole, queueLimit, polling,
	rooms, joinRefused, gaps, forgotten, hanging, notForgiven, invalid, outage, restart, emptyAnswers, silence, cuts, closing, closingEarly, questions,
	badHandler, pageEvents, presence, history, away, transports, torture,
}))
	await scope(words.replace(/([A-Z])/g, ' $1').toLowerCase(), test);
await done();
