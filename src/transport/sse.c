/* Server-sent events: see sse.h. */
#include "transport/sse.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "core/hub.h"
#include "net/http.h"
#include "transport/spread.h"

enum {
	PRELUDE = 2048,         /* Some proxies and browsers hold back what is less. */
	RETRY_MS = 1000,        /* A client comes back after so long, or half as long again. */
	CATCH_UP_MS = 5000,     /* So long for the store to tell of the session. */
	DRAINING_LIFE_MS = 200, /* Of a stream that begins while draining. */
	PROBES = 6,
	PROBE_MS = 1000,
	TEXT_KEPT = 65536,
};

/* A probe is a stream without a reader. */
struct stream {
	struct sink sink; /* First: the hub's view of this. */
	struct streams *streams;
	const struct stream_protocol *protocol;
	struct http_request *req;
	struct reader *reader;
	struct event timer;
	int64_t ends_at, sent_at;
	bool started; /* The answer has. */
	bool told;    /* An event with an id was sent. */
	bool paused;
	char *nonce; /* Owned.  Of a probe. */
	int probes;  /* Sent. */
	LIST_ENTRY(stream) in_streams;
};

struct streams {
	struct event_base *base; /* Lent, as is hub. */
	struct hub *hub;
	struct streams_config config;
	bool draining;
	LIST_HEAD(, stream) open;
	struct buf event; /* That is being written, and its data. */
	struct buf data;
};

/* The readers were stopped; req is answered or gone. */
static void
stream_free(struct stream *stream)
{
	LIST_REMOVE(stream, in_streams);
	event_del(&stream->timer);
	metric_add(SSE_OPEN, -1);
	free(stream->nonce);
	free(stream);
}

/* ---- The timer: comments, probes, the end ---- */

static void
wake_at(struct stream *stream, int64_t at)
{
	struct timeval tv = clock_timeval(at - clock_mono_ms());

	event_add(&stream->timer, &tv);
}

static void
wake_when_due(struct stream *stream)
{
	int64_t comment_at = stream->sent_at + stream->streams->config.comment_ms;

	wake_at(stream, comment_at < stream->ends_at ? comment_at : stream->ends_at);
}

/* ---- Writing ---- */

static void
send_text(struct stream *stream, const char *text, size_t len)
{
	size_t waiting = http_stream_write(stream->req, text, len);

	stream->sent_at = clock_mono_ms();
	if (stream->reader && !stream->paused && waiting >= stream->streams->config.backlog) {
		stream->paused = true;
		reader_pause(stream->reader);
	}
}

/* Data may have line ends between its tokens: each line is a field of its own. */
static void
add_data(struct buf *event, const char *data, size_t len)
{
	const char *end = data + len;

	while (data <= end) {
		size_t n = 0;

		while (data + n < end && data[n] != '\n' && data[n] != '\r')
			n++;
		buf_adds(event, "data: ");
		buf_add(event, data, n);
		buf_adds(event, "\n");
		data += n + 1;
	}
}

/* name: NULL for a batch, of which cursor is the id. */
static void
send_event(struct stream *stream, const char *name, const struct cursor *cursor)
{
	struct buf *event = &stream->streams->event, *data = &stream->streams->data;

	buf_clear(event);
	if (name)
		buf_addf(event, "event: %s\n", name);
	if (cursor) {
		buf_adds(event, "id: ");
		cursor_write(event, cursor);
		buf_adds(event, "\n");
	}
	add_data(event, data->data ? data->data : "", data->len);
	buf_adds(event, "\n");
	send_text(stream, event->data, event->len);
	if (data->room > TEXT_KEPT)
		buf_free(data);
	if (event->room > TEXT_KEPT)
		buf_free(event);
}

static void
send_batch(struct stream *stream, const struct batch *batch)
{
	stream->told = true;
	buf_clear(&stream->streams->data);
	stream->protocol->write_batch(&stream->streams->data, batch);
	send_event(stream, NULL, batch->cursor);
}

static void
send_empty(struct stream *stream)
{
	struct cursor cursor;
	struct batch nothing = {.cursor = &cursor};

	reader_cursor(stream->reader, &cursor);
	send_batch(stream, &nothing);
	cursor_free(&cursor);
}

static void
on_drained(void *arg)
{
	struct stream *stream = arg;

	if (!stream->paused)
		return;
	stream->paused = false;
	reader_resume(stream->reader);
}

/* The head, and what makes those let the events through who hold back the beginning of an answer. */
static void
begin(struct stream *stream)
{
	struct streams *streams = stream->streams;
	int64_t life_ms = streams->draining ? DRAINING_LIFE_MS : spread_around(streams->config.life_ms);

	if (stream->started)
		return;
	stream->started = true;
	buf_clear(&streams->event);
	buf_addf(&streams->event, ":%*s\n\nretry: %d\n\n", PRELUDE - 1, "", RETRY_MS + (int)spread_below(RETRY_MS / 2));
	http_stream_start(stream->req, 200, STREAM_TYPE, on_drained);
	stream->ends_at = clock_mono_ms() + life_ms;
	send_text(stream, streams->event.data, streams->event.len);
	wake_when_due(stream);
}

/* ---- The end ---- */

