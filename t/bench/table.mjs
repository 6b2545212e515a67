/*
 * From the figures of all rounds to medians, a table with the ratios of pollgate to nchan, one of pollgate's ways to receive beside
 * Socket.IO, and the aims.
 */
const columns = ['pollgate', 'nchan', 'pollgate-memory', 'nchan-memory'];
const transports = ['pollgate', 'pollgate-sse', 'pollgate-ws', 'pollgate-socketio', 'socketio', 'socketio-ws'];

/* As rows below, by transport. */
const transportRows = [
	['pairs', 'rate', '1:1 messages/s at saturation', 0],
	['pairs', 'cpu_us', 'CPU per message, us', 1],
	['pairs', 'p50_us', 'p50, us', 0],
	['room', 'last_ms', 'room of 1,000: the last has it, ms', 1],
	['room', 'cpu_us', 'CPU per delivery, us', 1],
	['park', 'gateway_bytes', 'gateway memory of an idle client, bytes', 0],
	['park', 'redis_bytes', 'Redis memory of it, bytes', 0],
];

/* The same, through the application; what is measured without it, too, stands beside. */
const hookRows = [
	['pairs', 'rate', '1:1 messages/s at saturation', 0],
	['pairs', 'cpu_us', 'CPU per message, us', 1],
	['pairs', 'gateway_cpu_us', '  gateways', 1],
	['pairs', 'redis_cpu_us', '  Redis', 1],
	['pairs', 'redis_commands', 'Redis commands per message', 2],
	['pairs', 'p50_us', 'p50, us', 0],
	['pairs', 'p99_us', 'p99, us', 0],
	['rate', 'p50_us', 'at 500/s: p50, us', 0],
	['rate', 'p99_us', '  p99, us', 0],
	['order', 'rate', '8 of each sender under way: messages/s', 0],
	['order', 'cpu_us', '  CPU per message, us', 1],
	['order', 'p50_us', '  p50, us', 0],
	['order', 'wrong', '  lost, repeated or out of order', 0],
	['slow', 'rate', '1,000 pairs, it takes 50 ms: messages/s', 0],
	['slow', 'cpu_us', '  CPU per message, us', 1],
	['slow', 'p50_us', '  p50, us', 0],
	['slow', 'p99_us', '  p99, us', 0],
];

/* [scenario, figure, words, decimals]; a text alone is a heading. */
const rows = [
	'1:1 messages at saturation: 100 pairs in closed loop',
	['pairs', 'rate', 'messages/s', 0],
	['pairs', 'cpu_us', 'CPU per message, us', 1],
	['pairs', 'gateway_cpu_us', '  gateways', 1],
	['pairs', 'redis_cpu_us', '  Redis', 1],
	['pairs', 'redis_commands', 'Redis commands per message', 2],
	['pairs', 'p50_us', 'p50, us', 0],
	['pairs', 'p99_us', 'p99, us', 0],
	['pairs', 'generator_busy', 'generator, share of a CPU', 2],
	'1:1 messages at 500/s',
	['rate', 'p50_us', 'p50, us', 0],
	['rate', 'p99_us', 'p99, us', 0],
	['rate', 'bare_p50_us', 'bare Redis round trip p50, us', 0],
	['rate', 'bare_p99_us', 'bare Redis round trip p99, us', 0],
	['rate', 'p50_ratio', 'p50 / bare p50', 2],
	['rate', 'bare_look_p50_us', 'bare, then HMGET, p50, us', 0],
	['rate', 'p50_look_ratio', 'p50 / that', 2],
	['rate', 'gateway_cpu_us', 'gateway CPU per message, us', 1],
	'A message to a room of 1,000 pollers',
	['room', 'last_ms', 'until the last has it, ms', 1],
	['room', 'last_worst_ms', '  the slowest, ms', 1],
	['room', 'cpu_us', 'CPU per delivery and re-poll, us', 1],
	['room', 'redis_commands', 'Redis commands per delivery', 2],
	'Idle polls: 8,000 clients, hold 8 s (quick: 2,000, 1 s)',
	['idle', 'rate', 'polls/s', 0],
	['idle', 'cpu_us', 'CPU per poll, us', 1],
	['idle', 'redis_cpu_us', '  Redis', 1],
	['idle', 'redis_commands', 'Redis commands per poll', 2],
	['idle', 'quiet_commands', 'Redis commands/s without clients', 1],
	'Polls answered at once with nothing: 100 clients at saturation',
	['empty', 'rate', 'polls/s', 0],
	['empty', 'cpu_us', 'CPU per poll, us', 1],
	['empty', 'redis_commands', 'Redis commands per poll', 2],
	'Parked polls',
	['park', 'parked', 'clients', 0],
	['park', 'gateway_bytes', 'gateway memory each, bytes', 0],
	['park', 'redis_bytes', 'Redis memory each, bytes', 0],
	'CPU per message with clients parked beside: 50 pairs in closed loop',
	['flat-100', 'cpu_us', '100 clients, us', 1],
	['flat-1000', 'cpu_us', '1,000 clients, us', 1],
	['flat-10000', 'cpu_us', '10,000 clients, us', 1],
];

