#!/usr/bin/env node
/* The relay, by a stock WebSocket client that knows nothing of sessions: frames go verbatim to all others in the room, in order for
   each sender, whichever instance they are at, and meet clients of other transports there. */
import WebSocket from 'ws';
import { Client } from './lib/client.mjs';
import { forEachStore, startPollgate, waitFor } from './lib/pollgate.mjs';
import { atEnd, done, is, isDeep, ok, scope } from './lib/tap.mjs';

/** A socket and what came on it: strings and Buffers. */
class Peer {
	static async open(base, room, { protocols, headers } = {}) {
		const peer = new Peer();
		Object.assign(peer, { got: [], closed: null });
		peer.ws = new WebSocket(`${base.replace('http', 'ws')}/relay/${room}`, protocols, { headers });
		atEnd(() => peer.ws.terminate());
		peer.ws.on('message', (data, binary) => peer.got.push(binary ? data : data.toString()));
		peer.ws.on('close', (code, reason) => peer.closed = { code, reason: reason.toString() });
		await new Promise((resolve, reject) => peer.ws.once('open', resolve).on('error', reject).once('unexpected-response', (_, answer) => {
			peer.ws.terminate();
			reject(Object.assign(new Error('refused'), { status: answer.statusCode }));
		}));
		return peer;
	}

	send(data) {
		this.ws.send(data);
	}

	has(count) {
		return waitFor(() => this.got.length >= count || this.closed,
			() => `${count} frames; there are ${this.got.length}, closed ${JSON.stringify(this.closed)}`);
	}

	ended() {
		return waitFor(() => this.closed, 'the end');
	}

	close() {
		this.ws.close();
		return this.ended();
	}
}

const upTo = (n) => [...Array(n).keys()];
const refusal = (base, room, more) => Peer.open(base, room, more).then(() => null, ({ status }) => status);
const memberCount = async (base, room) => {
	const { token } = await Client.open(base, { start: false });
	const answer = await fetch(`${base}/v1/rooms/${encodeURIComponent(room)}/members?token=${token}`);
	return (await answer.json()).count;
};

/** The room is entered soon after the socket opens: what others send from then on comes. */
async function together(bases, room, n) {
	const peers = await Promise.all(upTo(n).map((i) => Peer.open(bases[i % bases.length], encodeURIComponent(room))));
	await waitFor(async () => await memberCount(bases[0], room) === n, `${n} members`);
	return peers;
}

async function verbatim(bases) {
	const [a, b, c] = await together(bases, 'a room/with = signs \u00e9', 3);
	const other = await Peer.open(bases[0], 'elsewhere');
	const bytes = Buffer.from(upTo(256));
	const all = ['{"type":"offer","sdp":"v=0\\r\\n"}', 'not json', '', '"', '\u0000\u001f\u007f \u2028 \u{1f600} \\u0041', '\n', Buffer.alloc(0), bytes,
		Buffer.from([0xff]), 'x'.repeat(40_000), Buffer.alloc(40_000, 7)];
	for (const data of all)
		a.send(data);
	await b.has(all.length);
	await c.has(all.length);
	isDeep(b.got, all, 'texts come as texts, binary ones as binary ones, as they were');
	isDeep(c.got, all, 'to all others in the room');
	isDeep([a.got, other.got], [[], []], 'not to the sender, nor to another room');
	const late = await Peer.open(bases[0], encodeURIComponent('a room/with = signs \u00e9'));
	await waitFor(async () => await memberCount(bases[0], 'a room/with = signs \u00e9') === 4, '4 members');
	b.send('now');
	await late.has(1);
	isDeep(late.got, ['now'], 'who comes later gets what comes from then on');
	await Promise.all([a, b, c, late, other].map((peer) => peer.close()));
	await waitFor(async () => await memberCount(bases[0], 'a room/with = signs \u00e9') === 0, 'no members');
	ok(true, 'when a socket closes its member leaves');
}

