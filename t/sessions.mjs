#!/usr/bin/env node
/* The life of a session, the errors of every endpoint, and the headers of every answer. */
import { createHash } from 'node:crypto';
import { createSession, newToken, pollOnce, sendOps } from './lib/client.mjs';
import { forEachStore } from './lib/pollgate.mjs';
import { done, is, isDeep, like, ok } from './lib/tap.mjs';

const idOf = (token) => createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');

function isProblem(answer, status, code, what) {
	is(answer.status, status, `${what}: status ${status}`, answer.text.slice(0, 300));
	const { type, status: inBody, code: got, title, detail } = answer.json ?? {};
	is(got, code, `${what}: code ${code}`);
	ok(type === 'about:blank' && inBody === status && typeof title === 'string' && typeof detail === 'string',
		`${what}: a problem document of RFC 9457`, answer.text);
	is(answer.headers['content-type'], 'application/problem+json', `${what}: its media type`);
	apiHeaders(answer, what);
}

function apiHeaders(answer, what) {
	const { 'cache-control': cache, 'x-accel-buffering': buffering, 'x-content-type-options': sniff, 'content-length': length } =
		answer.headers;
	isDeep({ cache, buffering, sniff, length }, { cache: 'no-store', buffering: 'no', sniff: 'nosniff',
		length: String(answer.body.length) },
		`${what}: is neither stored, buffered nor sniffed, and has a length`);
}

async function creating({ base, proxy }) {
	const made = await createSession(base, { rooms: ['lobby', { room: 'x', history: 5, max: 2 }], data: { name: 'Ann' } });
	is(made.status, 201, 'a new session is answered 201', made.text);
	apiHeaders(made, 'a new session');
	is(made.headers['content-type'], 'application/json', 'a new session is JSON');
	const { id, token, cursor, seq, hold, ttl, away, transports, rooms } = made.json;
	like(token, /^[A-Za-z0-9_-]{22}$/, 'a token has 22 characters of base64url');
	is(id, idOf(token), 'the id is the start of the SHA-256 of the token');
	ok(typeof cursor === 'string' && cursor.length > 0, 'a session begins with a cursor');
	isDeep({ seq, hold, ttl, away, transports: transports?.includes('poll') }, { seq: 1, hold: 25000, ttl: 900000, away: 60000,
		transports: true },
		'a session is told the next number, hold, ttl, away and transports');
	isDeep(rooms?.map(({ room, count }) => ({ room, count })), [{ room: 'lobby', count: 1 }, { room: 'x', count: 1 }],
		'the results of joining come in order');
	isDeep(rooms?.[0].members, [{ id, data: { name: 'Ann' } }], 'the joiner is among the members, with its data');

	const plain = await proxy.request('POST', '/v1/sessions', {});
	is(plain.status, 201, 'the body of a new session is optional');
	ok(!('rooms' in plain.json), 'without rooms there are no results of joining');
	is((await proxy.request('POST', '/v1/sessions', { body: '{}', headers: { 'content-type': 'text/plain' } })).status, 201,
		'a body is JSON whatever its Content-Type says');
}

async function repeating({ base }) {
	const token = newToken();
	const answers = await Promise.all([1, 2, 3, 4].map(() => createSession(base, { token, rooms: ['r'], data: 7 })));
	const statuses = answers.map(({ status }) => status).sort().join();
	is(statuses, '200,200,200,201', 'one call of several with the same token makes the session, the others find it');
	is(new Set(answers.map(({ json }) => json.id)).size, 1, 'a repeat with the same token has the same id');
	const look = await createSession(base, { token, rooms: ['r'] });
	is(look.status, 200, 'a later repeat is answered 200');
	is(look.json.token, token, 'a repeat has the same token');
	ok(!('seq' in look.json), 'a repeat does not say which number comes next');
	is(look.json.rooms?.[0].existing, true, 'a repeat says that the room was joined before');
	is(look.json.rooms?.[0].count, 1, 'a repeat does not join twice');
	for (const bad of ['short', 'x'.repeat(23), '!'.repeat(22), 17]) {
		const answer = await createSession(base, { token: bad });
		ok(answer.status === 400 && answer.code, `token ${JSON.stringify(bad)} is refused with 400`, answer.text);
	}
}

