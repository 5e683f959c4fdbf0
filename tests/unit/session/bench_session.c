/* Cycles per command from a received buffer to the reply's buffer, without any network: sessions, parser, store,
 * replies.
 *
 *   bench_session [KEYS [CONNECTIONS [PIPELINE [ROUNDS [COMMAND]]]]]
 */
#include <inttypes.h>
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

static uint64_t replies;

static uint32_t room(void *t)
{
	return UINT32_MAX;
}

static void take(void *t, struct rte_mbuf *chain, size_t bytes)
{
	replies++;
	rte_pktmbuf_free(chain);
}

static void consumed(void *t, uint32_t bytes)
{
}

static void closed(void *t)
{
}

static const struct session_transport sink = {
	.send = take, .room = room, .consumed = consumed, .close = closed, .abort = closed};

/* One command on key k. Returns its length. */
typedef int (*write_fn)(char *p, uint64_t k);

static int write_get(char *p, uint64_t k)
{
	return sprintf(p, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012" PRIu64 "\r\n", k);
}

static int write_set(char *p, uint64_t k)
{
	return sprintf(p, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012" PRIu64 "\r\n$32\r\n%032" PRIu64 "\r\n", k, k);
}

static int write_rpush(char *p, uint64_t k)
{
	return sprintf(p, "*3\r\n$5\r\nRPUSH\r\n$6\r\nmylist\r\n$32\r\n%032" PRIu64 "\r\n", k);
}

static int write_lpop(char *p, uint64_t k)
{
	return sprintf(p, "*2\r\n$4\r\nLPOP\r\n$6\r\nmylist\r\n");
}

static int write_xadd(char *p, uint64_t k)
{
	return sprintf(p, "*5\r\n$4\r\nXADD\r\n$8\r\nmystream\r\n$1\r\n*\r\n$7\r\nmyfield\r\n$32\r\n%032" PRIu64 "\r\n",
		       k);
}

/* Four commands that count as one. */
static int write_multi(char *p, uint64_t k)
{
	return sprintf(p,
		       "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$20\r\ncounter:%012" PRIu64
		       "\r\n*2\r\n$4\r\nINCR\r\n$20\r\ncounter:%012" PRIu64 "\r\n*1\r\n$4\r\nEXEC\r\n",
		       k, k + 1);
}

static const struct {
	const char *name;
	write_fn write;
} benches[] = {
	{"GET", write_get},   {"SET", write_set},   {"RPUSH", write_rpush},
	{"LPOP", write_lpop}, {"XADD", write_xadd}, {"MULTI", write_multi},
};

static struct rte_mbuf *request(struct rig *r, write_fn write, uint32_t keys, uint32_t pipeline)
{
	struct rte_mbuf *m = buf_alloc(r->pool);
	assert_non_null(m);
	char *p = rte_pktmbuf_mtod(m, char *), *start = p;
	for (uint32_t i = 0; i < pipeline; i++)
		p += write(p, rng_below(&r->rng, keys));
	rte_pktmbuf_append(m, (uint16_t)(p - start));
	return m;
}

static double run(struct rig *r, struct session **s, uint32_t conns, write_fn write, uint32_t keys, uint32_t pipeline,
		  uint32_t rounds)
{
	uint64_t cycles = 0, commands = 0;
	struct rte_mbuf *m[RIG_CONNS];
	for (uint32_t i = 0; i < rounds; i++) {
		for (uint32_t k = 0; k < conns; k++)
			m[k] = request(r, write, keys, pipeline);
		heap_prefault(store_heap(r->stores[0]), 4 << 20); /* as the control thread does it ahead of a worker */
		uint64_t t = rte_rdtsc();
		for (uint32_t k = 0; k < conns; k++)
			session_input(s[k], m[k]);
		while (rig_step(r, 0) != 0)
			;
		cycles += rte_rdtsc() - t;
		commands += conns * pipeline;
	}
	return (double)cycles / (double)commands;
}

int main(int argc, char **argv)
{
	uint32_t keys = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000, conns = argc > 2 ? (uint32_t)atoi(argv[2]) : 50;
	uint32_t pipeline = argc > 3 ? (uint32_t)atoi(argv[3]) : 1, rounds = argc > 4 ? (uint32_t)atoi(argv[4]) : 20000;
	struct session *s[RIG_CONNS];
	rig_eal(argv[0]);
	struct rig *r = rig_create(1, 1);
	for (uint32_t i = 0; i < conns; i++)
		s[i] = session_open(r->host[0], &sink, r, 1448);
	for (uint32_t i = 0; i < keys; i++) {
		char key[32], value[33];
		sprintf(key, "key:%012u", i);
		sprintf(value, "%032u", i);
		assert_non_null(store_set_string(r->stores[0], 0, (struct slice){key, 16}, (struct slice){value, 32},
						 NULL, STORE_NO_EXPIRE));
	}
	for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
		if (argc <= 5 || strcmp(argv[5], benches[i].name) == 0)
			printf("%s %.0f cycles\n", benches[i].name,
			       run(r, s, conns, benches[i].write, keys, pipeline, rounds));
	return 0;
}
