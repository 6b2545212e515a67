#!/usr/bin/env node
/* Engine.IO 4 on WebSockets, on the wire: sessions that begin on one, and those that move there from polling, with the poll on one
   instance and the socket on another. */
import WebSocket from 'ws';
import { ask, open, openSid, poll, post, separator as S } from './lib/engineio.mjs';
import { handshake as wsHandshake } from './lib/frames.mjs';
import { forEachStore, startPollgate, waitFor } from './lib/pollgate.mjs';
import { exchange, firstAnswer } from './lib/raw.mjs';
import { atEnd, done, is, isDeep, like, ok, scope } from './lib/tap.mjs';
import { AT_ONCE, slowness, timed } from './lib/wait.mjs';

const upTo = (n) => [...Array(n).keys()];

/** A socket and what came on it: strings and Buffers.  Answers pings unless it is told not to. */
class Socket {
	constructor(base, sid, { pongs = true } = {}) {
		Object.assign(this, { got: [], closed: null, pings: 0 });
		this.ws = new WebSocket(`${base.replace('http', 'ws')}/engine.io/?EIO=4&transport=websocket${sid ? `&sid=${sid}` : ''}`);
		atEnd(() => this.ws.terminate());
		this.ws.on('message', (data, binary) => {
			if (!binary && data.toString() === '2') {
				this.pings++;
				if (pongs)
					this.ws.send('3');
			} else {
				this.got.push(binary ? data : data.toString());
			}
		});
		this.ws.on('close', (code) => this.closed = code).on('error', (error) => this.error = error);
	}

	opened() {
		return waitFor(() => this.ws.readyState === WebSocket.OPEN || this.closed, 'a socket');
	}

	send(...packets) {
		packets.forEach((packet) => this.ws.send(packet));
	}

	has(count) {
		return waitFor(() => this.got.length >= count || this.closed, () => `${count} packets; there are ${JSON.stringify(this.got)}`);
	}

	ended() {
		return waitFor(() => this.closed, 'the end');
	}
}

const start = async (base, options) => {
	const socket = new Socket(base, undefined, options);
	await socket.has(1);
	return socket;
};

/** Let the client's probe be answered. */
const probe = async (base, sid) => {
	const socket = new Socket(base, sid);
	await socket.opened();
	socket.send('2probe');
	await socket.has(1);
	return socket;
};

async function alone({ base, instances }) {
	const socket = await start(base);
	like(socket.got[0], /^0\{"sid":"[A-Za-z0-9_-]{22}","upgrades":\[\],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000\}$/,
		'a session may begin on a socket: the handshake is its first packet');
	const { sid } = JSON.parse(socket.got[0].slice(1));
	socket.send('4hello', '4', `4a${S}b`, Buffer.from([1, 2, 3]), Buffer.alloc(0), `4${'x'.repeat(100_000)}`);
	await socket.has(7);
	isDeep(socket.got.slice(1), ['4hello', '4', `4a${S}b`, Buffer.from([1, 2, 3]), Buffer.alloc(0), `4${'x'.repeat(100_000)}`],
		'messages come back, texts as texts, binary ones as they are');
	socket.send(...upTo(200).map((i) => `4${i}`));
	await socket.has(207);
	isDeep(socket.got.slice(7), upTo(200).map((i) => `4${i}`), '200 in one go come back once and in order');
	socket.send('5', '6', '0', '4on');
	await socket.has(208);
	is(socket.got[207], '4on', 'packets that mean nothing are ignored');
	isDeep((await poll(base, sid)).json, { code: 3, message: 'Bad request' }, 'its session cannot be polled');
	isDeep((await post(base, sid, '4x')).json, { code: 3, message: 'Bad request' }, 'nor posted to');
	const second = new Socket(base, sid);
	await second.ended();
	ok(!second.error, 'a second socket is opened and closed');
	await waitFor(() => socket.pings >= 2, 'two pings');
	is(socket.closed, null, 'a client that answers pings stays');
	socket.ws.close();
	await socket.ended();
	await waitFor(async () => (await poll(base, sid)).json.code === 1, 'the end of the session');
	ok(true, 'its session ends with the socket');
	for (const instance of instances)
		await instance.waitMetric('pollgate_ws_open', 0);
}

async function ends({ base }) {
	for (const [what, ...packets] of [['a close packet', '1'], ['a ping', '2'], ['an unknown packet', '9'], ['an empty packet', '']]) {
		const socket = await start(base);
		const { sid } = JSON.parse(socket.got[0].slice(1));
		socket.send(...packets);
		await socket.ended();
		is((await poll(base, sid)).json.code, 1, `${what} ends the session, and the socket`);
	}
	const silent = await start(base, { pongs: false });
	const { sid } = JSON.parse(silent.got[0].slice(1));
	const { ms } = await timed(() => silent.ended());
	ok(ms > 300 && ms < AT_ONCE, 'a client that does not answer a ping is closed', ms);
	await waitFor(async () => (await poll(base, sid)).json.code === 1, 'the end of the session');
	const parting = await start(base);
	parting.send(...upTo(50).map((i) => `4${i}`), '1');
	await parting.ended();
	ok(true, 'what is sent before a close packet is no trouble');
}

