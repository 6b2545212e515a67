/*
 * Files with secrets in them: read without a copy left behind, and wiped when they were understood.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>

#include "base/buf.h"

/* Read all of a file of at most max bytes.  NULL, or what is wrong; either way secret_wipe is due. */
const char *secret_read(struct buf *text, const char *path, size_t max);

/* Overwrite what is in it, and free it. */
void secret_wipe(struct buf *text);

#endif
