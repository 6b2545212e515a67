#!/usr/bin/env node
/*
 * A real call between two browsers, by all transports and by polling alone, every request at a random instance: www/call.html in
 * Chromium with a made-up camera.  CHROMIUM names the browser.
 */
import http from 'node:http';
import { FAKE_MEDIA, NETWORKS, Person as AnyPerson, WAIT, startBrowser, www } from './lib/browser.mjs';
import { startNetwork } from './lib/network.mjs';
import { done, is, isDeep, like, note, ok, scope } from './lib/tap.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';

const browser = await startBrowser(FAKE_MEDIA);

class Person extends AnyPerson {
	static open(name, url, init) {
		return super.open(browser, name, url, { init, permissions: ['camera', 'microphone'] });
	}

	says(pattern) {
		return super.says('#status', pattern);
	}

	/** The other person's picture is there and moves. */
	async sees() {
		const start = await this.page.waitForFunction(() => {
			const video = document.querySelector('#remote');
			return !video.hidden && video.videoWidth > 0 && video.currentTime > 0 && { time: video.currentTime };
		}).then((handle) => handle.jsonValue());
		await this.page.waitForFunction(({ time }) => document.querySelector('#remote').currentTime > time + 0.3, start);
		return true;
	}

	seesNothing() {
		return this.page.waitForFunction(() => {
			const video = document.querySelector('#remote');
			return video.hidden && video.srcObject === null;
		}).then(() => true);
	}
}

/** Two talk, a third is refused, one hangs up, the third takes the place, the first comes back. */
async function story(cluster) {
	const { base, proxy } = cluster;
	const ann = await Person.open('Ann', `${base}/call.html`);
	const suggestion = await ann.page.getByLabel('Name of the room').inputValue();
	like(suggestion, /^[a-z]+-[a-z]+-[0-9a-v]{7}$/, 'the page suggests a name for the room');
	await ann.press('Open the room');
	const shown = ann.page.getByLabel('Link for the other person');
	await waitFor(async () => await shown.inputValue() !== '', 'the link to be shown: the page hears of its new address a turn later');
	const link = await shown.inputValue();
	is(link, `${base}/call.html#${suggestion}`, 'the page shows the link to the room');
	await ann.press('Join the call');
	await ann.says(/^Waiting for the other person/);

	const bob = await Person.open('Bob', link);
	await bob.press('Join the call');
	ok(await ann.sees() && await bob.sees(), 'two browsers see each other');
	await Promise.all([ann.says(/^You are connected\.$/), bob.says(/^You are connected\.$/)]);

	const eve = await Person.open('Eve', `${base}/call.html?room=${suggestion}`);
	await eve.press('Join the call');
	like(await eve.says(/full/), /^This room is full: two people are in it already\./, 'a third is told that the room is full');
	await eve.press('Try again');
	await eve.says(/full/);
	ok(await ann.sees() && await bob.sees(), 'the two go on');

	await ann.press('Mute');
	ok(await bob.says(/microphone is off/), 'the other side is told of a muted microphone');
	await ann.press('Unmute');
	await bob.says(/^You are connected\.$/);

	await ann.press('Hang up');
	ok(await ann.seesNothing() && await bob.seesNothing(), 'hanging up clears the picture on both sides');
	await ann.says(/^You hung up/);
	ok(await bob.says(/^The other person left/), 'the other side is told in words');

	await eve.press('Try again');
	ok(await eve.sees() && await bob.sees(), 'the third can take the free place');
	await eve.close();
	await bob.says(/^The other person left/);
	ok(await bob.seesNothing(), 'closing the page hangs up, too');

	await ann.press('Call again');
	ok(await ann.sees() && await bob.sees(), 'who hung up can call again');
	await bob.press('Hang up');
	await ann.says(/^The other person left/);
	await ann.press('Hang up');
	await waitFor(() => proxy.open === 0, 'all requests to be answered');
	isDeep([ann, bob, eve].flatMap(({ refused }) => refused), [], 'no request of a browser was answered 4xx or 5xx, or cut');
	// A client that closes its session ends its poll first, but the gateway may see the two the other way round.
	const unasked = ({ path: asked, code }) => asked === '/v1/poll' && code === 'session_gone';
	isDeep(proxy.failures.filter((failure) => !unasked(failure)), [], 'nor was any that the proxy saw');
	isDeep([ann, bob, eve].flatMap(({ wrong }) => wrong), [], 'no page complained');
	note('requests:', JSON.stringify(proxy.counts));
	await Promise.all([ann.close(), bob.close()]);
}

