#!/usr/bin/env node
/*
 * What doctor.html makes of measurements (www/doctor/judge.js, diagnose.js, report.js): of each network, of half a test, and of
 * what contradicts itself.  It never says more than was measured.
 */
import { done, is, isDeep, like, ok, scope, unlike } from './lib/tap.mjs';
import { diagnose } from '../www/doctor/diagnose.js';
import { expected, inBytes, inWords, makePlan } from '../www/doctor/plan.js';
import { writeReport } from '../www/doctor/report.js';

const plan = makePlan();
const about = { gateway: 'https://gateway.example/', secure: true, local: false, online: true, browser: 'a browser', at: 0 };

/* ---- What may be measured ---- */

const answer = (json, ms = 12) => ({ outcome: 'answered', ms, status: 200, own: true, json });
const refusal = (status, ms = 12) => ({ outcome: 'answered', ms, status, own: false });
const problem = (status, code, ms = 12) => ({ outcome: 'answered', ms, status, code, own: true, json: { status, code } });
const broke = (ms) => ({ outcome: 'broke', ms });
const silent = (ms) => ({ outcome: 'silent', ms });
const requests = (...tries) => ({ tries, protocol: 'http/1.1' });
const hold = (wait, result = answer({ held: wait + 1 }, wait + 14)) => ({ ...result, wait });
const body = (bytes, result = answer({ bytes })) => ({ ...result, bytes });
const bodies = (...sizes) => ({ sizes, ms: 100 });
const K = 1024;

/** Parts that were sent `every` ms and came at the times that when(n) says. */
function parts(every, count, { came = count, when = (n) => n * every + 15, outcome = 'complete', ms, ...more } = {}) {
	const arrivals = Array.from({ length: came }, (_, n) => when(n));
	return { outcome, ms: ms ?? arrivals.at(-1) ?? 0, arrivals, strange: false, every, count, ...more };
}

const stream = (more) => parts(455, 12, more);
const long = (more) => parts(5000, 12, more);
const probe = (more) => parts(1000, 6, { came: 3, outcome: 'enough', ...more });
const atOnce = (ms) => ({ when: () => ms, came: undefined, outcome: 'complete' });
const events = (more = {}) => ({ outcome: 'silent', ms: 55_000, arrivals: [14, 16, 15_016, 30_016, 45_016], duration: 55_000, ...more });
const ws = { open: { outcome: 'opened', ms: 20 }, echo: { outcome: 'echoed', ms: 3 }, idle: { outcome: 'echoed', ms: 60_003, idle: 60_000 } };
const closed = (ms, code = 1006) => ({ outcome: 'closed', ms, code, reason: '' });
const noSocket = { 'ws-open': closed(15), 'ws-echo': { untried: 'ws-open' }, 'ws-idle': { untried: 'ws-echo' } };

const clear = {
	request: requests(answer({ held: 0 }), answer({ held: 0 }), answer({ held: 0 })),
	post: body(100),
	session: answer({ id: 'x', hold: 25_000, transports: ['poll', 'sse', 'ws'] }),
	bodies: bodies(body(16 * K), body(64 * K), body(256 * K), body(1024 * K)),
	'hold-5000': hold(5000), 'hold-25000': hold(25_000), 'hold-55000': hold(55_000),
	stream: stream(), 'stream-long': long(), sse: probe(), eventsource: probe(), 'sse-long': events(),
	'ws-open': ws.open, 'ws-echo': ws.echo, 'ws-idle': ws.idle,
};
const all = (verdict) => Object.fromEntries(plan.tests.map(({ key }) => [key, verdict]));

/** The diagnosis, and in short: verdicts by key, titles of causes, advice as one text. */
function of(results, more = {}) {
	const measured = { plan, results, about, ...more };
	const diagnosis = diagnose(measured);
	return {
		...diagnosis,
		verdicts: Object.fromEntries(diagnosis.rows.map(({ key, verdict }) => [key, verdict])),
		tones: Object.fromEntries(diagnosis.rows.map(({ key, tone }) => [key, tone])),
		details: Object.fromEntries(diagnosis.rows.map(({ key, detail }) => [key, detail])),
		titles: diagnosis.causes.map(({ title }) => title),
		todo: diagnosis.advice.map(({ where, text, code = '' }) => `${where}: ${text} ${code}`).join('\n'),
		report: writeReport(diagnosis, measured.about),
	};
}

