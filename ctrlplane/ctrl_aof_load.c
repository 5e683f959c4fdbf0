/* Loading an append-only file: its base, then its commands, one after the other, on shards that the control thread
 * holds.
 *
 * Time stands still meanwhile, at its beginning: no key expires, since the command that follows may give it more time.
 * What was due goes when the shards are given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/ctrl_priv.h"
#include "ctrlplane/script/script_persist.h"
#include "persist/aof_tail.h"

#define ROUND_EVERY 4096 /* commands between two looks at clients ... */
#define ROUND_HZ    50   /* ... but no less often than that ... */
#define CLOCK_EVERY 8    /* ... as far as these are not long */

struct aof_load {
	struct ctrl *c;
	const char *path;
	struct aof_scan scan;
	struct client cl;
	size_t done; /* behind the last command, if no MULTI is open: what follows here is notes, until another one */
	size_t multi_from; /* where the open MULTI begins */
	bool multi;
	bool replaying; /* the commands of a MULTI whose EXEC was found */
	uint64_t commands;
	uint64_t round_tsc;        /* the last look at clients */
	struct rte_mbuf *said;     /* what a command answers; whatever does not fit is dropped */
	struct error_stats errors; /* that commands answered with */
	struct err first;          /* of them, with its place */
	struct err *e;
};

static int refuse(struct aof_load *l, const char *what, size_t at)
{
	/* Given the manifest it would mend no file but the last. */
	return err_set(l->e, "%s: %s (offset %zu); keep a copy of the directory, then run: redis-check-aof --fix %s/%s",
		       l->path, what, at, l->c->config.dir, l->path);
}

static int refuse_frame(struct aof_load *l, const char *what, size_t at)
{
	return err_set(l->e, "%s: %s (offset %zu); keep a copy of the directory, then run: truncate -s %zu %s/%s",
		       l->path, what, at, at, l->c->config.dir, l->path);
}

/* ---- one command ---- */

/* It answers with an error. As a rule it did so as well when it was written, and changes nothing. */
static int answered_error(struct aof_load *l, const struct cmd *cmd)
{
	char line[160], *why = line;
	uint64_t db;

	snprintf(line, sizeof line, "%.*s", (int)l->said->data_len, rte_pktmbuf_mtod(l->said, const char *));
	line[strcspn(line, "\r")] = '\0';
	why += *why == '-';
	if (error_stats_of(&l->errors, "OOM") != 0)
		return err_set(
			l->e,
			"%s: out of memory at offset %zu; give it more (memory), or what follows would be missing",
			l->path, l->scan.from);
	/* What follows would go to another database. */
	if (strcmp(cmd->name, "select") == 0 && num_parse_u64(l->scan.argv[1], &db))
		return err_set(l->e, "%s: it has keys in database %lu (offset %zu); set databases to %lu at least",
			       l->path, (unsigned long)db, l->scan.from, (unsigned long)db + 1);
	if (strcmp(cmd->name, "select") == 0)
		return refuse(l, why, l->scan.from);
	if (l->first.text[0] == '\0')
		err_set(&l->first, "%s (%s, offset %zu)", why, cmd->name, l->scan.from);
	return 0;
}

static int run_command(struct aof_load *l, const struct cmd *cmd)
{
	struct ctrl *c = l->c;
	struct reply r;
	size_t bytes;

	l->said->data_len = 0;
	reply_init_in(&r, l->said, c->host.mbufs, 2);
	r.errors = &l->errors;
	r.bufs_left = 0;
	struct cmd_ctx x = {.cmd = cmd,
			    .argc = l->scan.argc,
			    .argv = l->scan.argv,
			    .out = &r,
			    .env = &c->host.env,
			    .client = &l->cl,
			    .client_id = l->cl.id,
			    .client_flags = l->cl.flags,
			    .db = l->cl.db,
			    .rng = &c->host.env.rng,
			    .deny_block = true};
	cmd_run(&x);
	reply_take(&r, &bytes);
	l->commands++;
	return rp_likely(!r.error) ? 0 : answered_error(l, cmd);
}

/* Clients are told LOADING meanwhile. */
static void pause_load(struct ctrl *c)
{
	if (!c->persist->loading.on)
		return;
	ctrl_round(c);
	ctrl_loading_say(c);
}

