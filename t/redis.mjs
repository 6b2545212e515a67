#!/usr/bin/env node
/* The Redis behind the gateway: shared with others, protected, short of memory, its connections cut, its scripts forgotten. */
import { Client, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { Load } from './lib/load.mjs';
import { startCluster, startPollgate, waitFor } from './lib/pollgate.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, is, isDeep, like, note, ok, skipAll, unlike } from './lib/tap.mjs';
import { AT_ONCE, sleep, timed } from './lib/wait.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const readyStatus = async (instance) => (await instance.request('GET', '/ready')).status;
const ready = (instance) => waitFor(async () => await readyStatus(instance) === 200, '/ready to be 200');

/* ---- Shared with others ---- */

async function prefixes(redis) {
	const [one, two] = await Promise.all([startPollgate({ redis, options: { prefix: 'one:' } }),
		startPollgate({ redis, options: { prefix: 'two:' } })]);
	const a = await Client.open(one.base, { start: false, rooms: ['shared'] });
	const b = await Client.open(two.base, { start: false, rooms: ['shared'] });
	is((await b.members('shared')).json.count, 1, 'groups of instances with different prefixes do not see each other\'s rooms');
	is((await a.send(b.id, 'x', 1)).error?.code, 'recipient_gone', '... nor sessions');
	await a.send(a.id, 'x', 1);
	await a.sendRoom('shared', 'x', 1);
	const keys = await redis.keys();
	isDeep(keys.filter((key) => !/^(one|two):/.test(key)), [], 'every key begins with the prefix');
	const forever = [];
	for (const key of keys)
		if (await redis.command('TTL', key) === -1)
			forever.push(key);
	isDeep(forever.filter((key) => !/\}[dc]$/.test(key)), [],
		'every key of a session or room expires, should all instances be gone');
	ok(keys.every((key) => !key.includes(a.token)), 'no key has a token');
	for (const key of keys)
		if (await redis.command('TYPE', key) === 'hash')
			unlike(JSON.stringify(await redis.command('HGETALL', key)), new RegExp(a.token), 'no value has a token');
	await a.close();
	await b.close();
	await Promise.all([one.stop(), two.stop()]);
}

/* ---- Protected ---- */

async function passwords() {
	const redis = await startRedis();
	await redis.command('ACL', 'SETUSER', 'gate', 'on', '>acl-secret', '~*', '&*', '+@all');
	await redis.command('CONFIG', 'SET', 'requirepass', 'default-secret');
	const at = `127.0.0.1:${redis.port}`;
	const good = [`redis://:default-secret@${at}`, `redis://gate:acl-secret@${at}/3`];
	for (const url of good) {
		const instance = await startPollgate({ options: { redis: url } });
		await ready(instance);
		ok(true, `${url} is served`);
		await createSession(instance.base);
		await instance.stop();
		unlike(instance.log.join('\n'), /secret/, '... and the password is not logged');
	}
	await redis.command('SELECT', 3);
	ok((await redis.command('DBSIZE')) > 0, 'the number in the URL is the database');
	for (const url of [`redis://:wrong-secret@${at}`, `redis://${at}`]) {
		const instance = await startPollgate({ options: { redis: url } });
		is(await readyStatus(instance), 503, `${url}: not ready`);
		await instance.waitLog(/NOAUTH|WRONGPASS|[Aa]uth|password/);
		ok(true, '... and the log says why');
		ok(instance.log.length < 50, '... not endlessly', `${instance.log.length} lines`);
		unlike(instance.log.join('\n'), /secret/, '... without the password');
		is((await createSession(instance.base)).code, 'store_unavailable', '... and sessions are refused: store_unavailable');
		await instance.stop();
	}
	await redis.kill();
}

/* ---- Short of memory ---- */

