#include "client.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "stream.h"
#include "util.h"

#define OPENERS 64

struct client {
	SLIST_ENTRY(client) entry;
	struct load *load;
	struct session session;
	const char *room;       /* Lent. */
	uint32_t home;          /* The base URL of all its requests, if the system needs that. */
	message_fn *on_message; /* NULL: does not poll. */
	void *message_arg;
	char *sending; /* Owned.  The body on its way. */
	char to[32];
	bool to_room;
	sent_fn *on_sent;
	void *sent_arg;
	struct conn *polls[MAX_URLS], *sends[MAX_URLS]; /* Owned; NULL until needed. */
	struct stream *stream; /* The same, for systems that push. */
};

static struct request request;

static struct conn *
pick(struct client *c, struct conn **conns)
{
	struct load *load = c->load;
	uint32_t i = load->peer->sticky ? c->home : random_below(load->urls_count);

	if (conns[i] == NULL)
		conns[i] = conn_new(load->base, &load->urls[i]);
	request.url = &load->urls[i];
	return conns[i];
}

static void
complain(struct load *load, const char *what, const struct answer *answer)
{
	if (load->failed++ < 3)
		fprintf(stderr, "pollbench: %s: %d %.300s\n", what, answer->status, answer->status ? answer->body : "connection lost");
}

static void
later(struct load *load, event_callback_fn fn, void *arg)
{
	struct timeval delay = {.tv_usec = 50000};

	event_base_once(load->base, -1, EV_TIMEOUT, fn, arg, &delay);
}

struct client *
client_new(struct load *load, const char *room)
{
	struct client *c = alloc_zeroed(1, sizeof(*c));

	c->load = load;
	c->room = room;
	c->home = random_below(load->urls_count);
	name_random(c->session.id);
	snprintf(c->session.room, sizeof(c->session.room), "%s", room ? room : "");
	SLIST_INSERT_HEAD(&load->clients, c, entry);
	return c;
}

void
load_end(struct load *load)
{
	struct client *c;

	while ((c = SLIST_FIRST(&load->clients)) != NULL) {
		SLIST_REMOVE_HEAD(&load->clients, entry);
		for (size_t i = 0; i < MAX_URLS; i++) {
			conn_free(c->polls[i]);
			conn_free(c->sends[i]);
		}
		stream_free(c->stream);
		free(c->sending);
		free(c);
	}
}

const char *
client_id(const struct client *c)
{
	return c->session.id;
}

/* ---- Opening ---- */

struct opener { /* Makes sessions, one after the other, until none is left. */
	struct openings *opening;
	struct client *client;
	struct conn *conns[MAX_URLS]; /* Owned. */
};

struct openings {
	struct load *load;
	struct client **clients; /* Lent. */
	size_t next, done, count;
	struct opener openers[OPENERS];
};

static void open_next(struct opener *);
static void open_more(struct opener *);

static void
on_opened(void *arg, const struct answer *answer)
{
	struct opener *o = arg;

	switch (o->opening->load->peer->opened(&o->client->session, answer)) {
	case OPEN_REFUSED:
		die("no session: %d %s", answer->status, answer->status ? answer->body : "connection lost");
	case OPEN_MORE:
		open_more(o);
		return;
	case OPEN_DONE:
		o->opening->done++;
		open_next(o);
	}
}

static void
open_more(struct opener *o)
{
	struct conn *conn = pick(o->client, o->conns);

	o->opening->load->peer->open(&request, &o->client->session);
	conn_request(conn, request.text, request.len, on_opened, o);
}

static void
open_next(struct opener *o)
{
	struct openings *opening = o->opening;

	if (opening->next == opening->count)
		return;
	o->client = opening->clients[opening->next++];
	open_more(o);
}

void
clients_open(struct load *load, struct client **clients, size_t n)
{
	struct openings *opening;

	if (load->peer->open == NULL)
		return;
	opening = alloc_zeroed(1, sizeof(*opening));
	opening->load = load;
	opening->clients = clients;
	opening->count = n;
	for (size_t i = 0; i < OPENERS; i++) {
		opening->openers[i].opening = opening;
		open_next(&opening->openers[i]);
	}
	while (opening->done < n)
		event_base_loop(load->base, EVLOOP_ONCE);
	for (size_t i = 0; i < OPENERS; i++)
		for (size_t j = 0; j < MAX_URLS; j++)
			conn_free(opening->openers[i].conns[j]);
	free(opening);
}

