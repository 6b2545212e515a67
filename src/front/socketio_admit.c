/*
 * Who may connect to a namespace: what the JSON Web Token says (--auth), and the application (--hook), which is not asked about who
 * comes back to a socket.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "codec/grants.h"
#include "front/auth.h"
#include "front/engineio_post.h"
#include "front/private.h"
#include "hook/hook.h"
#include "store/store.h"

/* ---- The token ---- */

static void
on_judged(void *arg, const struct auth_verdict *verdict)
{
	struct engineio_post *post = arg;
	struct socketio_step *step = &post->step;

	if (verdict->status == 503) { /* Nobody knows. */
		engineio_call_try_later(&post->call, verdict->code);
		return;
	}
	if (verdict->status != 0) {
		socketio_refuse(post, verdict->detail, verdict->code);
		return;
	}
	buf_clear(&step->grants);
	buf_add(&step->grants, verdict->claims->grants.data, verdict->claims->grants.len);
	buf_clear(&step->data);
	if (verdict->claims->data.text)
		buf_add(&step->data, verdict->claims->data.text, verdict->claims->data.len);
	step->admitted(post);
}

static void
judge(struct engineio_call *call)
{
	static const char *const names[] = {"token"};
	struct engineio_post *post = (struct engineio_post *)call;
	struct auth *auth = call->front->auth;
	struct buf token = BUF_EMPTY;
	struct jspan value = {NULL, 0};

	if (post->step.packet.data.text)
		jspan_pick(post->step.packet.data, names, &value, 1);
	if (jspan_text(value, &token))
		auth_check(auth, token.data, token.len, on_judged, post);
	else
		auth_check(auth, NULL, 0, on_judged, post);
	buf_free(&token);
}

void
socketio_judge(struct engineio_post *post, socketio_admitted_fn *admitted)
{
	post->step.admitted = admitted;
	if (post->call.front->auth)
		engineio_call_begin(&post->call, judge);
	else
		admitted(post);
}

/* ---- The application ---- */

static void
take_answer(struct engineio_post *post, struct hook_answer *answer)
{
	struct socketio_step *step = &post->step;

	hook_answer_free(&step->answer);
	step->answer = *answer;
	*answer = (struct hook_answer){0};
	if (!post->call.front->auth) {
		buf_free(&step->grants);
		front_write_grants(post->call.front, &step->grants, &step->answer);
	}
	if (step->data.len == 0 && step->answer.data.text) /* A token's claim is the data, whatever the application says. */
		buf_add(&step->data, step->answer.data.text, step->answer.data.len);
	step->admitted(post);
}

static void
on_verdict(void *arg, enum hook_verdict verdict, struct hook_answer *answer)
{
	struct engineio_post *post = arg;

	switch (verdict) {
	case HOOK_ACCEPTED:
		take_answer(post, answer);
		return;
	case HOOK_REFUSED:
		socketio_refuse(post, answer->message.data, answer->code.len > 0 ? answer->code.data : NULL);
		return;
	case HOOK_UNAVAILABLE:
		engineio_call_try_later(&post->call, "hook_unavailable");
	}
}

static void
ask(struct engineio_post *post, bool again)
{
	const struct socketio_step *step = &post->step;
	struct hook_event event = {.kind = HOOK_CONNECT, .session = step->id, .auth = step->packet.data, .again = again,
	    .namespace = {step->packet.namespace, step->packet.namespace_len}, .token = step->pid};
	struct grants grants;

	if (step->data.len > 0)
		event.session_data = (struct jspan){step->data.data, step->data.len};
	if (step->grants.len > 0 && grants_read(&grants, step->grants.data, step->grants.len))
		event.user = grants.user;
	facts_tell(post->facts, &event);
	hook_connect(post->call.front->hook, &event, on_verdict, post);
}

/* A first attempt of this request may have opened it already. */
static void
on_known(void *arg, const struct store_session *session)
{
	struct engineio_post *post = arg;

	if (session->status == STORE_UNAVAILABLE)
		engineio_call_try_again(&post->call);
	else if (session->status == STORE_OK && session->state.number != 0)
		post->step.admitted(post);
	else
		ask(post, false);
}

static void
look(struct engineio_call *call)
{
	struct engineio_post *post = (struct engineio_post *)call;

	store_look(call->front->parts.store, &post->step.id, on_known, post);
}

void
socketio_ask(struct engineio_post *post, socketio_admitted_fn *admitted)
{
	post->step.admitted = admitted;
	if (hook_wants(post->call.front->hook, HOOK_CONNECT))
		engineio_call_begin(&post->call, look);
	else
		admitted(post);
}

static void
ask_once_more(struct engineio_call *call)
{
	ask((struct engineio_post *)call, true);
}

void
socketio_ask_again(struct engineio_post *post, socketio_admitted_fn *admitted)
{
	post->step.admitted = admitted;
	engineio_call_begin(&post->call, ask_once_more);
}
