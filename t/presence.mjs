#!/usr/bin/env node
/* Who is away, who is back, who is gone: each told to each member of each room once, however many instances there are. */
import { Client, createSession, pollOnce, request, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { transportsWanted } from './lib/receive.mjs';
import { done, is, isDeep, note, ok } from './lib/tap.mjs';
import { AT_ONCE, sleep, timed } from './lib/wait.mjs';

const options = { 'away-after': '1s', 'session-ttl': '3s', 'hold': '20s' };
const room = 'presence';

const told = (watcher, id) => watcher.messages.filter(({ from, room: where }) => from === id && where === room)
	.map(({ event }) => event);

async function untilTold(watchers, id, wanted) {
	await waitFor(() => watchers.every((watcher) => told(watcher, id).length >= wanted.length),
		() => `${wanted} of ${id}; told: ${watchers.map((watcher) => told(watcher, id).join(' ')).join(' | ')}`);
}

const allTold = (watchers, id, wanted, what) => isDeep(watchers.map((watcher) => told(watcher, id)), watchers.map(() => wanted),
	what);

async function awayAndBack(base, watchers) {
	const session = (await createSession(base, { rooms: [room], data: 'quiet' })).json;
	const { ms } = await timed(() => untilTold(watchers, session.id, ['$join', '$away']));
	ok(ms > 700, 'a session is not away before --away-after', `it took ${ms.toFixed(0)} ms`);
	allTold(watchers, session.id, ['$join', '$away'], 'every member is told once that a session is away');
	is(watchers[0].messages.find(({ event, from }) => event === '$away' && from === session.id).data, 'quiet',
		'... with its public data');
	is((await watchers[0].look(session.id)).json.away, true, 'looking at it says so');
	is((await watchers[0].members(room)).json.members.find(({ id }) => id === session.id)?.away, true,
		'so does the list of members');
	const ways = [() => pollOnce(base, session.token, undefined, 0),
		() => sendOps(base, session.token, [{ op: 'send', room, event: 'alive', data: 1 }])];
	const wanted = ['$join', '$away'];
	for (const [i, contact] of ways.entries()) {
		await contact();
		wanted.push('$back');
		const plain = () => watchers.map((watcher) => told(watcher, session.id).filter((event) => event !== 'alive'));
		await waitFor(() => plain().every(({ length }) => length >= wanted.length),
			() => `$back; told ${JSON.stringify(plain())}`);
		isDeep(plain(), watchers.map(() => wanted), `a ${i === 0 ? 'poll' : 'send'} brings it back, every member is told once`);
		is((await watchers[0].look(session.id)).json.away, false, 'looking at it says so');
		if (i === 0) {
			wanted.push('$away');
			await waitFor(() => plain().every(({ length }) => length >= wanted.length), 'it to be away again');
		}
	}
	return session;
}

async function gone(base, watchers, session) {
	const plain = (watcher) => told(watcher, session.id).filter((event) => event !== 'alive');
	const wanted = ['$join', '$away', '$back', '$away', '$back', '$away', '$leave'];
	await waitFor(() => watchers.every((watcher) => plain(watcher).length >= wanted.length),
		() => `$leave; told ${JSON.stringify(watchers.map(plain))}`);
	isDeep(watchers.map(plain), watchers.map(() => wanted),
		'after --session-ttl without contact every member is told once that it left');
	is(watchers[0].messages.find(({ event, from }) => event === '$leave' && from === session.id).data, 'quiet',
		'... with its public data');
	const answer = await pollOnce(base, session.token, undefined, 0);
	isDeep([answer.status, answer.code], [410, 'session_gone'], 'its token is answered 410');
	is((await watchers[0].look(session.id)).code, 'recipient_gone', 'looking at it: recipient_gone');
	ok(!(await watchers[0].members(room)).json.members.some(({ id }) => id === session.id), 'it is no member any more');
}

/** Two seconds of nothing but looking around. */
async function looking(base, watchers) {
	const session = (await createSession(base, { rooms: [room] })).json;
	const start = Date.now();
	let last = start, longest = 0;
	for (let i = 0; Date.now() - start < 2000; i++) {
		await request(base, 'GET', i % 2 ? `/v1/rooms/${room}/members` : `/v1/sessions/${session.id}`, { token: session.token });
		await sleep(100); // More often than --away-after.
		longest = Math.max(longest, Date.now() - last);
		last = Date.now();
	}
	await untilTold(watchers, session.id, ['$join']);
	if (longest < 500)
		allTold(watchers, session.id, ['$join'], 'a session that only looks at others and rooms is not away');
	await request(base, 'POST', '/v1/close', { token: session.token });
}

async function closed(base, watchers) {
	const session = (await createSession(base, { rooms: [room, 'another'], data: 'brief' })).json;
	await untilTold(watchers, session.id, ['$join']);
	const { ms } = await timed(async () => {
		await sendOps(base, session.token, [{ op: 'set', data: 'changed' }]);
		await request(base, 'POST', '/v1/close', { token: session.token });
		await untilTold(watchers, session.id, ['$join', '$set', '$leave']);
	});
	ok(ms < AT_ONCE, 'closing a session is told at once', `it took ${ms.toFixed(0)} ms`);
	allTold(watchers, session.id, ['$join', '$set', '$leave'], '... once');
	is(watchers[0].messages.find(({ event, from }) => event === '$leave' && from === session.id).data, 'changed',
		'... with its last public data');
	return session;
}

/* Every instance may mark, sweep and remove: of a whole crowd too each is told of once. */
async function crowd(base, watchers) {
	const made = await Promise.all(Array.from({ length: 30 }, (_, i) => createSession(base, { rooms: [room], data: i })));
	const ids = made.map(({ json }) => json.id);
	const wanted = ['$join', '$away', '$leave'];
	for (const id of ids)
		await untilTold(watchers, id, wanted);
	const wrong = ids.flatMap((id) => watchers.map((watcher) => told(watcher, id).join(' '))
		.filter((events) => events !== wanted.join(' ')));
	isDeep(wrong, [], 'of 30 sessions that fall silent each member is told once that each is away, and once that it left');
}

async function killedInstance({ instances, proxy }, watchers) {
	const [victim, ...others] = instances;
	const session = (await createSession(others[0].base, { rooms: [room], data: 'orphan' })).json;
	pollOnce(victim.base, session.token, session.cursor, 20000).catch(() => {});
	await untilTold(watchers, session.id, ['$join']);
	await victim.waitMetric('pollgate_polls_parked', (n) => n >= 1);
	proxy.targets = others;
	await victim.kill();
	await untilTold(watchers, session.id, ['$join', '$away', '$leave']);
	allTold(watchers, session.id, ['$join', '$away', '$leave'],
		'a session whose instance was killed is away and gone in time, told by the others');
	await victim.start();
	proxy.targets = instances;
}

await forEachStore(async ({ start, store }) => {
	const cluster = await start({ options, proxy: { retry: 'reset' } });
	const { base } = cluster;
	/* It takes long, and what a watcher is told does not depend on the others: one of each kind. */
	const watchers = await Promise.all(transportsWanted.map((transport) => Client.open(base,
		{ name: `watcher by ${transport}`, transport, rooms: [room], hold: 20000 })));
	const begun = performance.now();
	const quiet = await awayAndBack(base, watchers);
	await gone(base, watchers, quiet);
	await looking(base, watchers);
	const brief = await closed(base, watchers);
	if (store === 'redis')
		await killedInstance(cluster, watchers);
	await crowd(base, watchers);
	allTold(watchers, brief.id, ['$join', '$set', '$leave'], 'a closed session is not told of again later');
	const ids = watchers.map(({ id }) => id);
	const lost = watchers.flatMap(({ messages }) => messages.filter(({ event, from }) => ids.includes(from)
		&& event !== '$join'));
	note(`${((performance.now() - begun) / 1000).toFixed(1)} s`);
	isDeep(lost, [], 'who has a poll parked, a stream or a socket for longer than --away-after is not away');
	isDeep(watchers.map(({ gaps, disorder, gone: isGone }) => [gaps, disorder, isGone]), watchers.map(() => [[], [], false]),
		'the watchers missed nothing');
});
await done();
