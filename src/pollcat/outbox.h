/*
 * Messages on their way to the gateway: numbered, in order, several in a request, repeated until they are answered.
 */
#ifndef POLLCAT_OUTBOX_H
#define POLLCAT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pollcat/http.h"
#include "pollcat/options.h"

struct outbox;

struct outbox_events {
	void (*gone)(void *arg);                    /* The session is: outbox_begin is expected. */
	void (*lost)(void *arg);                    /* The gateway forgot what it had taken; told to the user. */
	void (*failed)(void *arg, const char *why); /* For good. */
};

/* Lent: options, http and the token, whose bytes may change while the outbox is stopped. */
struct outbox *outbox_new(const struct cat_options *options, struct http *http, const char *token, const struct outbox_events *,
    void *arg);
void outbox_free(struct outbox *outbox);

/* A line of input; what cannot be a message is told to the user. */
void outbox_add(struct outbox *outbox, uint64_t number, const char *line, size_t len);

/* Send from now on, the first one with the number seq. */
void outbox_begin(struct outbox *outbox, uint64_t seq);
void outbox_stop(struct outbox *outbox);

bool outbox_full(const struct outbox *outbox); /* Better read no more for now. */
size_t outbox_waiting(const struct outbox *outbox);
uint64_t outbox_refused(const struct outbox *outbox);

/* When outbox_turn is to be called, by clock_mono_ms. */
int64_t outbox_due(const struct outbox *outbox);
void outbox_turn(struct outbox *outbox);

#endif
