/*
 * A session: opened, with the rooms it is in; polled; opened again when it is gone.
 */
#ifndef POLLCAT_SESSION_H
#define POLLCAT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/native_read.h"
#include "pollcat/http.h"
#include "pollcat/options.h"
#include "pollcat/state.h"

struct session;

struct session_events {
	/* It is there, and the next operation sent has the number seq. */
	void (*opened)(void *arg, const struct name *id, uint64_t seq);
	/* Messages of the room from before: an array.  Told right after opened, if they were asked for. */
	void (*history)(void *arg, struct jspan messages);
	/* False if nothing more is to be received. */
	bool (*received)(void *arg, const struct native_batch *batch);
	/* It is gone; another one is being opened. */
	void (*lost)(void *arg);
	void (*failed)(void *arg, const char *why); /* For good. */
};

/* Lent: all. */
struct session *session_new(const struct cat_options *options, struct http *http, struct state *state, const struct session_events *,
    void *arg);
void session_free(struct session *session);

/* Someone else was told that the session is gone. */
void session_renew(struct session *session);

/* When session_turn is to be called, by clock_mono_ms. */
int64_t session_due(const struct session *session);
void session_turn(struct session *session);

#endif
