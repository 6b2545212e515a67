/*
 * Clients under load, and the truth about it: each sends numbered messages to one other and to its room, and afterwards each
 * is asked whether it has every message that was sent to it, once, in order.
 */
import { Client } from './client.mjs';
import { mixed } from './receive.mjs';
import { isDeep, note } from './tap.mjs';
import { sleep, waitFor } from './wait.mjs';

export class Load {
	/**
	 * settings: { clients, roomSize, count (messages of each kind from each), paceMs (between two), hold, retryMs }
	 * Polls, streams and sockets meet in each room, and write to each other.  So a run takes no longer than one with polls alone.
	 */
	constructor(base, { clients = 50, roomSize = 10, count = 30, paceMs = 200, hold, retryMs } = {}) {
		Object.assign(this, { base, size: clients, roomSize, count, paceMs, hold, retryMs });
		this.sent = 0;
	}

	roomOf(i) {
		return `load ${Math.floor(i / this.roomSize)}`;
	}

	/** The client that client i writes to: one of another room. */
	partnerOf(i) {
		return (i + this.roomSize + 1) % this.size;
	}

	async open() {
		this.clients = await Promise.all(Array.from({ length: this.size }, (_, i) =>
			Client.open(this.base, { name: `client ${i} (${mixed(i)})`, transport: mixed(i), rooms: [this.roomOf(i)], hold: this.hold,
				retryMs: this.retryMs })));
		return this;
	}

	/** Send everything; settles when all of it was answered. */
	run() {
		return Promise.all(this.clients.map((client, i) => this.#drive(client, i)));
	}

	async #drive(client, i) {
		const to = this.clients[this.partnerOf(i)].id;
		const room = this.roomOf(i);
		for (let n = 0; n < this.count; n++) {
			const results = await this.#send(client, [{ op: 'send', to, event: 'direct', data: [i, n] },
				{ op: 'send', room, event: 'room', data: [i, n] }], n);
			for (const result of results)
				if (result.error)
					throw new Error(`client ${i}: message ${n} was refused: ${JSON.stringify(result.error)}`);
			this.sent += 2;
			await sleep(this.paceMs * (0.5 + Math.random()));
		}
	}

	/* Now as one request, now as two. */
	async #send(client, ops, n) {
		return n % 2 ? client.ops(...ops) : [...await client.ops(ops[0]), ...await client.ops(ops[1])];
	}

	/** { sender: [numbers in the order in which client i got them] }, and what it should be. */
	#received(i) {
		const got = { direct: {}, room: {} };
		for (const { event, data } of this.clients[i].messages)
			if (event === 'direct' || event === 'room')
				(got[event][data[0]] ??= []).push(data[1]);
		return got;
	}

	#wanted(i) {
		const all = Array.from({ length: this.count }, (_, n) => n);
		const wanted = { direct: {}, room: {} };
		for (let from = 0; from < this.size; from++) {
			if (this.partnerOf(from) === i)
				wanted.direct[from] = all;
			if (from !== i && this.roomOf(from) === this.roomOf(i))
				wanted.room[from] = all;
		}
		return wanted;
	}

	#missing(i) {
		const got = this.#received(i);
		const wanted = this.#wanted(i);
		const lacks = (kind) => Object.keys(wanted[kind]).some((from) => (got[kind][from] ?? []).length < this.count);
		return lacks('direct') || lacks('room');
	}

	/** Wait until everything has arrived; what is missing after the usual limit is for check() to say. */
	async settle() {
		const late = () => this.clients.flatMap((client, i) => this.#missing(i) ? [client.name] : []);
		await waitFor(() => late().length === 0, 'all', { everyMs: 50 })
			.catch(() => note(`still missing something: ${late().join(', ')}`));
	}

	/** Assert what was promised. */
	check() {
		const kinds = { direct: 'direct messages', room: 'messages of the room' };
		for (const [kind, words] of Object.entries(kinds)) {
			const wrong = this.clients.flatMap((client, i) => {
				const got = this.#received(i)[kind];
				return Object.entries(this.#wanted(i)[kind])
					.filter(([from, all]) => JSON.stringify(got[from] ?? []) !== JSON.stringify(all))
					.map(([from]) => `${client.name} has of client ${from}: ${(got[from] ?? []).join(' ')}`);
			});
			isDeep(wrong, [],
				`all ${this.size} clients have every one of the ${words} exactly once and in order for each sender`);
		}
		isDeep(this.clients.flatMap(({ name, disorder }) => disorder.map(({ id }) => [name, id])), [],
			'no answer has an id below one before it');
		isDeep(this.clients.flatMap(({ name, gaps }) => gaps.map((gap) => [name, gap])), [], 'nobody was told of a gap');
		const refused = this.clients.flatMap(({ name, failures }) => failures.filter(({ status }) => status !== undefined
			&& status < 500).map((failure) => [name, failure]));
		isDeep(refused, [], 'no request was answered 4xx');
		const own = this.clients.flatMap((client, i) => client.messages.filter(({ data, event }) => event === 'room'
			&& data[0] === i));
		isDeep(own, [], 'nobody got its own messages to the room');
	}

	/** What happened on the way. */
	report() {
		const all = this.clients.flatMap(({ failures }) => failures);
		const kinds = {};
		for (const { what, status, code, error } of all)
			kinds[`${what}: ${code ?? status ?? error}`] = (kinds[`${what}: ${code ?? status ?? error}`] ?? 0) + 1;
		const duplicates = this.clients.reduce((sum, client) => sum + client.duplicates.length, 0);
		note(`${this.sent} messages sent, ${this.clients.reduce((sum, { polls }) => sum + polls, 0)} batches received, ${duplicates} came again on the wire,`,
			`${all.length} requests failed and were repeated:`, kinds);
	}

	stop() {
		return Promise.all(this.clients.map((client) => client.stop()));
	}
}
