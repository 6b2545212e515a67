#!/usr/bin/env node
/*
 * No loss is silent.  Streams are deleted, trimmed and set back in Redis while clients that poll seldom write to each other and
 * to rooms; the truth is what senders were answered.  Each message that a client did not get lies in a gap that it was told of,
 * and no message comes twice or out of order.
 */
import { createHash } from 'node:crypto';
import { chaos } from './lib/chaos.mjs';
import { Client, compareIds } from './lib/client.mjs';
import { startCluster, waitFor } from './lib/pollgate.mjs';
import { mixed } from './lib/receive.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { done, isDeep, note, ok, skipAll } from './lib/tap.mjs';
import { sleep } from './lib/wait.mjs';

if (!haveRedis())
	skipAll('redis-server is not installed');

const { seconds, random } = chaos(10);

const pick = (list) => list[Math.floor(random() * list.length)];
const redis = await startRedis({ 'stream-node-max-entries': 10 });
const { base } = await startCluster({ n: 3, redis, options: { 'hold': '1s', 'mailbox-max': 2000, 'room-max': 10000 } });
const rooms = ['g0', 'g1', 'g2', 'g3'];
const clients = await Promise.all(Array.from({ length: 16 },
	(_, i) => Client.open(base, { start: false, name: `client ${i} (${mixed(i)})`, transport: mixed(i), rooms: [rooms[i % 4], rooms[(i + 1) % 4]] })));

/* ---- The truth ---- */

const truth = []; /* { client (that should get it), stream, id, at } */

function record(stream, id, from, to) {
	const at = performance.now();
	const readers = to ? [to] : clients.filter((client, i) => client !== from
		&& [rooms[i % 4], rooms[(i + 1) % 4]].includes(stream));
	for (const client of readers)
		truth.push({ client, stream: to ? '' : stream, id, at });
}

async function write(client) {
	while (!over) {
		const to = pick(clients);
		const room = pick(rooms);
		const [direct, toRoom] = await client.ops({ op: 'send', to: to.id, event: 'd', data: 0 },
			{ op: 'send', room, event: 'r', data: 0 });
		if (direct.id)
			record('', direct.id, client, to);
		if (toRoom.id)
			record(room, toRoom.id, client);
		await sleep(random() * 120);
	}
}

async function read(client) {
	while (!over) {
		const before = client.gaps.length;
		await client.poll(random() < 0.3 ? 300 : 0);
		for (const gap of client.gaps.slice(before))
			gap.at = performance.now();
		await sleep(random() * 700);
	}
}

/* ---- The harm ---- */

const roomKey = (title) => createHash('sha256').update(`room ${title}`).digest().subarray(0, 16).toString('base64url');

async function partsOf(name) {
	const parts = {};
	for (const key of await redis.keys(`*${name}`)) {
		const type = await redis.command('TYPE', key);
		if (type === 'stream')
			parts.stream = key;
		else if (type === 'hash' && await redis.command('HEXISTS', key, 'l'))
			parts.meta = key;
	}
	return parts;
}

/* In one step, so that the stream is as if a replica that lagged by n entries had been promoted. */
const setBack = `local e=redis.call('XREVRANGE',KEYS[2],'+','-','COUNT',ARGV[1]+1) if #e<=tonumber(ARGV[1]) then return 0 end
local l=e[#e][1] local all=redis.call('XRANGE',KEYS[2],'-',l) redis.call('DEL',KEYS[2])
for i=1,#all do redis.call('XADD',KEYS[2],all[i][1],unpack(all[i][2])) end
redis.call('HSET',KEYS[1],'l',l) local lost={} for i=1,#e-1 do lost[i]=e[i][1] end return lost`;

/*
 * What a failover lost before a reader had come to it: the chain that this reader follows has no hole, nobody can see one
 * (REDIS.md, 7.3).  Who had read part of what was lost is told.
 */
const unseen = new Set();

async function setStreamBack({ stream, meta }) {
	const lost = stream && meta ? await redis.command('EVAL', setBack, 2, meta, stream, 1 + Math.floor(random() * 4)) : 0;
	for (const id of lost || [])
		unseen.add(`${stream} ${id}`);
	return lost;
}

const harms = {
	'stream deleted': ({ stream }) => stream && redis.command('DEL', stream),
	'stream trimmed': ({ stream }) => stream && redis.command('XTRIM', stream, 'MAXLEN', Math.floor(random() * 5)),
	'set back': setStreamBack,
	'room lost': ({ meta }, isRoom) => isRoom && meta && redis.command('DEL', meta),
};
const happened = {};

async function harm() {
	while (!over) {
		await sleep(random() * 150);
		const isRoom = random() < 0.4;
		const name = isRoom ? roomKey(pick(rooms)) : pick(clients).id;
		const how = pick(Object.keys(harms));
		if (await harms[how](await partsOf(name), isRoom))
			happened[how] = (happened[how] ?? 0) + 1;
	}
}

let over = false;
const all = [...clients.map(write), ...clients.map(read), harm()];
await sleep(seconds * 1000);
over = true;
await Promise.all(all);
for (const client of clients) {
	const before = client.gaps.length;
	await waitFor(async () => {
		const { json } = await client.poll(0);
		return json.messages.length === 0 && !json.gaps;
	}, `${client.name} to have all`, { everyMs: 50 });
	for (const gap of client.gaps.slice(before))
		gap.at = performance.now();
}

/* A gap covers what is behind `from` up to `to`; after ids went back, all behind `to` that was sent before it was told. */
function covers(gap, { stream, id, at }) {
	if ((gap.room ?? '') !== stream)
		return false;
	if (compareIds(gap.to, gap.from) > 0)
		return compareIds(id, gap.from) > 0 && compareIds(id, gap.to) <= 0;
	return compareIds(id, gap.to) > 0 && at < gap.at;
}

const got = new Map(clients.map((client) => [client, new Set(client.messages.map(({ room = '', id }) => `${room} ${id}`))]));
const missing = truth.filter(({ client, stream, id }) => !got.get(client).has(`${stream} ${id}`));
const couldNotBeSeen = ({ client, stream, id }) =>
	[...unseen].some((key) => key.endsWith(`${stream === '' ? client.id : roomKey(stream)} ${id}`));
const silent = missing.filter((entry) => !couldNotBeSeen(entry) && !entry.client.gaps.some((gap) => covers(gap, entry)));
note(`${truth.length} deliveries promised, ${missing.length} missing, ${clients.reduce((sum, { gaps }) => sum + gaps.length, 0)} gaps told;`, happened);
ok(missing.length > 10, 'messages were lost');
isDeep(silent.map(({ client, stream, id }) =>
	({ client: client.name, stream, id, gaps: client.gaps.filter(({ room = '' }) => room === stream) })).slice(0, 3), [],
	'each lies in a gap that its reader was told of', `${silent.length} are silent`);
isDeep(clients.flatMap(({ disorder }) => disorder), [], 'no answer has an id below one before it');
isDeep(clients.filter(({ gone }) => gone).length, 0, 'no session is gone');
await done();
