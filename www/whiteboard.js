/*
 * The whiteboard: what is drawn goes to the room, and what comes from the room is the picture, one's own lines too.  Until those
 * come back, they are on a second sheet above it, so that nobody waits, and all see the same picture in the end.
 */
import { connect } from './pollgate.js';
import { Board, HEIGHT, PALETTE, WIDTH, WIDTHS } from './board.js';
import { BoardLog } from './board-log.js';
import { Connection } from './connection.js';
import { Ink } from './ink.js';
import { inTab } from './kept.js';
import { $, download, say } from './page.js';
import { clean, keepName, myName, newKey, showPeople } from './person.js';
import { followAddress, roomOfAddress } from './room.js';
import { Sheets } from './sheets.js';

const PREFIX = 'board:';
const HISTORY = 1000;
const INTERVAL = 40; // ms between two events of one drawing person, while few are drawing.
const FEW = 3;
const DRAWING = 2000; // Who sent something so many ms ago is drawing.
const STEP = 10;
const SMALL_STEP = 2;
const ERASER = 32; // The bit of a pen's other end in `buttons`.

const colours = PALETTE.map(([, colour]) => colour);
const connection = new Connection($('connection'), $('connection-note'));
let { colour, width } = { colour: 0, width: 1, ...inTab.get('pen') };
let ownColour = colour; // By which others know us: the last one that was not the eraser's.

/** From opening a board to leaving it. */
class Session {
	board = new Board();
	ink;
	cursor = null;
	opened = false;
	#room;
	#key = newKey();
	#client;
	#log;
	#active = new Map(); // Who draws: id -> when we heard of it.
	#lost = '';

	constructor(room) {
		const send = (event, data) => this.#client.send({ room: this.#room, event, data, self: true });
		this.#room = PREFIX + room;
		this.#client = connect('', { data: this.#data() });
		this.#log = new BoardLog(this.board, send, () => this.#changed());
		this.ink = new Ink({
			key: this.#key, log: this.#log, send, interval: () => this.#interval(),
			failed: (error) => this.#tell(`A line could not be sent: ${error.message}`),
		});
		connection.follow(this.#client);
		this.#client.on('message', (message) => this.#take(message));
		this.#client.on('presence', ({ members }) => this.#showPeople(members));
		this.#client.on('gap', ({ reason, room: where }) => where === this.#room && this.#gap(reason));
		this.#client.on('resumed', ({ fresh, rooms }) => fresh && this.#resumed(rooms));
	}

	async start() {
		try {
			const { members, history } = await this.#client.join(this.#room, { history: HISTORY });
			this.#pickColour(members.filter(({ id }) => id !== this.#client.id));
			this.opened = true;
			await this.#log.entered(history);
		} catch (error) {
			if (error.code !== 'closed')
				this.#tell(`The board cannot be opened: ${error.message}`);
		}
	}

	/** Begin a line; returns what extends it. */
	line(index, x, y) {
		this.#log.begin();
		const extend = this.ink.line(index, WIDTHS[width], x, y);
		sheets.update();
		return (...to) => {
			extend(...to);
			sheets.update();
		};
	}

	clear() {
		this.ink.clear();
		sheets.update();
	}

	/** Name or colour is another one. */
	introduce() {
		this.#client.set(this.#data()).catch(() => {});
	}

	close() {
		this.#log.close();
		this.#client.close();
	}

	#data() {
		return { name: myName(), colour: ownColour };
	}

	/** One that nobody here has, unless this tab had one before. */
	#pickColour(others) {
		if (ownColour)
			return;
		const taken = new Set(others.map(({ data }) => data?.colour));
		const free = PALETTE.findIndex((_, i) => i > 0 && !taken.has(i));
		choosePen({ colour: free > 0 ? free : 1 });
	}

	#take(message) {
		if (message.room !== this.#room)
			return;
		if (message.event === 'ink')
			this.#active.set(message.from, Date.now());
		this.#log.take(message);
	}

	#interval() {
		for (const [id, when] of this.#active)
			if (Date.now() - when > DRAWING)
				this.#active.delete(id);
		return INTERVAL * Math.max(1, this.#active.size / FEW);
	}

	async #gap(reason) {
		this.#log.left();
		if (reason === 'trimmed') // Else 'resumed' brings the history.
			await this.#client.history(this.#room, HISTORY).then((history) => this.#log.entered(history), () => {});
	}

	async #resumed([room]) {
		if (room?.error)
			return this.#tell(`The board cannot be opened again: ${room.error.detail}`);
		await this.#log.entered(room?.history ?? []);
		this.ink.resume();
	}

	#tell(text) {
		this.#lost = text;
		this.#changed();
	}

	#changed() {
		const { consistent, lossy } = this.#log;
		this.ink?.settle();
		$('hint').hidden = !this.board.blank || this.ink?.unseen.length > 0 || !consistent;
		$('sheet').setAttribute('aria-busy', !consistent);
		say($('note'), this.#lost || (!consistent ? 'Getting the picture …' : '') ||
			(lossy ? 'The gateway has lost a part of what was drawn here: the picture may be incomplete.' : ''));
		sheets.update();
	}

	#showPeople(members) {
		showPeople($('people'), members, { me: this.#client.id, mark: ({ data }) => colours[data?.colour] ?? colours[0] });
	}
}

/* ---- Pens ---- */

