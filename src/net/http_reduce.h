/*
 * A request's head without the headers that nobody here reads: of a browser's fifteen, three are left.  evhttp makes two strings
 * and a list entry of each, which would be a third of all that a request costs.
 */
#ifndef NET_HTTP_REDUCE_H
#define NET_HTTP_REDUCE_H

#include <stdbool.h>
#include <stddef.h>

/* May the header of this name be asked for with http_header?  Of some only in requests with a body. */
bool http_keeps_header(const char *name, size_t len);

/*
 * Move what is kept of the checked head at p to the end of its len bytes; returns how many at its start are not needed.
 * Without has_body it says nothing of a body either.
 */
size_t http_reduce_head(char *p, size_t len, bool has_body);

#endif
