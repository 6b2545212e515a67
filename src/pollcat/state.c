#include "pollcat/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "pollcat/report.h"

static bool
read_lines(struct state *state, FILE *f)
{
	struct name id;
	char *line = NULL;
	size_t room = 0;
	bool good = true;

	for (int n = 0; good && getline(&line, &room, f) > 0; n++) {
		line[strcspn(line, "\n")] = '\0';
		if (n == 0) {
			good = token_session(&id, line);
			if (good)
				memcpy(state->token, line, TOKEN_LEN);
			state->resumed = good;
		} else if (n == 1) {
			buf_adds(&state->cursor, line);
		} else {
			good = seen_read(state->seen, line);
		}
	}
	free(line);
	return good;
}

static bool
complain(const char *path, const char *why)
{
	report("%s: %s", path, why);
	return false;
}

/* The lock is on a file beside it, for the file itself is replaced. */
static bool
take_lock(struct state *state)
{
	struct buf path = BUF_EMPTY;

	buf_addf(&path, "%s.lock", state->path);
	state->lock = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	buf_free(&path);
	if (state->lock < 0)
		return complain(state->path, strerror(errno));
	if (flock(state->lock, LOCK_EX | LOCK_NB) != 0)
		return complain(state->path, "is in use by another pollcat");
	return true;
}

bool
state_renew(struct state *state)
{
	buf_clear(&state->cursor);
	seen_clear(state->seen);
	state->resumed = false;
	return token_new(state->token) || complain("token", "there is no randomness");
}

bool
state_load(struct state *state, const char *path)
{
	FILE *f;
	bool good;

	*state = (struct state){.path = path, .seen = seen_new(), .lock = -1};
	if (path && !take_lock(state))
		return false;
	f = path ? fopen(path, "re") : NULL;
	if (!f && path && errno != ENOENT)
		return complain(path, strerror(errno));
	good = !f || read_lines(state, f);
	if (f)
		fclose(f);
	if (!good)
		return complain(path, "is no file of pollcat");
	return state->resumed || state_renew(state);
}

bool
state_save(const struct state *state)
{
	struct buf text = BUF_EMPTY, path = BUF_EMPTY;
	bool good;
	int fd;

	if (!state->path)
		return true;
	buf_addf(&text, "%s\n%s\n", state->token, state->cursor.len ? state->cursor.data : "");
	seen_write(state->seen, &text);
	buf_addf(&path, "%s.new", state->path);
	fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	good = fd >= 0 && write(fd, text.data, text.len) == (ssize_t)text.len;
	if (fd >= 0)
		good = close(fd) == 0 && good;
	good = good && rename(path.data, state->path) == 0;
	if (!good)
		complain(state->path, strerror(errno));
	buf_free(&text);
	buf_free(&path);
	return good;
}

void
state_free(struct state *state)
{
	buf_free(&state->cursor);
	seen_free(state->seen);
	if (state->lock >= 0)
		close(state->lock);
}
