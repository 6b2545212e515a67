/*
 * pollgatectl: one request of the API of backends, from a shell.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "codec/native_read.h"
#include "ctl/ask.h"
#include "ctl/options.h"
#include "ctl/verb.h"
#include "pollcat/report.h"

enum { KEY_FILE_MAX = 65536 }; /* The gateway's limit for its own. */

/* ---- The key ---- */

static bool
is_key(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return len > 0;
}

/* The first line that is no comment, so that the gateway's own file will do.  To be freed; NULL after telling why there is none. */
static char *
read_key(const char *path)
{
	struct buf text;
	struct secret_line line = {0};
	const char *wrong = secret_read(&text, path, KEY_FILE_MAX);
	char *key = NULL;

	if (!wrong && secret_next_line(&line, &text) && is_key(line.text, line.len))
		key = mem_copy(line.text, line.len);
	else
		report("--key-file %s: %s", path, wrong ? wrong : "there is no key in it");
	secret_wipe(&text);
	return key;
}

/* ---- The answer ---- */

static enum status
print(const char *text, size_t len)
{
	struct buf line = BUF_EMPTY;
	bool written;

	buf_add(&line, text, len);
	buf_adds(&line, "\n");
	report_tame(line.data, line.len, "\n\t");
	written = fwrite(line.data, 1, line.len, stdout) == line.len && fflush(stdout) == 0;
	buf_free(&line);
	return written ? STATUS_OK : STATUS_FAILED;
}

static enum status
no_answer(void)
{
	report("the answer is not one of a pollgate");
	return STATUS_FAILED;
}

/* Each on a line, those that were refused on standard error. */
static enum status
print_results(const struct ctl_answer *answer)
{
	struct jspan results, result;
	uint64_t seq;
	size_t at = 0;
	enum status status = STATUS_OK;

	if (!native_read_sent(&seq, &results, answer->body.data, answer->body.len))
		return no_answer();
	while (status != STATUS_FAILED && jspan_next_element(results, &at, &result)) {
		struct native_problem problem = {0};

		if (native_read_refusal(&problem, result)) {
			report("%s: %s", problem.code.data, problem.detail.data ? problem.detail.data : "");
			status = STATUS_REFUSED;
		} else if (print(result.text, result.len) != STATUS_OK) {
			status = STATUS_FAILED;
		}
		native_problem_free(&problem);
	}
	return status;
}

/* Each element on a line, and ask for more: the request has a list no more if there is none. */
static enum status
print_list(struct ctl_request *request, const struct ctl_answer *answer)
{
	const char *const names[] = {request->list, "next"};
	struct jspan document, values[2] = {{NULL, 0}}, element;
	struct buf next = BUF_EMPTY;
	struct entry_id place;
	enum status status = STATUS_OK;
	size_t at = 0;

	if (jspan_check(&document, answer->body.data, answer->body.len) && jspan_type(document) == JSPAN_OBJECT)
		jspan_pick(document, names, values, 2);
	if (jspan_type(values[0]) != JSPAN_ARRAY)
		return no_answer();
	while (status == STATUS_OK && jspan_next_element(values[0], &at, &element))
		status = print(element.text, element.len);
	if (status == STATUS_OK && jspan_string(values[1], &next) && next.len > 0 && entry_id_parse(&place, next.data, next.len))
		ctl_request_next(request, next.data);
	else
		request->list = NULL;
	buf_free(&next);
	return status;
}

/* Whether it was refused for what it is, and not for who asks, or whom. */
static bool
is_refusal(int status, const char *code)
{
	return status >= 400 && status < 500 && status != 401 && status != 403 && strcmp(code, "api_disabled") != 0 &&
	    strcmp(code, "not_found") != 0;
}

static enum status
report_problem(const struct ctl_answer *answer)
{
	struct native_problem problem = {0};
	enum status status;

	if (!native_read_problem(&problem, answer->body.data, answer->body.len)) {
		native_problem_free(&problem);
		return no_answer();
	}
	report("%s: %s", problem.code.data, problem.detail.data ? problem.detail.data : "");
	status = is_refusal(answer->status, problem.code.data) ? STATUS_REFUSED : STATUS_FAILED;
	native_problem_free(&problem);
	return status;
}

static enum status
print_answer(struct ctl_request *request, const struct ctl_answer *answer)
{
	struct jspan document;

	if (answer->status != 200)
		return report_problem(answer);
	if (request->results)
		return print_results(answer);
	if (request->list)
		return print_list(request, answer);
	if (!jspan_check(&document, answer->body.data, answer->body.len))
		return no_answer();
	return print(document.text, document.len);
}

/* ---- All of it ---- */

static enum status
ask(const struct ctl_options *o)
{
	struct http *http = http_new(&o->gateway);
	struct ctl_request request = {0};
	struct ctl_answer answer = {0};
	char *key = NULL;
	enum status status = STATUS_USAGE;

	if (ctl_request_make(&request, o)) {
		key = read_key(o->key_file);
		do {
			buf_free(&answer.body);
			status = key && ctl_ask(&answer, http, o, key, &request) ? print_answer(&request, &answer) : STATUS_FAILED;
		} while (status == STATUS_OK && request.list);
	}
	free(key);
	ctl_request_free(&request);
	buf_free(&answer.body);
	http_free(http);
	return status;
}

int
main(int argc, char **argv)
{
	struct ctl_options options;
	enum status status = STATUS_OK;

	signal(SIGPIPE, SIG_IGN);
	if (!ctl_options_parse(&options, argc, argv)) {
		status = STATUS_USAGE;
	} else if (!ctl_options_inform(&options)) {
		report_verbose(options.gateway.verbose);
		status = ask(&options);
	}
	ctl_options_free(&options);
	return (int)status;
}
