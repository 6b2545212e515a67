/*
 * A gateway that a test makes up: it answers as the native protocol does in the plainest way, and each kind of request can be
 * answered otherwise by fake.on[kind] = (request, usual) => answer, with kind open, poll, send, close or other.
 *
 *   answer   an object (200 and this as JSON), error(status, code, more), page(status, text), or fake.CUT: the connection breaks
 *   request  { kind, method, path, query, text, body, token, aborted: a promise }
 */
import http from 'node:http';
import { atEnd } from './tap.mjs';

class Answer {
	constructor(status, text, headers = {}) {
		Object.assign(this, { status, text, headers });
	}
}
export const CUT = new Answer(0);
export const page = (status, text, headers) => new Answer(status, text, { 'Content-Type': 'text/html', ...headers });
export const error = (status, code, more = {}, headers = {}) =>
	new Answer(status, JSON.stringify({ type: 'about:blank', status, code, ...more }), { 'Content-Type': 'application/problem+json', ...headers });

const kinds = { '/v1/sessions': 'open', '/v1/poll': 'poll', '/v1/send': 'send', '/v1/close': 'close', '/v1/auth': 'auth' };

export class Fake {
	requests = [];
	sessions = [];
	on = {};
	hold = 25000;
	transports = ['poll'];
	#ids = 1000;
	#batches = []; // All that were pushed.
	#given = 0; // So many of them were answered to some poll.
	#starts = new Map(); // That number when a session was opened, by its token.
	#waiting = new Set();

	async start() {
		this.server = http.createServer((incoming, outgoing) => this.#serve(incoming, outgoing));
		await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
		this.url = `http://127.0.0.1:${this.server.address().port}`;
		this.forget = atEnd(() => this.stop());
		return this;
	}

	async stop() {
		this.forget();
		this.server.closeAllConnections();
		await new Promise((resolve) => this.server.close(resolve));
	}

	of(kind) {
		return this.requests.filter((request) => request.kind === kind);
	}

	/** A new id. */
	id() {
		return `${++this.#ids}-0`;
	}

	/** Answer the poll that waits, or the next one, with these messages; again until a poll has the cursor that they end with. */
	push(messages, more = {}) {
		this.#batches.push({ cursor: `c${++this.#ids}`, messages, ...more });
		this.#flush();
	}

	#flush() {
		for (const poll of this.#waiting)
			if (poll.place < this.#batches.length) {
				this.#waiting.delete(poll);
				this.#given = Math.max(this.#given, poll.place + 1);
				poll.answer(this.#batches[poll.place]);
			}
	}

	/** Which batch a poll asks for: the one behind its cursor, or, if that is not one of ours (but of a socket), behind all that were given. */
	#place({ token, cursor }) {
		if (cursor === 'start')
			return this.#starts.get(token) ?? this.#given;
		const last = this.#batches.findIndex((batch) => batch.cursor === cursor);
		return last < 0 ? this.#given : last + 1;
	}

	async #serve(incoming, outgoing) {
		const url = new URL(incoming.url, 'http://fake');
		let text = '';
		for await (const chunk of incoming.setEncoding('utf8'))
			text += chunk;
		const request = {
			kind: kinds[url.pathname] ?? 'other', method: incoming.method, path: url.pathname, query: Object.fromEntries(url.searchParams),
			headers: incoming.headers, text, body: text ? JSON.parse(text) : undefined, token: url.searchParams.get('token'),
			aborted: new Promise((resolve) => outgoing.once('close', () => outgoing.writableFinished || resolve())),
		};
		this.requests.push(request);
		const usual = () => this[`_${request.kind}`](request);
		const answer = await (this.on[request.kind] ?? usual)(request, usual);
		if (outgoing.destroyed)
			return;
		if (answer === CUT)
			return incoming.socket.destroy();
		const { status, text: body, headers } = answer instanceof Answer ? answer
			: new Answer(200, JSON.stringify(answer), { 'Content-Type': 'application/json' });
		outgoing.writeHead(status, headers).end(body);
	}

	_open({ body }) {
		const known = this.sessions.find(({ token }) => token === body.token);
		const session = known ? { ...known, seq: undefined } : { id: `session-${this.sessions.length + 1}`, token: body.token, seq: 1 };
		if (!known) {
			this.sessions.push(session);
			this.#starts.set(body.token, this.#given);
		}
		return { ...session, cursor: 'start', hold: this.hold, ttl: 900000, away: 60000, transports: this.transports, rooms: body.rooms?.map((room) => this.joined(room)) };
	}

	_poll({ query, aborted }) {
		if (query.hold === '0')
			return { cursor: query.cursor, messages: [] };
		return new Promise((resolve) => {
			const poll = { place: this.#place(query), answer: resolve };
			this.#waiting.add(poll);
			aborted.then(() => this.#waiting.delete(poll));
			this.#flush();
		});
	}

	_send({ body }) {
		return { seq: body.seq + body.ops.length, results: body.ops.map((op) => this.result(op)) };
	}

	_close() {
		return {};
	}

	_auth() {
		return {};
	}

	_other() {
		return error(404, 'not_found');
	}

	result(op) {
		return op.op === 'send' ? { id: this.id() } : op.op === 'join' ? this.joined(op) : {};
	}

	joined({ room }) {
		return { room, id: this.id(), members: [], count: 1 };
	}
}

export const startFake = () => new Fake().start();