/* FUNCTION LOAD [REPLACE] code */
static int load_function(struct aof_load *l)
{
	const struct rdb_functions *f = &l->c->persist->functions;
	bool replace = l->scan.argc == 4 && slice_is(l->scan.argv[2], "replace");
	struct err why;

	if (l->scan.argc != 3 + (uint32_t)replace)
		return refuse(l, "FUNCTION LOAD with a wrong number of arguments", l->scan.from);
	if (f->load(f->ctx, l->scan.argv[l->scan.argc - 1], replace, &why) != 0)
		return refuse(l, why.text, l->scan.from);
	return 0;
}

/* FUNCTION DELETE name: of one that there is not, nothing comes, as when a server runs it. */
static int delete_function(struct aof_load *l)
{
	struct slice name = l->scan.argv[2];

	ctrl_call_one(l->c, msg_bus_script(l->c->bus), script_text_delete, &name);
	return 0;
}

/* FUNCTION RESTORE payload [policy] */
static int restore_functions(struct aof_load *l)
{
	struct script_text_restore x = {.payload = l->scan.argv[2]};

	if (l->scan.argc > 4)
		return refuse(l, "FUNCTION RESTORE with a wrong number of arguments", l->scan.from);
	if (l->scan.argc == 4)
		x.policy = l->scan.argv[3];
	ctrl_call_one(l->c, msg_bus_script(l->c->bus), script_text_restore, &x);
	return x.ok ? 0 : refuse(l, x.err.text, l->scan.from);
}

static int flush_functions(struct aof_load *l)
{
	struct rdb_functions f = l->c->persist->functions;

	if (f.clear != NULL)
		f.clear(f.ctx);
	return 0;
}

/* Those that do not run on shards. */
static int load_other(struct aof_load *l)
{
	static const struct {
		const char *name;
		uint32_t argc_min;
		int (*load)(struct aof_load *l);
	} known[] = {{"load", 3, load_function},
		     {"delete", 3, delete_function},
		     {"restore", 3, restore_functions},
		     {"flush", 2, flush_functions}};

	if (slice_is(l->scan.argv[0], "function") && l->scan.argc >= 2)
		for (uint32_t i = 0; i < RP_ARRAY_LEN(known); i++)
			if (l->scan.argc >= known[i].argc_min && slice_is(l->scan.argv[1], known[i].name))
				return known[i].load(l);
	return refuse(l, "a command that changes no key", l->scan.from);
}

static int unknown(struct aof_load *l)
{
	char what[160];
	struct slice name = l->scan.argv[0];

	snprintf(what, sizeof what, "unknown command '%.*s'", (int)RP_MIN(name.len, 64u), name.ptr);
	return refuse(l, what, l->scan.from);
}

/* Those that work on shards, which we hold, and SELECT. The others want a client of a session's (WATCH, SUBSCRIBE), or
 * are nothing that a server writes into its file; of an administrator's only PFDEBUG is, which changes its key. */
static bool runs(const struct cmd *cmd)
{
	if (cmd->flags & CMD_F_ADMIN && (!(cmd->flags & CMD_F_WRITE) || cmd->flags & CMD_F_PROTECTED))
		return false;
	if (cmd->route == CMD_HOME)
		return strcmp(cmd->name, "select") == 0;
	return cmd->route == CMD_KEYS || (cmd->route == CMD_ALL && cmd->flags & CMD_F_WRITE);
}

/* MULTI and EXEC are ours. */
static int dispatch(struct aof_load *l)
{
	struct slice name = l->scan.argv[0];

	if (slice_is(name, "multi")) {
		if (l->multi)
			return refuse(l, "MULTI in a MULTI", l->scan.from);
		l->multi = !l->replaying;
		l->multi_from = l->scan.from;
		return 0;
	}
	if (slice_is(name, "exec")) {
		if (!l->multi && !l->replaying)
			return refuse(l, "EXEC without MULTI", l->scan.from);
		l->multi = false;
		l->replaying = !l->replaying;
		if (l->replaying) /* it is whole: once more, now for good */
			l->scan.at = l->multi_from;
		return 0;
	}
	if (l->multi)
		return 0;
	const struct cmd *cmd = cmd_lookup(l->scan.argc, l->scan.argv);
	if (cmd == NULL || cmd->flags & CMD_F_CONTAINER)
		return unknown(l);
	if (!cmd_arity_ok(cmd, l->scan.argc))
		return refuse(l, "a command with a wrong number of arguments", l->scan.from);
	return runs(cmd) ? run_command(l, cmd) : load_other(l);
}

/* ---- one file ---- */

