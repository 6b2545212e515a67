/* The receiver that reads one long answer: server-sent events, by fetch, so that silence is noticed and Node needs nothing more. */

import { Backoff } from './backoff.js';
import { PollgateError } from './errors.js';
import { badAnswer, isBatch } from './http.js';
import { claim, sharedName } from './tabs.js';

const SILENCE = 25_000; // The gateway says something every 15 s.
const PROBE_LIMIT = 5_000; // For two events that are sent a second apart.
const ACK_AFTER = 2_000;
const BRIEF = 1_000;
const FINAL = [400, 401, 403, 410]; // What a poll would be refused for, too.

/** As PollReceiver, but at the first failure it calls link.broken(error) and is of no more use. */
export class SseReceiver {
	#backoff = new Backoff();
	#abort;
	#silence;
	#ack;
	#release; // Of a lock.
	#stopped = false;

	constructor(http, link, session) {
		Object.assign(this, { http, link, session });
	}

	/** Rejected unless events come through as they are sent. */
	async prove() {
		await this.#claim();
		const abort = this.#abort = new AbortController();
		const timer = setTimeout(() => abort.abort(), PROBE_LIMIT);
		let n = 0;
		try {
			for await (const { event } of this.http.events(`/v1/events?probe=${Math.random().toString(36).slice(2)}`, abort, () => {}))
				if (event === 'probe' && ++n === 2)
					return;
			throw badAnswer();
		} catch (error) {
			throw Object.assign(error, { retry: true });
		} finally {
			clearTimeout(timer);
			abort.abort();
		}
	}

	stop() {
		this.#stopped = true;
		this.#release?.();
		this.#abort?.abort();
		this.#backoff.kick();
		clearTimeout(this.#silence);
		clearTimeout(this.#ack);
	}

	/** renew: the connection is probably dead. */
	kick(renew) {
		this.#backoff.kick();
		if (renew)
			this.#abort?.abort();
	}

	/** At most two tabs have a stream, so that connections are left for all else. */
	async #claim() {
		const name = sharedName(this.http.base);
		if (!globalThis.location)
			return;
		this.#release = name && (await claim(`${name} 1`) ?? await claim(`${name} 2`));
		if (this.#stopped)
			this.#release?.();
		if (!this.#release || this.#stopped)
			throw new PollgateError('busy', '', { retry: true });
	}

	async start() {
		try {
			while (!this.#stopped) {
				const since = Date.now();
				await this.#read();
				// It ended as streams do after some minutes.
				if (Date.now() - since < BRIEF)
					await this.#backoff.wait({});
				else
					this.#backoff.attempt = 0;
			}
		} catch (error) {
			clearTimeout(this.#silence);
			if (!this.#stopped)
				FINAL.includes(error.status) ? this.link.lost(error) : this.link.broken(error);
		}
	}

	async #read() {
		const { token, cursor } = this.session;
		this.#abort = new AbortController();
		this.#heard();
		const events = this.http.events(`/v1/events?token=${token}&cursor=${encodeURIComponent(cursor)}`, this.#abort, () => this.#heard());
		for await (const { event, data } of events) {
			if (this.#stopped)
				return;
			if (event === 'taken')
				throw new PollgateError('taken', '', { retry: true });
			if (event === 'gone')
				throw new PollgateError('session_gone', data.detail, { status: 410 });
			if (!data?.messages)
				continue;
			if (!isBatch(data))
				throw badAnswer();
			this.link.worked();
			this.link.deliver(data);
			if (data.messages.some(({ room }) => room === undefined))
				this.#ack ??= setTimeout(() => this.#acknowledge(), ACK_AFTER);
		}
	}

	#heard() {
		clearTimeout(this.#silence);
		this.#silence = setTimeout(() => this.#abort.abort(), SILENCE);
	}

	/** No next poll tells the gateway what has come. */
	#acknowledge() {
		this.#ack = undefined;
		this.http.ask(`/v1/send?token=${this.session.token}`, { body: JSON.stringify({ cursor: this.session.cursor }) }).catch(() => {});
	}
}
