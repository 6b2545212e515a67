/*
 * Waiting without sleeping for a guess: until something is true, with a limit.  TEST_SLOWNESS=3 multiplies every limit (for
 * sanitizers, valgrind, a busy machine).  All by the real clock, also where a test makes another run (time.mjs).
 */
import { clearTimeout, setTimeout } from 'node:timers';

export const slowness = Number(process.env.TEST_SLOWNESS || 1);

/** What ends when it is there may wait so long: less than a poll is held, so that what comes only by the end of one is missed. */
const PATIENCE = 20_000;

/** So many ms of our time on a machine that may be slow. */
export const patience = (ms = PATIENCE) => ms * slowness;

/** What took less happened at once, also on a busy machine: whatever else may end it (a hold) takes 10 s or more. */
export const AT_ONCE = patience(5000);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Ask condition (which may be asynchronous) until it says something true; returns that.  Throws after limitMs with `what`
 * (a text, or a function that makes it) and what the condition said or threw last.
 */
export async function waitFor(condition, what = condition.toString(), { limitMs = PATIENCE, everyMs = 15 } = {}) {
	const end = performance.now() + patience(limitMs);
	for (;;) {
		let last;
		try {
			last = await condition();
			if (last)
				return last;
		} catch (error) {
			last = error;
		}
		if (performance.now() >= end)
			throw new Error(`waited ${limitMs} ms in vain: ${typeof what === 'function' ? what() : what} (last: ${last?.message ?? last})`);
		await sleep(everyMs);
	}
}

/** The promise's value, or an exception after limitMs that says `what` was waited for. */
export async function within(promise, what, limitMs = PATIENCE) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain: ${what}`)), patience(limitMs));
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

/** The milliseconds that body took, and its value. */
export async function timed(body) {
	const start = performance.now();
	const value = await body();
	return { ms: performance.now() - start, value };
}