/* The last file may end in the middle of a command, or of a MULTI. */
static int cut(struct aof_load *l, bool last, size_t *end)
{
	size_t from = l->multi ? l->multi_from : l->scan.from;

	if (!last)
		return refuse(l, "ends in the middle of a command, and other files follow", from);
	if (!l->c->config.aof_load_truncated)
		return refuse(l, "ends in the middle of a command; aof-load-truncated yes would drop that", from);
	log_write(LOG_WARNING,
		  "append-only file %s: %zu bytes of an unfinished command at the end (offset %zu) are dropped",
		  l->path, l->scan.len - from, from);
	*end = l->done;
	return 0;
}

/* Where power was lost, some file systems leave zeros for what was not written yet: they are no more than an end. */
static bool forget_zeros(struct aof_load *l)
{
	size_t len = l->scan.len;

	while (len > l->scan.from && l->scan.data[len - 1] == '\0')
		len--;
	if (len == l->scan.len)
		return false;
	l->scan.len = len;
	l->scan.at = l->scan.from;
	return true;
}

/* Is it time to look at clients? */
static bool round_due(struct aof_load *l, uint32_t n)
{
	if (n % CLOCK_EVERY != 0)
		return false;
	uint64_t now = rte_rdtsc();
	if (n % ROUND_EVERY != 0 && now - l->round_tsc < l->c->host.tsc_hz / ROUND_HZ)
		return false;
	l->round_tsc = now;
	return true;
}

/* Looks at clients, if it is time. loaded: bytes so far. 0, or -1 with *e: asked to stop. */
static int look_around(struct aof_load *l, uint32_t n, uint64_t loaded)
{
	struct loading *say = &l->c->persist->loading;

	if (!round_due(l, n))
		return 0;
	/* A MULTI is gone through twice. */
	say->loaded_bytes = RP_MAX(say->loaded_bytes, loaded);
	pause_load(l->c);
	return l->c->stop != 0 ? err_set(l->e, "asked to stop while loading %s", l->path) : 0;
}

static int replay(struct aof_load *l, bool last, size_t *end)
{
	struct loading *say = &l->c->persist->loading;
	uint64_t before = say->loaded_bytes - l->scan.at;
	struct err bad;
	int rc = 0;

	for (uint32_t n = 0; rc == 0; n++) {
		if (look_around(l, n, before + l->scan.at) != 0)
			return -1;
		switch (aof_scan_next(&l->scan, &bad)) {
		case AOF_SCAN_COMMAND:
			rc = dispatch(l);
			if (!l->multi && !l->replaying)
				l->done = l->scan.at;
			break;
		case AOF_SCAN_END:
			if (l->multi)
				return cut(l, last, end);
			/* Another round would come behind notes of this one, as if something were missing between them.
			 */
			*end = last ? l->done : l->scan.len;
			say->loaded_bytes = before + l->scan.len;
			return 0;
		case AOF_SCAN_CUT:
			return cut(l, last, end);
		case AOF_SCAN_BAD:
			if (!last || !forget_zeros(l))
				return refuse(l, bad.text, l->scan.from);
			break;
		case AOF_SCAN_NOMEM:
			return err_set(l->e, "%s: out of memory for a command (offset %zu)", l->path, l->scan.from);
		}
	}
	return rc;
}

/* A write that came to no end goes as an unfinished command does. Redis-check-aof may see nothing of it. */
static int drop_torn(struct aof_load *l, const struct aof_tail *t, size_t end)
{
	if (!l->c->config.aof_load_truncated)
		return refuse_frame(l, "ends in the middle of a round; aof-load-truncated yes would drop that", end);
	log_write(LOG_WARNING,
		  "append-only file %s: %zu bytes of an unfinished round at the end (offset %zu) are dropped", l->path,
		  RP_MAX(t->fill, end) - end, end);
	return 0;
}

/* The last file's stream may end before the file does. */
static int find_end(struct aof_load *l)
{
	struct aof_tail t;
	struct err bad;
	size_t end = 0;
	int rc = 0;

	aof_tail_init(&t, l->scan.data, l->scan.len, l->scan.at);
	for (uint32_t n = 0; rc == 0 && aof_tail_step(&t); n++)
		rc = look_around(l, n, 0);
	enum aof_tail_end found = rc == 0 ? aof_tail_find(&t, &end, &bad) : AOF_TAIL_PLAIN;
	if (found == AOF_TAIL_BAD_COMMAND)
		rc = refuse(l, bad.text, end);
	if (found == AOF_TAIL_BAD_FRAME)
		rc = refuse_frame(l, bad.text, end);
	if (found == AOF_TAIL_TORN)
		rc = drop_torn(l, &t, end);
	if (found != AOF_TAIL_PLAIN)
		l->scan.len = end;
	aof_tail_fini(&t);
	return rc;
}

