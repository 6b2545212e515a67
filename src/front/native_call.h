/*
 * A request of the native protocol that has to ask the store is a native_call until it is answered.  A client that leaves
 * meanwhile does not stop what it asked for: it will ask again, and must find it done or not done.
 */
#ifndef FRONT_NATIVE_CALL_H
#define FRONT_NATIVE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "codec/grants.h"
#include "codec/hook.h"
#include "codec/native.h"
#include "codec/token.h"
#include "core/sink.h"
#include "front/facts.h"
#include "front/private.h"
#include "store/store.h"

#define NATIVE_TYPE "application/json"

/* The answer to one operation, which may need more from the store. */
struct answer {
	struct native_call *call;
	char *room;      /* Owned; of JOIN, and of what wants history. */
	uint32_t history;
	bool has_history;
	bool sent;       /* History alone is told of the room. */
	bool is_counted; /* Of a send to a user: to how many sessions it went. */
	struct store_result result;
	struct buf members, messages; /* The JSON arrays. */
	size_t total;
};

/* An answer: a document, or (code not NULL) what was refused, and why. */
struct native_reply {
	int status;
	const struct buf *body;
	const char *code;
	const char *detail;
	uint64_t expected; /* A member of the problem document; 0 for none. */
	const char *reason; /* Another one; NULL for none. */
};

/* Who is answered, and by what. */
typedef void native_answer_fn(void *asker, const struct native_reply *reply);

/* What comes when something has been asked for. */
typedef void native_next_fn(struct native_call *call);

struct native_call {
	LIST_ENTRY(native_call) in_calls;
	struct front *front;       /* Lent. */
	native_answer_fn *answer;
	void *asker;               /* NULL once the client left. */
	struct name id;
	const char *type;           /* Of a HEAD; lent. */
	struct store_opened opened; /* Of an opening. */
	char token[TOKEN_LEN + 1];
	struct native_request request; /* What it lends of the body is not used once the store was asked. */
	uint64_t next_seq;
	size_t count;
	struct answer *answers; /* Owned. */
	size_t silent;          /* So many of them, the last ones, are not told. */
	size_t rooms;           /* Of which members or history are told. */
	unsigned waiting;       /* Calls to the store that are under way. */
	bool failed;            /* One of them: the store is not there. */
	struct entry_id letter; /* Of a request for one. */
	bool has_key;           /* A backend's request may be repeated: */
	struct store_once once; /* by that. */
	bool api;               /* A backend's: one of those that may wait. */
	native_next_fn *finish;
	struct buf text;        /* What the request lends of, if it has to wait. */
	/* With --auth: */
	struct buf grants_text; /* What its session may do, ... */
	struct grants grants;   /* ... read. */
	bool had_grants;        /* It may stay if it gets no others. */
	struct buf claimed;     /* Public data that a token claims, or the application gives. */
	native_next_fn *next;
	/* With --hook, of an opening: */
	struct facts facts;
	bool again; /* It was let in before. */
	struct hook_answer ordered; /* What the application wants to be done besides. */
};

/* ---- native_call.c ---- */

struct native_call *native_call_new(struct front *front, native_answer_fn *answer, void *asker);
void native_call_free(struct native_call *call);

/* A call whose asker is a request; and that request kept while the store is asked. */
struct native_call *native_call_of(struct front *front, struct http_request *req);
void native_call_park(struct native_call *call);

/* Answer, if the client is still there, and free. */
void native_call_reply(struct native_call *call, int status, const struct buf *body);
void native_call_refuse(struct native_call *call, int status, const char *code, const char *detail);
void native_call_refuse_unavailable(struct native_call *call);
void native_call_refuse_gone(struct native_call *call);
void native_call_refuse_nobody(struct native_call *call); /* There is no session of the id that was asked about. */
void native_call_refuse_hole(struct native_call *call, uint64_t expected);

/* False, after an answer, if the session that was asked about is not there. */
bool native_call_found(struct native_call *call, const struct store_session *session);

/* Make room for one answer, about the room of this title.  False, after an answer, if that is no name of one; call is gone then. */
bool native_call_take_room(struct native_call *call, const char *title);

/* 403, with the application's word for why if there is one. */
void native_call_refuse_reason(struct native_call *call, const char *detail, const char *reason);

