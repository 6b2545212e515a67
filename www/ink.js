/*
 * What is drawn here, on its way to the room: points are gathered while an event is under way, so that there is never more than
 * one, and on a slow network each has more points.  What is not in the room's picture yet is `unseen`.
 */
import { EVENT_MAX } from './board.js';

const RUN_MAX = 400; // Numbers in a run; a longer line goes on in another one.
const AGAIN_AFTER = 1000;

export class Ink {
	#n = 0;
	#key;
	#log;
	#send;
	#interval;
	#failed;
	#waiting = []; // Runs, or one 'clear' and runs.
	#under = []; // Events that are not in the picture yet: {n, event, runs, answered}
	#busy = false;
	#again = () => {};

	/** send(event, data) promises; interval() is in ms, between two events; failed(error) follows what the gateway refused. */
	constructor({ key, log, send, interval, failed }) {
		this.#key = key;
		this.#log = log;
		this.#send = send;
		this.#interval = interval;
		this.#failed = failed;
	}

	/** Begin a line.  Returns what extends it. */
	line(colour, width, x, y) {
		let run = [colour, width, x, y];
		let last = [x, y];
		this.#add(run);
		return (x, y) => {
			if (x === last[0] && y === last[1])
				return;
			if (!this.#waiting.includes(run) || run.length >= RUN_MAX)
				this.#add(run = [colour, width, ...last, x, y]);
			else
				run.push(x, y);
			last = [x, y];
		};
	}

	clear() {
		this.#waiting = ['clear'];
		this.#pump();
	}

	/** Runs that the room's picture does not have yet. */
	get unseen() {
		return [...this.#under.flatMap(({ runs }) => runs), ...this.#waiting].filter((run) => run !== 'clear');
	}

	/** The picture changed. */
	settle() {
		this.#under = this.#under.filter(({ n }) => !this.#log.has(this.#key, n));
	}

	/** The session is another one, and the picture is what its room has now: what is not in it is sent again. */
	resume() {
		const lost = this.#under.filter(({ answered }) => answered);
		this.#under = this.#under.filter(({ answered }) => !answered);
		this.#waiting.unshift(...lost.flatMap(({ event, runs }) => event === 'clear' ? [] : runs));
		this.#again();
		this.#pump();
	}

	#add(run) {
		this.#waiting.push(run);
		this.#pump();
	}

	#take() {
		if (this.#waiting[0] === 'clear')
			return { event: this.#waiting.shift(), runs: [] };
		let length = 0;
		const count = this.#waiting.findIndex((run) => (length += run.length) > EVENT_MAX);
		return { event: 'ink', runs: this.#waiting.splice(0, count < 0 ? Infinity : count) };
	}

	async #pump() {
		if (this.#busy)
			return;
		this.#busy = true;
		while (this.#waiting.length) {
			const pause = new Promise((resolve) => setTimeout(resolve, this.#interval()));
			const under = { n: this.#n++, ...this.#take(), answered: false };
			this.#under.push(under);
			await this.#deliver(under);
			under.answered = true;
			await pause;
		}
		this.#busy = false;
	}

	/** Until it is in the room, or refused. */
	async #deliver(under) {
		const { n, event, runs } = under;
		while (!this.#log.has(this.#key, n))
			try {
				return await this.#send(event, event === 'ink' ? { key: this.#key, n, runs } : { key: this.#key, n });
			} catch (error) {
				if (error.code === 'session_gone')
					await new Promise((resolve) => this.#again = resolve);
				else if (error.code === 'queue_full')
					await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
				else
					return this.#refused(under, error);
			}
	}

	#refused(under, error) {
		this.#under = this.#under.filter((other) => other !== under);
		this.#failed(error);
	}
}
