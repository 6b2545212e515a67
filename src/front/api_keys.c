/* The keys of backends: see api_keys.h. */
#include "front/api_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/token.h"

enum { KEY_MIN = 16, KEY_MAX = 512, FILE_MAX = 65536 };

struct api_keys {
	size_t count;
	struct name *hashes; /* Owned. */
};

/* ---- The file ---- */

/* False, with errno set, if there is no file to be read; EFBIG if it is too large, EPERM if everybody may write it. */
static bool
read_all(struct buf *text, int fd)
{
	char chunk[4096];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) != 0)
		return false;
	if (st.st_mode & S_IWOTH) {
		errno = EPERM;
		return false;
	}
	while ((n = read(fd, chunk, sizeof chunk)) > 0) {
		buf_add(text, chunk, (size_t)n);
		if (text->len > FILE_MAX) {
			errno = EFBIG;
			return false;
		}
	}
	OPENSSL_cleanse(chunk, sizeof chunk);
	return n == 0;
}

static const char *
explain(int error)
{
	switch (error) {
	case EPERM:
		return "everybody may write it";
	case EFBIG:
		return "it is larger than 64 kB";
	default:
		return strerror(error);
	}
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
	struct buf text = BUF_EMPTY;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool read = fd >= 0 && read_all(&text, fd);

	if (!read)
		log_error("--api-key-file %s: %s", path, explain(errno));
	if (!read || !take_lines(keys, &text, path)) {
		api_keys_free(keys);
		keys = NULL;
	} else {
		log_info("%zu keys of backends", keys->count);
	}
	if (fd >= 0)
		close(fd);
	if (text.len > 0)
		OPENSSL_cleanse(text.data, text.len);
	buf_free(&text);
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
