/* By which transport messages come: polls at once, then the best one that proves to work, and polls again whenever that fails. */

import { PollgateError } from './errors.js';
import { ANSWER_LIMIT } from './http.js';
import { PollReceiver } from './poll.js';
import { SharedReceiver } from './shared.js';
import { SseReceiver } from './sse.js';
import { sharedName } from './tabs.js';
import { WsReceiver } from './ws.js';

const RECEIVERS = { poll: PollReceiver, sse: SseReceiver, ws: WsReceiver };
const RANKS = Object.keys(RECEIVERS); // From what always works to the best.
const ACK_AFTER = 2_000;
const LONG = 60_000; // What lived so long and then broke works well.
const BUSY = 60_000; // Other tabs use as much of it as they should.
const TAKEN = 5_000; // Another sink took over again: the first one was perhaps a request of ours that was late.

/** Of one session; link is that of a receiver without broken(). */
export class Receiving {
	transport; // The name of the receiver's.
	#receiver;
	#since;
	#taken;
	#chosen = 'auto';
	#working = true; // Requests were answered when last tried.
	#trying; // A receiver that is not proven yet,
	#timer; // or when to try.
	#ack; // When to tell that direct messages have come.
	#stopped = false;

	/** told(transport, reason) */
	constructor(http, link, session, options, memory, told) {
		Object.assign(this, { http, link, session, options, memory, told });
	}

	start(chosen) {
		this.#receive('poll', 'open');
		this.use(chosen);
	}

	stop() {
		this.#stopped = true;
		clearTimeout(this.#ack);
		this.#halt();
		this.#receiver?.stop();
	}

	/** renew: this is perhaps another network. */
	kick(renew) {
		if (this.#stopped)
			return;
		this.#receiver.kick(renew);
		if (!renew)
			return;
		this.memory.forget();
		this.#tryLater(0);
	}

	able(name) {
		const { transports, WebSocket } = this.options;
		return name === 'poll' || (transports.includes(name) && this.session.transports?.includes(name) && (name !== 'ws' || !!WebSocket));
	}

	/** A transport by name, or 'auto'. */
	use(name) {
		this.#chosen = name;
		this.#halt();
		if (name === this.transport || this.#stopped)
			return;
		if (name !== 'auto' && name !== 'ws' && this.able(name))
			this.#receive(name, 'use');
		else
			this.#tryLater(0);
	}

	/** Send a request of numbered operations. */
	post(body, abort) {
		return this.#receiver.post?.(body) ?? this.http.ask(`/v1/send?token=${this.session.token}`, {
			body, abort, limit: ANSWER_LIMIT + body.length / 4, // 4 kB/s is slow, but not dead.
		});
	}

	/** What should be tried, the best first. */
	#better() {
		const names = this.#chosen === 'auto' ? RANKS.slice(RANKS.indexOf(this.transport) + 1).reverse() : [this.#chosen];
		return names.filter((name) => name !== this.transport && this.able(name));
	}

	#halt() {
		clearTimeout(this.#timer);
		this.#trying?.stop();
		this.#trying = null;
	}

	#tryLater(ms = Math.min(...this.#better().map((name) => this.memory.rest(name)))) {
		this.#halt();
		if (this.#stopped || !this.#better().length)
			return;
		this.#timer = setTimeout(() => this.#try(), ms);
		this.#timer.unref?.();
	}

	async #try() {
		for (const name of this.#better()) {
			if (this.#chosen === 'auto' && this.memory.rest(name))
				continue;
			const receiver = this.#trying = this.#make(name);
			try {
				await receiver.prove();
			} catch (error) {
				if (receiver !== this.#trying)
					return;
				if (error instanceof PollgateError && !error.retry)
					return this.link.lost(error);
				if (error.code === 'busy')
					this.memory.pause(name, BUSY);
				else
					this.memory.failed(name, error.after, !this.#working);
				receiver.stop();
				continue;
			}
			if (receiver === this.#trying) {
				this.#trying = null;
				this.memory.worked(name);
				this.#receive(name, 'proven', receiver);
			} else {
				receiver.stop();
			}
			return;
		}
		this.#tryLater();
	}

	/** From now on.  A receiver that is stopped delivers nothing more, so the cursor is right. */
	#receive(name, reason, receiver = this.#make(name), after) {
		this.#halt();
		this.#receiver?.stop();
		this.#receiver = receiver;
		this.#since = Date.now();
		this.transport = name;
		receiver.start(after);
		this.told(name, reason);
		if (!this.#stopped)
			this.#tryLater();
	}

	#make(name) {
		const { tabs, fetch } = this.options;
		const Receiver = name === 'poll' && tabs && !fetch && sharedName(this.http) ? SharedReceiver : RECEIVERS[name];
		return new Receiver(this.http, {
			...this.link,
			deliver: (batch) => {
				this.link.deliver(batch);
				if (batch.messages.some(({ room }) => room === undefined))
					this.#ack ??= setTimeout(() => {
						this.#ack = undefined;
						this.#receiver.acknowledge?.(); // The next poll does.
					}, ACK_AFTER);
			},
			worked: () => {
				this.#working = true;
				this.link.worked();
			},
			failed: (error, delay) => {
				this.#working = false;
				this.link.failed(error, delay);
			},
			broken: (error) => this.#broke(name, error),
		}, this.session, this.options);
	}

	#broke(name, { code, after = 0 }) {
		if (code === 'taken') {
			if (Date.now() - this.#taken < LONG)
				after = TAKEN;
			this.#taken = Date.now();
		}
		if (Date.now() - this.#since > LONG)
			this.memory.forget(name);
		this.memory.failed(name, 2 * after);
		this.#receive('poll', code, undefined, after);
	}
}
