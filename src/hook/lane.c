/*
 * A lane is one session's entries, done one after another: look at the session, ask the backend, finish the entry with what it
 * answered.  A lane is gone when it has no entries.
 *
 * What is answered goes into the session's mailbox for the most part, and a client may send faster than it takes that.  So nothing is
 * asked while the mailbox has little space, and no answer done for which it has too little: until the client has acknowledged
 * something, or has not for a while.
 */
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/grants.h"
#include "codec/message.h"
#include "codec/socketio.h"
#include "hook/private.h"

#define RETRY_FIRST_MS 500  /* What a retry waits for at most, and twice that the next one, ... */
#define RETRY_MOST_MS 60000 /* ... up to this. */
#define STORE_RETRY_MS 500
#define CLIENT_FIRST_MS 50  /* How long to wait for a client before its mailbox is looked at again, and twice that the next time, ... */
#define CLIENT_MOST_MS 1000 /* ... up to this. */
#define CLIENT_SPACE 64     /* Less than that, or than a quarter of the mailbox, is little. */
#define REMEMBER_MS 60000   /* That a client was waited for in vain. */

enum lane_state { LANE_IDLE, LANE_READY, LANE_LOOKING, LANE_ASKING, LANE_FINISHING, LANE_WAITING };

struct history { /* A history that is being read: it cannot be cancelled. */
	LIST_ENTRY(history) in_histories;
	struct lane *lane; /* NULL: nobody waits for it any more. */
	struct hook_history wanted; /* Of the lane's message. */
};

struct lane {
	UT_hash_handle hh;
	TAILQ_ENTRY(lane) in_ready;
	struct queue *queue;
	struct name session;
	enum lane_state state;
	TAILQ_HEAD(, job) jobs;
	unsigned count;            /* Of them. */
	bool is_aside;             /* It waits for its client. */
	bool is_resting;           /* It waits for as long as the backend said. */
	bool is_crowded;           /* Its mailbox had little space when that was looked at: ... */
	uint32_t seen;             /* ... so much.  Unless there is more, ... */
	int64_t patient_until;     /* ... the client is waited for until then, by clock_mono_ms. */
	int64_t pause;             /* Before its mailbox is looked at again. */
	uint32_t space;            /* Of its mailbox, when that was looked at; or whatever it takes. */
	unsigned attempt;          /* Of the first job: so often the backend was asked about it. */
	struct message *message;   /* The first job's. */
	struct ask *ask;
	struct store_call *call;
	struct history *history;
	struct event *timer;
	bool given_up;
	bool answered;             /* Then this is to be done: */
	struct hook_answer answer; /* what the backend said. */
	struct buf own;            /* Data of a message of the gateway's, ... */
	struct buf own_event;      /* ... and its event. */
};

/* ---- The first job ---- */

static bool
is_under_way(enum lane_state state)
{
	return state == LANE_LOOKING || state == LANE_ASKING || state == LANE_FINISHING;
}

static void
set_state(struct lane *lane, enum lane_state state)
{
	struct hook *hook = lane->queue->hook;
	unsigned more = (unsigned)is_under_way(state) - (unsigned)is_under_way(lane->state);

	lane->state = state;
	hook->running += more;
	lane->queue->running += more;
	metric_set(HOOK_RUNNING, hook->running);
}

static void
make_ready(struct lane *lane)
{
	set_state(lane, LANE_READY);
	TAILQ_INSERT_TAIL(&lane->queue->hook->ready, lane, in_ready);
}

/* While a lane is aside its entries are none of those that keep others from being read. */
static void
set_aside(struct lane *lane, bool is_aside)
{
	struct queue *queue = lane->queue;

	if (lane->is_aside == is_aside)
		return;
	lane->is_aside = is_aside;
	metric_add(HOOK_ASIDE, is_aside ? 1 : -1);
	if (is_aside)
		queue->aside += lane->count;
	else
		queue->aside -= lane->count;
	queue_read(queue);
}

/* There are no more jobs.  But should more come soon, the client has had its time. */
static void
leave(struct lane *lane)
{
	struct timeval tv = clock_timeval(REMEMBER_MS);

	if (lane->patient_until > 0 && clock_mono_ms() >= lane->patient_until)
		event_add(lane->timer, &tv);
	else
		lane_free(lane);
}

