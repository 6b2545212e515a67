/*
 * The native protocol's documents, version 1, as a client reads them: pollgate-protocol(7).
 *
 * What a gateway answers comes from outside as much as what a client sends: each function returns false on anything that is not
 * the document it reads.  Spans are lent by the text; buffers are the struct's own and may be used for one document after another.
 */
#ifndef CODEC_NATIVE_READ_H
#define CODEC_NATIVE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/jspan.h"

#define NATIVE_SEQ_MAX ((UINT64_C(1) << 53) - 1)

/* The answer to an opening. */
struct native_opened {
	struct name id;
	struct buf cursor;
	uint64_t hold_ms;
	uint64_t seq;            /* 0: the session was there already. */
	struct jspan transports; /* An array, or no value. */
	struct jspan rooms;      /* The same: the results of the joins. */
};

bool native_read_opened(struct native_opened *opened, const char *text, size_t len);
/* Whether this transport is one of those that the gateway has. */
bool native_offers(const struct native_opened *opened, const char *transport);
void native_opened_free(struct native_opened *opened);

/* The answer to a poll. */
struct native_batch {
	struct buf cursor;
	struct jspan messages; /* An array. */
	struct jspan gaps;     /* The same, or no value. */
};

bool native_read_batch(struct native_batch *batch, const char *text, size_t len);
void native_batch_free(struct native_batch *batch);

/* An element of messages. */
struct native_received {
	struct entry_id id;
	struct name from; /* Empty if no session sent it. */
	struct buf room;  /* Unescaped; empty for a direct message. */
	struct buf event; /* Unescaped. */
	struct jspan data;
};

bool native_read_message(struct native_received *message, struct jspan value);
void native_received_free(struct native_received *message);

/* An element of gaps. */
struct native_missing {
	struct buf room; /* Unescaped; empty for the mailbox. */
	struct entry_id from;
	struct entry_id to;
};

bool native_read_gap(struct native_missing *gap, struct jspan value);
void native_missing_free(struct native_missing *gap);

/* The answer to a send: *seq is 0 if it has none, *results an array. */
bool native_read_sent(uint64_t *seq, struct jspan *results, const char *text, size_t len);

/* What was refused, and why. */
struct native_problem {
	struct buf code;
	struct buf detail;
	uint64_t expected; /* 0: none. */
};

/* A problem document; and the error in the result of one operation, false if it was done. */
bool native_read_problem(struct native_problem *problem, const char *text, size_t len);
bool native_read_refusal(struct native_problem *problem, struct jspan result);
void native_problem_free(struct native_problem *problem);

#endif
