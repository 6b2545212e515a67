/*
 * A look at one URL from outside, for `pollgate --probe`: a health check needs no shell and no curl in the image.
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

/*
 * GET url (http or https; redirects are not followed, proxies not used).  Return 0 when a 2xx answer is complete within
 * 5 seconds, else 1 after a line on stderr.  Blocks: no loop, for a program that does nothing else.
 */
int probe_url(const char *url);

#endif
