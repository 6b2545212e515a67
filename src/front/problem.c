/* Problem documents: see problem.h. */
#include "front/problem.h"

#include <event2/util.h>
#include <string.h>

#include "codec/jspan.h"
#include "net/http.h"

static const char *
title_of(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		{400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{409, "Conflict"}, {410, "Gone"}, {413, "Content Too Large"}, {422, "Unprocessable Content"}, {426, "Upgrade Required"}, {500, "Internal Server Error"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
		if (titles[i].status == status)
			return titles[i].title;
	return "Error";
}

void
problem_write(struct buf *b, int status, const char *code, const char *detail, const char *name, unsigned long long number)
{
	buf_addf(b, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":", title_of(status), status, code);
	jspan_quote(b, detail, strlen(detail));
	if (name)
		buf_addf(b, ",\"%s\":%llu", name, number);
	buf_adds(b, "}");
}

static void
reply(struct http_request *req, int status, const char *code, const char *detail, const char *name, unsigned long long number)
{
	struct buf body = BUF_EMPTY;
	uint8_t bit;

	problem_write(&body, status, code, detail, name, number);
	if (status == 503) {
		evutil_secure_rng_get_bytes(&bit, 1); /* So that they do not all come back at once. */
		http_set_header(req, "Retry-After", bit & 1 ? "1" : "2");
		http_set_header(req, "Access-Control-Expose-Headers", "Retry-After"); /* To pages of other origins. */
	}
	if (status == 401)
		http_set_header(req, "WWW-Authenticate", "Bearer");
	http_reply(req, status, "application/problem+json", body.data, body.len);
	buf_free(&body);
}

void
problem_reply(struct http_request *req, int status, const char *code, const char *detail)
{
	reply(req, status, code, detail, NULL, 0);
}

void
problem_reply_number(struct http_request *req, int status, const char *code, const char *detail, const char *name,
    unsigned long long number)
{
	reply(req, status, code, detail, name, number);
}

void
problem_reply_reason(struct http_request *req, int status, const char *code, const char *detail, const char *reason)
{
	struct buf body = BUF_EMPTY;

	problem_write(&body, status, code, detail, NULL, 0);
	body.len--; /* The brace. */
	buf_adds(&body, ",\"reason\":");
	jspan_quote(&body, reason, strlen(reason));
	buf_adds(&body, "}");
	http_reply(req, status, "application/problem+json", body.data, body.len);
	buf_free(&body);
}
