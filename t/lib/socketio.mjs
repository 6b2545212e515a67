/* A stock client of Socket.IO that records what it is told. */
import { createRequire } from 'node:module';
import { waitFor, within } from './wait.mjs';

const { io } = createRequire(import.meta.url)('socket.io-client');

export class SocketGuest {
	/** options are those of io(). */
	constructor(base, namespace = '/', options = {}) {
		this.socket = io(base + namespace, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
		this.got = [];  /* [event, ...arguments], without offsets. */
		this.told = []; /* 'connect', 'disconnect: WHY', or { message, data } of a refusal. */
		for (const event of ['connect', 'disconnect'])
			this.socket.on(event, (why) => this.told.push(why ? `${event}: ${why}` : event));
		this.socket.on('connect_error', (error) => this.told.push({ message: error.message, data: error.data }));
		this.socket.onAny((...args) => this.got.push(args.filter((arg) => typeof arg === 'function' || !/^1\.[-d]\./.test(arg))));
	}

	/** One that is connected. */
	static async come(...args) {
		const guest = new this(...args);
		await guest.until(() => guest.socket.connected, 'to be connected');
		return guest;
	}

	until(condition, what) {
		return waitFor(condition, () => `${what}; told ${JSON.stringify(this.told)}, got ${JSON.stringify(this.got).slice(0, 600)}`);
	}

	/** Emit, and wait for the acknowledgement: its arguments. */
	ask(...args) {
		return within(new Promise((resolve) => this.socket.emit(...args, (...answer) => resolve(answer))), `an answer to ${args[0]}`);
	}

	/** The arguments of each event of that name. */
	of(event) {
		return this.got.filter(([name]) => name === event).map(([, ...args]) => args);
	}

	leave() {
		this.socket.disconnect();
	}
}
