/* What receivers have in common. */

/** Says who we are and what we have. */
export const asQuery = ({ token, cursor }) => `?token=${token}&cursor=${encodeURIComponent(cursor)}`;

/** Calls link.deliver(batch), worked() and failed(error, delay) as it goes, and at last lost(error) if the gateway refuses. */
export class Receiver {
	constructor(http, link, session, options) {
		Object.assign(this, { http, link, session, options });
	}
}
