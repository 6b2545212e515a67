#!/usr/bin/env node
/* --hook-auth google: the token by which a private backend knows the gateway, from an imitation of the metadata server. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { secret, startBackend } from './lib/backend.mjs';
import { Client, createSession } from './lib/client.mjs';
import { Metadata } from './lib/metadata.mjs';
import { freePort, tempDir } from './lib/process.mjs';
import { runPollgate, slowness, startPollgate, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const secretFile = path.join(tempDir('hook-auth'), 'secret');
writeFileSync(secretFile, `${secret}\n`);

/** A gateway that asks backend, with tokens from metadata. */
const startGateway = (backend, metadata, options = {}) => startPollgate({ env: metadata.env, options: { 'hook': backend.url, 'hook-auth': 'google',
	'hook-secret-file': secretFile, 'log-level': 'debug', ...options } });

const say = async (client, data) => (await client.ops({ op: 'send', event: 'x', data }))[0];
const ackOf = (client, id) => client.messages.find(({ event, data }) => event === '$ack' && data.id === id)?.data;

async function acked(client, result) {
	await waitFor(() => ackOf(client, result.id), `$ack of ${result.id}`);
	return ackOf(client, result.id);
}

const bearer = ({ headers }) => headers.authorization?.replace(/^Bearer /, '');
const answer = ({ type, data }) => (type === 'message' ? { ack: data } : undefined);
const onlyMessages = { 'hook-events': ['message'] };

/** It ended well, and no token was logged. */
async function finish(gateway, metadata, backend) {
	ok(!gateway.log.some((line) => metadata.tokens.some(({ token }) => line.includes(token.slice(-100))) || line.includes('Bearer')), 'no token is logged');
	isDeep(metadata.wrong, [], 'the metadata server is asked as it wants to be');
	ok(metadata.most <= 1, 'once at a time', metadata.most);
	await gateway.check();
	await backend.stop();
}

/* ---- Options ---- */

async function options() {
	const listen = `--listen=127.0.0.1:${await freePort()}`;
	const refuses = async (args, pattern, what, env = {}) => {
		const { code, stderr } = await runPollgate([listen, ...args], { limitMs: 10000, env });
		ok(code !== 0, what);
		like(stderr, pattern, `${what}: it says why`);
	};
	await refuses(['--hook-auth=google'], /want --hook/, 'a token without a hook is refused');
	await refuses(['--hook=http://127.0.0.1/', '--hook-audience=x'], /--hook-auth google/, 'and an audience without a token');
	await refuses(['--hook=http://127.0.0.1/', '--hook-auth=github'], /none\|google/, 'and somebody else\'s');
	await refuses(['--hook=http://127.0.0.1/', '--hook-auth=google'], /GCE_METADATA_HOST/, 'and a metadata server that is no host',
		{ GCE_METADATA_HOST: 'not a host' });
}

/* ---- Tokens ---- */

async function cached() {
	const metadata = await Metadata.start();
	const backend = await startBackend(answer);
	const gateway = await startGateway(backend, metadata);
	const clients = await Promise.all([1, 2, 3].map(() => Client.open(gateway.base)));
	for (const client of clients)
		for (const i of [1, 2, 3])
			await acked(client, await say(client, i));
	is(metadata.requests.length, 1, 'a token is fetched once');
	is(metadata.requests[0].audience, `http://127.0.0.1:${backend.port}`, 'for scheme and host of the backend');
	ok(backend.events.every((event) => bearer(event) === metadata.tokens[0].token), 'and sent with each event and connect', backend.events.length);
	isDeep(backend.wrong, [], 'beside the signature');
	is(await gateway.metrics('pollgate_hook_token_fetches_total'), 1, 'a metric counts that');
	clients.forEach((client) => client.stop());
	await finish(gateway, metadata, backend);
}

