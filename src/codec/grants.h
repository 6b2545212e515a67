/*
 * What a session may do, as a JSON object that the store keeps with it; made from the claims of a token.
 *
 * Rooms are named by patterns, in which * stands for any characters, also for none.  A right without patterns is for no room.
 */
#ifndef CODEC_GRANTS_H
#define CODEC_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "codec/jspan.h"

#define GRANTS_USER_MAX 255 /* Bytes of a user's name. */

enum grants_right { GRANTS_JOIN, GRANTS_SEND, GRANTS_HISTORY, GRANTS_RIGHTS };

struct grants { /* Lent by the text. */
	int64_t until; /* Milliseconds since the epoch; 0 for ever. */
	struct jspan user; /* A string; text NULL for nobody in particular. */
	struct jspan rooms[GRANTS_RIGHTS]; /* Arrays of strings. */
	bool has_direct; /* May send to sessions by their id. */
	bool has_set;    /* May change its public data. */
};

/* What a token claims of a session. */
struct grants_claims {
	struct buf grants;
	struct jspan data; /* Its public data, lent by the claims; text NULL: the client chooses it. */
};

/*
 * From claims (an object) make grants that hold until then; claim is the name of the member that is about rooms, "sub" that of whose
 * they are.  Unless they say so, a session whose public data they give may not change it; has_data: that is given beside them.
 * NULL, or a sentence that says what is wrong with them.  The caller frees made->grants.
 */
const char *grants_make(struct grants_claims *made, struct jspan claims, const char *claim, bool has_data, int64_t until);

/* What such a member is that lets do everything. */
#define GRANTS_EVERYTHING "{\"join\":[\"*\"],\"send\":[\"*\"],\"history\":[\"*\"]}"

/* Read what grants_make wrote.  False for anything else. */
bool grants_read(struct grants *grants, const char *text, size_t len);

/* The same; false, too, if they are over. */
bool grants_hold(struct grants *grants, const char *text, size_t len, int64_t now);

bool grants_allow(const struct grants *grants, enum grants_right right, const char *room);

/* Are both of one user? */
bool grants_same_user(const struct grants *a, const struct grants *b);

/* Does the pattern stand for text? */
bool grants_match(const char *pattern, const char *text);

#endif
