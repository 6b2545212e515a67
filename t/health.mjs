#!/usr/bin/env node
/* What an operator sees: /health, /ready, /metrics. */
import { Client, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, like, ok } from './lib/tap.mjs';
import { AT_ONCE, timed } from './lib/wait.mjs';

async function ready(instances) {
	for (const instance of instances) {
		const health = await instance.request('GET', '/health');
		isDeep([health.status, health.json?.status], [200, 'ok'], '/health says ok');
		const answer = await instance.request('GET', '/ready');
		isDeep([answer.status, answer.json?.status], [200, 'ok'], '/ready says ok', answer.text);
		ok(answer.json?.probe_ms >= 0 && answer.json.probe_ms < AT_ONCE, '... and how long its probe took');
		is(answer.headers['cache-control'], 'no-store', '... and is not stored');
		ok(await instance.metrics('pollgate_store_probe_seconds') < 1, 'the probe is a metric');
		is(await instance.metrics('pollgate_store_up'), 1, 'pollgate_store_up is 1');
	}
}

/* The text format of Prometheus, version 0.0.4, and its naming conventions. */
function wellFormed(text) {
	const lines = text.split('\n');
	is(lines.pop(), '', 'the last line of /metrics is ended');
	const types = {};
	const helps = {};
	const wrong = [];
	for (const line of lines) {
		const comment = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.+)$/.exec(line);
		const sample = /^([a-z_][a-z0-9_]*)(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? (-?[0-9.e+-]+|\+Inf|NaN)$/.exec(line);
		if (comment)
			(comment[1] === 'TYPE' ? types : helps)[comment[2]] = comment[3];
		else if (!sample || !types[sample[1]] || !helps[sample[1]] || Number.isNaN(Number(sample[4])))
			wrong.push(line);
	}
	isDeep(wrong, [], 'each line of /metrics is a sample behind its HELP and TYPE');
	const names = Object.keys(types);
	ok(names.length > 20, 'there are many metrics');
	isDeep(names.filter((name) => !/^(pollgate|process)_/.test(name)), [], 'names begin with pollgate_ or process_');
	isDeep(names.filter((name) => (types[name] === 'counter') !== name.endsWith('_total')), [],
		'counters, and only they, end with _total');
	isDeep(names.filter((name) => !['counter', 'gauge'].includes(types[name])), [], 'each is a counter or a gauge');
	isDeep(names.filter((name) => /(_ms|_milliseconds|_kb|_mb|_minutes)(_|$)/.test(name)), [], 'units are base units');
}

async function metrics(base, instances) {
	const [instance] = instances;
	const answer = await instance.request('GET', '/metrics');
	like(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/, '/metrics is in the text format of Prometheus');
	wellFormed(answer.text);
	const sum = async (name) => (await Promise.all(instances.map((one) => one.metrics(name)))).reduce((x, y) => x + y);
	const names = ['polls_total', 'polls_empty_total', 'messages_sent_total', 'messages_delivered_total', 'sessions_opened_total',
		'sessions_closed_total', 'sends_repeated_total', 'http_requests_total', 'http_responses_4xx_total'];
	const before = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await sum(`pollgate_${name}`)])));
	const [a, b] = [await Client.open(base, { start: false }), await Client.open(base, { start: false })];
	await sendOps(base, a.token, [1, 2, 3].map((data) => ({ op: 'send', to: b.id, event: 'x', data })), 1);
	await sendOps(base, a.token, [1, 2, 3].map((data) => ({ op: 'send', to: b.id, event: 'x', data })), 1);
	await pollOnce(base, b.token, b.cursor, 2000);
	await pollOnce(base, a.token, a.cursor, 0);
	await pollOnce(base, 'A'.repeat(21) + 'Q', undefined, 0);
	await b.close();
	const grown =
		Object.fromEntries(await Promise.all(names.map(async (name) => [name, await sum(`pollgate_${name}`) - before[name]])));
	const { http_requests_total: requests, polls_total: polls, http_responses_4xx_total: refused, ...exact } = grown;
	isDeep(exact, { polls_empty_total: 1, messages_sent_total: 3, messages_delivered_total: 3, sessions_opened_total: 2,
		sessions_closed_total: 1, sends_repeated_total: 3 },
		'counters count what happened');
	ok(requests >= 8 && polls >= 2 && polls <= 3 && refused === 1, 'requests, polls and refusals are counted', grown);
	const values = await instance.metrics();
	ok(values.process_open_fds > 3 && values.process_max_fds >= values.process_open_fds, 'file descriptors are told');
	ok(values.process_resident_memory_bytes > 1e6 && values.process_resident_memory_bytes < 1e9, 'memory is told in bytes');
	ok(Math.abs(values.process_start_time_seconds - Date.now() / 1000) < 600, 'the start is told in seconds since the epoch');
	ok(values.pollgate_http_connections >= 1 && values.pollgate_http_connections_limit > values.pollgate_http_connections,
		'connections and their limit are told');
	ok(values.process_cpu_seconds_total >= 0 && values.process_cpu_seconds_total < 60, 'CPU time is told in seconds');
}

async function sessionsCounted(base, instances) {
	const start = await instances[0].metrics('pollgate_sessions');
	await Promise.all([1, 2, 3, 4].map(() => createSession(base, { rooms: ['counted'] })));
	for (const instance of instances)
		await instance.waitMetric('pollgate_sessions', (n) => n >= start + 4);
	await instances[0].waitMetric('pollgate_rooms', (n) => n >= 1);
	ok(true, 'sessions and rooms of the whole store are counted by each instance');
}

async function withoutRedis(instances, redis) {
	for (const [how, stop, resume] of [['stands still', () => redis.pause(), () => redis.resume()],
		['is down', () => redis.kill(), () => redis.start()]]) {
		await stop();
		const { ms, value } = await timed(() => waitFor(async () => {
			const answer = await instances[0].request('GET', '/ready');
			return answer.status !== 200 && answer;
		}, '/ready to notice'));
		isDeep([value.status, value.code], [503, 'store_unavailable'], `/ready is 503 while Redis ${how}`, value.text);
		ok(ms < AT_ONCE, '... and says so soon', `after ${ms.toFixed(0)} ms`);
		is((await instances[0].request('GET', '/health')).status, 200, `/health is 200 while Redis ${how}: the loop turns`);
		await instances[0].waitMetric('pollgate_store_up', 0);
		ok(true, `pollgate_store_up is 0 while Redis ${how}`);
		await resume();
		for (const instance of instances)
			await waitFor(async () => (await instance.request('GET', '/ready')).status === 200, '/ready to be 200 again');
		ok(true, '/ready is 200 when it is back');
		await instances[0].waitMetric('pollgate_store_up', 1);
	}
	ok(await instances[0].metrics('pollgate_store_reconnects_total') >= 2, 'connections to Redis are counted');
}

/* Each instance alone proves that what is written is heard of: also one that has no client. */
await forEachStore(async ({ start, redis }) => {
	const { base, instances } = await start({ options: { 'store-timeout': '1s' } });
	await ready(instances);
	await metrics(base, instances);
	await sessionsCounted(base, instances);
	if (redis)
		await withoutRedis(instances, redis);
});
await done();
