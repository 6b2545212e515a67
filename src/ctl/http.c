#include "ctl/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "codec/token.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"

#define ANSWER_MAX (96u << 20) /* More than any limit of a gateway allows. */
#define ATTEMPT_MS 10000L

struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	struct buf url;
	struct buf body; /* Of the answer. */
	char error[CURL_ERROR_SIZE];
};

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *exchange = arg;

	if (size * count > ANSWER_MAX - exchange->body.len)
		return 0;
	buf_add(&exchange->body, data, size * count);
	return size * count;
}

__attribute__((format(printf, 2, 3))) static void
add_header(struct exchange *exchange, const char *format, ...)
{
	struct buf line = BUF_EMPTY;
	va_list ap;

	va_start(ap, format);
	buf_addv(&line, format, ap);
	va_end(ap);
	exchange->headers = curl_slist_append(exchange->headers, line.data);
	assert(exchange->headers);
	buf_free(&line);
}

static bool
add_idempotency_key(struct exchange *exchange, const struct ctl_options *o)
{
	char key[TOKEN_LEN + 1];

	if (!o->idempotency_key && !token_new(key))
		return false;
	add_header(exchange, "Idempotency-Key: \"%s\"", o->idempotency_key ? o->idempotency_key : key);
	return true;
}

static bool
configure(struct exchange *exchange, const struct ctl_options *o, const char *key, const struct ctl_request *request)
{
	CURL *c = exchange->curl;
	bool post = strcmp(request->method, "POST") == 0;

	buf_addf(&exchange->url, "%s%s", o->url, request->path.data);
	add_header(exchange, "Authorization: Bearer %s", key);
	if (request->changes && !add_idempotency_key(exchange, o))
		return false;
	if (post) {
		add_header(exchange, "Content-Type: application/json");
		add_header(exchange, "Expect:"); /* A round trip for nothing. */
	}
	for (size_t i = 0; i < o->headers_count; i++)
		add_header(exchange, "%s", o->headers[i]);
	return !curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method) &&
	    !curl_easy_setopt(c, CURLOPT_URL, exchange->url.data) && !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") &&
	    !curl_easy_setopt(c, CURLOPT_HTTPHEADER, exchange->headers) && !curl_easy_setopt(c, CURLOPT_ERRORBUFFER, exchange->error) &&
	    !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) && !curl_easy_setopt(c, CURLOPT_WRITEDATA, exchange) &&
	    !curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ATTEMPT_MS) &&
	    !curl_easy_setopt(c, CURLOPT_USERAGENT, "pollgatectl/" PACKAGE_VERSION) &&
	    (!o->cacert || !curl_easy_setopt(c, CURLOPT_CAINFO, o->cacert)) &&
	    (!o->insecure || (!curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) && !curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L))) &&
	    (!post || (!curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len) &&
	        !curl_easy_setopt(c, CURLOPT_POSTFIELDS, request->body.data)));
}

static bool
is_hopeless(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
	    code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WRITE_ERROR;
}

static bool
may_repeat(long status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void
pause_until(int64_t due)
{
	int64_t ms = due - clock_mono_ms();
	struct timespec left = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&left, NULL);
}

/* True if there is an answer to be taken, or none to be hoped for; then *answer is set, its status 0 in the second case. */
static bool
attempt(struct exchange *exchange, struct ctl_answer *answer, struct retry *retry, int64_t give_up_ms)
{
	curl_off_t retry_after = 0;
	CURLcode code;
	long status = 0;
	const char *why;

	buf_clear(&exchange->body);
	*exchange->error = '\0';
	code = curl_easy_perform(exchange->curl);
	why = *exchange->error ? exchange->error : curl_easy_strerror(code);
	if (code == CURLE_OK) {
		curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(exchange->curl, CURLINFO_RETRY_AFTER, &retry_after);
	}
	report_detail("%ld%s%s", status, code ? " " : "", code ? why : "");
	answer->status = (int)status;
	if (code == CURLE_OK && !may_repeat(status))
		return true;
	if (!is_hopeless(code) && retry_later(retry, retry_after > 0 && retry_after < 3600 ? retry_after * 1000 : 0, give_up_ms))
		return false;
	if (code)
		report("%s", why);
	return true;
}

bool
ctl_ask(struct ctl_answer *answer, const struct ctl_options *o, const char *key, const struct ctl_request *request)
{
	struct exchange exchange = {.curl = curl_easy_init()};
	struct retry retry = RETRY_IDLE;
	bool ready = exchange.curl && configure(&exchange, o, key, request);

	*answer = (struct ctl_answer){0};
	if (!ready)
		report("libcurl cannot be set up");
	while (ready && !attempt(&exchange, answer, &retry, o->give_up_ms))
		pause_until(retry.due);
	answer->body = exchange.body;
	curl_easy_cleanup(exchange.curl);
	curl_slist_free_all(exchange.headers);
	buf_free(&exchange.url);
	return answer->status != 0;
}
