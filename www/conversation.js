/* What is said in a room, as a list on the page: in the order of the room's log, and below it what is on its way there. */
import { clean, hueOf, nameOf } from './person.js';

const TEXT_LENGTH = 8000;
const TOGETHER = 5 * 60_000; // What one says within so many ms is one block.
const ITEMS_MAX = 3000; // On the page.
const BOTTOM = 40; // px that are still the end of the list.
const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,:;!?)\]]/g;

function element(name, className, ...content) {
	const made = document.createElement(name);
	made.className = className;
	made.append(...content);
	return made;
}

/** Whether the id a is that of a later entry than b. */
export function later(a, b) {
	const [x, y] = a.split('-');
	const [u, v] = b.split('-');
	return (x - u || y - v) > 0;
}

/** Never as HTML.  Addresses become links. */
function paragraph(text) {
	const made = element('p', 'text');
	let end = 0;
	for (const { 0: address, index } of text.matchAll(LINK)) {
		const link = element('a', '', address);
		Object.assign(link, { href: address, rel: 'noopener noreferrer nofollow', target: '_blank' });
		made.append(text.slice(end, index), link);
		end = index + address.length;
	}
	made.append(text.slice(end));
	return made;
}

function timeOf(id) {
	const date = new Date(id ? Number(id.split('-')[0]) : Date.now());
	const today = date.toDateString() === new Date().toDateString();
	const made = element('time', '', date.toLocaleString([], today ? { timeStyle: 'short' } : { dateStyle: 'medium', timeStyle: 'short' }));
	made.dateTime = date.toISOString();
	return made;
}

export class Conversation {
	/** The scrolling part. */
	view = element('div', 'log');
	#list = element('ol', '');
	#earlier = element('button', 'earlier', 'Earlier messages');
	#items = []; // {id, key, from, name, element}; those on their way have no id, and are the last ones
	#mine;

	/** mine(session) is whether it is one of ours; earlier() is called when somebody wants to see more. */
	constructor({ label, mine, earlier }) {
		this.#mine = mine;
		this.#earlier.type = 'button';
		this.#earlier.hidden = true;
		this.#earlier.addEventListener('click', earlier);
		Object.assign(this.view, { tabIndex: 0 });
		this.view.setAttribute('role', 'log');
		this.view.setAttribute('aria-label', label);
		this.view.setAttribute('aria-busy', 'true');
		this.view.append(this.#earlier, this.#list);
	}

	get atEnd() {
		const { scrollTop, scrollHeight, clientHeight } = this.view;
		return scrollHeight - scrollTop - clientHeight < BOTTOM;
	}

	scrollToEnd() {
		this.view.scrollTop = this.view.scrollHeight;
	}

	/** Of the last message that came, or null. */
	get last() {
		return this.#items.findLast(({ id, key }) => id && key)?.id ?? null;
	}

	has(key) {
		return this.#items.some((item) => item.id && item.key === key);
	}

	/** What was said before we came, without telling it to those who hear the page. */
	takeHistory(messages) {
		this.view.setAttribute('aria-busy', 'true');
		messages.forEach((message) => this.take(message));
		setTimeout(() => this.view.setAttribute('aria-busy', 'false'));
	}

	showEarlier(there) {
		this.#earlier.hidden = !there;
	}

	/** A message of the room.  False: it is known, or nothing that we can show. */
	take({ id, from, event, data }) {
		const text = typeof data?.text === 'string' ? data.text.slice(0, TEXT_LENGTH) : '';
		const key = clean(data?.key);
		if (event !== 'chat' || !text || !key || this.has(key))
			return false;
		this.#remove((item) => item.key === key);
		this.#insert({ id, key, from, name: nameOf(data), text });
		return true;
	}

	/** A message of ours that is on its way. */
	await(key, name, text) {
		this.#insert({ key, name, text, state: element('p', 'soft state', 'Sending …') });
	}

	/** It will not arrive: say so, and offer to try again. */
	refuse(key, reason, again) {
		const item = this.#items.find((item) => item.key === key);
		const button = element('button', '', 'Send again');
		button.type = 'button';
		button.addEventListener('click', () => {
			this.#remove((other) => other === item);
			again();
		});
		item?.state?.replaceChildren(`Not sent: ${reason} `, button);
		item?.state?.classList.add('wrong');
	}

	/** A line about somebody, or about the room: at its place in the log, or (without an id) after what there is. */
	tell(text, { id = this.#items.findLast((item) => item.id)?.id ?? '0-0', about, kind = '' } = {}) {
		const line = element('li', `line ${kind}`, text);
		this.#insert({ id, about, element: line });
	}

	/** Take back the line about somebody if it is the last thing there is, and recent. */
	takeBack(about, within) {
		const last = this.#items.findLast(({ id }) => id);
		const recent = last?.about === about && Date.now() - Number(last.id.split('-')[0]) < within;
		if (recent)
			this.#remove((item) => item === last);
		return recent;
	}

	#remove(wanted) {
		this.#items.filter(wanted).forEach((item) => item.element.remove());
		this.#items = this.#items.filter((item) => !wanted(item));
	}

	#insert(item) {
		const follow = this.atEnd;
		const height = this.view.scrollHeight;
		const at = item.id ? 1 + this.#items.findLastIndex(({ id }) => id && !later(id, item.id)) : this.#items.length;
		item.element ??= this.#render(item);
		this.#list.insertBefore(item.element, this.#items[at]?.element ?? null);
		this.#items.splice(at, 0, item);
		this.#group(at);
		this.#group(at + 1);
		if (this.#items.length > ITEMS_MAX)
			this.#items.splice(0, ITEMS_MAX / 10).forEach((old) => old.element.remove());
		if (follow)
			this.scrollToEnd();
		else if (at < this.#items.length - 1) // Above what is being read.
			this.view.scrollTop += this.view.scrollHeight - height;
	}

	#render({ id, from, name, text, state }) {
		const avatar = element('span', 'avatar', [...name][0]);
		avatar.setAttribute('aria-hidden', 'true');
		avatar.style.setProperty('--hue', hueOf(name));
		const by = element('p', 'by', element('strong', '', name), ' ', timeOf(id));
		return element('li', state || this.#mine(from) ? 'message mine' : 'message', avatar, element('div', '', by, paragraph(text), ...state ? [state] : []));
	}

	/** Whether this one goes on what the one before it says. */
	#group(at) {
		const [before, item] = [this.#items[at - 1], this.#items[at]];
		const when = ({ id }) => id ? Number(id.split('-')[0]) : Date.now();
		const whose = ({ from, name }) => `${!from || this.#mine(from) ? '' : from} ${name}`;
		const same = before?.key && item?.key && whose(before) === whose(item) && when(item) - when(before) < TOGETHER;
		item?.element.classList.toggle('goes-on', Boolean(same));
	}
}
