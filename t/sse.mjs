#!/usr/bin/env node
/* Event streams: their form, that they resume, who takes over, what a reader that does not read gets, and how they end. */
import http from 'node:http';
import { Client, newToken, sendOps } from './lib/client.mjs';
import { forEachStore, slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { atEnd, done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

/** A GET whose answer is read as it comes: head, events [{ id, event, data }] and comments. */
class Stream {
	static async open(base, path, { headers = {} } = {}) {
		const stream = new Stream();
		Object.assign(stream, { text: '', events: [], comments: [], retry: undefined, ended: false, cut: false });
		stream.agent = new http.Agent({ keepAlive: true });
		atEnd(() => stream.close());
		await new Promise((resolve, reject) => {
			stream.request = http.get(base + path, { headers, agent: stream.agent }, (answer) => {
				stream.answer = answer;
				answer.setEncoding('utf8');
				answer.on('data', (text) => stream.#take(text));
				answer.on('end', () => stream.ended = true);
				answer.on('error', () => stream.cut = true);
				resolve();
			});
			stream.request.once('error', reject);
		});
		stream.request.on('error', () => stream.cut = true);
		return stream;
	}

	#take(text) {
		this.text += text;
		for (let end; (end = this.text.indexOf('\n\n')) >= 0; this.text = this.text.slice(end + 2))
			this.#block(this.text.slice(0, end));
	}

	#block(block) {
		const event = { event: 'message', lines: [] };
		for (const line of block.split('\n')) {
			const [, name, value] = /^([a-z]*):? ?(.*)$/s.exec(line);
			if (line.startsWith(':'))
				this.comments.push(line);
			else if (name === 'retry')
				this.retry = Number(value);
			else if (name === 'data')
				event.lines.push(value);
			else
				event[name] = value;
		}
		const { lines, ...more } = event;
		if (lines.length)
			this.events.push({ ...more, data: JSON.parse(lines.join('\n')), lines: lines.length });
	}

	messages() {
		return this.events.filter(({ event }) => event === 'message').flatMap(({ data }) => data.messages);
	}

	get id() {
		return this.events.findLast(({ id }) => id)?.id;
	}

	until(condition, what) {
		return waitFor(() => condition(this), () => `${what}; there are ${this.events.length} events, ended ${this.ended}`);
	}

	close() {
		this.request?.destroy();
		this.agent.destroy();
	}
}

const events = (client, more = '') => `/v1/events?token=${client.token}&cursor=${encodeURIComponent(client.cursor)}${more}`;
const open = (base, more = {}) => Client.open(base, { start: false, ...more });
const dataOf = (messages) => messages.map(({ data }) => data);

async function form(base) {
	const [a, b] = [await open(base), await open(base)];
	isDeep(b.session.transports, ['poll', 'sse', 'ws'], 'an opening names the transports');
	const stream = await Stream.open(base, events(b), { headers: { Origin: 'https://app.example' } });
	const { statusCode, headers } = stream.answer;
	is(statusCode, 200, 'a stream is answered 200');
	is(headers['content-type'], 'text/event-stream', 'as text/event-stream');
	is(headers['cache-control'], 'no-store', 'not to be stored');
	is(headers['x-accel-buffering'], 'no', 'nor buffered');
	is(headers['access-control-allow-origin'], '*', 'for pages of any origin');
	await stream.until(({ events: all }) => all.length > 0, 'the first event');
	like(stream.comments[0], /^: {2047}$/, 'first comes a comment of 2 kB');
	ok(stream.retry >= 1000 && stream.retry < 1500, 'and when to come back', stream.retry);
	isDeep(stream.events[0].data.messages, [], 'the first event comes at once, without messages');
	is(stream.events[0].id, stream.events[0].data.cursor, 'an event\'s id is its cursor');
	await a.send(b.id, 'x', 1);
	await stream.until((s) => s.messages().length === 1, 'a message');
	isDeep(stream.messages()[0].data, 1, 'a message comes as an event');
	await sendOps(base, a.token, [], undefined, { body: `{"ops":[{"op":"send","to":"${b.id}","event":"x","data":{"a":\n1,\r"b":\r\n2}}]}` });
	await stream.until((s) => s.messages().length === 2, 'a message');
	isDeep(stream.messages()[1].data, { a: 1, b: 2 }, 'line ends between JSON tokens break nothing');
	ok(stream.events.at(-1).lines > 1, 'they begin another data line');
	return { a, b, stream };
}

async function resumes(base) {
	const [a, b] = [await open(base), await open(base)];
	const first = await Stream.open(base, events(b));
	await a.send(b.id, 'x', 1);
	await first.until((s) => s.messages().length === 1, 'a message');
	first.close();
	await a.send(b.id, 'x', 2);
	const second = await Stream.open(base, events(b), { headers: { 'Last-Event-ID': first.id } });
	await second.until((s) => s.messages().length === 1, 'the next one');
	isDeep(dataOf(second.messages()), [2], 'Last-Event-ID says where to go on, whatever the cursor of the URL says');
	const { json } = await sendOps(base, b.token, [], undefined, { body: { cursor: second.id } });
	isDeep(json, { results: [] }, 'a send may be nothing but an acknowledgement');
	await waitFor(async () => (await a.look(b.id)).json.acked === second.messages()[0].id, 'the message to be acknowledged');
	ok(true, 'which a sender sees');
	is((await sendOps(base, b.token, [], undefined, { body: { cursor: 'x' } })).code, 'bad_cursor', 'a wrong cursor is refused');
	second.close();
}

/** What a client keeps in the store that never says what it has: its mailbox's limit, until it comes back. */
async function neverAcknowledges(start) {
	const { base } = await start({ options: { 'mailbox-max': '10' } });
	const [a, b] = [await open(base), await open(base)];
	const first = await Stream.open(base, events(b));
	const ids = [];
	for (let i = 0; i < 40; i++) {
		await a.send(b.id, 'x', i);
		await first.until((s) => s.messages().length === i + 1, 'a message');
		ids.push(first.id);
	}
	isDeep(first.events.filter(({ data }) => data.gaps), [], 'who has read everything is told of no gap when its mailbox overflows');
	const { json: before } = await a.look(b.id);
	ok(before.acked !== before.last, 'nothing is acknowledged by reading alone');
	first.close();
	const second = await Stream.open(base, events(b), { headers: { 'Last-Event-ID': first.id } });
	await second.until((s) => s.events.length > 0, 'the first event');
	isDeep(second.events.map(({ data: { messages, gaps } }) => ({ messages, gaps })), [{ messages: [], gaps: undefined }],
		'nor when it comes back');
	await waitFor(async () => (await a.look(b.id)).json.acked === before.last, 'all to be acknowledged');
	ok(true, 'which acknowledges all that it has');
	second.close();
	b.cursor = ids.at(-2);
	const { json } = await b.poll(0);
	is(json.gaps?.length, 1, 'and gives the memory back: who says later that it has less has a gap');
}

/** Each receives on some instance, and takes over from the one before. */
async function takesOver(bases) {
	const [a, b] = [await open(bases[0]), await open(bases[0])];
	let stream = await Stream.open(bases[0], events(b));
	await stream.until((s) => s.events.length > 0, 'the first event');
	for (let i = 0; i < 6; i++) {
		const started = Date.now();
		await waitFor(() => Date.now() > started, 'a millisecond to pass: of two sinks that begin in the same one either may end', { everyMs: 1 });
		const base = bases[i % bases.length];
		const before = stream;
		if (i % 2) {
			b.cursor = stream.id;
			const poll = b.poll(20000);
			await before.until((s) => s.ended, 'the stream to end for a poll');
			is(before.events.at(-1).event, 'taken', 'a poll takes over, and the stream says so');
			await a.send(b.id, 'x', i);
			is((await poll).json.messages.at(-1).data, i, 'the poll has the next message');
			stream = await Stream.open(base, events(b));
		} else {
			stream = await Stream.open(base, events({ token: b.token, cursor: before.id }));
			await before.until((s) => s.ended, 'the older stream to end');
			is(before.events.at(-1).event, 'taken', 'a newer stream takes over from an older one');
			await a.send(b.id, 'x', i);
		}
		await stream.until((s) => dataOf(s.messages()).at(-1) === (i % 2 ? undefined : i) && s.id, 'what was sent');
	}
	isDeep(dataOf(stream.messages()), [], 'nothing comes twice');
	stream.close();
}

async function ends(base) {
	const a = await open(base);
	const stream = await Stream.open(base, events(a));
	await stream.until((s) => s.events.length > 0, 'the first event');
	const head = await fetch(`${base}/v1/events?token=${a.token}`, { method: 'HEAD' });
	is(`${head.status} ${head.headers.get('content-type')}`, '200 text/event-stream', 'HEAD has the headers only');
	is(stream.ended, false, 'and does not take over');
	await a.close?.();
	await fetch(`${base}/v1/close?token=${a.token}`, { method: 'POST' });
	await stream.until((s) => s.ended, 'the stream to end');
	is(stream.events.at(-1).event, 'gone', 'a stream says that its session was closed');
	is(stream.events.at(-1).data.code, 'session_gone', 'by a problem document');
	const answer = await fetch(`${base}/v1/events?token=${newToken()}`);
	is(answer.status, 410, 'without a session there is no stream');
	is((await fetch(`${base}/v1/events`)).status, 401, 'nor without a token');
	is((await fetch(`${base}/v1/events?token=${a.token}&cursor=zz`)).status, 400, 'nor with a wrong cursor');
}

async function lives(start) {
	const { base, instances } = await start({ options: { 'sse-life': '1s', 'sse-comment': '100ms' } });
	const a = await open(base);
	const stream = await Stream.open(base, events(a));
	await stream.until((s) => s.ended, 'the stream to end');
	is(stream.cut, false, 'a stream ends in order when its life is over');
	ok(stream.comments.length > 2, 'it has comments when nothing is to be said', stream.comments.length);
	const probe = await Stream.open(base, '/v1/events?probe=abc_-1');
	await probe.until((s) => s.ended, 'the probe to end');
	isDeep(probe.events.map(({ event, data }) => [event, data.probe, data.n]), [0, 1, 2, 3, 4, 5].map((n) => ['probe', 'abc_-1', n]),
		'a probe has six events');
	is((await fetch(`${base}/v1/events?probe=a%20b`)).status, 400, 'a nonce is base64url');
	for (const instance of instances)
		await instance.waitMetric('pollgate_sse_open', 0);
}

/** Megabytes for a client that does not read: they stay in the store, and come when it does. */
async function slowly(start) {
	const { instances } = await start({ options: { 'stream-backlog': '64K', 'mailbox-max': '10000', 'write-timeout': '2s' } });
	const [{ base }] = instances;
	const [a, b] = [await open(base), await open(base)];
	const stream = await Stream.open(base, events(b));
	await stream.until((s) => s.events.length > 0, 'the first event');
	stream.answer.pause();
	const before = await instances[0].metrics('process_resident_memory_bytes');
	const data = 'x'.repeat(60_000);
	for (let i = 0; i < 300; i++)
		await a.ops({ op: 'send', to: b.id, event: 'x', data: i + data });
	if (instances.length > 1 && slowness === 1) { /* Else the store, or what a sanitizer keeps, is in the same process. */
		const grown = await instances[0].metrics('process_resident_memory_bytes') - before;
		ok(grown < 12e6, 'a gateway keeps little for a client that does not read', grown);
	}
	await instances[0].waitMetric('pollgate_sse_open', 0);
	is(await instances[0].metrics('pollgate_http_connections_stalled_total'), 1, 'which is cut after a while, and counted');
	stream.answer.resume();
	await stream.until((s) => s.cut || s.ended, 'the cut');
	const got = stream.messages().length;
	const again = await Stream.open(base, events({ token: b.token, cursor: stream.id }));
	await waitFor(() => got + again.messages().length >= 300, () => `all to come: ${got} and ${again.messages().length}`);
	isDeep(stream.messages().concat(again.messages()).map(({ data: text }) => parseInt(text, 10)), [...Array(300).keys()],
		'it goes on where it was: nothing is lost, nothing twice');
	again.close();
}

async function drains(start, redis) {
	const { instances } = await start({ options: { drain: '3s' } });
	const [one] = instances;
	const other = instances[1] ?? one;
	const [a, b] = [await open(one.base), await open(one.base)];
	const stream = await Stream.open(one.base, events(b));
	await stream.until((s) => s.events.length > 0, 'the first event');
	isDeep(await one.stop(), { code: 0, signal: null }, 'SIGTERM ends an instance with a stream');
	await stream.until((s) => s.ended, 'the stream to end');
	is(stream.cut, false, 'the stream ends in order');
	if (!redis)
		return;
	a.base = other.base;
	await a.send(b.id, 'x', 'later');
	const again = await Stream.open(other.base, events(b), { headers: { 'Last-Event-ID': stream.id } });
	await again.until((s) => s.messages().length === 1, 'the message');
	is(again.messages()[0].data, 'later', 'its client goes on at another instance');
	await other.kill();
	await again.until((s) => s.cut || s.ended, 'the stream to break');
	a.base = instances[2].base;
	await a.send(b.id, 'x', 'after');
	const last = await Stream.open(instances[2].base, events(b), { headers: { 'Last-Event-ID': again.id } });
	await last.until((s) => s.messages().length === 1, 'the message');
	is(last.messages()[0].data, 'after', 'also after kill -9');
	last.close();
}

await forEachStore(async ({ start, redis }) => {
	const { base, instances } = await start();
	const { stream } = await form(base);
	stream.close();
	await scope('resume', () => resumes(base));
	await scope('never acknowledges', () => neverAcknowledges(start));
	await scope('one instance', () => takesOver([instances[0].base]));
	if (redis)
		await scope('several', () => takesOver(instances.map((instance) => instance.base)));
	await scope('end', () => ends(base));
	await scope('life', () => lives(start));
	await scope('slow', () => slowly(start));
	await scope('drain', () => drains(start, redis));
});
await scope('--no-sse', async () => {
	const { base } = await startPollgate({ options: { 'no-sse': true } });
	const answer = await fetch(`${base}/v1/events?probe=a`);
	is((await answer.json()).code, 'transport_disabled', 'an event stream is refused');
	isDeep((await open(base)).session.transports, ['poll', 'ws'], 'and not named');
});
await done();