async function tokens({ base, proxy }) {
	const targets = [['GET', '/v1/poll'], ['POST', '/v1/send'], ['DELETE', '/v1/sessions'], ['POST', '/v1/close'],
		['GET', `/v1/sessions/${idOf('x')}`], ['GET', '/v1/rooms/r/members']];
	for (const [method, target] of targets) {
		const body = target === '/v1/send' ? { ops: [] } : undefined;
		const none = await proxy.request(method, target, { body });
		isProblem(none, 401, 'token_required', `${method} ${target} without a token`);
		like(none.headers['www-authenticate'], /^Bearer/, `${method} ${target} without a token: asks for a Bearer token`);
		isProblem(await proxy.request(method, target, { body, token: 'not-a-token' }), 401, 'token_invalid',
			`${method} ${target} with a malformed token`);
	}
	isProblem(await pollOnce(base, newToken()), 410, 'session_gone', 'a poll with a token that nobody has');
	isProblem(await sendOps(base, newToken(), [{ op: 'set', data: 1 }], 1), 410, 'session_gone',
		'a send with a token that nobody has');
	const { json: { token, id } } = await createSession(base);
	is((await proxy.request('GET', '/v1/poll?hold=0', { bearer: token })).status, 200,
		'the token may come as Authorization: Bearer');
	is((await proxy.request('GET', '/v1/poll?hold=0', { headers: { authorization: `bearer ${token}` } })).status, 200,
		'the scheme has any case');
	is((await proxy.request('GET', '/v1/poll?hold=0', { token, bearer: 'for somebody else' })).status, 200,
		'beside one in the query the header is for somebody else');
	is((await proxy.request('GET', `/v1/sessions/${id}`, { bearer: token })).json?.id, id, 'a session can look at itself');
}

async function closing({ base, proxy }) {
	for (const [method, target] of [['DELETE', '/v1/sessions'], ['POST', '/v1/close']]) {
		const { json: { token, id } } = await createSession(base, { rooms: ['closing'] });
		const other = (await createSession(base, {})).json;
		const closed = await proxy.request(method, target, { token });
		is(closed.status, 200, `${method} ${target} closes`);
		isDeep(closed.json, {}, `${method} ${target} answers {}`);
		is((await proxy.request(method, target, { token })).status, 200, `${method} ${target} may be repeated`);
		isProblem(await pollOnce(base, token), 410, 'session_gone', `a poll after ${method}`);
		isProblem(await sendOps(base, token, [{ op: 'leave', room: 'closing' }], 1), 410, 'session_gone',
			`a send after ${method}`);
		isProblem(await proxy.request('GET', `/v1/sessions/${id}`, { token: other.token }), 404, 'recipient_gone',
			`a look after ${method}`);
		isDeep((await proxy.request('GET', '/v1/rooms/closing/members', { token: other.token })).json,
			{ room: 'closing', members: [], count: 0 },
			`nobody is in the room after ${method}`);
		const [{ error }] = (await sendOps(base, other.token, [{ op: 'send', to: id, event: 'e', data: 1 }])).json.results;
		is(error?.code, 'recipient_gone', `a message to it is refused after ${method}`);
	}
}

async function errors({ base, proxy }) {
	const { json: { token, id } } = await createSession(base);
	for (const target of ['/v1/nothing', '/v1', '/v1/', '/v1/sessions/a/b', '/v1/rooms', '/v1/rooms//members', '/v2/poll'])
		isProblem(await proxy.request('GET', target, { token }), 404, 'not_found', `GET ${target}`);
	const wrong = [['PUT', '/v1/poll', 'GET'], ['POST', '/v1/poll', 'GET'], ['GET', '/v1/send', 'POST'],
		['GET', '/v1/sessions', 'POST'], ['GET', '/v1/close', 'POST'],
		['PATCH', '/v1/sessions', 'DELETE'], ['DELETE', '/v1/poll', 'GET'], ['POST', '/health', 'GET'],
			['PUT', '/metrics', 'GET'], ['DELETE', `/v1/sessions/${id}`, 'GET']];
	for (const [method, target, allowed] of wrong) {
		const answer = await proxy.request(method, target, { token, body: method === 'DELETE' ? undefined : '{}' });
		isProblem(answer, 405, 'method_not_allowed', `${method} ${target}`);
		ok((answer.headers.allow ?? '').split(/,\s*/).includes(allowed), `${method} ${target}: Allow names ${allowed}`,
			answer.headers.allow);
	}
	for (const body of ['{', '{"ops":[}', '[1,2', 'nonsense', '{"ops":[]} x', Buffer.from('{"ops":["\xff"]}', 'latin1')])
		isProblem(await proxy.request('POST', '/v1/send', { token, body }), 400, 'bad_json',
			`a send of ${JSON.stringify(String(body))}`);
	for (const body of ['[]', '17', 'null', '"x"', '{}', '{"ops":{}}', '{"ops":null}', '{"seq":"1","ops":[]}',
		'{"seq":-1,"ops":[]}', '{"seq":1.5,"ops":[]}']) {
		const answer = await proxy.request('POST', '/v1/send', { token, body });
		ok(answer.status === 400 && ['bad_request', 'bad_json', 'bad_op'].includes(answer.code),
			`a send of ${body} is refused with 400`, answer.text);
	}
	for (const body of ['[]', '{"rooms":"lobby"}', '{"rooms":[17]}', '{"rooms":[{"history":3}]}', '{"rooms":[""]}',
		'{"rooms":["a\\u0001"]}']) {
		const answer = await proxy.request('POST', '/v1/sessions', { body });
		ok(answer.status === 400 && answer.code, `a session of ${body} is refused with 400`, answer.text);
	}
	const deep = '['.repeat(100000) + ']'.repeat(100000);
	const answer = await proxy.request('POST', '/v1/send', { token, body: `{"ops":[{"op":"set","data":${deep}}]}` });
	ok(answer.status === 400 || answer.status === 413, 'JSON nested 100,000 deep is refused', answer.text.slice(0, 200));
	is((await proxy.request('GET', '/health')).status, 200, '... and survived');
}

