/*
 * The picture as the log of a room tells it.  A log is bounded, so now and then a member saves the picture in it: a "mark", and
 * when the mark comes back with its place in the log, the picture at this place in several parts.  Who comes later takes the last
 * saved picture, and draws what the log has after its mark.
 *
 * Events: ink {key, n, runs}, clear {key, n}, mark {key}, picture {key, mark, part, of, text, drawn, lossy}, need.  `key` and `n`
 * name what a page has drawn, so that what a page repeats is not drawn twice.
 */
import { areRuns, Board } from './board.js';

const SAVE_AFTER = 200; // Entries, and up to as many more: that not everybody saves at once.
const SAVE_MORE = 100;
const PART_LENGTH = 45_000;
const PARTS_MAX = 32;
const ENTRIES_MAX = 4000;
const ANSWER_WITHIN = 300; // Who is asked for the picture waits so long at most: perhaps another one is faster.
const OFFER_AFTER = 2500; // Who has only a part of it waits so long for somebody who has all.
const PAGES_MAX = 100;
const NEWCOMERS_SAVE = 1 / 50; // Those who come and go fill the log, too, and its history does not show them.

const isWhole = (n) => Number.isInteger(n) && n >= 0;

/** Whether this entry changes the picture. */
function draws({ event, data }) {
	return (event === 'clear' || (event === 'ink' && areRuns(data?.runs))) && typeof data?.key === 'string' && isWhole(data.n);
}

/** Saved pictures of which every part is there, in entries that begin before the mark: {at: index of the mark, text, drawn, lossy}. */
function savedPictures(entries) {
	const marks = new Map(entries.map(({ event, id }, i) => event === 'mark' ? [id, i] : []));
	const parts = new Map(); // sender and key -> its parts
	const found = [];
	for (const { from, event, data } of entries) {
		if (event !== 'picture' || !isWhole(data?.part) || !(data.of <= PARTS_MAX) || typeof data.text !== 'string')
			continue;
		const name = `${from} ${data.key}`;
		const of = parts.get(name) ?? parts.set(name, []).get(name);
		of[data.part] = data;
		if (marks.has(data.mark) && Object.keys(of).length === data.of)
			found.push({
				at: marks.get(data.mark), text: of.map(({ text }) => text).join(''), lossy: of.some(({ lossy }) => lossy),
				drawn: Object.entries(of[0].drawn ?? {}).filter(([, n]) => isWhole(n)),
			});
	}
	return found;
}

/** The last clearing, likewise. */
function clearings(entries) {
	const at = entries.findLastIndex((entry) => entry.event === 'clear' && draws(entry));
	const drawn = entries.slice(0, at + 1).filter(draws).map(({ data: { key, n } }) => [key, n]);
	return at < 0 ? [] : [{ at, text: '', lossy: false, drawn }];
}

export class BoardLog {
	/** The picture is what everybody else has. */
	consistent = false;
	/** Something that was drawn is lost for everybody. */
	lossy = false;

	#board;
	#send;
	#changed;
	#inside = false; // We know what was in the room when we entered it.
	#entries = []; // While something is missing: what we have of the log.  Else null.
	#drawn = new Map(); // key of a page -> the n of its last event
	#origin = false; // The log has something to begin from.
	#since; // Entries since a picture was saved,
	#saveAt; // and at which of them we save one.
	#marks = 0;
	#saving = null; // {key}
	#restoring = false;
	#timers = new Set();

	/** send(event, data) promises that the room has it; changed() follows each change of the picture or of what is missing. */
	constructor(board, send, changed) {
		this.#board = board;
		this.#send = send;
		this.#changed = changed;
		this.#saved(0);
	}

	/** We are in the room (again), and this is its history. */
	async entered(history) {
		const known = new Set(history.map(({ id }) => id));
		const { blank } = this.#board;
		this.#entries = [...history, ...this.#entries.filter(({ id }) => !known.has(id))];
		if (await this.#restore()) {
			if (Math.random() < NEWCOMERS_SAVE)
				this.save();
			return;
		}
		this.#inside = true;
		this.#entries.forEach((entry) => this.#apply(entry));
		this.#saved(this.#entries.length);
		if (!history.length && blank)
			this.#settle(false);
		else if (!this.consistent)
			this.#ask();
		this.#changed();
	}

	/** Messages are missing.  What comes is kept until entered() is called with the history. */
	left() {
		this.#inside = this.consistent = false;
		this.#entries = [];
		this.#saving = null;
		this.#changed();
	}

