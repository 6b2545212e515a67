/*
 * A WebSocket that needs none: the interface of the browser's class, over a room of the gateway's relay, by whatever transport
 * delivers.  Other shims and sockets at /relay/ROOM are the other members of the room.  That a connection breaks and is made
 * anew is hidden; what cannot be hidden closes the socket with the codes of the relay.
 *
 *     <script src="https://gateway.example/websocket.js" data-replace data-gateway="URL" data-room="NAME"></script>
 */

import { connect } from './index.js';

const OPEN_LIMIT = 60_000;
const FLUSH_LIMIT = 10_000;
const STATES = ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'];
const EVENTS = ['open', 'message', 'error', 'close'];
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/; // RFC 9110, 5.6.2.
/** How it closes when the gateway says this; otherwise as a broken socket does. */
const CODES = { session_gone: 4410, message_too_large: 1009, body_too_large: 1009, too_many_rooms: 1013, too_many_sessions: 1013, auth_required: 4401,
	auth_invalid: 4401, forbidden: 4403 };

const native = globalThis.WebSocket;
const script = globalThis.document?.currentScript;
const { gateway, room: roomOfAll, replace } = script?.dataset ?? {};
const base = gateway ?? (script ? new URL('.', script.src).href : '');

function needs({ length }) {
	if (!length)
		throw new TypeError('An argument is required.');
}

const syntaxError = (text) => new DOMException(text, 'SyntaxError');

function parseUrl(text) {
	let url;
	try {
		url = new URL(text, globalThis.document?.baseURI);
	} catch {
		throw syntaxError(`The URL '${text}' is invalid.`);
	}
	url.protocol = url.protocol.replace(/^http/, 'ws');
	if (!/^wss?:$/.test(url.protocol))
		throw syntaxError(`The URL's scheme must be 'ws', 'wss', 'http' or 'https', not '${url.protocol}'.`);
	if (url.href.includes('#'))
		throw syntaxError('The URL contains a fragment.');
	return url;
}

function roomOf({ pathname }) {
	const name = /\/relay\/(.+)/.exec(pathname)?.[1] ?? pathname;
	try {
		return roomOfAll ?? decodeURIComponent(name);
	} catch {
		return name;
	}
}

function toBase64(bytes) {
	let text = '';
	for (const byte of bytes)
		text += String.fromCharCode(byte);
	return btoa(text);
}

const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;

/** As an operation's {event, data}, or a promise of it, and its size. */
function asFrame(data) {
	if (data instanceof Blob)
		return [data.arrayBuffer().then((buffer) => asFrame(buffer)[0]), data.size];
	if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
		const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
		return [{ event: 'binary', data: toBase64(bytes) }, bytes.length];
	}
	const bytes = new TextEncoder().encode(data);
	return [{ event: 'text', data: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) }, bytes.length]; // Half a surrogate is no text.
}

class PollgateWebSocket extends EventTarget {
	/** The browser's own, which a client of Pollgate uses by itself. */
	static native = native;

	#url;
	#protocol = '';
	#state = 0;
	#buffered = 0;
	#pending = 0; // Frames that are not answered.
	#drained = () => {};
	#binaryType = 'blob';
	#handlers = {}; // on... -> {fn, listener}
	#client;
	#room;
	#line = Promise.resolve(); // Blobs take time, and nothing may overtake them.
	#limit;

	constructor(url, protocols = []) {
		super();
		needs(arguments);
		const parsed = parseUrl(url);
		const names = typeof protocols === 'string' || !protocols?.[Symbol.iterator] ? [`${protocols}`] : [...protocols].map(String);
		if (names.some((name) => !TOKEN.test(name)) || new Set(names).size < names.length)
			throw syntaxError('A subprotocol is invalid or duplicated.');
		this.#url = parsed.href;
		this.#room = roomOf(parsed);
		this.#open(names[0] ?? '');
	}

	get url() {
		return this.#url;
	}

	get readyState() {
		return this.#state;
	}

	get bufferedAmount() {
		return this.#buffered;
	}

	get extensions() {
		return '';
	}

	get protocol() {
		return this.#protocol;
	}

	get binaryType() {
		return this.#binaryType;
	}

	set binaryType(type) {
		if (['blob', 'arraybuffer'].includes(`${type}`))
			this.#binaryType = `${type}`;
	}

