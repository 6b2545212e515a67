/*
 * A model of a store, as simple as can be: for each stream a list of all that was ever appended, for each session what it
 * would remember.  It says what may be answered; where the contract leaves room (how much more than the limit is kept) it
 * takes what the store chose.
 */
#ifndef T_STORE_CONTRACT_MODEL_H
#define T_STORE_CONTRACT_MODEL_H

#include "contract_kit.h"

#define SESSIONS 6
#define ROOMS 4
#define USERS 2
#define MAX_OPS 4
#define POSITIONS 6

struct model_entry {
	char payload[40];
	struct entry_id id; /* 0-0 while it is not known. */
};

struct position { /* A reader had read `read` entries when it stood at id. */
	struct entry_id id;
	size_t read;
	bool known, stale; /* stale: of a stream that is no more. */
};

struct model_stream {
	struct model_entry *entries;
	size_t count, room, max;
	size_t given_back; /* Entries before this one may have been given back. */
	struct entry_id base; /* 0-0 while it is not known. */
	bool made, said; /* said: a room that was sent to. */
	struct position positions[POSITIONS];
};

struct model_session {
	struct name id;
	bool open;
	char data[16], grants[16];
	int user; /* 0: nobody's. */
	uint64_t next_seq;
	uint64_t first_seq; /* Of the last numbered call, ... */
	size_t last_count;
	struct store_op last_ops[2 * MAX_OPS];
	char last_texts[2 * MAX_OPS][2][16];
	struct store_result last_results[2 * MAX_OPS];
	bool joined[ROOMS];
	struct entry_id since[ROOMS];
	struct entry_id acked_most; /* What was acknowledged at most. */
	struct model_stream mailbox;
};

struct fuzz {
	struct kit *k;
	uint32_t random;
	unsigned serial;
	struct model_session sessions[SESSIONS];
	struct model_stream rooms[ROOMS];
	const char *wrong; /* What did not hold, the first time. */
};

extern const struct store_limits model_limits;
extern const char *const model_titles[ROOMS]; /* Of the rooms; the last character is the index. */

/* What must be so; the first thing that is not is noted in f->wrong. */
void hold(struct fuzz *f, bool holds, const char *what);
uint32_t any(struct fuzz *f, uint32_t below);

/* A stream is made (anew): positions in the old one are stale. */
void stream_reset(struct model_stream *);
/* A reader that has read count entries stands at id. */
void stream_remember(struct fuzz *, struct model_stream *, struct entry_id id, size_t count);
/* Entry i has this id; or, for i = -1, the stream begins there. */
void stream_learn(struct fuzz *, struct model_stream *, ptrdiff_t i, struct entry_id id);
void stream_append(struct model_stream *, const char *payload, const char *data);
/* The index of the entry with this payload, which only one has; -1: there is none. */
ptrdiff_t stream_find(const struct model_stream *, const char *payload);
/* How many entries, from the first one, may be gone. */
size_t stream_loss(const struct model_stream *);

/* A member left room, with this entry, unless the room is forgotten. */
void model_left(struct fuzz *, size_t room, const char *payload, const char *data);
size_t model_members(const struct fuzz *, size_t room);
size_t model_joined(const struct model_session *);
struct name model_user(int user); /* From 1 on. */
size_t model_sessions(const struct fuzz *, int user);
/* Do op as the store did, and say with which code it must have ended. */
enum store_result_code model_op(struct fuzz *, struct model_session *, const struct store_op *, const struct store_result *);

#endif
