/*
 * The ways to receive, behind one interface, so that a test of what arrives runs over each of them.
 *
 * receive(transport, base, { token, cursor, hold, agent, onDocument }) begins to receive: onDocument gets what a poll would answer,
 * and its text.
 *   receiver.ended   settles with how it ended: { why, answer | error }, why being
 *                    'over'    in order: go on with another one, from the last cursor
 *                    'taken'   another one took over
 *                    'gone'    so is the session
 *                    'failed'  by an error, or by an answer that is none
 *   receiver.ack     (cursor) => says that all before it was received; null where the next one says so
 *   receiver.ask     (the body of a send) => its answer; null unless it sends, too
 *   receiver.stop()  leaves without a word; nothing is called any more
 */
import http from 'node:http';
import { keepAlive, request } from './request.mjs';
import { note, scope } from './tap.mjs';
import { patience } from './wait.mjs';

const WebSocket = (await import('ws').catch(() => ({}))).WebSocket;
const SILENCE_MS = patience(40000); /* Without a comment or a ping. */

/* ---- Which ---- */

export const transportsWanted = (process.env.POLLGATE_TEST_TRANSPORTS ?? 'poll,sse,ws').split(',')
	.filter((transport) => transport !== 'ws' || WebSocket);
if (!WebSocket)
	note('t/node_modules has no ws: nothing is tested over WebSockets (cd t && npm ci)');

let chosen = 'poll';

/** What clients use that name none. */
export const defaultTransport = () => chosen;

/** Run body(transport) once for each: clients that name no other use that one. */
export async function forEachTransport(body, transports = transportsWanted) {
	for (const transport of transports) {
		chosen = transport;
		try {
			await scope(transport, () => body(transport));
		} finally {
			chosen = 'poll';
		}
	}
}

/** For tests that take long, or where clients of all kinds are to meet: client i's transport. */
export const mixed = (i) => transportsWanted[i % transportsWanted.length];

/* ---- Receivers ---- */

class Receiver {
	constructor({ onDocument }) {
		this.onDocument = onDocument;
		this.ack = this.ask = null;
		this.stopped = false;
		this.ended = new Promise((resolve) => this.end = resolve);
	}

	take(text) {
		if (!this.stopped)
			this.onDocument(JSON.parse(text), text);
	}

	endByAnswer(answer) {
		this.end({ why: answer.status === 410 ? 'gone' : 'failed', answer });
	}

	endByError(error) {
		this.end({ why: 'failed', error });
	}

	/** Called whenever something came. */
	heard() {
		clearTimeout(this.timer);
		if (this.stopped)
			return;
		this.timer = setTimeout(() => {
			this.endByError(new Error('silence'));
			this.stop();
		}, SILENCE_MS);
		this.timer.unref();
	}

	stop() {
		this.stopped = true;
		clearTimeout(this.timer);
		this.leave();
		this.end({ why: 'over' });
	}
}

class Poll extends Receiver {
	constructor(base, { token, cursor, hold, agent, ...options }) {
		super(options);
		this.aborter = new AbortController();
		request(base, 'GET', '/v1/poll', { token, query: { cursor, hold }, agent, limitMs: 40000, signal: this.aborter.signal })
			.then((answer) => this.#answered(answer), (error) => this.endByError(error));
	}

	#answered(answer) {
		if (answer.status !== 200)
			return this.endByAnswer(answer);
		this.take(answer.text);
		this.end({ why: 'over', answer });
	}

	leave() {
		this.aborter.abort();
	}
}

class EventStream extends Receiver {
	constructor(base, { token, cursor, agent = keepAlive, ...options }) {
		super(options);
		this.text = '';
		const query = new URLSearchParams({ token, ...(cursor === undefined ? {} : { cursor }) });
		this.request = http.get(`${base}/v1/events?${query}`, { agent }, (answer) => this.#begin(answer));
		this.request.on('error', (error) => this.endByError(error));
		this.heard();
	}

	#begin(answer) {
		answer.setEncoding('utf8').on('error', (error) => this.endByError(error));
		answer.on('data', (text) => {
			this.heard();
			this.text += text;
			if (answer.statusCode === 200)
				this.#read();
		}).once('end', () => {
			if (answer.statusCode === 200)
				this.end({ why: 'over' });
			else
				this.endByAnswer(asAnswer(answer.statusCode, this.text, answer.headers));
		});
	}

