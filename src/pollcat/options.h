/*
 * pollcat's command line.
 */
#ifndef POLLCAT_OPTIONS_H
#define POLLCAT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pollcat/gateway.h"

enum transport { TRANSPORT_POLL, TRANSPORT_SSE, TRANSPORT_WS };

struct cat_options {
	struct gateway gateway;
	bool check;
	const char *room; /* These are lent by argv; NULL: none. */
	const char *to;
	const char *event;
	const char *data; /* Valid JSON. */
	const char *token_file;
	enum transport transport;
	uint32_t history;
	uint64_t count; /* 0: any number. */
	int64_t timeout_ms; /* 0: none. */
	int64_t max_line;
	bool json, json_in, presence, id, strict, send_only, receive_only;
};

/* False after telling the user what is wrong; cat_options_free is due either way. */
bool cat_options_parse(struct cat_options *options, int argc, char **argv);
void cat_options_free(struct cat_options *options);
/* If --help or --version is given: say it, and return true. */
bool cat_options_inform(const struct cat_options *options);

#endif
