#!/usr/bin/env node
/*
 * Engine.IO clients behind a balancer that sends every request to a random instance, while the three instances are killed with -9
 * and started again in turn, and requests are dropped, delayed and repeated.  A request that fails is made again as it was, as
 * browsers and balancers do.  No client notices: each message comes back once, in order, and no session ends.
 */
import { chaos, killInTurn } from './lib/chaos.mjs';
import { EngineClient } from './lib/engineio.mjs';
import { startCluster, waitFor } from './lib/pollgate.mjs';
import { chances } from './lib/proxy.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, isDeep, note, ok, skipAll } from './lib/tap.mjs';
import { sleep } from './lib/wait.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const { seed, seconds, random } = chaos(10);

const redis = await startRedis();
const fault = chances({ dropBefore: 0.01, dropAfter: 0.02, repeat: 0.02, delay: [0.05, 60] }, /^\/engine\.io\//, random);
const { base, instances, proxy } = await startCluster({ n: 3, redis, options: { relay: 'self', hold: '2s', 'ping-interval': '1s',
	'ping-timeout': '20s', 'mailbox-max': 5000 }, proxy: { seed, fault, retry: 'reset', pool: true } });
const clients = await Promise.all(Array.from({ length: 20 }, () => new EngineClient(base).open()));

const end = Date.now() + seconds * 1000;
const sent = Promise.all(clients.map(async (client) => {
	client.sent = [];
	while (Date.now() < end) {
		const messages = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => String(client.sent.length + i));
		client.sent.push(...messages);
		await client.send(...messages);
		await sleep(random() * 100);
	}
}));
const kills = await killInTurn(instances, random, () => Date.now() < end);
await sent;
await waitFor(() => clients.every(({ got, sent: wanted, trouble }) => got.length >= wanted.length || trouble.length > 0),
	'all messages to come back');
note(`${kills} kills, ${proxy.dropped} requests dropped, ${proxy.repeats} repeated by the balancer, ${proxy.retries} retried by it, ` +
	`${clients.reduce((n, { repeats }) => n + repeats, 0)} by clients`);
ok(kills >= 6, 'instances were killed and started again many times');
isDeep(clients.flatMap(({ trouble }) => trouble), [], 'no client noticed anything');
isDeep(clients.filter(({ got, sent: wanted }) => got.join() !== wanted.join())
	.map(({ got, sent: wanted }) => got.slice(Math.max(0, got.findIndex((text, i) => text !== wanted[i]) - 2)).slice(0, 9)),
	[], 'each got each of its messages once, in order');
await Promise.all(clients.map((client) => client.close()));
await done();
