/*
 * Test Anything Protocol for the black-box tests.  A script asserts, then calls done(); whatever else ends it (an exception,
 * the time limit, an event loop that ran empty, a signal) is a failure that says so.  atEnd() registers what must be undone on
 * every one of these ways out.
 */
import { inspect, isDeepStrictEqual } from 'node:util';
import { writeSync } from 'node:fs';
import { clearTimeout, setTimeout } from 'node:timers';
import { patience } from './wait.mjs';

let run = 0;
let failed = 0;
let planned = null;
let finished = false;
let prefix = '';
const cleanups = new Set();

// Synchronous, so that nothing is lost when the process ends at once.
function print(line) {
	let bytes = Buffer.from(line + '\n');
	while (bytes.length > 0) {
		try {
			bytes = bytes.subarray(writeSync(1, bytes));
		} catch (error) {
			if (error.code !== 'EAGAIN')
				throw error;
		}
	}
}

const oneLine = (text) => String(text).replace(/\s*\n\s*/g, ' ').replace(/#/g, '\\#');

/** A comment in the output. */
export function note(...what) {
	const text = what.map((part) => typeof part === 'string' ? part : show(part)).join(' ');
	for (const line of text.split('\n'))
		print('# ' + line);
}

function show(value) {
	const text = inspect(value, { depth: 8, breakLength: 120, maxArrayLength: 40, maxStringLength: 2000 });
	return text.length > 6000 ? text.slice(0, 6000) + ' ...' : text;
}

/** All that is asserted inside body says `words` first. */
export async function scope(words, body) {
	const outer = prefix;
	prefix = outer + words + ': ';
	try {
		return await body();
	} finally {
		prefix = outer;
	}
}

export function ok(passed, what, ...details) {
	print(`${passed ? '' : 'not '}ok ${++run} - ${prefix}${oneLine(what)}`);
	if (!passed) {
		failed++;
		const here = new Error().stack.split('\n').slice(1).find((line) => !line.includes('/lib/tap.mjs'));
		if (here)
			note(here.trim());
		for (const detail of details)
			note(detail);
	}
	return Boolean(passed);
}

export const pass = (what) => ok(true, what);
export const fail = (what, ...details) => ok(false, what, ...details);

export function is(got, wanted, what, ...details) {
	return ok(Object.is(got, wanted), what, `     got: ${show(got)}`, `  wanted: ${show(wanted)}`, ...details);
}

export function isDeep(got, wanted, what, ...details) {
	return ok(isDeepStrictEqual(got, wanted), what, `     got: ${show(got)}`, `  wanted: ${show(wanted)}`, ...details);
}

export function like(got, pattern, what, ...details) {
	return ok(pattern.test(String(got)), what, `     got: ${show(got)}`, `  wanted: like ${pattern}`, ...details);
}

export function unlike(got, pattern, what, ...details) {
	return ok(!pattern.test(String(got)), what, `     got: ${show(got)}`, `  wanted: unlike ${pattern}`, ...details);
}

/** Count one assertion as skipped. */
export function skip(what, why) {
	print(`ok ${++run} - ${prefix}${oneLine(what)} # SKIP ${why}`);
}

/** Before any assertion: this script has nothing to test here. */
export function skipAll(why) {
	finished = true;
	print(`1..0 # SKIP ${why}`);
	process.exit(0);
}

/** Nothing after this makes sense, in any script. */
export function bail(why) {
	finished = true;
	print(`Bail out!  ${oneLine(why)}`);
	process.exit(1);
}

export function plan(count) {
	planned = count;
	print(`1..${count}`);
}

/**
 * fn (which may be asynchronous) runs when the test is done, what was registered last first, but before that those that have
 * fn.first; fn.now, if there is one, runs when the process ends in a hurry.
 */
export function atEnd(fn) {
	cleanups.add(fn);
	return () => cleanups.delete(fn);
}

async function cleanUp() {
	const all = [...cleanups].reverse();
	for (const fn of [...all.filter(({ first }) => first), ...all.filter(({ first }) => !first)]) {
		if (!cleanups.has(fn))
			continue;
		cleanups.delete(fn);
		try {
			await fn();
		} catch (error) {
			ok(false, `cleaning up: ${error.message}`, error.stack);
		}
	}
}

/** Undo everything, write the plan, end the process. */
export async function done() {
	await cleanUp();
	finished = true;
	if (planned === null)
		print(`1..${run}`);
	const wrong = failed > 0 || (planned !== null && planned !== run);
	if (planned !== null && planned !== run)
		note(`planned ${planned} tests but ran ${run}`);
	if (failed > 0)
		note(`${failed} of ${run} failed`);
	process.exit(wrong ? 1 : 0);
}

async function die(what, detail) {
	if (finished)
		return;
	finished = true;
	prefix = '';
	ok(false, what, detail ?? '');
	await Promise.race([cleanUp(), new Promise((resolve) => setTimeout(resolve, 5000))]);
	print(`1..${run}`);
	process.exit(1);
}

let limitTimer;

/** The whole script may take so many seconds (from now on).  Each thing that it waits for has its own limit: this ends what hangs. */
export function limit(seconds) {
	clearTimeout(limitTimer);
	limitTimer = setTimeout(() => die(`ended within ${patience(seconds)} s`), patience(seconds) * 1000);
	limitTimer.unref();
}

process.on('uncaughtException', (error) => die(`died: ${error?.message ?? error}`, error?.stack));
process.on('unhandledRejection', (error) => die(`died: ${error?.message ?? error}`, error?.stack));
process.on('beforeExit', () => die('came to done()'));
process.on('exit', () => {
	for (const fn of cleanups)
		fn.now?.();
	if (!finished && process.exitCode === undefined)
		process.exitCode = 1;
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
	process.on(signal, () => die(`was not interrupted (${signal})`));
limit(Number(process.env.TEST_LIMIT ?? 600));
