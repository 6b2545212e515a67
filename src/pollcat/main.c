/*
 * pollcat: standard input to messages, messages to standard output, until one of the ends that were asked for.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pollcat/check.h"
#include "pollcat/http.h"
#include "pollcat/input.h"
#include "pollcat/options.h"
#include "pollcat/outbox.h"
#include "pollcat/output.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"
#include "pollcat/session.h"
#include "pollcat/state.h"

enum { CLOSE_LIMIT_MS = 2000 };

struct cat {
	struct cat_options options;
	struct http *http;
	struct state state;
	struct session *session;
	struct input *input; /* NULL: at its end, or not read. */
	struct outbox *outbox;
	struct output *output;
	int signals;
	int64_t deadline;
	bool told_id;
	bool opened;
	bool ended;
	int status;
	int by_signal; /* 0: by none. */
};

static void
end(struct cat *cat, enum status status)
{
	if (cat->ended)
		return;
	cat->ended = true;
	cat->status = (int)status;
}

static void
on_failed(void *arg, const char *why)
{
	struct cat *cat = arg;

	report("%s", why);
	end(cat, STATUS_FAILED);
}

static void
on_loss(void *arg)
{
	struct cat *cat = arg;

	if (cat->options.strict)
		end(cat, STATUS_LOSS);
}

/* ---- Output ---- */

static bool
output_done(const struct cat *cat)
{
	return cat->options.count > 0 && output_count(cat->output) >= cat->options.count;
}

/* Lines that wait are still sent when --count is reached, but no more are read. */
static void
after_output(struct cat *cat)
{
	bool broken;

	if (!output_flush(cat->output, &broken))
		end(cat, broken ? STATUS_FAILED : STATUS_OK);
	else if (!state_save(&cat->state))
		end(cat, STATUS_FAILED);
	if (output_done(cat)) {
		input_free(cat->input);
		cat->input = NULL;
	}
}

static bool
on_received(void *arg, const struct native_batch *batch)
{
	struct cat *cat = arg;

	if ((batch->gaps.text && !output_gaps(cat->output, batch->gaps)) || !output_messages(cat->output, batch->messages)) {
		on_failed(cat, "a poll was answered with something else than messages");
		return false;
	}
	/* A batch of which --count left something out comes again to who resumes. */
	if (!output_done(cat)) {
		buf_clear(&cat->state.cursor);
		buf_add(&cat->state.cursor, batch->cursor.data, batch->cursor.len);
	}
	after_output(cat);
	if (batch->gaps.text)
		on_loss(cat);
	return !output_done(cat);
}

static void
on_opened(void *arg, const struct name *id, uint64_t seq)
{
	struct cat *cat = arg;

	report_detail("session %s, next number %llu", id->s, (unsigned long long)seq);
	if (cat->options.id && !cat->told_id)
		output_id(cat->output, id);
	cat->told_id = true;
	cat->opened = true;
	after_output(cat);
	outbox_begin(cat->outbox, seq);
}

static void
on_history(void *arg, struct jspan messages)
{
	struct cat *cat = arg;

	if (output_messages(cat->output, messages))
		after_output(cat);
	else
		on_failed(cat, "the opening was answered with something else than messages");
}

static void
on_lost(void *arg)
{
	struct cat *cat = arg;

	outbox_stop(cat->outbox);
	cat->opened = false;
	report("the session is gone; messages may be missing, and the last ones sent may arrive twice");
	on_loss(cat);
}

static void
on_gone(void *arg)
{
	struct cat *cat = arg;

	session_renew(cat->session);
}

/* ---- Input ---- */

static void
on_line(void *arg, uint64_t number, const char *line, size_t len)
{
	struct cat *cat = arg;

	outbox_add(cat->outbox, number, line, len);
}

static bool
wants_input(const struct cat *cat)
{
	return cat->input && !outbox_full(cat->outbox);
}

static bool
is_ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) > 0;
}

static void
read_input(struct cat *cat)
{
	if (!wants_input(cat) || !is_ready(STDIN_FILENO, POLLIN))
		return;
	if (!input_read(cat->input)) {
		input_free(cat->input);
		cat->input = NULL;
	}
}

/* ---- The loop ---- */

static void
catch_signals(struct cat *cat)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cat->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
read_signals(struct cat *cat)
{
	struct signalfd_siginfo info;

	if (read(cat->signals, &info, sizeof info) == sizeof info) {
		cat->by_signal = (int)info.ssi_signo;
		end(cat, STATUS_OK);
	}
}

