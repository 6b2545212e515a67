#!/usr/bin/env node
/* Engine.IO 4 by polling, on the wire: each rule of the reference's documents, with requests on any instance. */
import { ask, openSid, poll, post, separator as S } from './lib/engineio.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { request } from './lib/request.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';
import { AT_ONCE, timed } from './lib/wait.mjs';

const errors = {
	0: 'Transport unknown', 1: 'Session ID unknown', 2: 'Bad handshake method', 3: 'Bad request', 5: 'Unsupported protocol version',
};

const sumOf = async (instances, name) => (await Promise.all(instances.map((instance) => instance.metrics(name))))
	.reduce((a, b) => a + b, 0);
const parked = (instances, n) => waitFor(async () => await sumOf(instances, 'pollgate_polls_parked') === n, `${n} parked polls`);

function isPayload(answer, body, what) {
	is(answer.status === 200 ? answer.text : `${answer.status} ${answer.text}`, body, what);
}

function isRefused(answer, code, what, status = 400) {
	isDeep([answer.status, answer.json], [status, { code, message: errors[code] }], what, answer.text);
}

const isEmpty400 = (answer, what) => isDeep([answer.status, answer.text], [400, ''], what);
const isUnknown = async (base, sid, what) => isRefused(await poll(base, sid), 1, what);

/* ---- The handshake ---- */

async function handshake({ base }) {
	const answer = await ask(base, 'GET');
	is(answer.status, 200, 'a handshake is answered 200');
	like(answer.text, /^0\{"sid":"[A-Za-z0-9_-]{22}","upgrades":\["websocket"\],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000\}$/,
		'with one packet that has five members');
	is(answer.headers['content-type'], 'text/plain; charset=UTF-8', 'as text');
	is(answer.headers['cache-control'], 'no-store', 'that nobody keeps');
	is(answer.headers['content-length'], String(answer.body.length), 'and whose length is known');
	ok(await openSid(base) !== await openSid(base), 'each session has an id of its own');
	is((await request(base, 'GET', '/engine.io/more?EIO=4&transport=polling')).status, 200, 'what follows in the path does not matter');
	is((await request(base, 'GET', '/engine.io?EIO=4&transport=polling')).status, 404, 'the slash at its end does');
	isPayload(await poll(base, await openSid(base), { user: 'x', EIO: undefined }), '2', 'parameters of its own do not disturb a poll');
}

async function refusals({ base }) {
	const sid = await openSid(base);
	const plain = (method, query) => request(base, method, '/engine.io/', { query });
	isRefused(await plain('GET', {}), 0, 'no transport');
	isRefused(await plain('GET', { EIO: 4, transport: 'abc' }), 0, 'a transport that does not exist');
	isRefused(await plain('GET', { EIO: 4, transport: 'websocket' }), 3, 'a WebSocket without an Upgrade');
	isRefused(await plain('GET', { EIO: 4, transport: 'abc', sid: 'x' }), 0, 'the transport is looked at first');
	isRefused(await plain('POST', { EIO: 4, transport: 'polling' }), 2, 'a handshake by POST');
	isRefused(await plain('PUT', { EIO: 4, transport: 'polling' }), 2, 'a handshake by PUT');
	isRefused(await plain('GET', { EIO: 3, transport: 'polling' }), 5, 'an older revision');
	isRefused(await plain('GET', { EIO: 'abc', transport: 'polling' }), 5, 'a revision that is none');
	isRefused(await plain('GET', { transport: 'polling' }), 5, 'no revision');
	await isUnknown(base, 'abc', 'an id that cannot be one');
	await isUnknown(base, 'AAAAAAAAAAAAAAAAAAAAAA', 'an id of nobody');
	isRefused(await post(base, 'AAAAAAAAAAAAAAAAAAAAAA', '4a'), 1, 'the same for a POST');
	isRefused(await plain('PUT', { EIO: 4, transport: 'polling', sid: 'AAAAAAAAAAAAAAAAAAAAAA' }), 1, 'and for another method');
	isRefused(await poll(base, sid, { EIO: 3 }), 3, 'another revision than that of the handshake');
	isRefused(await post(base, sid, '4a', { EIO: 3 }), 3, 'the same for a POST');
	for (const method of ['PUT', 'DELETE', 'HEAD']) {
		const answer = await ask(base, method, { sid });
		isDeep([answer.status, answer.text], [500, ''], `${method} of a session that is there`);
	}
	const answer = await plain('GET', {});
	is(answer.headers['content-type'], 'application/json', 'an error is JSON');
	is(answer.headers['cache-control'], 'no-store', 'that nobody keeps');
	is(answer.headers['content-length'], String(answer.body.length), 'and whose length is known');
}

