/*
 * How one system under test is spoken to: what its requests look like and what its answers say.  One implementation for each
 * system; they know nothing of connections, clients or scenarios.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct answer;
struct url;

struct session { /* One client as the system knows it. */
	char id[32];
	char token[32];
	char cursor[256]; /* Where its reading stands; empty before the first answer. */
	uint64_t seq;     /* Of its next send. */
	char room[32];    /* That it is to be in; empty for none. */
	unsigned step;    /* Of its opening. */
};

struct request { /* A complete request, written by the functions below. */
	const struct url *url;
	char text[96 << 10];
	size_t len;
};

/* How every request is made; set once. */
struct wire_options {
	const char *headers; /* Lines in every request, each with CR LF. */
	int64_t hold_ms;     /* Polls wait so long; 0: not at all. */
	bool seq;            /* Number the sends (pollgate only), so that they may be repeated. */
};
extern struct wire_options wire;

/* A message as it was given to send: the number is all that is looked at. */
typedef void message_fn(void *arg, uint64_t number);

enum opening { OPEN_REFUSED, OPEN_MORE, OPEN_DONE };

struct peer {
	const char *name;
	bool sticky;     /* All requests of a session go to one base URL. */
	bool rooms_only; /* Nobody can be sent to but the others of the sender's room; and who does not poll is thought gone. */
	/* Make the session, by one request after another.  NULL: sessions need not be made. */
	void (*open)(struct request *, const struct session *);
	enum opening (*opened)(struct session *, const struct answer *);
	/* Poll for what is addressed to the session, or, for systems without rooms of their own, for the room. */
	void (*poll)(struct request *, const struct session *, const char *room);
	/* Take the answer in.  False when it is a refusal, or tells that something was lost. */
	bool (*polled)(struct session *, const struct answer *, message_fn *, void *arg);
	/* Send body, a JSON text with "n":number in front, to the session or room of this name. */
	void (*send)(struct request *, const struct session *from, const char *to, bool room, const char *body);
	bool (*sent)(struct session *from, const struct answer *);
	/* Systems that push messages on a connection which stays have these instead of poll and polled. */
	const struct push *push;
};
extern const struct peer peer_pollgate, peer_pollgate_sse, peer_pollgate_ws, peer_pollgate_hook, peer_nchan;
extern const struct peer peer_socketio, peer_socketio_sticky, peer_socketio_ws;
/* All of them, NULL behind the last. */
extern const struct peer *const peers[];

struct pushed {
	unsigned sent;         /* Sends that were answered. */
	struct request *reply; /* To be written at once; empty for nothing. */
};

struct push {
	int status; /* Of the answer after which pushing begins. */
	/* Begin it; reads: messages are wanted, else it is only for sending. */
	void (*begin)(struct request *, const struct session *, bool reads);
	/* Take in what came: returns how many bytes were whole, -1 if something was refused or lost. */
	ssize_t (*take)(struct session *, char *data, size_t len, struct pushed *, message_fn *, void *arg);
	/* What send writes goes over this connection, ... */
	bool sends;
	bool answers; /* ... and is answered there. */
	bool (*is_ready)(const struct session *); /* To send; NULL: at once. */
};

/* Write a request; body is NULL for none, more are further header lines. */
__attribute__((format(printf, 5, 6))) void request_write(struct request *, const char *method, const char *more, const char *body,
    const char *target, ...);
/* Calls on_message for each "n":number in text. */
void messages_scan(const char *text, size_t len, message_fn *, void *arg);
/* Ids and tokens: 22 random characters of base64url. */
void name_random(char name[23]);

#endif
