/*
 * What the rows of judge.js say together.  Pure.  Nothing is said that was not measured: a cause has the rows in which it was seen,
 * and what cannot be told apart is not told apart.
 */
import { HTTPS, causes } from './causes.js';
import { judgeAll } from './judge.js';
import { isHold } from './plan.js';

const HOLD = 25_000; // Of a gateway that is not told otherwise.
const NAMES = { ws: 'WebSockets work', sse: 'Event streams work', poll: 'Long polling works' };

/**
 * What the causes ask: is(key, ...verdicts), works(key), all(...verdicts) => keys; the polls (holds), those of them that were cut, the
 * time of the first cut (limit), the longest that was not; the gateway's hold and the transports that it offers, if it has said so;
 * whether WebSockets can be relied upon.
 */
function gather(results, rows, about) {
	const verdict = Object.fromEntries(rows.map((row) => [row.key, row.verdict]));
	const is = (key, ...verdicts) => verdicts.includes(verdict[key]);
	const works = (key) => is(key, 'works', 'unsteady', 'late');
	const holds = rows.filter(({ key }) => isHold(key));
	const cut = holds.filter(({ key }) => is(key, 'cut'));
	return {
		results, about, verdict, is, works, holds,
		all: (...verdicts) => rows.filter(({ key }) => is(key, ...verdicts)).map(({ key }) => key),
		cut: cut.map(({ key }) => key),
		limit: Math.min(...cut.map(({ ms }) => ms)),
		longestPassed: Math.max(0, ...holds.filter(({ key }) => works(key)).map(({ key }) => results[key].wait)),
		hold: results.session?.json?.hold ?? HOLD,
		offered: results.session?.json?.transports,
		sockets: works('ws-echo') && !is('ws-idle', 'cut', 'silent'),
	};
}

/** The best of the transports that were seen to work, as the client would choose it.  Each of them needs POST to send. */
function choose({ is, works, sockets, holds }) {
	if (!works('session') && !(works('post') && is('session', 'not tested')))
		return undefined;
	if (sockets)
		return 'ws';
	if (works('sse'))
		return 'sse';
	return holds.some(({ key }) => works(key)) ? 'poll' : undefined;
}

/** What of the test is missing. */
function untold({ finished, quick, stopped, hidden }) {
	const disturbed = hidden ? ' The page was in the background for a while, which may have disturbed it.' : '';
	if (!finished)
		return ` Some tests are still under way.${disturbed}`;
	if (stopped)
		return ` The test was stopped before its end.${disturbed}`;
	return `${quick ? ' What takes longer was not tried.' : ''}${disturbed}`;
}

function summarise(facts, rows, found, state) {
	const best = choose(facts);
	const rest = untold(state);
	if (rows.every(({ verdict }) => verdict === 'waiting'))
		return { tone: 'off', title: 'Nothing has been tried yet', text: 'Press a button above.' };
	if (facts.is('request', 'not reached', 'no answer'))
		return { tone: 'bad', title: found[0].title, text: 'Nothing else could be tried.' };
	if (!best && !state.finished)
		return { tone: 'off', title: 'Testing', text: 'The first results come at once; the long tests take their time.' };
	if (!best)
		return { tone: 'bad', title: 'No transport was seen to work', text: `The table says what was seen.${rest}` };
	const title = `${NAMES[best]} here`;
	if (found.every(({ harmless }) => harmless))
		return { tone: 'good', title, text: `Nothing was seen to be in the way.${rest}`, best };
	const text = `The likely cause, and what can be done, is below.${rest}`;
	return { tone: best === 'ws' ? 'good' : 'warn', title: `${title}, not everything does`, text, best };
}

/**
 * measured: { plan, results (of measure.js), about: { secure, local, online, ... }, quick, finished, stopped, hidden }
 * Returns { rows, summary: { tone, title, text, best }, causes: [{ title, text, seen }], advice: [{ where, text, code }] }.
 */
export function diagnose({ plan, results, about, quick = false, finished = true, stopped = false, hidden = false }) {
	const state = { quick, finished, stopped, hidden };
	const rows = judgeAll(plan, results, state);
	const facts = gather(results, rows, about);
	const found = causes.map((cause) => cause(facts)).filter(Boolean);
	const advice = found.flatMap((cause) => cause.advice);
	if (found.some(({ meddled }) => meddled) && !about.secure && !about.local)
		advice.push(HTTPS);
	const once = new Map(advice.map((each) => [each.text + each.code, each]));
	return {
		rows,
		summary: summarise(facts, rows, found, state),
		causes: found.map(({ title, text, seen }) => ({ title, text, seen })),
		advice: [...once.values()],
	};
}
