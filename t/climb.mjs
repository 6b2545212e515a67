#!/usr/bin/env node
/* Which transport www/pollgate.js takes, and when it leaves it: against made-up gateways and networks. */
import { connect } from '../www/pollgate.js';
import { atEnd, done, is, isDeep, ok, scope, skipAll } from './lib/tap.mjs';
import { patience, waitFor } from './lib/wait.mjs';
import { error, page, startFake } from './lib/fake.mjs';
import { serveSockets } from './lib/fake_socket.mjs';
import { realNow, run } from './lib/time.mjs';

const ws = await import('ws').catch(() => null);
if (!ws)
	skipAll('t/node_modules has no ws: cd t && npm ci');

/** A client, the fake it talks to, and all that it tells. */
async function begin({ transports = ['poll', 'ws'], prepare = () => {}, ...options } = {}) {
	const fake = serveSockets(await startFake(), ws);
	fake.transports = transports;
	prepare(fake);
	const client = connect(fake.url, { WebSocket: ws.WebSocket, ...options });
	const told = [];
	for (const event of ['gap', 'transport', 'reconnecting', 'resumed', 'closed', 'message'])
		client.on(event, (value) => told.push({ told: event, ...value }));
	atEnd(() => client.close());
	return {
		fake, client, told, of: (event) => told.filter((one) => one.told === event),
		way: () => told.filter((one) => one.told === 'transport').map(({ transport, reason }) => `${transport} ${reason}`),
		on: (name) => waitFor(() => client.transport === name, () => `${name}, not ${client.transport}`),
		end: async () => {
			await client.close();
			await fake.stop();
		},
	};
}

const text = (id, data, room) => ({ id, from: 'someone', ...(room ? { room } : {}), event: 'chat', data });
const chat = (data) => ({ to: 'b', event: 'chat', data });
const batch = (cursor, ...messages) => ({ cursor, messages });
const refuse = (head) => (connection) => connection.end(`${head}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno`);
const mute = (frame, usual) => 'ping' in frame || usual();

async function climbing() {
	let proof;
	const { fake, client, of, way, on, end } = await begin({ prepare: (fake) => fake.hears = (frame, usual) => 'ping' in frame ? proof = usual : usual() });
	await client.ready;
	await client.send(chat('early'));
	fake.push([text('1-0', 'by poll')]);
	await waitFor(() => of('message').length === 1 && proof);
	const [socket] = fake.sockets;
	isDeep([client.transport, socket.frames.length, 'ping' in socket.frames[0]], ['poll', 1, true], 'it polls at once; a socket is asked for an echo meanwhile');
	is(socket.protocols, 'pollgate.v1', 'and for its protocol by name');
	fake.push([text('2-0', 'by poll')]);
	await waitFor(() => of('message').length === 2);
	await waitFor(() => fake.of('poll').length >= 3);
	const { cursor } = fake.of('poll')[2].query;
	proof();
	await on('ws');
	await waitFor(() => socket.cursor);
	is(socket.cursor, cursor, 'when the echo is back the socket takes over, from the cursor where the polls were');
	await fake.of('poll')[2].aborted;
	ok(true, 'and the poll is ended');
	socket.say(batch('w1', text('2-0', 'again'), text('3-0', 'by socket')));
	await waitFor(() => of('message').length === 3);
	isDeep(of('message').map(({ data }) => data), ['by poll', 'by poll', 'by socket'], 'what comes by both comes once');
	const results = await Promise.all([client.send(chat(1)), client.send(chat(2))]);
	ok(results.every(({ id }) => id) && fake.of('send').length === 1, 'operations go by the socket, too');
	isDeep(socket.frames.filter(({ ops }) => ops).map(({ seq, ops }) => [seq, ops.length]), [[2, 2]], 'with the numbers after those that went before');
	isDeep(way(), ['poll open', 'ws proven'], 'each change is told');
	await end();
	await socket.closed;
	ok(true, 'a client that is closed closes its socket');
}

