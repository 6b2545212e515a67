/*
 * Durations and sizes as people write them: "25s", "1M".  Whole numbers with one unit; what is ambiguous is refused.
 */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define UNITS_TEXT_SIZE 24

/* A number with ms, s, m, h or d, or "0", into milliseconds; false for anything else and for what 63 bits do not hold. */
bool units_parse_duration(int64_t *ms, const char *s);

/* A number of bytes, or with K, M or G (powers of 1024). */
bool units_parse_size(int64_t *bytes, const char *s);

/* A plain number. */
bool units_parse_count(int64_t *n, const char *s);

/* Write the shortest exact text that the parsers take back; return buf. */
const char *units_format_duration(char buf[UNITS_TEXT_SIZE], int64_t ms);
const char *units_format_size(char buf[UNITS_TEXT_SIZE], int64_t bytes);

#endif
