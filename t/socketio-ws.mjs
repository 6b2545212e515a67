#!/usr/bin/env node
/* Socket.IO 5 on WebSockets, on the wire: connecting, events with attachments in frames of their own, what a client gets that comes
   back without having received anything, and one that does not read. */
import WebSocket from 'ws';
import { Client } from './lib/client.mjs';
import { forEachStore, slowness, waitFor } from './lib/pollgate.mjs';
import { atEnd, done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const upTo = (n) => [...Array(n).keys()];

/** An engine on a socket, and its packets: strings and Buffers. */
class Engine {
	static async open(base) {
		const engine = new Engine();
		Object.assign(engine, { got: [], closed: null });
		engine.ws = new WebSocket(`${base.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
		atEnd(() => engine.ws.terminate());
		engine.ws.on('message', (data, binary) => {
			if (!binary && data.toString() === '2')
				engine.ws.send('3');
			else
				engine.got.push(binary ? data : data.toString());
		});
		engine.ws.on('close', (code) => engine.closed = code).on('error', () => {});
		await engine.has(1);
		return engine;
	}

	/** Connected to a namespace: { sid, pid }. */
	async connect(auth = '', namespace = '') {
		const before = this.got.length;
		this.send(`40${namespace}${namespace ? ',' : ''}${auth}`);
		await waitFor(() => this.answer(before), () => `an answer; there are ${JSON.stringify(this.got)}`);
		return JSON.parse(this.answer(before).replace(/^40[^{]*/, ''));
	}

	answer(from) {
		return this.got.slice(from).find((packet) => typeof packet === 'string' && packet.startsWith('40'));
	}

	/** [event, arguments...] of what came, without their offsets. */
	get events() {
		return this.got.filter((packet) => typeof packet === 'string' && packet.startsWith('42')).map((packet) => JSON.parse(packet.slice(2)).slice(0, -1));
	}

	send(...packets) {
		packets.forEach((packet) => this.ws.send(packet));
	}

	has(count) {
		return waitFor(() => this.got.length >= count || this.closed, () => `${count} packets; there are ${JSON.stringify(this.got).slice(0, 500)}`);
	}

	ended() {
		return waitFor(() => this.closed, 'the end');
	}
}

async function talks({ instances }) {
	const bases = instances.map(({ base }) => base);
	const [a, b] = [await Engine.open(bases[0]), await Engine.open(bases.at(-1))];
	like(a.got[0], /^0\{"sid":"[A-Za-z0-9_-]{22}","upgrades":\[\],/, 'the handshake is the first packet');
	const [one, other] = [await a.connect(), await b.connect()];
	ok(one.sid.length === 22 && one.pid.length === 22 && one.sid !== other.sid, 'a client connects, and has an id and a secret');
	a.send('42["hello",1,{"a":null}]', '421["asked"]', '452-["bytes",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', Buffer.from([1, 2]),
		Buffer.alloc(0), '42["last"]');
	await waitFor(() => b.events.length === 3 && b.got.length === 8, () => `all of it; there are ${JSON.stringify(b.got)}`);
	isDeep(b.events, [['hello', 1, { a: null }], ['asked'], ['last']], 'events come to the others, in order');
	const at = b.got.findIndex((packet) => packet.startsWith?.('452-'));
	isDeep([JSON.parse(b.got[at].slice(4))[0], b.got[at + 1], b.got[at + 2]], ['bytes', Buffer.from([1, 2]), Buffer.alloc(0)],
		'attachments are frames behind their event');
	await waitFor(() => a.got.some((packet) => packet.startsWith('431[{"ok":true,')), 'an answer');
	ok(true, 'an event that asks for it is acknowledged');
	const admin = await a.connect('', '/admin');
	ok(admin.sid !== one.sid, 'a client may be in several namespaces');
	a.send(...upTo(200).map((i) => `42["burst",${i}]`));
	await waitFor(() => b.events.length === 203, 'a burst');
	isDeep(b.events.slice(3).map(([, i]) => i), upTo(200), '200 events in one go come whole and in order');
	a.send('41/admin,', '42["still"]');
	await waitFor(() => b.events.length === 204, 'one more');
	ok(a.closed === null, 'one of them may be left');
	a.send('1');
	await a.ended();
	ok(true, 'a close packet closes');
	b.send('42["x"', '42["y"]');
	await b.ended();
	ok(true, 'so does a packet that is none');
}

async function waits({ instances: [{ base }] }) {
	const silent = await Engine.open(base);
	await silent.ended();
	ok(true, 'who connects to no namespace is closed');
	const engine = await Engine.open(base);
	await engine.connect();
	await waitFor(() => engine.got.length >= 2, 'the connection');
	is(engine.closed, null, 'who does is not');
	engine.ws.terminate();
}

/** The socket breaks before anything was received, and once more. */
async function returns({ instances }) {
	const bases = instances.map(({ base }) => base);
	const native = await Client.open(bases[0], { name: 'native' });
	let engine = await Engine.open(bases[0]);
	const { sid, pid } = await engine.connect();
	const send = async (...numbers) => {
		for (const n of numbers)
			await native.send(sid, 'n', n);
	};
	engine.ws.pause(); /* What comes now does not get through. */
	await send(1, 2, 3);
	engine.ws.terminate();
	await send(4);
	for (const [round, more] of [5, 6].entries()) {
		engine = await Engine.open(bases[(round + 1) % bases.length]);
		const again = await engine.connect(JSON.stringify({ pid }));
		isDeep([again.sid, again.pid], [sid, pid], 'who comes back with its secret is who it was');
		isDeep(engine.events.map(([, n]) => n), upTo(more - 1).map((n) => n + 1), 'without an offset it gets all that came since it connected, before it is told so');
		like(engine.got.at(-1), /^40/, 'then it is told so');
		engine.ws.pause();
		await send(more);
		engine.ws.terminate();
	}
	engine = await Engine.open(bases[0]);
	const last = await engine.connect(JSON.stringify({ pid }));
	const offset = engine.got.map((packet) => packet.startsWith('42') && JSON.parse(packet.slice(2))).filter(Boolean).at(2).at(-1);
	is(last.sid, sid, 'again');
	const next = await Engine.open(bases[0]);
	await next.connect(JSON.stringify({ pid, offset }));
	isDeep(next.events.map(([, n]) => n), [4, 5, 6], 'with an offset it gets what is behind that');
	await engine.ended();
	ok(true, 'and where it was before is closed');
	next.ws.terminate();
	await native.close();
}

/** Megabytes for a client that does not read: they stay in the store, and come when it does. */
async function slowly(start) {
	const { instances } = await start({ options: { 'stream-backlog': '64K', 'room-max': 100_000, 'mailbox-max': 10_000 } });
	const [instance] = instances;
	const engine = await Engine.open(instance.base);
	const { sid } = await engine.connect();
	const native = await Client.open(instance.base, { name: 'native' });
	engine.ws.pause();
	const before = await instance.metrics('process_resident_memory_bytes');
	const data = 'x'.repeat(50_000);
	for (let i = 0; i < 300; i++)
		await native.send(sid, 'n', i + data);
	if (instances.length > 1 && slowness === 1) {
		const grown = await instance.metrics('process_resident_memory_bytes') - before;
		ok(grown < 12e6, 'a gateway keeps little for a client that does not read', grown);
	}
	engine.ws.resume();
	await waitFor(() => engine.events.length === 300, () => `all of it; there are ${engine.events.length}`);
	isDeep(engine.events.map(([, text]) => parseInt(text, 10)), upTo(300), 'when it does it gets all, once, in order');
	engine.ws.terminate();
	await native.close();
}

await forEachStore(async ({ start }) => {
	const cluster = await start();
	await scope('talk', () => talks(cluster));
	await scope('return', () => returns(cluster));
	await scope('wait', async () => waits(await start({ options: { 'connect-timeout': `${500 * slowness}ms` } })));
	await scope('slow', () => slowly(start));
});
await done();