/* All of a file in memory. NULL with *e, or if it is empty. */
static const char *map_file(const char *path, size_t *len, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*len = 0;
	if (fd < 0 || fstat(fd, &st) != 0) {
		file_err(e, "open", path, -errno);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	*len = (size_t)st.st_size;
	void *p = *len != 0 ? mmap(NULL, *len, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	if (p == MAP_FAILED && *len != 0)
		file_err(e, "read", path, -errno);
	close(fd);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, *len, MADV_SEQUENTIAL);
	return p;
}

static int load_commands(struct ctrl *c, const char *path, size_t from, bool last, struct err *e)
{
	struct aof_load l = {
		.c = c, .path = path, .e = e, .cl = {.flags = CLIENT_F_AUTH | CLIENT_F_REPLAY, .proto = 2}};
	size_t len, end = 0;
	const char *data = map_file(path, &len, e);

	if (data == NULL)
		return len != 0 || e->text[0] != '\0' ? -1 : 0;
	l.said = buf_alloc(c->host.mbufs);
	if (l.said == NULL) {
		munmap((void *)data, len);
		return err_set(e, "%s: no packet buffer is left for what its commands answer", path);
	}
	l.done = from;
	aof_scan_init(&l.scan, data, len, from);
	int rc = last ? find_end(&l) : 0;
	if (rc == 0)
		rc = replay(&l, last, &end);
	aof_scan_fini(&l.scan);
	munmap((void *)data, len);
	rte_pktmbuf_free_seg(l.said);
	if (rc == 0 && end < len && truncate(path, (off_t)end) != 0)
		rc = file_err(e, "truncate", path, -errno);
	if (rc == 0)
		log_write(LOG_NOTICE, "loaded %s: %lu commands", path, (unsigned long)l.commands);
	if (l.errors.total != 0)
		log_write(LOG_WARNING, "%s: %lu commands answered with an error and changed nothing, the first: %s",
			  path, (unsigned long)l.errors.total, l.first.text);
	return rc;
}

static bool begins_with_rdb(const char *path)
{
	char head[5];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : -1;

	if (fd >= 0)
		close(fd);
	return n == sizeof head && memcmp(head, "REDIS", sizeof head) == 0;
}

static int load_file(struct ctrl *c, const struct aof_file *f, bool last, struct err *e)
{
	char path[AOF_PATH_MAX];
	struct load_result rdb = {.bytes = 0};

	aof_path(c->aof, f->name, path);
	if (begins_with_rdb(path)) {
		struct load_order o = {
			.path = path, .keep_expired = true, .held = true, .part = true, .between = pause_load};
		if (ctrl_load(c, &o, &rdb, e) != 0)
			return -1;
	}
	return load_commands(c, path, rdb.bytes, last, e);
}

/* ---- all of them ---- */

static void time_stands_still(struct ctrl *c, bool still)
{
	for (uint32_t i = 0; i < c->nworkers; i++)
		store_set_replay(c->stores[i], still, c->now.wall_us);
}

static uint64_t all_bytes(const struct aof *a)
{
	uint64_t sum = 0;
	struct stat st;
	char path[AOF_PATH_MAX];

	for (uint32_t i = 0; i < a->manifest.n; i++)
		if (a->manifest.file[i].type != 'h' && stat(aof_path(a, a->manifest.file[i].name, path), &st) == 0)
			sum += (uint64_t)st.st_size;
	return sum;
}

int ctrl_aof_load(struct ctrl *c, struct err *e)
{
	const struct aof *a = c->aof;
	const struct aof_file *base = aof_manifest_base(&a->manifest), *last = aof_manifest_last_incr(&a->manifest);
	int rc = 0;

	e->text[0] = '\0';
	c->persist->loading.total_bytes = all_bytes(a);
	c->persist->loading.loaded_bytes = c->persist->loading.keys = c->persist->loading.expired = 0;
	time_stands_still(c, true);
	if (base != NULL)
		rc = load_file(c, base, last == NULL, e);
	for (uint32_t i = 0; rc == 0 && i < a->manifest.n; i++)
		if (a->manifest.file[i].type == 'i')
			rc = load_file(c, &a->manifest.file[i], &a->manifest.file[i] == last, e);
	time_stands_still(c, false);
	return rc;
}
