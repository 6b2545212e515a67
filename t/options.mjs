#!/usr/bin/env node
/* The command line and the environment: what is taken, what is refused and how, what is logged. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { Client, createSession, pollOnce, request, sendOps } from './lib/client.mjs';
import { runPollgate, sourceDir, startPollgate } from './lib/pollgate.mjs';
import { freePort, tempDir, which } from './lib/process.mjs';
import { done, is, isDeep, like, ok, skip, unlike } from './lib/tap.mjs';

const listed = (await runPollgate(['--list-options'])).stdout.trim().split('\n').map((line) => {
	const [flag, variable, type, initial, min, max, value, help] = line.split('\t');
	return { flag, variable, type, initial, min, max, value, help };
});

/** What --check-config says is in effect: { flag: value }. */
async function config(args = [], env = {}) {
	const { code, stdout, stderr } = await runPollgate([...args, '--check-config'], { env });
	if (code !== 0)
		return { code, stderr };
	return Object.fromEntries(stdout.trim().split('\n').map((line) => line.split(/ = ?/)));
}

async function refuses(args, name, env = {}) {
	const { code, signal, stdout, stderr } = await runPollgate(args, { env, limitMs: 5000 });
	isDeep([code, signal], [2, null],
		`${[...Object.entries(env).map((pair) => pair.join('=')), ...args].join(' ')} is refused with status 2`, stderr);
	ok(stderr.includes(name) && stdout === '', `... by a sentence on stderr that names ${name}`, stderr, stdout);
}

async function printing() {
	const help = await runPollgate(['--help']);
	isDeep([help.code, help.stderr], [0, ''], '--help exits 0');
	isDeep(listed.filter(({ flag }) => !help.stdout.includes(`  --${flag}`)), [], '--help has every option');
	isDeep(listed.filter(({ help: words }) => !help.stdout.replace(/\s+/g, ' ').includes(words)), [], '... with what it does');
	ok(help.stdout.split('\n').every((line) => line.length <= 80), '... in lines of 80 characters');
	const version = await runPollgate(['--version']);
	is(version.code, 0, '--version exits 0');
	like(version.stdout, /^pollgate \d+\.\d+\S*/, '--version prints the name and the version');
	const ac = readFileSync(path.join(sourceDir, 'configure.ac'), 'utf8');
	const wanted = /AC_INIT\(\[[^\]]*\],\s*\[([^\]]*)\]/.exec(ac)?.[1];
	ok(wanted && version.stdout.includes(wanted), 'the version is that of configure.ac', version.stdout, wanted);
	is((await runPollgate(['--nonsense', '--help'])).code, 0, '--help wins over what is wrong');
}

async function refusing() {
	const bad = {
		duration: ['x', '-1s', '1.5s', '10', '10 s', '1y', '99999999999999999999s', '0x10s'],
		size: ['x', '-1', '1.5K', '10kb', '99999999999999999999G', '1 M'],
		count: ['x', '-1', '1.5', '1K', '99999999999999999999', '0x10'],
		enum: ['x', 'INFO '],
		bool: ['maybe'],
		action: ['yes', 'no'],
	};
	const seen = new Set();
	for (const { flag, type: given, variable, min, max } of listed) {
		const type = given === 'bool' && !variable ? 'action' : given;
		const first = !seen.has(type);
		seen.add(type);
		const values = first ? bad[type] ?? [] : (bad[type] ?? []).slice(0, 1);
		for (const value of values)
			await refuses([`--${flag}=${value}`], `--${flag}`);
		if (variable && values.length > 0)
			await refuses([], variable, { [variable]: values[0] });
		if (type === 'count' && Number(min) > 0)
			await refuses([`--${flag}=${Number(min) - 1}`], `--${flag}`);
		if (type === 'count')
			await refuses([`--${flag}=${Number(max) + 1}`], `--${flag}`);
	}
	await refuses(['--hold=999ms'], '--hold');
	await refuses(['--hold=3m'], '--hold');
	await refuses(['--hold=30s'], '--hold-max');
	await refuses(['--max-body=1023'], '--max-body');
	await refuses(['--max-message=2M'], '--max-message');
	await refuses(['--away-after=15m'], '--away-after');
	await refuses(['--log-level=loud'], '--log-level');
	await refuses(['--log-format=xml'], '--log-format');
	for (const listen of ['8080', ':x', ':70000', 'host', '', '::1:80', ':-1'])
		await refuses([`--listen=${listen}`], '--listen');
	for (const url of ['http://x', 'redis://', 'localhost:6379', 'redis://h:x', 'redis://h/x', 'redis://h:99999'])
		await refuses([`--redis=${url}`], '--redis');
	for (const origin of ['app.example', 'https://a/b', 'https://', ''])
		await refuses([`--origin=${origin}`], '--origin');
	await refuses(['--origin=*', '--origin=https://a.example'], '--origin');
	await refuses([`--www=/nonexistent/${process.pid}`], '--www');
	await refuses(['--prefix={x}'], '--prefix');
	await refuses(['--nonsense'], '--nonsense');
	await refuses(['--hold'], '--hold');
	await refuses(['serve'], 'serve');
	await refuses([], 'PORT', { PORT: 'x' });
	await refuses([], 'PORT', { PORT: '70000' });
}

