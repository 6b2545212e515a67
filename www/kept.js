/* What a page remembers, in this tab or in this browser; nothing, where the browser does not let it. */

class Kept {
	#open;

	constructor(open) {
		this.#open = open;
	}

	get(name) {
		try {
			return JSON.parse(this.#open().getItem(`pollgate-${name}`)) ?? undefined;
		} catch {
			return undefined;
		}
	}

	set(name, value) {
		try {
			this.#open().setItem(`pollgate-${name}`, JSON.stringify(value));
		} catch {
			// Forbidden or full.
		}
	}
}

export const inTab = new Kept(() => sessionStorage);
export const inBrowser = new Kept(() => localStorage);
