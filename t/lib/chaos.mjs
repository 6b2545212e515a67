/* What is done to instances while others talk: at random, but the same again by the same seed. */
import { randomFrom } from './proxy.mjs';
import { note } from './tap.mjs';
import { sleep } from './wait.mjs';

/** { seed, seconds, random }: CHAOS_SEED and CHAOS_SECONDS, or a new seed (which is noted) and so many seconds. */
export function chaos(usualSeconds) {
	const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1000000);
	note(`CHAOS_SEED=${seed}`);
	return { seed, seconds: Number(process.env.CHAOS_SECONDS ?? usualSeconds), random: randomFrom(seed) };
}

/** Between these, at random: how long an instance lives, or is away.  Here time is what it is about. */
const some = (random, [least, most]) => sleep(least + random() * (most - least));

/** While goesOn(), instances are ended in turn and started again; returns how often.  lives, away: [least, most] ms. */
export async function killInTurn(instances, random, goesOn, { lives = [200, 700], away = [0, 200], end = (victim) => victim.kill() } = {}) {
	let kills = 0;
	while (goesOn()) {
		const victim = instances[kills++ % instances.length];
		await some(random, lives);
		await end(victim, kills);
		await some(random, away);
		await victim.start();
	}
	return kills;
}

/**
 * Kill an instance by -9, do something, and let the others have its clients; the only one is started again.  Returns what starts
 * it if it was not.
 */
export async function killOne({ instances, proxy }, meanwhile = () => {}) {
	const [victim, ...others] = instances;
	await victim.kill();
	await meanwhile();
	if (!others.length) {
		await victim.start();
		return () => {};
	}
	proxy.targets = others;
	return async () => {
		await victim.start();
		proxy.targets = instances;
	};
}
