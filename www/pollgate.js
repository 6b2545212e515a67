/*
 * Pollgate's client for browsers and Node 18.
 *
 *     const client = connect();
 *     client.on('chat', ({ from, data }) => console.log(from, data));
 *     await client.join('lobby');
 *     await client.send({ room: 'lobby', event: 'chat', data: 'hello' });
 *
 * Sends are numbered and repeated unchanged until they are answered; polls go on from the last cursor; what comes twice is
 * delivered once.  Http asks once, a receiver (PollReceiver; other transports will have its methods) brings batches in, the
 * Outbox sends, the Inbox removes duplicates, Client ties them together.
 */

const MIN_DELAY = 100; // Full jitter: a random time below MIN_DELAY * 2^attempt, at most MAX_DELAY.
const MAX_DELAY = 10_000;
const ANSWER_LIMIT = 20_000;
const POLL_SLACK = 10_000;
const CUT_AFTER = 5_000; // A poll that fails after so long was perhaps cut for being idle.
const BATCH_OPS = 64;
const BATCH_BYTES = 256 * 1024;

/** A message with such a name is only given to 'message'. */
const OWN_EVENTS = ['message', 'gap', 'reconnecting', 'resumed', 'closed'];

/** What promises are rejected with.  `code` is the gateway's (room_full, recipient_gone ...), queue_full or closed. */
export class PollgateError extends Error {
	/** @param {string} code  @param {string} [detail]  @param {object} [more] status, retry (ask again), after (so many ms) */
	constructor(code, detail, more) {
		super(detail || code);
		this.name = 'PollgateError';
		this.code = code;
		Object.assign(this, more);
	}
}

class Backoff {
	attempt = 0;

	wait(error, tell) {
		const delay = (error.after ?? 0) + Math.random() * Math.min(MAX_DELAY, MIN_DELAY * 2 ** this.attempt++);
		tell?.(error, delay);
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, delay);
			this.kick = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	/** Do not wait. */
	kick() {}
}

const passing = (status) => status < 400 || status >= 500 || [408, 425, 429].includes(status);

/** In ms.  Bounded, so that nobody can switch us off. */
function retryAfter(text) {
	const ms = text * 1000 || Date.parse(text) - Date.now();
	return ms > 0 ? Math.min(ms, 60_000) : 0;
}

class Http {
	#fetch;

	constructor(base, fetch = globalThis.fetch) {
		this.base = base.replace(/\/+$/, '');
		this.#fetch = (...args) => fetch(...args);
	}

	/** GET, or POST of a body: its JSON answer, or a PollgateError. */
	async ask(path, { body, limit = ANSWER_LIMIT, abort = new AbortController(), keepalive } = {}) {
		const timer = setTimeout(() => abort.abort(), limit);
		try {
			// No headers, and a string as the body: needs no preflight.
			const answer = await this.#fetch(this.base + path, {
				method: body === undefined ? 'GET' : 'POST', body, cache: 'no-store', credentials: 'omit', signal: abort.signal, keepalive,
			});
			const json = await answer.json().catch(() => {});
			if (answer.ok && json instanceof Object)
				return json;
			// Only the gateway's word is a refusal: the error page of something between us decides nothing.
			const { status, headers } = answer;
			const { code, detail, expected } = json ?? {};
			throw new PollgateError(code ?? `http_${status}`, detail, {
				status, expected, after: retryAfter(headers.get('Retry-After')),
				retry: passing(status) || !/problem/.test(headers.get('Content-Type')),
			});
		} catch (error) {
			if (error instanceof PollgateError)
				throw error;
			throw new PollgateError(abort.signal.aborted ? 'timeout' : 'network', error?.message, { retry: true });
		} finally {
			clearTimeout(timer);
		}
	}
}

/** Calls link.deliver(batch), worked() and failed(error, delay) as it goes, and at last lost(error) if the gateway refuses. */
class PollReceiver {
	#cuts = 0;
	#backoff = new Backoff();
	#abort = new AbortController();
	#since = 0;
	#renewed = false;
	#stopped = false;

