/* MEMORY STATS, DOCTOR, PURGE, MALLOC-STATS. */
#include "ctrlplane/ctrl_memory.h"
#include "ctrlplane/script/script_thread.h"

#include <stdio.h>

void memory_figures(const struct ctrl *c, struct memory_figures *m)
{
	struct heap_stats hs;

	*m = (struct memory_figures){.used = ctrl_used_memory(c)};
	for (uint32_t i = 0; i < c->nworkers; i++) {
		heap_stats_get(c->workers[i]->shard_heap, &hs);
		m->dataset += hs.used_bytes;
		m->heap_used += hs.used_bytes;
		m->heap_committed += hs.committed_bytes;
		heap_stats_get(c->workers[i]->heap, &hs);
		m->clients += hs.used_bytes;
		m->heap_used += hs.used_bytes;
		m->heap_committed += hs.committed_bytes;
	}
	const struct heap *const threads[] = {c->heap, c->script_heap};
	for (uint32_t i = 0; i < RP_ARRAY_LEN(threads); i++) {
		heap_stats_get(threads[i], &hs);
		m->clients += hs.used_bytes;
		m->heap_used += hs.used_bytes;
		m->heap_committed += hs.committed_bytes;
	}
	m->overhead = m->used > m->dataset ? m->used - m->dataset : 0;
	m->peak = RP_MAX(c->peak_bytes, m->used);
	m->resident = memory_resident();
}

uint64_t memory_resident(void)
{
	char line[128];
	unsigned long kib, sum = 0;
	FILE *f = fopen("/proc/self/status", "re");

	if (f == NULL)
		return 0;
	/* The kernel does not count reserved hugepages as resident. */
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmRSS: %lu kB", &kib) == 1 || sscanf(line, "HugetlbPages: %lu kB", &kib) == 1)
			sum += kib;
	fclose(f);
	return (uint64_t)sum * 1024;
}

