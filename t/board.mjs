#!/usr/bin/env node
/* The whiteboard without a browser: its lines, and a room whose log is short, whose members come, go and miss messages. */
import { Board, EVENT_MAX, HEIGHT, PALETTE, WIDTH, areRuns } from '../www/board.js';
import { BoardLog } from '../www/board-log.js';
import { Ink } from '../www/ink.js';
import { done, is, isDeep, note, ok, scope } from './lib/tap.mjs';
import { randomFrom } from './lib/proxy.mjs';
import { pause, run } from './lib/time.mjs';
import { waitFor } from './lib/wait.mjs';

const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 1e6);
const random = randomFrom(seed);
const below = (n) => Math.floor(random() * n);
note('seed', seed);

/* ---- Lines ---- */

/** The pixels that are within `radius` of the line from a to b, one by one. */
function covered(radius, [ax, ay], [bx, by]) {
	const found = [];
	const [dx, dy] = [bx - ax, by - ay];
	const square = dx * dx + dy * dy;
	for (let y = Math.max(0, Math.min(ay, by) - radius); y < HEIGHT && y <= Math.max(ay, by) + radius; y++)
		for (let x = Math.max(0, Math.min(ax, bx) - radius); x < WIDTH && x <= Math.max(ax, bx) + radius; x++) {
			const along = (x - ax) * dx + (y - ay) * dy;
			const near = along <= 0 || square === 0 ? (x - ax) ** 2 + (y - ay) ** 2
				: along >= square ? (x - bx) ** 2 + (y - by) ** 2
				: ((x - ax) * dy - (y - ay) * dx) ** 2 / square;
			if (near <= radius * radius)
				found.push(y * WIDTH + x);
		}
	return found;
}

await scope('lines', async () => {
	const wrong = [];
	for (const [from, to] of [[[50, 50], [50, 50]], [[50, 50], [90, 50]], [[50, 90], [50, 50]], [[90, 70], [50, 63]], [[0, 0], [7, 9]],
		[[WIDTH, HEIGHT], [WIDTH - 30, HEIGHT + 40]], [[30, 200], [230, 41]]]) {
		const board = new Board();
		board.draw([[3, 12, ...from, ...to]]);
		const drawn = [...board.pixels.entries()].filter(([, colour]) => colour === 3).map(([at]) => at);
		const wanted = covered(6, from, to);
		// Points that are on the edge exactly may fall on either side.
		if (Math.abs(drawn.length - wanted.length) > 4)
			wrong.push([from, to, drawn.length, wanted.length]);
	}
	isDeep(wrong, [], 'a line covers what is as near to it as half its width');

	const [whole, parts] = [new Board(), new Board()];
	const points = Array.from({ length: 40 }, () => [below(WIDTH), below(HEIGHT)]);
	whole.draw([[1, 14, ...points.flat()]]);
	points.slice(1).forEach((point, i) => parts.draw([[1, 14, ...points[i], ...point]]));
	ok(Buffer.compare(whole.pixels, parts.pixels) === 0, 'a line in pieces is the same line');
	ok(Buffer.compare(await Board.unpack(await whole.pack()), whole.pixels) === 0, 'a picture that is packed and unpacked is the same picture');
	is(await Board.unpack(btoa('rubbish')).catch(() => 'refused'), 'refused', 'what is no picture is refused');

	const good = [[1, 14, 5, 5, 6, 6], [0, 6, 100, 100]];
	ok(areRuns(good) && areRuns([]), 'runs are told from what others may send');
	const bad = [null, 5, [5], [[1, 14]], [[1, 14, 5]], [[PALETTE.length, 14, 5, 5]], [[1, 1e9, 5, 5]], [[1, 14, 5, '5']], [[1, 14, NaN, 5]],
		[[1, 14, 1e7, 5]], [[1.5, 14, 5, 5]], [['1', 14, 5, 5]], Array(EVENT_MAX).fill([1, 14, 5, 5])];
	isDeep(bad.filter(areRuns), [], 'which is never drawn');
});

/* ---- A room ---- */

/** What a gateway does: a bounded log, each member's messages in order, told gaps. */
class Room {
	entries = [];
	members = new Set();
	#n = 0;

	constructor(max) {
		this.max = max;
	}

	append(from, event, data) {
		const entry = { id: `1000-${this.#n++}`, from, event, data: structuredClone(data) };
		this.entries.push(entry);
		if (this.entries.length > this.max)
			this.entries.shift();
		this.members.forEach((member) => member.queue.push(entry));
		return { id: entry.id };
	}

	/** The last 1000, and not more than fits into an answer. */
	history() {
		const found = [];
		let length = 0;
		for (const entry of this.entries.filter(({ event }) => !event.startsWith('$')).slice(-1000).reverse())
			if ((length += JSON.stringify(entry).length) < 256 * 1024)
				found.unshift(entry);
			else
				break;
		return found;
	}
}

class Member {
	static #count = 0;
	name = `m${Member.#count++}`;
	board = new Board();
	queue = [];
	/** On a network that swallows all. */
	cut = false;

	constructor(room) {
		const send = async (event, data) => {
			await pause(random() * 3);
			await waitFor(() => !this.cut || this.gone, 'the network to come back', { limitMs: 60_000, everyMs: 1 });
			if (this.gone)
				throw Object.assign(new Error('closed'), { code: 'closed' });
			return room.append(this.name, event, data);
		};
		this.room = room;
		this.log = new BoardLog(this.board, send, () => this.ink?.settle());
		this.ink = new Ink({ key: this.name, log: this.log, send, interval: () => 40, failed: () => {} });
		room.append(this.name, '$join', {});
		room.members.add(this);
		this.log.entered(room.history());
		this.#receive();
	}

