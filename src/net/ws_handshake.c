/* The opening handshake of a WebSocket: RFC 6455, section 4.2. */
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "net/http_private.h"
#include "net/ws.h"
#include "net/ws_private.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

enum { KEY_LEN = 24, KEY_BYTES = 16, GUID_LEN = sizeof(GUID) - 1 };

static bool
list_has(const char *list, const char *word, bool any_case)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && (any_case ? strncasecmp(list, word, n) : strncmp(list, word, n)) == 0)
			return true;
		list += n;
	}
	return false;
}

/* A header that is a list may come in several lines. */
static bool
header_has(const struct http_request *req, const char *name, const char *word, bool any_case)
{
	const struct evkeyval *header;

	for (header = evhttp_request_get_input_headers(req->ev)->tqh_first; header; header = header->next.tqe_next)
		if (strcasecmp(header->key, name) == 0 && list_has(header->value, word, any_case))
			return true;
	return false;
}

static bool
is_key(const char *key)
{
	unsigned char bytes[KEY_LEN];

	/* Every character is looked at: what is padding counts as bytes to OpenSSL. */
	return key && strlen(key) == KEY_LEN && strcmp(key + KEY_LEN - 2, "==") == 0 && key[KEY_LEN - 3] != '=' &&
	    EVP_DecodeBlock(bytes, (const unsigned char *)key, KEY_LEN) == KEY_BYTES + 2;
}

enum ws_handshake
ws_check_handshake(const struct http_request *req)
{
	const struct http_head *head = &http_request_conn(req)->head;
	const char *version = http_header(req, "Sec-WebSocket-Version");

	if (!header_has(req, "Upgrade", "websocket", true))
		return WS_HANDSHAKE_NONE;
	if (version && strcmp(version, "13") != 0)
		return WS_HANDSHAKE_VERSION;
	if (head->method != HTTP_GET || head->old || head->chunked || head->length > 0 || !version || !head->upgrade ||
	    !is_key(http_header(req, "Sec-WebSocket-Key")))
		return WS_HANDSHAKE_BAD;
	return WS_HANDSHAKE_GOOD;
}

bool
ws_is_offered(const struct http_request *req, const char *subprotocol)
{
	return header_has(req, "Sec-WebSocket-Protocol", subprotocol, false);
}

/* The value of Sec-WebSocket-Accept. */
static char *
make_proof(const char *key)
{
	unsigned char text[KEY_LEN + GUID_LEN], hash[EVP_MAX_MD_SIZE], proof[2 * EVP_MAX_MD_SIZE];
	unsigned len;

	memcpy(text, key, KEY_LEN);
	memcpy(text + KEY_LEN, GUID, GUID_LEN);
	if (!EVP_Digest(text, sizeof text, hash, &len, EVP_sha1(), NULL))
		abort();
	EVP_EncodeBlock(proof, hash, (int)len);
	return mem_string((const char *)proof);
}

void
ws_keep_handshake(struct http_request *req)
{
	if (!req->proof)
		req->proof = make_proof(http_header(req, "Sec-WebSocket-Key"));
}

void
ws_write_handshake(struct buf *b, const struct http_request *req, const char *subprotocol)
{
	buf_clear(b);
	buf_adds(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	buf_adds(b, req->proof);
	if (subprotocol) {
		buf_adds(b, "\r\nSec-WebSocket-Protocol: ");
		buf_adds(b, subprotocol);
	}
	buf_adds(b, "\r\n");
	buf_add(b, req->headers.data, req->headers.len);
	buf_adds(b, "\r\n");
}
