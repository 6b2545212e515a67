/** What promises are rejected with. */
export class PollgateError extends Error {
	constructor(code: string, detail?: string, more?: object);
	/** The gateway's (room_full, recipient_gone ...), or queue_full, not_joined, transport_unavailable, closed. */
	code: string;
	status?: number;
	/** With connect_refused: the code that the application gave. */
	reason?: string;
}

export interface Message {
	/** "ms-n"; ids of one stream grow. */
	id: string;
	/** The session that sent it, or that the gateway's event is about; absent if the application's backend sent it. */
	from?: string;
	/** Absent if it was sent to this session directly. */
	room?: string;
	event: string;
	data: any;
}

export interface Member {
	id: string;
	data: any;
	away?: boolean;
}

export interface Joined {
	room: string;
	/** Messages after this one come. */
	id: string;
	members: Member[];
	/** Of which not all may be in `members`. */
	count: number;
	history?: Message[];
	/** We were a member before. */
	existing?: boolean;
}

/** A room that could not be entered when the session was opened. */
export interface NotJoined {
	room: string;
	error: { code: string; detail?: string };
}

export interface JoinOptions {
	/** So many of the last messages. */
	history?: number;
	/** Refuse with room_full if there are so many members. */
	max?: number;
}

export type TransportName = 'poll' | 'sse' | 'ws';

export interface Events {
	message: Message;
	gap: { reason: 'trimmed' | 'session'; room?: string; from: string | null; to: string | null } | { reason: 'sent'; from: number; to: number };
	presence: { room: string; members: Member[]; change: { type: 'join' | 'leave' | 'away' | 'back' | 'set' | 'reset'; id?: string; data?: any } };
	/** Out of contact for so long that the others see us away. */
	away: {};
	reconnecting: { reason: string; delay: number };
	resumed: { id: string; fresh: boolean; previous?: string; rooms?: (Joined | NotJoined)[] };
	transport: { transport: TransportName; previous?: TransportName; reason: string };
	/** `reason` and `detail` are the error's code and message. */
	closed: { reason: string; detail: string; error: PollgateError };
}

export interface Options {
	/** Public, for the other members of its rooms. */
	data?: any;
	/** Joined from the start. */
	rooms?: (string | ({ room: string } & JoinOptions))[];
	/**
	 * A JSON Web Token, for a gateway that wants one, or what its application asks for, any JSON.  A function that gives or promises
	 * it is called at the beginning and again before each one ends.
	 */
	auth?: any;
	/** Open a new session when this one is forgotten (true). */
	resume?: boolean;
	/** Operations that may wait for their answers (1000). */
	maxQueue?: number;
	/** That may be used, besides 'poll', where they prove to work (['poll', 'sse', 'ws']). */
	transports?: TransportName[];
	/** A class for WebSockets where there is none: Node before 22, with the package ws. */
	WebSocket?: new (url: string, protocol: string) => any;
	/** ms that a poll may take, if shorter than the gateway's setting. */
	hold?: number;
	/** Poll together with the other tabs of this origin, where the browser can (true). */
	tabs?: boolean;
	/** In place of the global one; polls are not shared then. */
	fetch?: typeof fetch;
}

export interface Client {
	/** Public; changes when the gateway forgot the session ('resumed' with `fresh`). */
	readonly id: string | undefined;
	readonly ready: Promise<{ id: string; transports: string[]; rooms?: (Joined | NotJoined)[] }>;
	/** How messages come. */
	readonly transport: TransportName | undefined;

	/** Returns what takes it off again. */
	on<E extends keyof Events>(event: E, fn: (value: Events[E]) => void): () => void;
	/** Messages with this name. */
	on(event: string, fn: (message: Message) => void): () => void;
	off(event: string, fn: (value: any) => void): void;

	join(room: string, options?: JoinOptions): Promise<Joined>;
	leave(room: string): Promise<void>;
	/** To a session (`to`), to a room (`self`: also to us), or, with neither, to the application: see pollgate-hooks(7). */
	send(message: { to?: string; room?: string; event: string; data?: any; self?: boolean }): Promise<{ id?: string }>;
	/** Change the session's public data. */
	set(data: any): Promise<void>;
	/** Look at a session.  It has received direct messages with ids up to `acked`. */
	look(id: string): Promise<{ id: string; away: boolean; data: any; acked: string | null; last: string }>;
	/** Ask the gateway who is in a room. */
	members(room: string): Promise<{ room: string; members: Member[]; count: number }>;
	/** Who is in a room that we are in, as far as we know now. */
	presence(room: string): Member[];
	/** The last messages of a room that we are in, oldest first. */
	history(room: string, n: number): Promise<Message[]>;
	/** Choose the transport by hand; polls go on until it works.  Throws transport_unavailable. */
	use(transport: TransportName | 'auto'): void;
	close(): Promise<void>;
}

/** Open a session.  `url` is the gateway's; '' (the default) is where the page comes from. */
export function connect(url?: string, options?: Options): Client;
