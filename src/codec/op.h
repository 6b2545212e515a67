/* What a client may ask for in one step, whichever protocol it speaks; and a backend, of any session. */
#ifndef CODEC_OP_H
#define CODEC_OP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/name.h"
#include "codec/jspan.h"
#include "codec/message.h"

/*
 * GRANT is of no protocol: what a session may do is said by who let it in.  EVENT is for the application's backend, and waits in the
 * session's queue.  SEND_USER goes to all sessions of a user, and is no client's.  TELL, behind another operation, sends to a session what became of that.
 */
enum client_op_kind {
	CLIENT_SEND_SESSION,
	CLIENT_SEND_ROOM,
	CLIENT_SEND_USER,
	CLIENT_JOIN,
	CLIENT_LEAVE,
	CLIENT_SET,
	CLIENT_END,
	CLIENT_GRANT,
	CLIENT_EVENT,
	CLIENT_TELL
};

/* SEND, EVENT, TELL: what data is: see message.h. */
enum client_form { CLIENT_DATA, CLIENT_ARGS, CLIENT_BINARY, CLIENT_ANSWER, CLIENT_ANSWER_BINARY };

struct client_op {
	enum client_op_kind kind;
	struct name to;    /* SEND_SESSION, TELL; SEND_USER: of the user, see token.h. */
	bool is_forbidden; /* Refuse it: it has a number and a result, no more. */
	char *room;        /* Owned; its title.  JOIN, LEAVE, SEND_ROOM. */
	struct message_address address; /* SEND, EVENT, TELL.  Lent by the document, as are ... */
	struct jspan event; /* ... for the same this, a JSON string, and ... */
	struct jspan data;  /* ... this.  SEND, EVENT, SET: text NULL when absent.  GRANT: see codec/grants.h.  TELL: in front of the id that ... */
	struct jspan data_end; /* ... the operation before has as its result (if it has one), and behind that; ... */
	struct jspan refusal;  /* ... the data if it was refused.  Either with text NULL: nothing is sent then. */
	bool self;         /* SEND_ROOM: the sender gets it too. */
	bool quiet;        /* JOIN: nobody is told. */
	struct name from;  /* SEND, TELL, EVENT: on whose behalf; empty: the session's own. */
	enum client_form form;
	bool has_history;  /* JOIN; a backend's SEND_ROOM */
	uint32_t history;  /* So many of the last messages are wanted. */
	bool is_event;     /* JOIN, LEAVE: the application's backend is to be told. */
	uint32_t max;      /* JOIN: refuse to be more members than this, 0 for any number. */

	/* A backend's alone, as is END. */
	struct name session; /* Whose operation it is; SEND: nobody's, ... */
	bool others;         /* ... but SEND_ROOM with this: the session's, which does not get it. */
	bool kept;           /* SEND_ROOM: for the history; members do not get it. */
	bool is_order;       /* It is a backend's, among those of a session. */
};

#endif