/* Forget the first job, and go on. */
static void
next_job(struct lane *lane)
{
	struct hook *hook = lane->queue->hook;
	struct queue *queue = lane->queue;
	struct job *job = TAILQ_FIRST(&lane->jobs);
	size_t len = job->len;

	TAILQ_REMOVE(&lane->jobs, job, in_lane);
	lane->count--;
	free(job);
	message_unref(lane->message);
	lane->message = NULL;
	lane->attempt = 0;
	lane->answered = lane->given_up = false;
	hook_answer_free(&lane->answer);
	set_state(lane, LANE_IDLE);
	if (TAILQ_EMPTY(&lane->jobs))
		leave(lane);
	else
		make_ready(lane);
	queue_done(queue, len);
	lanes_run(hook);
}

/* ---- Later ---- */

static void
set_resting(struct lane *lane, bool is_resting)
{
	lane->queue->resting += (unsigned)is_resting - (unsigned)lane->is_resting;
	lane->is_resting = is_resting;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;

	(void)fd, (void)what;
	set_resting(lane, false);
	if (TAILQ_EMPTY(&lane->jobs)) {
		lane_free(lane);
		return;
	}
	make_ready(lane);
	lanes_run(lane->queue->hook);
}

static void
wait(struct lane *lane, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	set_state(lane, LANE_WAITING);
	event_add(lane->timer, &tv);
}

/* Full jitter: anything from nothing to twice as much as the last time; and what the backend asks for, if that may be. */
static void
wait_for_retry(struct lane *lane, int64_t least)
{
	int64_t most = RETRY_FIRST_MS;
	uint32_t random;

	for (unsigned i = 1; i < lane->attempt && most < RETRY_MOST_MS; i++)
		most *= 2;
	if (most > RETRY_MOST_MS)
		most = RETRY_MOST_MS;
	evutil_secure_rng_get_bytes(&random, sizeof random);
	set_resting(lane, least > 0);
	wait(lane, random % most + (least < RETRY_MOST_MS ? least : RETRY_MOST_MS));
}

/* ---- Waiting for the client ---- */

/* How many entries the answer has for the session. */
static uint32_t
count_own(const struct lane *lane)
{
	uint32_t own = 0;

	for (size_t i = 0; i < lane->answer.count; i++) {
		const struct client_op *op = &lane->answer.ops[i];

		own += op->kind == CLIENT_SEND_USER || (op->kind == CLIENT_SEND_SESSION && name_equal(&op->to, &lane->session));
	}
	return own;
}

static uint32_t
space_wanted(const struct lane *lane)
{
	uint32_t max = lane->queue->hook->parts.options->mailbox_max, wanted = max / 4;

	if (lane->answered) {
		wanted = count_own(lane);
		return wanted < max ? wanted : max;
	}
	if (wanted == 0)
		return 1;
	return wanted < CLIENT_SPACE ? wanted : CLIENT_SPACE;
}

/* Is it worth to wait for this client?  Not if it is away, or has lost something anyway. */
static bool
may_wait_for_client(const struct lane *lane, const struct store_session *session)
{
	return session->status == STORE_OK && !session->away && !session->has_lost && !queue_is_heavy(lane->queue);
}

/* False if it goes on. */
static bool
wait_for_client(struct lane *lane, const struct store_session *session)
{
	bool may_wait = may_wait_for_client(lane, session), has_space = session->space >= space_wanted(lane);
	int64_t now = clock_mono_ms();

	if (may_wait && !has_space && (!lane->is_crowded || session->space > lane->seen)) {
		lane->patient_until = now + lane->queue->hook->parts.options->hook_timeout_ms;
		lane->pause = CLIENT_FIRST_MS;
	}
	lane->is_crowded = !has_space;
	lane->seen = session->space;
	if (!may_wait || has_space || now >= lane->patient_until) {
		lane->space = may_wait && has_space ? session->space : UINT32_MAX;
		set_aside(lane, false);
		return false;
	}
	wait(lane, lane->pause);
	set_aside(lane, true);
	if ((lane->pause *= 2) > CLIENT_MOST_MS)
		lane->pause = CLIENT_MOST_MS;
	return true;
}

/* ---- Finishing ---- */

