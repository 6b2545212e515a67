#!/usr/bin/env node
/* Socket.IO 5 on Engine.IO by polling, on the wire: what each packet does, with requests on any instance. */
import { readFileSync } from 'node:fs';
import paths from 'node:path';
import { ask as engineAsk, separator as S } from './lib/engineio.mjs';
import { Client } from './lib/client.mjs';
import { forEachStore } from './lib/pollgate.mjs';
import { request } from './lib/request.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const path = '/socket.io/';
const dist = paths.join(import.meta.dirname, 'node_modules/socket.io-client/dist');
const ask = (base, method, query, options = {}) => engineAsk(base, method, query, { path, ...options });
const openSid = async (base) => JSON.parse((await ask(base, 'GET')).text.slice(1)).sid;
const poll = (base, sid, query) => ask(base, 'GET', { sid, ...query });
const post = (base, sid, body, query) => ask(base, 'POST', { sid, ...query }, { body });

let numbers = 0;

/* A client as bytes: each request has a t of its own. */
class Wire {
	constructor(base) {
		this.base = base;
	}

	async open() {
		this.sid = await openSid(this.base);
		return this;
	}

	post(...packets) {
		return post(this.base, this.sid, packets.join(S), { t: `p${++numbers}` });
	}

	/** The packets of the next answer, without pings (which are answered) and noops. */
	async poll() {
		const answer = await poll(this.base, this.sid, { t: `g${++numbers}` });
		if (answer.status !== 200)
			return [`${answer.status} ${answer.text}`];
		const packets = answer.text.split(S);
		if (packets.includes('2'))
			await this.post('3');
		return packets.filter((packet) => packet !== '2' && packet !== '6');
	}

	/** So many packets, of as many answers as it takes. */
	async packets(n) {
		const got = [];
		while (got.length < n)
			got.push(...await this.poll());
		return got;
	}

