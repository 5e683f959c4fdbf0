#include "aof_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "persist/aof_tail.h"

#define BASE_HEAD    "BASE "
#define BASE_END     " END\n"
#define BASE_PADDING 20000 /* most of it, so that a base file is written in pieces */

void aof_world_open(struct aof_world *w, uint64_t seed, struct journal *const *journal, struct journal_clock *clock)
{
	struct err e = {""};

	memset(w, 0, sizeof *w);
	w->m = mem_files_create(seed);
	w->clock = clock;
	rng_init(&w->rng, seed);
	for (uint32_t i = 0; i < SHARDS; i++) {
		w->journal[i] = journal[i];
		w->heap[i] = heap_create(&(struct heap_params){"shard", 64 << 20, 0}, &e);
		w->store[i] = store_create(&(struct store_params){.shard = i,
								  .databases = 2,
								  .hash_seed = 7,
								  .index_initial = 64,
								  .heap = w->heap[i],
								  .journal = journal[i]},
					   &e);
		assert_non_null(w->store[i]);
	}
}

void aof_world_close(struct aof_world *w)
{
	for (uint32_t i = 0; i < SHARDS; i++) {
		store_destroy(w->store[i]);
		heap_destroy(w->heap[i]);
	}
	mem_files_destroy(w->m);
}

/* ---- writing ---- */

static void emit(struct aof_world *w, uint32_t shard, uint64_t seq, uint32_t unit)
{
	char a[12], b[24], c[24];
	struct slice argv[] = {SLICE("P"),
			       {a, (size_t)sprintf(a, "%u", shard)},
			       {b, (size_t)sprintf(b, "%lu", (unsigned long)seq)},
			       {c, (size_t)sprintf(c, "%u", unit)}};

	journal_emit(w->journal[shard], unit % 2, 4, argv);
}

void aof_world_write(struct aof_world *w)
{
	struct journal_unit u;
	struct unit *one = &w->unit[w->nunits];

	if (w->nunits == UNITS)
		return;
	*one = (struct unit){.shards = 1 + rng_below(&w->rng, ALL_SHARDS)};
	journal_begin(&u, w->store, one->shards);
	for (uint32_t i = 0; i < SHARDS; i++)
		if (one->shards >> i & 1 && rng_below(&w->rng, 4) != 0) {
			one->seq[i] = ++w->next_seq[i];
			emit(w, i, one->seq[i], w->nunits);
		}
	if (!journal_end(&u, w->store)) { /* nobody reads */
		for (uint32_t i = 0; i < SHARDS; i++)
			w->next_seq[i] -= one->seq[i] != 0;
		return;
	}
	one->gate = journal_gate(w->clock);
	w->nunits++;
}

char *aof_world_base(const struct aof_world *w, size_t *len)
{
	char *text = malloc(BASE_PADDING + 200);
	int n = sprintf(text, BASE_HEAD "%u", w->nunits);

	for (uint32_t i = 0; i < SHARDS; i++)
		n += sprintf(text + n, " %lu", (unsigned long)w->next_seq[i]);
	n += sprintf(text + n, "%*s", (int)(w->nunits * 37 % BASE_PADDING), "");
	*len = (size_t)(n + sprintf(text + n, BASE_END));
	return text;
}

/* ---- reading ---- */

struct left {
	uint64_t last[SHARDS]; /* number of the last effect of each shard */
	bool *unit[SHARDS];    /* [UNITS]: that unit's effect there was found */
};

static void take_effect(struct left *l, const struct aof_scan *s)
{
	uint32_t shard = (uint32_t)strtoul(s->argv[1].ptr, NULL, 10);
	uint64_t seq = strtoul(s->argv[2].ptr, NULL, 10), unit = strtoul(s->argv[3].ptr, NULL, 10);

	assert_int_equal(seq, l->last[shard] + 1);
	l->last[shard] = seq;
	l->unit[shard][unit] = true;
}

/* Only if its EXEC is there, a MULTI counts. */
static bool has_exec(const char *data, size_t len, size_t at)
{
	struct aof_scan s;
	struct err e;
	enum aof_scan_end end;

	aof_scan_init(&s, data, len, at);
	do
		end = aof_scan_next(&s, &e);
	while (end == AOF_SCAN_COMMAND && !slice_is(s.argv[0], "exec"));
	aof_scan_fini(&s);
	return end == AOF_SCAN_COMMAND;
}

/* Where the stream of the last file ends: before fill, what power loss has left of a last write, zeros. */
static size_t stream_end(const char *data, size_t len)
{
	struct aof_tail t;
	struct err e;
	size_t end;

	aof_tail_init(&t, data, len, 0);
	while (aof_tail_step(&t))
		;
	enum aof_tail_end found = aof_tail_find(&t, &end, &e);
	aof_tail_fini(&t);
	if (found >= AOF_TAIL_BAD_COMMAND)
		fail_msg("%s, of %zu", e.text, len);
	if (found != AOF_TAIL_PLAIN)
		return end;
	while (len > 0 && data[len - 1] == '\0')
		len--;
	return len;
}