static void
on_finished(void *arg, const struct store_applied *applied)
{
	struct lane *lane = arg;

	lane->call = NULL;
	if (applied->status != STORE_OK && applied->status != STORE_GONE) {
		wait(lane, STORE_RETRY_MS); /* What is to be done is known. */
		lanes_run(lane->queue->hook);
		return;
	}
	metric_add(HOOK_DONE, applied->status == STORE_OK && lane->answered);
	for (size_t i = 0; i < applied->count; i++)
		if (applied->results[i].code == STORE_QUEUE_FULL)
			log_warning("--hook: what follows from an event of %s is lost: the queue that it goes to is full", lane->session.s);
	next_job(lane);
}

static void
finish(struct lane *lane, const struct client_op *ops, size_t n)
{
	const struct job *job = TAILQ_FIRST(&lane->jobs);
	struct finish finish = {.queue = lane->queue->name, .entry = job->id, .count = n, .ops = ops};

	if (lane->given_up) {
		finish.letter = job->payload;
		finish.letter_len = job->len;
	}
	set_state(lane, LANE_FINISHING);
	lane->call = sessions_finish(lane->queue->hook->parts.sessions, &finish, on_finished, lane);
}

/* A message of the gateway's to the session, whose data is lane->own. */
static struct client_op
own_message(const struct lane *lane, const char *event)
{
	return (struct client_op){.kind = CLIENT_SEND_SESSION, .to = lane->session, .event = {event, strlen(event)},
	    .data = {lane->own.data, lane->own.len}};
}

/* The same: what a client of Socket.IO waits for. */
static struct client_op
own_answer(struct lane *lane, bool has_binaries)
{
	struct client_op op = own_message(lane, "");

	buf_clear(&lane->own_event);
	message_write_number(&lane->own_event, lane->message->address.number);
	op.event = (struct jspan){lane->own_event.data, lane->own_event.len};
	op.form = has_binaries ? CLIENT_ANSWER_BINARY : CLIENT_ANSWER;
	return op;
}

/* What the sender of a message that nobody answered is told. */
static struct client_op
failure(struct lane *lane)
{
	static const char code[] = "hook_failed", detail[] = "The application did not answer.";
	const struct message_address *address = &lane->message->address;

	buf_clear(&lane->own);
	if (!address->namespace.text) {
		hook_write_failure(&lane->own, TAILQ_FIRST(&lane->jobs)->id, code, detail);
		return own_message(lane, "\"$ack\"");
	}
	socketio_write_failure(&lane->own, address->asks, code, detail, lane->message->event);
	return address->asks ? own_answer(lane, false) : own_message(lane, "\"$error\"");
}

static void
finish_failed(struct lane *lane)
{
	struct client_op op = failure(lane);

	finish(lane, &op, hook_kind_of(lane->message) == HOOK_MESSAGE);
}

/* Nobody will ask about it any more, unless somebody looks after dead letters; whoever sent it is told. */
static void
give_up(struct lane *lane, const char *why)
{
	metric_add(HOOK_DROPPED, 1);
	log_error("--hook: a %s of %s was not answered well in %u attempts, and is a dead letter; the last time: %s",
	    hook_kind_names[hook_kind_of(lane->message)], lane->session.s, lane->attempt, why);
	lane->given_up = true;
	finish_failed(lane);
}

/* ---- Asking ---- */

static void look(struct lane *);

static void
finish_answered(struct lane *lane)
{
	if (space_wanted(lane) > lane->space)
		look(lane);
	else
		finish(lane, lane->answer.ops, lane->answer.count);
}

static void
on_answer(void *arg, const struct asked *asked)
{
	struct lane *lane = arg;
	struct hook *hook = lane->queue->hook;

	lane->ask = NULL;
	if (asked->answer) {
		lane->answered = true;
		lane->answer = *asked->answer;
		*asked->answer = (struct hook_answer){0};
		finish_answered(lane);
	} else if (lane->attempt > hook->parts.options->hook_retries) {
		give_up(lane, asked->why);
	} else {
		wait_for_retry(lane, asked->retry_after_ms);
	}
	lanes_run(hook);
}

