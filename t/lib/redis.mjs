/*
 * A redis-server of the test's own on a free port, without persistence, and a RESP client that is just enough to look at keys
 * and to do harm to them.
 */
import net from 'node:net';
import { Child, freePort, tempDir, which } from './process.mjs';
import { waitFor } from './wait.mjs';

function encode(args) {
	const parts = [Buffer.from(`*${args.length}\r\n`)];
	for (const arg of args) {
		const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
		parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
	}
	return Buffer.concat(parts);
}

/** [value, bytes used], or null while incomplete.  Errors are Error objects, bulk strings are strings. */
function decode(buffer, at = 0) {
	const end = buffer.indexOf('\r\n', at);
	if (end < 0)
		return null;
	const line = buffer.toString('utf8', at + 1, end);
	const next = end + 2;
	switch (String.fromCharCode(buffer[at])) {
	case '+': return [line, next];
	case '-': return [new Error(line), next];
	case ':': return [Number(line), next];
	case '$': return decodeBulk(buffer, Number(line), next);
	case '*': return decodeArray(buffer, Number(line), next);
	default: throw new Error(`not RESP: ${line}`);
	}
}

function decodeBulk(buffer, length, at) {
	if (length < 0)
		return [null, at];
	return buffer.length < at + length + 2 ? null : [buffer.toString('utf8', at, at + length), at + length + 2];
}

function decodeArray(buffer, length, at) {
	if (length < 0)
		return [null, at];
	const values = [];
	for (let i = 0; i < length; i++) {
		const got = decode(buffer, at);
		if (!got)
			return null;
		values.push(got[0]);
		at = got[1];
	}
	return [values, at];
}

/** One connection.  Replies come in order; a lost connection fails what waits. */
export class RedisClient {
	constructor(port, host = '127.0.0.1') {
		this.waiting = [];
		this.input = Buffer.alloc(0);
		this.socket = net.connect(port, host);
		this.socket.on('data', (data) => this.#read(data));
		this.socket.on('error', (error) => this.#fail(error));
		this.socket.on('close', () => this.#fail(new Error('connection to Redis closed')));
	}

	#read(data) {
		this.input = Buffer.concat([this.input, data]);
		for (let got; this.input.length > 0 && (got = decode(this.input)); ) {
			this.input = this.input.subarray(got[1]);
			const { resolve, reject } = this.waiting.shift();
			got[0] instanceof Error ? reject(got[0]) : resolve(got[0]);
		}
	}

	#fail(error) {
		this.dead = true;
		for (const { reject } of this.waiting.splice(0))
			reject(error);
	}

	command(...args) {
		return new Promise((resolve, reject) => {
			if (this.dead)
				return reject(new Error('connection to Redis closed'));
			this.waiting.push({ resolve, reject });
			this.socket.write(encode(args));
		});
	}

	close() {
		this.socket.destroy();
	}
}

export const haveRedis = () => which('redis-server') !== null;

export class RedisServer {
	/** settings: { maxmemory: '10mb', ... } as in redis.conf. */
	constructor(port, settings = {}) {
		this.port = port;
		this.url = `redis://127.0.0.1:${port}`;
		this.dir = tempDir('redis');
		this.settings = { bind: '127.0.0.1', port, dir: this.dir, save: '', appendonly: 'no', 'maxmemory-policy': 'noeviction',
			...settings };
	}

	async start() {
		const args = Object.entries(this.settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
		this.child = new Child('redis-server', args, { name: `redis-server:${this.port}` });
		await waitFor(async () => {
			if (!this.child.running)
				throw new Error(`redis-server ended: ${this.child.lines.slice(-3).join(' / ')}`);
			return await this.command('PING') === 'PONG';
		}, `redis-server on ${this.port} to answer`);
		return this;
	}

	/** Send one command on a connection that is kept. */
	async command(...args) {
		if (!this.client || this.client.dead)
			this.client = new RedisClient(this.port);
		return this.client.command(...args);
	}

	/** All keys that match, by SCAN. */
	async keys(pattern = '*') {
		const keys = [];
		let cursor = '0';
		do {
			const [next, some] = await this.command('SCAN', cursor, 'MATCH', pattern, 'COUNT', 1000);
			keys.push(...some);
			cursor = next;
		} while (cursor !== '0');
		return [...new Set(keys)].sort();
	}

	/** One figure of INFO, as a number where it is one. */
	async info(name) {
		const line = (await this.command('INFO', 'all')).split('\r\n').find((l) => l.startsWith(name + ':'));
		const value = line?.slice(name.length + 1);
		return value !== undefined && value !== '' && !Number.isNaN(Number(value)) ? Number(value) : value;
	}

	pause() {
		this.child.signal('SIGSTOP');
	}

	resume() {
		this.child.signal('SIGCONT');
	}

	/** End the server; nothing is saved. */
	async stop() {
		this.client?.close();
		await this.child.end('SIGTERM');
	}

	async kill() {
		this.client?.close();
		await this.child.kill();
	}

	/** A new, empty server on the same port. */
	async restart() {
		await this.kill();
		return this.start();
	}
}

export async function startRedis(settings = {}) {
	return new RedisServer(await freePort(), settings).start();
}
