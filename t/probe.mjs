#!/usr/bin/env node
/*
 * pollgate --probe URL: what a health check asks, without a shell or curl.
 */
import http from 'node:http';
import net from 'node:net';
import { once } from 'node:events';
import { runPollgate } from './lib/pollgate.mjs';
import { freePort } from './lib/process.mjs';
import { atEnd, done, is, like, ok, scope, unlike } from './lib/tap.mjs';
import { timed } from './lib/wait.mjs';

async function serve(server) {
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	atEnd(() => {
		server.close();
		server.closeAllConnections?.();
	});
	return server.address().port;
}

const asked = [];
const port = await serve(http.createServer((request, response) => {
	asked.push(`${request.method} ${request.url}`);
	const [, status] = request.url.split('/');
	response.writeHead(Number(status), status === '302' ? { location: '/200' } : {});
	response.end(status === '204' ? undefined : 'some body\n');
}));
const url = (rest) => `http://127.0.0.1:${port}/${rest}`;

const fine = await runPollgate(['--probe', url('200')]);
is(fine.code, 0, 'a probe that is answered 200 exits 0');
is(fine.stdout + fine.stderr, '', 'and says nothing');
is(asked.at(-1), 'GET /200', 'it is one GET');
is((await runPollgate([`--probe=${url('204')}`])).code, 0, 'a probe that is answered 204 exits 0');

for (const status of [302, 404, 503])
	await scope(`answered ${status}`, async () => {
		const refused = await runPollgate(['--probe', url(status)]);
		is(refused.code, 1, 'it exits 1');
		like(refused.stderr, new RegExp(`^[^\\n]*${status}\\n$`), 'and says the status in one line');
	});
ok(!asked.includes('GET /200', 1), 'a redirect is not followed');

const proxied = await runPollgate(['--probe', url('200')], { env: { http_proxy: `http://127.0.0.1:${await freePort()}`, no_proxy: '' } });
is(proxied.code, 0, 'a proxy named by the environment is not asked');

const nobody = await runPollgate(['--probe', `http://user:secret@127.0.0.1:${await freePort()}/health`]);
is(nobody.code, 1, 'where nobody listens it exits 1');
like(nobody.stderr, /^[^\n]+\n$/, 'and says why in one line');
unlike(nobody.stderr, /secret/, 'which does not have the URL\'s password');
for (const bad of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'http://'])
	is((await runPollgate(['--probe', bad])).code, 1, `${bad} is refused`);

const silent = await serve(net.createServer(() => {}));
const { ms, value } = await timed(() => runPollgate(['--probe', `http://127.0.0.1:${silent}/`], { limitMs: 15000 }));
is(value.code, 1, 'a server that does not answer makes it exit 1');
ok(ms > 4000 && ms < 9000, 'after 5 seconds', `after ${ms} ms`);

await done();
