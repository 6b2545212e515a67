#!/usr/bin/env node
/* The reference's own clients, as npm has them: by polling, each request on any instance, and nothing is noticed of it; moving to a
   WebSocket, which they do by default; and on WebSockets alone. */
import { createRequire } from 'node:module';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, ok, scope } from './lib/tap.mjs';

const load = createRequire(import.meta.url);
const versions = ['engine.io-client-4', 'engine.io-client-5', 'engine.io-client-6.1', 'engine.io-client'];

/* Its constructor: of versions before 6 a function that makes one. */
function connect(name, base, transports) {
	const module = load(name);
	const options = transports ? { transports } : {};
	const socket = module.Socket ? new module.Socket(base, options) : module(base, options);
	const record = { socket, got: [], events: [] };
	for (const event of ['open', 'close', 'error', 'upgrade', 'upgradeError'])
		socket.on(event, (why) => record.events.push(event === 'close' || event === 'error' ? `${event}: ${why}` : event));
	socket.on('packet', ({ type }) => type === 'ping' && record.events.push('ping'));
	socket.on('message', (data) => record.got.push(data));
	return record;
}

const until = (record, condition, what) => waitFor(() => condition(record),
	() => `${what}; events: ${record.events.join(', ')}`);

async function echo(name, { base }, transports) {
	const record = connect(name, base, transports);
	const { socket, got, events } = record;
	await until(record, () => events.includes('open'), 'to be open');
	is(socket.transport.name, transports?.[0] ?? 'polling', 'it is connected');
	socket.send('hello');
	await until(record, () => got.length === 1, 'an echo');
	is(got[0], 'hello', 'a text comes back');
	socket.send(Buffer.from([1, 2, 3]));
	socket.send('€');
	await until(record, () => got.length === 3, 'a binary echo');
	isDeep([[...new Uint8Array(got[1])], got[2]], [[1, 2, 3], '€'], 'binary data and text come back in order');
	for (let i = 0; i < 100; i++)
		socket.send(`burst ${i}`);
	await until(record, () => got.length === 103, 'a burst');
	isDeep(got.slice(3), Array.from({ length: 100 }, (_, i) => `burst ${i}`), 'a burst of 100 comes back whole and in order');
	if (!transports) {
		await until(record, () => events.includes('upgrade'), 'to have moved');
		is(socket.transport.name, 'websocket', 'it has moved to a WebSocket');
	}
	await until(record, () => events.filter((event) => event === 'ping').length >= 3, 'three pings');
	ok(!events.some((event) => /close|rror/.test(event)), 'it stays connected over several pings', events.join());
	socket.close();
	await until(record, () => events.includes('close: forced close'), 'to be closed');
}

await forEachStore(async ({ start }) => {
	const cluster = await start({ options: { relay: 'self', 'ping-interval': '400ms', 'ping-timeout': '5s' } });
	for (const name of versions)
		for (const transports of [['polling'], undefined, ['websocket']])
			await scope(`${name}, ${transports ?? 'by default'}`, () => echo(name, cluster, transports));
});
await done();
