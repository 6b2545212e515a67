/*
 * The scripts' texts: the store's settings as Lua's local variables, redis_append.lua, what else they share, the script itself.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/redis_lua.h"
#include "store/store_redis_private.h"

#define INLINE_MAX 1024 /* Up to so many bytes a notice carries the payload itself. */

/* What comes in front of a body besides redis_append.lua. */
static const char *const fronts[SCRIPTS] = {
	[SCRIPT_APPLY] = lua_redis_rooms,
	[SCRIPT_ORDER] = lua_redis_rooms,
};

static const char *const bodies[SCRIPTS] = {
	[SCRIPT_OPEN] = lua_redis_open,
	[SCRIPT_SEND] = lua_redis_send,
	[SCRIPT_APPLY] = lua_redis_apply,
	[SCRIPT_JOINED] = lua_redis_joined,
	[SCRIPT_ORDER] = lua_redis_order,
	[SCRIPT_LEASE] = lua_redis_lease,
	[SCRIPT_PRESENCE] = lua_redis_presence,
	[SCRIPT_ACK] = lua_redis_ack,
	[SCRIPT_SWEEP] = lua_redis_sweep,
	[SCRIPT_PROBE] = lua_redis_probe,
	[SCRIPT_NAMES] = lua_redis_names,
	[SCRIPT_LIST] = lua_redis_list,
	[SCRIPT_MEASURE] = lua_redis_measure,
};

/*
 * A time to live is renewed when the leading digits of the time in milliseconds change.  How many, such that they change at
 * least four times in ms; *step is set to how long they stay.
 */
static int
digits_for(int64_t ms, int64_t *step)
{
	int digits = 13;

	for (*step = 1; *step * 10 <= ms / 4 && digits > 1; *step *= 10)
		digits--;
	return digits;
}

void
scripts_make(struct script scripts[SCRIPTS], const struct store_limits *limits)
{
	struct buf settings = BUF_EMPTY;
	unsigned char digest[SHA_DIGEST_LENGTH];
	int64_t step;
	int digits;

	/* What is only handed on to Redis is a string: Lua's numbers would be printed each time. */
	digits = digits_for(limits->session_ttl_ms < limits->room_ttl_ms ? limits->session_ttl_ms : limits->room_ttl_ms, &step);
	buf_addf(&settings,
	    "local MAILBOX_MAX, MAILBOX_TTL, ROOM_MAX, ROOM_TTL, SESSION_TTL = '%u', '%lld', '%u', '%lld', '%lld'\n"
	    "local DIGITS, ROOMS_PER_SESSION, INLINE_MAX, CLAIM, QUEUE_MAX, USER_SESSIONS_MAX = %d, %u, %d, %lld, %u, %u\n",
	    limits->mailbox_max, (long long)(limits->session_ttl_ms + step), limits->room_max, (long long)(limits->room_ttl_ms + step),
	    (long long)(limits->session_ttl_ms + DAY_MS), digits, limits->rooms_per_session, INLINE_MAX, CLAIM_BASE,
	    limits->queue_max, limits->user_sessions_max);
	for (int i = SCRIPT_NONE + 1; i < SCRIPTS; i++) {
		struct buf text = BUF_EMPTY;

		buf_add(&text, settings.data, settings.len);
		buf_adds(&text, lua_redis_append);
		buf_adds(&text, fronts[i] ? fronts[i] : "");
		buf_adds(&text, bodies[i]);
		SHA1((unsigned char *)text.data, text.len, digest);
		for (int j = 0; j < SHA_DIGEST_LENGTH; j++)
			snprintf(scripts[i].sha + 2 * j, 3, "%02x", digest[j]);
		scripts[i].text = text.data;
		scripts[i].len = text.len;
	}
	buf_free(&settings);
}

void
scripts_free(struct script scripts[SCRIPTS])
{
	for (int i = 0; i < SCRIPTS; i++)
		free(scripts[i].text);
}
