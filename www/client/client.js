/* A session: ties the parts together. */

import { Backoff } from './backoff.js';
import { PollgateError } from './errors.js';
import { Http, passing } from './http.js';
import { Inbox } from './inbox.js';
import { Memory } from './memory.js';
import { Outbox } from './outbox.js';
import { Presence } from './presence.js';
import { Receiving } from './receiving.js';
import { newToken } from './token.js';

/**
 * A session.  Events:
 * 'message'       {id, from (not of the backend's), room (if not direct), event, data}; also emitted under its own event's name.  "$join" "$leave"
 *                 "$away" "$back" "$set" are the gateway's and have the public data of the member `from`.
 * 'gap'           messages are lost: {reason, room (if not direct), from, to}.  reason: 'trimmed', 'session' (see 'resumed'), or
 *                 'sent': the store has lost operations of ours (their numbers) that it had accepted.
 * 'presence'      {room, members, change: {type, id, data}}: a room that we are in has other members now, or other data of one.
 *                 type: 'join', 'leave', 'away', 'back', 'set', or 'reset': the list is new as a whole.
 * 'away'          {}: out of contact for so long that the others see us away.  'resumed' is the end of it.
 * 'transport'     {transport, previous, reason}: messages come by another transport.  reason: 'open', 'use', 'proven', or why
 *                 the other one was left.
 * 'reconnecting'  {reason, delay}: not even a repeat is answered.  Nothing needs to be done.
 * 'resumed'       {id, fresh}.  fresh: the gateway had forgotten the session.  This is a new one with a new id (`previous`: the
 *                 old), in the same rooms (`rooms`: the answers); a 'gap' for each stream came before.  Sends that may or may not
 *                 have been delivered are rejected with session_gone.
 * 'closed'        {reason, detail, error}: the end, by close() or the gateway's refusal.  error: what `ready` is rejected with if it
 *                 was the opening that failed; its `reason` is the application's code.
 */
export class Client {
	/** Public.  @type {string|undefined} */
	id;
	/** How messages come: 'poll', 'sse' or 'ws'.  @type {string|undefined} */
	transport;
	/** @type {Promise<{id: string, transports: string[], rooms: object[]}>} */
	ready;

	#http;
	#options;
	#listeners = new Map();
	#presence = new Presence((event, value) => this.#emit(event, value));
	#inbox = new Inbox((event, value) => this.#arrived(event, value));
	#outbox;
	#receiving = null;
	#memory;
	#opening = new Backoff();
	#session; // {token, cursor, hold, away, transports ...}: the answer to the opening, with the latest cursor
	#chosen = 'auto';
	#awayTimer;
	#renewal; // A timer.
	#opened;
	#failures = new Map(); // part of ours -> attempts in vain, in a row
	#down = false;
	#closed = false;
	#unlisten = [];

	constructor(url, options) {
		this.#options = { rooms: [], resume: true, maxQueue: 1000, hold: Infinity, transports: ['poll', 'sse', 'ws'],
			WebSocket: globalThis.WebSocket?.native ?? globalThis.WebSocket, tabs: true, ...options }; // shim.js is none.
		this.#http = new Http(url, this.#options.fetch);
		this.#memory = new Memory(url);
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
	 * @returns {Promise<{room: string, id: string, members: {id: string, data: *, away?: boolean}[], count: number, history?: object[], existing?: boolean}>}
	 */
	async join(room, { history, max } = {}) {
		const options = { room, history, max };
		this.#check();
		this.#inbox.joining(room, options);
		try {
			const result = await this.#presence.learn(room, this.#enterRoom(options));
			this.#inbox.joined(room, result);
			return result;
		} catch (error) {
			this.#inbox.left(room, 1);
			throw error;
		}
	}

