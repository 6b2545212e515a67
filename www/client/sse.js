/* The receiver that reads one long answer: server-sent events, by fetch, so that silence is noticed and Node needs nothing more. */

import { broken, PollgateError } from './errors.js';
import { badAnswer, isBatch } from './http.js';
import { asQuery, Receiver } from './receiver.js';
import { claim, sharedName } from './tabs.js';

const SILENCE = 25_000; // The gateway says something every 15 s.
const PROBE_LIMIT = 5_000; // For two events that are sent a second apart.
const BRIEF = 3_000;

/** prove(), then start().  At the first failure it calls link.broken(error) and is of no more use. */
export class SseReceiver extends Receiver {
	#abort;
	#silence;
	#release; // Of a lock.
	#stopped = false;

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
		clearTimeout(this.#silence);
	}

	/** renew: the connection is probably dead. */
	kick(renew) {
		if (renew)
			this.#abort?.abort();
	}

	/** At most two tabs have a stream, so that connections are left for all else. */
	async #claim() {
		const name = sharedName(this.http);
		if (!globalThis.location)
			return;
		this.#release = name && (await claim(`${name} 1`) ?? await claim(`${name} 2`));
		if (this.#stopped)
			this.#release?.();
		if (!this.#release || this.#stopped)
			throw broken('busy');
	}

	async start() {
		try {
			while (!this.#stopped) {
				const since = Date.now();
				await this.#read();
				if (Date.now() - since < BRIEF) // Streams do end, but after some minutes.
					throw broken('ended');
			}
		} catch (error) {
			clearTimeout(this.#silence);
			if (!this.#stopped)
				error.retry || error.status === 404 ? this.link.broken(error) : this.link.lost(error);
		}
	}

	async #read() {
		this.#abort = new AbortController();
		this.#heard();
		for await (const { event, data } of this.http.events(`/v1/events${asQuery(this.session)}`, this.#abort, () => this.#heard())) {
			if (this.#stopped)
				return;
			if (event === 'taken')
				throw broken('taken');
			if (event === 'gone')
				throw new PollgateError('session_gone', data?.detail);
			if (!data?.messages)
				continue;
			if (!isBatch(data))
				throw badAnswer();
			this.link.worked();
			this.link.deliver(data);
		}
	}

	#heard() {
		clearTimeout(this.#silence);
		this.#silence = setTimeout(() => this.#abort.abort(), SILENCE);
	}

	/** No next poll tells the gateway what has come. */
	acknowledge() {
		this.http.ask(`/v1/send?token=${this.session.token}`, { body: JSON.stringify({ cursor: this.session.cursor }) }).catch(() => {});
	}
}
