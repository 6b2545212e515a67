/* The receiver that works everywhere: one poll after the other. */

import { Backoff } from './backoff.js';
import { isBatch } from './http.js';
import { asQuery, Receiver } from './receiver.js';

const POLL_SLACK = 10_000;
const CUT_AFTER = 5_000; // A poll that fails after so long was perhaps cut for being idle.

export class PollReceiver extends Receiver {
	#cuts = 0;
	#backoff = new Backoff();
	#abort = new AbortController();
	#since = 0;
	#renewed = false;
	#trusted;
	#stopped = false;

	stop() {
		this.#stopped = true;
		this.#abort.abort();
		this.#backoff.kick();
	}

	/** Do not wait.  renew: the connection under a poll is probably dead, unless it is trusted. */
	kick(renew, trusted) {
		this.#backoff.kick();
		if (renew || this.#lasted() > this.hold * 1.1 + POLL_SLACK) {
			this.#renewed = true;
			this.#trusted = trusted;
			this.#abort.abort();
		}
	}

	/** after: so many ms, or kick(), because another way failed. */
	async start(after) {
		if (after)
			await this.#backoff.wait({ after });
		this.hold = Math.min(this.session.hold, this.options.hold);
		let proven = after === undefined; // After a failure comes a poll that is not held: we soon know that the way is open again.
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
				proven = this.#renewed && this.#trusted;
				if (!this.#renewed)
					await this.#failed(error, hold);
			}
		}
	}

	#poll(hold) {
		this.#abort = new AbortController();
		this.#renewed = false;
		this.#since = Date.now();
		return this.ask(this.session, hold, { limit: hold * 1.1 + POLL_SLACK, abort: this.#abort });
	}

	ask(session, hold, options) {
		return this.http.ask(`/v1/poll${asQuery(session)}` + (hold === this.session.hold ? '' : `&hold=${hold}`), { ...options, valid: isBatch });
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