	/** Connect, and take the answer: { sid, pid }. */
	async connect(namespace = '', auth = '') {
		await this.post(`40${namespace}${namespace && ','}${auth}`);
		const [packet] = await this.packets(1);
		return JSON.parse(/\{.*/s.exec(packet)[0]);
	}
}

const wire = (base) => new Wire(base).open();
const isOver = async (one, what) => like((await one.poll())[0], /^(1$|400 .*"code":1)/, what);
/* An event's array without its offset. */
const event = (packet) => JSON.parse(packet.replace(/^4\d(?:\d+-)?(?:\/[^,]*,)?\d*/, '')).filter((arg, i, { length }) =>
	i < length - 1 || !/^1\.[-d]\./.test(arg));

async function connecting({ base }) {
	const one = await wire(base);
	is((await one.post('40')).text, 'ok', 'a connect is answered ok');
	like((await one.poll())[0], /^40\{"sid":"[\w-]{22}","pid":"[\w-]{22}"\}$/, 'and then told, with an id and a secret');
	const admin = await one.connect('/admin', '{"token":"123"}');
	ok(admin.sid, 'a namespace needs no preparation, and auth is taken');
	await one.post('40/other?x=1');
	like((await one.poll())[0], /^40\/other\?x=1,\{/, 'a query is part of its name, and no comma is needed');
	is((await one.post('40')).text, 'ok', 'who is connected may say so again');
	await one.post('40/bad\u0001,');
	is((await one.packets(1))[0], '44/bad\u0001,{"message":"Invalid namespace"}', 'a namespace with control characters is none');
	const another = await wire(base);
	const { sid, pid } = await another.connect();
	ok(sid !== admin.sid && pid !== admin.pid && sid !== pid, 'each connection has an id and a secret of its own');
	const engine = await engineAsk(base, 'GET', { sid: another.sid });
	isDeep([engine.status, engine.json.code], [400, 1], 'its session is none of bare Engine.IO');
	is((await request(base, 'GET', '/socket.io?EIO=4&transport=polling')).status, 404, 'the path ends with a slash');
}

/* Started with --namespaces-max=2. */
async function limits({ base }) {
	const one = await wire(base);
	await one.connect();
	await one.connect('/a');
	await one.post('40/b,');
	is((await one.packets(1))[0], '44/b,{"message":"Too many namespaces"}', 'no more namespaces than --namespaces-max');
	const idle = await wire(base);
	const opened = Date.now();
	is((await idle.poll())[0], '1', 'who connects to no namespace within --connect-timeout is told to go');
	ok(Date.now() - opened >= 900, '... not before');
	await isOver(idle, 'and has no session any more');
}

async function events({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	await a.connect();
	await b.connect();
	await a.post('42["one",1]', '42["none"]', '42["two",1,{"x":[]}]', '420["asked"]', '42', '42[7,"number"]', '43');
	isDeep((await b.packets(5)).map(event), [['one', 1], ['none'], ['two', 1, { x: [] }], ['asked'], ['7', 'number']],
		'events come with their arguments, in order');
	like((await a.packets(1))[0], /^430\[\{"ok":true,"id":"\d+-\d+"\}\]$/, 'an event with a number is acknowledged by it, with the id that it has in the log');
	await a.post('42["raw",0.10,1e400,123456789012345678901234567890]');
	like((await b.packets(1))[0], /^42\["raw",0\.10,1e400,123456789012345678901234567890,"/, 'numbers come as they were written');
	await a.post('51-["bin",{"_placeholder":true,"num":0}]'.replace('5', '45'), 'bAQID');
	is((await b.poll()).map((packet) => packet.replace(/,"1\.[^"]*"/, '')).join(S), `451-["bin",{"_placeholder":true,"num":0}]${S}bAQID`,
		'so does an event with an attachment');
	await a.post('452-["split",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]');
	await a.post('bAAAA');
	await a.post('bBBBB');
	is((await b.packets(3)).map((packet) => packet.replace(/,"1\.[^"]*"/, '')).join(S),
		`452-["split",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]${S}bBBBB${S}bAAAA`,
		'also one whose attachments come by requests of their own');
}

async function wrong({ base }) {
	for (const [what, ...bodies] of [
		['a packet that is none', '4x'], ['JSON that is none', '42["a"'], ['an event without a name', '42[{}]'],
		['an event of the library\'s own', '42["connect"]'], ['a disconnect with data', '41{}'],
		['an event of a namespace that it is not connected to', '42/x,["a"]'], ['text in place of an attachment', '451-["a",{"_placeholder":true,"num":0}]', '42["b"]'],
		['an attachment of nothing', 'bAQID'], ['no number of attachments', '45-["a"]'], ['eleven attachments', '4511-["a"]'],
		['a placeholder for nothing', '451-["a",{"_placeholder":true,"num":3}]'], ['an error, which is not for clients to tell', '44{"message":"x"}'],
	]) {
		const one = await wire(base);
		await one.connect();
		const answers = [];
		for (const body of bodies)
			answers.push(await one.post(body));
		const last = answers.at(-1);
		isDeep([last.status, last.text], [400, ''], `${what} is refused`);
		await isOver(one, `${what} ends the connection`);
	}
	const [bad, back] = [await wire(base), await wire(base)];
	const { pid } = await bad.connect();
	await bad.post('4x');
	ok((await back.connect('', JSON.stringify({ pid }))).pid !== pid, 'and cannot be recovered');
	const early = await wire(base);
	is((await early.post('42["a"]')).status, 400, 'so is an event before anything is connected');
}

/* The packets of socket.io-msgpack-parser. */
async function msgpack({ base }) {
	const connect = Buffer.from('\x82\xa4type\x00\xa3nsp\xa6/admin', 'latin1').toString('base64');
	const one = await wire(base);
	is((await one.post(`b${connect}`)).text, 'ok', 'a client with the msgpack parser is taken');
	const [packet] = await one.packets(1);
	like(packet, /^b/, 'to be answered by a binary message');
	like(Buffer.from(packet.slice(1), 'base64').toString('latin1'), /^\x83\xa4type\x04\xa3nsp\xa6\/admin\xa4data\x81\xa7message\xd9.This gateway does not speak msgpack: .*\.$/,
		'which is an error of its namespace, in its format');
	is((await one.post(`b${connect}`)).status, 400, 'if more comes the session ends');
	await isOver(one, 'as with other packets that are none');
}

async function leaving({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	await a.connect();
	await a.connect('/x');
	const { pid } = await b.connect();
	await a.post('41/x,');
	is((await a.post('42["still"]')).text, 'ok', 'who leaves a namespace stays in the others');
	isDeep(event((await b.packets(1))[0]), ['still'], 'and is heard there');
	is((await a.post('42/x,["gone"]')).status, 400, 'in the one that it left it is not connected any more');
	await b.post('41');
	await b.post('1');
	const again = await wire(base);
	const { pid: other } = await again.connect('', JSON.stringify({ pid }));
	ok(other !== pid, 'who left of itself is not recovered');
}

async function recovery({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	let one = a;
	const { sid, pid } = await a.connect();
	await b.connect();
	await b.post('42["first",1]');
	const [first] = await a.packets(1);
	const offset = JSON.parse(first.slice(2)).at(-1);
	ok(typeof offset === 'string' && JSON.parse(first.slice(2)).length === 3, 'an event has an offset behind its arguments');
	await b.post(...Array.from({ length: 40 }, (_, i) => `42["missed",${i}]`));
	for (let round = 1; round <= 3; round++) {
		one = await wire(base);
		await one.post(`40${JSON.stringify({ pid, offset })}`);
		const packets = await one.packets(41);
		isDeep(packets.slice(0, 40).map(event), Array.from({ length: 40 }, (_, i) => ['missed', i]), `what was missed comes first (${round})`);
		is(packets[40], `40{"sid":"${sid}","pid":"${pid}"}`, 'then that it is connected, as who it was');
	}
	await isOver(a, 'the connection that it had before is over');
	is((await a.post('42["zombie"]')).status, 400, 'and can say nothing any more');
	one = await wire(base);
	await one.post(`40${JSON.stringify({ pid, offset: 'rubbish' })}`);
	const [packet] = (await one.packets(1)).slice(-1);
	like(packet, new RegExp(`^4[02]`), 'with rubbish for an offset it goes on from what it is known to have had');
	const stranger = await wire(base);
	const fresh = await stranger.connect('', JSON.stringify({ pid: 'A'.repeat(22), offset }));
	ok(fresh.pid !== 'A'.repeat(22) && fresh.sid !== sid, 'a secret of nobody is answered with a new one');
	const native = await Client.open(base, { name: 'native' });
	const thief = await wire(base);
	ok((await thief.connect('', JSON.stringify({ pid: native.token }))).sid !== native.id, 'so is that of a session which is no socket');
	await native.close();
}

/* The answer that brought the events got lost, and the client has no offset. */
async function lostAnswer({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	const { pid } = await a.connect();
	await b.connect();
	await b.post('42["lost",1]', '42["lost",2]');
	await poll(base, a.sid, { t: 'never seen' });
	const again = await wire(base);
	await again.post(`40${JSON.stringify({ pid })}`);
	isDeep((await again.packets(3)).slice(0, 2).map(event), [['lost', 1], ['lost', 2]], 'without an offset the last answer is told again');
}

async function repeats({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	const twice = async (body, t) => [await post(base, a.sid, body, { t }), await post(base, a.sid, body, { t })].map(({ text }) => text);
	isDeep(await twice('40', 'c'), ['ok', 'ok'], 'a connect that comes twice');
	const told = await poll(base, a.sid, { t: 'x' });
	is((await poll(base, a.sid, { t: 'x' })).text, told.text, 'is told the same as often as it is asked');
	await b.connect();
	isDeep(await twice(`42["once",1]${S}421["once",2]`, 'e'), ['ok', 'ok'], 'events that come twice');
	isDeep((await b.packets(2)).map(event), [['once', 1], ['once', 2]], 'are heard once');
	isDeep(await twice('42["join","r"]', 'j'), ['ok', 'ok'], 'so may a room be entered twice');
	await b.post('42["join","r"]', '42["end"]');
	isDeep((await a.packets(2)).map((packet) => packet.slice(0, 8)), ['431[{"ok', '42["end"'], 'an acknowledgement comes once');
}

async function packets({ base }) {
	const [a, b] = [await wire(base), await wire(base)];
	await a.connect();
	await b.connect();
	const body = Array.from({ length: 12 }, (_, i) => `452-["b",${i},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]${S}bAQID${S}bBBBB`);
	await a.post(...body);
	let largest = 0;
	const got = [];
	while (got.length < 36) {
		const answer = await b.poll();
		largest = Math.max(largest, answer.length);
		got.push(...answer);
	}
	ok(largest <= 16, 'an answer has at most 16 packets, attachments among them', largest);
	isDeep(got.filter((packet) => packet[0] === '4').map((packet) => JSON.parse(packet.slice(4))[1]), Array.from({ length: 12 }, (_, i) => i),
		'and none is torn from its attachments or lost');
}

async function relays({ start }) {
	await scope('auth', async () => {
		const { base } = await start({ options: { auth: 'jwt', 'auth-jwks': 'http://127.0.0.1:9/' } });
		const one = await wire(base);
		await one.post('40');
		like((await one.packets(1))[0], /^44\{"message":".*","data":\{"code":"auth_required"\}\}$/, 'where tokens say who may do what nobody connects without');
	});
	for (const [relay, heard] of [['others', [0, 1, 1]], ['all', [1, 1, 1]], ['self', [1, 0, 0]], ['none', [0, 0, 0]]])
		await scope(`relay ${relay}`, async () => {
			const { base } = await start({ options: { relay, 'ping-interval': '500ms', 'ping-timeout': '10s' } });
			const all = [await wire(base), await wire(base), await wire(base)];
			for (const one of all)
				await one.connect();
			await all[0].post('42["said"]');
			const got = [0, 0, 0];
			await Promise.all(all.map(async (one, i) => {
				for (let pings = 0; pings < 2; pings++)
					got[i] += (await one.poll()).filter((packet) => packet.startsWith('42["said"')).length;
			}));
			isDeep(got, heard, 'who hears what the first one says');
		});
	await scope('no recovery', async () => {
		const { base } = await start({ options: { 'no-recovery': true } });
		const [a, b] = [await wire(base), await wire(base)];
		isDeep(Object.keys(await a.connect()), ['sid'], 'without recovery there is no secret');
		await b.connect();
		await b.post('42["plain",1]');
		is((await a.packets(1))[0], '42["plain",1]', 'and no offset');
	});
	await scope('no room events', async () => {
		const { base } = await start({ options: { 'room-events': 'none' } });
		const [a, b] = [await wire(base), await wire(base)];
		await a.connect();
		await b.connect();
		await a.post('42["join","r"]');
		isDeep(event((await b.packets(1))[0]), ['join', 'r'], 'join may be an event as any other');
	});
	await scope('many', async () => {
		const { base } = await start({ options: { 'room-max': 10, hold: '1s' } });
		const first = await wire(base);
		await first.connect();
		await Promise.all(Array.from({ length: 250 }, async () => (await wire(base)).connect()));
		isDeep(await first.poll(), [], 'that many others come is nothing that a client could miss');
	});
	await scope('client files', async () => {
		const { base } = await start();
		const none = await request(base, 'GET', '/socket.io/socket.io.js');
		isDeep([none.status, none.code], [404, 'not_found'], 'without --socketio-client there is no file');
		like(none.json.detail, /--socketio-client/, 'which is said');
		const { base: full } = await start({ options: { 'socketio-client': dist } });
		for (const name of ['socket.io.js', 'socket.io.min.js', 'socket.io.esm.min.js', 'socket.io.js.map', 'socket.io.msgpack.min.js']) {
			const answer = await request(full, 'GET', `/socket.io/${name}`);
			isDeep([answer.status, answer.text], [200, readFileSync(paths.join(dist, name), 'utf8')], `${name} is there`);
		}
		const { headers } = await request(full, 'HEAD', '/socket.io/socket.io.js');
		like(headers['content-type'], /^text\/javascript/, 'it is a script');
		is((await request(full, 'GET', '/socket.io/socket.io.js', { headers: { 'if-none-match': headers.etag } })).status, 304, 'that need not be sent twice');
		isDeep((await request(full, 'GET', '/socket.io/other.js')).json, { code: 0, message: 'Transport unknown' }, 'nothing else is there');
		is((await ask(full, 'GET')).status, 200, 'clients come in as ever');
	});
	await scope('path', async () => {
		const { base } = await start({ options: { 'socketio-path': '/io/' } });
		is((await request(base, 'GET', '/io/?EIO=4&transport=polling')).status, 200, 'the path can be chosen');
		is((await request(base, 'GET', '/socket.io/?EIO=4&transport=polling')).status, 404, 'then the other one is none');
	});
}

await forEachStore(async ({ start }) => {
	const cluster = await start({ options: { 'ping-interval': '1s', 'ping-timeout': '10s', hold: '3s' } });
	for (const test of [connecting, events, wrong, msgpack, leaving, recovery, lostAnswer, repeats, packets])
		await scope(test.name, () => test(cluster));
	await scope('limits', async () => limits(await start({ options: { 'namespaces-max': 2, 'connect-timeout': '1s' } })));
	await relays({ start });
});
await done();
