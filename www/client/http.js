/* One request and its answer. */

import { broken, PollgateError } from './errors.js';

export const ANSWER_LIMIT = 20_000;

/** Whether an answer with this status and code may be followed by a better one.  A permission that has ended is renewed. */
export const passing = (status, code) => (status / 100 | 0) !== 4 || [408, 425, 429].includes(status) || code === 'auth_expired';

/** In ms.  Bounded, so that nobody can switch us off. */
function retryAfter(text) {
	const ms = text * 1000 || Date.parse(text) - Date.now();
	return ms > 0 ? Math.min(ms, 60_000) : 0;
}

/** Only the gateway's word is a refusal: the error page of something between us, or half an answer, decides nothing. */
function refusal({ status, headers }, { code, detail, reason, expected } = {}) {
	return new PollgateError(code ?? `http_${status}`, detail, {
		status, reason, expected, after: retryAfter(headers.get('Retry-After')),
		retry: !code || passing(status, code) || !/problem/.test(headers.get('Content-Type')),
	});
}

const asFailure = (error, { signal }) => error instanceof PollgateError ? error : broken(signal.aborted ? 'timeout' : 'network', error?.message);

/** What a peer has to say that it is a gateway and not somebody else who answers 200 and JSON. */
export function isBatch({ cursor, messages, gaps = [] }) {
	return typeof cursor === 'string' && [messages, gaps].every(Array.isArray) &&
		messages.every((message) => /^\d+-\d+$/.test(message?.id)) && gaps.every((gap) => /^\d+-\d+$/.test(gap?.to));
}

export const badAnswer = () => broken('bad_answer');

/** One event of a stream, of which the gateway writes each field in a line; undefined for a comment. */
function parseEvent(block) {
	const fields = { event: 'message', data: [] };
	for (const line of block.split('\n')) {
		const [, name, value] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
		if (name === 'data')
			fields.data.push(value);
		else if (name)
			fields[name] = value;
	}
	return fields.data.length ? { event: fields.event, data: JSON.parse(fields.data.join('\n')) } : undefined;
}

export class Http {
	#fetch;

	constructor(base, fetch = globalThis.fetch) {
		this.base = new URL(base || '/', globalThis.document?.baseURI ?? globalThis.location?.href).href.replace(/\/+$/, '');
		this.#fetch = (path, { signal }, init) => fetch(this.base + path, { cache: 'no-store', credentials: 'omit', signal, ...init });
	}

	/** GET, or POST of a body: its JSON answer if that is `valid`, or a PollgateError. */
	async ask(path, { body, limit = ANSWER_LIMIT, abort = new AbortController(), keepalive, valid = () => true } = {}) {
		const timer = setTimeout(() => abort.abort(), limit);
		try {
			// No headers, and a string as the body: needs no preflight.
			const answer = await this.#fetch(path, abort, { method: body === undefined ? 'GET' : 'POST', body, keepalive });
			const json = await answer.json().catch(() => {});
			if (answer.ok && json instanceof Object) {
				if (valid(json))
					return json;
				throw badAnswer();
			}
			throw refusal(answer, json);
		} catch (error) {
			throw asFailure(error, abort);
		} finally {
			clearTimeout(timer);
		}
	}

	/** The events of a stream, {event, data}; heard() when anything comes.  Throws a PollgateError. */
	async *events(path, abort, heard) {
		try {
			const answer = await this.#fetch(path, abort);
			if (!answer.ok || !/event-stream/.test(answer.headers.get('Content-Type')))
				throw refusal(answer, await answer.json().catch(() => {}));
			const reader = answer.body.getReader();
			const decoder = new TextDecoder();
			let text = '';
			for (let part; !(part = await reader.read()).done;) {
				heard();
				const blocks = (text + decoder.decode(part.value, { stream: true })).split('\n\n');
				text = blocks.pop();
				yield* blocks.map(parseEvent).filter(Boolean);
			}
		} catch (error) {
			throw asFailure(error, abort);
		}
	}
}
