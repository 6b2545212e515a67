#!/usr/bin/env node
/* python-socketio, Debian's python3-socketio, its clients with threads and with asyncio: by polling, each
   request on any instance, and by default, which moves to a WebSocket where it can. */
import { existsSync } from 'node:fs';
import { Client } from './lib/client.mjs';
import { forEachStore, waitFor } from './lib/pollgate.mjs';
import { Child, execute } from './lib/process.mjs';
import { done, is, isDeep, scope, skipAll } from './lib/tap.mjs';

const python = '/usr/bin/python3'; /* Debian's, which has Debian's packages. */
if (!existsSync(python) || (await execute(python, ['-c', 'import socketio, requests, aiohttp'])).code !== 0)
	skipAll('python3-socketio, python3-requests or python3-aiohttp is not installed');

/* Says hello when connected, answers "ask" and a burst with what it heard, and leaves at "end". */
const threads = `
import socketio, sys
sio = socketio.Client(reconnection_delay=0.05)
heard = []
@sio.event
def connect():
    sio.emit('hello', {'id': sio.sid}, callback=lambda answer: sio.emit('acknowledged', answer))
    sio.emit('bytes', b'\\x01\\x02')
@sio.on('burst')
def burst(n, *offset):
    heard.append(n)
    if len(heard) == 100:
        sio.emit('heard', heard)
@sio.on('end')
def end(*args):
    sio.disconnect()
sio.connect(sys.argv[1], transports=['polling'] if sys.argv[2] == 'polling' else None)
sio.wait()
`;
const tasks = `
import asyncio, socketio, sys
async def main():
    sio = socketio.AsyncClient(reconnection_delay=0.05)
    heard = []
    async def acknowledged(answer):
        await sio.emit('acknowledged', answer)
    @sio.event
    async def connect():
        await sio.emit('hello', {'id': sio.sid}, callback=acknowledged)
        await sio.emit('bytes', b'\\x01\\x02')
    @sio.on('burst')
    async def burst(n, *offset):
        heard.append(n)
        if len(heard) == 100:
            await sio.emit('heard', heard)
    @sio.on('end')
    async def end(*args):
        await sio.disconnect()
    await sio.connect(sys.argv[1], transports=['polling'] if sys.argv[2] == 'polling' else None)
    await sio.wait()
asyncio.run(main())
`;

async function talk(source, base, transport) {
	const native = await Client.open(base, { name: 'native', rooms: ['/'] });
	const heard = (event) => native.messages.find((message) => message.event === event);
	const child = new Child(python, ['-c', source, base, transport]);
	await waitFor(() => heard('acknowledged') && heard('bytes'), 'the client to speak');
	is(heard('hello').from.length, 22, 'it is connected and says hello');
	is(heard('acknowledged').data.ok, true, 'which is acknowledged');
	isDeep(heard('bytes').data, { $binary: 'AQI=' }, 'binary data comes');
	for (let i = 0; i < 100; i++)
		await native.send(heard('hello').from, 'burst', i);
	await waitFor(() => heard('heard'), 'the client to have heard all');
	isDeep(heard('heard').data, Array.from({ length: 100 }, (_, i) => i), 'it hears 100 messages, once, in order');
	await native.send(heard('hello').from, 'end', null);
	is((await child.exited).code, 0, 'and leaves in peace');
	await native.close();
}

await forEachStore(async ({ start }) => {
	const { base } = await start({ options: { 'ping-interval': '1s', 'ping-timeout': '10s', hold: '3s' } });
	for (const transport of ['polling', 'default']) {
		await scope(`threads, ${transport}`, () => talk(threads, base, transport));
		await scope(`asyncio, ${transport}`, () => talk(tasks, base, transport));
	}
});
await done();
