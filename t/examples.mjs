#!/usr/bin/env node
/*
 * The applications of deploy/examples, as processes of their own, behind gateways and a balancer that sends each request to any of
 * them; stock Socket.IO clients, by polling.  Gateways and applications are ended and started again while clients talk.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { secret } from './lib/backend.mjs';
import { chaos, killInTurn } from './lib/chaos.mjs';
import { Client } from './lib/client.mjs';
import { cleanEnv, forEachStore, sourceDir, waitFor } from './lib/pollgate.mjs';
import { Child, freePort, tempDir } from './lib/process.mjs';
import { startProxy } from './lib/proxy.mjs';
import { request } from './lib/request.mjs';
import { SocketGuest } from './lib/socketio.mjs';
import { done, is, isDeep, like, note, ok, scope } from './lib/tap.mjs';
import { patience } from './lib/wait.mjs';

const HISTORY = 100; /* Of chat.mjs. */
const dir = tempDir('examples');
const secretFile = path.join(dir, 'secret');
writeFileSync(secretFile, `whsec_${Buffer.alloc(24, 1).toString('base64')}\n${secret}\n`, { mode: 0o600 });
const { seed, random } = chaos(0);
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

/* ---- The applications ---- */

class Example {
	static async start(name) {
		const example = new Example();
		example.file = path.join(sourceDir, 'deploy/examples', name);
		example.port = await freePort();
		example.url = `http://127.0.0.1:${example.port}/`;
		await example.start();
		return example;
	}

	async start() {
		this.child = new Child(process.execPath, [this.file], { env: cleanEnv({ SECRET_FILE: secretFile, PORT: this.port }) });
		await waitFor(() => this.child.lines.some((line) => /^listening/.test(line)), () => `${this.file} to listen; it says ${this.child.lines}`);
	}

	kill() {
		return this.child.kill();
	}
}

const optionsOf = ({ url }, more = {}) => ({ 'hook': url, 'hook-secret-file': secretFile, 'hook-retries': 100, ...more });

/* ---- Their clients ---- */

class Guest extends SocketGuest {
	constructor(base) {
		super(base, '/', { transports: ['polling'] });
	}

	static async enter(base, user, room) {
		const guest = await this.come(base);
		await guest.signIn(user, room);
		return guest;
	}

	/** What was said there before. */
	async signIn(user, room) {
		Object.assign(this, { user, room });
		const [error, { messages } = {}] = await this.ask('signin', { user, room });
		ok(error === null, `${user} enters ${room}`, error);
		return messages;
	}

	/** Say it, and wait until it is acknowledged. */
	say(text) {
		return this.ask('sendMessage', text);
	}

	/** The texts that it heard. */
	get heard() {
		return this.of('message').map(([{ text }]) => text);
	}

	hears(text) {
		return this.until(() => this.heard.includes(text), `to hear ${text}`);
	}

	/** What it was told of who comes and goes. */
	get notices() {
		return this.of('notification').map(([{ description }]) => description);
	}

	isTold(notice) {
		return this.until(() => this.notices.includes(notice), `to be told: ${notice}`);
	}
}

const times = (list, one) => list.filter((other) => other === one).length;

/* ---- The chat ---- */

async function visit({ base }) {
	const room = 'my room';
	const stranger = await Guest.come(base);
	isDeep(await stranger.say('hello'), ['User session not found.'], 'who has not signed in says nothing');
	const ann = await Guest.come(base);
	isDeep(await ann.ask('signin', { user: 'Ann', room }), [null, { room, messages: [] }], 'who signs in gets the room, and what was said there');
	ann.socket.emit('sendMessage', 'one');
	await ann.hears('one');
	ann.socket.emit('sendMessage', 'two', (...answer) => ann.got.push(['acknowledged', ...answer]));
	await ann.until(() => ann.of('acknowledged').length, 'an acknowledgement');
	isDeep(ann.got, [['message', { user: 'Ann', text: 'one' }], ['message', { user: 'Ann', text: 'two' }], ['acknowledged']],
		'gets what it says itself, and then the acknowledgement');
	const bob = await Guest.come(base);
	isDeep(await bob.ask('signin', { user: 'Bob', room }), [null, { room, messages: [{ user: 'Ann', text: 'one' }, { user: 'Ann', text: 'two' }] }],
		'who comes later gets what was said, also without an acknowledgement');
	isDeep(await bob.say('three'), [], 'what is said is acknowledged');
	await ann.hears('three');
	isDeep(ann.of('notification'), [[{ title: 'Someone\'s here', description: 'Bob just entered the room' }]], 'the others are told who comes');
	isDeep(bob.got, [['message', { user: 'Bob', text: 'three' }]], 'and who comes is not; nor does it get live what it got before');
	const cid = await Guest.come(base);
	cid.socket.emit('updateSocketId', { user: 'Cid', room }, () => cid.got.push(['acknowledged']));
	await cid.say('four');
	await bob.hears('four');
	isDeep([cid.got, bob.notices], [[['message', { user: 'Cid', text: 'four' }]], []], 'who was there comes back without a word, and without an acknowledgement');
	bob.leave();
	await ann.isTold('Bob just left the room');
	isDeep(ann.of('notification')[1], [{ title: 'Someone just left', description: 'Bob just left the room' }], 'the room is told who left');
	stranger.leave();
	await ann.say('five');
	await cid.hears('five');
	isDeep([ann.notices.length, cid.notices], [2, ['Bob just left the room']], 'once, and not of who never signed in');
	isDeep([stranger.got, ann.heard], [[], ['one', 'two', 'three', 'four', 'five']], 'who is in no room hears nothing');
	for (const guest of [ann, cid])
		guest.leave();
}

