#!/usr/bin/env node
/* Tabs of one browser share what it has: www/pollgate.js in many pages of Chromium, which makes six connections to a host. */
import { randomBytes } from 'node:crypto';
import { startBrowser, www } from './lib/browser.mjs';
import { keyFile, now, sign } from './lib/jwt.mjs';
import { done, is, isDeep, note, ok, scope } from './lib/tap.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { patience } from './lib/wait.mjs';

const browser = await startBrowser();
const WAIT = 30_000;
const TABS = 8;
const range = (n) => [...Array(n).keys()];

/** A page with a client, `client`, all that it told in `told`, and a name among those that hold locks. */
class Tab {
	/** issue: makes a JSON Web Token whenever the page asks for one. */
	static async open(context, base, name, options, issue) {
		const tab = new Tab();
		Object.assign(tab, { name, wrong: [], page: await context.newPage() });
		if (issue)
			await tab.page.exposeFunction('issue', issue);
		tab.page.setDefaultTimeout(patience(WAIT));
		tab.page.on('pageerror', (error) => tab.wrong.push(error.message));
		tab.page.on('console', (message) => ['error', 'warning'].includes(message.type()) && tab.wrong.push(message.text()));
		await tab.page.goto(`${base}/health`); // Any page of this origin that forbids nothing.
		tab.id = await tab.page.evaluate(async ([name, options]) => {
			navigator.locks.request(`tab ${name}`, () => new Promise(() => {}));
			const { connect } = await import('./pollgate.js');
			window.told = [];
			window.client = connect('', { auth: window.issue, ...options });
			for (const event of ['message', 'gap', 'reconnecting', 'resumed', 'transport', 'closed'])
				client.on(event, (value) => told.push({ told: event, ...value }));
			return (await client.ready).id;
		}, [name, { rooms: ['all'], ...options }]);
		return tab;
	}

	send(data, message = { room: 'all' }) {
		return this.page.evaluate((message) => client.send(message), { event: 'n', data, ...message });
	}

	of(event) {
		return this.page.evaluate((event) => told.filter((one) => one.told === event), event);
	}

	/** What came from this tab in the room. */
	async from(tab) {
		return (await this.of('message')).filter(({ from, room, event }) => from === tab.id && room && event === 'n').map(({ data }) => data);
	}

	get transport() {
		return this.page.evaluate(() => client.transport);
	}

	leave() {
		return this.page.close();
	}

	async session() {
		return this.debugger ??= await this.page.context().newCDPSession(this.page);
	}
}

const everybody = (tabs, condition, what) => waitFor(async () => (await Promise.all(tabs.map(condition))).every(Boolean), what, { limitMs: WAIT, everyMs: 50 });

/** Everybody but the sender has got these, in this order, once. */
async function got(tabs, sender, wanted) {
	let counts;
	await waitFor(async () => {
		counts = await Promise.all(tabs.filter((tab) => tab !== sender).map(async (tab) => [tab.name, (await tab.from(sender).catch(({ message }) => message)).length]));
		return counts.every(([, n]) => n >= wanted.length);
	}, () => `${wanted.length} messages from tab ${sender.name}: ${JSON.stringify(counts)}`, { limitMs: WAIT });
	const all = await Promise.all(tabs.filter((tab) => tab !== sender).map((tab) => tab.from(sender)));
	return all.find((one) => one.join() !== wanted.join()) ?? '';
}

/** The tab whose request it is. */
async function leader(tabs) {
	const { held } = await tabs[0].page.evaluate(() => navigator.locks.query());
	const { clientId } = held.find(({ name }) => /^pollgate \S+$/.test(name)) ?? {};
	const mark = held.find((lock) => lock.clientId === clientId && lock.name.startsWith('tab '));
	return tabs.find(({ name }) => mark?.name === `tab ${name}`);
}

/** Only the one poll is under way. */
const calm = (proxy, n = 1) => waitFor(() => proxy.now.requests === n, () => `${n} open requests, not ${proxy.now.requests}`, { limitMs: WAIT });

async function browse(browser, test) {
	const context = await browser.newContext();
	await test(context);
	await context.close();
}