/** The network differs from a clear one by these results, the verdicts by those; there are causes like titles, and no others. */
async function on(network, { results, verdicts = {}, titles = [], best, summary, advice = [], without = [], more = {} }) {
	await scope(network, async () => {
		const got = of({ ...clear, ...results }, more);
		isDeep(got.verdicts, { ...all('works'), ...verdicts }, 'the table');
		ok(got.titles.length === titles.length && titles.every((title, n) => title.test(got.titles[n])), 'the causes', got.titles);
		like(got.summary.title, summary, 'the summary');
		is(got.summary.best, best, 'the transport');
		for (const pattern of advice)
			like(got.todo, pattern, `advice like ${pattern}`);
		for (const pattern of without)
			unlike(got.todo, pattern, `no advice like ${pattern}`);
		const unmeasured = got.causes.flatMap(({ seen }) => seen).filter((key) => got.verdicts[key] === 'not tested');
		isDeep(unmeasured, [], 'no cause is said to be seen in what was not measured');
		const lines = got.report.split('\n');
		const untold = got.rows.filter(({ name, verdict }) => !lines.some((line) => line.includes(name) && line.includes(verdict)));
		isDeep([untold, got.titles.filter((title) => !got.report.replace(/\s+/g, ' ').includes(title))], [[], []], 'the report says the same');
		isDeep(lines.filter((line) => line.length > 100), [], 'in short lines');
	});
}

await on('a clear network', { results: {}, best: 'ws', summary: /^WebSockets work here$/, without: [/./] });

/* ---- WebSockets ---- */

const socketless = { 'ws-open': 'refused', 'ws-echo': 'not tested', 'ws-idle': 'not tested' };
await on('Upgrade refused', {
	results: noSocket, verdicts: socketless, best: 'sse', titles: [/upgrade to WebSocket does not come through/],
	summary: /^Event streams work here, not everything does$/, advice: [/proxy_set_header Upgrade \$http_upgrade/, /transports: \['poll', 'sse'\]/],
	without: [/HTTPS/],
});
await on('Upgrade refused on plain HTTP', {
	results: noSocket, verdicts: socketless, best: 'sse', titles: [/upgrade/], summary: /^Event streams/,
	more: { about: { ...about, secure: false } }, advice: [/gateway: Serve the gateway by HTTPS/],
});
await on('a black hole', {
	results: { 'ws-echo': silent(3000), 'ws-idle': { untried: 'ws-echo' } }, verdicts: { 'ws-echo': 'silent', 'ws-idle': 'not tested' },
	best: 'sse', titles: [/WebSockets open, but nothing passes/], summary: /^Event streams/, advice: [/client: .*echo/],
});
await on('Upgrade swallowed', {
	results: { ...noSocket, 'ws-open': silent(10_000) }, verdicts: { ...socketless, 'ws-open': 'no answer' },
	best: 'sse', titles: [/swallowed/], summary: /^Event streams/,
});
await on('a WebSocket that the first word ends', {
	results: { 'ws-echo': closed(4), 'ws-idle': { untried: 'ws-echo' } }, verdicts: { 'ws-echo': 'cut', 'ws-idle': 'not tested' },
	best: 'sse', titles: [/as soon as something is said/], summary: /^Event streams/,
});
await on('idle WebSockets cut', {
	results: { 'ws-idle': { ...closed(10_000), idle: 60_000 } }, verdicts: { 'ws-idle': 'cut' }, best: 'sse',
	titles: [/idle is cut after 10 s/], summary: /^Event streams/, advice: [/--ws-ping 5s/, /proxy_read_timeout 60s/],
});
await on('WebSockets cut by age', {
	results: { 'ws-idle': { ...closed(30_000), idle: 60_000 } }, verdicts: { 'ws-idle': 'cut' }, best: 'sse', titles: [/cut after 30 s/],
	summary: /^Event streams/,
});
like(of({ ...clear, 'ws-idle': { ...closed(30_000), idle: 60_000 } }).causes[0].text, /by their age/, 'the gateway pings more often than that');
await on('a WebSocket that was forgotten', {
	results: { 'ws-idle': { ...silent(63_000), idle: 60_000 } }, verdicts: { 'ws-idle': 'silent' }, best: 'sse', titles: [/is dead, and does not say so/],
	summary: /^Event streams/,
});
await on('an instance that ends meanwhile', {
	results: { 'ws-idle': { ...closed(20_000, 1012), idle: 60_000 } }, verdicts: { 'ws-idle': 'ended' }, best: 'ws', summary: /^WebSockets work here$/,
});

