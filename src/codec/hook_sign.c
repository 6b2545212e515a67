/* Signatures of Standard Webhooks (symmetric, "v1"): see hook.h. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "codec/hook.h"

#define SECRETS_MAX 4
#define SECRET_MIN 24
#define SECRET_MAX 64

struct hook_secrets {
	size_t count;
	struct {
		size_t len;
		unsigned char key[SECRET_MAX];
	} secrets[SECRETS_MAX];
};

static void
wipe(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->room);
	buf_free(b);
}

/* NULL, or what is wrong with it. */
static const char *
read_secret(struct hook_secrets *secrets, const char *line, size_t len)
{
	static const char prefix[] = "whsec_";
	const size_t prefix_len = sizeof prefix - 1;
	struct buf key = BUF_EMPTY;
	const char *wrong = NULL;

	if (secrets->count == SECRETS_MAX)
		return "has more than four secrets";
	if (len <= prefix_len || strncmp(line, prefix, prefix_len) != 0 || !base64_read(&key, line + prefix_len, len - prefix_len))
		wrong = "has a line that is no secret: whsec_ and base64";
	else if (key.len < SECRET_MIN || key.len > SECRET_MAX)
		wrong = "has a secret that is not 24 to 64 bytes long";
	if (!wrong) {
		secrets->secrets[secrets->count].len = key.len;
		memcpy(secrets->secrets[secrets->count++].key, key.data, key.len);
	}
	wipe(&key);
	return wrong;
}

struct hook_secrets *
hook_secrets_read(const char *text, size_t len, const char **wrong)
{
	struct hook_secrets *secrets = mem_zero(1, sizeof *secrets);
	const char *end = text + len;

	*wrong = NULL;
	for (const char *line = text; line < end && !*wrong;) {
		const char *feed = memchr(line, '\n', (size_t)(end - line)), *stop = feed ? feed : end;
		size_t line_len = (size_t)(stop - line);

		while (line_len > 0 && strchr(" \t\r", line[line_len - 1]))
			line_len--;
		if (line_len > 0)
			*wrong = read_secret(secrets, line, line_len);
		line = stop + 1;
	}
	if (!*wrong && secrets->count == 0)
		*wrong = "has no secret";
	if (!*wrong)
		return secrets;
	hook_secrets_free(secrets);
	return NULL;
}

void
hook_secrets_free(struct hook_secrets *secrets)
{
	if (!secrets)
		return;
	OPENSSL_cleanse(secrets, sizeof *secrets);
	free(secrets);
}

void
hook_sign(struct buf *b, const struct hook_secrets *secrets, const char *id, int64_t seconds, const char *body, size_t len)
{
	struct buf text = BUF_EMPTY;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;

	buf_addf(&text, "%s.%lld.", id, (long long)seconds);
	buf_add(&text, body, len);
	for (size_t i = 0; i < secrets->count; i++) {
		if (!HMAC(EVP_sha256(), secrets->secrets[i].key, (int)secrets->secrets[i].len, (unsigned char *)text.data, text.len, mac,
		        &mac_len))
			abort(); /* There is no OpenSSL without SHA-256. */
		buf_adds(b, i > 0 ? " v1," : "v1,");
		base64_write(b, mac, mac_len);
	}
	buf_free(&text);
}
