#!/usr/bin/env node
/*
 * Unmodified Socket.IO clients, by polling, behind a balancer that sends every request to a random instance, while the three
 * instances are ended in turn, by kill -9 and by SIGTERM, and started again.
 *
 * Where the balancer repeats no request that failed, clients notice, reconnect and are recovered: of what is said meanwhile each gets
 * everything once, in order.  Where it tries a request again on another instance, no client notices anything; what clients say is
 * acknowledged and heard once, in order.
 */
import { createRequire } from 'node:module';
import { chaos, killInTurn } from './lib/chaos.mjs';
import { Client } from './lib/client.mjs';
import { startCluster, waitFor } from './lib/pollgate.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, isDeep, note, ok, scope, skipAll } from './lib/tap.mjs';
import { sleep } from './lib/wait.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const { io } = createRequire(import.meta.url)('socket.io-client');
const { seed, seconds, random } = chaos(10);
const redis = await startRedis();
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

function connect(base) {
	const socket = io(base, { transports: ['polling'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 300 });
	const record = { socket, ids: new Set(), got: [], connects: 0, recovered: 0, losses: [] };
	socket.on('connect', () => {
		record.connects++;
		record.recovered += socket.recovered;
		record.ids.add(socket.id);
	});
	socket.on('disconnect', (why) => record.losses.push(why));
	socket.on('tick', (n) => record.got.push(n));
	return record;
}

/* End instances and start them again, until the time is over; how often. */
const harm = (instances, end) => killInTurn(instances, random, () => Date.now() < end,
	{ lives: [300, 900], end: (victim, n) => (n % 3 === 0 ? victim.stop() : victim.kill()) });

/* Numbered, in the room that the namespace is; how many. */
async function say(publisher, end) {
	let sent = 0;
	while (Date.now() < end) {
		await publisher.sendRoom('/', 'tick', sent++);
		await sleep(30);
	}
	return sent;
}

async function run({ retry, size, meanwhile }, check) {
	const { base, instances, stop } = await startCluster({ n: 3, redis, options: { hold: '3s', 'ping-interval': '2s',
		'ping-timeout': '20s', 'mailbox-max': 2000, 'room-max': 20000, drain: '3s' }, proxy: { seed, retry } });
	const clients = upTo(size).map(() => connect(base));
	await waitFor(() => clients.every(({ socket }) => socket.connected), 'all clients to be connected');
	const publisher = await Client.open(base, { name: 'publisher', rooms: ['/'] });
	const end = Date.now() + seconds * 1000;
	const [sent, kills] = await Promise.all([say(publisher, end), harm(instances, end), meanwhile?.(clients, end)]);
	await waitFor(() => clients.every(({ got }) => got.includes(sent - 1)), 'the last message to come to all', { limitMs: 30000 })
		.catch(({ message }) => note(message));
	note(`${kills} ends of instances, ${sent} messages to ${size} clients, ` +
		`${clients.reduce((n, { connects }) => n + connects - 1, 0)} reconnections`);
	ok(kills >= 5, 'instances were ended and started again many times', kills);
	await check(clients, publisher);
	isDeep(clients.filter(({ got }) => got.join() !== upTo(sent).join())
		.map(({ got }) => [got.length, got.slice(Math.max(0, got.findIndex((n, i) => n !== i) - 2)).slice(0, 8)]), [],
		'each got each message once, in order');
	for (const { socket } of clients)
		socket.disconnect();
	await publisher.close();
	await stop();
}

await scope('nothing is repeated', () => run({ retry: 'refused', size: 30 }, (clients) => {
	ok(clients.some(({ connects }) => connects > 1), 'clients noticed');
	is(clients.filter(({ connects, recovered }) => recovered !== connects - 1).length, 0, 'each was recovered each time');
	is(clients.filter(({ ids }) => ids.size !== 1).length, 0, 'each kept its id');
}));

/* Each says something, and something else when that was acknowledged. */
const talk = (clients, end) => Promise.all(clients.map(async (client, i) => {
	for (client.said = 0; Date.now() < end; client.said++) {
		await new Promise((resolve) => client.socket.emit('up', [i, client.said], resolve));
		await sleep(random() * 100);
	}
}));

await scope('requests are tried again', () => run({ retry: 'reset', size: 15, meanwhile: talk }, async (clients, publisher) => {
	isDeep(clients.flatMap(({ losses }) => losses), [], 'no client notices anything');
	const heard = () => publisher.messages.filter(({ event }) => event === 'up').map(({ data }) => data);
	const all = clients.reduce((n, { said }) => n + said, 0);
	await waitFor(() => heard().length >= all, 'what clients said').catch(({ message }) => note(message));
	isDeep(clients.map(({ said }, i) => heard().filter(([who]) => who === i).map(([, n]) => n).join() === upTo(said).join())
		.filter((right) => !right), [], 'what each said was acknowledged, and heard once, in order');
	note(`${all} messages of clients`);
}));
await done();
