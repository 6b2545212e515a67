/* States of engines as text: see engine_state.h for the form. */
#include "codec/engine_state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/jspan.h"

enum { PING_AT, ANSWERED, POSTED, POSTED_TO, UPGRADE_UNTIL, NUMBERS };

static const char phases[] = "oclv", hows[] = "nrNRcl";

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

/* At most one of the two is set. */
static bool
take_socket_flags(const char **p, struct engine_state *state)
{
	state->arrived = **p == 'a';
	if (!state->arrived)
		return take_flag(p, 'w', &state->websocket);
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
	    !take_socket_flags(p, state) || *(*p)++ != ' ')
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

/* ---- Lines ---- */

/* What is left of a text, or of a line of it. */
struct span {
	const char *p, *end;
};

/* Up to the next delimiter, or the end, of which the rest is behind it.  False at the end. */
static bool
take_part(struct span *from, char delimiter, struct span *part)
{
	const char *found;

	if (from->p > from->end)
		return false;
	found = memchr(from->p, delimiter, (size_t)(from->end - from->p));
	*part = (struct span){from->p, found ? found : from->end};
	from->p = part->end + 1;
	return true;
}

static size_t
length_of(struct span s)
{
	return (size_t)(s.end - s.p);
}

/* The next word, which is followed by another one. */
static bool
take_word(struct span *line, struct span *word)
{
	return take_part(line, ' ', word) && line->p <= line->end;
}

static bool
take_count(struct span *line, uint64_t most, uint64_t *n)
{
	struct span word;

	return take_part(line, ' ', &word) && length_of(word) > 0 && jspan_count((struct jspan){word.p, length_of(word)}, most, n);
}

static bool
take_cursor(struct span *line, struct cursor *cursor)
{
	struct span word;
	char *text;
	bool good;

	if (!take_word(line, &word))
		return false;
	text = mem_copy(word.p, length_of(word));
	good = cursor_parse(cursor, text, SIZE_MAX);
	free(text);
	return good;
}

static bool
take_veil(struct span *line, char veil[TOKEN_LEN + 1])
{
	struct name shape;
	struct span word;

	if (!take_word(line, &word))
		return false;
	if (length_of(word) == 1 && *word.p == '-')
		return true;
	if (!name_parse(&shape, word.p, length_of(word)))
		return false;
	memcpy(veil, shape.s, TOKEN_LEN + 1);
	return true;
}

static bool
take_how(struct span *line, enum engine_socket_how *how, bool *was_asked)
{
	struct span word;
	const char *letter;

	if (!take_word(line, &word) || length_of(word) == 0 || !(letter = memchr(hows, *word.p, sizeof hows - 1)))
		return false;
	*was_asked = length_of(word) == 2 && word.p[1] == 'a';
	if (length_of(word) != 1 && !*was_asked)
		return false;
	*how = (enum engine_socket_how)(letter - hows);
	return true;
}

static bool
take_socket(struct span *line, struct engine_state *state)
{
	struct engine_socket *socket;
	struct span id;
	uint64_t number;

	socket = engine_state_add_socket(state, "", 0);
	if (!take_word(line, &id) || !name_parse(&socket->id, id.p, length_of(id)) || !take_how(line, &socket->how, &socket->was_asked) ||
	    !take_count(line, UINT32_MAX, &number) || !take_veil(line, socket->veil) || !take_cursor(line, &socket->before) ||
	    !take_cursor(line, &socket->after) || line->p >= line->end || memchr(line->p, '\0', length_of(*line)))
		return false;
	socket->number = (uint32_t)number;
	free(socket->namespace);
	socket->namespace = mem_copy(line->p, length_of(*line));
	return true;
}

/* The packet may have line ends in it. */
static bool
take_packet(struct span *text, struct span *line, struct engine_state *state)
{
	uint64_t len;

	if (state->partial || !take_count(line, SIZE_MAX, &len) || line->p > line->end || (uint64_t)(text->end - line->p) < len)
		return false;
	state->partial = mem_zero(1, sizeof *state->partial);
	buf_add(&state->partial->packet, line->p, (size_t)len);
	text->p = line->p + len + 1;
	return text->p == text->end + 1 || text->p[-1] == '\n';
}

static bool
take_attachment(struct span *line, struct engine_state *state)
{
	struct engine_partial *partial = state->partial;

	if (!partial || partial->count == SOCKETIO_ATTACHMENTS_MAX)
		return false;
	buf_add(&partial->attachments[partial->count++], line->p, length_of(*line));
	return true;
}

static bool
take_connects(struct span *line, struct engine_state *state)
{
	uint64_t connect_by, connects;

	if (!take_count(line, INT64_MAX, &connect_by) || !take_count(line, UINT32_MAX, &connects))
		return false;
	state->is_socketio = true;
	state->connect_by = (int64_t)connect_by;
	state->connects = (uint32_t)connects;
	return true;
}

static bool
take_line(struct span *text, struct engine_state *state)
{
	struct span line, kind;

	if (!take_part(text, '\n', &line) || !take_word(&line, &kind) || length_of(kind) != 1)
		return false;
	if ((*kind.p == 'C') == state->is_socketio) /* That is the first of them. */
		return false;
	switch (*kind.p) {
	case 'C':
		return take_connects(&line, state);
	case 'S':
		return take_socket(&line, state);
	case 'P':
		return take_packet(text, &line, state);
	case 'B':
		return take_attachment(&line, state);
	}
	return false;
}

static bool
take_positions(struct span line, struct engine_state *state)
{
	struct span before;

	return take_word(&line, &before) && entry_id_parse(&state->before, before.p, length_of(before)) &&
	    entry_id_parse(&state->after, line.p, length_of(line));
}

