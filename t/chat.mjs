#!/usr/bin/env node
/* www/chat.html in Chromium: who is there, what was said, and that nothing of it is lost or hidden, on any network. */
import { connect } from '../www/pollgate.js';
import { NETWORKS, startBrowser, www } from './lib/browser.mjs';
import { killOne } from './lib/chaos.mjs';
import { startNetwork } from './lib/network.mjs';
import { Guest } from './lib/people.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { done, is, isDeep, like, ok, scope } from './lib/tap.mjs';

const browser = await startBrowser();

const complaints = (guests) => guests.flatMap(({ wrong, refused }) => [...wrong, ...refused]);

async function story({ base }) {
	const ann = await Guest.open(browser, 'Ann', base, 'story');
	await ann.say('Hello?', 'Nobody here.');
	const bob = await Guest.open(browser, 'Bob <b>x</b>', base, 'story', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
	isDeep(await bob.hears('Nobody here.'), ['Hello?', 'Nobody here.'], 'who comes later reads what was said, in order');
	ok(await ann.told(/^Bob <b>x<\/b> came in\.$/), 'and is announced');
	isDeep(await ann.people(), ['Ann (you)', 'Bob <b>x</b>'], 'all see who is here');

	const nasty = '<img src=x onerror=alert(1)> & "quotes"\nhttps://example.org/a?b=c&d=<e>, javascript:alert(1)';
	await bob.write(nasty);
	like(await ann.says('#typing', /./), /^Bob <b>x<\/b> is typing …$/, 'and who is typing');
	await bob.page.keyboard.press('Enter');
	await ann.hears(nasty);
	ok(true, 'a text is shown as it was typed, never as HTML');
	isDeep(await ann.page.locator('.log a').evaluateAll((links) => links.map(({ href, rel }) => [href, rel])),
		[['https://example.org/a?b=c&d=', 'noopener noreferrer nofollow']], 'only addresses become links');
	is(await ann.text('#typing'), '', 'who has said it is not typing any more');

	await bob.page.getByRole('textbox', { name: 'Your name' }).fill('Bobby');
	await bob.page.getByRole('textbox', { name: 'Your name' }).blur();
	ok(await ann.told(/^Bob <b>x<\/b> is now Bobby\.$/), 'a new name is told');

	await ann.enter('second');
	is(await ann.text('#room-title'), 'second', 'one can be in several rooms');
	await bob.say('Are you still here?');
	await waitFor(async () => /1 unread/.test(await ann.text('#rooms')), 'an unread message to be counted');
	like(await ann.page.title(), /^\(1\) second/, 'what is said in the others is counted');
	await ann.page.locator('#rooms a', { hasText: 'story' }).click();
	await ann.hears('Are you still here?');
	ok(!/unread/.test(await ann.text('#rooms')), 'until it is read');

	await bob.write('I was just about to');
	await ann.says('#typing', /Bobby is typing/);
	await bob.page.reload();
	await bob.inside();
	is(await bob.page.getByRole('textbox', { name: 'Message' }).inputValue(), 'I was just about to', 'a reload keeps what is being typed');
	isDeep(await bob.hears('Are you still here?'), await ann.said(), 'the rooms and what was said there');
	await waitFor(async () => (await ann.people()).length === 2, 'both to be here');
	isDeep((await ann.lines()).filter((line) => /left/.test(line)), [], 'and nobody is told that somebody left and came');
	await bob.press('Leave');
	ok(await ann.told(/^Bobby left\.$/), 'who left is told');
	isDeep(await ann.people(), ['Ann (you)'], 'and is not here any more');
	isDeep(complaints([ann, bob]), [], 'no page complained');
	await Promise.all([ann.close(), bob.close()]);
}

/** A conversation, on a network that is not well. */
async function network({ instances }, settings) {
	const { base, ...proxy } = await startNetwork({ targets: instances, ...settings });
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Guest.open(browser, name, base, `network-${proxy.port}`)));
	await ann.say('one', 'two');
	await bob.hears('two');
	if (settings.cutAfter)
		await Promise.all([ann, bob].map(({ page }) => page.waitForEvent('requestfailed')));
	await bob.say('three', 'four');
	isDeep([await ann.hears('four'), await bob.hears('four')], Array(2).fill(['one', 'two', 'three', 'four']), 'both hear all, once and in order');
	await Promise.all([ann.close(), bob.close()]);
}

