/*
 * The balancer that our promises are made against: every request goes to a random living instance, and whatever a network does
 * to requests can be done to them.  Connections of clients are kept open; each request upstream has a connection of its own
 * unless `pool` is asked for.
 *
 *   startProxy({ targets, pick, concurrency, retry, pool, fault, seed })
 *     targets      instances (anything with a port) or port numbers; changed by proxy.targets = [...] at any time
 *     pick         'random' | 'round' | (request, targets) => target
 *     concurrency  at most so many requests at a time for each target; others wait their turn (0: no limit)
 *     retry        'none' | 'refused': on another target when the connection was refused
 *                  | 'reused': also when a connection that was kept broke before the first byte of an answer, as Go, HAProxy and
 *                    (for GET) nginx do: it was closed while the request was on its way
 *                  | 'reset': also when a new one did
 *     fault        (request) => undefined or { drop: 'before' | 'after', delay: ms, repeat: true, status: 502 }
 *                  request: { method, path, url, headers, body, number }.  'after': the instance gets the request, the client no answer.
 *                  repeat: sent twice, one after the other, the second answer counts (a first one that is an error, too).
 *     holds        (answer's headers) => is it kept back until it is complete?  As it is, answers of unknown length pass as they come.
 *     upgrades     true: Upgrade passes, to a target of its own; false: such a request passes as a plain one
 *     tunnel       (client, upstream) => joins the two sockets after a 101; as it is, each gets what the other sends
 *     cutAfter     ms after which a request ends, whether its answer has begun or not (an upgraded connection lives on)
 *     cutWith      'reset' | a status, for an answer that has not begun
 *   proxy.counts   { 'GET /v1/poll': { 200: 12, cut: 1 } }: what clients were answered; `cut`: no answer, `left`: the client went away
 *   proxy.failures the answers of 400 and above and the cut ones: { method, path, status, code, why, port }
 *   proxy.now      { requests, connections, upgrades }: what is open; proxy.most: the most of each at once since resetCounts()
 *
 * startNetwork() in network.mjs makes networks of these that block and cut what real ones do.
 */
import http from 'node:http';
import { atEnd } from './tap.mjs';
import { freePort } from './process.mjs';

const portOf = (target) => typeof target === 'number' ? target : target.port;
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'proxy-connection', 'te', 'trailer', 'upgrade']);

