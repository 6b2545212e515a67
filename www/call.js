/*
 * The call page: a room for two, found by its link.  The gateway carries who is there and the signals of WebRTC; picture and
 * sound go from browser to browser.
 *
 * The room is chosen by #NAME (or ?room=NAME, #room=NAME).  ?ice=stun:HOST:PORT or turn:..., any number of them, with iceUser=
 * and icePass=, names ICE servers; so does <meta name="pollgate-ice">.
 */
import { connect } from './pollgate.js';
import { Connection } from './connection.js';
import { $ } from './page.js';
import { Peer } from './peer.js';
import { followAddress, roomOfAddress } from './room.js';

const query = new URLSearchParams(location.search);

/** The gateway's room, apart from those of other pages. */
const PREFIX = 'call:';
const connection = new Connection($('connection'), $('connection-note'));

function iceServers() {
	const text = document.querySelector('meta[name="pollgate-ice"]').content.trim();
	const servers = text.startsWith('[') ? JSON.parse(text) : text.split(/\s+/).filter(Boolean).map((urls) => ({ urls }));
	const [username, credential] = [query.get('iceUser'), query.get('icePass')];
	for (const urls of query.getAll('ice'))
		servers.push(/^turns?:/.test(urls) && username !== null ? { urls, username, credential: credential ?? '' } : { urls });
	return servers;
}

/** A sentence when calls cannot be made here. */
function obstacle() {
	if (!globalThis.RTCPeerConnection)
		return 'This browser cannot make calls.';
	try {
		new RTCPeerConnection({ iceServers: iceServers() }).close();
	} catch (error) {
		return `The ICE servers that are set are not usable: ${error.message}`;
	}
	return '';
}

/* ---- What is shown ---- */

const LINES = {
	idle: 'Not in the call yet.',
	entering: 'Entering the room …',
	asking: 'Your browser asks for camera and microphone …',
	waiting: 'Waiting for the other person.',
	connecting: 'The other person is here. Connecting …',
	connected: 'You are connected.',
	shaky: 'The connection is interrupted. Waiting for it to come back …',
	repairing: 'The connection broke. Making a new one …',
	left: 'The other person left. Waiting for them to come back.',
	full: 'This room is full: two people are in it already.',
	ended: 'You hung up.',
	failed: 'The call ended.',
};
const STAGE = {
	idle: 'Press Join when you are ready. The other person sees and hears you from then on.',
	waiting: 'Send the link below to the other person, or open it in another window.',
	full: 'Try again when one of them has left, or take another room.',
	left: 'They can come back by the same link.',
	ended: 'Your camera and microphone are off.',
};
/** States that look and count like another one. */
const KINDS = { asking: 'entering', left: 'waiting', shaky: 'connecting', repairing: 'connecting' };
const OUTSIDE = ['idle', 'full', 'ended', 'failed'];
const JOIN_WORDS = { idle: 'Join the call', full: 'Try again' };

function show(state, detail = '') {
	const inside = !OUTSIDE.includes(state);
	const focused = document.activeElement;
	document.body.dataset.state = KINDS[state] ?? state;
	$('status').textContent = LINES[state] + (detail && ` ${detail}`);
	$('placeholder').textContent = STAGE[state] ?? '';
	$('join').hidden = inside;
	$('join').textContent = JOIN_WORDS[state] ?? 'Call again';
	for (const id of ['microphone', 'camera', 'hang-up'])
		$(id).hidden = !inside;
	$('invite').hidden = ['connected', 'full'].includes(state);
	if (focused?.hidden) // Do not leave the keyboard on a button that is gone.
		$(inside ? 'hang-up' : 'join').focus();
}

function showMedia(id, stream) {
	const video = $(id);
	if (video.srcObject !== stream)
		video.srcObject = stream;
	video.hidden = !stream?.getVideoTracks().length;
	return video;
}

function showSwitch(id, track, on, off) {
	const button = $(id);
	button.disabled = !track;
	button.classList.toggle('off', !track?.enabled);
	button.querySelector('span').textContent = track?.enabled === false ? off : on;
}

/* ---- Camera and microphone ---- */

const REASONS = {
	NotAllowedError: 'was not allowed',
	NotFoundError: 'was not found',
	NotReadableError: 'is used by another program',
};