/* ---- What holds back ---- */

const held = { sse: parts(1000, 6, atOnce(6010)), eventsource: parts(1000, 6, atOnce(6012)), 'sse-long': events({ arrivals: [] }) };
const heldRows = { sse: 'held back', eventsource: 'held back', 'sse-long': 'no answer' };
await on('event streams held back', {
	results: held, verdicts: heldRows, best: 'ws', titles: [/^Event streams are held back until they are complete$/],
	summary: /^WebSockets work here, not everything does$/, advice: [/proxy_buffering off/, /transports: \['poll', 'ws'\]/],
});
const allHeld = { ...held, stream: stream(atOnce(5010)), 'stream-long': long(atOnce(55_030)) };
const allHeldRows = { ...heldRows, stream: 'held back', 'stream-long': 'held back' };
await on('every answer held back', {
	results: { ...allHeld, ...noSocket }, verdicts: { ...allHeldRows, ...socketless }, best: 'poll',
	titles: [/upgrade/, /^Answers are held back/], summary: /^Long polling works here, not everything does$/, advice: [/proxy_buffering off/, /\['poll'\]/],
});
await on('pieces held back, but not events', {
	results: { stream: stream(atOnce(5010)), 'stream-long': long(atOnce(55_030)) }, verdicts: { stream: 'held back', 'stream-long': 'held back' },
	best: 'ws', titles: [/but event streams are not/], summary: /^WebSockets work here$/, without: [/./],
});
await on('events in lumps', {
	results: { sse: probe({ came: 6, when: (n) => Math.ceil((n + 1) / 6) * 5900, outcome: 'complete' }) }, verdicts: { sse: 'held back' }, best: 'ws',
	titles: [/^Event streams are held back/, /by EventSource, but not by fetch/], summary: /^WebSockets/,
});
await on('EventSource alone held back', {
	results: { eventsource: held.eventsource }, verdicts: { eventsource: 'held back' }, best: 'ws', titles: [/by fetch, but not by EventSource/],
	summary: /^WebSockets/,
});
await on('a slow network', {
	results: {
		request: requests(...clear.request.tries.map((each) => ({ ...each, ms: 900 }))), stream: stream({ when: (n) => n * 455 + 1900 }),
		sse: probe({ when: (n) => n * 1000 + 2500 }), 'hold-5000': hold(5000, answer({ held: 5000 }, 5900)),
	}, best: 'ws', summary: /^WebSockets work here$/,
});
await on('one piece late', {
	results: { stream: stream({ when: (n) => n * 455 + (n === 5 ? 1500 : 15) }) }, best: 'ws', summary: /^WebSockets work here$/,
});
await on('all but one piece late by less than a busy device may be', {
	results: { stream: stream({ when: (n) => n * 455 + (n ? 765 : 15) }) }, best: 'ws', summary: /^WebSockets work here$/,
});
await on('pieces that are delayed, each of them', {
	results: { stream: stream({ when: (n) => n * 455 + 4000 }) }, verdicts: { stream: 'late' }, best: 'ws', summary: /^WebSockets work here$/,
});

/* ---- What cuts ---- */

