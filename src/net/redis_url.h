/*
 * Where a Redis is and who we are there, from a URL.  The schemes for TLS, Sentinel and Cluster will come here.
 */
#ifndef NET_REDIS_URL_H
#define NET_REDIS_URL_H

#include <stdint.h>

struct redis_address {
	char *host; /* Owned, as all strings here.  An IPv6 address is without its brackets. */
	uint16_t port;
	char *user;     /* NULL: the default user. */
	char *password; /* NULL: no AUTH is sent. */
	uint32_t db;
};

/*
 * Parse redis://[[user]:password@]host[:port][/db]; user and password are percent-decoded.  Returns NULL, or a sentence that
 * says what is wrong (never with a part of the URL, which holds a password) and leaves *address without anything to free.
 */
const char *redis_url_parse(struct redis_address *address, const char *url);
void redis_address_free(struct redis_address *address);

#endif