async function taking() {
	const defaults = await config();
	const wrong = listed.filter(({ variable, flag, initial }) => variable && defaults[flag] !== initial);
	isDeep(wrong.map(({ flag, initial }) => [flag, initial, defaults[flag]]), [],
		'--check-config prints the defaults that are documented');
	is((await config(['--hold=5s'])).hold, '5s', 'a flag is taken');
	is((await config(['--hold', '5s'])).hold, '5s', '... with its value behind a space, too');
	is((await config(['--hold=5000ms'])).hold, '5s', 'durations take ms');
	is((await config(['--session-ttl=1h'])).session_ttl ?? (await config(['--session-ttl=1h']))['session-ttl'], '1h',
		'... and h');
	is((await config(['--room-ttl=2d']))['room-ttl'], '2d', '... and d');
	is((await config(['--max-body=2M']))['max-body'], '2M', 'sizes take M');
	is((await config(['--max-body=2097152']))['max-body'], '2M', '... or are bytes');
	is((await config(['--no-check']))['no-check'], 'yes', 'a flag alone is yes');
	is((await config(['--no-check=no'], { POLLGATE_NO_CHECK: 'yes' }))['no-check'], 'no', '... and may be no');
	is((await config([], { POLLGATE_HOLD: '7s' })).hold, '7s', 'the environment is taken');
	is((await config(['--hold=5s'], { POLLGATE_HOLD: '7s' })).hold, '5s', 'a flag wins over the environment');
	is((await config([], { POLLGATE_HOLD: '' })).hold, '25s', 'an empty variable counts as none');
	is((await config([], { PORT: '9999' })).listen, ':9999', 'PORT sets the port');
	is((await config(['--listen=127.0.0.1:1234'], { PORT: '9999' })).listen, '127.0.0.1:1234', '--listen wins over PORT');
	is((await config(['--origin=https://a.example', '--origin=https://b.example:444'])).origin,
		'https://a.example,https://b.example:444', '--origin may be repeated');
	is((await config([], { POLLGATE_ORIGIN: 'https://a.example,https://b.example' })).origin,
		'https://a.example,https://b.example', '... and is parted by commas in the environment');
	unlike((await config(['--redis=redis://user:hunter2@h:6379/1'])).redis, /hunter2/, 'a password is not printed');
	is((await config(['--redis=redis://h'])).code, undefined, '--check-config does not connect');
}

