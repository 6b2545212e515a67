#!/usr/bin/env node
/*
 * Unmodified Socket.IO clients, a third of them by polling alone, a third by default, a third on WebSockets, behind a balancer that sends every request to a random instance and repeats none that
 * failed, while the three instances are killed with -9 and started again in turn.  Whoever notices reconnects and is recovered: of
 * what is said meanwhile each gets everything once, in order.
 */
import { createRequire } from 'node:module';
import { Client } from './lib/client.mjs';
import { startCluster, waitFor } from './lib/pollgate.mjs';
import { randomFrom } from './lib/proxy.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, isDeep, limit, note, ok, skipAll } from './lib/tap.mjs';
import { sleep } from './lib/wait.mjs';

limit(150);
if (!haveRedis())
	skipAll('redis-server is not installed');

const { io } = createRequire(import.meta.url)('socket.io-client');
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1000000);
const seconds = Number(process.env.CHAOS_SECONDS ?? 12);
const size = 30;
note(`CHAOS_SEED=${seed}`);

const random = randomFrom(seed);
const redis = await startRedis();
const { base, instances } = await startCluster({ n: 3, redis, options: { hold: '3s', 'ping-interval': '2s', 'ping-timeout': '20s',
	'mailbox-max': 2000, 'room-max': 10000 }, proxy: { seed, retry: 'refused' } });

const choices = [{ transports: ['polling'] }, {}, { transports: ['websocket'] }];

function connect(_, i) {
	const socket = io(base, { ...choices[i % 3], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 300 });
	const record = { socket, ids: new Set(), got: [], mine: [], connects: 0, recovered: 0, errors: [] };
	socket.on('connect', () => {
		record.connects++;
		record.recovered += socket.recovered;
		record.ids.add(socket.id);
	});
	socket.on('tick', (n) => record.got.push(n));
	socket.on('connect_error', ({ message }) => record.errors.push(message));
	return record;
}

const clients = Array.from({ length: size }, connect);
await waitFor(() => clients.every(({ socket }) => socket.connected), 10000, 'all clients to be connected');

const publisher = await Client.open(base, { name: 'publisher' });
const end = Date.now() + seconds * 1000;
let sent = 0;
const saying = (async () => {
	while (Date.now() < end) {
		await publisher.sendRoom('/', 'tick', sent++);
		await sleep(30);
	}
})();
let kills = 0;
const chaos = (async () => {
	while (Date.now() < end) {
		const victim = instances[kills++ % 3];
		await sleep(300 + random() * 600);
		await victim.kill();
		await sleep(random() * 200);
		await victim.start();
	}
})();
await Promise.all([saying, chaos]);
const all = Array.from({ length: sent }, (_, n) => n);
await waitFor(() => clients.every(({ got }) => got.includes(sent - 1)), 30000, 'the last message to come to all').catch((error) => note(error.message));
const reconnects = clients.reduce((n, { connects }) => n + connects - 1, 0);
note(`${kills} kills, ${sent} messages to ${size} clients, ${reconnects} reconnections`);
ok(kills >= 6, 'instances were killed and started again many times');
ok(reconnects > 0, 'clients noticed');
is(clients.filter(({ connects, recovered }) => recovered !== connects - 1).length, 0, 'each was recovered each time');
is(clients.filter(({ ids }) => ids.size !== 1).length, 0, 'each kept its id');
isDeep(clients.filter(({ got }) => got.join() !== all.join())
	.map(({ got }) => [got.length, got.slice(Math.max(0, got.findIndex((n, i) => n !== i) - 2)).slice(0, 8)]), [],
	'each got each message once, in order');
for (const { socket } of clients)
	socket.disconnect();
await publisher.close();
await done();
