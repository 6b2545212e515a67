#include "pollcat/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/units.h"

static const char *
take_header(struct gateway *gateway, char *line)
{
	if (!strchr(line, ':') || strpbrk(line, "\r\n"))
		return "--header takes a line such as \"Name: value\"";
	gateway->headers = mem_resize(gateway->headers, gateway->headers_count + 1, sizeof *gateway->headers);
	gateway->headers[gateway->headers_count++] = line;
	return NULL;
}

static const char *
take_give_up(struct gateway *gateway, const char *text)
{
	if (!units_parse_duration(&gateway->give_up_ms, text) || gateway->give_up_ms > INT64_MAX / 2)
		return "--give-up takes 0 or a number with ms, s, m, h or d";
	return NULL;
}

const char *
gateway_take_option(struct gateway *gateway, int option, char *value)
{
	switch (option) {
	case GATEWAY_GIVE_UP:
		return take_give_up(gateway, value);
	case GATEWAY_CACERT:
		gateway->cacert = value;
		return NULL;
	case 'H':
		return take_header(gateway, value);
	case 'k':
		gateway->insecure = true;
		return NULL;
	case 'v':
		gateway->verbose = true;
		return NULL;
	case 'h':
		gateway->help = true;
		return NULL;
	default: /* 'V' */
		gateway->version = true;
		return NULL;
	}
}

const char *
gateway_take_url(struct gateway *gateway, const char *text)
{
	struct buf url = BUF_EMPTY;

	if (!strstr(text, "://"))
		buf_adds(&url, "http://");
	buf_adds(&url, text);
	while (url.len > 0 && url.data[url.len - 1] == '/')
		url.data[--url.len] = '\0';
	free(gateway->url);
	gateway->url = url.data;
	if (strncmp(url.data, "http://", 7) != 0 && strncmp(url.data, "https://", 8) != 0)
		return "the URL must begin with http:// or https://";
	return strpbrk(url.data, "?# ") ? "the URL must be the gateway's, without a query" : NULL;
}

bool
gateway_inform(const struct gateway *gateway, const char *help)
{
	if (gateway->help)
		fputs(help, stdout);
	else if (gateway->version)
		printf("%s %s\n", gateway->program, PACKAGE_VERSION);
	return gateway->help || gateway->version;
}

void
gateway_free(struct gateway *gateway)
{
	free(gateway->url);
	free(gateway->headers);
}
