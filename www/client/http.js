/* One request and its answer. */

import { PollgateError } from './errors.js';

export const ANSWER_LIMIT = 20_000;

/** Whether an answer with this status may be followed by a better one. */
export const passing = (status) => status < 400 || status >= 500 || [408, 425, 429].includes(status);

/** In ms.  Bounded, so that nobody can switch us off. */
function retryAfter(text) {
	const ms = text * 1000 || Date.parse(text) - Date.now();
	return ms > 0 ? Math.min(ms, 60_000) : 0;
}

export class Http {
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