	async #enterRoom(options) {
		const op = { op: 'join', ...options };
		const result = await this.#outbox.add(op);
		return result.repeated ? this.#outbox.add(op) : result; // Applied, but the answer is forgotten.  Again does no harm.
	}

	/** @param {string} room */
	async leave(room) {
		this.#check();
		await this.#outbox.add({ op: 'leave', room });
		this.#inbox.left(room, 0);
		this.#presence.forget(room);
	}

	/**
	 * The last messages of a room that we are in, oldest first.  Some of them may have come, or come yet, as messages, too.
	 * @param {string} room  @param {number} n  @returns {Promise<object[]>}
	 */
	async history(room, n) {
		this.#check();
		if (!this.#inbox.rooms.get(room)?.joined)
			throw new PollgateError('not_joined');
		return (await this.#presence.learn(room, this.#enterRoom({ room, history: n }))).history ?? [];
	}

	/** Who is in a room that we are in, as far as we know now.  @param {string} room  @returns {object[]} */
	presence(room) {
		return this.#presence.members(room);
	}

	/** Choose the transport by hand, or 'auto'.  Polls go on until it works.  @param {string} name */
	use(name) {
		this.#check();
		/* Before it is open, what may be. */
		if (name !== 'auto' && !(this.#receiving?.able(name) ?? this.#options.transports.includes(name)))
			throw new PollgateError('transport_unavailable');
		this.#chosen = name;
		this.#receiving?.use(name);
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
		this.#presence.set(this.id, data);
	}

	/**
	 * Look at a session.  It has received direct messages with ids up to `acked`.
	 * @param {string} id
	 * @returns {Promise<{id: string, away: boolean, data: *, acked: string|null, last: string}>}
	 */
	look(id) {
		return this.#question(`/v1/sessions/${encodeURIComponent(id)}`);
	}

	/** @param {string} room  @returns {Promise<{room: string, members: object[], count: number}>} */
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

	/** The Inbox has something new. */
	#arrived(event, value) {
		if (event === 'message')
			this.#presence.take(value);
		this.#emit(event, value);
		if (event === 'gap' && value.room !== undefined)
			this.#presence.learn(value.room, this.members(value.room)).catch(() => {});
	}

	/** Ask until there is an answer. */
	async #persist(path, body, backoff, onFailure, valid) {
		for (;;) {
			try {
				return await this.#http.ask(path, { body, valid });
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
			answer = await this.#persist('/v1/sessions', JSON.stringify({ token: session.token, data: this.#options.data, rooms,
				auth: await this.#auth() }), this.#opening, (error, delay) => {
					if (error.status && !passing(error.status))
						throw error; // A wrong URL shall not look like a gateway that is slow to answer.
					failed(error, delay);
				}, ({ id, cursor, hold }) => id && cursor && hold > 0);
		} catch (error) {
			this.#finish(error);
			throw error;
		}
		if (this.#closed) {
			this.#end(session);
			this.#check();
		}
		this.#renew(answer);
		this.#failures.delete('open');
		this.#opening.attempt = 0;
		this.id = answer.id;
		Object.assign(session, answer);
		const receiving = this.#receiving = new Receiving(this.#http, {
			...this.#link('receive'),
			deliver: (batch) => {
				session.cursor = batch.cursor;
				this.#inbox.take(batch);
			},
		}, session, this.#options, this.#memory, (transport, reason) => {
			const previous = this.transport;
			this.transport = transport;
			if (transport !== previous)
				this.#emit('transport', { transport, previous, reason });
		});
		this.#enter(rooms, answer.rooms);
		this.#outbox.open((body, abort) => receiving.post(body, abort), answer.seq ?? 1); // None if this repeats an opening.
		receiving.start(this.#chosen);
		return { id: answer.id, transports: answer.transports, rooms: answer.rooms };
	}

	#auth() {
		const { auth } = this.#options;
		return typeof auth === 'function' ? auth() : auth;
	}

	/** Ask for more time, unless this answer gave some, and again before it is over.  Whoever is told auth_expired comes here, too. */
	async #renew(answer) {
		let expires = 1000; // If the page has no token just now.
		try {
			({ expires } = answer ?? await this.#question('/v1/auth', JSON.stringify({ auth: await this.#auth() })));
			this.#receiving?.kick();
		} catch (error) {
			if (error instanceof PollgateError)
				return this.#link().lost(error);
		}
		clearTimeout(this.#renewal);
		if (expires < 2e9) // More than timers can.
			this.#renewal = setTimeout(() => this.#renew(), expires * 0.8);
	}

	#enter(rooms, results) {
		rooms.forEach((options, i) => {
			const room = options.room ?? options;
			const result = Object.assign(results[i], { room });
			this.#inbox.left(room, 0);
			this.#inbox.joining(room, options.room ? options : { room });
			if (result.error) {
				this.#inbox.left(room, 1);
				this.#presence.forget(room);
			} else {
				this.#presence.learn(room, result);
				this.#inbox.joined(room, result);
			}
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
		clearTimeout(this.#awayTimer);
		clearTimeout(this.#renewal);
		this.#receiving?.stop();
		this.#opening.kick();
		this.#outbox.pause(error, true);
		for (const unlisten of this.#unlisten)
			unlisten();
		this.#emit('closed', { reason: error.code, detail: error.message, error });
	}

	async #question(path, body) {
		this.#check();
		await this.#opened;
		return this.#persist(`${path}?token=${this.#session.token}`, body, new Backoff());
	}

	/** What one of our parts says about the way to the gateway. */
	#link(who) {
		return {
			worked: () => {
				this.#failures.delete(who);
				clearTimeout(this.#awayTimer);
				this.#awayTimer = undefined;
				if (!this.#down || this.#failures.size || !this.#receiving)
					return;
				this.#down = false;
				this.#emit('resumed', { id: this.id, fresh: false });
			},
			failed: (error, delay) => {
				if (error.code === 'auth_expired')
					this.#renew();
				const n = (this.#failures.get(who) ?? 0) + 1;
				this.#failures.set(who, n);
				if (this.#session?.away && !this.#closed)
					this.#awayTimer ??= setTimeout(() => this.#emit('away', {}), this.#session.away);
				if (n > 1) // One failure that the first repeat makes good is nobody's business.
					this.#tellDown(error, delay);
			},
			lost: (error) => {
				if (!this.#receiving || this.#closed)
					return;
				this.#receiving.stop();
				this.#receiving = null;
				this.#failures.clear();
				if (this.#options.resume && ['session_gone', 'bad_cursor'].includes(error.code))
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
			this.#receiving?.kick(renew);
		};
		const { document = {} } = globalThis;
		listen(globalThis, 'online', () => kick(true));
		listen(document, 'visibilitychange', () => document.hidden || kick(false));
		listen(globalThis, 'pagehide', () => {
			this.#receiving?.stop();
			navigator.sendBeacon(`${this.#http.base}/v1/close?token=${this.#session?.token}`);
		});
		listen(globalThis, 'pageshow', ({ persisted }) => { // From the back-forward cache.
			if (persisted)
				this.#link('page').lost(new PollgateError('session_gone'));
		});
	}
}
