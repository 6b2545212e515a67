/* Requests, their turns and their answers: see fetch.h. */
#include "net/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { HEADERS_MAX = 32768, CONNECTION_IDLE_S = 50, RETRY_AFTER_MAX_S = 86400 };

struct fetch {
	TAILQ_ENTRY(fetch) in_list; /* Of running or waiting ones. */
	struct fetcher *fetcher;
	CURL *curl;
	struct curl_slist *sent; /* Headers. */
	struct buf body_sent;
	size_t max_answer;
	bool is_running;
	bool is_too_large;
	struct event deadline;
	struct buf head; /* Names and values of the answer, each with a NUL behind it. */
	struct buf body;
	char error[CURL_ERROR_SIZE];
	fetch_fn *done;
	void *arg;
};

TAILQ_HEAD(fetch_list, fetch);

/* A socket that libcurl wants watched. */
struct watched {
	LIST_ENTRY(watched) in_sockets;
	struct event event;
};

struct fetcher {
	struct event_base *base; /* Lent. */
	CURLM *multi;
	struct event timer; /* Libcurl's. */
	struct fetch_list running, waiting;
	LIST_HEAD(, watched) sockets;
	uint32_t running_count, waiting_count;
	uint32_t concurrency, queue;
	char *ca_file; /* Owned; NULL for the system's. */
	bool in_callback;
};

/* ---- URLs ---- */

static const char *
check_parts(CURLU *parts, const char *url)
{
	const char *wrong = NULL;
	char *user = NULL, *password = NULL, *host = NULL;

	if (curl_url_set(parts, CURLUPART_URL, url, 0) || curl_url_get(parts, CURLUPART_HOST, &host, 0) || !*host)
		wrong = "is not a URL of the form https://HOST[:PORT]/PATH";
	else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
		wrong = "must not have a user or password in it: it shows in lists of processes and in logs";
	curl_free(user);
	curl_free(password);
	curl_free(host);
	return wrong;
}

const char *
fetch_check_url(const char *url)
{
	CURLU *parts;
	const char *wrong;

	if (strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0)
		return "must begin with https:// or http://";
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~')
			return "must be written in ASCII without spaces";
	parts = curl_url();
	assert(parts);
	wrong = check_parts(parts, url);
	curl_url_cleanup(parts);
	return wrong;
}

/* ---- What comes ---- */

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct fetch *fetch = arg;
	size_t len = size * count;

	if (len > fetch->max_answer - fetch->body.len) {
		fetch->is_too_large = true;
		return 0; /* Less than came: libcurl ends the transfer. */
	}
	buf_add(&fetch->body, data, len);
	return len;
}

static size_t
trimmed(const char *text, size_t len)
{
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r' || text[len - 1] == '\n'))
		len--;
	return len;
}

static size_t
on_header(char *line, size_t size, size_t count, void *arg)
{
	struct fetch *fetch = arg;
	size_t len = size * count, skip;
	const char *colon = memchr(line, ':', len);

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* What came before was a 1xx. */
		buf_clear(&fetch->head);
		return len;
	}
	if (len > HEADERS_MAX - fetch->head.len) {
		fetch->is_too_large = true;
		return 0;
	}
	if (!colon || memchr(line, '\0', len))
		return len;
	buf_add(&fetch->head, line, trimmed(line, (size_t)(colon - line)));
	buf_add(&fetch->head, "", 1);
	skip = (size_t)(colon - line) + 1;
	while (skip < len && (line[skip] == ' ' || line[skip] == '\t'))
		skip++;
	buf_add(&fetch->head, line + skip, trimmed(line + skip, len - skip));
	buf_add(&fetch->head, "", 1);
	return len;
}

/* Trailers are no headers, and do no harm. */
static struct fetch_header *
split_head(const struct buf *head, size_t *count)
{
	const char *at = head->data, *end = at + head->len;
	struct fetch_header *headers;
	size_t nuls = 0;

	for (const char *p = at; p < end; p++)
		nuls += !*p;
	headers = mem_zero(nuls / 2 + 1, sizeof *headers);
	for (*count = 0; *count < nuls / 2; ++*count) {
		headers[*count].name = at;
		at += strlen(at) + 1;
		headers[*count].value = at;
		at += strlen(at) + 1;
	}
	return headers;
}

const char *
fetch_header(const struct fetch_answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->headers_count; i++)
		if (strcasecmp(answer->headers[i].name, name) == 0)
			return answer->headers[i].value;
	return NULL;
}

/* ---- The end of a request, and the next one's turn ---- */

static void
fetch_free(struct fetch *fetch)
{
	event_del(&fetch->deadline);
	curl_easy_cleanup(fetch->curl);
	curl_slist_free_all(fetch->sent);
	buf_free(&fetch->body_sent);
	buf_free(&fetch->head);
	buf_free(&fetch->body);
	free(fetch);
}

