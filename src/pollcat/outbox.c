#include "pollcat/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "codec/native_read.h"
#include "pollcat/report.h"
#include "pollcat/retry.h"

enum { OPS_MAX = 64, BODY_AIM = 256 << 10, WAITING_MAX = 512, WAITING_BYTES = 1 << 20, ANSWER_LIMIT_MS = 20000 };

struct entry {
	struct entry *next;
	uint64_t number;
	size_t len;
	char *data; /* Owned: JSON. */
};

struct outbox {
	const struct cat_options *options;
	struct http *http;
	const char *token;
	const struct outbox_events *events;
	void *arg;
	struct buf head; /* Of an operation, up to its data. */

	struct entry *first, **last;
	size_t count, bytes;
	uint64_t refused;

	bool begun;
	uint64_t seq;      /* Of the first entry. */
	size_t asked;      /* So many of them are in the request that is to be answered. */
	size_t most;       /* In a request: fewer while one of them is not acceptable. */
	struct http_call *call;
	struct retry retry;
};

struct outbox *
outbox_new(const struct cat_options *options, struct http *http, const char *token, const struct outbox_events *events, void *arg)
{
	struct outbox *outbox = mem_zero(1, sizeof *outbox);
	struct buf *head = &outbox->head;
	const char *target = options->to ? options->to : options->room ? options->room : "";

	*outbox = (struct outbox){.options = options, .http = http, .token = token, .events = events, .arg = arg, .most = OPS_MAX,
	    .retry = RETRY_IDLE};
	outbox->last = &outbox->first;
	buf_addf(head, "{\"op\":\"send\",\"%s\":", options->to ? "to" : "room");
	jspan_quote(head, target, strlen(target));
	buf_adds(head, ",\"event\":");
	jspan_quote(head, options->event, strlen(options->event));
	buf_adds(head, ",\"data\":");
	return outbox;
}

static void
drop_first(struct outbox *outbox)
{
	struct entry *entry = outbox->first;

	outbox->first = entry->next;
	if (!outbox->first)
		outbox->last = &outbox->first;
	outbox->count--;
	outbox->bytes -= entry->len;
	free(entry->data);
	free(entry);
}

void
outbox_free(struct outbox *outbox)
{
	if (!outbox)
		return;
	outbox_stop(outbox);
	while (outbox->first)
		drop_first(outbox);
	buf_free(&outbox->head);
	free(outbox);
}

static void
refuse(struct outbox *outbox, uint64_t number, const char *why)
{
	outbox->refused++;
	report("line %llu was not sent: %s", (unsigned long long)number, why);
}

/* Why it cannot be a message; NULL if it can. */
static const char *
find_fault(bool json, const char *line, size_t len)
{
	struct jspan value;

	if (!line)
		return "it is longer than --max-line";
	if (json)
		return jspan_check(&value, line, len) ? NULL : "it is not JSON";
	return utf8_check(line, len) ? NULL : "it is not UTF-8";
}

void
outbox_add(struct outbox *outbox, uint64_t number, const char *line, size_t len)
{
	bool json = outbox->options->json_in;
	const char *fault = find_fault(json, line, len);
	struct buf data = BUF_EMPTY;
	struct entry *entry;

	if (fault) {
		refuse(outbox, number, fault);
		return;
	}
	if (json)
		buf_add(&data, line, len);
	else
		jspan_quote(&data, line, len);
	entry = mem_zero(1, sizeof *entry);
	*entry = (struct entry){.number = number, .len = data.len, .data = data.data};
	*outbox->last = entry;
	outbox->last = &entry->next;
	outbox->count++;
	outbox->bytes += entry->len;
}

/* How many entries the next request takes. */
static size_t
choose(const struct outbox *outbox)
{
	size_t n = 0, bytes = 0;

	for (const struct entry *entry = outbox->first; entry && n < outbox->most; entry = entry->next) {
		bytes += outbox->head.len + entry->len;
		if (n > 0 && bytes > BODY_AIM)
			break;
		n++;
	}
	return n;
}

static void on_answer(void *arg, const struct http_answer *answer);

