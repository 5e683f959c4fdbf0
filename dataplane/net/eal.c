/* EAL: its arguments, and what can be checked before, because rte_eal_init() can be tried only once per process. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "net/port_priv.h"

#define EAL_MAX_ARGS  24
#define HUGE_2M_BYTES (UINT64_C(2) << 20)

/* One per process, as EAL is. Control thread. */
static bool eal_runs;

struct eal_args {
	int argc;
	char *argv[EAL_MAX_ARGS + 1];
	char lcores[4096];
	char mem[32];
	char pci[PORT_NAME_BYTES];
	char prefix[64];
};

static int cpus_check(const struct port_eal_params *p, const cpu_set_t *allowed, struct err *e)
{
	if (p->nworkers == 0 || p->nworkers > RP_MAX_WORKERS)
		return err_set(e, "%u workers asked for, 1 to %d are possible", p->nworkers, RP_MAX_WORKERS);
	for (uint32_t i = 0; p->worker_cpu && i < p->nworkers; i++) {
		int cpu = p->worker_cpu[i];
		if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, allowed))
			return err_set(
				e, "worker %u cannot run on CPU %d: this process may use %d CPUs, see `taskset -pc %d`",
				i, cpu, CPU_COUNT(allowed), getpid());
	}
	if (p->control_cpu >= CPU_SETSIZE || (p->control_cpu >= 0 && !CPU_ISSET(p->control_cpu, allowed)))
		return err_set(
			e,
			"the control thread cannot run on CPU %d: this process may use %d CPUs, see `taskset -pc %d`",
			p->control_cpu, CPU_COUNT(allowed), getpid());
	return 0;
}

/* The k-th allowed CPU counted from the highest: the lowest one gets the machine's interrupts. */
static int cpu_pick(const cpu_set_t *allowed, uint32_t k)
{
	k %= (uint32_t)CPU_COUNT(allowed);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, allowed) && k-- == 0)
			return cpu;
	return 0;
}

static void lcores_format(const struct port_eal_params *p, const cpu_set_t *allowed, char *buf, size_t cap)
{
	size_t n = 0;
	if (p->control_cpu >= 0) {
		n += (size_t)snprintf(buf, cap, "0@%d", p->control_cpu);
	} else {
		n += (size_t)snprintf(buf, cap, "0@(");
		const char *sep = "";
		for (int cpu = 0; cpu < CPU_SETSIZE && n + 16 < cap / 2; cpu++) {
			if (!CPU_ISSET(cpu, allowed))
				continue;
			n += (size_t)snprintf(buf + n, cap - n, "%s%d", sep, cpu);
			sep = ",";
		}
		n += (size_t)snprintf(buf + n, cap - n, ")");
	}
	for (uint32_t i = 0; i < p->nworkers; i++) {
		int cpu = p->worker_cpu ? p->worker_cpu[i] : cpu_pick(allowed, i);
		n += (size_t)snprintf(buf + n, cap - n, ",%u@%d", i + 1, cpu);
	}
}

