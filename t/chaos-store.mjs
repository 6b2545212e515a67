#!/usr/bin/env node
/*
 * Redis under load stands still, is killed with -9 and comes back with what it had promised to keep (appendfsync always), its
 * connections are cut, while instances are killed too: each message arrives exactly once, in order, and nobody is told of a gap.
 */
import { chaos } from './lib/chaos.mjs';
import { Load } from './lib/load.mjs';
import { startCluster } from './lib/pollgate.mjs';
import { chances } from './lib/proxy.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, isDeep, note, ok, skipAll } from './lib/tap.mjs';
import { sleep } from './lib/wait.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const { seed, seconds, random } = chaos(8);
const paceMs = 300;

const redis = await startRedis({ appendonly: 'yes', appendfsync: 'always' });
const fault = chances({ dropAfter: 0.01, repeat: 0.01, delay: [0.05, 60] }, /^\/v1\/(send|poll)/, random);
const options = { 'hold': '3s', 'mailbox-max': 2000, 'room-max': 10000, 'store-timeout': '1s', 'away-after': '10m',
	'session-ttl': '20m' };
const cluster = await startCluster({ n: 3, redis, options, proxy: { seed, fault, retry: 'refused', pool: true } });
const load = await new Load(cluster.base, { clients: 40, count: Math.round(seconds * 1000 / paceMs), paceMs }).open();

const happened = { 'stood still': 0, 'killed': 0, 'cut': 0, 'instances killed': 0 };
let sending = true;

async function hurt() {
	switch (Math.floor(random() * 4)) {
	case 0:
		happened['stood still']++;
		redis.pause();
		await sleep(200 + random() * 2200);
		return redis.resume();
	case 1:
		happened.killed++;
		await redis.kill();
		await sleep(random() * 1000);
		return redis.start();
	case 2:
		happened.cut++;
		return redis.command('CLIENT', 'KILL', 'TYPE', random() < 0.5 ? 'pubsub' : 'normal', 'SKIPME', 'yes');
	default: {
		happened['instances killed']++;
		const victim = cluster.instances[Math.floor(random() * 3)];
		await victim.kill();
		await sleep(random() * 300);
		return victim.start();
	}
	}
}

const sent = load.run().finally(() => {
	sending = false;
});
const hurting = (async () => {
	while (sending) {
		await sleep(300 + random() * 700);
		await hurt();
	}
})();
await Promise.all([sent, hurting]);
await load.settle();
load.report();
note('Redis:', happened);
ok(happened['stood still'] + happened.killed >= 2, 'Redis failed again and again');
is(load.sent, 40 * load.count * 2, 'every message was taken in the end');
load.check();
isDeep(load.clients.flatMap(({ failures }) => failures.filter(({ what, status }) => what === 'receive' && status)), [],
	'no poll, stream or socket was answered with an error');
await load.stop();
await done();
