/*
 * One HTTP request, and everything about its answer: { status, headers, text, json, body, httpVersion, problem }.  No retry, no
 * redirect, no opinion.
 */
import http from 'node:http';
import { patience } from './wait.mjs';

/** Connections that are kept, shared by who does not bring an agent. */
export const keepAlive = new http.Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 });

function parse(text) {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

function answerOf(response, chunks) {
	const body = Buffer.concat(chunks);
	const text = body.toString('utf8');
	const type = response.headers['content-type'] ?? '';
	const json = /[/+]json\b/.test(type) ? parse(text) : undefined;
	return {
		status: response.statusCode, headers: response.headers, rawHeaders: response.rawHeaders, body, text, json,
		code: type.startsWith('application/problem+json') ? json?.code : undefined, httpVersion: response.httpVersion,
	};
}

/**
 * body: an object (sent as JSON), a string or a Buffer.  token: as a query parameter; bearer: as Authorization.  Rejects with
 * the error of the socket, or when limitMs have passed.  signal: an AbortSignal.
 */
export function request(base, method, target, { headers = {}, body, token, bearer, query, agent = false, limitMs = 30000,
	signal } = {}) {
	const url = new URL(base);
	const more = new URLSearchParams();
	for (const [name, value] of Object.entries({ ...(token === undefined ? {} : { token }), ...query }))
		if (value !== undefined && value !== null)
			more.set(name, value);
	const suffix = more.toString();
	const bytes = body === undefined ? undefined : Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body
		: JSON.stringify(body));
	const sent = { ...headers };
	if (bearer !== undefined)
		sent.authorization = `Bearer ${bearer}`;
	if (bytes !== undefined && !Object.keys(sent).some((name) => /^(content-length|transfer-encoding)$/i.test(name)))
		sent['content-length'] = bytes.length;
	const where = suffix ? target + (target.includes('?') ? '&' : '?') + suffix : target;
	const options = { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port, method, path: where, headers: sent, agent,
		signal };
	return new Promise((resolve, reject) => {
		const asked = http.request(options);
		const timer = setTimeout(() => {
			asked.destroy(new Error(`${method} ${target} was not answered within ${limitMs} ms`));
		}, patience(limitMs));
		asked.once('error', (error) => {
			clearTimeout(timer);
			reject(error);
		});
		asked.once('response', (response) => {
			const chunks = [];
			response.on('data', (chunk) => chunks.push(chunk));
			response.once('end', () => {
				clearTimeout(timer);
				resolve(answerOf(response, chunks));
			});
			response.once('error', reject);
			response.once('aborted', () => reject(Object.assign(new Error('answer cut'), { code: 'ECONNRESET' })));
		});
		asked.end(bytes);
	});
}
