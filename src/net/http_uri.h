/*
 * The two parts of a request target that a router needs: the path, made safe, and the parameters of the query.  RFC 3986, and
 * the form encoding of query strings.  Works in place: what is decoded never grows.
 */
#ifndef NET_HTTP_URI_H
#define NET_HTTP_URI_H

#include <stddef.h>

struct http_params;

/*
 * Split target (as http_check_head lets it through) into its path, which is returned, and its query, NULL if there is none.  The
 * path begins with '/', is percent-decoded once and has no dot segments.  NULL for a bad or zero percent escape anywhere, or a
 * backslash in the path.  Both live in target, which is overwritten.
 */
char *http_uri_split(char *target, char **query);

/* Decode a query that http_uri_split made, in place ('+' is a space); lives as long as query.  Free it with free(). */
struct http_params *http_params_new(char *query);

/* The value of the last parameter of that name, "" if it has none; NULL if there is no such parameter. */
const char *http_params_get(const struct http_params *params, const char *name);

#endif