	#read() {
		for (let end; (end = this.text.indexOf('\n\n')) >= 0; this.text = this.text.slice(end + 2))
			this.#block(this.text.slice(0, end));
	}

	#block(block) {
		const fields = block.split('\n').map((line) => /^([a-z]*):? ?(.*)$/s.exec(line)).filter(Boolean);
		const valueOf = (wanted) => fields.filter(([, name]) => name === wanted).map(([, , value]) => value).join('\n');
		const [event, data] = [valueOf('event'), valueOf('data')];
		if (event === 'taken')
			this.end({ why: 'taken' });
		else if (event === 'gone')
			this.end({ why: 'gone', answer: asAnswer(410, data) });
		else if (data)
			this.take(data);
	}

	leave() {
		this.request.destroy();
	}
}

class Socket extends Receiver {
	constructor(base, { token, cursor, ...options }) {
		super(options);
		this.asked = [];
		const query = new URLSearchParams({ token, ...(cursor === undefined ? {} : { cursor }) });
		this.socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws?${query}`, 'pollgate.v1');
		this.socket.on('open', () => this.#open()).on('message', (data) => this.#read(data.toString()));
		this.socket.on('ping', () => this.heard()).on('error', (error) => this.endByError(error));
		this.socket.on('close', (code) => this.#closed(code));
		this.socket.on('unexpected-response', (_, answer) => this.#refused(answer));
		this.heard();
	}

	async #refused(answer) {
		let text = '';
		answer.setEncoding('utf8');
		try {
			for await (const part of answer)
				text += part;
		} catch {}
		this.endByAnswer(asAnswer(answer.statusCode, text, answer.headers));
		this.socket.terminate();
	}

	#open() {
		this.ack = (cursor) => this.socket.send(JSON.stringify({ cursor }));
		this.ask = (body) => new Promise((resolve, reject) => {
			this.asked.push({ resolve, reject });
			this.socket.send(JSON.stringify(body));
		});
	}

	#read(text) {
		const { messages, status = 200 } = JSON.parse(text);
		this.heard();
		if (messages)
			this.take(text);
		else
			this.asked.shift().resolve(asAnswer(status, text));
	}

	#closed(code) {
		this.ack = this.ask = null;
		for (const { reject } of this.asked.splice(0))
			reject(Object.assign(new Error('closed'), { code: `close ${code}` }));
		if (code === 4410)
			this.end({ why: 'gone', answer: asAnswer(410, '{"code":"session_gone"}') });
		else if (code === 4409 || code === 1012)
			this.end({ why: code === 1012 ? 'over' : 'taken' });
		else
			this.endByError(Object.assign(new Error('closed'), { code: `close ${code}` }));
	}

	leave() {
		this.socket.terminate();
	}
}

/** As request() has it. */
function asAnswer(status, text, headers = {}) {
	let json;
	try {
		json = JSON.parse(text);
	} catch {}
	return { status, text, json, headers, code: status === 200 ? undefined : json?.code };
}

const kinds = { poll: Poll, sse: EventStream, ws: Socket };

export const receive = (transport, base, options) => new kinds[transport](base, options);

/** The gauge of those who wait by it. */
export const waitingGauge = (transport) => transport === 'poll' ? 'pollgate_polls_parked' : `pollgate_${transport}_open`;

/**
 * What a poll by hand brings: its answer.  Of a stream or socket that is its first document, or, with a hold, the first one that
 * says something, or the last one before the hold is over.
 */
export async function receiveOnce(transport, base, { hold, ...options }) {
	let text;
	const receiver = receive(transport, base, { hold, ...options, onDocument: ({ messages, gaps }, all) => {
		text = all;
		if (transport !== 'poll' && (hold === 0 || messages.length > 0 || gaps))
			receiver.stop();
	} });
	const timer = transport === 'poll' ? undefined : setTimeout(() => text && receiver.stop(), hold ?? 25000);
	const { answer, error } = await receiver.ended;
	clearTimeout(timer);
	if (error)
		throw error;
	return answer ?? asAnswer(200, text);
}
