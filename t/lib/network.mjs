/*
 * Networks as there are: a proxy (proxy.mjs) in front of one or several instances that blocks, holds back and cuts what the
 * middleboxes of SOCKETIO.md do.  Each request reaches a random instance; an upgraded connection stays where it arrived.
 *
 *   startNetwork({ targets, upgrade, hold, cutAfter, cutWith, wsIdle, wsLife, post, bodyMax, ...what startProxy takes })
 *     upgrade   'pass' | '400': refused, as by a corporate proxy | 'strip': the header is taken away, a plain GET goes on
 *               | 'hole': accepted, and then nothing passes in either direction
 *     hold      'none' | 'sse': text/event-stream is kept back until it is complete | 'all': every answer is, and Upgrade is refused
 *               unless `upgrade` says otherwise
 *     cutAfter  ms after which a request ends by a reset, answered or not; cutWith: 504 answers it instead if nothing was sent yet
 *     wsIdle    ms without a byte after which an upgraded connection is cut
 *     wsLife    ms after which it is cut however busy it is
 *     post      'pass' | a status that answers each POST
 *     bodyMax   the longest body of a request; a longer one is answered 413
 */
import { Proxy, join } from './proxy.mjs';
import { freePort } from './process.mjs';

const holding = {
	none: () => false,
	sse: ({ 'content-type': type = '' }) => type.startsWith('text/event-stream'),
	all: () => true,
};

/** Refuses what the network does not let pass; else the fault function that was given is asked. */
function refusing({ upgrade, post, bodyMax, fault }) {
	return (request) => {
		if (request.headers.upgrade && upgrade === '400')
			return { status: 400 };
		if (request.method === 'POST' && post !== 'pass')
			return { status: post };
		if (request.body.length > bodyMax)
			return { status: 413 };
		return fault?.(request);
	};
}

/** Joins two sockets, or swallows what both say, and cuts them when it is time. */
function tunnelling({ upgrade, wsIdle, wsLife }) {
	return (client, upstream) => {
		const cut = () => client.destroy();
		if (wsIdle > 0)
			client.setTimeout(wsIdle, cut);
		if (wsLife > 0) {
			const timer = setTimeout(cut, wsLife);
			client.once('close', () => clearTimeout(timer));
		}
		if (upgrade !== 'hole')
			return join(client, upstream);
		client.resume();
		upstream.resume();
	};
}

export async function startNetwork({ hold = 'none', upgrade = hold === 'all' ? '400' : 'pass', wsIdle = 0, wsLife = 0, post = 'pass',
	bodyMax = Infinity, fault, ...options }) {
	return new Proxy(options.port ?? await freePort(), {
		...options,
		holds: holding[hold],
		upgrades: upgrade !== 'strip',
		fault: refusing({ upgrade, post, bodyMax, fault }),
		tunnel: tunnelling({ upgrade, wsIdle, wsLife }),
	}).listen();
}
