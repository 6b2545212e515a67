#include "pollcat/http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "pollcat/report.h"

#define ANSWER_MAX (96u << 20) /* More than any limit of a gateway allows. */
#define CONNECT_LIMIT_MS 10000L

enum { FDS_MAX = 4, RECEIVE_BYTES = 16384 };

struct http {
	const struct gateway *gateway;
	CURLM *multi;
	struct buf agent;    /* What it says that it is. */
	bool token_in_query; /* Authorization is taken by the user. */
	struct http_call *calls;
};

struct http_call {
	struct http *http;
	struct http_call *next, **link;
	CURL *curl;
	struct curl_slist *headers;
	struct buf url, body;
	char error[CURL_ERROR_SIZE];
	int64_t started;
	void (*piece)(void *arg, const char *p, size_t len);
	void (*connected)(void *arg); /* Of a connection... */
	int fd;                       /* ...which is there if this is not -1. */
	struct buf out;               /* Not sent yet. */
	http_answered *answered;
	void *arg;
};

struct http *
http_new(const struct gateway *gateway)
{
	struct http *http = mem_zero(1, sizeof *http);

	http->gateway = gateway;
	buf_addf(&http->agent, "%s/" PACKAGE_VERSION, gateway->program);
	http->token_in_query = strchr(gateway->url, '@') != NULL;
	for (size_t i = 0; i < gateway->headers_count; i++)
		if (strncasecmp(gateway->headers[i], "authorization:", 14) == 0)
			http->token_in_query = true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(http->multi = curl_multi_init())) {
		report("libcurl cannot be set up");
		exit(STATUS_FAILED);
	}
	return http;
}

void
http_free(struct http *http)
{
	while (http->calls)
		http_cancel(http->calls);
	curl_multi_cleanup(http->multi);
	curl_global_cleanup();
	buf_free(&http->agent);
	free(http);
}

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_call *call = arg;

	if (size * count > ANSWER_MAX - call->body.len)
		return 0;
	buf_add(&call->body, data, size * count);
	return size * count;
}

static void
call_add_header(struct http_call *call, const char *header)
{
	call->headers = curl_slist_append(call->headers, header);
	assert(call->headers);
}

static void
call_address(struct http_call *call, const struct http_ask *ask)
{
	struct buf header = BUF_EMPTY;

	buf_addf(&call->url, "%s%s", call->http->gateway->url, ask->path);
	if (ask->token && call->http->token_in_query) {
		buf_addf(&call->url, "%ctoken=%s", strchr(ask->path, '?') ? '&' : '?', ask->token);
	} else if (ask->token) {
		buf_addf(&header, "Authorization: Bearer %s", ask->token);
		call_add_header(call, header.data);
	}
	for (const char *const *line = ask->headers; line && *line; line++)
		call_add_header(call, *line);
	buf_free(&header);
}

/* Not a request but a connection: whatever the URL's scheme may let curl think of, it is to carry HTTP/1.1. */
static bool
call_configure_connection(struct http_call *call)
{
	CURL *c = call->curl;

	return !curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L) && !curl_easy_setopt(c, CURLOPT_HTTPPROXYTUNNEL, 1L) &&
	    !curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

static bool
call_configure(struct http_call *call, const struct http_ask *ask)
{
	const struct gateway *gateway = call->http->gateway;
	CURL *c = call->curl;
	bool post = strcmp(ask->method, "POST") == 0;

	call_address(call, ask);
	for (size_t i = 0; i < gateway->headers_count; i++)
		call_add_header(call, gateway->headers[i]);
	if (post) {
		call_add_header(call, "Content-Type: application/json");
		call_add_header(call, "Expect:"); /* A round trip for nothing. */
	}
	return !curl_easy_setopt(c, CURLOPT_URL, call->url.data) && !curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") &&
	    !curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, ask->method) &&
	    !curl_easy_setopt(c, CURLOPT_HTTPHEADER, call->headers) && !curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) &&
	    !curl_easy_setopt(c, CURLOPT_ERRORBUFFER, call->error) && !curl_easy_setopt(c, CURLOPT_PRIVATE, call) &&
	    !curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) && !curl_easy_setopt(c, CURLOPT_WRITEDATA, call) &&
	    !curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MS) &&
	    !curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ask->limit_ms) &&
	    !curl_easy_setopt(c, CURLOPT_USERAGENT, call->http->agent.data) &&
	    (!gateway->cacert || !curl_easy_setopt(c, CURLOPT_CAINFO, gateway->cacert)) &&
	    (!gateway->insecure ||
	        (!curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L) && !curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L))) &&
	    (!post || (!curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->len) &&
	        !curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, ask->len ? ask->body : ""))) &&
	    (!call->connected || call_configure_connection(call));
}