static void
ask(struct outbox *outbox)
{
	struct buf body = BUF_EMPTY;
	const struct entry *entry = outbox->first;
	struct http_ask request = {.method = "POST", .path = "/v1/send", .token = outbox->token, .limit_ms = ANSWER_LIMIT_MS};

	if (outbox->asked == 0)
		outbox->asked = choose(outbox);
	buf_addf(&body, "{\"seq\":%llu,\"ops\":[", (unsigned long long)outbox->seq);
	for (size_t i = 0; i < outbox->asked; i++, entry = entry->next) {
		if (i > 0)
			buf_adds(&body, ",");
		buf_add(&body, outbox->head.data, outbox->head.len);
		buf_add(&body, entry->data, entry->len);
		buf_adds(&body, "}");
	}
	buf_adds(&body, "]}");
	request.body = body.data;
	request.len = body.len;
	outbox->call = http_start(outbox->http, &request, on_answer, outbox);
	buf_free(&body);
}

static bool
take_results(struct outbox *outbox, const struct http_answer *answer)
{
	struct native_problem problem = {0};
	struct jspan results, result;
	uint64_t seq;
	size_t at = 0;

	if (!native_read_sent(&seq, &results, answer->body, answer->len) || seq != outbox->seq + outbox->asked)
		return false;
	for (; outbox->asked > 0; outbox->asked--) {
		if (jspan_next_element(results, &at, &result) && native_read_refusal(&problem, result))
			refuse(outbox, outbox->first->number, problem.detail.len ? problem.detail.data : problem.code.data);
		drop_first(outbox);
	}
	outbox->seq = seq;
	outbox->most = outbox->most * 2 < OPS_MAX ? outbox->most * 2 : OPS_MAX;
	native_problem_free(&problem);
	return true;
}

/* A request is refused as a whole, and nothing in it was applied: parted until the line that is to blame is alone. */
static void
take_refusal(struct outbox *outbox, const struct native_problem *problem)
{
	if (outbox->asked > 1) {
		outbox->most = outbox->asked / 2;
	} else {
		refuse(outbox, outbox->first->number, problem->detail.len ? problem->detail.data : problem->code.data);
		drop_first(outbox);
	}
	outbox->asked = 0;
}

static void
take_problem(struct outbox *outbox, const struct http_answer *answer)
{
	struct native_problem problem = {0};
	struct buf why = BUF_EMPTY;
	bool known = native_read_problem(&problem, answer->body, answer->len);

	if (answer->status == 410 && known) {
		outbox->events->gone(outbox->arg);
	} else if (answer->status == 409 && known && problem.expected > 0) {
		report("the gateway has lost what was sent before number %llu", (unsigned long long)outbox->seq);
		outbox->seq = problem.expected;
		outbox->asked = 0;
		outbox->events->lost(outbox->arg);
	} else if ((answer->status == 400 || answer->status == 413) && known) {
		take_refusal(outbox, &problem);
	} else {
		buf_addf(&why, "a send was answered %d: %s", answer->status, known && problem.detail.len ? problem.detail.data : "no problem document");
		outbox->events->failed(outbox->arg, why.data);
	}
	buf_free(&why);
	native_problem_free(&problem);
}

static void
on_answer(void *arg, const struct http_answer *answer)
{
	struct outbox *outbox = arg;

	outbox->call = NULL;
	if (http_may_repeat(answer)) {
		if (!retry_later(&outbox->retry, answer->retry_after_ms, outbox->options->gateway.give_up_ms))
			outbox->events->failed(outbox->arg, answer->status ? "the gateway answers no send" : answer->body);
		return;
	}
	retry_worked(&outbox->retry);
	if (answer->status == 0)
		outbox->events->failed(outbox->arg, answer->body);
	else if (answer->status != 200)
		take_problem(outbox, answer);
	else if (!take_results(outbox, answer))
		outbox->events->failed(outbox->arg, "a send was answered with something else than its results");
}

void
outbox_begin(struct outbox *outbox, uint64_t seq)
{
	outbox->begun = true;
	outbox->seq = seq;
	outbox->asked = 0;
}

void
outbox_stop(struct outbox *outbox)
{
	outbox->begun = false;
	http_cancel(outbox->call);
	outbox->call = NULL;
	outbox->retry = (struct retry)RETRY_IDLE;
}

bool
outbox_full(const struct outbox *outbox)
{
	return outbox->count >= WAITING_MAX || outbox->bytes >= WAITING_BYTES;
}

size_t
outbox_waiting(const struct outbox *outbox)
{
	return outbox->count;
}

uint64_t
outbox_refused(const struct outbox *outbox)
{
	return outbox->refused;
}

int64_t
outbox_due(const struct outbox *outbox)
{
	return outbox->begun ? outbox->retry.due : NEVER;
}

void
outbox_turn(struct outbox *outbox)
{
	if (!outbox->begun || outbox->call || outbox->count == 0)
		return;
	if (outbox->retry.due == NEVER || retry_take(&outbox->retry))
		ask(outbox);
}
