/* States of engines survive a round trip; nothing else is taken. */
#include "codec/engine_state.h"

#include "t/tap.h"

static void
test_round_trip(const char *text)
{
	struct engine_state state;
	struct buf b = BUF_EMPTY;

	if (ok(engine_state_parse(&state, text, strlen(text)), "a state with %zu bytes is parsed", strlen(text))) {
		engine_state_write(&b, &state);
		is_string(b.data, text, "and is written the same");
		engine_state_free(&state);
	}
	buf_free(&b);
}

static void
test_parts(void)
{
	static const char text[] = "1 cpiw 1763783427123 11 22 33 44 4-5 6-7", arrived[] = "1 o--a 1 0 0 0 9 1-0 1-0";
	struct engine_state state;

	ok(engine_state_parse(&state, text, strlen(text)), "a state with all there is");
	ok(state.phase == ENGINE_CLOSING && state.polling && state.pinged && state.websocket, "has its phase and flags");
	ok(state.ping_at == 1763783427123 && state.answered == 11 && state.posted == 22 && state.posted_to == 33 && state.upgrade_until == 44, "its numbers");
	ok(state.before.ms == 4 && state.after.seq == 7, "its positions");
	ok(engine_state_parse(&state, arrived, strlen(arrived)) && state.arrived && !state.websocket, "a socket that has come is another flag");
}

#define ID "AAAAAAAAAAAAAAAAAAAAAA"
#define HEAD "1 o--- 1 0 0 0 0 1-0 1-0\nC 5 1"
#define SOCKET "\nS " ID " n 0 - 1.-.1-0 1.d.2-0~" ID ".3-0 /"

static void
test_sockets(void)
{
	static const char text[] = HEAD SOCKET "\nS " ID " ra 7 " ID " 1.-.1-0 1.-.1-0 /a b\nP 5 51-\n[\nB AQID\nB ";
	struct engine_state state;
	struct engine_socket *socket;

	if (!ok(engine_state_parse(&state, text, strlen(text)), "a state with sockets and a packet"))
		return;
	ok(state.is_socketio && state.connect_by == 5 && state.connects == 1 && state.sockets_count == 2, "has all of them");
	socket = engine_state_socket(&state, "/", 1);
	ok(socket && socket->how == ENGINE_SOCKET_NEW && !*socket->veil && socket->after.count == 1, "the one that is new");
	socket = engine_state_socket(&state, "/a b", 4);
	ok(socket && socket->how == ENGINE_SOCKET_RECOVERED && socket->was_asked && socket->number == 7 && strcmp(socket->veil, ID) == 0,
	    "the one that was recovered");
	ok(!engine_state_socket(&state, "/a", 2), "no other");
	ok(state.partial && state.partial->count == 2 && strcmp(state.partial->packet.data, "51-\n[") == 0 &&
	    strcmp(state.partial->attachments[0].data, "AQID") == 0 && state.partial->attachments[1].len == 0, "and what has come of the packet");
	engine_state_remove_socket(&state, engine_state_socket(&state, "/", 1));
	ok(state.sockets_count == 1 && engine_state_socket(&state, "/a b", 4), "one may be removed");
	engine_state_free(&state);
}

static void
test_alike(void)
{
	static const struct {
		const char *text;
		bool alike;
	} cases[] = {
		{"1 o--- 1 2 9 9 0 1-0 2-0\nC 0 1" SOCKET "\nP 3 51-", true}, {"1 c--- 1 2 3 4 0 1-0 2-0\nC 0 1" SOCKET, false},
		{"1 op-- 1 2 3 4 0 1-0 2-0\nC 0 1" SOCKET, false}, {"1 o-i- 1 2 3 4 0 1-0 2-0\nC 0 1" SOCKET, false},
		{"1 o--w 1 2 3 4 0 1-0 2-0\nC 0 1" SOCKET, false}, {"1 o--a 1 2 3 4 9 1-0 2-0\nC 0 1" SOCKET, true}, {"1 o--- 2 2 3 4 0 1-0 2-0\nC 0 1" SOCKET, false},
		{"1 o--- 1 3 3 4 0 1-0 2-0\nC 0 1" SOCKET, false}, {"1 o--- 1 2 3 4 1 1-0 2-0\nC 0 1" SOCKET, false},
		{"1 o--- 1 2 3 4 0 1-0 3-0\nC 0 1" SOCKET, false}, {"1 o--- 1 2 3 4 0 1-0 2-0\nC 0 1", false},
		{"1 o--- 1 2 3 4 0 1-0 2-0\nC 0 1\nS " ID " c 0 - 1.-.1-0 1.d.2-0~" ID ".3-0 /", false},
		{"1 o--- 1 2 3 4 0 1-0 2-0\nC 0 1\nS " ID " n 0 - 1.-.1-0 1.d.2-0~" ID ".4-0 /", false},
	};
	static const char text[] = "1 o--- 1 2 3 4 0 1-0 2-0\nC 0 1" SOCKET;
	struct engine_state one, other;

	engine_state_parse(&one, text, strlen(text));
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ok(engine_state_parse(&other, cases[i].text, strlen(cases[i].text)) &&
		    engine_state_polls_alike(&one, &other) == cases[i].alike, "what a poll has to know is told apart (%zu)", i);
		engine_state_free(&other);
	}
	engine_state_free(&one);
}

