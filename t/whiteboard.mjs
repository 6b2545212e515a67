#!/usr/bin/env node
/* www/whiteboard.html in Chromium: all see the same picture, pixel for pixel, on any network and whatever fails. */
import { NETWORKS, Person, startBrowser, www } from './lib/browser.mjs';
import { killOne } from './lib/chaos.mjs';
import { done, is, isDeep, like, note, ok, scope } from './lib/tap.mjs';
import { Drawer } from './lib/people.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { startNetwork } from './lib/network.mjs';

const browser = await startBrowser();

const wave = (top, n = 60) => Array.from({ length: n }, (_, i) => [0.05 + 0.9 * i / n, top + 0.08 * Math.sin(i / 3)]);

/** All have the same picture, in which something is drawn. */
async function same(drawers, more = () => true) {
	await drawers[0].sent();
	let pictures;
	await waitFor(async () => {
		pictures = await Promise.all(drawers.map((drawer) => drawer.picture()));
		return pictures[0].drawn > 0 && pictures.every(({ digest }) => digest === pictures[0].digest) && more(pictures[0]);
	}, () => `the same picture everywhere: ${JSON.stringify(pictures.map(({ drawn }) => drawn))}`, { everyMs: 50 });
	return true;
}

const complaints = (drawers) => drawers.flatMap(({ wrong }) => wrong);

/** Entries of somebody who fills the log of a board, so many of them, by the hundred. */
async function fill({ base }, board, n) {
	const { connect } = await import('../www/pollgate.js');
	const client = connect(base, { transports: [] });
	for (let i = 0; i < n; i += 100)
		await Promise.all(Array.from({ length: 100 }, () => client.send({ room: `board:${board}`, event: 'other' })));
	await client.close();
}

async function story({ base }) {
	const ann = await Drawer.open(browser, 'Ann', base, 'story');
	like(await ann.text('#hint'), /Draw here/, 'an empty board says what to do');
	await ann.draw(wave(0.2));
	const bob = await Drawer.open(browser, 'Bob', base, 'story', { viewport: { width: 390, height: 844 }, deviceScaleFactor: 3, hasTouch: true, isMobile: true });
	ok(await same([ann, bob]), 'who comes later sees what was drawn, also on another screen');
	await Promise.all([ann.draw(wave(0.4)), bob.draw(wave(0.42))]);
	ok(await same([ann, bob]), 'lines that two draw at once are in the same order for both');
	ok(await ann.colour() !== await bob.colour(), 'each has a colour of their own');

	const drawn = (await bob.picture()).drawn;
	const { x, y } = await bob.page.locator('#overlay').boundingBox();
	await bob.page.touchscreen.tap(x + 20, y + 150);
	ok(await same([bob, ann], (picture) => picture.drawn > drawn), 'a finger draws');

	const before = await ann.picture();
	await ann.page.setViewportSize({ width: 700, height: 900 });
	is((await ann.picture()).digest, before.digest, 'the picture is the same when the window has another size');
	await ann.page.locator('#overlay').focus();
	for (const key of ['ArrowLeft', ' ', 'ArrowDown', 'Shift+ArrowDown', 'ArrowRight', ' ', 'Escape'])
		await ann.page.keyboard.press(key);
	ok(await same([ann, bob], ({ drawn }) => drawn > before.drawn), 'the keyboard draws, too');

	await bob.page.getByLabel('Violet').check();
	await bob.page.getByLabel('Your name').fill('Bob <i>x</i>');
	await bob.page.getByLabel('Your name').blur();
	await waitFor(async () => /Bob <i>x<\/i>/.test(await ann.text('#people')), 'the name to be shown as it is');
	const colour = await bob.colour();
	await bob.page.reload();
	await bob.opened();
	is(await bob.colour(), colour, 'a reload keeps the colour');
	ok(await same([ann, bob]), 'and the picture');

	await ann.press('Clear');
	await ann.page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
	ok(await same([ann, bob]), 'clearing asks first');
	await ann.press('Clear');
	await ann.page.getByRole('dialog').getByRole('button', { name: 'Clear' }).click();
	await waitFor(async () => (await bob.picture()).drawn === 0 && (await ann.picture()).drawn === 0, 'the board to be empty');
	await bob.draw(wave(0.5, 10));
	ok(await same([bob, ann]), 'a cleared board is drawn on again');
	isDeep([...complaints([ann, bob]), ...ann.refused, ...bob.refused], [], 'no page complained');
	await Promise.all([ann.close(), bob.close()]);
}

/** Drawing, on a network that is not well. */
async function network({ instances }, settings) {
	const { base, ...proxy } = await startNetwork({ targets: instances, ...settings });
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Drawer.open(browser, name, base, `network-${proxy.port}`)));
	await ann.draw(wave(0.3, 20));
	await same([ann, bob]);
	if (settings.cutAfter)
		await Promise.all([ann, bob].map(({ page }) => page.waitForEvent('requestfailed')));
	await bob.draw(wave(0.6, 20));
	ok(await same([bob, ann]), 'both have the same picture');
	await Promise.all([ann.close(), bob.close()]);
}

