/*
 * A room of the chat: its messages, its people, and what we say there, which stays on the page until the room has it.  Who is typing is
 * told in a room of its own, so that it takes no place in the log.
 */
import { Conversation } from './conversation.js';
import { inTab } from './kept.js';
import { clean, myName, nameOf, newKey } from './person.js';

const PREFIX = 'chat:';
/** The longer one of a room's prefixes. */
export const TYPING_PREFIX = 'chat-typing:';
const HISTORY = 100;
const HISTORY_ALL = 1000;
const HISTORY_LONG = 200_000; // Characters: perhaps not all that was asked for fitted into the answer.
const TYPING_EVERY = 3000;
const TYPING_LASTS = 6000;
const MIND = 30_000; // Who comes back within so many ms was not away: a reload.
const AGAIN_AFTER = 1000;
const SESSIONS_MAX = 50;

/** By which others know that this tab comes back.  It is public: what is ours is told by `ours`. */
export const me = inTab.get('key') ?? newKey();
inTab.set('key', me);

/** The sessions that this tab has had. */
class Ours {
	#ids = new Set(inTab.get('sessions'));

	add(id) {
		this.#ids.add(id);
		inTab.set('sessions', [...this.#ids].slice(-SESSIONS_MAX));
	}

	has(id) {
		return this.#ids.has(id);
	}
}

export const ours = new Ours();

/** A room of ours. */
export class Room {
	unread = 0;
	#chat;
	#members = [];
	#outgoing = []; // {key, text}
	#busy = true; // Until we have entered.
	#again = () => {};
	#names = new Map(); // session -> name
	#typing = new Map(); // session -> {name, timer}
	#typed = 0; // When we last said that we are typing.

	constructor(chat, name) {
		this.#chat = chat;
		this.name = name;
		this.id = PREFIX + name;
		this.typingId = TYPING_PREFIX + name;
		this.conversation = new Conversation({
			label: `Messages in ${name}`, mine: (from) => ours.has(from), earlier: () => this.#showEarlier(),
		});
		this.draft = inTab.get(`draft ${name}`) ?? '';
		for (const { key, text } of inTab.get(`outgoing ${name}`) ?? [])
			this.say(text, key);
	}

	set members(members) {
		this.#members = members;
		members.forEach(({ id, data }) => this.#names.has(id) || this.#names.set(id, nameOf(data)));
	}

	get members() {
		return this.#members;
	}

	async enter() {
		const { history } = await this.#chat.client.join(this.id, { history: HISTORY });
		this.conversation.takeHistory(history);
		this.conversation.showEarlier(history.length >= HISTORY || JSON.stringify(history).length > HISTORY_LONG);
		this.conversation.scrollToEnd();
		this.#busy = false;
		this.#deliver();
		this.#chat.client.join(this.typingId).catch(() => {}); // Nice to have.
	}

	leave() {
		inTab.set(`draft ${this.name}`, '');
		this.#chat.client.leave(this.typingId).catch(() => {});
		this.#chat.client.leave(this.id).catch(() => {});
	}

	say(text, key = `${me}-${newKey()}`) {
		this.conversation.await(key, myName() || nameOf(), text);
		this.#outgoing.push({ key, text });
		this.#keep();
		this.#deliver();
	}

	/** One after the other, so that the order stays whatever happens. */
	async #deliver() {
		if (this.#busy)
			return;
		this.#busy = true;
		for (let message; (message = this.#outgoing[0]);) {
			const { key, text } = message;
			const error = this.conversation.has(key) ? null
				: await this.#chat.client.send({ room: this.id, event: 'chat', data: { key, name: myName(), text }, self: true }).catch((error) => error);
			if (error?.code === 'closed')
				return;
			if (error?.code === 'session_gone') {
				await new Promise((resolve) => this.#again = resolve);
			} else if (error?.code === 'queue_full') {
				await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
			} else {
				this.#outgoing.shift();
				this.#keep();
				if (error?.code)
					this.conversation.refuse(key, error.message, () => this.say(text, key));
			}
		}
		this.#busy = false;
	}

	#keep() {
		inTab.set(`outgoing ${this.name}`, this.#outgoing);
	}

	async #showEarlier() {
		this.conversation.showEarlier(false);
		try {
			this.conversation.takeHistory(await this.#chat.client.history(this.id, HISTORY_ALL));
			this.conversation.tell('Earlier messages are not to be had.', { id: '0-0' });
		} catch {
			this.conversation.showEarlier(true);
		}
	}

	/** Messages after this one may be missing: get what there is, and tell what is not. */
	async mend(after, history) {
		try {
			const knows = (messages) => after === null || messages.some(({ id }) => id === after);
			const all = history && knows(history) ? history : await this.#chat.client.history(this.id, HISTORY_ALL);
			this.conversation.takeHistory(all);
			if (!knows(all))
				this.conversation.tell('Messages may be missing here: the gateway does not have them any more.', { id: after, kind: 'gap' });
		} catch {
			this.conversation.tell('Messages may be missing here.', { kind: 'gap' });
		}
	}

	/** Another session is in this room now. */
	async resumed(result) {
		await this.mend(this.conversation.last, result.history);
		this.#again();
	}

	/** A message of the room. */
	take(message) {
		const { id, from, event, data } = message;
		const about = `${clean(data?.key) || from} ${nameOf(data)}`;
		if (event === '$leave')
			this.conversation.tell(`${nameOf(data)} left.`, { id, about });
		else if (event === '$join' && !this.conversation.takeBack(about, MIND))
			this.conversation.tell(`${nameOf(data)} came in.`, { id });
		else if (event === '$set')
			this.#renamed(message);
		else if (event === 'chat')
			return this.#heard(message);
		return false;
	}

	#renamed({ id, from, data }) {
		const before = this.#names.get(from);
		const after = nameOf(data);
		this.#names.set(from, after);
		if (before && before !== after)
			this.conversation.tell(`${before} is now ${after}.`, { id });
	}

	#heard(message) {
		this.#stopped(message.from);
		return this.conversation.take(message) && !ours.has(message.from);
	}

	/** We are typing, or not any more. */
	typing(on) {
		if (on === this.#typed > 0 && (!on || Date.now() - this.#typed < TYPING_EVERY))
			return;
		this.#typed = on ? Date.now() : 0;
		this.#chat.client.send({ room: this.typingId, event: 'typing', data: { on, name: myName() } }).catch(() => {});
	}

	takeTyping({ from, event, data }) {
		if (event !== 'typing' && event !== '$leave')
			return;
		this.#stopped(from);
		if (event === 'typing' && data?.on === true)
			this.#typing.set(from, { name: nameOf(data), timer: setTimeout(() => {
				this.#stopped(from);
				this.#chat.showTyping();
			}, TYPING_LASTS) });
		this.#chat.showTyping();
	}

	#stopped(from) {
		clearTimeout(this.#typing.get(from)?.timer);
		this.#typing.delete(from);
	}

	/** A sentence about who is typing, or ''. */
	get whoTypes() {
		const names = [...this.#typing.values()].map(({ name }) => name);
		if (names.length > 2)
			return 'Several people are typing …';
		return names.length && `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} typing …`;
	}
}
