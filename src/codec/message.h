/*
 * A message on its way: the payload of a store entry, who sent it, what it carries.
 *
 * Payload: one flag byte, the sender's id (22 bytes; hyphens for no session), the event as a JSON string, "\n", the data as JSON up to the end (empty
 * for none, so that the store can append a session's public data behind a head that it need not understand).
 *
 * In front of the event may be its address: a number, by which an answer to it is known; "&", how many, ":", the names of the
 * rooms that have the same message, too, and whose members have it from there, and the ids that it has there, each with "," behind it
 * (written by the store: store.h, `ids`; "0-0" for a room that does not have it); and "@", the length of a namespace, ":", and that, for
 * the application, which gets events of several.
 *
 * Some clients send events with any number of arguments, and binary ones among them.  Then the data is the array of all, in
 * which an object {"$binary":"<base64>"} stands for each binary one.  To clients who know of one argument the first is the data.
 *
 * Messages are shared by all who get them on this instance, and so is their encoded form.
 */
#ifndef CODEC_MESSAGE_H
#define CODEC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/cursor.h"
#include "codec/jspan.h"

enum message_flag {
	MESSAGE_PLAIN = '-',
	MESSAGE_SELF = 's',    /* The sender gets it too. */
	MESSAGE_GATEWAY = 'g', /* An event of the gateway's: $join and the like; */
	MESSAGE_LEAVE = 'l',   /* the same, after which it is in the room no more. */
	MESSAGE_BACKEND = 'b', /* Of no session: the application's backend sent it. */
	MESSAGE_KEPT = 'k',    /* The same, for a room's history alone: its members do not get it. */
	MESSAGE_ARGS = 'a',    /* Several arguments, or none. */
	MESSAGE_ARGS_SELF = 'A',
	MESSAGE_BINARY = 'm',  /* The same, with binary ones. */
	MESSAGE_BINARY_SELF = 'M',
	MESSAGE_ANSWER = 'r',  /* The answer to an event: its number as the event, a string, and the array of arguments; */
	MESSAGE_ANSWER_BINARY = 'R', /* the same, with binary ones. */
	MESSAGE_FAREWELL = 'f', /* The end of the session for its client; it has no data. */
};

static inline bool
message_is_for_sender(enum message_flag flag)
{
	return flag == MESSAGE_SELF || flag == MESSAGE_ARGS_SELF || flag == MESSAGE_BINARY_SELF;
}

static inline bool
message_is_gateways(enum message_flag flag)
{
	return flag == MESSAGE_GATEWAY || flag == MESSAGE_LEAVE;
}

static inline bool
message_is_answer(enum message_flag flag)
{
	return flag == MESSAGE_ANSWER || flag == MESSAGE_ANSWER_BINARY;
}

static inline bool
message_has_binary(enum message_flag flag)
{
	return flag == MESSAGE_BINARY || flag == MESSAGE_BINARY_SELF || flag == MESSAGE_ANSWER_BINARY;
}

static inline bool
message_has_args(enum message_flag flag)
{
	return flag == MESSAGE_ARGS || flag == MESSAGE_ARGS_SELF || message_has_binary(flag) || message_is_answer(flag);
}

struct message_address {
	bool asks;             /* Its sender waits for an answer: */
	uint64_t number;       /* the number of that. */
	struct jspan copies;    /* Names of rooms, NAME_LEN bytes each, whose ids are not written yet; text NULL for none. */
	struct jspan namespace; /* Not JSON; text NULL for none. */
};

struct message {
	unsigned refs;
	enum message_flag flag;
	struct entry_id id;
	struct name from;  /* Says nothing if it is of no session. */
	char *room;        /* Owned; NULL for a direct message. */
	char *payload;     /* Owned. */
	struct message_address address; /* In payload, as are ... */
	struct jspan event; /* ... this, with quotes, */
	struct jspan data;  /* and this; text NULL for none. */
	size_t size;       /* What it counts for in limits of answers. */
	struct buf native; /* Its form in the native protocol, written once by native_write_message. */
	struct buf frame;  /* The frame that it is, made once by frame_share; */
	unsigned char frame_kind; /* and whether it is one. */
};

/* The part of a payload in front of the data.  from: NULL for no session; address: NULL for none. */
void message_write_head(struct buf *b, enum message_flag flag, const struct name *from, const struct message_address *address,
    struct jspan event);

bool message_has_sender(const struct message *);

/* The event of the answer with this number. */
void message_write_number(struct buf *b, uint64_t number);

/* What it carries to those who know of one argument; text NULL for none. */
struct jspan message_first(const struct message *);

/* NULL if payload has not that form.  room: NULL or the room's title; copied. */
struct message *message_new(struct entry_id id, const char *room, const char *payload, size_t len);
struct message *message_ref(struct message *);
void message_unref(struct message *);

/* Part of a payload without copying: its flag and sender.  False if it has not that form. */
bool message_peek(const char *payload, size_t len, enum message_flag *flag, struct name *from);

/* The same of its copies, of which each call of message_next_copy takes one.  False if it has none. */
struct message_copies {
	struct jspan names, ids;
};
bool message_peek_copies(const char *payload, size_t len, struct message_copies *copies);
bool message_next_copy(struct message_copies *copies, struct name *room, struct entry_id *id);

/* Where the ids of the copies go in a payload that message_write_head began; 0 if there are none. */
size_t message_ids_at(const char *payload, size_t len);

struct gap {
	const char *room; /* Lent; NULL: the mailbox. */
	struct entry_id from;
	struct entry_id to;
};

/* What a sink hands to its client at once. */
struct batch {
	const struct cursor *cursor; /* The client's position once it has this. */
	size_t count;
	struct message *const *messages;
	size_t gaps_count;
	const struct gap *gaps;
	bool more; /* There was more already when this was made. */
};

#endif
