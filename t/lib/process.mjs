/*
 * Child processes that cannot outlive the test: ended by atEnd(), by the exit handler, and (where setpriv is) by the kernel
 * when the test itself is killed.  Also free ports, and directories that are gone afterwards.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { atEnd } from './tap.mjs';
import { within } from './wait.mjs';

function which(name) {
	for (const dir of `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':')) {
		const file = path.join(dir || '.', name);
		try {
			accessSync(file, constants.X_OK);
			return file;
		} catch {}
	}
	return null;
}
const setpriv = which('setpriv');
export { which };

/** A running program.  `lines` are its output lines as they come, both streams; `exited` settles with { code, signal }. */
export class Child {
	constructor(file, args = [], options = {}) {
		const { name = path.basename(file), keep = 5000, ...rest } = options;
		const guarded = setpriv ? [setpriv, '--pdeathsig', 'KILL', '--', file] : [file];
		this.name = name;
		this.lines = [];
		this.stdout = '';
		this.stderr = '';
		this.running = true;
		this.process = spawn(guarded[0], [...guarded.slice(1), ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...rest });
		this.pid = this.process.pid;
		this.exited = new Promise((resolve) => {
			this.process.once('error', (error) => this.#ended(resolve, { code: null, signal: null, error }));
			this.process.once('close', (code, signal) => this.#ended(resolve, { code, signal }));
		});
		for (const stream of ['stdout', 'stderr'])
			this.#collect(stream, keep);
		const end = async () => {
			await this.kill();
		};
		end.now = () => this.signal('SIGKILL');
		this.forget = atEnd(end);
	}

	#ended(resolve, status) {
		this.running = false;
		this.status = status;
		this.forget?.();
		resolve(status);
	}

	#collect(stream, keep) {
		let rest = '';
		this.process[stream]?.setEncoding('utf8').on('data', (text) => {
			if (this[stream].length < 4 << 20)
				this[stream] += text;
			const lines = (rest + text).split('\n');
			rest = lines.pop();
			this.lines.push(...lines);
			if (this.lines.length > 2 * keep)
				this.lines.splice(0, this.lines.length - keep);
		});
	}

	signal(name) {
		if (this.running && this.pid)
			try {
				process.kill(this.pid, name);
			} catch {}
	}

	/** Send a signal and wait for the end; SIGKILL follows after limitMs. */
	async end(signal, limitMs) {
		this.signal(signal);
		this.signal('SIGCONT');
		try {
			return await within(this.exited, `${this.name} to end by ${signal}`, limitMs);
		} catch (error) {
			this.signal('SIGKILL');
			await this.exited;
			throw error;
		}
	}

	async kill() {
		this.signal('SIGKILL');
		return this.exited;
	}
}

/** Run to the end: { code, signal, stdout, stderr }. */
export async function execute(file, args = [], { limitMs = 30000, ...options } = {}) {
	const child = new Child(file, args, options);
	const status = await within(child.exited, `${file} ${args.join(' ')} to end`, limitMs);
	return { ...status, stdout: child.stdout, stderr: child.stderr };
}

const handedOut = new Set();

function isFree(port) {
	return new Promise((resolve) => {
		const server = net.createServer();
		server.once('error', () => resolve(false));
		server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
	});
}

/** A TCP port that nobody uses, below the range from which the kernel takes ports for outgoing connections. */
export async function freePort() {
	for (;;) {
		const port = 10240 + Math.floor(Math.random() * 22000);
		if (!handedOut.has(port) && await isFree(port)) {
			handedOut.add(port);
			return port;
		}
	}
}

/** A new directory, removed at the end. */
export function tempDir(label = 'test') {
	const dir = mkdtempSync(path.join(os.tmpdir(), `pollgate-${label}-`));
	const remove = () => rmSync(dir, { recursive: true, force: true });
	remove.now = remove;
	atEnd(remove);
	return dir;
}
