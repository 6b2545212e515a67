/*
 * What is asked for, as a request of the API: pollgate-api(7).
 */
#ifndef CTL_VERB_H
#define CTL_VERB_H

#include <stdbool.h>

#include "base/buf.h"
#include "ctl/options.h"

struct ctl_request {
	const char *method;
	struct buf path;  /* With a query, if any. */
	struct buf body;
	bool changes;     /* Something: it needs an idempotency key to be repeated. */
	bool results;     /* The answer has some, each of which may be refused. */
	const char *list; /* The answer is a part of a list of this name; NULL if it is none. */
};

/* False after telling the user what is wrong with verb and arguments.  Needs ctl_request_free either way. */
bool ctl_request_make(struct ctl_request *request, const struct ctl_options *options);
/* Of a list: ask for the part that `next` of the answer stands for. */
void ctl_request_next(struct ctl_request *request, const char *next);
void ctl_request_free(struct ctl_request *request);

#endif
