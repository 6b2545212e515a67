#!/usr/bin/env node
/*
 * The documents say what the program does: options, metrics, endpoints and error codes are compared in both directions, and the
 * examples run as they are printed (the mark-up is told in t/README.md).
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createSession } from './lib/client.mjs';
import { binary, cleanEnv, pollcat, pollgatectl, runPollgate, sourceDir, startPollgate } from './lib/pollgate.mjs';
import { Child, execute, freePort, tempDir, which } from './lib/process.mjs';
import { done, is, isDeep, ok, skip } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const read = (name) => readFileSync(path.join(sourceDir, name), 'utf8');
const pages = readdirSync(path.join(sourceDir, 'man')).filter((name) => /\.[1-8]$/.test(name)).map((name) => `man/${name}`);
const manual = read('man/pollgate.1');
const protocol = read('man/pollgate-protocol.7');
const api = read('man/pollgate-api.7');
const squeezed = (text) => text.replace(/\s+/g, ' ').trim();

/* ---- Options ---- */

/** The options of the manual: { flag, value, variable, initial, min, max }. */
function documentedOptions() {
	const items = manual.split(/^\.It Fl -/m).slice(1).map((text) => text.split(/^\.(?:El|Sh)/m)[0]);
	return items.map((text) => {
		const [, flag, value = ''] = /^([a-z-]+)(?: Ar (\S+))?/.exec(text);
		const [, rest = ''] = /^\.Pq (.*)$/m.exec(text) ?? [];
		const pick = (pattern) => (pattern.exec(rest)?.[1] ?? '').replace(/\\&/g, '');
		return { flag, value, variable: pick(/Ev (\S+)/), initial: pick(/default Cm (\S+)/), min: pick(/from Cm (\S+)/),
			max: pick(/to Cm (\S+)/) };
	});
}

async function optionsAgree() {
	const listed = (await runPollgate(['--list-options'])).stdout.trim().split('\n').map((line) => {
		const [flag, variable, type, initial, min, max, value] = line.split('\t');
		const ranged = ['duration', 'size', 'count'].includes(type);
		const limits = ranged ? { min, max } : { min: '', max: '' };
		return { flag, value: type === 'enum' ? 'WORD' : value, variable, initial, ...limits };
	});
	const documented = documentedOptions();
	const flags = (list) => list.map(({ flag }) => flag).sort();
	isDeep(flags(documented), flags(listed), 'pollgate(1) has every option of the program and no other');
	const byFlag = Object.fromEntries(listed.map((option) => [option.flag, option]));
	for (const option of documented)
		isDeep(option, byFlag[option.flag],
			`pollgate(1) and the program agree on --${option.flag}: value, variable, default and limits`);
	const help = (await runPollgate(['--help'])).stdout;
	isDeep([...help.matchAll(/^ {2}--([a-z-]+)/gm)].map(([, flag]) => flag).sort(), flags(documented),
		'--help has the options of pollgate(1) and no other');
	for (const [, flag] of manual.matchAll(/^\.Fl -([a-z-]+)/gm))
		ok(byFlag[flag], `--${flag}, of which pollgate(1) speaks, exists`);
}

/** Another program, whose --help has its options. */
async function helpAgrees(program) {
	const name = path.basename(program);
	const { code, stdout } = await execute(program, ['--help']);
	is(code, 0, `${name} --help succeeds`);
	const flags = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]).sort();
	const written = read(`man/${name}.1`).split('.Sh CHECKING')[0];
	isDeep(flags(written, /^\.It Fl (?:\w , )?-([a-z-]+)/gm), flags(stdout, /^ {2}(?:-\w, )?--([a-z-]+)/gm),
		`${name}(1) has every option of ${name} and no other`);
	return { written, stdout };
}

async function verbsAgree() {
	const { written, stdout } = await helpAgrees(pollgatectl);
	const verbs = [...stdout.split('\n\n')[2].matchAll(/^ {2}([a-z]+)/gm)].map(([, verb]) => verb);
	isDeep([...written.matchAll(/^\.It Cm ([a-z]+)/gm)].map(([, verb]) => verb), verbs, 'pollgatectl(1) has every verb and no other');
}

/* ---- Metrics ---- */