async function corsForAll({ proxy }) {
	const origin = 'https://app.example';
	const preflight = await proxy.request('OPTIONS', '/v1/send', {
		headers: { origin, 'access-control-request-method': 'POST',
			'access-control-request-headers': 'authorization,content-type' },
	});
	is(preflight.status, 204, 'a preflight is answered 204');
	is(preflight.headers['access-control-allow-origin'], '*', 'a preflight allows any origin by default');
	for (const method of ['GET', 'POST', 'DELETE'])
		like(preflight.headers['access-control-allow-methods'], new RegExp(`\\b${method}\\b`), `a preflight allows ${method}`);
	like(preflight.headers['access-control-allow-headers'], /authorization/i, 'a preflight allows Authorization');
	like(preflight.headers['access-control-allow-headers'], /content-type/i, 'a preflight allows Content-Type');
	like(preflight.headers['access-control-max-age'], /^\d+$/, 'a preflight may be remembered');
	const made = await createSession(proxy.base, {}, { headers: { origin } });
	is(made.headers['access-control-allow-origin'], '*', 'an answer allows any origin');
	ok(!('access-control-allow-credentials' in made.headers), 'no credentials with any origin');
	const gone = await pollOnce(proxy.base, newToken(), undefined, 0, { headers: { origin } });
	is(gone.headers['access-control-allow-origin'], '*', 'an error allows any origin, too');
	is((await proxy.request('OPTIONS', '/anything/at/all')).status, 204, 'OPTIONS of any path is answered 204');
	is((await proxy.request('OPTIONS', '*')).status < 300, true, 'OPTIONS * is answered');
}

async function corsForNamed({ proxy }) {
	const named = await createSession(proxy.base, {}, { headers: { origin: 'https://b.example' } });
	is(named.status, 201, 'a named origin is served');
	is(named.headers['access-control-allow-origin'], 'https://b.example', 'a named origin is echoed');
	is(named.headers['access-control-allow-credentials'], 'true', 'a named origin may bring credentials');
	like(named.headers.vary, /\borigin\b/i, 'caches are told that the answer varies by Origin');
	for (const origin of ['https://c.example', 'https://b.example.evil', 'http://b.example', 'null']) {
		const other = await createSession(proxy.base, {}, { headers: { origin } });
		isProblem(other, 403, 'origin_forbidden', `origin ${origin}`);
		ok(!('access-control-allow-credentials' in other.headers) && other.headers['access-control-allow-origin'] !== origin,
			`origin ${origin} is not echoed`);
	}
	const plain = await createSession(proxy.base);
	is(plain.status, 201, 'who sends no Origin is served');
	like(plain.headers.vary, /\borigin\b/i, '... and told that an Origin would make a difference: a cache may hold the answer');
	const preflight = await proxy.request('OPTIONS', '/v1/send',
		{ headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } });
	is(preflight.headers['access-control-allow-origin'], 'https://a.example', 'a preflight echoes the named origin');
	is(preflight.headers['access-control-allow-credentials'], 'true', 'a preflight allows credentials for it');
}

async function heads({ base, proxy }) {
	const { json: { token, id } } = await createSession(base);
	const targets = ['/health', '/ready', `/v1/sessions/${id}?token=${token}`, `/v1/rooms/r/members?token=${token}`];
	for (const target of targets) {
		const get = await proxy.request('GET', target);
		const head = await proxy.request('HEAD', target);
		isDeep([head.status, head.body.length, head.headers['content-type']], [get.status, 0, get.headers['content-type']],
			`HEAD ${target.split('?')[0].replace(id, 'ID')} is GET without its body`);
	}
	is((await proxy.request('HEAD', '/metrics')).status, 200, 'HEAD /metrics works');
}

await forEachStore(async ({ start }) => {
	const cluster = await start();
	const { base, proxy } = cluster;
	proxy.request = (method, target, options) =>
		cluster.instances[Math.floor(Math.random() * cluster.instances.length)].request(method, target, options);
	const at = { base, proxy };
	await creating(at);
	await repeating(at);
	await tokens(at);
	await closing(at);
	await errors(at);
	await corsForAll(at);
	await heads(at);
	const named = await start({ options: { origin: ['https://a.example', 'https://b.example'] } });
	named.proxy.request = (...args) => named.instances[0].request(...args);
	await corsForNamed(named);
});
await done();
