/* Commands that wait for a snapshot: writers of a large value that is due, and all writers while the snapshot has more
 * states before writes under way than it may. See store/snap.h.
 *
 * A client at home waits by itself. A message from another thread is kept here; what its session sends after it stays
 * behind it, everybody else's goes on.
 */
#include "session/session_priv.h"

#define HOLD_KEYS 64 /* keys looked at; who has more of them meets what is left inline */

static bool keys_wait(const struct cmd_env *env, const struct cmd *cmd, const struct resp_request *req, uint32_t db)
{
	uint32_t idx[HOLD_KEYS];
	int n = cmd_getkeys(cmd, req->argc, req->argv, idx, HOLD_KEYS);
	bool wait = false;

	for (int i = 0; i < RP_MIN(n, HOLD_KEYS); i++) {
		struct slice key = req->argv[idx[i]];
		wait |= store_snap_must_wait(env->stores[cmd_shard_of(env, key)], db, key);
	}
	return wait;
}

bool hold_wanted(const struct session_host *h, uint64_t shards, const struct cmd *cmd, const struct resp_request *req,
		 uint32_t db)
{
	bool active = false;

	if (!(cmd->flags & CMD_F_WRITE))
		return false;
	for (; shards != 0; shards &= shards - 1) {
		struct store *s = h->env.stores[__builtin_ctzll(shards)];
		if (store_snap_full(s)) {
			store_snap_note_wait(s);
			return true;
		}
		active |= store_snap_active(s);
	}
	return active && keys_wait(&h->env, cmd, req, db);
}

/* Those who share a number wait for each other. */
static uint32_t number_of(const struct msg *m)
{
	uint64_t mix = ((uint64_t)(uintptr_t)m->session + m->home) * 0x9e3779b97f4a7c15;
	return (uint32_t)(mix >> 32) % HOLD_BITS;
}

bool hold_message(struct session_host *h, struct msg *m)
{
	uint32_t number = number_of(m);

	/* Behind one of its session's that waits already, or that may be. */
	if (h->held_of[number] == 0 && !hold_wanted(h, 1ull << h->own, m->cmd, &m->req, m->db))
		return false;
	h->held_of[number]++;
	m->held_next = NULL;
	if (h->held_tail != NULL)
		h->held_tail->held_next = m;
	else
		h->held_head = m;
	h->held_tail = m;
	return true;
}

void hold_walk_begin(struct session_host *h, struct hold_walk *w)
{
	*w = (struct hold_walk){.at = &h->held_head};
}

struct msg *hold_take(struct session_host *h, struct hold_walk *w)
{
	for (struct msg *m; (m = *w->at) != NULL; w->before = m, w->at = &m->held_next) {
		uint32_t bit = number_of(m);
		if ((w->waits[bit / 64] >> bit % 64 & 1) || hold_wanted(h, 1ull << h->own, m->cmd, &m->req, m->db)) {
			w->waits[bit / 64] |= 1ull << bit % 64;
			continue;
		}
		*w->at = m->held_next;
		h->held_of[bit]--;
		if (h->held_tail == m)
			h->held_tail = w->before;
		return m;
	}
	return NULL;
}
