#!/usr/bin/env node
/*
 * The poll: how long it waits, what ends it, who takes over, what a cursor may be.  What is said of cursors and of who waits holds
 * for event streams and WebSockets, too.
 */
import net from 'node:net';
import { Client, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { defaultTransport, forEachTransport, receiveOnce, waitingGauge } from './lib/receive.mjs';
import { done, is, isDeep, like, ok } from './lib/tap.mjs';
import { AT_ONCE, slowness, timed } from './lib/wait.mjs';

const open = async (base, body) => (await createSession(base, body)).json;
const sumOf = async (instances, name) => (await Promise.all(instances.map((instance) => instance.metrics(name))))
	.reduce((a, b) => a + b, 0);
const parkedIs = (instances, n) => waitFor(async () => await sumOf(instances, waitingGauge(defaultTransport())) === n,
	`${n} who wait`);
const receiveFrom = (base, token, cursor, hold) => receiveOnce(defaultTransport(), base, { token, cursor, hold });
const empty = ({ status, json }) => status === 200 && json.messages.length === 0 && !('gaps' in json);
const waited = (ms, from, to) => ok(ms >= from && ms <= to * slowness, `... after ${from} to ${to} ms`,
	`it took ${ms.toFixed(0)} ms`);

/* Started with --hold=2s --hold-max=3s. */
async function holding({ base, instances }) {
	const { token, cursor } = await open(base);
	const at = async (hold, what, from, to) => {
		const { ms, value } = await timed(() => pollOnce(base, token, cursor, hold));
		ok(empty(value), `${what}: answered 200 without messages`, value.text);
		ok(typeof value.json?.cursor === 'string', `${what}: with a cursor`);
		waited(ms, from, to);
	};
	await at(0, 'hold 0', 0, 1800);
	await at(300, 'hold 300', 250, 1800);
	const { ms, value } = await timed(() => instances[0].request('GET', '/v1/poll', { token, query: { cursor } }));
	ok(empty(value), 'without hold: answered 200 without messages');
	waited(ms, 1700, 5000);
	await at(60000, 'a hold above --hold-max is cut to it', 2500, 8000);
	for (const hold of ['-1', 'x', '1e3', '', '5s', '99999999999999999999']) {
		const answer = await pollOnce(base, token, cursor, hold);
		ok(answer.status === 400 && answer.code === 'bad_request' || hold === '' && answer.status === 200 || /^9+$/.test(hold)
			&& answer.status === 200,
			`hold=${hold} is refused with 400 bad_request`, answer.text);
	}
}

async function waking({ base, instances }) {
	const [a, b] = [await open(base), await open(base)];
	const parked = timed(() => receiveFrom(base, b.token, b.cursor, 10000));
	await parkedIs(instances, 1);
	const start = performance.now();
	await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'wake', data: 1 }]);
	const { value } = await parked;
	is(value.json.messages[0]?.event, 'wake', 'a message wakes who waits');
	ok(performance.now() - start < AT_ONCE, '... at once');
	const again = await receiveFrom(base, b.token, b.cursor, 0);
	isDeep(again.json.messages, value.json.messages, 'the same cursor brings the same messages again');
	ok(empty(await receiveFrom(base, b.token, value.json.cursor, 0)), 'the cursor of the answer is behind them');
	await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'second', data: 2 }]);
	isDeep((await receiveFrom(base, b.token, value.json.cursor, 10000)).json.messages.map(({ event }) => event), ['second'],
		'messages wait for who comes next');
}

async function withoutCursor({ base, instances }) {
	const [a, b] = [await open(base), await open(base)];
	await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'old', data: 1 }]);
	ok(empty(await receiveFrom(base, b.token, undefined, 0)), 'without a cursor it begins behind what is there');
	let got = null;
	receiveFrom(base, b.token, undefined, 10000).then((answer) => got = answer);
	await parkedIs(instances, 1);
	await waitFor(async () => { /* When the store has said where it begins cannot be seen. */
		await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'new', data: 2 }]);
		return got;
	}, 'what comes', { everyMs: 100 });
	is(got.json.messages[0]?.event, 'new', '... and gets what comes');
}

