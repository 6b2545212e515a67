#!/usr/bin/env node
/*
 * The image: built from the Dockerfile by buildah on a Debian 13 that debootstrap makes, looked through, and run as a container
 * runtime would run it: PID 1 of its own namespace, an unprivileged user, nothing around it but its files.
 *
 * /var/cache/pollgate-test (or POLLGATE_TEST_CACHE) keeps the Debian and the layer with the compiler for the next time.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, execute, freePort, tempDir, which } from './lib/process.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { atEnd, done, is, isDeep, like, limit, note, ok, skip, skipAll } from './lib/tap.mjs';
import { waitFor, within } from './lib/wait.mjs';

const SIZE_LIMIT = 30e6;
const BASE = 'debian:trixie-slim'; // As the Dockerfile's FROM says.
const TOOLS = 'pollgate-test-tools';
const IMAGE = 'pollgate-test-image';
const USER = '65532';

const source = process.env.POLLGATE_TEST_SRC ?? fileURLToPath(new URL('..', import.meta.url));
const cache = process.env.POLLGATE_TEST_CACHE ?? '/var/cache/pollgate-test';

limit(900);

// ---- What it takes ----

if (process.getuid() !== 0)
	skipAll('building an image here takes root');
for (const program of ['buildah', 'debootstrap', 'unshare', 'flock'])
	if (!which(program))
		skipAll(`there is no ${program}`);
if ((await execute('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true'])).code !== 0)
	skipAll('namespaces are not allowed here');

/** One run at a time uses the cache; the lock ends with its holder. */
async function lock() {
	const holder = new Child('flock', [path.join(cache, 'lock'), 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'pipe', 'pipe'] });
	await waitFor(() => holder.lines.includes('locked'), 'another run of this test to end', { limitMs: 600000 });
}

async function buildah(...args) {
	const storage = ['--root', path.join(cache, 'images'), '--runroot', path.join(cache, 'run')];
	const env = { ...process.env, BUILDAH_ISOLATION: 'chroot', BUILDAH_FORMAT: 'docker' };
	const result = await execute('buildah', [...storage, ...args], { env, limitMs: 600000 });
	if (result.code !== 0)
		throw new Error(`buildah ${args[0]}: ${(result.stderr + result.stdout).slice(-4000)}`);
	return result.stdout.trim();
}

const hasImage = async (name) => (await buildah('images', '--filter', `reference=${name}`, '--quiet')) !== '';

/** A Debian 13 under the name by which the Dockerfile asks for it. */
async function provideBase() {
	if (await hasImage(BASE))
		return;
	const dir = tempDir('image');
	const root = path.join(dir, 'root');
	const tar = path.join(dir, 'root.tar');
	const made = await execute('debootstrap', ['--variant=minbase', 'trixie', root], { limitMs: 600000 });
	if (made.code !== 0)
		skipAll(`debootstrap failed: ${(made.stderr + made.stdout).trim().split('\n').pop()}`);
	await execute('tar', ['-C', root, '--numeric-owner', '--exclude=./var/cache/apt/archives/*.deb', '-cf', tar, '.'], { limitMs: 120000 });
	const container = await buildah('from', 'scratch');
	await buildah('add', '--quiet', container, tar, '/');
	await buildah('commit', '--quiet', '--rm', container, BASE);
}

/** The layer with the compiler keeps its name, so that removing what is left over leaves it. */
async function build() {
	const options = ['--layers', '--pull-never', '--file', path.join(source, 'Dockerfile')];
	await buildah('build', ...options, '--target', 'tools', '--tag', TOOLS, source);
	await buildah('build', ...options, '--tag', IMAGE, source);
}

async function container() {
	const name = await buildah('from', '--pull-never', IMAGE);
	atEnd(async () => {
		await buildah('rm', name);
		await buildah('rmi', IMAGE);
		await buildah('rmi', '--prune').catch(() => {});
	});
	return { name, root: await buildah('mount', name) };
}

// ---- What is in it ----

function files(dir, below = '') {
	return readdirSync(path.join(dir, below), { withFileTypes: true }).flatMap((entry) => {
		const name = path.join(below, entry.name);
		return entry.isDirectory() ? files(dir, name) : [{ name: `/${name}`, ...stat(path.join(dir, name)) }];
	});
}

function stat(file) {
	const { size, mode, uid } = lstatSync(file);
	return { size, mode, uid };
}

