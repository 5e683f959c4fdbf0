/* CLIENT CACHING, GETREDIR, TRACKINGINFO, and the keys that reading commands remember. */
#include "cmd/handlers.h"
#include "cmd/tracking.h"
#include "store/watch.h"

#define KEYS_INLINE   64
#define UNTRACK_TRIES 4 /* keys forgotten for one that is remembered, when there are too many */

static uint32_t tracking_of(const struct client *cl)
{
	return cl->listens != NULL ? cl->listens->tracking : 0;
}

void cmd_client_caching(struct cmd_ctx *c)
{
	uint32_t t = tracking_of(c->client);
	bool yes = cmd_arg_is(c, 2, "yes");

	if (!(t & TRACK_ON)) {
		reply_error(c->out, "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
				    "OPTIN or OPTOUT mode enabled");
		return;
	}
	if (!yes && !cmd_arg_is(c, 2, "no")) {
		cmd_err_syntax(c);
		return;
	}
	if (yes && !(t & TRACK_OPTIN)) {
		reply_error(c->out, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
		return;
	}
	if (!yes && !(t & TRACK_OPTOUT)) {
		reply_error(c->out, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
		return;
	}
	c->client->listens->tracking |= TRACK_CACHING;
	reply_ok(c->out);
}

void cmd_client_getredir(struct cmd_ctx *c)
{
	bool on = tracking_of(c->client) & TRACK_ON;

	reply_int(c->out, on ? (int64_t)c->client->listens->redirect : -1);
}

void cmd_client_trackinginfo(struct cmd_ctx *c)
{
	static const struct {
		uint32_t of, is;
		const char *name;
	} flags[] = {{TRACK_ON, 0, "off"},
		     {TRACK_ON, TRACK_ON, "on"},
		     {TRACK_BCAST, TRACK_BCAST, "bcast"},
		     {TRACK_OPTIN, TRACK_OPTIN, "optin"},
		     {TRACK_OPTIN | TRACK_CACHING, TRACK_OPTIN | TRACK_CACHING, "caching-yes"},
		     {TRACK_OPTOUT, TRACK_OPTOUT, "optout"},
		     {TRACK_OPTOUT | TRACK_CACHING, TRACK_OPTOUT | TRACK_CACHING, "caching-no"},
		     {TRACK_NOLOOP, TRACK_NOLOOP, "noloop"},
		     {TRACK_BROKEN, TRACK_BROKEN, "broken_redirect"}};
	uint32_t t = tracking_of(c->client), n = 0;

	reply_map(c->out, 3);
	reply_bulk_str(c->out, "flags");
	for (size_t i = 0; i < RP_ARRAY_LEN(flags); i++)
		n += (t & flags[i].of) == flags[i].is;
	reply_set(c->out, n);
	for (size_t i = 0; i < RP_ARRAY_LEN(flags); i++)
		if ((t & flags[i].of) == flags[i].is)
			reply_bulk_str(c->out, flags[i].name);
	reply_bulk_str(c->out, "redirect");
	cmd_client_getredir(c);
	reply_bulk_str(c->out, "prefixes");
	n = t & TRACK_ON ? c->client->listens->nprefixes : 0;
	reply_array(c->out, n);
	for (uint32_t i = 0; i < n; i++)
		reply_bulk_slice(c->out, c->client->listens->prefixes[i]);
}

/* More keys than tracking-table-max-keys: some are told to have changed. */
static void keep_few(struct cmd_ctx *c, struct store *s)
{
	uint64_t most = c->env->conf->tracking_max_keys;

	if (most == 0)
		return;
	most = RP_MAX(most / c->env->nstores, (uint64_t)1);
	for (uint32_t i = 0; i < UNTRACK_TRIES && watch_tracked_keys(s) > most; i++)
		watch_untrack_one(s, c->rng);
}

void cmd_track_keys(struct cmd_ctx *c)
{
	uint32_t idx[KEYS_INLINE], *at = idx;
	int n = cmd_getkeys(c->cmd, c->argc, c->argv, idx, KEYS_INLINE);

	if (n > KEYS_INLINE) {
		at = heap_alloc(c->env->heap, (size_t)n * sizeof *at);
		if (at != NULL)
			n = cmd_getkeys(c->cmd, c->argc, c->argv, at, (uint32_t)n);
	}
	for (int i = 0; i < n; i++) {
		/* The others it has joined before it came to wait. */
		if (rp_unlikely(at != NULL && !cmd_holds(c, c->argv[at[i]])))
			continue;
		struct store *s = at != NULL ? cmd_store(c, c->argv[at[i]]) : NULL;
		/* What cannot be remembered counts as changed: its home tells the client to forget everything. */
		if (s == NULL || !watch_add(s, c->db, c->argv[at[i]], c->track))
			__atomic_store_n(&c->track->dirty, 1, __ATOMIC_RELEASE);
		else
			keep_few(c, s);
	}
	if (at != idx)
		heap_free(c->env->heap, at);
}
