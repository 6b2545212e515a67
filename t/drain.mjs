#!/usr/bin/env node
/* SIGTERM: an instance leaves without a failed request, in time, with status 0; a second SIGTERM ends it at once. */
import { Client, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { Load } from './lib/load.mjs';
import { forEachStore, startPollgate, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, note, ok, scope } from './lib/tap.mjs';
import { AT_ONCE, sleep, timed } from './lib/wait.mjs';

const drainMs = 2000;
const inTime = drainMs + AT_ONCE;

/*
 * The load of chaos-kill, with a balancer that goes to another instance when a connection is refused and does nothing else,
 * whether it keeps connections or not.
 */
async function underLoad(start, pool) {
	const { base, instances, proxy } = await start({ options: { drain: '2s', hold: '3s', 'mailbox-max': 2000, 'room-max': 10000 },
		proxy: { retry: 'refused', pool } });
	const load = await new Load(base, { clients: 50, count: 25, paceMs: 220 }).open();
	let sending = true;
	let ended = 0;
	const statuses = [];
	let longest = 0;
	const sent = load.run().finally(() => {
		sending = false;
	});
	while (sending) {
		const instance = instances[ended++ % instances.length];
		const { ms, value } = await timed(() => instance.stop());
		statuses.push(value.code ?? value.signal);
		longest = Math.max(longest, ms);
		await instance.start();
		await sleep(100); // It serves for a moment.
	}
	await sent;
	await load.settle();
	load.report();
	note(`${ended} instances ended, the slowest after ${longest.toFixed(0)} ms; ${proxy.retries} refused connections went to another instance`);
	ok(ended >= 3, 'each instance was ended at least once');
	isDeep(statuses.filter((status) => status !== 0), [], 'every instance ended with status 0');
	ok(longest <= inTime, 'within --drain', `the slowest took ${longest.toFixed(0)} ms`);
	isDeep(proxy.failures, [], 'no request failed');
	/* A frame may cross with the close frame: then it is not answered. */
	const repeated = load.clients.flatMap(({ failures }) => failures).filter(({ what, error }) => !(what === 'send' && error === 'close 1012'));
	isDeep(repeated, [], 'no client had to repeat anything but what it sent while its socket was closed');
	load.check();
	await load.stop();
}

async function parkedPolls(start) {
	const { instances: [instance], stop } = await start({ options: { drain: '2s' } });
	const sessions = await Promise.all(Array.from({ length: 20 }, async () => (await createSession(instance.base)).json));
	const answers = sessions.map(({ token, cursor }) => pollOnce(instance.base, token, cursor, 20000)
		.then((answer) => ({ answer, at: performance.now() })));
	await instance.waitMetric('pollgate_polls_parked', 20);
	const { ms, value } = await timed(async () => {
		instance.signal('SIGTERM');
		return instance.exited;
	});
	const got = await Promise.all(answers);
	ok(got.every(({ answer }) => answer.status === 200 && answer.json.messages.length === 0 && !answer.json.gaps),
		'parked polls are answered 200 without messages');
	ok(got.every(({ answer }, i) => typeof answer.json.cursor === 'string' && i >= 0), '... with a cursor to go on from');
	ok(got.every(({ answer }) => /\bclose\b/i.test(answer.headers.connection ?? '')), '... and Connection: close');
	const times = got.map(({ at }) => at);
	const spread = Math.max(...times) - Math.min(...times);
	ok(spread > 200, '... not all at once', `within ${spread.toFixed(0)} ms`);
	is(value.code, 0, 'the status is 0');
	ok(ms <= inTime, 'it ends within --drain', `after ${ms.toFixed(0)} ms`);
	await stop();
}

/* What is under way when SIGTERM comes is served; what comes behind it on the same connection is told to go. */
async function underWay(start) {
	const { instances: [instance], stop } = await start({ options: { drain: '3s' } });
	const client = await Client.open(instance.base, { start: false });
	const parked = client.poll(20000);
	await instance.waitMetric('pollgate_polls_parked', 1);
	const other = (await createSession(instance.base)).json;
	const sends = Promise.allSettled(Array.from({ length: 20 }, (_, i) => sendOps(instance.base, other.token,
		[{ op: 'send', to: client.id, event: 'late', data: i }])));
	instance.signal('SIGTERM');
	const statuses = (await sends).map(({ value, reason }) => value?.status ?? reason.code);
	isDeep(statuses.filter((status) => status !== 200 && status !== 'ECONNREFUSED'), [],
		'requests that came before SIGTERM was handled are answered, later ones refused a connection');
	is((await parked).status, 200, 'a parked poll is answered');
	await instance.exited;
	await waitFor(() => !instance.running, 'the end');
	await stop();
}

async function twice(start) {
	const { instances: [instance], stop } = await start({ options: { drain: '30s' } });
	const sessions = await Promise.all(Array.from({ length: 3 }, async () => (await createSession(instance.base)).json));
	const polls = Promise.allSettled(sessions.map(({ token, cursor }) => pollOnce(instance.base, token, cursor, 25000)));
	await instance.waitMetric('pollgate_polls_parked', 3);
	instance.signal('SIGTERM');
	await waitFor(async () => (await instance.request('GET', '/health').catch(({ code }) => code)) === 'ECONNREFUSED',
		'the listener to close');
	ok(instance.running, 'with a long --drain it does not end at once');
	const { ms } = await timed(async () => {
		instance.signal('SIGTERM');
		await instance.exited;
	});
	ok(ms < AT_ONCE, 'a second SIGTERM ends it at once', `after ${ms.toFixed(0)} ms`);
	await polls;
	await stop();
}

async function idle() {
	const instance = await startPollgate({ options: { drain: '30s' } });
	const { ms, value } = await timed(() => instance.stop());
	is(value.code, 0, 'without clients it ends with status 0');
	ok(ms < AT_ONCE, '... at once', `after ${ms.toFixed(0)} ms`);
	const interrupted = await startPollgate({ options: { drain: '30s' } });
	is((await interrupted.child.end('SIGINT')).code, 0, 'SIGINT does the same');
	const none = await startPollgate({ options: { drain: '0' } });
	const { token, cursor } = (await createSession(none.base)).json;
	const parked = pollOnce(none.base, token, cursor, 20000).catch((error) => error);
	await none.waitMetric('pollgate_polls_parked', 1);
	is((await none.stop()).code, 0, 'with --drain=0 it ends with status 0, too');
	await parked;
}

await idle();
await forEachStore(async ({ start, store }) => {
	await parkedPolls(start);
	await underWay(start);
	await twice(start);
	if (store === 'redis') {
		await scope('under load, a connection for each request', () => underLoad(start, false));
		await scope('under load, connections kept', () => underLoad(start, true));
	}
});
await done();
