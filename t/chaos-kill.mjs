#!/usr/bin/env node
/*
 * 50 clients behind a balancer that sends every request to a random instance, while the three instances are killed with -9 and
 * started again in turn, and the network drops, delays and repeats requests: each message arrives exactly once, in order.
 */
import { chaos, killInTurn } from './lib/chaos.mjs';
import { Load } from './lib/load.mjs';
import { startCluster } from './lib/pollgate.mjs';
import { chances } from './lib/proxy.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, note, ok, skipAll } from './lib/tap.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const { seed, seconds, random } = chaos(14);
const paceMs = 300;

const redis = await startRedis();
const fault = chances({ dropBefore: 0.004, dropAfter: 0.01, repeat: 0.01, delay: [0.05, 60] }, /^\/v1\/(send|poll)/, random);
const cluster = await startCluster({ n: 3, redis, options: { 'hold': '3s', 'mailbox-max': 2000, 'room-max': 10000 },
	proxy: { seed, fault, retry: 'refused', pool: true } });
const load = await new Load(cluster.base, { clients: 50, count: Math.round(seconds * 1000 / paceMs), paceMs }).open();

let sending = true;
const sent = load.run().finally(() => {
	sending = false;
});
const kills = await killInTurn(cluster.instances, random, () => sending);
await sent;
await load.settle();
load.report();
note(`${kills} kills, ${cluster.proxy.dropped} requests dropped, ${cluster.proxy.repeats} repeated by the balancer`);
ok(kills >= 6, 'instances were killed and started again many times');
is(load.sent, 50 * load.count * 2, 'every message was taken in the end');
load.check();
await load.stop();
await done();