	constructor(http, link, session, hold) {
		Object.assign(this, { http, link, session, hold: Math.min(session.hold, hold) });
	}

	stop() {
		this.#stopped = true;
		this.#abort.abort();
		this.#backoff.kick();
	}

	/** Do not wait.  renew: the connection under a poll is probably dead. */
	kick(renew) {
		this.#backoff.kick();
		if (renew || this.#lasted() > this.hold * 1.1 + POLL_SLACK) {
			this.#renewed = true;
			this.#abort.abort();
		}
	}

	async start() {
		let proven = true; // After a failure comes a poll that is not held: we soon know that the way is open again.
		let empty = 0;
		while (!this.#stopped) {
			const hold = proven ? this.hold : 0;
			try {
				const batch = await this.#poll(hold);
				if (this.#stopped)
					return;
				if (hold)
					this.#backoff.attempt = 0;
				if (hold && this.#lasted() > hold / 2)
					this.#cuts = 0;
				proven = true;
				this.link.worked();
				empty = hold && !batch.messages.length && this.#lasted() < 1000 ? empty + 1 : 0;
				this.link.deliver(batch);
				if (empty > 2) { // Someone else polls with our token?
					this.#backoff.attempt = empty;
					await this.#backoff.wait({});
				}
			} catch (error) {
				if (this.#stopped)
					return;
				if (!error.retry)
					return this.link.lost(error);
				proven = false;
				if (!this.#renewed)
					await this.#failed(error, hold);
			}
		}
	}

	async #poll(hold) {
		const { token, cursor } = this.session;
		this.#abort = new AbortController();
		this.#renewed = false;
		this.#since = Date.now();
		const batch = await this.http.ask(`/v1/poll?token=${token}&cursor=${encodeURIComponent(cursor)}` +
			(hold === this.session.hold ? '' : `&hold=${hold}`), { limit: hold * 1.1 + POLL_SLACK, abort: this.#abort });
		if (!Array.isArray(batch.messages))
			throw new PollgateError('bad_answer', '', { retry: true });
		return batch;
	}

	#lasted() {
		return Date.now() - this.#since;
	}

	async #failed(error, hold) {
		const lasted = this.#lasted();
		if (hold && lasted > CUT_AFTER) {
			this.#backoff.attempt = 0;
			if (++this.#cuts > 1) // Something cuts idle requests: hold them shorter.
				this.hold = Math.max(CUT_AFTER, Math.round(0.7 * Math.min(lasted, hold)));
		}
		await this.#backoff.wait(error, this.link.failed);
	}
}

/** Operations stay in the queue until they are answered; one request, of the first ones, is under way. */
class Outbox {
	#queue = []; // {text, bytes, kind, sent: requests that perhaps applied it, alone: travels by itself, resolve, reject}
	#seq;
	#post = null; // (body, abort) => answer; another one for each session.
	#running = false;
	#batchBytes = BATCH_BYTES;
	#abort;
	backoff = new Backoff();

	constructor(link, max) {
		Object.assign(this, { link, max });
	}

	/** Promises the operation's result. */
	add(op) {
		return new Promise((resolve, reject) => {
			if (this.#queue.length >= this.max)
				throw new PollgateError('queue_full');
			const text = JSON.stringify(op);
			this.#queue.push({ text, bytes: new TextEncoder().encode(text).length, kind: op.op, sent: 0, resolve, reject });
			this.#run();
		});
	}

	/** A session begins; its next operation has number seq. */
	open(post, seq) {
		this.#post = post;
		this.#seq = seq;
		this.backoff.attempt = 0;
		this.#run();
	}

	/** The session is gone.  Reject what it has perhaps delivered, or everything. */
	pause(error, everything) {
		this.#post = null;
		this.#abort?.abort();
		this.backoff.kick();
		this.#queue = this.#queue.filter((op) => {
			const keep = !everything && (op.kind !== 'send' || !op.sent);
			if (!keep)
				op.reject(error);
			return keep;
		});
	}

	async #run() {
		if (this.#running)
			return;
		this.#running = true;
		await undefined; // Let what is sent in one turn travel together.
		while (this.#post && this.#queue.length)
			await this.#exchange(this.#batch(), this.#post);
		this.#running = false;
	}

	#batch() {
		let n = 0;
		let bytes = 0;
		for (const op of this.#queue) {
			bytes += op.bytes + 1;
			if (n && (n >= BATCH_OPS || bytes > this.#batchBytes || op.alone || this.#queue[0].alone))
				break;
			n++;
		}
		return this.#queue.slice(0, n);
	}

	/** Ask until these operations are answered, refused or to be put together anew. */
	async #exchange(ops, post) {
		const body = `{"seq":${this.#seq},"ops":[${ops.map((op) => op.text)}]}`;
		while (this.#post === post) {
			ops.forEach((op) => op.sent++);
			try {
				const { seq, results } = await post(body, this.#abort = new AbortController());
				if (this.#post !== post)
					return;
				if (results?.length !== ops.length)
					throw new PollgateError('bad_answer', '', { retry: true });
				this.backoff.attempt = 0;
				this.#seq = seq;
				this.#queue.splice(0, ops.length);
				this.link.worked();
				return ops.forEach(({ resolve, reject }, i) => {
					const { error } = results[i];
					error ? reject(new PollgateError(error.code, error.detail)) : resolve(results[i]);
				});
			} catch (error) {
				if (this.#post !== post || (!error.retry && this.#refused(ops, error)))
					return;
				await this.backoff.wait(error, this.link.failed);
			}
		}
	}

	/** The gateway applied nothing of this request.  False: ask the same again after a while. */
	#refused(ops, error) {
		ops.forEach((op) => op.sent--);
		if (error.code === 'seq_hole') {
			// The store went back to an earlier state.  Go on from there.
			if (!(error.expected < this.#seq))
				return false;
			this.link.gap({ reason: 'sent', from: error.expected, to: this.#seq - 1 });
			this.#seq = error.expected;
		} else if ([401, 403, 410].includes(error.status)) {
			this.link.lost(error);
		} else if (ops.length === 1) {
			this.#queue.shift();
			ops[0].reject(error);
		} else if (error.status === 413) {
			this.#batchBytes = ops.reduce((sum, op) => sum + op.bytes, 0) / 2;
		} else {
			ops.forEach((op) => op.alone = true); // One of them is bad: find it.
		}
		return true;
	}
}

/** The later of two ids "ms-n"; '' is before all. */
function later(a, b) {
	const [x, y] = a.split('-');
	const [u, v] = b.split('-');
	return (x - u || y - v) < 0 ? b : a;
}

/** Delivers each message once; those of a room after its join was answered, until it is left. */
class Inbox {
	#mailbox = { last: '' };
	rooms = new Map(); // name -> {last, joined, joining: answers pending, held: messages that came before the answer, options}

	constructor(emit) {
		this.emit = emit;
	}

	take({ messages, gaps = [] }) {
		for (const gap of gaps) {
			const stream = this.#stream(gap);
			if (!stream)
				continue;
			// Ids may go back when a replica takes over.
			stream.last = later(gap.to, gap.from) === gap.to ? later(stream.last, gap.to) : gap.to;
			this.emit('gap', { reason: 'trimmed', ...gap });
		}
		messages.forEach((message) => this.#take(message));
	}

	#stream({ room }) {
		return room === undefined ? this.#mailbox : this.rooms.get(room);
	}

	#take(message) {
		const stream = this.#stream(message);
		if (stream?.held)
			return stream.held.push(message);
		if (!stream || later(stream.last, message.id) === stream.last)
			return;
		stream.last = message.id;
		this.emit('message', message);
		if (!OWN_EVENTS.includes(message.event))
			this.emit(message.event, message);
	}

	joining(name, options) {
		const room = this.rooms.get(name) ?? { last: '', joined: false, joining: 0, held: [] };
		room.joining++;
		room.options = options;
		this.rooms.set(name, room);
	}

	joined(name, result) {
		const room = this.rooms.get(name);
		room.joining--;
		room.joined = true;
		room.last = later(room.last, result.id);
		// The rest comes as messages.
		result.history = result.history?.filter(({ id }) => later(id, room.last) === room.last);
		setTimeout(() => { // Whoever waits for the join sees its result first.
			const { held } = room;
			room.held = null;
			held?.forEach((message) => this.#take(message));
		});
	}

	/** The join was refused (joining 1), or the room left (0). */
	left(name, joining) {
		const room = this.rooms.get(name);
		if (!room)
			return;
		room.joining -= joining;
		room.joined &&= joining;
		if (!room.joining && !room.joined)
			this.rooms.delete(name);
	}

	/** The session is gone: the gaps to tell, and the rooms to join again. */
	reset() {
		const rooms = [...this.rooms.values()].filter((room) => room.joined).map((room) => room.options);
		const gaps = [undefined, ...rooms.map(({ room }) => room)].map((room) => {
			const stream = this.#stream({ room });
			const from = stream.last || null;
			stream.last = '';
			return { reason: 'session', room, from, to: null };
		});
		return { gaps, rooms };
	}
}

/** 128 random bits in base64url. */
async function newToken() {
	const crypto = globalThis.crypto ?? (await import('node:crypto')).webcrypto; // Node 18 has it there only.
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').slice(0, 22);
}

/**
 * A session.  Events:
 * 'message'       {id, from, room (if not direct), event, data}; also emitted under its own event's name.  "$join" "$leave"
 *                 "$away" "$back" "$set" are the gateway's and have the public data of the member `from`.
 * 'gap'           messages are lost: {reason, room (if not direct), from, to}.  reason: 'trimmed', 'session' (see 'resumed'), or
 *                 'sent': the store has lost operations of ours (their numbers) that it had accepted.
 * 'reconnecting'  {reason, delay}: not even a repeat is answered.  Nothing needs to be done.
 * 'resumed'       {id, fresh}.  fresh: the gateway had forgotten the session.  This is a new one with a new id (`previous`: the
 *                 old), in the same rooms (`rooms`: the answers); a 'gap' for each stream came before.  Sends that may or may not
 *                 have been delivered are rejected with session_gone.
 * 'closed'        {reason, detail}: the end, by close() or the gateway's refusal.
 */
class Client {
	/** Public.  @type {string|undefined} */
	id;
	/** @type {Promise<{id: string, transports: string[], rooms: object[]}>} */
	ready;

	#http;
	#options;
	#listeners = new Map();
	#inbox = new Inbox((event, value) => this.#emit(event, value));
	#outbox;
	#receiver = null;
	#opening = new Backoff();
	#session; // {token, cursor, hold}
	#opened;
	#failures = new Map(); // part of ours -> attempts in vain, in a row
	#down = false;
	#closed = false;
	#unlisten = [];

	constructor(url, options) {
		this.#options = { rooms: [], resume: true, maxQueue: 1000, hold: Infinity, ...options };
		this.#http = new Http(url, this.#options.fetch);
		this.#outbox = new Outbox({
			...this.#link('send'),
			gap: (gap) => this.#emit('gap', gap),
		}, this.#options.maxQueue);
		this.#watchPage();
		this.#opened = this.#open(this.#options.rooms);
		this.ready = this.#opened.then((answer) => {
			this.#link('open').worked();
			return answer;
		});
		this.ready.catch(() => {}); // 'closed' tells it as well.
	}

	/** @param {string} event  @param {function(*)} fn  @returns {function()} off() */
	on(event, fn) {
		this.#listeners.set(event, [...this.#listeners.get(event) ?? [], fn]);
		return () => this.off(event, fn);
	}

	/** @param {string} event  @param {function(*)} fn */
	off(event, fn) {
		this.#listeners.set(event, (this.#listeners.get(event) ?? []).filter((other) => other !== fn));
	}

	/**
	 * Enter a room.  Rejected with room_full when it has `max` members.
	 * @param {string} room
	 * @param {{history?: number, max?: number}} [options] history: so many of the last messages
	 * @returns {Promise<{id: string, members: {id: string, data: *, away?: boolean}[], count: number, history?: object[]}>}
	 */
	async join(room, { history, max } = {}) {
		const options = { room, history, max };
		const op = { op: 'join', ...options };
		this.#check();
		this.#inbox.joining(room, options);
		try {
			let result = await this.#outbox.add(op);
			if (result.repeated) // Applied, but the answer is forgotten.  Again does no harm.
				result = await this.#outbox.add(op);
			this.#inbox.joined(room, result);
			return result;
		} catch (error) {
			this.#inbox.left(room, 1);
			throw error;
		}
	}

	/** @param {string} room */
	async leave(room) {
		this.#check();
		await this.#outbox.add({ op: 'leave', room });
		this.#inbox.left(room, 0);
	}

	/**
	 * Sends arrive in the order of the calls.  A room need not be joined.
	 * @param {{to?: string, room?: string, event: string, data?: *, self?: boolean}} message self: also to us
	 * @returns {Promise<{id?: string}>}
	 */
	async send({ to, room, event, data = null, self }) {
		this.#check();
		return this.#outbox.add({ op: 'send', to, room, event, data, self });
	}

	/** Change the session's public data.  @param {*} data */
	async set(data) {
		this.#check();
		this.#options.data = data;
		await this.#outbox.add({ op: 'set', data });
	}

	/**
	 * Look at a session.  It has received direct messages with ids up to `acked`.
	 * @param {string} id
	 * @returns {Promise<{id: string, away: boolean, data: *, acked: string|null, last: string}>}
	 */
	look(id) {
		return this.#question(`/v1/sessions/${encodeURIComponent(id)}`);
	}

	/** @param {string} room  @returns {Promise<{members: object[], count: number}>} */
	members(room) {
		return this.#question(`/v1/rooms/${encodeURIComponent(room)}/members`);
	}

	/** End the session.  What is not answered yet is rejected. */
	async close() {
		if (!this.#closed) {
			this.#finish(new PollgateError('closed'));
			await this.#end(this.#session ?? {});
		}
	}

	#end({ token }) {
		return token && this.#http.ask(`/v1/close?token=${token}`, { body: '', keepalive: true }).catch(() => {});
	}

	#check() {
		if (this.#closed)
			throw new PollgateError('closed');
	}

	#emit(event, value) {
		for (const fn of this.#listeners.get(event) ?? [])
			try {
				fn(value);
			} catch (error) {
				queueMicrotask(() => {
					throw error;
				});
			}
	}

	/** Ask until there is an answer. */
	async #persist(path, body, backoff, onFailure) {
		for (;;) {
			try {
				return await this.#http.ask(path, { body });
			} catch (error) {
				if (!error.retry)
					throw error;
				await backoff.wait(error, onFailure);
				this.#check();
			}
		}
	}

	/** The token is ours, so that a repeat does not open a second session. */
	async #open(rooms) {
		const session = this.#session = { token: await newToken() };
		this.#check();
		const { failed } = this.#link('open');
		let answer;
		try {
			answer = await this.#persist('/v1/sessions', JSON.stringify({ token: session.token, data: this.#options.data, rooms }),
				this.#opening, (error, delay) => {
					if (error.status && !passing(error.status))
						throw error; // A wrong URL shall not look like a gateway that is slow to answer.
					failed(error, delay);
				});
		} catch (error) {
			this.#finish(error);
			throw error;
		}
		if (this.#closed) {
			this.#end(session);
			this.#check();
		}
		this.#failures.delete('open');
		this.#opening.attempt = 0;
		this.id = answer.id;
		session.cursor = answer.cursor;
		session.hold = answer.hold;
		this.#outbox.open((body, abort) => this.#http.ask(`/v1/send?token=${session.token}`, {
			body, abort, limit: ANSWER_LIMIT + body.length / 4, // 4 kB/s is slow, but not dead.
		}), answer.seq);
		this.#enter(rooms, answer.rooms);
		this.#receiver = new PollReceiver(this.#http, {
			...this.#link('receive'),
			deliver: (batch) => {
				session.cursor = batch.cursor;
				this.#inbox.take(batch);
			},
		}, session, this.#options.hold);
		this.#receiver.start();
		return { id: answer.id, transports: answer.transports, rooms: answer.rooms };
	}

	#enter(rooms, results) {
		rooms.forEach((options, i) => {
			const room = options.room ?? options;
			const result = Object.assign(results[i], { room });
			this.#inbox.left(room, 0);
			this.#inbox.joining(room, options.room ? options : { room });
			result.error ? this.#inbox.left(room, 1) : this.#inbox.joined(room, result);
		});
	}

	async #reopen(error) {
		const previous = this.id;
		const { gaps, rooms } = this.#inbox.reset();
		this.#outbox.pause(error);
		this.#tellDown(error, 0);
		const answer = await (this.#opened = this.#open(rooms));
		for (const gap of gaps)
			this.#emit('gap', gap);
		this.#down = false;
		this.#emit('resumed', { id: this.id, fresh: true, previous, rooms: answer.rooms ?? [] });
	}

	#finish(error) {
		if (this.#closed)
			return;
		this.#closed = true;
		this.#receiver?.stop();
		this.#opening.kick();
		this.#outbox.pause(error, true);
		for (const unlisten of this.#unlisten)
			unlisten();
		this.#emit('closed', { reason: error.code, detail: error.message });
	}

	async #question(path) {
		this.#check();
		await this.#opened;
		return this.#persist(`${path}?token=${this.#session.token}`, undefined, new Backoff());
	}

	/** What one of our parts says about the way to the gateway. */
	#link(who) {
		return {
			worked: () => {
				this.#failures.delete(who);
				if (!this.#down || this.#failures.size || !this.#receiver)
					return;
				this.#down = false;
				this.#emit('resumed', { id: this.id, fresh: false });
			},
			failed: (error, delay) => {
				const n = (this.#failures.get(who) ?? 0) + 1;
				this.#failures.set(who, n);
				if (n > 1) // One failure that the first repeat makes good is nobody's business.
					this.#tellDown(error, delay);
			},
			lost: (error) => {
				if (!this.#receiver || this.#closed)
					return;
				this.#receiver.stop();
				this.#receiver = null;
				this.#failures.clear();
				if (this.#options.resume && (error.status === 410 || error.code === 'bad_cursor'))
					this.#reopen(error).catch(() => {});
				else
					this.#finish(error);
			},
		};
	}

	#tellDown(error, delay) {
		this.#down = true;
		this.#emit('reconnecting', { reason: error.code, delay: Math.round(delay) });
	}

	#watchPage() {
		const listen = (target, event, fn) => {
			target.addEventListener?.(event, fn);
			this.#unlisten.push(() => target.removeEventListener?.(event, fn));
		};
		const kick = (renew) => {
			this.#opening.kick();
			this.#outbox.backoff.kick();
			this.#receiver?.kick(renew);
		};
		const { document = {} } = globalThis;
		listen(globalThis, 'online', () => kick(true));
		listen(document, 'visibilitychange', () => document.hidden || kick(false));
		listen(globalThis, 'pagehide', () => {
			this.#receiver?.stop();
			navigator.sendBeacon(`${this.#http.base}/v1/close?token=${this.#session?.token}`);
		});
		listen(globalThis, 'pageshow', ({ persisted }) => { // From the back-forward cache.
			if (persisted)
				this.#link('page').lost(new PollgateError('session_gone', '', { status: 410 }));
		});
	}
}

/**
 * Open a session.  Its methods can be called at once.
 * @param {string} [url] of the gateway; '' is where the page comes from
 * @param {object} [options]
 * @param {*} [options.data] public, for the other members of its rooms
 * @param {(string|{room: string, history?: number, max?: number})[]} [options.rooms] joined from the start
 * @param {boolean|'new'} [options.resume] open a new session when this one is forgotten (true)
 * @param {number} [options.maxQueue] operations that may wait for their answers (1000)
 * @param {number} [options.hold] ms that a poll may take, if shorter than the gateway's setting
 * @param {typeof fetch} [options.fetch]
 * @returns {Client}
 */
export function connect(url = '', options = {}) {
	return new Client(url, options);
}