async function takingOver({ instances }) {
	const places = instances.length > 1 ? [['the same instance', 0, 0], ['another instance', 0, 1]]
		: [['the same instance', 0, 0]];
	for (const [where, first, second] of places) {
		const { token, cursor, id } = await open(instances[first].base);
		const before = await instances[first].metrics('pollgate_polls_taken_over_total');
		const older = timed(() => pollOnce(instances[first].base, token, cursor, 10000));
		await parkedIs([instances[first]], 1);
		const begun = Date.now();
		await waitFor(() => Date.now() > begun + 1); // Which of two is newer is known to the millisecond.
		const newer = pollOnce(instances[second].base, token, cursor, 10000);
		const { ms, value } = await older;
		ok(empty(value), `a newer poll on ${where} ends the older one: 200 without messages`, value.text);
		ok(ms < AT_ONCE, '... at once', `it took ${ms.toFixed(0)} ms`);
		is(await instances[first].metrics('pollgate_polls_taken_over_total'), before + 1, '... and it is counted');
		await sendOps(instances[first].base, token, [{ op: 'send', to: id, event: 'mine', data: 1 }]);
		is((await newer).json.messages[0]?.event, 'mine', 'the newer one gets the messages');
		is((await pollOnce(instances[first].base, token, value.json.cursor, 0)).json.messages[0]?.event, 'mine',
			'the cursor of the ended one is still good');
	}
}

/** A connection on which a request was written as it is; text() is what came back. */
function rawConnection(port, text) {
	const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
	const connection = { socket, received: '', closed: false };
	socket.on('data', (data) => {
		connection.received += data;
	});
	socket.on('end', () => {
		connection.ended = true;
	});
	socket.on('close', () => {
		connection.closed = true;
	});
	socket.on('error', () => {});
	socket.write(text);
	return connection;
}

const pollText = ({ token, cursor }, hold, version = '1.1') =>
	`GET /v1/poll?token=${token}&cursor=${encodeURIComponent(cursor)}&hold=${hold} HTTP/${version}\r\nHost: test\r\n\r\n`;

async function leaving({ instances }) {
	const [instance] = instances;
	const ways = [['closes', (socket) => socket.destroy()], ['resets', (socket) => socket.resetAndDestroy()],
		['half-closes', (socket) => socket.end()]];
	for (const [how, leave] of ways) {
		const session = await open(instance.base);
		const before = await instance.metrics('pollgate_polls_abandoned_total');
		const { socket } = rawConnection(instance.port, pollText(session, 10000));
		await parkedIs([instance], 1);
		const start = performance.now();
		leave(socket);
		await parkedIs([instance], 0);
		ok(performance.now() - start < AT_ONCE, `a client that ${how} its connection is noticed at once`);
		is(await instance.metrics('pollgate_polls_abandoned_total'), before + 1, '... and counted');
		socket.destroy();
		await sendOps(instance.base, session.token, [{ op: 'send', to: session.id, event: 'kept', data: 1 }]);
		is((await pollOnce(instance.base, session.token, session.cursor, 1000)).json.messages[0]?.event, 'kept',
			'... and loses nothing');
	}
}

async function pipelining({ instances }) {
	const [instance] = instances;
	const session = await open(instance.base);
	const connection = rawConnection(instance.port,
		pollText(session, 500) + 'GET /health HTTP/1.1\r\nHost: test\r\n\r\n' + pollText(session, 0));
	await parkedIs([instance], 1);
	is(connection.received, '', 'what is pipelined behind a parked poll waits');
	await waitFor(() => (connection.received.match(/HTTP\/1\.1 200/g) ?? []).length === 3,
		() => `three answers in ${connection.received}`);
	const order = [...connection.received.matchAll(/"messages":|"status":/g)].map(([text]) => text);
	isDeep(order, ['"messages":', '"status":', '"messages":'], '... and is answered after it, in order');
	connection.socket.destroy();
}

