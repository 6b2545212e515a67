/*
 * What a Socket.IO client gets on its WebSocket: the mailboxes of its session and of its sockets, as a poll without an end gets them.
 *
 * As of a poll, it is written into the session's state before it is told, so that another instance knows where its sockets stand.
 * But what a WebSocket took was not received yet: `before` stays where it was when the session came here, for clients that come
 * back without an offset, since they have received nothing.
 */
#ifndef FRONT_ENGINEIO_FOLLOW_H
#define FRONT_ENGINEIO_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>

struct engineio_client;
struct engineio_follow;
struct front;

struct engineio_followed {
	/* Packets, as in a payload, to be sent.  False: the client has enough for now, until engineio_follow_go_on. */
	bool (*tell)(void *arg, const char *payload, size_t len);
	/* There is nothing more: the session has ended, or what was for it is lost.  The last call. */
	void (*over)(void *arg);
};

/* Lends ops and arg. */
struct engineio_follow *engineio_follow_start(struct front *front, const struct engineio_client *client,
    const struct engineio_followed *ops, void *arg);
void engineio_follow_go_on(struct engineio_follow *);
/* Nothing is called any more. */
void engineio_follow_stop(struct engineio_follow *);

#endif
