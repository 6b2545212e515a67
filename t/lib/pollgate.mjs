/*
 * Starts the real gateway (the program that the environment variable POLLGATE names, else build/pollgate), asks its metrics and
 * reads its log, ends it in every way there is, and starts it again on the same port.  forEachStore() runs a body on both stores.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, execute, freePort } from './process.mjs';
import { request } from './request.mjs';
import { haveRedis, startRedis } from './redis.mjs';
import { startProxy } from './proxy.mjs';
import { atEnd, bail, scope, skip } from './tap.mjs';
import { sleep, slowness, waitFor } from './wait.mjs';

export { waitFor, sleep, slowness };

const top = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const sourceDir = process.env.POLLGATE_TEST_SRC ? path.resolve(process.env.POLLGATE_TEST_SRC) : top;
export const binary = path.resolve(process.env.POLLGATE ?? path.join(top, 'build/pollgate'));
export const pollcat = path.join(path.dirname(binary), 'pollcat');
export const pollgatectl = path.join(path.dirname(binary), 'pollgatectl');

if (!existsSync(binary))
	bail(`there is no ${binary}: build it, or name it by POLLGATE`);

/** The environment without settings that would leak into the gateway. */
export function cleanEnv(more = {}) {
	const env = { ...process.env, ...more };
	for (const name of Object.keys(env))
		if ((name.startsWith('POLLGATE') || name === 'PORT') && !(name in more))
			delete env[name];
	return env;
}

/** { hold: '2s', origin: ['a', 'b'], 'check-config': true } as arguments. */
export function asArgs(options = {}) {
	return Object.entries(options).flatMap(([name, value]) => {
		if (value === undefined || value === false)
			return [];
		if (value === true)
			return [`--${name}`];
		return (Array.isArray(value) ? value : [value]).map((one) => `--${name}=${one}`);
	});
}

/** Run the program to its end (--help, bad options): { code, signal, stdout, stderr }. */
export const runPollgate = (args = [], { env = {}, ...more } = {}) => execute(binary, args, { env: cleanEnv(env), ...more });

/** { name: value } of a Prometheus text; a name with labels keeps them. */
export function parseMetrics(text) {
	const values = {};
	for (const line of text.split('\n')) {
		const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{[^}]*\})?) (\S+)/.exec(line);
		if (match)
			values[match[1]] = Number(match[2]);
	}
	return values;
}

const unwell = /AddressSanitizer|runtime error:|LeakSanitizer|[Aa]ssertion .* failed/;

export class Pollgate {
	/** settings: { options, args, env, redis (a RedisServer), port, file, cwd, wrapper (arguments in front of the program) }. */
	constructor(port, settings) {
		this.port = port;
		this.settings = settings;
		this.base = `http://127.0.0.1:${port}`;
		this.complaints = []; /* What sanitizers and assertions said, of all starts. */
		this.statuses = [];   /* How each start ended. */
		const check = () => this.check();
		check.first = true;
		this.forget = atEnd(check);
	}

	arguments() {
		const { redis, options = {}, args = [] } = this.settings;
		const all = { listen: `127.0.0.1:${this.port}`, ...(redis ? { redis: redis.url } : {}), ...options };
		return [...asArgs(all), ...args];
	}

	/** Start, and wait until it answers /health (unless waitUp is false). */
	async start(waitUp = true) {
		const { env, wrapper = [], cwd } = this.settings;
		const [file, ...rest] = [...wrapper, binary, ...this.arguments()];
		this.child = new Child(file, rest, { env: cleanEnv(env), name: `pollgate:${this.port}`, cwd });
		this.#follow(this.child);
		if (waitUp)
			await this.waitUp();
		return this;
	}

