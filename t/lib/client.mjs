/*
 * The reference client of the native protocol: it follows the rules and nothing more, and it records everything, so that a test
 * can ask afterwards what was received, twice, out of order or not at all.
 *
 * Rules: one numbered send at a time, repeated (same number, same content) until it is answered; one poll (or stream, or socket)
 * at a time with the last cursor; an entry whose id is not above the last one of its stream is a duplicate and not given to the
 * application.  What a stream or socket brought is acknowledged a little later.
 */
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { defaultTransport, receive, receiveOnce } from './receive.mjs';
import { atEnd } from './tap.mjs';
import { request } from './request.mjs';
import { patience, sleep, waitFor } from './wait.mjs';

export { request };

const ACK_MS = 300;
const CROSSING_MS = patience(1000);

export const newToken = () => randomBytes(16).toString('base64url');

/** Below 0 when id a is before id b. */
export function compareIds(a, b) {
	const [ma, sa] = a.split('-').map(BigInt);
	const [mb, sb] = b.split('-').map(BigInt);
	const difference = ma - mb || sa - sb;
	return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** POST /v1/sessions, once: the answer. */
export const createSession = (base, body, options = {}) => request(base, 'POST', '/v1/sessions',
	{ body: body ?? {}, ...options });
export const pollOnce = (base, token, cursor, hold = 0, options = {}) =>
	request(base, 'GET', '/v1/poll', { token, query: { cursor, hold }, ...options });
/** polls: [{ token, cursor }, ...] */
export const pollTogether = (base, polls, hold = 0, options = {}) =>
	request(base, 'POST', '/v1/polls', { body: { polls: polls.map(({ token, cursor }) => ({ token, cursor })), hold }, limitMs: 40000, ...options });
export const sendOps = (base, token, ops, seq, options = {}) =>
	request(base, 'POST', '/v1/send', { token, body: seq === undefined ? { ops } : { seq, ops }, ...options });

export class ClientError extends Error {
	constructor(what, answer) {
		super(`${what}: ${answer.status} ${answer.code ?? ''} ${answer.text.slice(0, 300)}`);
		this.answer = answer;
		this.status = answer.status;
		this.code = answer.code;
	}
}

export class Client {
	#switch;

	/** base: a URL, or a function that gives one for each request.  hold: milliseconds, for each poll.  transport: see receive.mjs */
	constructor(base, { hold, retryMs = 50, name = 'client', transport = defaultTransport() } = {}) {
		Object.assign(this, { base, hold, retryMs, name, transport });
		this.agent = new http.Agent({ keepAlive: true });
		this.token = newToken();
		this.seq = 1;
		this.messages = [];   /* What the application got, in order. */
		this.duplicates = []; /* What came again: allowed on the wire. */
		this.disorder = [];   /* What came below an id of the same answer: never allowed. */
		this.gaps = [];
		this.failures = [];   /* { what, status | error }: every request that did not succeed at once. */
		this.polls = 0;       /* Or what else brought a document. */
		this.last = new Map();
		this.sending = Promise.resolve();
		this.stopped = false;
		this.gone = false;
		this.taken = false;   /* By somebody else: this one does not come back by itself. */
		this.crossed = 0;     /* Taken over from by what it had asked for before, which was late. */
		this.switchedAt = 0;
		this.forget = atEnd(() => this.stop());
	}

	static async open(base, { rooms, data, start = true, ...options } = {}) {
		const client = new Client(base, options);
		await client.create({ rooms, data });
		if (start)
			client.start();
		return client;
	}

	#base() {
		return typeof this.base === 'function' ? this.base() : this.base;
	}

	#request(method, target, options = {}) {
		return request(this.#base(), method, target, { token: this.token, agent: this.agent, ...options });
	}

	/** Repeat until it is answered otherwise than by a cut or a 5xx. */
	async #persist(what, ask) {
		for (;;) {
			let answer;
			try {
				answer = await ask();
				if (answer.status < 500)
					return answer;
				this.failures.push({ what, status: answer.status, code: answer.code });
			} catch (error) {
				this.failures.push({ what, error: error.code ?? error.message });
			}
			if (this.stopped)
				throw new Error(`${this.name}: stopped while repeating ${what}`);
			await sleep(this.retryMs * (0.5 + Math.random()));
		}
	}

	async create({ rooms, data } = {}) {
		const body = { rooms, data, token: this.token };
		const answer = await this.#persist('create', () => this.#request('POST', '/v1/sessions', { body, token: undefined }));
		if (answer.status !== 201 && answer.status !== 200)
			throw new ClientError('create', answer);
		this.session = answer.json;
		this.id = answer.json.id;
		this.cursor = answer.json.cursor;
		return this.session;
	}

	/** Apply ops in one numbered request; their results.  Calls are sent one after the other. */
	ops(...ops) {
		const mine = this.sending.then(() => this.#apply(ops));
		this.sending = mine.catch(() => {});
		return mine;
	}

	async #apply(ops) {
		const body = { seq: this.seq, ops };
		const answer = await this.#persist('send', () => this.receiver?.ask?.(body) ?? this.#request('POST', '/v1/send', { body }));
		if (answer.status !== 200) {
			this.gone ||= answer.status === 410;
			throw new ClientError('send', answer);
		}
		if (answer.json.seq !== this.seq + ops.length)
			throw new Error(`${this.name}: sent ${ops.length} from ${this.seq}, answered seq ${answer.json.seq}`);
		this.seq = answer.json.seq;
		return answer.json.results;
	}

	async #one(op) {
		const [result] = await this.ops(op);
		return result;
	}

	send(to, event, data) {
		return this.#one({ op: 'send', to, event, data });
	}

	sendRoom(room, event, data, self) {
		return this.#one({ op: 'send', room, event, data, ...(self === undefined ? {} : { self }) });
	}

	join(room, more = {}) {
		return this.#one({ op: 'join', room, ...more });
	}

	leave(room) {
		return this.#one({ op: 'leave', room });
	}

	set(data) {
		return this.#one({ op: 'set', data });
	}

	/** Look at another session: the answer. */
	look(id) {
		return this.#request('GET', `/v1/sessions/${id}`);
	}

	members(room) {
		return this.#request('GET', `/v1/rooms/${encodeURIComponent(room)}/members`);
	}

	/** Poll once from the cursor (or what is the same of a stream or socket), record what came, return the answer. */
	async poll(hold = this.hold) {
		const answer = await receiveOnce(this.transport, this.#base(), { token: this.token, cursor: this.cursor, hold, agent: this.agent });
		if (answer.status === 200)
			this.take(answer.json);
		this.gone ||= answer.status === 410;
		return answer;
	}

	/** Record what the document of a poll brought. */
	take({ cursor, messages, gaps = [] }) {
		this.polls++;
		this.cursor = cursor;
		for (const gap of gaps) {
			this.gaps.push(gap);
			this.last.set(gap.room ?? '', gap.to);
		}
		const inAnswer = new Map();
		for (const message of messages) {
			const stream = message.room ?? '';
			if (inAnswer.has(stream) && compareIds(message.id, inAnswer.get(stream)) <= 0)
				this.disorder.push(message);
			inAnswer.set(stream, message.id);
			if (this.last.has(stream) && compareIds(message.id, this.last.get(stream)) <= 0) {
				this.duplicates.push(message);
				continue;
			}
			this.last.set(stream, message.id);
			this.messages.push(message);
			this.onMessage?.(message);
		}
	}

	/** Receive in a loop until stop(), the session is gone or taken over. */
	start() {
		this.looping ??= this.#loop();
		return this;
	}

	#receive(onDocument) {
		const { token, cursor, hold, agent } = this;
		return receive(this.transport, this.#base(), { token, cursor, hold, agent, onDocument });
	}

	async #loop() {
		while (!this.stopped && !this.gone && !this.taken) {
			const receiver = this.receiver = this.#receive((document) => {
				if (receiver !== this.receiver)
					return;
				this.take(document);
				this.#ackSoon();
			});
			const switched = new Promise((resolve) => this.#switch = () => resolve(null));
			const end = await Promise.race([receiver.ended, switched]);
			if (end === null)
				continue;
			receiver.stop();
			if (this.#mayGoOn(end) || this.stopped)
				continue;
			await sleep(this.retryMs * (0.5 + Math.random()));
		}
	}

	/** At once? */
	#mayGoOn({ why, answer, error }) {
		const crossed = why === 'taken' && Date.now() - this.switchedAt < CROSSING_MS;
		this.gone ||= why === 'gone';
		this.taken = why === 'taken' && !crossed;
		this.crossed += crossed;
		if (why === 'failed' && !this.stopped)
			this.failures.push({ what: 'receive', status: answer?.status, code: answer?.code, error: error && (error.code ?? error.message) });
		return why !== 'failed' && !crossed;
	}

	/**
	 * Receive by another transport from now on.  The older receiver is left; or (leave: false) the newer one is to take over from it,
	 * and what it still brings is ignored.  Returns the older one.
	 */
	use(transport, { leave = true } = {}) {
		const older = this.receiver;
		this.transport = transport;
		this.switchedAt = Date.now();
		this.receiver = null;
		this.#switch();
		if (leave)
			older.stop();
		return older;
	}

	/** A next poll acknowledges by itself. */
	#ackSoon() {
		if (this.transport === 'poll')
			return;
		this.acking ??= setTimeout(() => {
			this.acking = null;
			if (this.receiver?.ack)
				this.receiver.ack(this.cursor);
			else
				this.#request('POST', '/v1/send', { body: { cursor: this.cursor } }).catch(() => {}); /* The next one says more. */
		}, ACK_MS);
	}

	/** Leave without a word: the poll is aborted, the session stays. */
	async stop() {
		this.forget();
		this.stopped = true;
		clearTimeout(this.acking);
		this.receiver?.stop();
		await this.looping;
		this.agent.destroy();
	}

	async close() {
		const answer = await this.#request('POST', '/v1/close');
		await this.stop();
		return answer;
	}

	/** Wait until a message (already here or to come) matches; returns it. */
	wait(matches, what = matches.toString()) {
		return waitFor(() => this.messages.find(matches), () => `${this.name} to get ${what}; it has ${this.summary()}`,
			{ everyMs: 5 });
	}

	waitEvent(event, matches = () => true) {
		return this.wait((message) => message.event === event && matches(message), event);
	}

	/** The messages that the application sent (no gateway events), of a room or ('') direct. */
	of(stream, event) {
		return this.messages.filter((m) => (m.room ?? '') === stream && !m.event.startsWith('$')
			&& (event === undefined || m.event === event));
	}

	summary() {
		const last = this.messages.slice(-5).map((m) => `${m.event}${m.room ? '@' + m.room : ''}:${JSON.stringify(m.data)}`);
		return `${this.messages.length} messages (.. ${last.join(', ')}), ${this.gaps.length} gaps, ${this.failures.length} failures${this.gone ? ', gone' : ''}${this.taken ? ', taken over' : ''}`;
	}
}