async function nonsense({ base, chat }) {
	const guest = await Guest.come(base);
	const wrong = [undefined, null, 'a string', 7, [], {}, { user: 'Ann' }, { user: '', room: '' }, { user: {}, room: [] }, { user: 'Ann', room: '/' },
		{ user: 'Ann', room: 'a\nb' }, { user: 'x'.repeat(33), room: 'x' }, { user: 'Ann', room: 'x'.repeat(33) }, Buffer.from('x')];
	for (const it of wrong)
		guest.socket.emit('updateSocketId', it);
	const answers = await Promise.all(wrong.map((it) => guest.ask('signin', it)));
	isDeep(answers.filter(([error]) => !error), [], 'nobody signs in without a name and a room');
	guest.socket.emit('sendMessage');
	for (const event of ['constructor', '__proto__', 'toString', 'connect\n', 'nothing'])
		guest.socket.emit(event, 1);
	await guest.signIn('Ann', '😀'.repeat(32));
	for (const it of [undefined, null, 1, {}, Buffer.from('x'), 'x'.repeat(4001)])
		like((await guest.say(it))[0], /^A message is/, 'a message is a text, and not endless');
	const longest = '\u{800}'.repeat(4000);
	isDeep([await guest.say(longest), guest.heard], [[], [longest]], 'the longest one is said');
	const stranger = await request(chat.url, 'POST', '', { body: { session: { id: 'x' } }, headers: { 'ce-type': 'pollgate.message', 'webhook-id': 'x' } });
	is(stranger.status, 401, 'the application does nothing for whom the gateway is not');
	isDeep(chat.child.lines.slice(1), [], 'and has no trouble with any of it');
	await Client.open(base).then(() => ok(false, 'who is not of Socket.IO is not let in'), (error) => like(error.message, /403|connect_refused/, 'who is not of Socket.IO is not let in'));
	guest.leave();
}

async function crowd({ base }) {
	const [size, each] = [5, 40];
	const guests = await Promise.all(upTo(size).map((i) => Guest.enter(base, `guest ${i}`, 'crowd')));
	const all = guests.flatMap((guest) => upTo(each).map((n) => `${guest.user}: ${n}`));
	const answers = await Promise.all(guests.flatMap((guest) => upTo(each).map((n) => guest.say(`${guest.user}: ${n}`))));
	isDeep(answers.filter((answer) => answer.length), [], `${all.length} messages at once are all acknowledged`);
	for (const guest of guests)
		await guest.until(() => guest.heard.length >= all.length, 'all messages');
	isDeep(guests.map(({ heard }) => heard.toSorted()), guests.map(() => all.toSorted()), 'and come to each guest, once each');
	const late = await Guest.come(base);
	const history = (await late.signIn('late', 'crowd')).map(({ text }) => text);
	is(new Set(history).size, Math.min(all.length, HISTORY), 'who comes later gets so many of them as the chat keeps, each once');
	isDeep(history, guests[0].heard.slice(-HISTORY), 'the last ones, as they were heard');
	for (const guest of [...guests, late])
		guest.leave();
}

