/* doctor.html: runs the tests and shows what diagnose.js makes of them, as they go on. */
import { $, copy, download, say } from '../page.js';
import { diagnose } from './diagnose.js';
import { Examination } from './measure.js';
import { expected, inWords, makePlan } from './plan.js';
import { WHERE, writeReport } from './report.js';

const SIGNS = { good: '✓', bad: '✕', warn: '!', off: '–', busy: '…' };
const EACH = 250; // Between two looks at the clock.

const base = new URL('./', location.href);
const plan = makePlan(new URLSearchParams(location.search));
const about = {
	gateway: base.href,
	secure: location.protocol === 'https:',
	local: /^(localhost|127\..*|\[::1\])$/.test(location.hostname),
	browser: navigator.userAgent,
};
let examination;
let run = { quick: false, finished: false, stopped: false, hidden: false, at: Date.now() };

function make(name, { text, ...attributes } = {}, ...children) {
	const element = document.createElement(name);
	for (const [attribute, value] of Object.entries(attributes))
		element.setAttribute(attribute, value);
	element.append(...text === undefined ? [] : [text], ...children);
	return element;
}

/** A number stays with its unit. */
const joined = (text) => text.replace(/(\d) (?=\w)/g, '$1\u00a0');

/* ---- The table ---- */

const rows = new Map(plan.tests.map(({ key, name }) => {
	const cells = {
		detail: make('p', { class: 'soft' }), sign: make('span', { class: 'sign', 'aria-hidden': 'true' }), verdict: make('span'),
		ms: make('td', { role: 'cell', class: 'ms' }),
	};
	cells.row = make('tr', { role: 'row', 'data-key': key },
		make('th', { role: 'rowheader', scope: 'row' }, make('span', { text: joined(name) }), cells.detail),
		make('td', { role: 'cell', class: 'verdict' }, cells.sign, cells.verdict), cells.ms);
	return [key, cells];
}));
document.querySelector('.tests tbody').append(...[...rows.values()].map(({ row }) => row));

function showRow({ key, verdict, tone, detail, ms }) {
	const cells = rows.get(key);
	const result = examination?.results[key];
	cells.row.dataset.tone = tone;
	say(cells.sign, SIGNS[tone]);
	say(cells.verdict, verdict);
	say(cells.detail, joined(detail));
	say(cells.ms, result?.running ? `${Math.floor((performance.now() - result.since) / 1000)} s` : ms === undefined ? '' : inWords(ms));
}

/* ---- The rest ---- */

function showCauses(causes, names) {
	$('causes').hidden = causes.length === 0;
	$('causes').querySelector('ul').replaceChildren(...causes.map(({ title, text, seen }) => make('li', {},
		make('h3', { text: joined(title) }), make('p', { text: joined(text) }),
		...seen.length ? [make('p', { class: 'soft', text: joined(`Seen in: ${seen.map((key) => names[key]).join('; ')}.`) })] : [])));
}

function showAdvice(advice) {
	const places = Object.keys(WHERE).filter((place) => advice.some(({ where }) => where === place));
	$('advice').hidden = places.length === 0;
	$('advice').querySelector('dl').replaceChildren(...places.flatMap((place) => [
		make('dt', { text: WHERE[place] }),
		...advice.filter(({ where }) => where === place).map(({ text, code }) => make('dd', {}, make('p', { text }),
			...code ? [make('pre', { tabindex: '0', 'aria-label': 'Settings' }, make('code', { text: code }))] : [])),
	]));
}

let shown = '';

function show() {
	const measured = { plan, results: examination?.results ?? {}, about: { ...about, at: run.at, online: navigator.onLine }, ...run };
	const diagnosis = diagnose(measured);
	const { summary, causes, advice } = diagnosis;
	diagnosis.rows.forEach(showRow);
	$('summary').dataset.tone = summary.tone;
	say($('result'), `${summary.title}.`);
	say($('result-text'), summary.text);
	const text = JSON.stringify([causes, advice]);
	if (text !== shown) {
		showCauses(causes, Object.fromEntries(diagnosis.rows.map(({ key, name }) => [key, name])));
		showAdvice(advice);
	}
	shown = text;
	say($('report'), writeReport(diagnosis, measured.about));
}

function showProgress(started) {
	const left = expected(plan, run.quick) - (performance.now() - started);
	const results = Object.values(examination.results);
	const finished = results.filter((result) => result && !result.running).length;
	const all = plan.tests.filter(({ long }) => !long || !run.quick).length;
	$('bar').value = Math.max(finished / all * 0.5, 1 - Math.max(0, left) / expected(plan, run.quick)) * 0.98;
	const rest = left > 1000 ? `about ${inWords(Math.ceil(left / 1000) * 1000)} left` : 'nearly ready';
	say($('progress-text'), `${finished} of ${all} tests are done; ${rest}.`);
}

/* ---- A run ---- */

/** Who pressed what disappears finds the focus on what took its place. */
function showRunning(running) {
	const focused = [$('full'), $('quick'), $('stop')].includes(document.activeElement);
	$('full').hidden = $('quick').hidden = $('quick-note').hidden = running;
	$('stop').hidden = $('progress').hidden = !running;
	document.body.dataset.state = running ? 'running' : 'done';
	if (focused)
		$(running ? 'stop' : 'full').focus();
}

/** A phone that goes to sleep ends the test.  Not every browser can be asked. */
const stayAwake = () => navigator.wakeLock?.request('screen').catch(() => undefined);

async function start(quick) {
	const started = performance.now();
	const current = examination = new Examination(plan, { base, quick, changed: show });
	run = { quick, finished: false, stopped: false, hidden: document.hidden, at: Date.now() };
	showRunning(true);
	const awake = await stayAwake();
	const clock = setInterval(() => {
		show();
		showProgress(started);
	}, EACH);
	showProgress(started);
	await current.run();
	clearInterval(clock);
	awake?.release();
	run = { ...run, finished: true, stopped: current.stopped };
	say($('full'), 'Test again');
	showRunning(false);
	show();
}

$('full').addEventListener('click', () => start(false));
$('quick').addEventListener('click', () => start(true));
$('stop').addEventListener('click', () => examination.stop());
addEventListener('pagehide', () => examination?.leave());
document.addEventListener('visibilitychange', () => run.hidden ||= document.hidden && !run.finished);

/* ---- The result as text ---- */

$('copy').addEventListener('click', async () => {
	await copy($('report').textContent);
	$('copied').textContent = 'The text is copied.';
});
$('download').addEventListener('click', () => download(
	`pollgate-doctor-${new Date(run.at).toISOString().slice(0, 19).replaceAll(':', '-')}.txt`, new Blob([$('report').textContent], { type: 'text/plain' })));

$('quick-note').textContent = `${Math.round(expected(plan, true) / 1000)} seconds, without what takes longer`;
document.body.dataset.state = 'idle';
show();