static void
run(struct fetch *fetch)
{
	struct fetcher *fetcher = fetch->fetcher;

	fetch->is_running = true;
	TAILQ_INSERT_TAIL(&fetcher->running, fetch, in_list);
	fetcher->running_count++;
	if (curl_multi_add_handle(fetcher->multi, fetch->curl))
		assert(!"curl_multi_add_handle");
}

/* Take it out of everything; its memory stays. */
static void
detach(struct fetch *fetch)
{
	struct fetcher *fetcher = fetch->fetcher;
	struct fetch *next;

	event_del(&fetch->deadline);
	if (!fetch->is_running) {
		TAILQ_REMOVE(&fetcher->waiting, fetch, in_list);
		fetcher->waiting_count--;
		return;
	}
	curl_multi_remove_handle(fetcher->multi, fetch->curl);
	TAILQ_REMOVE(&fetcher->running, fetch, in_list);
	fetcher->running_count--;
	next = TAILQ_FIRST(&fetcher->waiting);
	if (!next)
		return;
	TAILQ_REMOVE(&fetcher->waiting, next, in_list);
	fetcher->waiting_count--;
	run(next);
}

static void
finish(struct fetch *fetch, const struct fetch_answer *answer)
{
	struct fetcher *fetcher = fetch->fetcher;

	detach(fetch);
	fetcher->in_callback = true;
	fetch->done(fetch->arg, answer);
	fetcher->in_callback = false;
	fetch_free(fetch);
}

static void
finish_answered(struct fetch *fetch)
{
	struct fetch_answer answer = {.outcome = FETCH_ANSWERED, .len = fetch->body.len};
	struct fetch_header *headers;
	long status = 0;
	curl_off_t retry_after_s = 0;

	curl_easy_getinfo(fetch->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(fetch->curl, CURLINFO_RETRY_AFTER, &retry_after_s);
	answer.status = (int)status;
	if (retry_after_s > 0)
		answer.retry_after_ms = (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000;
	answer.body = fetch->body.data ? fetch->body.data : "";
	answer.headers = headers = split_head(&fetch->head, &answer.headers_count);
	finish(fetch, &answer);
	free(headers);
}

static void
finish_failed(struct fetch *fetch, CURLcode code)
{
	struct fetch_answer answer = {.outcome = FETCH_UNREACHABLE, .body = ""};
	char detail[CURL_ERROR_SIZE];

	if (fetch->is_too_large || code == CURLE_FILESIZE_EXCEEDED) {
		answer.outcome = FETCH_TOO_LARGE;
		answer.detail = "the answer is larger than is taken";
	} else {
		answer.detail = strcpy(detail, *fetch->error ? fetch->error : curl_easy_strerror(code));
	}
	finish(fetch, &answer);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	finish(arg, &(struct fetch_answer){.outcome = FETCH_TIMED_OUT, .detail = "no complete answer in time", .body = ""});
}

/* A callback may start and cancel requests, so nothing is kept from one message to the next. */
static void
take_finished(struct fetcher *fetcher)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(fetcher->multi, &left))) {
		CURLcode code = message->data.result;
		struct fetch *fetch;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
		if (code == CURLE_OK)
			finish_answered(fetch);
		else
			finish_failed(fetch, code);
	}
}

/* ---- Libcurl's sockets and timer on the loop ---- */

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *fetcher = arg;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(fetcher->multi, fd, flags, &running);
	take_finished(fetcher);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct fetcher *fetcher = arg;
	int running;

	(void)fd, (void)what;
	curl_multi_socket_action(fetcher->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(fetcher);
}

static void
unwatch(struct watched *watched)
{
	event_del(&watched->event);
	LIST_REMOVE(watched, in_sockets);
	free(watched);
}