async function closing() {
	let dying = false;
	class Dying extends ws.WebSocket {
		get readyState() {
			return dying ? ws.WebSocket.CLOSING : super.readyState;
		}
	}
	const { fake, client, of, way, on, end } = await begin({ WebSocket: Dying });
	await on('ws');
	await waitFor(() => fake.sockets[0].cursor);
	dying = true;
	ok((await client.send(chat(1))).id && fake.of('send').length === 1, 'what is sent while the socket closes goes by a POST');
	isDeep([of('reconnecting'), way()], [[], ['poll open', 'ws proven']], 'and nobody notices');
	dying = false;
	await client.send(chat(2));
	isDeep(fake.sockets[0].frames.filter(({ ops }) => ops).map(({ seq }) => seq), [2], 'with its number');
	await end();
}

async function acknowledging() {
	const { fake, client, of, on, end } = await begin({ rooms: ['lobby'] });
	await on('ws');
	const [socket] = fake.sockets;
	await waitFor(() => socket.cursor);
	const acks = () => socket.frames.filter(({ cursor }) => cursor).map(({ cursor }) => cursor).slice(1);
	const start = realNow();
	socket.say(batch('w1', text('1-0', 1)));
	socket.say(batch('w2', text('2-0', 2), text('9999-0', 'x', 'lobby')));
	await waitFor(() => acks().length === 1);
	ok(realNow() - start > 1500, 'direct messages are acknowledged after a while', realNow() - start);
	isDeep(acks(), ['w2'], 'together');
	run(20);
	socket.say(batch('w3', text('9999-1', 'y', 'lobby')));
	await waitFor(() => socket.frames.filter(({ ping }) => ping).length > 2);
	isDeep(acks(), ['w2'], 'those of a room are not');
	is(client.transport, 'ws', 'a socket that answers is kept');
	run(1);
	await end();
	is(of('closed').length, 1, 'and nothing happens after the end');
}

async function notThere() {
	const cases = {
		'is open and silent': (fake) => fake.hears = mute,
		'is not answered': (fake) => fake.upgrade = () => {},
		'is refused by 400': (fake) => fake.upgrade = refuse('HTTP/1.1 400 Bad Request'),
		'is answered 200': (fake) => fake.upgrade = refuse('HTTP/1.1 200 OK'),
		'is cut': (fake) => fake.upgrade = (connection) => connection.destroy(),
		'talks nonsense': (fake) => fake.hears = () => fake.sockets.at(-1).say('<html>'),
		'echoes what was not said': (fake) => fake.hears = () => fake.sockets.at(-1).say({ pong: 'x' }),
	};
	run(300);
	await Promise.all(Object.entries(cases).map(async ([what, prepare]) => {
		const tried = []; // When: the gateway may hear of it late.
		class WebSocket extends ws.WebSocket {
			constructor(...args) {
				tried.push(Date.now());
				super(...args);
			}
		}
		const { fake, client, of, way, end } = await begin({ WebSocket, prepare: (fake) => {
			fake.hold = 10_000_000;
			prepare(fake);
		} });
		await client.ready;
		await waitFor(() => tried.length === 1);
		fake.push([text('1-0', 1)]);
		await waitFor(() => of('message').length === 1);
		await waitFor(() => tried.length === 2);
		const rest = tried[1] - tried[0];
		ok(rest > 290_000 && rest < 3_000_000, `a socket that ${what} is not tried again for some minutes`, rest);
		isDeep(way(), ['poll open'], 'polls go on meanwhile');
		await waitFor(() => tried.length === 3);
		ok(tried[2] - tried[1] > 590_000, 'and then for twice as long', tried[2] - tried[1]);
		await end();
	}));
	run(1);
}