/* All was sent, and nothing is waited for: what there is to wait for says --count or --timeout, or that no input is read. */
static bool
is_done(const struct cat *cat)
{
	const struct cat_options *o = &cat->options;
	bool sends = (o->room || o->to) && !o->receive_only;

	if (cat->input || outbox_waiting(cat->outbox) > 0 || !cat->opened)
		return false;
	return output_done(cat) || o->send_only || (sends && o->count == 0 && o->timeout_ms == 0);
}

static void
on_deadline(struct cat *cat)
{
	bool missed = cat->options.count > 0 || outbox_waiting(cat->outbox) > 0 || !cat->opened;

	end(cat, missed ? STATUS_TIMEOUT : STATUS_OK);
}

static int64_t
min_due(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
turn(struct cat *cat)
{
	struct http_fd fds[] = {{cat->signals, true}, {STDOUT_FILENO, false}, {STDIN_FILENO, true}};
	size_t n = wants_input(cat) ? 3 : 2;
	int64_t due = min_due(min_due(session_due(cat->session), outbox_due(cat->outbox)), cat->deadline), now = clock_mono_ms();

	http_turn(cat->http, fds, n, due == NEVER ? 60000 : due > now ? due - now : 0);
	read_signals(cat);
	if (!cat->ended)
		read_input(cat);
	if (!cat->ended && is_ready(STDOUT_FILENO, 0))
		end(cat, STATUS_OK); /* Nobody reads it any more. */
	if (!cat->ended && is_done(cat))
		end(cat, STATUS_OK);
	if (!cat->ended && clock_mono_ms() >= cat->deadline)
		on_deadline(cat);
	if (!cat->ended) {
		session_turn(cat->session);
		outbox_turn(cat->outbox);
	}
}

/* ---- The end ---- */

static void
on_closed(void *arg, const struct http_answer *answer)
{
	bool *closed = arg;

	(void)answer;
	*closed = true;
}

/* A session that is not to be resumed is closed, so that others see it leave now. */
static void
close_session(struct cat *cat)
{
	struct http_ask ask = {.method = "POST", .path = "/v1/close", .token = cat->state.token, .body = "", .limit_ms = CLOSE_LIMIT_MS};
	bool closed = false;

	if (!cat->opened || cat->state.path)
		return;
	http_start(cat->http, &ask, on_closed, &closed);
	while (!closed)
		http_turn(cat->http, NULL, 0, CLOSE_LIMIT_MS);
}

static void
run(struct cat *cat)
{
	static const struct session_events session_events = {on_opened, on_history, on_received, on_lost, on_failed};
	static const struct outbox_events outbox_events = {on_gone, on_loss, on_failed};
	const struct cat_options *o = &cat->options;
	bool reads = (o->room || o->to) && !o->receive_only;

	if (!state_load(&cat->state, o->token_file)) {
		cat->status = STATUS_FAILED;
		return;
	}
	cat->deadline = o->timeout_ms ? clock_mono_ms() + o->timeout_ms : NEVER;
	cat->output = output_new(o, cat->state.seen);
	cat->session = session_new(o, cat->http, &cat->state, &session_events, cat);
	cat->outbox = outbox_new(o, cat->http, cat->state.token, &outbox_events, cat);
	cat->input = reads ? input_new((size_t)o->max_line, on_line, cat) : NULL;
	session_turn(cat->session);
	while (!cat->ended)
		turn(cat);
	outbox_stop(cat->outbox);
	session_free(cat->session);
	close_session(cat);
	if (outbox_waiting(cat->outbox) > 0)
		report("%zu messages were not sent, or their answers not received", outbox_waiting(cat->outbox));
	if (cat->status == STATUS_OK && (outbox_refused(cat->outbox) > 0 || outbox_waiting(cat->outbox) > 0))
		cat->status = STATUS_REFUSED;
	input_free(cat->input);
	outbox_free(cat->outbox);
	output_free(cat->output);
}

/* As if the signal had not been caught, for who looks at how it ended. */
static void
die_by(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	signal(signo, SIG_DFL);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int
main(int argc, char **argv)
{
	struct cat cat = {.signals = -1, .state = {.lock = -1}};
	struct cat_options *o = &cat.options;

	if (!cat_options_parse(o, argc, argv)) {
		cat.status = STATUS_USAGE;
	} else if (!cat_options_inform(o)) {
		report_verbose(o->gateway.verbose);
		if (!o->check)
			catch_signals(&cat);
		cat.http = http_new(&o->gateway);
		if (o->check)
			cat.status = check_gateway(cat.http);
		else
			run(&cat);
		http_free(cat.http);
	}
	state_free(&cat.state);
	cat_options_free(o);
	if (cat.by_signal)
		die_by(cat.by_signal);
	return cat.status;
}