async function metricsAgree(instance) {
	const { text } = await instance.request('GET', '/metrics');
	const told = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} (${type})`);
	const written = [...manual.matchAll(/^\.It Ic (\S+) Pq (\S+)$/gm)].map(([, name, type]) => `${name} (${type})`);
	isDeep(written, told, 'pollgate(1) has the metrics of /metrics, in their order and with their types');
	const helps = Object.fromEntries([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => [name, help]));
	const explained = Object.fromEntries([...manual.matchAll(/^\.It Ic (\S+) Pq \S+\n((?:[^.].*\n)+)/gm)].map(([, name, words]) =>
		[name, squeezed(words)]));
	isDeep(explained, helps, 'and explains them as /metrics does');
}

/* ---- Endpoints and codes ---- */

const sourceOf = (folder) => readdirSync(path.join(sourceDir, 'src', folder)).filter((name) => /\.[ch]$/.test(name))
	.map((name) => read(`src/${folder}/${name}`)).join('\n');

/** 'GET /v1/rooms/ROOM/members' of the manuals. */
function documentedEndpoints() {
	const native = [...(protocol + api).matchAll(/^\.Ss (GET|POST|DELETE) (\/\S+)/gm)].map(([, method, target]) => `${method} ${target}`);
	const endpoints = manual.slice(manual.indexOf('.Sh ENDPOINTS'), manual.indexOf('.Sh METRICS'));
	return [...native, ...[...endpoints.matchAll(/^\.It Pa (\/\S+)/gm)].map(([, target]) => `GET ${target}`)];
}

function builtEndpoints() {
	const routes = [...sourceOf('front').matchAll(/\{HTTP_(\w+), "(\/[^"]*)", (\w+)\}/g)].filter(([, , , handler]) =>
		handler !== 'static_file');
	return routes.map(([, method, target]) => `${method} ${target.replace(/\*+/g, 'X')}`);
}

const apiKey = 'key-of-the-manual-0123456789';

/** What a POST is tried with. */
const bodyOf = (target, token) => ({ '/v1/send': { ops: [] }, '/v1/polls': { polls: [{ token }], hold: 0 }, '/api/v1/publish': { room: 'lobby', event: 'e' },
	'/api/v1/ops': { ops: [{ op: 'send', room: 'lobby', event: 'e' }] } }[target] ?? {});

async function endpointsAgree(instance) {
	const documented = documentedEndpoints();
	isDeep(documented.map((endpoint) => endpoint.replace(/\/(ID|ROOM|USER)\b/g, '/X')).sort(), builtEndpoints().sort(),
		'the manuals have every endpoint of the program and no other');
	for (const endpoint of documented) {
		const { token, id } = (await createSession(instance.base, { rooms: ['lobby'] })).json;
		const [method, target] = endpoint.replace('/ID', `/${id}`).replace('/ROOM', '/lobby').split(' ');
		const body = method === 'POST' ? bodyOf(target, token) : undefined;
		const secret = target.startsWith('/api/') ? { bearer: apiKey } : { token };
		/* GET would not end. */
		const answer = await instance.request(target === '/v1/events' ? 'HEAD' : method, target, { ...secret, body, query: target === '/v1/poll' ? { hold: 0 } : {} });
		ok(answer.status < 300 || ['upgrade_required', 'auth_disabled', 'letter_gone'].includes(answer.code), `${endpoint} works`, answer.text.slice(0, 300));
		const { headers } = await instance.request('PATCH', target, { token });
		ok((headers.allow ?? '').includes(method), `${endpoint}: other methods are refused by naming ${method}`, headers.allow);
	}
}

function codesAgree() {
	const rows = [...(protocol + api).matchAll(/^\.It (\d{3}) Ta Ic (\w+) Ta/gm)].map(([, status, code]) => `${status} ${code}`);
	ok(rows.length > 10, 'pollgate-protocol(7) has a table of error codes');
	const source = ['front', 'transport', 'codec', 'core', 'net'].map(sourceOf).join('\n');
	const statuses = [...source.matchAll(/\b(4\d\d|5\d\d)[,:] ?"([a-z]+(?:_[a-z]+)*)"/g)].map(([, status, code]) =>
		`${status} ${code}`);
	const codes = new Set(rows.map((row) => row.split(' ')[1]));
	isDeep([...new Set(statuses)].filter((row) => !rows.includes(row)), [],
		'every status and code that the program answers is in a table');
	isDeep([...codes].filter((code) => !source.includes(`"${code}"`)), [], 'every code of the tables is one of the program');
	const refusals = ['recipient_gone', 'room_full', 'not_joined', 'too_many_rooms', 'too_many_joined'];
	isDeep(refusals.filter((code) => !protocol.includes(code)), [], 'the codes of refused operations are told');
	const events = [...new Set([...(sourceOf('core') + sourceOf('front')).matchAll(/"(\$[a-z]+)"/g)].map(([, event]) => event))];
	isDeep(events.filter((event) => !protocol.includes(event)), [], 'so are the gateway\'s events');
}

/* ---- Pages ---- */

async function lint() {
	if (!which('mandoc'))
		return skip('manual pages are free of errors and warnings', 'mandoc is not installed');
	for (const page of pages) {
		const { code, stdout } = await execute('mandoc', ['-Tlint', '-W', 'warning', path.basename(page)],
			{ cwd: path.join(sourceDir, 'man') });
		is(`${code} ${stdout}`, '0 ', `${page} is free of errors and warnings`);
		isDeep(read(page).split('\n').filter((line) => line.length > 140), [], `${page} has no endless line`);
	}
}

/* ---- Examples ---- */

const unescaped = (line) => line.replace(/\\(?:e|-|&|\(aq|\(dq|\(ti|\(ha|\(ga|\(rs)/g,
	(sign) => ({ '\\e': '\\', '\\-': '-', '\\&': '', '\\(aq': '\'', '\\(dq': '"', '\\(ti': '~', '\\(ha': '^', '\\(ga': '`',
		'\\(rs': '\\' })[sign]);

