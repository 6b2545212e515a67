#!/usr/bin/env node
/*
 * www/websocket.js: beside the browser's own class, where it has to behave the same; and under a page made for a WebSocket, a
 * call for two that knows nothing of it, through a network that lets no WebSocket pass.
 */
import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FAKE_MEDIA, startBrowser, www as pages } from './lib/browser.mjs';
import { done, is, isDeep, note, ok, scope } from './lib/tap.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { Client } from './lib/client.mjs';
import { startNetwork } from './lib/network.mjs';
import { tempDir } from './lib/process.mjs';
import { patience } from './lib/wait.mjs';

const browser = await startBrowser(FAKE_MEDIA);
const WAIT = 30_000;
const range = (n) => [...Array(n).keys()];

/* ---- The pages ---- */

/*
 * The protocol of a well-known page for WebRTC by hand: whoever is there gets what the other one says.  It has handlers that are
 * assigned after the construction, no reconnection, and candidates that are lost when they come before their offer.
 */
const CALL = `
const said = window.said = [];
let peer, stream;
const ws = window.ws = new WebSocket(wsUrl);
ws.onopen = () => said.push('open');
ws.onerror = () => said.push('error');
ws.onclose = ({ code }) => said.push('close ' + code);
ws.onmessage = ({ data }) => {
	const message = JSON.parse(data);
	said.push(message.type);
	if (message.type === 'offer')
		answer(message);
	else if (message.type === 'answer')
		peer.setRemoteDescription(message);
	else if (message.type === 'candidate')
		peer ? peer.addIceCandidate(message.ice) : said.push('PeerConnection not exist!');
	else if (message.type === 'close')
		end();
};
const send = (message) => ws.readyState === ws.OPEN ? ws.send(JSON.stringify(message)) : said.push('not open');
function prepare() {
	if (peer)
		said.push('a second PeerConnection');
	peer = new RTCPeerConnection({ iceServers: [] });
	peer.onicecandidate = ({ candidate }) => candidate && send({ type: 'candidate', ice: candidate });
	peer.ontrack = ({ streams }) => document.querySelector('#remote').srcObject = streams[0];
	stream.getTracks().forEach((track) => peer.addTrack(track, stream));
}
window.startVideo = async () => stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: false });
window.connect = async () => {
	prepare();
	await peer.setLocalDescription(await peer.createOffer());
	send({ type: 'offer', sdp: peer.localDescription.sdp });
};
async function answer(offer) {
	prepare();
	await peer.setRemoteDescription(offer);
	await peer.setLocalDescription(await peer.createAnswer());
	send({ type: 'answer', sdp: peer.localDescription.sdp });
}
function end() {
	peer?.close();
	peer = undefined;
	document.querySelector('#remote').srcObject = null;
}
window.hangUp = () => {
	send({ type: 'close' });
	end();
};
`;
const page = (head, script) => `<!doctype html><title>Call</title><link rel="icon" href="data:,">${head}<video id="remote" autoplay muted></video>
<script type="module">${script}</script>`;
const HERE = "const wsUrl = (location.protocol === 'https:' ? 'wss://' : 'ws://') + location.hostname + ':' + location.port;";
const www = tempDir('shim');
cpSync(pages, www, { recursive: true });
for (const [name, text] of Object.entries({
	'plain.html': page('', `${HERE.replace(';', " + '/relay/call';")}${CALL}`),
	'shimmed.html': page('<script src="websocket.js" data-replace data-room="call"></script>', HERE + CALL),
	'empty.html': page('<script src="websocket.js"></script>', ''),
	'replaced.html': page('<script src="websocket.js" data-replace></script>', ''),
}))
	writeFileSync(path.join(www, name), text);


async function open(url) {
	const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
	const tab = await context.newPage();
	tab.setDefaultTimeout(patience(WAIT));
	tab.wrong = [];
	tab.on('pageerror', (error) => tab.wrong.push(error.message));
	await tab.goto(url);
	return tab;
}

const close = (...tabs) => Promise.all(tabs.map((tab) => tab.context().close()));

/* ---- The class ---- */