/** Without camera and microphone one still sees and hears. */
async function receiveOnly({ base }) {
	const ann = await Person.open('Ann', `${base}/call.html#quiet`);
	const bob = await Person.open('Bob', `${base}/call.html#quiet`, () => {
		navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
	});
	await bob.press('Join the call');
	await bob.says(/^Waiting/);
	await ann.press('Join the call');
	ok(await bob.sees(), 'who allows no camera and no microphone sees the other');
	like(await bob.page.locator('#media-note').textContent(), /was not allowed/, 'and is told why nobody sees them');
	ok(await ann.says(/^You are connected\. Their microphone and camera are off\.$/), 'and so is the other');
	await Promise.all([ann.close(), bob.close()]);
}

/** A call, on a network that is not well. */
async function network({ instances }, settings) {
	const { base } = await startNetwork({ targets: instances, ...settings });
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Person.open(name, `${base}/call.html#network`)));
	await ann.press('Join the call');
	await bob.press('Join the call');
	ok(await ann.sees() && await bob.sees(), 'two browsers see each other');
	await ann.press('Hang up');
	ok(await bob.says(/^The other person left/), 'and know when it is over');
	await Promise.all([ann.close(), bob.close()]);
}

/** The page shows the transport, and changes it. */
async function transport({ base }) {
	const ann = await Person.open('Ann', `${base}/call.html#switched`);
	const choice = ann.page.getByLabel('Transport');
	const shows = (text) => waitFor(async () => await choice.locator('option:checked').textContent() === text, `the page to show ${text}`);
	await ann.press('Join the call');
	ok(await shows('Automatic: WebSocket'), 'the page shows which transport was chosen');
	await choice.selectOption('Long polling');
	ok(await shows('Long polling'), 'it can be changed by hand');
	const bob = await Person.open('Bob', `${base}/call.html?transport=sse#switched`);
	await bob.press('Join the call');
	ok(await ann.sees() && await bob.sees(), 'who polls and who has an event stream see each other');
	is(await bob.page.getByLabel('Transport').inputValue(), 'sse', 'a link can choose, too');
	await ann.page.reload();
	await bob.says(/^The other person left/);
	is(await choice.inputValue(), 'poll', 'the choice outlives a reload');
	isDeep([...ann.wrong, ...bob.wrong], [], 'no page complained');
	await Promise.all([ann.close(), bob.close()]);
}