static void
ask(struct lane *lane, const struct store_session *session)
{
	struct hook *hook = lane->queue->hook;
	const struct message *message = lane->message;
	struct hook_event event = hook_event_of(message, TAILQ_FIRST(&lane->jobs)->id);
	const char **rooms = NULL;
	struct grants grants;

	if (session && session->status == STORE_OK) {
		if (grants_read(&grants, session->grants.text, session->grants.len))
			event.user = grants.user;
		event.has_session = true;
		event.away = session->away;
		if (session->data_len)
			event.session_data = (struct jspan){session->data, session->data_len};
		event.rooms = rooms = mem_zero(session->rooms_count + 1, sizeof *rooms);
		for (; event.rooms_count < session->rooms_count; event.rooms_count++)
			rooms[event.rooms_count] = session->rooms[event.rooms_count].title;
	}
	lane->attempt++;
	lane->ask = ask_start(hook, hook->fetcher, &event, lane->attempt, on_answer, lane);
	free(rooms);
	if (lane->ask) {
		set_state(lane, LANE_ASKING);
		return;
	}
	lane->attempt--;
	wait(lane, STORE_RETRY_MS);
}

/* ---- Histories ---- */

static void
history_free(struct history *history)
{
	LIST_REMOVE(history, in_histories);
	hook_history_free(&history->wanted);
	free(history);
}

static void
write_messages(struct buf *b, struct history *history, struct message *const *messages, size_t count)
{
	buf_adds(b, "[");
	for (size_t i = 0; i < count; i++) {
		struct jspan data = message_first(messages[i]);

		history->wanted.has_binaries |= history->wanted.is_bare && message_has_binary(messages[i]->flag);
		buf_adds(b, i > 0 ? "," : "");
		if (!history->wanted.is_bare)
			native_write_message(b, messages[i]);
		else if (data.text)
			buf_add(b, data.text, data.len);
		else
			buf_adds(b, "null");
	}
	buf_adds(b, "]");
}

static void
finish_history(struct lane *lane, const struct hook_history *history)
{
	struct client_op op;

	if (!history->ack.text)
		op = own_message(lane, "\"$history\"");
	else if (lane->message->address.namespace.text)
		op = own_answer(lane, history->has_binaries);
	else
		op = own_message(lane, "\"$ack\"");
	finish(lane, &op, 1);
}

static void
on_history(void *arg, enum store_status status, struct message *const *messages, size_t count)
{
	struct history *history = arg;
	struct lane *lane = history->lane;
	struct buf list = BUF_EMPTY;

	if (!lane) {
		history_free(history);
		return;
	}
	lane->history = NULL;
	if (status != STORE_OK) {
		history_free(history);
		wait(lane, STORE_RETRY_MS);
		lanes_run(lane->queue->hook);
		return;
	}
	write_messages(&list, history, messages, count);
	buf_clear(&lane->own);
	hook_write_history(&lane->own, &history->wanted, &list);
	finish_history(lane, &history->wanted);
	buf_free(&list);
	history_free(history);
}

static void
read_messages(struct history *history, struct entry_id upto)
{
	const struct hook_parts *parts = &history->lane->queue->hook->parts;
	struct history_query query = {.title = history->wanted.title.data, .upto = upto, .wanted = history->wanted.max,
	    .max_bytes = parts->options->max_message};
	struct buf event = BUF_EMPTY;

	if (history->wanted.event.text && jspan_text(history->wanted.event, &event))
		query.event = event.data;
	sessions_history(parts->sessions, &query, on_history, history);
	buf_free(&event);
}

static void
read_history(struct lane *lane, const struct store_session *session)
{
	struct history *history = mem_zero(1, sizeof *history);
	struct entry_id upto = entry_id_newest;

	LIST_INSERT_HEAD(&lane->queue->hook->histories, history, in_histories);
	if (!hook_read_history(&history->wanted, lane->message->data)) {
		history_free(history);
		finish(lane, NULL, 0);
		return;
	}
	history->lane = lane;
	lane->history = history;
	/* What came after it had entered the room it gets anyway. */
	for (size_t i = 0; history->wanted.is_joined && i < session->rooms_count; i++)
		if (strcmp(session->rooms[i].title, history->wanted.title.data) == 0)
			upto = session->rooms[i].since;
	read_messages(history, upto);
}

