/*
 * Where keys lie.  These are for ever: an instance with another idea of them would not find what this one wrote.
 */
#include "../tap.h"
#include "store/store_redis_keys.h"

#define TAGS_SUM 3590497948 /* Of all tags of the prefix "p". */

/* The argument of a command of one, without its length. */
static const char *
argument(struct redis_command *command, size_t *len)
{
	static char copy[128];
	size_t all;
	const char *bytes = redis_command_bytes(command, &all), *p = bytes;

	for (int line = 0; line < 4; line++)
		p = strchr(p, '\n') + 1;
	*len = all - (size_t)(p - bytes) - 2;
	snprintf(copy, sizeof copy, "%.*s", (int)*len, p);
	return copy;
}

static struct name
named(const char *text)
{
	struct name name;

	memset(name.s, '-', NAME_LEN);
	memcpy(name.s, text, strlen(text));
	name.s[NAME_LEN] = '\0';
	return name;
}

static void
test_tags(const struct keys *keys)
{
	struct redis_command command = REDIS_COMMAND_EMPTY;
	unsigned long sum = 5381;
	size_t len, longest = 0, wrong = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		const char *channel;

		redis_command_start(&command, "x");
		keys_add_channel(keys, &command, i);
		channel = argument(&command, &len);
		longest = len > longest ? len : longest;
		wrong += keys_channel_bucket(keys, channel, len) != (int)i || strncmp(channel, "p:{", 3) != 0;
		for (size_t j = 0; j < len; j++)
			sum = (sum * 33 + (unsigned char)channel[j]) & 0xffffffff;
	}
	is_int((int64_t)wrong, 0, "each bucket has a tag that lies in its slots");
	is_int((int64_t)longest, (int64_t)strlen("p:{xyz}"), "of three characters at most");
	is_int((int64_t)sum, TAGS_SUM, "and will have it for ever");
	redis_command_free(&command);
}

static void
test_keys(const struct keys *keys)
{
	struct redis_command command = REDIS_COMMAND_EMPTY;
	struct name name = named("123456789");
	char wanted[128];
	size_t len;
	const char *tag;

	redis_command_start(&command, "x");
	keys_add_channel(keys, &command, keys_bucket(&name));
	tag = argument(&command, &len);
	snprintf(wanted, sizeof wanted, "%ss:%s", tag, name.s);
	redis_command_start(&command, "x");
	keys_add(keys, &command, 's', &name);
	is_string(argument(&command, &len), wanted, "a key has its bucket's tag, its kind and its name");
	is_int(keys_channel_bucket(keys, "p:{123456789}", 13), 0x31c3 % 16384 / (16384 / BUCKETS), "the slot is that of CRC-16/XMODEM");
	is_int(keys_channel_bucket(keys, "q:{1}", 5), -1, "a channel of another prefix is none of ours");
	redis_command_free(&command);
}

/* Names are random: each shard should have its share. */
static void
test_spread(void)
{
	static unsigned shards[DEADLINE_SHARDS];
	unsigned least = UINT32_MAX, most = 0;
	char text[NAME_LEN + 1];

	for (int i = 0; i < 100 * DEADLINE_SHARDS; i++) {
		struct name name;

		snprintf(text, sizeof text, "%d", i * 7919);
		name = named(text);
		shards[keys_deadline_shard(&name)]++;
	}
	for (int i = 0; i < DEADLINE_SHARDS; i++) {
		least = shards[i] < least ? shards[i] : least;
		most = shards[i] > most ? shards[i] : most;
	}
	ok(least >= 40 && most <= 180, "names spread evenly (%u to %u in each shard, of 100)", least, most);
}

int
main(void)
{
	struct keys *keys = keys_new("p");

	test_tags(keys);
	test_keys(keys);
	test_spread();
	keys_free(keys);
	return done();
}
