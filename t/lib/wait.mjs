/*
 * Waiting without sleeping for a guess: until something is true, with a limit.  TEST_SLOWNESS=3 multiplies every limit (for
 * sanitizers, valgrind, a busy machine).
 */
export const slowness = Number(process.env.TEST_SLOWNESS || 1);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Ask condition (which may be asynchronous) until it says something true; returns that.  Throws after limitMs with `what`
 * (a text, or a function that makes it) and what the condition said or threw last.
 */
export async function waitFor(condition, limitMs = 5000, what = condition.toString(), everyMs = 15) {
	const end = Date.now() + limitMs * slowness;
	for (;;) {
		let last;
		try {
			last = await condition();
			if (last)
				return last;
		} catch (error) {
			last = error;
		}
		if (Date.now() >= end)
			throw new Error(`waited ${limitMs} ms in vain: ${typeof what === 'function' ? what() : what} (last: ${last?.message ?? last})`);
		await sleep(everyMs);
	}
}

/** The promise's value, or an exception after limitMs that says `what` was waited for. */
export async function within(promise, limitMs, what) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain: ${what}`)), limitMs * slowness);
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
