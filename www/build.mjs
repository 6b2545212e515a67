#!/usr/bin/env node
/*
 * Bundles www/client/ into www/pollgate.js (ES module) and www/pollgate.classic.js (global Pollgate), which are committed, so
 * that serving and testing them takes no build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const here = new URL('.', import.meta.url);
const { build } = createRequire(new URL('../t/', here))('esbuild');
const { version } = JSON.parse(readFileSync(new URL('package.json', here)));

/** Both files as they should be: name -> text. */
export async function bundles() {
	const made = {};
	for (const [name, options] of Object.entries({
		'pollgate.js': { format: 'esm' },
		'pollgate.classic.js': { format: 'iife', globalName: 'Pollgate' },
	})) {
		const { outputFiles: [{ text }] } = await build({
			entryPoints: [new URL('client/index.js', here).pathname], bundle: true, minify: true, write: false, target: 'es2022',
			charset: 'utf8', external: ['node:*'], logLevel: 'error', ...options,
			banner: { js: `/* Pollgate ${version}, MIT; made from www/client/ by "npm run build" */` },
		});
		made[name] = text;
	}
	return made;
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href)
	for (const [name, text] of Object.entries(await bundles()))
		writeFileSync(new URL(name, here), text);
