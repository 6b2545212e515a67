/* Judging tokens: see auth.h. */
#include "front/auth.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/jwt.h"
#include "front/keyring.h"
#include "store/store.h"

struct check {
	STAILQ_ENTRY(check) in_checks;
	char *token; /* Owned; NULL for none. */
	size_t len;
	auth_fn *done;
	void *arg;
};

STAILQ_HEAD(check_list, check);

struct auth {
	const struct options *options; /* Lent, as is store. */
	struct store *store;
	struct keyring *keyring;
	struct jwt_rules rules;
	struct event *turn;        /* In which those that are new are judged. */
	struct check_list fresh;   /* To be judged. */
	struct check_list waiting; /* To be judged again, and finally, when keys were fetched. */
};

/* ---- Verdicts ---- */

static void
check_free(struct check *check)
{
	free(check->token);
	free(check);
}

static void
free_all(struct check_list *checks)
{
	struct check *check;

	while ((check = STAILQ_FIRST(checks))) {
		STAILQ_REMOVE_HEAD(checks, in_checks);
		check_free(check);
	}
}

static void
finish(struct check *check, const struct auth_verdict *verdict)
{
	metric_add(AUTH_REFUSED, verdict->status != 0);
	check->done(check->arg, verdict);
	check_free(check);
}

static void
refuse(struct check *check, int status, const char *code, const char *detail)
{
	finish(check, &(struct auth_verdict){.status = status, .code = code, .detail = detail});
}

static void
refuse_invalid(struct check *check, const char *detail)
{
	refuse(check, 401, "auth_invalid", detail);
}

static void
accept_claims(struct auth *auth, struct check *check, const struct jwt *jwt)
{
	struct auth_verdict verdict = {.until = jwt_until(jwt, &auth->rules)};
	struct grants_claims claims = {.grants = BUF_EMPTY};
	const char *wrong = jwt_check(jwt, &auth->rules, store_now(auth->store));

	if (!wrong)
		wrong = grants_make(&claims, jwt->claims, auth->options->auth_claim, false, verdict.until);
	if (!wrong && claims.data.len > auth->options->max_data)
		wrong = "Its public data is larger than --max-data.";
	verdict.claims = &claims;
	if (wrong)
		refuse_invalid(check, wrong);
	else
		finish(check, &verdict);
	buf_free(&claims.grants);
}

static void
wait_for_keys(struct auth *auth, struct check *check)
{
	STAILQ_INSERT_TAIL(&auth->waiting, check, in_checks);
}

/* is_last: it has waited for keys already. */
static void
judge_signature(struct auth *auth, struct check *check, const struct jwt *jwt, bool is_last)
{
	const struct keyset *keys = keyring_keys(auth->keyring);
	enum signature_result result = keys ? keyset_verify(keys, &jwt->signature) : SIGNATURE_UNKNOWN;

	if (result == SIGNATURE_GOOD)
		accept_claims(auth, check, jwt);
	else if (result == SIGNATURE_UNKNOWN && !is_last && keyring_refresh(auth->keyring))
		wait_for_keys(auth, check);
	else if (keys)
		refuse_invalid(check, "It was not signed by a key that is known here.");
	else
		refuse(check, 503, "auth_unavailable", "The keys of the token's issuer cannot be had now.");
}

static void
judge(struct auth *auth, struct check *check, bool is_last)
{
	struct jwt jwt;
	const char *wrong;

	if (!check->token) {
		refuse(check, 401, "auth_required", "Give a JSON Web Token: see pollgate-protocol(7).");
		return;
	}
	if (check->len > auth->options->auth_token_max) {
		refuse_invalid(check, "It is larger than --auth-token-max.");
		return;
	}
	wrong = jwt_read(&jwt, check->token, check->len);
	if (wrong)
		refuse_invalid(check, wrong);
	else
		judge_signature(auth, check, &jwt, is_last);
	jwt_free(&jwt);
}

/* Those that come meanwhile are for another time. */
static void
judge_all(struct auth *auth, struct check_list *checks, bool are_last)
{
	struct check_list now = STAILQ_HEAD_INITIALIZER(now);
	struct check *check;

	STAILQ_CONCAT(&now, checks);
	while ((check = STAILQ_FIRST(&now))) {
		STAILQ_REMOVE_HEAD(&now, in_checks);
		judge(auth, check, are_last);
	}
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct auth *auth = arg;

	(void)fd, (void)what;
	judge_all(auth, &auth->fresh, false);
}

static void
on_fetched(void *arg)
{
	struct auth *auth = arg;

	judge_all(auth, &auth->waiting, true);
}

void
auth_check(struct auth *auth, const char *token, size_t len, auth_fn *done, void *arg)
{
	struct check *check = mem_zero(1, sizeof *check);

	/* One that is too large is not kept; that it was is. */
	check->token = token ? mem_copy(token, len <= auth->options->auth_token_max ? len : 0) : NULL;
	check->len = len;
	check->done = done;
	check->arg = arg;
	if (STAILQ_EMPTY(&auth->fresh))
		event_active(auth->turn, EV_TIMEOUT, 0);
	STAILQ_INSERT_TAIL(&auth->fresh, check, in_checks);
}

/* ---- Renewal ---- */

static bool
has_other_data(const struct auth_granted *granted, const struct store_session *session)
{
	return granted->data.text &&
	    (granted->data.len != session->data_len || memcmp(granted->data.text, session->data, session->data_len) != 0);
}

struct client_op *
auth_renew(const struct auth_granted *granted, const struct store_session *session, const char *keep, size_t *count)
{
	struct client_op *ops = mem_zero(session->rooms_count + 2, sizeof *ops);

	*count = 0;
	ops[(*count)++] = (struct client_op){.kind = CLIENT_GRANT, .data = granted->text};
	for (size_t i = 0; i < session->rooms_count; i++) {
		const char *title = session->rooms[i].title;

		if (!grants_allow(granted->grants, GRANTS_JOIN, title) && !(keep && strcmp(title, keep) == 0))
			ops[(*count)++] = (struct client_op){.kind = CLIENT_LEAVE, .room = mem_string(title), .is_event = granted->tells,
			    .address.namespace = granted->namespace};
	}
	if (has_other_data(granted, session))
		ops[(*count)++] = (struct client_op){.kind = CLIENT_SET, .data = granted->data};
	return ops;
}

void
auth_free_ops(struct client_op *ops, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(ops[i].room);
	free(ops);
}

/* ---- Life ---- */

struct auth *
auth_new(struct event_base *base, const struct options *o, struct store *store)
{
	struct auth *auth = mem_zero(1, sizeof *auth);

	auth->options = o;
	auth->store = store;
	auth->rules = (struct jwt_rules){.issuer = o->auth_issuer, .audiences = (const char *const *)o->auth_audiences.items,
	    .audiences_count = o->auth_audiences.count, .leeway_ms = o->auth_leeway_ms};
	STAILQ_INIT(&auth->fresh);
	STAILQ_INIT(&auth->waiting);
	auth->keyring = keyring_new(base, o, on_fetched, auth);
	if (!auth->keyring) {
		free(auth);
		return NULL;
	}
	auth->turn = event_new(base, -1, 0, on_turn, auth);
	return auth;
}

void
auth_reload(struct auth *auth)
{
	keyring_reload(auth->keyring);
}

void
auth_free(struct auth *auth)
{
	if (!auth)
		return;
	keyring_free(auth->keyring);
	event_free(auth->turn);
	free_all(&auth->fresh);
	free_all(&auth->waiting);
	free(auth);
}