async function port() {
	const wanted = await freePort();
	const instance = await startPollgate({ port: wanted, options: { listen: undefined }, env: { PORT: String(wanted) } });
	is((await instance.request('GET', '/health')).status, 200, 'PORT is listened on');
	const second = await runPollgate([`--listen=127.0.0.1:${wanted}`], { limitMs: 5000 });
	ok(second.code !== 0 && second.code !== null && second.stderr.includes(String(wanted)),
		'a port that is in use ends the program with an error that names it', second.stderr);
	await instance.stop();
	const other = await freePort();
	const six = await startPollgate({ port: other, options: { listen: `[::1]:${other}` }, waitUp: false });
	const answer = await six.waitLog(/listen|error|cannot/i).then(() => request(`http://[::1]:${other}`, 'GET', '/health')
		.catch((error) => error));
	if (answer.code === 'EADDRNOTAVAIL')
		skip('[::1]:PORT is listened on', 'there is no IPv6 here');
	else
		is(answer.status, 200, '[::1]:PORT is listened on');
	await six.kill();
}

/* Some of everything, with the most talkative log. */
async function someTraffic(instance) {
	const { base } = instance;
	const client = await Client.open(base, { start: false, rooms: ['logs'], data: 'payload-one' });
	await client.send(client.id, 'payload-two', 'payload-three');
	await client.poll(0);
	await pollOnce(base, client.token, 'payload-four', 0);
	await sendOps(base, client.token, [{ op: 'payload-five' }]);
	await instance.request('GET', '/v1/poll?hold=0', { bearer: client.token });
	await instance.request('POST', `/v1/poll?token=${client.token}`);
	await instance.request('GET', `/payload%0aINJECTED%1b[31m?token=${client.token}`);
	await new Promise((resolve) => {
		const socket = net.connect(instance.port, '127.0.0.1',
			() => socket.end(`GET /v1/poll?token=${client.token} HTTP/1.1\r\nBad Header\x1b: 1\r\n\r\n`));
		socket.resume().on('close', resolve).on('error', resolve);
	});
	await client.close();
	await pollOnce(base, client.token, undefined, 0);
	return client.token;
}

async function logs() {
	const json = await startPollgate({ options: { 'log-level': 'debug' }, env: { POLLGATE_TEST: 'x' } });
	let token = await someTraffic(json);
	await json.stop();
	const parsed = json.log.map((line) => {
		try {
			return JSON.parse(line);
		} catch {
			return line;
		}
	});
	isDeep(parsed.filter((entry) => typeof entry !== 'object' || !entry.severity || typeof entry.message !== 'string'
		|| Number.isNaN(Date.parse(entry.time))), [],
		'where no terminal is, each line of the log is a JSON object with severity, message and time');
	ok(parsed.length >= 2 && parsed.every(({ severity }) => ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'NOTICE',
		'CRITICAL'].includes(severity)), '... with the severities of Cloud Logging');
	const all = json.log.join('\n');
	ok(!all.includes(token), 'no token is logged, not even by debug', json.log.filter((line) => line.includes(token)));
	unlike(all, /payload-(one|two|three)/, 'no payload is logged, not even by debug');

	const text = await startPollgate({ options: { 'log-level': 'debug', 'log-format': 'text' } });
	token = await someTraffic(text);
	await text.stop();
	ok(text.log.length >= 2 && text.log.every((line) => !line.startsWith('{')), '--log-format=text is text');
	ok(!text.log.join('\n').includes(token) && !/[\x00-\x08\x0b-\x1f\x7f]/.test(text.log.join('\n')),
		'... without tokens and control characters');
	ok(!text.log.some((line) => line.startsWith('INJECTED')), '... and nothing from outside begins a line');

	const quiet = await startPollgate({ options: { 'log-level': 'error' } });
	await someTraffic(quiet);
	await quiet.stop();
	isDeep(quiet.log, [], '--log-level=error is silent when all is well');
}

