#!/usr/bin/env node
/* WebSockets of the native protocol, by a stock client: what frames ask for and how they are answered, that they resume, who takes
   over, what a client gets that does not read, and how they end. */
import WebSocket from 'ws';
import { Client, newToken, pollOnce } from './lib/client.mjs';
import { forEachStore, slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { atEnd, done, is, isDeep, ok, scope } from './lib/tap.mjs';

/** A socket with what came on it: batches, answers (of sends, in their order), pongs. */
class Socket {
	static async open(base, { token, cursor, headers, protocols = 'pollgate.v1' }) {
		const socket = new Socket();
		const query = new URLSearchParams({ token, ...(cursor ? { cursor } : {}) });
		Object.assign(socket, { batches: [], answers: [], pongs: [], closed: null });
		socket.ws = new WebSocket(`${base.replace('http', 'ws')}/v1/ws?${query}`, protocols, { headers });
		atEnd(() => socket.ws.terminate());
		socket.ws.on('message', (text) => socket.#take(JSON.parse(text)));
		socket.ws.on('close', (code, reason) => socket.closed = { code, reason: reason.toString() });
		await new Promise((resolve, reject) => socket.ws.once('open', resolve).on('error', reject).once('unexpected-response', (_, answer) => {
			socket.ws.terminate();
			reject(Object.assign(new Error('refused'), { status: answer.statusCode }));
		}));
		return socket;
	}

	#take(frame) {
		(frame.messages ? this.batches : 'pong' in frame ? this.pongs : this.answers).push(frame);
	}

	send(frame) {
		this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
	}

	get messages() {
		return this.batches.flatMap(({ messages }) => messages);
	}

	get data() {
		return this.messages.map(({ data }) => data);
	}

	get cursor() {
		return this.batches.at(-1)?.cursor;
	}

	until(condition, what) {
		return waitFor(() => condition(this), () => `${what}; there are ${this.batches.length} batches, closed ${JSON.stringify(this.closed)}`);
	}

	answered(count) {
		return this.until(({ answers }) => answers.length >= count, `${count} answers`);
	}

	ended() {
		return this.until(({ closed }) => closed, 'the end');
	}

	close() {
		this.ws.terminate();
	}
}

const open = (base, more = {}) => Client.open(base, { start: false, ...more });
const upTo = (n) => [...Array(n).keys()];
const refusal = (base, more) => Socket.open(base, more).then(() => null, ({ status }) => status);

async function frames(base) {
	const [a, b] = [await open(base), await open(base)];
	isDeep(b.session.transports, ['poll', 'sse', 'ws'], 'an opening names the transports');
	const socket = await Socket.open(base, { token: b.token });
	is(socket.ws.protocol, 'pollgate.v1', 'the subprotocol is taken');
	is(socket.ws.extensions, '', 'compression is not');
	const poll = b.poll(20000);
	socket.send({ ping: { any: ['value', 0.10, null] } });
	await socket.until(({ pongs }) => pongs.length > 0, 'a pong');
	isDeep(socket.pongs, [{ pong: { any: ['value', 0.10, null] } }], 'a ping is answered with what it has');
	await a.send(b.id, 'x', 0);
	is((await poll).json.messages.length, 1, 'until it gives a cursor a socket takes nothing over');
	socket.send({ cursor: b.cursor });
	await socket.until(({ batches }) => batches.length > 0, 'a batch');
	isDeep([socket.data, typeof socket.cursor], [[], 'string'], 'then it has one, also when there is no message');
	await a.send(b.id, 'x', 1);
	await socket.until(({ messages }) => messages.length === 1, 'a message');
	is(socket.messages[0].from, a.id, 'messages come as they would by a poll');
	socket.send({ cursor: socket.cursor });
	await waitFor(async () => (await a.look(b.id)).json.acked === socket.messages[0].id, 'the message to be acknowledged');
	ok(true, 'a later cursor acknowledges');
	return { a, b, socket };
}

async function answers({ a, b, socket }) {
	socket.send({ seq: 1, ops: [{ op: 'send', to: a.id, event: 'x', data: 'up' }] });
	socket.send({ seq: 1, ops: [{ op: 'send', to: a.id, event: 'x', data: 'up' }], ping: 2 });
	socket.send('{"seq":');
	socket.send({ seq: 5, ops: [{ op: 'send', to: a.id, event: 'x' }] });
	socket.send({ ops: [{ op: 'nonsense' }] });
	socket.send({});
	socket.send('[]');
	socket.send({ ops: Array(65).fill({ op: 'leave', room: 'r' }) });
	socket.send({ ops: [{ op: 'send', to: a.id, event: 'x', data: 'x'.repeat(70_000) }] });
	socket.send({ seq: 2, ops: [{ op: 'join', room: 'r', history: 5 }, { op: 'send', to: newToken(), event: 'x' }] });
	await socket.answered(10);
	const [first, again, json, hole, op, empty, array, many, large, join] = socket.answers;
	isDeep([first.seq, first.results.length], [2, 1], 'a send is answered as a POST would be');
	isDeep(again.results, first.results, 'a repeated one as it was the first time');
	isDeep(socket.pongs.at(-1), { pong: 2 }, 'a ping may come along with it');
	isDeep([json.status, json.code], [400, 'bad_json'], 'what is no JSON is answered by a problem document');
	isDeep([hole.status, hole.code, hole.expected], [409, 'seq_hole', 2], 'a hole in the numbers as well, with the number expected');
	isDeep([op.code, empty.code, array.code, many.code, large.code], ['bad_op', 'bad_request', 'bad_request', 'too_many_ops', 'message_too_large'],
		'and all else that is wrong');
	isDeep([join.seq, join.results[0].room, join.results[0].members.length, join.results[1].error.code], [4, 'r', 1, 'recipient_gone'],
		'joins are answered with members and history; answers come in the order of their frames');
	const { json: got } = await a.poll(0);
	isDeep(got.messages.map(({ data }) => data), ['up'], 'it was applied once');
	for (const i of upTo(300))
		socket.send({ seq: 4 + i, ops: [{ op: 'send', to: b.id, event: 'x', data: i }] });
	await socket.answered(310);
	isDeep(socket.answers.slice(10).map(({ seq }) => seq), upTo(300).map((i) => 5 + i), '300 frames in one go are answered in order');
	await socket.until(({ messages }) => messages.length >= 301, 'all of them');
	isDeep(socket.data.slice(1), upTo(300), 'and applied in order');
	socket.close();
}

async function resumes(base) {
	const [a, b] = [await open(base), await open(base)];
	const first = await Socket.open(base, { token: b.token, cursor: b.cursor });
	await a.send(b.id, 'x', 1);
	await first.until(({ messages }) => messages.length === 1, 'a message');
	first.close();
	await a.send(b.id, 'x', 2);
	const second = await Socket.open(base, { token: b.token, cursor: first.cursor });
	await second.until(({ messages }) => messages.length === 1, 'the next one');
	isDeep(second.data, [2], 'a socket with a cursor in its URL goes on there');
	const fresh = await Socket.open(base, { token: b.token });
	fresh.send({ cursor: 'nonsense' });
	await fresh.ended();
	isDeep(fresh.closed, { code: 4400, reason: 'bad_cursor' }, 'one with a wrong cursor is closed');
	ok(second.closed === null, 'and took nothing over');
	second.ws.send(Buffer.from([1, 2]));
	await second.ended();
	is(second.closed.code, 1003, 'so is one with a binary frame');
}

/** Each receives on some instance, and takes over from the one before. */
async function takesOver(bases) {
	const [a, b] = [await open(bases[0]), await open(bases[0])];
	const later = () => {
		const started = Date.now();
		return waitFor(() => Date.now() > started, 'a millisecond to pass: of two sinks that begin in the same one either may end', { everyMs: 1 });
	};
	let cursor = b.cursor;
	let socket = await Socket.open(bases[0], { token: b.token, cursor });
	await socket.until(({ batches }) => batches.length > 0, 'the first batch');
	for (let i = 0; i < 6; i++) {
		const base = bases[i % bases.length];
		const before = socket;
		await later();
		if (i % 2) {
			b.cursor = before.cursor;
			const poll = b.poll(20000);
			await before.ended();
			isDeep(before.closed, { code: 4409, reason: 'taken' }, 'a poll takes over, and the socket says so');
			await a.send(b.id, 'x', i);
			is((await poll).json.messages.at(-1).data, i, 'the poll has the next message');
			cursor = b.cursor;
			await later();
			socket = await Socket.open(base, { token: b.token, cursor });
			await socket.until(({ batches }) => batches.length > 0, 'the first batch');
		} else {
			socket = await Socket.open(base, { token: b.token });
			socket.send({ cursor: before.cursor });
			await before.ended();
			is(before.closed.code, 4409, 'a newer socket takes over from an older one');
			await a.send(b.id, 'x', i);
			await socket.until(({ data }) => data.at(-1) === i, 'what was sent');
			isDeep(socket.data, [i], 'and nothing comes twice');
		}
	}
	socket.close();
}

async function ends(base) {
	const [a, b] = [await open(base), await open(base)];
	const reading = await Socket.open(base, { token: a.token, cursor: a.cursor });
	const sending = await Socket.open(base, { token: a.token });
	await reading.until(({ batches }) => batches.length > 0, 'the first batch');
	await fetch(`${base}/v1/close?token=${a.token}`, { method: 'POST' });
	await reading.ended();
	isDeep(reading.closed, { code: 4410, reason: 'session_gone' }, 'a socket says that its session was closed');
	sending.send({ ops: [] });
	await sending.ended();
	is(sending.closed.code, 4410, 'one that only sends says it when it sends');
	const none = await Socket.open(base, { token: newToken(), cursor: b.cursor });
	await none.ended();
	is(none.closed.code, 4410, 'or there never was one');
	is(await refusal(base, { token: 'short' }), 401, 'a token that is none is refused before the upgrade');
	const leaving = await Socket.open(base, { token: b.token, cursor: b.cursor });
	leaving.send({ seq: 1, ops: [{ op: 'send', to: b.id, event: 'x', data: 'last' }] });
	leaving.ws.close(1000);
	await leaving.ended();
	await waitFor(async () => (await pollOnce(base, b.token, b.cursor)).json.messages.length === 1, 'the last message');
	ok(true, 'what was sent before closing is applied');
}

/** Megabytes for a client that does not read: they stay in the store, and come when it does. */
async function slowly(start) {
	const { instances } = await start({ options: { 'stream-backlog': '64K', 'mailbox-max': '10000', 'write-timeout': '2s' } });
	const [{ base }] = instances;
	const [a, b] = [await open(base), await open(base)];
	const socket = await Socket.open(base, { token: b.token, cursor: b.cursor });
	await socket.until(({ batches }) => batches.length > 0, 'the first batch');
	socket.ws.pause();
	const before = await instances[0].metrics('process_resident_memory_bytes');
	const data = 'x'.repeat(60_000);
	for (let i = 0; i < 300; i++)
		await a.ops({ op: 'send', to: b.id, event: 'x', data: i + data });
	if (instances.length > 1 && slowness === 1) { /* Else the store, or what a sanitizer keeps, is in the same process. */
		const grown = await instances[0].metrics('process_resident_memory_bytes') - before;
		ok(grown < 12e6, 'a gateway keeps little for a client that does not read', grown);
	}
	await instances[0].waitMetric('pollgate_ws_open', 0);
	ok(true, 'which is cut after a while');
	socket.ws.resume();
	await socket.ended();
	const got = socket.messages.length;
	const again = await Socket.open(base, { token: b.token, cursor: socket.cursor });
	await waitFor(() => got + again.messages.length >= 300, () => `all to come: ${got} and ${again.messages.length}`);
	isDeep(socket.data.concat(again.data).map((text) => parseInt(text, 10)), upTo(300), 'it goes on where it was: nothing is lost, nothing twice');
	again.close();
}

/** One that sends and does not read its answers, and one that sends faster than it is answered. */
async function floods(start) {
	const { instances } = await start({ options: { 'stream-backlog': '64K', 'mailbox-max': '100000' } });
	const [instance] = instances;
	const b = await open(instance.base);
	const socket = await Socket.open(instance.base, { token: b.token });
	const before = await instance.metrics('process_resident_memory_bytes');
	const large = 'x'.repeat(50_000);
	socket.ws.pause();
	for (let i = 0; i < 2000; i++)
		socket.send({ ping: large });
	await waitFor(() => socket.ws.bufferedAmount > 50e6, 'most of it to wait');
	const fast = await Socket.open(instance.base, { token: b.token });
	for (let i = 0; i < 400; i++)
		fast.send({ seq: 1 + i, ops: [{ op: 'send', to: b.id, event: 'x', data: large }] });
	await fast.answered(400);
	isDeep(fast.answers.map(({ seq }) => seq), upTo(400).map((i) => 2 + i), 'a client that sends faster than it is answered is answered in order');
	const grown = await instance.metrics('process_resident_memory_bytes') - before;
	ok(slowness > 1 || instances.length === 1 || grown < 15e6, 'what clients send and do not read waits at the clients', grown);
	socket.ws.resume();
	await socket.until(({ pongs }) => pongs.length === 2000, 'all pongs');
	ok(true, 'and is answered when they do');
	socket.close();
	fast.close();
}

/** One that asks for much with small frames and does not read it: what is left of them is asked when it does. */
async function hoards(start) {
	const { base } = await start();
	const [a, b] = [await open(base), await open(base)];
	await a.ops({ op: 'join', room: 'long' }, ...upTo(4).map(() => ({ op: 'send', room: 'long', event: 'x', data: 'x'.repeat(60_000) })));
	const ask = ({ id }) => ({ ops: [{ op: 'join', room: 'long', history: 4 }, { op: 'send', to: id, event: 'x' }] });
	const [idle, busy] = await Promise.all([a, b].map(({ token }) => Socket.open(base, { token })));
	idle.ws.pause();
	for (const socket of [idle, busy])
		upTo(90).forEach(() => socket.send(ask(socket === idle ? a : b)));
	await busy.answered(90);
	const done = (await a.poll(0)).json.messages.length;
	ok(done < 80, 'what the answers would be too large for is not done before the client reads', done);
	idle.ws.resume();
	await idle.answered(90);
	ok(idle.answers.every(({ results }) => results[0].history.length === 4), 'then all is answered');
	idle.close();
	busy.close();
}

/** Its instance stands still, so that another one takes its client for silent. */
async function isBack(start) {
	const { instances: [one, other] } = await start({ options: { 'away-after': '1s', 'session-ttl': '1m' } });
	const [a, b] = [await open(one.base, { rooms: ['r'] }), await open(other.base, { rooms: ['r'] })];
	const [socket, watching] = [await Socket.open(one.base, a), await Socket.open(other.base, b)];
	const heard = (event) => watching.until(({ messages }) => messages.some((message) => message.event === event && message.from === a.id), event);
	await socket.until(({ batches }) => batches.length > 0, 'the first batch');
	one.signal('SIGSTOP');
	await heard('$away').finally(() => one.signal('SIGCONT'));
	await heard('$back');
	is(socket.closed, null, 'who was taken for away though its socket was open is back at once');
	socket.close();
	watching.close();
}

/** Nobody hears who takes over while the store is away; but when it is back. */
async function takesLate(start, redis) {
	const { instances: [one, other] } = await start({ options: { 'store-timeout': '300ms' } });
	const client = await open(one.base);
	const older = await Socket.open(one.base, client);
	await older.until(({ batches }) => batches.length > 0, 'the first batch');
	redis.pause();
	const newer = await Socket.open(other.base, client);
	const errors = await other.metrics('pollgate_store_errors_total');
	await other.waitMetric('pollgate_store_errors_total', (n) => n > errors + 4).finally(() => redis.resume());
	await older.ended();
	isDeep([older.closed, newer.closed], [{ code: 4409, reason: 'taken' }, null], 'who took over while the store was away has the session when it is back');
	newer.close();
}

async function drains(start, redis) {
	const { instances } = await start({ options: { drain: '3s' } });
	const [one] = instances;
	const other = instances[1] ?? one;
	const [a, b] = [await open(one.base), await open(one.base)];
	const sockets = await Promise.all(upTo(5).map(() => Socket.open(one.base, { token: b.token })));
	sockets[0].send({ cursor: b.cursor });
	await sockets[0].until(({ batches }) => batches.length > 0, 'the first batch');
	isDeep(await one.stop(), { code: 0, signal: null }, 'SIGTERM ends an instance with sockets');
	await Promise.all(sockets.map((socket) => socket.ended()));
	isDeep(sockets.map(({ closed }) => closed.code), Array(5).fill(1012), 'each is closed with 1012');
	if (!redis)
		return;
	a.base = other.base;
	await a.send(b.id, 'x', 'later');
	const again = await Socket.open(other.base, { token: b.token, cursor: sockets[0].cursor });
	await again.until(({ messages }) => messages.length === 1, 'the message');
	is(again.data[0], 'later', 'its client goes on at another instance');
	again.send({ seq: 1, ops: [{ op: 'send', to: a.id, event: 'x', data: 'once' }] });
	await again.answered(1);
	await other.kill();
	await again.ended();
	is(again.closed.code, 1006, 'after kill -9 it learns from the connection');
	a.base = instances[2].base;
	await a.send(b.id, 'x', 'after');
	const last = await Socket.open(instances[2].base, { token: b.token, cursor: again.cursor });
	last.send({ seq: 1, ops: [{ op: 'send', to: a.id, event: 'x', data: 'once' }] });
	await last.answered(1);
	await last.until(({ messages }) => messages.length === 1, 'the message');
	is(last.data[0], 'after', 'and goes on at the next');
	isDeep((await a.poll(0)).json.messages.map(({ data }) => data), ['once'], 'what it sent twice was applied once');
	last.close();
}

await forEachStore(async ({ start, redis }) => {
	const { base, instances } = await start();
	await scope('frames', async () => answers(await frames(base)));
	await scope('resume', () => resumes(base));
	await scope('one instance', () => takesOver([instances[0].base]));
	if (redis)
		await scope('several', () => takesOver(instances.map((instance) => instance.base)));
	await scope('end', () => ends(base));
	await scope('slow', () => slowly(start));
	await scope('flood', () => floods(start));
	await scope('hoard', () => hoards(start));
	if (redis) {
		await scope('back', () => isBack(start));
		await scope('late', () => takesLate(start, redis));
	}
	await scope('drain', () => drains(start, redis));
});
await scope('options', async () => {
	const { base } = await startPollgate({ options: { 'no-websocket': true, 'max-body': '1K', 'max-message': '1K', 'max-data': '1K' } });
	const client = await open(base);
	isDeep(client.session.transports, ['poll', 'sse'], '--no-websocket: not named');
	is(await refusal(base, client), 404, 'refused');
	is((await (await fetch(`${base}/v1/ws`)).json()).code, 'transport_disabled', 'and why');
	const strict = await startPollgate({ options: { origin: 'https://app.example' } });
	const { token } = await open(strict.base);
	is(await refusal(strict.base, { token, headers: { Origin: 'https://evil.example' } }), 403, '--origin: a page of another origin is refused');
	is(await refusal(strict.base, { token, headers: { Origin: 'https://app.example' } }), null, 'a page of that one is not');
});
await done();
