/* Time that can be made to run faster, for limits of many seconds. */

export let speed = 1;
let epoch = Date.now();
let epochVirtual = epoch;
export const realNow = Date.now;
const realTimeout = setTimeout;
globalThis.setTimeout = (fn, ms, ...args) => realTimeout(fn, ms / speed, ...args);
Date.now = () => epochVirtual + (realNow() - epoch) * speed;

/** From now on it passes `factor` times as fast for timers and Date.now(). */
export function run(factor) {
	epochVirtual = Date.now();
	epoch = realNow();
	speed = factor;
}

/** So many ms of everybody else's time. */
export const pause = (ms) => new Promise((resolve) => realTimeout(resolve, ms));