function swatch(group, name, value, label, look) {
	const input = Object.assign(document.createElement('input'), { type: 'radio', name, value });
	const line = document.createElement('label');
	const dot = document.createElement('span');
	const text = Object.assign(document.createElement('span'), { className: 'unseen', textContent: label });
	dot.className = 'dot';
	Object.assign(dot.style, look);
	line.title = label;
	line.append(input, dot, text);
	group.append(line);
	return input;
}

function makeTools() {
	PALETTE.forEach(([label, value], i) => i && swatch($('colours'), 'colour', i, label, { background: value }));
	swatch($('colours'), 'colour', 0, 'Eraser', {}).nextElementSibling.classList.add('eraser');
	['Fine', 'Medium', 'Broad', 'Very broad'].forEach((label, i) => {
		const size = `${[0.25, 0.45, 0.75, 1.15][i]}rem`;
		swatch($('widths'), 'width', i, label, { width: size, height: size }).nextElementSibling.classList.add('ink');
	});
	$('colours').addEventListener('change', ({ target }) => choosePen({ colour: Number(target.value) }));
	$('widths').addEventListener('change', ({ target }) => choosePen({ width: Number(target.value) }));
}

function choosePen(change) {
	const before = ownColour;
	({ colour, width } = { colour, width, ...change });
	ownColour = colour || ownColour;
	inTab.set('pen', { colour: ownColour, width });
	showPen();
	if (ownColour !== before)
		session?.introduce();
}

function showPen() {
	for (const [name, value] of [['colour', colour], ['width', width]])
		for (const input of document.getElementsByName(name))
			input.checked = input.value === String(value) && (name === 'width' || ownColour > 0);
}

/* ---- Hands ---- */

const lines = new Map(); // Pointer -> what extends its line, and the kind of pointer.

function place({ clientX, clientY }) {
	const { left, top, width: wide, height: high } = $('overlay').getBoundingClientRect();
	const within = (n, max) => Math.max(0, Math.min(max, Math.round(n)));
	return [within((clientX - left) / wide * WIDTH, WIDTH), within((clientY - top) / high * HEIGHT, HEIGHT)];
}

function penDown(event) {
	const resting = event.pointerType === 'touch' && [...lines.values()].some(({ kind }) => kind === 'pen');
	if (!session?.opened || (event.button !== 0 && !(event.buttons & ERASER)) || resting) // A hand that rests draws nothing.
		return;
	$('overlay').setPointerCapture(event.pointerId);
	moveCursor(null);
	lines.set(event.pointerId, { extend: session.line(event.buttons & ERASER ? 0 : colour, ...place(event)), kind: event.pointerType });
}

function penMove(event) {
	const line = lines.get(event.pointerId);
	for (const point of line ? event.getCoalescedEvents?.() ?? [] : [])
		line.extend(...place(point));
	line?.extend(...place(event));
}

function penUp(event) {
	lines.delete(event.pointerId);
}

function moveCursor(cursor) {
	if (session)
		session.cursor = cursor;
	sheets.update();
}

let extendByKeys = null;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function penByKeys(event) {
	const arrow = ARROWS[event.key];
	if (!session?.opened || event.ctrlKey || event.altKey || event.metaKey || !(arrow || event.key === ' ' || event.key === 'Escape'))
		return;
	event.preventDefault();
	const { x, y, down } = session.cursor ?? { x: WIDTH / 2, y: HEIGHT / 2, down: false };
	if (arrow) {
		const step = event.shiftKey ? SMALL_STEP : STEP;
		const to = [Math.max(0, Math.min(WIDTH, x + step * arrow[0])), Math.max(0, Math.min(HEIGHT, y + step * arrow[1]))];
		moveCursor({ x: to[0], y: to[1], down });
		if (down)
			extendByKeys(...to);
	} else if (event.key === 'Escape') {
		liftByKeys();
	} else if (!event.repeat) {
		moveCursor({ x, y, down: !down });
		if (!down)
			extendByKeys = session.line(colour, x, y);
		say($('pen'), down ? 'The pen is up.' : 'The pen is down.');
	}
}

function liftByKeys() {
	say($('pen'), session?.cursor?.down ? 'The pen is up.' : '');
	moveCursor(null);
}

/* ---- The page ---- */

let session = null;
const sheets = new Sheets($('picture'), $('overlay'));

function saveImage() {
	$('picture').toBlob((blob) => download(`${roomOfAddress().replace(/[^\p{L}\p{N}-]+/gu, '-')}.png`, blob));
}

makeTools();
showPen();
$('my-name').value = myName();
$('my-name').addEventListener('change', () => {
	keepName($('my-name').value);
	$('my-name').value = clean($('my-name').value);
	session?.introduce();
});
$('save').addEventListener('click', saveImage);
$('clear').addEventListener('click', () => {
	$('sure').returnValue = '';
	$('sure').showModal();
});
$('sure').addEventListener('close', () => $('sure').returnValue && session?.clear());
$('overlay').addEventListener('pointerdown', penDown);
$('overlay').addEventListener('pointermove', penMove);
for (const end of ['pointerup', 'pointercancel', 'lostpointercapture'])
	$('overlay').addEventListener(end, penUp);
$('overlay').addEventListener('keydown', penByKeys);
$('overlay').addEventListener('blur', liftByKeys);
followAddress({
	title: 'Whiteboard', word: 'Board', prefix: PREFIX,
	leave: () => {
		session?.close();
		session = sheets.source = null;
		lines.clear();
	},
	enter: (room) => {
		$('people').replaceChildren();
		session = sheets.source = new Session(room);
		session.start();
	},
});
