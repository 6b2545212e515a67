#!/usr/bin/env node
/*
 * Socket.IO clients whose application is a backend behind the hook: stock clients, by polling with each request on any instance, and
 * on WebSockets.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { secret, startBackend } from './lib/backend.mjs';
import { Client, createSession, sendOps } from './lib/client.mjs';
import { ask, separator } from './lib/engineio.mjs';
import { now, sign } from './lib/jwt.mjs';
import { forEachStore, slowness, waitFor } from './lib/pollgate.mjs';
import { tempDir } from './lib/process.mjs';
import { request } from './lib/request.mjs';
import { SocketGuest } from './lib/socketio.mjs';
import { done, is, isDeep, ok, scope } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const dir = tempDir('socketio-hook');
const secretFile = path.join(dir, 'secret');
writeFileSync(secretFile, `${secret}\n`);
const api = { bearer: 'key-of-the-application' };
const apiKeyFile = path.join(dir, 'api-keys');
writeFileSync(apiKeyFile, `${api.bearer}\n`, { mode: 0o600 });
let transports;

const optionsOf = (backend, more = {}) => ({ 'hook': backend.url, 'hook-secret-file': secretFile, 'hook-retries': 50, 'hook-timeout': '5s', ...more });

class Guest extends SocketGuest {
	constructor(base, namespace = '/', options = {}) {
		super(base, namespace, { transports, ...options });
	}
}

/* What an application of Socket.IO's would do with its socket, as answers. */
const handlers = {
	echo: ({ args }) => ({ actions: [{ do: 'emit', to: { all: true }, event: 'echo', args }] }),
	ask: ({ args }) => ({ ackArgs: args }),
	one: ({ data }) => ({ ack: { data } }),
	enter: ({ session, data }) => ({
		ackArgs: [null],
		actions: [
			{ do: 'set', data: { ...session.data, room: data } },
			{ do: 'join', room: data },
			{ do: 'emit', to: { others: data }, event: 'entered', data: session.id },
			{ do: 'history', room: data, max: 50, event: 'message', as: 'data', ack: true },
		],
	}),
	say: ({ session, data }) => ({ ackArgs: [], actions: [{ do: 'emit', to: { room: session.data.room }, event: 'message', data }] }),
	others: ({ args }) => ({ actions: [{ do: 'emit', to: { others: true }, event: 'others', args }] }),
	question: ({ session, data }) => ({ actions: [{ do: 'emit', to: { id: session.id }, event: 'question', data, ack: data }] }),
	kick: ({ session, data }) => ({ actions: [
		{ do: 'emit', to: { id: data ?? session.id }, event: 'kicked', data: 'out' }, { do: 'disconnect', ...(data ? { session: data } : {}) },
	] }),
	greet: ({ session, data }) => ({ ack: 'ack', actions: [
		{ do: 'join', room: data }, { do: 'emit', to: { room: data }, event: 'A' }, { do: 'emit', to: { id: session.id }, event: 'B' },
		{ do: 'emit', to: { all: true }, event: 'C' }, { do: 'emit', to: { id: session.id }, event: 'D' },
	] }),
	bye: ({ data }) => ({ ack: data, actions: [{ do: 'disconnect' }] }),
	leave: ({ session }) => ({ ackArgs: [], actions: [{ do: 'leave', room: session.data.room }] }),
};

function application(event) {
	const { type, auth, namespace, session } = event;
	if (type === 'connect' && namespace === '/closed')
		return { accept: false, message: 'Invalid namespace' };
	if (type === 'connect' && auth?.name === 'Mallory')
		return { accept: false, code: 'banned', message: 'Go "away"' };
	if (type === 'connect')
		return { data: { name: auth?.name ?? 'nobody' }, rooms: ['all'], actions: [{ do: 'emit', to: { id: session.id }, event: 'welcome', args: [auth ?? null, 1] }] };
	if (type === 'message')
		return handlers[event.event]?.(event);
	if (type === 'disconnect' && session.data?.room)
		return { actions: [{ do: 'emit', to: { room: session.data.room }, event: 'left', data: session.data.name }] };
}

