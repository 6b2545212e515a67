/* What axe-core finds wrong with a page: for people who use the keyboard, a screen reader, or see little. */

const axe = await import('axe-core').catch(() => null);

/** Whether it is installed. */
export const haveAxe = axe !== null;

/** 'rule: element' for each violation that the page (of Playwright) has as it is now. */
export async function violations(page) {
	await page.evaluate(axe.default.source);
	return page.evaluate(async () => {
		const { violations: found } = await globalThis.axe.run();
		return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
	});
}
