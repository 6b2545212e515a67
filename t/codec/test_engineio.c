/* Payloads of Engine.IO are read as its reference reads them, and written as it wants them. */
#include "codec/engineio.h"

#include "t/tap.h"

#define S "\x1e"

/* Each packet as <type:data>, or [data] if it is binary; ! where it goes wrong. */
static void
test_payload(const char *payload, size_t len, const char *wanted, const char *what)
{
	struct engineio_packet packet;
	struct buf got = BUF_EMPTY;
	enum engineio_step step;
	size_t at = 0;

	while ((step = engineio_next(payload, len, &at, &packet)) == ENGINEIO_PACKET) {
		if (packet.binary)
			buf_adds(&got, "[");
		else
			buf_addf(&got, "<%d:", (int)packet.type);
		buf_add(&got, packet.data, packet.len);
		buf_adds(&got, packet.binary ? "]" : ">");
	}
	if (step == ENGINEIO_WRONG)
		buf_adds(&got, "!");
	is_string(got.data ? got.data : "", wanted, what);
	buf_free(&got);
}

static void
test_read(const char *payload, const char *wanted, const char *what)
{
	test_payload(payload, strlen(payload), wanted, what);
}

static void
test_reading(void)
{
	test_read("4hello", "<4:hello>", "a message");
	test_read("3", "<3:>", "a packet may be without data");
	test_read("2probe", "<2:probe>", "a ping may have some");
	test_read("40" S "41" S "3", "<4:0><4:1><3:>", "packets are separated by U+001E");
	test_read("4\xe2\x82\xac", "<4:\xe2\x82\xac>", "text is UTF-8");
	test_read("bAQIDBA==", "[AQIDBA==]", "a binary message is base64");
	test_read("b", "[]", "which may be empty");
	test_read("4a" S "bAQID" S "4b", "<4:a>[AQID]<4:b>", "text and binary messages are mixed");
	test_payload("4a\0b", 4, "<4:a", "NUL is a character"); /* As far as the comparison shows. */
	test_read("0" S "1" S "2" S "3" S "4" S "5" S "6", "<0:><1:><2:><3:><4:><5:><6:>", "there are seven types");
}

static void
test_wrong(void)
{
	test_read("", "!", "an empty payload");
	test_read("abc", "!", "no type");
	test_read("7", "!", "an eighth type");
	test_read("/", "!", "what is below the digits");
	test_read(S "4a", "!", "nothing in front of a separator");
	test_read("4a" S, "<4:a>!", "nothing behind one");
	test_read("4a" S S "4b", "<4:a>!", "nothing between two");
	test_read("4a" S "x" S "4b", "<4:a>!", "reading ends at the first packet that is wrong");
	test_read("4\xff", "!", "what is not UTF-8");
	test_read("4\xe2\x82", "!", "a character that is cut");
	test_read("bAQI", "!", "base64 without its padding");
	test_read("bAQ-_", "!", "the other alphabet of base64");
	test_read("b=QID", "!", "padding at the wrong end");
	test_read("b====", "!", "nothing but padding");
}

static void
test_writing(void)
{
	struct engineio_handshake handshake = {"SID", true, 25000, 20000, 1000000};
	struct buf b = BUF_EMPTY;

	engineio_write(&b, ENGINEIO_NOOP, NULL, 0);
	is_string(b.data, "6", "a first packet has nothing in front");
	engineio_write(&b, ENGINEIO_MESSAGE, "a", 1);
	engineio_write_binary(&b, "AQID", 4);
	is_string(b.data, "6" S "4a" S "bAQID", "further ones have a separator");
	buf_clear(&b);
	engineio_write_open(&b, &handshake);
	is_string(b.data,
	    "0{\"sid\":\"SID\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}",
	    "the handshake has five members in the reference's order");
	buf_clear(&b);
	handshake.websocket = false;
	engineio_write_open(&b, &handshake);
	ok(strstr(b.data, "\"upgrades\":[],"), "and no upgrade where there is no WebSocket");
	buf_clear(&b);
	engineio_write_error(&b, ENGINEIO_UNKNOWN_SID);
	is_string(b.data, "{\"code\":1,\"message\":\"Session ID unknown\"}", "an error is a document");
	buf_free(&b);
}

int
main(void)
{
	test_reading();
	test_wrong();
	test_writing();
	return done();
}
