#!/usr/bin/env node
/* The checks of the network (pollgate-protocol(7), CHECKS): they need no session and no store. */
import http from 'node:http';
import { done, is, isDeep, like, ok } from './lib/tap.mjs';
import { startPollgate } from './lib/pollgate.mjs';
import { Raw } from './lib/raw.mjs';
import { timed, waitFor } from './lib/wait.mjs';

const gateway = await startPollgate({ options: { 'check-max': '1s' } });
const hold = (query, method = 'GET') => gateway.request(method, '/v1/check/hold', { query });

for (const ms of [0, 300]) {
	const { ms: took, value: { status, headers, json } } = await timed(() => hold({ ms }));
	is(status, 200, `a hold of ${ms} ms is answered`);
	ok(took >= ms - 1 && json.held >= ms && json.held <= took + 5, 'after as long, and says how long', `${took} ${json.held}`);
	isDeep([headers['content-type'], headers['cache-control']], ['application/json', 'no-store'], 'as JSON that is not kept');
}
const limited = await hold({ ms: '18446744073709551615' });
ok(limited.json.held >= 1000, 'more than --check-max counts as --check-max', limited.text);
for (const ms of ['', '-1', '1.5', '1s', '18446744073709551616']) {
	const { status, code } = await hold({ ms });
	isDeep([status, code], [400, 'bad_request'], `"${ms}" milliseconds are refused`);
}
const { ms: took } = await timed(() => hold({ ms: 1000 }, 'HEAD'));
ok(took < 900, 'HEAD does not wait');

/** A stream as it comes: { status, headers, lines: [{ text, ms }], ms: when it was complete }. */
function stream(base, query) {
	const start = performance.now();
	const since = () => performance.now() - start;
	return new Promise((resolve, reject) => {
		const asked = http.get(`${base}/v1/check/stream?${new URLSearchParams(query)}`, { agent: false }, (answer) => {
			const lines = [];
			answer.setEncoding('utf8').on('error', reject);
			answer.on('data', (text) => lines.push(...text.split('\n').filter(Boolean).map((line) => ({ text: line, ms: since() }))));
			answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, lines, ms: since() }));
		});
		asked.on('error', reject);
	});
}

const streamed = await stream(gateway.base, { ms: 100, count: 5 });
is(streamed.status, 200, 'a stream is answered');
isDeep(streamed.lines.map(({ text }) => text), ['0', '1', '2', '3', '4'], 'with so many lines, each with its number');
ok(streamed.lines.every(({ ms }, n) => ms >= 100 * n - 1) && streamed.lines[0].ms < streamed.ms - 90, 'each of them that much after the one before',
	streamed);
isDeep([streamed.headers['content-type'], streamed.headers['transfer-encoding'], streamed.headers['x-accel-buffering']],
	['text/plain', 'chunked', 'no'], 'as a text of unknown length that is not to be held back');
isDeep((await stream(gateway.base, {})).lines.map(({ text }) => text), ['0'], 'a line if nothing else is asked for');
const longest = await stream(gateway.base, { ms: 10, count: 100 });
ok(longest.lines.length === 100 && longest.ms >= 989, 'it may last for --check-max', longest.ms);
for (const query of [{ ms: 10, count: 101 }, { ms: 1001 }, { ms: 500, count: 3 }, { ms: 9 }, { ms: 0 }, { ms: '' }, { ms: '-10' }, { ms: '1s' },
	{ count: 0 }, { count: 'x' }, { ms: 100, count: '18446744073709551616' }]) {
	const { status, code, json } = await gateway.request('GET', '/v1/check/stream', { query });
	isDeep([status, code, json.most], [400, 'bad_request', 1000], `${JSON.stringify(query)} is refused, with what is possible`);
}
const head = await gateway.request('HEAD', '/v1/check/stream', { query: { ms: 100, count: 10 } });
isDeep([head.status, head.text], [200, ''], 'HEAD does not wait here either');
const old = (await new Raw(gateway.port).connected()).send('GET /v1/check/stream?ms=10&count=3 HTTP/1.0\r\n\r\n');
ok(await old.closes(), 'to an HTTP/1.0 client the end is that of the connection');
like(old.bytes.toString(), /\r\n\r\n0\n1\n2\n$/, 'and the lines are not chunks');
const quits = (await new Raw(gateway.port).connected()).send('GET /v1/check/stream?ms=10&count=100 HTTP/1.1\r\nHost: x\r\n\r\n');
await waitFor(() => quits.bytes.includes('\n1\n'), 'the second line');
quits.destroy();
await gateway.waitMetric('pollgate_http_connections', (open) => open <= 1);
is((await hold({ ms: 0 })).status, 200, 'a client may leave in the middle of one');

for (const body of ['', '{}', Buffer.from([0, 1, 254, 255]), 'x'.repeat(200_000)]) {
	const { status, json } = await gateway.request('POST', '/v1/check/echo', { body });
	isDeep([status, json], [200, { bytes: body.length }], `a body of ${body.length} bytes is counted`);
}
const large = await gateway.request('POST', '/v1/check/echo', { body: 'x'.repeat((1 << 20) + 1) });
isDeep([large.status, large.code], [413, 'body_too_large'], 'one above --max-body is refused');
const { headers } = await gateway.request('GET', '/v1/check/hold', { headers: { origin: 'https://elsewhere.example' } });
is(headers['access-control-allow-origin'], '*', 'pages of other origins may ask');

const leaves = (await new Raw(gateway.port).connected()).send('GET /v1/check/hold?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n');
await hold({ ms: 0 });
leaves.destroy();
is((await hold({ ms: 0 })).status, 200, 'a client may leave before its answer');
await gateway.stop();

const patient = await startPollgate();
const waits = patient.request('GET', '/v1/check/hold', { query: { ms: 50_000 } });
const reads = stream(patient.base, { ms: 10_000, count: 5 });
await patient.waitMetric('pollgate_http_connections', (open) => open >= 3);
const [{ json }, { lines }, { code }] = await Promise.all([waits, reads, patient.stop()]);
ok(json.held < 20_000 && code === 0, 'draining answers who waits, with the time that passed', json);
isDeep(lines.map(({ text }) => text), ['0'], 'and ends a stream, in order');

const small = await startPollgate({ options: { 'max-connections': 20 } });
const crowd = await Promise.all(Array.from({ length: 18 }, () => new Raw(small.port).connected()));
await waitFor(async () => (await small.request('GET', '/v1/check/hold')).status === 503, 'the gateway to be nearly full');
for (const path of ['/v1/check/hold', '/v1/check/stream']) {
	const { status, code: refused } = await small.request('GET', path);
	isDeep([status, refused], [503, 'overloaded'], `the last connections are not for ${path}`);
}
is((await small.request('POST', '/v1/check/echo')).status, 200, 'what is answered at once is');
for (const each of crowd)
	each.destroy();
await waitFor(async () => (await small.request('GET', '/v1/check/stream')).status === 200, 'room for checks');
ok(true, 'there is room for them again when others have left');

const silent = await startPollgate({ options: { 'no-check': true } });
for (const [method, path] of [['GET', '/v1/check/hold'], ['GET', '/v1/check/stream'], ['POST', '/v1/check/echo']]) {
	const { status, code: refused } = await silent.request(method, path);
	isDeep([status, refused], [404, 'check_disabled'], `--no-check: ${path} is not answered`);
}
await done();
