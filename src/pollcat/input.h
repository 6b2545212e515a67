/*
 * Standard input, line by line, in bounded memory.
 */
#ifndef POLLCAT_INPUT_H
#define POLLCAT_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input;

/* number counts from 1.  line is lent, NUL-terminated but may have NULs in it; NULL: it was longer than max and is left out. */
typedef void input_line(void *arg, uint64_t number, const char *line, size_t len);

struct input *input_new(size_t max, input_line *take, void *arg);
void input_free(struct input *input);

/* Read once, which may block unless the descriptor is readable, and give on the lines.  False at the end, or (told) on an error. */
bool input_read(struct input *input);

#endif
