/* Who sent a request: see facts.h. */
#include "front/facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hook/hook.h"
#include "net/http.h"

#define MOST 1024 /* Bytes of each that are kept. */

static char *
keep_header(const struct http_request *req, const char *name)
{
	const char *value = http_header(req, name);

	return value ? mem_copy(value, strnlen(value, MOST)) : NULL;
}

void
facts_keep(struct facts *facts, const struct http_request *req)
{
	facts->origin = keep_header(req, "Origin");
	facts->user_agent = keep_header(req, "User-Agent");
	facts->forwarded_for = keep_header(req, "X-Forwarded-For");
	facts->address = mem_string(http_peer(req));
}

void
facts_free(struct facts *facts)
{
	free(facts->origin);
	free(facts->user_agent);
	free(facts->address);
	free(facts->forwarded_for);
	*facts = (struct facts){0};
}

void
facts_tell(const struct facts *facts, struct hook_event *event)
{
	event->origin = facts->origin;
	event->user_agent = facts->user_agent;
	event->address = facts->address;
	event->forwarded_for = facts->forwarded_for;
}
