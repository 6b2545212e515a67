#!/usr/bin/env node
/* pollgatectl as scripts use it: its verbs, what it writes, its exit statuses, and that what it asks for is done once. */
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Client, createSession, pollOnce } from './lib/client.mjs';
import { now, sign } from './lib/jwt.mjs';
import { cleanEnv, forEachStore, pollgatectl } from './lib/pollgate.mjs';
import { Child, execute, freePort, tempDir } from './lib/process.mjs';
import { chances } from './lib/proxy.mjs';
import { atEnd, done, is, isDeep, like, ok, scope } from './lib/tap.mjs';
import { within } from './lib/wait.mjs';

const dir = tempDir('ctl');
const keys = path.join(dir, 'keys');
writeFileSync(keys, '# comment\n\n  key-of-the-test-0123456789 \nanother-key-0123456789\n', { mode: 0o600 });

/** Run it: { code, stdout, stderr, json (of each line) }. */
async function run(base, args, input = '', env = {}) {
	const child = new Child(pollgatectl, args, { stdio: ['pipe', 'pipe', 'pipe'],
		env: cleanEnv({ POLLGATECTL_URL: base, POLLGATECTL_KEY_FILE: keys, ...env }) });
	child.process.stdin.on('error', () => {});
	child.process.stdin.end(input);
	const { code } = await within(child.exited, `pollgatectl ${args.join(' ')} to end; it says ${child.stderr}`, 30000);
	const { stdout, stderr } = child;
	return { code, stdout, stderr, json: stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line)) };
}

async function verbs(base) {
	const [ann, bob] = await Promise.all([Client.open(base, { rooms: ['a/ü b'], data: 1 }), Client.open(base)]);
	const ctl = (...args) => run(base, args);
	const published = await ctl('publish', 'a/ü b', 'say "hi"', '{"x":[1.0]}');
	isDeep([published.code, published.stderr], [0, ''], 'publish succeeds');
	is((await ann.waitEvent('say "hi"')).id, published.json[0].id, 'the members of the room get the message, whose id is written');
	is((await run(base, ['--text', 'send', bob.id, 'note', '-'], 'a "text"\nof lines\n')).code, 0, 'send takes standard input');
	is((await bob.waitEvent('note')).data, 'a "text"\nof lines', 'as text, without the line end at its end');
	is((await run(base, ['send', bob.id, 'json', '-'], ' {"a": null}\n')).code, 0, 'or as JSON');
	isDeep((await bob.waitEvent('json')).data, { a: null }, 'as it is');
	is((await ctl('send', bob.id, 'bare')).code, 0, 'data may be left out');
	is((await ctl('--text', '--', 'send', bob.id, 'minus', '-1')).code, 0, 'arguments behind -- may begin with a hyphen');
	is((await bob.waitEvent('minus')).data, '-1', 'and are data');
	for (const id of [`-${'k'.repeat(21)}`, '-'.repeat(22)])
		like((await ctl('session', id, '--count', '1')).stderr, /^pollgatectl: recipient_gone/, `an id may begin with a hyphen anyway: ${id}`);
	is((await ctl('append', 'a/ü b', 'kept', '7')).code, 0, 'append succeeds');
	isDeep((await ctl('history', 'a/ü b')).json[0].messages.map(({ event, data }) => [event, data]), [['say "hi"', { x: [1] }], ['kept', 7]],
		'history reads what was published and appended');
	const last = (await ctl('--count', '1', 'history', 'a/ü b')).json[0].messages;
	isDeep(last.map(({ event }) => event), ['kept'], 'the last of it');
	isDeep((await ctl('history', 'a/ü b', '--count=1', `--before=${last[0].id}`)).json[0].messages.map(({ event }) => event), ['say "hi"'],
		'and what was before that; options may come last');
	is((await ctl('join', bob.id, 'a/ü b')).json[0].count, 2, 'join makes a session enter a room');
	is((await ctl('--count=0', 'members', 'a/ü b')).json[0].count, 2, 'members tells who is there');
	is((await ctl('set', bob.id, '{"n":"Bob"}')).code, 0, 'set succeeds');
	const looked = (await ctl('session', bob.id)).json[0];
	isDeep([looked.data, looked.rooms], [{ n: 'Bob' }, ['a/ü b']], 'session tells its data and rooms');
	const sessions = (await ctl('sessions')).json;
	ok(sessions.some(({ id, data }) => id === bob.id && data.n === 'Bob') && sessions.some(({ id }) => id === ann.id), 'sessions lists all of them');
	is((await ctl('rooms')).json.find(({ room }) => room === 'a/ü b').count, 2, 'rooms lists all of these');
	is((await ctl('leave', bob.id, 'a/ü b')).code, 0, 'leave makes it leave');
	const partly = await run(base, ['ops'], JSON.stringify({ ops: [{ op: 'leave', session: bob.id, room: 'a/ü b' }, { op: 'send', to: bob.id, event: 'x' }] }));
	isDeep([partly.code, partly.json.length], [4, 1], 'ops writes results, and ends with 4 if one was refused');
	like(partly.stderr, /^pollgatectl: not_joined: /, '... whose code is told');
	is((await ctl('disconnect', ann.id, bob.id)).code, 0, 'disconnect ends sessions');
	const gone = await ctl('session', bob.id);
	isDeep([gone.code, gone.stdout], [4, ''], 'a session that is not there is a refusal');
	like(gone.stderr, /recipient_gone/, '... and told');
	for (const verb of ['replay', 'forget']) {
		const letter = await ctl(verb, '1-1');
		isDeep([letter.code, /letter_gone/.test(letter.stderr)], [4, true], `${verb} of a letter that is not there is refused`, letter.stderr);
	}
	await Promise.all([ann.stop(), bob.stop()]);
}