/* Each says something when the last was acknowledged, while others end the application. */
async function pause({ base, chat }) {
	const guests = await Promise.all(['Ann', 'Bob'].map((user) => Guest.enter(base, user, 'pause')));
	const [ann] = guests;
	const cid = await Guest.enter(base, 'Cid', 'pause');
	const each = 60;
	const answers = [];
	const talks = Promise.all(guests.map(async (guest) => {
		for (let n = 0; n < each; n++)
			answers.push(...await guest.say(`${guest.user} ${n}`));
	}));
	for (const part of [0.2, 0.6]) {
		await ann.until(() => ann.heard.length > each * part * 2, 'a part of the talk');
		await chat.kill();
		const dan = new Guest(base);
		const said = guests.map((guest) => guest.say(`${guest.user} meanwhile ${part}`));
		cid.leave();
		await chat.start();
		answers.push(...(await Promise.all(said)).flat());
		await dan.until(() => dan.socket.connected, 'to be let in after all');
		dan.leave();
	}
	await talks;
	const wanted = guests.flatMap(({ user }) => [...upTo(each).map((n) => `${user} ${n}`), `${user} meanwhile 0.2`, `${user} meanwhile 0.6`]).toSorted();
	for (const guest of guests)
		await guest.until(() => guest.heard.length >= wanted.length, 'all messages');
	isDeep([answers, ...guests.map(({ heard }) => heard.toSorted())], [[], wanted, wanted], 'through two ends of the application each message is acknowledged, and comes once');
	await ann.isTold('Cid just left the room');
	isDeep(ann.notices.filter((notice) => /left/.test(notice)), ['Cid just left the room'], 'who left meanwhile is told of once');
	isDeep(guests.flatMap(({ told }) => told), ['connect', 'connect'], 'and no client notices');
	for (const guest of guests)
		guest.leave();
}

/* Where instances end and the balancer tries requests again on another. */
async function storm({ start, chat }) {
	const { base, instances, stop } = await start({ options: optionsOf(chat, { drain: '3s' }), proxy: { seed, retry: 'reset' } });
	const guests = await Promise.all(upTo(4).map((i) => Guest.enter(base, `guest ${i}`, 'storm')));
	let kills = 0;
	const isOver = () => kills >= 9;
	const talk = async (guest) => {
		for (guest.said = 0; !isOver(); guest.said++)
			await guest.say(`${guest.user}: ${guest.said}`);
	};
	const harm = killInTurn(instances, random, () => !isOver(), { end: async (victim) => {
		await (++kills % 3 === 0 ? victim.stop() : victim.kill());
		if (kills % 4 === 0)
			await chat.kill().then(() => chat.start());
	} });
	await Promise.all([...guests.map(talk), harm]);
	const all = guests.flatMap(({ user, said }) => upTo(said).map((n) => `${user}: ${n}`));
	note(`${kills} ends of instances, ${all.length} messages`);
	for (const guest of guests)
		await guest.until(() => guest.heard.length >= all.length, `all ${all.length} messages, not ${guest.heard.length}`);
	isDeep(guests.map(({ heard }) => heard.toSorted().join()), guests.map(() => all.toSorted().join()), 'while instances and application end each message comes once');
	isDeep(guests.map(({ user }, i) => guests[0].heard.filter((text) => text.startsWith(user)).join() === upTo(guests[i].said).map((n) => `${user}: ${n}`).join()),
		guests.map(() => true), 'in the order in which it was said');
	isDeep(guests.flatMap(({ notices }) => notices.filter((notice) => /left/.test(notice))), [], 'and nobody is told that anybody left');
	const late = await Guest.come(base);
	isDeep((await late.signIn('late', 'storm')).map(({ text }) => text), guests[0].heard.slice(-HISTORY), 'who comes later gets the last ones');
	for (const guest of [...guests, late])
		guest.leave();
	await stop();
}

/* ---- Who leaves ---- */

async function leaving({ start, chat, n }) {
	const { base, proxy, instances, stop } = await start({ options: optionsOf(chat, { 'session-ttl': `${patience(6000)}ms`, 'away-after': '1s',
		'ping-interval': '1s', 'ping-timeout': `${patience(3000)}ms` }) });
	const ann = await Guest.enter(base, 'Ann', 'door');
	const quiet = [];
	for (const [i, instance] of instances.entries()) {
		const own = await startProxy({ targets: [instance] });
		const bob = await Guest.enter(own.base, `Bob ${i}`, 'door');
		const cid = await Guest.enter(base, `Cid ${i}`, 'door');
		await bob.say('hello');
		if (n > 1) {
			proxy.targets = instances.filter((other) => other !== instance);
			cid.leave();
			await instance.kill();
		} else
			cid.leave();
		await own.close(); /* Bob cannot say that he leaves. */
		await ann.isTold(`Bob ${i} just left the room`);
		await ann.isTold(`Cid ${i} just left the room`);
		quiet.push(bob);
		if (n > 1)
			await instance.start();
		proxy.targets = instances;
	}
	await ann.until(() => ann.socket.connected, 'to be connected');
	const dan = await Guest.enter(base, 'Dan', 'door');
	dan.leave();
	await ann.isTold('Dan just left the room');
	const left = instances.flatMap((_, i) => [`Bob ${i} just left the room`, `Cid ${i} just left the room`]);
	isDeep(left.map((notice) => [notice, times(ann.notices, notice)]), left.map((notice) => [notice, 1]), 'each that leaves, or falls silent, is told of once');
	is(times(ann.notices, 'Ann just left the room'), 0, 'who stays is not');
	for (const guest of [ann, ...quiet])
		guest.leave();
	await stop();
}

