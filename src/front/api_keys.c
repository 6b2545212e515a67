/* The keys of backends: see api_keys.h. */
#include "front/api_keys.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

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
good_key(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] <= ' ' || line[i] >= 0x7f)
			return false;
	return len >= KEY_MIN && len <= KEY_MAX;
}

static bool
take_lines(struct api_keys *keys, const struct buf *text, const char *path)
{
	struct secret_line line = {0};

	while (secret_next_line(&line, text)) {
		if (!good_key(line.text, line.len)) {
			log_error("--api-key-file %s: line %d: a key has %d to %d printable characters without spaces", path, line.number, KEY_MIN,
			    KEY_MAX);
			return false;
		}
		keys->hashes = mem_resize(keys->hashes, keys->count + 1, sizeof *keys->hashes);
		api_key_name(&keys->hashes[keys->count++], line.text, line.len);
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
