/* What is to be sent: in order, numbered, repeated unchanged until it is answered. */

import { Backoff } from './backoff.js';
import { PollgateError } from './errors.js';
import { badAnswer } from './http.js';

const BATCH_OPS = 64;
const BATCH_BYTES = 256 * 1024;

/** Operations stay in the queue until they are answered; one request, of the first ones, is under way. */
export class Outbox {
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
				if (results?.length !== ops.length || !(seq > 0))
					throw badAnswer();
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