async function users(start) {
	const secret = 'a secret that nobody guesses, of more than 32 bytes';
	const file = path.join(dir, 'secret');
	writeFileSync(file, secret, { mode: 0o600 });
	const { base, stop } = await start({ options: { 'api-key-file': keys, 'auth': 'jwt', 'auth-key-file': file } });
	const open = async (sub) => (await createSession(base, { auth: sign({ exp: now() + 600, pollgate: {}, sub }, secret) })).json;
	const [one, two] = [await open('ann/ü 1'), await open('ann/ü 1')];
	const notified = await run(base, ['notify', 'ann/ü 1', 'note', '{"x":1}']);
	isDeep([notified.code, notified.json], [0, [{ sessions: 2 }]], 'notify sends to all sessions of a user, and tells how many');
	for (const { token, cursor } of [one, two])
		isDeep((await pollOnce(base, token, cursor)).json.messages.map(({ event, data }) => [event, data]), [['note', { x: 1 }]], 'each gets it');
	isDeep((await run(base, ['user', 'ann/ü 1'])).json.map(({ id }) => id).sort(), [one.id, two.id].sort(), 'user lists them, each on a line');
	isDeep((await run(base, ['user', 'bob'])), { code: 0, stdout: '', stderr: '', json: [] }, 'or nothing');
	await stop();
}

