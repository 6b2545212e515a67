#!/usr/bin/env node
/* The checks of the network (pollgate-protocol(7), CHECKS): they need no session and no store. */
import { done, is, isDeep, ok } from './lib/tap.mjs';
import { startPollgate } from './lib/pollgate.mjs';
import { Raw } from './lib/raw.mjs';
import { timed } from './lib/wait.mjs';

const gateway = await startPollgate({ options: { 'check-max': '1s' } });
const hold = (query, method = 'GET') => gateway.request(method, '/v1/check/hold', { query });

for (const ms of [0, 300]) {
	const { ms: took, value: { status, headers, json } } = await timed(() => hold({ ms }));
	is(status, 200, `a hold of ${ms} ms is answered`);
	ok(took >= ms - 5 && json.held >= ms - 5 && json.held <= took + 5, 'after as long, and says how long', `${took} ${json.held}`);
	isDeep([headers['content-type'], headers['cache-control']], ['application/json', 'no-store'], 'as JSON that is not kept');
}
const limited = await hold({ ms: '18446744073709551615' });
ok(limited.json.held >= 990, 'more than --check-max counts as --check-max', limited.text);
for (const ms of ['', '-1', '1.5', '1s', '18446744073709551616']) {
	const { status, code } = await hold({ ms });
	isDeep([status, code], [400, 'bad_request'], `"${ms}" milliseconds are refused`);
}
const { ms: took } = await timed(() => hold({ ms: 1000 }, 'HEAD'));
ok(took < 900, 'HEAD does not wait');

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
await patient.waitMetric('pollgate_http_connections', (open) => open >= 2);
const [{ json }, { code }] = await Promise.all([waits, patient.stop()]);
ok(json.held < 20_000 && code === 0, 'draining answers who waits, with the time that passed', json);

const silent = await startPollgate({ options: { 'no-check': true } });
for (const [method, path] of [['GET', '/v1/check/hold'], ['POST', '/v1/check/echo']]) {
	const { status, code: refused } = await silent.request(method, path);
	isDeep([status, refused], [404, 'check_disabled'], `--no-check: ${path} is not answered`);
}
await done();
