/* The chat: one session in any number of rooms, of which one is shown. */
import { connect } from './pollgate.js';
import { Room, TYPING_PREFIX, me, ours } from './chat-room.js';
import { Connection } from './connection.js';
import { inTab } from './kept.js';
import { $, copy } from './page.js';
import { clean, hueOf, keepName, myName, nameOf, showPeople } from './person.js';
import { flaw, linkOf, roomOfAddress } from './room.js';

const connection = new Connection($('connection'), $('connection-note'));

/** From entering to leaving the last room. */
class Chat {
	client = connect('', { data: this.#data() });
	rooms = new Map();
	shown = null;

	constructor() {
		connection.follow(this.client);
		this.client.ready.then(({ id }) => ours.add(id), () => {});
		this.client.on('message', (message) => this.#take(message));
		this.client.on('presence', ({ room, members }) => this.#showMembers(room, members));
		this.client.on('gap', ({ reason, room }) => reason === 'trimmed' && this.#roomOf(room)?.mend(this.#roomOf(room).conversation.last));
		this.client.on('resumed', ({ fresh, id, rooms }) => fresh && this.#resumed(id, rooms));
	}

	#data() {
		return { name: myName(), key: me };
	}

	#roomOf(id) {
		return [...this.rooms.values()].find((room) => room.id === id);
	}

	/** Enter a room, or show it if we are there. */
	async enter(name) {
		const known = this.rooms.get(name);
		if (known)
			return this.show(known);
		const room = new Room(this, name);
		this.rooms.set(name, room);
		this.#keep();
		this.show(room);
		try {
			await room.enter();
		} catch (error) {
			if (error.code !== 'closed')
				this.#forget(room, `The room ${name} cannot be entered: ${error.message}`);
		}
	}

	leave() {
		this.shown.leave();
		this.#forget(this.shown, '');
	}

	#forget(room, note) {
		room.conversation.view.remove();
		this.rooms.delete(room.name);
		this.#keep();
		const [next] = this.rooms.values();
		if (!next)
			return end(note);
		this.show(room === this.shown ? next : this.shown);
		$('note').textContent = note;
	}

	rename() {
		this.client.set(this.#data()).catch(() => {});
	}

	show(room) {
		if (this.shown && this.shown !== room)
			this.shown.typing(false);
		this.shown = room;
		room.unread = 0;
		if (!room.conversation.view.isConnected)
			$('logs').append(room.conversation.view);
		for (const { conversation } of this.rooms.values())
			conversation.view.hidden = conversation !== room.conversation;
		if (roomOfAddress() !== room.name)
			history.replaceState(null, '', linkOf(room.name));
		$('note').textContent = '';
		$('newer').hidden = true;
		$('room-title').textContent = room.name;
		$('text').value = room.draft;
		room.conversation.scrollToEnd();
		this.#showRooms();
		this.showTyping();
		this.#showMembers(room.id, room.members);
	}

	#keep() {
		inTab.set('rooms', [...this.rooms.keys()]);
	}

	#take(message) {
		const room = this.#roomOf(message.room);
		if (!room)
			return [...this.rooms.values()].find(({ typingId }) => typingId === message.room)?.takeTyping(message);
		const end = room.conversation.atEnd;
		if (!room.take(message))
			return;
		if (room !== this.shown || document.hidden) {
			room.unread++;
			this.#showRooms();
		}
		this.showTyping();
		if (room === this.shown && !end)
			$('newer').hidden = false;
	}

	#resumed(id, results) {
		ours.add(id);
		for (const result of results) {
			const room = this.#roomOf(result.room);
			if (result.error)
				room?.conversation.tell(`The gateway does not let you in again: ${result.error.detail}`, { kind: 'gap' });
			else
				room?.resumed(result);
		}
	}

	#showMembers(id, members) {
		const room = this.#roomOf(id);
		if (!room)
			return;
		room.members = members;
		if (room === this.shown)
			showPeople($('people'), members, { me: this.client.id, mark: ({ data }) => `hsl(${hueOf(nameOf(data))} 60% 45%)` });
	}

