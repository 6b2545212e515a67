/*
 * Pollgate's client for browsers and Node 18.
 *
 *     const client = connect();
 *     client.on('chat', ({ from, data }) => console.log(from, data));
 *     await client.join('lobby');
 *     await client.send({ room: 'lobby', event: 'chat', data: 'hello' });
 *
 * Sends are numbered and repeated unchanged until they are answered; each receiver goes on from the last cursor; what comes twice
 * is delivered once.  Http asks once; Receiving chooses a receiver (PollReceiver, SharedReceiver, SseReceiver, WsReceiver), which
 * brings batches in; the Outbox sends, the Inbox removes duplicates, Presence knows who is in a room, Client ties them together.
 */

import { Client } from './client.js';

export { PollgateError } from './errors.js';

/**
 * Open a session.  Its methods can be called at once.
 * @param {string} [url] of the gateway; '' is where the page comes from
 * @param {object} [options]
 * @param {*} [options.data] public, for the other members of its rooms
 * @param {(string|{room: string, history?: number, max?: number})[]} [options.rooms] joined from the start
 * @param {*} [options.auth] a JSON Web Token for a gateway that wants one, or what its application asks for, any JSON; or a function that
 *   gives or promises it, called again before each one ends
 * @param {boolean} [options.resume] open a new session when this one is forgotten (true)
 * @param {number} [options.maxQueue] operations that may wait for their answers (1000)
 * @param {number} [options.hold] ms that a poll may take, if shorter than the gateway's setting
 * @param {('poll'|'sse'|'ws')[]} [options.transports] that may be used where they prove to work, besides 'poll' (all)
 * @param {typeof WebSocket} [options.WebSocket] a class for it, where there is none: Node before 22
 * @param {boolean} [options.tabs] poll together with the other tabs of this origin (true)
 * @param {typeof fetch} [options.fetch] in place of the global one; polls are not shared then
 * @returns {Client}
 */
export function connect(url = '', options = {}) {
	return new Client(url, options);
}
