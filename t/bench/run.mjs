/*
 * All measurements: pollgate and nginx with nchan, on Redis and in memory, in turn within each round, each on fresh servers.
 * Prints a table, the aims, and one line of JSON.  README.md says what the figures mean.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { parseArgs, promisify } from 'node:util';
import { haveNchan, haveSocketIo, startSystem } from './servers.mjs';
import { findFaults, printTable, summarize } from './table.mjs';

const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		rounds: { type: 'string' },
		only: { type: 'string', multiple: true, default: [] },
		system: { type: 'string', multiple: true, default: [] },
		json: { type: 'boolean', default: false },
		pollbench: { type: 'string', default: process.env.POLLBENCH ?? 'build/t/bench/pollbench' },
		help: { type: 'boolean', default: false },
	},
});

const systems = {
	'pollgate': { peer: 'pollgate', instances: 2, redis: true },
	'nchan': { peer: 'nchan', instances: 2, redis: true },
	'pollgate-sse': { peer: 'pollgate-sse', instances: 2, redis: true },
	'pollgate-ws': { peer: 'pollgate-ws', instances: 2, redis: true },
	'pollgate-socketio': { peer: 'socketio', server: 'pollgate', instances: 2, redis: true, options: ['--ping-interval=5m'] },
	'socketio': { peer: 'socketio-sticky', server: 'socketio', instances: 2, redis: true },
	'socketio-ws': { peer: 'socketio-ws', server: 'socketio', instances: 2, redis: true },
	'pollgate-hook': { peer: 'pollgate-hook', instances: 2, redis: true, hook: 0 },
	'pollgate-memory': { peer: 'pollgate', instances: 1, redis: false },
	'nchan-memory': { peer: 'nchan', instances: 1, redis: false },
};

/* Each: full and quick figures.  hold is that of the polls, in ms. */
function scenarios(quick) {
	const pick = (full, short) => quick ? short : full;
	const measure = (full, short) => ['--measure', pick(full, short)];
	const all = ['pollgate', 'nchan', 'pollgate-memory', 'nchan-memory'];
	const others = ['pollgate-sse', 'pollgate-ws', 'pollgate-socketio', 'socketio', 'socketio-ws'];
	const onRedis = ['pollgate', 'nchan'];
	const flat = (n) => ({ name: `flat-${n}`, scenario: 'pairs', systems: onRedis, rounds: pick(2, 0),
		args: ['--pairs', 50, '--clients', n - 100, ...measure(1500)] });
	return [
		{ name: 'pairs', scenario: 'pairs', systems: [...all, ...others, 'pollgate-hook'], rounds: pick(5, 1), args: measure(1500, 1000) },
		{ name: 'rate', scenario: 'rate', systems: [...pick(all, onRedis), 'pollgate-hook'], rounds: pick(3, 1), bare: true, args: measure(3000, 1500) },
		{ name: 'room', scenario: 'room', systems: [...all, ...others], rounds: pick(3, 1), args: ['--wakes', pick(10, 5)] },
		{ name: 'order', scenario: 'pairs', systems: ['pollgate-hook'], rounds: pick(2, 1), args: ['--window', 8, ...measure(1500, 1000)] },
		{ name: 'slow', scenario: 'pairs', systems: ['pollgate-hook'], rounds: pick(2, 1), hook: 50,
			args: ['--pairs', pick(1000, 200), '--warmup', 2000, ...measure(3000, 1500)] },
		{ name: 'idle', scenario: 'polls', systems: onRedis, rounds: 1, hold: pick(8000, 1000),
			args: ['--clients', pick(8000, 2000), '--warmup', pick(9500, 2000), ...measure(8000, 1500)] },
		{ name: 'empty', scenario: 'polls', systems: all, rounds: pick(2, 0), hold: 0, args: ['--clients', 100, ...measure(1500)] },
		{ name: 'park', scenario: 'park', systems: [...all, ...others], rounds: 1, args: ['--clients', pick(10000, 2000), ...measure(3000, 1500)] },
		flat(100), flat(1000), flat(10000),
	];
}

async function measure(system, { scenario, args, bare, hold = 29000, hook = systems[system].hook }, round) {
	const servers = await startSystem({ ...systems[system], hold, hook });
	try {
		const redis = servers.redis ? ['--redis', servers.redis, ...(bare ? ['--bare'] : [])] : [];
		const all = ['--json', '--peer', systems[system].peer, '--seed', round + 1, '--hold', hold, ...redis, ...args,
			...servers.pids.flatMap((pid) => ['--gateway', pid]), scenario, ...servers.urls];
		const { stdout, stderr } = await promisify(execFile)(options.pollbench, all.map(String)).catch((error) => {
			if (error.stdout)
				return error; // Some requests failed: the figures say how many.
			throw error;
		});
		if (stderr)
			process.stderr.write(`${system}, ${scenario}: ${stderr}`);
		return JSON.parse(stdout);
	} finally {
		await servers.stop();
	}
}

function progress(text) {
	if (process.stderr.isTTY)
		process.stderr.write(`${text}\x1b[K\r`);
}

function available(system) {
	if (options.system.length > 0 && !options.system.includes(system))
		return false;
	const { peer, server } = systems[system];
	if (server === 'socketio')
		return haveSocketIo;
	return peer === 'nchan' ? haveNchan : existsSync(process.env.POLLGATE ?? 'build/pollgate');
}

async function main() {
	const quick = positionals[0] === 'quick';
	if (options.help || positionals.length > (quick ? 1 : 0)) {
		console.log('usage: run [--rounds N] [--only NAME]... [--system NAME]... [--json] [--pollbench FILE] [quick]');
		console.log(`names: ${scenarios(false).map((s) => s.name).join(' ')}; systems: ${Object.keys(systems).join(' ')}`);
		return;
	}
	const wanted = scenarios(quick).filter(({ name }) => options.only.length === 0 || options.only.includes(name));
	if (!existsSync(options.pollbench))
		throw new Error(`${options.pollbench} is not there: make bench builds it`);
	const names = Object.keys(systems).filter(available);
	const results = {}; // results[scenario][system] = [figures of a round, ...]
	for (const scenario of wanted) {
		results[scenario.name] = {};
		for (let round = 0; round < (scenario.rounds && (options.rounds ?? scenario.rounds)); round++)
			for (const system of names.filter((name) => scenario.systems.includes(name))) {
				progress(`${scenario.name}, ${system}, round ${round + 1}`);
				(results[scenario.name][system] ??= []).push(await measure(system, scenario, round));
			}
	}
	progress('');
	const summary = summarize(results);
	if (!options.json)
		printTable(summary);
	console.log(JSON.stringify(summary));
	const faults = findFaults(summary);
	if (faults.length > 0)
		throw new Error(`the figures are worth nothing: ${faults.join('; ')}`);
}

await main().catch((error) => {
	console.error(`t/bench/run: ${error.message}`);
	process.exit(1);
});
