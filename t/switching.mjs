#!/usr/bin/env node
/*
 * A session has one way to receive at a time: whatever takes over from whatever, at the same instance or another one, nothing is
 * lost and nothing comes twice.  First each from each, then 1,000 times under load.
 */
import { Client } from './lib/client.mjs';
import { Load } from './lib/load.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { randomFrom } from './lib/proxy.mjs';
import { receive, transportsWanted, waitingGauge } from './lib/receive.mjs';
import { done, is, isDeep, note, ok } from './lib/tap.mjs';
import { sleep, within } from './lib/wait.mjs';

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1000000);
const switches = Number(process.env.SWITCHES ?? 1000);
note(`CHAOS_SEED=${seed}`);

const random = randomFrom(seed);
const pick = (list) => list[Math.floor(random() * list.length)];

/* ---- Each from each ---- */

/** A receiver and what it got. */
function begin(transport, { base }, { token, cursor }) {
	const got = { transport, messages: [], cursor, documents: 0 };
	got.receiver = receive(transport, base, { token, cursor, hold: 20000, onDocument: (document) => {
		got.messages.push(...document.messages);
		got.cursor = document.cursor;
		got.documents++;
	} });
	return got;
}

async function open(instances, transport) {
	const all = await Promise.all(instances.map((instance) => instance.metrics(waitingGauge(transport))));
	return all.reduce((a, b) => a + b);
}

/** One that waits where it is to wait. */
async function settled(instances, got) {
	await waitFor(async () => await open(instances, got.transport) > 0 && (got.transport === 'poll' || got.documents > 0),
		`a ${got.transport} to wait`);
	const started = Date.now();
	await waitFor(() => Date.now() > started, 'a millisecond to pass: of two sinks that begin in the same one either may end', { everyMs: 1 });
}

async function takeOver(instances, [from, here], [to, there]) {
	const words = `${to} takes over from ${from} ${here === there ? 'where that is' : 'from another instance'}`;
	const [a, b] = await Promise.all([0, 1].map(() => Client.open(here.base, { start: false })));
	const older = begin(from, here, b);
	await settled(instances, older);
	const newer = begin(to, there, { token: b.token, cursor: older.cursor });
	const { why } = await within(older.receiver.ended, `the end of the older: ${words}`);
	is(why, from === 'poll' ? 'over' : 'taken', words);
	await a.send(b.id, 'x', words);
	await waitFor(() => newer.messages.length > 0, 'the message');
	isDeep([older.messages, newer.messages.map(({ data }) => data)], [[], [words]], '... and what is sent comes to it alone');
	newer.receiver.stop();
	await waitFor(async () => await open(instances, to) === 0, 'it to leave');
}

async function eachFromEach(start) {
	const { instances, stop } = await start();
	for (const from of transportsWanted)
		for (const to of transportsWanted)
			for (const there of new Set([instances[0], instances.at(-1)]))
				await takeOver(instances, [from, instances[0]], [to, there]);
	await stop();
}

/* ---- Under load ---- */

/** Switch now and then until there were enough: by leaving the older one, or by taking over from it. */
async function driveSwitches(clients, counts, olders) {
	let left = switches;
	await Promise.all(clients.map(async (client) => {
		while (left-- > 0) {
			await sleep(100 + random() * 300);
			const [from, to] = [client.transport, pick(transportsWanted.filter((transport) => transport !== client.transport))];
			const leave = random() < 0.5;
			const older = client.use(to, { leave });
			const kind = `${from} to ${to}, ${leave ? 'left' : 'taken over'}`;
			counts[kind] = (counts[kind] ?? 0) + 1;
			if (!leave)
				olders.push(older.ended.then(({ why }) => `${from} ${why}`));
		}
	}));
}

async function underLoad(start) {
	const { base, proxy, stop } = await start({ options: { 'hold': '3s', 'mailbox-max': 2000, 'room-max': 10000, 'sse-life': '3s' },
		proxy: { seed, retry: 'refused', pool: true } });
	const load = await new Load(base, { clients: 24, roomSize: 6, count: 100, paceMs: 100 }).open();
	const counts = {}, olders = [];
	await Promise.all([load.run(), driveSwitches(load.clients, counts, olders)]);
	await load.settle();
	load.report();
	const total = Object.values(counts).reduce((a, b) => a + b, 0);
	const crossed = load.clients.reduce((sum, client) => sum + client.crossed, 0);
	note(`${total} switches, of which ${crossed} were crossed by an older request:`, counts);
	is(total, switches, 'clients switched as often as they were to');
	is(Object.keys(counts).length, transportsWanted.length * (transportsWanted.length - 1) * 2, '... from each to each, in both ways');
	load.check();
	isDeep(load.clients.filter(({ taken, gone }) => taken || gone).map((client) => `${client.name}: ${client.summary()}`), [],
		'nobody was taken over from by a stranger');
	const ends = await within(Promise.all(olders), 'the older ones to end');
	isDeep([...new Set(ends)].filter((end) => !['poll over', 'sse taken', 'sse over', 'ws taken'].includes(end)), [],
		'who was taken over from was told so');
	ok(ends.filter((end) => end.endsWith('taken')).length > ends.length / 4, '... by its end', ends.length);
	isDeep(proxy.failures, [], 'no request failed');
	await load.stop();
	await stop();
}

await forEachStore(async ({ start }) => {
	await eachFromEach(start);
	await underLoad(start);
});
await done();
