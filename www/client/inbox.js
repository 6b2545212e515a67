/* What came in: without what came twice, and of a room that we left nothing more. */

import { OWN_EVENTS } from './errors.js';

/** The later of two ids "ms-n"; '' is before all. */
function later(a, b) {
	const [x, y] = a.split('-');
	const [u, v] = b.split('-');
	return (x - u || y - v) < 0 ? b : a;
}

const roomWith = (held) => ({ last: '', joined: false, joining: 0, held });

/**
 * Delivers each message once; those of a room after its join was answered, until it is left.  Those of a room that we did not ask
 * for come too: a backend has put us there.
 */
export class Inbox {
	// name -> {last, joined, joining: answers pending, held: messages that came before the answer, options}; null: left.  The mailbox
	// has no name.
	rooms = new Map();

	constructor(emit) {
		this.emit = emit;
		this.#stream({}); // The mailbox comes first.
	}

	take({ messages, gaps = [] }) {
		for (const gap of gaps) {
			const stream = this.#stream(gap);
			if (!stream)
				continue;
			// Ids may go back when a replica takes over.
			stream.last = later(gap.to, gap.from) === gap.to ? later(stream.last, gap.to) : gap.to;
			this.emit('gap', { reason: 'trimmed', ...gap });
		}
		messages.forEach((message) => this.#take(message));
	}

	#stream({ room }) {
		if (!this.rooms.has(room))
			this.rooms.set(room, roomWith());
		return this.rooms.get(room);
	}

	#take(message) {
		const stream = this.#stream(message);
		if (stream?.held)
			return stream.held.push(message);
		if (!stream || later(stream.last, message.id) === stream.last)
			return;
		stream.last = message.id;
		this.emit('message', message);
		if (!OWN_EVENTS.includes(message.event))
			this.emit(message.event, message);
	}

	joining(name, options) {
		const room = this.rooms.get(name) ?? roomWith([]);
		room.joining++;
		room.options = options;
		this.rooms.set(name, room);
	}

	joined(name, result) {
		const room = this.rooms.get(name);
		room.joining--;
		room.joined = true;
		room.last = later(room.last, result.id);
		// The rest comes as messages.
		result.history = result.history?.filter(({ id }) => later(id, room.last) === room.last);
		setTimeout(() => { // Whoever waits for the join sees its result first.
			const { held } = room;
			room.held = null;
			held?.forEach((message) => this.#take(message));
		});
	}

	/** The join was refused (joining 1), or the room left (0). */
	left(name, joining) {
		const room = this.rooms.get(name);
		if (!room)
			return;
		room.joining -= joining;
		room.joined &&= joining;
		if (!room.joining && !room.joined) {
			if (joining)
				this.rooms.delete(name);
			else
				this.rooms.set(name, null);
		}
	}

	/** The session is gone: the gaps to tell, and the rooms to join again. */
	reset() {
		const gaps = [];
		const rooms = [];
		this.rooms.forEach((stream, room) => {
			if (room && !stream?.joined) {
				if (!stream?.joining)
					this.rooms.delete(room);
				return;
			}
			gaps.push({ reason: 'session', room, from: stream.last || null, to: null });
			stream.last = '';
			if (room)
				rooms.push(stream.options);
		});
		return { gaps, rooms };
	}
}