static int
set_socket(CURL *curl, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct fetcher *fetcher = arg;
	struct watched *watched = of_socket;
	short events = EV_PERSIST;

	(void)curl;
	if (what == CURL_POLL_REMOVE) {
		if (watched)
			unwatch(watched);
		return 0;
	}
	if (watched) {
		event_del(&watched->event);
	} else {
		watched = mem_zero(1, sizeof *watched);
		LIST_INSERT_HEAD(&fetcher->sockets, watched, in_sockets);
		curl_multi_assign(fetcher->multi, fd, watched);
	}
	events |= (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	event_assign(&watched->event, fetcher->base, fd, events, on_socket, fetcher);
	event_add(&watched->event, NULL);
	return 0;
}

static int
set_timer(CURLM *multi, long ms, void *arg)
{
	struct fetcher *fetcher = arg;
	struct timeval tv = clock_timeval(ms);

	(void)multi;
	if (ms < 0)
		event_del(&fetcher->timer);
	else
		event_add(&fetcher->timer, &tv);
	return 0;
}

/* ---- Starting ---- */

static void
add_header(struct fetch *fetch, const char *name, const char *value)
{
	struct buf line = BUF_EMPTY;

	assert(!strpbrk(name, "\r\n:") && !strpbrk(value, "\r\n"));
	buf_addf(&line, *value ? "%s: %s" : "%s;", name, value); /* The second form is libcurl's for an empty value. */
	fetch->sent = curl_slist_append(fetch->sent, line.data);
	assert(fetch->sent);
	buf_free(&line);
}

/* None of these can fail but for want of memory, or in a libcurl that lacks what the build demanded. */
#define set(curl, option, value) \
	do { \
		if (curl_easy_setopt(curl, option, value)) \
			assert(!"curl_easy_setopt " #option); \
	} while (0)

static void
configure(struct fetch *fetch, const struct fetch_request *request)
{
	CURL *c = fetch->curl;

	set(c, CURLOPT_URL, request->url);
	set(c, CURLOPT_PROTOCOLS_STR, "http,https");
	set(c, CURLOPT_PROXY, "");
	set(c, CURLOPT_NOSIGNAL, 1L);
	set(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	set(c, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S);
	/* Else taking back a request waits for the thread that looks up its name. */
	set(c, CURLOPT_QUICK_EXIT, 1L);
	if (fetch->fetcher->ca_file) {
		set(c, CURLOPT_CAINFO, fetch->fetcher->ca_file);
		set(c, CURLOPT_CAPATH, NULL);
	}
	set(c, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->body) {
		set(c, CURLOPT_POSTFIELDS, fetch->body_sent.data);
		set(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)fetch->body_sent.len);
	}
	set(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_answer); /* Of answers that say how large they are. */
	set(c, CURLOPT_HTTPHEADER, fetch->sent);
	set(c, CURLOPT_ERRORBUFFER, fetch->error);
	set(c, CURLOPT_PRIVATE, fetch);
	set(c, CURLOPT_WRITEFUNCTION, on_body);
	set(c, CURLOPT_WRITEDATA, fetch);
	set(c, CURLOPT_HEADERFUNCTION, on_header);
	set(c, CURLOPT_HEADERDATA, fetch);
	set(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

struct fetch *
fetch_start(struct fetcher *fetcher, const struct fetch_request *request, fetch_fn *done, void *arg)
{
	struct timeval limit = clock_timeval(request->timeout_ms);
	struct fetch *fetch;

	if (fetcher->running_count == fetcher->concurrency && fetcher->waiting_count == fetcher->queue)
		return NULL;
	fetch = mem_zero(1, sizeof *fetch);
	fetch->fetcher = fetcher;
	fetch->done = done;
	fetch->arg = arg;
	fetch->max_answer = request->max_answer;
	fetch->curl = curl_easy_init();
	assert(fetch->curl);
	for (size_t i = 0; i < request->headers_count; i++)
		add_header(fetch, request->headers[i].name, request->headers[i].value);
	if (request->body) {
		buf_adds(&fetch->body_sent, "");
		buf_add(&fetch->body_sent, request->body, request->len);
		fetch->sent = curl_slist_append(fetch->sent, "Expect:"); /* A round trip for nothing. */
	}
	configure(fetch, request);
	event_assign(&fetch->deadline, fetcher->base, -1, 0, on_deadline, fetch);
	event_add(&fetch->deadline, &limit);
	if (fetcher->running_count < fetcher->concurrency) {
		run(fetch);
	} else {
		TAILQ_INSERT_TAIL(&fetcher->waiting, fetch, in_list);
		fetcher->waiting_count++;
	}
	return fetch;
}

void
fetch_cancel(struct fetch *fetch)
{
	if (!fetch)
		return;
	detach(fetch);
	fetch_free(fetch);
}

/* ---- Life ---- */

struct fetcher *
fetcher_new(struct event_base *base, const struct fetcher_config *config)
{
	struct fetcher *fetcher = mem_zero(1, sizeof *fetcher);

	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(fetcher->multi = curl_multi_init()))
		assert(!"libcurl");
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS))
		log_warning("this libcurl looks up names while everything waits");
	fetcher->base = base;
	fetcher->concurrency = config->concurrency;
	fetcher->queue = config->queue;
	fetcher->ca_file = config->ca_file && *config->ca_file ? mem_string(config->ca_file) : NULL;
	TAILQ_INIT(&fetcher->running);
	TAILQ_INIT(&fetcher->waiting);
	LIST_INIT(&fetcher->sockets);
	event_assign(&fetcher->timer, base, -1, 0, on_timer, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)config->concurrency);
	return fetcher;
}

void
fetcher_free(struct fetcher *fetcher)
{
	if (!fetcher)
		return;
	assert(!fetcher->in_callback);
	while (!TAILQ_EMPTY(&fetcher->waiting))
		fetch_cancel(TAILQ_FIRST(&fetcher->waiting));
	while (!TAILQ_EMPTY(&fetcher->running))
		fetch_cancel(TAILQ_FIRST(&fetcher->running));
	curl_multi_cleanup(fetcher->multi);
	while (!LIST_EMPTY(&fetcher->sockets))
		unwatch(LIST_FIRST(&fetcher->sockets));
	event_del(&fetcher->timer);
	free(fetcher->ca_file);
	free(fetcher);
	curl_global_cleanup();
}
