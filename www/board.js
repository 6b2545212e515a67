/*
 * The picture: a sheet of fixed size, each pixel an index into the palette.  Lines have hard edges and are computed with nothing
 * but + - * / and square roots, which IEEE 754 rounds alike everywhere: the same runs in the same order make the same picture in
 * every browser, on every screen.  The screen's own scaling makes the edges soft.
 */

export const WIDTH = 1920;
export const HEIGHT = 1200;
/** Index 0 is the paper. */
export const PALETTE = [
	['White', '#ffffff'], ['Black', '#1b1b1f'], ['Red', '#d3302f'], ['Orange', '#ef8a17'], ['Yellow', '#f2c81d'], ['Green', '#2f9e44'],
	['Blue', '#1f6fd6'], ['Violet', '#8b3fc0'], ['Brown', '#8a5a3b'],
];
export const WIDTHS = [6, 14, 32, 80];
const WIDEST = 120;
/** Numbers in the runs of one event, those of all colours and widths included. */
export const EVENT_MAX = 2000;

/** The x from `low` to `high` with from <= slope * x + offset <= to; none when low > high. */
function between(slope, offset, from, to) {
	if (slope === 0)
		return from <= offset && offset <= to ? [-Infinity, Infinity] : [Infinity, -Infinity];
	const ends = [(from - offset) / slope, (to - offset) / slope];
	return slope > 0 ? ends : ends.reverse();
}

/** Where a row that passes a circle's centre at distance dy cuts it. */
function chord(x, dy, radius) {
	const rest = radius * radius - dy * dy;
	return rest < 0 ? [Infinity, -Infinity] : [x - Math.sqrt(rest), x + Math.sqrt(rest)];
}

/** A run is [colour, width, x, y, x, y ...]: a line through these points, or a dot. */
function isRun(run) {
	return Array.isArray(run) && run.length >= 4 && run.length % 2 === 0 && run.every(Number.isInteger) &&
		run[0] >= 0 && run[0] < PALETTE.length && run[1] >= 1 && run[1] <= WIDEST &&
		run.every((n, i) => i < 2 || (n >= -WIDEST && n <= (i % 2 ? HEIGHT : WIDTH) + WIDEST));
}

/** Whether this came from a page like ours: others may send anything. */
export function areRuns(runs) {
	return Array.isArray(runs) && runs.every(isRun) && runs.reduce((sum, { length }) => sum + length, 0) <= EVENT_MAX;
}

async function through(bytes, transform) {
	return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(transform)).arrayBuffer());
}

export class Board {
	pixels = new Uint8Array(WIDTH * HEIGHT);
	blank = true;
	/** What changed since it was shown: [left, top, right, bottom], the last two outside; or null. */
	dirty = [0, 0, WIDTH, HEIGHT];

	clear() {
		this.pixels.fill(0);
		this.blank = true;
		this.dirty = [0, 0, WIDTH, HEIGHT];
	}

	draw(runs) {
		for (const [colour, width, ...points] of runs)
			for (let i = 0; i < points.length; i += 2)
				if (i || points.length === 2)
					this.#segment(colour, width / 2, ...points.slice(i ? i - 2 : i, i + 2), points[i], points[i + 1]);
		this.blank &&= runs.length === 0;
	}

	/** From a to b, with round ends. */
	#segment(colour, radius, ax, ay, bx, by) {
		const [dx, dy] = [bx - ax, by - ay];
		const square = dx * dx + dy * dy;
		const reach = radius * Math.sqrt(square);
		const top = Math.max(0, Math.ceil(Math.min(ay, by) - radius));
		const bottom = Math.min(HEIGHT - 1, Math.floor(Math.max(ay, by) + radius));
		for (let y = top; y <= bottom; y++) {
			const a = chord(ax, y - ay, radius);
			const b = chord(bx, y - by, radius);
			const along = between(dx, (y - ay) * dy - ax * dx, 0, square);
			const across = between(dy, (ay - y) * dx - ax * dy, -reach, reach);
			const middle = [Math.max(along[0], across[0]), Math.min(along[1], across[1])];
			const parts = [a, b, ...square ? [middle] : []].filter(([low, high]) => low <= high);
			if (!parts.length)
				continue;
			const low = Math.max(0, Math.ceil(Math.min(...parts.map(([low]) => low))));
			const high = Math.min(WIDTH - 1, Math.floor(Math.max(...parts.map(([, high]) => high))));
			if (low <= high)
				this.pixels.fill(colour, y * WIDTH + low, y * WIDTH + high + 1);
		}
		this.#touch(Math.min(ax, bx) - radius, Math.min(ay, by) - radius, Math.max(ax, bx) + radius, Math.max(ay, by) + radius);
	}

	#touch(left, top, right, bottom) {
		const old = this.dirty ?? [Infinity, Infinity, -Infinity, -Infinity];
		this.dirty = [
			Math.max(0, Math.min(old[0], Math.floor(left))), Math.max(0, Math.min(old[1], Math.floor(top))),
			Math.min(WIDTH, Math.max(old[2], Math.ceil(right) + 1)), Math.min(HEIGHT, Math.max(old[3], Math.ceil(bottom) + 1)),
		];
		if (this.dirty[0] >= this.dirty[2] || this.dirty[1] >= this.dirty[3]) // Beside the sheet.
			this.dirty = null;
	}

	/** The picture as it is now, in base64; promised. */
	async pack() {
		const bytes = await through(this.pixels.slice(), new CompressionStream('deflate-raw'));
		let text = '';
		for (let i = 0; i < bytes.length; i += 0x8000)
			text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
		return btoa(text);
	}

	/** Pixels of a packed picture, for show(); rejects what is none. */
	static async unpack(text) {
		const pixels = await through(Uint8Array.from(atob(text), (char) => char.charCodeAt()), new DecompressionStream('deflate-raw'));
		if (pixels.length !== WIDTH * HEIGHT || pixels.some((index) => index >= PALETTE.length))
			throw new Error('not a picture');
		return pixels;
	}

	/** Make it this picture. */
	show(pixels) {
		this.clear();
		this.pixels.set(pixels);
		this.blank = !pixels.some(Boolean);
	}
}
