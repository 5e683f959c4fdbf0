/* How much memory each part gets at boot, and of what kind. */
#include <sys/sysinfo.h>

#include "ctrlplane/ctrl_priv.h"

#define HUGE_2M (2ull << 20)

static uint64_t ram_bytes(void)
{
	struct sysinfo si;
	return sysinfo(&si) == 0 ? (uint64_t)si.totalram * si.mem_unit : 1ull << 30;
}

int memory_plan_make(const struct ctrl *c, struct memory_plan *m, struct err *e)
{
	const struct config *cf = &c->config;
	uint64_t ram = ram_bytes(), pages, usable;
	port_huge_pages(&pages, &usable);
	uint64_t free_huge = usable * HUGE_2M;
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
			(unsigned long long)(pages + (m->eal + c->nworkers * 4 * HUGE_2M - free_huge) / HUGE_2M + 1));
	if (m->huge) {
		uint64_t shard = (free_huge - m->eal) / c->nworkers / HUGE_2M * HUGE_2M;
		m->shard_huge = RP_MIN(shard, limit);
	}
	return 0;
}