/* Returns where it ends. */
static size_t read_incr(struct left *l, const char *data, size_t len, bool last)
{
	struct aof_scan s;
	struct err e;
	enum aof_scan_end end;
	bool multi = false;
	size_t whole = 0;

	if (last)
		len = stream_end(data, len);
	aof_scan_init(&s, data, len, 0);
	while ((end = aof_scan_next(&s, &e)) == AOF_SCAN_COMMAND) {
		if (slice_is(s.argv[0], "multi")) {
			multi = has_exec(data, len, s.at);
			if (!multi) {
				end = AOF_SCAN_CUT;
				break;
			}
		} else if (slice_is(s.argv[0], "exec")) {
			assert_true(multi);
			multi = false;
		} else if (slice_is(s.argv[0], "p")) {
			take_effect(l, &s);
		} else {
			assert_true(slice_is(s.argv[0], "select"));
		}
		whole = multi ? whole : s.at;
	}
	aof_scan_fini(&s);
	assert_true(end == AOF_SCAN_END || (last && end == AOF_SCAN_CUT));
	return whole;
}

static void read_base(const struct aof_world *w, struct left *l, const char *data, size_t len)
{
	char head[200] = "", *p;
	size_t end = strlen(BASE_END);

	memcpy(head, data, RP_MIN(len, sizeof head - 1));
	assert_true(len > end && memcmp(head, BASE_HEAD, strlen(BASE_HEAD)) == 0);
	assert_memory_equal(data + len - end, BASE_END, end);
	uint64_t units = strtoul(head + strlen(BASE_HEAD), &p, 10);
	for (uint32_t i = 0; i < SHARDS; i++)
		l->last[i] = strtoul(p, &p, 10);
	assert_true(units <= w->nunits);
	for (uint32_t u = 0; u < units; u++)
		for (uint32_t i = 0; i < SHARDS; i++)
			l->unit[i][u] = w->unit[u].seq[i] != 0;
}

static void cut(struct aof_world *w, const char *path, size_t len)
{
	struct file_sys *f = mem_files_sys(w->m);
	int fd = f->ops->open(f, path, O_WRONLY, 0);

	assert_true(fd >= 0 && f->ops->truncate(f, fd, len) == 0);
	f->ops->close(f, fd);
}

static void read_all(struct aof_world *w, struct left *l, const char *dir, const char *name, bool mends)
{
	struct aof_manifest man;
	struct err e = {""};
	char path[2 * AOF_NAME_MAX];

	int rc = aof_manifest_load(mem_files_sys(w->m), dir, name, &man, &e);
	if (rc == -ENOENT)
		return;
	if (rc != 0)
		fail_msg("%s", e.text);
	const struct aof_file *base = aof_manifest_base(&man), *last = aof_manifest_last_incr(&man);
	for (uint32_t i = 0; i < man.n; i++) {
		const struct aof_file *a = &man.file[i];
		size_t len;
		snprintf(path, sizeof path, "%s/%s", dir, a->name);
		const char *data = a->type != 'h' ? mem_files_get(w->m, path, &len) : NULL;
		if (a->type == 'h')
			continue;
		if (data == NULL)
			fail_msg("%s is not there", path);
		if (a == base) {
			read_base(w, l, data, len);
			continue;
		}
		size_t whole = read_incr(l, data, len, a == last);
		if (mends && whole < len)
			cut(w, path, whole);
	}
	aof_manifest_fini(&man);
}

/* What did not make it never was: the numbers go on from what is there. */
static void forget_lost(struct aof_world *w, const struct left *l)
{
	uint32_t keep = 0;

	for (uint32_t u = 0; u < w->nunits; u++)
		for (uint32_t i = 0; i < SHARDS; i++)
			if (l->unit[i][u])
				keep = u + 1;
	for (uint32_t u = 0; u < keep; u++)
		for (uint32_t i = 0; i < SHARDS; i++)
			if (!l->unit[i][u])
				w->unit[u].seq[i] = 0;
	w->nunits = keep;
	memcpy(w->next_seq, l->last, sizeof w->next_seq);
}

void aof_world_check(struct aof_world *w, const char *dir, const char *name, uint64_t synced, bool mends)
{
	struct left l = {{0}};

	for (uint32_t i = 0; i < SHARDS; i++)
		l.unit[i] = calloc(UNITS, sizeof(bool));
	read_all(w, &l, dir, name, mends);
	for (uint32_t u = 0; u < w->nunits; u++) {
		uint32_t parts = 0, found = 0;
		for (uint32_t i = 0; i < SHARDS; i++) {
			parts += w->unit[u].seq[i] != 0;
			found += l.unit[i][u];
		}
		if (found != 0 && found != parts)
			fail_msg("unit %u is torn: %u of %u", u, found, parts);
		if (w->unit[u].gate <= synced && found != parts)
			fail_msg("unit %u was said to be durable and is not there", u);
	}
	forget_lost(w, &l);
	for (uint32_t i = 0; i < SHARDS; i++)
		free(l.unit[i]);
}
