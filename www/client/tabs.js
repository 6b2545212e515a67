/* What the tabs of one origin share: a browser makes six connections to a host, whatever their number. */

/** The name of what is shared by those that use the same gateway; undefined where nothing can be shared. */
export const sharedName = ({ base }) => globalThis.location && globalThis.navigator?.locks && globalThis.BroadcastChannel && `pollgate ${base}`;

/** A lock, which one tab has at a time.  Promises what gives it back, or undefined if another one has it. */
export function claim(name) {
	return new Promise((resolve, reject) => {
		navigator.locks.request(name, { ifAvailable: true }, (lock) => lock ? new Promise((release) => resolve(release)) : resolve()).catch(reject);
	});
}