async function fallingSilent() {
	run(20);
	const { fake, client, of, on, way, end } = await begin();
	await on('ws');
	const [socket] = fake.sockets;
	await waitFor(() => socket.cursor);
	socket.say(batch('w1', text('1-0', 1)));
	await waitFor(() => of('message').length === 1);
	const start = Date.now();
	socket.hears = () => {};
	fake.upgrade = () => {};
	const sending = client.send(chat('in flight'));
	await on('poll');
	ok(Date.now() - start < 60_000, 'a socket that falls silent is left after 15 s, or little more', Date.now() - start);
	await waitFor(() => fake.of('poll').length >= 2);
	is(fake.of('poll')[1].query.cursor, 'w1', 'polls go on from where it was');
	ok((await sending).id, 'a send that it did not answer is sent by POST');
	const [frame] = socket.frames.filter(({ ops }) => ops);
	isDeep(fake.of('send')[0].body, frame, 'the same again, with the same number');
	isDeep([way().slice(1), of('reconnecting')], [['ws proven', 'poll timeout'], []], 'which is no more than another transport');
	run(1);
	await end();
}

async function slowLink() {
	run(20);
	const { fake, client, on, way, end } = await begin();
	await on('ws');
	const [socket] = fake.sockets;
	await waitFor(() => socket.cursor);
	socket.hears = (frame, usual) => 'ping' in frame || usual(); // Its answers are behind much else.
	let n = 0;
	const flow = setInterval(() => socket.say(batch(`w${++n}`, text(`${n}-0`, n))), 20);
	await waitFor(() => n > 80);
	is(client.transport, 'ws', 'a socket on which something comes is not silent');
	clearInterval(flow);
	await waitFor(() => way().includes('poll timeout'));
	run(1);
	await end();
}

async function breaking() {
	const { fake, client, of, on, way, end } = await begin();
	await on('ws');
	const [socket] = fake.sockets;
	await waitFor(() => socket.cursor);
	let applied = 0;
	socket.hears = (frame) => {
		applied += frame.ops?.length ?? 0;
		socket.terminate();
	};
	const sent = [1, 2, 3].map((data) => client.send(chat(data)));
	await on('poll');
	ok((await Promise.all(sent)).every(({ id }) => id), 'sends that a broken socket did not answer are repeated');
	is(fake.of('send')[0].body.seq, 1, 'with their numbers');
	is(applied, fake.of('send')[0].body.ops.length, 'together, as before');
	await on('ws');
	await waitFor(() => fake.sockets[1].cursor);
	ok(true, 'and another socket is opened soon');
	isDeep(way(), ['poll open', 'ws proven', 'poll ws_1006', 'ws proven'], 'with polls in between');
	isDeep([of('reconnecting'), of('gap')], [[], []], 'of which nobody else hears');
	await end();
}

async function closeCodes() {
	for (const [code, what] of [[4410, 'session_gone'], [4400, 'bad_cursor']]) {
		const { fake, of, on, end } = await begin();
		await on('ws');
		fake.sockets[0].close(code, what);
		await waitFor(() => of('resumed').length === 1);
		ok(of('resumed')[0].fresh && fake.of('open').length === 2, `${code} leads to a new session`);
		await waitFor(() => fake.sockets[1]?.token === fake.sessions[1].token);
		ok(true, 'with a socket of its own');
		await end();
	}
	const { fake, client, on, way, end } = await begin();
	await on('ws');
	fake.sockets[0].close(1012, 'draining');
	await on('poll');
	await on('ws');
	isDeep(way().slice(2), ['poll ws_1012', 'ws proven'], '1012: an instance ends; polls, then a socket elsewhere');
	fake.sockets[1].close(4409, 'taken');
	await on('poll');
	await waitFor(() => fake.of('poll').at(-1).query.hold === undefined);
	await on('ws');
	ok(true, '4409: another receiver took over, perhaps a request that was late; it polls at once');
	run(20);
	const [polls, start] = [fake.of('poll').length, Date.now()];
	const sending = client.send(chat(1));
	fake.sockets[2].close(4409, 'taken');
	await on('poll');
	await waitFor(() => fake.of('poll').length > polls);
	ok(Date.now() - start > 4_500, 'when that comes again it waits some seconds, so as not to fight', Date.now() - start);
	ok((await sending).id, 'while sends go on');
	run(1);
	await end();
}

