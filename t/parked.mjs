#!/usr/bin/env node
/* 10,000 parked polls, event streams and WebSockets, with the headers of a browser: memory is bounded, all are served, and it
   comes back. */
import http from 'node:http';
import net from 'node:net';
import { createSession, sendOps } from './lib/client.mjs';
import { forEachStore } from './lib/pollgate.mjs';
import { execute } from './lib/process.mjs';
import { done, is, note, ok, skipAll } from './lib/tap.mjs';
import { waitFor } from './lib/wait.mjs';

const count = Number(process.env.PARKED ?? 10000);
const most = Number((await execute('sh', ['-c', 'ulimit -Hn'])).stdout) || Infinity;
if (most < count + 500)
	skipAll(`the limit of file descriptors is ${most}`);
const sanitized = Boolean(process.env.TEST_SLOWNESS && Number(process.env.TEST_SLOWNESS) > 1);

const headers = [
	'Host: gateway.example.com',
		'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
		'Accept: */*',
	'Accept-Language: en-US,en;q=0.9,de;q=0.8', 'Accept-Encoding: gzip, deflate, br, zstd', 'Origin: https://app.example.com',
		'Referer: https://app.example.com/',
	'Sec-Fetch-Dest: empty', 'Sec-Fetch-Mode: cors', 'Sec-Fetch-Site: cross-site',
		'Sec-CH-UA: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
	'Sec-CH-UA-Mobile: ?0', 'Sec-CH-UA-Platform: "Linux"', 'Cache-Control: no-cache', 'Pragma: no-cache',
		'Connection: keep-alive',
].join('\r\n');

const upgrade = 'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

/** fn(i) for 0 <= i < n, width of them at a time. */
async function inParallel(n, width, fn) {
	let next = 0;
	await Promise.all(Array.from({ length: width }, async () => {
		while (next < n)
			await fn(next++);
	}));
}

function park(port, { token, cursor }, path = '/v1/poll', more = '') {
	const poll = { received: '', socket: net.connect(port, '127.0.0.1') };
	poll.socket.on('data', (data) => {
		poll.received += data;
	}).on('error', (error) => {
		poll.error = error;
	});
	return new Promise((resolve, reject) => {
		poll.socket.once('error', reject);
		poll.socket.once('connect', () => {
			poll.socket.write(`GET ${path}?token=${token}&cursor=${cursor}&hold=120000 HTTP/1.1\r\n${more}${headers}\r\n\r\n`);
			resolve(poll);
		});
	});
}

/** Connections that stay: to path, there once they have got what `begun` matches, each within so many KiB. */
async function stay(start, { what, path, more, begun, gauge, within }) {
	const { instances: [instance] } = await start({ options: { 'max-sessions': 2 * count } });
	const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
	const n = Math.min(count, 3000);
	const sessions = [], open = [];
	await inParallel(n, 32, async (i) => {
		sessions[i] = (await createSession(instance.base, {}, { agent })).json;
	});
	const before = await instance.metrics('process_resident_memory_bytes');
	await inParallel(n, 64, async (i) => {
		open[i] = await park(instance.port, sessions[i], path, more);
	});
	await waitFor(() => open.every(({ received }) => begun.test(received)), `${what}s to begin`);
	const each = Math.round((await instance.metrics('process_resident_memory_bytes') - before) / n);
	note(`${each} bytes of the gateway for each ${what}`);
	ok(each < within * 1024 || sanitized, `${n} ${what}s take less than ${within} KiB of the gateway each`, `${each} bytes`);
	for (const { socket } of open)
		socket.destroy();
	await instance.waitMetric(gauge, 0);
	ok(true, 'and when their clients leave it is noticed');
	agent.destroy();
}

await forEachStore(async ({ start, store, redis }) => {
	const { instances: [instance] } = await start({ options: { 'hold-max': '2m', 'max-sessions': count + 10 } });
	const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
	const sessions = [];
	const redisMemory = async () => redis ? await redis.info('used_memory') - await redis.info('mem_clients_normal') : 0;
	const empty = await redisMemory();
	await inParallel(count, 32, async (i) => {
		const answer = await createSession(instance.base, {}, { agent });
		sessions[i] = answer.json;
	});
	is(sessions.filter((session) => session?.id).length, count, `${count} sessions are made`);
	const before = await instance.metrics('process_resident_memory_bytes');
	const inRedis = Math.round((await redisMemory() - empty) / count);
	const polls = [];
	await inParallel(count, 64, async (i) => {
		polls[i] = await park(instance.port, sessions[i]);
	});
	await instance.waitMetric('pollgate_polls_parked', count);
	const after = await instance.metrics('process_resident_memory_bytes');
	const each = Math.round((after - before) / count);
	note(`${each} bytes of the gateway for each parked poll${redis ? `, ${inRedis} of Redis for each session` : ''}`);
	ok(inRedis < 300, 'a session takes less than 300 bytes of Redis', `${inRedis} bytes`);
	ok(each < 6 * 1024 || sanitized, `${count} parked polls take less than 6 KiB of the gateway each`, `${each} bytes`);
	const cpu = await instance.metrics('process_cpu_seconds_total');
	const [first] = sessions;
	const chosen = Array.from({ length: 200 }, (_, i) => Math.floor(i * count / 200));
	await inParallel(chosen.length, 16, (i) => sendOps(instance.base, first.token,
		[{ op: 'send', to: sessions[chosen[i]].id, event: 'wake', data: chosen[i] }], undefined, { agent }));
	await waitFor(() => chosen.every((i) => polls[i].received.includes(`"data":${i}}`)), 'messages to arrive');
	is(polls.filter(({ received }) => received !== '').length, chosen.length, 'a message wakes whom it is for, nobody else');
	ok(await instance.metrics('process_cpu_seconds_total') - cpu < 2 || sanitized, '... at little cost');
	for (const { socket } of polls)
		socket.destroy();
	await instance.waitMetric('pollgate_polls_parked', 0);
	await instance.waitMetric('pollgate_http_connections', (n) => n < 100);
	ok(true, 'when they leave all of it is noticed');
	const { json } = await createSession(instance.base, {}, { agent });
	ok(json?.id, `${store} serves on`);
	agent.destroy();
	await stay(start, { what: 'event stream', path: '/v1/events', begun: /\nid: /, gauge: 'pollgate_sse_open', within: 8 });
	await stay(start, { what: 'WebSocket', path: '/v1/ws', more: upgrade, begun: /"messages"/, gauge: 'pollgate_ws_open', within: 14 });
}, { instances: 1 });
await done();
