/* The receiver over a WebSocket, by which sends go, too.  It takes over only after an echo has come back on it. */

import { broken, PollgateError } from './errors.js';
import { badAnswer, isBatch, passing } from './http.js';
import { Receiver } from './receiver.js';

const OPEN_LIMIT = 5_000;
const ECHO_LIMIT = 3_000;
const PING_EACH = 10_000;
const PONG_LIMIT = 5_000;

/** By the code of a close. */
const ENDS = { 4400: new PollgateError('bad_cursor'), 4409: broken('taken'), 4410: new PollgateError('session_gone') };

/** As SseReceiver. */
export class WsReceiver extends Receiver {
	#socket;
	#failed; // (error): called once, when the socket is of no more use
	#proved = () => {};
	#ping;
	#sent; // Bytes that were still to be sent when the limit began.
	#timer;
	#answers = []; // Of the frames with operations, in their order: {resolve, reject}.

	/** Rejected unless the path works both ways.  Nothing is delivered yet. */
	prove() {
		return new Promise((resolve, reject) => {
			this.#failed = reject;
			this.#proved = resolve;
			const socket = this.#socket = new this.options.WebSocket(`${this.http.base.replace('http', 'ws')}/v1/ws?token=${this.session.token}`, 'pollgate.v1');
			socket.onopen = () => this.#beat(ECHO_LIMIT);
			socket.onmessage = ({ data }) => this.#take(data);
			socket.onclose = ({ code }) => this.#end(ENDS[code] ?? broken(`ws_${code}`));
			socket.onerror = () => {}; // It is closed, too.
			this.#limit(OPEN_LIMIT);
		});
	}

	/** Messages come here from now on: the other receiver has stopped. */
	start() {
		const ended = !this.#failed;
		this.#failed = (error) => error.retry ? this.link.broken(error) : this.link.lost(error);
		if (ended)
			return queueMicrotask(() => this.#failed(broken('network')));
		this.acknowledge();
		this.link.worked();
	}

	stop() {
		this.#failed = () => {};
		this.#end(broken('stopped'), globalThis.location && this.#socket?.readyState === 0); // Browsers complain in the console.
	}

	/** renew: the connection is probably dead. */
	kick(renew) {
		renew ? this.#end(broken('network')) : this.#beat(PONG_LIMIT);
	}

	/** As a POST to /v1/send, which is to be made if there is no promise: a socket may take long to close. */
	post(body) {
		// No limit: where pings are answered, frames with operations are.
		return this.#socket.readyState === 1 ? new Promise((resolve, reject) => {
			this.#answers.push({ resolve, reject });
			this.#socket.send(body);
		}) : undefined;
	}

	acknowledge() {
		this.#say({ cursor: this.session.cursor });
	}

	#say(frame) {
		if (this.#socket.readyState === 1)
			this.#socket.send(JSON.stringify(frame));
	}

	/** Something has to come within so many ms, or what we sent has to leave. */
	#limit(ms) {
		clearTimeout(this.#timer);
		this.#sent = this.#socket.bufferedAmount;
		this.#timer = setTimeout(() => this.#socket.bufferedAmount < this.#sent ? this.#limit(ms) : this.#end(broken('timeout')), ms);
	}

	#beat(limit) {
		this.#ping = Math.random().toString(36);
		this.#say({ ping: this.#ping });
		this.#limit(limit);
	}

	#take(text) {
		let frame;
		try {
			frame = JSON.parse(text);
		} catch {
			// Not from a gateway.
		}
		if (!(frame instanceof Object))
			return this.#end(badAnswer());
		if (this.#ping)
			this.#limit(PONG_LIMIT);
		if (frame.pong && frame.pong === this.#ping) {
			this.#ping = '';
			clearTimeout(this.#timer);
			this.#timer = setTimeout(() => this.#beat(PONG_LIMIT), PING_EACH);
			this.#proved();
		}
		if (frame.results)
			this.#answers.shift()?.resolve(frame);
		else if (frame.code)
			this.#answers.shift()?.reject(new PollgateError(frame.code, frame.detail, { ...frame, retry: passing(frame.status, frame.code) }));
		else if (frame.messages)
			isBatch(frame) ? this.link.deliver(frame) : this.#end(badAnswer());
	}

	#end(error, later) {
		const socket = this.#socket;
		if (!socket) // It could not even be made.
			return;
		const failed = this.#failed;
		this.#failed = undefined;
		clearTimeout(this.#timer);
		this.#answers.splice(0).forEach(({ reject }) => reject(broken('network')));
		socket.onmessage = socket.onclose = null;
		socket.onopen = () => socket.close();
		if (!later)
			socket.close();
		failed?.(error);
	}
}
