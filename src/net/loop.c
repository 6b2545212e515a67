#include "net/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"

static void
on_libevent_log(int severity, const char *message)
{
	if (severity == EVENT_LOG_ERR)
		log_error("libevent: %s", message);
	else if (severity == EVENT_LOG_WARN)
		log_warning("libevent: %s", message);
	else
		log_debug("libevent: %s", message);
}

struct event_base *
loop_new(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(on_libevent_log);
	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (!base) {
		log_error("cannot make an event loop");
		abort();
	}
	return base;
}