async function nonsense() {
	const wrong = ['', '<html>', '{"cursor":"x","mess', 'null', '17', '[]', Buffer.from([1, 2]), { messages: 1 }, { cursor: 'x', messages: [{}] },
		{ cursor: 1, messages: [] }, { cursor: 'x', messages: [], gaps: 'no' }, { results: [], seq: 9 }, { code: 'x' }, { pong: 'x' }, { unknown: true }];
	const harmless = wrong.slice(-4).concat(wrong[5]);
	for (const one of wrong) {
		const { fake, client, of, on, end } = await begin();
		await on('ws');
		const [socket] = fake.sockets;
		await waitFor(() => socket.cursor);
		socket.say(one);
		if (harmless.includes(one))
			socket.say(batch('w1', text('1-0', 'through')));
		else
			fake.push([text('1-0', 'through')]);
		await waitFor(() => of('message').length === 1);
		ok((await client.send(chat(1))).id && of('closed').length === 0, `${JSON.stringify(one)} on a socket does no harm`);
		await end();
	}
}

/** An event stream as somebody between may make it: all at once, cut anywhere, or something else altogether. */
async function badStreams() {
	const events = (...all) => page(200, all.join(''), { 'Content-Type': 'text/event-stream' });
	const probe = (n) => `event: probe\ndata: {"probe":"x","n":${n}}\n\n`;
	const proof = events(': hello\n\n', probe(0), probe(1));
	const batchOf = (text) => `id: c1\ndata: ${text}\n\n`;
	const good = batchOf('{"cursor":"c1","messages":[{"id":"1-0","from":"x","event":"chat","data":"through"}]}');
	for (const [what, probing, stream] of [
		['HTML', page(200, '<html>')],
		['an empty answer', page(200, '')],
		['JSON', { messages: [] }],
		['a refusal', error(404, 'transport_disabled')],
		['half of a probe', events(probe(0), 'event: pro')],
		['a probe that is not JSON', events(probe(0), 'event: probe\ndata: {"n"\n\n')],
		['only comments', events(': a\n\n', ': b\n\n')],
		['HTML after a good probe', proof, page(200, '<html>')],
		['a refusal after it', proof, error(404, 'transport_disabled')],
		['no JSON', proof, events(batchOf('{"cursor":'))],
		['no batch', proof, events(batchOf('{"cursor":1,"messages":[]}'))],
		['batches of nothing', proof, events(batchOf('null'), batchOf('7'), batchOf('{}'), 'id: c2\n\n')],
		['half a batch', proof, events(good.slice(0, 50))],
		['gone without a reason', proof, events('event: gone\ndata: null\n\n')],
	]) {
		const { fake, client, of, end } = await begin({ transports: ['poll', 'sse'], prepare: (fake) => {
			fake.on.other = ({ query: { probe, token } }) => probe ? probing : token === fake.sessions[0].token && stream || error(404, 'transport_disabled');
		} });
		await client.ready;
		const gone = what.startsWith('gone'); // Then another session takes over: what is sent to this one comes nowhere.
		await waitFor(() => fake.of('other').length >= (stream ? 2 : 1) && fake.sessions.length === (gone ? 2 : 1));
		fake.push([text('1-0', 'through')]);
		await waitFor(() => of('message').length === 1);
		const sent = await client.send(chat(1)).catch(({ code }) => code === 'session_gone' && gone);
		ok(sent && of('closed').length === 0, `where a stream is ${what} messages come all the same`);
		await end();
	}
}

