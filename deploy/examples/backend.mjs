/*
 * What the examples share: an HTTP server that pollgate asks by --hook.
 *
 * It takes only what is signed by a secret of the file that both read, finds the function that an event is for, and answers what
 * that returns.  It remembers nothing: what it has to know of a session comes with each event, so that it may be killed, moved and
 * run many times over.  pollgate-hooks(7) says what events and answers have in them.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';

const { SECRET_FILE = 'secret', HOST = '127.0.0.1', PORT = '8091' } = process.env;
const BODY_MAX = 4 << 20; /* More than the gateway's --max-payload. */
const TIME_MAX = 300;     /* Seconds that a signature is good for. */

/* Two while one takes the place of the other. */
const secrets = readFileSync(SECRET_FILE, 'utf8').split(/\s+/).filter(Boolean).map((line) => Buffer.from(line.slice('whsec_'.length), 'base64'));

function isSigned({ 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures = '' }, body) {
	const given = signatures.split(' ').map((signature) => Buffer.from(signature.slice('v1,'.length), 'base64'));
	const wanted = secrets.map((secret) => createHmac('sha256', secret).update(`${id}.${time}.`).update(body).digest());
	return Math.abs(Date.now() / 1000 - time) < TIME_MAX &&
		given.some((one) => wanted.some((other) => one.length === other.length && timingSafeEqual(one, other)));
}

/** The body; null if it is too long. */
async function read(request) {
	const chunks = [];
	let size = 0;
	for await (const chunk of request) {
		if ((size += chunk.length) > BODY_MAX)
			return null;
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}

/** handlers: { connect, disconnect, on: { EVENT: what is done with a message of that name } }; what none is for is well, too. */
async function answer(handlers, request, response) {
	const body = await read(request);
	if (!body || !isSigned(request.headers, body))
		return response.writeHead(body ? 401 : 413, { Connection: 'close' }).end();
	const type = request.headers['ce-type'].replace('pollgate.', '');
	const event = JSON.parse(body);
	const [table, name] = type === 'message' ? [handlers.on, event.event] : [handlers, type];
	const wanted = Object.hasOwn(table, name) && typeof table[name] === 'function' ? table[name](event) : {};
	response.setHeader('Content-Type', 'application/json');
	response.end(JSON.stringify(wanted));
}

/** Whatever goes wrong is answered 500, and asked again. */
export function serve(handlers) {
	/* The gateway keeps connections for some two minutes: who closes them sooner breaks requests that are on their way. */
	const server = http.createServer({ keepAliveTimeout: 125_000 }, (request, response) => {
		answer(handlers, request, response).catch((error) => {
			console.error(error);
			response.writeHead(500).end();
		});
	});
	server.listen(Number(PORT), HOST, () => console.log(`listening on ${HOST}:${PORT}`));
	process.once('SIGTERM', () => server.close());
}