/* [words, value of the summary, comparison, bound] */
const aims = [
	['CPU per message on Redis, share of nchan\'s', (s) => ratio(s.pairs, 'cpu_us', ''), '<=', 0.4],
	['messages/s on Redis, times nchan\'s', (s) => ratio(s.pairs, 'rate', ''), '>=', 2.5],
	['CPU per message by polling, share of Socket.IO\'s', (s) => s.pairs.pollgate.cpu_us / s.pairs.socketio.cpu_us, '<=', 0.4],
	['the same for Socket.IO\'s clients', (s) => s.pairs['pollgate-socketio'].cpu_us / s.pairs.socketio.cpu_us, '<=', 0.5],
	['CPU per message on WebSockets, share of Socket.IO\'s', (s) => s.pairs['pollgate-ws'].cpu_us / s.pairs['socketio-ws'].cpu_us, '<=', 0.5],
	['CPU per message in memory, share of nchan\'s', (s) => ratio(s.pairs, 'cpu_us', '-memory'), '<=', 1],
	['messages/s in memory, times nchan\'s', (s) => ratio(s.pairs, 'rate', '-memory'), '>=', 1],
	['p50 at 500/s, times bare Redis with the read', (s) => s.rate.pollgate.p50_look_ratio, '<=', 2],
	['the last of a room of 1,000, ms', (s) => s.room.pollgate.last_ms, '<=', 20],
	['gateway bytes for each idle client', (s) => s.park.pollgate.gateway_bytes, '<=', 6000],
	['gateway bytes for each idle event stream', (s) => s.park['pollgate-sse'].gateway_bytes, '<=', 8192],
	['gateway bytes for each idle WebSocket', (s) => s.park['pollgate-ws'].gateway_bytes, '<=', 14336],
	['Redis bytes for each idle client', (s) => s.park.pollgate.redis_bytes, '<=', 300],
	['Redis commands for an idle poll', (s) => s.idle.pollgate.redis_commands, '<=', 1.05],
	['CPU per message, 10,000 clients to 100', (s) => s['flat-10000'].pollgate.cpu_us / s['flat-100'].pollgate.cpu_us, '<=', 1.2],
];

/* Messages lost, repeated or out of order; pairs that waited in vain; requests refused or broken. */
const faults = ['wrong', 'stalled', 'failed'];

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const ratio = (scenario, figure, suffix) => scenario[`pollgate${suffix}`][figure] / scenario[`nchan${suffix}`][figure];

