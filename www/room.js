/* The name of a room: from the address, by suggestion, as a link to pass on.  A page opens the room that is named by #NAME (or ?room=NAME). */
import { $, copy } from './page.js';

const ADJECTIVES = ('amber brave calm clever cosy early fair gentle golden green happy kind light lucky merry mild noble proud ' +
	'quick quiet rapid red shy silver smart soft sunny swift tall tidy warm wise').split(' ');
const ANIMALS = ('badger bear beaver bison cat crane crow deer dolphin eagle falcon finch fox goose hare hawk heron horse koala ' +
	'lion lynx marten moose otter owl panda raven robin seal swan tiger whale').split(' ');
const LONGEST = 128; // Bytes, as the gateway counts.

/** A name that nobody guesses. */
function suggestion() {
	const pick = (words) => words[crypto.getRandomValues(new Uint8Array(1))[0] % words.length];
	const number = crypto.getRandomValues(new Uint32Array(1))[0].toString(32).padStart(7, '0');
	return `${pick(ADJECTIVES)}-${pick(ANIMALS)}-${number}`;
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

export function roomOfAddress() {
	const hash = location.hash.slice(1);
	const named = hash.includes('=') ? new URLSearchParams(hash).get('room') : decode(hash);
	return (named || new URLSearchParams(location.search).get('room') || '').trim();
}

/** The address of this page with this room, or with none. */
export function linkOf(room) {
	const kept = new URLSearchParams(location.search);
	kept.delete('room');
	const search = kept.toString();
	return `${location.origin}${location.pathname}${search && '?'}${search}${room && '#'}${encodeURIComponent(room)}`;
}

/** What is wrong with this name, whose room the gateway knows as `prefix` and name; '' if nothing is. */
export function flaw(room, prefix) {
	if (room === '')
		return 'A room needs a name.';
	if (/[\u0000-\u001f\u007f]/.test(room))
		return 'This name has characters that cannot be in a name.';
	return new TextEncoder().encode(prefix + room).length > LONGEST ? 'This name is too long.' : '';
}

/** A field with the link to the page's room: a button copies it, another one shares it where there is such a thing. */
function showInvitation() {
	$('link').addEventListener('focus', () => $('link').select());
	$('copy').addEventListener('click', async () => {
		await copy($('link').value);
		$('copied').textContent = 'The link is copied.';
	});
	$('share').hidden = !navigator.share;
	$('share').addEventListener('click', () => navigator.share({ title: document.title, url: $('link').value }).catch(() => {}));
}

/**
 * A page that is in one room at a time: that of its address, or it asks for one.  leave() when there may be another one, then
 * enter(room) if there is; title is that of the page, and word what it calls a room.
 */
export function followAddress({ title, word, prefix, leave, enter }) {
	const open = () => {
		const room = roomOfAddress();
		const wrong = room && flaw(room, prefix);
		leave();
		$('other').href = linkOf('');
		$('choose').hidden = room !== '' && !wrong;
		$('room').hidden = !$('choose').hidden;
		$('name-error').textContent = wrong;
		document.title = `${title} · Pollgate`;
		if (!$('choose').hidden) {
			$('name').value = room || $('name').value || suggestion();
			return;
		}
		document.title = `${room} · ${document.title}`;
		$('room-title').textContent = `${word} ${room}`;
		$('link').value = linkOf(room);
		enter(room);
	};
	$('form').addEventListener('submit', (event) => {
		const room = $('name').value.trim();
		event.preventDefault();
		$('name-error').textContent = flaw(room, prefix);
		if (!flaw(room, prefix))
			location.hash = encodeURIComponent(room);
	});
	$('another').addEventListener('click', () => $('name').value = suggestion());
	showInvitation();
	addEventListener('hashchange', () => {
		open();
		$('room-title').focus();
	});
	open();
}