/** Runs in the page: all that can be seen of a class `WebSocket` at a room, as plain values. */
async function exercise([name, url]) {
	const Socket = window[name];
	const seen = {};
	const nameOf = (fn) => {
		try {
			fn();
			return 'nothing';
		} catch (error) {
			return `${error.constructor.name} ${error.name}`;
		}
	};
	const event = (ws, type) => new Promise((resolve) => ws.addEventListener(type, resolve, { once: true }));
	const until = async (condition) => {
		while (!condition())
			await new Promise((resolve) => setTimeout(resolve, 10));
	};

	seen.constants = [Socket, Socket.prototype].map((one) => ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].map((constant) =>
		[one[constant], Object.getOwnPropertyDescriptor(one, constant).writable, constant in one]));
	seen.members = Object.keys(Socket.prototype).sort();
	seen.name = [Socket.name, Socket.length, Socket.prototype instanceof EventTarget];
	seen.badUrls = ['nonsense:', 'ftp://x/', 'ws://x/#f', 'ws://x/#', 'ws://', 'ws://:', 'ws://x:99999/', 'mailto:x'].map((one) => nameOf(() => new Socket(one)));
	seen.badProtocols = [[''], ['a', 'a'], ['a b'], ['a', 'ü'], 'a,b', '', [null, 'null']].map((one) => nameOf(() => new Socket(url, one)));
	seen.noArguments = nameOf(() => new Socket());
	seen.notNew = nameOf(() => Socket(url));

	const a = new Socket(url, ['one', 'two']);
	const b = new Socket(new URL(url));
	seen.early = [a.readyState, a.binaryType, a.bufferedAmount, a.protocol, a.extensions, a.url, `${a}`, a.onopen, a.onmessage, a.OPEN];
	seen.sentEarly = nameOf(() => a.send('x'));
	seen.sentNothing = nameOf(() => a.send());
	const order = [];
	a.addEventListener('open', () => order.push('first'));
	a.onopen = () => order.push('replaced');
	a.addEventListener('open', { handleEvent: ({ type, target, bubbles, cancelable, isTrusted }) => order.push(type, target === a, bubbles, cancelable) });
	a.onopen = function (one) {
		order.push('handler', this === a, one.constructor.name, a.readyState);
	};
	a.onmessage = 7;
	a.onerror = () => order.push('removed');
	a.onerror = null;
	seen.handlers = [typeof a.onopen, a.onmessage, a.onerror];
	await Promise.all([event(a, 'open'), event(b, 'open')]);
	seen.opening = order;
	seen.opened = [a.readyState, a.protocol, b.protocol, a.extensions];

	const got = [];
	b.onmessage = ({ data, origin, lastEventId, source, ports }) => got.push([data, b.binaryType, origin, lastEventId, source, ports.length]);
	while (!got.length) { // It enters the room soon after it is open.
		a.send('are you there?');
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
	a.send('last');
	await until(() => got.at(-1)[0] === 'last');
	got.length = 0;
	const bytes = Uint8Array.of(0, 1, 127, 128, 255, 10, 13);
	a.send('Grüße 😀 \u0000\u2028"\\');
	a.send('');
	a.send(new Blob([bytes]));
	a.send('half \ud800 pair');
	a.send('\ufeffbom');
	a.send(bytes.buffer);
	a.send(bytes.subarray(2, 5));
	a.send(new DataView(bytes.buffer, 1, 3));
	a.send(new Blob(['late', bytes]));
	a.send(7);
	a.send(null);
	a.send({});
	a.send(new Uint8Array(0));
	const changed = bytes.slice();
	a.send(changed);
	changed.fill(9);
	seen.buffered = a.bufferedAmount > 0;
	a.send('end of blobs');
	await until(() => got.at(-1)?.[0] === 'end of blobs');
	b.binaryType = 'nonsense';
	seen.binaryType = b.binaryType;
	b.binaryType = 'arraybuffer';
	a.send(bytes);
	a.send('end');
	await until(() => got.at(-1)?.[0] === 'end');
	seen.got = [];
	for (const [data, ...more] of got)
		seen.got.push([data.constructor.name, typeof data === 'string' ? data : [...new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data)], ...more]);
	await until(() => a.bufferedAmount === 0);
	const many = [...Array(300).keys()];
	got.length = 0;
	many.forEach((n) => a.send(`${n}`));
	await until(() => got.length >= many.length);
	seen.many = got.map(([data]) => data).join() === many.join();

	seen.badCloses = [[999], [1001], [1005], [2999], [5000], [70000], ['x'], [NaN], [1000, 'x'.repeat(124)], [3000, 'ü'.repeat(62)]].map((of) => nameOf(() => a.close(...of)));
	seen.unclosed = a.readyState;
	const ended = event(a, 'close');
	b.send('before the end');
	const errors = [];
	a.onerror = () => errors.push('error');
	got.length = 0;
	a.send('the last word');
	a.close(3001, 'bye');
	seen.closing = [a.readyState, nameOf(() => a.close(4000)), nameOf(() => a.send('too late')), a.bufferedAmount > 0];
	const { code, reason, wasClean, constructor, type } = await ended;
	seen.closed = [a.readyState, code, reason, wasClean, constructor.name, type, errors.length];
	await until(() => got.length);
	seen.flushed = got.map(([data]) => data);
	const second = event(b, 'close');
	b.close();
	const end = await second;
	seen.closedPlainly = [end.code, end.reason, end.wasClean];

	const c = new Socket(url);
	const story = [];
	for (const one of ['open', 'error', 'close'])
		c[`on${one}`] = (what) => story.push(one, what.code, what.wasClean, c.readyState);
	c.close();
	story.push(c.readyState);
	await event(c, 'close');
	seen.closedEarly = story;
	return seen;
}

