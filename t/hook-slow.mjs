#!/usr/bin/env node
/*
 * A client that sends much at once, over a slow link, to an application behind the hook: what that answers waits for the client, and
 * for one that does not come only for a while.
 */
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { secret, startBackend } from './lib/backend.mjs';
import { Client, sendOps } from './lib/client.mjs';
import { ask, separator } from './lib/engineio.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { tempDir } from './lib/process.mjs';
import { SocketGuest } from './lib/socketio.mjs';
import { done, isDeep, ok, scope } from './lib/tap.mjs';
import { AT_ONCE } from './lib/wait.mjs';

const MANY = 300;
const SLOW = 200;

const dir = tempDir('hook-slow');
const secretFile = path.join(dir, 'secret');
writeFileSync(secretFile, `${secret}\n`);
const numbers = (count) => Array.from({ length: count }, (_, i) => i);
const optionsOf = (backend, more = {}) => ({ 'hook': backend.url, 'hook-secret-file': secretFile, ...more });

function application({ type, event, args, data, session }) {
	if (type !== 'message')
		return {};
	if (event === 'native')
		return { ack: data };
	if (event === 'many')
		return { ackArgs: args, actions: numbers(args[1]).map((i) => ({ do: 'emit', to: { id: session.id }, event: 'part', args: [args[0], i] })) };
	return { ackArgs: args };
}

/** Emit all of them, and return the answers in the order in which they came. */
async function burst(guest, ...events) {
	const got = [];
	for (const event of events)
		guest.socket.emit(...event, (...answer) => got.push(answer));
	await guest.until(() => got.length === events.length || guest.told.length > 1, `${events.length} answers`);
	return got;
}

async function slow({ base, backend, transports }) {
	const guest = await SocketGuest.come(base, '/', { transports });
	const other = await SocketGuest.come(base, '/', { transports: ['websocket'] });
	const answers = burst(guest, ...numbers(MANY).map((i) => ['one', i]));
	await backend.wait('some of it', () => backend.of('message', guest.socket.id).length > MANY / 4);
	isDeep(await burst(other, ...numbers(20).map((i) => ['one', i])), numbers(20).map((i) => [i]), 'others are answered meanwhile');
	isDeep(await answers, numbers(MANY).map((i) => [i]), 'all that is sent at once is answered, in order');
	isDeep(guest.told, ['connect'], 'on one connection');
	const asked = backend.of('message', guest.socket.id).map(({ args }) => args[0]);
	isDeep(asked, numbers(MANY), 'and the application was asked about each once');
	guest.leave();
	other.leave();
}

/* Each answer alone fits in the mailbox. */
async function parts({ base, transports }) {
	const guest = await SocketGuest.come(base, '/', { transports });
	isDeep(await burst(guest, ...numbers(6).map((i) => ['many', i, 60])), numbers(6).map((i) => [i, 60]), 'answers that have much for the client wait for it');
	isDeep(guest.of('part'), numbers(6).flatMap((i) => numbers(60).map((j) => [i, j])), 'which gets all of it');
	isDeep(guest.told, ['connect'], 'on one connection');
	guest.leave();
}

const sendMany = async (send) => {
	for (let from = 0; from < MANY; from += 50)
		await send(numbers(50).map((i) => ({ op: 'send', event: 'native', data: from + i })));
};

async function native({ base }) {
	const client = await Client.open(base, { transport: 'poll' });
	await sendMany((ops) => client.ops(...ops));
	const acks = () => client.messages.filter(({ event }) => event === '$ack').map(({ data }) => data.data);
	await waitFor(() => acks().length === MANY || client.gaps.length, () => `all answers; there are ${acks().length}`);
	isDeep([acks(), client.gaps], [numbers(MANY), []], 'a client of the native protocol that polls gets all of it');
	await client.close();
}

/* It reads, and acknowledges nothing. */
async function stream({ base, backend }) {
	const { token, cursor, id } = await (await Client.open(base, { start: false }));
	let text = '';
	const reading = http.get(`${base}/v1/events?token=${token}&cursor=${cursor}`, (response) => response.on('data', (data) => text += data));
	const acks = () => [...text.matchAll(/"event":"\$ack","data":\{"id":"[^"]*","data":(\d+)/g)].map(([, n]) => Number(n));
	await waitFor(() => text, 'the stream to begin');
	const begun = performance.now();
	await sendMany((ops) => sendOps(base, token, ops));
	await waitFor(() => acks().length === MANY, () => `all answers; there are ${acks().length}, of ${backend.of('message', id).length} events`);
	isDeep(acks(), numbers(MANY), 'one that has a stream gets all of it as it comes');
	ok(performance.now() - begun < AT_ONCE, 'and is not waited for, though it acknowledges nothing');
	reading.destroy();
}

/* Nobody polls. */
async function absent({ start }) {
	const backend = await startBackend(application);
	const { base, stop } = await start({ options: optionsOf(backend, { 'hook-timeout': '1s' }) });
	const target = '/socket.io/';
	const { sid } = JSON.parse((await ask(base, 'GET', {}, { path: target })).text.slice(1));
	const send = (text) => ask(base, 'POST', { sid }, { path: target, body: text, headers: { 'content-type': 'text/plain;charset=UTF-8' } });
	await send('40');
	const [, id] = /"sid":"([^"]*)"/.exec((await ask(base, 'GET', { sid }, { path: target })).text);
	await send(numbers(MANY).map((i) => `42${i}["one",${i}]`).join(separator));
	const asked = () => backend.of('message', id).length;
	await backend.wait('some of it', asked);
	const other = await SocketGuest.come(base, '/', { transports: ['websocket'] });
	isDeep(await other.ask('one', 1), [1], 'others do not wait for a client that does not poll');
	await waitFor(() => asked() === MANY, () => `the application to be asked about all of it; so far ${asked()}`);
	ok(true, 'and its own events wait only for a while');
	other.leave();
	await stop();
	await backend.stop();
}

await forEachStore(async ({ start }) => {
	const backend = await startBackend(application);
	const { base, stop } = await start({ options: optionsOf(backend), proxy: { fault: ({ method }) => (method === 'GET' ? { delay: SLOW } : undefined) } });
	for (const [name, transports] of [['polling', ['polling']], ['default transports', undefined]])
		await scope(name, async () => {
			for (const test of [slow, parts])
				await scope(test.name, () => test({ base, backend, transports }));
		});
	for (const test of [native, stream])
		await scope(test.name, () => test({ base, backend }));
	isDeep(backend.wrong, [], 'each request is signed, and is what it says');
	await stop();
	await backend.stop();
	await scope('absent', () => absent({ start }));
});
await done();