static uint64_t sysfs_u64(const char *path)
{
	unsigned long long v = 0;
	FILE *f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

void port_huge_pages(uint64_t *total, uint64_t *usable)
{
	uint64_t all = sysfs_u64("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	/* Pages that others have mapped and not touched yet count as free, but are theirs. */
	uint64_t taken = sysfs_u64("/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages");
	*total = sysfs_u64("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	*usable = all > taken ? all - taken : 0;
}

static int huge_check(size_t mem_bytes, struct err *e)
{
	const char *dir = "/sys/kernel/mm/hugepages";
	uint64_t free2m, all2m;
	port_huge_pages(&all2m, &free2m);
	uint64_t free1g = sysfs_u64("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
	uint64_t want = (mem_bytes + HUGE_2M_BYTES - 1) / HUGE_2M_BYTES;

	if (free2m + free1g * 512 >= want)
		return 0;
	return err_set(e,
		       "not enough hugepages: %lu pages of 2 MiB are needed and %lu are free; "
		       "`echo %lu > %s/hugepages-2048kB/nr_hugepages` reserves them, or set `hugepages no`",
		       want, free2m + free1g * 512, all2m - free2m + want, dir);
}

static void arg_add(struct eal_args *a, const char *arg)
{
	rp_assert(a->argc < EAL_MAX_ARGS);
	a->argv[a->argc++] = (char *)(uintptr_t)arg;
}

static void args_build(struct eal_args *a, const struct port_eal_params *p, const struct port_device *d,
		       const cpu_set_t *allowed)
{
	arg_add(a, "redpoll");
	arg_add(a, "--lcores");
	lcores_format(p, allowed, a->lcores, sizeof(a->lcores));
	arg_add(a, a->lcores);
	/* No runtime files: nothing to clean after a crash, and two instances never meet. --no-huge excludes
	 * --in-memory in DPDK 22.11. */
	arg_add(a, p->huge ? "--in-memory" : "--no-shconf");
	arg_add(a, "--no-telemetry");
	snprintf(a->prefix, sizeof(a->prefix), "--file-prefix=%s", p->prefix ? p->prefix : "redpoll");
	arg_add(a, a->prefix);
	snprintf(a->mem, sizeof(a->mem), "%zu", RP_MAX(p->mem_bytes >> 20, (size_t)32));
	arg_add(a, "-m");
	arg_add(a, a->mem);
	if (!p->huge)
		arg_add(a, "--no-huge");
	else if (d->kind == PORT_MEMIF || d->kind == PORT_VIRTIO_USER)
		/* The peer maps our memory: few regions, each one file. */
		arg_add(a, "--single-file-segments");
	if (d->kind == PORT_PCI) {
		snprintf(a->pci, sizeof(a->pci), "%s", d->arg);
		arg_add(a, "-a");
		arg_add(a, a->pci);
	} else {
		arg_add(a, "--no-pci");
		arg_add(a, "--iova-mode=va");
	}
	if (p->verbose)
		arg_add(a, "--log-level=lib.eal:debug");
}

static int eal_explain(int err, struct err *e)
{
	if (err == EACCES || diag_contains("ermission denied"))
		return err_set(e, "DPDK may not start: %s; run as root", diag_last_error());
	if (err == EALREADY)
		return err_set(e, "DPDK was already started in this process");
	if (diag_contains("Cannot get hugepage") || diag_contains("Cannot init memory") || err == ENOMEM)
		return err_set(e, "DPDK cannot get its memory (%s): free some, lower it, or reserve hugepages",
			       diag_last_error());
	return err_set(e, "DPDK does not start: %s", diag_last_error()[0] ? diag_last_error() : strerror(err));
}

int port_eal_init(const struct port_eal_params *p, struct err *e)
{
	struct port_device dev;
	struct eal_args args = {0};
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return err_set(e, "cannot read the allowed CPUs: %s", strerror(errno));
	if (cpus_check(p, &allowed, e) < 0 || port_device_parse(p->device, &dev, e) < 0 ||
	    port_device_check(&dev, e) < 0 || (p->huge && huge_check(p->mem_bytes, e) < 0))
		return -1;
	args_build(&args, p, &dev, &allowed);
	if (diag_open(p->verbose) < 0)
		return err_set(e, "out of memory");
	diag_redirect(true);
	rte_errno = 0;
	int ret = rte_eal_init(args.argc, args.argv);
	int why = rte_errno;
	diag_redirect(false);
	/* EAL makes a directory for the files that we told it not to have. */
	rmdir(rte_eal_get_runtime_dir());
	if (ret < 0) {
		eal_explain(why, e);
		diag_close();
		return -1;
	}
	eal_runs = true;
	return 0;
}

void port_eal_fini(void)
{
	if (eal_runs)
		rte_eal_cleanup();
	eal_runs = false;
	diag_close();
}
