#include "net/http_uri.h"

#include <stdlib.h>

#include "../tap.h"

static void
test_paths(void)
{
	static const struct {
		const char *target, *path, *query;
	} cases[] = {
		{"/", "/", NULL},
		{"/a/b", "/a/b", NULL},
		{"/a?b=c", "/a", "b=c"},
		{"/a?", "/a", ""},
		{"/a?b?c", "/a", "b?c"},
		{"/a%20b+c", "/a b+c", NULL},
		{"/%41%c3%A4", "/A\xc3\xa4", NULL},
		{"/a%2Fb", "/a/b", NULL},
		{"/%2541", "/%41", NULL},
		{"/a/./b/.", "/a/b/", NULL},
		{"/a/b/../c", "/a/c", NULL},
		{"/a/b/..", "/a/", NULL},
		{"/a/b/../", "/a/", NULL},
		{"/..", "/", NULL},
		{"/../../etc/passwd", "/etc/passwd", NULL},
		{"/a/%2e%2E/%2e./b", "/b", NULL},
		{"/a/..%2f..%2f..%2fb", "/b", NULL},
		{"/a/.../b", "/a/.../b", NULL},
		{"/..a/b..", "/..a/b..", NULL},
		{"/.a", "/.a", NULL},
		{"//evil/x", "//evil/x", NULL},
		{"//../x", "/x", NULL},
		{"*", "/", NULL},
		{"http://host", "/", NULL},
		{"http://host?q", "/", "q"},
		{"http://host/a/../b?q=/x", "/b", "q=/x"},
		{"https://user@host:1/a", "/a", NULL},
		{"/a%00", NULL, NULL},
		{"/a%", NULL, NULL},
		{"/a%4", NULL, NULL},
		{"/a%4g", NULL, NULL},
		{"/a%%41", NULL, NULL},
		{"/a\\b", NULL, NULL},
		{"/a%5Cb", NULL, NULL},
		{"/a?b=%0", NULL, NULL},
		{"/a?b=%00", NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *target = strdup(cases[i].target), *query = NULL;
		const char *path = http_uri_split(target, &query);
		bool right = path ? cases[i].path && strcmp(path, cases[i].path) == 0 : !cases[i].path;

		if (right && path)
			right = query ? cases[i].query && strcmp(query, cases[i].query) == 0 : !cases[i].query;
		if (!ok(right, "the path of %s", cases[i].target))
			printf("#      got: %s ? %s\n", path ? path : "(refused)", query ? query : "(none)");
		free(target);
	}
}

static void
test_params(void)
{
	char query[] = "token=a%20b+c&&cursor=%26x=1&flag&empty=&token=second&%74wo=2&=none&a=b=c";
	struct http_params *params = http_params_new(query);

	is_string(http_params_get(params, "token"), "second", "the last parameter of a name wins");
	is_string(http_params_get(params, "cursor"), "&x=1", "a value is decoded after the query was cut into parameters");
	is_string(http_params_get(params, "x"), NULL, "so none can be smuggled in by a value");
	is_string(http_params_get(params, "flag"), "", "a parameter without = is empty");
	is_string(http_params_get(params, "empty"), "", "as is one with nothing behind it");
	is_string(http_params_get(params, "two"), "2", "a name is decoded as well");
	is_string(http_params_get(params, "a"), "b=c", "the first = ends the name");
	is_string(http_params_get(params, "other"), NULL, "there is no other");
	free(params);
	{
		char plus[] = "a=%2b1+1";

		params = http_params_new(plus);
		is_string(http_params_get(params, "a"), "+1 1", "+ is a space, %2b a plus");
		free(params);
	}
	{
		char none[] = "";

		params = http_params_new(none);
		is_string(http_params_get(params, ""), NULL, "an empty query has no parameter");
		free(params);
	}
}

int
main(void)
{
	test_paths();
	test_params();
	return done();
}