const cutAt = (ms, status) => status ? refusal(status, ms) : broke(ms);
const cutTwo = (ms, status) => ({ 'hold-25000': hold(25_000, cutAt(ms, status)), 'hold-55000': hold(55_000, cutAt(ms + 3, status)) });
const cutStreams = (ms) => ({
	'stream-long': long({ came: Math.ceil(ms / 5000), outcome: 'broke', ms }), 'sse-long': events({ outcome: 'broke', ms, arrivals: [14, 16, 15_016] }),
});
const cutRows = { 'hold-25000': 'cut', 'hold-55000': 'cut' };
for (const status of [undefined, 504]) {
	await on(`requests cut after 20 s${status ? ` with ${status}` : ''}`, {
		results: { ...cutTwo(20_000, status), ...cutStreams(20_010) }, verdicts: { ...cutRows, 'stream-long': 'cut', 'sse-long': 'cut' }, best: 'ws',
		titles: [/^Requests are cut after 20 s$/], summary: /^WebSockets work here, not everything does$/,
		advice: [/--hold 16s --hold-max 16s/, /--sse-life 16s/, /proxy_read_timeout 60s/], without: [/--sse-comment/],
	});
	await on(`silent requests cut after 20 s${status ? ` with ${status}` : ''}`, {
		results: cutTwo(20_000, status), verdicts: cutRows, best: 'ws', titles: [/^Requests are cut after 20 s$/], summary: /^WebSockets/,
		advice: [/--hold 16s/], without: [/--sse/],
	});
}
like(of({ ...clear, ...cutTwo(20_000), ...cutStreams(20_010) }).causes[0].text, /age of a request/, 'where streams are cut, too, it is the age');
like(of({ ...clear, ...cutTwo(20_000) }).causes[0].text, /silence that counts/, 'where they are not it is the silence');
like(of({ ...clear, ...cutTwo(20_000), 'stream-long': undefined }).causes[0].text, /was not measured/, 'and without them nobody knows');
like(of({ ...clear, ...cutTwo(20_000, 504) }).causes[0].text, /answers 504/, 'an answer that was seen is told');
await on('the longest poll cut', {
	results: { 'hold-55000': hold(55_000, broke(30_000)) }, verdicts: { 'hold-55000': 'cut' }, best: 'ws', titles: [/cut after 30 s/],
	summary: /^WebSockets work here$/, without: [/./],
});
await on('everything but a WebSocket cut, and that refused', {
	results: { ...noSocket, 'hold-5000': hold(5000, broke(2000)), ...cutTwo(2000), ...cutStreams(2000), sse: probe({ came: 2, outcome: 'broke', ms: 2000 }),
		eventsource: probe({ came: 2, outcome: 'broke', ms: 2000 }), stream: stream({ came: 5, outcome: 'broke', ms: 2000 }) },
	verdicts: { ...socketless, ...cutRows, 'hold-5000': 'cut', 'stream-long': 'cut', 'sse-long': 'cut', sse: 'cut', eventsource: 'cut', stream: 'cut' },
	titles: [/upgrade/, /cut after 2 s/], summary: /^No transport was seen to work$/, advice: [/--hold 1s/],
});
await on('streams cut, polls not', {
	results: { 'stream-long': long({ came: 5, outcome: 'broke', ms: 20_000 }) }, verdicts: { 'stream-long': 'cut' }, best: 'ws',
	titles: [/An answer that goes on is cut after 20 s/], summary: /^WebSockets/, advice: [/--sse-life 16s/],
});
await on('silent streams cut', {
	results: { 'sse-long': events({ outcome: 'broke', ms: 10_000, arrivals: [14] }) }, verdicts: { 'sse-long': 'cut' }, best: 'ws',
	titles: [/in which nothing happens is cut after 10 s/], summary: /^WebSockets/, advice: [/--sse-comment 5s/],
});
await on('a network that is not steady', {
	results: { 'hold-5000': hold(5000, broke(3000)) }, verdicts: { 'hold-5000': 'cut' }, best: 'ws', titles: [/not steady/], summary: /^WebSockets/,
	without: [/--hold/],
});
await on('a network that goes away', {
	results: { request: requests(...clear.request.tries, broke(3)), ...cutTwo(12_000), ...cutStreams(6000), 'ws-idle': { ...closed(12_000), idle: 60_000 } },
	verdicts: { request: 'unsteady', ...cutRows, 'stream-long': 'cut', 'sse-long': 'cut', 'ws-idle': 'cut' }, best: 'sse',
	titles: [/not steady/, /idle is cut/], summary: /^Event streams/, without: [/--hold/],
});
await on('requests lost', {
	results: { request: requests(answer({ held: 0 }), broke(200), answer({ held: 0 })) }, verdicts: { request: 'unsteady' }, best: 'ws',
	titles: [/not steady/], summary: /^WebSockets/,
});

/* ---- POST ---- */

const notPosted = { post: { ...refusal(403), bytes: 100 }, session: refusal(403), bodies: bodies({ ...refusal(403), bytes: 16 * K }),
	'sse-long': { untried: 'session' } };