/** As much as can be had: both, one of them, nothing; and a sentence about what is missing. */
async function openMedia() {
	if (!navigator.mediaDevices)
		return [new MediaStream(), 'Browsers give camera and microphone only to pages with https (or on localhost). ' +
			'You can see and hear the other person.'];
	const wishes = [{ audio: true, video: true }, { audio: true }, { video: true }];
	let reason;
	for (const wish of wishes)
		try {
			const stream = await navigator.mediaDevices.getUserMedia(wish);
			if (wish === wishes[0])
				return [stream, ''];
			const missing = wish.audio ? 'The camera' : 'The microphone';
			return [stream, `${missing} ${reason}: the other person only ${wish.audio ? 'hears' : 'sees'} you.`];
		} catch (error) {
			reason = REASONS[error.name] ?? `cannot be used (${error.message})`;
		}
	return [new MediaStream(), `Camera or microphone ${reason}. You can see and hear the other person, but not they you.`];
}

/* ---- The call ---- */

/** From join to hang-up. */
class Call {
	/** This page, also when the gateway gives it another session. */
	#page = crypto.getRandomValues(new Uint32Array(2)).join('-');
	#client = connect('', { data: { page: this.#page } });
	#room;
	#stream = null;
	#other = null; // {id, page, peer}
	#early = []; // Signals of somebody whose coming we have not heard of yet; at first, of everybody.
	#remote = null; // {stream, audio, video}: what the other side sends, and what of it is switched on.
	#over = false;

