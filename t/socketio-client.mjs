#!/usr/bin/env node
/* Socket.IO's own clients, of several versions as npm has them: by polling, each request on any instance; moving to a WebSocket, which
   they do by default; and on WebSockets alone. */
import { createRequire } from 'node:module';
import { Client } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, ok, scope } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const load = createRequire(import.meta.url);
let wanted; /* The transports of the clients. */
const versions = ['socket.io-client-3', 'socket.io-client-4.0', 'socket.io-client-4.4', 'socket.io-client-4.6', 'socket.io-client'];
/* From 4.6 on a client can be recovered, and events have an offset behind their arguments. */
const recovers = (name) => name === 'socket.io-client' || name.endsWith('4.6');

function connect(name, base, namespace = '/', options = {}) {
	const socket = load(name).io(base + namespace, { ...wanted, forceNew: true, reconnectionDelay: 20,
		reconnectionDelayMax: 100, ...options });
	const record = { socket, got: [], events: [] };
	for (const event of ['connect', 'disconnect', 'connect_error'])
		socket.on(event, (why) => record.events.push(event === 'connect' ? event : `${event}: ${why?.message ?? why}`));
	socket.onAny((...args) => record.got.push(args.filter((arg) => !/^1\.[-d]\./.test(arg))));
	return record;
}

const until = (record, condition, what) => waitFor(condition,
	() => `${what}; events: ${record.events.join(', ')}; got: ${JSON.stringify(record.got).slice(0, 500)}`);
const connected = (...records) => Promise.all(records.map((record) => until(record, () => record.socket.connected, 'to be connected')));
const ask = (record, ...args) => within(new Promise((resolve) => record.socket.emit(...args, resolve)),
	`an answer to ${args[0]}`);

async function talking(name, { base }) {
	const [a, b] = [connect(name, base), connect(name, base)];
	await connected(a, b);
	ok(a.socket.id?.length === 22 && a.socket.id !== b.socket.id, 'each has an id of its own');
	a.socket.emit('hello', 1, { two: [2] }, null);
	is((await ask(a, 'asked', 'x')).ok, true, 'an event that asks for it is acknowledged');
	a.socket.emit('nothing');
	a.socket.emit('binary', Buffer.from([1, 2, 3]), { deep: [new Uint8Array([4])] }, 'end');
	await until(b, () => b.got.length === 4, 'four events');
	await until(a, () => a.socket.io.engine.transport.writable, 'nothing to be under way');
	a.socket.volatile.emit('volatile', 1);
	await until(b, () => b.got.length === 5, 'a volatile event');
	isDeep(b.got.slice(0, 3), [['hello', 1, { two: [2] }, null], ['asked', 'x'], ['nothing']], 'events come with all arguments');
	const [, first, { deep: [second] }, end] = b.got[3];
	isDeep([[...first], [...second], end], [[1, 2, 3], [4], 'end'], 'binary data comes, wherever it is');
	isDeep(a.got, [], 'who says something does not hear it');
	for (let i = 0; i < 100; i++)
		b.socket.emit('burst', i);
	await until(a, () => a.got.length === 100, 'a burst');
	isDeep(a.got.map(([, n]) => n), Array.from({ length: 100 }, (_, i) => i), 'a burst of 100 comes whole and in order');
	a.socket.disconnect();
	b.socket.disconnect();
}

async function rooms(name, { base }) {
	const [a, b, c] = [connect(name, base), connect(name, base), connect(name, base)];
	await connected(a, b, c);
	const native = await Client.open(base, { name: 'native', rooms: [`room ${name}`] });
	for (const one of [a, b])
		isDeep(await ask(one, 'join', `room ${name}`), { ok: true }, 'a client enters a room');
	a.socket.emit('said', { in: 'room' });
	await waitFor(() => native.messages.some(({ event }) => event === 'said'), 'the native client to hear it');
	await until(b, () => b.got.length === 1, 'an event');
	isDeep(b.got, [['said', { in: 'room' }]], 'who is in a room talks to those in it');
	isDeep(native.messages.filter(({ event }) => event === 'said').map(({ from, data }) => [from, data]), [[a.socket.id, { in: 'room' }]],
		'native clients in the room hear it: the first argument is the data');
	await native.sendRoom(`room ${name}`, 'native', { data: 1 });
	await native.send(a.socket.id, 'direct', [1, 2]);
	await until(a, () => a.got.length === 2, 'two messages');
	isDeep(a.got.toSorted(), [['direct', [1, 2]], ['native', { data: 1 }]], 'and are heard, also directly by id');
	for (const one of [a, b])
		isDeep(await ask(one, 'join', `more ${name}`), { ok: true }, 'a client enters another one');
	isDeep(await ask(c, 'join', `more ${name}`), { ok: true }, 'so does one that is not in the first');
	for (let i = 0; i < 3; i++)
		a.socket.emit('shared', i);
	await until(c, () => c.got.length === 3, 'three events');
	await until(b, () => b.got.length === 5, 'three events more');
	isDeep([b.got.slice(2), c.got], [[['shared', 0], ['shared', 1], ['shared', 2]], [['shared', 0], ['shared', 1], ['shared', 2]]],
		'who shares several rooms with the sender hears it once');
	c.got.length = 0;
	for (const one of [a, c])
		await ask(one, 'leave', `more ${name}`);
	isDeep(await ask(a, 'leave', `room ${name}`), { ok: true }, 'a client leaves a room');
	isDeep(await ask(a, 'leave', `room ${name}`), { error: 'not_joined' }, 'only once');
	a.socket.emit('to all', 1);
	await until(c, () => c.got.length === 1, 'an event');
	isDeep(c.got, [['to all', 1]], 'then it talks to its namespace again');
	await native.close();
	for (const { socket } of [a, b, c])
		socket.disconnect();
}

