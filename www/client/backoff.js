/* How long to wait before something is tried again: full jitter. */

const MIN_DELAY = 100; // A random time below MIN_DELAY * 2^attempt, at most MAX_DELAY.
const MAX_DELAY = 10_000;

export class Backoff {
	attempt = 0;

	wait(error, tell) {
		const delay = (error.after ?? 0) + Math.random() * Math.min(MAX_DELAY, MIN_DELAY * 2 ** this.attempt++);
		tell?.(error, delay);
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, delay);
			this.kick = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	/** Do not wait. */
	kick() {}
}