/** A gateway dies in the middle of a conversation. */
async function killed(cluster, store) {
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Guest.open(browser, name, cluster.base, 'killed')));
	await ann.say('one', 'two');
	await bob.hears('two');
	const back = await killOne(cluster, async () => {
		await ann.say('three', 'four');
		await bob.say('five');
	});
	await Promise.all([ann.hears('three', 'four', 'five'), bob.hears('three', 'four', 'five')]);
	ok(await ann.sent() && await bob.sent(), 'what is said while an instance is killed arrives');
	for (const said of [await ann.said(), await bob.said()])
		isDeep(said.filter((text) => text !== 'five'), ['one', 'two', 'three', 'four'], 'once, and in the order of each');
	if (store === 'memory')
		ok(await ann.told(/Messages may be missing/) && await bob.told(/Messages may be missing/), 'a gateway that forgot everything is not hidden');
	else
		isDeep([...await ann.lines(), ...await bob.lines()].filter((line) => /missing|left/.test(line)), [], 'and nobody is told of a loss');
	await waitFor(async () => (await ann.people()).length === 2 && (await bob.people()).length === 2, 'both to be here');
	ok(true, 'both are still here');
	await Promise.all([ann.close(), bob.close()]);
	await back();
}

/** A way to the gateway of one's own, on which no request lives long, and that can be closed: close() returns what opens it again. */
async function startWay({ instances }) {
	const proxy = await startNetwork({ targets: instances, upgrade: '400', hold: 'sse', cutAfter: 500 });
	const close = async () => {
		proxy.fault = () => ({ drop: 'before' });
		await waitFor(() => proxy.now.requests === 0, 'the last request to be cut');
		return () => proxy.fault = undefined;
	};
	return { base: proxy.base, close };
}

/** Out of contact. */
async function away(cluster) {
	const way = await startWay(cluster);
	const bob = await Guest.open(browser, 'Bob', cluster.base, 'away');
	const ann = await Guest.open(browser, 'Ann', way.base, 'away');
	await bob.say('before');
	await ann.hears('before');
	const open = await way.close();
	await ann.say('said meanwhile', 'and this');
	await ann.says('#connection-note', /does not answer/);
	is(await ann.page.locator('.state', { hasText: 'Sending' }).count(), 2, 'what cannot be sent now is shown so');
	await bob.say(...Array.from({ length: 20 }, (_, i) => `missed ${i}`));
	await bob.sent();
	open();
	ok(await ann.sent(), 'and is sent when the network is back');
	await bob.hears('said meanwhile', 'and this');
	isDeep(await ann.hears('missed 19'), await bob.said(), 'both read the same, then');
	isDeep(await ann.lines(), [], 'without a gap');
	await Promise.all([ann.close(), bob.close()]);
}

/** Two tabs of one browser. */
async function tabs({ base }) {
	const ann = await Guest.open(browser, 'Ann', base, 'tabs');
	const again = await Guest.open(browser, 'Ann', base, 'tabs', { context: ann.context });
	isDeep(await again.people(), ['Ann (you)', 'Ann'], 'a second tab is a second guest');
	await ann.say('from one');
	await again.say('from the other');
	isDeep([await again.hears('from one', 'from the other'), await again.page.locator('.mine').count()],
		[await ann.hears('from one', 'from the other'), 1], 'each has its own messages, and hears the other');
	await ann.page.close();
	ok(await again.told(/^Ann left\.$/), 'and one of them can be closed');
	await again.close();
}

