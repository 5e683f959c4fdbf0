/* Which shards a script is going to need. */
#include "base/num.h"
#include "ctrlplane/script/script_thread_priv.h"

enum kind {
	KIND_OTHER, /* needs no shard */
	KIND_TEXT,  /* EVAL */
	KIND_SHA,
	KIND_FUNCTION,
};

static enum kind kind_of(const struct cmd *cmd)
{
	if (!(cmd->flags & CMD_F_MOVABLE_KEYS))
		return KIND_OTHER;
	if (*cmd->name == 'f')
		return KIND_FUNCTION;
	return strncmp(cmd->name, "evalsha", 7) == 0 ? KIND_SHA : KIND_TEXT;
}

/* Has it been seen to use keys that it does not name, or never been seen at all? */
static bool may_be_wide(struct script_thread *t, enum kind kind, struct script_entry *e)
{
	const struct slice word = e->m->req.argv[1];

	if (kind == KIND_FUNCTION) {
		const struct script_function *f = script_function_find(t->libraries, word);
		return f != NULL && (f->wide || !f->known);
	}
	const struct script *s = kind == KIND_SHA ? script_cache_find(t->cache, word)
						  : script_cache_get(t->cache, e->digest);
	return kind == KIND_SHA && s == NULL ? false : s == NULL || s->wide || !s->known;
}

bool script_may_change(struct script_thread *t, const struct msg *m)
{
	const struct slice word = m->req.argv[1];
	const struct script_code *code = NULL;

	if (kind_of(m->cmd) == KIND_FUNCTION) {
		const struct script_function *f = script_function_find(t->libraries, word);
		code = f != NULL ? &f->code : NULL;
	} else {
		const struct script *s = script_cache_find(t->cache, word);
		code = s != NULL ? &s->code : NULL;
	}
	return code == NULL || !(code->flags & SCRIPT_NO_WRITES);
}

void script_entry_prepare(struct script_thread *t, struct script_entry *e)
{
	const struct resp_request *req = &e->m->req;
	enum kind kind = kind_of(e->m->cmd);
	int64_t nkeys;

	e->shards = 0;
	e->wide = false;
	if (kind == KIND_OTHER) {
		/* What changes the libraries stands in the journal of the first shard. */
		e->shards = e->m->cmd->flags & CMD_F_WRITE ? 1 : 0;
		return;
	}
	if (kind == KIND_TEXT)
		sha1(req->argv[1], e->digest);
	/* Commands that make no sense are answered by their handlers. */
	if (!num_parse_i64(req->argv[2], &nkeys) || nkeys < 0 || nkeys > (int64_t)req->argc - 3)
		return;
	if (t->host.env.nstores == 1) {
		e->shards = 1;
		return;
	}
	for (int64_t i = 0; i < nkeys; i++)
		e->shards |= 1ull << cmd_shard_of(&t->host.env, req->argv[3 + i]);
	if (t->settings.lease == SCRIPT_LEASE_DECLARED) {
		/* Never none: the control thread, with all shards in its hands, waits for this thread to tell it the
		 * functions, and a script may wait for the control thread. */
		if (e->shards == 0)
			e->shards = 1;
		return;
	}
	if (nkeys == 0 || t->settings.lease == SCRIPT_LEASE_ALL || may_be_wide(t, kind, e)) {
		e->shards = t->host.all_shards;
		e->wide = true;
	}
}
