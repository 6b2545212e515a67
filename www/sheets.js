/* The whiteboard on the screen: the picture that everybody has, and above it a sheet with what is not in it yet. */
import { HEIGHT, PALETTE, WIDTH } from './board.js';

const colours = PALETTE.map(([, colour]) => colour);
const rgba = Uint32Array.from(colours, (colour) => 0xff000000 |
	parseInt(colour.slice(5, 7), 16) << 16 | parseInt(colour.slice(3, 5), 16) << 8 | parseInt(colour.slice(1, 3), 16));

/** The two sheets on the screen. */
export class Sheets {
	#picture;
	#overlay;
	#asked = false;
	#empty = true;
	source = null; // {board, ink, cursor: {x, y, down} of the keyboard or null}

	/** @param {HTMLCanvasElement} picture  @param {HTMLCanvasElement} overlay */
	constructor(picture, overlay) {
		this.#picture = picture.getContext('2d', { alpha: false });
		this.#overlay = overlay.getContext('2d');
		for (const { canvas } of [this.#picture, this.#overlay])
			Object.assign(canvas, { width: WIDTH, height: HEIGHT });
	}

	update() {
		if (!this.#asked)
			requestAnimationFrame(() => this.#draw());
		this.#asked = true;
	}

	#draw() {
		this.#asked = false;
		if (!this.source)
			return;
		const { board, ink, cursor } = this.source;
		if (board.dirty)
			this.#drawPicture(board);
		const runs = ink.unseen;
		if (!this.#empty)
			this.#overlay.clearRect(0, 0, WIDTH, HEIGHT);
		this.#empty = !runs.length && !cursor;
		runs.forEach((run) => this.#drawRun(...run));
		if (cursor)
			this.#drawCursor(cursor);
	}

	#drawPicture(board) {
		const [left, top, right, bottom] = board.dirty;
		const part = new ImageData(right - left, bottom - top);
		const words = new Uint32Array(part.data.buffer);
		for (let y = top, i = 0; y < bottom; y++)
			for (let x = left; x < right; x++)
				words[i++] = rgba[board.pixels[y * WIDTH + x]];
		this.#picture.putImageData(part, left, top);
		board.dirty = null;
	}

	#drawRun(index, wide, ...points) {
		Object.assign(this.#overlay, { strokeStyle: colours[index], lineWidth: wide, lineCap: 'round', lineJoin: 'round' });
		this.#overlay.beginPath();
		this.#overlay.moveTo(points[0], points[1]);
		for (let i = 0; i < points.length; i += 2)
			this.#overlay.lineTo(points[i], points[i + 1]);
		this.#overlay.stroke();
	}

	/** A ring that is seen on every colour. */
	#drawCursor({ x, y, down }) {
		for (const [strokeStyle, lineWidth] of [['#fff', 9], ['#1b1b1f', 4]]) {
			Object.assign(this.#overlay, { strokeStyle, lineWidth });
			this.#overlay.beginPath();
			this.#overlay.arc(x, y, down ? 14 : 24, 0, 2 * Math.PI);
			this.#overlay.stroke();
		}
	}
}
