/* What the handlers of this folder share. */
#ifndef FRONT_PRIVATE_H
#define FRONT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/name.h"
#include "codec/native.h"
#include "front/front.h"

struct api_keys;
struct auth;
struct check;
struct engineio_call;
struct engineio_ws;
struct hook;
struct hook_answer;
struct native_call;
struct ready_check;
struct relay;

struct front {
	struct front_parts parts;
	struct http_server *server; /* Lent. */
	uint32_t connections_max;
	struct native_limits limits;
	size_t max_payload; /* Of Engine.IO: no more than a body may have. */
	bool draining;
	LIST_HEAD(, native_call) calls; /* Requests of the native protocol that wait for the store. */
	LIST_HEAD(, engineio_ws) engineio_sockets;
	LIST_HEAD(, engineio_call) engineio_calls;
	LIST_HEAD(, check) checks;      /* Requests that check.c answers later, or for a while. */
	LIST_HEAD(, relay) relays;
	void (*settled)(void *arg);     /* To be told when what clients sent was handed on; NULL: nobody asked yet. */
	void *settled_arg;
	bool has_grants;                /* Sessions may do what they are granted; else whoever asks may do everything. */
	struct auth *auth;              /* Owned: by tokens.  NULL: by the application, if by anybody. */
	struct ready_check *ready;      /* Owned. */
	struct hook *hook;              /* Owned; NULL: there is no backend that is to be asked. */
	struct api_keys *api_keys;      /* Owned; NULL: there is no API. */
	char *join_event, *leave_event; /* Owned; NULL for none. */
	int www;                        /* A directory, or -1. */
	int socketio_client;            /* The same. */
};

/* A handler answers or parks req.  part: what stands for the star of its path, or "". */
typedef void handler_fn(struct front *, struct http_request *req, const char *part);

handler_fn native_open, native_close, native_poll, native_polls, native_events, native_ws, native_send, native_look, native_members,
    native_renew;
handler_fn api_publish, api_ops, api_look, api_disconnect, api_members, api_history, api_sessions, api_rooms, api_user;
handler_fn api_letters, api_letter_replay, api_letter_forget;
handler_fn check_hold, check_stream, check_echo;
handler_fn relay_accept;
handler_fn engineio_answer, socketio_answer;
handler_fn status_health, status_ready, status_metrics;
handler_fn static_file;

/* There are nearly as many connections as there may be: what is left of them is for sessions that are here. */
bool front_is_crowded(const struct front *);
/* False, after an answer, if this instance takes no new sessions now. */
bool front_has_room(struct front *front, struct http_request *req);

/* False, after an answer, unless req asks for a WebSocket as it should, and this gateway has them. */
bool upgrade_check(struct front *front, struct http_request *req);

/* What the application grants to who connects, into *text, which the caller frees; false if nothing is said of that and need not be. */
bool front_write_grants(const struct front *front, struct buf *text, const struct hook_answer *answer);

/* The token in Authorization: Bearer; NULL if there is none. */
const char *front_bearer(const struct http_request *req);

/* ms, or most if that is less. */
int64_t front_limit_ms(uint64_t ms, int64_t most);
/* The same of a parameter of req; *ms stays as it is without it.  False, after an answer, if it is not a number. */
bool front_read_ms(struct http_request *req, const char *name, int64_t most, int64_t *ms);

/* Answer with a file of the directory dir (-1: there is none).  False, and no answer, if there is no such file. */
bool static_send(struct http_request *req, int dir, const char *path);

void native_free(struct front *);
void engineio_free(struct front *);
void engineio_ws_free(struct front *);
void relay_free_all(struct front *);
void front_check_settled(struct front *);

/* End the checks that are under way: those that wait tell how long they did. */
void check_drain(struct front *);

struct ready_check *ready_new(struct front *);
void ready_free(struct ready_check *);

#endif