async function inOrder(bases) {
	const peers = await together(bases, 'burst', 3);
	for (const i of upTo(500))
		peers.slice(0, 2).forEach((peer, n) => peer.send(`${n} ${i}`));
	await peers[2].has(1000);
	for (const n of [0, 1])
		isDeep(peers[2].got.filter((text) => text.startsWith(`${n} `)).map((text) => Number(text.slice(2))), upTo(500),
			`500 frames of sender ${n} come once and in order`);
	peers[0].send('last words');
	peers[0].ws.close();
	await peers[1].has(501);
	is(peers[1].got.at(-1), 'last words', 'what was sent before closing comes, too');
	await Promise.all(peers.slice(1).map((peer) => peer.close()));
}

async function meets(bases) {
	const native = await Client.open(bases[0], { rooms: ['both'], start: false });
	const [peer] = await Promise.all([Peer.open(bases[0], 'both')]);
	await waitFor(async () => await memberCount(bases[0], 'both') === 2, 'two members');
	peer.send('hello');
	peer.send(Buffer.from([1, 2, 3]));
	const got = [];
	await waitFor(async () => {
		const { json } = await native.poll(0);
		got.push(...json.messages.filter(({ event }) => !event.startsWith('$')));
		return got.length >= 2;
	}, 'two messages');
	isDeep(got.map(({ room, event, data }) => [room, event, data]), [['both', 'text', 'hello'], ['both', 'binary', 'AQID']],
		'a client of another transport gets frames as events of the room');
	await native.ops({ op: 'send', room: 'both', event: 'chat', data: 'not a frame' }, { op: 'send', room: 'both', event: 'text', data: { no: 'string' } },
		{ op: 'send', room: 'both', event: 'binary', data: 'no base64' }, { op: 'send', room: 'both', event: 'text', data: 'hi' },
		{ op: 'send', room: 'both', event: 'binary', data: '//8=' }, { op: 'send', to: peer.id ?? got[0].from, event: 'text', data: 'direct' });
	await peer.has(2);
	native.base = bases[0];
	await native.ops({ op: 'send', room: 'both', event: 'text', data: 'end' });
	await peer.has(3);
	isDeep(peer.got, ['hi', Buffer.from([255, 255]), 'end'], 'and sends frames as such events; what is none is not for sockets');
	await peer.close();
}

async function refuses(base) {
	is(await refusal(base, 'x'.repeat(129)), 400, 'a name that is too long is refused');
	is(await refusal(base, 'a%00b'), 400, 'one with a NUL as well');
	const answer = await fetch(`${base}/relay/room`);
	isDeep([answer.status, (await answer.json()).code], [426, 'upgrade_required'], 'what is no WebSocket is told to be one');
	const chosen = await Peer.open(base, 'room', { protocols: ['chat', 'superchat'] });
	is(chosen.ws.protocol, 'chat', 'the first subprotocol is taken: a browser fails without one');
	const other = await Peer.open(base, 'room');
	chosen.send('"'.repeat(70_000));
	await chosen.ended();
	isDeep(chosen.closed, { code: 1009, reason: 'message_too_large' }, 'a frame larger than a message may be closes the socket');
	isDeep(other.got, [], 'and goes to nobody');
	await other.close();
}

/** A reader so slow that the room's log is trimmed before it has read it. */
async function tellsGaps(start) {
	const { instances: [{ base }] } = await start({ options: { 'room-max': '20', 'stream-backlog': '4K', 'answer-max': '16K' } });
	const [slow, fast] = await together([base], 'gap', 2);
	slow.ws.pause();
	const large = 'x'.repeat(60_000);
	for (let i = 0; i < 400; i++)
		fast.send(`${i} ${large}`);
	await waitFor(() => fast.ws.bufferedAmount === 0, 'all to be sent');
	slow.ws.resume();
	await slow.ended();
	isDeep(slow.closed, { code: 4000, reason: 'gap' }, 'who has missed frames is told so: the socket closes with 4000');
	const numbers = slow.got.map((text) => parseInt(text, 10));
	isDeep(numbers, upTo(numbers.length), 'what came before is complete');
	await fast.close();
}

