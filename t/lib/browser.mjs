/* Pages in headless Chromium, whose program the environment variable CHROMIUM names, and all that goes wrong in them. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { atEnd, skipAll } from './tap.mjs';
import { sourceDir, waitFor } from './pollgate.mjs';
import { patience } from './wait.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** For whatever a page shows. */
export const WAIT = patience();
export const www = process.env.POLLGATE_TEST_WWW ?? path.join(sourceDir, 'www');

/** Arguments of a browser with a camera and a microphone that anybody may use. */
export const FAKE_MEDIA = ['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--mute-audio'];

/** A browser, or the script ends as skipped. */
export async function startBrowser(args = []) {
	const playwright = await import('playwright-core').catch(() => null);
	if (!playwright)
		skipAll('playwright-core is not installed: npm ci in t/');
	if (!existsSync(executablePath))
		skipAll(`there is no ${executablePath}`);
	const browser = await playwright.chromium.launch({
		executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run', ...args],
	});
	atEnd(() => browser.close());
	return browser;
}

/** Networks (of network.mjs) that every page must get along with. */
export const NETWORKS = {
	'nothing blocked': {},
	'Upgrade answered 400': { upgrade: '400' },
	'event streams held back': { upgrade: '400', hold: 'sse' },
	'every answer held back': { hold: 'all' },
	'requests cut after 2 s': { upgrade: '400', cutAfter: 2000 },
	'a third of a second for each request': { upgrade: '400', fault: () => ({ delay: 333 }) },
};

/** A person: a browser context with one page. */
export class Person {
	wrong = []; // What the page complained of,
	refused = []; // and what it was refused, or did not get.

	/** settings: { init (a function to run first), context (that of another person, to share it), ...of a new context } */
	static async open(browser, name, url, { init, context, ...settings } = {}) {
		const person = new this();
		person.name = name;
		person.context = context ?? await browser.newContext(settings);
		person.page = await person.context.newPage();
		person.page.setDefaultTimeout(WAIT);
		person.#listen();
		if (init)
			await person.page.addInitScript(init);
		await person.page.goto(url);
		return person;
	}

	#listen() {
		this.page.on('response', (answer) => answer.status() >= 400 && this.refused.push(`${answer.status()} ${answer.url()}`));
		this.page.on('requestfailed', (request) => request.failure().errorText !== 'net::ERR_ABORTED' &&
			this.refused.push(`${request.failure().errorText} ${request.url()}`));
		this.page.on('pageerror', (error) => this.wrong.push(error.message));
		this.page.on('console', (message) => ['error', 'warning'].includes(message.type()) && this.wrong.push(message.text()));
	}

	press(name) {
		return this.page.getByRole('button', { name, exact: true }).click();
	}

	text(selector) {
		return this.page.locator(selector).textContent();
	}

	/** Wait until the text of an element matches, and return it. */
	async says(selector, pattern) {
		let text;
		await waitFor(async () => pattern.test(text = await this.text(selector)),
			() => `${this.name} to see ${pattern} in ${selector}, not: ${text}`);
		return text;
	}

	close() {
		return this.context.close();
	}
}