/** The commands of a manual page, in order. */
function commandsOf(page) {
	const commands = [];
	let display = false;
	let left = false;
	for (const line of page.split('\n')) {
		if (line.startsWith('.Bd -literal'))
			display = true;
		else if (line.startsWith('.Ed'))
			display = left = false;
		else if (line === '.\\" not run')
			left = true;
		else if (display && !left && /^[$>] /.test(line))
			commands.push(unescaped(line.slice(2)));
	}
	return commands;
}

/** The shell blocks of a Markdown file that are marked to be run. */
function blocksOf(markdown) {
	return [...markdown.matchAll(/^<!-- run -->\n```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block.trimEnd().split('\n'));
}

const fixedPorts = ['8080', ...Array.from({ length: 10 }, (_, i) => String(8090 + i)),
	...Array.from({ length: 10 }, (_, i) => String(6390 + i))];

async function portMap() {
	const map = {};
	for (const port of fixedPorts)
		map[port] = String(await freePort());
	return (text) => text.replace(/(?<![\d.])(8080|809\d|639\d)(?!\d)/g, (port) => map[port]);
}

/** A directory as the examples expect it: a copy of deploy/, build/pollgate. */
function stage(replacePorts) {
	const dir = tempDir('examples');
	for (const folder of ['deploy', 'deploy/examples']) {
		mkdirSync(path.join(dir, folder));
		for (const entry of readdirSync(path.join(sourceDir, folder), { withFileTypes: true }))
			if (entry.isFile())
				writeFileSync(path.join(dir, folder, entry.name), replacePorts(read(path.join(folder, entry.name))));
	}
	symlinkSync(path.dirname(binary), path.join(dir, 'build'));
	if (existsSync(path.join(sourceDir, 'www')))
		symlinkSync(path.join(sourceDir, 'www'), path.join(dir, 'www'));
	mkdirSync(path.join(dir, 'bin'));
	symlinkSync(binary, path.join(dir, 'bin/pollgate'));
	symlinkSync(pollcat, path.join(dir, 'bin/pollcat'));
	symlinkSync(pollgatectl, path.join(dir, 'bin/pollgatectl'));
	return dir;
}

async function run(name, commands) {
	const missing = ['curl', 'redis-server', 'nginx'].filter((tool) => new RegExp(`\\b${tool}\\b`).test(commands.join('\n'))
		&& !which(tool));
	if (missing.length > 0)
		return skip(`the examples of ${name} run`, `${missing.join(', ')} not installed`);
	const replacePorts = await portMap();
	const dir = stage(replacePorts);
	const script = path.join(dir, 'examples.sh');
	writeFileSync(script, commands.map(replacePorts).join('\n') + '\n');
	const env = cleanEnv({ PATH: `${dir}/bin:${process.env.PATH}:/usr/sbin:/sbin` });
	const child = new Child('bash', ['-e', script], { cwd: dir, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
	const ended = new Promise((resolve) => child.process.once('exit', (code, signal) => resolve({ code, signal })));
	const status = await within(ended, `the examples of ${name} to end`, 60000).catch((error) => ({ code: error.message }));
	try {
		process.kill(-child.pid, 'SIGKILL');
	} catch {}
	await child.exited;
	is(status.code, 0, `the examples of ${name} run (${commands.length} lines)`, ...child.lines.slice(-40),
		`script: ${commands.map(replacePorts).join('\n')}`);
}

async function examples() {
	for (const page of pages) {
		const commands = commandsOf(read(page));
		ok(commands.length > 0, `${page} has examples`);
		await run(page, commands);
	}
	for (const name of ['README.md', 'deploy/examples/README.md']) {
		const lines = blocksOf(read(name));
		ok(lines.length > 0, `${name} has examples that are run`);
		await run(name, lines);
	}
}

const keyFile = path.join(tempDir('manual'), 'keys');
writeFileSync(keyFile, `${apiKey}\n`, { mode: 0o600 });
const instance = await startPollgate({ options: { 'api-key-file': keyFile } });
await optionsAgree();
await helpAgrees(pollcat);
await verbsAgree();
await metricsAgree(instance);
await endpointsAgree(instance);
codesAgree();
await lint();
await instance.stop();
await examples();
await done();
