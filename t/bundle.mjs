#!/usr/bin/env node
/* What is published of the client: the bundles are those of its sources, small, and typed. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { gzipSync } from 'node:zlib';
import { execute } from './lib/process.mjs';
import { done, is, isDeep, ok, skipAll } from './lib/tap.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(here, 'node_modules');
const www = path.join(here, '../www');
const read = (name) => readFileSync(path.join(www, name), 'utf8');

if (!existsSync(path.join(modules, 'esbuild')) || !existsSync(path.join(modules, 'typescript')))
	skipAll('t/node_modules has no esbuild and typescript: cd t && npm ci');

const { bundles } = await import('../www/build.mjs');
for (const [name, text] of Object.entries(await bundles())) {
	ok(read(name) === text, `${name} is what "npm run build" makes of client/`);
	const packed = gzipSync(text, { level: 9 }).length;
	const [limit, words] = name === 'websocket.js' ? [10_240, '10 kB, the client in it,'] : [8192, '8 kB'];
	ok(packed < limit, `${name} is below ${words} compressed`, packed);
}

const page = vm.createContext({});
vm.runInContext(read('pollgate.classic.js'), page);
isDeep(Object.keys(page.Pollgate).sort(), Object.keys(await import('../www/pollgate.js')).sort(), 'the classic script has the same as the module');

const published = JSON.parse(read('package.json'));
isDeep([...published.files, ...Object.values(published.exports['.'])].filter((name) => !existsSync(path.join(www, name))), [],
	'all that the package names is there');
const sources = read('Makefile.inc').match(/client\/\w+\.js/g);
const imported = new Set(['index.js', 'shim.js']);
for (const name of imported)
	for (const [, other] of read(`client/${name}`).matchAll(/from '\.\/([\w.]+)'/g))
		imported.add(other);
isDeep(sources.map((name) => path.basename(name)).sort(), [...imported].sort(), 'the distribution has every source');

const { code, stdout } = await execute(process.execPath, [path.join(modules, 'typescript/bin/tsc'),
	'--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck', path.join(here, 'lib/typed.ts')]);
is(code, 0, 'pollgate.d.ts has everything in its type', stdout);
await done();