async function namespaces(name, { base }) {
	const manager = new (load(name).Manager)(base, { ...wanted, reconnectionDelay: 20 });
	const of = (namespace, auth) => {
		const socket = manager.socket(namespace, { auth });
		const record = { socket, got: [], events: [] };
		socket.onAny((...args) => record.got.push(args[0]));
		return record;
	};
	const [main, admin, other] = [of('/', { token: 'x' }), of('/admin'), connect(name, base, '/admin')];
	await connected(main, admin, other);
	ok(main.socket.id !== admin.socket.id, 'a client has an id in each namespace');
	other.socket.emit('admins only');
	await until(admin, () => admin.got.length === 1, 'an event');
	isDeep([main.got, admin.got], [[], ['admins only']], 'an event stays in its namespace');
	admin.socket.disconnect();
	other.socket.emit('late');
	is((await ask(main, 'still', 1)).ok, true, 'one may be left, the other one stays');
	isDeep(admin.got, ['admins only'], 'and nothing more comes from it');
	main.socket.disconnect();
	other.socket.disconnect();
}

async function returning(name, { base }) {
	const [a, b] = [connect(name, base), connect(name, base)];
	await connected(a, b);
	const { id } = a.socket;
	await ask(a, 'join', `back ${name}`);
	await ask(b, 'join', `back ${name}`);
	for (let round = 1; round <= 3; round++) {
		a.socket.io.engine.close();
		await until(a, () => !a.socket.connected, 'to be cut');
		for (let i = 0; i < 20; i++)
			b.socket.emit('missed', round, i);
		await until(a, () => a.socket.connected, 'to be back');
		if (!recovers(name))
			break;
		await until(a, () => a.got.length === 20 * round, 'what it missed');
		ok(a.socket.recovered && a.socket.id === id, `it is recovered (${round})`);
		ok(a.got.every(([, r, i], at) => r === 1 + Math.floor(at / 20) && i === at % 20), 'with all it missed, once, in order');
	}
	if (!recovers(name))
		ok(a.socket.id !== id, 'a client that cannot be recovered is a new one');
	a.socket.disconnect();
	a.socket.connect();
	await connected(a);
	ok(a.socket.id !== id && !a.socket.recovered, 'who leaves of itself is a new one');
	a.socket.disconnect();
	b.socket.disconnect();
}

/* Started with --room-max=100. */
async function missing(name, { base }) {
	const [a, b] = [connect(name, base, '/', { reconnectionDelay: 1000, reconnectionDelayMax: 1000 }), connect(name, base)];
	await connected(a, b);
	const { id } = a.socket;
	b.socket.emit('before');
	await until(a, () => a.got.length === 1, 'an event');
	a.socket.io.engine.close();
	await until(a, () => !a.socket.connected, 'to be cut');
	for (let i = 0; i < 40; i++) {
		for (let j = 0; j < 20; j++)
			b.socket.emit('too much', i, j);
		await ask(b, 'so far');
	}
	await until(a, () => a.socket.connected, 'to be back');
	ok(!a.socket.recovered && a.socket.id !== id, 'who missed more than is kept is a new client');
	b.socket.emit('after');
	await until(a, () => a.got.at(-1)[0] === 'after', 'an event');
	isDeep(a.got.map(([event]) => event), ['before', 'after'], 'that is told nothing of what is incomplete');
	a.socket.disconnect();
	b.socket.disconnect();
}

await forEachStore(async ({ start }) => {
	const cluster = await start({ options: { 'ping-interval': '1s', 'ping-timeout': '10s', hold: '5s' } });
	for (const name of versions)
		for (const transports of [['polling'], undefined, ['websocket']])
			await scope(`${name}, ${transports ?? 'by default'}`, async () => {
				wanted = transports ? { transports } : {};
				for (const test of [talking, rooms, namespaces, returning])
					await scope(test.name, () => test(name, cluster));
			});
	const forgetful = await start({ options: { 'room-max': 100, 'ping-interval': '1s', 'ping-timeout': '10s', hold: '5s' } });
	wanted = { transports: ['polling'] };
	await scope('missing', () => missing('socket.io-client', forgetful));
	is((await Promise.all(cluster.instances.map((one) => one.metrics('pollgate_engineio_timed_out_total')))).reduce((x, y) => x + y), 0,
		'no session timed out');
});
await done();
