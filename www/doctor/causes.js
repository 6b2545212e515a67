/*
 * What is likely in the way, and what to do about it.  Each cause takes what gather() of diagnose.js says and returns
 * { title, text, seen, advice, harmless, meddled }, or nothing.
 *
 *   seen      keys of the rows that say so
 *   advice    [{ where: 'gateway' | 'proxy' | 'client' | 'network', text, code }]
 *   harmless  to what a client does
 *   meddled   something looks into the traffic
 */
import { inBytes, inWords } from './plan.js';

const WS_PING = 25_000; // Of a gateway that is not told otherwise.
const PATIENT = 60_000;
const BROKEN = ['refused', 'cut', 'no answer', 'altered'];

const NGINX = {
	upgrade: 'proxy_http_version 1.1;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection "upgrade";',
	buffering: 'proxy_buffering off;\n# and no proxy_ignore_headers X-Accel-Buffering;',
	timeout: `proxy_read_timeout ${PATIENT / 1000}s;`,
	body: 'client_max_body_size 1m; # as --max-body',
};

const advise = (where, text, code) => ({ where, text, code });
/** A part of ms in whole seconds, at least one, as options take it. */
const seconds = (ms, part) => `${Math.max(1, Math.floor(ms * part / 1000))}s`;
const patience = (text) => advise('proxy', `${text} In nginx, and as the timeout of the back end of a balancer:`, NGINX.timeout);
const exception = advise('network', 'Let the scanner make an exception for the gateway’s name.');

/** What a client may be told, which finds it out by itself. */
function spare({ works, sockets }) {
	const names = ['poll', ...works('sse') ? ['sse'] : [], ...sockets ? ['ws'] : []];
	return advise('client', 'The client finds out by itself what comes through: nothing has to be done. To save it the attempts:',
		`connect(url, { transports: [${names.map((name) => `'${name}'`).join(', ')}] })`);
}

/* ---- The gateway is not there, or not well ---- */

function unreached({ is, about }) {
	if (!is('request', 'not reached', 'no answer'))
		return undefined;
	const advice = [advise('network', 'Try another network, and another page. If only this gateway is not reached, ask who runs it.')];
	if (!about.online)
		return { title: 'This device is offline', text: 'The browser says that there is no network.', seen: ['request'], advice };
	return {
		title: 'The gateway is not reached',
		text: 'Not even a plain request is answered. The gateway does not run, or its address is not right any more, or this network lets ' +
			'nothing through to it.',
		seen: ['request'],
		advice: is('request', 'no answer') ? [...advice, advise('client', 'Or close other tabs that use this gateway, and repeat the test: a ' +
			'browser makes six connections to one host, and then waits for one of them.')] : advice,
	};
}

const intercepted = ({ is, all, results }) => is('request', 'altered', 'refused', 'cut') && !results.request.tries[0].own && {
	title: 'Something else answers in the gateway’s place',
	text: 'What comes back is not what a gateway says: a page to log in to this network, a filter, or a balancer that has no gateway ' +
		'behind it.',
	seen: all('altered', 'refused', 'cut'), meddled: true,
	advice: [
		advise('network', 'Open any page of plain HTTP in the browser, and log in to the network if it asks for that.'),
		advise('proxy', 'If it is a balancer of yours, look whether its back ends are well: GET /ready.'),
	],
};

const busy = ({ all }) => all('busy').length > 0 && {
	title: 'The gateway is not well',
	text: 'It is reached, and says itself that it cannot answer now. That is not the network.',
	seen: all('busy'),
	advice: [advise('gateway', 'Look at its log and at GET /ready: the store, the number of connections, an instance that is about to end.')],
};

/* ---- What is chance ---- */