async function outOfMemory(redis) {
	const { base, stop } = await startCluster({ n: 2, redis, options: { hold: '2s' } });
	const [a, b] = [await Client.open(base, { start: false }), await Client.open(base, { hold: 20000 })];
	await a.send(b.id, 'before', 1);
	await b.waitEvent('before');
	const used = await redis.info('used_memory');
	await redis.command('CONFIG', 'SET', 'maxmemory', Math.round(used / 2));
	const refused = await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'during', data: 1 },
		{ op: 'send', to: b.id, event: 'during', data: 2 }], a.seq);
	isDeep([refused.status, refused.code], [503, 'store_unavailable'], 'a send to a Redis that is out of memory is answered 503',
		refused.text);
	like(refused.headers['retry-after'], /^[1-9]\d*$/, '... with Retry-After');
	is((await createSession(base)).status, 503, 'so is a new session');
	is((await a.poll(0)).status, 200, 'polls are answered');
	await redis.command('CONFIG', 'SET', 'maxmemory', 0);
	await waitFor(async () =>
		(await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'during', data: 1 },
		{ op: 'send', to: b.id, event: 'during', data: 2 }], a.seq)).status === 200, 'the send to be taken');
	await b.waitEvent('during', ({ data }) => data === 2);
	isDeep(b.of('').map(({ data }) => data), [1, 1, 2], 'when there is memory again the repeated send is applied, once');
	isDeep([b.gaps, b.failures], [[], []], 'and nobody missed anything');
	await b.stop();
	await stop();
}

/* ---- Scripts forgotten, connections cut ---- */

async function forgottenScripts(redis) {
	const { base, stop, proxy } = await startCluster({ n: 2, redis });
	const [a, b] = [await Client.open(base, { start: false }), await Client.open(base, { start: false })];
	for (let i = 0; i < 5; i++) {
		await redis.command('SCRIPT', 'FLUSH');
		await a.ops({ op: 'send', to: b.id, event: 'n', data: i }, { op: 'join', room: `scripts ${i}` },
			{ op: 'leave', room: `scripts ${i}` });
	}
	await b.poll(1000);
	isDeep(b.messages.map(({ data }) => data), [0, 1, 2, 3, 4], 'a Redis that forgot the scripts is given them again');
	isDeep(proxy.failures, [], '... without a failed request');
	await stop();
}

async function cutConnections(redis) {
	const { base, stop, proxy, instances } =
		await startCluster({ n: 3, redis, options: { 'mailbox-max': 2000, 'room-max': 10000 } });
	const load = await new Load(base, { clients: 30, count: 30, paceMs: 200, hold: 20000 }).open();
	let sending = true;
	let cuts = 0;
	const sent = load.run().finally(() => {
		sending = false;
	});
	while (sending) {
		await sleep(150); // Messages come in between.
		const type = cuts++ % 2 ? 'pubsub' : 'normal';
		await redis.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
	}
	await sent;
	await load.settle();
	load.report();
	note(`${cuts} times all connections of a kind to Redis were cut`);
	load.check();
	isDeep(proxy.failures.filter(({ path }) => path === '/v1/poll'), [], 'no poll failed');
	for (const instance of instances)
		await ready(instance);
	const one = load.clients[0];
	const start = performance.now();
	await load.clients[1].send(one.id, 'prompt', 1);
	await one.waitEvent('prompt');
	ok(performance.now() - start < AT_ONCE, 'and afterwards messages come at once');
	await load.stop();
	await stop();
}

/* A notice that was lost is no message lost, nor is it late for longer than until the next notice or re-reading. */
async function lateSubscription(redis) {
	const { instances: [instance], stop } = await startCluster({ n: 1, redis });
	const [a, b] = [await Client.open(instance.base, { start: false }), await Client.open(instance.base, { hold: 20000 })];
	await instance.waitMetric('pollgate_polls_parked', 1);
	for (let i = 0; i < 10; i++) {
		const cut = redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await a.send(b.id, 'n', i);
		await cut;
		await b.waitEvent('n', ({ data }) => data === i);
	}
	ok(true, 'a message whose notice was lost with the connection comes soon all the same');
	isDeep([b.gaps, b.failures, b.messages.length], [[], [], 10], '... once, without a gap');
	await b.stop();
	await stop();
}

