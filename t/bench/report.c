#include "report.h"

#include <stdio.h>
#include <stdlib.h>

#include "util.h"

#define MAX_FIGURES 40

struct report {
	const char *peer, *scenario; /* Lent. */
	int count;
	struct {
		const char *name, *meaning; /* Lent. */
		double value;
	} figures[MAX_FIGURES];
};

struct report *
report_new(const char *peer, const char *scenario)
{
	struct report *r = alloc_zeroed(1, sizeof(*r));

	r->peer = peer;
	r->scenario = scenario;
	return r;
}

void
report_add(struct report *r, const char *name, double value, const char *meaning)
{
	if (r->count == MAX_FIGURES)
		die("too many figures");
	r->figures[r->count].name = name;
	r->figures[r->count].meaning = meaning;
	r->figures[r->count++].value = value;
}

void
report_print(const struct report *r, bool json)
{
	if (json)
		printf("{\"peer\":\"%s\",\"scenario\":\"%s\"", r->peer, r->scenario);
	else
		printf("%s, %s\n", r->peer, r->scenario);
	for (int i = 0; i < r->count; i++)
		if (json)
			printf(",\"%s\":%.6g", r->figures[i].name, r->figures[i].value);
		else
			printf("  %12.6g  %-28s %s\n", r->figures[i].value, r->figures[i].name, r->figures[i].meaning);
	printf(json ? "}\n" : "");
	fflush(stdout);
}

void
report_free(struct report *r)
{
	free(r);
}