	#follow(child) {
		child.exited.then((status) => {
			this.statuses.push(status);
			const from = child.lines.findIndex((line) => unwell.test(line));
			if (from >= 0)
				this.complaints.push(...child.lines.slice(from, from + 60));
		});
	}

	async waitUp() {
		await waitFor(async () => {
			if (!this.running)
				return true;
			return (await request(this.base, 'GET', '/health', { limitMs: 2000 })).status === 200;
		}, () => `pollgate on ${this.port} to answer; it says: ${this.log.slice(-5).join(' / ')}`);
		if (!this.running)
			throw new Error(`pollgate ended with ${JSON.stringify(this.child.status)}: ${this.log.slice(-5).join(' / ')}`);
	}

	get running() {
		return this.child?.running ?? false;
	}

	get pid() {
		return this.child.pid;
	}

	/** The lines it has written, oldest first. */
	get log() {
		return this.child.lines;
	}

	/** Settles with { code, signal }. */
	get exited() {
		return this.child.exited;
	}

	signal(name) {
		this.child.signal(name);
	}

	/** SIGTERM, and wait: { code, signal }. */
	stop() {
		return this.child.end('SIGTERM');
	}

	/** End it at once, but in order: SIGTERM until it is gone.  What it said on the way out is in the log. */
	async finish() {
		await waitFor(() => {
			this.signal('SIGTERM');
			return !this.running;
		}, `pollgate on ${this.port} to end`, { everyMs: 50 });
		return this.child.status;
	}

	/** End it if need be; an exception if it ever crashed or a sanitizer complained. */
	async check() {
		this.forget();
		if (this.running)
			await this.finish();
		if (this.complaints.length > 0)
			throw new Error(`pollgate on ${this.port} said:\n${this.complaints.join('\n')}`);
		const crash = this.statuses.find(({ signal }) => signal && !['SIGKILL', 'SIGTERM'].includes(signal));
		if (crash)
			throw new Error(`pollgate on ${this.port} ended by ${crash.signal}; it said: ${this.log.slice(-5).join(' / ')}`);
	}

	/** kill -9, and wait. */
	kill() {
		return this.child.kill();
	}

	/** End it (by kill -9 unless another signal is named), then start it again on the same port. */
	async restart(signal = 'SIGKILL') {
		await this.child.end(signal);
		return this.start();
	}

	request(method, target, options) {
		return request(this.base, method, target, options);
	}

	/** All metrics, or the one that is named. */
	async metrics(name) {
		const answer = await request(this.base, 'GET', '/metrics', { limitMs: 5000 });
		if (answer.status !== 200)
			throw new Error(`/metrics answered ${answer.status}`);
		const values = parseMetrics(answer.text);
		if (name !== undefined && !(name in values))
			throw new Error(`there is no metric ${name}`);
		return name === undefined ? values : values[name];
	}

	/** Wait until the metric is wanted (a number, or a condition on it); returns it. */
	async waitMetric(name, wanted) {
		const holds = typeof wanted === 'function' ? wanted : (value) => value === wanted;
		let value;
		await waitFor(async () => holds(value = await this.metrics(name)),
			() => `${name} of ${this.port} to be ${wanted}; it is ${value}`);
		return value;
	}

	/** Wait for a log line (of this start, from line `from` on) that matches; returns it. */
	waitLog(pattern, from = 0) {
		return waitFor(() => this.log.slice(from).find((line) => pattern.test(line)),
			() => `a log line like ${pattern} from ${this.port}; last: ${this.log.slice(-5).join(' / ')}`);
	}
}

/** settings as for Pollgate; waitUp: false does not wait. */
export async function startPollgate(settings = {}) {
	const port = settings.port ?? await freePort();
	return new Pollgate(port, settings).start(settings.waitUp ?? true);
}

/** Several instances (of one Redis), and a proxy before them: { instances, proxy, base, stop() }. */
export async function startCluster({ n = 1, redis, options = {}, env, proxy = {}, ...settings } = {}) {
	const instances = await Promise.all(Array.from({ length: n }, () => startPollgate({ redis, options, env, ...settings })));
	const front = await startProxy({ targets: instances, ...proxy });
	const stop = async () => {
		await front.close();
		await Promise.all(instances.map((instance) => instance.check()));
	};
	return { instances, proxy: front, base: front.base, redis, stop };
}

export const storesWanted = (process.env.POLLGATE_TEST_STORES ?? 'memory,redis').split(',');

/**
 * Run body({ store, start, redis, n }) on the memory store with one instance and on Redis with `instances` (3).
 * start({ options, env, proxy }) gives what startCluster gives.  POLLGATE_TEST_STORES=memory|redis picks one.
 */
export async function forEachStore(body, { instances = 3, redisSettings = {}, stores = ['memory', 'redis'] } = {}) {
	for (const store of storesWanted.filter((one) => stores.includes(one)))
		await scope(store, () => onStore(store, body, instances, redisSettings));
}

async function onStore(store, body, instances, redisSettings) {
	if (store === 'redis' && !haveRedis())
		return skip('everything', 'redis-server is not installed');
	const n = store === 'redis' ? instances : 1;
	const redis = store === 'redis' ? await startRedis(redisSettings) : undefined;
	const clusters = [];
	const start = async (settings = {}) => {
		const cluster = await startCluster({ n, redis, ...settings });
		clusters.push(cluster);
		return cluster;
	};
	try {
		await body({ store, start, redis, n });
		await Promise.all(clusters.map((cluster) => cluster.stop()));
	} finally {
		await redis?.kill();
	}
}