await on('POST refused', {
	results: notPosted, verdicts: { post: 'refused', session: 'refused', bodies: 'refused', 'sse-long': 'not tested' }, titles: [/POST requests do not/],
	summary: /^No transport was seen to work$/,
});
like(of({ ...clear, ...notPosted, ...noSocket }).causes[0].text, /Whether it offers WebSockets was not seen/, 'nor is it known what the gateway offers');
await on('long bodies refused', {
	results: { bodies: bodies(body(16 * K), body(64 * K), { ...refusal(413), bytes: 256 * K }) }, verdicts: { bodies: 'limited' }, best: 'ws',
	titles: [/^Bodies of 256 KiB do not come through$/], summary: /^WebSockets work here, not everything does$/,
	advice: [/client_max_body_size 1m/, /--max-body 64K/],
});
await on('a gateway that takes less', {
	results: { bodies: bodies(body(16 * K), { ...problem(413, 'body_too_large'), bytes: 64 * K }) }, verdicts: { bodies: 'limited' }, best: 'ws',
	summary: /^WebSockets work here$/, without: [/./],
});
await on('bodies that lose something', {
	results: { post: body(100, answer({ bytes: 99 })) }, verdicts: { post: 'altered' }, best: 'ws', titles: [/POST requests do not/], summary: /^WebSockets/,
});

/* ---- The gateway ---- */

await on('--no-websocket', {
	results: { ...noSocket, session: answer({ transports: ['poll', 'sse'] }) }, verdicts: { ...socketless, 'ws-open': 'switched off' }, best: 'sse',
	titles: [/does not offer WebSockets/], summary: /^Event streams work here$/, without: [/./],
});
const off = problem(404, 'transport_disabled');
await on('--no-sse', {
	results: { sse: off, eventsource: { outcome: 'refused', ms: 9, arrivals: [] }, 'sse-long': off, session: answer({ transports: ['poll', 'ws'] }) },
	verdicts: { sse: 'switched off', eventsource: 'switched off', 'sse-long': 'switched off' }, best: 'ws', titles: [/does not offer event streams/],
	summary: /^WebSockets work here$/, without: [/./],
});
const unchecked = problem(404, 'check_disabled');
await on('--no-check', {
	results: {
		request: requests(unchecked, unchecked, unchecked), post: { ...unchecked, bytes: 100 }, bodies: bodies({ ...unchecked, bytes: 16 * K }),
		'hold-5000': hold(5000, unchecked), 'hold-25000': hold(25_000, unchecked), 'hold-55000': hold(55_000, unchecked), stream: unchecked, 'stream-long': unchecked,
	},
	verdicts: { post: 'switched off', bodies: 'switched off', 'hold-5000': 'switched off', 'hold-25000': 'switched off', 'hold-55000': 'switched off',
		stream: 'switched off', 'stream-long': 'switched off' },
	best: 'ws', titles: [/checks are switched off/], summary: /^WebSockets work here$/, advice: [/without --no-check/],
});
await on('--auth', {
	results: { session: problem(401, 'auth_required'), 'sse-long': { untried: 'session' } },
	verdicts: { session: 'not tested', 'sse-long': 'not tested' }, best: 'ws', summary: /^WebSockets work here$/, without: [/./],
});
const tooLong = { ...problem(400, 'bad_request'), json: { most: 30_000 } };
await on('--check-max', {
	results: { 'hold-55000': hold(55_000, answer({ held: 30_000 }, 30_012)), 'stream-long': tooLong },
	verdicts: { 'hold-55000': 'not tested', 'stream-long': 'not tested' }, best: 'ws', summary: /^WebSockets work here$/,
});
await on('a gateway without its store', {
	results: { session: problem(503, 'store_unavailable'), 'sse-long': { untried: 'session' } }, verdicts: { session: 'busy', 'sse-long': 'not tested' },
	titles: [/gateway is not well/], summary: /^No transport/,
});

/* ---- What is no gateway, or not there ---- */

