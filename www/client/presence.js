/* Who is in which room: the answer to a join, and the gateway's events since then. */

const CHANGE = /^\$(join|leave|away|back|set)$/;

export class Presence {
	#rooms = new Map(); // name -> {members: Map by id, or null before the first answer; asking: answers pending; news: events meanwhile}

	/** @param {function(string, object)} emit */
	constructor(emit) {
		this.emit = emit;
	}

	members(room) {
		return [...this.#rooms.get(room)?.members?.values() ?? []];
	}

	/** Take the members from an answer that is under way.  Events that come before it are perhaps newer: they are applied again. */
	async learn(room, answer) {
		const state = this.#rooms.get(room) ?? { members: null, asking: 0, news: [] };
		this.#rooms.set(room, state);
		state.asking++;
		try {
			const result = await answer;
			if (this.#rooms.get(room) === state) {
				state.members = new Map(result.members.map((member) => [member.id, member]));
				state.news.forEach((message) => this.#apply(state, message));
				this.#tell(room, { type: 'reset' });
			}
			return result;
		} finally {
			if (!--state.asking)
				state.news = [];
			if (!state.members && !state.asking && this.#rooms.get(room) === state)
				this.#rooms.delete(room);
		}
	}

	forget(room) {
		this.#rooms.delete(room);
	}

	/** A message that is perhaps about a member. */
	take(message) {
		const state = this.#rooms.get(message.room);
		if (!state || !CHANGE.test(message.event))
			return;
		if (state.asking)
			state.news.push(message);
		if (state.members && this.#apply(state, message))
			this.#tell(message.room, { type: message.event.slice(1), id: message.from, data: message.data });
	}

	/** Our own public data, of which the gateway tells only the others. */
	set(id, data) {
		for (const room of this.#rooms.keys())
			this.take({ room, event: '$set', from: id, data });
	}

	/** False: it changes nothing. */
	#apply({ members }, { event, from: id, data }) {
		if (event === '$leave')
			return members.delete(id);
		if (event !== '$join' && !members.has(id))
			return false;
		members.set(id, event === '$away' ? { id, data, away: true } : { ...event === '$set' && members.get(id), id, data });
		return true;
	}

	#tell(room, change) {
		this.emit('presence', { room, members: this.members(room), change });
	}
}
