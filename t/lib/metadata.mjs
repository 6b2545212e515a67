/*
 * The metadata server of Google Cloud, as far as identity tokens go, and in every way that there is to be wrong.  The gateway finds
 * it by the environment variable GCE_METADATA_HOST.
 */
import http from 'node:http';
import { newKeys, now, sign } from './jwt.mjs';
import { atEnd } from './tap.mjs';

const keys = newKeys('RS256', 'google');

export class Metadata {
	/** lifeMs: how long tokens last. */
	constructor(lifeMs = 3600_000) {
		this.lifeMs = lifeMs;
		this.requests = []; /* { audience, at } */
		this.wrong = [];    /* What was not as a client should ask. */
		this.tokens = [];   /* Those that were given out, as { token, until }. */
		this.running = 0;
		this.most = 0;
		this.good();
	}

	static async start(lifeMs) {
		const self = new Metadata(lifeMs);
		await self.listen();
		atEnd(() => self.stop());
		return self;
	}

	async listen() {
		this.server = http.createServer((request, response) => this.#serve(request, response));
		await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
		this.port = this.server.address().port;
		this.env = { GCE_METADATA_HOST: `127.0.0.1:${this.port}` };
	}

	async #serve(request, response) {
		const url = new URL(request.url, 'http://metadata');
		const audience = url.searchParams.get('audience');
		this.requests.push({ audience, at: Date.now() });
		if (request.method !== 'GET' || url.pathname !== '/computeMetadata/v1/instance/service-accounts/default/identity' ||
			url.searchParams.get('format') !== 'full' || !audience || request.headers['metadata-flavor'] !== 'Google' || request.headers.authorization)
			this.wrong.push([request.method, request.url, request.headers]);
		this.most = Math.max(this.most, ++this.running);
		response.on('close', () => this.running--);
		await this.answer(response, audience);
	}

	/** more: other claims. */
	token(audience, more = {}) {
		const until = now() + this.lifeMs / 1000;
		return sign({ iss: 'https://accounts.google.com', aud: audience, sub: 'gateway', exp: until, n: this.tokens.length, ...more }, keys);
	}

	/** Answer as the real one does, after a while. */
	good(afterMs = 0) {
		this.answer = async (response, audience) => {
			await new Promise((resolve) => setTimeout(resolve, afterMs));
			const token = this.token(audience);
			this.tokens.push({ token, until: Date.now() + this.lifeMs });
			response.writeHead(200, { 'Metadata-Flavor': 'Google', 'Content-Type': 'text/html' }).end(token);
		};
	}

	reply(status, text, headers = { 'Metadata-Flavor': 'Google' }) {
		this.answer = (response, audience) => response.writeHead(status, headers).end(typeof text === 'function' ? text(audience) : text);
	}

	/** Say nothing. */
	hang() {
		this.answer = () => {};
	}

	stop() {
		this.server.closeAllConnections?.();
		return new Promise((resolve) => this.server.close(resolve));
	}
}