	/** Messages come one after the other, some later than others; those that were trimmed meanwhile are a gap. */
	async #receive() {
		while (!this.gone) {
			await pause(random() * 4);
			if (this.cut || !this.queue.length)
				continue;
			if (this.queue.length > this.room.max) {
				this.queue.splice(0, this.queue.length - this.room.max / 2);
				this.log.left();
				const history = this.room.history();
				pause(random() * 5).then(() => this.log.entered(history));
			}
			this.queue.splice(0, 1 + below(20)).forEach((entry) => this.log.take(entry));
		}
	}

	draw() {
		this.log.begin();
		const extend = this.ink.line(1 + below(8), [6, 14, 32][below(3)], below(WIDTH), below(HEIGHT));
		for (let i = below(6); i > 0; i--)
			extend(below(WIDTH), below(HEIGHT));
	}

	leave() {
		this.gone = true;
		this.room.members.delete(this);
		this.room.append(this.name, '$leave', {});
		this.log.close();
	}

	get settled() {
		return !this.queue.length && this.log.consistent && !this.ink.unseen.length;
	}
}

const equal = (members) => members.every(({ board }) => Buffer.compare(board.pixels, members[0].board.pixels) === 0);
const settle = (members, more = () => true) => waitFor(() => members.every(({ settled }) => settled) && more(),
	() => `members to have all: ${JSON.stringify(members.map(({ queue, log, ink }) => [queue.length, log.consistent, log.lossy, ink.unseen.length]))}`);

run(20);

await scope('a room', async () => {
	const room = new Room(1000);
	const first = new Member(room);
	await settle([first]);
	first.draw();
	await settle([first], () => room.entries.some(({ event }) => event === 'picture'));
	const second = new Member(room);
	await settle([second]);
	ok(equal([first, second]) && !second.board.blank, 'who comes later has the picture');
	for (let i = 0; i < 1200; i++) {
		room.append('somebody', '$join', {});
		if (i % 100 === 0)
			await settle([first, second]);
	}
	await settle([first, second]);
	[first, second].forEach((member) => member.leave());
	const third = new Member(room);
	await settle([third]);
	ok(equal([first, third]) && !third.log.lossy, 'also when the log was filled by who came and went, and nobody is there');

	third.ink.clear();
	await settle([third], () => third.board.blank);
	third.draw();
	const fourth = new Member(room);
	await settle([third, fourth]);
	ok(equal([third, fourth]) && !fourth.log.lossy, 'a cleared board begins anew');
});

await scope('a log that lost what was drawn', async () => {
	const room = new Room(1000);
	const first = new Member(room);
	await settle([first]);
	first.draw();
	await settle([first]);
	const drawn = room.entries.filter(({ event }) => event === 'ink');
	first.leave();
	room.entries = [...drawn.slice(1), ...drawn.slice(-1)];
	const second = new Member(room);
	is(second.log.consistent, false, 'is told');
	await settle([second]);
	ok(second.log.lossy, 'and what is left is all that there is');
	const third = new Member(room);
	await settle([second, third]);
	ok(equal([second, third]) && third.log.lossy, 'for everybody');

	// Somebody comes back who has all.
	const fourth = new Member(room);
	await settle([fourth]);
	fourth.board.draw([[1, 32, 5, 5, 500, 500]]);
	fourth.log.lossy = false;
	fourth.log.save();
	await waitFor(() => equal([second, third, fourth]) && !second.log.lossy && !third.log.lossy, 'all to have the picture');
	ok(true, 'until somebody has the whole picture');
	fourth.ink.clear();
	await settle([second, third, fourth], () => fourth.board.blank);
	ok(equal([second, third, fourth]), 'and clearing it is an end of it');
});

await scope('a picture that does not fit into an answer', async () => {
	const room = new Room(1000);
	const first = new Member(room);
	await settle([first]);
	for (let i = 0; i < 8; i++)
		first.board.draw(Array.from({ length: 1000 }, () => [below(9), 6, below(WIDTH), below(HEIGHT), below(WIDTH), below(HEIGHT)]));
	ok((await first.board.pack()).length > 256 * 1024, 'is large');
	first.log.save();
	await waitFor(() => room.entries.some(({ event, data }) => event === 'picture' && data.part === data.of - 1), 'the picture to be saved');
	const second = new Member(room);
	// Who waits too long for them offers what it has, which they mend.
	await settle([first, second], () => equal([first, second]) && !second.log.lossy);
	ok(true, 'comes from those who have it');
});

await scope('chaos', async () => {
	const room = new Room(300); // A picture is saved every 200 to 300 entries.
	let members = [new Member(room)];
	await settle(members);
	for (let step = 0; step < 800; step++) {
		await pause(1);
		const member = members[below(members.length)];
		const dice = below(1000);
		if (dice < 20 && members.length < 6)
			members.push(new Member(room));
		else if (dice < 30 && members.length > 2 && member.settled)
			(members = members.filter((other) => other !== member)) && member.leave();
		else if (dice < 40)
			member.cut = !member.cut && members.some((other) => other !== member && !other.cut);
		else if (dice < 43)
			member.ink.clear();
		else if (dice < 600)
			member.draw();
	}
	members.forEach((member) => member.cut = false);
	await settle(members);
	await waitFor(() => equal(members), 'all pictures to be equal');
	ok(true, 'in the end all members have the same picture, pixel for pixel');
	const late = new Member(room);
	await settle([...members, late], () => equal([...members, late]));
	ok(true, 'and so has who comes then');
	note(`${members.length} members; lossy: ${late.log.lossy}`);
});
await done();
