/*
 * What a request says of who sent it, as the application is told of those who connect.
 */
#ifndef FRONT_FACTS_H
#define FRONT_FACTS_H

struct hook_event;
struct http_request;

/* Owned; NULL for what it does not say. */
struct facts {
	char *origin, *user_agent, *address, *forwarded_for;
};

void facts_keep(struct facts *facts, const struct http_request *req);
void facts_free(struct facts *facts);
/* Lends them. */
void facts_tell(const struct facts *facts, struct hook_event *event);

#endif
