/*
 * The WebSockets of a made-up gateway (fake.mjs), by the ws package.  As it is, a socket echoes pings, answers operations, and
 * keeps what it was told; socket.hears = (frame, usual) => ... makes it do otherwise, for each new one fake.hears.
 *
 *   socket.frames   what came, as objects
 *   socket.cursor   the last cursor that came: it is the session's sink when there is one
 *   socket.say(x)   an object as JSON, or a text or Buffer as it is
 *   socket.closed   a promise
 */
export function serveSockets(fake, { WebSocketServer }) {
	fake.sockets = [];
	fake.upgrade = undefined; // (socket of the connection) => refuses
	const server = new WebSocketServer({ noServer: true });
	fake.server.on('upgrade', (incoming, connection, head) => {
		connection.on('error', () => {});
		fake.upgrades = (fake.upgrades ?? 0) + 1;
		if (fake.upgrade) {
			connection.resume().once('end', () => connection.destroy());
			return fake.upgrade(connection);
		}
		server.handleUpgrade(incoming, connection, head, (socket) => begin(fake, incoming, socket));
	});
	return fake;
}

function begin(fake, incoming, socket) {
	const { searchParams } = new URL(incoming.url, 'http://fake');
	Object.assign(socket, {
		frames: [], token: searchParams.get('token'), protocols: incoming.headers['sec-websocket-protocol'], hears: fake.hears ?? ((frame, usual) => usual()),
		closed: new Promise((resolve) => socket.once('close', (code) => resolve(code))),
		say: (what) => socket.send(typeof what === 'string' || Buffer.isBuffer(what) ? what : JSON.stringify(what)),
	});
	socket.on('error', () => {});
	socket.on('message', (data) => {
		const frame = JSON.parse(data);
		socket.frames.push(frame);
		socket.hears(frame, () => {
			if ('ping' in frame)
				socket.say({ pong: frame.ping });
			if (frame.cursor)
				socket.cursor = frame.cursor;
			if (frame.ops)
				socket.say(fake._send({ body: frame }));
		});
	});
	fake.sockets.push(socket);
}
