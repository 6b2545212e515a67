#!/usr/bin/env node
/* Everything that comes from outside has a limit, each limit its option and its clear error, and what is within it passes. */
import { Client, createSession, pollOnce, sendOps } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { request } from './lib/request.mjs';
import { forEachTransport } from './lib/receive.mjs';
import { done, is, isDeep, like, ok } from './lib/tap.mjs';

const options = {
	'ops-max': 4, 'max-message': 100, 'max-data': 50, 'event-max': 10, 'room-name-max': 12, 'rooms-per-session': 3,
	'members-max': 2, 'history-max': 5, 'answer-max': '1K', 'max-body': '2K', 'mailbox-max': 500, 'hold': '1s',
};

function refused(answer, status, code, what) {
	isDeep([answer.status, answer.code], [status, code], what, answer.text.slice(0, 300));
}

async function opsAndSizes(base) {
	const { token, id } = (await createSession(base)).json;
	const send = (more) => sendOps(base, token, [{ op: 'send', to: id, event: 'e', ...more }]);
	const leave = { op: 'leave', room: 'r' };
	is((await sendOps(base, token, Array(4).fill(leave))).status, 200, '--ops-max operations pass');
	refused(await sendOps(base, token, Array(5).fill(leave)), 400, 'too_many_ops', 'one more is refused: too_many_ops');
	is((await send({ data: 'x'.repeat(98) })).status, 200, 'data of --max-message bytes passes');
	refused(await send({ data: 'x'.repeat(99) }), 413, 'message_too_large', 'one byte more is refused: message_too_large');
	is((await send({ event: 'é'.repeat(5) })).status, 200, 'an event of --event-max bytes passes');
	refused(await send({ event: 'é'.repeat(5) + 'x' }), 400, 'bad_op', 'one byte more is refused: bad_op');
	is((await sendOps(base, token, [{ op: 'set', data: 'x'.repeat(48) }])).status, 200, 'public data of --max-data bytes passes');
	refused(await sendOps(base, token, [{ op: 'set', data: 'x'.repeat(49) }]), 413, 'message_too_large',
		'one byte more is refused');
	refused(await createSession(base, { data: 'x'.repeat(49) }), 413, 'message_too_large', 'when a session is made, too');
	is((await sendOps(base, token, [{ op: 'join', room: 'é'.repeat(6) }])).json.results[0].count, 1,
		'a room name of --room-name-max bytes passes');
	refused(await sendOps(base, token, [{ op: 'join', room: 'é'.repeat(6) + 'x' }]), 400, 'bad_op',
		'one byte more is refused: bad_op');
	const body = JSON.stringify({ ops: [] });
	is((await sendOps(base, token, [], undefined, { body: body + ' '.repeat(2048 - body.length) })).status, 200,
		'a body of --max-body bytes passes');
	const large = await sendOps(base, token, [], undefined, { body: body + ' '.repeat(2049 - body.length) })
		.catch((error) => error);
	isDeep([large.status, large.code], [413, 'body_too_large'], 'one byte more is refused: body_too_large', large.text ?? large);
	const foreign = await request(base, 'POST', `/v1/send?token=${token}`, { headers: { Origin: 'https://app.example' }, body: ' '.repeat(5000) });
	isDeep([foreign.status, foreign.headers['access-control-allow-origin']], [413, '*'], 'a page of another origin can read that');
}

async function rooms(base) {
	const { token, id } = (await createSession(base)).json;
	const join = async (room, more = {}) => (await sendOps(base, token, [{ op: 'join', room, ...more }])).json?.results[0];
	for (const room of ['a', 'b', 'c'])
		is((await join(room)).room, room, `room ${room} of --rooms-per-session`);
	const fourth = await join('d');
	is(fourth.error?.code, 'too_many_joined', 'one room more is refused: too_many_joined');
	is((await join('a')).existing, true, 'a room that it is in does not count twice');
	await sendOps(base, token, [{ op: 'leave', room: 'b' }]);
	is((await join('d')).room, 'd', 'leaving one makes place for another');
	for (let i = 0; i < 3; i++)
		await createSession(base, { rooms: ['crowd'] });
	const { json } = await createSession(base, { rooms: ['crowd'] });
	isDeep([json.rooms[0].count, json.rooms[0].members.length], [4, 2], '--members-max are listed, the count is the true number');
	isDeep((await createSession(base, { rooms: ['crowd', 'crowd'] })).json.rooms.map(({ count, members }) => [count, members.length]), [[5, 1], [5, 1]],
		'... in all rooms of one answer');
	await sendOps(base, token, [0, 1, 2, 3].map((data) => ({ op: 'send', room: 'hist', event: 'h', data })));
	await sendOps(base, token, [4, 5, 6, 7].map((data) => ({ op: 'send', room: 'hist', event: 'h', data })));
	await sendOps(base, token, [{ op: 'leave', room: 'd' }]);
	isDeep((await join('hist', { history: 5 })).history.map(({ data }) => data), [3, 4, 5, 6, 7],
		'--history-max messages can be asked for');
	await sendOps(base, token, [0, 1, 2, 3].map((i) => ({ op: 'send', room: 'hist', event: 'h', data: `${i}`.repeat(90) })));
	const joins = (await sendOps(base, token, Array(4).fill({ op: 'join', room: 'hist', history: 5 }))).json.results;
	ok(joins.every(({ history }) => history.length > 0 && history.at(-1).data[0] === '3'), 'a history ends with the last message');
	ok(JSON.stringify(joins.map(({ history }) => history)).length < 1200, '... and all of one answer have --answer-max bytes', JSON.stringify(joins));
	const more = await sendOps(base, token, [{ op: 'join', room: 'hist', history: 6 }]);
	ok(more.status === 400 && more.code === 'bad_op' || more.json?.results?.[0].history?.length === 5, 'never more come',
		more.text.slice(0, 300));
	ok(id, 'the session lives');
}