/* Answer a HEAD where GET would wait: as GET if the session is there, but it is no sink. */
void native_head(struct front *front, struct http_request *req, const struct name *id, const char *type);

void native_call_refuse_expired(struct native_call *call);
void native_call_refuse_forbidden(struct native_call *call);

/* A session is read no more, since it was closed or has no grants (any more): an answer, and a document, that say so. */
void native_refuse_end(struct http_request *req, enum sink_end why);
void native_write_end(struct buf *b, enum sink_end why);

/* Read the cursor of a request.  False, after an answer, if text is none.  NULL gives an empty one. */
bool native_read_cursor(struct front *front, struct http_request *req, const char *text, struct cursor *cursor);

/* False, after an answer, unless req has a well-formed token. */
bool native_authenticate(struct http_request *req, struct name *id);

/* The parsed request points into what it was parsed from. */
typedef bool native_parse_fn(struct native_request *, const char *body, size_t len, const struct native_limits *, struct native_error *);

/* Parse what is asked for.  False, after an answer, if it is wrong; call is gone then. */
bool native_call_parse(struct native_call *call, native_parse_fn *parse, const char *body, size_t len);

/* ---- native_grants.c: what a session may do ---- */

/*
 * Go on when it is known what session may do: without --auth at once, else when the store has told, unless that has ended (or the
 * session is gone), which is answered.
 */
void native_call_ask_grants(struct native_call *call, const struct name *session, native_next_fn *next);
/* Take grants as their text says.  False if they are none, or over. */
bool native_call_take_grants(struct native_call *call, const char *text, size_t len);
/* Mark those of call's operations that may not be done. */
void native_call_forbid(struct native_call *call);
/* May it do that with a room?  Without --auth always. */
bool native_call_may(const struct native_call *call, enum grants_right right, const char *room);

/* ---- native_auth.c: whose session it is ---- */

/* Go on when the JSON Web Token of req is good: what it grants is in call then, the public data that it claims in call's request. */
void native_call_judge(struct native_call *call, struct http_request *req, native_next_fn *next);
/* Go on when call's session has call's grants, and is in no room that these do not let it enter. */
void native_call_grant(struct native_call *call, native_next_fn *next);
/* A member that says how long they hold, if they have an end. */
void native_write_expires(struct buf *b, const struct native_call *call);

/* ---- native_hook.c: what the application says to an opening ---- */

/* Keep of req what the application is told. */
void native_call_keep_request(struct native_call *call, const struct http_request *req);
/* Go on when the application accepts the session, with the data and rooms that it gives; at once if it is not asked. */
void native_call_connect(struct native_call *call, native_next_fn *next);

/* The same about a session that was let in before, and may do nothing any more. */
void native_call_ask(struct native_call *call, native_next_fn *next);

/* ---- native.c ---- */

/* Parse the body of a send by session call->id, and apply it.  False, after an answer, if it is wrong; call is gone then. */
bool native_call_send(struct native_call *call, const char *body, size_t len);

/* ---- native_apply.c ---- */

/* Apply call's operations, gather what joins ask for besides, and finish.  seq as in store_apply. */
void native_call_apply(struct native_call *call, uint64_t seq);

/* The operations were applied: gather, and finish. */
void native_call_take(struct native_call *call, const struct store_applied *applied);

/* Ask for the members of the answer's room, and for its history if that is wanted; then finish. */
void native_call_ask_room(struct native_call *call, struct answer *answer);
/* The same for one of them, as a part of what call waits for. */
void native_call_ask_members(struct native_call *call, struct answer *answer, uint32_t max);
void native_call_ask_history(struct native_call *call, struct answer *answer, struct entry_id upto);

/* One of the calls to the store is over; after the last one, finish. */
void native_call_settle(struct native_call *call);

/* ---- native_answer.c ---- */

/* {"error":...}: in place of one of several results.  Neither text needs escaping. */
void native_write_error(struct buf *b, const char *code, const char *detail);
/* One answer; the JSON array of all; of members. */
void native_write_answer(struct buf *b, const struct answer *answer);
void native_write_answers(struct buf *b, const struct native_call *call);
/* The members of the object that tells of a session, without braces. */
void native_write_session(struct buf *b, const struct name *id, const struct store_session *session);
void native_write_members(struct buf *b, const struct store_members *members);
/* A native_call.finish: the answer is the members of the one room that was asked for. */
void native_finish_members(struct native_call *call);

#endif
