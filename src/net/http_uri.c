#include "net/http_uri.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

struct http_params {
	size_t count;
	struct {
		const char *name;
		const char *value;
	} param[];
};

static int
hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* Whether each '%' begins an escape, and none of a NUL. */
static bool
are_escapes_right(const char *s)
{
	for (s = strchr(s, '%'); s; s = strchr(s + 3, '%'))
		if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]) || (s[1] == '0' && s[2] == '0'))
			return false;
	return true;
}

static void
decode(char *s, bool plus)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (*s == '%') {
			*to = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		} else {
			*to = plus && *s == '+' ? ' ' : *s;
		}
	}
	*to = '\0';
}

/* RFC 3986 5.2.4, for a path that begins with '/'. */
static void
resolve_dots(char *path)
{
	char *from = path, *to = path;

	while (*from) {
		size_t len = 1 + strcspn(from + 1, "/"); /* A slash and the segment behind it. */
		bool dot = len == 2 && from[1] == '.';
		bool dots = len == 3 && from[1] == '.' && from[2] == '.';

		if (dots)
			while (to > path && *--to != '/')
				;
		if (!dot && !dots) {
			memmove(to, from, len);
			to += len;
		} else if (from[len] == '\0') {
			*to++ = '/';
		}
		from += len;
	}
	*to = '\0';
}

char *
http_uri_split(char *target, char **query)
{
	char *path = target;

	*query = strchr(target, '?');
	if (*query)
		*(*query)++ = '\0';
	if (path[0] != '/') { /* "*", or a URL. */
		path = strstr(path, "://");
		path = path ? strchr(path + 3, '/') : NULL;
		if (!path) {
			target[0] = '/';
			target[1] = '\0';
			path = target;
		}
	}
	if (!are_escapes_right(path) || (*query && !are_escapes_right(*query)))
		return NULL;
	decode(path, false);
	if (strchr(path, '\\'))
		return NULL;
	resolve_dots(path);
	return path;
}

struct http_params *
http_params_new(char *query)
{
	struct http_params *params;
	size_t n = 1;
	char *pair;

	for (const char *p = query; *p; p++)
		n += *p == '&';
	params = mem_alloc(sizeof(*params) + n * sizeof(params->param[0]));
	params->count = 0;
	while ((pair = strsep(&query, "&"))) {
		char *value = strchr(pair, '=');

		if (*pair == '\0')
			continue;
		if (value) {
			*value++ = '\0';
			decode(value, true);
		}
		decode(pair, true);
		params->param[params->count].name = pair;
		params->param[params->count++].value = value ? value : "";
	}
	return params;
}

const char *
http_params_get(const struct http_params *params, const char *name)
{
	for (size_t i = params->count; i-- > 0;)
		if (strcmp(params->param[i].name, name) == 0)
			return params->param[i].value;
	return NULL;
}
