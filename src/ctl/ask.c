#include "ctl/ask.h"

#include "base/clock.h"
#include "codec/token.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"

enum { ATTEMPT_MS = 10000 };

struct asking {
	struct ctl_answer *answer;
	struct retry retry;
	int64_t give_up_ms;
	bool settled; /* There is an answer to be taken, or none to be hoped for: its status is 0 then. */
};

static void
on_answer(void *arg, const struct http_answer *answer)
{
	struct asking *asking = arg;

	if (http_may_repeat(answer) && retry_later(&asking->retry, answer->retry_after_ms, asking->give_up_ms))
		return;
	asking->settled = true;
	asking->answer->status = answer->status;
	if (answer->status == 0)
		report("%s", answer->body);
	buf_add(&asking->answer->body, answer->body, answer->len);
}

static void
ask_until_settled(struct asking *asking, struct http *http, const struct http_ask *ask)
{
	asking->retry.due = clock_mono_ms();
	while (!asking->settled) {
		if (retry_take(&asking->retry))
			http_start(http, ask, on_answer, asking);
		http_turn(http, NULL, 0, asking->retry.due - clock_mono_ms());
	}
}

bool
ctl_ask(struct ctl_answer *answer, struct http *http, const struct ctl_options *o, const char *key, const struct ctl_request *request)
{
	struct asking asking = {.answer = answer, .retry = RETRY_IDLE, .give_up_ms = o->gateway.give_up_ms};
	struct buf authorization = BUF_EMPTY, idempotency = BUF_EMPTY;
	char token[TOKEN_LEN + 1];
	const char *headers[3] = {NULL};
	struct http_ask ask = {.method = request->method, .path = request->path.data, .headers = headers, .body = request->body.data,
	    .len = request->body.len, .limit_ms = ATTEMPT_MS};

	*answer = (struct ctl_answer){0};
	if (!token_new(token)) {
		report("there is no randomness for an idempotency key");
		return false;
	}
	buf_addf(&authorization, "Authorization: Bearer %s", key);
	headers[0] = authorization.data;
	if (request->changes) {
		buf_addf(&idempotency, "Idempotency-Key: \"%s\"", o->idempotency_key ? o->idempotency_key : token);
		headers[1] = idempotency.data;
	}
	ask_until_settled(&asking, http, &ask);
	buf_free(&authorization);
	buf_free(&idempotency);
	return answer->status != 0;
}