/* ---- Costs ---- */

async function costs(redis) {
	const instance = await startPollgate({ redis });
	const client = await Client.open(instance.base, { start: false, rooms: ['costs'] });
	const alone = (await createSession(instance.base)).json;
	const commands = () => instance.metrics('pollgate_store_commands_total');
	let { cursor } = alone;
	for (const [what, most, body] of [
		['an idle poll', 1.3, async () => {
			({ cursor } = (await pollOnce(instance.base, alone.token, cursor, 0)).json);
		}],
		['an idle poll of a session in one room', 2.3, () => client.poll(0)],
		['a direct message', 1.3, () => client.send(alone.id, 'x', 1)],
		['a message to a room', 1.3, () => client.sendRoom('costs', 'x', 1)],
	]) {
		await body();
		const before = await commands();
		for (let i = 0; i < 300; i++)
			await body();
		const each = (await commands() - before) / 300;
		note(`${what}: ${each.toFixed(2)} commands`);
		ok(each <= most, `${what} costs ${Math.floor(most)} command${most < 2 ? '' : 's'} of Redis`, `${each} each`);
	}
	await parkedCosts(instance, redis);
	await instance.stop();
}

/** How often Redis was asked for these. */
async function calls(redis, ...names) {
	const stats = await redis.command('INFO', 'commandstats');
	return names.reduce((sum, name) => sum + Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0), 0);
}

/* Polls that wait are announced to the other instances, many at once. */
async function parkedCosts(instance, redis) {
	const commands = () => calls(redis, 'hmget', 'hget', 'hgetall', 'xrange', 'publish', 'subscribe', 'unsubscribe');
	const sessions = await Promise.all(Array.from({ length: 200 }, async () => (await createSession(instance.base)).json));
	const all = () => Promise.all(sessions.map(async (session) => {
		({ cursor: session.cursor } = (await pollOnce(instance.base, session.token, session.cursor, 400)).json);
	}));
	await all(); // The first ones subscribe, too.
	const before = await commands();
	for (let round = 0; round < 3; round++)
		await all();
	const each = (await commands() - before) / 600;
	note(`an idle poll that waits, among 200: ${each.toFixed(2)} commands`);
	ok(each <= 1.3, 'an idle poll that waits among others costs 1 command of Redis', `${each} each`);
}

/* A stream asks as often as polls of the longest hold would: the store may have lost what it waits for. */
async function stayingCosts(redis) {
	const instance = await startPollgate({ redis, options: { 'hold': '1s', 'hold-max': '1s' } });
	const clients = await Promise.all(Array.from({ length: 100 }, () => Client.open(instance.base, { transport: 'sse' })));
	await waitFor(() => clients.every(({ polls }) => polls > 0), 'all streams to begin');
	const commands = () => instance.metrics('pollgate_store_commands_total');
	const before = await commands();
	const { ms } = await timed(() => waitFor(async () => await commands() - before >= 500, 'each to ask a few times'));
	const asked = (await commands() - before) / 100;
	note(`an idle stream: ${asked.toFixed(2)} commands in ${ms.toFixed(0)} ms`);
	ok(asked <= ms / 1000 * 1.3 + 1, 'an idle stream costs 1 command of Redis for each --hold-max', `${asked} in ${ms} ms`);
	await Promise.all(clients.map((client) => client.stop()));
	await instance.stop();
}

const redis = await startRedis();
await prefixes(redis);
await passwords();
await outOfMemory(redis);
await forgottenScripts(redis);
await lateSubscription(redis);
await costs(redis);
await stayingCosts(redis);
await cutConnections(redis);
await done();