async function connecting({ base, backend }) {
	const ann = await Guest.come(base, '/', { auth: { name: 'Ann' } });
	await ann.until(() => ann.got.length, 'a first event');
	isDeep(ann.got, [['welcome', { name: 'Ann' }, 1]], 'who is let in gets what the application sends first');
	const [event] = backend.of('connect', ann.socket.id);
	isDeep([event.namespace, event.auth, event.rooms, event.attempt], ['/', { name: 'Ann' }, [], 1], 'the application was told what the client said');
	is(event.request.address, '127.0.0.1', 'and from where');
	ok(Object.keys(event.request).length === 4, 'as of any session');
	const looked = await request(base, 'GET', `/v1/sessions/${ann.socket.id}`, { token: (await Client.open(base)).token });
	isDeep(looked.json.data, { name: 'Ann' }, 'the session has the data that the application gave');
	const mallory = new Guest(base, '/', { auth: { name: 'Mallory' } });
	await mallory.until(() => mallory.told.length, 'to be refused');
	isDeep(mallory.told[0], { message: 'Go "away"', data: { code: 'banned' } }, 'who is refused is told why');
	const closed = new Guest(base, '/closed');
	await closed.until(() => closed.told.length, 'to be refused');
	isDeep(closed.told[0], { message: 'Invalid namespace', data: undefined }, 'so is who comes to a namespace that is none');
	const admin = await Guest.come(base, '/admin', { auth: { name: 'Root' } });
	is(backend.of('connect', admin.socket.id)[0].namespace, '/admin', 'each namespace is asked about');
	for (const guest of [ann, mallory, closed, admin])
		guest.leave();
	for (const guest of [ann, admin])
		await backend.wait('a disconnect', () => backend.of('disconnect').some(({ session }) => session.data?.name === guest.socket.auth.name));
	is(backend.of('disconnect').find(({ session }) => session.data?.name === 'Root').namespace, '/admin', 'and whoever leaves is told of, with the namespace');
}

async function talking({ base, backend }) {
	const [ann, bob] = [await Guest.come(base), await Guest.come(base)];
	ann.socket.emit('echo', 1, { two: [2.50] }, null);
	await bob.until(() => bob.of('echo').length && ann.of('echo').length, 'an event');
	isDeep([bob.of('echo'), ann.of('echo')], [[[1, { two: [2.5] }, null]], [[1, { two: [2.5] }, null]]], 'all arguments go to the application and back, to all');
	const event = backend.of('message', ann.socket.id).find(({ event }) => event === 'echo');
	isDeep([event.namespace, event.data, event.ack], ['/', 1, false], 'which is told the first one as data, and that nobody waits');
	isDeep(await ann.ask('ask', 1, 'b', [3]), [1, 'b', [3]], 'an acknowledgement has the arguments that the application gives');
	isDeep(await ann.ask('one', 7), [{ data: 7 }], 'or one value');
	isDeep(await ann.ask('ask'), [], 'or none');
	const [bytes, { deep }, end] = await ann.ask('ask', Buffer.from([1, 2, 3]), { deep: Buffer.from([255]) }, 'end');
	isDeep([[...bytes], [...deep], end], [[1, 2, 3], [255], 'end'], 'binary arguments go there and back in an acknowledgement');
	ann.socket.emit('others', Buffer.from([9]), 'x');
	await bob.until(() => bob.of('others').length, 'a binary event');
	isDeep([...bob.of('others')[0][0]], [9], 'and in an event');
	isDeep(ann.of('others'), [], 'that goes to the others alone');
	ann.socket.on('question', (number, answer) => answer('to', number, Buffer.from([5])));
	ann.socket.emit('question', 42);
	await backend.wait('an answer', () => backend.of('ack', ann.socket.id).length);
	const [answer] = backend.of('ack', ann.socket.id);
	isDeep([answer.ack, answer.args.slice(0, 2), answer.args[2], answer.data], [42, ['to', 42], { $binary: 'BQ==' }, 'to'], 'what the application asks a client comes back as an event');
	for (let i = 0; i < 50; i++)
		ann.socket.emit('others', i);
	await bob.until(() => bob.of('others').length === 51, 'a burst');
	isDeep(bob.of('others').slice(1).flat(), Array.from({ length: 50 }, (_, i) => i), 'a burst is asked about, and comes, in order');
	isDeep(await Promise.all(Array.from({ length: 20 }, (_, i) => ann.ask('one', i))), Array.from({ length: 20 }, (_, i) => [{ data: i }]),
		'each acknowledgement is that of its event');
	ann.leave();
	bob.leave();
}

