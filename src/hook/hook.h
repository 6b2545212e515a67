/*
 * The application's backend: it is asked over HTTP about what clients do, and what it answers is done.  See pollgate-hooks(7), and
 * "Hooks: the design" in src/README.md.
 */
#ifndef HOOK_HOOK_H
#define HOOK_HOOK_H

#include <stdbool.h>

#include "base/options.h"
#include "codec/hook.h"

struct event_base;
struct hook;
struct sessions;
struct store;

/* All lent for the hook's life. */
struct hook_parts {
	struct event_base *base;
	const struct options *options;
	const struct native_limits *limits;
	struct store *store;
	struct sessions *sessions;
};

/* NULL, after a log line, if there are no secrets in --hook-secret-file, or $GCE_METADATA_HOST is no host. */
struct hook *hook_new(const struct hook_parts *parts);
/* Before the store.  What is under way is done again by whoever comes next.  NULL does nothing. */
void hook_free(struct hook *);

/* Is the backend to be told of such events? */
bool hook_wants(const struct hook *, enum hook_kind kind);

enum hook_verdict { HOOK_ACCEPTED, HOOK_REFUSED, HOOK_UNAVAILABLE };

/* What is lent is valid until it returns; the answer is empty when the backend is unavailable, and has a message when it refuses. */
typedef void hook_connect_fn(void *arg, enum hook_verdict verdict, struct hook_answer *answer);

/* Ask whether a session may be opened: event is a CONNECT, and copied.  done runs once, later, but for after hook_free. */
void hook_connect(struct hook *, const struct hook_event *event, hook_connect_fn *done, void *arg);

/* False, after a log line, if there are no secrets in a file. */
bool hook_check_file(const char *path);

/* Read the secrets again; after a log line, those that were there stay if there are none. */
void hook_reload(struct hook *);

/* Begin nothing new.  What is under way is ended; then other instances go on. */
void hook_drain(struct hook *);

#endif
