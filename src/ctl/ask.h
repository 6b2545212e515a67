/*
 * One request to the gateway, asked again until there is an answer.
 */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include <stdbool.h>

#include "base/buf.h"
#include "ctl/options.h"
#include "ctl/verb.h"
#include "pollcat/http.h"

struct ctl_answer {
	int status;
	struct buf body; /* NUL-terminated. */
};

/*
 * False after telling the user why there is no answer.  What changes something is asked with one idempotency key each time.  key
 * is the backend's.  The answer needs buf_free.
 */
bool ctl_ask(struct ctl_answer *answer, struct http *http, const struct ctl_options *options, const char *key,
    const struct ctl_request *request);

#endif
