/*
 * The strict reading of a request's head and of its chunks, before evhttp sees a byte of them.  RFC 9112.
 *
 * evhttp takes what the next server reads otherwise: two Content-Lengths, "+3", "Content-Length : 3", unknown transfer codings,
 * bare line feeds, folded lines, a NUL inside a value, chunks without their CRLF.  Each is a way to smuggle a request past a
 * proxy, so each is refused here.  Pure: bytes in, a verdict out.
 */
#ifndef NET_HTTP_CHECK_H
#define NET_HTTP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/http.h"

enum http_verdict { HTTP_MORE, HTTP_DONE, HTTP_REFUSED };

struct http_limits {
	size_t head;      /* Bytes of request line and headers, line ends included. */
	uint32_t headers; /* Their number. */
	size_t body;
};

struct http_refusal {
	int status;
	const char *code;
	const char *detail;
};

/* Zero it for each request. */
struct http_head {
	size_t read; /* Complete lines so far, in bytes; once HTTP_DONE the length of the head. */
	uint32_t lines;
	uint64_t length; /* Content-Length. */
	enum http_method method;
	unsigned hosts : 2;        /* Host headers, counted up to 2. */
	unsigned has_length : 1;   /* There is a Content-Length. */
	unsigned chunked : 1;
	unsigned old : 1;          /* HTTP/1.0 */
	unsigned close : 1;        /* The client wants the connection closed, or its version means so. */
	unsigned keep_alive : 1;   /* The client asked for it. */
	unsigned upgrade : 1;      /* Connection has that word. */
	unsigned continues : 1;    /* It expects "100 Continue" before its body. */
	unsigned too_large : 1;    /* Content-Length is over the limit: length is 0, the connection is to be closed. */
	unsigned skips_body : 1;   /* evhttp does not read the body of this method. */
};

/*
 * Read on in a head of which p has the first len bytes; call again, with the same *head, when there are more.  HTTP_DONE: *head
 * is filled in.  HTTP_REFUSED: *why says why.
 */
enum http_verdict http_check_head(struct http_head *head, const char *p, size_t len, const struct http_limits *limits,
    const struct http_refusal **why);

/* Zero it for each request. */
struct http_chunks {
	uint64_t left;  /* Of this chunk's size line while in it, then of its data. */
	uint64_t total; /* Data of all chunks. */
	size_t raw;     /* Bytes of the body as it came, up to its end. */
	uint8_t state;
	uint8_t digits;
};

/* Read the next len bytes of a chunked body.  Extensions and trailers are refused; what follows the end is not looked at. */
enum http_verdict http_check_chunks(struct http_chunks *chunks, const char *p, size_t len, const struct http_limits *limits,
    const struct http_refusal **why);

#endif