static bool
take_all(const char *p, const char *end, struct engine_state *state)
{
	struct span text, line;

	if (!take_head(&p, state))
		return false;
	text = (struct span){p, end};
	if (!take_part(&text, '\n', &line) || !take_positions(line, state))
		return false;
	while (text.p <= text.end)
		if (!take_line(&text, state))
			return false;
	return true;
}

bool
engine_state_parse(struct engine_state *state, const char *text, size_t len)
{
	char *copy = mem_copy(text, len); /* So that there is a NUL at the end. */
	bool good;

	*state = (struct engine_state){0};
	good = take_all(copy, copy + len, state);
	free(copy);
	if (!good)
		engine_state_free(state);
	return good;
}

/* ---- Writing ---- */

static void
write_socket(struct buf *b, const struct engine_socket *socket)
{
	buf_addf(b, "\nS %s %c%s ", socket->id.s, hows[socket->how], socket->was_asked ? "a" : "");
	buf_addn(b, socket->number);
	buf_addf(b, " %s ", *socket->veil ? socket->veil : "-");
	cursor_write(b, &socket->before);
	buf_adds(b, " ");
	cursor_write(b, &socket->after);
	buf_addf(b, " %s", socket->namespace);
}

static void
write_partial(struct buf *b, const struct engine_partial *partial)
{
	buf_adds(b, "\nP ");
	buf_addn(b, partial->packet.len);
	buf_adds(b, " ");
	buf_add(b, partial->packet.data, partial->packet.len);
	for (unsigned i = 0; i < partial->count; i++) {
		buf_adds(b, "\nB ");
		buf_add(b, partial->attachments[i].data, partial->attachments[i].len);
	}
}

void
engine_state_write(struct buf *b, const struct engine_state *state)
{
	char before[ENTRY_ID_SIZE], after[ENTRY_ID_SIZE];

	buf_addf(b, "1 %c%c%c%c ", phases[state->phase], state->polling ? 'p' : '-', state->pinged ? 'i' : '-',
	    state->websocket ? 'w' : state->arrived ? 'a' : '-');
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
	if (!state->is_socketio)
		return;
	buf_addf(b, "\nC %lld %u", (long long)state->connect_by, state->connects);
	for (size_t i = 0; i < state->sockets_count; i++)
		write_socket(b, &state->sockets[i]);
	if (state->partial)
		write_partial(b, state->partial);
}

/* ---- Comparing ---- */

static bool
is_alike(const struct engine_socket *a, const struct engine_socket *b)
{
	return name_equal(&a->id, &b->id) && a->how == b->how && a->was_asked == b->was_asked && a->number == b->number &&
	    cursor_equal(&a->before, &b->before) && cursor_equal(&a->after, &b->after);
}

static int64_t
probed_until(const struct engine_state *state)
{
	return state->arrived ? 0 : state->upgrade_until;
}

bool
engine_state_polls_alike(const struct engine_state *a, const struct engine_state *b)
{
	if (a->phase != b->phase || a->polling != b->polling || a->pinged != b->pinged || a->websocket != b->websocket ||
	    a->ping_at != b->ping_at || probed_until(a) != probed_until(b) || a->answered != b->answered ||
	    entry_id_compare(a->before, b->before) != 0 || entry_id_compare(a->after, b->after) != 0 || a->connect_by != b->connect_by ||
	    a->sockets_count != b->sockets_count)
		return false;
	for (size_t i = 0; i < a->sockets_count; i++)
		if (!is_alike(&a->sockets[i], &b->sockets[i]))
			return false;
	return true;
}

/* ---- Sockets ---- */

struct engine_socket *
engine_state_socket(const struct engine_state *state, const char *namespace, size_t len)
{
	for (size_t i = 0; i < state->sockets_count; i++)
		if (strlen(state->sockets[i].namespace) == len && memcmp(state->sockets[i].namespace, namespace, len) == 0)
			return &state->sockets[i];
	return NULL;
}

struct engine_socket *
engine_state_find_socket(const struct engine_state *state, const struct name *id)
{
	for (size_t i = 0; i < state->sockets_count; i++)
		if (name_equal(&state->sockets[i].id, id))
			return &state->sockets[i];
	return NULL;
}

struct engine_socket *
engine_state_add_socket(struct engine_state *state, const char *namespace, size_t len)
{
	struct engine_socket *socket;

	state->sockets = mem_resize(state->sockets, state->sockets_count + 1, sizeof *state->sockets);
	socket = &state->sockets[state->sockets_count++];
	*socket = (struct engine_socket){.namespace = mem_copy(namespace, len)};
	return socket;
}

static void
free_socket(struct engine_socket *socket)
{
	cursor_free(&socket->before);
	cursor_free(&socket->after);
	free(socket->namespace);
}

void
engine_state_remove_socket(struct engine_state *state, struct engine_socket *socket)
{
	size_t at = (size_t)(socket - state->sockets);

	free_socket(socket);
	state->sockets_count--;
	memmove(socket, socket + 1, (state->sockets_count - at) * sizeof *socket);
}

void
engine_state_drop_partial(struct engine_state *state)
{
	if (!state->partial)
		return;
	buf_free(&state->partial->packet);
	for (unsigned i = 0; i < state->partial->count; i++)
		buf_free(&state->partial->attachments[i]);
	free(state->partial);
	state->partial = NULL;
}

void
engine_state_free(struct engine_state *state)
{
	for (size_t i = 0; i < state->sockets_count; i++)
		free_socket(&state->sockets[i]);
	free(state->sockets);
	engine_state_drop_partial(state);
	*state = (struct engine_state){0};
}

/* ---- Knowing requests again ---- */

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
