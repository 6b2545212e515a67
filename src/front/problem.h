/* Errors as problem documents (RFC 9457) with a stable code. */
#ifndef FRONT_PROBLEM_H
#define FRONT_PROBLEM_H

#include "base/buf.h"

struct http_request;

/* The document alone, with one more member, a number; name: NULL for none. */
void problem_write(struct buf *b, int status, const char *code, const char *detail, const char *name, unsigned long long number);

/* Answer req.  A 503 tells to come back after a second or two, a 401 that a bearer token is wanted. */
void problem_reply(struct http_request *req, int status, const char *code, const char *detail);

/* The same with one more member of the document, a number. */
void problem_reply_number(struct http_request *req, int status, const char *code, const char *detail, const char *name,
    unsigned long long number);

/* The same with a string, "reason". */
void problem_reply_reason(struct http_request *req, int status, const char *code, const char *detail, const char *reason);

#endif
