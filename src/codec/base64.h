/* Base64 of the standard alphabet, with padding, and nothing else: RFC 4648, section 4.  And base64url (section 5), only read. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Append. */
void base64_write(struct buf *b, const void *data, size_t len);

bool base64_check(const char *text, size_t len);
/* Append what text stands for.  False, and nothing was appended, if it is not base64. */
bool base64_read(struct buf *b, const char *text, size_t len);

/* The same of base64url without padding, as in JOSE (RFC 7515).  Spare bits of the last digit are 0: bytes have one text. */
bool base64url_read(struct buf *b, const char *text, size_t len);

#endif
