/*
 * Fuzzes what a backend answers, to each kind of event; and secrets.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/hook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct native_limits limits = {.ops = 8, .event = 32, .room_name = 32, .history = 20, .message = 200, .data = 100};

/* What was taken can be done: see core/session.c. */
static void
check_op(const struct client_op *op)
{
	bool sends = op->kind == CLIENT_SEND_ROOM || op->kind == CLIENT_SEND_SESSION;
	bool in_room = op->kind == CLIENT_SEND_ROOM || op->kind == CLIENT_JOIN || op->kind == CLIENT_LEAVE;

	if ((in_room && !op->room) || (sends && !op->event.text) || op->data.len > 4096)
		abort();
	if (op->room && !native_room_name(op->room, strlen(op->room), limits.room_name))
		abort();
}

/* What was put into the queue is read there, and what comes of it is JSON. */
static void
read_history(struct jspan data)
{
	struct buf list = BUF_EMPTY, text = BUF_EMPTY;
	struct hook_history history;
	struct jspan value;

	buf_adds(&list, "[]");
	if (!hook_read_history(&history, data))
		abort();
	hook_write_history(&text, &history, &list);
	if (!jspan_check(&value, text.data, text.len))
		abort();
	hook_history_free(&history);
	buf_free(&list);
	buf_free(&text);
}

static void
read_answer(const struct hook_event *event, const char *text, size_t len)
{
	struct hook_answer answer;
	struct native_error error;

	if (!hook_read_answer(&answer, event, text, len, &limits, &error)) {
		if (!error.code)
			abort();
		return;
	}
	if (answer.count > limits.ops + 1) /* One is the ack's. */
		abort();
	for (size_t i = 0; i < answer.count; i++) {
		check_op(&answer.ops[i]);
		if (answer.ops[i].kind == CLIENT_EVENT)
			read_history(answer.ops[i].data);
	}
	hook_answer_free(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hook_event event = {.session = {"0123456789012345678901"}};
	char *text = mem_copy(data, size);
	const char *wrong;

	for (int kind = 0; kind < HOOK_KINDS; kind++) {
		event.kind = (enum hook_kind)kind;
		event.namespace = (struct jspan){NULL, 0};
		read_answer(&event, text, size);
		event.namespace = (struct jspan){"/admin", 6};
		event.asks = size % 2 == 0;
		read_answer(&event, text, size);
	}
	hook_secrets_free(hook_secrets_read(text, size, &wrong));
	free(text);
	return 0;
}
