/*
 * The servers of a benchmark, each on a free port of the loopback, in a directory of its own, and gone when the script is.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const dir = mkdtempSync(path.join(os.tmpdir(), 'pollgate-bench-'));
const running = new Set();
const nchanModule = '/usr/lib/nginx/modules/ngx_nchan_module.so'; // Where Debian has it.

process.on('exit', () => {
	for (const server of running)
		server.process.kill(server.signal);
	rmSync(dir, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.on(signal, () => process.exit(1));

export const haveNchan = existsSync(nchanModule);
export const haveSocketIo = existsSync(path.join(import.meta.dirname, '../node_modules/socket.io'));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what, server) {
	for (const end = Date.now() + 30000; Date.now() < end; await sleep(10)) {
		if (!running.has(server))
			throw new Error(`${what}: it ended: ${server.output.slice(-500)}`);
		try {
			if (await condition())
				return;
		} catch {}
	}
	throw new Error(`waited in vain: ${what}: ${server.output.slice(-500)}`);
}

function freePort() {
	return new Promise((resolve, reject) => {
		const server = net.createServer().once('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

class Server {
	constructor(file, args, signal = 'SIGTERM') {
		this.output = '';
		this.signal = signal;
		this.process = spawn(file, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
		running.add(this);
		this.ended = new Promise((resolve) => {
			const end = () => {
				running.delete(this);
				resolve();
			};
			this.process.once('exit', end).once('error', end);
		});
		for (const stream of [this.process.stdout, this.process.stderr])
			stream.setEncoding('utf8').on('data', (text) => {
				this.output = (this.output + text).slice(-4000);
			});
	}

	/* By SIGTERM where that is quick and there are workers to end; nobody waits for a benchmark's gateway to drain. */
	async stop() {
		this.process.kill(this.signal);
		const late = setTimeout(() => this.process.kill('SIGKILL'), 3000);
		await this.ended;
		clearTimeout(late);
	}
}

async function startRedis() {
	const port = await freePort();
	const settings = { port, bind: '127.0.0.1', dir, save: '', appendonly: 'no' };
	const server = new Server('redis-server', Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]));
	await until(() => server.output.includes('Ready to accept connections'), 'redis-server', server);
	return { server, address: `127.0.0.1:${port}`, url: `redis://127.0.0.1:${port}` };
}

async function startPollgate(redis, more) {
	const port = await freePort();
	const args = ['--listen', `127.0.0.1:${port}`, '--log-level', 'warning', ...(redis ? ['--redis', redis.url] : []), ...more];
	const server = new Server(process.env.POLLGATE ?? 'build/pollgate', args, 'SIGKILL');
	await until(async () => (await fetch(`http://127.0.0.1:${port}/ready`)).ok, 'pollgate', server);
	return { server, url: `http://127.0.0.1:${port}`, pids: [server.process.pid] };
}

/* Each queue of events is worked on by one of them, and none has much more to do than another. */
async function untilShared(gateways) {
	const held = async ({ url }) => Number(/^pollgate_hook_queues (\d+)/m.exec(await (await fetch(`${url}/metrics`)).text())[1]);
	await until(async () => {
		const counts = await Promise.all(gateways.map(held));
		return counts.reduce((a, b) => a + b) === 16 && Math.max(...counts) - Math.min(...counts) <= 1;
	}, 'queues to be shared', gateways[0].server);
}

/* Buffers as pollgate's mailbox. */
function nginxConfig(home, port, redis, hold) {
	const upstream = redis ? `upstream bench { nchan_redis_server ${redis.url}; }` : '';
	const pass = redis ? 'nchan_redis_pass bench;' : '';
	const common = `nchan_channel_id $1; nchan_message_buffer_length 100; nchan_message_timeout 60s; ${pass}`;
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${home}/${name};`).join(' ');
	return `load_module ${nchanModule};
${process.getuid() === 0 ? 'user root;' : ''}
worker_processes 1; daemon off; pid ${home}/pid; error_log stderr warn; worker_rlimit_nofile 20000;
events { worker_connections 19500; }
http {
	access_log off; ${temp}
	keepalive_timeout 620s; keepalive_requests 1000000000; tcp_nodelay on;
	nchan_shared_memory_size 1024M;
	${upstream}
	server {
		listen 127.0.0.1:${port} backlog=4096;
		location ~ ^/sub/(.+)$ { nchan_subscriber longpoll; nchan_subscriber_timeout ${Math.max(hold / 1000, 1)}s; ${common} }
		location ~ ^/now/(.+)$ { nchan_subscriber interval-poll; ${common} }
		location ~ ^/pub/(.+)$ { nchan_publisher http; ${common} }
	}
}
`;
}

async function startNginx(redis, hold) {
	const port = await freePort();
	const home = path.join(dir, `nginx-${port}`);
	mkdirSync(home);
	writeFileSync(path.join(home, 'nginx.conf'), nginxConfig(home, port, redis, hold));
	const server = new Server('nginx', ['-p', home, '-c', path.join(home, 'nginx.conf'), '-e', 'stderr']);
	const url = `http://127.0.0.1:${port}`;
	await until(async () => (await fetch(`${url}/pub/ready`, { method: 'POST', body: 'x' })).ok, 'nginx', server);
	const { pid } = server.process;
	const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/); // The worker.
	return { server, url, pids };
}

async function startHook(delay) {
	const port = await freePort();
	const server = new Server(process.env.HOOKBENCH ?? 'build/t/bench/hookbench', ['--port', port, '--delay', delay]);
	await until(() => server.output.includes('listening'), 'hookbench', server);
	return { server, options: [`--hook=http://127.0.0.1:${port}/`, '--hook-events=message', '--hook-concurrency=1000'] };
}

async function startSocketIo(redis) {
	const port = await freePort();
	const server = new Server(process.execPath, [path.join(import.meta.dirname, 'socketio.mjs'), port, ...(redis ? [redis.url] : [])]);
	const url = `http://127.0.0.1:${port}`;
	await until(async () => (await fetch(url)).ok, 'socket.io', server);
	return { server, url, pids: [server.process.pid] };
}

/**
 * Fresh servers of a system, whose polls wait hold ms: { urls, pids, redis: address or undefined, stop() }.
 * hook: ms that the application takes for an answer, if there is to be one.
 */
export async function startSystem({ peer, server = peer, instances, redis, hold = 29000, options = [], hook }) {
	const store = redis ? await startRedis() : undefined;
	const backend = hook === undefined ? undefined : await startHook(hook);
	const starts = { nchan: () => startNginx(store, hold), socketio: () => startSocketIo(store) };
	const start = starts[server] ?? (() => startPollgate(store, [...options, ...(backend?.options ?? [])]));
	const gateways = await Promise.all(Array.from({ length: instances }, start));
	if (backend)
		await untilShared(gateways);
	return {
		urls: gateways.map((g) => g.url),
		pids: gateways.flatMap((g) => g.pids),
		redis: store?.address,
		async stop() {
			await Promise.all([...gateways, ...(store ? [store] : []), ...(backend ? [backend] : [])].map(({ server }) => server.stop()));
		},
	};
}