function unsteady({ is, holds, cut, limit, longestPassed, all, results }) {
	const advice = [advise('network', 'Repeat the test, nearer to the access point or by cable. What the other rows say may be chance.')];
	const title = 'The network is not steady';
	if (cut.length > 0 && longestPassed > limit)
		return {
			title, advice, seen: holds.filter(({ verdict }) => ['works', 'cut'].includes(verdict)).map(({ key }) => key),
			text: `A poll broke after ${inWords(limit)}, and another one lasted ${inWords(longestPassed)}: that is no limit of time, but a ` +
				'connection that breaks now and then.',
		};
	return is('request', 'unsteady') && {
		title, advice, seen: ['request', ...all('cut')],
		text: `Of ${results.request.tries.length} equal requests not all were answered.`,
	};
}

/* ---- WebSockets ---- */

const upgrade = (facts) => facts.is('ws-open', 'refused') && facts.works('request') && {
	title: 'The upgrade to WebSocket does not come through',
	text: facts.offered ? 'The gateway offers WebSockets, and plain requests reach it. So something between answers the upgrade itself, ' +
		'as corporate proxies do, or takes its Upgrade header away, as proxies and balancers do that were not told of it. Browsers do not ' +
		'say which.' : 'Plain requests reach the gateway. Whether it offers WebSockets was not seen: without a session it does not say so.',
	seen: ['ws-open'], meddled: true,
	advice: [
		advise('proxy', 'If a proxy of yours is in front of the gateway, let it pass the upgrade. In nginx:', NGINX.upgrade),
		spare(facts),
	],
};

function hole(facts) {
	const opens = facts.is('ws-echo', 'silent');
	return (opens || facts.is('ws-open', 'no answer')) && {
		title: opens ? 'WebSockets open, but nothing passes' : 'The upgrade to WebSocket is swallowed',
		text: 'Virus scanners and gateways that look into traffic do so: they take the connection, and then wait for an end that does ' +
			'not come.',
		seen: opens ? ['ws-open', 'ws-echo'] : ['ws-open'], meddled: true,
		advice: [spare(facts), exception,
			advise('client', 'A client of your own must do the same: rely on a WebSocket only after an echo has come back.')],
	};
}

const mute = (facts) => facts.is('ws-echo', 'cut') && {
	title: 'A WebSocket is cut as soon as something is said',
	text: 'It opens, and the first message ends it: something between does not know what to do with it.',
	seen: ['ws-echo'], meddled: true, advice: [spare(facts)],
};

function idle({ is, results }) {
	const { ms } = results['ws-idle'] ?? {};
	return is('ws-idle', 'cut') && {
		title: `A WebSocket that is idle is cut after ${inWords(ms)}`,
		text: ms > WS_PING ? 'A gateway pings each 25 s unless it is told otherwise. If so, it was not for silence: something ends ' +
			'connections by their age, as balancers do whose time limit is meant for requests.' :
			'Something forgets connections on which nothing is said: a NAT, a firewall, a balancer. The gateway pings more rarely than that.',
		seen: ['ws-idle'],
		advice: [advise('gateway', 'Ping more often than the connection is cut:', `--ws-ping ${seconds(ms, 0.5)}`),
			patience('Let a proxy of yours wait longer than the gateway’s pings are apart.')],
	};
}

const forgotten = ({ is, results }) => is('ws-idle', 'silent') && {
	title: 'A WebSocket that was idle is dead, and does not say so',
	text: `It was open for ${inWords(results['ws-idle'].idle)}, and then nothing came back: the connection was forgotten between.`,
	seen: ['ws-idle'],
	advice: [advise('gateway', 'Ping more often:', `--ws-ping ${seconds(results['ws-idle'].idle, 0.2)}`)],
};

/* ---- What holds answers back ---- */

function heldBack({ is, works }) {
	if (is('sse', 'held back') && is('stream', 'held back'))
		return {
			title: 'Answers are held back until they are complete',
			text: 'Event streams and other answers in pieces come all at once. A proxy, a CDN or a virus scanner collects an answer before ' +
				'it passes it on. Polls are complete answers: they are not hurt by it.',
		};
	if (is('sse', 'held back'))
		return {
			title: 'Event streams are held back until they are complete',
			text: works('stream') ? 'Other answers come piece by piece. So something looks at the type of an answer: virus scanners and ' +
				'secure web gateways do that with text/event-stream. To them it is as it should be.' :
				'Whether other answers are held back, too, was not seen.',
		};
	if (is('stream', 'held back'))
		return {
			title: 'Answers in pieces are held back, but event streams are not', harmless: true,
			text: 'A proxy or a virus scanner collects answers, but lets event streams pass. For what Pollgate does that is well.',
		};
	return is('eventsource', 'held back') && {
		title: 'Event streams come by fetch, but not by EventSource',
		text: 'The browser asks for them with another Accept header, and something between looks at it.',
	};
}