async function alike({ instances: [instance] }) {
	const tab = await open(`${instance.base}/empty.html`);
	const url = `${instance.base.replace('http', 'ws')}/relay/a%20room`;
	const own = await tab.evaluate(exercise, ['WebSocket', url]);
	const made = await tab.evaluate(exercise, ['PollgateWebSocket', url]);
	for (const [what, value] of Object.entries(own))
		isDeep(made[what], value, `as the browser's own class: ${what.replace(/([A-Z])/g, ' $1').toLowerCase()}`);
	is(made.got.length, 17, 'all frames came');
	isDeep(await tab.evaluate(async (base) => {
		const { connect } = await import('./pollgate.js');
		const client = connect(base);
		await client.ready;
		await new Promise((resolve) => client.on('transport', ({ transport }) => transport === 'ws' && resolve()));
		await client.close();
		return [WebSocket !== PollgateWebSocket, PollgateWebSocket.native === WebSocket];
	}, instance.base), [true, true], 'without data-replace the browser keeps its class');
	isDeep(tab.wrong, [], 'no page complained');
	await close(tab);
}

async function replaced({ instances: [instance] }) {
	const tab = await open(`${instance.base}/replaced.html`);
	isDeep(await tab.evaluate(async () => {
		const { connect } = await import('./pollgate.js');
		const client = connect();
		await new Promise((resolve) => client.on('transport', ({ transport }) => transport === 'ws' && resolve()));
		await client.close();
		return [WebSocket === PollgateWebSocket, new WebSocket(`ws://${location.hostname}:`).url];
	}), [true, 'ws://127.0.0.1/'], 'with data-replace it takes the place, and pollgate.js still uses a real one; a port may be empty');
	isDeep(tab.wrong, [], 'no page complained');
	await close(tab);
}

/** What cannot be hidden. */
async function ends({ instances: [instance] }, store) {
	const tab = await open(`${instance.base}/replaced.html`);
	const ended = (script) => tab.evaluate(`new Promise((resolve) => {
		const story = [];
		const ws = new WebSocket('ws://x/relay/ends');
		ws.onopen = () => {
			story.push('open');
			${script}
		};
		ws.onerror = () => story.push('error');
		ws.onclose = ({ code, reason, wasClean }) => resolve([...story, code, reason, wasClean]);
	})`);
	isDeep(await ended("ws.send('x'.repeat(100000))"), ['open', 1009, 'message_too_large', true], 'a frame that is too large closes with 1009');
	if (store === 'memory') {
		const ending = ended('window.opened = true;');
		await tab.waitForFunction(() => window.opened);
		await instance.restart();
		isDeep(await ending, ['open', 4410, 'session_gone', true], 'a session that is lost closes with 4410');
	}
	isDeep(await tab.evaluate((long) => new Promise((resolve) => {
		const ws = new WebSocket(`ws://x/relay/${long}`);
		const story = [];
		ws.onerror = () => story.push('error');
		ws.onclose = ({ code, wasClean }) => resolve([...story, code, wasClean]);
	}), 'x'.repeat(300)), ['error', 1006, false], 'a room that cannot be fails as a connection does');
	isDeep(tab.wrong, [], 'no page complained');
	await close(tab);
}

/* ---- Pages ---- */

const moves = (tab) => tab.waitForFunction(() => {
	const video = document.querySelector('#remote');
	return video.videoWidth > 0 && video.currentTime > 0.3;
}).then(() => true);

