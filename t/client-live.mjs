#!/usr/bin/env node
/* www/pollgate.js at real instances, through a proxy that picks a random one and harms requests. */
import { connect } from '../www/pollgate.js';
import { atEnd, done, is, isDeep, ok, scope } from './lib/tap.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { startNetwork } from './lib/network.mjs';
import { chances, randomFrom } from './lib/proxy.mjs';

const WAIT = 30_000;
const range = (n) => [...Array(n).keys()];

const WebSocket = globalThis.WebSocket ?? (await import('ws').catch(() => ({}))).WebSocket;
const ways = WebSocket ? ['poll', 'sse', 'ws'] : ['poll', 'sse'];

/** A client and what it was told. */
async function open(base, options) {
	const client = connect(base, { WebSocket, ...options });
	client.told = [];
	for (const event of ['message', 'gap', 'reconnecting', 'resumed', 'transport', 'closed'])
		client.on(event, (value) => client.told.push({ told: event, ...value }));
	client.of = (event) => client.told.filter((one) => one.told === event);
	client.texts = (from, room) => client.of('message').filter((m) => m.event === 'n' && m.from === from && m.room === room).map(({ data }) => data);
	atEnd(() => client.close());
	await client.ready;
	return client;
}

async function calls({ base }) {
	const ann = await open(base, { data: { name: 'Ann' } });
	const bob = await open(base, { rooms: [{ room: 'räum/1', history: 2 }] });
	const { room, members, count } = await ann.join('räum/1', { max: 2 });
	isDeep([room, members.find(({ id }) => id === ann.id)?.data, count], ['räum/1', { name: 'Ann' }, 2], 'join tells the room, the members and their data');
	await waitFor(() => bob.of('message').some(({ event, from, data }) => event === '$join' && from === ann.id && data.name === 'Ann'));
	const eve = await open(base);
	is((await eve.join('räum/1', { max: 2 }).catch(({ code }) => code)), 'room_full', 'a full room rejects');
	await ann.send({ room: 'räum/1', event: 'n', data: 'to all', self: true });
	const { id } = await ann.send({ to: bob.id, event: 'n', data: { deep: ['ü', null] } });
	await waitFor(() => ann.texts(ann.id, 'räum/1').length && bob.texts(ann.id, 'räum/1').length && bob.texts(ann.id).length);
	isDeep([ann.texts(ann.id, 'räum/1'), bob.texts(ann.id)], [['to all'], [{ deep: ['ü', null] }]], 'rooms and direct messages work, also to oneself');
	await waitFor(async () => (await ann.look(bob.id)).acked === id);
	ok(true, 'look tells how far the other side has received');
	const there = await ann.members('räum/1');
	isDeep([there.room, there.count], ['räum/1', 2], 'members tells who is in a room');
	await ann.set({ name: 'Anna' });
	await waitFor(() => bob.of('message').some(({ event, data }) => event === '$set' && data.name === 'Anna'));
	await ann.leave('räum/1');
	isDeep((await eve.join('räum/1', { history: 5 })).history.map(({ data }) => data), ['to all'], 'history is what was said before');
	is((await ann.send({ to: 'A'.repeat(22), event: 'n' }).catch(({ code }) => code)), 'recipient_gone', 'a recipient that is not there rejects');
	await bob.close();
	await waitFor(() => eve.of('message').some(({ event, from }) => event === '$leave' && from === bob.id));
	ok(true, 'close is told to the others at once');
	await Promise.all([ann.close(), eve.close()]);
}

/** Everybody sends numbered messages to the next one and to the room, whatever happens to the requests. */
async function conversation(clients, n, harm) {
	let harming = true;
	const harmed = (async () => {
		while (harming)
			await harm();
	})();
	for (const i of range(n)) {
		const sent = clients.flatMap((client, k) => [
			client.send({ to: clients[(k + 1) % clients.length].id, event: 'n', data: i }),
			client.send({ room: 'all', event: 'n', data: i }),
		]);
		if (i % 5 === 4)
			await Promise.all(sent);
	}
	harming = false;
	await harmed;
	const complete = (client, k) => clients.every((other) => other === client || client.texts(other.id, 'all').length >= n) &&
		client.texts(clients.at(k - 1).id).length >= n;
	await waitFor(() => clients.every(complete), () => `all messages: ${clients.map((c) => c.of('message').length)}`);
	const expected = range(n);
	for (const [k, client] of clients.entries()) {
		for (const other of clients)
			if (other !== client && client.texts(other.id, 'all').join() !== expected.join())
				return `client ${k} in the room: ${client.texts(other.id, 'all')}`;
		if (client.texts(clients.at(k - 1).id).join() !== expected.join())
			return `client ${k}: ${client.texts(clients.at(k - 1).id)}`;
	}
	return '';
}