	constructor(room) {
		this.#room = PREFIX + room;
		connection.follow(this.#client);
		this.#client.on('signal', ({ from, data, room: public_ }) => !public_ && this.#signal(from, data));
		this.#client.on('$join', ({ from, data }) => this.#stream && this.#meet(from, data));
		this.#client.on('$leave', ({ from }) => this.#parted(from));
		this.#client.on('$away', ({ from }) => this.#quiet(from, true));
		this.#client.on('$back', ({ from }) => this.#quiet(from, false));
		this.#client.on('gap', ({ reason }) => reason !== 'session' && this.#lostSomething());
		this.#client.on('resumed', ({ fresh, rooms: [room_] = [] }) => fresh && this.#entered(room_));
		this.#client.on('closed', ({ detail }) => this.#end('failed', `The gateway says: ${detail}`));
	}

	async start() {
		show('entering');
		try {
			await this.#client.join(this.#room, { max: 2 });
		} catch (error) {
			return this.#end(error.code === 'room_full' ? 'full' : 'failed', error.code === 'room_full' ? '' : error.message);
		}
		if (this.#over)
			return;
		show('asking');
		const [stream, note] = await openMedia();
		if (this.#over)
			return stopTracks(stream);
		this.#stream = stream;
		$('media-note').textContent = note;
		showMedia('local', stream);
		this.#showSwitches();
		for (const track of stream.getTracks())
			track.onended = () => $('media-note').textContent = `The ${track.kind === 'video' ? 'camera' : 'microphone'} stopped.`;
		// Who came or left while the browser asked?
		this.#entered(await this.#client.members(this.#room).catch(() => undefined));
	}

	toggle(kind) {
		const track = this.#track(kind);
		if (track)
			track.enabled = !track.enabled;
		this.#showSwitches();
		this.#saySwitches();
	}

	async hangUp() {
		this.#end('ended');
	}

	#track(kind) {
		return this.#stream?.getTracks().find((track) => track.kind === kind);
	}

	#showSwitches() {
		showSwitch('microphone', this.#track('audio'), 'Mute', 'Unmute');
		showSwitch('camera', this.#track('video'), 'Camera off', 'Camera on');
	}

	#saySwitches() {
		this.#other?.peer.say({ audio: Boolean(this.#track('audio')?.enabled), video: Boolean(this.#track('video')?.enabled) });
	}

	/** We are in the room, together with these. */
	#entered(room) {
		if (this.#over || !this.#stream)
			return;
		if (room?.error)
			return this.#end(room.error.code === 'room_full' ? 'full' : 'failed', room.error.detail);
		const other = room?.members.find(({ id }) => id !== this.#client.id);
		if (other)
			this.#meet(other.id, other.data);
		else if (this.#other?.peer.state !== 'connected') // Perhaps the gateway forgot them as well, and they come back any moment.
			this.#part('waiting');
	}

	#meet(id, data) {
		const page = data?.page ?? id;
		if (id === this.#client.id || this.#other?.id === id)
			return;
		if (this.#other?.page === page)
			return void (this.#other.id = id);
		this.#part('connecting');
		this.#remote = { stream: null, audio: true, video: true };
		const other = { id, page };
		this.#other = other;
		other.peer = new Peer({
			iceServers: iceServers(),
			polite: this.#page < page,
			stream: this.#stream,
			send: (signal) => this.#client.send({ to: other.id, event: 'signal', data: signal }).catch(() => {}),
			onState: (state) => this.#onState(state),
			onStream: (stream) => this.#onStream(stream),
			onSay: (said) => {
				Object.assign(this.#remote, said);
				this.#showRemote();
			},
		});
		this.#saySwitches();
		for (const { from, signal } of this.#early.splice(0))
			this.#signal(from, signal);
	}

	#signal(from, signal) {
		if (this.#other?.id === from)
			this.#other.peer.signal(signal);
		else if (this.#early.length < 100) // A mailbox and a room are two streams: a signal may be here before its sender's $join.
			this.#early.push({ from, signal });
	}

	#onState(state) {
		const states = { disconnected: 'shaky', failed: 'repairing' };
		if (state === 'connected')
			this.#showRemote();
		else if (states[state])
			show(states[state]);
	}

	#onStream(stream) {
		this.#remote.stream = stream;
		this.#showRemote();
		$('remote').play().catch(({ name }) => $('sound').hidden = name !== 'NotAllowedError');
	}

	#showRemote() {
		const { stream, audio, video } = this.#remote;
		const off = [!audio && 'microphone', !video && 'camera'].filter(Boolean).join(' and ');
		if (this.#other?.peer.state === 'connected')
			show('connected', off && `Their ${off} ${audio || video ? 'is' : 'are'} off.`);
		showMedia('remote', stream);
		if (!video)
			$('remote').hidden = true;
		if ($('remote').hidden && document.body.dataset.state === 'connected')
			$('placeholder').textContent = 'No picture from the other person.';
	}

	#quiet(from, quiet) {
		if (this.#other?.id === from)
			$('gateway-note').textContent = quiet ? 'The gateway has not heard from the other person for a while.' : '';
	}

	#lostSomething() {
		this.#other?.peer.renew();
		if (this.#other)
			this.#client.send({ to: this.#other.id, event: 'signal', data: { renew: true } }).catch(() => {});
		this.#client.members(this.#room).then((room) => this.#entered(room)).catch(() => {});
	}

	#parted(from) {
		this.#early = this.#early.filter((early) => early.from !== from);
		if (this.#other?.id === from)
			this.#part('left');
	}

	#part(state) {
		this.#other?.peer.close();
		this.#other = null;
		showMedia('remote', null);
		$('sound').hidden = true;
		$('gateway-note').textContent = '';
		show(state);
	}

	#end(state, detail) {
		if (this.#over)
			return;
		this.#over = true;
		this.#part(state);
		show(state, detail);
		if (this.#stream)
			stopTracks(this.#stream);
		showMedia('local', null);
		$('media-note').textContent = '';
		// Leaving is repeated until it is answered, closing is not.
		const patience = new Promise((resolve) => setTimeout(resolve, 5000));
		const leaving = state === 'full' ? undefined : this.#client.leave(this.#room).catch(() => {});
		Promise.race([leaving, patience]).then(() => this.#client.close());
	}
}

function stopTracks(stream) {
	for (const track of stream.getTracks())
		track.stop();
}

/* ---- The page ---- */

let call = null;

$('join').addEventListener('click', () => {
	call = new Call(roomOfAddress());
	call.start();
});
$('hang-up').addEventListener('click', () => call.hangUp());
$('microphone').addEventListener('click', () => call.toggle('audio'));
$('camera').addEventListener('click', () => call.toggle('video'));
$('sound').addEventListener('click', () => $('remote').play().then(() => $('sound').hidden = true));
followAddress({
	title: 'Call', word: 'Room', prefix: PREFIX,
	leave: () => {
		call?.hangUp();
		call = null;
	},
	enter: () => {
		show('idle');
		$('media-note').textContent = obstacle();
		$('join').disabled = obstacle() !== '';
	},
});
