/* The keys of backends: see api_keys.h. */
#include "front/api_keys.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "codec/token.h"

enum { KEY_MIN = 16, KEY_MAX = 512, FILE_MAX = 65536 };

struct api_keys {
	size_t count;
	struct name *hashes; /* Owned. */
};

/* ---- The file ---- */

static bool
everybody_writes(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_mode & S_IWOTH;
}

static bool
good_key(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] <= ' ' || line[i] >= 0x7f)
			return false;
	return len >= KEY_MIN && len <= KEY_MAX;
}

/* The part of a line that matters: without white space around it, nothing of a comment. */
static size_t
trim(const char **line, size_t len)
{
	while (len > 0 && strchr(" \t\r", (*line)[len - 1]))
		len--;
	while (len > 0 && strchr(" \t", **line)) {
		++*line;
		len--;
	}
	return len > 0 && **line == '#' ? 0 : len;
}

static bool
take_lines(struct api_keys *keys, const struct buf *text, const char *path)
{
	const char *p = text->data, *end = text->data + text->len;

	for (int number = 1; p < end; number++) {
		const char *line = p, *line_end = memchr(p, '\n', (size_t)(end - p));
		size_t len;

		p = line_end ? line_end + 1 : end;
		len = trim(&line, (size_t)((line_end ? line_end : end) - line));
		if (len == 0)
			continue;
		if (!good_key(line, len)) {
			log_error("--api-key-file %s: line %d: a key has %d to %d printable characters without spaces", path, number, KEY_MIN,
			    KEY_MAX);
			return false;
		}
		keys->hashes = mem_resize(keys->hashes, keys->count + 1, sizeof *keys->hashes);
		api_key_name(&keys->hashes[keys->count++], line, len);
	}
	if (keys->count == 0)
		log_error("--api-key-file %s: there is no key in it", path);
	return keys->count > 0;
}

struct api_keys *
api_keys_read(const char *path)
{
	struct api_keys *keys = mem_zero(1, sizeof *keys);
	struct buf text;
	const char *wrong = secret_read(&text, path, FILE_MAX);

	if (!wrong && everybody_writes(path))
		wrong = "everybody may write it";
	if (wrong)
		log_error("--api-key-file %s: %s", path, wrong);
	if (wrong || !take_lines(keys, &text, path)) {
		api_keys_free(keys);
		keys = NULL;
	} else {
		log_info("--api-key-file %s: %zu keys of backends", path, keys->count);
	}
	secret_wipe(&text);
	return keys;
}

void
api_keys_free(struct api_keys *keys)
{
	if (!keys)
		return;
	free(keys->hashes);
	free(keys);
}

/* ---- Comparing ---- */

bool
api_keys_has(const struct api_keys *keys, const char *key)
{
	struct name hash;
	int same = 0;

	api_key_name(&hash, key, strlen(key));
	for (size_t i = 0; i < keys->count; i++) /* All of them, also when one was found. */
		same |= CRYPTO_memcmp(hash.s, keys->hashes[i].s, NAME_LEN) == 0;
	return same;
}