double memory_ratio(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

/* ---- STATS ---- */

static void put_int(struct reply *r, uint64_t *n, const char *name, uint64_t v)
{
	reply_bulk_str(r, name);
	reply_int(r, (int64_t)v);
	++*n;
}

static void put_double(struct reply *r, uint64_t *n, const char *name, double v)
{
	reply_bulk_str(r, name);
	reply_double(r, v);
	++*n;
}

static void put_databases(const struct ctrl *c, struct reply *r, uint64_t *n)
{
	char name[24];

	for (uint32_t db = 0; c->nworkers > 0 && db < store_databases(c->stores[0]); db++) {
		struct index_stats is;
		uint64_t bytes = 0, keys = 0;
		for (uint32_t i = 0; i < c->nworkers; i++) {
			index_stats_get(store_index(c->stores[i], db), &is);
			bytes += is.memory_bytes;
			keys += is.entries;
		}
		if (keys == 0)
			continue;
		snprintf(name, sizeof name, "db.%u", db);
		reply_bulk_str(r, name);
		reply_map(r, 2);
		++*n;
		uint64_t inner = 0;
		put_int(r, &inner, "overhead.hashtable.main", bytes);
		put_int(r, &inner, "overhead.hashtable.expires", 0);
	}
}

static void put_heaps(const struct memory_figures *m, struct reply *r, uint64_t *n)
{
	uint64_t rss_over = m->resident > m->heap_committed ? m->resident - m->heap_committed : 0;

	put_int(r, n, "allocator.allocated", m->heap_used);
	put_int(r, n, "allocator.active", m->heap_committed);
	put_int(r, n, "allocator.resident", m->heap_committed);
	put_double(r, n, "allocator-fragmentation.ratio", memory_ratio(m->heap_committed, m->heap_used));
	put_int(r, n, "allocator-fragmentation.bytes", m->heap_committed - m->heap_used);
	put_double(r, n, "allocator-rss.ratio", 1);
	put_int(r, n, "allocator-rss.bytes", 0);
	put_double(r, n, "rss-overhead.ratio", memory_ratio(m->resident, m->heap_committed));
	put_int(r, n, "rss-overhead.bytes", rss_over);
	put_double(r, n, "fragmentation", memory_ratio(m->resident, m->used));
	put_int(r, n, "fragmentation.bytes", m->resident > m->used ? m->resident - m->used : 0);
}

static void memory_stats(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct memory_figures m;
	struct script_figures scripts;
	struct stat_totals t;
	struct reply sub;
	uint64_t n = 0;

	memory_figures(ctl, &m);
	stats_totals(ctl, &t);
	script_thread_figures(ctl->script, &scripts);
	reply_sub_begin(c->out, &sub);
	put_int(&sub, &n, "peak.allocated", m.peak);
	put_int(&sub, &n, "total.allocated", m.used);
	put_int(&sub, &n, "startup.allocated", 0);
	put_int(&sub, &n, "replication.backlog", 0);
	put_int(&sub, &n, "clients.slaves", 0);
	put_int(&sub, &n, "clients.normal", m.clients);
	put_int(&sub, &n, "cluster.links", 0);
	put_int(&sub, &n, "aof.buffer", 0);
	put_int(&sub, &n, "lua.caches", scripts.scripts_bytes);
	put_int(&sub, &n, "functions.caches", scripts.functions_bytes);
	put_databases(ctl, &sub, &n);
	put_int(&sub, &n, "overhead.total", m.overhead);
	put_int(&sub, &n, "keys.count", t.keys);
	put_int(&sub, &n, "keys.bytes-per-key", t.keys ? m.dataset / t.keys : 0);
	put_int(&sub, &n, "dataset.bytes", m.dataset);
	put_double(&sub, &n, "dataset.percentage", memory_ratio(m.dataset, m.used) * 100);
	put_double(&sub, &n, "peak.percentage", memory_ratio(m.used, m.peak) * 100);
	put_heaps(&m, &sub, &n);
	reply_sub_end(c->out, &sub, REPLY_MAP, n);
}

/* ---- DOCTOR ---- */

#define DOCTOR_MIN_BYTES (5u << 20) /* below this ratios say nothing */

void memory_advise(const struct memory_figures *m, uint64_t maxmemory, uint64_t faults_inline, struct text *t)
{
	uint32_t found = 0;

	if (m->dataset < DOCTOR_MIN_BYTES) {
		text_add(t, "There is too little data here for a diagnosis.\n");
		return;
	}
	if (maxmemory != 0 && m->used > maxmemory / 10 * 9 && ++found)
		text_add(
			t,
			"- %s of maxmemory %s are in use. Raise maxmemory, or choose a maxmemory-policy that evicts.\n",
			TEXT_HUMAN(m->used), TEXT_HUMAN(maxmemory));
	if ((double)m->peak > 1.5 * (double)m->used && ++found)
		text_add(t,
			 "- The peak was %s, much more than the %s in use now: free pages stay with the heaps, ready "
			 "for "
			 "use.\n",
			 TEXT_HUMAN(m->peak), TEXT_HUMAN(m->used));
	if ((double)m->heap_committed > 1.4 * (double)m->heap_used && ++found)
		text_add(t,
			 "- Pages in use hold only %.0f%% live data. Many values of a size were deleted; new ones of "
			 "similar sizes will fill the gaps.\n",
			 memory_ratio(m->heap_used, m->heap_committed) * 100);
	if (faults_inline > 1000 && ++found)
		text_add(t,
			 "- Workers met %lu page faults: data grew faster than memory could be made ready ahead. "
			 "Hugepages make this cheaper.\n",
			 (unsigned long)faults_inline);
	if (found == 0)
		text_add(t, "Nothing is wrong with the memory.\n");
}

static void memory_doctor(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct memory_figures m;
	struct heap_stats hs;
	struct text t = {.buf = NULL};
	uint64_t faults = 0;

	memory_figures(ctl, &m);
	for (uint32_t i = 0; i < ctl->nworkers; i++) {
		heap_stats_get(ctl->workers[i]->shard_heap, &hs);
		faults += hs.faults_inline;
	}
	memory_advise(&m, ctl->dp.maxmemory, faults, &t);
	text_reply(&t, c->out);
}

/* ---- PURGE, MALLOC-STATS ---- */

/* Empty spans go back to their heap at once, and the heap keeps its pages: there is nothing to hand back. */
static void memory_purge(struct cmd_ctx *c)
{
	reply_ok(c->out);
}

static void report_heap(struct text *t, const char *name, int32_t worker, const struct heap *h)
{
	struct heap_stats hs;
	char label[32];

	heap_stats_get(h, &hs);
	if (worker < 0)
		snprintf(label, sizeof label, "%s", name);
	else
		snprintf(label, sizeof label, "%s %d", name, worker);
	text_add(t, "%-12s %16zu %16zu %16zu %14zu %10lu\n", label, hs.used_bytes, hs.committed_bytes, hs.peak_bytes,
		 hs.blocks, (unsigned long)hs.faults_inline);
}

static void memory_malloc_stats(struct cmd_ctx *c)
{
	const struct ctrl *ctl = ctrl_of(c);
	struct text t = {.buf = NULL};

	text_add(&t, "%-12s %16s %16s %16s %14s %10s\n", "heap", "used", "committed", "peak", "blocks", "faults");
	for (uint32_t i = 0; i < ctl->nworkers; i++) {
		report_heap(&t, "shard", (int32_t)i, ctl->workers[i]->shard_heap);
		report_heap(&t, "worker", (int32_t)i, ctl->workers[i]->heap);
	}
	report_heap(&t, "control", -1, ctl->heap);
	text_reply(&t, c->out);
}

void ctrl_bind_memory(void)
{
	cmd_bind("memory|stats", memory_stats);
	cmd_bind("memory|doctor", memory_doctor);
	cmd_bind("memory|purge", memory_purge);
	cmd_bind("memory|malloc-stats", memory_malloc_stats);
}
