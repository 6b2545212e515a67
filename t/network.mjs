#!/usr/bin/env node
/*
 * The networks that the other tests are made with (lib/network.mjs) do what they say: shown with a server of its own, which streams,
 * waits, and echoes on upgraded connections.
 */
import http from 'node:http';
import net from 'node:net';
import { atEnd, done, is, isDeep, ok, scope } from './lib/tap.mjs';
import { slowness, waitFor } from './lib/wait.mjs';
import { startNetwork } from './lib/network.mjs';

const CUT = 1500 * slowness; // What is to come before it has that long, also on a busy machine.

/** A server: GET /stream?type=T sends a line when it is told to (next()), and ends after three; /slow is answered by finish(). */
class Backend {
	static async start() {
		const backend = new Backend();
		backend.asked = [];
		backend.streams = [];
		backend.slow = [];
		backend.sockets = new Set();
		backend.server = http.createServer((request, answer) => backend.#on(request, answer));
		backend.server.on('upgrade', (request, socket) => backend.#upgrade(request, socket));
		backend.server.on('connection', (socket) => {
			backend.sockets.add(socket);
			socket.once('close', () => backend.sockets.delete(socket));
		});
		await new Promise((resolve) => backend.server.listen(0, '127.0.0.1', resolve));
		backend.port = backend.server.address().port;
		atEnd(() => {
			for (const socket of backend.sockets)
				socket.destroy();
			backend.server.close();
		});
		return backend;
	}

	async #on(request, answer) {
		let length = 0;
		for await (const chunk of request)
			length += chunk.length;
		const url = new URL(request.url, 'http://host');
		this.asked.push({ method: request.method, path: url.pathname, headers: request.headers, length });
		if (url.pathname === '/stream') {
			answer.writeHead(200, { 'Content-Type': url.searchParams.get('type') });
			answer.flushHeaders();
			this.streams.push(answer);
		} else if (url.pathname === '/slow') {
			this.slow.push(answer);
		} else {
			answer.writeHead(url.pathname === '/missing' ? 404 : 200, { 'Content-Type': 'text/plain', 'Content-Length': 5 });
			answer.end('hello');
		}
	}

	#upgrade(request, socket) {
		this.asked.push({ method: request.method, path: request.url, headers: request.headers, upgrade: true });
		socket.on('error', () => {});
		if (request.url === '/refused')
			return socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
		socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Kept: yes\r\n\r\nwelcome;');
		socket.pipe(socket);
	}
}

/** Bytes sent as they are and what came back: { text, closed } grow. */
function raw(port, sent) {
	const end = { text: '', closed: false };
	end.socket = net.connect(port, '127.0.0.1', () => end.socket.write(sent));
	end.socket.setEncoding('latin1').on('data', (data) => end.text += data).on('error', () => {}).on('close', () => end.closed = true);
	end.gets = (part) => waitFor(() => end.text.includes(part), () => `${part} in ${JSON.stringify(end.text)}`);
	end.closes = () => waitFor(() => end.closed, 'the end of a connection');
	atEnd(() => end.socket.destroy());
	return end;
}

const get = (port, path, more = '') => raw(port, `GET ${path} HTTP/1.1\r\nHost: host\r\n${more}\r\n`);
const upgrade = (port, path = '/echo', first = '') => raw(port,
	`GET ${path} HTTP/1.1\r\nHost: host\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\nSec-WebSocket-Key: k\r\n\r\n${first}`);
const post = (port, body) => raw(port, `POST /echo HTTP/1.1\r\nHost: host\r\nContent-Length: ${body.length}\r\n\r\n${body}`);

const [one, two] = [await Backend.start(), await Backend.start()];
const every = [one, two];
const asked = () => every.flatMap((backend) => backend.asked);
const streams = () => every.flatMap((backend) => backend.streams);
const opened = (count) => waitFor(() => streams().length === count, `${count} streams to be asked for`);

async function on(words, options, body) {
	await scope(words, async () => {
		for (const backend of every)
			Object.assign(backend, { asked: [], streams: [], slow: [] });
		const network = await startNetwork({ targets: every, ...options });
		await body(network, network.port);
		await network.close();
		await waitFor(() => every.every(({ sockets }) => sockets.size === 0), 'all connections to the servers to end');
	});
}

