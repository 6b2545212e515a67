/*
 * A connection to a real Redis: order, waiting, deadlines, loss, log-in.  And URLs and commands as bytes.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

#include "../redis_server.h"
#include "../tap.h"
#include "base/clock.h"
#include "net/redis.h"

#define LIMIT_MS 10000
#define MANY 1000

struct peer {
	struct event_base *base;
	struct event *tick;
	struct redis_address address;
	struct redis *redis;
	int ups, downs, pushes;
	char why[200];
	char pushed[64];
};

struct ask {
	struct redis_command command;
	int answers;
	int none;   /* Answered with NULL. */
	int type;
	long long integer;
	char text[64];
	size_t len;
	int *order; /* Where it comes in all answers. */
	int place;
	struct redis **free_in; /* To be freed when the answer comes. */
};

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

#define until(p, condition) \
	__extension__({ \
		int64_t until_deadline = clock_mono_ms() + LIMIT_MS; \
		while (!(condition) && clock_mono_ms() < until_deadline) \
			event_base_loop((p)->base, EVLOOP_ONCE); \
		(condition); \
	})

static void
on_up(void *arg)
{
	((struct peer *)arg)->ups++;
}

static void
on_down(void *arg, const char *why)
{
	struct peer *p = arg;

	p->downs++;
	snprintf(p->why, sizeof p->why, "%s", why);
}

static void
on_push(void *arg, const redisReply *push)
{
	struct peer *p = arg;

	p->pushes++;
	snprintf(p->pushed, sizeof p->pushed, "%s %s", push->element[0]->str, push->element[2]->str ? push->element[2]->str : "");
}

static const struct redis_events events = {on_up, on_down, NULL};
static const struct redis_events push_events = {on_up, on_down, on_push};

static void
peer_start(struct peer *p, const char *url, const struct redis_events *e, int64_t timeout_ms)
{
	struct timeval often = {0, 5000};
	struct redis_options options = {&p->address, "test", timeout_ms};

	memset(p, 0, sizeof *p);
	if (redis_url_parse(&p->address, url))
		ok(false, "%s is a URL", url);
	p->base = event_base_new();
	p->tick = event_new(p->base, -1, EV_PERSIST, on_tick, NULL);
	event_add(p->tick, &often);
	p->redis = redis_new(p->base, &options, e, p);
}

static void
peer_end(struct peer *p)
{
	redis_free(p->redis);
	redis_address_free(&p->address);
	event_free(p->tick);
	event_base_free(p->base);
}

static void
on_reply(void *arg, const redisReply *reply)
{
	struct ask *ask = arg;

	ask->answers++;
	if (ask->order)
		ask->place = (*ask->order)++;
	if (ask->free_in) {
		redis_free(*ask->free_in);
		*ask->free_in = NULL;
	}
	if (!reply) {
		ask->none++;
		return;
	}
	ask->type = reply->type;
	ask->integer = reply->integer;
	ask->len = (size_t)reply->len;
	snprintf(ask->text, sizeof ask->text, "%s", reply->str ? reply->str : "");
}

/* Words are separated by spaces. */
static void
make(struct ask *ask, const char *words)
{
	char copy[256], *word, *rest = copy;

	snprintf(copy, sizeof copy, "%s", words);
	redis_command_start(&ask->command, strsep(&rest, " "));
	while ((word = strsep(&rest, " ")))
		redis_command_adds(&ask->command, word);
}

static void
ask_in(struct peer *p, struct ask *ask, const char *words, int64_t ms)
{
	make(ask, words);
	redis_send(p->redis, &ask->command, clock_mono_ms() + ms, on_reply, ask);
}

static const char *
answer(struct peer *p, const char *words)
{
	static struct ask ask;

	redis_command_free(&ask.command);
	memset(&ask, 0, sizeof ask);
	ask_in(p, &ask, words, LIMIT_MS);
	if (!until(p, ask.answers))
		return "(none)";
	return ask.none ? "(lost)" : ask.text;
}

/* ---- URLs ---- */

