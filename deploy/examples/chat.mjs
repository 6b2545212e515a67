#!/usr/bin/env node
/*
 * The backend of a chat for Socket.IO clients: rooms, names, what was said before, and who comes and goes.
 *
 *   signin {user, room}, ack         enters a room: (null, {room, messages: [{user, text}, ...]}); the others there are told
 *   sendMessage text, ack            message {user, text} to all in the room, the sender included, then the ack
 *   updateSocketId {user, room}      enters without a word: pages send it when they are connected again
 *
 * Who a session is and where, is its data, which the gateway keeps for it; what was said is the room's log.
 */
import { serve } from './backend.mjs';

const HISTORY = 100;   /* Messages that who comes gets; at most --history-max. */
const TEXT_MAX = 4000; /* Characters.  An answer that the gateway cannot take would be asked for again and again. */

/* A room's name has at most 128 bytes and no control characters; with a slash begin the rooms that namespaces are. */
const isName = (value) => typeof value === 'string' && /^[^/\p{Cc}][^\p{Cc}]{0,31}$/u.test(value);
const isGuest = (value) => isName(value?.user) && isName(value?.room);

const enter = ({ user, room }) => [{ do: 'set', data: { user, room } }, { do: 'join', room }];
const notify = (to, title, description) => ({ do: 'emit', to, event: 'notification', data: { title, description } });

function signin({ data: guest }) {
	if (!isGuest(guest))
		return { ackArgs: ['A name and a room are needed.'] };
	const { user, room } = guest;
	return {
		ackArgs: [null], /* The history comes behind it. */
		actions: [
			...enter(guest),
			notify({ others: room }, 'Someone\'s here', `${user} just entered the room`),
			{ do: 'history', room, event: 'message', as: 'data', max: HISTORY, ack: true },
		],
	};
}

function sendMessage({ session, data: text }) {
	if (!session.data?.user)
		return { ackArgs: ['User session not found.'] };
	if (typeof text !== 'string' || text.length > TEXT_MAX)
		return { ackArgs: [`A message is a text of at most ${TEXT_MAX} characters.`] };
	const { user, room } = session.data;
	return { ackArgs: [], actions: [{ do: 'emit', to: { room }, event: 'message', data: { user, text } }] };
}

const updateSocketId = ({ data: guest }) => isGuest(guest) ? { actions: enter(guest) } : {};

/* Only clients of Socket.IO: others would bring data of their own. */
const connect = ({ namespace }) => namespace === '/' ? {} : { accept: false, message: 'Invalid namespace' };

/* Each session has one, whatever ended it. */
const disconnect = ({ session: { data } }) => !data?.user ? {} :
	{ actions: [notify({ room: data.room }, 'Someone just left', `${data.user} just left the room`)] };

serve({ connect, disconnect, on: { signin, sendMessage, updateSocketId } });
