#include "store/store_redis_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS 16384
#define SLOTS_PER_BUCKET (SLOTS / BUCKETS)
#define TAG_MAX 4

struct keys {
	char *prefix; /* "PREFIX:{" */
	size_t prefix_len;
	struct {
		char s[TAG_MAX];
		uint8_t len;
	} tags[BUCKETS];
};

/* CRC-16/XMODEM, which is what Redis Cluster takes, four bits at a time. */
static unsigned
bucket_of(const char *s, size_t len)
{
	static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a,
	    0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
	uint16_t crc = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ c >> 4]);
		crc = (uint16_t)(crc << 4 ^ table[crc >> 12 ^ (c & 15)]);
	}
	return crc % SLOTS / SLOTS_PER_BUCKET;
}

/* The next string in the order 0 1 .. z 00 01 .. zz 000. */
static size_t
next_tag(char *tag, size_t len)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (size_t i = len; i-- > 0;) {
		if (tag[i] != 'z') {
			tag[i] = strchr(digits, tag[i])[1];
			return len;
		}
		tag[i] = '0';
	}
	tag[len] = '0';
	return len + 1;
}

struct keys *
keys_new(const char *prefix)
{
	struct keys *keys = mem_zero(1, sizeof *keys);
	char tag[TAG_MAX + 1];
	size_t len = next_tag(tag, 0);

	keys->prefix_len = strlen(prefix) + 2;
	keys->prefix = mem_alloc(keys->prefix_len + 1);
	memcpy(keys->prefix, prefix, keys->prefix_len - 2);
	memcpy(keys->prefix + keys->prefix_len - 2, ":{", 3);
	for (unsigned found = 0; found < BUCKETS; len = next_tag(tag, len)) {
		unsigned bucket = bucket_of(tag, len);

		assert(len <= TAG_MAX);
		if (keys->tags[bucket].len)
			continue;
		memcpy(keys->tags[bucket].s, tag, len);
		keys->tags[bucket].len = (uint8_t)len;
		found++;
	}
	return keys;
}

void
keys_free(struct keys *keys)
{
	if (!keys)
		return;
	free(keys->prefix);
	free(keys);
}

unsigned
keys_bucket(const struct name *name)
{
	return bucket_of(name->s, NAME_LEN);
}

unsigned
keys_deadline_shard(const struct name *session)
{
	return keys_bucket(session) / (BUCKETS / DEADLINE_SHARDS);
}

/* Add PREFIX:{tag} and room for more, which is returned. */
static char *
add(const struct keys *keys, struct redis_command *command, unsigned bucket, size_t more)
{
	size_t len = keys->tags[bucket].len;
	char *p = redis_command_space(command, keys->prefix_len + len + 1 + more);

	memcpy(p, keys->prefix, keys->prefix_len);
	p += keys->prefix_len;
	memcpy(p, keys->tags[bucket].s, len);
	p += len;
	*p++ = '}';
	return p;
}

void
keys_add(const struct keys *keys, struct redis_command *command, char kind, const struct name *name)
{
	char *p = add(keys, command, keys_bucket(name), 2 + NAME_LEN);

	*p++ = kind;
	*p++ = ':';
	memcpy(p, name->s, NAME_LEN);
}

/* A shard carries the tag of the first bucket that it serves. */
void
keys_add_shard(const struct keys *keys, struct redis_command *command, char kind, unsigned shard)
{
	unsigned buckets = BUCKETS / (kind == 'd' ? DEADLINE_SHARDS : CATALOGUE_SHARDS);

	*add(keys, command, shard * buckets, 1) = kind;
}

void
keys_add_deadlines(const struct keys *keys, struct redis_command *command, const struct name *session)
{
	keys_add_shard(keys, command, 'd', keys_deadline_shard(session));
}

void
keys_add_catalogue(const struct keys *keys, struct redis_command *command, const struct name *room)
{
	keys_add_shard(keys, command, 'c', keys_bucket(room) / (BUCKETS / CATALOGUE_SHARDS));
}

void
keys_add_channel(const struct keys *keys, struct redis_command *command, unsigned bucket)
{
	add(keys, command, bucket, 0);
}

void
keys_add_sinks_channel(const struct keys *keys, struct redis_command *command)
{
	char *p = redis_command_space(command, keys->prefix_len);

	memcpy(p, keys->prefix, keys->prefix_len - 1); /* Without the brace. */
	p[keys->prefix_len - 1] = '^';
}

bool
keys_is_sinks_channel(const struct keys *keys, const char *channel, size_t len)
{
	return len == keys->prefix_len && memcmp(channel, keys->prefix, len - 1) == 0 && channel[len - 1] == '^';
}

int
keys_channel_bucket(const struct keys *keys, const char *channel, size_t len)
{
	if (len <= keys->prefix_len + 1 || memcmp(channel, keys->prefix, keys->prefix_len) != 0 || channel[len - 1] != '}')
		return -1;
	return (int)bucket_of(channel + keys->prefix_len, len - keys->prefix_len - 1);
}
