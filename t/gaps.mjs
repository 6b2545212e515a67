#!/usr/bin/env node
/*
 * What is lost is told: a store that was restarted empty, flushed, trimmed, evicted or set back leaves nobody silent, each
 * client affected gets a gap or 410.  And a store that only stood still loses nothing.
 */
import { createHash } from 'node:crypto';
import { Client, compareIds, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { forEachStore, startCluster, storesWanted, waitFor } from './lib/pollgate.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { forEachTransport, mixed } from './lib/receive.mjs';
import { done, is, isDeep, like, ok, scope, skip } from './lib/tap.mjs';
import { AT_ONCE, sleep, timed, within } from './lib/wait.mjs';

const roomKey = (title) => createHash('sha256').update(`room ${title}`).digest().subarray(0, 16).toString('base64url');
const dataOf = (messages) => messages.map(({ data }) => data);

/** The keys of a session or room by their type: { hash, stream, ... }. */
async function keysOf(redis, name) {
	const keys = {};
	for (const key of await redis.keys(`*${name}*`))
		(keys[await redis.command('TYPE', key)] ??= []).push(key);
	return keys;
}

/** The meta hash (the one with a field `l`) and the stream of a session or room. */
async function partsOf(redis, name) {
	const { hash = [], stream = [] } = await keysOf(redis, name);
	for (const key of hash)
		if (await redis.command('HGET', key, 'l') !== null)
			return { meta: key, stream: stream[0] };
	throw new Error(`no meta hash of ${name} among ${hash}`);
}

/** Poll by hand until nothing comes: all messages and gaps. */
async function fetchAll(client) {
	const from = [client.messages.length, client.gaps.length];
	let answer;
	do
		answer = await client.poll(0);
	while (answer.status === 200 && (answer.json.messages.length > 0 || answer.json.gaps));
	return { answer, messages: client.messages.slice(from[0]), gaps: client.gaps.slice(from[1]) };
}

const openPair = (base, options) =>
	Promise.all([Client.open(base, { start: false }), Client.open(base, { start: false, ...options })]);

/* ---- Trimmed, on both stores ---- */

async function trimmed(start) {
	const { base, instances, stop } = await start({ options: { 'mailbox-max': 10, 'room-max': 10, 'hold': '2s' } });
	const [a, b] = await openPair(base, { rooms: ['trim'] });
	const position = b.cursor;
	for (let i = 0; i < 500; i += 50)
		await a.ops(...Array.from({ length: 25 }, (_, n) => ({ op: 'send', to: b.id, event: 'd', data: i / 2 + n })));
	for (let i = 0; i < 500; i += 50)
		await a.ops(...Array.from({ length: 25 }, (_, n) => ({ op: 'send', room: 'trim', event: 'r', data: i / 2 + n })));
	const before = (await Promise.all(instances.map((instance) => instance.metrics('pollgate_gaps_total'))))
		.reduce((x, y) => x + y);
	const { messages, gaps } = await fetchAll(b);
	for (const [stream, words] of [[undefined, 'a mailbox'], ['trim', 'a room\'s log']]) {
		const own = gaps.filter(({ room }) => room === stream);
		is(own.length, 1, `${words} that was trimmed is told as one gap`, gaps);
		const got = messages.filter(({ room }) => room === stream);
		ok(got.length >= 10 && got.length < 240, `what is left of ${words} is delivered`, `${got.length} messages`);
		isDeep(dataOf(got), Array.from({ length: got.length }, (_, n) => 250 - got.length + n),
			'... the newest, without a hole behind the gap');
		const [{ from, to } = {}] = own;
		like(`${from} ${to}`, /^\d+-\d+ \d+-\d+$/, 'a gap says from where to where');
		ok(from && compareIds(from, to) < 0 && got.every(({ id }) => compareIds(id, to) > 0), '... in front of what is left',
			own);
	}
	const after = (await Promise.all(instances.map((instance) => instance.metrics('pollgate_gaps_total'))))
		.reduce((x, y) => x + y);
	ok(after - before >= 2, 'gaps are counted');
	isDeep((await fetchAll(b)).gaps, [], 'a gap is told once to who goes on from the new cursor');
	b.cursor = position;
	b.last.clear();
	is((await fetchAll(b)).gaps.length, 2, '... and again to who asks from the old one');
	await a.send(b.id, 'next', 1);
	const next = await fetchAll(b);
	isDeep([dataOf(next.messages), next.gaps], [[1], []], 'then all is as before');
	await stop();
}

/* ---- Lost keys, on Redis ---- */

async function everythingLost(redis, start, how, lose) {
	const { base, instances, stop } = await start({ options: { 'hold': '2s', 'hold-max': '2s', 'store-timeout': '1s' },
		proxy: { retry: 'refused' } });
	const parked = await Promise.all(Array.from({ length: 6 }, (_, i) => Client.open(base, { rooms: ['lost'], transport: mixed(i) })));
	const [idle, sender] = await openPair(base, { rooms: ['lost'] });
	await waitFor(async () => {
		const all = await Promise.all(instances.map((instance) => instance.metrics()));
		const count = (name) => all.reduce((sum, metrics) => sum + metrics[name], 0);
		return count('pollgate_polls_parked') + count('pollgate_sse_open') + count('pollgate_ws_open') === 6;
	}, 'clients to wait for messages');
	await lose(redis);
	await waitFor(() => parked.every(({ gone, gaps }) => gone || gaps.length > 0),
		() => `every parked client to be told; ${parked.map((client) => client.summary()).join(' | ')}`);
	ok(true, `${how}: every client that waits, by a poll, stream or socket, gets a gap or 410`);
	const answer = await waitFor(async () => {
		const got = await idle.poll(0);
		return got.status < 500 && got;
	}, 'an answer');
	ok(answer.code === 'session_gone' || answer.json.gaps?.length > 0, `${how}: so does who polls later`, answer.text);
	const sent = await sendOps(base, sender.token, [{ op: 'send', room: 'lost', event: 'x', data: 1 }], 1);
	is(sent.code, 'session_gone', `${how}: a send is answered 410`, sent.text);
	const fresh = await waitFor(async () => {
		const got = await createSession(base, { rooms: ['lost'] });
		return got.status === 201 && got.json;
	}, 'a new session');
	is(fresh.rooms[0].count, 1, `${how}: new sessions begin with an empty room`);
	const other = (await createSession(base)).json;
	await sendOps(base, other.token, [{ op: 'send', room: 'lost', event: 'again', data: 1 },
		{ op: 'send', to: fresh.id, event: 'again', data: 2 }]);
	is((await collect(base, fresh, 2)).length, 2, `${how}: and are served`);
	await stop();
}

/** Poll until n messages came. */
async function collect(base, { token, cursor }, n) {
	const messages = [];
	await waitFor(async () => {
		const answer = await pollOnce(base, token, cursor, 1000);
		cursor = answer.json.cursor;
		messages.push(...answer.json.messages);
		return messages.length >= n;
	}, `${n} messages`);
	return messages;
}

async function evicted(redis, base) {
	const both = (b, data) => [{ op: 'send', to: b.id, event: 'd', data }, { op: 'send', room: 'evict', event: 'r', data }];
	const send = (a, b, ...values) => a.ops(...values.flatMap((data) => both(b, data)));
	let [a, b] = await openPair(base, { rooms: ['evict'] });
	await send(a, b, 1, 2, 3);
	await redis.command('DEL', (await partsOf(redis, b.id)).stream);
	let got = await fetchAll(b);
	isDeep([got.gaps.length, got.gaps[0]?.room, dataOf(got.messages)], [1, undefined, [1, 2, 3]],
		'a mailbox whose stream was evicted is told as a gap, its room comes whole', got.gaps);
	await send(a, b, 4);
	got = await fetchAll(b);
	isDeep([got.gaps, dataOf(got.messages)], [[], [4, 4]], 'and what comes then is delivered');

	await send(a, b, 5);
	await redis.command('DEL', (await partsOf(redis, b.id)).stream);
	await send(a, b, 6);
	got = await fetchAll(b);
	isDeep([got.gaps.length, dataOf(got.messages.filter(({ room }) => !room)), dataOf(got.messages.filter(({ room }) => room))],
		[1, [6], [5, 6]],
		'a gap is told as well when something came behind what was evicted');

	await send(a, b, 7);
	await redis.command('DEL', (await partsOf(redis, roomKey('evict'))).stream);
	got = await fetchAll(b);
	isDeep([got.gaps.map(({ room }) => room), dataOf(got.messages)], [['evict'], [7]],
		'a room whose log was evicted is told as its gap, the mailbox comes whole');

	await redis.command('DEL', (await partsOf(redis, roomKey('evict'))).meta);
	await send(a, b, 8);
	got = await waitFor(async () => {
		const some = await fetchAll(b);
		return some.gaps.length > 0 && some;
	}, 'a gap');
	is(got.gaps[0].room, 'evict', 'a room that was evicted whole is told as its gap');
	await send(a, b, 9);
	await waitFor(async () => (await fetchAll(b)) && dataOf(b.of('evict')).includes(9), 'the room to work again');
	ok(true, 'and goes on');

	await redis.command('DEL', (await partsOf(redis, b.id)).meta);
	is((await b.poll(0)).code, 'session_gone', 'a session whose meta was evicted is gone: 410');
	[a, b] = await openPair(base, {});
	await send(a, b, 1);
	await redis.command('DEL', ...Object.values(await keysOf(redis, b.id)).flat());
	is((await b.poll(0)).code, 'session_gone', 'a session of which everything was evicted is gone: 410');
}

/* A failover to a replica that lagged behind: the newest entries are gone, ids go back, others may come in their place. */
async function setBack(redis, base) {
	for (const [where, target] of [['a mailbox', (b) => ({ to: b.id })], ['a room', () => ({ room: 'back' })]])
		for (const later of [false, true]) {
			const [a, b] = await openPair(base, { rooms: ['back'] });
			const send = (data) => a.ops({ op: 'send', event: 'x', data, ...target(b) });
			const name = where === 'a room' ? roomKey('back') : b.id;
			for (const data of [1, 2, 3])
				await send(data);
			await fetchAll(b);
			await loseNewest(redis, name, 2);
			if (later)
				await send('diverged');
			const { gaps, messages } = await fetchAll(b);
			const also = later ? ', also when another came behind' : '';
			is(gaps.length, 1, `${where} whose newest entries were lost in a failover is told as a gap${also}`, gaps);
			if (later)
				ok(gaps.length && dataOf(messages).every((data) => data === 'diverged' || data <= 3),
					'... and what came is not taken for what was lost');
			await send('after');
			ok(dataOf((await fetchAll(b)).messages).includes('after'), `... and ${where} goes on`);
			await a.stop();
			await b.stop();
		}
}

async function loseNewest(redis, name, n) {
	const { meta, stream } = await partsOf(redis, name);
	const entries = await redis.command('XREVRANGE', stream, '+', '-', 'COUNT', n + 1);
	ok(entries.length === n + 1, 'there is something to lose');
	const rest = (await redis.command('XRANGE', stream, '-', '+')).slice(0, -n);
	await redis.command('DEL', stream);
	for (const [id, fields] of rest)
		await redis.command('XADD', stream, id, ...fields);
	await redis.command('HSET', meta, 'l', entries[n][0]);
}

async function lostKeys(start, redis) {
	const { base, stop } = await start({ options: { hold: '2s' } });
	await scope('evicted', () => evicted(redis, base));
	await scope('set back', () => setBack(redis, base));
	await stop();
}

/* ---- Standing still, on Redis ---- */

async function interrupted(start, how, interrupt, resume) {
	const { base, proxy, stop } = await start({ options: { 'hold': '20s', 'store-timeout': '1s', 'session-ttl': '5m' } });
	const clients =
		await Promise.all(Array.from({ length: 6 }, (_, i) => Client.open(base, { name: `client ${i} (${mixed(i)})`,
			transport: mixed(i), rooms: ['still'] })));
	for (const client of clients)
		await client.sendRoom('still', 'before', 0);
	await waitFor(() => clients.every((client) => client.of('still', 'before').length === 5), 'all to be there');
	await waitFor(() => proxy.now.requests + proxy.now.upgrades === 6, 'six who wait');
	const polled = clients.map(({ polls }) => polls);
	await interrupt();
	const { ms, value: refused } = await timed(() => sendOps(base, clients[0].token,
		[{ op: 'send', to: clients[1].id, event: 'held', data: 'once' }], clients[0].seq));
	isDeep([refused.status, refused.code], [503, 'store_unavailable'], `${how}: a send is answered 503 store_unavailable`,
		refused.text);
	like(refused.headers['retry-after'], /^[1-9]\d*$/, '... with Retry-After');
	ok(ms < AT_ONCE, '... soon after --store-timeout', `after ${ms.toFixed(0)} ms`);
	const created = await createSession(base);
	isDeep([created.status, /^[1-9]\d*$/.test(created.headers['retry-after'])], [503, true],
		`${how}: a new session is answered 503 with Retry-After`, created.text);
	const sent = clients.map((client, i) => client.ops({ op: 'send', to: clients[(i + 1) % 6].id, event: 'held', data: 'once' },
		{ op: 'send', room: 'still', event: 'held', data: i }));
	await sleep(Math.max(0, 5000 - ms)); /* The store is away for so long; nothing happens that could be waited for. */
	isDeep(clients.map(({ polls }) => polls), polled, `${how}: who waits goes on waiting`);
	isDeep(clients.flatMap(({ failures }) => failures.filter(({ what }) => what === 'receive')), [],
		'... none is answered with an error');
	await resume();
	await within(Promise.all(sent), 'the sends to be taken');
	await waitFor(() => clients.every((client) => client.of('', 'held').length >= 1 && client.of('still', 'held').length >= 5), () => `everything to arrive: ${clients.map((client) => client.summary()).join(' | ')}`);
	await Promise.all(clients.map((client) => client.sendRoom('still', 'end', 0)));
	await waitFor(() => clients.every((client) => client.of('still', 'end').length === 5), 'the end');
	isDeep(clients.map((client) => [client.of('', 'held').length, client.of('still', 'held').length]), clients.map(() => [1, 5]),
		`${how}: what was sent meanwhile is applied once when the store is back`);
	isDeep(clients.map(({ gaps, gone, disorder }) => [gaps, gone, disorder]), clients.map(() => [[], false, []]),
		`${how}: nothing is lost, nobody is gone`);
	isDeep(proxy.failures.filter(({ status, path }) => status === 'cut' || path === '/v1/poll'), [], '... no poll failed');
	await stop();
}

await forEachStore(({ start }) => forEachTransport(() => trimmed(start)));
if (storesWanted.includes('redis') && haveRedis()) {
	await forEachStore(async ({ start, redis }) => {
		await forEachTransport(() => lostKeys(start, redis));
		await everythingLost(redis, start, 'FLUSHALL', () => redis.command('FLUSHALL'));
		await everythingLost(redis, start, 'restart without persistence', () => redis.restart());
		await interrupted(start, 'Redis stopped by SIGSTOP', async () => redis.pause(), async () => redis.resume());
	}, { stores: ['redis'] });
	const redis = await startRedis({ appendonly: 'yes', appendfsync: 'always' });
	const start = (settings) => startCluster({ n: 3, redis, ...settings });
	await scope('redis', () => interrupted(start, 'Redis down for 5 s', () => redis.kill(), () => redis.start()));
} else
	skip('everything on Redis', 'it is not wanted or not installed');
await done();