/** A gateway that asks for patience gets it, from whatever receiver. */
async function retryAfter() {
	const { fake, client, of, on, end } = await begin({ transports: ['poll', 'sse'] });
	let refused;
	let polled;
	fake.on.other = ({ query }) => {
		if (!query.probe)
			refused ??= Date.now();
		return error(503, 'overloaded', {}, { 'Retry-After': '1' });
	};
	fake.on.poll = (request, usual) => {
		if (refused)
			polled ??= Date.now();
		return usual();
	};
	await client.ready;
	client.use('sse');
	await on('poll');
	await waitFor(() => polled);
	ok(polled - refused > 900, 'where a stream is refused for a while polls begin after it', polled - refused);
	fake.push([text('1-0', 1)]);
	await waitFor(() => of('message').length === 1);
	await end();
}

async function refusedOperations() {
	const { fake, client, of, on, end } = await begin();
	await on('ws');
	const [socket] = fake.sockets;
	let answers = [error(409, 'seq_hole', { expected: 99 }), error(503, 'store_unavailable'), error(400, 'bad_op', { detail: 'no' })];
	socket.hears = (frame, usual) => frame.ops && answers.length ? socket.say(answers.shift().text) : usual();
	const refused = await client.send(chat(1)).catch((reason) => reason);
	isDeep([refused.code, refused.message, refused.status], ['bad_op', 'no', 400], 'a problem in place of an answer is what it would be to a POST');
	is(socket.frames.filter(({ ops }) => ops).length, 3, 'those that pass are asked again');
	socket.hears = (frame, usual) => frame.ops ? socket.close(1009) : usual();
	ok((await client.send(chat('x'.repeat(1000)))).id, 'what is too big for a frame goes by POST');
	isDeep(of('closed'), [], 'and nothing ends');
	await end();
}

async function without() {
	for (const [what, options, prepare] of [
		['without a class WebSocket', { WebSocket: undefined }],
		['where the gateway has none', {}, (fake) => fake.transports = ['poll']],
		['that may not use it', { transports: ['poll', 'sse'] }],
	]) {
		const { fake, client, of, way, end } = await begin({ ...options, prepare });
		await client.ready;
		run(100);
		fake.push([text('1-0', 1)]);
		await waitFor(() => of('message').length === 1 && fake.of('poll').length >= 2);
		isDeep([way(), fake.upgrades], [['poll open'], undefined], `a client ${what} polls`);
		let refused;
		try {
			client.use('ws');
		} catch ({ code }) {
			refused = code;
		}
		is(refused, 'transport_unavailable', 'and cannot choose it');
		run(1);
		await end();
	}
	const { client, of, way, end } = await begin({ WebSocket: class {
		constructor() {
			throw new Error('The policy of this page forbids it.');
		}
	} });
	await client.ready;
	await client.send(chat(1));
	isDeep([way(), of('closed')], [['poll open'], []], 'one whose class throws polls, too');
	await end();
}

async function byHand() {
	const early = await begin();
	early.client.use('poll');
	await early.client.ready;
	await early.client.send(chat(1));
	isDeep([early.fake.upgrades, early.way()], [undefined, ['poll open']], 'what is chosen before the session is open counts from the start');
	await early.end();
	const { fake, client, way, on, end } = await begin();
	await on('ws');
	client.use('poll');
	is(client.transport, 'poll', 'polls are chosen at once');
	await fake.sockets[0].closed;
	run(500);
	await waitFor(() => fake.of('poll').length >= 2);
	is(fake.upgrades, 1, 'and then nothing better is tried');
	run(1);
	fake.hears = mute;
	client.use('ws');
	await waitFor(() => fake.upgrades >= 2);
	is(client.transport, 'poll', 'a socket that is chosen has to work first');
	run(50);
	fake.hears = undefined;
	await on('ws');
	ok(fake.upgrades > 2, 'and is tried until it does');
	run(1);
	client.use('auto');
	is(client.transport, 'ws', 'auto changes nothing that is good');
	isDeep(way(), ['poll open', 'ws proven', 'poll use', 'ws proven'], 'all told');
	await end();
}