async function oldHttp({ instances }) {
	const [instance] = instances;
	const session = await open(instance.base);
	const connection = rawConnection(instance.port, pollText(session, 2000, '1.0'));
	await parkedIs([instance], 1);
	await sendOps(instance.base, session.token, [{ op: 'send', to: session.id, event: 'old http', data: 1 }]);
	await waitFor(() => connection.ended || connection.closed,
		() => `the connection to be closed after ${connection.received}`);
	like(connection.received, /^HTTP\/1\.[01] 200/, 'a parked poll of an HTTP/1.0 client is answered');
	like(connection.received, /"old http"/, '... with its message, and the connection closed');
	ok(!/transfer-encoding/i.test(connection.received), '... not chunked');
	connection.socket.destroy();
	const kept = rawConnection(instance.port, `GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`);
	await waitFor(() => /\{"status":"ok".*\}/.test(kept.received), 'an answer');
	like(kept.received, /\r\nconnection: keep-alive\r\n/i, 'an HTTP/1.0 client may keep its connection');
	kept.socket.write(`GET /health HTTP/1.0\r\n\r\n`);
	await waitFor(() => kept.ended || kept.closed, 'the end');
	is((kept.received.match(/ 200 /g) ?? []).length, 2, '... and use it again');
	kept.socket.destroy();
}

async function cursors({ base }) {
	const [a, b] = [await open(base, { rooms: ['cursors'] }), await open(base, { rooms: ['cursors'] })];
	const broken = ['x', '0', '1', ' ', '../..', '%00', 'a'.repeat(5000), a.cursor + 'x', a.cursor.slice(0, -1) + '~', '"', '{}',
		a.cursor + a.cursor,
		a.cursor.replace(/\d+-\d+/, '99999999999999999999999-1')];
	for (const cursor of broken) {
		const answer = await receiveFrom(base, a.token, cursor, 0);
		isDeep([answer.status, answer.code], [400, 'bad_cursor'], `cursor ${cursor.slice(0, 60)} is refused: 400 bad_cursor`,
			answer.text.slice(0, 200));
	}
	ok(/^[A-Za-z0-9._~-]+$/.test(a.cursor), 'a cursor needs no escaping in a URL', a.cursor);
	const foreign = await receiveFrom(base, a.token, b.cursor, 0);
	ok(foreign.status === 200 && foreign.json.messages.length === 0 || foreign.status === 400,
		'the cursor of another session gives nothing away', foreign.text);
	const early = await open(base);
	const late = await open(base);
	await sendOps(base, a.token, [{ op: 'send', room: 'later', event: 'before', data: 0 }]);
	await sendOps(base, early.token, [{ op: 'join', room: 'later' }], 1);
	await sendOps(base, a.token, [{ op: 'send', room: 'later', event: 'after', data: 1 },
		{ op: 'send', room: 'later', event: 'after', data: 2 }]);
	const got = await receiveFrom(base, early.token, early.cursor, 2000);
	isDeep([got.json.messages.map(({ data }) => data), got.json.gaps], [[1, 2], undefined],
		'a cursor from before a join brings what came to the room since, nothing older, and no gap');
	await sendOps(base, early.token, [{ op: 'leave', room: 'later' }], 2);
	await sendOps(base, a.token, [{ op: 'send', room: 'later', event: 'while away', data: 3 }]);
	const { json: { results: [joined] } } = await sendOps(base, early.token, [{ op: 'join', room: 'later' }], 3);
	await sendOps(base, a.token, [{ op: 'send', room: 'later', event: 'back', data: 4 }]);
	const back = await receiveFrom(base, early.token, got.json.cursor, 2000);
	isDeep(back.json.messages.map(({ data }) => data), [4], 'a cursor from before leaving and joining again brings what came since');
	isDeep(back.json.gaps?.map(({ room, to }) => ({ room, to })), [{ room: 'later', to: joined.id }],
		'... and tells the time between as a gap: a room that was lost and joined anew looks the same');
	is((await receiveFrom(base, late.token, late.cursor, 0)).status, 200, 'a cursor stays good while nothing happens');
}

