#include "net/redis_url.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEFAULT_PORT 6379
#define DB_MAX 999999

/* Read all of [s, end) as a decimal number from 0 to max; -1 if it is none. */
static long
parse_number(const char *s, const char *end, long max)
{
	long n = 0;

	if (s == end)
		return -1;
	for (; s < end; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > max)
			return -1;
	}
	return n;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A new string; NULL when a percent sign is not followed by two hexadecimal digits or a NUL is encoded. */
static char *
percent_decode(const char *s, const char *end)
{
	char *out = mem_alloc((size_t)(end - s) + 1), *p = out;

	while (s < end) {
		if (*s != '%') {
			*p++ = *s++;
			continue;
		}
		if (end - s < 3 || hex_digit(s[1]) < 0 || hex_digit(s[2]) < 0 || (s[1] == '0' && s[2] == '0')) {
			free(out);
			return NULL;
		}
		*p++ = (char)(hex_digit(s[1]) * 16 + hex_digit(s[2]));
		s += 3;
	}
	*p = '\0';
	return out;
}

/* [user]:password, or a password alone, which is what many have in their URLs by mistake: refused, to be told. */
static const char *
parse_login(struct redis_address *address, const char *s, const char *end)
{
	const char *colon = memchr(s, ':', (size_t)(end - s));

	if (!colon)
		return "what is before the @ must be USER:PASSWORD or :PASSWORD";
	if (colon > s && !(address->user = percent_decode(s, colon)))
		return "the user has a bad percent sign";
	if (!(address->password = percent_decode(colon + 1, end)))
		return "the password has a bad percent sign";
	if (!*address->password)
		return "the password is empty";
	return NULL;
}

static const char *
parse_host(struct redis_address *address, const char *s, const char *end)
{
	const char *host = s, *host_end, *rest;
	long port = DEFAULT_PORT;

	if (s < end && *s == '[') {
		host = s + 1;
		host_end = memchr(s, ']', (size_t)(end - s));
		if (!host_end)
			return "a [ is not closed";
		rest = host_end + 1;
	} else {
		host_end = memchr(s, ':', (size_t)(end - s));
		if (!host_end)
			host_end = end;
		rest = host_end;
	}
	if (host == host_end)
		return "there is no host";
	if (rest < end) {
		if (*rest != ':' || (port = parse_number(rest + 1, end, 65535)) < 1)
			return "the port must be a number from 1 to 65535 (an IPv6 address goes into brackets)";
	}
	address->host = mem_copy(host, (size_t)(host_end - host));
	address->port = (uint16_t)port;
	return NULL;
}

static const char *
parse(struct redis_address *address, const char *url)
{
	const char *s, *end, *at, *slash, *wrong;
	long db;

	if (strncmp(url, "rediss:", 7) == 0 || strncmp(url, "redis+", 6) == 0)
		return "only redis:// is supported yet";
	if (strncmp(url, "redis://", 8) != 0)
		return "it must begin with redis://";
	s = url + 8;
	end = s + strcspn(s, "?#");
	if (*end)
		return "it must not have a query or a fragment";
	at = memrchr(s, '@', (size_t)(end - s));
	if (at) {
		wrong = parse_login(address, s, at);
		if (wrong)
			return wrong;
		s = at + 1;
	}
	slash = memchr(s, '/', (size_t)(end - s));
	if (slash && slash + 1 < end) {
		db = parse_number(slash + 1, end, DB_MAX);
		if (db < 0)
			return "what follows the host must be the number of a database";
		address->db = (uint32_t)db;
	}
	return parse_host(address, s, slash ? slash : end);
}

const char *
redis_url_parse(struct redis_address *address, const char *url)
{
	const char *wrong;

	memset(address, 0, sizeof *address);
	wrong = parse(address, url);
	if (wrong)
		redis_address_free(address);
	return wrong;
}

void
redis_address_free(struct redis_address *address)
{
	free(address->host);
	free(address->user);
	free(address->password);
	memset(address, 0, sizeof *address);
}