async function cors({ base }) {
	const headers = { origin: 'https://page.example' };
	const sid = await openSid(base);
	for (const [what, answer] of [
		['a handshake', await ask(base, 'GET', {}, { headers })],
		['a poll', await ask(base, 'GET', { sid }, { headers })],
		['a POST', await ask(base, 'POST', { sid }, { headers, body: '3' })],
		['an error', await ask(base, 'GET', { transport: 'x' }, { headers })],
		['an unknown session', await ask(base, 'GET', { sid: 'x' }, { headers })],
		['a wrong payload', await ask(base, 'POST', { sid }, { headers, body: 'x' })],
	])
		is(answer.headers['access-control-allow-origin'], '*', `${what}: other origins may read the answer`);
	const preflight = await ask(base, 'OPTIONS', { sid: 'x' }, { headers: { ...headers, 'access-control-request-method': 'POST',
		'access-control-request-headers': 'x-token' } });
	isDeep([preflight.status, preflight.text], [204, ''], 'a preflight needs no session');
	is(preflight.headers['access-control-allow-headers'], 'x-token', 'it allows the headers that are asked for');
	like(preflight.headers['access-control-allow-methods'], /GET.*POST/, 'and the methods');
}

/* ---- Messages ---- */

async function messages({ base }) {
	const sid = await openSid(base);
	const answer = await post(base, sid, '4hello');
	isDeep([answer.status, answer.text, answer.headers['content-type']], [200, 'ok', 'text/html'], 'a message is answered ok');
	isPayload(await poll(base, sid), '4hello', 'and comes back');
	await post(base, sid, ['4one', '4two', '4'].join(S));
	isPayload(await poll(base, sid), ['4one', '4two', '4'].join(S), 'several come back in order, in one answer');
	await post(base, sid, `4${'€'.repeat(3)}"\\\n\u0001`);
	isPayload(await poll(base, sid), `4${'€'.repeat(3)}"\\\n\u0001`, 'a text comes back as it was, whatever is in it');
	await post(base, sid, `bAQIDBA==${S}4text${S}b`);
	isPayload(await poll(base, sid), `bAQIDBA==${S}4text${S}b`, 'so do binary messages');
	isPayload(await post(base, sid, `0${S}5${S}6${S}3`), 'ok', 'packets that mean nothing are ignored');
	for (const type of [undefined, 'application/x-www-form-urlencoded', 'text/plain'])
		isPayload(await post(base, sid, '3', {}, type ? { 'content-type': type } : {}), 'ok', `the type ${type} is taken as text`);
	const waiting = poll(base, sid);
	await post(base, sid, `3${S}4later`);
	isPayload(await waiting, '4later', 'a poll that waits is answered when a message comes');
}

async function many({ base }) {
	const sid = await openSid(base);
	const sent = Array.from({ length: 200 }, (_, i) => `4${i}`);
	await post(base, sid, sent.slice(0, 100).join(S));
	const got = [];
	let largest = 0;
	const receive = async (n) => {
		while (got.length < n) {
			const packets = (await poll(base, sid)).text.split(S);
			largest = Math.max(largest, packets.length);
			got.push(...packets.filter((packet) => packet[0] === '4'));
			if (packets.includes('2'))
				await post(base, sid, '3');
		}
	};
	await receive(100);
	await post(base, sid, sent.slice(100).join(S));
	await receive(200);
	isDeep(got, sent, 'two bursts of 100 come back whole and in order');
	ok(largest <= 16, 'in answers of at most 16 packets', largest);
}

async function sizes({ base }) {
	const sid = await openSid(base);
	const most = `4${'x'.repeat(999999)}`;
	isPayload(await post(base, sid, most), 'ok', 'a body as large as --max-payload is taken');
	isPayload(await poll(base, sid), most, 'and comes back');
	const over = await post(base, sid, `${most}x`);
	isDeep([over.status, over.text], [413, ''], 'a larger one is refused with 413 and an empty body');
	isPayload(await post(base, sid, `3${S}4small`), 'ok', 'the session goes on');
	isPayload(await poll(base, sid), '4small', 'as if it had not been sent');
	await post(base, sid, `4${'a'.repeat(600000)}`);
	await post(base, sid, `3${S}4${'b'.repeat(600000)}`);
	is((await poll(base, sid)).text.length, 600001, 'an answer is not larger than --max-payload');
	is((await poll(base, sid)).text[1], 'b', 'what did not fit comes next');
}