async function audience() {
	const metadata = await Metadata.start();
	const backend = await startBackend(answer);
	const wanted = 'https://chat.example/a b?c=d&format=none#\u00fc';
	const gateway = await startGateway(backend, metadata, { 'hook-audience': wanted });
	await createSession(gateway.base);
	is(metadata.requests[0].audience, wanted, 'a token may be for somebody else, whatever its name');
	await finish(gateway, metadata, backend);
}

async function renewed() {
	const metadata = await Metadata.start(3000 * slowness);
	const late = [];
	const backend = await startBackend((event) => {
		if (!(metadata.tokens.find(({ token }) => token === bearer(event))?.until > Date.now()))
			late.push(event);
		return answer(event);
	});
	const gateway = await startGateway(backend, metadata, onlyMessages);
	const client = await Client.open(gateway.base);
	while (metadata.tokens.length < 4)
		await acked(client, await say(client, metadata.tokens.length));
	isDeep(late, [], 'a token is replaced before it ends');
	ok(new Set(backend.events.map(bearer)).size >= 3, 'and the new one is used');
	const between = metadata.requests.slice(1).map(({ at }, i) => at - metadata.requests[i].at);
	ok(Math.min(...between) > 1000 * slowness, 'not much too early', between.join());
	client.stop();
	await finish(gateway, metadata, backend);
}

/* ---- A server that is not well ---- */

async function down() {
	const metadata = await Metadata.start(4000 * slowness);
	const backend = await startBackend(answer);
	const gateway = await startGateway(backend, metadata, { 'hook-events': ['message', 'connect'] });
	const client = await Client.open(gateway.base);
	metadata.reply(500, 'oops');
	await waitFor(() => metadata.requests.length > 1, 'it to be asked again');
	ok(metadata.tokens[0].until > Date.now(), 'while there is a token that is still valid');
	await acked(client, await say(client, 'still'));
	is(bearer(backend.events.at(-1)), metadata.tokens[0].token, 'it is used, although there is no new one');
	await gateway.waitLog(/--hook-auth: the metadata server: status 500/);
	await waitFor(() => metadata.tokens[0].until < Date.now(), 'it to end');
	const asked = backend.events.length;
	const result = await say(client, 'later');
	ok(result.id, 'when it has ended, what clients send is taken');
	const refused = await createSession(gateway.base);
	isDeep([refused.status, refused.code], [503, 'hook_unavailable'], 'but nobody new gets in');
	const before = metadata.requests.length;
	await waitFor(() => metadata.requests.length > before, 'it to be asked again');
	is(backend.events.length, asked, 'nothing is asked without a token');
	metadata.good();
	is((await acked(client, result)).data, 'later', 'events have waited for one');
	is(backend.of('message').at(-1).attempt, 1, 'which was no attempt');
	is((await createSession(gateway.base)).status, 201, 'and who is new gets in');
	ok(await gateway.metrics('pollgate_hook_token_errors_total') >= 2, 'a metric counts failures');
	ok(gateway.log.filter((line) => /the metadata server/.test(line)).length === 1, 'of which one in a row is logged');
	await gateway.waitLog(/--hook-auth: there is a token/);
	client.stop();
	await finish(gateway, metadata, backend);
}

async function backOff() {
	const metadata = await Metadata.start();
	await metadata.stop();
	const backend = await startBackend(answer);
	const gateway = await startGateway(backend, metadata);
	is((await createSession(gateway.base)).code, 'hook_unavailable', 'without a metadata server nobody gets in');
	metadata.reply(404, 'no such account');
	await metadata.listen();
	const began = Date.now();
	await waitFor(() => metadata.requests.length >= 3, 'some tries', { limitMs: 30000 });
	const [first, , third] = metadata.requests.map(({ at }) => at - began);
	ok(third - first >= 700, 'it is asked again less and less often', metadata.requests.map(({ at }) => at - began).join());
	metadata.good();
	await waitFor(async () => (await createSession(gateway.base)).status === 201, 'somebody to get in', { limitMs: 30000 });
	await finish(gateway, metadata, backend);
}