static void
test_urls(void)
{
	static const char *const bad[] = {"", "redis:", "redis://", "http://h", "redis://:6379", "redis://h:", "redis://h:0",
	    "redis://h:65536", "redis://h:6379x", "redis://h/x", "redis://h/-1", "redis://h/1?x=y", "redis://secret@h", "redis://u:@h",
	    "redis://u:%2@h", "redis://u:%00@h", "redis://[::1", "redis://[::1]6379", "redis://::1", "rediss://h", "redis+cluster://h",
	    "redis://h/9999999"};
	struct redis_address a;
	size_t wrong = 0;

	is_string(redis_url_parse(&a, "redis://localhost"), NULL, "a host alone is enough");
	ok(strcmp(a.host, "localhost") == 0 && a.port == 6379 && !a.user && !a.password && a.db == 0, "the rest has defaults");
	redis_address_free(&a);
	is_string(redis_url_parse(&a, "redis://us%40er:p%3a%2Fw:x@[2001:db8::1]:7000/12"), NULL, "a URL has all parts");
	is_string(a.host, "2001:db8::1", "an IPv6 address is without its brackets");
	is_string(a.user, "us@er", "the user is percent-decoded");
	is_string(a.password, "p:/w:x", "and the password, which may have colons");
	ok(a.port == 7000 && a.db == 12, "port and database are numbers");
	redis_address_free(&a);
	is_string(redis_url_parse(&a, "redis://:pw@h/"), NULL, "the user may be empty");
	ok(!a.user && strcmp(a.password, "pw") == 0, "then it is the default one");
	redis_address_free(&a);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *why = redis_url_parse(&a, bad[i]);

		wrong += !why || strstr(why, "secret") || a.host || a.password;
	}
	is_int((int64_t)wrong, 0, "what is wrong with a URL is told, without the URL");
}

static void
test_commands(void)
{
	struct redis_command c = REDIS_COMMAND_EMPTY;
	static const char wanted[] =
	    "*6\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n$20\r\n18446744073709551615\r\n$2\r\nxy\r\n";
	const char *bytes;
	size_t len;

	redis_command_start(&c, "SET");
	redis_command_add(&c, "a\0b", 3);
	redis_command_adds(&c, "");
	redis_command_addi(&c, INT64_MIN);
	redis_command_addu(&c, UINT64_MAX);
	memcpy(redis_command_space(&c, 2), "xy", 2);
	bytes = redis_command_bytes(&c, &len);
	ok(len == sizeof wanted - 1 && memcmp(bytes, wanted, len) == 0, "a command is RESP, and its arguments are bytes");
	redis_command_start(&c, "x");
	for (int i = 1; i < 12345; i++)
		redis_command_adds(&c, "y");
	bytes = redis_command_bytes(&c, &len);
	ok(memcmp(bytes, "*12345\r\n$1\r\nx\r\n", 15) == 0, "it may have many, and is used again");
	redis_command_free(&c);
}

/* ---- The connection ---- */

static void
test_order(struct redis_server *server, const char *url)
{
	static struct ask asks[MANY];
	int order = 0;
	size_t wrong = 0;
	char words[64];
	struct peer p;

	(void)server;
	peer_start(&p, url, &events, LIMIT_MS);
	memset(asks, 0, sizeof asks);
	for (int i = 0; i < MANY; i++) {
		asks[i].order = &order;
		snprintf(words, sizeof words, "ECHO word-%d", i);
		ask_in(&p, &asks[i], words, LIMIT_MS);
	}
	ok(asks[0].answers == 0, "commands wait for the connection");
	until(&p, order == MANY);
	for (int i = 0; i < MANY; i++) {
		snprintf(words, sizeof words, "word-%d", i);
		wrong += asks[i].answers != 1 || asks[i].place != i || strcmp(asks[i].text, words) != 0;
		redis_command_free(&asks[i].command);
	}
	is_int((int64_t)wrong, 0, "then each has its answer, in order");
	is_int(p.ups, 1, "by one connection");
	is_string(answer(&p, "CLIENT GETNAME"), "test", "which has a name");
	ok(strncmp(answer(&p, "NONSENSE"), "ERR unknown command", 19) == 0, "an error is an answer, too");
	is_string(answer(&p, "ECHO x"), "x", "and does no harm");
	peer_end(&p);
}

