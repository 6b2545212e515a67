/*
 * Allocation that cannot fail: out of memory ends the program with the file and line that asked.
 * So every size that comes from outside is limited before it is allocated.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#define mem_alloc(size) mem_alloc_at((size), __FILE__, __LINE__)
#define mem_zero(n, size) mem_zero_at((n), (size), __FILE__, __LINE__)
#define mem_resize(p, n, size) mem_resize_at((p), (n), (size), __FILE__, __LINE__)
#define mem_copy(p, len) mem_copy_at((p), (len), __FILE__, __LINE__)
#define mem_string(s) mem_string_at((s), __FILE__, __LINE__)

void *mem_alloc_at(size_t size, const char *file, int line);
void *mem_zero_at(size_t n, size_t size, const char *file, int line);            /* n * size bytes, zeroed. */
void *mem_resize_at(void *p, size_t n, size_t size, const char *file, int line); /* To n * size bytes. */
char *mem_copy_at(const void *p, size_t len, const char *file, int line);        /* A copy with a NUL behind it. */
char *mem_string_at(const char *s, const char *file, int line);

#endif
