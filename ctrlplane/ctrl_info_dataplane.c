/* INFO dataplane: the device, and per worker what its layers count. */
#include <stdio.h>

#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/script/script_thread.h"

static void config_line(const struct ctrl *c, const char *name, const char *key, struct text *t)
{
	char value[CONFIG_VALUE_MAX];

	config_format(&c->config, config_find((struct slice){name, strlen(name)}), value);
	text_add(t, "%s:%s\r\n", key, value);
}

static void address_lines(const struct ctrl *c, struct text *t)
{
	char ip[64];

	text_add(t, "addresses:");
	for (uint32_t i = 0; i < c->naddrs; i++) {
		net_addr_format(&c->addrs[i].addr, ip, sizeof ip);
		text_add(t, "%s%s/%u", i ? " " : "", ip, c->addrs[i].prefix_len);
	}
	ip[0] = '\0';
	if (c->gateway.family != 0)
		net_addr_format(&c->gateway, ip, sizeof ip);
	text_add(t, "\r\ngateway:%s\r\nshared_with_kernel:%d\r\n", ip, port_info(c->port)->shared);
}

/* Who does it: the device, or we because it cannot, or because peers did not understand what it did. */
static const char *who(const struct ctrl *c, bool device)
{
	uint64_t wrong = 0;

	for (uint32_t i = 0; i < c->nworkers; i++)
		wrong += STAT_LOAD(net_counters(c->workers[i]->net)->tx_offload_wrong);
	return !device ? "software" : wrong == 0 ? "device" : "device, not trusted for all";
}

static void port_lines(const struct ctrl *c, struct text *t)
{
	const struct port_info *p = port_info(c->port);
	const uint8_t *m = p->mac.addr_bytes;

	text_add(t, "driver:%s\r\nmac:%02x:%02x:%02x:%02x:%02x:%02x\r\nmtu:%u\r\nqueues:%u\r\nsteering:%s\r\n",
		 p->driver, m[0], m[1], m[2], m[3], m[4], m[5], p->mtu, p->nqueues, p->steers ? "device" : "software");
	text_add(t,
		 "offload_tx_ip_checksum:%d\r\noffload_tx_tcp_checksum:%d\r\noffload_rx_checksum:%d\r\n"
		 "offload_tx_tcp_segmentation:%d\r\ntx_multi_segment:%d\r\n",
		 p->tx_csum_ip, p->tx_csum_tcp, p->rx_csum, p->tx_train_bytes != 0, p->tx_multi_seg);
	text_add(t, "tx_checksums_by:%s\r\ntx_segmentation_by:%s\r\nlarge_values:%s\r\n", who(c, p->tx_csum_tcp),
		 who(c, p->tx_train_bytes != 0), p->tx_ext_bufs ? "attached" : "copied");
}

static void worker_line(const struct ctrl *c, const struct worker *w, struct text *t)
{
	const struct net_counters *n = net_counters(w->net);
	const struct tcp_counters *k = tcp_counters(w->tcp);
	const struct host_counters *h = &w->host.count;
	uint64_t busy = STAT_LOAD(w->count.busy_cycles), commands = STAT_LOAD(h->commands);

	text_add(t,
		 "worker%u:packets_in=%lu,packets_out=%lu,bytes_in=%lu,bytes_out=%lu,connections=%lu,retransmits=%lu",
		 w->id, STAT_LOAD(n->rx_packets), STAT_LOAD(n->tx_packets), STAT_LOAD(n->rx_bytes),
		 STAT_LOAD(n->tx_bytes), STAT_LOAD(k->conns), STAT_LOAD(k->retransmits));
	text_add(t, ",commands=%lu,delegated_out=%lu,delegated_in=%lu,leases=%lu", commands,
		 STAT_LOAD(h->delegated_out), STAT_LOAD(h->delegated_in), STAT_LOAD(h->leases));
	text_add(t, ",iterations=%lu,busy_cycles=%lu,empty_poll_cycles=%lu,cycles_per_request=%lu,mbufs_in_use=%u",
		 STAT_LOAD(w->count.iterations), busy, STAT_LOAD(w->count.empty_cycles), commands ? busy / commands : 0,
		 rte_mempool_in_use_count(port_pool(c->port, w->id)));
	text_add(t, ",client_bytes=%lu", host_clients_bytes(&w->host) + tcp_memory_bytes(w->tcp));
	text_add(t, ",sleeps=%lu,slept_us=%lu,clients=%lu\r\n", STAT_LOAD(w->count.sleeps),
		 STAT_LOAD(w->count.slept_us), STAT_LOAD(h->clients));
}

static bool is_drop(const char *name, const char *help)
{
	return strncmp(name, "drop_", 5) == 0 || strncmp(help, "dropped", 7) == 0;
}

struct counter_line {
	struct text *t;
	bool any;
};

static void counter_add(struct counter_line *l, const char *name, uint64_t v)
{
	text_add(l->t, "%s%s=%lu", l->any ? "," : "", name, (unsigned long)v);
	l->any = true;
}

