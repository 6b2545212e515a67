/*
 * Tries each way of talking to the gateway and tells what was seen: plain data, for judge.js.
 *
 *   answer   { outcome: 'answered' | 'broke' | 'silent', ms, status, code, own, json }   own: by the gateway itself
 *   stream   an answer, or { outcome: 'complete' | 'enough' | 'broke' | 'silent', ms, arrivals: [ms], strange, every, count }
 *            silent: given up; strange: what came is not what was sent
 *   socket   { outcome: 'opened' | 'echoed' | 'closed' | 'silent', ms, code, reason }
 */
import { BODIES, PIECES, PROBE, SMALL, isHold } from './plan.js';

const LATE = 10_000; // So much later than it is due nothing is waited for.
const REQUESTS = 3;
const LIMIT = { socket: 10_000, echo: 3000, body: 30_000 };

const since = (start) => performance.now() - start;

/** 128 random bits, in base64url. */
function makeToken() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** A run.  results: by the key of a test; changed(key) after each change. */
export class Examination {
	results = {};
	stopped = false;
	#abort = new AbortController();
	#token = makeToken();
	#asked = false; // For a session: there may be one.

	constructor(plan, { base, quick, changed }) {
		Object.assign(this, { plan, base, quick, changed });
	}

	stop() {
		this.stopped = true;
		this.#abort.abort();
	}

	/** Also when the page is left: what comes then is no result. */
	leave() {
		this.stop();
		this.#close();
	}

	/** Leaves nothing behind. */
	#close() {
		this.#abort.abort();
		if (this.#asked)
			navigator.sendBeacon(this.#url('/v1/close', { token: this.#token }));
		this.#asked = false;
	}

	/**
	 * First what is answered at once, then all that takes its time side by side: no more than the six connections that a browser
	 * makes to one host.
	 */
	async run() {
		await this.#try('request', () => this.#request());
		if (this.results.request?.tries?.some(({ outcome }) => outcome === 'answered')) {
			await this.#try('post', () => this.#echo(SMALL));
			await this.#try('session', () => this.#session());
			// Shortest first: see #hold.
			const holds = this.#wanted().filter(({ key }) => isHold(key)).map(({ key, wait }) => this.#try(key, () => this.#hold(wait)));
			const sockets = this.#sockets();
			await Promise.all([
				this.#try('stream', () => this.#stream(this.plan.brief)),
				this.#try('sse', () => this.#probe()),
				this.#try('eventsource', () => this.#source()),
			]);
			await this.#try('bodies', () => this.#bodies());
			if (!this.quick)
				await Promise.all([
					this.#try('stream-long', () => this.#stream(this.plan.longest)),
					this.#try('sse-long', () => this.#events()),
				]);
			await Promise.all([...holds, sockets]);
			// Once more: is what broke before still there?
			await this.#try('request', () => this.#request(this.results.request.tries));
		}
		this.#close();
	}

	#wanted() {
		return this.plan.tests.filter(({ long }) => !long || !this.quick);
	}