async function changingRooms({ base, instances }) {
	const [a, b] = [await open(base), await open(base, { rooms: ['first'] })];
	const parked = receiveFrom(base, b.token, b.cursor, 10000);
	await parkedIs(instances, 1);
	await sendOps(base, b.token, [{ op: 'join', room: 'second' }], 1);
	await sendOps(base, a.token, [{ op: 'send', room: 'second', event: 'to second', data: 1 }]);
	const first = await parked;
	const next = first.json.messages.length > 0 ? first : await receiveFrom(base, b.token, first.json.cursor, 10000);
	is(next.json.messages[0]?.event, 'to second', 'who waited before a join gets what comes to the new room');
	const { ms } = await timed(async () => {
		const again = receiveFrom(base, b.token, next.json.cursor, 1500);
		await parkedIs(instances, 1);
		await sendOps(base, b.token, [{ op: 'leave', room: 'second' }], 2);
		await sendOps(base, a.token, [{ op: 'send', room: 'second', event: 'too late', data: 1 }]);
		const answer = await again;
		isDeep(answer.json.messages, [], 'who waited before leaving gets nothing more of the room', answer.text);
	});
	ok(ms < 8000 * slowness, '... and ends with its hold');
	await Promise.all(Array.from({ length: 10 }, (_, i) => leavingAtOnce(base, instances, i)));
}

/* The notice of leaving and that of the next message come together. */
async function leavingAtOnce(base, instances, i) {
	const room = `left at once ${i}`;
	const member = await open(base, { rooms: [room] });
	const answer = receiveFrom(instances[i % instances.length].base, member.token, member.cursor, 1500);
	await instances[i % instances.length].waitMetric(waitingGauge(defaultTransport()), (n) => n >= 1);
	await sendOps(base, member.token, [{ op: 'leave', room }, { op: 'send', room, event: 'too late', data: 1, self: true }], 1);
	isDeep((await answer).json.messages, [], `what comes to a room right behind its leaving is not delivered (${i})`);
}

async function closing({ instances }) {
	const session = await open(instances[0].base);
	const parked = timed(() => receiveFrom(instances[0].base, session.token, session.cursor, 10000));
	await parkedIs([instances[0]], 1);
	await instances.at(-1).request('POST', '/v1/close', { token: session.token });
	const { ms, value } = await parked;
	isDeep([value.status, value.code], [410, 'session_gone'], 'closing the session tells who waits that it is gone');
	ok(ms < AT_ONCE, '... at once', `it took ${ms.toFixed(0)} ms`);
}

async function many({ base, instances }) {
	const clients = await Promise.all(Array.from({ length: 40 }, () => Client.open(base, { hold: 3000 })));
	await parkedIs(instances, 40);
	ok(true, 'many wait at once');
	await Promise.all(clients.map((client, i) => client.send(clients[(i + 1) % 40].id, 'ring', i)));
	for (const [i, client] of clients.entries())
		await client.waitEvent('ring', ({ data }) => data === (i + 39) % 40);
	ok(clients.every(({ messages, gaps, failures }) => messages.length === 1 && gaps.length === 0 && failures.length === 0),
		'each is woken by its own message only');
	await Promise.all(clients.map((client) => client.stop()));
	await parkedIs(instances, 0);
}

await forEachStore(async ({ start }) => {
	await holding(await start({ options: { 'hold': '2s', 'hold-max': '3s' } }));
	const cluster = await start({ options: { 'hold': '2s', 'hold-max': '10s' } });
	await takingOver(cluster);
	await leaving(cluster);
	await pipelining(cluster);
	await oldHttp(cluster);
	await forEachTransport(async (transport) => {
		await waking(cluster);
		if (transport !== 'ws') /* Without a cursor it receives nothing. */
			await withoutCursor(cluster);
		await cursors(cluster);
		await changingRooms(cluster);
		await closing(cluster);
		await many(cluster);
	});
});
await done();
