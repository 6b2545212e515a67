/* What results of the store are called: see refusal.h. */
#include "front/refusal.h"

#include <stddef.h>

const struct refusal *
refusal_of(enum store_result_code code)
{
	static const struct refusal refusals[] = {
		[STORE_NO_TARGET] = {"recipient_gone", "There is no session with this id."},
		[STORE_ROOM_FULL] = {"room_full", "The room has as many members as this join accepts."},
		[STORE_NOT_JOINED] = {"not_joined", "The session is not in this room."},
		[STORE_ROOMS_LIMIT] = {"too_many_rooms", "The gateway holds as many rooms as it may."},
		[STORE_JOINED_LIMIT] = {"too_many_joined", "The session is in as many rooms as it may be."},
		[STORE_FORBIDDEN] = {"forbidden", "The session may not do this."},
		[STORE_QUEUE_FULL] = {"overloaded", "As many events wait for the application as may."},
		[STORE_USER_FULL] = {"too_many_sessions", "The user has as many sessions as it may have."},
	};

	return refusals[code].code ? &refusals[code] : NULL;
}