async function descriptors() {
	const prlimit = which('prlimit');
	if (!prlimit)
		return skip('file descriptors', 'there is no prlimit');
	const raised = await startPollgate({ wrapper: [prlimit, '--nofile=256:1000'] });
	is(await raised.metrics('process_max_fds'), 1000, 'the limit of file descriptors is raised to what is allowed');
	const allowed = await raised.metrics('pollgate_http_connections_limit');
	ok(allowed > 500 && allowed < 1000, 'connections are limited to what it leaves', `${allowed}`);
	await raised.kill();
	const few = await startPollgate({ wrapper: [prlimit, '--nofile=200:200'], options: { hold: '20s' } });
	const most = await few.metrics('pollgate_http_connections_limit');
	ok(most > 0 && most < 200, '... also when they are few', `${most}`);
	const sessions = [];
	let refused;
	const polls = [];
	for (let i = 0; i < 300 && !refused; i++) {
		const answer = await createSession(few.base, {}, { limitMs: 3000 }).catch((error) => error);
		if (answer.status === 201) {
			sessions.push(answer.json);
			polls.push(pollOnce(few.base, answer.json.token, answer.json.cursor, 20000, { limitMs: 60000 })
				.catch((error) => error));
		} else
			refused = answer;
	}
	isDeep([refused?.status, refused?.code], [503, 'overloaded'],
		'new sessions are refused with 503 before file descriptors run out', refused?.text ?? String(refused),
		`${sessions.length} sessions`);
	ok(sessions.length > most / 3, '... not much before', `${sessions.length} of ${most}`);
	const [first] = sessions;
	const sent = await sendOps(few.base, first.token, [{ op: 'send', to: sessions.at(-1).id, event: 'still', data: 1 }])
		.catch((error) => error);
	is(sent.status, 200, '... while those that are there are served', sent.text ?? String(sent));
	const roomy = await startPollgate({ options: { 'max-connections': 37 } });
	is(await roomy.metrics('pollgate_http_connections_limit'), 37, '--max-connections is the limit');
	await roomy.kill();
	await few.kill();
	await Promise.all(polls);
}

/** --check-config reads the files that a start reads. */
async function secrets() {
	const dir = tempDir('secrets');
	const file = path.join(dir, 'file');
	const errors = ({ stderr }) => stderr.trim().split('\n').filter((line) => /ERROR/.test(line)).map((line) => JSON.parse(line).message);
	for (const [flag, args, good, bad] of [
		['hook-secret-file', ['--hook=http://127.0.0.1:9/'], `whsec_${'A'.repeat(32)}`, 'A'.repeat(32)],
		['api-key-file', [], 'key-of-a-backend-0123456789', 'short'],
		['auth-key-file', ['--auth=jwt'], 'a secret of more than thirty-two bytes', 'short']]) {
		const all = [...args, `--${flag}=${file}`, '--listen=127.0.0.1:0'];
		writeFileSync(file, `${good}\n`, { mode: 0o600 });
		const { code, stderr } = await runPollgate([...all, '--check-config']);
		isDeep([code, stderr], [0, ''], `--check-config: --${flag} has what it should`);
		for (const [what, spoil] of [['something else', () => writeFileSync(file, `${bad}\n`)], ['nothing', () => writeFileSync(file, '')],
			['no file', () => rmSync(file)]]) {
			spoil();
			const [checked, started] = [await runPollgate([...all, '--check-config']), await runPollgate(all, { limitMs: 5000 })];
			isDeep([checked.code, started.code, errors(checked)], [1, 1, errors(started)], `--${flag}, ${what}: 1, with the error of a start`);
			ok(errors(checked).length === 1 && errors(checked)[0].includes(`--${flag}`) && checked.stdout.includes(`${flag} = ${file}`),
				'... that names it, beside the configuration', checked.stderr);
		}
	}
	const both = await runPollgate([`--api-key-file=${file}`, '--hook=http://h/', `--hook-secret-file=${file}`, '--check-config']);
	is(errors(both).length, 2, 'all that is wrong is told at once', both.stderr);
}

async function files() {
	const dir = tempDir('www');
	writeFileSync(path.join(dir, 'index.html'), '<p>hello');
	const instance = await startPollgate({ options: { www: dir } });
	const index = await instance.request('GET', '/');
	isDeep([index.status, index.text], [200, '<p>hello'], '--www is served, "/" is its index.html');
	await instance.stop();
	const none = await startPollgate();
	is((await none.request('GET', '/')).status, 404, 'without --www there are no files');
	await none.stop();
}

await printing();
await refusing();
await taking();
await port();
await logs();
await descriptors();
await files();
await secrets();
await done();