void
histories_free(struct hook *hook)
{
	while (!LIST_EMPTY(&hook->histories))
		history_free(LIST_FIRST(&hook->histories));
}

/* ---- Lanes ---- */

static void
on_look(void *arg, const struct store_session *session)
{
	struct lane *lane = arg;
	struct hook *hook = lane->queue->hook;

	lane->call = NULL;
	if (session->status != STORE_OK && session->status != STORE_GONE) {
		wait(lane, STORE_RETRY_MS);
		lanes_run(hook);
	} else if (wait_for_client(lane, session)) {
		lanes_run(hook);
	} else if (lane->answered) {
		finish(lane, lane->answer.ops, lane->answer.count);
	} else if (hook_is_history(lane->message)) {
		read_history(lane, session);
	} else {
		ask(lane, session);
	}
}

static void
look(struct lane *lane)
{
	set_state(lane, LANE_LOOKING);
	lane->space = 0;
	if (hook_is_history(lane->message) || hook_kind_of(lane->message) != HOOK_DISCONNECT) {
		lane->call = store_measure(lane->queue->hook->parts.store, &lane->session, space_wanted(lane), on_look, lane);
		return;
	}
	lane->space = UINT32_MAX;
	ask(lane, NULL);
}

static void
start(struct lane *lane)
{
	struct job *job = TAILQ_FIRST(&lane->jobs);

	if (!lane->message)
		lane->message = message_new(job->id, NULL, job->payload, job->len);
	if (!lane->message)
		finish(lane, NULL, 0); /* Not ours. */
	else if (lane->answered)
		finish_answered(lane);
	else if (lane->given_up)
		finish_failed(lane);
	else
		look(lane);
}

void
lanes_run(struct hook *hook)
{
	unsigned most = ask_limit(hook);
	struct lane *lane;

	while (!hook->draining && hook->running < most && (lane = TAILQ_FIRST(&hook->ready))) {
		TAILQ_REMOVE(&hook->ready, lane, in_ready);
		set_state(lane, LANE_IDLE);
		if (!lane->queue->leaving)
			start(lane);
	}
}

void
lane_add(struct queue *queue, const struct store_entry *entry)
{
	struct job *job = mem_alloc(sizeof *job + entry->len + 1);
	enum message_flag flag;
	struct name session = {""};
	struct lane *lane;

	job->id = entry->id;
	job->len = entry->len;
	memcpy(job->payload, entry->payload, entry->len);
	job->payload[entry->len] = '\0';
	message_peek(entry->payload, entry->len, &flag, &session);
	HASH_FIND(hh, queue->lanes, session.s, NAME_LEN, lane);
	if (!lane) {
		lane = mem_zero(1, sizeof *lane);
		lane->queue = queue;
		lane->session = session;
		lane->timer = evtimer_new(queue->hook->parts.base, on_timer, lane);
		TAILQ_INIT(&lane->jobs);
		HASH_ADD(hh, queue->lanes, session.s, NAME_LEN, lane);
	}
	TAILQ_INSERT_TAIL(&lane->jobs, job, in_lane);
	lane->count++;
	queue->aside += lane->is_aside;
	if (lane->state == LANE_IDLE) {
		event_del(lane->timer);
		make_ready(lane);
	}
}

struct lane *
lane_next(const struct lane *lane)
{
	return lane->hh.next;
}

void
lane_free(struct lane *lane)
{
	struct hook *hook = lane->queue->hook;
	struct job *job;

	HASH_DEL(lane->queue->lanes, lane);
	if (lane->state == LANE_READY)
		TAILQ_REMOVE(&hook->ready, lane, in_ready);
	set_state(lane, LANE_IDLE);
	set_resting(lane, false);
	if (lane->is_aside) {
		lane->queue->aside -= lane->count;
		metric_add(HOOK_ASIDE, -1);
	}
	ask_cancel(lane->ask);
	if (lane->history)
		lane->history->lane = NULL;
	store_cancel(lane->call);
	while ((job = TAILQ_FIRST(&lane->jobs))) {
		TAILQ_REMOVE(&lane->jobs, job, in_lane);
		free(job);
	}
	message_unref(lane->message);
	hook_answer_free(&lane->answer);
	buf_free(&lane->own);
	buf_free(&lane->own_event);
	event_free(lane->timer);
	free(lane);
}
