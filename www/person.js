/* Who somebody is: a name that others see. */
import { inBrowser } from './kept.js';

export const NAME_LENGTH = 40;

/** A text of somebody else: on one line, and not longer than fits. */
export function clean(text, length = NAME_LENGTH) {
	return typeof text === 'string' ? [...text.replace(/\s+/g, ' ').trim()].slice(0, length).join('') : '';
}

export function nameOf(data) {
	return clean(data?.name) || 'Somebody';
}

export function myName() {
	return clean(inBrowser.get('name'));
}

export function keepName(name) {
	inBrowser.set('name', clean(name));
}

/** Of the colour by which a name is found again. */
export function hueOf(name) {
	return [...name].reduce((hash, char) => (hash * 31 + char.codePointAt()) % 9973, 7) * 137.5 % 360; // The golden angle parts what is near.
}

/** That nobody else has. */
export function newKey() {
	return crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36).padStart(7, '0'), '');
}

/** Fill a list with members: we come first, then by name.  mark(member) is the colour of the dot. */
export function showPeople(list, members, { me, mark }) {
	const mine = ({ id }) => id === me;
	const sorted = [...members].sort((a, b) => mine(b) - mine(a) || nameOf(a.data).localeCompare(nameOf(b.data)) || (a.id < b.id ? -1 : 1));
	list.replaceChildren(...sorted.map((member) => {
		const item = document.createElement('li');
		const dot = document.createElement('span');
		const name = document.createElement('span');
		dot.className = 'dot';
		dot.style.background = mark(member);
		name.className = 'name';
		name.textContent = nameOf(member.data);
		item.append(dot, name);
		if (mine(member))
			item.append(' (you)');
		if (member.away)
			item.append(' (away)');
		item.classList.toggle('away', Boolean(member.away));
		return item;
	}));
}