	#showRooms() {
		const rooms = [...this.rooms.values()];
		const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
		$('rooms').replaceChildren(...rooms.map((room) => {
			const item = document.createElement('li');
			const link = document.createElement('a');
			const name = Object.assign(document.createElement('span'), { className: 'name', textContent: room.name });
			link.href = linkOf(room.name);
			link.append(name);
			if (room === this.shown)
				link.setAttribute('aria-current', 'page');
			if (room.unread) {
				const badge = Object.assign(document.createElement('span'), { className: 'badge', textContent: room.unread });
				badge.append(Object.assign(document.createElement('span'), { className: 'unseen', textContent: ' unread' }));
				link.append(badge);
			}
			item.append(link);
			return item;
		}));
		document.title = `${unread ? `(${unread}) ` : ''}${this.shown?.name} · Chat · Pollgate`;
	}

	/** The person looks at the page (again). */
	seen() {
		if (this.shown?.unread) {
			this.shown.unread = 0;
			this.#showRooms();
		}
	}

	showTyping() {
		$('typing').textContent = this.shown?.whoTypes || '';
	}
}

/* ---- The page ---- */

let chat = null;

function openPage() {
	const room = roomOfAddress();
	$('choose').hidden = chat !== null;
	$('chat').hidden = chat === null;
	if (chat)
		return;
	document.title = 'Chat · Pollgate';
	$('first-name').value = myName();
	$('first-room').value = room || 'lobby';
}

/** Of the rooms that this tab was in, the one of the address, if any, is shown. */
function start(rooms) {
	chat = new Chat();
	openPage();
	$('my-name').value = myName();
	for (const room of rooms)
		chat.enter(room);
}

/** No room is left. */
function end(note) {
	chat.client.close();
	chat = null;
	history.replaceState(null, '', linkOf(''));
	openPage();
	$('enter-error').textContent = note;
	$('first-room').focus();
}

function refuse(place, room) {
	$(place).textContent = flaw(room, TYPING_PREFIX);
	return $(place).textContent !== '';
}

$('enter').addEventListener('submit', (event) => {
	const room = $('first-room').value.trim();
	event.preventDefault();
	if (clean($('first-name').value) === '')
		$('enter-error').textContent = 'The others need a name for you.';
	else if (!refuse('enter-error', room)) {
		keepName($('first-name').value);
		start([room]);
		$('text').focus();
	}
});
$('more').addEventListener('submit', (event) => {
	const room = $('more-room').value.trim();
	event.preventDefault();
	if (refuse('more-error', room))
		return;
	$('more-room').value = '';
	chat.enter(room);
	$('text').focus();
});
$('leave').addEventListener('click', () => {
	chat.leave();
	if (chat)
		$('room-title').focus();
});
$('copy').addEventListener('click', async () => {
	await copy(linkOf(chat.shown.name));
	$('note').textContent = 'The link to this room is copied.';
});
$('my-name').addEventListener('change', () => {
	if (clean($('my-name').value)) {
		keepName($('my-name').value);
		chat.rename();
	}
	$('my-name').value = myName();
});
$('text').addEventListener('input', () => {
	const text = $('text').value;
	chat.shown.draft = text;
	inTab.set(`draft ${chat.shown.name}`, text);
	chat.shown.typing(text.trim() !== '');
});
$('text').addEventListener('keydown', (event) => {
	if (event.key !== 'Enter' || event.shiftKey || event.isComposing)
		return;
	event.preventDefault();
	$('compose').requestSubmit();
});
$('compose').addEventListener('submit', (event) => {
	const text = $('text').value.trim();
	event.preventDefault();
	$('note').textContent = '';
	$('text').focus();
	if (text === '')
		return;
	chat.shown.say(text);
	chat.shown.typing(false);
	chat.shown.draft = $('text').value = '';
	inTab.set(`draft ${chat.shown.name}`, '');
	chat.shown.conversation.scrollToEnd();
});
$('newer').addEventListener('click', () => chat.shown.conversation.scrollToEnd());
$('logs').addEventListener('scroll', () => {
	if (chat.shown?.conversation.atEnd)
		$('newer').hidden = true;
}, { capture: true, passive: true });
document.addEventListener('visibilitychange', () => document.hidden || chat?.seen());
addEventListener('hashchange', () => {
	const room = roomOfAddress();
	if (chat && room && !flaw(room, TYPING_PREFIX))
		chat.enter(room);
	else if (!chat)
		openPage();
});

const asked = roomOfAddress();
const kept = inTab.get('rooms') ?? [];
if (kept.length && myName() && (!asked || kept.includes(asked))) // This tab was reloaded.
	start(asked ? [...kept.filter((room) => room !== asked), asked] : kept);
else
	openPage();
