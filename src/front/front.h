/*
 * The front: which path and method is answered by whom, who may call (CORS), what is refused while draining.
 */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include "base/options.h"

struct event_base;
struct front;
struct http_request;
struct http_server;
struct hub;
struct polls;
struct sessions;
struct sockets;
struct store;
struct streams;

/* All lent to the front for its life. */
struct front_parts {
	struct event_base *base;
	const struct options *options;
	struct store *store;
	struct sessions *sessions;
	struct hub *hub;
	struct polls *polls;
	struct streams *streams;
	struct sockets *sockets;
};

/*
 * NULL, after a log line, if there is no directory --www or --socketio-client, or no keys in --api-key-file, --auth-key-file or
 * --hook-secret-file.
 */
struct front *front_new(const struct front_parts *parts);
/* Do these files have what they should?  False after a log line for each that has not. */
bool front_check_files(const struct options *options);
/* The store must have been freed: its callbacks are what else would end the requests under way. */
void front_free(struct front *);

/* The server whose load decides whether new sessions are taken; lent. */
void front_set_server(struct front *, struct http_server *server, uint32_t connections_max);

/* Before the store is freed: what the front does by itself ends. */
void front_stop(struct front *);

/* An http_request_fn. */
void front_handle(void *front, struct http_request *req);

/* Read the files of keys and secrets again; after a log line, what was there stays if there is something wrong with one. */
void front_reload(struct front *);

/* From now on /ready says 503 and new sessions are refused; checks that wait are answered. */
void front_drain(struct front *);

/* All connections are gone: settled runs (maybe at once) when all that their clients sent has been handed on. */
void front_settle(struct front *, void (*settled)(void *arg), void *arg);

#endif