async function usage(base) {
	for (const [args, pattern] of [[[], /verb is needed/], [['shout'], /no verb shout/], [['publish', 'r'], /other arguments/], [['publish', 'r', 'e', 'x'], /not JSON/],
		[['send', 'x', 'e'], /no id/], [['publish', 'r', 'e', '1', '2'], /other arguments/], [['--count=x', 'members', 'r'], /--count takes/],
		[['--before=x', 'history', 'r'], /--before takes/], [['--url=ftp://x', 'members', 'r'], /http:\/\//], [['--idempotency-key=', 'publish', 'r', 'e'], /takes printable/],
		[['members', ''], /empty argument/], [['publish', 'r', '', '1'], /empty argument/], [['join', 'x', ''], /empty argument/], [['user', ''], /empty argument/],
		[['replay', ''], /empty argument/], [['ops'], /not JSON/], [['--nonsense'], /nonsense/]]) {
		const { code, stderr } = await run(base, args);
		is(code, 2, `2: ${args.join(' ')}`);
		like(stderr, pattern, '... and says what is wrong');
	}
	is((await run(base, ['--text', 'publish', 'r', 'e', ''])).code, 0, 'a text may be empty');
	is((await run('ftp://x', ['members', 'r'])).code, 2, '2 with a wrong POLLGATECTL_URL');
	is((await run('ftp://x', [`--url=${base}`, 'members', 'r'])).code, 0, '... which does not matter when --url is given');
	like((await run(base, ['-v', 'members', 'r'])).stderr, /^pollgatectl: \/api\/v1\/rooms\/r\/members: 200, \d+ ms\n$/, '-v tells each attempt');
	is((await run(base, ['members', 'r'], '', { POLLGATECTL_KEY_FILE: '' })).code, 2, '2 without a key');
	like((await run(base, ['--key-file=/nowhere', 'members', 'r'])).stderr, /No such file/, 'a file of keys that is not there is told');
	const wrong = path.join(dir, 'wrong');
	writeFileSync(wrong, 'wrong-key-0123456789\n');
	const refused = await run(base, [`--key-file=${wrong}`, 'members', 'r']);
	is(refused.code, 1, 'a wrong key is a failure');
	like(refused.stderr, /api_key_invalid/, '... and told');
	is((await execute(pollgatectl, ['--version'])).stdout, `pollgatectl ${(await execute(pollgatectl, ['--version'])).stdout.split(' ')[1]}`, 'it knows its version');
	const before = Date.now();
	is((await run(`http://127.0.0.1:${await freePort()}`, ['--give-up=300ms', 'publish', 'r', 'e'])).code, 1, 'nobody there is a failure');
	ok(Date.now() - before >= 250, '... after --give-up');
}

/** Whatever answers nonsense. */
async function nonsense() {
	let answer = [200, 'not JSON'];
	const server = http.createServer((request, response) => {
		response.statusCode = answer[0];
		response.end(answer[1]);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	atEnd(() => server.close());
	const base = `http://127.0.0.1:${server.address().port}`;
	for (answer of [[200, 'not JSON'], [200, '{}'], [404, '<html>'], [302, ''], [204, '']]) {
		const { code, stderr } = await run(base, ['set', 'A'.repeat(22), '1']);
		isDeep([code, stderr], [1, 'pollgatectl: the answer is not one of a pollgate\n'], `${answer.join(' ')} is no answer`);
	}
	answer = [200, '{"x":"\u001b[31m"}\u0007'];
	ok(!/[\u0007\u001b]/.test((await run(base, ['members', 'r'])).stdout), 'nothing reaches the terminal but text');
	answer = [503, 'later'];
	is((await run(base, ['--give-up=0', 'members', 'r'])).code, 1, 'a 503 that stays is a failure');
	server.close();
}

/** Requests are lost, answers are lost, requests come twice. */
async function once(start) {
	const { proxy, base, stop } = await start({ options: { 'api-key-file': keys } });
	proxy.fault = chances({ dropBefore: 0.1, dropAfter: 0.25, repeat: 0.2 }, /^\/api\//);
	const numbers = Array.from({ length: 30 }, (_, i) => i);
	const statuses = await Promise.all(numbers.map(async (i) => (await run(base, ['publish', 'once', 'n', String(i)])).code));
	ok(statuses.every((code) => code === 0), 'on a network that loses and repeats all is done', statuses.join(' '));
	proxy.fault = undefined;
	const { messages } = (await run(base, ['history', 'once'])).json[0];
	isDeep(messages.map(({ data }) => data).sort((a, b) => a - b), numbers, 'and once');
	const ids = [];
	for (let i = 0; i < 3; i++)
		ids.push((await run(base, ['--idempotency-key=a key', 'publish', 'once', 'key', '1'])).json[0].id);
	ok(ids.every((id) => id === ids[0]), 'what is asked for with the same --idempotency-key is done once');
	await stop();
}

await forEachStore(async ({ start }) => {
	const { base, stop } = await start({ options: { 'api-key-file': keys } });
	await verbs(base);
	await usage(base);
	await stop();
	await users(start);
	await once(start);
});
await scope('nonsense', nonsense);
await done();
