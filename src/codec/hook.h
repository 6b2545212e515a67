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

enum hook_kind { HOOK_CONNECT, HOOK_MESSAGE, HOOK_JOIN, HOOK_LEAVE, HOOK_DISCONNECT, HOOK_KINDS };

extern const char *const hook_kind_names[HOOK_KINDS];

/* ---- Events ---- */

/* What an entry of a queue is about; not for a history. */
enum hook_kind hook_kind_of(const struct message *message);

struct hook_event {
	enum hook_kind kind;
	struct name session;
	struct entry_id id; /* Of its entry in the queue; CONNECT: 0-0. */
	bool has_session;   /* It is known what the session is like: */
	bool away;
	struct jspan user;         /* Whose it is, a JSON string; text NULL: nobody said so. */
	struct jspan session_data; /* Its public data; text NULL for none. */
	const char *const *rooms;
	size_t rooms_count;
	struct jspan room;  /* JOIN, LEAVE: a JSON string. */
	struct jspan event; /* MESSAGE: the same. */
	struct jspan data;  /* MESSAGE: text NULL for none. */
	/* CONNECT, from the request; NULL for what it did not say. */
	const char *origin, *user_agent, *address, *forwarded_for;
};

void hook_write_event(struct buf *body, const struct hook_event *event);

/* What the event is known by, always the same: "SESSION" or "SESSION_ms-seq". */
#define HOOK_ID_SIZE (NAME_LEN + 1 + ENTRY_ID_SIZE)
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

/* Spans are lent by the text. */
struct hook_answer {
	bool refuses;        /* CONNECT: the session is not to be opened, ... */
	struct buf code;     /* ... a word of the application's for why; empty for none; ... */
	struct buf message;  /* ... and a sentence. */
	struct jspan data;   /* CONNECT: the session's public data; text NULL: as the client said. */
	struct jspan ack;    /* MESSAGE: for who sent it; text NULL for none. */
	size_t count;
	struct client_op *ops; /* Owned.  CONNECT: JOINs; else what the actions are, each of the session that it is about. */
};

/*
 * Read the answer to an event; an empty one asks for nothing.  False, and *error says why, on what is wrong: then nothing of it
 * is to be done, and it needs no freeing.
 */
bool hook_read_answer(struct hook_answer *answer, const struct hook_event *event, const char *text, size_t len,
    const struct native_limits *limits, struct native_error *error);
void hook_answer_free(struct hook_answer *answer);

/* The data of $ack: the id of what is acknowledged, and what with. */
void hook_write_ack(struct buf *b, struct entry_id id, struct jspan ack);
/* The same for what never reached the backend. */
void hook_write_failure(struct buf *b, struct entry_id id, const char *code, const char *detail);

/* What a "history" action asks for; its entry in the queue has the action as data.  False if it is none. */
struct hook_history {
	struct buf room;
	uint32_t max;
};
bool hook_read_history(struct hook_history *history, struct jspan action, const struct native_limits *limits);

#endif
