/* Append-only files of arbitrary bytes, loaded as a server does at its start: an RDB part in front, SELECT, MULTI and
 * EXEC, FUNCTION, commands that a server would never write, a second file, an end in the middle. Checked beside memory
 * errors: it is loaded, or refused with a sentence; nothing is left behind but what the keys hold, and these can be
 * taken away; what was loaded is loaded again, and comes to the same.
 *
 * An input is four bytes (limits and what is in the files, seed, where the second file begins, how much is cut off) and
 * bytes as they are, or lines of words between blanks. In lines a byte from 0x80 on stands for a word of the table
 * below; at the beginning of a line it and the next one choose a command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "cmd_world.h"
#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/script/script_persist.h"
#include "store/events.h"

#define HEAD       4
#define WORDS_MAX  12
#define F_TRUNC    0x04 /* aof-load-truncated */
#define F_RDB      0x08 /* in front of the first file */
#define F_LINES    0x10
#define F_TWO      0x20 /* files */
#define F_FUNCTION 0x40 /* in the RDB part */

static struct fz_cmds world;
static struct ctrl c;
static struct persist persist;
static struct aof aof;
static struct journal_clock durable;
static uint64_t functions, digest;

static const char *const words[] = {
	"a",       "b",
	"c",       "0",
	"1",       "-1",
	"2",       "10",
	"*",       "MULTI",
	"EXEC",    "1-1",
	"1-2",     "LOAD",
	"DELETE",  "RESTORE",
	"FLUSH",   "NX",
	"EX",      "PX",
	"f",       "v",
	"LIMIT",   "COUNT",
	"STREAMS", ">",
	"BLOCK",   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	"#!lua",   "99999999999999",
	"g",       "LEFT",
	"RIGHT",   "STORE",
	"CREATE",  "GROUP"};

/* ---- the rest of the server ---- */

void ctrl_round(struct ctrl *ctl)
{
}

void ctrl_loading_say(struct ctrl *ctl)
{
}

void ctrl_call_all(struct ctrl *ctl, msg_call_fn fn, void *arg)
{
	abort(); /* held shards need none */
}

void ctrl_call_begin(struct ctrl *ctl, uint32_t worker, msg_call_fn fn, void *arg, bool *done)
{
	abort(); /* held shards need none */
}

uint32_t msg_bus_script(const struct msg_bus *b)
{
	return 2;
}

void script_text_delete(void *owner, struct msg *m)
{
	functions -= functions > 0;
}

void script_text_restore(void *owner, struct msg *m)
{
	struct script_text_restore *x = m->arg[0];

	x->ok = x->payload.len % 2 == 0;
	if (!x->ok)
		err_set(&x->err, "odd");
}

void ctrl_call_one(struct ctrl *ctl, uint32_t worker, msg_call_fn fn, void *arg)
{
	struct msg m = {.arg = {arg}};

	fn(NULL, &m);
}

/* The name is the descriptor. */
char *aof_path(const struct aof *a, const char *file, char *buf)
{
	snprintf(buf, AOF_PATH_MAX, "/proc/self/fd/%s", file);
	return buf;
}

static int load_function(void *ctx, struct slice code, bool replace, struct err *e)
{
	if (code.len < 5 || memcmp(code.ptr, "#!lua", 5) != 0)
		return err_set(e, "no library");
	functions++;
	return 0;
}

static void clear_functions(void *ctx)
{
	functions = 0;
}

/* ---- the files ---- */

static uint32_t split(const uint8_t *p, size_t len, struct slice *argv)
{
	const uint8_t *end = p + len;
	uint32_t argc = 0;

	if (len >= 2 && *p & 0x80) {
		const char *name = cmd_at(((p[0] & 0x7fu) << 8 | p[1]) % cmd_count)->name, *bar = strchr(name, '|');
		argv[argc++] = (struct slice){name, bar != NULL ? (size_t)(bar - name) : strlen(name)};
		if (bar != NULL)
			argv[argc++] = (struct slice){bar + 1, strlen(bar + 1)};
		p += 2;
	}
	while (p < end && argc < WORDS_MAX) {
		if (*p & 0x80) {
			const char *w = words[(*p++ & 0x7f) % RP_ARRAY_LEN(words)];
			argv[argc++] = (struct slice){w, strlen(w)};
			continue;
		}
		const uint8_t *from = p;
		while (p < end && *p != ' ' && !(*p & 0x80))
			p++;
		argv[argc++] = (struct slice){(const char *)from, (size_t)(p - from)};
		p += p < end && *p == ' ';
	}
	return argc;
}

static void put_lines(struct aof_buf *out, const uint8_t *p, size_t len)
{
	struct slice argv[WORDS_MAX + 2];

	for (const uint8_t *end = p + len; p < end;) {
		const uint8_t *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;
		uint32_t argc = split(p, (size_t)(stop - p), argv);
		if (argc > 0)
			rp_assert(aof_buf_command(out, argc, argv));
		p = stop + 1;
	}
}

static bool one_function(void *ctx, rdb_function_put_fn put, void *arg)
{
	return put(arg, SLICE("#!lua name=x"));
}

