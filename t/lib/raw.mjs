/*
 * A raw HTTP connection: sends bytes as they are, keeps what comes, takes answers from it one by one.  For requests that no HTTP
 * library would send.
 */
import net from 'node:net';
import { atEnd } from './tap.mjs';
import { waitFor } from './wait.mjs';

const open = new Set();
atEnd(() => {
	for (const raw of open)
		raw.destroy();
});

export class Raw {
	constructor(port, options = {}) {
		this.bytes = Buffer.alloc(0);
		this.received = 0;
		this.ended = false;  /* The other side has closed its half... */
		this.error = null;   /* ...or reset the connection. */
		this.closed = false; /* Nothing will come any more. */
		open.add(this);
		this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, ...options });
		this.socket.setNoDelay();
		this.socket.on('data', (data) => {
			this.received += data.length;
			if (!this.deaf)
				this.bytes = Buffer.concat([this.bytes, data]);
		}).on('end', () => {
			this.ended = this.closed = true;
		}).on('error', (error) => {
			this.error = error.code;
		}).on('close', () => {
			this.closed = true;
			open.delete(this);
		});
	}

	/** Connected: this. */
	async connected() {
		await waitFor(() => !this.socket.connecting || this.error, 'a connection');
		return this;
	}

	send(data) {
		if (!this.socket.destroyed)
			this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
		return this;
	}

	/** One byte at a time, until the other side closes. */
	async drip(data, everyMs = 0) {
		for (let i = 0; i < data.length && !this.closed && !this.socket.destroyed; i++) {
			this.send(data.slice(i, i + 1));
			await new Promise((resolve) => (everyMs ? setTimeout(resolve, everyMs) : setImmediate(resolve)));
		}
		return this;
	}

	#take(bodiless) {
		const end = this.bytes.indexOf('\r\n\r\n');
		if (end < 0)
			return null;
		const head = this.bytes.toString('latin1', 0, end);
		const [line, ...lines] = head.split('\r\n');
		const headers = Object.fromEntries(lines.map((one) => [one.slice(0, one.indexOf(':')).toLowerCase(), one.slice(one.indexOf(':') + 1).trim()]));
		const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1]);
		const length = bodiless || status === 100 ? 0 : Number(headers['content-length'] ?? 0);
		if (this.bytes.length < end + 4 + length)
			return null;
		const text = this.bytes.toString('utf8', end + 4, end + 4 + length);
		this.bytes = this.bytes.subarray(end + 4 + length);
		let json;
		try {
			json = JSON.parse(text);
		} catch {}
		return { status, headers, text, json };
	}

	/** The next answer; null when the connection closes before one is complete. */
	async answer({ bodiless = false } = {}) {
		let answer = null;
		await waitFor(() => (answer = this.#take(bodiless)) || this.closed, () => `an answer; so far ${this.bytes.length} bytes`);
		return answer ?? this.#take(bodiless);
	}

	/** Wait until the other side closes; true if it did. */
	async closes(limitMs = 5000) {
		try {
			await waitFor(() => this.closed, 'the end of a connection', { limitMs });
		} catch {}
		return this.closed;
	}

	destroy() {
		open.delete(this);
		this.socket.destroy();
	}

	reset() {
		open.delete(this);
		this.socket.resetAndDestroy();
	}
}

/** The first answer to this, sent on a connection of its own; whether that ends is not waited for. */
export async function firstAnswer(port, data) {
	const raw = new Raw(port).send(data);
	const answer = await raw.answer();
	raw.destroy();
	return answer;
}

/** Send this on a connection of its own: { first, more (answers behind it), closed, error }. */
export async function exchange(port, data) {
	const raw = new Raw(port).send(data);
	const first = await raw.answer();
	const closed = await raw.closes();
	const more = raw.bytes.length;
	const { error } = raw;
	raw.destroy();
	return { first, more, closed, error };
}