/* One answer has at most --answer-max bytes of messages; the others come with the next polls, in order. */
async function answers(base) {
	const [a, b] = [await Client.open(base, { start: false }), await Client.open(base, { start: false, rooms: ['answers'] })];
	const wanted = { direct: [], room: [] };
	for (let i = 0; i < 60; i++) {
		const data = `${i}:${'x'.repeat(80)}`;
		wanted.direct.push(data);
		wanted.room.push(data);
		await a.ops({ op: 'send', to: b.id, event: 'n', data }, { op: 'send', room: 'answers', event: 'n', data });
	}
	let largest = 0;
	let asked = 0;
	await waitFor(async () => {
		const answer = await b.poll(0);
		asked++;
		largest = Math.max(largest, answer.json.messages.reduce((sum, message) => sum + JSON.stringify(message).length, 0));
		return answer.json.messages.length === 0;
	}, 'all to be fetched', { everyMs: 1 });
	isDeep(b.of('').map(({ data }) => data), wanted.direct,
		'direct messages beyond --answer-max come with the next answers, none lost');
	isDeep(b.of('answers').map(({ data }) => data), wanted.room, 'so do those of a room');
	isDeep([b.gaps, b.disorder], [[], []], 'without a gap or disorder');
	ok(asked > 5 && largest < 4096, 'an answer is small', `polls: ${asked}, bytes of messages in the largest answer: ${largest}`);
}

async function oneLarge(start) {
	const { base, stop } = await start({ options: { 'answer-max': '1K', 'max-message': '64K', 'hold': '1s' } });
	const [a, b] = [await Client.open(base, { start: false }), await Client.open(base, { start: false })];
	const sizes = [10, 30000, 10, 60000, 2000];
	await a.ops(...sizes.map((size) => ({ op: 'send', to: b.id, event: 'n', data: 'x'.repeat(size) })));
	await waitFor(async () => (await b.poll(0)).json.messages.length === 0, 'all to be fetched', { everyMs: 1 });
	isDeep(b.messages.map(({ data }) => data.length), sizes, 'a message larger than --answer-max comes alone');
	const large = 'y'.repeat(65534);
	const parked = b.poll(5000);
	await a.send(b.id, 'n', large);
	is((await parked).json.messages[0]?.data.length ?? (await b.poll(1000)).json.messages[0].data.length, 65534,
		'a message of --max-message bytes wakes a poll');
	await stop();
}

async function sessionsAndRooms(start, store) {
	const { base, instances } = await start({ options: { 'max-sessions': 5, 'max-rooms': 3, 'hold': '1s' } });
	const made = [];
	const answers = [];
	const counted = () =>
		Promise.all(instances.map((instance) => instance.waitMetric('pollgate_sessions', (n) => n >= 5)));
	for (let i = 0; i < 5; i++)
		made.push((await createSession(base)).json);
	ok(made.every((session) => session?.id), '--max-sessions sessions can be made');
	await counted();
	for (let i = 0; i < 4; i++)
		answers.push(await createSession(base));
	ok(answers.every(({ status, code }) => status === 503 && code === 'too_many_sessions'),
		'then a new one is refused: 503 too_many_sessions', ...answers.map(({ text }) => text));
	ok(answers.every(({ headers }) => /^[1-9]\d*$/.test(headers['retry-after'])), '... with Retry-After');
	ok(answers.every(({ headers }) => headers['access-control-expose-headers'] === 'Retry-After'), '... which pages of other origins may read');
	is((await createSession(base, { token: made[0].token })).status, 200, 'a repeat finds its session all the same');
	is((await pollOnce(base, made[1].token)).status, 200, 'those that are there are served');
	const { token } = made[0];
	for (const room of ['a', 'b', 'c'])
		is((await sendOps(base, token, [{ op: 'join', room }])).json.results[0].room, room, `room ${room} of --max-rooms`);
	await Promise.all(instances.map((instance) => instance.waitMetric('pollgate_rooms', (n) => n >= 3)));
	for (const op of [{ op: 'join', room: 'd' }, { op: 'send', room: 'd', event: 'e', data: 1 }])
		is((await sendOps(base, token, [op])).json.results[0].error?.code, 'too_many_rooms',
			`one room more by ${op.op} is refused: too_many_rooms`);
	is((await sendOps(base, made[1].token, [{ op: 'join', room: 'a' }])).json.results[0].count, 2,
		'rooms that are there can be joined');
	await instances[0].request('DELETE', '/v1/sessions', { token: made[4].token });
	const again = await waitFor(async () => {
		const answer = await createSession(base);
		return answer.status === 201 && answer;
	}, `a place to be free on ${store}`, { everyMs: 200 });
	like(again.json.id, /^.{22}$/, 'closing one makes place for another');
}

await forEachStore(async ({ start, store }) => {
	const { base, stop } = await start({ options });
	await opsAndSizes(base);
	await rooms(base);
	await forEachTransport(() => answers(base));
	await stop();
	await forEachTransport(() => oneLarge(start));
});
/* With a store of its own: what is counted is the whole store. */
await forEachStore(({ start, store }) => sessionsAndRooms(start, store));
await done();
