/*
 * Engine.IO 4 by polling, as bytes: single requests, and a client that follows the rules, retries as browsers and proxies do (the
 * same request again, with the same t), and writes down what it got.
 */
import { request } from './request.mjs';
import { sleep } from './wait.mjs';

export const separator = '\x1e';

/** A request of Engine.IO: { status, text, json ... } of lib/request. */
export const ask = (base, method, query, { path = '/engine.io/', ...options } = {}) => request(base, method, path, {
	query: { EIO: 4, transport: 'polling', ...query }, ...options,
});
export const open = async (base) => JSON.parse((await ask(base, 'GET')).text.slice(1));
export const openSid = async (base) => (await open(base)).sid;
export const poll = (base, sid, query) => ask(base, 'GET', { sid, ...query });
export const post = (base, sid, body, query, headers = { 'content-type': 'text/plain;charset=UTF-8' }) => ask(base, 'POST',
	{ sid, ...query }, { body, headers });

let requests = 0;
const unique = () => `t${++requests}`;

export class EngineClient {
	constructor(base) {
		this.base = base;
		this.got = [];     /* Messages. */
		this.trouble = []; /* What a client would have taken for the end of its session. */
		this.repeats = 0;
		this.writing = Promise.resolve();
	}

	async open() {
		this.sid = JSON.parse((await this.#ask('GET')).text.slice(1)).sid;
		this.polling = this.#poll();
		return this;
	}

	/** The answer, of as many attempts as it takes. */
	async #ask(method, body) {
		const query = { sid: this.sid, t: unique() };
		for (;;) {
			try {
				const answer = await ask(this.base, method, query, { body, limitMs: 8000 });
				if (answer.status !== 502) /* Of the proxy: it has no instance to ask. */
					return answer;
			} catch {
				/* Again. */
			}
			this.repeats++;
			await sleep(20);
		}
	}

	#check(answer, what) {
		if (answer.status === 200 && answer.text !== '')
			return true;
		if (!this.closed)
			this.trouble.push(`${what}: ${answer.status} ${answer.text}`);
		return false;
	}

	async #poll() {
		while (!this.closed) {
			const answer = await this.#ask('GET');
			if (!this.#check(answer, 'GET'))
				return;
			for (const packet of answer.text.split(separator)) {
				if (packet[0] === '4')
					this.got.push(packet.slice(1));
				else if (packet === '2')
					this.#post('3');
			}
		}
	}

	/** One at a time. */
	#post(body) {
		this.writing = this.writing.then(async () => this.#check(await this.#ask('POST', body), 'POST'));
		return this.writing;
	}

	/** Send messages, in one POST. */
	send(...messages) {
		return this.#post(messages.map((text) => `4${text}`).join(separator));
	}

	async close() {
		this.closed = true;
		await this.#post('1');
		await this.polling;
	}
}
