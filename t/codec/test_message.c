/* The form of a payload, written and read; messages are shared. */
#include "codec/message.h"

#include <stdlib.h>

#include "../tap.h"

static const struct name from = {"ABCDEFGHIJKLMNOPQRSTUV"};

static void
test_form(void)
{
	struct buf b = BUF_EMPTY;
	struct message *m;
	enum message_flag flag;
	struct name who;

	message_write_head(&b, MESSAGE_SELF, &from, NULL, (struct jspan){"\"chat\"", 6});
	is_string(b.data, "sABCDEFGHIJKLMNOPQRSTUV\"chat\"\n", "a head is a flag, the sender, the event and a newline");
	ok(message_peek(b.data, b.len, &flag, &who) && flag == MESSAGE_SELF && name_equal(&who, &from),
	    "flag and sender can be seen without more");
	m = message_new((struct entry_id){7, 1}, "lobby", b.data, b.len);
	ok(m && !m->data.text && m->event.len == 6 && m->flag == MESSAGE_SELF, "a message may have no data");
	message_unref(m);
	buf_adds(&b, "{\"a\":\"\\n\"}");
	m = message_new((struct entry_id){7, 1}, "lobby", b.data, b.len);
	buf_free(&b);
	ok(m && m->data.len == 10 && memcmp(m->data.text, "{\"a\":\"\\n\"}", 10) == 0, "or any, behind the head, copied");
	ok(m->id.ms == 7 && m->id.seq == 1 && strcmp(m->room, "lobby") == 0, "it knows where it was found");
	is_int((int64_t)message_ref(m)->refs, 2, "it may be held more than once");
	message_unref(m);
	ok(memcmp(m->event.text, "\"chat\"", 6) == 0, "and lives as long as it is");
	message_unref(m);
	message_unref(NULL);
}

static void
test_backend(void)
{
	struct buf b = BUF_EMPTY;
	struct message *m, *k;

	message_write_head(&b, MESSAGE_BACKEND, NULL, NULL, (struct jspan){"\"news\"", 6});
	m = message_new((struct entry_id){7, 1}, NULL, b.data, b.len);
	ok(m && !message_has_sender(m), "a message may be of no session");
	b.data[0] = MESSAGE_KEPT;
	k = message_new((struct entry_id){7, 1}, "lobby", b.data, b.len);
	ok(k && !message_has_sender(k), "so may one for the history alone");
	message_unref(m);
	b.data[0] = MESSAGE_PLAIN;
	m = message_new((struct entry_id){7, 1}, NULL, b.data, b.len);
	ok(m && !message_has_sender(m), "whatever it is");
	message_unref(m);
	memcpy(b.data + 1, from.s, NAME_LEN);
	m = message_new((struct entry_id){7, 1}, NULL, b.data, b.len);
	ok(m && message_has_sender(m), "any other has a sender");
	message_unref(m);
	message_unref(k);
	buf_free(&b);
}

