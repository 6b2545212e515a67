/*
 * What the gateway and an application's backend say to each other: pollgate-hooks(7).
 *
 * An event is a CloudEvent (1.0, HTTP binary mode) with a JSON body, signed as Standard Webhooks are.  The answer says what is to
 * be done; it comes from outside as much as what clients send.
 */
#ifndef CODEC_HOOK_H
#define CODEC_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/jspan.h"
#include "codec/native.h"
#include "codec/op.h"

enum hook_kind { HOOK_CONNECT, HOOK_MESSAGE, HOOK_ACK, HOOK_JOIN, HOOK_LEAVE, HOOK_DISCONNECT, HOOK_KINDS };

extern const char *const hook_kind_names[HOOK_KINDS];

/* ---- Events ---- */

/* What an entry of a queue is about; not for what the gateway has put there for itself. */
enum hook_kind hook_kind_of(const struct message *message);

struct hook_event {
	enum hook_kind kind;
	struct name session;
	struct entry_id id; /* Of its entry in the queue; CONNECT: 0-0. */
	struct jspan namespace; /* Of a session of Socket.IO: not JSON; text NULL: of any other. */
	bool has_session;   /* It is known what the session is like: */
	bool away;
	struct jspan user;         /* Whose it is, a JSON string; text NULL: nobody said so. */
	struct jspan session_data; /* Its public data; text NULL for none. */
	const char *const *rooms;
	size_t rooms_count;
	struct jspan room;  /* JOIN, LEAVE: a JSON string. */
	struct jspan event; /* MESSAGE: the same.  ACK: the number of the answer, in one. */
	struct jspan data;  /* MESSAGE, ACK: text NULL for none.  CONNECT: the rooms that it wants to enter. */
	bool has_args;      /* MESSAGE, ACK: data is the array of arguments. */
	bool asks;          /* MESSAGE: its sender waits for the answer's ack, ... */
	uint64_t number;    /* ... which has this number. */
	bool again;         /* CONNECT: it was let in before, and its grants are over. */
	struct jspan auth;  /* CONNECT: what the client has to say for itself; text NULL for nothing. */
	const char *token;  /* CONNECT, unless again: the session's, which is not told. */
	struct name question; /* CONNECT: see hook_name_question. */
	/* CONNECT, from the request; NULL for what it did not say. */
	const char *origin, *user_agent, *address, *forwarded_for;
};

/* What a message that is an entry of a queue says; the rest is not known.  Lent the message. */
struct hook_event hook_event_of(const struct message *message, struct entry_id id);

void hook_write_event(struct buf *body, const struct hook_event *event);

/* Append as an object a dead letter, which is known by the event's id. */
void hook_write_letter(struct buf *b, const struct hook_event *event);

/*
 * Give a CONNECT its question, which no other one has: who answers the same to the same question must not let in somebody who says
 * something else.  It is made of the session's token, so that nobody finds a password by it, and of all that is asked but where from,
 * so that a client which repeats its opening asks the same.  Each that comes again is another one.
 */
void hook_name_question(struct hook_event *event);

/* What the event is known by, always the same: "SESSION_QUESTION" or "SESSION_ms-seq". */
#define HOOK_ID_SIZE (NAME_LEN + 1 + (ENTRY_ID_SIZE > NAME_LEN + 1 ? ENTRY_ID_SIZE : NAME_LEN + 1))
const char *hook_write_id(char id[HOOK_ID_SIZE], const struct hook_event *event);

/* The time ms since the epoch as RFC 3339 has it. */
#define HOOK_TIME_SIZE 32
const char *hook_write_time(char text[HOOK_TIME_SIZE], int64_t ms);

/* ---- Signatures ---- */

struct hook_secrets;

/* Secrets ("whsec_" and base64 of 24 to 64 bytes), one a line, at most four, of which each signs.  NULL, and *wrong says why, otherwise. */
struct hook_secrets *hook_secrets_read(const char *text, size_t len, const char **wrong);
void hook_secrets_free(struct hook_secrets *secrets); /* Wipes them. */

/* Append the value of webhook-signature. */
void hook_sign(struct buf *b, const struct hook_secrets *secrets, const char *id, int64_t seconds, const char *body, size_t len);

/* ---- Answers ---- */

#define HOOK_CLAIM "grants"

struct hook_answer {
	bool refuses;        /* CONNECT: the session is not to be opened, ... */
	struct buf code;     /* ... a word of the application's for why; empty for none; ... */
	struct buf message;  /* ... and a sentence. */
	struct jspan data;   /* CONNECT: the session's public data; text NULL: as the client said. */
	struct jspan claims; /* CONNECT: who it is, and what it may do, for grants_make by HOOK_CLAIM; text NULL: that was not said. */
	int64_t expires_ms;  /* CONNECT: for how long; 0: for ever. */
	size_t rooms;        /* CONNECT: so many of ops, the first ones, are JOINs of rooms that it names. */
	size_t count;
	struct client_op *ops; /* Owned.  What the actions are, each of the session that it is about; behind them, or before its end, the ack's. */
	/* What spans lend, owned: */
	struct buf text;
	struct buf *texts; /* Two for each of ops. */
	size_t texts_count;
};

/*
 * Read the answer to an event; an empty one asks for nothing.  False, and *error says why, on what is wrong: then nothing of it
 * is to be done, and it needs no freeing.
 */
bool hook_read_answer(struct hook_answer *answer, const struct hook_event *event, const char *text, size_t len,
    const struct native_limits *limits, struct native_error *error);
void hook_answer_free(struct hook_answer *answer);

/* The data of $ack, of sessions that are not of Socket.IO: for what never reached the backend. */
void hook_write_failure(struct buf *b, struct entry_id id, const char *code, const char *detail);

/* ---- Histories ---- */

/*
 * A history is read when the answer that asks for it was done.  So it is an EVENT that the answer puts into the session's queue,
 * with an address as that of what the backend was asked about.
 */
struct hook_history {
	struct jspan room;  /* As the backend calls it, a JSON string; */
	struct buf title;   /* and as the store does. */
	struct jspan event; /* Only such messages, a JSON string; text NULL: all. */
	uint32_t max;
	bool is_bare;       /* Only the data of messages. */
	bool is_joined;     /* Only what was there when the session entered the room. */
	bool has_binaries;  /* What follows has binary values. */
	struct jspan ack;   /* Of an acknowledgement that it is a part of: the rest; text NULL: it is a message of its own. */
};

bool hook_is_history(const struct message *message);
/* False if data is none.  Else history is lent data, and to be freed. */
bool hook_read_history(struct hook_history *history, struct jspan data);
void hook_history_free(struct hook_history *history);
/* Append what the session gets, with messages as a JSON array. */
void hook_write_history(struct buf *b, const struct hook_history *history, const struct buf *messages);

#endif