async function wrong({ base }) {
	for (const [what, body, headers] of [
		['an empty body', ''], ['no type', 'abc'], ['an unknown type', '7'], ['an empty packet', `4a${S}${S}4b`],
		['a separator at the end', `4a${S}`], ['base64 that is none', 'b!!!!'], ['a ping', '2'], ['a ping among others', `4a${S}2`],
		['bytes that are no UTF-8', Buffer.from([0x34, 0xff])],
		['what older revisions send', '4a', { 'content-type': 'application/octet-stream' }],
	]) {
		const sid = await openSid(base);
		isEmpty400(await post(base, sid, body, {}, headers), `${what} is refused`);
		await isUnknown(base, sid, `${what} ends the session`);
	}
}

/* ---- Heartbeat ---- */

async function heartbeat({ base }) {
	const sid = await openSid(base);
	for (let i = 0; i < 3; i++) {
		const { ms, value } = await timed(() => poll(base, sid));
		isPayload(value, '2', `ping ${i + 1} ends a poll`);
		ok(ms < AT_ONCE, '... when it is due', ms);
		isPayload(await post(base, sid, '3'), 'ok', `pong ${i + 1} is taken`);
	}
}

async function silence({ base, instances }) {
	const timedOut = await sumOf(instances, 'pollgate_engineio_timed_out_total');
	let sid = await openSid(base);
	const opened = Date.now();
	await waitFor(() => Date.now() >= opened + 505);
	await isUnknown(base, sid, 'who does not poll until the pong is late finds no session');
	sid = await openSid(base);
	const later = Date.now();
	await waitFor(() => Date.now() >= later + 505);
	isRefused(await post(base, sid, '3'), 1, 'nor does a pong that is late');
	sid = await openSid(base);
	isPayload(await poll(base, sid), '2', 'a ping that nobody answers');
	isPayload(await poll(base, sid), '1', 'ends the session of who waits');
	await isUnknown(base, sid, 'and it is gone');
	is(await sumOf(instances, 'pollgate_engineio_timed_out_total'), timedOut + 3, 'they are counted');
}

/* ---- The end ---- */

async function closing({ base, instances }) {
	let sid = await openSid(base);
	const waiting = poll(base, sid);
	await parked(instances, 1);
	isPayload(await post(base, sid, '1'), 'ok', 'a close is answered ok');
	isPayload(await waiting, '6', 'the poll that waits is answered with a noop');
	await isUnknown(base, sid, 'and the session is gone');
	isRefused(await post(base, sid, '4a'), 1, 'for a POST as well');
	sid = await openSid(base);
	isPayload(await post(base, sid, `4a${S}1${S}4b`), 'ok', 'a close may come behind a message');
	isRefused(await post(base, sid, '1'), 1, 'twice it cannot come');
}

/* ---- Requests that come twice ---- */

async function repeats({ base, instances }) {
	const sid = await openSid(base);
	const repeated = await sumOf(instances, 'pollgate_engineio_repeated_total');
	await post(base, sid, '4one', { t: 'p1' });
	isPayload(await post(base, sid, '4one', { t: 'p1' }), 'ok', 'a POST with the same t is answered ok again');
	isPayload(await poll(base, sid, { t: 'g1' }), '4one', 'and was done once');
	isPayload(await poll(base, sid, { t: 'g1' }), '4one', 'a GET with the same t is told the same');
	await post(base, sid, `3${S}4two`, { t: 'p2' });
	isPayload(await poll(base, sid, { t: 'g2' }), '4two', 'one with another t what comes next');
	isPayload(await poll(base, sid, { t: 'g2' }), '4two', 'this one may be repeated, too');
	await post(base, sid, '4three', { t: 'p2' });
	isPayload(await poll(base, sid, { t: 'g3' }), '4three', 'the same t with another body is another POST');
	is(await sumOf(instances, 'pollgate_engineio_repeated_total'), repeated + 3, 'repeats are counted');
	const ping = await poll(base, sid, { t: 'g4' });
	isPayload(ping, '2', 'a ping');
	isPayload(await poll(base, sid, { t: 'g4' }), '2', 'is told again as well');
	await post(base, sid, '3');
	await post(base, sid, '4x');
	await post(base, sid, '4x');
	isPayload(await poll(base, sid), `4x${S}4x`, 'without t there is no repeat');
}

/* Each POST comes twice at once, to instances that do not know of each other. */
async function twins({ base }) {
	const sid = await openSid(base);
	const sent = Array.from({ length: 30 }, (_, i) => `4m${i}`);
	const got = [];
	for (const [i, body] of sent.entries()) {
		const answers = await Promise.all([post(base, sid, body, { t: `s${i}` }), post(base, sid, body, { t: `s${i}` })]);
		if (answers.some(({ text }) => text !== 'ok'))
			isDeep(answers.map(({ text }) => text), ['ok', 'ok'], `POST ${i} is answered ok twice`);
	}
	while (got.length < sent.length) {
		const packets = (await poll(base, sid)).text.split(S);
		got.push(...packets.filter((packet) => packet[0] === '4'));
		if (packets.includes('2'))
			await post(base, sid, '3');
	}
	isDeep(got, sent, 'of 30 POSTs that come twice at once each is done once');
}