/** A repeatable random number generator (mulberry32). */
export function randomFrom(seed) {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6D2B79F5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

/** A fault function: chances({ dropBefore: 0.01, dropAfter: 0.01, repeat: 0.02, delay: [0.05, 100] }, path pattern). */
export function chances({ dropBefore = 0, dropAfter = 0, repeat = 0, delay = [0, 0] }, pattern = /./, random = Math.random) {
	return ({ path }) => {
		if (!pattern.test(path))
			return undefined;
		const fault = {};
		const dice = random();
		if (dice < dropBefore)
			fault.drop = 'before';
		else if (dice < dropBefore + dropAfter)
			fault.drop = 'after';
		else if (dice < dropBefore + dropAfter + repeat)
			fault.repeat = true;
		if (random() < delay[0])
			fault.delay = random() * delay[1];
		return fault;
	};
}

/** What is asked of the other side about the connection: an upgrade is asked for as the client did. */
function connectionHeaders({ upgrade, incoming }, pooled) {
	if (upgrade)
		return ['Connection', 'Upgrade', 'Upgrade', incoming.headers.upgrade];
	return ['Connection', pooled ? 'keep-alive' : 'close'];
}

function upstreamHeaders(job, pooled) {
	const { incoming, body: { length } } = job;
	const headers = [];
	for (let i = 0; i < incoming.rawHeaders.length; i += 2)
		if (!hopByHop.has(incoming.rawHeaders[i].toLowerCase()) && incoming.rawHeaders[i].toLowerCase() !== 'content-length')
			headers.push(incoming.rawHeaders[i], incoming.rawHeaders[i + 1]);
	if (length > 0 || !['GET', 'HEAD', 'OPTIONS', 'DELETE'].includes(incoming.method))
		headers.push('Content-Length', String(length));
	headers.push(...connectionHeaders(job, pooled));
	return headers;
}

const headOf = ({ statusCode, statusMessage, rawHeaders }) => ({ status: statusCode, reason: statusMessage, rawHeaders });

/** Each of two sockets gets what the other sends. */
export function join(one, other) {
	one.pipe(other).pipe(one);
}

export class Proxy {
	constructor(port, { targets = [], pick = 'random', concurrency = 0, retry = 'refused', pool = false, fault, seed,
		holds = () => false, upgrades = true, tunnel = join, cutAfter = 0, cutWith = 'reset' } = {}) {
		Object.assign(this, { port, targets, pick, concurrency, retry, pool, fault, holds, tunnel, cutAfter, cutWith });
		this.base = `http://127.0.0.1:${port}`;
		this.random = seed === undefined ? Math.random : randomFrom(seed);
		this.agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
		this.busy = new Map();
		this.queue = [];
		this.sockets = new Set();
		this.next = 0;
		this.number = 0;
		this.retries = 0;
		this.dropped = 0;
		this.repeats = 0;
		this.now = { requests: 0, connections: 0, upgrades: 0 };
		this.resetCounts();
		this.server = http.createServer((incoming, outgoing) => this.#onRequest(incoming, outgoing));
		if (upgrades)
			this.server.on('upgrade', (...of) => this.#onUpgrade(...of));
		this.server.keepAliveTimeout = 0;
		this.server.requestTimeout = 0;
		this.server.headersTimeout = 0;
		this.server.on('connection', (socket) => {
			this.sockets.add(socket);
			this.#count('connections', 1);
			socket.setNoDelay(true);
			socket.once('close', () => {
				this.sockets.delete(socket);
				this.#count('connections', -1);
			});
		});
		const end = () => this.close();
		this.forget = atEnd(end);
	}

	resetCounts() {
		this.counts = {};
		this.failures = [];
		this.most = { ...this.now };
	}

	/** Requests that are not answered yet. */
	get open() {
		return this.now.requests;
	}

	#count(what, change) {
		this.now[what] += change;
		this.most[what] = Math.max(this.most[what], this.now[what]);
	}

	/** How many requests were answered so; path and status may be left out. */
	count(path, status) {
		let total = 0;
		for (const [key, statuses] of Object.entries(this.counts))
			for (const [got, n] of Object.entries(statuses))
				if ((path === undefined || key.endsWith(path)) && (status === undefined || got === String(status)))
					total += n;
		return total;
	}

	listen() {
		return new Promise((resolve, reject) => {
			this.server.once('error', reject);
			this.server.listen({ port: this.port, host: '127.0.0.1', backlog: 4096 }, () => resolve(this));
		});
	}

	close() {
		this.forget();
		this.agent.destroy();
		for (const socket of this.sockets)
			socket.destroy();
		return new Promise((resolve) => this.server.close(() => resolve()));
	}

	#account(job, status, why) {
		if (job.accounted)
			return;
		job.accounted = true;
		clearTimeout(job.cutTimer);
		this.#count('requests', -1);
		const key = `${job.method} ${job.path}`;
		(this.counts[key] ??= {})[status] = (this.counts[key][status] ?? 0) + 1;
		if (status === 'cut' || status >= 400)
			this.failures.push({ method: job.method, path: job.path, status, code: job.code, why, port: job.port });
	}

	async #onRequest(incoming, outgoing, upgrade = null) {
		const path = incoming.url.split('?')[0].replace(/^(\/v1\/(?:sessions|rooms)\/)[^/]+/, '$1*');
		const job = { incoming, outgoing, upgrade, method: incoming.method, path, tried: new Set(), upstream: null };
		this.#count('requests', 1);
		if (this.cutAfter > 0)
			job.cutTimer = setTimeout(() => this.#cutLate(job), this.cutAfter);
		outgoing.once('close', () => {
			if (!outgoing.writableFinished && !job.tunnelled) {
				job.left = true;
				job.upstream?.destroy();
				this.#account(job, job.cutByUs ? 'cut' : 'left', job.cutByUs);
			}
		});
		try {
			const chunks = [];
			if (!upgrade)
				for await (const chunk of incoming)
					chunks.push(chunk);
			job.body = Buffer.concat(chunks);
		} catch {
			return;
		}
		await this.#serve(job);
	}

	/** Node lets go of a connection that is to be upgraded: the answer is written to the socket by a response of our own. */
	#onUpgrade(incoming, socket, head) {
		const outgoing = new http.ServerResponse(incoming);
		socket.on('error', () => {});
		outgoing.assignSocket(socket);
		outgoing.shouldKeepAlive = false;
		outgoing.once('finish', () => socket.destroySoon());
		this.#onRequest(incoming, outgoing, { socket, head });
	}

	async #serve(job) {
		const described = { method: job.method, path: job.path, url: job.incoming.url, headers: job.incoming.headers,
			body: job.body };
		const fault = this.fault?.({ ...described, number: this.number++ }) ?? {};
		if (fault.delay)
			await new Promise((resolve) => setTimeout(resolve, fault.delay));
		if (fault.status)
			return this.#refuse(job, fault.status);
		if (fault.drop === 'before')
			return this.#cut(job, 'dropped before');
		if (fault.repeat) {
			this.repeats++;
			(await this.#forward(job))?.more?.destroy();
			job.tried.clear();
		}
		const answer = await this.#forward(job);
		if (fault.drop === 'after' || !answer || job.left) {
			answer?.more?.destroy();
			return this.#cut(job, answer ? 'dropped after' : job.why);
		}
		if (answer.status === 101)
			this.#join(job, answer);
		else
			this.#answer(job, answer);
	}

	#refuse(job, status) {
		job.outgoing.writeHead(status, { 'Content-Length': 0 });
		job.outgoing.end();
		this.#account(job, status, 'made up by the proxy');
	}

	#cut(job, why) {
		if (job.left)
			return;
		if (why?.startsWith('dropped'))
			this.dropped++;
		job.cutByUs = why ?? 'no instance';
		job.outgoing.socket?.destroy();
		this.#account(job, 'cut', why);
	}

	#cutLate(job) {
		if (this.cutWith === 'reset' || job.outgoing.headersSent)
			return this.#cut(job, `after ${this.cutAfter} ms`);
		this.#refuse(job, this.cutWith);
		job.left = true;
		job.upstream?.destroy();
	}

	#answer(job, { status, reason, rawHeaders, body, more }) {
		const headers = [];
		for (let i = 0; i < rawHeaders.length; i += 2)
			if (!hopByHop.has(rawHeaders[i].toLowerCase()))
				headers.push(rawHeaders[i], rawHeaders[i + 1]);
		if (status >= 400)
			job.code = /"code":\s*"(\w+)"/.exec(body?.toString())?.[1];
		job.outgoing.sendDate = false;
		job.outgoing.writeHead(status, reason, headers);
		job.outgoing.once('finish', () => this.#account(job, status));
		if (!more)
			return job.outgoing.end(body);
		job.outgoing.flushHeaders();
		more.pipe(job.outgoing);
		more.once('close', () => !more.complete && this.#cut(job, 'answer cut'));
	}

	/** Pass the 101 on, and let the two sockets speak to each other from there on. */
	#join(job, { reason, rawHeaders, more, head }) {
		const { socket, head: sent } = job.upgrade;
		const lines = [`HTTP/1.1 101 ${reason}`];
		for (let i = 0; i < rawHeaders.length; i += 2)
			lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
		job.tunnelled = true;
		job.outgoing.detachSocket(socket);
		this.#account(job, 101);
		this.#count('upgrades', 1);
		socket.once('close', () => {
			this.#count('upgrades', -1);
			more.destroy();
		});
		more.on('error', () => {}).once('close', () => socket.destroySoon());
		more.setNoDelay(true);
		socket.write(`${lines.join('\r\n')}\r\n\r\n`);
		socket.unshift(sent);
		more.unshift(head);
		this.tunnel(socket, more);
	}

	/** A target that may take the request now, or null. */
	#choose(job) {
		let able = this.targets.filter((target) => !job.tried.has(portOf(target)));
		if (this.concurrency > 0)
			able = able.filter((target) => (this.busy.get(portOf(target)) ?? 0) < this.concurrency);
		if (able.length === 0)
			return null;
		if (typeof this.pick === 'function')
			return this.pick(job, able);
		return able[this.pick === 'round' ? this.next++ % able.length : Math.floor(this.random() * able.length)];
	}

	/** A turn on a target: its port, or null when all were tried. */
	#take(job) {
		if (this.targets.every((target) => job.tried.has(portOf(target))))
			return null;
		const target = this.#choose(job);
		if (target === null)
			return new Promise((resolve) => this.queue.push({ job, resolve }));
		const port = portOf(target);
		this.busy.set(port, (this.busy.get(port) ?? 0) + 1);
		return port;
	}

	#release(port) {
		this.busy.set(port, this.busy.get(port) - 1);
		const waiting = this.queue.splice(0);
		for (const { job, resolve } of waiting)
			resolve(job.left ? null : this.#take(job));
	}

	/** The whole answer of some target, or null (job.why says why). */
	async #forward(job) {
		for (;;) {
			const port = await this.#take(job);
			if (port === null)
				return null;
			if (job.left) {
				this.#release(port);
				return null;
			}
			job.port = port;
			let more;
			try {
				const answer = await this.#exchange(job, port);
				more = answer.more?.once('close', () => this.#release(port));
				return answer;
			} catch (error) {
				job.why = `${error.code ?? error.message} from ${port}`;
				if (job.left || !this.#mayRetry(error))
					return null;
				this.retries++;
				job.tried.add(port);
			} finally {
				if (!more)
					this.#release(port);
			}
		}
	}

	#mayRetry({ code, begun, reused }) {
		if (code === 'ECONNREFUSED')
			return this.retry !== 'none';
		return !begun && (this.retry === 'reset' || (this.retry === 'reused' && reused));
	}

	/**
	 * The answer of this target: { status, reason, rawHeaders, body }; or with `more`, what goes on, in place of the body: the rest
	 * of an answer of unknown length, or the socket after a 101 and the first bytes on it, `head`.
	 */
	#exchange(job, port) {
		return new Promise((resolve, reject) => {
			const headers = upstreamHeaders(job, this.pool);
			const upstream = http.request({
				host: '127.0.0.1', port, method: job.method, path: job.incoming.url, headers,
				agent: this.pool && !job.upgrade ? this.agent : false,
			});
			let begun = false;
			const fail = (error) => reject(Object.assign(error, { begun, reused: upstream.reusedSocket }));
			job.upstream = upstream;
			upstream.setNoDelay(true);
			upstream.on('error', fail);
			upstream.once('close', () => fail(new Error('closed')));
			upstream.once('upgrade', (response, socket, head) => resolve({ ...headOf(response), more: socket, head }));
			upstream.once('response', (response) => {
				begun = true;
				if (response.headers['content-length'] === undefined && !this.holds(response.headers))
					return resolve({ ...headOf(response), more: response.on('error', () => {}) });
				const chunks = [];
				response.on('data', (chunk) => chunks.push(chunk));
				response.once('error', fail);
				response.once('end', () => {
					if (!response.complete)
						return fail(Object.assign(new Error('answer cut'), { code: 'ECONNRESET' }));
					resolve({ ...headOf(response), body: Buffer.concat(chunks) });
				});
			});
			upstream.end(job.body);
		});
	}
}

export async function startProxy(options = {}) {
	return new Proxy(options.port ?? await freePort(), options).listen();
}