	async #try(key, body) {
		if (this.stopped)
			return;
		const before = this.results[key];
		this.results[key] = before ?? { running: true, since: performance.now() };
		this.changed(key);
		const result = await body();
		this.results[key] = this.stopped ? before : result;
		this.changed(key);
	}

	#url(path, query = {}) {
		const url = new URL(path.slice(1), this.base);
		// A query that no cache has seen.
		url.search = new URLSearchParams({ ...query, t: Math.random().toString(36).slice(2) });
		return url;
	}

	/** Gives up after limit ms, or when the run is stopped. */
	#limited(limit) {
		const abort = new AbortController();
		const timer = setTimeout(() => abort.abort(), limit);
		this.#abort.signal.addEventListener('abort', () => abort.abort());
		return { abort, signal: abort.signal, end: () => clearTimeout(timer) };
	}

	/** member: what the gateway's answer has. */
	async #ask(url, member, { limit = LATE, ...init } = {}) {
		const limited = this.#limited(limit);
		const start = performance.now();
		try {
			const answer = await fetch(url, { cache: 'no-store', signal: limited.signal, ...init });
			return await this.#read(answer, member, start);
		} catch {
			return { outcome: limited.signal.aborted ? 'silent' : 'broke', ms: since(start) };
		} finally {
			limited.end();
		}
	}

	async #read(answer, member, start) {
		const text = await answer.text();
		const ms = since(start);
		let json;
		try {
			json = JSON.parse(text);
		} catch {
			// Not the gateway's, then.
		}
		const problem = !answer.ok && /problem\+json/.test(answer.headers.get('Content-Type')) ? json?.code : undefined;
		const own = answer.ok ? json?.[member] !== undefined : problem !== undefined;
		return { outcome: 'answered', ms, status: answer.status, code: problem, own, json: own ? json : undefined };
	}

	async #request(before) {
		const tries = [...before ?? []];
		do
			tries.push(await this.#ask(this.#url('/v1/check/hold'), 'held'));
		while (tries.length < REQUESTS && !this.stopped);
		const [entry] = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/v1/check/hold')).slice(-1);
		return { tries, protocol: entry?.nextHopProtocol ?? '' };
	}

	async #echo(bytes, limit = LATE) {
		const answer = await this.#ask(this.#url('/v1/check/echo'), 'bytes', { method: 'POST', body: 'x'.repeat(bytes), limit });
		return { ...answer, bytes };
	}

	/** Ends with the first one that does not pass. */
	async #bodies() {
		const sizes = [];
		for (const bytes of BODIES) {
			const answer = await this.#echo(bytes, LIMIT.body);
			sizes.push(answer);
			if (answer.status !== 200 || answer.json?.bytes !== bytes)
				break;
		}
		return { sizes, ms: sizes.reduce((sum, { ms }) => sum + ms, 0) };
	}

	#session() {
		this.#asked = true;
		return this.#ask(this.#url('/v1/sessions'), 'transports', { method: 'POST', body: JSON.stringify({ token: this.#token }) });
	}

	/**
	 * Without credentials, which nothing else here is: then browsers take another connection.  For when one breaks that was used
	 * before, they repeat the request without a word, and it seems to have lasted longer than it did.
	 */
	async #hold(wait) {
		const answer = await this.#ask(this.#url('/v1/check/hold', { ms: wait }), 'held', { credentials: 'omit', limit: wait + LATE });
		return { ...answer, wait };
	}

	/**
	 * What comes of an answer of many parts: take(text, ms) gets the text so far and says if that is enough.  An answer that is no
	 * stream is what #ask gives.
	 */
	async #follow(url, { type, limit, take }) {
		const limited = this.#limited(limit);
		const start = performance.now();
		try {
			const answer = await fetch(url, { cache: 'no-store', signal: limited.signal });
			if (!answer.ok || !(answer.headers.get('Content-Type') ?? '').startsWith(type))
				return await this.#read(answer, '', start);
			const reader = answer.body.getReader();
			const decoder = new TextDecoder();
			let text = '';
			for (let part; !(part = await reader.read()).done;) {
				text += decoder.decode(part.value, { stream: true });
				if (take(text, since(start))) {
					limited.abort.abort();
					return { outcome: 'enough', ms: since(start) };
				}
			}
			return { outcome: 'complete', ms: since(start) };
		} catch {
			return { outcome: limited.signal.aborted ? 'silent' : 'broke', ms: since(start) };
		} finally {
			limited.end();
		}
	}

	/** seen: the parts of a text, of which part n is to be wanted(n). */
	async #parts(url, { every, count, type, seen, wanted, enough = () => false }) {
		const arrivals = [];
		let strange = false;
		const take = (text, ms) => {
			const parts = seen(text);
			for (let n = arrivals.length; n < parts.length; n++) {
				arrivals.push(ms);
				strange ||= parts[n] !== wanted(n);
			}
			return enough(arrivals);
		};
		const result = await this.#follow(url, { type, limit: every * count + LATE, take });
		return { ...result, arrivals, strange, every, count };
	}

	/** From the first line to the last it takes so long. */
	#stream(duration) {
		const every = Math.round(duration / (PIECES - 1));
		return this.#parts(this.#url('/v1/check/stream', { ms: every, count: PIECES }), {
			every, count: PIECES, type: 'text/plain', seen: (text) => text.split('\n').slice(0, -1), wanted: String,
		});
	}

	#probe() {
		const nonce = makeToken();
		return this.#parts(this.#url('/v1/events', { probe: nonce }), {
			...PROBE, type: 'text/event-stream', wanted: (n) => JSON.stringify({ probe: nonce, n }),
			seen: (text) => [...text.matchAll(/^event: probe\ndata: (.*)\n\n/gm)].map(([, data]) => data),
			enough: (arrivals) => arrivals.length > 2 && arrivals[2] - arrivals[0] > PROBE.every,
		});
	}

	/** The same by the browser's own reader, which asks with other headers and says little of what goes wrong. */
	#source() {
		const start = performance.now();
		const arrivals = [];
		const source = new EventSource(this.#url('/v1/events', { probe: makeToken() }));
		return new Promise((resolve) => {
			const limited = this.#limited(PROBE.every * PROBE.count + LATE);
			const end = (outcome) => {
				source.close();
				limited.end();
				resolve({ outcome, ms: since(start), arrivals, strange: false, ...PROBE });
			};
			limited.signal.addEventListener('abort', () => end('silent'));
			source.addEventListener('probe', () => {
				arrivals.push(since(start));
				if (arrivals.length > 2 && arrivals[2] - arrivals[0] > PROBE.every)
					end('enough');
			});
			source.addEventListener('error', () => {
				if (source.readyState === EventSource.CLOSED)
					end('refused');
				else
					end(arrivals.length === PROBE.count ? 'complete' : 'broke');
			});
		});
	}

	/** The stream of a session, in which nothing happens: what comes are comments.  It is to last until we end it, as `silent`. */
	async #events() {
		if (!this.results.session?.json?.transports)
			return { untried: 'session' };
		const duration = this.plan.longest;
		const arrivals = [];
		const result = await this.#follow(this.#url('/v1/events', { token: this.#token }), {
			type: 'text/event-stream', limit: duration, take: (_, ms) => void arrivals.push(ms),
		});
		return { ...result, arrivals, duration };
	}

	/** One socket for its three rows. */
	async #sockets() {
		let socket;
		await this.#try('ws-open', async () => {
			const url = this.#url('/v1/ws', { token: this.#token });
			url.protocol = url.protocol.replace('http', 'ws');
			socket = new WebSocket(url, 'pollgate.v1');
			this.#abort.signal.addEventListener('abort', () => socket.close());
			return this.#until(socket, 'open', LIMIT.socket, 'opened');
		});
		const opened = this.results['ws-open']?.outcome === 'opened';
		await this.#try('ws-echo', async () => opened ? this.#ping(socket) : { untried: 'ws-open' });
		const echoed = this.results['ws-echo']?.outcome === 'echoed';
		if (!this.quick)
			await this.#try('ws-idle', async () => echoed ? this.#idle(socket) : { untried: 'ws-echo' });
		socket?.close();
	}

	/** The first of: the event, which may be none (`close`), the end of the socket, the limit. */
	#until(socket, event, limit, outcome, matches = () => true) {
		const start = performance.now();
		return new Promise((resolve) => {
			const timer = setTimeout(() => end({ outcome: 'silent', ms: since(start) }), limit);
			const listeners = {
				[event]: (what) => matches(what) && end({ outcome, ms: since(start) }),
				close: ({ code, reason }) => end({ outcome: 'closed', ms: since(start), code, reason }),
			};
			const end = (result) => {
				clearTimeout(timer);
				for (const [name, listener] of Object.entries(listeners))
					socket.removeEventListener(name, listener);
				resolve(result);
			};
			for (const [name, listener] of Object.entries(listeners))
				socket.addEventListener(name, listener);
		});
	}

	#ping(socket) {
		const ping = makeToken();
		const echo = this.#until(socket, 'message', LIMIT.echo, 'echoed', ({ data }) => data === JSON.stringify({ pong: ping }));
		socket.send(JSON.stringify({ ping }));
		return echo;
	}

	async #idle(socket) {
		const { idle } = this.plan;
		const start = performance.now();
		const rest = await this.#until(socket, 'close', idle, 'closed');
		const result = rest.outcome === 'silent' && !this.stopped ? await this.#ping(socket) : rest;
		return { ...result, ms: since(start), idle };
	}
}