/* Started with --mailbox-max=10. */
async function losing({ base }) {
	const sid = await openSid(base);
	for (let i = 0; i < 3; i++)
		await post(base, sid, Array.from({ length: 100 }, (_, n) => `4${100 * i + n}`).join(S));
	isPayload(await poll(base, sid), '1', 'a client that lost messages is told that its session ended');
	await isUnknown(base, sid, 'and it is gone');
}

/* ---- Polls that overlap ---- */

async function tolerant({ base, instances }) {
	const sid = await openSid(base);
	const older = poll(base, sid, { t: 'a' });
	await parked(instances, 1);
	const begun = Date.now();
	await waitFor(() => Date.now() > begun + 1);
	const newer = poll(base, sid, { t: 'b' });
	isPayload(await older, '6', 'a newer poll takes over, the older one gets a noop');
	await post(base, sid, '4a');
	isPayload(await newer, '4a', 'the newer one gets what comes');
	const abort = new AbortController();
	const given = ask(base, 'GET', { sid, t: 'c' }, { signal: abort.signal }).catch(() => 'given up');
	await parked(instances, 1);
	abort.abort();
	await given;
	await post(base, sid, '4b');
	isPayload(await poll(base, sid, { t: 'd' }), '4b', 'a poll that is given up harms nothing');
}

async function strict({ base, instances }) {
	let sid = await openSid(base);
	const older = poll(base, sid);
	await parked(instances, 1);
	isEmpty400(await poll(base, sid), 'a poll that overlaps another one is refused');
	isPayload(await older, '1', 'and the other one is told that the session is closed');
	await isUnknown(base, sid, 'it is gone');
	sid = await openSid(base);
	const abort = new AbortController();
	const given = ask(base, 'GET', { sid }, { signal: abort.signal }).catch(() => 'given up');
	await parked(instances, 1);
	abort.abort();
	await given;
	is((await poll(base, sid)).status, 400, 'after a poll that was given up the very next one is refused');
	for (let i = 0; i < 10; i++) {
		sid = await openSid(base);
		const [got, closed] = await Promise.all([poll(base, sid), post(base, sid, '1')]);
		isDeep([got.text, closed.text], ['6', 'ok'], `a poll and a close at once: noop and ok (${i + 1})`);
		is((await poll(base, sid)).status, 400, 'the next poll is refused');
	}
	sid = await openSid(base);
	for (let i = 0; i < 3; i++) {
		await post(base, sid, `3${S}4${i}`, { t: `p${i}` });
		isPayload(await poll(base, sid, { t: `g${i}` }), `4${i}`, 'one poll after another is well');
	}
	isPayload(await poll(base, sid), '2', 'also one that ends with a ping');
}

/* ---- An instance that ends ---- */

async function draining({ base, instances }) {
	if (instances.length < 2)
		return;
	const sid = await openSid(base);
	const waiting = poll(instances[0].base, sid);
	await parked(instances, 1);
	instances[0].signal('SIGTERM');
	isPayload(await waiting, '6', 'a poll on an instance that is told to end gets a noop');
	await instances[0].exited;
	await post(instances[1].base, sid, `3${S}4on`);
	isPayload(await poll(instances[2].base, sid), '4on', 'the session goes on on others');
	await instances[0].start();
}

const brief = { 'ping-interval': '300ms', 'ping-timeout': `${200}ms`, relay: 'self' };
const calm = { drain: '2s', 'ping-interval': '3s', 'ping-timeout': '20s', relay: 'self' };

await forEachStore(async ({ start }) => {
	const quick = await start({ options: brief });
	for (const test of [handshake, refusals, cors, heartbeat, silence])
		await scope(test.name, () => test(quick));
	const slow = await start({ options: calm });
	for (const test of [messages, many, sizes, wrong, closing, repeats, twins, tolerant, draining])
		await scope(test.name, () => test(slow));
	await scope('losing', async () => losing(await start({ options: { ...calm, 'mailbox-max': 10 } })));
	await scope('strict', async () => strict(await start({ options: { ...calm, 'engineio-strict': true } })));
	await scope('relay none', async () => {
		const { base } = await start({ options: { 'ping-interval': '300ms' } });
		const sid = await openSid(base);
		isPayload(await post(base, sid, '4nobody'), 'ok', 'without --relay a message is taken');
		isPayload(await poll(base, sid), '2', 'and goes nowhere');
	});
});
await done();