struct http_call *
http_start(struct http *http, const struct http_ask *ask, http_answered *answered, void *arg)
{
	struct http_call *call = mem_zero(1, sizeof *call);

	*call = (struct http_call){.http = http, .curl = curl_easy_init(), .piece = ask->piece, .connected = ask->connected, .fd = -1,
	    .answered = answered, .arg = arg, .started = clock_mono_ms()};
	call->next = http->calls;
	call->link = &http->calls;
	if (call->next)
		call->next->link = &call->next;
	http->calls = call;
	if (!call->curl || !call_configure(call, ask) || curl_multi_add_handle(http->multi, call->curl)) {
		report("libcurl cannot be set up for %s", ask->path);
		exit(STATUS_FAILED);
	}
	return call;
}

void
http_cancel(struct http_call *call)
{
	if (!call)
		return;
	curl_multi_remove_handle(call->http->multi, call->curl);
	curl_easy_cleanup(call->curl);
	curl_slist_free_all(call->headers);
	*call->link = call->next;
	if (call->next)
		call->next->link = call->link;
	buf_free(&call->url);
	buf_free(&call->body);
	buf_free(&call->out);
	free(call);
}

/* Hand on what has come of a stream.  The first that has something, since the callback may cancel any. */
static bool
hand_on_piece(struct http *http)
{
	for (struct http_call *call = http->calls; call; call = call->next) {
		struct buf piece = call->body;
		long status = 0;

		curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
		if (!call->piece || (status != 200 && !call->connected) || piece.len == 0)
			continue;
		call->body = (struct buf)BUF_EMPTY;
		call->piece(call->arg, piece.data, piece.len);
		buf_free(&piece);
		return true;
	}
	return false;
}

static bool
is_hopeless(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE || code == CURLE_URL_MALFORMAT ||
	    code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WRITE_ERROR;
}

/* The callback may start calls, cancel others and free what it likes but this http. */
static void
call_finish(struct http_call *call, CURLcode code)
{
	struct buf body = call->body;
	struct http_answer answer = {0};
	curl_off_t retry_after = 0;
	http_answered *answered = call->answered;
	const char *path;
	void *arg = call->arg;
	long status = 0;

	if (code) {
		buf_clear(&body);
		buf_adds(&body, *call->error ? call->error : curl_easy_strerror(code));
	} else {
		curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(call->curl, CURLINFO_RETRY_AFTER, &retry_after);
	}
	answer = (struct http_answer){.status = (int)status, .body = body.data ? body.data : "", .len = body.len,
	    .retry_after_ms = retry_after > 0 && retry_after < 3600 ? retry_after * 1000 : 0, .hopeless = is_hopeless(code)};
	path = call->url.data + strlen(call->http->gateway->url); /* The URL may have a password, and the query the token. */
	report_detail("%.*s: %ld%s%s, %lld ms", (int)strcspn(path, "?"), path, status, code ? " " : "",
	    code ? answer.body : "", (long long)(clock_mono_ms() - call->started));
	call->body = (struct buf)BUF_EMPTY;
	http_cancel(call);
	answered(arg, &answer);
	buf_free(&body);
}

/* ---- Connections ---- */

/* The handle must stay with the multi one: libcurl finds the connection by it. */
static void
call_connected(struct http_call *call)
{
	curl_socket_t fd = CURL_SOCKET_BAD;

	curl_easy_getinfo(call->curl, CURLINFO_ACTIVESOCKET, &fd);
	call->fd = fd;
	call->connected(call->arg);
}

/* What has come is put into the body.  False if the connection has ended. */
static bool
receive(struct http_call *call)
{
	char bytes[RECEIVE_BYTES];
	CURLcode code;
	size_t n = 0;

	while ((code = curl_easy_recv(call->curl, bytes, sizeof bytes, &n)) == CURLE_OK && n > 0 && call->body.len < ANSWER_MAX)
		buf_add(&call->body, bytes, n);
	return code == CURLE_AGAIN;
}

static bool
send_on(struct http_call *call)
{
	size_t sent = 0, n = 0;
	CURLcode code = CURLE_OK;
	struct buf left = BUF_EMPTY;

	while (sent < call->out.len && (code = curl_easy_send(call->curl, call->out.data + sent, call->out.len - sent, &n)) == CURLE_OK)
		sent += n;
	buf_add(&left, call->out.data + sent, call->out.len - sent);
	buf_free(&call->out);
	call->out = left;
	return code == CURLE_OK || code == CURLE_AGAIN;
}