async function waitsForStore(instances, redis) {
	const [a, b] = await together(instances.map(({ base }) => base), 'outage', 2);
	a.send('before');
	await b.has(1);
	redis.pause();
	for (const i of upTo(200))
		a.send(`during ${i}`);
	const early = await Peer.open(instances[0].base, 'outage');
	early.send('early');
	await waitFor(async () => (await fetch(`${instances[0].base}/ready`)).status === 503, 'the outage to be noticed');
	redis.resume();
	await b.has(202);
	const heard = b.got.filter((text) => text !== 'early');
	isDeep(heard, ['before', ...upTo(200).map((i) => `during ${i}`)], 'what is sent while the store is away comes once, in order');
	ok(b.got.includes('early'), 'also from a socket that was opened meanwhile');
	await Promise.all([a, b, early].map((peer) => peer.close()));
}

/** One leaves while the store is away, and one is closed by the end of its instance meanwhile. */
async function leaves(start, redis) {
	const { instances: [one, other] } = await start({ options: { 'store-timeout': '200ms', drain: '8s' } });
	const [a, b] = await together([one.base], 'leave', 2);
	redis.pause();
	const errors = await one.metrics('pollgate_store_errors_total');
	a.ws.terminate();
	b.send('last');
	await one.waitMetric('pollgate_store_errors_total', (n) => n > errors + 4);
	const stopped = one.stop();
	await b.ended();
	redis.resume();
	isDeep(await stopped, { code: 0, signal: null }, 'an instance that ends waits for its relays');
	await waitFor(async () => await memberCount(other.base, 'leave') === 0, 'no members');
	ok(true, 'who leaves while the store is away is no member when it is back');
}

async function drains(start, redis) {
	const { instances } = await start({ options: { drain: '3s' } });
	const bases = instances.map(({ base }) => base);
	const [a, b] = await together(redis ? bases.slice(0, 2) : bases, 'drain', 2);
	for (const i of upTo(100))
		a.send(String(i));
	const stopped = instances[0].stop();
	await a.ended();
	is(a.closed.code, 1012, 'SIGTERM closes a socket with 1012');
	isDeep(await stopped, { code: 0, signal: null }, 'and ends the instance');
	if (!redis)
		return;
	await b.has(100);
	isDeep(b.got, upTo(100).map(String), 'what it had sent comes all the same');
	const again = await Peer.open(bases[1], 'drain');
	await waitFor(async () => await memberCount(bases[1], 'drain') === 2, 'two members');
	again.send('back');
	await b.has(101);
	await instances[1].kill();
	await again.ended();
	is(again.closed.code, 1006, 'after kill -9 the connection tells');
	const [third, fourth] = [await Peer.open(bases[2], 'drain'), await Peer.open(bases[2], 'drain')];
	await waitFor(async () => await memberCount(bases[2], 'drain') === 4, 'two more members');
	third.send('on');
	await fourth.has(1);
	isDeep(fourth.got, ['on'], 'and another instance relays on');
}

await forEachStore(async ({ start, redis }) => {
	const { instances } = await start();
	const bases = instances.map(({ base }) => base);
	await scope('frames', () => verbatim(bases));
	await scope('order', () => inOrder(bases));
	await scope('other transports', () => meets(bases));
	await scope('refusals', () => refuses(bases[0]));
	await scope('gaps', () => tellsGaps(start));
	if (redis) {
		await scope('outage', () => waitsForStore(instances, redis));
		await scope('leave', () => leaves(start, redis));
	}
	await scope('drain', () => drains(start, redis));
});
await scope('--no-relay', async () => {
	const { base } = await startPollgate({ options: { 'no-relay': true } });
	is(await refusal(base, 'room'), 404, 'a socket is refused');
	is((await (await fetch(`${base}/relay/room`)).json()).code, 'relay_disabled', 'and why');
});
await done();
