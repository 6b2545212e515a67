#!/usr/bin/env node
/*
 * Bundles www/client/ into www/pollgate.js (ES module), www/pollgate.classic.js (global Pollgate) and www/websocket.js (the shim, a
 * classic script, too), which are committed, so that serving and testing them takes no build.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const here = new URL('.', import.meta.url);
const { build } = createRequire(new URL('../t/', here))('esbuild');
const { version } = JSON.parse(readFileSync(new URL('package.json', here)));

/** Members that only our own objects have, and only our own modules use: they get short names. */
const OURS = new RegExp(`^(${[
	'able acknowledge after alone ask asking attempt backoff base broken bytes deliver emit events failed forget held http joined joining kick kind',
	'last learn left limit link lost memory news open options parts pause post prove reject reset rest retry say sent session start stop take text told valid wait want wants worked',
].join(' ').replaceAll(' ', '|')})$`);

/** The files as they should be: name -> text. */
export async function bundles() {
	const bundle = async (contents) => {
		const { outputFiles: [{ text }] } = await build({
			stdin: { contents, resolveDir: new URL('client/', here).pathname }, bundle: true, minify: true, write: false, format: 'esm',
			target: 'es2022', charset: 'utf8', external: ['node:*'], logLevel: 'error', mangleProps: OURS,
		});
		return text.trim();
	};
	// esbuild's own wrapping would replace import(), which a classic script has, too.
	const classic = async (contents) => `(() => {${await bundle(contents)}})();`;
	const texts = {
		'pollgate.js': await bundle("export * from './index.js'"),
		'pollgate.classic.js': await classic("import { connect, PollgateError } from './index.js'; globalThis.Pollgate = { connect, PollgateError };"),
		'websocket.js': await classic("import './shim.js'"),
	};
	return Object.fromEntries(Object.entries(texts).map(([name, text]) =>
		[name, `/* Pollgate ${version}, MIT */\n${text}\n`]));
}

if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href)
	for (const [name, text] of Object.entries(await bundles()))
		writeFileSync(new URL(name, here), text);