void
http_write(struct http_call *call, const void *p, size_t len)
{
	buf_add(&call->out, p, len);
	if (!send_on(call))
		buf_clear(&call->out); /* Reading tells of it. */
}

static struct http_call *
ended_connection(struct http *http)
{
	for (struct http_call *call = http->calls; call; call = call->next)
		if (call->fd >= 0 && (!receive(call) || !send_on(call)))
			return call;
	return NULL;
}

static bool
hand_on_connections(struct http *http)
{
	struct http_call *ended = ended_connection(http);

	if (hand_on_piece(http))
		return true;
	if (ended)
		call_finish(ended, CURLE_GOT_NOTHING);
	return ended != NULL;
}

/* ---- Turning ---- */

static unsigned
wait_for_connections(struct http *http, struct curl_waitfd *wait, unsigned n)
{
	for (struct http_call *call = http->calls; call && n < 2 * FDS_MAX; call = call->next)
		if (call->fd >= 0)
			wait[n++] = (struct curl_waitfd){.fd = call->fd, .events = CURL_WAIT_POLLIN | (call->out.len ? CURL_WAIT_POLLOUT : 0)};
	return n;
}

void
http_turn(struct http *http, const struct http_fd *fds, size_t n, int64_t ms)
{
	struct curl_waitfd wait[2 * FDS_MAX];
	unsigned count;
	int left;
	CURLMsg *msg;

	assert(n <= FDS_MAX);
	for (size_t i = 0; i < n; i++)
		wait[i] = (struct curl_waitfd){.fd = fds[i].fd, .events = fds[i].input ? CURL_WAIT_POLLIN : 0};
	count = wait_for_connections(http, wait, (unsigned)n);
	curl_multi_poll(http->multi, wait, count, ms < 60000 ? (int)ms : 60000, NULL);
	curl_multi_perform(http->multi, &left);
	while (hand_on_connections(http))
		;
	while ((msg = curl_multi_info_read(http->multi, &left))) {
		char *arg = NULL;
		struct http_call *call;
		CURLcode code = msg->data.result;

		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg);
		call = (struct http_call *)(void *)arg;
		if (call->connected && code == CURLE_OK)
			call_connected(call);
		else
			call_finish(call, code);
	}
}

/* ---- Requests that are made by hand ---- */

static void
add_basic(struct buf *b, const char *user, const char *password)
{
	struct buf pair = BUF_EMPTY;

	buf_addf(&pair, "%s:%s", user, password ? password : "");
	buf_adds(b, "Authorization: Basic ");
	base64_write(b, pair.data, pair.len);
	buf_adds(b, "\r\n");
	buf_free(&pair);
}

static char *
part_of(CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;

	return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Libcurl has taken the URL before: it is good. */
void
http_write_head(const struct http *http, struct buf *b, const char *path, const char *token, const char *more)
{
	CURLU *url = curl_url();
	char *host, *port, *user, *password, *prefix;

	assert(url && curl_url_set(url, CURLUPART_URL, http->gateway->url, CURLU_DEFAULT_SCHEME) == CURLUE_OK);
	host = part_of(url, CURLUPART_HOST, 0);
	port = part_of(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT);
	user = part_of(url, CURLUPART_USER, CURLU_URLDECODE);
	password = part_of(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
	prefix = part_of(url, CURLUPART_PATH, 0);
	buf_addf(b, "GET %s%s", prefix && strcmp(prefix, "/") != 0 ? prefix : "", path);
	if (http->token_in_query)
		buf_addf(b, "%ctoken=%s", strchr(path, '?') ? '&' : '?', token);
	buf_addf(b, " HTTP/1.1\r\nHost: %s%s%s\r\nUser-Agent: %s\r\n", host, port ? ":" : "", port ? port : "", http->agent.data);
	if (!http->token_in_query)
		buf_addf(b, "Authorization: Bearer %s\r\n", token);
	if (user)
		add_basic(b, user, password);
	for (size_t i = 0; i < http->gateway->headers_count; i++)
		buf_addf(b, "%s\r\n", http->gateway->headers[i]);
	buf_adds(b, more);
	buf_adds(b, "\r\n");
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_free(password);
	curl_free(prefix);
	curl_url_cleanup(url);
}

bool
http_may_repeat(const struct http_answer *answer)
{
	int status = answer->status;

	return status == 0 ? !answer->hopeless : status == 408 || status == 425 || status == 429 || status >= 500;
}