async function slow() {
	const metadata = await Metadata.start();
	metadata.good(1500);
	const backend = await startBackend(answer);
	const gateway = await startGateway(backend, metadata);
	const all = await Promise.all([1, 2, 3, 4, 5].map(() => createSession(gateway.base)));
	isDeep(all.map(({ status }) => status), Array(5).fill(201), 'who comes while the first token is fetched waits for it');
	is(metadata.requests.length, 1, 'which is asked for once');
	await finish(gateway, metadata, backend);
	const silent = await Metadata.start();
	silent.hang();
	const deaf = await startBackend(answer);
	const second = await startGateway(deaf, silent);
	const refused = await createSession(second.base, {}, { limitMs: 15000 });
	isDeep([refused.status, refused.code], [503, 'hook_unavailable'], 'but not for long');
	const gone = createSession(second.base, {}, { limitMs: 15000 }).catch(() => ({}));
	await waitFor(() => silent.requests.length > 1, 'another try');
	is((await second.stop()).code, 0, 'an instance ends while it waits for a token');
	await gone;
	await finish(second, silent, deaf);
}

async function wrong() {
	const metadata = await Metadata.start();
	const token = (more) => (audience) => metadata.token(audience, more);
	const answers = {
		'from somebody else': [200, token(), {}],
		'from somebody like it': [200, token(), { 'Metadata-Flavor': 'google' }],
		'that is a page': [200, '<!doctype html>'],
		'that is empty': [200, ''],
		'with more than a token': [200, (audience) => `${metadata.token(audience)}\r\nX-Evil: yes`],
		'with an old token': [200, token({ exp: Date.now() / 1000 - 10 })],
		'with a token without an end': [200, token({ exp: undefined })],
		'that is too large': [200, token({ large: 'x'.repeat(20000) })],
		'that leads elsewhere': [302, '', { 'Metadata-Flavor': 'Google', 'Location': '/' }],
		'with a status of its own': [201, token()],
	};
	for (const [what, reply] of Object.entries(answers)) {
		metadata.reply(...reply);
		const backend = await startBackend(answer);
		const gateway = await startGateway(backend, metadata);
		await gateway.waitLog(/--hook-auth: the metadata server: /);
		is((await createSession(gateway.base)).code, 'hook_unavailable', `an answer ${what} is none`);
		metadata.good();
		await waitFor(async () => (await createSession(gateway.base)).status === 201, `a token after an answer ${what}`);
		ok(backend.events.every((event) => bearer(event) === metadata.tokens.at(-1).token), `${what}: nothing of it is used`);
		await gateway.check();
		await backend.stop();
	}
	isDeep(metadata.wrong, [], 'the metadata server is asked as it wants to be');
}

/* ---- A backend that does not take it ---- */

async function refused() {
	for (const status of [401, 403]) {
		const metadata = await Metadata.start();
		let good = () => true;
		const backend = await startBackend((event) => (good(bearer(event)) ? answer(event) : { raw: { status } }));
		const gateway = await startGateway(backend, metadata, { ...onlyMessages, 'hook-retries': 100 });
		const client = await Client.open(gateway.base);
		await acked(client, await say(client, 'first'));
		const [{ token }] = metadata.tokens;
		good = (given) => given !== token;
		is((await acked(client, await say(client, 'second'))).data, 'second', `${status}: another token is fetched, and what was asked is asked again`);
		is(metadata.requests.length, 2, 'once');
		good = () => false;
		const result = await say(client, 'third');
		await backend.wait('some tries', () => backend.of('message').filter(({ data }) => data === 'third').length >= 4);
		is(metadata.requests.length, 2, 'a backend that does not take the new one either does not make it be fetched again and again');
		good = () => true;
		await acked(client, result);
		client.stop();
		await finish(gateway, metadata, backend);
	}
}

const parts = { options, cached, audience, renewed, down, backOff, slow, wrong, refused };
for (const name of (process.env.HOOK_AUTH_PARTS ?? Object.keys(parts).join(',')).split(','))
	await scope(name, parts[name]);
await done();
