/*
 * Whose sessions there are: each user has a list of its own, which ends with the last one.
 */
#include <stdlib.h>

#include "store/store_memory_private.h"

static struct user *
find(const struct memory *m, const struct name *name)
{
	struct user *user;

	HASH_FIND(hh, m->users, name->s, NAME_LEN, user);
	return user;
}

static struct user *
user_new(struct memory *m, const struct name *name)
{
	struct user *user = mem_zero(1, sizeof(*user));

	user->name = *name;
	TAILQ_INIT(&user->sessions);
	HASH_ADD(hh, m->users, name.s, NAME_LEN, user);
	return user;
}

static void
leave(struct memory *m, struct session *s)
{
	struct user *user = s->user;

	s->user = NULL;
	TAILQ_REMOVE(&user->sessions, s, of_user);
	if (--user->count > 0)
		return;
	HASH_DEL(m->users, user);
	free(user);
}

static void
enter(struct memory *m, struct session *s, const struct name *name)
{
	struct user *user = find(m, name);

	if (!user)
		user = user_new(m, name);
	s->user = user;
	TAILQ_INSERT_TAIL(&user->sessions, s, of_user);
	user->count++;
}

bool
memory_user_take(struct memory *m, struct session *s, const struct name *name)
{
	const struct user *user = name ? find(m, name) : NULL;

	if (user && user == s->user)
		return true;
	if (name && (user ? user->count : 0) >= m->limits.user_sessions_max)
		return false;
	if (s->user)
		leave(m, s);
	if (name)
		enter(m, s, name);
	return true;
}

uint32_t
memory_user_send(struct memory *m, const struct name *name, const char *payload, size_t len)
{
	struct user *user = find(m, name);
	struct session *s;

	if (!user)
		return 0;
	TAILQ_FOREACH(s, &user->sessions, of_user)
		memory_append(m, s, payload, len);
	return user->count;
}

void
memory_run_user(struct memory *m, struct task *task)
{
	const struct user *user = find(m, &task->name);
	struct store_member *sessions = memory_scratch(m, 0, user ? user->count : 0, sizeof(*sessions));
	struct store_sessions list = {.status = STORE_OK, .sessions = sessions};
	struct session *s;

	if (user)
		TAILQ_FOREACH(s, &user->sessions, of_user)
			sessions[list.count++] = memory_session_told(s);
	task->fn.sessions(task->arg, &list);
}

struct store_call *
memory_list_user(struct store *store, const struct name *user, store_sessions_fn *fn, void *arg)
{
	struct task *task = memory_post(memory_of(store), TASK_USER, user, 0, arg);

	task->fn.sessions = fn;
	return &task->call;
}
