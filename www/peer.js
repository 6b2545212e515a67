/*
 * One WebRTC connection to one other person.  Signals travel in order and once, whatever carries them.
 *
 * The impolite side makes the first offer, always with audio, video and a data channel; the polite side puts what it has into its
 * answer.  (Two first offers that cross and describe different things break the data channel in Chromium.)  From then on it is
 * perfect negotiation: both may offer, and where two offers cross, the polite side takes back its own.
 */

const PATIENCE = 12_000; // A connection that is not there after so long is negotiated anew.

export class Peer {
	/** RTCPeerConnection's connectionState. */
	state = 'new';

	#connection;
	#channel = null;
	#polite;
	#stream;
	#send;
	#onSay;
	#said = null;
	#making = false;
	#answering = false;
	#ignoring = false;
	#signals = Promise.resolve();
	#timer;

	/**
	 * @param {object} options
	 * @param {RTCIceServer[]} options.iceServers
	 * @param {boolean} options.polite       true on one side, false on the other
	 * @param {MediaStream} options.stream   what to send; may be empty
	 * @param {function(object)} options.send carry this to signal() of the other side
	 * @param {function(string)} options.onState   the new state
	 * @param {function(MediaStream)} options.onStream
	 * @param {function(object)} options.onSay   what the other side's say() said
	 */
	constructor({ iceServers, polite, stream, send, onState, onStream, onSay }) {
		const connection = new RTCPeerConnection({ iceServers });
		this.#connection = connection;
		this.#polite = polite;
		this.#stream = stream;
		this.#send = send;
		this.#onSay = onSay;
		connection.onnegotiationneeded = () => this.#offer();
		connection.onicecandidate = ({ candidate }) => candidate && send({ candidate });
		connection.ontrack = ({ streams: [remote] }) => onStream(remote);
		connection.onconnectionstatechange = () => {
			this.state = connection.connectionState;
			if (this.state === 'failed')
				this.renew();
			onState(this.state);
			this.#watch();
		};
		if (!polite)
			this.#equip();
		this.#watch();
	}

	/** Say what we send, and what we want. */
	#equip() {
		for (const kind of ['audio', 'video']) {
			const track = this.#stream.getTracks().find((one) => one.kind === kind);
			if (track)
				this.#connection.addTrack(track, this.#stream);
			else if (!this.#polite)
				this.#connection.addTransceiver(kind, { direction: 'recvonly' });
		}
		this.#channel = this.#connection.createDataChannel('call', { negotiated: true, id: 0 });
		this.#channel.onmessage = ({ data }) => this.#onSay(JSON.parse(data));
		this.#channel.onopen = () => this.#said && this.say(this.#said);
	}

	/** What the other side's `send` was given. */
	signal(signal) {
		this.#signals = this.#signals.then(() => this.#signal(signal)).catch((error) => {
			if (this.state !== 'closed')
				console.warn('signal:', error);
		});
	}

	/** Tell the other side now, or (the last that was said) when the connection is there. */
	say(value) {
		this.#said = value;
		if (this.#channel?.readyState === 'open')
			this.#channel.send(JSON.stringify(value));
	}

	/** Signals may be lost, or the connection is: negotiate again, on the same media. */
	renew() {
		if (this.#connection.signalingState === 'have-local-offer')
			this.#send({ description: this.#connection.localDescription });
		else if (this.#channel)
			this.#connection.restartIce();
		else
			this.#send({ renew: true });
	}

	close() {
		this.state = 'closed';
		clearTimeout(this.#timer);
		this.#connection.onconnectionstatechange = null;
		this.#connection.close();
	}

	#watch() {
		clearTimeout(this.#timer);
		if (this.state === 'connected' || this.state === 'closed')
			return;
		this.#timer = setTimeout(() => {
			this.renew();
			this.#watch();
		}, this.#polite ? 2 * PATIENCE : PATIENCE);
	}

	async #offer() {
		try {
			this.#making = true;
			await this.#connection.setLocalDescription();
			this.#send({ description: this.#connection.localDescription });
		} catch (error) {
			if (this.state !== 'closed')
				console.warn('offer:', error);
		} finally {
			this.#making = false;
		}
	}

	async #signal({ description, candidate, renew }) {
		const connection = this.#connection;
		if (this.state === 'closed')
			return;
		if (description)
			await this.#describe(description);
		else if (candidate)
			await connection.addIceCandidate(candidate).catch((error) => {
				if (!this.#ignoring)
					throw error;
			});
		else if (renew)
			this.renew();
	}

	async #describe(description) {
		const connection = this.#connection;
		const offer = description.type === 'offer';
		const able = !this.#making && (connection.signalingState === 'stable' || this.#answering);
		this.#ignoring = offer && !able && !this.#polite;
		if (this.#ignoring || (!offer && connection.signalingState === 'stable'))
			return;
		this.#answering = !offer;
		await connection.setRemoteDescription(description).finally(() => this.#answering = false);
		if (!this.#channel)
			this.#equip();
		if (offer) {
			await connection.setLocalDescription();
			this.#send({ description: connection.localDescription });
		}
	}
}
