#!/usr/bin/env node
/*
 * pollcat as scripts use it: lines in, lines out, its ends and exit statuses, on both stores; and every line once and in order
 * while requests are lost and repeated, instances killed, the gateway restarted.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { newToken, request } from './lib/client.mjs';
import { startNetwork } from './lib/network.mjs';
import { pollcat, forEachStore, startPollgate } from './lib/pollgate.mjs';
import { Child, execute, freePort, tempDir, which } from './lib/process.mjs';
import { chances } from './lib/proxy.mjs';
import { done, is, isDeep, like, ok, skip, unlike } from './lib/tap.mjs';
import { waitFor, within } from './lib/wait.mjs';

const numbers = (n, from = 1) => Array.from({ length: n }, (_, i) => String(from + i));
const text = (lines) => lines.map((line) => line + '\n').join('');
const linesOf = (out) => out.split('\n').slice(0, -1);

/** A pollcat under way; write() and end() are its standard input. */
function start(base, ...args) {
	const child = new Child(pollcat, [base, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
	child.process.stdin.on('error', () => {});
	child.write = (what) => child.process.stdin.write(what);
	child.end_input = (what = '') => child.process.stdin.end(what);
	return child;
}

/** Run one to its end with this input: { code, stdout, stderr }. */
async function run(base, args, input = '', limitMs = 30000) {
	const child = start(base, ...args);
	child.end_input(input);
	const status = await within(child.exited, `pollcat ${args.join(' ')} to end; it says ${child.stderr}`, limitMs);
	return { ...status, stdout: child.stdout, stderr: child.stderr };
}

/** One that receives, once it is in the room. */
async function receiver(base, ...args) {
	const child = start(base, '--id', '--receive-only', ...args);
	await waitFor(() => child.stdout.includes('\n'), () => `an id; ${child.stderr}`);
	child.id = linesOf(child.stdout)[0];
	child.received = () => linesOf(child.stdout).slice(1);
	return child;
}

async function ended(child, limitMs = 30000) {
	const { code } = await within(child.exited, `pollcat to end; it has ${child.lines.length} lines and says ${child.stderr}`, limitMs);
	return code;
}

async function basics(base) {
	const reader = await receiver(base, '--room', 'lobby', '--count', '4');
	const sent = await run(base, ['--room', 'lobby'], 'one\ntwo "2"\n\nth\u00e9 end');
	is(sent.code, 0, 'pollcat ends with 0 when its input has ended and is sent', sent.stderr);
	is(await ended(reader), 0, 'and with 0 when --count messages have come');
	isDeep(reader.received(), ['one', 'two "2"', '', 'th\u00e9 end'], 'lines arrive as they were, an empty and an unfinished one too');

	const direct = await receiver(base, '--count', '1');
	await run(base, ['--to', direct.id, '--json-in', '--event', 'offer'], '{"a": [0.10, 12345678901234567890]}\n');
	is(await ended(direct), 0, '--to sends to a session');
	isDeep(direct.received(), ['{"a": [0.10, 12345678901234567890]}'], '--json-in sends JSON as it is');

	const { stdout } = await run(base, ['--room', 'lobby', '--receive-only', '--history', '2', '--count', '2', '--json']);
	isDeep(linesOf(stdout).map((line) => JSON.parse(line)).map(({ room, event, data }) => [room, event, data]),
		[['lobby', 'message', ''], ['lobby', 'message', 'th\u00e9 end']], '--history begins with the last messages, --json writes documents');

	const watcher = await receiver(base, '--room', 'door', '--presence', '--count', '1');
	await run(base, ['--room', 'door', '--data', '{"name":"Ann"}'], 'hello\n');
	is(await ended(watcher), 0, 'what --presence shows does not count');
	like(watcher.received()[0], /^\$join \S{22} \{"name":"Ann"\}$/, '--presence tells who enters');
	is(watcher.received()[1], 'hello', '... in order with what is said');
}

async function statuses(base) {
	is((await run(base, ['--room', 'x', '--count', '1', '--receive-only', '--timeout', '200ms'])).code, 3,
		'3: the time is over before --count is reached');
	is((await run(base, ['--room', 'x', '--receive-only', '--timeout', '200ms'])).code, 0, '0: the time is over and nothing else was asked');
	for (const args of [['--count', '0'], ['--event', '$join'], ['--to', 'x'], ['--data', '{'], ['--nonsense'], ['--send-only'],
		['--header', 'x']])
		is((await run(base, args)).code, 2, `2: ${args.join(' ')} is refused`);
	is((await execute(pollcat, [])).code, 2, '2: there is no URL');
	const nobody = await run(`http://127.0.0.1:${await freePort()}`, ['--room', 'x', '--give-up', '300ms'], 'lost\n');
	is(nobody.code, 1, '1: there is no gateway');
	like(nobody.stderr, /1 messages were not sent|onnect/, '... which is told');
	const gone = await run(base, ['--to', 'AAAAAAAAAAAAAAAAAAAAAA'], 'a\nb\n');
	is(gone.code, 4, '4: lines were refused');
	like(gone.stderr, /line 2 was not sent/, '... each of which is told');

	const reader = await receiver(base, '--room', 'odd', '--count', '4');
	const odd = await run(base, ['--room', 'odd', '--max-line', '100K'], Buffer.concat([Buffer.from(text(['a', 'x'.repeat(70000), 'b'])),
		Buffer.from([0xff, 0x0a]), Buffer.from(text(['c', 'y'.repeat(200000), 'd']))]));
	is(odd.code, 4, '4: lines too long for the gateway or for pollcat, or not UTF-8');
	isDeep([...odd.stderr.matchAll(/line (\d+) was not sent/g)].map((match) => match[1]).sort(), ['2', '4', '6'], '... are told');
	is(await ended(reader), 0, '... and nothing else');
	isDeep(reader.received(), ['a', 'b', 'c', 'd'], '... is lost');
	const notJson = await run(base, ['--room', 'odd', '--json-in'], '{}\n{\n');
	is(notJson.code, 4, '4: a line is not JSON');
}

async function endings(base) {
	const many = await receiver(base, '--room', 'pipe', '--timeout', '20s');
	await run(base, ['--room', 'pipe'], text(numbers(5)));
	const shell = await execute('bash', ['-c', `"${pollcat}" ${base} --room pipe --receive-only --history 5 | head -n 1; echo "\${PIPESTATUS[0]}"`]);
	is(shell.stdout, '1\n0\n', 'a closed standard output ends it quietly, though no message comes');
	many.signal('SIGTERM');
	is((await many.exited).signal, 'SIGTERM', 'a signal ends it as a signal does');
	const leaver = await receiver(base, '--room', 'seat');
	const witness = await receiver(base, '--room', 'seat', '--presence');
	leaver.signal('SIGINT');
	await waitFor(() => witness.received().some((line) => line.startsWith(`$leave ${leaver.id}`)), 'a leave');
	ok(true, 'an interrupted one leaves its room at once');
	await witness.kill();
}

async function resumes(base) {
	const file = path.join(tempDir('pollcat'), 'token');
	const args = ['--room', 'kept', '--token-file', file];
	await run(base, [...args, '--receive-only', '--timeout', '100ms']);
	is(statSync(file).mode & 0o777, 0o600, 'a token file is its owner\'s');
	await run(base, ['--room', 'kept'], text(numbers(6)));
	const first = await run(base, [...args, '--receive-only', '--count', '4']);
	isDeep(linesOf(first.stdout), numbers(4), 'a later one reads what came meanwhile');
	const both = await run(base, [...args, '--count', '2'], 'mine\n');
	isDeep([both.code, linesOf(both.stdout)], [0, ['5', '6']], 'the next one what --count left, and goes on with the numbers of what it sends');
	const busy = await receiver(base, ...args);
	is((await run(base, [...args, '--receive-only'])).code, 1, 'two at once may not use it');
	await busy.kill();
	writeFileSync(file, 'AAAAAAAAAAAAAAAAAAAAAA\n1.-.1-0\n');
	const lost = await run(base, [...args, '--receive-only', '--strict', '--timeout', '5s']);
	is(lost.code, 5, '--strict: 5 when the session is gone');
	like(lost.stderr, /session is gone/, '... which is told');
	writeFileSync(file, 'rubbish\n');
	is((await run(base, [...args])).code, 1, 'a file that is none of pollcat is refused');
	ok(existsSync(file) && readFileSync(file, 'utf8') === 'rubbish\n', '... and left alone');
}

/* The promise, in the face of everything. */
async function pipeThrough(base, n, disturb, target, transport) {
	const reader = await receiver(base, '--transport', transport, ...(target === 'room' ? ['--room', 'long'] : []), '--count', String(n));
	const writer = start(base, ...(target === 'room' ? ['--room', 'long'] : ['--to', reader.id]));
	const all = numbers(n);
	let over = false;
	const disturbing = disturb(() => over);
	for (let i = 0; i < n; i += 100) {
		if (!writer.write(text(all.slice(i, i + 100))))
			await within(new Promise((resolve) => writer.process.stdin.once('drain', resolve)), 'input to be taken', 60000);
	}
	writer.end_input();
	const codes = [await ended(writer, 90000), await ended(reader, 90000)];
	over = true;
	await disturbing;
	return { codes, got: reader.received(), all, stderr: reader.stderr + writer.stderr };
}

const quietly = async () => {};
const roomy = { 'mailbox-max': 20000, 'room-max': 20000, 'hold': '2s' };

async function volumes(start, transport) {
	const cluster = await start({ options: { ...roomy, 'sse-life': '1s' } });
	for (const target of ['room', 'session']) {
		const { codes, got, all, stderr } = await pipeThrough(cluster.base, 10000, quietly, target, transport);
		isDeep(codes, [0, 0], `10,000 lines to a ${target} are sent and received by ${transport}`, stderr);
		ok(got.join() === all.join(), '... once and in order', `${got.length} lines`);
	}
	cluster.proxy.fault = chances({ dropBefore: 0.06, dropAfter: 0.1, repeat: 0.08, delay: [0.1, 20] }, /^\/v1\/(sessions|send|poll|close)/);
	cluster.proxy.cutAfter = 700;
	const { codes, got, all, stderr } = await pipeThrough(cluster.base, 4000, quietly, 'session', transport);
	isDeep(codes, [0, 0], `4,000 lines by ${transport} through a network that drops, repeats and cuts requests are sent and received`, stderr);
	ok(got.join() === all.join(), '... once and in order', `${got.length} lines`);
	ok(cluster.proxy.dropped > 0, '... though requests were dropped', cluster.proxy.dropped);
	await cluster.stop();
}

async function kills(start, transport) {
	const cluster = await start({ options: roomy, proxy: { fault: () => ({ delay: 15 }) } });
	let killed = 0;
	const disturb = async (isOver) => {
		while (!isOver() && killed < 20) {
			const victim = cluster.instances[killed++ % cluster.instances.length];
			await victim.restart();
			await waitFor(() => isOver() || cluster.proxy.count('/v1/send', 200) > killed * 3, 'sends to go on', { limitMs: 30000 });
		}
	};
	const { codes, got, all, stderr } = await pipeThrough(cluster.base, 10000, disturb, 'room', transport);
	isDeep(codes, [0, 0], `10,000 lines are sent and received by ${transport} while instances are killed`, stderr);
	ok(got.join() === all.join(), '... once and in order', `${got.length} lines`);
	ok(killed >= 3, '... several times', killed);
	await cluster.stop();
}

/* Streams, in what is not the same as with polls. */
async function streams(base, transport) {
	const reader = await receiver(base, '--transport', transport, '--count', '2');
	await run(base, ['--to', reader.id], 'one\n');
	await waitFor(async () => {
		const { json } = await request(base, 'GET', `/v1/sessions/${reader.id}`, { token: newToken() });
		return json.acked === json.last && reader.received().length === 1;
	}, `what came by ${transport} to be acknowledged`);
	ok(true, `what came by ${transport} is acknowledged`);
	await run(base, ['--to', reader.id], 'two\nthree\n');
	is(await ended(reader), 0, `${transport} ends with --count`);
	isDeep(reader.received(), ['one', 'two'], '... with what was asked for');
	const file = path.join(tempDir('pollcat'), 'token');
	const first = await receiver(base, '--transport', transport, '--token-file', file);
	const token = readFileSync(file, 'utf8').split('\n')[0];
	await waitFor(async () => {
		await request(base, 'GET', '/v1/poll', { token, query: { hold: 0 } });
		return !first.running;
	}, `${transport} to be taken over`);
	is(await ended(first), 1, `${transport} that another client takes over does not come back`);
	like(first.stderr, /another client/, '... which is told');
	const closed = await receiver(base, '--transport', transport, '--token-file', `${file}2`, '--strict');
	await request(base, 'POST', '/v1/close', { token: readFileSync(`${file}2`, 'utf8').split('\n')[0] });
	is(await ended(closed), 5, `${transport} whose session is gone says so`);
}

/* What stands between a client and a WebSocket. */
async function sockets(targets) {
	for (const [upgrade, words] of [['400', /a WebSocket was answered 400/], ['strip', /answered 426: .*took the Upgrade header out/]]) {
		const network = await startNetwork({ targets, upgrade });
		const refused = await run(network.base, ['--transport', 'ws', '--receive-only']);
		is(refused.code, 1, `1: a network where Upgrade is not let through (${upgrade})`);
		like(refused.stderr, words, '... which is told');
		const { code, stdout } = await execute(pollcat, ['--check', network.base]);
		is(code, 1, '--check fails there');
		like(stdout, /^ws +FAIL/m, '... and says what');
		network.close();
	}
}

/* What is held back until it is complete. */
async function held(targets) {
	const networks = await Promise.all(['sse', 'all'].map((hold) => startNetwork({ targets, hold, upgrade: 'pass' })));
	const [events, all] = await Promise.all(networks.map(({ base }) => execute(pollcat, ['--check', base])));
	for (const [held, { code, stdout }, stream] of [['an event stream', events, /^stream ok/m], ['every answer', all, /^stream held back/m]]) {
		is(code, 1, `--check fails where ${held} is held back`);
		like(stdout, /^sse +FAIL .*held back/m, '... and says so');
		like(stdout, stream, '... and whether others are, too');
	}
	for (const network of networks)
		network.close();
}

async function withoutStreams() {
	const gateway = await startPollgate({ options: { 'no-sse': true, 'no-websocket': true, 'no-check': true } });
	for (const transport of ['sse', 'ws']) {
		const refused = await run(gateway.base, ['--transport', transport]);
		is(refused.code, 1, `1: the gateway does not offer ${transport}`);
		like(refused.stderr, new RegExp(`does not offer ${transport}`), '... which is told');
	}
	const { code, stdout } = await execute(pollcat, ['--check', gateway.base]);
	is(code, 0, '--check succeeds with polls alone');
	unlike(stdout, /sse|ws/, '... and says nothing of the others');
	like(stdout, /^stream switched off/m, '... but that checks are switched off');
	await gateway.check();
}

/* The memory store forgets its sessions: another one is opened, and that is told. */
async function restarted() {
	const gateway = await startPollgate({ options: { hold: '1s' } });
	const reader = await receiver(gateway.base, '--room', 'again', '--count', '1');
	const strict = await receiver(gateway.base, '--room', 'again', '--strict');
	await gateway.restart();
	is(await ended(strict), 5, '--strict: 5 when a restarted gateway has forgotten the session');
	await waitFor(() => /session is gone/.test(reader.stderr), () => reader.stderr);
	await waitFor(async () => (await gateway.metrics('pollgate_polls_parked')) > 0, 'a poll of the new session');
	await run(gateway.base, ['--room', 'again', '--send-only'], 'here\n');
	is(await ended(reader), 0, 'otherwise it goes on with another one');
	like(reader.stderr, /may be missing/, '... and says what that means');
	await gateway.check();
}

async function checks(base) {
	const good = await execute(pollcat, ['--check', base]);
	is(good.code, 0, '--check succeeds at a gateway that works', good.stdout, good.stderr);
	isDeep(linesOf(good.stdout).filter((line) => / ok /.test(line)).map((line) => line.split(' ')[0]), ['open', 'send', 'poll', 'stream', 'sse', 'ws', 'close'],
		'... and names each step');
	is((await execute(pollcat, ['--check', `127.0.0.1:${await freePort()}`])).code, 1, '... and fails where there is none');
	const other = http.createServer((request, response) => response.end('<html>hello</html>'));
	await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
	const page = await execute(pollcat, ['--check', `http://127.0.0.1:${other.address().port}`]);
	is(page.code, 1, '... and where something else answers');
	like(page.stdout, /^open +FAIL +answered 200, not as a gateway answers/, '... which it says');
	other.close();
}

/* What libcurl is asked to do: headers, proxies, certificates. */
async function connections(base) {
	const asked = [];
	const other = http.createServer((request, response) => {
		asked.push(request);
		response.writeHead(404).end();
	});
	await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
	const url = `http://127.0.0.1:${other.address().port}`;
	await run(`${url}/prefix/`, ['--room', 'x', '-H', 'X-One: 1', '-H', 'Authorization: Basic abc', '--check']);
	const [{ url: target, headers }] = asked;
	like(target, /^\/prefix\/v1\/sessions\?token=\S{22}$/, '--header Authorization moves the token into the query; a URL may have a path');
	isDeep([headers.authorization, headers['x-one']], ['Basic abc', '1'], 'headers are sent');
	const env = { ...process.env, http_proxy: url, no_proxy: '' };
	is((await execute(pollcat, ['http://gateway.invalid', '--receive-only', '-v'], { env })).code, 1, '1: 404 is not asked again');
	is(asked[1].url, 'http://gateway.invalid/v1/sessions', 'http_proxy is used');
	other.close();
	if (!which('openssl'))
		return skip('certificates', 'openssl is not installed');
	const dir = tempDir('tls');
	const [key, cert] = ['key', 'cert'].map((name) => path.join(dir, name));
	await execute('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=test', '-addext',
		'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]);
	const tls = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
		const { method, url: where, headers: sent } = request;
		request.pipe(http.request(base + where, { method, headers: sent }, (answer) => {
			response.writeHead(answer.statusCode, answer.headers);
			answer.pipe(response);
		}));
	});
	tls.on('upgrade', (request, socket, head) => {
		const { hostname, port } = new URL(base);
		const on = net.connect(port, hostname, () => {
			on.write([`GET ${request.url} HTTP/1.1`, ...request.rawHeaders.flatMap((name, i, all) => i % 2 ? [] : `${name}: ${all[i + 1]}`), '', ''].join('\r\n'));
			on.write(head);
			socket.pipe(on).pipe(socket);
		});
		on.on('error', () => socket.destroy());
		socket.on('error', () => on.destroy());
	});
	await new Promise((resolve) => tls.listen(0, '127.0.0.1', resolve));
	const safe = `https://127.0.0.1:${tls.address().port}`;
	const refused = await run(safe, ['--receive-only']);
	is(refused.code, 1, '1: a certificate that nobody trusts, at once');
	like(refused.stderr, /certificate/, '... which is told');
	is((await run(safe, ['--check', '--cacert', cert])).code, 0, '--cacert trusts it');
	is((await run(safe, ['--check', '-k'])).code, 0, '--insecure does not ask');
	tls.close();
	tls.closeAllConnections();
}

await forEachStore(async ({ store, start: startCluster }) => {
	const cluster = await startCluster({});
	await basics(cluster.base);
	await statuses(cluster.base);
	await endings(cluster.base);
	await resumes(cluster.base);
	await checks(cluster.base);
	await connections(cluster.base);
	await streams(cluster.base, 'sse');
	await streams(cluster.base, 'ws');
	if (store === 'memory') { /* What stands in between knows no store, and is waited for long. */
		await sockets(cluster.instances);
		await held(cluster.instances);
	}
	await cluster.stop();
	for (const transport of ['poll', 'sse', 'ws']) {
		await volumes(startCluster, transport);
		if (store === 'redis')
			await kills(startCluster, transport);
	}
});
await restarted();
await withoutStreams();
await done();