/* ---- The whiteboard ---- */

/* Drawings until one is seen: what a stock client sends while its connection breaks may be lost, and it is not acknowledged. */
let drawings = 0;
async function colourOf(drawer, viewer) {
	const y0 = ++drawings;
	const seen = () => viewer.of('drawing').find(([it]) => it.y0 === y0);
	await waitFor(() => seen() ?? (drawer.socket.emit('drawing', { y0, color: 'pink' }), false), () => `drawing ${y0}; told ${viewer.told}, ${drawer.told}`,
		{ everyMs: 100 });
	return seen()[0].color;
}

async function drawing({ start, n }) {
	const board = await Example.start('whiteboard.mjs');
	const { base, instances, stop } = await start({ options: optionsOf(board, { 'hold': '3s', 'drain': '3s' }) });
	const [ann, bob, viewer] = await Promise.all(upTo(3).map(() => Guest.come(base)));
	await ann.until(() => ann.got.length, 'a first event');
	isDeep(ann.got, [['init']], 'who comes is told to begin');
	ann.socket.emit('drawing', { x0: 0.25, y0: 0.5, x1: 1, y1: 1e-7 });
	await viewer.until(() => viewer.of('drawing').length, 'a drawing');
	isDeep(viewer.of('drawing'), [[{ x0: 0.25, y0: 0.5, x1: 1, y1: 1e-7, color: 'black' }]], 'and draws in black');
	for (const it of [null, 'str', { color: 7 }, { color: 'x'.repeat(33) }, [], undefined, Buffer.from('x')])
		ann.socket.emit('colorUpdate', it);
	for (const it of [null, 'str', [], undefined, { x0: {} }, { x0: Buffer.from('x') }, { x0: 'x'.repeat(1000) }])
		ann.socket.emit('drawing', it);
	is(await colourOf(ann, viewer), 'black', 'nonsense changes nothing');
	isDeep([viewer.of('drawing').filter(([{ y0 }]) => y0 === undefined), board.child.lines.slice(1)], [[], []], 'is not passed on, and no trouble');
	ann.socket.emit('colorUpdate', { color: 'blue' });
	bob.socket.emit('colorUpdate', { color: 'red' });
	isDeep([await colourOf(ann, viewer), await colourOf(bob, viewer)], ['blue', 'red'], 'each draws in its own colour, whatever it says');
	isDeep(ann.of('drawing').filter(([{ color }]) => color === 'blue'), [], 'and gets not what it draws itself');
	for (const instance of n > 1 ? instances : [])
		for (const signal of ['SIGTERM', 'SIGKILL']) {
			bob.socket._lastOffset = undefined; /* As if it never had received an event. */
			await instance.restart(signal);
			for (const guest of [ann, bob, viewer])
				await guest.until(() => guest.socket.connected, 'to be connected again');
			isDeep([await colourOf(ann, viewer), await colourOf(bob, viewer)], ['blue', 'red'], `which lasts when ${signal} ends an instance, also for who never received anything`);
		}
	isDeep([ann, bob, viewer].filter(({ told }) => told.some((it) => it.message)), [], 'nobody was refused');
	isDeep([ann, bob, viewer].map((guest) => guest.of('init').length), [1, 1, 1], 'and nobody began again');
	for (const guest of [ann, bob, viewer])
		guest.leave();
	await stop();
	await board.kill();
}

/* Whoever signed in and then heard nothing, not even an event with an offset. */
async function silence({ start, chat, n }) {
	if (n === 1)
		return; /* Its sessions are in its memory. */
	const { base, instances, stop } = await start({ options: optionsOf(chat, { hold: '3s', drain: '3s' }) });
	const ann = await Guest.enter(base, 'Ann', 'alone');
	const { id } = ann.socket;
	for (const instance of instances)
		for (const signal of ['SIGTERM', 'SIGKILL']) {
			await instance.restart(signal);
			await ann.until(() => ann.socket.connected, 'to be connected again');
		}
	isDeep([ann.got, ann.socket.id], [[], id], 'who never received an event is the same session after each instance was ended');
	isDeep([await ann.say('hello'), ann.of('message')], [[], [[{ user: 'Ann', text: 'hello' }]]], 'with its name and room');
	ann.leave();
	await stop();
}

await forEachStore(async ({ start, n }) => {
	const chat = await Example.start('chat.mjs');
	const { base, stop } = await start({ options: optionsOf(chat) });
	for (const test of [visit, nonsense, crowd, pause])
		await scope(test.name, () => test({ base, chat }));
	await stop();
	for (const test of [leaving, silence, ...(n > 1 ? [storm] : [])])
		await scope(test.name, () => test({ start, chat, n }));
	await chat.kill();
	await scope('drawing', () => drawing({ start, n }));
});
await done();
