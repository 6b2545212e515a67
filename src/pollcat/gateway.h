/*
 * How pollcat and pollgatectl reach their gateway: the options that both have.
 */
#ifndef POLLCAT_GATEWAY_H
#define POLLCAT_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gateway {
	const char *program; /* Who asks; lent. */
	char *url; /* Owned.  Without a slash at its end. */
	const char *cacert; /* Lent by argv; NULL: the system's. */
	int64_t give_up_ms;
	bool insecure, verbose, help, version;
	size_t headers_count;
	char **headers; /* Owned, what it points to lent by argv. */
};

#define GATEWAY_INIT(name) {.program = (name), .give_up_ms = 30000}

/* For getopt_long. */
enum { GATEWAY_GIVE_UP = 256, GATEWAY_CACERT, GATEWAY_OPTIONS_END };

#define GATEWAY_SHORT_OPTIONS "H:kvhV"
#define GATEWAY_LONG_OPTIONS \
	{"give-up", required_argument, NULL, GATEWAY_GIVE_UP}, \
	{"header", required_argument, NULL, 'H'}, \
	{"cacert", required_argument, NULL, GATEWAY_CACERT}, \
	{"insecure", no_argument, NULL, 'k'}, \
	{"verbose", no_argument, NULL, 'v'}, \
	{"help", no_argument, NULL, 'h'}, \
	{"version", no_argument, NULL, 'V'}, \
	{NULL, 0, NULL, 0}

#define GATEWAY_HELP \
	"  --give-up TIME     end when there was no answer for so long (30s)\n" \
	"  -H, --header LINE  add this header to each request\n" \
	"  --cacert FILE      trust the certificate authorities in this file\n" \
	"  -k, --insecure     do not verify the certificate\n" \
	"  -v, --verbose      tell what is done on standard error\n" \
	"  -h, --help         show this\n" \
	"  -V, --version      show the version\n"

/* One of the options above.  NULL, or what it takes. */
const char *gateway_take_option(struct gateway *gateway, int option, char *value);

/* NULL, or what is wrong with the URL. */
const char *gateway_take_url(struct gateway *gateway, const char *text);

/* If --help or --version is given: say it, and return true. */
bool gateway_inform(const struct gateway *gateway, const char *help);

/* What it owns. */
void gateway_free(struct gateway *gateway);

#endif