async function refusals({ base, port }) {
	const sid = await openSid(base);
	const path = (query) => `/engine.io/?${new URLSearchParams({ EIO: 4, transport: 'websocket', ...query })}`;
	for (const [what, query, words] of [
		['an unknown session', { sid: 'AAAAAAAAAAAAAAAAAAAAAA' }, 'Session ID unknown'], ['an id that cannot be one', { sid: 'x' }, 'Session ID unknown'],
		['another revision', { EIO: 3 }, 'Unsupported protocol version'], ['another revision of a session', { EIO: 3, sid }, 'Bad request'],
	]) {
		const { first, closed } = await exchange(port, wsHandshake(path(query)));
		isDeep([first.status, first.text, first.headers['content-type'], first.headers.connection], [400, words, 'text/html', 'close'],
			`${what}: refused with the words alone`);
		ok(closed, `${what}: the connection ends`);
	}
	is((await firstAnswer(port, wsHandshake(path({}), { 'Sec-WebSocket-Key': 'x' }))).status, 400, 'a wrong handshake');
	const plain = (query) => ask(base, 'GET', { transport: 'websocket', ...query });
	isDeep((await plain({})).json, { code: 3, message: 'Bad request' }, 'no Upgrade');
	isDeep((await plain({ sid })).json, { code: 3, message: 'Bad request' }, 'no Upgrade, of a session that polls');
	isDeep((await plain({ sid: 'AAAAAAAAAAAAAAAAAAAAAA' })).json, { code: 1, message: 'Session ID unknown' }, 'no Upgrade, of nobody');
}

async function moves({ bases }) {
	const [a, b] = bases;
	const { sid, upgrades } = await open(a);
	isDeep(upgrades, ['websocket'], 'a session that polls is told of WebSockets');
	await post(a, sid, ['4one', '4two'].join(S));
	is((await poll(a, sid)).text, ['4one', '4two'].join(S), 'it polls');
	const waiting = poll(a, sid);
	const socket = await probe(b, sid);
	is(socket.got[0], '3probe', 'a probe is answered');
	const { ms } = await timed(async () => is((await waiting).text, '6', 'the poll that waits is answered with a noop'));
	ok(ms < AT_ONCE, 'soon, wherever it is', ms);
	const { ms: paced } = await timed(async () => is((await poll(a, sid)).text, '6', 'so is the next one'));
	ok(paced >= 50 && paced < AT_ONCE, 'after a moment', paced);
	await post(a, sid, '4between');
	is((await poll(a, sid)).text, '4between', 'until it has moved it gets its messages by polls');
	await post(a, sid, '4late');
	const last = poll(a, sid);
	is((await last).text, '4late', 'all of them');
	await post(a, sid, '4kept');
	const second = new Socket(a, sid);
	await second.ended();
	ok(!second.error, 'another socket is shown out meanwhile');
	socket.send('5');
	await socket.has(2);
	is(socket.got[1], '4kept', 'then the socket brings what no poll did');
	isDeep((await poll(a, sid)).json, { code: 3, message: 'Bad request' }, 'and polls are refused');
	socket.send('4up');
	await socket.has(3);
	is(socket.got[2], '4up', 'it sends on the socket');
	await waitFor(() => socket.pings >= 2, 'pings');
	is(socket.closed, null, 'and gets its pings there');
	socket.ws.close();
}

/** Of two sockets the one that came first is the session's, before it has said anything and after. */
async function seconds({ bases }) {
	const [a, b] = [bases[0], bases.at(-1)];
	for (const said of [[], ['2probe'], ['2probe', '5']]) {
		const sid = await openSid(a);
		const first = new Socket(a, sid);
		await first.opened();
		first.send(...said);
		const second = new Socket(b, sid);
		await second.ended();
		ok(!second.error, `a second socket is opened and closed when the first one has said ${said.join(' and ') || 'nothing'}`);
		first.send(...['2probe', '5'].slice(said.length), '4on');
		await first.has(2);
		isDeep(first.got, ['3probe', '4on'], 'which goes on');
		first.ws.close();
	}
	const sid = await openSid(a);
	const left = new Socket(a, sid);
	await left.opened();
	left.ws.terminate();
	await waitFor(async () => (await probe(b, sid)).got[0] === '3probe', 'another socket');
	ok(true, 'when it leaves another one may come');
}