/** A gateway dies in the middle of a line. */
async function killed(cluster, store) {
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Drawer.open(browser, name, cluster.base, 'killed')));
	const colour = await ann.colour();
	let back;
	await ann.draw(wave(0.3, 120), async () => back = await killOne(cluster));
	await ann.draw(wave(0.6));
	const eve = await Drawer.open(browser, 'Eve', cluster.base, 'killed');
	ok(await same([ann, bob, eve]), 'an instance killed in mid-drawing: the same picture for all');
	const { drawn } = await ann.picture();
	ok(drawn > 20_000, 'nothing that was drawn meanwhile is missing', drawn);
	is(await ann.colour(), colour, 'and the colour stays');
	if (store === 'memory')
		like(await bob.says('#note', /./), /lost a part/, 'a gateway that forgot everything is not hidden');
	else
		is(await bob.text('#note'), '', 'and nobody is told of a loss');
	isDeep(complaints([ann, bob, eve]).filter((text) => !/Failed to load resource|WebSocket/.test(text)), [], 'no page complained');
	await Promise.all([ann, bob, eve].map((drawer) => drawer.close()));
	await back();
}

/** More than the log keeps. */
async function long({ base }) {
	const ann = await Drawer.open(browser, 'Ann', base, 'long');
	await ann.draw(wave(0.2));
	await ann.sent();
	await fill({ base }, 'long', 1500);
	await ann.draw(wave(0.7, 10));
	await ann.sent();
	const { digest } = await ann.picture();
	await ann.close();
	const bob = await Drawer.open(browser, 'Bob', base, 'long', { query: '?transport=poll' });
	await waitFor(async () => (await bob.picture()).digest === digest, 'the whole picture');
	is(await bob.text('#note'), '', 'the whole picture outlives the log, and whoever drew it');

	await bob.context.setOffline(true);
	await bob.draw(wave(0.5, 10));
	await bob.says('#connection-note', /does not answer/);
	ok(true, 'a gateway that cannot be reached is told');
	const eve = await Drawer.open(browser, 'Eve', base, 'long');
	await eve.draw(wave(0.85, 10));
	await fill({ base }, 'long', 1500);
	await bob.context.setOffline(false);
	ok(await same([bob, eve]), 'who was away for longer than the log goes back has all of it, too, and what was drawn meanwhile is sent');
	is(await bob.text('#connection-note'), '', 'and is told that all is well');
	await Promise.all([bob.close(), eve.close()]);
}

/** What is lost is told. */
async function lost({ base }) {
	const { connect } = await import('../www/pollgate.js');
	const client = connect(base);
	await client.send({ room: 'board:lost', event: 'ink', data: { key: 'k', n: 4, runs: [[2, 14, 100, 100, 900, 900]] } });
	for (const data of [null, 5, { key: 'k', n: 5, runs: [[2, 1e6, 0, 0]] }, { key: 'k', n: 6, runs: [['<b>', 4, 5, 6]] }])
		await client.send({ room: 'board:lost', event: 'ink', data });
	const ann = await Drawer.open(browser, 'Ann', base, 'lost');
	like(await ann.says('#note', /lost/), /may be incomplete/, 'a picture that cannot be known to be whole is not shown as if it were');
	ok((await ann.picture()).drawn > 0, 'but what there is, is shown');
	isDeep(complaints([ann]), [], 'rubbish is not drawn, and harms nobody');
	await client.close();
	await ann.close();

	const bob = await Person.open(browser, 'Bob', `${base}/whiteboard.html#${'x'.repeat(123)}`);
	await bob.says('#name-error', /too long/);
	ok(true, 'a name that is too long is refused');
	await bob.page.getByLabel('Name of the board').fill('  ');
	await bob.press('Open the board');
	await bob.says('#name-error', /needs a name/);
	ok(true, 'and so is none');
	await bob.close();
}

/** A hundred events a second, of one hand. */
async function fast({ base, instances }) {
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Drawer.open(browser, name, base, 'fast')));
	const sum = async () => (await Promise.all(instances.map((instance) => instance.metrics('pollgate_messages_sent_total')))).reduce((a, b) => a + b, 0);
	const sent = await sum();
	const ms = await ann.page.evaluate(async () => {
		const overlay = document.querySelector('#overlay');
		const { left, top, width, height } = overlay.getBoundingClientRect();
		const event = (type, i) => overlay.dispatchEvent(new PointerEvent(type, {
			pointerId: 1, pointerType: 'pen', button: 0, buttons: 1, bubbles: true,
			clientX: left + width * (0.1 + 0.8 * i / 300), clientY: top + height * (0.5 + 0.3 * Math.sin(i / 10)),
		}));
		overlay.setPointerCapture = () => {};
		const start = performance.now();
		event('pointerdown', 0);
		await new Promise((resolve) => {
			let i = 0;
			const timer = setInterval(() => {
				for (; i < Math.min(300, (performance.now() - start) / 10); i++)
					event('pointermove', i);
				if (i === 300)
					resolve(clearInterval(timer));
			}, 5);
		});
		event('pointerup', 300);
		return performance.now() - start;
	});
	ok(await same([ann, bob]), 'a hundred points a second arrive');
	const rate = (await sum() - sent) * 1000 / ms;
	ok(rate < 32, 'in far fewer messages', rate);
	note(`${rate.toFixed(1)} messages/s`);
	await Promise.all([ann.close(), bob.close()]);
}

await forEachStore(async ({ store, start }) => {
	const cluster = await start({ options: { www } });
	await scope('a board', () => story(cluster));
	await scope('killed', () => killed(cluster, store));
	if (store === 'memory') {
		await scope('a long log', () => long(cluster));
		await scope('losses', () => lost(cluster));
		await scope('speed', () => fast(cluster));
	} else {
		for (const [name, settings] of Object.entries(NETWORKS))
			await scope(name, () => network(cluster, settings));
	}
});
await done();
