#!/usr/bin/env node
/* deploy/nginx.conf, with the real nginx: two instances behind it, and everything that the gateway offers passes. */
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Client } from './lib/client.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { pollcat, sourceDir, startCluster } from './lib/pollgate.mjs';
import { Child, execute, freePort, tempDir, which } from './lib/process.mjs';
import { forEachTransport } from './lib/receive.mjs';
import { request } from './lib/request.mjs';
import { atEnd, done, is, isDeep, like, ok, skip, skipAll, unlike } from './lib/tap.mjs';
import { AT_ONCE, timed, waitFor } from './lib/wait.mjs';

if (!which('nginx') || !haveRedis())
	skipAll('nginx or redis-server is not installed');
const { io } = await import('socket.io-client').catch(() => ({}));

/** nginx in front of two ports; gives its URL. */
async function startNginx(...ports) {
	const port = await freePort();
	const dir = tempDir('nginx');
	const map = { 8090: port, 8091: ports[0], 8092: ports[1] };
	const file = path.join(dir, 'nginx.conf');
	writeFileSync(file, readFileSync(path.join(sourceDir, 'deploy/nginx.conf'), 'utf8').replace(/127\.0\.0\.1:(809\d)/g,
		(address, fixed) => `127.0.0.1:${map[fixed]}`));
	/* A single process, for none is left when it is killed. */
	const child = new Child(which('nginx'), ['-e', 'stderr', '-p', dir, '-c', file, '-g', 'master_process off;']);
	const base = `http://127.0.0.1:${port}`;
	await waitFor(async () => (await request(base, 'GET', '/metrics')).status === 404, () => `nginx to answer; it says: ${child.lines.join(' / ')}`);
	return base;
}

const redis = await startRedis();
const { instances } = await startCluster({ n: 2, redis });
const base = await startNginx(...instances.map(({ port }) => port));

const { code, stdout } = await execute(pollcat, ['--check', base]);
unlike(stdout, /FAIL|held back|not tested/, 'pollcat --check finds nothing wrong');
is(code, 0, 'and says so by its status');
for (const row of ['open', 'poll', 'sse', 'ws', 'stream', 'close'])
	like(stdout, new RegExp(`^${row} +ok `, 'm'), `${row} passes`);

await forEachTransport(async (transport) => {
	const ann = await Client.open(base, { rooms: ['lobby'], transport });
	const bob = await Client.open(base, { rooms: ['lobby'], transport });
	const { ms } = await timed(async () => {
		for (let i = 0; i < 10; i++) {
			await ann.ops({ op: 'send', to: bob.id, event: 'number', data: i });
			await waitFor(() => bob.messages.some(({ event, data }) => event === 'number' && data === i), 'a message', { everyMs: 5 });
		}
	});
	ok(ms < AT_ONCE, 'messages come as they are sent', ms);
	is(bob.messages.filter(({ event }) => event === 'number').length, 10, 'each once');
	await Promise.all([ann.stop(), bob.stop()]);
});

if (io) {
	for (const transports of [['websocket'], ['polling', 'websocket'], ['polling']]) {
		const [ann, bob] = [0, 1].map(() => io(base, { transports, forceNew: true, reconnection: false }));
		const got = [];
		bob.on('hello', (text) => got.push(text));
		await waitFor(() => ann.connected && bob.connected, `a page that takes ${transports} to connect`);
		ann.emit('hello', 'from nginx');
		await waitFor(() => got.length > 0, 'an event');
		const last = transports.at(-1);
		await waitFor(() => ann.io.engine.transport.name === last, `to be at ${last}`);
		isDeep(got, ['from nginx'], `socket.io-client, ${transports.join(', then ')}: connected, and hears`);
		ann.close();
		bob.close();
	}
} else
	skip('socket.io-client passes', 't/node_modules has no socket.io-client: cd t && npm ci');

const { headers } = await request(base, 'GET', '/health', { headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' } });
is(headers.upgrade, undefined, 'an upgrade that is none to a WebSocket is not passed on');
is((await request(base, 'GET', '/api/v1/rooms')).status, 404, 'nor are requests of backends');

/* Two that take each request and break off: what of it is sent a second time? */
const asked = [];
const breaking = await Promise.all([0, 1].map(async () => {
	const server = http.createServer((got) => {
		asked.push(`${got.method} ${got.headers.connection ?? 'kept'}`);
		got.resume().on('end', () => got.socket.destroy());
	});
	server.on('upgrade', (got) => {
		asked.push(`${got.method} ${got.headers.connection}`);
		got.socket.destroy();
	});
	atEnd(() => server.close());
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server.address().port;
}));
for (const [method, more, wanted, what] of [
	['POST', { body: '{}' }, ['POST kept'], 'a POST that was sent is not sent again'],
	['GET', {}, ['GET kept', 'GET kept'], 'a GET that was cut goes to the other instance'],
	['GET', { headers: { connection: 'Upgrade', upgrade: 'websocket' } }, ['GET upgrade', 'GET upgrade'], 'so does a WebSocket that did not come about']]) {
	asked.length = 0;
	is((await request(await startNginx(...breaking), method, '/v1/send', more)).status, 502, `${method}: cut off`);
	isDeep(asked, wanted, what);
}
await done();
