/*
 * What a Socket.IO client gets on its WebSocket: the mailboxes of its session and of its sockets, as a poll without an end gets them.
 *
 * Where its sockets stand is known here and nowhere else: who comes back with an offset has said it, and who comes back without one
 * has received nothing, so that it begins where it stood when it came here.  What is written into the session's state, as polls
 * do with all that they tell, is only that a socket is told that it is connected.
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
/* A ping was sent; a pong has come: what was told before that ping has been received, and the store may forget it. */
void engineio_follow_asked(struct engineio_follow *);
void engineio_follow_answered(struct engineio_follow *);
/* Nothing is called any more. */
void engineio_follow_stop(struct engineio_follow *);

#endif
