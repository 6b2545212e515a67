/*
 * The Socket.IO server of the bench: Socket.IO with its Redis streams adapter, and the application that peer_socketio.c speaks to.
 * usage: socketio.mjs PORT [REDIS-URL]
 */
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const [port, url] = process.argv.slice(2);
const http = createServer((_, response) => response.end('here'));
const settings = { pingInterval: 600_000, serveClient: false, perMessageDeflate: false, httpCompression: false };
if (url) {
	const redis = createClient({ url });
	await redis.connect();
	settings.adapter = createAdapter(redis);
}
const io = new Server(http, settings);
io.on('connection', (socket) => {
	let room;
	socket.on('join', (name, done) => {
		socket.join(room = name);
		done();
	});
	socket.on('m', (data) => socket.to(room).emit('m', data));
});
http.listen(Number(port), '127.0.0.1', 4096);
