#!/usr/bin/env node
/* HTTP as nobody should speak it: smuggling, floods, slow clients, clients that do not read.  Each is refused or cut, at little
   cost, and the gateway goes on serving everybody else. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createSession } from './lib/client.mjs';
import { sleep, slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { execute, tempDir, which } from './lib/process.mjs';
import { Raw, exchange } from './lib/raw.mjs';
import { done, is, isDeep, note, ok, scope, skip } from './lib/tap.mjs';

const www = tempDir('www');
writeFileSync(path.join(www, 'big.bin'), Buffer.alloc(20 << 20, 'b'));
const gateway = await startPollgate({ options: {
	www, 'max-body': '64K', 'max-headers': '8K', 'header-timeout': '1500ms', 'idle-timeout': '4s', 'write-timeout': '1500ms',
} });
const { port } = gateway;
const host = 'Host: gateway.example\r\n';
const get = (target = '/health', more = '') => `GET ${target} HTTP/1.1\r\n${host}${more}\r\n`;
const post = (headers, body = '') => `POST /v1/sessions HTTP/1.1\r\n${host}${headers}\r\n${body}`;
const second = get('/smuggled');
const chunked = 'Transfer-Encoding: chunked\r\n';

const memory = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${gateway.pid}/status`, 'latin1'))[1]) * 1024;
function cpuMs() {
	const fields = readFileSync(`/proc/${gateway.pid}/stat`, 'latin1').split(') ')[1].split(' ');
	return (Number(fields[11]) + Number(fields[12])) * 10;
}

const abuses = [
	['two Content-Lengths that differ', 400, post('Content-Length: 2\r\nContent-Length: 3\r\n', '{}' + second)],
	['two Content-Lengths that agree', 400, post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}' + second)],
	['a list as Content-Length', 400, post('Content-Length: 2, 2\r\n', '{}')],
	['Content-Length: +2', 400, post('Content-Length: +2\r\n', '{}' + second)],
	['Content-Length: -2', 400, post('Content-Length: -2\r\n', '{}' + second)],
	['Content-Length: 0x2', 400, post('Content-Length: 0x2\r\n', '{}' + second)],
	['a space before a colon', 400, post('Content-Length : 2\r\n', '{}' + second)],
	['Content-Length with Transfer-Encoding', 400, post('Content-Length: 5\r\n' + chunked, '0\r\n\r\n' + second)],
	['Transfer-Encoding: gzip', 400, post('Transfer-Encoding: gzip\r\n', second)],
	['Transfer-Encoding: xchunked', 400, post('Transfer-Encoding: xchunked\r\n', second)],
	['Transfer-Encoding behind a vertical tab', 400, post('Transfer-Encoding: \vchunked\r\n', second)],
	['Transfer-Encoding: chunked, identity', 400, post('Transfer-Encoding: chunked, identity\r\n', second)],
	['two Transfer-Encodings', 400, post(chunked + chunked, second)],
	['a space before Transfer-Encoding\'s colon', 400, post('Transfer-Encoding : chunked\r\n', second)],
	['a chunk size of 0x2', 400, post(chunked, '0x2\r\n{}\r\n0\r\n\r\n' + second)],
	['a chunk size of +2', 400, post(chunked, '+2\r\n{}\r\n0\r\n\r\n' + second)],
	['no CR LF behind a chunk', 400, post(chunked, '2\r\n{}0\r\n\r\n' + second)],
	['a chunk extension', 400, post(chunked, '2;a=b\r\n{}\r\n0\r\n\r\n')],
	['a trailer', 400, post(chunked, '2\r\n{}\r\n0\r\nHost: evil\r\n\r\n')],
	['an empty header name', 400, get('/health', ': x\r\n')],
	['a header without a colon', 400, get('/health', 'hello\r\n')],
	['a folded header', 400, get('/health', 'X: a\r\n b\r\n')],
	['a NUL in a header', 400, get('/health', 'X: a\0b\r\n')],
	['a lone CR in a header', 400, get('/health', 'X: a\rb\r\n')],
	['bare line feeds', 400, 'GET /health HTTP/1.1\nHost: a\n\n'],
	['no Host', 400, 'GET /health HTTP/1.1\r\n\r\n'],
	['two Hosts', 400, get('/health', host)],
	['HTTP/0.9', 400, 'GET /health\r\n'],
	['HTTP/1.2', 400, `GET /health HTTP/1.2\r\n${host}\r\n`],
	['HTTP/-1.1', 400, `GET /health HTTP/-1.1\r\n${host}\r\n`],
	['HTTP/2.0', 400, `GET /health HTTP/2.0\r\n${host}\r\n`],
	['a TLS handshake', 400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n'],
	['a NUL in the target', 400, get('/health\0x')],
	['%00 in the path', 400, get('/health%00x')],
	['a bad percent escape', 400, get('/health%zz')],
	['a backslash in the path', 400, get('/..\\health')],
	['bytes beyond ASCII in the target', 400, get('/h\xe4lth')],
	['a target without a slash', 400, get('health')],
	['CONNECT', 400, `CONNECT a:443 HTTP/1.1\r\n${host}\r\n`],
	['101 headers', 400, get('/health', 'a: b\r\n'.repeat(101))],
	['a head that is too large', 400, get('/health', `X: ${'x'.repeat(9000)}\r\n`)],
	['a request line without an end', 400, 'GET /' + 'x'.repeat(20000)],
	['a body that is too large', 413, post('Content-Length: 65537\r\n')],
	['a body that is far too large', 413, post('Content-Length: 999999999999999999\r\n')],
	['a chunk that is too large', 413, post(chunked, '10001\r\n')],
	['an unknown expectation', 417, post('Content-Length: 2\r\nExpect: gold\r\n', '{}')],
];

await scope('malformed', async () => {
	const before = await gateway.metrics();
	for (const [what, status, data] of abuses) {
		const { first, more, closed, error } = await exchange(port, data);
		isDeep([first?.status, first?.headers.connection, first?.headers['content-type'], first?.json?.status, more, closed, error],
			[status, 'close', 'application/problem+json', status, 0, true, null], `${what} is answered ${status}, and no more on that connection`, first);
	}
	const after = await gateway.metrics();
	is(after.pollgate_http_requests_refused_total - before.pollgate_http_requests_refused_total, abuses.length, 'each is counted as refused');
	let right = 0;
	for (const [, status, data] of abuses.filter(([, , text]) => text.length < 300)) {
		const raw = await new Raw(port).drip(data);
		right += (await raw.answer())?.status === status;
		raw.destroy();
	}
	is(right, abuses.filter(([, , text]) => text.length < 300).length, 'it makes no difference when they come byte by byte');
});

await scope('unusual but right', async () => {
	const raw = new Raw(port);
	raw.send(get() + get('/v1/nothing') + `HEAD /health HTTP/1.1\r\n${host}\r\n`);
	is((await raw.answer()).status, 200, 'pipelined requests are served');
	is((await raw.answer()).status, 404, 'in their order');
	const head = await raw.answer({ bodiless: true });
	ok(head.status === 200 && Number(head.headers['content-length']) > 0, 'HEAD tells the length');
	raw.send(get('http://else.where/health'));
	is((await raw.answer()).json?.status, 'ok', 'and sends no body; the target may be a URL');
	raw.send('\r\n' + post('Expect: 100-continue\r\nContent-Length: 2\r\n'));
	is((await raw.answer()).status, 100, '100 Continue is sent to who expects it');
	raw.send('{}');
	is((await raw.answer()).status, 201, 'and the body read then');
	raw.send(`OPTIONS * HTTP/1.1\r\n${host}Connection: x, Close\r\n\r\n`);
	const last = await raw.answer();
	ok(last.status < 300 && last.headers.connection === 'close' && await raw.closes(), 'Connection is a list of words', last);
	raw.destroy();
	const part = await exchange(port, post(chunked, '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n' + second));
	isDeep([part.first.status, part.first.headers.connection, part.more], [201, 'close', 0], 'a chunked body is taken, and ends the connection');
	isDeep([(await exchange(port, 'GET /health HTTP/1.0\r\n\r\n')).first.status], [200], 'HTTP/1.0 is served and closed');
	const put = await exchange(port, `PUT /health HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\n{}`);
	isDeep([put.first.status, put.first.headers.connection, put.more], [405, 'close', 0], 'an unknown method is answered 405 and closed');
});

await scope('slow requests', async () => {
	const before = await gateway.metrics('pollgate_http_connections_cut_total');
	const cpu = cpuMs();
	const slow = [];
	for (let i = 0; i < 100; i++)
		slow.push(new Raw(port).send('GET /health HTTP/1.1\r\n'), new Raw(port).send(post('Content-Length: 1000\r\n', '{')), new Raw(port).send(post(chunked, '100\r\n')));
	const start = Date.now();
	const timer = setInterval(() => slow.forEach((raw, i) => raw.send(i % 3 ? 'x' : 'a: b\r\n')), 100);
	const served = await gateway.request('GET', '/health');
	is(served.status, 200, 'others are served while 300 clients send a byte now and then');
	await waitFor(() => slow.every((raw) => raw.closed || raw.socket.destroyed), 'slow clients to be cut');
	clearInterval(timer);
	ok(Date.now() - start >= 1000, 'they have the time of --header-timeout');
	is(await gateway.metrics('pollgate_http_connections_cut_total') - before, 300, 'then all are cut, whatever they still send');
	ok(cpuMs() - cpu < 1500 * slowness, 'at little cost', `${cpuMs() - cpu} ms`);
	for (const raw of slow)
		raw.destroy();
});

await scope('floods', async () => {
	const before = memory();
	const { token, cursor } = (await createSession(gateway.base)).json;
	const poll = new Raw(port).send(get(`/v1/poll?token=${token}&cursor=${cursor}`));
	await gateway.waitMetric('pollgate_polls_parked', 1);
	poll.send('x'.repeat(100000));
	ok(await poll.closes(), 'who floods behind a parked poll is cut');
	is(await gateway.waitMetric('pollgate_polls_abandoned_total', 1), 1, 'and its poll is given up');
	poll.destroy();
	const bombs = Array.from({ length: 200 }, () => new Raw(port).send('GET / HTTP/1.1\r\n' + ':\r\n'.repeat(20000)));
	const endless = Array.from({ length: 50 }, () => new Raw(port).send(post(chunked, 'f'.repeat(500000))));
	const blank = Array.from({ length: 50 }, () => new Raw(port).send(post(chunked, '\r\n'.repeat(200000))));
	const tiny = Array.from({ length: 20 }, () => new Raw(port).send(post(chunked, '1\r\nx\r\n'.repeat(100000))));
	for (const raw of [...bombs, ...endless, ...blank, ...tiny])
		await raw.closes();
	ok(bombs.every((raw) => raw.bytes.toString('latin1').startsWith('HTTP/1.1 400')), 'header bombs are refused');
	ok([...endless, ...blank].every((raw) => raw.bytes.toString('latin1').startsWith('HTTP/1.1 400')), 'so are chunk sizes without an end');
	ok(tiny.every((raw) => raw.bytes.toString('latin1').startsWith('HTTP/1.1 413')), 'and tiny chunks without an end');
	const upload = new Raw(port).send(post('Content-Length: 6000000\r\n')).send(Buffer.alloc(6000000, 'u'));
	is((await upload.answer())?.json?.code, 'body_too_large', 'a client that goes on with its upload still hears why not');
	upload.destroy();
	const grown = memory() - before;
	ok(grown < 60 << 20 || slowness > 1, 'all that takes little memory', `${grown} bytes`);
});

await scope('readers', async () => {
	const before = memory();
	const deaf = Array.from({ length: 20 }, () => {
		const raw = new Raw(port);
		raw.socket.pause();
		return raw.send(get('/big.bin').repeat(50));
	});
	const slow = new Raw(port);
	slow.deaf = true;
	slow.send(get('/big.bin'));
	const timer = setInterval(() => { /* A megabyte at a time, with pauses. */
		if (slow.received >= slow.next) {
			slow.socket.pause();
			slow.next += 1 << 20;
			setTimeout(() => slow.socket.resume(), 150);
		}
	}, 5);
	slow.next = 1 << 20;
	const { pollgate_http_connections_cut_total: cut } = await gateway.metrics();
	await gateway.waitMetric('pollgate_http_connections_cut_total', (value) => value >= cut + deaf.length);
	ok(true, 'who does not read its answers is cut');
	await waitFor(() => slow.received > 20 << 20, () => `a slow reader to have its file; it has ${slow.received} bytes and ${slow.error}`);
	clearInterval(timer);
	ok(!slow.error, 'who reads slowly has all of it');
	slow.destroy();
	for (const raw of deaf)
		raw.destroy();
	const grown = memory() - before;
	ok(grown < 30 << 20 || slowness > 1, 'answers that nobody reads take little memory', `${grown} bytes`);
	const half = new Raw(port);
	half.deaf = true;
	half.send(get('/big.bin')).socket.end();
	await half.closes(10000);
	ok(half.received > 20 << 20, 'a client that has closed its half still gets a large answer');
	half.destroy();
});