async function sharing(context, { base, proxy }) {
	proxy.resetCounts();
	let tabs = [];
	for (const name of range(TABS))
		tabs.push(await Tab.open(context, base, name, { transports: ['poll'] }));
	await calm(proxy);
	ok(true, `${TABS} tabs have one poll`);
	ok(proxy.count('/v1/polls') > 0, 'for all of them', JSON.stringify(proxy.counts));
	ok(proxy.most.connections <= 6, 'and few connections', proxy.most.connections);
	for (const [i, tab] of tabs.entries())
		await tab.send(i);
	for (const [i, tab] of tabs.entries())
		is(await got(tabs, tab, [i]), '', `what tab ${i} sends comes to all others`);
	await calm(proxy);
	ok(true, 'and there is one poll again');
	const counts = range(40);
	await Promise.all(tabs.slice(0, 3).map((tab) => tab.page.evaluate((counts) => Promise.all(counts.map((data) => client.send({ room: 'all', event: 'n', data }))), counts)));
	for (const [i, tab] of tabs.slice(0, 3).entries())
		is(await got(tabs, tab, [i, ...counts]), '', `what tab ${i} sends in a row comes once and in order`);
	await Promise.all(tabs.map((tab, i) => tab.send(`to ${i}`, { to: tabs[(i + 1) % TABS].id })));
	await everybody(tabs, async (tab) => (await tab.of('message')).some(({ room, data }) => !room && `${data}`.startsWith('to ')));
	ok(true, 'direct messages come to whom they are for');

	const first = await leader(tabs);
	ok(first, 'one tab leads');
	tabs = tabs.filter((tab) => tab !== first);
	await first.leave();
	const heard = await tabs[1].from(tabs[0]);
	await tabs[0].send('closed');
	is(await got(tabs, tabs[0], [...heard, 'closed']), '', 'when it is closed messages go on');
	const second = await leader(tabs);
	ok(second && second !== first, 'another one leads');

	tabs = tabs.filter((tab) => tab !== second);
	const sender = tabs[0];
	const before = await tabs[1].from(sender);
	const sending = sender.page.evaluate(async () => {
		for (let i = 0; i < 30; i++)
			await client.send({ room: 'all', event: 'n', data: i });
	});
	(await second.session()).send('Page.crash').catch(() => {});
	await sending;
	is(await got(tabs, sender, [...before, ...range(30)]), '', 'when it crashes while messages come none is lost and none comes twice');
	await calm(proxy);
	ok(true, 'and there is one poll again');

	const third = await leader(tabs);
	tabs = tabs.filter((tab) => tab !== third);
	const cdp = await third.session();
	await cdp.send('Debugger.enable');
	await cdp.send('Debugger.pause');
	const frozen = third.page.evaluate(() => 0).catch(() => {});
	const known = await tabs[1].from(tabs[0]);
	const start = Date.now();
	await tabs[0].send('frozen');
	is(await got(tabs, tabs[0], [...known, 'frozen']), '', 'when it stands still another one takes over', Date.now() - start);
	ok(await leader(tabs), 'which leads');
	await cdp.send('Debugger.resume');
	await frozen;
	await tabs[0].send('thawed');
	is(await got([...tabs, third], tabs[0], [...known, 'frozen', 'thawed']), '', 'and the one that was frozen goes on like any other');
	tabs.push(third);
	await calm(proxy);
	ok(true, 'with one poll for all');
	isDeep((await Promise.all(tabs.map(async (tab) => [...await tab.of('gap'), ...await tab.of('closed'), ...await tab.of('resumed')]))).flat(), [], 'no tab lost anything');
	isDeep(tabs.flatMap(({ wrong }) => wrong), [], 'or complained');
}

/** All that goes wrong with a poll goes wrong for all. */
async function outages(context, { base, proxy, instances }, store) {
	const tabs = await Promise.all(range(3).map((name) => Tab.open(context, base, name, { transports: ['poll'] })));
	await calm(proxy);
	proxy.fault = ({ path, number }) => path.startsWith('/v1/poll') ? { status: number % 2 ? 502 : 401 } : undefined;
	await tabs[0].send(1);
	await everybody(tabs.slice(1), async (tab) => (await tab.of('reconnecting')).length > 0, 'reconnecting');
	ok(true, 'every tab is told when the poll fails');
	proxy.fault = undefined;
	is(await got(tabs, tabs[0], [1]), '', 'and then all goes on');
	await everybody(tabs, async (tab) => (await tab.of('resumed')).length === 1, 'resumed');
	ok(true, 'which is told as well');
	await tabs[1].page.evaluate(() => client.close());
	await tabs[0].send(2);
	is(await got([tabs[0], tabs[2]], tabs[0], [1, 2]), '', 'a tab that ends its session holds nobody up');
	await tabs[2].page.evaluate(() => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })));
	await tabs[0].send('while it is away');
	await tabs[2].page.evaluate(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
	await everybody([tabs[2]], async (tab) => (await tab.of('resumed')).some(({ fresh }) => fresh), 'a new session');
	await tabs[0].send(2);
	is(await got([tabs[0], tabs[2]], tabs[0], [1, 2, 2]), '', 'a tab that comes back from the back-forward cache joins again');
	if (store === 'memory') {
		await instances[0].restart();
		await everybody([tabs[0], tabs[2]], async (tab) => (await tab.of('resumed')).filter(({ fresh }) => fresh).length === (tab === tabs[0] ? 1 : 2), 'new sessions');
		ok(true, 'a gateway that forgets everything gives new sessions to all');
		tabs[0].id = await tabs[0].page.evaluate(() => client.id);
		await tabs[0].send(3);
		is(await got([tabs[0], tabs[2]], tabs[0], [3]), '', 'which share a poll, too');
	}
}

