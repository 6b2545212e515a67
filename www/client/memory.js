/* Which transports failed on this network, for a while: in localStorage where there is one, so that the next page knows, too. */

const BLOCKED = 600_000; // What does not work is tried again after so long,
const BROKE = 2_000; // what has worked before, or was tried while nothing worked, after so long: each time after twice the time.
const MAX = 4 * 3_600_000;

export class Memory {
	#key;
	#kept = {}; // name -> [how long not to try it, until when]
	#worked = new Set();

	constructor(url) {
		this.#key = `pollgate ${url} ${globalThis.navigator?.connection?.type ?? ''}`;
		try {
			Object.assign(this.#kept, JSON.parse(this.#storage.getItem(this.#key)));
		} catch {
			// There is none, or somebody else's.
		}
	}

	get #storage() {
		return globalThis.location && globalThis.localStorage; // Node has one that complains.
	}

	/** So many ms until it should be tried. */
	rest(name) {
		return Math.max(0, this.#entry(name)[1] - Date.now());
	}

	/** after: at least so many ms. */
	failed(name, after = 0, excused) {
		const delay = Math.min(MAX, Math.max(2 * this.#entry(name)[0], excused || this.#worked.has(name) ? BROKE : BLOCKED));
		this.#keep(name, [delay, Date.now() + Math.max(after, delay * (0.5 + Math.random() / 2))]);
	}

	worked(name) {
		this.#worked.add(name);
	}

	/** It shall not be tried for so many ms, which is nobody else's business. */
	pause(name, ms) {
		this.#kept[name] = [0, Date.now() + ms];
	}

	/** It works well; or, without a name, this is perhaps another network. */
	forget(name) {
		if (name)
			return this.#keep(name);
		this.#worked.clear();
		Object.keys(this.#kept).forEach((each) => this.#keep(each));
	}

	#entry(name) {
		const entry = this.#kept[name];
		return Math.abs(entry?.[1] - Date.now()) <= MAX && entry[0] >= 0 ? entry : [0, 0]; // Clocks are set, and we forgive.
	}

	#keep(name, value) {
		this.#kept[name] = value;
		try {
			this.#storage.setItem(this.#key, JSON.stringify(this.#kept));
		} catch {
			// Then this page alone knows.
		}
	}
}