/** Polls in a loop for clients that do not poll themselves, one request for all of them. */
export class SharedPoll {
	constructor(base, clients, { hold, retryMs = 50 } = {}) {
		Object.assign(this, { base, clients: new Set(clients), hold, retryMs });
		this.answers = 0;
		this.together = 0; /* Answers that brought something to more than one. */
		this.failures = [];
		this.errors = [];  /* { client, code } */
		this.forget = atEnd(() => this.stop());
		this.looping = this.#loop();
	}

	async #loop() {
		while (!this.stopped && this.clients.size > 0) {
			const asked = [...this.clients];
			this.aborter = new AbortController();
			try {
				const base = typeof this.base === 'function' ? this.base() : this.base;
				const answer = await pollTogether(base, asked, this.hold, { signal: this.aborter.signal });
				if (answer.status !== 200)
					throw new ClientError('polls', answer);
				this.#take(asked, answer.json.polls);
			} catch (error) {
				if (this.stopped)
					return;
				this.failures.push(error.code ?? error.message);
				await sleep(this.retryMs * (0.5 + Math.random()));
			}
		}
	}

	#take(asked, parts) {
		this.answers++;
		this.together += parts.filter(({ messages }) => messages?.length > 0).length > 1;
		for (const [i, part] of parts.entries()) {
			if (part.error) {
				this.errors.push({ client: asked[i], code: part.error.code });
				this.clients.delete(asked[i]);
			} else {
				asked[i].take(part);
			}
		}
	}

	async stop() {
		this.forget();
		this.stopped = true;
		this.aborter?.abort();
		await this.looping;
	}
}