async function testContents({ name, root }) {
	const all = files(root).sort((a, b) => b.size - a.size);
	const total = all.reduce((sum, file) => sum + file.size, 0);
	note(`${all.length} files, ${(total / 1e6).toFixed(1)} MB; the largest:`);
	for (const file of all.slice(0, 12))
		note(`${(file.size / 1e6).toFixed(2).padStart(6)} MB ${file.name}`);
	ok(total < SIZE_LIMIT, `the image is smaller than ${SIZE_LIMIT / 1e6} MB`, `it has ${total} bytes`);

	const programs = all.filter((file) => file.mode & 0o111 && !/\.so(\.|$)/.test(file.name)).map((file) => file.name);
	isDeep(programs.sort(), ['/usr/bin/pollcat', '/usr/bin/pollgate', '/usr/bin/pollgatectl'],
		'pollgate, pollcat and pollgatectl are the only programs in the image: no shell');
	const expected = /^\/(usr\/bin\/poll(gate|cat|gatectl)|usr\/share\/pollgate\/www\/.+|(usr\/)?lib(64)?\/.+\.so[.\d]*|etc\/(passwd|group|nsswitch\.conf|ssl\/certs\/ca-certificates\.crt))$/;
	isDeep(all.filter((file) => !expected.test(file.name)).map((file) => file.name), [],
		'the image has nothing but the programs, their libraries, the pages and five files of /etc');
	isDeep(all.filter((file) => file.uid !== 0 || file.mode & 0o6022).map((file) => file.name), [],
		'all files are root\'s, none can be written by others or changes the user');
	ok(all.some((file) => file.name === '/usr/share/pollgate/www/call.html'), 'the page for calls is in the image');
	ok(all.some((file) => file.name === '/usr/share/pollgate/www/doctor/page.js'), 'so is the doctor');

	const { config } = JSON.parse(await buildah('inspect', name)).Docker;
	is(config.User, `${USER}:${USER}`, 'the image names an unprivileged user by number');
	isDeep(config.Entrypoint, ['/usr/bin/pollgate'], 'the program is the entry point, without a shell');
	isDeep(Object.keys(config.ExposedPorts), ['8080/tcp'], 'the image exposes port 8080');
	is(config.StopSignal, 'SIGTERM', 'the image is stopped by SIGTERM');
	isDeep(config.Healthcheck.Test, ['CMD', '/usr/bin/pollgate', '--probe', 'http://127.0.0.1:8080/health'],
		'the image checks its health by its own program');
	return config;
}

// ---- Running it ----

/** As PID 1 of a new PID namespace, with /proc and the files that a runtime adds, as its user. */
function start({ root }, config, port, more = {}) {
	const env = { ...Object.fromEntries(config.Env.map((entry) => entry.split(/=(.*)/s, 2))), ...more };
	mkdirSync(path.join(root, 'proc'), { recursive: true });
	writeFileSync(path.join(root, 'etc/hosts'), '127.0.0.1 localhost redis.test\n');
	writeFileSync(path.join(root, 'etc/resolv.conf'), 'nameserver 127.0.0.1\n');
	const child = new Child('unshare', ['--mount', '--pid', '--fork', '--root', root, '--mount-proc=/proc', '--wd', '/',
		'--setgid', USER, '--setuid', USER, ...config.Entrypoint, '--listen', `127.0.0.1:${port}`], { env });
	const end = () => killInside(child);
	end.now = end;
	atEnd(end);
	return child;
}

/** The process that is PID 1 inside, as it is numbered here; null when there is none. */
function insidePid(child) {
	try {
		return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()) || null;
	} catch {
		return null;
	}
}

/** The end of unshare alone would not end what it started: a change of user makes the kernel forget --kill-child. */
function killInside(child) {
	const pid = insidePid(child);
	if (pid)
		process.kill(pid, 'SIGKILL');
}

async function probe({ root }, url) {
	return execute('unshare', ['--root', root, '--wd', '/', '--setgid', USER, '--setuid', USER, '/usr/bin/pollgate', '--probe', url], { env: {} });
}

async function testRunning(image, config) {
	const port = await freePort();
	const base = `http://127.0.0.1:${port}`;
	const child = start(image, config, port);
	const health = await waitFor(async () => child.running ? await fetch(`${base}/health`) : 'ended', 'the container to answer');
	if (!ok(health.ok, 'the container answers /health', child.stderr))
		return;
	isDeep(await health.json(), { status: 'ok' }, '/health says ok');
	const pid = insidePid(child);
	const status = readFileSync(`/proc/${pid}/status`, 'utf8');
	like(status, /^NSpid:\s+\d+\s+1$/m, 'the program is PID 1 of its container');
	like(status, new RegExp(`^Uid:\\s+${USER}\\s+${USER}\\s`, 'm'), 'it does not run as root');
	await waitFor(async () => (await fetch(`${base}/ready`)).ok, 'the container to be ready');
	const page = await fetch(`${base}/call.html`);
	is(page.status, 200, 'the container serves the page for calls');
	like(await page.text(), /<html/i, 'the page is HTML');
	is((await probe(image, `${base}/health`)).code, 0, 'the health check succeeds without a shell');

	process.kill(pid, 'SIGTERM');
	const end = await within(child.exited, 'PID 1 to end by SIGTERM');
	isDeep([end.code, end.signal], [0, null], 'PID 1 obeys SIGTERM and exits 0', child.stderr.slice(-2000));
	is((await probe(image, `${base}/health`)).code, 1, 'the health check fails once the container has ended');
}

async function testRedis(image, config) {
	if (!haveRedis())
		return skip('the container finds Redis by its host\'s name', 'redis-server is not installed');
	const redis = await startRedis();
	const port = await freePort();
	const child = start(image, config, port, { POLLGATE_REDIS: `redis://redis.test:${redis.port}` });
	const ready = async () => !child.running || (await fetch(`http://127.0.0.1:${port}/ready`)).ok;
	await waitFor(ready, () => `the container to reach Redis: ${child.stderr.slice(-1000)}`);
	ok(child.running, 'the container finds Redis by its host\'s name', child.stderr.slice(-2000));
	killInside(child);
	await within(child.exited, 'the container to end');
	await redis.kill();
}

mkdirSync(cache, { recursive: true });
await lock();
await buildah('rm', '--all'); // What a run left that was killed.
await provideBase();
await build();
const image = await container();
const config = await testContents(image);
await testRunning(image, config);
await testRedis(image, config);
await done();