static void
test_large(const char *url)
{
	enum { SIZE = 5000000 };
	struct ask ask = {.answers = 0};
	struct peer p;

	peer_start(&p, url, &events, LIMIT_MS);
	redis_command_start(&ask.command, "ECHO");
	memset(redis_command_space(&ask.command, SIZE), 0, SIZE);
	redis_send(p.redis, &ask.command, clock_mono_ms() + LIMIT_MS, on_reply, &ask);
	ok(until(&p, ask.answers) && ask.len == SIZE, "a command and an answer may be large");
	redis_command_free(&ask.command);
	peer_end(&p);
}

static void
test_loss(struct redis_server *server, const char *url)
{
	struct ask stuck = {.answers = 0}, late = {.answers = 0}, kept = {.answers = 0};
	struct peer p;

	peer_start(&p, url, &events, 300);
	is_string(answer(&p, "ECHO x"), "x", "a connection is made");
	ask_in(&p, &stuck, "BLPOP nothing 0", LIMIT_MS);
	until(&p, redis_server_do(server, "CLIENT KILL TYPE normal SKIPME yes") > 0);
	ok(until(&p, stuck.answers) && stuck.none, "what was on its way when it is lost has no answer");
	ok(until(&p, p.ups == 2), "another connection is made");
	is_int(p.downs, 1, "the loss is told");
	is_string(answer(&p, "ECHO y"), "y", "and the new one works");

	redis_server_signal(server, SIGSTOP);
	memset(&late.answers, 0, sizeof late.answers);
	ask_in(&p, &late, "ECHO late", 200);
	ok(until(&p, late.answers) && late.none, "an answer that is late ends the connection");
	is_string(p.why, "no answer in time", "which is told");
	ask_in(&p, &kept, "ECHO kept", LIMIT_MS);
	redis_server_signal(server, SIGCONT);
	ok(until(&p, kept.answers) && strcmp(kept.text, "kept") == 0, "what was asked meanwhile goes to the next one");

	redis_server_kill(server);
	redis_command_free(&late.command);
	memset(&late, 0, sizeof late);
	ask_in(&p, &late, "ECHO waiting", 200);
	ok(until(&p, late.answers) && late.none, "who waits in vain for a connection is told in time");
	redis_server_restart(server);
	is_string(answer(&p, "ECHO z"), "z", "a server that comes back is found");
	redis_command_free(&stuck.command);
	redis_command_free(&late.command);
	redis_command_free(&kept.command);
	peer_end(&p);
}

static void
test_silence(struct redis_server *server, const char *url)
{
	struct peer p;

	peer_start(&p, url, &events, 300);
	until(&p, p.ups == 1);
	redis_server_signal(server, SIGSTOP);
	ok(until(&p, p.downs == 1), "a server that says nothing is noticed when nothing is asked, too");
	redis_server_signal(server, SIGCONT);
	ok(until(&p, p.ups == 2), "and found again");
	peer_end(&p);
}

static void
test_frozen(struct redis_server *server, const char *url)
{
	struct ask ask = {.answers = 0};
	struct peer p;

	peer_start(&p, url, &events, 300);
	until(&p, p.ups == 1);
	ask_in(&p, &ask, "ECHO x", 200);
	clock_turn(100000);
	ok(until(&p, ask.answers) && !ask.none, "after this process stood still, nothing is late that only seems so");
	redis_command_free(&ask.command);
	memset(&ask, 0, sizeof ask);
	clock_turn(100000);
	redis_server_signal(server, SIGSTOP);
	ask_in(&p, &ask, "ECHO y", LIMIT_MS);
	ok(until(&p, p.downs == 1), "a connection that does not answer then is dropped");
	ok(ask.answers == 0, "before a new command is trusted to it");
	redis_server_signal(server, SIGCONT);
	ok(until(&p, ask.answers) && strcmp(ask.text, "y") == 0, "which goes to the next one");
	redis_command_free(&ask.command);
	peer_end(&p);
}