/* To a room that it just lets the client enter, to the client, and to all. */
async function greeting({ base }) {
	const ann = await Guest.come(base);
	const wrong = [];
	for (let i = 0; i < 20; i++) {
		ann.got.length = 0;
		await new Promise((resolve) => ann.socket.emit('greet', `greeting ${Math.random()}`, () => resolve(ann.got.push(['ack']))));
		await ann.until(() => ann.got.length === 5, 'all that was sent');
		const order = ann.got.map(([event]) => event).join(' ');
		if (order !== 'A B C D ack')
			wrong.push(order);
	}
	isDeep(wrong, [], 'what one answer sends by several ways comes in its order, and then the acknowledgement');
	ann.leave();
}

/* Nobody polls while it is answered: what there is in the room and for the client alone is read at once. */
async function order({ base, backend }) {
	const room = `room ${Math.random()}`;
	const target = '/socket.io/';
	const { sid } = JSON.parse((await ask(base, 'GET', {}, { path: target })).text.slice(1));
	const packets = async () => (await ask(base, 'GET', { sid }, { path: target })).text.split(separator);
	const send = (text) => ask(base, 'POST', { sid }, { path: target, body: text, headers: { 'content-type': 'text/plain;charset=UTF-8' } });
	await send('40');
	const [, id] = /"sid":"([^"]*)"/.exec(await packets());
	await packets();
	await send(`420["enter","${room}"]`);
	await packets();
	const said = Array.from({ length: 30 }, (_, i) => `${i + 1}`);
	for (const n of said)
		await send(`42${n}["say","${n}"]`);
	await backend.wait('all of it', () => backend.of('message', id).length === said.length + 1);
	const got = [];
	await waitFor(async () => got.push(...(await packets()).filter((packet) => packet[0] === '4')) >= 2 * said.length, () => `all packets; got ${got}`);
	const texts = got.map((packet) => packet.replace(/,"1\..*/, ']'));
	const [messages, acks] = [said.map((n) => `42["message","${n}"]`), said.map((n) => `43${n}[]`)];
	isDeep(texts, said.flatMap((_, i) => [messages[i], acks[i]]), 'each acknowledgement comes behind what else the application sends');
	await send('41');
}

async function rooms({ base, backend }) {
	const room = `room ${Math.random()}`;
	const ann = await Guest.come(base, '/', { auth: { name: 'Ann' } });
	isDeep(await ann.ask('enter', room), [null, { room, messages: [] }], 'a history is a part of an acknowledgement');
	isDeep(await ann.ask('say', 'one'), [], 'who says something has it acknowledged');
	isDeep(ann.of('message'), [['one']], 'after it was told');
	await ann.ask('say', { n: 2 });
	const bob = await Guest.come(base, '/', { auth: { name: 'Bob' } });
	isDeep(await bob.ask('enter', room), [null, { room, messages: ['one', { n: 2 }] }], 'who comes later gets what was said');
	await ann.until(() => ann.of('entered').length, 'to hear of it');
	isDeep([ann.of('entered'), bob.of('entered')], [[[bob.socket.id]], []], 'the others hear of who comes');
	const native = await Client.open(base, { name: 'native', rooms: [room] });
	await bob.ask('say', 'three');
	await waitFor(() => native.messages.some(({ event, data }) => event === 'message' && data === 'three'), 'the native client to hear it');
	const event = backend.of('message', bob.socket.id).at(-1);
	isDeep([event.session.rooms.toSorted(), event.session.data], [['all', room].toSorted(), { name: 'Bob', room }], 'the application sees rooms and data of who says something');
	await bob.ask('leave');
	await ann.ask('say', 'four');
	bob.leave();
	await ann.until(() => ann.of('left').length, 'a notice');
	isDeep([ann.of('left'), bob.of('message')], [[['Bob']], [['three']]], 'who left a room hears no more, and the end is told of');
	const other = await Guest.come(base, '/admin');
	isDeep(await other.ask('enter', room), [null, { room, messages: [] }], 'a room of another namespace is another one');
	await native.close();
	ann.leave();
	other.leave();
}

/* What one client sends does no harm to others, whatever the application does with it. */
async function poison({ base, backend }) {
	const [ann, bob] = [await Guest.come(base), await Guest.come(base)];
	ann.socket.emit('echo', { a: { $binary: 'AAAA' }, b: { _placeholder: true, num: 99 } });
	ann.socket.emit('echo', ...Array.from({ length: 12 }, () => ({ $binary: 'AQ==' })));
	await bob.until(() => bob.of('echo').length === 2, 'two events');
	isDeep(bob.of('echo')[0], [{ a: { $binary: 'AAAA' }, b: { _placeholder: true, num: 99 } }], 'a placeholder of a client stays what it is');
	isDeep(bob.of('echo')[1].map((arg) => (arg.$binary ? 'JSON' : arg.length)), [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 'JSON', 'JSON'], 'and so does what would be too many attachments');
	const greedy = await Guest.come(base);
	const { id } = greedy.socket;
	greedy.socket.emit('echo', ...Array.from({ length: 11 }, () => Buffer.from([1])));
	await greedy.until(() => greedy.told.some((told) => /^disconnect/.test(told)), 'to lose its connection');
	isDeep(backend.of('message', id), [], 'who sends more attachments than may be loses its connection');
	greedy.leave();
	isDeep((await ann.ask('$join', 1))[0].error, 'bad_event', 'events of the gateway are no client\'s');
	ann.socket.emit('$leave', 1);
	await ann.until(() => ann.of('$error').length, 'an error');
	is(ann.of('$error')[0][0].code, 'bad_event', 'which is told also where no answer is wanted');
	is((await ann.ask('one', 'x'.repeat(100_000)))[0].error, 'message_too_large', 'nor is an event too large for the application taken');
	const native = await Client.open(base, { name: 'native', rooms: ['/'] });
	await native.sendRoom('/', 'disconnect', 'x');
	await native.sendRoom('/', 'fine', 'x');
	await bob.until(() => bob.of('fine').length, 'an event');
	isDeep([bob.told, bob.of('disconnect')], [['connect'], []], 'an event that clients cannot have is none to them');
	const other = ann.socket.io.socket('/a#b'); /* In a URL it would be a fragment. */
	is((await new Promise((resolve) => other.on('connect_error', resolve))).message, 'Invalid namespace', 'a namespace is no room of another one');
	isDeep(backend.of('message', ann.socket.id).filter(({ event }) => event.startsWith('$')), [], 'the application does not hear of them');
	await native.close();
	ann.leave();
	bob.leave();
}

async function kicking({ base, backend }) {
	const [ann, bob] = [await Guest.come(base), await Guest.come(base, '/', { auth: { name: 'Bob' } })];
	const { id } = bob.socket;
	ann.socket.emit('kick');
	await ann.until(() => ann.told.length === 2, 'to be disconnected');
	isDeep([ann.told[1], ann.of('kicked')], ['disconnect: io server disconnect', [['out']]], 'who is disconnected gets what was sent before');
	ann.socket.connect();
	await ann.until(() => ann.socket.connected, 'to be connected again');
	ok(!ann.socket.recovered, 'may come again, as somebody new');
	isDeep(await ann.ask('bye', 7), [7], 'who asks for the end gets its acknowledgement');
	await ann.until(() => ann.told.length === 4, 'to be disconnected');
	is(ann.told[3], 'disconnect: io server disconnect', 'and then is disconnected');
	ann.socket.connect();
	await ann.until(() => ann.socket.connected, 'to be connected once more');
	ann.socket.emit('kick', id);
	await bob.until(() => bob.told.length === 2, 'to be disconnected');
	isDeep([bob.told[1], bob.of('kicked')], ['disconnect: io server disconnect', [['out']]], 'another one, too');
	await backend.wait('a disconnect', () => backend.of('disconnect', id).length);
	is(backend.of('disconnect', id).length, 1, 'which is told of once');
	ann.leave();
}

/* The client leaves while the application is asked about it. */
async function leaving({ start }) {
	let admit;
	const admitted = new Promise((resolve) => {
		admit = resolve;
	});
	const backend = await startBackend(({ type }) => type === 'connect' ? admitted : {});
	const { base, stop } = await start({ options: optionsOf(backend) });
	const target = '/socket.io/';
	const { sid } = JSON.parse((await ask(base, 'GET', {}, { path: target })).text.slice(1));
	const send = (text) => ask(base, 'POST', { sid }, { path: target, body: text, headers: { 'content-type': 'text/plain;charset=UTF-8' } });
	const coming = send('40');
	await backend.wait('a connect', () => backend.of('connect').length);
	is((await send('1')).status, 200, 'who is not let in yet may leave');
	admit({ actions: [{ do: 'join', room: 'left' }] });
	is((await coming).status, 400, 'and is not let in then');
	const [{ session: { id } }] = backend.of('connect');
	await backend.wait('a disconnect', () => backend.of('disconnect', id).length);
	is(backend.of('disconnect', id).length, 1, 'the application is told once that the session is over');
	await stop();
	await backend.stop();
}

/* The application is not there, or does not answer. */
async function trouble({ start }) {
	const backend = await startBackend((told) => {
		if (told.event === 'hang')
			return { raw: { hang: true } };
		return told.event === 'bad' ? { raw: { status: 500 } } : application(told);
	});
	const { base, instances, stop } = await start({ options: optionsOf(backend, { 'hook-retries': 0, 'hook-timeout': '300ms', 'hook-queue-max': 3,
		'api-key-file': apiKeyFile, prefix: `trouble-${transports?.[0]}` }) });
	const ann = await Guest.come(base);
	const admin = await Guest.come(base, '/admin');
	await admin.ask('bad', 1, Buffer.from([1]));
	await admin.ask('bad', [2]);
	const { letters } = (await request(base, 'GET', '/api/v1/letters', api)).json;
	const common = { session: admin.socket.id, type: 'message', namespace: '/admin', event: 'bad' };
	isDeep(letters.map(({ id, ...letter }) => letter), [{ ...common, data: 1, args: [1, { $binary: 'AQ==' }] }, { ...common, data: [2], args: [[2]] }],
		'what it does not answer is a dead letter, as it was asked about');
	admin.leave();
	isDeep(await ann.ask('bad'), [{ error: 'hook_failed', detail: 'The application did not answer.' }], 'of what the application does not answer the acknowledgement says so');
	ann.socket.emit('bad');
	await ann.until(() => ann.of('$error').length, 'an error');
	isDeep(ann.of('$error'), [[{ code: 'hook_failed', detail: 'The application did not answer.', event: 'bad' }]], 'and where none is wanted an event');
	const answers = await Promise.all(Array.from({ length: 12 }, () => ann.ask('hang')));
	ok(answers.some(([{ error }]) => error === 'overloaded') && answers.every(([{ error }]) => error), 'of what there is no room for, too');
	await backend.stop();
	const failures = async () => (await Promise.all(instances.map((instance) => instance.metrics('pollgate_hook_failures_total')))).reduce((a, b) => a + b);
	const before = await failures();
	const bob = new Guest(base, '/', { auth: { name: 'Bob' } });
	await waitFor(async () => await failures() > before, 'it to be asked in vain');
	ok(!bob.socket.connected, 'while the application is away nobody comes in');
	await backend.start();
	await bob.until(() => bob.socket.connected, 'to come in');
	isDeep(bob.told, ['connect'], 'and whoever waits does when it is back');
	ann.leave();
	bob.leave();
	await stop();
	await backend.stop();
}

async function choice({ start }) {
	const backend = await startBackend(() => ({}));
	const { base, stop } = await start({ options: optionsOf(backend, { 'hook-events': ['join', 'leave'], 'room-events': 'enter,quit' }) });
	const [ann, bob] = [await Guest.come(base), await Guest.come(base)];
	isDeep(await ann.ask('enter', 'den'), [{ ok: true }], 'an application that is not told of events leaves rooms to clients, by names of its own');
	await bob.ask('enter', 'den');
	await backend.wait('joins', () => backend.of('join').length === 2);
	isDeep([backend.of('join', ann.socket.id)[0].room, backend.of('join', ann.socket.id)[0].namespace], ['den', '/'], 'and may hear of these');
	ann.socket.emit('join', 'x');
	await bob.until(() => bob.of('join').length, 'an event');
	isDeep(bob.of('join'), [['x']], 'events are relayed then');
	const [answer] = await ann.ask('said');
	ok(answer.ok && /^\d+-\d+$/.test(answer.id), 'and acknowledged with the id that they have in the log');
	await bob.ask('quit', 'den');
	await backend.wait('a leave', () => backend.of('leave').length === 1);
	ann.leave();
	bob.leave();
	await stop();
	await backend.stop();
}

async function tokens({ start }) {
	const keyFile = path.join(dir, 'keys');
	const key = 'a secret of at least thirty-two bytes';
	writeFileSync(keyFile, key);
	const backend = await startBackend(({ type, event }) => (type === 'message' && event === 'who' ? { ack: 1 } : {}));
	const tokenOf = (sub, { seconds = 600, rooms = { join: ['den'], send: ['den', '/'] } } = {}) => sign({ sub, exp: now() + seconds, pollgate: rooms }, key);
	const jwt = { auth: 'jwt', 'auth-key-file': keyFile, 'auth-leeway': '0' };
	const { base, stop } = await start({ options: { ...jwt, 'user-sessions-max': 3, 'room-events': 'join,leave' } });
	const none = new Guest(base);
	await none.until(() => none.told.length, 'to be refused');
	isDeep(none.told[0].data, { code: 'auth_required' }, 'without a token nobody comes in');
	const wrong = new Guest(base, '/', { auth: { token: sign({ sub: 'x' }, 'another secret of at least 32 bytes') } });
	await wrong.until(() => wrong.told.length, 'to be refused');
	isDeep(wrong.told[0].data, { code: 'auth_invalid' }, 'nor with one that somebody else signed');
	const [ann, bob] = [await Guest.come(base, '/', { auth: { token: tokenOf('ann') } }), await Guest.come(base, '/', { auth: { token: tokenOf('bob') } })];
	ann.socket.emit('hello', 1);
	await bob.until(() => bob.of('hello').length, 'an event');
	ok(true, 'with a good one clients talk');
	isDeep([await ann.ask('join', 'den'), await ann.ask('join', 'attic')], [[{ ok: true }], [{ error: 'forbidden' }]], 'and enter the rooms that it names');
	const mute = await Guest.come(base, '/', { auth: { token: tokenOf('mute', { rooms: { join: ['den'] } }) } });
	isDeep(await mute.ask('hello', 2), [{ error: 'refused' }], 'who may not send is told so');
	let seconds = 2;
	const short = await Guest.come(base, '/', { auth: (callback) => callback({ token: tokenOf('cid', { seconds }) }) });
	const { id } = short.socket;
	await short.ask('join', 'den');
	seconds = 600;
	await short.until(() => short.told.includes('disconnect: transport close') || short.told.some((told) => /^disconnect/.test(told)), 'to be disconnected when the token is over');
	await short.until(() => short.socket.connected, 'to come back with a new one');
	isDeep([short.socket.id, short.socket.recovered], [id, true], 'whose token is over comes back with a new one, and goes on');
	const many = [];
	for (let i = 0; i < 3; i++)
		many.push(await Guest.come(base, '/', { auth: { token: tokenOf('dan') } }));
	const fourth = new Guest(base, '/', { auth: { token: tokenOf('dan') } });
	await fourth.until(() => fourth.told.length, 'to be refused');
	isDeep(fourth.told[0].data, { code: 'too_many_sessions' }, 'a user has so many sessions as it may');
	for (const guest of [none, wrong, ann, bob, mute, short, fourth, ...many])
		guest.leave();
	is((await request(base, 'GET', '/engine.io/?EIO=4&transport=polling')).status, 401, 'Engine.IO alone has no place for a token');

	await stop();
	const { base: both, stop: stopBoth } = await start({ options: { ...jwt, ...optionsOf(backend) } });
	const eve = await Guest.come(both, '/', { auth: { token: tokenOf('eve') } });
	is(backend.of('connect', eve.socket.id)[0].session.user, 'eve', 'the application is told who it is');
	isDeep(await eve.ask('who'), [1], 'and asked about what it says');
	is(backend.of('message', eve.socket.id)[0].session.user, 'eve', 'with who says it');
	eve.leave();
	await stopBoth();
	await backend.stop();
}

/* The application is who says what a session may do. */
async function permission({ start }) {
	let expires = 1500;
	const backend = await startBackend(({ type, auth, again }) => {
		if (type !== 'connect' || auth?.name === 'nobody')
			return type === 'connect' ? { accept: false, code: 'unknown', message: 'Who are you?' } : {};
		if (/^named/.test(auth.name))
			return { user: auth.name, data: { name: auth.name }, ...auth.name === 'named' ? {} : { grants: { set: true } } };
		return auth.name === 'root' ? { user: 'root' } : { user: auth.name, expires: again ? undefined : expires, grants: { join: ['den'], send: ['den', '/'] } };
	});
	const { base, stop } = await start({ options: optionsOf(backend, { 'auth': 'hook', 'hook-events': ['connect', 'disconnect'] }) });
	const nobody = new Guest(base, '/', { auth: { name: 'nobody' } });
	await nobody.until(() => nobody.told.length, 'to be refused');
	isDeep(nobody.told[0], { message: 'Who are you?', data: { code: 'unknown' } }, 'the application says who may come');
	const root = await Guest.come(base, '/', { auth: { name: 'root' } });
	isDeep(await root.ask('join', 'attic'), [{ ok: true }], 'who may do everything does');
	const ann = await Guest.come(base, '/', { auth: { name: 'ann' } });
	const { id } = ann.socket;
	isDeep([await ann.ask('join', 'den'), await ann.ask('join', 'attic')], [[{ ok: true }], [{ error: 'forbidden' }]], 'another one what the application said');
	await ann.until(() => ann.told.some((told) => /^disconnect/.test(told)), 'to be disconnected when that is over');
	await ann.until(() => ann.socket.connected, 'to come back');
	isDeep([ann.socket.id, ann.socket.recovered], [id, true], 'and goes on when it is let in once more');
	ok(backend.of('connect', id).length === 2 && backend.of('connect', id)[1].again, 'about which the application is asked');
	is(new Set(backend.of('connect').map((event) => event.id)).size, backend.of('connect').length, 'by an id of its own');
	isDeep(await ann.ask('join', 'attic'), [{ error: 'forbidden' }], 'what it may do is the same');

	expires = 1500;
	const opened = (await createSession(base, { auth: { name: 'bob' }, rooms: ['den', 'attic'] })).json;
	isDeep([opened.rooms[0].room, opened.rooms[1].error.code, opened.expires > 0], ['den', 'forbidden', true], 'a native client is judged in the same way');
	await waitFor(async () => (await sendOps(base, opened.token, [{ op: 'send', room: 'den', event: 'x' }])).code === 'auth_expired', 'it to be over');
	const renewed = await request(base, 'POST', '/v1/auth', { token: opened.token, body: { auth: { name: 'bob' } } });
	isDeep([renewed.status, renewed.json.expires], [200, undefined], 'and renewed by the application');
	is((await sendOps(base, opened.token, [{ op: 'send', room: 'den', event: 'x' }])).status, 200, 'then it goes on');
	is((await request(base, 'POST', '/v1/auth', { token: opened.token, body: { auth: { name: 'ann' } } })).code, 'other_user', 'but as the same user');
	is((await createSession(base, { auth: { name: 'nobody' } })).code, 'connect_refused', 'or is refused');
	const rename = async (name) => {
		const { token } = (await createSession(base, { auth: { name } })).json;
		const { results } = (await sendOps(base, token, [{ op: 'set', data: { name: 'admin' } }])).json;
		return results[0].error?.code;
	};
	isDeep([await rename('named'), await rename('named freely'), await rename('root')], ['forbidden', undefined, undefined],
		'whose data the application gives may not change them, unless it may');
	is((await request(base, 'GET', '/relay/den')).status, 401, 'relays have nobody to be asked about');
	for (const guest of [nobody, root, ann])
		guest.leave();
	await stop();
	await backend.stop();
}

/* What the application grants is over, several times, and at last for good. */
async function renewal({ start }) {
	let moving, name = 'ann', isOver = false;
	const kept = [];
	const backend = await startBackend(async ({ type, auth, again }) => {
		if (type !== 'connect' || !auth)
			return {};
		if (again) {
			kept.push(await sessions());
			await moving; /* To a WebSocket, while the application is asked. */
		}
		if (auth.name === 'bob')
			return { user: 'bob' };
		return isOver ? { accept: false, code: 'over', message: 'That was all.' } :
			{ user: 'ann', expires: (kept.length < 3 ? 1500 : 2000) * slowness, ...again ? {} : { actions: [{ do: 'join', room: 'den' }] } };
	});
	const { base, stop } = await start({ options: optionsOf(backend, { 'auth': 'hook', 'api-key-file': apiKeyFile, 'session-ttl': '4s', 'away-after': '3s' }) });
	const list = async (what, members) => (await request(base, 'GET', `/api/v1/${what}`, api)).json[members].map((one) => one.id);
	const sessions = () => list('users/ann/sessions', 'sessions');
	const members = async (room) => (await list(`rooms/${encodeURIComponent(room)}/members`, 'members')).filter((one) => one !== watcher.id);
	const watcher = await Client.open(base, { rooms: ['/'] });
	const ann = await Guest.come(base, '/', { auth: (give) => give({ name }) });
	const { id, io } = ann.socket;
	if (!transports)
		io.on('open', () => {
			moving = within(new Promise((resolve) => io.engine.on('upgrading', resolve)), 'a WebSocket');
		});
	const [comings, lists] = [[], []];
	ann.socket.on('connect', () => comings.push([ann.socket.id, ann.socket.recovered]));
	for (let n = 1; n <= 3; n++) {
		await ann.until(() => comings.length >= n, 'to be back');
		lists.push([await sessions(), await members('/'), await members('den')]);
	}
	isOver = true;
	isDeep(comings, Array(3).fill([id, true]), 'each time that is over the client comes back to what it had');
	isDeep(lists, Array(3).fill([[id], [id], [id]]), 'to its user and rooms, too, and leaves nobody behind');
	const asked = () => backend.of('connect').filter(({ auth }) => auth).map(({ session, again }) => [session.id, again]);
	isDeep(asked(), [[id, undefined], ...Array(3).fill([id, true])], 'about which the application is asked once');
	isDeep(kept, Array(3).fill([id]), 'while it is asked the session is the user\'s');
	await ann.until(() => ann.told.at(-1).message, 'to be refused');
	isDeep(ann.told.at(-1), { message: 'That was all.', data: { code: 'over' } }, 'until the application says that it is over');
	name = 'bob';
	ann.socket.connect();
	await ann.until(() => comings.length === 4, 'to be somebody else');
	const other = ann.socket.id;
	ok(other !== id && !ann.socket.recovered, 'who comes back as another user is a new client');
	isDeep(asked().slice(4), [[id, true], [id, true], [other, undefined]], 'which the application is asked about once, too');
	ann.leave();
	await backend.wait('a disconnect', () => backend.of('disconnect', id).length);
	isDeep([await sessions(), await members('/'), await members('den')], [[], [], []], 'a session that was not renewed leaves its user and rooms');
	const told = () => watcher.messages.filter(({ from }) => from === id).map(({ event }) => event);
	await waitFor(() => told().at(-1) === '$leave', () => `a $leave; got ${told()}`);
	isDeep([told().filter((event) => event === '$leave').length, backend.of('disconnect', id).length], [1, 1], 'which is told once');
	await watcher.close();
	await stop();
	await backend.stop();
}

await forEachStore(async ({ start }) => {
	for (transports of [['polling'], ['websocket'], undefined])
		await scope(`renewal, ${transports ?? 'by default'}`, () => renewal({ start }));
	for (transports of [['polling'], ['websocket']])
		await scope(transports[0], async () => {
			const backend = await startBackend(application);
			const { base, stop } = await start({ options: optionsOf(backend, { 'session-ttl': '30s', 'away-after': '10s' }) });
			for (const test of [connecting, talking, greeting, rooms, poison, kicking])
				await scope(test.name, () => test({ base, backend }));
			if (transports[0] === 'polling')
				await scope('order', () => order({ base, backend }));
			isDeep(backend.wrong, [], 'each request is signed, and is what it says');
			await stop(); /* Instances with other backends would do the events of those that come. */
			await backend.stop();
			for (const test of [trouble, choice, tokens, permission, ...transports[0] === 'polling' ? [leaving] : []])
				await scope(test.name, () => test({ start }));
		});
});
await done();
