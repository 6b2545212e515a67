#!/usr/bin/env node
/*
 * A network that drops, delays and repeats whatever it likes, on both stores: each message arrives exactly once, in order.
 * And a platform that gives each instance one request at a time: everything works, nothing is refused.
 */
import { chaos } from './lib/chaos.mjs';
import { Client } from './lib/client.mjs';
import { Load } from './lib/load.mjs';
import { forEachStore } from './lib/pollgate.mjs';
import { chances, randomFrom } from './lib/proxy.mjs';
import { done, is, isDeep, ok } from './lib/tap.mjs';

const { seed } = chaos();

async function badNetwork(start) {
	const fault = chances({ dropBefore: 0.03, dropAfter: 0.05, repeat: 0.05, delay: [0.2, 200] }, /./, randomFrom(seed));
	const { base, proxy, stop } = await start({ options: { 'hold': '3s', 'mailbox-max': 2000, 'room-max': 10000 },
		proxy: { seed, fault, retry: 'none', pool: true } });
	const load = await new Load(base, { clients: 40, roomSize: 8, count: 25, paceMs: 150, retryMs: 30 }).open();
	await load.run();
	await load.settle();
	load.report();
	ok(proxy.dropped > 50 && proxy.repeats > 30, 'many requests were dropped, many repeated',
		`${proxy.dropped} and ${proxy.repeats}`);
	is(load.sent, 40 * 25 * 2, 'every message was taken in the end');
	load.check();
	const counts = await Promise.all(load.clients.slice(0, 8).map((client) => client.members(load.roomOf(0)).catch(() => null)));
	const known = counts.filter((answer) => answer?.status === 200);
	isDeep([...new Set(known.map(({ json }) => json.count))], [8], 'nobody is twice in a room');
	await load.stop();
	await stop();
}

/* Two who talk in turns, each with a poll parked, on as many instances as there are requests. */
async function oneAtATime(start, n) {
	const { base, proxy, stop } =
		await start({ n, options: { hold: '2s' }, proxy: { concurrency: n === 1 ? 3 : 1, pool: true } });
	const [a, b] = await Promise.all(['a', 'b'].map((name) => Client.open(base, { name, rooms: ['pair'] })));
	b.onMessage = ({ event, data, from }) => {
		if (event === 'ping')
			b.send(from, 'pong', data);
	};
	for (let i = 0; i < 60; i++) {
		await a.send(b.id, 'ping', i);
		await a.waitEvent('pong', ({ data }) => data === i);
	}
	await a.sendRoom('pair', 'last', 1);
	await b.waitEvent('last');
	isDeep(a.of('').map(({ data }) => data), Array.from({ length: 60 }, (_, i) => i),
		'two clients talk while each instance serves one request at a time');
	isDeep([a.gaps, b.gaps, a.failures, b.failures, proxy.failures], [[], [], [], [], []], '... and no request fails');
	await Promise.all([a.stop(), b.stop()]);
	await stop();
}

await forEachStore(async ({ start, n }) => {
	await badNetwork(start);
	await oneAtATime(start, n);
});
await done();
