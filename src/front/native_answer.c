/* What each operation is answered with. */
#include "front/native_call.h"

#include <string.h>

#include "front/refusal.h"

void
native_write_members(struct buf *b, const struct store_members *members)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < members->count; i++) {
		const struct store_member *member = &members->members[i];

		buf_addf(b, "%s{\"id\":\"%s\",\"data\":", i ? "," : "", member->id.s);
		buf_adds(b, member->len ? member->data : "null");
		buf_adds(b, member->away ? ",\"away\":true}" : "}");
	}
	buf_adds(b, "]");
}

void
native_write_session(struct buf *b, const struct name *id, const struct store_session *session)
{
	char acked[ENTRY_ID_SIZE], last[ENTRY_ID_SIZE];

	buf_addf(b, "\"id\":\"%s\",\"away\":%s,\"data\":", id->s, session->away ? "true" : "false");
	if (session->data_len)
		buf_add(b, session->data, session->data_len);
	else
		buf_adds(b, "null");
	buf_addf(b, ",\"acked\":\"%s\",\"last\":\"%s\"", entry_id_format(acked, session->acked), entry_id_format(last, session->last));
}

void
native_write_error(struct buf *b, const char *code, const char *detail)
{
	buf_addf(b, "{\"error\":{\"code\":\"%s\",\"detail\":\"%s\"}}", code, detail);
}

static void
write_history(struct buf *b, const struct answer *answer)
{
	if (!answer->has_history)
		return;
	buf_adds(b, ",\"history\":");
	buf_add(b, answer->messages.data, answer->messages.len);
}

static void
write_done(struct buf *b, const struct answer *answer)
{
	char id[ENTRY_ID_SIZE];

	entry_id_format(id, answer->result.id);
	if (answer->room && !answer->sent) {
		buf_adds(b, "{\"room\":");
		jspan_quote(b, answer->room, strlen(answer->room));
		buf_addf(b, ",\"id\":\"%s\",\"count\":%zu,\"members\":", id, answer->total);
		buf_add(b, answer->members.data, answer->members.len);
		write_history(b, answer);
		buf_adds(b, answer->result.existing ? ",\"existing\":true}" : "}");
	} else if (answer->is_counted) {
		buf_addf(b, "{\"sessions\":%u}", answer->result.sessions);
	} else if (answer->result.id.ms > 0) {
		buf_adds(b, "{\"id\":\"");
		buf_adds(b, id);
		buf_adds(b, "\"");
		write_history(b, answer);
		buf_adds(b, "}");
	} else {
		buf_adds(b, "{}");
	}
}

void
native_write_answer(struct buf *b, const struct answer *answer)
{
	const struct refusal *refusal = refusal_of(answer->result.code);

	if (refusal)
		native_write_error(b, refusal->code, refusal->detail);
	else if (answer->result.code == STORE_DONE_BEFORE)
		buf_adds(b, "{\"repeated\":true}");
	else
		write_done(b, answer);
}

void
native_write_answers(struct buf *b, const struct native_call *call)
{
	buf_adds(b, "[");
	for (size_t i = 0; i + call->silent < call->count; i++) {
		if (i > 0)
			buf_adds(b, ",");
		native_write_answer(b, &call->answers[i]);
	}
	buf_adds(b, "]");
}

void
native_finish_members(struct native_call *call)
{
	struct answer *answer = &call->answers[0];
	struct buf body = BUF_EMPTY;

	buf_adds(&body, "{\"room\":");
	jspan_quote(&body, answer->room, strlen(answer->room));
	buf_addf(&body, ",\"count\":%zu,\"members\":", answer->total);
	buf_add(&body, answer->members.data, answer->members.len);
	buf_adds(&body, "}");
	native_call_reply(call, 200, &body);
	buf_free(&body);
}