/* ---- Polling ---- */

static void poll_again(struct client *);

static void
on_poll_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	poll_again(arg);
}

static void
on_polled(void *arg, const struct answer *answer)
{
	struct client *c = arg;
	struct load *load = c->load;

	if (load->peer->polled(&c->session, answer, c->on_message, c->message_arg)) {
		load->polls++;
		poll_again(c);
	} else {
		complain(load, "poll", answer);
		later(load, on_poll_time, c);
	}
}

static void
poll_again(struct client *c)
{
	struct conn *conn = pick(c, c->polls);

	c->load->peer->poll(&request, &c->session, c->room);
	conn_request(conn, request.text, request.len, on_polled, c);
}

/* ---- Being pushed to ---- */

static void take_sent(struct client *);
static void follow(struct client *);

static void
on_follow_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	follow(arg);
}

static ssize_t
on_pushed(void *arg, char *data, size_t len)
{
	struct client *c = arg;
	static struct request reply; /* Messages make other clients send meanwhile. */
	struct pushed pushed = {.reply = &reply};
	ssize_t used;

	reply.len = 0;
	used = c->load->peer->push->take(&c->session, data, len, &pushed, c->on_message, c->message_arg);
	if (reply.len > 0)
		stream_write(c->stream, reply.text, reply.len);
	c->load->pushes += used > 0;
	for (; pushed.sent > 0; pushed.sent--)
		take_sent(c);
	return used;
}

static void
on_stream_ended(void *arg)
{
	static const struct answer none;
	struct client *c = arg;

	c->stream = NULL;
	complain(c->load, "stream", &none);
	later(c->load, on_follow_time, c);
}

static void
follow(struct client *c)
{
	static const struct stream_handler handler = {on_pushed, on_stream_ended};
	struct load *load = c->load;
	const struct push *push = load->peer->push;

	request.url = &load->urls[random_below(load->urls_count)];
	push->begin(&request, &c->session, c->on_message != NULL);
	c->stream = stream_new(load->base, request.url, request.text, request.len, push->status, &handler, c);
}

void
client_poll(struct client *c, message_fn *on_message, void *arg)
{
	c->on_message = on_message;
	c->message_arg = arg;
	if (c->load->peer->push)
		follow(c);
	else
		poll_again(c);
}

void
clients_poll(struct client **clients, size_t n, message_fn *on_message)
{
	for (size_t i = 0; i < n; i++) {
		client_poll(clients[i], on_message, clients[i]);
		if (i % 64 == 63)
			event_base_loop(clients[i]->load->base, EVLOOP_NONBLOCK);
	}
}

/* ---- Sending ---- */

static void send_it(struct client *);

static void
take_sent(struct client *c)
{
	c->load->sends++;
	free(c->sending);
	c->sending = NULL;
	c->on_sent(c->sent_arg);
}

static void
on_send_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	send_it(arg);
}

static void
on_sent(void *arg, const struct answer *answer)
{
	struct client *c = arg;

	if (c->load->peer->sent(&c->session, answer)) {
		take_sent(c);
	} else {
		complain(c->load, "send", answer);
		later(c->load, on_send_time, c);
	}
}

static void
send_it(struct client *c)
{
	const struct peer *peer = c->load->peer;
	bool pushes = peer->push && peer->push->sends;
	struct conn *conn = pushes ? NULL : pick(c, c->sends);

	if (pushes && c->stream == NULL)
		follow(c);
	if (pushes && peer->push->is_ready && !peer->push->is_ready(&c->session)) {
		later(c->load, on_send_time, c);
		return;
	}
	peer->send(&request, &c->session, c->to, c->to_room, c->sending);
	if (!pushes) {
		conn_request(conn, request.text, request.len, on_sent, c);
		return;
	}
	stream_write(c->stream, request.text, request.len);
	if (!peer->push->answers)
		take_sent(c);
}

void
client_send(struct client *c, const char *to, bool room, const char *body, sent_fn *sent, void *arg)
{
	snprintf(c->to, sizeof(c->to), "%s", to);
	c->to_room = room;
	c->sending = strdup(body);
	if (c->sending == NULL)
		die("out of memory");
	c->on_sent = sent;
	c->sent_arg = arg;
	send_it(c);
}
