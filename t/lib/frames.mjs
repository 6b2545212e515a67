/*
 * WebSocket frames by hand (RFC 6455, section 5), for clients that break the rules: frame() makes one as it is told, Frames is a
 * raw connection that was upgraded.
 */
import { createHash } from 'node:crypto';
import { Raw } from './raw.mjs';
import { waitFor } from './wait.mjs';

export const CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10;

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

/** size: how the length is written, 7, 16 or 64 bits; length: what is written instead of the payload's. */
export function frame(opcode, payload = '', { fin = true, rsv = 0, masked = true, size, length } = {}) {
	const data = Buffer.from(payload);
	const declared = BigInt(length ?? data.length);
	const bits = size ?? (declared < 126n ? 7 : declared < 65536n ? 16 : 64);
	const head = Buffer.alloc(2 + (bits === 7 ? 0 : bits / 8));
	head[0] = (fin ? 0x80 : 0) | rsv << 4 | opcode;
	head[1] = (masked ? 0x80 : 0) | (bits === 7 ? Number(declared) : bits === 16 ? 126 : 127);
	if (bits === 16)
		head.writeUInt16BE(Number(declared), 2);
	else if (bits === 64)
		head.writeBigUInt64BE(declared, 2);
	if (!masked)
		return Buffer.concat([head, data]);
	return Buffer.concat([head, MASK, data.map((byte, i) => byte ^ MASK[i % 4])]);
}

export const closeFrame = (code, reason = '') => {
	const payload = Buffer.alloc(2);
	payload.writeUInt16BE(code);
	return frame(CLOSE, Buffer.concat([payload, Buffer.from(reason)]));
};

/** The bytes of a handshake; without a header whose value is null. */
export function handshake(target, headers = {}, { method = 'GET', version = '1.1' } = {}) {
	const all = {
		Host: 'gateway.example', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Version': '13',
		...headers,
	};
	const lines = Object.entries(all).flatMap(([name, value]) => value === null ? [] : [value].flat().map((one) => `${name}: ${one}`));
	return [`${method} ${target} HTTP/${version}`, ...lines, '', ''].join('\r\n');
}

export const acceptOf = (key = KEY) =>
	createHash('sha1').update(key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');

export class Frames {
	/** The answer to the handshake is in .upgrade; more: bytes that go along with it. */
	static async open(port, target, { headers, more = '' } = {}) {
		const frames = new Frames();
		frames.raw = new Raw(port);
		frames.raw.send(Buffer.concat([Buffer.from(handshake(target, headers)), Buffer.from(more)]));
		frames.upgrade = await frames.raw.answer({ bodiless: true });
		return frames;
	}

	send(...parts) {
		this.raw.send(Buffer.concat(parts));
		return this;
	}

	#take() {
		const { bytes } = this.raw;
		if (bytes.length < 2)
			return null;
		const short = bytes[1] & 0x7f;
		const start = short < 126 ? 2 : short === 126 ? 4 : 10;
		if (bytes.length < start)
			return null;
		const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
		if (bytes.length < start + length)
			return null;
		this.raw.bytes = bytes.subarray(start + length);
		const data = bytes.subarray(start, start + length);
		const opcode = bytes[0] & 0x0f;
		const got = { opcode, fin: bytes[0] >> 7 === 1, rsv: bytes[0] >> 4 & 7, masked: bytes[1] >> 7 === 1, data };
		if (opcode === CLOSE)
			Object.assign(got, { code: length >= 2 ? data.readUInt16BE(0) : 1005, reason: data.toString('utf8', 2) });
		return got;
	}

	/** The next frame; null when the connection ends before one is whole. */
	async next() {
		let got = null;
		await waitFor(() => (got = this.#take()) || this.raw.closed, 'a frame');
		return got ?? this.#take();
	}

	/** Frames until a close frame or the end: that one. */
	async closed() {
		for (let got; (got = await this.next());)
			if (got.opcode === CLOSE)
				return got;
		return null;
	}

	destroy() {
		this.raw.destroy();
	}
}