/** A page has a memory that outlives it. */
async function remembered() {
	const kept = new Map();
	const handlers = {};
	Object.assign(globalThis, {
		location: { href: 'http://page/' }, addEventListener: (name, fn) => handlers[name] = fn, removeEventListener: (name) => delete handlers[name],
	});
	Object.defineProperty(globalThis, 'localStorage', { configurable: true, value: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) } });
	const first = await begin({ prepare: (fake) => fake.upgrade = refuse('HTTP/1.1 403 Forbidden') });
	const { url } = first.fake;
	await waitFor(() => kept.size === 1);
	await first.client.close();
	const pages = [];
	const visit = () => {
		const client = connect(url, { WebSocket: ws.WebSocket });
		pages.push(client);
		return client.ready.then(() => client.send(chat(1))).then(() => client);
	};
	await visit();
	is(first.fake.upgrades, 1, 'what failed for one page is not tried by the next');
	const client = await visit();
	first.fake.upgrade = undefined;
	handlers.online();
	await waitFor(() => client.transport === 'ws');
	ok(true, 'until the browser is online again, perhaps elsewhere');
	for (const garbage of ['', 'null', '7', '"x"', '[1]', '{"ws":null}', '{"ws":"x"}', `{"ws":[1e99,${Date.now() * 2}]}`, '{"ws":["x",{}]}']) {
		kept.forEach((value, key) => kept.set(key, garbage));
		const other = await visit();
		await waitFor(() => other.transport === 'ws', `ws with ${garbage} in the storage`);
	}
	ok(true, 'and whatever is in the storage');
	globalThis.localStorage.setItem = globalThis.localStorage.getItem = () => {
		throw new Error('Not here.');
	};
	const last = await visit();
	await waitFor(() => last.transport === 'ws');
	ok(true, 'or if there is none');
	await Promise.all(pages.map((page) => page.close()));
	await first.end();
	for (const name of ['location', 'localStorage', 'addEventListener', 'removeEventListener'])
		delete globalThis[name];
}

async function pageEvents() {
	const handlers = {};
	const beacons = [];
	const listen = { addEventListener: (name, fn) => handlers[name] = fn, removeEventListener: (name) => delete handlers[name] };
	Object.assign(globalThis, { ...listen, document: { ...listen, hidden: false } });
	Object.defineProperty(globalThis, 'navigator', { value: { sendBeacon: (url) => beacons.push(url) }, configurable: true });
	const { fake, client, of, on, end } = await begin();
	await on('ws');
	const pings = () => fake.sockets[0].frames.filter(({ ping }) => ping).length;
	handlers.visibilitychange();
	await waitFor(() => pings() === 2);
	ok(true, 'a page that is seen again asks for an echo at once');
	handlers.online();
	is(client.transport, 'poll', 'back online it polls at once: the socket is probably dead');
	await on('ws');
	is(fake.upgrades, 2, 'and opens another one');
	handlers.pagehide();
	await fake.sockets[1].closed;
	isDeep(beacons, [`${fake.url}/v1/close?token=${fake.sessions[0].token}`], 'a page that goes away closes the socket, and its session by a beacon');
	handlers.pageshow({ persisted: true });
	await waitFor(() => of('resumed').length === 1);
	await on('ws');
	ok(of('resumed')[0].fresh, 'and opens a new one when it comes back from the back-forward cache');
	await end();
	for (const name of ['addEventListener', 'removeEventListener', 'document', 'navigator'])
		delete globalThis[name];
}

for (const [words, test] of Object.entries({
	climbing, closing, acknowledging, notThere, fallingSilent, slowLink, breaking, closeCodes, nonsense, badStreams, retryAfter, refusedOperations, without,
	byHand, remembered, pageEvents,
}))
	await scope(words.replace(/([A-Z])/g, ' $1').toLowerCase(), test);
await done();