/** Both sides of a connection in one page: whoever has what, and whoever is polite; then both make the connection anew at once. */
async function negotiation({ base }) {
	const ann = await Person.open('Ann', `${base}/call.html#unused`);
	const wrong = await ann.page.evaluate(async (limitMs) => {
		const { Peer } = await import('./peer.js');
		const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
		const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
		const kinds = { both: media, audio: new MediaStream(media.getAudioTracks()), none: new MediaStream() };
		const until = async (condition) => {
			for (const start = Date.now(); !condition() && Date.now() - start < limitMs;)
				await pause(10);
			return condition();
		};
		const make = (sides, me, polite, stream) => {
			const side = sides[me] = { heard: [], received: null };
			let line = Promise.resolve();
			side.peer = new Peer({
				iceServers: [], polite, stream, onState: () => {}, onStream: (received) => side.received = received, onSay: (said) => side.heard.push(said),
				send: (signal) => {
					const text = JSON.stringify(signal);
					line = line.then(() => pause(Math.random() * 20)).then(() => sides[1 - me].peer.signal(JSON.parse(text)));
				},
			});
			side.peer.say('first');
		};
		const results = [];
		for (const [mine, theirs] of [['both', 'both'], ['both', 'none'], ['none', 'both'], ['audio', 'both'], ['none', 'none']])
			for (const polite of [true, false]) {
				const sides = [];
				make(sides, 0, polite, kinds[mine]);
				make(sides, 1, !polite, kinds[theirs]);
				const heard = (what) => sides.every((side) => side.heard.includes(what));
				const complete = () => heard('first') && (mine === 'none' || sides[1].received) && (theirs === 'none' || sides[0].received);
				if (!await until(complete))
					results.push(`${mine} to ${theirs}, ${polite}: no connection`);
				sides.forEach((side) => side.peer.renew());
				await pause(Math.random() * 200);
				sides.forEach((side) => side.peer.say('second'));
				if (!await until(() => heard('second') && sides.every((side) => side.peer.state === 'connected')))
					results.push(`${mine} to ${theirs}, ${polite}: not renewed`);
				sides.forEach((side) => side.peer.close());
			}
		return results;
	}, WAIT);
	isDeep(wrong, [], 'a connection is made whoever has camera and microphone, and survives that both sides renew it at once');
	isDeep(ann.wrong, [], 'without a complaint');
	await ann.close();
}

/** A page of another origin (here: another port) uses the client. */
async function otherOrigin({ base, proxy }) {
	const server = http.createServer((request, answer) => answer.setHeader('Content-Type', 'text/html').end('<!doctype html><link rel="icon" href="data:,">'));
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const ann = await Person.open('Ann', `http://127.0.0.1:${server.address().port}/`);
	proxy.resetCounts();
	const got = await ann.page.evaluate(async (url) => {
		const { connect } = await import(`${url}/pollgate.js`);
		const client = connect(url, { rooms: ['elsewhere'] });
		const heard = new Promise((resolve) => client.on('hello', resolve));
		await client.send({ room: 'elsewhere', event: 'hello', data: 'there', self: true });
		const { data } = await heard;
		await client.close();
		return data;
	}, base);
	is(got, 'there', 'a page of another origin can use the gateway');
	isDeep(Object.keys(proxy.counts).filter((asked) => asked.startsWith('OPTIONS')), [], 'without a single preflight');
	isDeep([...ann.refused, ...ann.wrong], [], 'or complaint');
	await ann.close();
	server.close();
}

/** The gateway forgets everything in the middle of a call. */
async function amnesia({ base, instances: [instance], proxy }) {
	const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((name) => Person.open(name, `${base}/call.html#forgetful`)));
	await ann.press('Join the call');
	await bob.press('Join the call');
	await Promise.all([ann.sees(), bob.sees()]);
	proxy.resetCounts();
	await instance.restart();
	await waitFor(() => proxy.count('/v1/sessions', 201) === 2, 'two new sessions');
	ok(await ann.sees() && await bob.sees(), 'a gateway that forgets its sessions does not end a call');
	await waitFor(async () => {
		await bob.press('Hang up');
		return true;
	});
	ok(await ann.seesNothing() && await ann.says(/^The other person left/), 'and hanging up works after it');
	await Promise.all([ann.close(), bob.close()]);
}

await forEachStore(async ({ store, start }) => {
	const options = { www };
	const cluster = await start({ options });
	await scope('a call', () => story(cluster));
	if (store === 'memory') {
		await scope('negotiation', () => negotiation(cluster));
		await scope('receiving only', () => receiveOnly(cluster));
		await scope('transport', () => transport(cluster));
		await scope('another origin', () => otherOrigin(cluster));
		await scope('a restart', () => amnesia(cluster));
	} else {
		// Three parked polls and a send or two, each alone on its instance.
		const single = await start({ options: { ...options, 'no-websocket': true, 'no-sse': true }, n: 5, proxy: { concurrency: 1 } });
		await scope('polls only, one request at a time for each instance', () => story(single));
		for (const [name, settings] of Object.entries(NETWORKS))
			await scope(name, () => network(cluster, settings));
	}
});
await done();
