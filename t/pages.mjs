#!/usr/bin/env node
/* Every page of www/, in light and dark, on desk and phone: usable by everybody (axe-core), complete without anything from elsewhere. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { haveAxe, violations } from './lib/axe.mjs';
import { Person, startBrowser, www } from './lib/browser.mjs';
import { Drawer, Guest } from './lib/people.mjs';
import { done, is, isDeep, scope, skipAll } from './lib/tap.mjs';
import { startPollgate } from './lib/pollgate.mjs';

const browser = await startBrowser();
if (!haveAxe)
	skipAll('axe-core is not installed: npm ci in t/');

const shot = process.env.PICTURES; // A folder to put pictures of the pages into.
const looks = {
	light: { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
	dark: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
	'light phone': { colorScheme: 'light', viewport: { width: 375, height: 720 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
	'dark phone': { colorScheme: 'dark', viewport: { width: 375, height: 720 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
};
const longName = 'a-room-whose-name-is-as-long-as-it-may-be-and-has-no-place-to-break-it'.padEnd(110, 'x');

/** Each state of a page: name -> [address, what to do until it is there, who does it]. */
const states = {
	'index.html': ['index.html', async () => {}],
	'call.html': ['call.html', ({ page }) => page.getByLabel('Name of the room').waitFor()],
	'call.html, a room': [`call.html#${longName}`, async ({ page }) => page.getByText('Press Join').waitFor()],
	'chat.html': ['chat.html', ({ page }) => page.locator('#first-room').waitFor()],
	'chat.html, a room': [`chat.html#${longName}`, talking, Guest],
	'doctor.html': ['doctor.html', ({ page }) => page.getByRole('button', { name: 'Quick test' }).waitFor()],
	'whiteboard.html': ['whiteboard.html', ({ page }) => page.getByLabel('Name of the board').waitFor()],
	'whiteboard.html, a board': [`whiteboard.html#${longName}`, drawing, Drawer],
	'whiteboard.html, a question': ['whiteboard.html#asked', async (person) => {
		await drawing(person);
		await person.press('Clear');
	}, Drawer],
};

async function talking(guest) {
	const texts = ['Hello', `A word that is too ${'l'.repeat(300)}ong`, 'https://example.org/'];
	await guest.come('Somebody whose name is as long as it may be');
	await guest.say(...texts);
	await guest.hears(...texts);
	await guest.sent();
}

async function drawing(drawer) {
	await drawer.opened();
	await drawer.page.locator('#overlay').click({ position: { x: 50, y: 50 } });
}

const gateway = await startPollgate({ options: { www } });
const html = readdirSync(www).filter((name) => name.endsWith('.html'));
isDeep(html.filter((name) => !Object.keys(states).some((state) => state.startsWith(name))), [], 'every page is looked at here');

for (const [state, [address, make, Somebody = Person]] of Object.entries(states))
	await scope(state, async () => {
		const wrong = {};
		for (const [look, context] of Object.entries(looks)) {
			const elsewhere = [];
			const person = await Person.open.call(Somebody, browser, look, 'about:blank', { ...context, reducedMotion: 'reduce' });
			person.page.on('request', (request) => request.url().startsWith(gateway.base) || elsewhere.push(request.url()));
			await person.page.goto(`${gateway.base}/${address}`);
			await make(person);
			const wide = await person.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
			const found = [...await violations(person.page), ...elsewhere, ...person.wrong, ...person.refused, ...wide > 0 ? [`${wide} px too wide`] : []];
			if (found.length)
				wrong[look] = found;
			if (shot)
				await person.page.screenshot({ path: path.join(shot, `${state} ${look}.png`.replace(/[ ,]+/g, '-')) });
			await person.close();
		}
		isDeep(wrong, {}, 'accessible, complete, and as wide as the screen, in light and dark, on desk and phone');
	});

const start = await Person.open(browser, 'Ann', `${gateway.base}/`);
const linked = await start.page.locator('a').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
isDeep(html.filter((name) => name !== 'index.html' && !linked.includes(name)), [], 'the first page has a link to each other one');
isDeep(linked.filter((link) => link.endsWith('.html') && !existsSync(path.join(www, link))), [], 'and to none that is not there');
is(await start.page.locator('h1').count(), 1, 'and says what this is');
await done();
