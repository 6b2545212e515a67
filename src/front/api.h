/* What the files of the API share. */
#ifndef FRONT_API_H
#define FRONT_API_H

#include <stdbool.h>

#include "front/native_call.h"

/* The call of a backend's request; NULL, after an answer, if it is not to be served. */
struct native_call *api_begin(struct front *front, struct http_request *req);

/* Set call->id to what part of the path says.  False, after an answer, if it is no id. */
bool api_read_id(struct native_call *call, const char *part);

/* Set call->once if the request has an idempotency key.  False, after an answer, if that is none. */
bool api_read_once(struct native_call *call, struct http_request *req);

/* Answer what was not applied. */
void api_refuse_order(struct native_call *call, enum store_status status);

/* Answer with body, an object that ends with a list, and with where that goes on if there is more; frees body. */
void api_reply_list(struct native_call *call, struct buf *body, bool more, struct entry_id next);

#endif