/** More than the log keeps. */
async function gaps({ start }) {
	const cluster = await start({ options: { www, 'room-max': 20 } });
	const way = await startWay(cluster);
	const client = connect(cluster.base, { transports: [] });
	const say = (text) => client.send({ room: 'chat:gaps', event: 'chat', data: { key: `key-${text}`, name: 'Eve', text } });
	const ann = await Guest.open(browser, 'Ann', way.base, 'gaps');
	await say('heard');
	await ann.hears('heard');
	const open = await way.close();
	await Promise.all(Array.from({ length: 40 }, (_, i) => say(`more ${i}`)));
	open();
	ok(await ann.told(/^Messages may be missing here/), 'what is lost is told');
	const all = await ann.page.locator('.log:not([hidden]) li').evaluateAll((items) => items.map((item) => item.querySelector('.text')?.textContent ?? '(gap)'));
	is(all[1], '(gap)', 'where it is missing', all);
	ok(all.includes('more 39') && !all.includes('more 1'), 'and what is left is shown');

	// Not what others send, but what they should not.
	for (const data of [null, 5, 'text', {}, { text: 5, key: 'k' }, { text: 'x' }, { text: '', key: 'k' }, { text: 'long', name: 'n'.repeat(500), key: 'long' }])
		await client.send({ room: 'chat:gaps', event: 'chat', data });
	await say('after');
	await ann.hears('long', 'after');
	ok((await ann.page.locator('.message strong').allTextContents()).every((name) => name.length <= 40), 'rubbish is not shown, and names are of a length that can be shown');
	isDeep(ann.wrong.filter((text) => !/Failed to load|WebSocket/.test(text)), [], 'no page complained');

	await ann.page.getByRole('textbox', { name: 'Another room' }).fill('x'.repeat(120));
	await ann.press('Enter');
	like(await ann.says('#more-error', /./), /too long/, 'a name that is too long is refused');
	await client.close();
	await ann.close();
}

/** Somebody who says of themselves what another one says. */
async function impostor({ base }) {
	const ann = await Guest.open(browser, 'Ann', base, 'impostor');
	const other = await Guest.open(browser, 'Eve', base, 'impostor');
	const key = await ann.page.evaluate(() => JSON.parse(sessionStorage.getItem('pollgate-key')));
	const client = connect(base, { data: { name: 'Ann', key } });
	await client.join('chat:impostor');
	await ann.told(/^Ann came in\.$/);
	isDeep([await ann.people(), await other.people()], [['Ann (you)', 'Ann', 'Eve'], ['Eve (you)', 'Ann', 'Ann']], 'nobody hides behind another');
	await ann.say('I am Ann.');
	await other.hears('I am Ann.');
	await client.send({ room: 'chat:impostor', event: 'chat', data: { key: `${key}-1`, name: 'Ann', text: 'No, I am.' } });
	await Promise.all([ann.hears('No, I am.'), other.hears('No, I am.')]);
	is(await ann.page.locator('.mine').count(), 1, 'what somebody else says is not shown as ours');
	is(await other.page.locator('.goes-on').count(), 0, 'nor as if one of them had said both');
	await client.close();
	await Promise.all([ann.close(), other.close()]);
}

/** The gateway refuses a message, or a room. */
async function refused({ start }) {
	const cluster = await start({ options: { www, 'max-message': 200, 'rooms-per-session': 2 } });
	const ann = await Guest.open(browser, 'Ann', cluster.base, 'refused');
	await ann.say('x'.repeat(400), 'short');
	await ann.hears('short');
	like(await ann.says('.state', /Not sent/), /Not sent: .*Send again/, 'what is refused is said to be, and can be sent again');
	await ann.press('Send again');
	await ann.says('.state', /Not sent/);
	await ann.enter('one room too many');
	like(await ann.says('#note', /./), /^The room one room too many cannot be entered: /, 'so is a room');
	is(await ann.text('#room-title'), 'refused', 'and one stays where one was');
	isDeep(await ann.hears('short').then((said) => said.length), 2, 'with what was said there');
	await ann.close();
}

await forEachStore(async ({ store, start }) => {
	const cluster = await start({ options: { www } });
	await scope('a chat', () => story(cluster));
	await scope('killed', () => killed(cluster, store));
	if (store === 'memory') {
		await scope('tabs', () => tabs(cluster));
		await scope('an impostor', () => impostor(cluster));
		await scope('away', () => away(cluster));
		await scope('gaps', () => gaps({ start }));
		await scope('refused', () => refused({ start }));
	} else {
		for (const [name, settings] of Object.entries(NETWORKS))
			await scope(name, () => network(cluster, settings));
	}
});
await done();