const several = (base, n = 5, options = {}) => Promise.all(range(n).map(() => open(base, { rooms: ['all'], ...options })));
const gone = (clients) => Promise.all(clients.map((client) => client.close()));

async function badNetwork({ base, proxy }) {
	const clients = await several(base, 5, { transports: ['poll', 'sse'] });
	proxy.fault = chances({ dropBefore: 0.05, dropAfter: 0.05, repeat: 0.05, delay: [0.1, 30] }, /^\/v1\//, randomFrom(5));
	is(await conversation(clients, 40, () => new Promise((resolve) => setTimeout(resolve, 10))), '',
		'through dropped, delayed and repeated requests every message comes once and in order');
	ok(proxy.dropped > 0 && proxy.repeats > 0, 'there were such requests', proxy.dropped, proxy.repeats);
	isDeep(clients.flatMap((client) => [...client.of('gap'), ...client.of('closed')]), [], 'without a gap');
	proxy.fault = undefined;
	await gone(clients);
}

async function killing({ base, instances }) {
	const clients = await several(base);
	let next = 0;
	is(await conversation(clients, 60, () => instances[next++ % instances.length].restart()), '',
		'while instances are killed by -9 in turn every message comes once and in order');
	ok(next > 1, 'instances were killed', next);
	isDeep(clients.flatMap((client) => [...client.of('gap'), ...client.of('closed')]), [], 'without a gap');
	await gone(clients);
}

/** Receivers change all the time, from one instance to another. */
async function switching({ base, instances }, kill) {
	const clients = await Promise.all(range(4).map(() => open(base, { rooms: ['all'] })));
	await waitFor(() => clients.every(({ transport }) => transport === ways.at(-1)), () => clients.map(({ transport }) => transport));
	ok(true, 'where everything comes through the best is used');
	const changes = clients.map(() => 0);
	clients.forEach((client, k) => client.on('transport', () => changes[k]++));
	let turns = 0;
	is(await conversation(clients, 60, async () => {
		if (kill && ++turns % 10 === 0)
			await instances[(turns / 10) % instances.length].restart();
		await new Promise((resolve) => setTimeout(resolve, 5));
		for (const client of clients)
			client.use(ways[Math.floor(Math.random() * ways.length)]);
	}), '', 'while receivers switch between all transports every message comes once and in order');
	ok(changes.every((n) => n > 3), 'they switched', changes);
	const used = new Set(clients.flatMap((client) => client.of('transport').map(({ transport }) => transport)));
	is(used.size, ways.length, 'between all', used);
	isDeep(clients.flatMap((client) => [...client.of('gap'), ...client.of('closed')]), [], 'without a gap');
	const [ann, bob] = clients;
	for (const way of ways.slice(1)) {
		bob.use(way);
		await waitFor(() => bob.transport === way, () => `${way}, not ${bob.transport}`);
		const { id } = await ann.send({ to: bob.id, event: 'n', data: 'last' });
		await waitFor(async () => (await ann.look(bob.id)).acked === id);
		ok(true, `what came by ${way} is acknowledged`);
	}
	await gone(clients);
}

/** Sockets that are cut whenever it hurts, and one that swallows everything. */
async function badSockets({ instances }) {
	const cutting = await startNetwork({ targets: instances, wsLife: 300 });
	const clients = await several(cutting.base, 3);
	is(await conversation(clients, 40, () => new Promise((resolve) => setTimeout(resolve, 20))), '',
		'through sockets that are cut every message comes once and in order');
	ok(clients.every((client) => client.of('transport').some(({ transport }) => transport === 'ws')), 'there were such sockets');
	isDeep(clients.flatMap((client) => [...client.of('gap'), ...client.of('closed'), ...client.of('reconnecting')]), [], 'and nobody notices');
	await gone(clients);
	for (const upgrade of ['400', 'strip', 'hole']) {
		const network = await startNetwork({ targets: instances, upgrade });
		const [ann, bob] = await several(network.base, 2);
		await ann.send({ to: bob.id, event: 'n', data: 1 });
		await waitFor(() => bob.texts(ann.id).length === 1);
		is(bob.of('transport').some(({ transport }) => transport === 'ws'), false, `where Upgrade meets ${upgrade} a message comes at once, not by a socket`);
		await waitFor(() => bob.transport === 'sse', () => `sse, not ${bob.transport}`);
		ok(true, 'and then by an event stream');
		await gone([ann, bob]);
	}
}

async function heldBack({ instances }) {
	const network = await startNetwork({ targets: instances, hold: 'sse' });
	const [ann, bob] = [await open(network.base, { transports: ['poll', 'sse'] }), await open(network.base, { transports: ['poll'] })];
	await waitFor(() => network.count('/v1/events') > 0, () => JSON.stringify(network.counts));
	is(ann.transport, 'poll', 'where event streams are held back polls go on');
	await bob.send({ to: ann.id, event: 'n', data: 1 });
	await waitFor(() => ann.texts(bob.id).length === 1);
	isDeep(ann.of('reconnecting'), [], 'and nobody notices');
	ann.use('sse');
	await bob.send({ to: ann.id, event: 'n', data: 2 });
	ann.use('poll');
	await waitFor(() => ann.texts(bob.id).length === 2);
	isDeep(ann.texts(bob.id), [1, 2], 'what a stream that was left has not brought comes by the next poll');
	await gone([ann, bob]);
}

async function silentStore({ base }, redis) {
	const [ann, bob] = await several(base, 2);
	redis.pause();
	const sent = range(5).map((data) => ann.send({ to: bob.id, event: 'n', data }));
	await waitFor(() => ann.of('reconnecting').length > 0);
	ok(true, 'a store that does not answer is reconnecting');
	redis.resume();
	await Promise.all(sent);
	await waitFor(() => bob.texts(ann.id).length === 5 && ann.of('resumed').length > 0);
	isDeep(bob.texts(ann.id), range(5), 'what was sent meanwhile is sent when it answers again, once');
	isDeep([...ann.of('gap'), ...bob.of('gap')], [], 'without a gap');
	await gone([ann, bob]);
}

async function forgetting({ base }, forget) {
	const clients = await several(base, 3);
	const old = clients.map(({ id }) => id);
	await forget();
	await waitFor(() => clients.every((client) => client.of('resumed').some(({ fresh }) => fresh)),
		() => JSON.stringify(clients.map(({ told }) => told)));
	ok(clients.every(({ id }, k) => id !== old[k]), 'a store that forgot everything leads to new sessions');
	ok(clients.every((client) => client.of('gap').some(({ room }) => room === undefined) && client.of('gap').some(({ room }) => room === 'all')),
		'with a gap for the mailbox and for the room');
	is(await conversation(clients, 5, () => new Promise((resolve) => setTimeout(resolve, 10))), '', 'in which all goes on');
	await gone(clients);
}

await forEachStore(async ({ store, start, redis }) => {
	const cluster = await start();
	await scope('calls', () => calls(cluster));
	await scope('a bad network', () => badNetwork(cluster));
	await scope('switching', () => switching(cluster, store === 'redis'));
	if (WebSocket)
		await scope('bad sockets', () => badSockets(cluster));
	await scope('streams held back', () => heldBack(cluster));
	if (store === 'redis') {
		await scope('killed instances', () => killing(cluster));
		await scope('a silent store', () => silentStore(cluster, redis));
		await scope('FLUSHALL', () => forgetting(cluster, () => redis.command('FLUSHALL')));
		await scope('Redis restarted', () => forgetting(cluster, () => redis.restart()));
	} else {
		await scope('a restart', () => forgetting(cluster, () => cluster.instances[0].restart()));
	}
});
await done();