function buffering(facts) {
	const words = heldBack(facts);
	const seen = ['sse', 'eventsource', 'stream', 'stream-long'].filter((key) => facts.is(key, 'held back'));
	return words && {
		...words, meddled: true,
		seen: [...seen, ...facts.is('sse-long', 'no answer') ? ['sse-long'] : []],
		advice: words.harmless ? [] : [
			advise('proxy', 'The gateway asks proxies to pass answers as they come (X-Accel-Buffering: no). If one of yours does not heed ' +
				'that, in nginx:', NGINX.buffering),
			spare(facts), exception,
		],
	};
}

const difference = ({ is, works }) => works('eventsource') && is('sse', 'held back', ...BROKEN) && {
	title: 'Event streams come by EventSource, but not by fetch',
	text: 'The two ask with different headers; or it is chance. Repeat the test.',
	seen: ['sse'], advice: [],
};

function events(facts) {
	const { is, works, cut } = facts;
	const wrong = BROKEN.filter((verdict) => verdict !== 'cut' || cut.length === 0);
	return is('sse', ...wrong) && works('request') && !works('eventsource') && {
		title: 'Event streams do not come through',
		text: 'Plain requests reach the gateway, but the answer to one for an event stream is another, or none.',
		seen: ['sse', 'eventsource', 'sse-long'].filter((key) => is(key, ...wrong)), meddled: true,
		advice: [spare(facts)],
	};
}

/* ---- What cuts requests ---- */

/** Silence or age? */
function whatCounts({ is, works, verdict }) {
	if (is('stream-long', 'cut'))
		return 'An answer that keeps coming is cut, too: it is the age of a request that counts, not silence.';
	if (works('stream-long'))
		return 'An answer that keeps coming lasts: it is silence that counts. Such is the time limit of a proxy or balancer.';
	return `Whether silence or age counts ${verdict['stream-long'] === 'held back' ? 'cannot be told here' : 'was not measured'}.`;
}

function cutAdvice({ limit, works }, streams) {
	const polls = limit * 0.8 < 1000 ? advise('gateway', 'No --hold is short enough for this network.') :
		advise('gateway', 'Answer polls before they are cut:', `--hold ${seconds(limit, 0.8)} --hold-max ${seconds(limit, 0.8)}`);
	const proxy = patience('Let a proxy of yours wait longer than the gateway’s --hold-max.');
	if (streams.length === 0 || !works('sse'))
		return [polls, proxy];
	const stream = works('stream-long') ?
		advise('gateway', 'Let event streams say something more often than they are cut:', `--sse-comment ${seconds(limit, 0.5)}`) :
		advise('gateway', 'End event streams before they are cut; their clients come back:', `--sse-life ${seconds(limit, 0.8)}`);
	return [polls, stream, proxy];
}

function cut(facts) {
	const { is, limit, longestPassed, hold, results } = facts;
	if (facts.cut.length === 0 || longestPassed > limit || is('request', 'unsteady'))
		return undefined;
	const streams = ['stream-long', 'sse-long'].filter((key) => is(key, 'cut'));
	const [status] = facts.cut.map((key) => results[key].status).filter(Boolean);
	const harmless = limit > hold * 1.1;
	return {
		title: `Requests are cut after ${inWords(limit)}`,
		text: [
			status ? `Something between answers ${status} then.` : 'The connection is closed then.',
			...longestPassed ? [`One of ${inWords(longestPassed)} lasts.`] : [],
			whatCounts(facts),
			...harmless ? [`Polls are answered earlier, after ${inWords(hold)}: they are not hurt.`] : [],
		].join(' '),
		seen: [...facts.cut, ...streams], harmless,
		advice: harmless ? [] : cutAdvice(facts, streams),
	};
}

