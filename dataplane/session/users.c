/* Clients whose user has changed. */
#include "session/pubsub_priv.h"
#include "session/session_priv.h"

void host_set_users(struct session_host *h, const struct acl_table *t)
{
	h->env.acl = t;
}

struct users_visit {
	const struct acl_table *acl;
	uint64_t me;
};

/* Whoever waits for the default user to need no password has him now. */
static bool stays_logged_in(const struct session *s, const struct acl_user *now)
{
	return s->cl.flags & CLIENT_F_AUTH || (now->flags & ACL_U_NOPASS && now->flags & ACL_U_ON);
}

/* Whoever listens to what the user may not hear any more. */
static bool listens_too_far(const struct session *s, const struct acl_user *now)
{
	const struct session_listener *l = listener_of(s);

	for (int of = 0; l != NULL && of < PUBSUB_KINDS; of++)
		for (const struct sub *sub = l->subs[of]; sub != NULL; sub = sub->next)
			if (!acl_channel_ok(now, elem_name(&sub->nm->e), of == PUBSUB_PATTERN))
				return true;
	return false;
}

static void visit_user(void *ctx, struct session *s)
{
	const struct users_visit *v = ctx;
	const struct acl_user *now = s->cl.user != NULL ? acl_find(v->acl, s->cl.user->name) : NULL;

	if (now == s->cl.user)
		return;
	if (now != NULL) {
		acl_client_become(&s->cl, now, stays_logged_in(s, now));
		if (s->block != NULL)
			block_look_at_user(s);
		if (!s->gone && listens_too_far(s, now))
			session_kill(s, s->cl.id != v->me);
		return;
	}
	acl_client_become(&s->cl, acl_find(v->acl, SLICE("default")), false);
	if (!s->gone)
		session_kill(s, s->cl.id != v->me);
}

uint32_t host_visit_users(struct session_host *h, uint32_t from, uint32_t budget, uint64_t me)
{
	struct users_visit v = {h->env.acl, me};

	return session_visit(h, from, budget, true, visit_user, &v);
}