static void
test_address(void)
{
	struct message_address address = {.asks = true, .number = 9007199254740991, .copies = {"0123456789012345678901abcdefghijklmnopqrstuv", 44}, .namespace = {"/a\"@1:b", 7}};
	struct buf b = BUF_EMPTY, whole = BUF_EMPTY;
	struct message_copies copies;
	struct entry_id id;
	struct message *m;
	struct name room;
	size_t at;

	message_write_head(&b, MESSAGE_ARGS, &from, &address, (struct jspan){"\"chat\"", 6});
	buf_adds(&b, "[1,2]");
	ok(!message_new((struct entry_id){7, 1}, NULL, b.data, b.len), "without the ids of its copies an address is none");
	at = (size_t)(strchr(b.data, '@') - b.data);
	buf_add(&whole, b.data, at);
	buf_adds(&whole, "12-3,0-0,");
	buf_adds(&whole, b.data + at);
	m = message_new((struct entry_id){7, 1}, NULL, whole.data, whole.len);
	ok(m && m->address.asks && m->address.number == 9007199254740991, "an address has a number");
	ok(m && m->address.namespace.len == 7 && memcmp(m->address.namespace.text, "/a\"@1:b", 7) == 0, "and a namespace");
	ok(m && m->address.copies.len == 44 && memcmp(m->address.copies.text + 22, "abcdefghijklmnopqrstuv", 22) == 0, "and rooms that have it, too");
	ok(m && m->event.len == 6 && memcmp(m->event.text, "\"chat\"", 6) == 0 && m->data.len == 5, "in front of the event");
	ok(m && message_first(m).len == 1, "of whose arguments one is the first");
	message_unref(m);
	buf_clear(&b);
	address = (struct message_address){0};
	message_write_head(&b, MESSAGE_PLAIN, &from, &address, (struct jspan){"\"chat\"", 6});
	is_string(b.data, "-ABCDEFGHIJKLMNOPQRSTUV\"chat\"\n", "an empty one leaves nothing");
	ok(!message_peek_copies(b.data, b.len, &copies) && message_ids_at(b.data, b.len) == 0, "there are no copies then");
	buf_clear(&b);
	address.copies = (struct jspan){from.s, 22};
	message_write_head(&b, MESSAGE_PLAIN, &from, &address, (struct jspan){"\"chat\"", 6});
	at = message_ids_at(b.data, b.len);
	is_int((int64_t)at, 23 + 3 + 22, "the ids of copies go behind their names");
	buf_clear(&whole);
	buf_add(&whole, b.data, at);
	buf_adds(&whole, "12-3,");
	buf_adds(&whole, b.data + at);
	ok(message_peek_copies(whole.data, whole.len, &copies) && message_next_copy(&copies, &room, &id) && name_equal(&room, &from) && id.ms == 12 &&
	    id.seq == 3, "and can be seen without more");
	ok(!message_next_copy(&copies, &room, &id), "each once");
	ok(message_peek_copies(b.data, b.len, &copies) && !message_next_copy(&copies, &room, &id), "but not without their ids");
	buf_free(&whole);
	buf_free(&b);
}

static void
test_refused(void)
{
	static const struct {
		const char *payload;
		size_t len;
	} bad[] = {
	    {"", 0}, {"-", 1}, {"-ABCDEFGHIJKLMNOPQRSTU", 22}, {"xABCDEFGHIJKLMNOPQRSTUV\"e\"\n", 27},
	    {"\0ABCDEFGHIJKLMNOPQRSTUV\"e\"\n", 27}, {"-ABCDEFGHIJKLMNOPQRST*V\"e\"\n", 27}, {"-ABCDEFGHIJKLMNOPQRSTUV\"e\"", 26},
	    {"-ABCDEFGHIJKLMNOPQRSTUV", 23}, {"-ABCDEFGHIJKLMNOPQRSTUV99999999999999999999\"e\"\n", 47},
	    {"-ABCDEFGHIJKLMNOPQRSTUV&1:/\"e\"\n", 31}, {"-ABCDEFGHIJKLMNOPQRSTUV&9999999999999999999:/\"e\"\n", 49},
	    {"-ABCDEFGHIJKLMNOPQRSTUV@9:/\"e\"\n", 31}, {"-ABCDEFGHIJKLMNOPQRSTUV@/\"e\"\n", 29}, {"-ABCDEFGHIJKLMNOPQRSTUV@1\n", 26},
	};
	int accepted = 0, seen = 0;
	enum message_flag flag;
	struct name who;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *copy = malloc(bad[i].len + !bad[i].len);
		struct message *m;

		memcpy(copy, bad[i].payload, bad[i].len);
		m = message_new((struct entry_id){1, 0}, NULL, copy, bad[i].len);
		accepted += m != NULL;
		if (i < 6)
			seen += message_peek(copy, bad[i].len, &flag, &who);
		message_unref(m);
		free(copy);
	}
	is_int(accepted, 0, "anything else is no message");
	is_int(seen, 0, "nor has it a sender");
}

int
main(void)
{
	test_form();
	test_backend();
	test_address();
	test_refused();
	return done();
}
