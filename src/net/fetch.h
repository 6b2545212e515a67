/*
 * An HTTP client on the event loop: libcurl's multi interface driven by libevent.  Connections are kept and shared, HTTP/2 is
 * spoken where a TLS server offers it.
 *
 * What it talks to is named by the operator, but what comes back is from outside: only http and https, no redirects, no proxy of
 * the environment, certificates verified, and every answer bounded in time and size.  Nothing blocks the loop, looking up names
 * included.
 */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct fetch; /* A request under way. */
struct fetcher;

struct fetcher_config {
	uint32_t concurrency; /* Requests at once ... */
	uint32_t queue;       /* ... and so many more wait for their turn. */
	const char *ca_file;  /* PEM certificates to trust instead of the system's.  Empty for the system's; lent. */
};

struct fetch_header {
	const char *name;
	const char *value;
};

struct fetch_request {
	const char *method; /* "GET", "POST" ... */
	const char *url;    /* One that fetch_check_url has nothing against. */
	const struct fetch_header *headers; /* One with CR or LF in it is a bug. */
	size_t headers_count;
	const void *body; /* NULL for none. */
	size_t len;
	int64_t timeout_ms; /* From fetch_start to the last byte, waiting for a turn included. */
	size_t max_answer;  /* Bytes of the answer's body.  Its headers may have 32 KiB. */
};

enum fetch_outcome {
	FETCH_ANSWERED,   /* Completely, with whatever status. */
	FETCH_TIMED_OUT,
	FETCH_TOO_LARGE,  /* Its body or its headers. */
	FETCH_UNREACHABLE /* No name, no connection, a certificate that is not trusted, or the answer was cut or is not HTTP. */
};

struct fetch_answer {
	enum fetch_outcome outcome;
	const char *detail; /* Unless it was answered: what went wrong, for the log. */
	/* Only if it was answered.  All lent until the callback returns. */
	int status;
	const struct fetch_header *headers;
	size_t headers_count;
	int64_t retry_after_ms; /* What its Retry-After says (RFC 9110, 10.2.3), from now on; 0 for nothing. */
	const char *body; /* Never NULL; a NUL is behind it. */
	size_t len;
};

/* Runs once, from the loop, never before fetch_start has returned. */
typedef void fetch_fn(void *arg, const struct fetch_answer *answer);

struct fetcher *fetcher_new(struct event_base *, const struct fetcher_config *);
/* Cancels all requests.  Not from within a callback.  NULL does nothing. */
void fetcher_free(struct fetcher *);

/* Copies request.  NULL, and nothing will be called, if too many wait already. */
struct fetch *fetch_start(struct fetcher *, const struct fetch_request *request, fetch_fn *, void *arg);
/* The callback will not run.  The server may have seen the request or not.  NULL does nothing. */
void fetch_cancel(struct fetch *);

/* The value of a header of the answer, whatever the case of its name; NULL if there is none. */
const char *fetch_header(const struct fetch_answer *, const char *name);

/* NULL, or a sentence that says what is wrong with url: http or https, a host, no user or password, nothing that is not ASCII. */
const char *fetch_check_url(const char *url);

#endif
