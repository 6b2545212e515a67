/*
 * The receiver of a tab that polls together with the others.  Each tab is a session of its own, but one of them, the leader, has
 * the one request for all.  Each says what it wants, its token and cursor, and says so again after each answer: who does not is
 * asked for no more.  Cursors belong to their tabs, so that nothing is lost with a leader.
 */

import { broken, PollgateError } from './errors.js';
import { isBatch } from './http.js';
import { PollReceiver } from './poll.js';
import { Receiver } from './receiver.js';
import { sharedName } from './tabs.js';

const BEAT = 8_000; // A leader that says nothing for so long is frozen.
const SETTLE = 60; // So long the leader waits for the tabs that it has answered.
const MOST = 32; // Sessions in one request; if there are more,
const CROWDED = 2_000; // it is held for so long, and then it is the turn of the others.

/** As PollReceiver.  Tabs say {token, cursor}; the leader {leads}, {to, cursor, part}, where part may be missing, and {why, delay}. */
export class SharedReceiver extends Receiver {
	#name;
	#channel;
	#abort = new AbortController(); // Of the wish to lead.
	#release = () => {};
	#leader; // If it is us.
	#heard;
	#timer;

	/** after: so many ms, because another way failed. */
	start(after) {
		if (after) {
			this.#timer = setTimeout(() => this.start(0), after);
			return;
		}
		this.after = after;
		this.#name = sharedName(this.http);
		this.#channel = new BroadcastChannel(this.#name);
		this.#channel.onmessage = ({ data }) => this.#hear(data);
		this.#apply({ signal: this.#abort.signal });
		this.#beat();
	}

	stop() {
		this.#channel?.close();
		this.#channel = null;
		clearTimeout(this.#timer);
		this.#abort.abort();
		this.#resign();
		this.#release();
	}

	kick(renew) {
		if (!this.#channel)
			return;
		this.#leader?.kick(renew);
		this.#beat();
	}

	/** Lead once nobody else does, or take it from who does. */
	#apply(options) {
		navigator.locks.request(this.#name, options, () => this.#channel && !this.#leader && new Promise((release) => {
			this.#release = release;
			this.#lead();
		})).catch(({ name }) => {
			this.#resign();
			if (!this.#channel)
				return;
			if (name !== 'AbortError')
				this.#lead(); // There are no locks here after all.
			else if (!options.steal)
				this.#apply(options);
		});
	}

	#lead() {
		this.#leader = new Leader(this.http, (message) => this.#say(message), this.session, this.options);
		this.#say({ leads: true });
		this.#leader.start(this.after);
	}

	#resign() {
		this.#leader?.stop();
		this.#leader = null;
	}

	#beat() {
		clearTimeout(this.#timer);
		this.#heard = false;
		this.#want();
		this.#timer = setTimeout(() => {
			if (!this.#heard)
				this.#apply({ steal: true });
			this.#beat();
		}, BEAT * (1 + Math.random() / 4));
	}

	#want() {
		this.#say({ token: this.session.token, cursor: this.session.cursor });
	}

	#say(message) {
		this.#channel?.postMessage(message);
		this.#hear(message);
	}

	#hear(message) {
		const { token, to, cursor, part, leads, why, delay } = message;
		if (token)
			this.#leader?.want(message);
		if (!this.#channel || token || (to && to !== this.session.token))
			return;
		this.#heard = true;
		if (leads)
			this.#want();
		else if (why)
			this.link.failed(broken(why), delay);
		else if (part !== undefined && cursor === this.session.cursor) // Else it comes from a former leader.
			this.#take(part);
	}

	#take(part) {
		const { code, detail } = part?.error ?? {};
		this.link.worked();
		if (code && code !== 'taken') // Perhaps by an older request of the leader's.
			return (code === 'auth_expired' ? this.link.failed : this.link.lost)(new PollgateError(code, detail)); // The next beat asks again.
		if (part?.messages)
			this.link.deliver(part);
		this.#want();
	}
}

/** Polls for all tabs that want it. */
class Leader extends PollReceiver {
	#wants = new Map(); // token -> {token, cursor}
	#expected = 1;
	#settled = () => {};
	#most = MOST;
	#flying;
	#restart;

	constructor(http, say, session, options) {
		super(http, {
			worked: () => {},
			failed: ({ code }, delay) => say({ why: code, delay }),
			deliver: ({ wants, parts }) => wants.forEach((want, i) => {
				if (this.#wants.get(want.token) === want)
					this.#wants.delete(want.token);
				say({ to: want.token, cursor: want.cursor, part: parts[i] });
			}),
		}, session, options);
		this.say = say;
	}

	stop() {
		super.stop();
		clearTimeout(this.#restart);
	}

	want({ token, cursor }) {
		if (this.#wants.get(token)?.cursor !== cursor) {
			this.#wants.set(token, { token, cursor });
			if (this.#flying)
				this.#restart ??= setTimeout(() => {
					this.#restart = undefined;
					if (this.#flying)
						this.kick(true, true);
				}, SETTLE);
		}
		this.#settled();
		this.say({ to: token });
	}

	async ask(session, hold, options) {
		do
			await new Promise((resolve) => {
				this.#settled = () => this.#wants.size < this.#expected || resolve();
				this.#settled();
				setTimeout(resolve, SETTLE);
			});
		while (!this.#wants.size && !options.abort.signal.aborted);
		const wants = this.#flying = [...this.#wants.values()].slice(0, this.#most);
		if (wants.length < this.#wants.size)
			hold = Math.min(CROWDED, hold);
		this.#expected = wants.length;
		let parts;
		try {
			if (wants.length === 1)
				parts = [await super.ask(wants[0], hold, options)];
			else
				({ polls: parts } = await this.http.ask('/v1/polls', { ...options, body: JSON.stringify({ polls: wants, hold }), valid: ({ polls }) => polls?.length === wants.length &&
					polls.every((part) => !part || part.error || isBatch(part)) }));
		} catch (error) {
			const { code, message: detail, retry } = error;
			if (code === 'too_many_polls')
				this.#most = wants.length >> 1;
			if (retry && code !== 'auth_expired')
				throw error;
			parts = wants.map(() => ({ error: code === 'too_many_polls' ? {} : { code, detail } }));
		} finally {
			this.#flying = undefined;
		}
		return { wants, parts, messages: parts.flatMap((part) => part?.messages ?? []) };
	}
}