const longer = (facts) => facts.cut.length === 0 && facts.is('stream-long', 'cut') && {
	title: `An answer that goes on is cut after ${inWords(facts.results['stream-long'].ms)}`,
	text: 'No poll was cut. So it is answers in pieces that may not last.',
	seen: ['stream-long', 'sse-long'].filter((key) => facts.is(key, 'cut')),
	advice: [advise('gateway', 'End event streams before they are cut; their clients come back:',
		`--sse-life ${seconds(facts.results['stream-long'].ms, 0.8)}`)],
};

const comments = (facts) => facts.cut.length === 0 && facts.works('stream-long') && facts.is('sse-long', 'cut') && {
	title: `An event stream in which nothing happens is cut after ${inWords(facts.results['sse-long'].ms)}`,
	text: 'An answer in which something comes now and then lasts. So it is for silence that it is cut.',
	seen: ['sse-long'],
	advice: [advise('gateway', 'Send comments more often:', `--sse-comment ${seconds(facts.results['sse-long'].ms, 0.5)}`)],
};

/* ---- What is sent ---- */

const post = ({ is, works, results }) => is('post', ...BROKEN) && works('request') && {
	title: 'POST requests do not come through',
	text: `What is only read comes, but a POST is ${is('post', 'altered') ? 'changed' : 'not answered as it should be'}` +
		`${results.post.status >= 400 ? `: ${results.post.status}` : ''}. Sessions are opened, and messages sent, by POST: without it ` +
		'nothing of Pollgate works here.',
	seen: ['post', 'session'].filter((key) => is(key, ...BROKEN)), meddled: true,
	advice: [
		advise('network', 'Ask who runs the filter to allow POST to the gateway’s name.'),
		advise('proxy', 'If it is a proxy of yours, let it pass POST and DELETE.'),
	],
};

function bodies({ is, works, results }) {
	const sizes = results.bodies?.sizes ?? [];
	const [before, last] = [sizes.at(-2)?.bytes, sizes.at(-1)];
	return works('post') && is('bodies', 'limited', ...BROKEN) && last.code !== 'body_too_large' && {
		title: `Bodies of ${inBytes(last.bytes)} do not come through`,
		text: `${before ? `${inBytes(before)} do.` : 'A small one does.'} ${last.status === 413 ?
			'A proxy has a limit for them that is lower than the gateway’s.' :
			'That may be a proxy’s limit, or a connection that is too slow for it.'}`,
		seen: ['bodies'],
		advice: [advise('proxy', 'Let the proxy take what the gateway takes. In nginx:', NGINX.body),
			...before ? [advise('gateway', 'If it is not your proxy, say what is possible:', `--max-body ${before >> 10}K`)] : []],
	};
}

/* ---- What the gateway does not offer ---- */

const checks = ({ is }) => is('post', 'switched off') && {
	title: 'The gateway’s checks are switched off',
	text: 'So polls, answers in pieces and larger bodies were not tried. That is a setting of the gateway (--no-check), not the network.',
	seen: [], harmless: true,
	advice: [advise('gateway', 'To learn more of this network, run it without --no-check.')],
};

function transports({ is }) {
	const off = [
		...is('ws-open', 'switched off') ? ['WebSockets (--no-websocket)'] : [],
		...is('sse', 'switched off') ? ['event streams (--no-sse)'] : [],
	];
	return off.length > 0 && {
		title: `The gateway does not offer ${off.join(' and ')}`,
		text: 'That is a setting of the gateway. Whether this network would let them through was not measured.',
		seen: [], harmless: true, advice: [],
	};
}

/** Those that say most come first. */
export const causes = [unreached, intercepted, busy, unsteady, upgrade, hole, mute, idle, forgotten, buffering, difference, events, cut,
	longer, comments, post, bodies, checks, transports];

/** For whatever looks into traffic. */
export const HTTPS = advise('gateway', 'Serve the gateway by HTTPS: most of what stands between looks into plain HTTP only.');
