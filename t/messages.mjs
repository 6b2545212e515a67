#!/usr/bin/env node
/* Messages between sessions and in rooms: who gets what, in which order, and what a repeated request does. */
import { Client, compareIds, createSession, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { forEachTransport } from './lib/receive.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const bare = ({ from, room, event, data }) => ({ from, ...(room === undefined ? {} : { room }), event, data });
const dataOf = (messages) => messages.map(({ data }) => data);
let names = 0;
const newRoom = () => `room ${++names} \u00e4\u{1F600}/?&%`;

/** Sessions that are polled by hand: what each receives is what poll() returns. */
async function openAll(base, n, options = {}) {
	return Promise.all(Array.from({ length: n }, (_, i) => Client.open(base, { start: false, data: `c${i}`, ...options })));
}

/** All that has come for a client until `event` (or at once, when none is named). */
async function drain(client, event) {
	const from = client.messages.length;
	if (event === undefined)
		await client.poll(0);
	else
		await waitFor(async () => {
			await client.poll(1000);
			return client.messages.slice(from).some((message) => message.event === event);
		}, `${event} to come`);
	return client.messages.slice(from);
}

async function direct(base) {
	const [a, b, c] = await openAll(base, 3);
	const { id } = await a.send(b.id, 'offer', { sdp: 'v=0' });
	like(id, /^\d+-\d+$/, 'a sent message is answered with its id');
	const [message, ...more] = await drain(b, 'offer');
	isDeep(message, { id, from: a.id, event: 'offer', data: { sdp: 'v=0' } },
		'a direct message has id, from, event and data, and no room');
	isDeep(more, [], 'it comes once');
	isDeep(await drain(c), [], 'nobody else gets it');
	isDeep(await drain(a), [], 'nor does its sender');
	await a.send(a.id, 'note', 1);
	isDeep((await drain(a, 'note')).map(bare), [{ from: a.id, event: 'note', data: 1 }], 'a session may write to itself');
	const values = [null, true, 0, -0.5, 1e21, 9007199254740991, '', 'a\u0000b\u2028\u{1F600}"\\/', [], {}, [[1, { a: [] }]],
		{ '': 1, 'ä': null }];
	await a.ops(...values.map((data) => ({ op: 'send', to: b.id, event: 'any', data })));
	await a.ops({ op: 'send', to: b.id, event: 'none' });
	const got = await drain(b, 'none');
	isDeep(dataOf(got), [...values, null], 'any JSON value comes as it was sent; no data is null');
}

async function verbatim(base) {
	const [a, b] = await openAll(base, 2);
	const text =
		'{"big":123456789012345678901234567890,"tiny":0.10,"exp":1E400,"escaped":"\\u00e9\\ud83d\\ude00","twice":1,"twice":2}';
	const { status } = await sendText(base, a.token, `{"ops":[{"op":"send","to":"${b.id}","event":"raw","data":${text}}]}`);
	is(status, 200, 'numbers beyond 64 bits are JSON');
	const answer = await b.poll(2000);
	ok(answer.text.includes(text), 'data reaches the other one as the text that it was', answer.text);
}

const sendText = (base, token, body) => sendOps(base, token, [], undefined, { body });

async function ordered(base) {
	const [a, b] = await openAll(base, 2);
	const wanted = [];
	for (let request = 0; request < 12; request++) {
		const ops = [];
		for (let i = 0; i < 7; i++) {
			wanted.push(wanted.length);
			ops.push({ op: 'send', to: b.id, event: 'n', data: wanted.length - 1 });
		}
		await a.ops(...ops);
	}
	await a.send(b.id, 'end', null);
	const got = await drain(b, 'end');
	isDeep(dataOf(got.slice(0, -1)), wanted, 'messages of one sender come in the order of its operations');
	ok(got.every(({ id }, i) => i === 0 || compareIds(got[i - 1].id, id) < 0), 'ids increase within a stream');
	isDeep(b.duplicates.concat(b.disorder), [], 'none comes twice or out of order');
}

async function refusals(base) {
	const [a, b] = await openAll(base, 2);
	const results = await a.ops({ op: 'send', to: 'A'.repeat(22), event: 'x', data: 1 }, { op: 'leave', room: 'never joined' },
		{ op: 'send', to: b.id, event: 'after', data: 2 });
	is(results[0].error?.code, 'recipient_gone', 'a message to nobody is refused: recipient_gone');
	ok(typeof results[0].error?.detail === 'string', 'a refusal says why');
	is(results[1].error?.code, 'not_joined', 'leaving a room that was not joined is refused: not_joined');
	like(results[2].id, /^\d+-\d+$/, 'operations behind a refused one are applied');
	isDeep(dataOf(await drain(b, 'after')), [2], '... and take effect');
	const bad = [[{ op: 'dance' }], [{}], [7], [{ op: 'send', to: b.id }], [{ op: 'send', to: b.id, event: '' }],
		[{ op: 'send', to: b.id, event: '$join' }],
		[{ op: 'send', event: 'x' }], [{ op: 'send', to: b.id, room: 'r', event: 'x' }],
			[{ op: 'send', to: 'short', event: 'x' }], [{ op: 'join' }],
		[{ op: 'join', room: '' }], [{ op: 'join', room: 'a\nb' }], [{ op: 'join', room: 'r', history: -1 }],
			[{ op: 'join', room: 'r', max: 'two' }],
		[{ op: 'send', room: 'r', event: 'x', self: 'yes' }], [{ op: 'send', to: b.id, event: 'good' }, { op: 'nonsense' }]];
	for (const ops of bad) {
		const answer = await sendOps(base, a.token, ops, a.seq);
		ok(answer.status === 400 && answer.code === 'bad_op', `${JSON.stringify(ops)} is refused with 400 bad_op`, answer.text);
	}
	await a.send(b.id, 'last', 3);
	isDeep((await drain(b, 'last')).map(({ event }) => event), ['last'],
		'of a request with a malformed operation none is applied, and its numbers are not used');
}

async function rooms(base) {
	const room = newRoom();
	const [a, b, c] = await openAll(base, 3);
	const first = await a.join(room);
	isDeep([first.room, first.count, first.members], [room, 1, [{ id: a.id, data: 'c0' }]],
		'joining answers the room and its members with their data');
	ok(!('existing' in first) && !('history' in first), 'neither existing nor history when there is no cause');
	const second = await b.join(room);
	is(second.count, 2, 'the second is told of two members');
	isDeep(second.members.map(({ id }) => id).sort(), [a.id, b.id].sort(), 'both are listed');
	isDeep((await drain(a, '$join')).map(bare), [{ from: b.id, room, event: '$join', data: 'c1' }],
		'members are told who joins, with its data');
	isDeep(await drain(b), [], 'the joiner is not told of itself');
	await a.sendRoom(room, 'chat', 'hello');
	isDeep((await drain(b, 'chat')).map(bare), [{ from: a.id, room, event: 'chat', data: 'hello' }],
		'a message in a room reaches the other members');
	isDeep(await drain(a), [], 'not its sender');
	const { id } = await a.sendRoom(room, 'echo', 1, true);
	isDeep(await drain(a, 'echo'), [{ id, from: a.id, room, event: 'echo', data: 1 }],
		'with "self" the sender gets it too, with the id that it was told');
	await c.sendRoom(room, 'guest', 2);
	isDeep((await drain(b, 'guest')).map(bare).at(-1), { from: c.id, room, event: 'guest', data: 2 },
		'who is no member may send to a room');
	isDeep(await drain(c), [], 'who is no member gets nothing of it');
	await a.set({ mood: 'good' });
	isDeep((await drain(b, '$set')).map(bare), [{ from: a.id, room, event: '$set', data: { mood: 'good' } }],
		'members are told of new public data');
	await a.leave(room);
	isDeep((await drain(b, '$leave')).map(bare), [{ from: a.id, room, event: '$leave', data: { mood: 'good' } }],
		'members are told who leaves');
	await drain(a);
	await b.sendRoom(room, 'alone', 3);
	isDeep(await drain(a), [], 'who left gets nothing more');
	is((await a.ops({ op: 'leave', room }))[0].error?.code, 'not_joined', 'leaving twice is refused');
}

async function membersAndLook(base) {
	const room = newRoom();
	const [a, b] = await openAll(base, 2);
	isDeep((await a.members(room)).json, { room, members: [], count: 0 }, 'nobody is in a room that does not exist');
	await a.join(room);
	await b.join(room);
	const { json } = await b.members(room);
	isDeep([json.room, json.count, json.members.map(({ id, data }) => [id, data]).sort()],
		[room, 2, [[a.id, 'c0'], [b.id, 'c1']].sort()],
		'the members of a room can be asked for');
	ok(json.members.every((member) => !member.away), 'nobody is away');
	const fresh = (await a.look(b.id)).json;
	isDeep([fresh.id, fresh.away, fresh.data, fresh.acked], [b.id, false, 'c1', fresh.last],
		'a session can be looked at; all of its empty mailbox is acknowledged');
	const { id } = await a.send(b.id, 'x', 1);
	is((await a.look(b.id)).json.last, id, 'last is the id of the last direct message to it');
	await drain(b, 'x');
	const before = (await a.look(b.id)).json.acked;
	ok(compareIds(before, id) < 0, 'a message that was only delivered is not acknowledged');
	await b.poll(0);
	const acked = await waitFor(async () => {
		const look = (await a.look(b.id)).json;
		return look.acked !== null && compareIds(look.acked, id) >= 0 && look;
	}, 'the message to be acknowledged');
	ok(acked, 'the next poll acknowledges it');
	is((await a.look('B'.repeat(22))).code, 'recipient_gone', 'looking at nobody: recipient_gone');
	const nameless = (await createSession(base)).json;
	is((await a.look(nameless.id)).json.data, null, 'public data that was never set is null');
}

/** A client that has all of its mailbox and gets nothing more gives its memory back: what it had cannot come again. */
async function givesBack(base) {
	const [a, b] = await openAll(base, 2);
	const before = b.cursor;
	await a.send(b.id, 'x', 1);
	isDeep(dataOf(await drain(b, 'x')), [1], 'a message comes');
	isDeep((await b.poll(300)).json.messages, [], 'nothing else does');
	await waitFor(async () => {
		b.cursor = before;
		return (await b.poll(0)).json.gaps?.length === 1;
	}, 'a gap');
	ok(true, 'then it is not kept any more');
}

async function history(base) {
	const room = newRoom();
	const [a, b, c] = await openAll(base, 3);
	await a.join(room);
	for (let i = 0; i < 10; i++) {
		await a.sendRoom(room, 'chat', i, i % 2 === 0);
		if (i % 3 === 0) {
			await b.join(room);
			await b.leave(room);
		}
	}
	const joined = await c.join(room, { history: 4 });
	isDeep(joined.history.map(bare), [6, 7, 8, 9].map((data) => ({ from: a.id, room, event: 'chat', data })),
		'the last messages come on joining, oldest first, without gateway events');
	ok(joined.history.every(({ id }) => compareIds(id, joined.id) < 0), 'they are before the position of the join');
	await a.sendRoom(room, 'chat', 10);
	isDeep(dataOf(await drain(c, 'chat')), [10], 'what comes by polling goes on behind them');
	isDeep((await b.join(room, { history: 100 })).history.map(({ data }) => data), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
		'more than there is brings all');
	isDeep((await Client.open(base, { start: false, rooms: [{ room, history: 2 }] })).session.rooms[0].history.map(({ data }) =>
		data), [9, 10],
		'history can be had with the session itself');
	const empty = await c.join(newRoom(), { history: 5 });
	isDeep(empty.history, [], 'a new room has an empty history');
	const again = await c.join(room, { history: 1 });
	is(again.existing, true, 'who joins again is told so');
	is(compareIds(again.id, joined.id), 0, '... and where it joined');
	isDeep(again.history.map(({ data }) => data), [10], '... and has the history');
	isDeep((await drain(a)).filter(({ event, from }) => event === '$join' && from === c.id).length, 1,
		'the others are told of one join');
}

async function maximum(base) {
	const room = newRoom();
	const [a, b, c] = await openAll(base, 3);
	await a.join(room, { max: 2 });
	await b.join(room, { max: 2 });
	is((await c.join(room, { max: 2 })).error?.code, 'room_full', 'the third is told that the room is full');
	is((await b.join(room, { max: 2 })).existing, true, 'a member may join again');
	is((await a.members(room)).json.count, 2, 'who was refused is no member');
	await a.leave(room);
	is((await c.join(room, { max: 2 })).count, 2, 'when one leaves another may enter');
	const crowd = await openAll(base, 6);
	const last = newRoom();
	const results = await Promise.all(crowd.map((client) => client.join(last, { max: 2 })));
	is(results.filter(({ error }) => error?.code === 'room_full').length, 4,
		'of six who join a room for two at once four are refused');
	const refused = (await createSession(base, { rooms: [{ room: last, max: 2 }, newRoom()] })).json;
	is(refused.rooms?.[0].error?.code, 'room_full', 'a session can be made although a room refuses it');
	is(refused.rooms?.[1].count, 1, '... and is in the other rooms');
	is(refused.seq, 1, '... and numbers its operations from 1');
}

async function numbers(base) {
	const [a, b] = await openAll(base, 2);
	const send = (seq, ...data) => sendOps(base, a.token, data.map((d) => ({ op: 'send', to: b.id, event: 'n', data: d })), seq);
	const first = await send(1, 1, 2);
	isDeep([first.status, first.json.seq, first.json.results.length], [200, 3, 2], 'the answer has the number that comes next');
	const repeat = await send(1, 1, 2);
	isDeep([repeat.status, repeat.json.seq], [200, 3], 'a repeat is answered 200 with the same number');
	ok(repeat.json.results.every((result, i) => result.repeated === true || result.id === first.json.results[i].id),
		'a repeat has the results of the first time, or says repeated', repeat.text);
	const overlap = await send(2, 2, 3, 4);
	isDeep([overlap.status, overlap.json.seq, overlap.json.results.length], [200, 5, 3],
		'of a request that overlaps what is new is applied');
	const hole = await send(9, 9);
	isDeep([hole.status, hole.code, hole.json.expected], [409, 'seq_hole', 5],
		'a hole is refused: 409 seq_hole with the expected number');
	const unnumbered = await send(undefined, 5);
	isDeep([unnumbered.status, 'seq' in unnumbered.json], [200, false], 'a request without a number is applied as it comes');
	const same = await Promise.all(Array.from({ length: 8 }, () => send(5, 6, 7)));
	ok(same.every(({ status, json }) => status === 200 && json.seq === 7),
		'the same request many times at once is answered 200 each time', ...same.map(({ text }) => text));
	is((await send(6, 7, 8, 9)).json.seq, 9, 'and goes on from there');
	const empty = await sendOps(base, a.token, [], 9);
	isDeep([empty.status, empty.json?.results], [200, []], 'a request of no operations is in order', empty.text);
	await sendOps(base, a.token, [{ op: 'send', to: b.id, event: 'end', data: 'end' }]);
	isDeep(dataOf(await drain(b, 'end')), [1, 2, 3, 4, 5, 6, 7, 8, 9, 'end'], 'each is applied once, in order');
	const room = newRoom();
	const join = [{ op: 'join', room, max: 1 }, { op: 'send', room, event: 'x', data: 1 }, { op: 'leave', room }];
	const one = await sendOps(base, b.token, join, 1);
	const two = await sendOps(base, b.token, join, 1);
	is(one.status, 200, 'a join, a send and a leave in one request');
	isDeep([two.status, two.json.seq], [200, 4], 'can be repeated as a whole');
	is((await b.members(room)).json.count, 0, '... without joining again');
	is((await sendOps(base, b.token, [{ op: 'leave', room }], 4)).json.results[0].error?.code, 'not_joined',
		'a refused operation has a number');
	is((await sendOps(base, b.token, [{ op: 'set', data: 1 }], 5)).status, 200, '... which is used up');
}

async function busyRoom(base) {
	const room = newRoom();
	const clients =
		await Promise.all(Array.from({ length: 8 },
		(_, i) => Client.open(base, { name: `client ${i}`, rooms: [room], hold: 5000 })));
	await Promise.all(clients.map(async (client, me) => {
		for (let i = 0; i < 12; i++)
			await client.sendRoom(room, 'chat', [me, i], true);
	}));
	for (const client of clients)
		await waitFor(() => client.of(room).length >= 96, () => `all of the room; ${client.summary()}`);
	const orders = clients.map((client) => JSON.stringify(client.of(room).map(({ id }) => id)));
	is(new Set(orders).size, 1, 'all members of a room get its messages in the same order');
	for (const [me, client] of clients.entries()) {
		const fromEach = clients.map((_, from) => client.of(room).filter(({ data }) => data[0] === from)
			.map(({ data }) => data[1]));
		ok(fromEach.every((list) => list.length === 12 && list.every((n, i) => n === i)),
			`client ${me} has each sender's messages in order, each once`);
		isDeep([client.gaps, client.disorder, client.failures], [[], [], []], `client ${me} saw no gap, disorder or failure`);
	}
	await Promise.all(clients.map((client) => client.stop()));
}

await forEachStore(async ({ start, store }) => {
	const { base, proxy } = await start();
	await forEachTransport(async () => {
		await direct(base);
		await verbatim(base);
		await ordered(base);
		await refusals(base);
		await rooms(base);
		await membersAndLook(base);
		await givesBack(base);
		await history(base);
		await maximum(base);
		await numbers(base);
		await busyRoom(base);
	});
	await scope('in all', () => isDeep(proxy.failures.filter(({ status }) => status === 'cut' || status >= 500), [],
		`no request failed on ${store}`));
});
await done();
