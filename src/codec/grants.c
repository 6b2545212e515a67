/* Rights to rooms: see grants.h. */
#include "codec/grants.h"

#include <string.h>

static const char *const right_names[GRANTS_RIGHTS] = {
	[GRANTS_JOIN] = "join",
	[GRANTS_SEND] = "send",
	[GRANTS_HISTORY] = "history",
};

/* ---- Making ---- */

static const char *
add_user(struct buf *b, struct jspan user)
{
	struct buf text = BUF_EMPTY;
	bool good = !user.text || (jspan_text(user, &text) && text.len <= GRANTS_USER_MAX);

	buf_free(&text);
	if (!good)
		return "Its \"sub\" is not a string of at most 255 bytes.";
	if (user.text) {
		buf_adds(b, ",\"user\":");
		buf_add(b, user.text, user.len);
	}
	return NULL;
}

/* A list as it stands, but of white space and escapes only what is needed. */
static const char *
add_right(struct buf *b, enum grants_right right, struct jspan list)
{
	struct buf text = BUF_EMPTY;
	struct jspan pattern;
	size_t at = 0;
	bool good = jspan_type(list) == JSPAN_ARRAY, first = true;

	buf_addf(b, ",\"%s\":[", right_names[right]);
	while (good && jspan_next_element(list, &at, &pattern)) {
		good = jspan_text(pattern, &text);
		if (!good)
			break;
		buf_adds(b, first ? "" : ",");
		jspan_quote(b, text.data, text.len);
		first = false;
	}
	buf_adds(b, "]");
	buf_free(&text);
	return good ? NULL : "Its \"join\", \"send\" and \"history\" must be arrays of rooms.";
}

static const char *
add_switch(struct buf *b, const char *name, struct jspan value, bool by_default)
{
	enum jspan_type type = jspan_type(value);

	if (type != JSPAN_NONE && type != JSPAN_TRUE && type != JSPAN_FALSE)
		return "Its \"direct\" and \"set\" must be true or false.";
	buf_addf(b, ",\"%s\":%s", name, (type == JSPAN_NONE ? by_default : type == JSPAN_TRUE) ? "true" : "false");
	return NULL;
}

static const char *
add_rights(struct grants_claims *made, struct jspan about, bool has_data)
{
	enum { DIRECT = GRANTS_RIGHTS, SET, DATA, NAMES };
	static const char *const names[NAMES] = {"join", "send", "history", "direct", "set", "data"};
	struct jspan values[NAMES] = {{NULL, 0}};
	const char *wrong = NULL;

	if (about.text && jspan_type(about) != JSPAN_OBJECT)
		return "What it claims of rooms is not an object.";
	if (about.text)
		jspan_pick(about, names, values, NAMES);
	for (int right = 0; right < GRANTS_RIGHTS && !wrong; right++)
		if (values[right].text)
			wrong = add_right(&made->grants, right, values[right]);
	made->data = values[DATA];
	if (!wrong)
		wrong = add_switch(&made->grants, "direct", values[DIRECT], true);
	return wrong ? wrong : add_switch(&made->grants, "set", values[SET], !has_data && !made->data.text);
}

const char *
grants_make(struct grants_claims *made, struct jspan claims, const char *claim, bool has_data, int64_t until)
{
	const char *names[] = {"sub", claim};
	struct jspan values[2];
	const char *wrong;

	*made = (struct grants_claims){0};
	jspan_pick(claims, names, values, 2);
	buf_addf(&made->grants, "{\"until\":%lld", (long long)until);
	wrong = add_user(&made->grants, values[0]);
	if (!wrong)
		wrong = add_rights(made, values[1], has_data);
	buf_adds(&made->grants, "}");
	return wrong;
}

/* ---- Reading ---- */

bool
grants_read(struct grants *grants, const char *text, size_t len)
{
	enum { UNTIL = GRANTS_RIGHTS, USER, DIRECT, SET, NAMES };
	static const char *const names[NAMES] = {"join", "send", "history", "until", "user", "direct", "set"};
	struct jspan document, values[NAMES];
	uint64_t until;

	if (len == 0 || !jspan_check(&document, text, len) || jspan_type(document) != JSPAN_OBJECT)
		return false;
	jspan_pick(document, names, values, NAMES);
	if (!jspan_count(values[UNTIL], INT64_MAX, &until))
		return false;
	*grants = (struct grants){.until = (int64_t)until, .user = values[USER],
	    .has_direct = jspan_type(values[DIRECT]) == JSPAN_TRUE, .has_set = jspan_type(values[SET]) == JSPAN_TRUE};
	memcpy(grants->rooms, values, sizeof grants->rooms);
	return true;
}

bool
grants_hold(struct grants *grants, const char *text, size_t len, int64_t now)
{
	return grants_read(grants, text, len) && (!grants->until || now < grants->until);
}

/* On a mismatch the last star takes one more; those before it need never take more than they did. */
bool
grants_match(const char *pattern, const char *text)
{
	const char *star = NULL, *taken = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			taken = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++taken;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

bool
grants_allow(const struct grants *grants, enum grants_right right, const char *room)
{
	struct buf text = BUF_EMPTY;
	struct jspan list = grants->rooms[right], pattern;
	size_t at = 0;
	bool allowed = false;

	while (!allowed && jspan_type(list) == JSPAN_ARRAY && jspan_next_element(list, &at, &pattern))
		allowed = jspan_text(pattern, &text) && grants_match(text.data, room);
	buf_free(&text);
	return allowed;
}

bool
grants_same_user(const struct grants *a, const struct grants *b)
{
	struct buf one = BUF_EMPTY, other = BUF_EMPTY;
	bool same = !!a->user.text == !!b->user.text;

	if (same && a->user.text)
		same = jspan_string(a->user, &one) && jspan_string(b->user, &other) && one.len == other.len &&
		    (one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
	buf_free(&one);
	buf_free(&other);
	return same;
}
