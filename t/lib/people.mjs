/* Persons who talk and draw on the pages of www/. */
import { Person } from './browser.mjs';
import { waitFor } from './wait.mjs';

/** Somebody in www/chat.html. */
export class Guest extends Person {
	static async open(browser, name, base, room, settings) {
		const guest = await super.open(browser, name, `${base}/chat.html#${room}`, settings);
		await guest.come(name);
		return guest;
	}

	/** Say who we are, and be in the room. */
	async come(name) {
		await this.page.locator('#first-name').fill(name);
		await this.press('Enter');
		await this.inside();
	}

	/** The room's list of people has us. */
	inside() {
		return this.page.locator('#people li', { hasText: '(you)' }).waitFor();
	}

	async write(text) {
		await this.page.getByRole('textbox', { name: 'Message' }).fill(text);
	}

	async say(...texts) {
		for (const text of texts) {
			await this.write(text);
			await this.page.keyboard.press('Enter');
		}
	}

	async enter(room) {
		await this.page.getByRole('textbox', { name: 'Another room' }).fill(room);
		await this.page.keyboard.press('Enter');
	}

	/** What is said in the room that is shown, as it is read. */
	said() {
		return this.page.locator('.log:not([hidden]) .message .text').allTextContents();
	}

	async hears(...texts) {
		let said;
		await waitFor(async () => {
			said = await this.said();
			return texts.every((text) => said.includes(text));
		}, () => `${this.name} to hear ${texts}, not: ${said}`);
		return said;
	}

	lines() {
		return this.page.locator('.log:not([hidden]) .line').allTextContents();
	}

	/** A line about somebody, or a gap. */
	told(pattern) {
		return waitFor(async () => (await this.lines()).find((line) => pattern.test(line)), `${this.name} to be told ${pattern}`);
	}

	people() {
		return this.page.locator('#people li').allTextContents();
	}

	/** Nothing of ours is on its way. */
	async sent() {
		await waitFor(async () => await this.page.locator('.state').count() === 0, `all that ${this.name} says to be in the room`);
		return true;
	}
}

/** Somebody at www/whiteboard.html. */
export class Drawer extends Person {
	static async open(browser, name, base, board, { query = '', ...settings } = {}) {
		const drawer = await super.open(browser, name, `${base}/whiteboard.html${query}#${board}`, settings);
		await drawer.opened();
		return drawer;
	}

	/** The board is here, and we have a colour. */
	opened() {
		return this.page.locator('#sheet[aria-busy="false"]').waitFor().then(() => this.page.locator('input[name="colour"]:checked').waitFor({ state: 'attached' }));
	}

	/** A line through these points of the sheet, each from 0 to 1; `midway` is done in the middle of it. */
	async draw(points, midway) {
		const { x, y, width, height } = await this.page.locator('#overlay').boundingBox();
		const at = ([right, down]) => [x + right * width, y + down * height];
		await this.page.mouse.move(...at(points[0]));
		await this.page.mouse.down();
		for (const [i, point] of points.entries()) {
			await this.page.mouse.move(...at(point));
			if (midway && i === points.length >> 1)
				await midway();
		}
		await this.page.mouse.up();
	}

	/** Until nothing of what we drew is on the second sheet. */
	sent() {
		return waitFor(async () => (await this.#pixels('#overlay', 0)).drawn === 0, 'all lines to be sent');
	}

	/** A digest of the picture's pixels, and how many of them are not white. */
	picture() {
		return this.#pixels('#picture', 0xffffffff);
	}

	#pixels(selector, nothing) {
		return this.page.evaluate(async ([selector, nothing]) => {
			const canvas = document.querySelector(selector);
			const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d'); // Reading it does not change how the page draws.
			copy.drawImage(canvas, 0, 0);
			const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
			const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
			return { digest: [...digest].join(), drawn: new Uint32Array(data.buffer).filter((pixel) => pixel !== nothing).length };
		}, [selector, nothing]);
	}

	colour() {
		return this.page.locator('input[name="colour"]:checked').inputValue();
	}
}