await scope('idle', async () => {
	const idle = [new Raw(port), new Raw(port).send(get())];
	await idle[1].answer();
	const start = Date.now();
	for (const raw of idle)
		ok(await raw.closes(8000) && !raw.error, 'an idle connection is closed after --idle-timeout');
	ok(Date.now() - start > 3000, 'and not before');
});

await scope('descriptors', async () => {
	if (!which('prlimit'))
		return skip('running out of descriptors', 'there is no prlimit');
	const keep = new Raw(port).send(get('/metrics'));
	await keep.answer();
	const { length: fds } = (await execute('ls', [`/proc/${gateway.pid}/fd`])).stdout.trim().split('\n');
	await execute('prlimit', [`--pid=${gateway.pid}`, `--nofile=${fds - 3}:`]);
	const waiting = Array.from({ length: 20 }, () => new Raw(port).send(get()));
	const errors = async () => Number(/^pollgate_http_accept_errors_total (\d+)/m.exec((await keep.send(get('/metrics')).answer()).text)[1]);
	await waitFor(async () => await errors() > 2, 'accepting to fail');
	const cpu = cpuMs(), lines = gateway.log.length;
	await sleep(1000); /* The time over which the cost of failing is measured. */
	ok(cpuMs() - cpu < 200 * slowness, 'without descriptors the gateway does not spin', `${cpuMs() - cpu} ms in a second`);
	ok(gateway.log.length - lines < 3, 'nor fill the log');
	await execute('prlimit', [`--pid=${gateway.pid}`, '--nofile=1000:']);
	const answers = await Promise.all(waiting.map((raw) => raw.answer()));
	ok(answers.every((answer) => answer?.status === 200), 'who waited is served when there are some again');
	for (const raw of [...waiting, keep])
		raw.destroy();
});

await scope('chaos', async () => {
	const start = Date.now();
	const random = (n) => Math.floor(Math.random() * n);
	const pieces = [...abuses.map(([, , data]) => data), get(), get(), get('/v1/poll?token=AAAAAAAAAAAAAAAAAAAAAA'), post('Content-Length: 2\r\n', '{}'), '\r\n', 'x'];
	let clients = 0;
	await Promise.all(Array.from({ length: 50 }, async () => {
		while (Date.now() - start < 4000) {
			const raw = new Raw(port);
			for (let n = random(5); n >= 0 && !raw.closed; n--) {
				const piece = pieces[random(pieces.length)];
				raw.send(random(3) ? piece : piece.slice(0, random(piece.length)));
				await sleep(random(10));
			}
			clients++;
			random(2) ? raw.destroy() : raw.reset();
		}
	}));
	note(`${clients} clients`);
	await gateway.waitMetric('pollgate_http_connections', 1);
	is((await gateway.request('GET', '/health')).status, 200, 'the gateway is well after clients that did all of it at random');
});

is((await gateway.stop()).code, 0, 'it ends as it should');
ok(!gateway.log.some((line) => /Sanitizer|runtime error|ssertion/.test(line)), 'and nothing was wrong inside');
await done();
