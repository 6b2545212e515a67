#!/usr/bin/env node
/*
 * The load generator of `make bench`, with little load: each scenario comes to its end, no message is lost, and the figures that
 * t/bench/table.mjs prints are there.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { startSystem } from './bench/servers.mjs';
import { forEachStore } from './lib/pollgate.mjs';
import { execute } from './lib/process.mjs';
import { haveRedis } from './lib/redis.mjs';
import { done, is, ok, scope, skipAll } from './lib/tap.mjs';

const pollbench = process.env.POLLBENCH ?? path.join(process.env.POLLGATE_TEST_BUILD ?? 'build', 't/bench/pollbench');
if (!existsSync(pollbench))
	skipAll(`there is no ${pollbench}`);
process.env.HOOKBENCH ??= path.join(path.dirname(pollbench), 'hookbench');

const short = ['--warmup', '100', '--measure', '300'];

async function measure(cluster, redis, args) {
	const gateways = cluster.instances.flatMap(({ pid }) => ['--gateway', String(pid)]);
	const store = redis ? ['--redis', `127.0.0.1:${redis.port}`, '--bare'] : [];
	const urls = cluster.instances.map(({ base }) => base);
	const run = await execute(pollbench, ['--json', ...gateways, ...store, ...short, ...args, ...urls]);
	is(run.code, 0, 'it ends well', run.stderr);
	const figures = JSON.parse(run.stdout);
	is(figures.failed, 0, 'no request fails');
	return figures;
}

await forEachStore(async ({ start, redis }) => {
	const cluster = await start();
	await scope('pairs in closed loop', async () => {
		const figures = await measure(cluster, redis, ['--pairs', '5', '--clients', '10', 'pairs']);
		ok(figures.rate > 0 && figures.p50_us > 0 && figures.gateway_cpu_us > 0, 'messages arrive', figures);
		is(figures.wrong + figures.stalled, 0, 'none is lost, repeated or out of order');
		if (redis)
			ok(figures.redis_commands > 0 && figures.redis_cpu_us > 0, 'Redis is measured', figures);
	});
	await scope('pairs at a rate', async () => {
		const figures = await measure(cluster, redis, ['--pairs', '5', '--rate', '100', 'rate']);
		ok(figures.rate > 0 && figures.rate < 150, 'no more are sent than asked for', figures);
		is(figures.wrong, 0, 'no message is lost, repeated or out of order');
		if (redis)
			ok(figures.bare_look_p50_us > figures.bare_p50_us && figures.bare_p50_us > 0, 'bare round trips are measured', figures);
	});
	await scope('a room', async () => {
		const figures = await measure(cluster, redis, ['--members', '20', '--wakes', '3', 'room']);
		ok(figures.last_ms > 0 && figures.wrong === 0, 'each of its members gets each message once', figures);
	});
	await scope('polls that wait', async () => {
		const figures = await measure(cluster, redis, ['--clients', '20', 'park']);
		is(figures.answered, 0, 'none is answered before its time', figures);
	});
	await scope('polls that do not wait', async () => {
		const figures = await measure(cluster, redis, ['--clients', '5', '--hold', '0', 'polls']);
		ok(figures.rate > 0, 'they are answered', figures);
	});
});

for (const peer of ['pollgate-sse', 'pollgate-ws'])
	await scope(peer, () => forEachStore(async ({ start }) => {
		const cluster = await start();
		const pairs = await measure(cluster, null, ['--peer', peer, '--pairs', '5', '--clients', '10', 'pairs']);
		ok(pairs.rate > 0 && pairs.wrong + pairs.stalled === 0, 'messages arrive once and in order', pairs);
		const room = await measure(cluster, null, ['--peer', peer, '--members', '20', '--wakes', '3', 'room']);
		ok(room.last_ms > 0 && room.wrong === 0, 'each member of a room gets each message once', room);
		is((await measure(cluster, null, ['--peer', peer, '--clients', '20', 'park'])).failed, 0, 'connections stay');
	}));

await scope('through an application', async () => {
	for (const [hook, args] of [[0, ['--window', '4']], [50, []]]) {
		const servers = await startSystem({ peer: 'pollgate', instances: 1, redis: false, hook });
		const cluster = { instances: servers.urls.map((base, i) => ({ base, pid: servers.pids[i] })) };
		const pairs = await measure(cluster, null, ['--peer', 'pollgate-hook', '--pairs', '5', ...args, 'pairs']);
		ok(pairs.rate > 0 && pairs.wrong + pairs.stalled === 0, 'messages arrive once and in order', pairs);
		ok(hook === 0 || pairs.p50_us > 1000 * hook, 'it takes its time', pairs);
		await servers.stop();
	}
});

await scope('Socket.IO', () => forEachStore(async ({ start }) => {
	const cluster = await start();
	const pairs = await measure(cluster, null, ['--peer', 'socketio', '--pairs', '5', '--clients', '10', 'pairs']);
	ok(pairs.rate > 0 && pairs.wrong + pairs.stalled === 0, 'messages arrive once and in order', pairs);
	const room = await measure(cluster, null, ['--peer', 'socketio', '--members', '20', '--wakes', '3', 'room']);
	ok(room.last_ms > 0 && room.wrong === 0, 'each member of a room gets each message once', room);
}));

await scope('Socket.IO\'s own server', async () => {
	const servers = await startSystem({ peer: 'socketio-sticky', server: 'socketio', instances: 2, redis: haveRedis() });
	const cluster = { instances: servers.urls.map((base, i) => ({ base, pid: servers.pids[i] })) };
	for (const peer of ['socketio-sticky', 'socketio-ws']) {
		const pairs = await measure(cluster, null, ['--peer', peer, '--pairs', '5', 'pairs']);
		ok(pairs.rate > 0 && pairs.wrong + pairs.stalled === 0, `${peer}: messages arrive once and in order`, pairs);
	}
	await servers.stop();
});

await scope('a mistake', async () => {
	is((await execute(pollbench, ['pairs'])).code, 2, 'without a URL it says how it is used');
	is((await execute(pollbench, ['--peer', 'other', 'pairs', 'http://127.0.0.1:1'])).code, 1, 'another peer is not known');
});
await done();
