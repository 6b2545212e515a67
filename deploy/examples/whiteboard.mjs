#!/usr/bin/env node
/*
 * The backend of a whiteboard for Socket.IO clients: what one draws the others see, in the colour that it chose.
 *
 *   init                             is told to who connects; its colour is black
 *   colorUpdate {color}              chooses another one
 *   drawing {...}                    drawing {..., color} to all others: whatever colour it says, that of its session
 *
 * The colour is data of the session, which the gateway keeps for it: it outlives reconnections, and each instance that is killed.
 */
import { serve } from './backend.mjs';

const COLOR_MAX = 32;
const DRAWING_MAX = 1000; /* Characters.  An answer that the gateway cannot take would be asked for again and again. */

/* Flat: numbers and words. */
const isDrawing = (value) => value !== null && typeof value === 'object' && !Array.isArray(value) &&
	Object.values(value).every((part) => ['number', 'string'].includes(typeof part)) && JSON.stringify(value).length <= DRAWING_MAX;

/* Only clients of Socket.IO: others would bring data of their own. */
function connect({ namespace, session }) {
	if (namespace !== '/')
		return { accept: false, message: 'Invalid namespace' };
	return { data: { color: 'black' }, actions: [{ do: 'emit', to: { id: session.id }, event: 'init', args: [] }] };
}

function colorUpdate({ session, data }) {
	if (typeof data?.color !== 'string' || data.color.length > COLOR_MAX)
		return {};
	return { actions: [{ do: 'set', data: { ...session.data, color: data.color } }] };
}

function drawing({ session, data }) {
	if (!isDrawing(data))
		return {};
	return { actions: [{ do: 'emit', to: { others: true }, event: 'drawing', data: { ...data, color: session.data.color } }] };
}

serve({ connect, on: { colorUpdate, drawing } });