const nowhere = { ...all('not tested') };
for (const [network, result, verdict, title, extra] of [
	['no gateway', broke(2), 'not reached', /^The gateway is not reached$/],
	['a gateway that is silent', silent(10_000), 'no answer', /^The gateway is not reached$/],
	['offline', broke(2), 'not reached', /^This device is offline$/, { about: { ...about, online: false } }],
])
	await scope(network, async () => {
		const got = of({ request: requests(result, result, result) }, extra);
		isDeep(got.verdicts, { ...nowhere, request: verdict }, 'nothing else is claimed');
		is(got.titles.length, 1, 'there is one cause');
		like(got.titles[0], title, 'which is this');
		is(got.summary.title, got.titles[0], 'and is the summary');
		is(/other tabs/.test(got.todo), verdict === 'no answer', 'silence may be that of a browser that has no connection left');
		is(got.summary.best, undefined, 'no transport is recommended');
	});
const portal = { outcome: 'answered', ms: 20, status: 200, own: false };
for (const [network, result, verdict] of [['a page to log in', portal, 'altered'], ['a proxy that wants a password', refusal(407), 'refused'],
	['a balancer without a gateway', refusal(502), 'cut']])
	await scope(network, async () => {
		const got = of({ request: requests(result, result, result), post: { ...result, bytes: 100 }, session: result });
		is(got.verdicts.request, verdict, 'is told from a gateway');
		like(got.titles[0], /Something else answers/, 'and named');
		is(got.summary.best, undefined, 'no transport is recommended');
	});

/* ---- Half a test ---- */

await scope('nothing yet', async () => {
	const got = of({}, { finished: false });
	isDeep(got.verdicts, all('waiting'), 'all rows wait');
	isDeep([got.titles, got.todo, got.summary.tone], [[], '', 'off'], 'and nothing is said');
});
await scope('in the middle', async () => {
	const long = Object.fromEntries(plan.tests.filter((test) => test.long).map(({ key }) => [key, { running: true, since: 0 }]));
	const got = of({ ...clear, ...long }, { finished: false });
	isDeep(plan.tests.filter((test) => test.long).map(({ key }) => got.verdicts[key]), Array(5).fill('running'), 'the long ones run');
	is(got.summary.best, 'ws', 'what works is told already');
	like(got.summary.text, /still under way/, 'and that more is to come');
	unlike(got.summary.text, /Everything/, 'not everything was seen');
	const early = of({ request: clear.request, post: { running: true, since: 0 } }, { finished: false });
	isDeep([early.titles, early.summary.title], [[], 'Testing'], 'what has not failed is no cause');
});
await scope('a quick test', async () => {
	const short = Object.fromEntries(plan.tests.filter(({ long }) => !long).map(({ key }) => [key, clear[key]]));
	const got = of(short, { quick: true });
	isDeep(plan.tests.filter(({ long }) => long).map(({ key }) => got.verdicts[key]), Array(5).fill('not tested'), 'leaves the long ones out');
	like(got.summary.text, /What takes longer was not tried/, 'and says so');
	isDeep(got.titles, [], 'without a cause');
});
await scope('stopped', async () => {
	const got = of({ request: clear.request, post: clear.post }, { stopped: true });
	is(got.verdicts.sse, 'not tested', 'what was not measured is not tested');
	is(got.summary.best, undefined, 'no transport is recommended');
	unlike(got.todo, /./, 'nor anything else');
});
like(of(clear, { hidden: true }).summary.text, /in the background/, 'a page that was hidden says so');

/* ---- The plan ---- */

const asked = (query) => makePlan(new URLSearchParams(query));
isDeep([plan.waits, plan.idle], [[5000, 25_000, 55_000], 60_000], 'polls of 5, 25 and 55 s, and a minute of nothing');
isDeep([asked('waits=2,0.5&idle=1.5').waits, asked('waits=2,0.5&idle=1.5').idle], [[500, 2000], 1500], 'the query can ask for others');
for (const query of ['waits=', 'waits=x,-1,0,1e9', 'waits=0.01', 'idle=x'])
	isDeep([asked(query).waits, asked(query).idle], [plan.waits, plan.idle], `${query} is none`);
is(asked('waits=1,2,3,4,5,6').waits.length, 4, 'and no more than four polls at once');
ok(expected(plan, true) < 10_000 && expected(plan, false) < 75_000, 'a quick test takes seconds, a full one a minute');
isDeep([0, 999, 1234, 9949, 9951, 25_004].map(inWords), ['0 ms', '999 ms', '1.2 s', '9.9 s', '10 s', '25 s'], 'durations in words');
isDeep([100, 16 * K, 1024 * K].map(inBytes), ['100 bytes', '16 KiB', '1 MiB'], 'and bytes');
await done();
