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
	struct buf path; /* With a query, if any. */
	struct buf body;
	bool changes;    /* Something: it needs an idempotency key to be repeated. */
	bool lists;      /* The answer has results, each of which may be refused. */
};

/* False after telling the user what is wrong with verb and arguments.  Needs ctl_request_free either way. */
bool ctl_request_make(struct ctl_request *request, const struct ctl_options *options);
void ctl_request_free(struct ctl_request *request);

#endif
