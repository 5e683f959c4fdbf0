/* What the machine itself leaves of an open loop: two threads that spin on the CPUs of generator and server, requests
 * at a fixed rate, counted from when they are due as redpoll-bench counts them. A request is one cache line to the
 * server, two dependent reads of a table as large as a shard, and one line back. The server works LOAD of the time
 * between two requests on each, so what the machine takes from it (interrupts, other processes, the hypervisor) delays
 * as many of those behind as it would with a real server of which RATE is that share of the peak. No server on it can
 * do better.
 *
 * floor CLIENT_CPU SERVER_CPU RATE SECONDS TABLE_MIB LOAD: prints a JSON object, in microseconds. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "hist.h"

#define SLOTS 64 /* requests under way, as connections of the open loop */

struct slot {
	uint64_t asked;    /* client writes: number of the request, from 1 */
	uint64_t answered; /* server writes: the same */
	uint64_t due_tsc;  /* client's own */
} __attribute__((aligned(128)));

struct floor {
	struct slot slot[SLOTS];
	uint64_t *table;
	uint64_t words;
	uint64_t work_cycles; /* of a request, at least */
	int server_cpu;
	uint32_t stop;  /* client writes */
	uint32_t ready; /* server writes */
};

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0) {
		fprintf(stderr, "floor: there is no CPU %d to run on\n", cpu);
		exit(EXIT_FAILURE);
	}
}

/* Two reads, the second where the first says: an index's and an object's miss. */
static uint64_t look_up(const struct floor *f, uint64_t key)
{
	uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15) % f->words;
	return f->table[(at + f->table[at] + key) * UINT64_C(0xd6e8feb86659fd93) % f->words];
}

static void *server(void *arg)
{
	struct floor *f = arg;

	pin(f->server_cpu);
	__atomic_store_n(&f->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < SLOTS; i++) {
			struct slot *s = &f->slot[i];
			uint64_t n = __atomic_load_n(&s->asked, __ATOMIC_ACQUIRE);
			if (n == s->answered)
				continue;
			uint64_t begin = rte_rdtsc(), zero = look_up(f, n); /* the table holds nothing else */
			while (rte_rdtsc() - begin < f->work_cycles)
				;
			__atomic_store_n(&s->answered, n + zero, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

/* Cycles per second, by the system's clock. */
static double tsc_hz(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	uint64_t begin = rte_rdtsc();
	usleep(100000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(rte_rdtsc() - begin) / ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static void client(struct floor *f, double hz, double rate, double seconds, struct hist *h)
{
	double step = hz / rate;
	uint64_t start = rte_rdtsc(), total = (uint64_t)(rate * seconds), issued = 0, done = 0;

	while (done < total) {
		for (uint32_t i = 0; i < SLOTS; i++) {
			struct slot *s = &f->slot[i];
			uint64_t now = rte_rdtsc();
			if (s->due_tsc != 0 && __atomic_load_n(&s->answered, __ATOMIC_ACQUIRE) == s->asked) {
				hist_record(h, (uint64_t)((double)(now - s->due_tsc) / hz * 1e9));
				s->due_tsc = 0;
				done++;
			}
			uint64_t due = start + (uint64_t)((double)issued * step);
			if (s->due_tsc == 0 && issued < total && now >= due) {
				s->due_tsc = due;
				__atomic_store_n(&s->asked, ++issued, __ATOMIC_RELEASE);
			}
		}
	}
}

int main(int argc, char **argv)
{
	static struct floor f;
	static struct hist h;
	pthread_t t;

	double rate = argc == 7 ? atof(argv[3]) : 0, seconds = argc == 7 ? atof(argv[4]) : 0;
	if (rate < 1 || seconds <= 0 || atoi(argv[5]) < 1 || atof(argv[6]) < 0 || atof(argv[6]) >= 1) {
		fprintf(stderr, "usage: floor CLIENT_CPU SERVER_CPU RATE SECONDS TABLE_MIB LOAD\n");
		return EXIT_FAILURE;
	}
	size_t bytes = (size_t)atoi(argv[5]) << 20;
	f.words = bytes / sizeof *f.table;
	f.server_cpu = atoi(argv[2]);
	double hz = tsc_hz();
	f.work_cycles = (uint64_t)(hz / rate * atof(argv[6]));
	f.table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (f.table == MAP_FAILED) {
		fprintf(stderr, "floor: out of memory for a table of %zu bytes\n", bytes);
		return EXIT_FAILURE;
	}
	pin(atoi(argv[1]));
	hist_init(&h);
	if (pthread_create(&t, NULL, server, &f) != 0)
		return EXIT_FAILURE;
	while (!__atomic_load_n(&f.ready, __ATOMIC_ACQUIRE))
		usleep(1000);
	client(&f, hz, rate, seconds, &h);
	__atomic_store_n(&f.stop, 1, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	printf("{\"p50\": %.2f, \"p99\": %.2f, \"p99.9\": %.2f, \"max\": %.2f}\n",
	       (double)hist_percentile(&h, 50) / 1e3, (double)hist_percentile(&h, 99) / 1e3,
	       (double)hist_percentile(&h, 99.9) / 1e3, (double)h.max_ns / 1e3);
	return EXIT_SUCCESS;
}
