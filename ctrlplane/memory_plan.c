/* How much memory each part gets at boot, and of what kind. */
#include <stdio.h>
#include <sys/sysinfo.h>

#include "ctrlplane/ctrl_priv.h"

#define HUGE_2M (2ull << 20)

static uint64_t huge_pages(const char *which)
{
	char path[96];
	unsigned long long pages = 0;
	snprintf(path, sizeof path, "/sys/kernel/mm/hugepages/hugepages-2048kB/%s", which);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages;
}

/* Pages that others have mapped and not touched yet count as free, but are theirs. */
static uint64_t huge_free_bytes(void)
{
	uint64_t free_pages = huge_pages("free_hugepages"), taken = huge_pages("resv_hugepages");
	return free_pages > taken ? (free_pages - taken) * HUGE_2M : 0;
}

static uint64_t ram_bytes(void)
{
	struct sysinfo si;
	return sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit : 1ull << 30;
}

int memory_plan_make(const struct ctrl *c, struct memory_plan *m, struct err *e)
{
	const struct config *cf = &c->config;
	uint64_t ram = ram_bytes(), free_huge = huge_free_bytes();
	uint64_t limit = cf->maxmemory != 0 ? cf->maxmemory + cf->maxmemory / 2 + (1ull << 30) : ram;
	m->mbufs = cf->mbufs != 0 ? (uint32_t)cf->mbufs : 16384 + 16384 * c->nworkers;
	uint64_t packets = (uint64_t)m->mbufs * (port_buf_bytes((uint32_t)cf->mtu) + 384) + (64ull << 20);
	m->eal = cf->eal_memory != 0 ? cf->eal_memory : packets + (128ull << 20);
	m->shard_reserve = limit;
	m->shard_huge = 0;
	m->huge = cf->hugepages != CONFIG_HUGEPAGES_NO && free_huge >= m->eal + c->nworkers * HUGE_2M;
	if (cf->hugepages == CONFIG_HUGEPAGES_YES && !m->huge)
		return err_set(
			e,
			"hugepages yes, but only %llu MiB of 2 MiB hugepages are free and %llu MiB are needed: echo "
			"%llu > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages, or use hugepages no",
			(unsigned long long)(free_huge >> 20), (unsigned long long)(m->eal >> 20),
			(unsigned long long)(huge_pages("nr_hugepages") +
					     (m->eal + c->nworkers * 4 * HUGE_2M - free_huge) / HUGE_2M + 1));
	if (m->huge) {
		/* A part stays free for the tables of a growing index, which EAL takes on demand. */
		uint64_t shard = (free_huge - m->eal) / 4 * 3 / c->nworkers / HUGE_2M * HUGE_2M;
		m->shard_huge = RP_MIN(shard, limit);
	} else if (cf->eal_memory == 0) {
		/* Plain memory is reserved once and used as needed: leave room for a large index. */
		m->eal += ram / 4;
	}
	return 0;
}
