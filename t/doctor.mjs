#!/usr/bin/env node
/*
 * doctor.html in Chromium, through each kind of network (lib/network.mjs): its table is the truth, cell by cell, and what it says to
 * be in the way is what was put there.
 */
import { readFile } from 'node:fs/promises';
import { haveAxe, violations } from './lib/axe.mjs';
import { Person, startBrowser, www } from './lib/browser.mjs';
import { keyFile } from './lib/jwt.mjs';
import { startNetwork } from './lib/network.mjs';
import { slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { haveRedis, startRedis } from './lib/redis.mjs';
import { atEnd, done, is, isDeep, like, ok, scope, skip, unlike } from './lib/tap.mjs';
import { patience } from './lib/wait.mjs';

const WAIT = 60_000;
const AT_ONCE = 3; // Pages.
const browser = await startBrowser();

/* What the page asks for instead of 5, 25 and 55 s and a minute. */
const scaled = (...waits) => waits.map((seconds) => seconds * slowness);
const BRIEF = scaled(0.5, 1.5, 4.5, 3);
/* Where something is cut: all else takes 2 s, so that a busy machine has time for it. */
const LASTING = scaled(0.5, 2, 14, 14);
const CUT = 8000 * slowness;
/** In whole seconds, as an option has it. */
const part = (ms, of) => Math.max(1, Math.floor(ms * of / 1000));
const HOLDS = ['hold-short', 'hold-middle', 'hold-long']; // The page names them by their time.
const KEYS = ['request', 'post', 'session', 'bodies', ...HOLDS, 'stream', 'stream-long', 'sse', 'eventsource', 'sse-long', 'ws-open', 'ws-echo',
	'ws-idle'];
const LONGER = [...HOLDS.slice(1), 'stream-long', 'sse-long', 'ws-idle'];
const each = (keys, verdict) => Object.fromEntries(keys.map((key) => [key, verdict]));

class Doctor extends Person {
	static async visit(base, { times: [short, middle, long, idle] = BRIEF, ...settings } = {}) {
		const doctor = await this.open(browser, 'the doctor', `${base}/doctor.html?waits=${short},${middle},${long}&idle=${idle}`, settings);
		doctor.keys = Object.fromEntries([short, middle, long].map((seconds, n) => [`hold-${seconds * 1000}`, HOLDS[n]]));
		doctor.page.setDefaultTimeout(patience(WAIT));
		return doctor;
	}

	until(state) {
		return this.page.waitForSelector(`body[data-state="${state}"]`);
	}

	async run(name = 'Test this network') {
		await this.press(name);
		await this.until('done');
		return this.read();
	}

	/** What the page shows: cells { key: { verdict, detail, ms } }, verdicts, summary, causes, advice, report. */
	async read() {
		const seen = await this.page.evaluate((keys) => {
			const text = (element) => (element?.checkVisibility() ? element.textContent : '').replaceAll('\u00a0', ' ');
			const texts = (selector) => [...document.querySelectorAll(selector)].map(text).filter(Boolean);
			return {
				cells: Object.fromEntries([...document.querySelectorAll('.tests tbody tr')].map((row) => [keys[row.dataset.key] ?? row.dataset.key, {
					verdict: text(row.querySelector('.verdict span:last-child')), detail: text(row.querySelector('p')), ms: text(row.querySelector('.ms')),
				}])),
				summary: text(document.querySelector('#result')),
				causes: texts('#causes h3'),
				advice: texts('#advice dd').join('\n'),
				report: document.querySelector('#report').textContent,
			};
		}, this.keys);
		return { ...seen, verdicts: Object.fromEntries(Object.entries(seen.cells).map(([key, { verdict }]) => [key, verdict])) };
	}

	/** What fails because of the network is what it is there for. */
	async close() {
		isDeep(this.wrong.filter((words) => !/^Failed to load resource|^WebSocket connection to|^Access to/.test(words)), [], 'the page has no errors');
		await super.close();
	}
}

/* ---- The gateways ---- */

const options = { www, 'sse-comment': '400ms' };
const redis = haveRedis() ? await startRedis() : undefined;
if (redis)
	atEnd(() => redis.kill());
const several = await Promise.all(Array.from({ length: redis ? 2 : 1 }, () => startPollgate({ redis, options })));
const withOptions = (more) => startPollgate({ options: { ...options, ...more } });

/*
 * ---- The networks, and what is true of them: rows that do not say `works`, causes, a word of the advice ----
 *
 * cuts: the row that says after how long something is cut, and the option that is to be such a part of it.
 */

const socketless = { 'ws-open': 'refused', 'ws-echo': 'not tested', 'ws-idle': 'not tested' };
const held = { sse: 'held back', eventsource: 'held back', 'sse-long': 'no answer' };
const cut = { 'hold-long': 'cut', 'stream-long': 'cut', 'sse-long': 'cut' };
const EARLY = 1000 * slowness; // By so much the page may begin to count later than the network.
/** How long it took, in ms: from 10 s on in whole seconds. */
function shown({ ms }) {
	const [, number, unit] = /([\d.]+) (m?s)/.exec(ms);
	return Number(number) * (unit === 's' ? 1000 : 1);
}

const networks = [
	{ name: 'nothing blocked', summary: /^WebSockets work here\.$/ },
	...['400', 'strip'].map((upgrade) => ({
		name: `Upgrade ${upgrade === '400' ? 'answered 400' : 'stripped'}`, has: { upgrade }, rows: socketless, causes: [/upgrade to WebSocket/],
		summary: /^Event streams work here, not/, advice: /proxy_set_header Upgrade/,
	})),
	{
		name: 'Upgrade black-holed', has: { upgrade: 'hole' }, rows: { 'ws-echo': 'silent', 'ws-idle': 'not tested' },
		causes: [/WebSockets open, but nothing passes/], summary: /^Event streams work here, not/, advice: /\['poll', 'sse'\]/,
	},
	{
		name: 'event streams held back', has: { hold: 'sse' }, rows: held, causes: [/^Event streams are held back/],
		summary: /^WebSockets work here, not/, advice: /proxy_buffering off/,
	},
	{
		name: 'every answer held back', has: { hold: 'all' }, rows: { ...held, ...socketless, ...each(['stream', 'stream-long'], 'held back') },
		causes: [/upgrade to WebSocket/, /^Answers are held back/], summary: /^Long polling works here, not/, advice: /\['poll'\]/,
	},
	{
		name: 'requests cut by a reset', has: { cutAfter: CUT }, times: LASTING, rows: cut, causes: [/^Requests are cut after [\d.]+ s$/],
		summary: /^WebSockets work here, not/, cuts: ['hold-long', '--hold', 0.8],
	},
	{
		name: 'requests cut with 504', has: { cutAfter: CUT, cutWith: 504 }, times: LASTING, rows: cut, causes: [/^Requests are cut after [\d.]+ s$/],
		summary: /^WebSockets work here, not/, advice: /proxy_read_timeout/, cuts: ['hold-long', '--hold', 0.8],
		details: { 'hold-long': /Answered 504 .*, not by the gateway/ },
	},
	{
		name: 'bodies limited', has: { bodyMax: 100_000 }, rows: { bodies: 'limited' }, causes: [/^Bodies of 256 KiB do not come through$/],
		summary: /^WebSockets work here, not/, advice: /client_max_body_size/, details: { bodies: /64 KiB arrive, 256 KiB are answered 413/ },
	},
	{
		name: 'POST refused', has: { post: 403 }, rows: { ...each(['post', 'session', 'bodies'], 'refused'), 'sse-long': 'not tested' },
		causes: [/^POST requests do not come through$/], summary: /^No transport was seen to work/,
	},
	{
		name: 'idle WebSockets cut', has: { wsIdle: CUT }, times: LASTING, rows: { 'ws-idle': 'cut' }, causes: [/idle is cut after/],
		summary: /^Event streams work here, not/, cuts: ['ws-idle', '--ws-ping', 0.5],
	},
	{
		name: 'a filter before the gateway', has: { fault: ({ path: asked }) => asked.startsWith('/v1/') ? { status: 403 } : undefined },
		rows: { ...each(KEYS, 'refused'), ...socketless, 'sse-long': 'not tested' }, causes: [/^Something else answers/],
		summary: /^No transport was seen to work/,
	},
	{ name: 'a random instance for each request', has: { targets: several, seed: 3 }, summary: /^WebSockets work here\.$/ },
	{
		name: '--no-websocket', has: { targets: [await withOptions({ 'no-websocket': true })] }, rows: { ...socketless, 'ws-open': 'switched off' },
		causes: [/does not offer WebSockets/], summary: /^Event streams work here\.$/,
	},
	{
		name: '--no-sse', has: { targets: [await withOptions({ 'no-sse': true })] }, rows: each(['sse', 'eventsource', 'sse-long'], 'switched off'),
		causes: [/does not offer event streams/], summary: /^WebSockets work here\.$/,
	},
	{
		name: '--no-check', has: { targets: [await withOptions({ 'no-check': true })] },
		rows: each(['post', 'bodies', ...HOLDS, 'stream', 'stream-long'], 'switched off'), causes: [/checks are switched off/],
		summary: /^WebSockets work here\.$/,
	},
	{
		name: '--auth jwt', has: { targets: [await withOptions({ auth: 'jwt', 'auth-key-file': keyFile('of more than 32 bytes, known to nobody') })] },
		rows: each(['session', 'sse-long'], 'not tested'), summary: /^WebSockets work here\.$/,
	},
];

/** The whole story of a network; then asserted, one network after the other. */
async function examine({ has, times }) {
	const network = await startNetwork({ targets: several.slice(0, 1), ...has });
	const doctor = await Doctor.visit(network.base, { times });
	const seen = await doctor.run();
	const wide = await doctor.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
	return { doctor, network, seen, wide };
}

async function assert({ name, rows = {}, causes = [], summary, advice = /^/, details = {}, cuts }, { doctor, network, seen, wide }) {
	await scope(name, async () => {
		for (const key of KEYS)
			is(seen.verdicts[key], rows[key] ?? 'works', `“${key}” is shown as it is`, seen.cells[key].detail);
		is(Object.keys(seen.cells).length, KEYS.length, 'there are no other rows');
		ok(causes.length === seen.causes.length && causes.every((cause, n) => cause.test(seen.causes[n])), 'the cause is what was put there', seen.causes);
		like(seen.summary, summary, 'the summary says what is best');
		like(seen.advice, advice, 'what to do is said');
		for (const [key, pattern] of Object.entries(details))
			like(seen.cells[key].detail, pattern, `“${key}” says what was seen`);
		if (cuts) {
			const [key, option, of] = cuts;
			const ms = shown(seen.cells[key]);
			ok(ms > CUT - EARLY && ms < LASTING.at(-1) * 1000, 'and after how long', ms);
			const [, advised] = new RegExp(`${option} (\\d+)s`).exec(seen.advice) ?? [];
			ok(advised >= part(CUT - EARLY, of) && advised <= part(ms + 500, of), 'which it is to be shorter than', advised);
		}
		ok(seen.causes.every((cause) => seen.report.replace(/\s+/g, ' ').includes(cause)), 'the text says the same');
		is(wide, false, 'nothing is wider than the page');
		await doctor.close();
		await network.close();
	});
}

const left = [...networks];
const results = new Map();
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
	for (let next; (next = left.shift());)
		results.set(next, await examine(next));
}));
for (const network of networks)
	await assert(network, results.get(network));