	send(data) {
		needs(arguments);
		if (this.#state === 0)
			throw new DOMException('Still in CONNECTING state.', 'InvalidStateError');
		const [frame, size] = asFrame(data);
		this.#buffered += size;
		if (this.#state > 1)
			return;
		this.#pending++;
		this.#line = this.#line.then(() => frame).then((message) => {
			this.#client.send({ room: this.#room, ...message }).then(() => {
				this.#buffered -= size;
				if (!--this.#pending)
					this.#drained();
			}, ({ code }) => this.#end(CODES[code], code));
		}, () => this.#end());
	}

	close(code, reason = '') {
		if (code !== undefined) {
			code = Math.min(Math.max(Math.round(+code) || 0, 0), 65_535);
			if (code !== 1000 && !(code >= 3000 && code <= 4999))
				throw new DOMException(`The code must be 1000, or between 3000 and 4999, not ${code}.`, 'InvalidAccessError');
		}
		if (new TextEncoder().encode(reason).length > 123)
			throw syntaxError('The reason is longer than 123 bytes.');
		if (this.#state > 1)
			return;
		const connecting = this.#state === 0;
		this.#state = 2;
		if (connecting)
			return void setTimeout(() => this.#end());
		this.#drained = () => this.#end(code ?? 1005); // The reason is for the other side, of which there is none.
		this.#limit = setTimeout(this.#drained, this.#pending ? FLUSH_LIMIT : 0);
	}

	async #open(protocol) {
		await undefined; // Whoever made it assigns handlers first.
		const auth = () => new URL(this.#url).searchParams.get('auth') ?? undefined; // Else JSON would have a null.
		const client = this.#client = connect(base, { rooms: [this.#room], resume: false, maxQueue: Infinity, WebSocket: native, auth });
		client.on('message', (message) => this.#take(message));
		client.on('gap', ({ room }) => room === this.#room && this.#end(4000, 'gap'));
		client.on('closed', ({ reason }) => this.#end(CODES[reason], reason));
		this.#limit = setTimeout(() => this.#end(), OPEN_LIMIT);
		const { rooms: [{ error }] } = await client.ready.catch(() => ({ rooms: [{ error: {} }] }));
		if (error)
			return this.#end(CODES[error.code], error.code);
		if (this.#state)
			return;
		clearTimeout(this.#limit);
		this.#state = 1;
		this.#protocol = protocol;
		this.dispatchEvent(new Event('open'));
	}

	#take({ room, event, data }) {
		if (room !== this.#room || this.#state !== 1 || typeof data !== 'string' || !['text', 'binary'].includes(event))
			return;
		if (event === 'binary')
			try {
				data = fromBase64(data);
				if (this.#binaryType === 'blob')
					data = new Blob([data]);
			} catch {
				return; // Not a frame.
			}
		this.dispatchEvent(new MessageEvent('message', { data, origin: new URL(this.#url).origin }));
	}

	/** Without a code it failed. */
	#end(code, reason = '') {
		if (this.#state === 3)
			return;
		this.#state = 3;
		clearTimeout(this.#limit);
		this.#client?.close();
		if (!code)
			this.dispatchEvent(new Event('error'));
		this.dispatchEvent(new CloseEvent('close', { code: code ?? 1006, reason: code ? reason : '', wasClean: !!code }));
	}

	static {
		STATES.forEach((name, value) => {
			for (const target of [this, this.prototype])
				Object.defineProperty(target, name, { value, enumerable: true });
		});
		for (const type of EVENTS)
			Object.defineProperty(this.prototype, `on${type}`, {
				enumerable: true, configurable: true,
				get() {
					return this.#handlers[type]?.fn ?? null;
				},
				set(fn) {
					this.#handle(type, typeof fn === 'function' || fn instanceof Object ? fn : null);
				},
			});
		for (const name of ['url', 'readyState', 'bufferedAmount', 'extensions', 'protocol', 'binaryType', 'send', 'close'])
			Object.defineProperty(this.prototype, name, { enumerable: true });
		Object.defineProperty(this.prototype, Symbol.toStringTag, { value: 'WebSocket', configurable: true });
		Object.defineProperty(this, 'name', { value: 'WebSocket' });
	}

	/** One that is replaced keeps its place among the listeners. */
	#handle(type, fn) {
		const handler = this.#handlers[type];
		if (handler && fn) {
			handler.fn = fn;
		} else if (handler) {
			this.removeEventListener(type, handler.listener);
			delete this.#handlers[type];
		} else if (fn) {
			const made = this.#handlers[type] = { fn, listener: (event) => typeof made.fn === 'function' && made.fn.call(this, event) };
			this.addEventListener(type, made.listener);
		}
	}
}

globalThis.PollgateWebSocket = PollgateWebSocket;
if (replace !== undefined)
	globalThis.WebSocket = PollgateWebSocket;
