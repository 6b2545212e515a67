/*
 * How a page reaches the gateway: by which transport, which can be chosen, and whether it answers.  The choice holds for this
 * tab; ?transport=poll (or sse, ws, auto) makes it by link.
 */
import { inTab } from './kept.js';

const NAMES = { poll: 'long polling', sse: 'event stream', ws: 'WebSocket' };
const CHOICES = { auto: 'Automatic', poll: 'Long polling', sse: 'Event stream', ws: 'WebSocket' };

function choice() {
	const asked = new URLSearchParams(location.search).get('transport') ?? inTab.get('transport');
	return Object.hasOwn(CHOICES, asked) ? asked : 'auto';
}

/** A control in `place`, and sentences in `note` while the gateway is out of reach. */
export class Connection {
	#select = document.createElement('select');
	#said = document.createElement('span');
	#note;
	#client = null;
	#chosen = choice();
	#offered = Object.keys(NAMES);

	/** @param {HTMLElement} place  @param {HTMLElement} note with role="status" */
	constructor(place, note) {
		const label = document.createElement('label');
		this.#note = note;
		label.htmlFor = this.#select.id = 'transport';
		label.textContent = 'Transport';
		this.#select.setAttribute('aria-label', label.textContent); // The label has no place on a phone.
		this.#said.className = 'unseen';
		this.#said.setAttribute('role', 'status');
		place.append(label, this.#select, this.#said);
		this.#select.addEventListener('change', () => this.#choose(this.#select.value));
		this.#show();
	}

	/** Show this client's connection from now on. */
	follow(client) {
		const say = (text) => client === this.#client && (this.#note.textContent = text);
		this.#client = client;
		say('');
		client.ready.then(({ transports }) => client === this.#client && this.#offer(transports), () => {});
		client.on('transport', ({ transport, reason }) => {
			this.#show();
			if (reason !== 'open' && client === this.#client)
				this.#said.textContent = `Messages come by ${NAMES[transport]} now.`;
		});
		client.on('reconnecting', () => say('The gateway does not answer. Trying again …'));
		client.on('away', () => say('The gateway has not answered for so long that the others see you as away. Trying again …'));
		client.on('resumed', () => say(''));
		client.on('closed', ({ reason, detail }) => {
			if (reason !== 'closed')
				say(`The gateway refuses to go on: ${detail || reason}`);
			if (client === this.#client)
				this.#client = null;
			this.#show();
		});
		this.#show();
	}

	#offer(transports) {
		this.#offered = transports.filter((name) => name in NAMES);
		this.#use(this.#chosen);
	}

	#choose(name) {
		inTab.set('transport', name);
		this.#use(name);
	}

	#use(name) {
		this.#chosen = name === 'auto' || this.#offered.includes(name) ? name : 'auto';
		try {
			this.#client?.use(this.#chosen);
		} catch { // Not before the session is open (then it is tried again), or not any more.
		}
		this.#show();
	}

	#show() {
		const now = this.#client?.transport;
		this.#select.replaceChildren(...['auto', ...this.#offered].map((name) => {
			const chosen = name === this.#chosen;
			const differs = chosen && now && name !== now;
			return new Option(CHOICES[name] + (differs ? `: ${name === 'auto' ? '' : 'now '}${NAMES[now]}` : ''), name, chosen, chosen);
		}));
	}
}