/** One page has a WebSocket, the other is where none passes. */
async function call(first, second, watcher) {
	for (const tab of [first, second]) {
		await tab.evaluate(() => startVideo());
		await tab.waitForFunction(() => said.includes('open'));
	}
	// A socket is in the room soon after it is open.
	await waitFor(async () => (await watcher.members('call')).json.count === 2, 'two to be in the room', { limitMs: WAIT });
	await first.evaluate(() => connect());
	ok(await moves(first) && await moves(second), 'both see the other');
	await second.evaluate(() => hangUp());
	await first.waitForFunction(() => said.includes('close'));
	ok(true, 'hanging up is told');
	const told = await Promise.all([first, second].map((tab) => tab.evaluate(() => said)));
	isDeep(told.flat().filter((one) => !['open', 'offer', 'answer', 'candidate', 'close'].includes(one)), [], 'nothing came twice, too early or out of order', ...told);
	isDeep([...first.wrong, ...second.wrong], [], 'no page complained');
}

async function blocked({ instances, base }) {
	const network = await startNetwork({ targets: instances, upgrade: '400' });
	const watcher = await Client.open(base, { start: false });
	const [ann, bob] = [await open(`${network.base}/shimmed.html`), await open(`${network.base}/shimmed.html`)];
	await scope('two pages without a WebSocket', () => call(ann, bob, watcher));
	await close(bob);
	const eve = await open(`${base}/plain.html`);
	await scope('a page with one calls a page without', () => call(eve, ann, watcher));
	await close(ann, eve);
	const [dan, fay] = [await open(`${base}/plain.html`), await open(`${network.base}/shimmed.html`)];
	await scope('a page without one calls a page with one', () => call(fay, dan, watcher));
	await close(dan, fay);
	await watcher.close();
}

/** Instances are killed and requests cut, of which the page must not see anything. */
async function hidden({ instances, base, proxy }) {
	const shimmed = await open(`${base}/replaced.html`);
	const raw = await open(`${instances.at(-1).base}/empty.html`);
	for (const tab of [shimmed, raw])
		await tab.evaluate((host) => new Promise((resolve) => {
			window.got = [];
			window.story = [];
			window.ws = new WebSocket(`ws://${host}/relay/hidden`);
			ws.onmessage = ({ data }) => got.push(data);
			for (const type of ['open', 'error', 'close'])
				ws.addEventListener(type, () => story.push(type));
			ws.onopen = resolve;
		}), instances.at(-1).base.slice(7));
	await waitFor(async () => {
		await shimmed.evaluate(() => ws.send('here'));
		await raw.evaluate(() => ws.send('here'));
		return (await shimmed.evaluate(() => got.length)) && (await raw.evaluate(() => got.length));
	}, 'both to be in the room', { limitMs: WAIT, everyMs: 100 });
	const n = 60;
	for (const i of range(n)) {
		await Promise.all([shimmed, raw].map((tab) => tab.evaluate((i) => ws.send(i), i)));
		if (i % 20 === 10)
			await instances[(i / 10 - 1) / 2 % 2].restart();
		if (i % 20 === 0)
			for (const socket of proxy.sockets)
				socket.destroy();
	}
	const numbers = (tab) => tab.evaluate(() => got.filter((one) => one !== 'here').join());
	for (const [tab, what] of [[shimmed, 'to the shim'], [raw, 'to the socket']]) {
		await waitFor(async () => (await numbers(tab)).split(',').length >= n, async () => `${n} frames, not ${await numbers(tab)}`, { limitMs: WAIT, everyMs: 50 });
		is(await numbers(tab), range(n).join(), `each frame comes ${what} once and in order while connections are cut and instances killed`);
	}
	isDeep(await shimmed.evaluate(() => story), ['open'], 'of which the page sees nothing');
	isDeep([...shimmed.wrong, ...raw.wrong], [], 'no page complained');
	await close(shimmed, raw);
}

await forEachStore(async ({ store, start }) => {
	const cluster = await start({ options: { www } });
	await scope('the class', () => alike(cluster));
	await scope('replacing', () => replaced(cluster));
	await scope('ends', () => ends(cluster, store));
	await scope('a call', () => blocked(cluster));
	if (store === 'redis')
		await scope('a bad network', () => hidden(cluster));
	note('requests:', JSON.stringify(cluster.proxy.counts));
});
await done();
