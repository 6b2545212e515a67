/*
 * What each measurement means: a row of the table.  Pure: measurements of measure.js in, { verdict, tone, detail, ms } out.
 *
 *   tone  good | bad | warn | off (says nothing about the network) | busy (being measured)
 */
import { SMALL, inBytes, inWords, isHold } from './plan.js';

const TIMES_OUT = [408, 502, 504, 522, 524];
const SLOW = 3000; // For what should come at once, or on time.
const HASTE = 800; // What is late by less is not held back: the device may have been busy.

const row = (tone, verdict, detail, ms) => ({ tone, verdict, detail, ms });
const good = (detail, ms) => row('good', 'works', detail, ms);
const untested = (detail) => row('off', 'not tested', detail);

const OFF = {
	check_disabled: 'The gateway answers no checks: --no-check.',
	transport_disabled: 'The gateway does not offer it.',
};

/** An answer that is not what was asked for; undefined if it is. */
function fault({ outcome, ms, status, code, own, json }, { cut = 'cut' } = {}) {
	const after = inWords(ms);
	if (outcome === 'broke')
		return row('bad', cut, `The connection broke after ${after}, without an answer.`, ms);
	if (outcome === 'silent')
		return row('bad', 'no answer', `Nothing came within ${after}.`, ms);
	if (OFF[code])
		return row('off', 'switched off', OFF[code], ms);
	if (own && json?.most)
		return untested(`The gateway lets no check take more than ${inWords(json.most)}: --check-max.`);
	if (code === 'auth_required')
		return untested('The request came through, but this gateway knows its users: --auth.');
	if (own && status >= 500)
		return row('warn', 'busy', `The gateway itself answers ${status}, ${code}.`, ms);
	if (own && status >= 400)
		return row('warn', 'refused', `The gateway itself answers ${status}, ${code}.`, ms);
	if (status >= 400)
		return row('bad', TIMES_OUT.includes(status) ? 'cut' : 'refused', `Answered ${status} after ${after}, not by the gateway.`, ms);
	return own ? undefined : row('bad', 'altered', `Answered ${status}, but not with what the gateway says.`, ms);
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

function judgeRequest({ tries, protocol }) {
	const passed = tries.filter((each) => each.outcome === 'answered' && each.own && !(each.status >= 500));
	if (passed.length === 0)
		return fault(tries[0], { cut: 'not reached' });
	const ms = median(passed.map((each) => each.ms));
	const by = { h2: ' by HTTP/2', h3: ' by HTTP/3', 'http/1.1': ' by HTTP/1.1' }[protocol] ?? '';
	const times = `${passed.length} of ${tries.length} times`;
	return passed.length < tries.length ? row('warn', 'unsteady', `Answered${by}, but only ${times}.`, ms) : good(`Answered${by}, ${times}.`, ms);
}

function judgePost(answer) {
	return fault(answer) ?? (answer.json.bytes === SMALL ? good(`All ${SMALL} bytes arrive.`, answer.ms) :
		row('bad', 'altered', `Of ${SMALL} bytes ${answer.json.bytes} arrive.`, answer.ms));
}

function judgeSession(answer) {
	return fault(answer) ?? good(`The gateway offers ${answer.json.transports.join(', ')}.`, answer.ms);
}

function judgeBodies({ sizes, ms }) {
	const passed = sizes.filter((each) => !fault(each) && each.json.bytes === each.bytes);
	const last = sizes.at(-1);
	const most = passed.length > 0 ? `${inBytes(passed.at(-1).bytes)} arrive, ` : '';
	if (passed.length === sizes.length)
		return good(`${inBytes(last.bytes)} arrive, in ${inWords(last.ms)}.`, ms);
	const tried = inBytes(last.bytes);
	if (last.code === 'body_too_large')
		return row('warn', 'limited', `${most}${tried} are refused by the gateway itself: --max-body.`, ms);
	if (last.status === 413)
		return row('bad', 'limited', `${most}${tried} are answered 413, and not by the gateway.`, ms);
	const what = fault(last) ?? row('bad', 'altered', `Of ${tried} ${last.json.bytes} bytes arrive.`);
	return row(what.tone, what.verdict, `${most}${tried}: ${what.detail}`, ms);
}

function judgeHold(answer) {
	const wrong = fault(answer);
	if (wrong)
		return wrong;
	const { wait, ms, json: { held } } = answer;
	if (held < wait)
		return untested(`The gateway answered after ${inWords(held)}: --check-max, or it was about to end.`);
	const late = ms - held;
	if (late > SLOW)
		return row('warn', 'late', `The gateway answered after ${inWords(held)}, and it took ${inWords(late)} more.`, ms);
	return good('Answered when it was due.', ms);
}

/** How much later than the one that was quickest each part came: that all of them take their time is no matter. */
function lateness({ arrivals, every }) {
	const took = arrivals.map((ms, n) => ms - n * every);
	return took.map((ms) => ms - Math.min(...took));
}

function judgeParts(what, result) {
	const { outcome, ms, arrivals, strange, every, count } = result;
	if (outcome === 'answered')
		return fault({ ...result, own: result.own && result.code !== undefined });
	if (outcome === 'refused')
		return row('bad', 'refused', 'The browser says only that it failed.', ms);
	const came = `${arrivals.length} of ${count} ${what} came`;
	if (strange)
		return row('bad', 'altered', `${came}, but not as they were sent.`, ms);
	if (arrivals.length === 0)
		return outcome === 'complete' ? row('bad', 'altered', `It ended without any of the ${what}.`, ms) : fault(result);
	const late = lateness(result);
	// One that is late is the weather; most of them are not.
	if (median(late) > Math.max(every * 0.75, HASTE)) {
		const complete = arrivals[0] > (count - 1) * every;
		return row('bad', 'held back', complete ? `All came at once, after ${inWords(arrivals[0])}, when the answer was complete.` :
			`${came}, but in lumps: up to ${inWords(Math.max(...late))} after they were sent.`, ms);
	}
	if (outcome === 'broke')
		return row('bad', 'cut', `${came}; then the connection broke, after ${inWords(ms)}.`, ms);
	if (outcome === 'silent' || (outcome === 'complete' && arrivals.length < count))
		return row('bad', 'cut', `${came}; then ${outcome === 'silent' ? 'nothing more' : 'it ended'}, after ${inWords(ms)}.`, ms);
	if (arrivals[0] > SLOW)
		return row('warn', 'late', `They come one by one, but the first took ${inWords(arrivals[0])}.`, ms);
	const worst = Math.max(...late);
	const but = worst > every ? ` and one of them ${inWords(worst)} late` : '';
	return good(`They come as they are sent, the first after ${inWords(arrivals[0])}${but}.`, ms);
}

function judgeLongEvents(result) {
	const { outcome, ms, arrivals, duration } = result;
	if (outcome === 'answered')
		return fault({ ...result, own: result.own && result.code !== undefined });
	if (arrivals.length === 0)
		return fault(result);
	const pause = Math.max(...arrivals.map((at, n) => at - (arrivals[n - 1] ?? 0)), ms - arrivals.at(-1));
	if (outcome === 'broke')
		return row('bad', 'cut', `The connection broke after ${inWords(ms)}; nothing had come for ${inWords(ms - arrivals.at(-1))}.`, ms);
	if (outcome === 'complete' && ms < duration * 0.95)
		return row('warn', 'ended', `It ended in order after ${inWords(ms)}: --sse-life, or the gateway was about to end.`, ms);
	return good(`It was open to the end. The longest silence was ${inWords(pause)}.`, ms);
}

function judgeOpen({ outcome, ms, code }) {
	if (outcome === 'opened')
		return good('The upgrade comes through.', ms);
	if (outcome === 'silent')
		return row('bad', 'no answer', `The upgrade was not answered within ${inWords(ms)}.`, ms);
	return row('bad', 'refused', `It was closed with ${code} after ${inWords(ms)}: browsers do not say why.`, ms);
}

function closing({ code, ms }) {
	const what = `It was closed with ${code} after ${inWords(ms)}`;
	return code === 1012 ? row('warn', 'ended', `${what}: this instance was about to end.`, ms) : row('bad', 'cut', `${what}.`, ms);
}

function judgeEcho(result) {
	if (result.outcome === 'echoed')
		return good('What is said comes back.', result.ms);
	if (result.outcome === 'silent')
		return row('bad', 'silent', `It is open, but nothing came back within ${inWords(result.ms)}.`, result.ms);
	return closing(result);
}

function judgeIdle(result) {
	if (result.outcome === 'echoed')
		return good('It was open to the end, and what is said comes back.', result.ms);
	if (result.outcome === 'silent')
		return row('bad', 'silent', `It stayed open for ${inWords(result.idle)}, but then nothing came back.`, result.ms);
	return closing(result);
}

const judges = {
	request: judgeRequest, post: judgePost, session: judgeSession, bodies: judgeBodies, hold: judgeHold,
	'sse-long': judgeLongEvents, 'ws-open': judgeOpen, 'ws-echo': judgeEcho, 'ws-idle': judgeIdle,
	stream: judgeParts.bind(null, 'lines'), 'stream-long': judgeParts.bind(null, 'lines'),
	sse: judgeParts.bind(null, 'events'), eventsource: judgeParts.bind(null, 'events'),
};

function judge({ key, long }, results, names, { quick, finished, stopped }) {
	const result = results[key];
	if (result?.running)
		return row('busy', 'running', '');
	if (result?.untried)
		return untested(`It needs “${names[result.untried]}”.`);
	if (result)
		return judges[isHold(key) ? 'hold' : key](result);
	if (quick && long)
		return untested('Not part of the quick test.');
	if (stopped)
		return untested('The test was stopped.');
	return finished ? untested('The gateway was not reached.') : row('off', 'waiting', '');
}

/** The browser does not say why, but what another test or the gateway said of the same thing explains it. */
function explain(rows, { session, sse }) {
	const offered = session?.json?.transports;
	const lacks = (name) => offered && !offered.includes(name);
	for (const each of rows) {
		if (each.key === 'ws-open' && each.verdict === 'refused' && lacks('ws'))
			Object.assign(each, row('off', 'switched off', 'The gateway does not offer it: --no-websocket.', each.ms));
		if (each.key === 'eventsource' && each.verdict === 'refused' && sse?.code === 'transport_disabled')
			Object.assign(each, row('off', 'switched off', OFF.transport_disabled, each.ms));
	}
	return rows;
}

/** All rows, in order: { key, name, verdict, tone, detail, ms }. */
export function judgeAll({ tests }, results, state) {
	const names = Object.fromEntries(tests.map(({ key, name }) => [key, name]));
	return explain(tests.map((test) => ({ key: test.key, name: test.name, ...judge(test, results, names, state) })), results);
}
