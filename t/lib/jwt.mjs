/*
 * JSON Web Tokens and keys, good and bad, and a server that publishes keys in every way that there is to do it wrong.
 */
import { createHmac, createPublicKey, generateKeyPairSync, sign as cryptoSign } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { execute, tempDir } from './process.mjs';
import { atEnd } from './tap.mjs';

export const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
export const now = () => Date.now() / 1000;

const signers = {
	HS256: (text, secret) => createHmac('sha256', secret).update(text).digest('base64url'),
	RS256: (text, { privateKey }) => cryptoSign('sha256', Buffer.from(text), privateKey).toString('base64url'),
	ES256: (text, { privateKey }) => cryptoSign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
	none: () => '',
};

/** key: a secret, or a pair of newKeys.  by: the algorithm that really signs, if the header shall say another one. */
export function sign(claims, key, { alg = typeof key === 'string' || Buffer.isBuffer(key) ? 'HS256' : key.alg, by = alg, header = {} } = {}) {
	const kid = key?.kid === undefined ? {} : { kid: key.kid };
	const text = `${encode({ alg, typ: 'JWT', ...kid, ...header })}.${encode(claims)}`;
	return `${text}.${signers[by](text, key)}`;
}

const text = { publicKeyEncoding: { format: 'pem', type: 'spki' }, privateKeyEncoding: { format: 'pem', type: 'pkcs8' } };

/**
 * A pair for RS256 or ES256: { alg, kid, privateKey, jwk, pem }.  It goes by its text: a key that Node has just made can lock up
 * its process for good when it is exported as a JWK (nodejs/node issue 44471).
 */
export function newKeys(alg = 'ES256', kid) {
	const { publicKey: pem, privateKey } = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048, ...text })
		: generateKeyPairSync('ec', { namedCurve: 'P-256', ...text });
	const jwk = { ...createPublicKey(pem).export({ format: 'jwk' }), alg, use: 'sig', ...(kid === undefined ? {} : { kid }) };
	return { alg, kid, privateKey, jwk, pem };
}

/** A file with this text; its path. */
export function keyFile(text) {
	const file = path.join(tempDir('key'), 'key');
	writeFileSync(file, text);
	return file;
}

/** A certificate for localhost that nobody has signed: { key, cert, file }. */
export async function newCertificate() {
	const folder = tempDir('cert');
	const [key, cert] = ['key', 'cert'].map((name) => path.join(folder, name));
	const made = await execute('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=localhost',
		'-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert]);
	if (made.code !== 0)
		throw new Error(`openssl: ${made.stderr}`);
	return { key: readFileSync(key), cert: readFileSync(cert), file: cert };
}

/** answer(request, response) answers; requests counts them, version is the HTTP version of the last one. */
export class KeyServer {
	constructor(keys) {
		this.requests = 0;
		this.publish(keys);
	}

	/** tls: { key, cert }, for HTTPS, with HTTP/2. */
	static async start(keys = [], tls) {
		const self = new KeyServer(keys);
		const serve = (request, response) => {
			self.requests++;
			self.version = request.httpVersion;
			self.answer(request, response);
		};
		self.server = tls ? http2.createSecureServer({ ...tls, allowHTTP1: true }, serve) : http.createServer(serve);
		await new Promise((resolve) => self.server.listen(0, '127.0.0.1', resolve));
		self.port = self.server.address().port;
		self.url = `http${tls ? 's' : ''}://${tls ? 'localhost' : '127.0.0.1'}:${self.port}/jwks.json`;
		atEnd(() => self.stop());
		return self;
	}

	publish(keys) {
		this.reply(200, JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
	}

	reply(status, body, headers = { 'content-type': 'application/json' }) {
		this.answer = (_, response) => response.writeHead(status, headers).end(body);
	}

	/** Say nothing. */
	hang() {
		this.answer = () => {};
	}

	stop() {
		this.server.closeAllConnections?.();
		return new Promise((resolve) => this.server.close(resolve));
	}

	/** Listen again where it did. */
	async restart() {
		await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
	}
}