static void put_rdb(struct aof_buf *out, bool with_function)
{
	static const struct rdb_functions f = {.each = one_function};
	struct rdb_head h = {
		.version = 10, .redis_ver = "7.0", .aof_base = true, .functions = with_function ? &f : NULL};
	struct rdb_out w;
	uint64_t no_crc = 0;

	rdb_out_init(&w, world.own, false);
	rdb_put_head(&w, &h);
	rdb_put_selectdb(&w, 0);
	rdb_put_resizedb(&w, 1, 0);
	rdb_put_u8(&w, RDB_STRING);
	rdb_put_string(&w, SLICE("a"));
	rdb_put_string(&w, SLICE("1"));
	rdb_put_u8(&w, RDB_OP_EOF);
	rdb_put_raw(&w, &no_crc, sizeof no_crc);
	rp_assert(aof_buf_put(out, w.p, w.len));
	rdb_out_fini(&w);
}

static void add_file(const char *p, size_t len, char type)
{
	char name[16];
	int fd = memfd_create("aof", MFD_CLOEXEC);

	rp_assert(fd >= 0 && write(fd, p, len) == (ssize_t)len);
	snprintf(name, sizeof name, "%d", fd);
	rp_assert(aof_manifest_add(&aof.manifest, name, aof.manifest.n + 1, type));
}

static void make_files(const uint8_t *data, size_t size)
{
	struct aof_buf b = {NULL};
	size_t rdb;

	rp_assert(aof_buf_room(&b, 1));
	if (data[0] & F_RDB)
		put_rdb(&b, data[0] & F_FUNCTION);
	rdb = b.len;
	if (data[0] & F_LINES)
		put_lines(&b, data + HEAD, size - HEAD);
	else
		rp_assert(aof_buf_put(&b, data + HEAD, size - HEAD));
	b.len -= RP_MIN(b.len, (size_t)data[3] / 4);
	size_t first = data[0] & F_TWO ? RP_MIN(b.len, rdb + (b.len - RP_MIN(rdb, b.len)) * data[2] / 255) : b.len;
	add_file(b.data, first, 'b');
	if (data[0] & F_TWO)
		add_file(b.data + first, b.len - first, 'i');
	aof_buf_fini(&b);
}

/* ---- what came of it ---- */

static void see(void *ctx, struct object *o)
{
	struct slice key = obj_key(o);

	digest += hash64(key.ptr, key.len, *(uint32_t *)ctx * 31 + o->type) + (uint64_t)obj_expire_at(o);
}

static uint64_t digest_all(void)
{
	digest = functions;
	for (uint32_t db = 0; db < world.conf.databases; db++) {
		uint64_t cursor = 0;
		do
			store_walk(world.store, db, &cursor, 1000, see, &db);
		while (cursor != 0);
	}
	return digest;
}

static void take_all_away(void)
{
	store_flush(world.store, UINT32_MAX);
	while (events_first(world.store) != NULL) /* its word for those who track */
		events_pop(world.store);
	while (store_poll(world.store, 1000) > 0)
		;
	clear_functions(NULL);
}

static off_t file_bytes(uint32_t i)
{
	return lseek(atoi(aof.manifest.file[i].name), 0, SEEK_END);
}

static int load(const uint8_t *data, struct err *e)
{
	fz_cmds_begin(&world, data[0] & 3, data[1], 2);
	c.host.env = world.env;
	c.host.env.conf = &world.conf;
	c.dp = world.conf;
	c.config.aof_load_truncated = data[0] & F_TRUNC;
	c.now = world.now;
	e->text[0] = '\0';
	int rc = ctrl_aof_load(&c, e);
	rp_assert((rc == 0) == (e->text[0] == '\0'));
	fz_cmds_expect_clean(&world);
	return rc;
}

static uint64_t blocks_now(void)
{
	struct heap_stats st;

	heap_stats_get(world.heap, &st);
	return st.blocks;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct err e = {""};

	fz_cmds_open(&world, "replay");
	log_set_level(LOG_NOTHING);
	persist.files = file_sys_plain(&e);
	rp_assert(persist.files != NULL);
	persist.functions = (struct rdb_functions){.load = load_function, .clear = clear_functions};
	c.persist = &persist;
	c.aof = &aof;
	c.nworkers = 1;
	c.stores = &world.store;
	c.heap = world.own;
	c.host.mbufs = world.bufs;
	c.host.tsc_hz = 1000000000;
	c.config.rdbchecksum = true;
	world.env.durable = &durable;
	/* Who asks for a session's part of this client finds none: a fault. */
	world.env.host = NULL;
	world.env.pubsub = (const struct pubsub_ops *)16;
	world.env.tx = (const struct tx_ops *)16;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t blocks = blocks_now();
	struct err e;

	if (size < HEAD)
		return 0;
	make_files(data, size);
	if (load(data, &e) == 0) {
		uint64_t before = digest_all();
		off_t bytes = file_bytes(aof.manifest.n - 1);
		take_all_away();
		rp_assert(load(data, &e) == 0);
		rp_assert(file_bytes(aof.manifest.n - 1) == bytes);
		rp_assert(digest_all() == before);
	}
	take_all_away();
	for (uint32_t i = 0; i < aof.manifest.n; i++)
		close(atoi(aof.manifest.file[i].name));
	aof_manifest_fini(&aof.manifest);
	rp_assert(blocks_now() == blocks);
	return 0;
}
