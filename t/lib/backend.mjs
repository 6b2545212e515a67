/*
 * An application's backend, as pollgate-hooks(7) says that one is written: it checks signatures with npm's standardwebhooks, and
 * remembers what it was told.  What it answers is up to the test.
 */
import http from 'node:http';
import { Webhook } from 'standardwebhooks';
import { atEnd } from './tap.mjs';
import { waitFor } from './wait.mjs';

export const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export class Backend {
	/** answer(event) gives what is answered: an object (JSON), nothing, or { status, text, headers, hang } as `raw`. */
	constructor(answer = () => ({})) {
		this.answer = answer;
		this.secret = secret;
		this.events = [];  /* Each request. */
		this.wrong = [];   /* What was wrong with them. */
		this.sockets = new Set();
		this.running = 0;
		this.most = 0;
		this.forget = atEnd(() => this.stop());
	}

	async start() {
		this.server = http.createServer((req, res) => {
			const chunks = [];
			req.on('data', (chunk) => chunks.push(chunk));
			req.on('end', () => this.#take(req, Buffer.concat(chunks).toString(), res));
		});
		this.server.keepAliveTimeout = 60000;
		this.server.on('connection', (socket) => {
			this.sockets.add(socket);
			socket.on('close', () => this.sockets.delete(socket));
		});
		await new Promise((resolve) => this.server.listen(this.port ?? 0, '127.0.0.1', resolve));
		this.port = this.server.address().port;
		this.url = `http://127.0.0.1:${this.port}/hook?x=1`;
		return this;
	}

	async stop() {
		for (const socket of this.sockets)
			socket.destroy();
		if (this.server?.listening)
			await new Promise((resolve) => this.server.close(resolve));
	}

	async #take(req, text, res) {
		const { headers } = req;
		try {
			new Webhook(this.secret).verify(text, headers);
		} catch (error) {
			this.wrong.push(error.message);
		}
		const event = { id: headers['ce-id'], type: headers['ce-type'].replace('pollgate.', ''), attempt: Number(headers['ce-attempt']), headers, res, at: Date.now(),
			...JSON.parse(text), text };
		if (headers['webhook-id'] !== headers['ce-id'] || headers['ce-subject'] !== event.session.id || headers['ce-specversion'] !== '1.0' ||
			req.method !== 'POST' || req.url !== '/hook?x=1')
			this.wrong.push(headers);
		this.events.push(event);
		this.most = Math.max(this.most, ++this.running);
		const answer = await this.answer(event);
		this.running--;
		if (answer?.raw?.hang)
			return;
		const body = answer?.raw ? answer.raw.text ?? '' : answer ? JSON.stringify(answer) : '';
		res.writeHead(answer?.raw?.status ?? 200, { 'content-type': 'application/json', ...answer?.raw?.headers });
		res.end(body, answer?.raw?.sent);
	}

	of(type, session) {
		return this.events.filter((event) => event.type === type && (!session || event.session.id === session));
	}

	wait(what, condition) {
		return waitFor(condition, () => `${what}; so far: ${this.events.map(({ type, event, attempt }) => `${type} ${event ?? ''} ${attempt}`).slice(-20).join(', ')}`);
	}
}

export const startBackend = (answer) => new Backend(answer).start();