/** Three lines of a stream, each sent after the one before has arrived. */
async function passes(port, type, what) {
	const got = get(port, `/stream?type=${type}`);
	await opened(1);
	for (const line of ['first', 'second', 'third']) {
		streams()[0].write(`${line}\n`);
		await got.gets(line);
	}
	streams()[0].end();
	await got.gets('\r\n0\r\n\r\n');
	ok(true, what);
}

/** Nothing of a stream arrives, not even its head, before it is complete: a request that was asked later is answered before. */
async function holds(port, type, what) {
	const got = get(port, `/stream?type=${type}`);
	await opened(1);
	streams()[0].write('first\n');
	await get(port, '/quick').gets('hello');
	await get(port, '/quick').gets('hello');
	const before = got.text;
	streams()[0].end('last\n');
	await got.gets('last');
	is(before, '', what);
}

await on('nothing blocked', {}, async (network, port) => {
	await passes(port, 'text/event-stream', 'events pass one by one');
	const wss = upgrade(port, '/echo', 'early;');
	await wss.gets('early;');
	ok(/^HTTP\/1.1 101 [^]*X-Kept: yes\r\n\r\nwelcome;early;$/.test(wss.text), 'an upgrade passes with what is sent before and after its head',
		wss.text);
	wss.socket.write('late;');
	await wss.gets('late;');
	is(network.now.upgrades, 1, 'it is counted');
	is(network.count('/echo', 101), 1, 'as answered by 101');
	wss.socket.end();
	await wss.closes();
	await waitFor(() => network.now.upgrades === 0, 'no upgrade to be open');
	ok(true, 'and as closed when the client has closed it');
	const refused = upgrade(port, '/refused');
	await refused.closes();
	ok(/^HTTP\/1.1 401 [^]*\r\n\r\nno$/.test(refused.text), 'the answer to a refused upgrade passes, and the connection ends', refused.text);
	const dies = upgrade(port);
	await dies.gets('welcome;');
	for (const { sockets } of every)
		for (const socket of sockets)
			socket.destroy();
	await dies.closes();
	ok(true, 'an upgraded connection ends with that of the server');
	const broken = get(port, '/stream?type=text/plain');
	await opened(2);
	streams()[1].write('part');
	streams()[0].write('part');
	await broken.gets('part');
	for (const stream of streams())
		stream.destroy();
	await broken.closes();
	ok(!broken.text.includes('\r\n0\r\n'), 'a stream that breaks off is not made to look complete');
	const quits = get(port, '/stream?type=text/plain');
	await opened(3);
	quits.socket.destroy();
	await waitFor(() => streams().every(({ destroyed }) => destroyed), 'the stream to be closed');
	ok(true, 'a client that leaves ends its stream');
});
await on('random instances', { seed: 7 }, async (network, port) => {
	const all = Array.from({ length: 10 }, () => upgrade(port));
	const plain = Array.from({ length: 10 }, () => get(port, '/quick'));
	await Promise.all(all.map((end) => end.gets('welcome')));
	await Promise.all(plain.map((end) => end.gets('hello')));
	ok(every.every(({ asked: here }) => here.some((each) => each.upgrade) && here.some((each) => !each.upgrade)), 'each gets upgrades and requests');
	const { connections, upgrades } = network.now;
	isDeep({ connections, upgrades }, { connections: 20, upgrades: 10 }, 'what is open at once is counted');
	for (const { socket } of [...all, ...plain])
		socket.destroy();
	await waitFor(() => network.now.connections === 0, 'all connections to end');
	const { most } = network;
	isDeep([network.now.upgrades, most.connections, most.upgrades], [0, 20, 10], 'and how much it was at most');
	network.resetCounts();
	is(network.most.upgrades, 0, 'until that is reset');
});
await on('Upgrade refused', { upgrade: '400' }, async (network, port) => {
	const wss = upgrade(port);
	await wss.closes();
	ok(/^HTTP\/1.1 400 /.test(wss.text), 'is answered 400', wss.text);
	is(asked().length, 0, 'and the server is not asked');
	await passes(port, 'text/event-stream', 'events pass one by one');
});
await on('Upgrade stripped', { upgrade: 'strip' }, async (network, port) => {
	const wss = upgrade(port);
	await wss.gets('hello');
	const [{ headers, upgrade: upgraded }] = asked();
	isDeep([upgraded, headers.upgrade], [undefined, undefined], 'the server gets a plain request');
	is(headers['sec-websocket-key'], 'k', 'with the rest of its headers');
});
await on('a black hole', { upgrade: 'hole' }, async (network, port) => {
	const wss = upgrade(port, '/echo', 'early;');
	await wss.gets('\r\n\r\n');
	wss.socket.write('late;');
	await get(port, '/quick').gets('hello');
	await get(port, '/quick').gets('hello');
	ok(/ 101 [^]*\r\n\r\n$/.test(wss.text), 'an upgrade is accepted, and then nothing comes back', wss.text);
	is(wss.closed, false, 'nor is it closed');
});
await on('events held back', { hold: 'sse' }, async (network, port) => {
	await holds(port, 'text/event-stream;charset=utf-8', 'an event stream arrives when it is complete');
	for (const backend of every)
		backend.streams = [];
	await passes(port, 'text/plain', 'other streams pass line by line');
	await upgrade(port).gets('welcome;');
	ok(true, 'upgrades pass');
});
await on('every answer held back', { hold: 'all' }, async (network, port) => {
	await holds(port, 'text/plain', 'a stream arrives when it is complete');
	const wss = upgrade(port);
	await wss.gets('HTTP/1.1 400 ');
	ok(true, 'upgrades are refused');
});
await on('requests cut', { cutAfter: CUT }, async (network, port) => {
	const waits = get(port, '/slow');
	const streamed = get(port, '/stream?type=text/event-stream');
	const wss = upgrade(port);
	await opened(1);
	streams()[0].write('first\n');
	await streamed.gets('first');
	await wss.gets('welcome;');
	await Promise.all([waits.closes(), streamed.closes()]);
	is(waits.text, '', 'one that is not answered yet is reset');
	ok(!streamed.text.includes('\r\n0\r\n'), 'a stream breaks off');
	is(network.count('/slow', 'cut'), 1, 'they are counted as cut');
	wss.socket.write('still;');
	await wss.gets('still;');
	ok(true, 'an upgraded connection lives on');
});
await on('requests cut with 504', { cutAfter: CUT, cutWith: 504 }, async (network, port) => {
	const waits = get(port, '/slow');
	await waits.gets('HTTP/1.1 504 ');
	waits.socket.write('GET /quick HTTP/1.1\r\nHost: host\r\n\r\n');
	await waits.gets('hello');
	ok(true, 'one that is not answered yet is answered so, and the connection goes on');
});
await on('idle upgrades cut', { wsIdle: CUT }, async (network, port) => {
	const idle = upgrade(port);
	const busy = upgrade(port);
	await Promise.all([idle.gets('welcome;'), busy.gets('welcome;')]);
	const say = setInterval(() => busy.socket.write('.'), 20);
	await idle.closes();
	ok(!busy.closed, 'one that is silent is cut, one that is not lives on');
	clearInterval(say);
	await busy.closes();
	ok(true, 'until it is silent, too');
});
await on('upgrades cut', { wsLife: CUT }, async (network, port) => {
	const busy = upgrade(port);
	const say = setInterval(() => busy.socket.write('.'), 20);
	await busy.closes();
	clearInterval(say);
	ok(busy.text.includes('welcome;...'), 'however busy one is');
});
await on('POST refused', { post: 403 }, async (network, port) => {
	await post(port, 'x').gets('HTTP/1.1 403 ');
	await get(port, '/quick').gets('hello');
	is(asked().length, 1, 'the server is only asked the GET');
});
await on('long bodies refused', { bodyMax: 1000 }, async (network, port) => {
	await post(port, 'x'.repeat(1000)).gets('hello');
	await post(port, 'x'.repeat(1001)).gets('HTTP/1.1 413 ');
	isDeep(asked().map(({ length }) => length), [1000], 'the server gets the short one only');
});
await on('faults', { fault: ({ path }) => path === '/stream' ? { repeat: true } : path === '/slow' ? { drop: 'before' } : undefined },
	async (network, port) => {
		const got = get(port, '/stream?type=text/plain');
		await opened(2);
		await waitFor(() => streams().some(({ destroyed }) => destroyed), 'the first of two answers to be given up');
		for (const stream of streams())
			stream.end('line\n');
		await got.gets('line');
		ok(true, 'a request for a stream can be repeated: the second answer counts');
		const dropped = get(port, '/slow');
		await dropped.closes();
		isDeep([dropped.text, network.dropped], ['', 1], 'and others dropped');
	});
await done();