	/** A message of the room, the gateway's own included: they fill its log, too. */
	take(entry) {
		this.#entries?.push(entry);
		if (this.#entries?.length > ENTRIES_MAX)
			this.#entries.splice(0, ENTRIES_MAX / 2);
		if (!this.#inside)
			return;
		this.#since++;
		this.#apply(entry);
		this.#react(entry);
		if (this.#since >= this.#saveAt && this.consistent && (this.#origin || !this.#board.blank))
			this.save();
		this.#changed();
	}

	/** Whether this event of a page is in the picture. */
	has(key, n) {
		return (this.#drawn.get(key) ?? -1) >= n;
	}

	/** Before the first line: let the log say that there was nothing before. */
	begin() {
		if (this.consistent && !this.#origin)
			this.save();
	}

	/** Save the picture for those who come later. */
	save() {
		if (this.#saving)
			return;
		const saving = this.#saving = { key: Math.random().toString(36).slice(2) };
		this.#origin = true;
		this.#postpone();
		this.#send('mark', saving).catch(() => this.#saving === saving && (this.#saving = null));
	}

	close() {
		this.#timers.forEach(clearTimeout);
		this.#timers.clear();
	}

	#later(ms, fn) {
		const timer = setTimeout(() => {
			this.#timers.delete(timer);
			fn();
		}, ms);
		this.#timers.add(timer);
	}

	/** A picture is saved, since entries ago. */
	#saved(since) {
		this.#since = since;
		this.#postpone();
	}

	#postpone() {
		this.#saveAt = this.#since + SAVE_AFTER + Math.random() * SAVE_MORE;
	}

	#apply(entry) {
		const { event, data } = entry;
		if (!draws(entry) || this.has(data.key, data.n))
			return;
		this.#drawn.delete(data.key); // The last one that drew is the last in the map.
		this.#drawn.set(data.key, data.n);
		if (event === 'ink')
			return this.#board.draw(data.runs);
		this.#board.clear();
		this.#origin = true;
		this.#settle(false);
		this.#saved(0);
	}

	#react({ id, event, data }) {
		if (event === 'mark') {
			this.#marks++;
			this.#postpone();
			if (this.#saving && data?.key === this.#saving.key)
				this.#write(id);
		} else if (event === 'picture' && data?.part === data?.of - 1) {
			this.#origin = true;
			this.#saved(0);
			if (this.#entries)
				this.#restore();
			else if (data.lossy) // We know better.
				this.#answer();
		} else if (event === 'need' && this.consistent) {
			this.#answer();
		}
	}

	/** Save the picture, if nobody else is faster. */
	#answer() {
		const marks = this.#marks;
		this.#later(Math.random() * ANSWER_WITHIN, () => marks === this.#marks && this.save());
	}

	/** Our mark is in the log: save the picture as it is there. */
	async #write(mark) {
		const saving = this.#saving;
		const drawn = Object.fromEntries([...this.#drawn].slice(-PAGES_MAX));
		const lossy = this.lossy || !this.consistent;
		try {
			const text = this.#board.blank ? '' : await this.#board.pack();
			const of = Math.max(1, Math.ceil(text.length / PART_LENGTH));
			for (let part = 0; part < of && of <= PARTS_MAX; part++)
				await this.#send('picture', {
					key: saving.key, mark, part, of, text: text.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH), lossy,
					...part === 0 && { drawn },
				});
		} catch {
			// Another time, or another member.
		}
		if (this.#saving === saving)
			this.#saving = null;
	}

	/** What we have of the log does not tell everything: ask for the picture, and offer what we have if nobody answers. */
	#ask() {
		const marks = this.#marks;
		this.#send('need', null).catch(() => {});
		this.#later(OFFER_AFTER * (1 + Math.random()), () => {
			if (this.#inside && !this.consistent)
				marks === this.#marks ? this.save() : this.#ask(); // Somebody began to answer.
		});
	}

	#settle(lossy) {
		this.consistent = true;
		this.lossy = lossy;
		if (!lossy)
			this.#entries = null;
	}

	/** Begin anew from the best that the entries have, if there is something better than what we have: promises whether. */
	async #restore() {
		if (this.#restoring)
			return false;
		this.#restoring = true;
		try {
			const origins = [...clearings(this.#entries), ...savedPictures(this.#entries)]
				.filter(({ lossy }) => !(lossy && this.consistent))
				.sort((a, b) => a.lossy - b.lossy || b.at - a.at);
			for (const origin of origins) {
				const entry = this.#entries[origin.at];
				const pixels = origin.text ? await Board.unpack(origin.text).catch(() => null) : [];
				const at = this.#entries?.indexOf(entry) ?? -1; // There may be others meanwhile.
				if (pixels && at >= 0) {
					this.#begin(origin, pixels, this.#entries.slice(at + 1));
					return true;
				}
			}
			return false;
		} finally {
			this.#restoring = false;
		}
	}

	#begin({ drawn, lossy }, pixels, entries) {
		this.#inside = true;
		this.#drawn = new Map(drawn);
		this.#board.show(pixels);
		this.#origin = true;
		this.#settle(lossy);
		entries.forEach((entry) => this.#apply(entry));
		this.#saved(entries.length);
		this.#changed();
	}
}