/** Who polls right before or behind the packets with which it moves: the poll and the socket may be on any instance. */
async function strictly({ bases }) {
	const outcomes = { refused: 0, early: 0 };
	for (const i of upTo(30)) {
		const [a, b] = [bases[i % bases.length], bases[(i + 1) % bases.length]];
		const sid = await openSid(a);
		const socket = new Socket(b, sid);
		await socket.opened();
		const first = i % 2 === 0 ? timed(() => poll(a, sid)) : undefined;
		socket.send('2probe', '5');
		for (let polling = first; ; polling = undefined) {
			const { ms, value } = await (polling ?? timed(() => poll(a, sid)));
			outcomes.early += value.text === '6' && ms < 90;
			outcomes.refused += value.json?.code === 3;
			if (value.text !== '6')
				break;
		}
		await socket.has(1);
		is(socket.got[0], '3probe', `a client need not wait for the answer to its probe (${i + 1})`);
		socket.ws.terminate();
	}
	isDeep(outcomes, { refused: 30, early: 0 }, 'a poll that meets the move is refused, though it be looked at before it');
}

async function staysPolling({ bases }) {
	const [a, b] = bases;
	const sid = await openSid(a);
	const other = new Socket(b, sid);
	await other.opened();
	other.send('4no probe');
	await other.ended();
	const left = await probe(b, sid);
	left.ws.terminate();
	await waitFor(async () => (await timed(() => poll(a, sid).then(({ text }) => text === '2' && post(a, sid, '3')))).ms > 200, 'a poll that waits');
	ok(true, 'when the socket breaks before it has moved the session goes on polling');
	const silent = await probe(b, sid);
	const { ms } = await timed(() => silent.ended());
	ok(ms > 300 && ms < AT_ONCE, 'a client that does not go on after its probe is closed', ms);
	await post(a, sid, `3${S}4still`);
	is((await poll(a, sid)).text, '4still', 'and polls on');
}

/** The upgrade of a client that sends, polls and moves as the reference's does, again and again. */
async function races({ bases }, rounds) {
	let wrong = 0;
	const race = async (round) => {
		const pick = () => bases[Math.floor(Math.random() * bases.length)];
		const sid = await openSid(pick());
		const got = [];
		let moved = false;
		const polling = (async () => {
			while (!moved) {
				const { status, text } = await poll(pick(), sid);
				if (status !== 200)
					return wrong++;
				for (const packet of text.split(S))
					if (packet[0] === '4')
						got.push(packet);
					else if (packet === '2')
						await post(pick(), sid, '3');
			}
		})();
		const sending = (async () => {
			for (const i of upTo(5))
				await post(pick(), sid, `4${i}`);
		})();
		const socket = await probe(pick(), sid);
		await sending;
		moved = true;
		await polling;
		socket.send('5', '4last');
		await waitFor(() => socket.got.includes('4last') || socket.closed, 'the last message');
		got.push(...socket.got.filter((packet) => packet[0] === '4'));
		if (got.join() !== [...upTo(5).map((i) => `4${i}`), '4last'].join()) {
			wrong++;
			is(got.join(), 'all of them', `round ${round}`);
		}
		socket.ws.terminate();
	};
	for (let round = 0; round < rounds; round += 20)
		await Promise.all(upTo(20).map((i) => race(round + i)));
	is(wrong, 0, `${rounds} clients that move lose nothing, get nothing twice, and never wait for a ping`);
}

const options = { relay: 'self', 'ping-interval': '300ms', 'ping-timeout': '200ms', 'upgrade-timeout': '600ms', hold: '5s' };
const slow = { relay: 'self', 'ping-interval': `${1000 * slowness}ms`, 'ping-timeout': '20s' };
const impatient = { ...slow, 'upgrade-timeout': `${800 * slowness}ms` };
await forEachStore(async ({ start: startCluster, redis }) => {
	const quick = await startCluster({ options });
	await scope('alone', () => alone(quick));
	await scope('ends', () => ends(quick));
	const { instances } = await startCluster({ options: slow });
	const bases = redis ? instances.map(({ base }) => base) : [instances[0].base, instances[0].base];
	await scope('refusals', () => refusals(instances[0]));
	await scope('move', () => moves({ bases }));
	await scope('second', () => seconds({ bases }));
	const strict = await startCluster({ options: { ...slow, 'engineio-strict': true } });
	await scope('strict', () => strictly({ bases: strict.instances.map(({ base }) => base) }));
	const brief = await startCluster({ options: impatient });
	await scope('stay', () => staysPolling({ bases: [brief.instances[0].base, brief.instances.at(-1).base] }));
	await scope('race', () => races({ bases }, redis ? 500 : 100));
	const sockets = await Promise.all(upTo(5).map(() => start(instances[0].base)));
	isDeep(await instances[0].stop(), { code: 0, signal: null }, 'SIGTERM ends an instance with sockets');
	await Promise.all(sockets.map((socket) => socket.ended()));
	ok(true, 'which are closed');
});
await scope('--no-websocket', async () => {
	const { base } = await startPollgate({ options: { 'no-websocket': true } });
	isDeep((await open(base)).upgrades, [], 'nobody is told of them');
	const socket = new Socket(base);
	await socket.ended();
	ok(socket.error, 'nor let in');
	isDeep((await ask(base, 'GET', { transport: 'websocket' })).json, { code: 0, message: 'Transport unknown' }, 'it is no transport');
});
await done();