static void
test_pushes(struct redis_server *server, const char *url)
{
	struct redis_command command = REDIS_COMMAND_EMPTY;
	struct peer p;

	peer_start(&p, url, &push_events, 300);
	until(&p, p.ups == 1);
	redis_command_start(&command, "SUBSCRIBE");
	redis_command_adds(&command, "c");
	redis_tell(p.redis, &command);
	ok(until(&p, p.pushes == 1) && strncmp(p.pushed, "subscribe", 9) == 0, "a subscription is confirmed");
	redis_server_do(server, "PUBLISH c hello");
	ok(until(&p, p.pushes == 2) && strcmp(p.pushed, "message hello") == 0, "a message comes");
	redis_server_signal(server, SIGSTOP);
	ok(until(&p, p.downs == 1), "a server that says nothing is noticed while subscribed");
	redis_server_signal(server, SIGCONT);
	ok(until(&p, p.ups == 2), "and found again");
	redis_command_free(&command);
	peer_end(&p);
}

static void
test_login(const char *requirepass, const char *host_url)
{
	char url[128];
	struct peer p;

	snprintf(url, sizeof url, "redis://:%s@%s/3", requirepass, host_url);
	peer_start(&p, url, &events, LIMIT_MS);
	is_string(answer(&p, "SET k v"), "OK", "a password opens");
	peer_end(&p);
	snprintf(url, sizeof url, "redis://default:%s@%s/3", requirepass, host_url);
	peer_start(&p, url, &events, LIMIT_MS);
	is_string(answer(&p, "GET k"), "v", "with a user's name, too, to the same database");
	peer_end(&p);
	snprintf(url, sizeof url, "redis://:wrong@%s", host_url);
	peer_start(&p, url, &events, LIMIT_MS);
	ok(until(&p, p.downs > 0) && strncmp(p.why, "WRONGPASS", 9) == 0, "a wrong one does not, and it is told");
	peer_end(&p);
	snprintf(url, sizeof url, "redis://%s", host_url);
	peer_start(&p, url, &events, LIMIT_MS);
	ok(until(&p, p.downs > 0) && strncmp(p.why, "NOAUTH", 6) == 0, "nor does none");
	peer_end(&p);
}

static void
test_unreachable(void)
{
	struct peer p;

	peer_start(&p, "redis://127.0.0.1:1", &events, LIMIT_MS);
	ok(until(&p, p.downs >= 3), "a server that is not there is tried again and again");
	is_string(p.why, "Connection refused", "and it is told why");
	peer_end(&p);
	peer_start(&p, "redis://no-such-host.invalid:1", &events, 2000);
	ok(until(&p, p.downs >= 1), "a host that does not exist is no server");
	peer_end(&p);
}

static void
test_free(const char *url)
{
	struct ask first = {.answers = 0}, second = {.answers = 0};
	struct peer p;

	peer_start(&p, url, &events, LIMIT_MS);
	first.free_in = &p.redis;
	ask_in(&p, &first, "ECHO x", LIMIT_MS);
	ask_in(&p, &second, "ECHO y", LIMIT_MS);
	until(&p, first.answers);
	ok(first.answers == 1 && second.answers == 1 && second.none, "a connection may be freed by a callback, which answers all");
	redis_command_free(&first.command);
	redis_command_free(&second.command);
	peer_end(&p);
}

int
main(void)
{
	static const char *const locked[] = {"--requirepass", "opensesame", NULL};
	struct redis_server server = {.port = 0}, safe = {.arguments = locked};
	char url[64], name_url[64];

	signal(SIGPIPE, SIG_IGN);
	test_urls();
	test_commands();
	test_unreachable();
	redis_server_start(&server);
	snprintf(url, sizeof url, "redis://127.0.0.1:%d", server.port);
	snprintf(name_url, sizeof name_url, "redis://localhost:%d", server.port);
	test_order(&server, url);
	test_order(&server, name_url);
	test_large(url);
	test_free(url);
	test_pushes(&server, url);
	test_silence(&server, url);
	test_frozen(&server, url);
	test_loss(&server, url);
	redis_server_end(&server);
	redis_server_start(&safe);
	snprintf(url, sizeof url, "127.0.0.1:%d", safe.port);
	test_login("opensesame", url);
	redis_server_end(&safe);
	return done();
}