static void drops_line(const struct worker *w, struct text *t)
{
	const struct net_counters *n = net_counters(w->net);
	const struct tcp_counters *k = tcp_counters(w->tcp);
	struct counter_line l = {t, false};

	text_add(t, "worker%u_drops:", w->id);
#define NET_COUNTER(name, help)                         \
	if (is_drop(#name, help) && STAT_LOAD(n->name)) \
		counter_add(&l, #name, STAT_LOAD(n->name));
#include "net/net_counters.def"
#undef NET_COUNTER
#define TCP_COUNTER(name, help)                         \
	if (is_drop(#name, help) && STAT_LOAD(k->name)) \
		counter_add(&l, #name, STAT_LOAD(k->name));
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
	text_add(t, "\r\n");
}

static void tcp_line(const struct worker *w, struct text *t)
{
	const struct tcp_counters *k = tcp_counters(w->tcp);
	struct counter_line l = {t, false};

	text_add(t, "worker%u_tcp:", w->id);
#define TCP_COUNTER(name, help) counter_add(&l, #name, STAT_LOAD(k->name));
#include "tcp/tcp_counters.def"
#undef TCP_COUNTER
	text_add(t, "\r\n");
}

static void net_line(const struct worker *w, struct text *t)
{
	const struct net_counters *n = net_counters(w->net);
	struct counter_line l = {t, false};

	text_add(t, "worker%u_net:", w->id);
#define NET_COUNTER(name, help) counter_add(&l, #name, STAT_LOAD(n->name));
#include "net/net_counters.def"
#undef NET_COUNTER
	text_add(t, "\r\n");
}

static void stages_line(const struct worker *w, struct text *t)
{
	struct counter_line l = {t, false};

	text_add(t, "worker%u_stage_cycles:", w->id);
	for (uint32_t i = 0; i < STAGE_COUNT; i++)
		counter_add(&l, stage_name((enum stage)i), STAT_LOAD(w->host.stages.hist[i].cycles));
	text_add(t, "\r\n");
}

static void session_line(const struct worker *w, struct text *t)
{
	const struct host_counters *h = &w->host.count;

	text_add(t,
		 "worker%u_sessions:opened=%lu,rejected=%lu,protocol_errors=%lu,killed_output=%lu,killed_query=%lu,"
		 "killed_nomem=%lu,"
		 "killed_idle=%lu,log_dropped=%lu\r\n",
		 w->id, STAT_LOAD(h->sessions_opened), STAT_LOAD(h->sessions_rejected), STAT_LOAD(h->protocol_errors),
		 STAT_LOAD(h->killed_output), STAT_LOAD(h->killed_query), STAT_LOAD(h->killed_nomem),
		 STAT_LOAD(h->killed_idle), STAT_LOAD(w->log.dropped));
}

static void heap_line(const struct worker *w, const char *name, const struct heap *heap, struct text *t)
{
	struct heap_stats s;

	heap_stats_get(heap, &s);
	text_add(t, "worker%u_%s:used=%zu,committed=%zu,peak=%zu,blocks=%zu,faults_inline=%lu\r\n", w->id, name,
		 s.used_bytes, s.committed_bytes, s.peak_bytes, s.blocks, (unsigned long)s.faults_inline);
}

static void index_line(const struct worker *w, struct text *t)
{
	struct index_stats one, sum = {.entries = 0};

	for (uint32_t db = 0; db < store_databases(w->store); db++) {
		index_stats_get(store_index(w->store, db), &one);
		sum.entries += one.entries;
		sum.buckets += one.buckets;
		sum.overflow += one.overflow;
		sum.splits += one.splits;
		sum.merges += one.merges;
		sum.memory_bytes += one.memory_bytes;
	}
	text_add(t, "worker%u_index:entries=%lu,buckets=%lu,overflow=%lu,splits=%lu,merges=%lu,memory=%zu\r\n", w->id,
		 sum.entries, sum.buckets, sum.overflow, sum.splits, sum.merges, sum.memory_bytes);
}

static void control_line(const struct ctrl *c, struct text *t)
{
	const struct host_counters *h = &c->host.count;

	text_add(t, "control:clients=%lu,commands=%lu,delegated_out=%lu,delegated_in=%lu,leases=%lu\r\n", h->clients,
		 h->commands, h->delegated_out, h->delegated_in, h->leases);
}

static void script_line(const struct ctrl *c, struct text *t)
{
	struct script_figures f;

	script_thread_figures(c->script, &f);
	text_add(t, "script_thread:busy_cycles=%lu,empty_poll_cycles=%lu,leases=%lu,scripts=%lu\r\n",
		 (unsigned long)f.busy_cycles, (unsigned long)f.empty_cycles, (unsigned long)f.batches,
		 (unsigned long)STAT_LOAD(script_thread_host(c->script)->count.commands));
}

void info_dataplane(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Dataplane\r\nworkers:%u\r\n", c->nworkers);
	config_line(c, "device", "device", t);
	address_lines(c, t);
	port_lines(c, t);
	text_add(t, "hugepages:%d\r\n", c->hugepages);
	config_line(c, "idle", "idle", t);
	text_add(t, "tsc_hz:%lu\r\n", (unsigned long)c->host.tsc_hz);
	script_line(c, t);
	for (uint32_t i = 0; i < c->nworkers; i++) {
		const struct worker *w = c->workers[i];
		worker_line(c, w, t);
		drops_line(w, t);
		tcp_line(w, t);
		net_line(w, t);
		stages_line(w, t);
		session_line(w, t);
		heap_line(w, "heap", w->shard_heap, t);
		heap_line(w, "own_heap", w->heap, t);
		index_line(w, t);
	}
	control_line(c, t);
}
