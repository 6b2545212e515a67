#!/usr/bin/env node
/*
 * Takes the pictures of README.md: people who talk and draw, in Chromium, on a gateway of its own.  Needs what the tests need, and
 * pngquant.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Person, startBrowser, www } from '../../t/lib/browser.mjs';
import { Drawer, Guest } from '../../t/lib/people.mjs';
import { startPollgate } from '../../t/lib/pollgate.mjs';
import { execute } from '../../t/lib/process.mjs';
import { done, limit, ok } from '../../t/lib/tap.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const DESK = { viewport: { width: 1100, height: 700 } };
const PHONE = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true, colorScheme: 'dark' };

limit(120);
const browser = await startBrowser();
const { base } = await startPollgate({ options: { www } });

async function take({ page }, name) {
	const file = path.join(here, `${name}.png`);
	await page.evaluate(() => document.activeElement.blur());
	await page.mouse.move(0, 0);
	await page.evaluate(() => scrollTo(0, 0));
	writeFileSync(file, await page.screenshot());
	const { code, stderr } = await execute('pngquant', ['--force', '--ext', '.png', '--strip', '64', file]);
	ok(code === 0, `${name}.png`, stderr);
}

/* ---- A chat ---- */

const enter = (name, settings) => Guest.open(browser, name, base, 'release', settings);
const [ann, bob, eve] = [await enter('Ann', DESK), await enter('Bob', PHONE), await enter('Eve', DESK)];
const everybody = [ann, bob, eve];
for (const [who, text] of [
	[ann, 'Morning! Is the new gateway up?'],
	[bob, 'On two instances, behind the old balancer. No sticky sessions.'],
	[bob, 'I am on the train, so expect me to come and go.'],
	[eve, 'I killed one of them a minute ago. Did anybody notice?'],
	[ann, 'Not a thing. Everything arrived, once and in order.'],
	[bob, 'Neither did I, and I was in a tunnel.'],
]) {
	await who.say(text);
	await Promise.all(everybody.map((guest) => guest.hears(text)));
}
await ann.enter('lunch');
await ann.inside();
await ann.page.locator('#rooms a', { hasText: 'release' }).click();
await bob.page.getByRole('textbox', { name: 'Message' }).pressSequentially('And now the');
await ann.page.locator('#typing', { hasText: 'Bob is typing' }).waitFor();
await take(ann, 'chat');
await take(bob, 'chat-phone');

/* ---- A whiteboard ---- */

async function openBoard(name, colour, settings) {
	const person = await Drawer.open(browser, name, base, 'how-it-works', settings);
	await person.page.getByRole('textbox', { name: 'Your name' }).fill(name);
	await person.page.getByRole('textbox', { name: 'Your name' }).blur();
	await person.page.getByLabel(colour, { exact: true }).check();
	return person;
}

/** As by hand: through these points (each from 0 to 1), not quite straight. */
async function draw({ page }, ...corners) {
	const { x, y, width, height } = await page.locator('#overlay').boundingBox();
	const at = ([right, down], i) => [x + width * right + Math.sin(i * 1.3) * 1.2, y + height * down + Math.cos(i * 1.7) * 1.2];
	await page.mouse.move(...at(corners[0], 0));
	await page.mouse.down();
	for (const [i, corner] of corners.slice(1).entries())
		for (let step = 1; step <= 12; step++)
			await page.mouse.move(...at(corner.map((to, axis) => corners[i][axis] + (to - corners[i][axis]) * step / 12), i * 12 + step));
	await page.mouse.up();
}

const box = (left, top, width, height) => [[left, top], [left + width, top], [left + width, top + height], [left, top + height], [left, top]];
const ring = (x, y, width, height, from = 0, to = 1) => Array.from({ length: 13 }, (_, i) => {
	const angle = 2 * Math.PI * (from + (to - from) * i / 12);
	return [x + width * Math.cos(angle), y + height * Math.sin(angle)];
});
async function arrow(person, [ax, ay], [bx, by]) {
	const angle = Math.atan2(by - ay, bx - ax);
	const barb = (turn) => [bx - 0.025 * Math.cos(angle + turn), by - 0.035 * Math.sin(angle + turn)];
	await draw(person, [ax, ay], [bx, by]);
	await draw(person, barb(0.5), [bx, by], barb(-0.5));
}

const [drawer, helper, reader] = [await openBoard('Ann', 'Blue', DESK), await openBoard('Bob', 'Red', DESK), await openBoard('Eve', 'Green', PHONE)];
for (const top of [0.1, 0.4, 0.7]) {
	await draw(drawer, ...box(0.07, top, 0.13, 0.14));
	await draw(drawer, [0.05, top + 0.19], [0.22, top + 0.19]);
}
await draw(drawer, ...box(0.42, 0.2, 0.15, 0.18));
await draw(drawer, ...box(0.42, 0.58, 0.15, 0.18));
await draw(drawer, ...ring(0.84, 0.34, 0.07, 0.06));
await draw(drawer, [0.77, 0.34], [0.77, 0.62]);
await draw(drawer, [0.91, 0.34], [0.91, 0.62]);
await draw(drawer, ...ring(0.84, 0.62, 0.07, 0.06, 0, 0.5));
for (const [from, to] of [[[0.24, 0.17], [0.4, 0.27]], [[0.24, 0.17], [0.4, 0.64]], [[0.24, 0.47], [0.4, 0.3]], [[0.24, 0.47], [0.4, 0.67]],
	[[0.24, 0.77], [0.4, 0.33]], [[0.24, 0.77], [0.4, 0.7]], [[0.6, 0.29], [0.74, 0.42]], [[0.6, 0.67], [0.74, 0.54]]])
	await arrow(helper, from, to);
await helper.page.getByLabel('Green', { exact: true }).check();
await draw(helper, [0.8, 0.47], [0.835, 0.54], [0.89, 0.41]);
await helper.page.getByLabel('Red', { exact: true }).check();
await helper.page.waitForFunction(() => document.querySelector('#overlay').getContext('2d').getImageData(0, 0, 1920, 1200).data.every((byte) => byte === 0));
await take(drawer, 'whiteboard');
await take(reader, 'whiteboard-phone');

/* ---- The doctor ---- */

const patient = await Person.open(browser, 'Ann', `${base}/doctor.html`, DESK);
await patient.press('Quick test');
await patient.page.locator('#stop').waitFor();
await patient.page.locator('#stop').waitFor({ state: 'hidden', timeout: 60_000 });
await take(patient, 'doctor');
await done();
