#include "ctl/verb.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/utf8.h"
#include "codec/jspan.h"
#include "pollcat/report.h"

enum { INPUT_MAX = 64 << 20 };

/* ---- Parts of requests ---- */

static void
add_escaped(struct buf *path, const char *text)
{
	for (; *text; text++) {
		if (strchr("-_.~", *text) || (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z'))
			buf_add(path, text, 1);
		else
			buf_addf(path, "%%%02X", (unsigned char)*text);
	}
}

/* "name":"text" */
static void
add_string(struct buf *body, const char *name, const char *text)
{
	buf_addf(body, "\"%s\":", name);
	jspan_quote(body, text, strlen(text));
}

static bool
read_input(struct buf *input)
{
	char chunk[16384];
	size_t n;

	while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0) {
		buf_add(input, chunk, n);
		if (input->len > INPUT_MAX) {
			report("standard input is larger than 64 MB");
			return false;
		}
	}
	if (ferror(stdin))
		report("standard input cannot be read");
	return !ferror(stdin);
}

static bool
is_json(const char *text, size_t len)
{
	struct jspan value;

	return jspan_check(&value, text, len);
}

/* The argument, or what standard input says; of a text there a line end at its end is no part. */
static bool
get_data(struct buf *data, const struct ctl_options *o, const char *argument)
{
	if (strcmp(argument, "-") != 0) {
		buf_adds(data, argument);
		return true;
	}
	if (!read_input(data))
		return false;
	if (o->text && data->len > 0 && data->data[data->len - 1] == '\n')
		data->len--;
	return true;
}

/* ,"data":... */
static bool
add_data(struct buf *body, const struct ctl_options *o, const char *argument)
{
	struct buf data = BUF_EMPTY;
	const char *wrong = NULL;

	buf_adds(&data, "");
	if (!get_data(&data, o, argument)) {
		buf_free(&data);
		return false;
	}
	if (o->text && !utf8_check(data.data, data.len))
		wrong = "DATA is not UTF-8";
	if (!o->text && !is_json(data.data, data.len))
		wrong = "DATA is not JSON; --text sends it as text";
	buf_adds(body, ",\"data\":");
	if (wrong)
		report("%s", wrong);
	else if (o->text)
		jspan_quote(body, data.data, data.len);
	else
		buf_add(body, data.data, data.len);
	buf_free(&data);
	return !wrong;
}

static bool
check_names(const struct ctl_options *o, int names)
{
	for (int i = 0; i < o->args_count && i < names; i++)
		if (!*o->args[i]) {
			report("%s has an empty argument; see pollgatectl --help", o->verb);
			return false;
		}
	return true;
}

static bool
check_id(const char *text)
{
	struct name id;

	if (name_parse(&id, text, strlen(text)))
		return true;
	report("%s is no id of a session: that has 22 characters of base64url", text);
	return false;
}

/* ---- Verbs ---- */

/* {"op":"append","room":...,"event":...,"data":...}, or the same without "op". */
static bool
add_message(struct ctl_request *request, const struct ctl_options *o, const char *whom)
{
	add_string(&request->body, whom, o->args[0]);
	buf_adds(&request->body, ",");
	add_string(&request->body, "event", o->args[1]);
	return o->args_count < 3 || add_data(&request->body, o, o->args[2]);
}

static void
begin_ops(struct ctl_request *request)
{
	request->method = "POST";
	request->changes = request->results = true;
	buf_adds(&request->path, "/api/v1/ops");
}

static bool
make_message(struct ctl_request *request, const struct ctl_options *o, const char *whom)
{
	request->method = "POST";
	request->changes = true;
	buf_adds(&request->path, "/api/v1/publish");
	buf_adds(&request->body, "{");
	if (!add_message(request, o, whom))
		return false;
	buf_adds(&request->body, "}");
	return true;
}

static bool
make_publish(struct ctl_request *request, const struct ctl_options *o)
{
	return make_message(request, o, "room");
}

static bool
make_send(struct ctl_request *request, const struct ctl_options *o)
{
	return check_id(o->args[0]) && make_message(request, o, "to");
}

static bool
make_notify(struct ctl_request *request, const struct ctl_options *o)
{
	return make_message(request, o, "user");
}

static bool
make_append(struct ctl_request *request, const struct ctl_options *o)
{
	begin_ops(request);
	buf_adds(&request->body, "{\"ops\":[{\"op\":\"append\",");
	if (!add_message(request, o, "room"))
		return false;
	buf_adds(&request->body, "}]}");
	return true;
}

static bool
make_move(struct ctl_request *request, const struct ctl_options *o)
{
	begin_ops(request);
	buf_addf(&request->body, "{\"ops\":[{\"op\":\"%s\",\"session\":\"%s\",", o->verb, o->args[0]);
	add_string(&request->body, "room", o->args[1]);
	buf_adds(&request->body, "}]}");
	return check_id(o->args[0]);
}

static bool
make_set(struct ctl_request *request, const struct ctl_options *o)
{
	begin_ops(request);
	buf_addf(&request->body, "{\"ops\":[{\"op\":\"set\",\"session\":\"%s\"", o->args[0]);
	if (!check_id(o->args[0]) || !add_data(&request->body, o, o->args[1]))
		return false;
	buf_adds(&request->body, "}]}");
	return true;
}

static bool
make_disconnect(struct ctl_request *request, const struct ctl_options *o)
{
	begin_ops(request);
	buf_adds(&request->body, "{\"ops\":[");
	for (int i = 0; i < o->args_count; i++) {
		if (!check_id(o->args[i]))
			return false;
		buf_addf(&request->body, "%s{\"op\":\"disconnect\",\"session\":\"%s\"}", i > 0 ? "," : "", o->args[i]);
	}
	buf_adds(&request->body, "]}");
	return true;
}

static bool
make_session(struct ctl_request *request, const struct ctl_options *o)
{
	buf_addf(&request->path, "/api/v1/sessions/%s", o->args[0]);
	return check_id(o->args[0]);
}

static void
add_room(struct ctl_request *request, const struct ctl_options *o, const char *what)
{
	buf_adds(&request->path, "/api/v1/rooms/");
	add_escaped(&request->path, o->args[0]);
	buf_addf(&request->path, "/%s", what);
}

static bool
make_list(struct ctl_request *request, const struct ctl_options *o)
{
	request->list = o->verb;
	buf_addf(&request->path, "/api/v1/%s", o->verb);
	return true;
}

static bool
make_user(struct ctl_request *request, const struct ctl_options *o)
{
	request->list = "sessions";
	buf_adds(&request->path, "/api/v1/users/");
	add_escaped(&request->path, o->args[0]);
	buf_adds(&request->path, "/sessions");
	return true;
}

static bool
make_letter(struct ctl_request *request, const struct ctl_options *o)
{
	request->method = strcmp(o->verb, "replay") == 0 ? "POST" : "DELETE";
	request->changes = true;
	buf_adds(&request->path, "/api/v1/letters/");
	add_escaped(&request->path, o->args[0]);
	return true;
}

static bool
make_members(struct ctl_request *request, const struct ctl_options *o)
{
	add_room(request, o, "members");
	if (o->count)
		buf_addf(&request->path, "?max=%s", o->count);
	return true;
}

static bool
make_history(struct ctl_request *request, const struct ctl_options *o)
{
	add_room(request, o, "history");
	if (o->count)
		buf_addf(&request->path, "?count=%s", o->count);
	if (o->before)
		buf_addf(&request->path, "%cbefore=%s", o->count ? '&' : '?', o->before);
	return true;
}

static bool
make_ops(struct ctl_request *request, const struct ctl_options *o)
{
	(void)o;
	begin_ops(request);
	if (!read_input(&request->body))
		return false;
	if (is_json(request->body.data ? request->body.data : "", request->body.len))
		return true;
	report("standard input is not JSON");
	return false;
}

/* ---- Which it is ---- */

static const struct verb {
	const char *name;
	int least, most; /* Arguments, */
	int names;       /* and how many of them, from the first on, are not empty: all but DATA. */
	bool (*make)(struct ctl_request *request, const struct ctl_options *options);
} verbs[] = {
	{"publish", 2, 3, 2, make_publish},
	{"send", 2, 3, 2, make_send},
	{"notify", 2, 3, 2, make_notify},
	{"append", 2, 3, 2, make_append},
	{"history", 1, 1, 1, make_history},
	{"members", 1, 1, 1, make_members},
	{"session", 1, 1, 1, make_session},
	{"user", 1, 1, 1, make_user},
	{"rooms", 0, 0, 0, make_list},
	{"sessions", 0, 0, 0, make_list},
	{"join", 2, 2, 2, make_move},
	{"leave", 2, 2, 2, make_move},
	{"set", 2, 2, 1, make_set},
	{"disconnect", 1, INT16_MAX, INT16_MAX, make_disconnect},
	{"letters", 0, 0, 0, make_list},
	{"replay", 1, 1, 1, make_letter},
	{"forget", 1, 1, 1, make_letter},
	{"ops", 0, 0, 0, make_ops},
};

bool
ctl_request_make(struct ctl_request *request, const struct ctl_options *o)
{
	*request = (struct ctl_request){.method = "GET"};
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (strcmp(o->verb, verbs[i].name) != 0)
			continue;
		if (o->args_count >= verbs[i].least && o->args_count <= verbs[i].most)
			return check_names(o, verbs[i].names) && verbs[i].make(request, o);
		report("%s has other arguments; see pollgatectl --help", o->verb);
		return false;
	}
	report("there is no verb %s; see pollgatectl --help", o->verb);
	return false;
}

void
ctl_request_next(struct ctl_request *request, const char *next)
{
	request->path.len = strcspn(request->path.data, "?");
	buf_addf(&request->path, "?at=%s", next);
}

void
ctl_request_free(struct ctl_request *request)
{
	buf_free(&request->path);
	buf_free(&request->body);
}