/* ---- The page itself ---- */

const network = await startNetwork({ targets: several.slice(0, 1), upgrade: '400' });
await scope('a phone', async () => {
	const doctor = await Doctor.visit(network.base, { times: scaled(5, 6, 7, 8), viewport: { width: 320, height: 640 }, colorScheme: 'dark' });
	const { page } = doctor;
	isDeep((await page.locator('.tests .verdict span:last-child').allTextContents()).filter((verdict) => verdict !== 'waiting'), [], 'nothing runs by itself');
	const quick = page.getByRole('button', { name: 'Quick test' });
	await quick.focus();
	await page.keyboard.press('Enter');
	await page.waitForSelector('body[data-state="running"]');
	is(await page.evaluate(() => document.activeElement.id), 'stop', 'the keyboard is at Stop while the test runs');
	ok(await page.getByRole('progressbar').isVisible(), 'with its progress');
	await page.waitForSelector('body[data-state="done"]');
	is(await page.evaluate(() => document.activeElement.id), 'full', 'and then at Test again');
	const seen = await doctor.read();
	isDeep(Object.keys(seen.verdicts).filter((key) => seen.verdicts[key] === 'not tested' && !key.startsWith('ws-')), LONGER.slice(0, -1),
		'a quick test leaves out what takes longer');
	is(seen.verdicts.sse, 'works', 'and nothing else');
	is(await page.evaluate(() => document.documentElement.scrollWidth), 320, 'it is as wide as the phone');
	if (haveAxe)
		isDeep(await violations(page), [], 'it is for everybody, in the dark, too');
	else
		skip('it is for everybody', 'axe-core is not installed: npm ci in t/');
	await doctor.close();
});
await scope('stopped, and repeated', async () => {
	const doctor = await Doctor.visit(network.base, { times: scaled(0.5, 1.5, 10, 10) });
	const closed = await several[0].metrics('pollgate_sessions_closed_total');
	await doctor.press('Test this network');
	await waitFor(async () => (await doctor.read()).verdicts.stream === 'works', 'the first results', { limitMs: WAIT });
	await doctor.press('Stop');
	await doctor.until('done');
	const stopped = await doctor.read();
	isDeep(LONGER.slice(1).map((key) => stopped.verdicts[key]), Array(4).fill('not tested'), 'what had not ended is not tested');
	is(stopped.verdicts.stream, 'works', 'what had is kept');
	await several[0].waitMetric('pollgate_sessions_closed_total', (now) => now > closed);
	ok(true, 'the session is closed');
	await waitFor(() => network.now.requests === 0, 'all requests to end', { limitMs: WAIT });
	ok(true, 'and so are all requests');
	const again = await doctor.run('Test again');
	is(again.verdicts['stream-long'], 'works', 'it can be repeated');
	await doctor.context.grantPermissions(['clipboard-read', 'clipboard-write']);
	await doctor.press('Copy');
	await doctor.page.getByText('The text is copied.').waitFor();
	is(await doctor.page.evaluate(() => navigator.clipboard.readText()), again.report, 'the text can be copied');
	const [download] = await Promise.all([doctor.page.waitForEvent('download'), doctor.press('Download')]);
	like(download.suggestedFilename(), /^pollgate-doctor-[\dT-]+\.txt$/, 'and downloaded');
	is(await readFile(await download.path(), 'utf8'), again.report, 'as it is');
	if (haveAxe)
		isDeep(await violations(doctor.page), [], 'the page is for everybody');
	await doctor.context.setOffline(true);
	const offline = await doctor.run('Test again');
	is(offline.summary, 'This device is offline.', 'without a network it says so');
	isDeep(offline.verdicts, { ...each(KEYS, 'not tested'), request: 'not reached' }, 'and claims nothing else');
	await doctor.context.setOffline(false);
	await network.close();
	const unreached = await doctor.run('Test again');
	is(unreached.summary, 'The gateway is not reached.', 'without a gateway it says that');
	isDeep(unreached.verdicts, { ...each(KEYS, 'not tested'), request: 'not reached' }, 'and nothing else, either');
	unlike(unreached.report, /proxy_|--hold/, 'nor in the text');
	await doctor.close();
});
await done();