/** summary[scenario][system][figure]: medians, but of what must not be the worst. */
export function summarize(results) {
	const one = (key, values) => faults.includes(key) ? Math.max(...values) : median(values);
	const middle = (rounds) => Object.fromEntries(Object.keys(rounds[0]).filter((key) => typeof rounds[0][key] === 'number')
		.map((key) => [key, one(key, rounds.map((round) => round[key]))]));
	const inner = (systems) => Object.fromEntries(Object.entries(systems).map(([system, rounds]) => [system, middle(rounds)]));
	return Object.fromEntries(Object.entries(results).map(([scenario, systems]) => [scenario, inner(systems)]));
}

/** Sentences about what makes the figures worthless. */
export function findFaults(summary) {
	return Object.entries(summary).flatMap(([scenario, systems]) => Object.entries(systems).flatMap(([system, figures]) =>
		faults.filter((fault) => figures[fault] > 0).map((fault) => `${scenario}, ${system}: ${figures[fault]} ${fault}`)));
}

const cell = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : '').padStart(10);

/* undefined if nothing of it was measured. */
function valuesOf(summary, systems, scenario, figure) {
	const values = systems.map((system) => summary[scenario]?.[system]?.[figure]);
	return values.some((value) => value !== undefined) ? values : undefined;
}

function printRow(summary, [scenario, figure, words, decimals]) {
	const values = valuesOf(summary, columns, scenario, figure);
	if (!values)
		return;
	const [a, b, c, d] = values;
	console.log('  ' + words.padEnd(36) + cell(a, decimals) + cell(b, decimals) + cell(a / b, 2) + '  ' +
		cell(c, decimals) + cell(d, decimals) + cell(c / d, 2));
}

function printAim(summary, [words, value, comparison, bound]) {
	let measured;
	try {
		measured = value(summary);
	} catch {} // Its scenario was not measured.
	if (!Number.isFinite(measured))
		return;
	const met = comparison === '<=' ? measured <= bound : measured >= bound;
	console.log(`  ${words.padEnd(46)}${measured.toPrecision(3).padStart(10)}  ${comparison} ${bound}  ${met ? 'met' : 'MISSED'}`);
}

function printTransports(summary) {
	if (!transports.slice(1).some((system) => Object.values(summary).some((systems) => systems[system])))
		return;
	console.log('By transport, on Redis, 2 instances'.padEnd(42) + ['polling', 'SSE', 'WebSocket', 'as S.IO', 'S.IO poll', 'S.IO WS'].map((name) => name.padStart(10)).join(''));
	for (const [scenario, figure, words, decimals] of transportRows) {
		const values = valuesOf(summary, transports, scenario, figure);
		if (values)
			console.log('  ' + words.padEnd(40) + values.map((value) => cell(value, decimals)).join(''));
	}
}

function printHook(summary) {
	if (!Object.values(summary).some((systems) => systems['pollgate-hook']))
		return;
	console.log('Through the application (--hook), on Redis, 2 instances'.padEnd(58) + ['without', 'with', 'added'].map((name) => name.padStart(10)).join(''));
	for (const [scenario, figure, words, decimals] of hookRows) {
		const [without, through] = valuesOf(summary, ['pollgate', 'pollgate-hook'], scenario, figure) ?? [];
		if (through !== undefined)
			console.log('  ' + words.padEnd(56) + [without, through, through - without].map((value) => cell(value, decimals)).join(''));
	}
}

export function printTable(summary) {
	const head = ['pollgate', 'nchan', 'ratio', '', 'pollgate', 'nchan', 'ratio'];
	console.log(''.padEnd(38) + '       on Redis, 2 instances  ' + '          in memory, 1 instance');
	console.log(''.padEnd(38) + head.map((name) => name ? name.padStart(10) : '  ').join(''));
	for (let i = 0; i < rows.length; i++) {
		if (typeof rows[i] !== 'string')
			printRow(summary, rows[i]);
		else if (summary[rows[i + 1][0]] && Object.keys(summary[rows[i + 1][0]]).length > 0)
			console.log(rows[i]);
	}
	printTransports(summary);
	printHook(summary);
	console.log('Aims');
	for (const aim of aims)
		printAim(summary, aim);
}
