/* Uses all of pollgate.d.ts; t/bundle.mjs lets the compiler read it. */
import { connect, PollgateError, type Client, type Joined, type Member, type Message, type Options, type TransportName } from '../../www/pollgate.js';

const options: Options = { data: { name: 'Ann' }, rooms: ['a', { room: 'b', history: 5, max: 2 }], resume: true, maxQueue: 10, hold: 5000, transports: ['poll', 'sse', 'ws'], WebSocket, tabs: true, fetch };
const client: Client = connect('http://127.0.0.1:8080', options);
const permitted: Options[] = [{ auth: 'jwt' }, { auth: { name: 'Ann' } }, { auth: () => 'jwt' }, { auth: async () => ({ name: 'Ann' }) }];

async function everything(): Promise<void> {
	const { id, transports, rooms } = await client.ready;
	const off: () => void = client.on('message', ({ from, room, data }) => [from, room?.length, data.text]);
	client.on('chat', (message: Message) => message.id);
	client.on('gap', (gap) => gap.reason === 'sent' ? gap.from + 1 : gap.room);
	client.on('presence', ({ members, change }) => change.type === 'reset' ? members.length : change.id);
	client.on('away', () => {});
	client.on('reconnecting', ({ reason, delay }) => reason.length + delay);
	client.on('resumed', ({ fresh, previous }) => fresh && previous);
	client.on('transport', ({ transport, previous, reason }) => [transport, previous, reason]);
	client.on('closed', ({ reason, detail, error }) => reason + detail + error.reason);
	off();
	client.off('chat', console.log);
	const joined: Joined = await client.join('lobby', { history: 5, max: 2 });
	const sent: string | undefined = (await client.send({ to: joined.members[0].id, event: 'chat', data: [id, transports] })).id;
	await client.send({ room: 'lobby', event: 'chat', self: true });
	await client.set({ sent });
	const away: boolean = (await client.look('id')).away;
	const { room, count }: { room: string; count: number } = await client.members('lobby');
	const there: Member[] = client.presence('lobby');
	const before: Message[] = await client.history('lobby', 5);
	const name: TransportName | undefined = client.transport;
	client.use(name ?? 'auto');
	client.on('presence', (value) => {
		// @ts-expect-error: there is no such member
		value.nothing;
	});
	// @ts-expect-error: a message has a name
	await client.send({ room: 'lobby' });
	await client.leave('lobby');
	await client.close();
	rooms?.forEach((room) => 'error' in room ? room.error.code : room.count);
	throw new PollgateError('code', 'detail', { status: 410, away, room, entered: joined.room, count, permitted, there, before });
}
everything().catch((error: PollgateError) => error.code);