static void
finish(struct stream *stream)
{
	if (stream->reader)
		reader_stop(stream->reader, NULL);
	http_stream_end(stream->req);
	stream_free(stream);
}

static void
end_for_good(struct stream *stream, enum sink_end why)
{
	if (stream->started) {
		buf_clear(&stream->streams->data);
		stream->protocol->write_end(&stream->streams->data, why);
		send_event(stream, why == SINK_EXPIRED ? "expired" : "gone", NULL);
		finish(stream);
		return;
	}
	reader_stop(stream->reader, NULL);
	stream->protocol->refuse(stream->req, why);
	stream_free(stream);
}

static void
end_taken(struct stream *stream)
{
	metric_add(SSE_TAKEN_OVER, 1);
	begin(stream);
	buf_clear(&stream->streams->data);
	buf_adds(&stream->streams->data, "{}");
	send_event(stream, "taken", NULL);
	finish(stream);
}

static void
on_gone(void *arg)
{
	struct stream *stream = arg;

	metric_add(SSE_ABANDONED, 1);
	if (stream->reader)
		reader_stop(stream->reader, NULL);
	stream_free(stream);
}

/* ---- What the hub calls ---- */

static bool
on_deliver(struct sink *sink, const struct batch *batch)
{
	struct stream *stream = (struct stream *)sink;

	begin(stream);
	send_batch(stream, batch);
	return true;
}

static void
on_end(struct sink *sink, enum sink_end why)
{
	struct stream *stream = (struct stream *)sink;

	if (why == SINK_TAKEN)
		end_taken(stream);
	else
		end_for_good(stream, why);
}

/* The client shall see that events come through, and have an id from the beginning. */
static void
on_caught_up(struct sink *sink)
{
	struct stream *stream = (struct stream *)sink;

	if (stream->told)
		return;
	reader_idle(stream->reader); /* With the cursor that it came with the client has said that it has all. */
	begin(stream);
	send_empty(stream);
}

static const struct sink_ops stream_ops = {on_deliver, on_end, on_caught_up};

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	int64_t now = clock_mono_ms();

	(void)fd, (void)what;
	if (!stream->started) { /* The store does not answer.  The client waits here as well as elsewhere. */
		begin(stream);
		return;
	}
	if (now >= stream->ends_at) {
		finish(stream);
		return;
	}
	if (now - stream->sent_at >= stream->streams->config.comment_ms && !stream->paused)
		send_text(stream, ":\n\n", 3);
	else if (stream->paused)
		stream->sent_at = now;
	wake_when_due(stream);
}

/* ---- Beginning ---- */

static struct stream *
stream_new(struct streams *streams, struct http_request *req, event_callback_fn on_timer_fn)
{
	struct stream *stream = mem_zero(1, sizeof *stream);

	metric_add(SSE, 1);
	metric_add(SSE_OPEN, 1);
	stream->sink.ops = &stream_ops;
	stream->streams = streams;
	stream->req = req;
	LIST_INSERT_HEAD(&streams->open, stream, in_streams);
	event_assign(&stream->timer, streams->base, -1, 0, on_timer_fn, stream);
	http_park(req, on_gone, stream);
	return stream;
}

void
stream_start(struct streams *streams, struct http_request *req, const struct name *session, const struct cursor *cursor,
    const struct stream_protocol *protocol)
{
	struct stream *stream = stream_new(streams, req, on_timer);

	stream->protocol = protocol;
	wake_at(stream, clock_mono_ms() + CATCH_UP_MS);
	stream->reader = reader_start(streams->hub, session, cursor, &stream->sink);
}

/* ---- Probes ---- */

static void
on_probe_timer(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	struct buf *data = &stream->streams->data;

	(void)fd, (void)what;
	if (stream->probes == PROBES || stream->streams->draining) {
		finish(stream);
		return;
	}
	buf_clear(data);
	buf_addf(data, "{\"probe\":\"%s\",\"n\":%d}", stream->nonce, stream->probes++);
	send_event(stream, "probe", NULL);
	wake_at(stream, clock_mono_ms() + PROBE_MS);
}

void
stream_probe(struct streams *streams, struct http_request *req, const char *nonce)
{
	char *copy = mem_string(nonce); /* http_park gives back what it points to. */
	struct stream *stream = stream_new(streams, req, on_probe_timer);

	stream->nonce = copy;
	begin(stream);
	wake_at(stream, 0);
}

/* ---- All of them ---- */

struct streams *
streams_new(struct event_base *base, struct hub *hub, const struct streams_config *config)
{
	struct streams *streams = mem_zero(1, sizeof *streams);

	streams->base = base;
	streams->hub = hub;
	streams->config = *config;
	LIST_INIT(&streams->open);
	return streams;
}

void
streams_drain(struct streams *streams, int64_t over_ms)
{
	int64_t now = clock_mono_ms();
	struct stream *stream;

	streams->draining = true;
	LIST_FOREACH(stream, &streams->open, in_streams) {
		stream->ends_at = now + spread_below(over_ms);
		if (stream->started)
			wake_at(stream, stream->ends_at);
	}
}

void
streams_free(struct streams *streams)
{
	if (!streams)
		return;
	assert(LIST_EMPTY(&streams->open));
	buf_free(&streams->event);
	buf_free(&streams->data);
	free(streams);
}