async function transports(context, { base, proxy }) {
	const tabs = [];
	for (const name of range(5))
		tabs.push(await Tab.open(context, base, name, { transports: ['poll', 'sse'] }));
	const ways = async () => (await Promise.all(tabs.map((tab) => tab.transport))).sort().join();
	await waitFor(async () => await ways() === 'poll,poll,poll,sse,sse', async () => `two streams, not ${await ways()}`, { limitMs: WAIT });
	ok(true, 'two tabs have event streams, the others share a poll');
	await calm(proxy, 3);
	ok(true, 'with three requests in all');
	for (const [i, tab] of tabs.entries()) {
		await tab.send(i);
		is(await got(tabs, tab, [i]), '', `what tab ${i} sends comes to all others`);
	}
	const sockets = [];
	for (const name of ['a', 'b'])
		sockets.push(await Tab.open(context, base, name));
	await everybody(sockets, async (tab) => await tab.transport === 'ws', 'sockets');
	await calm(proxy, 3);
	ok(true, 'tabs with a WebSocket take no part in it');
	await sockets[0].send('x');
	is(await got([...tabs, ...sockets], sockets[0], ['x']), '', 'and hear the others');
	await sockets[0].page.evaluate(() => client.use('poll'));
	await calm(proxy, 3);
	await sockets[0].send('y');
	is(await got([...tabs, ...sockets], sockets[0], ['x', 'y']), '', 'a tab that goes back to polls joins those that share one');
	const alone = await Tab.open(context, base, 'alone', { transports: ['poll'], tabs: false });
	await calm(proxy, 4);
	await sockets[1].send('z');
	is(await got([alone], sockets[1], ['z']), '', 'with tabs: false a tab polls for itself');
}

/** The gateway takes fewer sessions in a request than there are tabs. */
async function crowded(context, { base, proxy }) {
	const tabs = await Promise.all(range(5).map((name) => Tab.open(context, base, name, { transports: ['poll'] })));
	for (const [i, tab] of tabs.entries()) {
		await tab.send(i);
		is(await got(tabs, tab, [i]), '', `what tab ${i} sends comes to all others, who take turns`);
	}
	isDeep((await Promise.all(tabs.map((tab) => tab.of('closed')))).flat(), [], 'none is refused');
	ok(proxy.now.requests <= 1, 'with one poll', proxy.now.requests);
}

/** Each tab's token ends at a time of its own; the leader's poll goes on for the others. */
async function tokens(context, { base, proxy }, sign) {
	const asked = [0, 0, 0, 0]; // By each tab, how often.
	const brief = (name) => {
		asked[name]++;
		return sign(1.5);
	};
	const issuers = [() => sign(600), () => brief(1), () => brief(2)];
	const tabs = await Promise.all(issuers.map((issue, name) => Tab.open(context, base, name, { transports: ['poll'] }, issue)));
	const late = await Tab.open(context, base, 'late', { transports: ['poll'] }, () => {
		const token = brief(3);
		if (asked[3] > 1 && asked[3] <= 6)
			throw new Error('the issuer does not answer');
		return token;
	});
	let n = 0;
	await waitFor(async () => {
		await tabs[0].send(n++);
		return asked.every((times, name) => name === 0 || times > (name === 3 ? 7 : 3));
	}, () => `tokens to end: they were asked for ${asked} times`, { everyMs: 100, limitMs: WAIT });
	is(await got([...tabs, late], tabs[0], range(n)), '', 'what is sent while tokens end comes to all others');
	isDeep((await Promise.all([...tabs, late].map((tab) => tab.of('closed')))).flat(), [], 'and none is closed');
	isDeep(await Promise.all([...tabs, late].map((tab) => tab.page.evaluate(() => client.id))), [...tabs, late].map(({ id }) => id), 'or has to begin anew');
	await calm(proxy);
	ok(true, 'they share one poll');
}

await forEachStore(async ({ store, start }) => {
	const cluster = await start({ options: { www } });
	await scope('sharing', () => browse(browser, (context) => sharing(context, cluster)));
	await scope('outages', () => browse(browser, (context) => outages(context, cluster, store)));
	await scope('transports', () => browse(browser, (context) => transports(context, cluster)));
	if (store === 'memory')
		for (const most of [1, 3]) {
			const narrow = await start({ options: { www, 'polls-max': most } });
			await scope(`more than ${most}`, () => browse(browser, (context) => crowded(context, narrow)));
		}
	const secret = randomBytes(32).toString('base64');
	const guarded = await start({ options: { www, auth: 'jwt', 'auth-key-file': keyFile(secret), 'auth-leeway': '0' } });
	await scope('tokens', () => browse(browser, (context) => tokens(context, guarded, (seconds) =>
		sign({ exp: now() + seconds, pollgate: { join: ['*'], send: ['*'] } }, secret))));
	note('requests:', JSON.stringify(cluster.proxy.counts));
});
await done();
