/* What is tried, in the order of the table, and how long it takes. */

const MANY = 4;
const WAIT = { least: 100, most: 600_000 };
export const PROBE = { every: 1000, count: 6 }; // Of /v1/events?probe: the gateway's own times.
export const PIECES = 12;
const BRIEF = 2000; // The least for a stream.
export const SMALL = 100;
export const BODIES = [16 << 10, 64 << 10, 256 << 10, 1 << 20]; // The last one is what a gateway takes by default.

/** A duration in words. */
export function inWords(ms) {
	if (ms < 1000)
		return `${Math.round(ms)} ms`;
	return ms < 9950 ? `${Number((ms / 1000).toFixed(1))} s` : `${Math.round(ms / 1000)} s`;
}

/** A number of bytes in words. */
export function inBytes(n) {
	if (n < 1024)
		return `${n} bytes`;
	return n < 1 << 20 ? `${Math.round(n / 1024)} KiB` : `${Number((n / (1 << 20)).toFixed(1))} MiB`;
}

function readSeconds(text) {
	const ms = Number(text) * 1000;
	return ms >= WAIT.least && ms <= WAIT.most ? [ms] : [];
}

/**
 * By the query of the page: waits=5,25,55 for the polls, the longest of which is also how long streams are to last, and idle=60 for
 * the WebSocket; in seconds.
 */
export function makePlan(query = new URLSearchParams()) {
	const waits = [...new Set((query.get('waits') ?? '').split(',').flatMap(readSeconds))].sort((a, b) => a - b).slice(0, MANY);
	const [idle = 60_000] = readSeconds(query.get('idle'));
	return withTests({ waits: waits.length ? waits : [5000, 25_000, 55_000], idle });
}

/** Those that are `long` are left out of a quick run. */
function withTests({ waits, idle }) {
	const [shortest] = waits;
	const longest = waits.at(-1);
	const tests = [
		{ key: 'request', name: 'A plain request' },
		{ key: 'post', name: 'A small POST' },
		{ key: 'session', name: 'Opening a session' },
		{ key: 'bodies', name: `Larger bodies, up to ${inBytes(BODIES.at(-1))}` },
		...waits.map((wait) => ({ key: `hold-${wait}`, name: `A poll answered after ${inWords(wait)}`, wait, long: wait !== shortest })),
		{ key: 'stream', name: 'An answer in pieces (chunked)' },
		{ key: 'stream-long', name: `An answer in pieces, for ${inWords(longest)}`, long: true },
		{ key: 'sse', name: 'Server-sent events, by fetch' },
		{ key: 'eventsource', name: 'Server-sent events, by EventSource' },
		{ key: 'sse-long', name: `An event stream, open for ${inWords(longest)}`, long: true },
		{ key: 'ws-open', name: 'A WebSocket opens' },
		{ key: 'ws-echo', name: 'An echo by WebSocket' },
		{ key: 'ws-idle', name: `A WebSocket, idle for ${inWords(idle)}`, long: true },
	];
	return { waits, idle, shortest, longest, brief: Math.max(shortest, BRIEF), tests };
}

export const isHold = (key) => key.startsWith('hold-');

/** About how long a run takes when nothing is in the way. */
export function expected({ brief, longest, idle }, quick) {
	const short = brief + 1000;
	return quick ? short : Math.max(short + longest, short + idle);
}
