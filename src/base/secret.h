/*
 * Files with secrets in them: read without a copy left behind, and wiped when they were understood.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* Read all of a file of at most max bytes, which not everybody may write.  NULL, or what is wrong; either way secret_wipe is due. */
const char *secret_read(struct buf *text, const char *path, size_t max);

/* Overwrite what is in it, and free it. */
void secret_wipe(struct buf *text);

struct secret_line { /* Zero it to begin. */
	const char *text; /* Lent by the file's. */
	size_t len;
	int number;  /* Of the line in the file, from 1 on. */
	size_t next; /* Where the next one begins. */
};

/* Go to the next line that is neither empty nor a comment (#); white space around it is no part of it.  False at the end. */
bool secret_next_line(struct secret_line *line, const struct buf *text);

#endif
