#!/usr/bin/env node
/* RFC 6455, rule by rule, with frames that no library would send: handshakes, lengths, masks, fragments, control frames, UTF-8,
   closing, limits, silence. */
import { createSession } from './lib/client.mjs';
import { BINARY, CLOSE, CONTINUATION, Frames, PING, PONG, TEXT, acceptOf, closeFrame, frame, handshake } from './lib/frames.mjs';
import { slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { firstAnswer } from './lib/raw.mjs';
import { done, is, isDeep, ok, scope } from './lib/tap.mjs';
import { AT_ONCE } from './lib/wait.mjs';

const MAX = 256 * 1024;
const gateway = await startPollgate({ options: { 'max-body': MAX, 'max-message': '64K', 'ws-ping': '10m', 'ws-timeout': '20m' } });
const { port } = gateway;
const { json: session } = await createSession(gateway.base);
const target = `/v1/ws?token=${session.token}`;
const open = (options) => Frames.open(port, target, options);
const echo = (value) => JSON.stringify({ ping: value });

/** These bytes are answered by a close frame with this code, and then by the end of the connection, not by a reset. */
async function closes(what, code, ...parts) {
	const frames = await open();
	frames.send(...parts);
	const close = await frames.closed();
	is(close?.code, code, what);
	frames.raw.socket.end();
	ok(await frames.raw.closes() && !frames.raw.error, `${what}: the connection ends in order`);
	frames.destroy();
}

/** They are taken: the socket still answers a message behind them.  Returns the frames before that answer. */
async function takes(what, ...parts) {
	const frames = await open();
	const got = [];
	frames.send(...parts, frame(TEXT, echo('end')));
	for (let one; (one = await frames.next()) && one.opcode !== CLOSE;) {
		if (one.opcode === TEXT && one.data.toString() === '{"pong":"end"}') {
			ok(true, what);
			frames.destroy();
			return got;
		}
		got.push(one);
	}
	ok(false, what, got);
	frames.destroy();
	return got;
}

const texts = (frames) => frames.filter(({ opcode }) => opcode === TEXT).map(({ data }) => JSON.parse(data).pong);

await scope('handshake', async () => {
	const frames = await open({ headers: { 'Sec-WebSocket-Protocol': ['a, pollgate.v1', 'b'] }, more: frame(TEXT, echo(1)) });
	const { status, headers } = frames.upgrade;
	is(status, 101, 'a good one is answered 101');
	is(headers.upgrade, 'websocket', 'with Upgrade');
	is(headers.connection, 'Upgrade', 'with Connection');
	is(headers['sec-websocket-accept'], acceptOf(), 'with the proof that the key was read');
	is(headers['sec-websocket-protocol'], 'pollgate.v1', 'with the subprotocol, if it is among those offered');
	is(headers['sec-websocket-extensions'], undefined, 'without an extension');
	is(headers['content-length'], undefined, 'without a length');
	is((await frames.next()).data.toString(), '{"pong":1}', 'a frame that came along with it is not lost');
	frames.destroy();
	for (const [what, more, status_] of [
		['no subprotocol', {}, 101],
		['another subprotocol', { 'Sec-WebSocket-Protocol': 'pollgate.v2, xpollgate.v1' }, 101],
		['an extension', { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }, 101],
		['words in another case, in lists', { Upgrade: 'h2c, WebSocket', Connection: 'keep-alive, upgrade' }, 101],
		['no Upgrade', { Upgrade: null }, 426],
		['another Upgrade', { Upgrade: 'h2c' }, 426],
		['version 8', { 'Sec-WebSocket-Version': '8' }, 426],
		['no Connection', { Connection: null }, 400],
		['Connection without the word', { Connection: 'keep-alive' }, 400],
		['no version', { 'Sec-WebSocket-Version': null }, 400],
		['no key', { 'Sec-WebSocket-Key': null }, 400],
		['a short key', { 'Sec-WebSocket-Key': 'YWJj' }, 400],
		['a long key', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZXh4eA==' }, 400],
		['a key that is not base64', { 'Sec-WebSocket-Key': '!!hlIHNhbXBsZSBub25jZQ==' }, 400],
		['a body', { 'Content-Length': '0' }, 101],
		['a body of some bytes', { 'Content-Length': '2' }, 400],
	]) {
		const answer = await firstAnswer(port, handshake(target, more) + (status_ === 101 ? closeFrame(1000).toString('latin1') : 'xx'));
		is(answer?.status, status_, what);
		if (status_ === 101)
			is(answer.headers['sec-websocket-protocol'], undefined, `${what}: no subprotocol is chosen`);
		if (status_ === 426)
			isDeep([answer.headers.upgrade, answer.headers['sec-websocket-version']], ['websocket', '13'], `${what}: the answer says what to ask for`);
	}
	is((await firstAnswer(port, handshake(target, {}, { version: '1.0' }))).status, 400, 'HTTP/1.0');
	is((await firstAnswer(port, handshake(target, { 'Content-Length': '0' }, { method: 'POST' }))).status, 405, 'POST');
	is((await firstAnswer(port, handshake('/v1/ws'))).status, 401, 'no token');
	is((await firstAnswer(port, handshake(`${target}&cursor=x`))).status, 400, 'a wrong cursor');
});

await scope('lengths', async () => {
	for (const length of [0, 1, 100, 125, 126, 127, 65535, 65536, 200_000]) {
		const value = 'x'.repeat(Math.max(0, length - 11));
		const got = await takes(`a text of ${length} bytes`, frame(TEXT, length >= 11 ? echo(value) : echo('').padEnd(length)));
		isDeep(texts(got), [value], 'is answered');
		ok(got.every(({ fin, rsv, masked }) => fin && rsv === 0 && !masked), 'by one frame, without a mask or reserved bits');
	}
	const chopped = await open();
	await chopped.raw.drip(Buffer.concat([frame(TEXT, echo('slow')), frame(PING, 'p'), frame(TEXT, echo('y'.repeat(300)))]));
	is((await chopped.next()).data.toString(), '{"pong":"slow"}', 'a frame may come byte by byte');
	is((await chopped.next()).data.toString(), 'p', 'a ping as well');
	is(JSON.parse((await chopped.next()).data).pong.length, 300, 'and a longer one');
	chopped.destroy();
	const many = await takes('1,000 frames at once', ...Array.from({ length: 1000 }, (_, i) => frame(TEXT, echo(i))));
	isDeep(texts(many), [...Array(1000).keys()], 'are answered in order');
	const most = await takes('a message of the limit', frame(TEXT, echo('x'.repeat(MAX - 11))));
	is(texts(most)[0].length, MAX - 11, 'is answered');
	await closes('one byte more', 1009, frame(TEXT, echo('x'.repeat(MAX - 10))));
	await closes('one byte more in fragments', 1009, frame(TEXT, 'x'.repeat(MAX - 10), { fin: false }), frame(CONTINUATION, 'x'.repeat(11)));
	await closes('a length of which nothing comes', 1009, frame(TEXT, 'abc', { length: 1n << 40n }));
	await closes('a length of 64 bits', 1002, frame(TEXT, 'abc', { size: 64, length: 1n << 63n }));
	await closes('5 bytes with a length of 16 bits', 1002, frame(TEXT, 'abcde', { size: 16 }));
	await closes('5 bytes with a length of 64 bits', 1002, frame(TEXT, 'abcde', { size: 64 }));
});

await scope('masks and bits', async () => {
	await closes('a frame without a mask', 1002, frame(TEXT, echo(1), { masked: false }));
	await closes('a ping without a mask', 1002, frame(PING, '', { masked: false }));
	for (const rsv of [1, 2, 4, 7])
		await closes(`reserved bits ${rsv}`, 1002, frame(TEXT, echo(1), { rsv }));
	await closes('reserved bits of a ping', 1002, frame(PING, '', { rsv: 4 }));
	for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
		await closes(`opcode ${opcode}`, 1002, frame(opcode, ''));
	await closes('a binary message, where texts are spoken', 1003, frame(BINARY, 'x'));
});

await scope('control frames', async () => {
	for (const payload of ['', 'x', Buffer.from([0, 255, 254]), 'x'.repeat(125)]) {
		const [pong] = await takes(`a ping with ${payload.length} bytes`, frame(PING, payload));
		is(pong?.opcode, PONG, 'is answered by a pong');
		isDeep(pong?.data, Buffer.from(payload), 'with the same');
	}
	isDeep(await takes('pongs that nobody asked for', frame(PONG, ''), frame(PONG, 'x')), [], 'are ignored');
	is((await takes('ten pings', ...Array(10).fill(frame(PING, 'x')))).length, 10, 'are answered');
	await closes('a ping of 126 bytes', 1002, frame(PING, 'x'.repeat(126)));
	await closes('a close frame of 126 bytes', 1002, frame(CLOSE, 'x'.repeat(126)));
	await closes('a fragmented ping', 1002, frame(PING, 'x', { fin: false }), frame(CONTINUATION, 'x'));
	await closes('a fragmented close frame', 1002, frame(CLOSE, '', { fin: false }));
});

await scope('fragments', async () => {
	const whole = Buffer.from(echo('fragmented'));
	const split = (...at) => at.map((from, i) => frame(i ? CONTINUATION : TEXT, whole.subarray(from, at[i + 1]), { fin: i === at.length - 1 }));
	isDeep(texts(await takes('two', ...split(0, 5))), ['fragmented'], 'are one message');
	isDeep(texts(await takes('one of each byte', ...split(...whole.keys()))), ['fragmented'], 'are one message');
	isDeep(texts(await takes('empty ones', ...split(0, 0, 5, 5, whole.length))), ['fragmented'], 'are one message');
	const [first, second] = split(0, 5);
	const amid = await takes('a ping amid them', first, frame(PING, 'amid'), second);
	isDeep(amid.map(({ opcode }) => opcode), [PONG, TEXT], 'is answered before the message is whole');
	await closes('a continuation of nothing', 1002, frame(CONTINUATION, 'x'));
	await closes('one behind a whole message', 1002, frame(TEXT, echo(1)), frame(CONTINUATION, 'x'));
	await closes('a new message amid one', 1002, first, frame(TEXT, echo(1)));
	await closes('a binary frame amid a text', 1002, first, frame(BINARY, 'x'));
});

await scope('UTF-8', async () => {
	const text = '\u00e9\u20ac\u{10ffff}\u{10000}\ud7ff\ue000\uffff';
	isDeep(texts(await takes('all lengths of characters', frame(TEXT, echo(text)))), [text], 'come back');
	const bytes = Buffer.from(echo(text));
	isDeep(texts(await takes('a character in two fragments', frame(TEXT, bytes.subarray(0, 10), { fin: false }), frame(CONTINUATION, bytes.subarray(10)))),
		[text], 'is whole again');
	for (const bad of ['80', 'c080', 'c3', 'e282', 'eda080', 'edbfbf', 'f08080af', 'f4908080', 'fe', 'ff', 'f5808080', 'c328', 'e28028']) {
		const quoted = Buffer.concat([Buffer.from('{"ping":"'), Buffer.from(bad, 'hex'), Buffer.from('"}')]);
		await closes(`the bytes ${bad}`, 1007, frame(TEXT, quoted));
	}
	await closes('a text that ends in a character', 1007, frame(TEXT, Buffer.from([0x22, 0xe2, 0x82])));
	const frames = await open();
	frames.send(frame(TEXT, Buffer.from('22ff', 'hex'), { fin: false }));
	is((await frames.closed())?.code, 1007, 'a bad byte closes before the message is whole');
	frames.destroy();
});

await scope('closing', async () => {
	for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
		await closes(`code ${code} is answered by itself`, code, closeFrame(code, 'why'));
	for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
		await closes(`code ${code} is none`, 1002, closeFrame(code));
	await closes('no code is answered by none', 1005, frame(CLOSE));
	await closes('half a code', 1002, frame(CLOSE, Buffer.from([3])));
	await closes('a reason of 123 bytes', 1000, closeFrame(1000, 'x'.repeat(123)));
	await closes('a reason that is not UTF-8', 1007, frame(CLOSE, Buffer.from('03e8ff', 'hex')));
	await closes('what comes behind a close frame', 1000, closeFrame(1000), frame(TEXT, echo('late')), frame(3, ''), closeFrame(1000));
	const frames = await open();
	frames.send(closeFrame(1000), frame(TEXT, echo('late')));
	is((await frames.next()).opcode, CLOSE, 'nothing is answered behind a close frame');
	is(await frames.next(), null, 'and the server ends the connection first');
	frames.destroy();
});

await scope('many at once', async () => {
	const before = await gateway.metrics('process_resident_memory_bytes');
	const all = await Promise.all(Array.from({ length: 50 }, () => open()));
	/* Each has most of a large message here and does not go on. */
	for (const frames of all)
		frames.send(frame(TEXT, 'x'.repeat(MAX - 1000), { fin: false }));
	await waitFor(async () => (await gateway.metrics('pollgate_ws_open')) >= 50, 'all of them');
	const grown = await gateway.metrics('process_resident_memory_bytes') - before;
	ok(slowness > 1 || grown < 50 * 3 * MAX, 'an unfinished message costs about what came of it', grown);
	all.forEach((frames) => frames.destroy());
	await gateway.waitMetric('pollgate_ws_open', 0);
});

await scope('silence', async () => {
	const quick = await startPollgate({ options: { 'ws-ping': '150ms', 'ws-timeout': '600ms', 'header-timeout': '700ms' } });
	const { json: { token } } = await createSession(quick.base);
	const connect = () => Frames.open(quick.port, `/v1/ws?token=${token}`);
	const [silent, alive, unfinished] = await Promise.all([connect(), connect(), connect()]);
	const answering = (async () => {
		for (let got; (got = await alive.next());)
			if (got.opcode === PING)
				alive.send(frame(PONG, got.data));
	})();
	is((await silent.next()).opcode, PING, 'an idle client is pinged');
	const started = Date.now();
	ok(await silent.raw.closes(), 'one that does not answer is cut');
	ok(Date.now() - started < AT_ONCE, 'soon', Date.now() - started);
	/* Every byte of it says that the client is there, but a message must be whole some time. */
	const dripped = unfinished.raw.drip(frame(TEXT, echo('x'.repeat(500))), 20);
	ok(await unfinished.raw.closes(), 'so is one that does not finish its message');
	await dripped;
	ok(!alive.raw.closed, 'one that answers stays');
	alive.destroy();
	await answering;
	is((await fetch(`${quick.base}/v1/send?token=${token}`, { method: 'POST', body: '{"ops":[]}' })).status, 200, 'the session is still there');
});
await done();
