/* States of engines as text: see engine_state.h for the form. */
#include "codec/engine_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PING_AT, ANSWERED, POSTED, POSTED_TO, UPGRADE_UNTIL, NUMBERS };

static const char phases[] = "ocl";

/* A number and the space behind it. */
static bool
take_number(const char **p, uint64_t *n)
{
	const char *start = *p;

	for (*n = 0; **p >= '0' && **p <= '9'; ++*p)
		if (__builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, (uint64_t)(**p - '0'), n))
			return false;
	return *p > start && *(*p)++ == ' ';
}

static bool
take_flag(const char **p, char letter, bool *flag)
{
	*flag = **p == letter;
	if (!*flag && **p != '-')
		return false;
	++*p;
	return true;
}

static bool
take_phase(const char **p, enum engine_phase *phase)
{
	const char *letter = **p ? strchr(phases, **p) : NULL;

	if (!letter)
		return false;
	*phase = (enum engine_phase)(letter - phases);
	++*p;
	return true;
}

static bool
take_head(const char **p, struct engine_state *state)
{
	uint64_t numbers[NUMBERS];

	if (strncmp(*p, "1 ", 2) != 0)
		return false;
	*p += 2;
	if (!take_phase(p, &state->phase) || !take_flag(p, 'p', &state->polling) || !take_flag(p, 'i', &state->pinged) ||
	    !take_flag(p, 'w', &state->websocket) || *(*p)++ != ' ')
		return false;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!take_number(p, &numbers[i]))
			return false;
	if (numbers[PING_AT] > INT64_MAX || numbers[UPGRADE_UNTIL] > INT64_MAX)
		return false;
	state->ping_at = (int64_t)numbers[PING_AT];
	state->answered = numbers[ANSWERED];
	state->posted = numbers[POSTED];
	state->posted_to = numbers[POSTED_TO];
	state->upgrade_until = (int64_t)numbers[UPGRADE_UNTIL];
	return true;
}

static bool
take_positions(const char *p, const char *end, struct engine_state *state)
{
	const char *space = memchr(p, ' ', (size_t)(end - p));

	return space && entry_id_parse(&state->before, p, (size_t)(space - p)) &&
	    entry_id_parse(&state->after, space + 1, (size_t)(end - space) - 1);
}

bool
engine_state_parse(struct engine_state *state, const char *text, size_t len)
{
	char *copy = mem_copy(text, len); /* So that there is a NUL at the end. */
	const char *p = copy;
	bool good;

	*state = (struct engine_state){0};
	good = take_head(&p, state) && take_positions(p, copy + len, state);
	free(copy);
	return good;
}

void
engine_state_write(struct buf *b, const struct engine_state *state)
{
	char before[ENTRY_ID_SIZE], after[ENTRY_ID_SIZE];

	buf_addf(b, "1 %c%c%c%c ", phases[state->phase], state->polling ? 'p' : '-', state->pinged ? 'i' : '-',
	    state->websocket ? 'w' : '-');
	buf_addn(b, (uint64_t)state->ping_at);
	buf_adds(b, " ");
	buf_addn(b, state->answered);
	buf_adds(b, " ");
	buf_addn(b, state->posted);
	buf_adds(b, " ");
	buf_addn(b, state->posted_to);
	buf_adds(b, " ");
	buf_addn(b, (uint64_t)state->upgrade_until);
	buf_addf(b, " %s %s", entry_id_format(before, state->before), entry_id_format(after, state->after));
}

/* FNV-1a: who makes two requests alike harms only its own session. */
static uint64_t
hash(uint64_t h, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint64_t
engine_key(const char *t, const char *body, size_t len)
{
	uint64_t h;

	if (!t || !*t)
		return 0;
	h = hash(UINT64_C(0xcbf29ce484222325), t, strlen(t) + 1);
	h = hash(h, body, len);
	return h ? h : 1;
}
