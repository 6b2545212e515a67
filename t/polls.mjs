#!/usr/bin/env node
/* The shared poll: one request that polls for several sessions, each of which is polled for as by a request of its own. */
import { Client, SharedPoll, createSession, newToken, pollOnce, pollTogether, request, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { chances } from './lib/proxy.mjs';
import { done, is, isDeep, note, ok } from './lib/tap.mjs';
import { AT_ONCE, slowness, timed } from './lib/wait.mjs';

const open = async (base, body) => (await createSession(base, body)).json;
const openAll = (base, n) => Promise.all(Array.from({ length: n }, () => open(base)));
const parkedIs = (instance, n) => instance.waitMetric('pollgate_polls_parked', n);
const sendTo = (base, from, event, ...sessions) => sendOps(base, from.token, sessions.map(({ id }) => ({ op: 'send', to: id, event })));
/** What each part of an answer says: its events, or the code of its error. */
const told = ({ json }) => json.polls.map(({ messages, error }) => error?.code ?? messages.map(({ event }) => event));
/** The sessions with the cursors of the answer. */
const after = (sessions, { json }) => sessions.map((session, i) => ({ ...session, cursor: json.polls[i].cursor ?? session.cursor }));

async function delivering({ instances: [instance] }) {
	const { base } = instance;
	const sessions = await openAll(base, 4);
	const [a, b] = sessions;
	const parked = timed(() => pollTogether(base, sessions, 10000));
	await parkedIs(instance, 4);
	const start = performance.now();
	await sendTo(base, a, 'both', a, b);
	const { value: first } = await parked;
	is(first.status, 200, 'a message for one of the sessions ends a shared poll');
	ok(performance.now() - start < AT_ONCE, '... at once');
	isDeep(told(first), [['both'], ['both'], [], []], 'messages that come together to several sessions are in one answer');
	ok(first.json.polls.every(({ cursor }) => typeof cursor === 'string'), 'each has its cursor');
	await parkedIs(instance, 0);
	isDeep(told(await pollTogether(base, sessions)), [['both'], ['both'], [], []], 'the same cursors bring the same messages again');
	const next = after(sessions, first);
	isDeep(told(await pollTogether(base, next)), [[], [], [], []], 'those of the answer are behind them');
	await waitFor(async () => (await instance.request('GET', `/v1/sessions/${b.id}`, { token: a.token })).json.acked
		=== first.json.polls[1].messages[0].id, 'the acknowledgement');
	ok(true, '... and acknowledge them');
	await sendTo(base, a, 'waiting', ...sessions);
	isDeep(told(await pollTogether(base, next, 10000)), Array(4).fill(['waiting']), 'what waits for all of them comes in one answer');
	isDeep(told(await pollTogether(base, sessions.map(({ token }) => ({ token })))), [[], [], [], []],
		'a poll without a cursor begins behind what is there');
}

async function holding({ base, instances: [instance] }) {
	const sessions = await openAll(instance.base, 3);
	const at = async (hold, from, to) => {
		const { ms, value } = await timed(() => pollTogether(instance.base, sessions, hold));
		isDeep(told(value), [[], [], []], `hold ${hold}: answered without messages`);
		ok(ms >= from && ms <= to * slowness, `... after ${from} to ${to} ms`, `it took ${ms.toFixed(0)} ms`);
	};
	await at(0, 0, 1800);
	await at(300, 250, 1800);
	const { ms } = await timed(() => request(instance.base, 'POST', '/v1/polls', { body: { polls: [sessions[0]] } }));
	ok(ms >= 1700 && ms <= 5000 * slowness, 'without hold it is the usual one', `it took ${ms.toFixed(0)} ms`);
	await at(60000, 2500, 8000);
	const aborter = new AbortController();
	const left = pollTogether(instance.base, sessions, 10000, { signal: aborter.signal }).catch(() => 'left');
	await parkedIs(instance, 3);
	const before = await instance.metrics('pollgate_polls_abandoned_total');
	aborter.abort();
	is(await left, 'left', 'a client leaves');
	await parkedIs(instance, 0);
	is(await instance.metrics('pollgate_polls_abandoned_total'), before + 3, '... which is noticed at once, for each session');
	await sendTo(base, sessions[0], 'kept', ...sessions);
	isDeep(told(await pollTogether(base, sessions, 2000)), Array(3).fill(['kept']), '... and nothing is lost');
}

/* Which of two is newer is known to the millisecond. */
const nextMs = async () => {
	const begun = Date.now();
	await waitFor(() => Date.now() > begun + 1);
};

async function takingOver({ instances }) {
	for (const [where, second] of instances.length > 1 ? [['the same instance', instances[0]], ['another instance', instances[1]]]
		: [['the same instance', instances[0]]]) {
		const [first] = instances;
		const sessions = await openAll(first.base, 3);
		const shared = pollTogether(first.base, sessions, 10000);
		await parkedIs(first, 3);
		await nextMs();
		const single = pollOnce(second.base, sessions[1].token, sessions[1].cursor, 10000);
		isDeep(told(await shared), [[], 'taken', []], `a newer single poll on ${where} takes over from a shared one: taken`);
		await parkedIs(second, 1);
		await nextMs();
		const again = pollTogether(first.base, sessions, 10000);
		const empty = await single;
		isDeep([empty.status, empty.json.messages], [200, []], 'and a newer shared one from that, which is answered without messages');
		await parkedIs(first, 3);
		await nextMs();
		const third = pollTogether(second.base, [sessions[0], sessions[2]], 10000);
		isDeep(told(await again), ['taken', [], 'taken'], '... and a shared one from a shared one');
		await sendTo(first.base, sessions[1], 'mine', sessions[0]);
		isDeep(told(await third), [['mine'], []], 'the newest one gets the messages');
	}
	const [session, other] = await openAll(instances[0].base, 2);
	const twice = await timed(() => pollTogether(instances[0].base, [session, other, session], 10000));
	isDeep(told(twice.value), ['taken', [], []], 'of one session twice in a request the last one counts');
	ok(twice.ms < AT_ONCE, '... and the request is not parked');
}

async function wrong({ base, instances: [instance] }) {
	const sessions = await openAll(instance.base, 3);
	await sendTo(base, sessions[0], 'here', sessions[2]);
	const strange = [sessions[0], { token: newToken() }, { token: 'short' }, { ...sessions[1], cursor: 'x' }, {}, sessions[2]];
	isDeep(told(await pollTogether(instance.base, strange, 10000)),
		[[], 'session_gone', 'token_invalid', 'bad_cursor', 'token_invalid', ['here']],
		'a session that is gone, a wrong token and a wrong cursor are told in their place, with what there is for the others');
	isDeep(told(await pollTogether(instance.base, [{ token: 'a\0b' }], 10000)), ['token_invalid'], 'also if nothing else is asked');
	const parked = pollTogether(instance.base, sessions.slice(0, 2), 10000);
	await parkedIs(instance, 2);
	await request(base, 'POST', '/v1/close', { token: sessions[1].token });
	isDeep(told(await parked), [[], 'session_gone'], 'closing one of the sessions ends a parked poll');
	const refused = async (body, code = 'bad_request') => {
		const answer = await request(base, 'POST', '/v1/polls', { body });
		isDeep([answer.status, answer.code], [400, code], `${JSON.stringify(body).slice(0, 60)} is refused: ${code}`, answer.text);
	};
	const many = Array(7).fill({ token: sessions[0].token });
	await refused({ polls: many }, 'too_many_polls');
	await refused('{"polls":', 'bad_json');
	for (const body of [{}, [], { polls: [] }, { polls: {} }, { polls: [1] }, { polls: many.slice(6), hold: -1 },
		{ polls: many.slice(6), hold: '1' }])
		await refused(body);
}

async function draining({ instances, start }) {
	const { instances: [instance], stop } = await start({ n: 1, options: { drain: '2s' } });
	const sessions = await openAll(instance.base, 3);
	const parked = timed(() => pollTogether(instance.base, sessions, 20000));
	await parkedIs(instance, 3);
	instance.signal('SIGTERM');
	const { value } = await parked;
	isDeep([told(value), value.headers.connection], [[[], [], []], 'close'], 'SIGTERM answers a shared poll without messages');
	isDeep(await instance.exited, { code: 0, signal: null }, '... and the instance ends');
	if (instances.length > 1)
		isDeep(told(await pollTogether(instances[0].base, sessions, 300)), [[], [], []], '... and the sessions live on');
	await stop();
}

/* 20 sessions, three shared polls, everything at random instances, one of which is killed now and then. */
async function nothingLost({ start, n, redis }) {
	const fault = chances({ dropBefore: 0.02, dropAfter: 0.04, repeat: 0.03, delay: [0.1, 50] }, /^\/v1\/(send|polls)/);
	const { base, instances, stop } = await start({ options: { 'mailbox-max': 2000 }, proxy: { fault, pool: true } });
	const clients = await Promise.all(Array.from({ length: 20 }, (_, i) => Client.open(base, { name: `client ${i}`, start: false })));
	const shared = [clients.slice(0, 10), clients.slice(10, 18), clients.slice(18)].map((some) => new SharedPoll(base, some, { hold: 2000 }));
	let sending = true;
	const sent = Promise.all(clients.slice(0, 4).map(async (client, from) => {
		for (let i = 0; i < 250; i += 2)
			await client.ops(...[i, i + 1].map((k) => ({ op: 'send', to: clients[(k * 7 + from) % 20].id, event: 'n', data: [from, k] })));
	})).finally(() => {
		sending = false;
	});
	let kills = 0;
	while (redis && sending) {
		const victim = instances[kills++ % n];
		await victim.kill();
		await victim.start();
	}
	await sent;
	const wanted = (me) => [0, 1, 2, 3].flatMap((from) => Array.from({ length: 250 }, (_, k) => k)
		.filter((k) => (k * 7 + from) % 20 === me).map((k) => `${from}:${k}`));
	const bySender = (client) => [0, 1, 2, 3].flatMap((from) => client.messages.filter(({ data }) => data[0] === from)
		.map(({ data }) => data.join(':')));
	await waitFor(() => clients.every(({ messages }, i) => messages.length >= wanted(i).length),
		() => `all messages; ${clients.map((client) => client.summary()).join('; ')}`);
	isDeep(clients.filter((client, i) => JSON.stringify(bySender(client)) !== JSON.stringify(wanted(i))).map(({ name }) => name), [],
		'1000 messages to 20 sessions come each once and in order of their senders, whatever the network does');
	isDeep(clients.flatMap(({ gaps, disorder }) => [...gaps, ...disorder]), [], '... without a gap');
	isDeep(shared.flatMap(({ errors }) => errors.map(({ code }) => code)), [], '... and without an error in an answer');
	ok(shared.some(({ together }) => together > 0), '... some of them several in one answer');
	note(`${kills} kills, ${shared.map(({ answers, failures }) => `${answers} answers, ${failures.length} failures`).join('; ')}`);
	await Promise.all(shared.map((one) => one.stop()));
	await stop();
}

await forEachStore(async ({ start, n, redis }) => {
	const options = { 'hold': '2s', 'hold-max': '10s', 'polls-max': 6 };
	const cluster = await start({ options });
	await delivering(cluster);
	await holding(await start({ options: { ...options, 'hold-max': '3s' } }));
	await takingOver(cluster);
	await wrong(cluster);
	await draining({ ...cluster, start });
	await nothingLost({ start, n, redis });
});
await done();
