/*
 * The clients: each polls and sends, every request on a base URL chosen at random.  A client has for each base URL one connection
 * for its polls and one for its sends, made when first needed and kept, so never more than twice the number of base URLs.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "peer.h"

#define MAX_URLS 16

struct client;
struct event_base;
struct url;

struct load { /* What all clients share. */
	struct event_base *base;
	const struct peer *peer;
	const struct url *urls; /* Lent. */
	uint32_t urls_count;
	/* Counted from the start. */
	uint64_t polls;  /* Answered. */
	uint64_t pushes; /* Times that something was pushed. */
	uint64_t sends;  /* Accepted. */
	uint64_t failed; /* Refused or broken requests, and answers that told of a loss. */
	SLIST_HEAD(, client) clients; /* Owned. */
};
/* Ends all clients. */
void load_end(struct load *);

/* A client of the load's that will be in room (lent; NULL for none). */
struct client *client_new(struct load *, const char *room);
/* Make the sessions of all of them, some at a time; runs the loop until it is done.  Dies when one is refused. */
void clients_open(struct load *, struct client **, size_t n);
/* The name others send to. */
const char *client_id(const struct client *);

/* Poll from now on; on_message runs for each message. */
void client_poll(struct client *, message_fn *on_message, void *arg);
/* The same for all of them; some at a time, runs the loop until the last has asked. */
void clients_poll(struct client **, size_t n, message_fn *on_message);

/* Send; sent runs when it was accepted, after repeats if need be.  One at a time. */
typedef void sent_fn(void *arg);
void client_send(struct client *, const char *to, bool room, const char *body, sent_fn *sent, void *arg);

#endif
