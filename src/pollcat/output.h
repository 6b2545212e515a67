/*
 * What was received, written to standard output.
 */
#ifndef POLLCAT_OUTPUT_H
#define POLLCAT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/native_read.h"
#include "pollcat/options.h"
#include "pollcat/seen.h"

struct output;

/* Lent: both. */
struct output *output_new(const struct cat_options *options, struct seen *seen);
void output_free(struct output *output);

void output_id(struct output *output, const struct name *id);

/*
 * An array of messages, oldest first, or of gaps.  What was written before is left out, and so is what comes after the last
 * message that --count asks for.  False if the array is not what it should be.
 */
bool output_messages(struct output *output, struct jspan messages);
bool output_gaps(struct output *output, struct jspan gaps);

uint64_t output_count(const struct output *output);

/* Hand on what was written.  False if nobody takes it any more, or (told to the user) it cannot be written; *broken then says which. */
bool output_flush(struct output *output, bool *broken);

#endif
