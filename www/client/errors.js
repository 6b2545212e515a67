/* What promises are rejected with, and the events that are not messages. */

/** A message with such a name is only given to 'message'. */
export const OWN_EVENTS = ['message', 'gap', 'presence', 'away', 'reconnecting', 'resumed', 'transport', 'closed'];

/** What promises are rejected with.  `code` is the gateway's (room_full, recipient_gone ...), queue_full or closed. */
export class PollgateError extends Error {
	/** @param {string} code  @param {string} [detail]  @param {object} [more] status, reason (the application's code), retry (ask again), after (so many ms) */
	constructor(code, detail, more) {
		super(detail || code);
		this.name = 'PollgateError';
		this.code = code;
		Object.assign(this, more);
	}
}

/** Something does not work now: ask again. */
export const broken = (code, detail) => new PollgateError(code, detail, { retry: true });
