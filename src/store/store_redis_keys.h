/*
 * The names of keys and channels, and how they lie in the slots of a cluster.
 *
 * Sessions and rooms hash to 2048 buckets.  All keys and the channel of a bucket carry its tag, so they share one slot; bucket
 * i has the shortest tag whose slot is one of 4i .. 4i+3, so any cluster has them spread evenly.  These are for ever.
 *
 *	PREFIX:{tag}s:ID    a session: hash.  l: last id of its mailbox; a: how far its client has it.  If there are: u: public data;
 *	                    w: away; g: its rooms (lines "since key title"); q, r: number and results of its last operations;
 *	                    s: its state; p: its grants; o: the user whose it is; e: the head of the entry that its queue gets
 *	                    when it ends
 *	PREFIX:{tag}m:ID    its mailbox: stream with fields p (the id before) and d; made by the first append
 *	PREFIX:{tag}r:KEY   a room: hash.  l: last id of its log; t: title; s, if so: something was said in it
 *	PREFIX:{tag}l:KEY   its log: stream
 *	PREFIX:{tag}p:KEY   its members: hash, id -> '-' or 'w' (away) and the public data
 *	PREFIX:{tag}u:USER  a user's sessions: sorted set, each with when it is past its time, should its hash go without a word
 *	PREFIX:{tag}d       when sessions are due: sorted set by milliseconds; 256 shards: up to some 30,000 sessions each is
 *	                    small enough to be stored densely (44 B for a session, else 140), and one ZADD still touches many
 *	PREFIX:{tag}c       when rooms are past their time: sorted set; 16 shards
 *	PREFIX:{tag}o:KEY   an order that was applied: its request and its results, a line each
 *	PREFIX:{tag}o       when orders are past their time: sorted set, one for all
 *	PREFIX:{tag}        the channel
 *	PREFIX:^            the channel of sinks, the same for all
 */
#ifndef STORE_STORE_REDIS_KEYS_H
#define STORE_STORE_REDIS_KEYS_H

#include <stdint.h>

#include "base/name.h"
#include "net/redis_command.h"

#define BUCKETS 2048
#define DEADLINE_SHARDS 256
#define CATALOGUE_SHARDS 16

struct keys;

struct keys *keys_new(const char *prefix);
void keys_free(struct keys *);

unsigned keys_bucket(const struct name *);
unsigned keys_deadline_shard(const struct name *session);

/* Each adds one argument. */
void keys_add(const struct keys *, struct redis_command *, char kind, const struct name *); /* kind: s m r l p q u o w */
void keys_add_shard(const struct keys *, struct redis_command *, char kind, unsigned shard); /* kind: d c; o has shard 0 alone. */
void keys_add_deadlines(const struct keys *, struct redis_command *, const struct name *session);
void keys_add_catalogue(const struct keys *, struct redis_command *, const struct name *room);
void keys_add_channel(const struct keys *, struct redis_command *, unsigned bucket);

/* PREFIX:^, where all instances tell of their sinks. */
void keys_add_sinks_channel(const struct keys *, struct redis_command *);
bool keys_is_sinks_channel(const struct keys *, const char *channel, size_t len);

/* The bucket of a channel, -1 if it is none of ours. */
int keys_channel_bucket(const struct keys *, const char *channel, size_t len);

#endif