static void
test_refused(void)
{
	static const char *const texts[] = {
		"", "1", "2 o--- 1 0 0 0 0 1-0 1-0", "1 x--- 1 0 0 0 0 1-0 1-0", "1 o--- 1 0 0 0 1-0 1-0",
		"1 o--- 1 0 0 0 0 1-0", "1 o--- 1 0 0 0 0 1-0 ", "1 o--- 1 0 0 0 0 1-0 1-0 ", "1 oi-- 1 0 0 0 0 1-0 1-0",
		"1 o--- -1 0 0 0 0 1-0 1-0", "1 o--- 18446744073709551616 0 0 0 0 1-0 1-0",
		"1 o--- 9223372036854775808 0 0 0 0 1-0 1-0", "1 o--- 1 0 0 0 0 1-0 1", "1 o---",
		HEAD "\n", HEAD "\nX 1", HEAD "\nS", HEAD "\nS " ID, HEAD "\nS " ID " x 0 - 1.-.1-0 1.-.1-0 /",
		HEAD "\nS " ID " n 0 - 1.-.1-0 1.-.1-0 ", HEAD "\nS " ID " n 0 - 1.-.1-0 1.-.1-0", HEAD "\nS " ID " n 0 x 1.-.1-0 1.-.1-0 /",
		HEAD "\nP 5 abc", HEAD "\nP 3 abcd", HEAD "\nB AQID", HEAD "\nP 1 a\nP 1 a", "1 o--- 1 0 0 0 0 1-0 1-0\nC 5",
		"1 o--- 1 0 0 0 0 1-0 1-0\nC", "1 o--- 1 0 0 0 -1 1-0 1-0", "1 ", "1 o--- 1 0 0 0 0 x 1-0",
	};
	struct engine_state state;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ok(!engine_state_parse(&state, texts[i], strlen(texts[i])), "one that is wrong is not taken (%zu)", i);
	ok(!engine_state_parse(&state, "1 o--- 1 0 0 0 0 1-0 1-0\0x", 26), "is not taken: one with something behind a NUL");
}

static void
test_keys(void)
{
	is_int((int64_t)engine_key(NULL, "body", 4), 0, "a request without t is not known again");
	is_int((int64_t)engine_key("", "body", 4), 0, "nor is one with an empty t");
	ok(engine_key("a", "body", 4) == engine_key("a", "body", 4), "one with the same t and body is");
	ok(engine_key("a", "body", 4) != engine_key("b", "body", 4), "one with another t is another one");
	ok(engine_key("a", "body", 4) != engine_key("a", "bod", 3), "so is one with another body");
	ok(engine_key("ab", "c", 1) != engine_key("a", "bc", 2), "t and body are two things");
}

int
main(void)
{
	test_round_trip("1 o--- 0 0 0 0 0 0-0 0-0");
	test_round_trip("1 lpi- 1763783427123 18446744073709551615 18446744073709551615 1000001 1763783428123 1763783427123-17 5-6");
	test_round_trip(HEAD SOCKET "\nP 4 51-[\nB AQID");
	test_round_trip(HEAD SOCKET SOCKET "b\nP 1 \n");
	test_parts();
	test_sockets();
	test_alike();
	test_refused();
	test_keys();
	return done();
}
