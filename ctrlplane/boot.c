/* Boot: memory, EAL, port, rings, shards, workers - in this order, and down again in the reverse one. */
#include <rte_cycles.h>
#include <stdlib.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/ctrl_script.h"
#include "net/xdp_neigh.h"

#define OWN_HEAP_RESERVE (8ull << 30) /* address space of a thread's own heap: requests being received */
#define INDEX_INITIAL    16384

/* ---- settings of the data path ---- */

_Static_assert((int)CONFIG_VOLATILE_LRU == (int)EVICT_VOLATILE_LRU && (int)CONFIG_NOEVICTION == (int)EVICT_NONE,
	       "the policies stand in the same order");

static struct type_limits type_limits(const struct config *cf)
{
	return (struct type_limits){
		.list_max_listpack_size = RP_MAX(cf->list_max_listpack_size, -5), /* as Redis */
		.hash_max_listpack_entries = (uint64_t)cf->hash_max_listpack_entries,
		.hash_max_listpack_value = (uint64_t)cf->hash_max_listpack_value,
		.set_max_intset_entries = (uint64_t)cf->set_max_intset_entries,
		.set_max_listpack_entries = (uint64_t)cf->set_max_listpack_entries,
		.set_max_listpack_value = (uint64_t)cf->set_max_listpack_value,
		.zset_max_listpack_entries = (uint64_t)cf->zset_max_listpack_entries,
		.zset_max_listpack_value = (uint64_t)cf->zset_max_listpack_value,
		.hll_sparse_max_bytes = (uint64_t)cf->hll_sparse_max_bytes,
		.stream_node_max_bytes = (uint64_t)cf->stream_node_max_bytes,
		.stream_node_max_entries = (uint64_t)cf->stream_node_max_entries,
	};
}

static struct output_limit output_limit(const struct config *cf, enum config_client_class cls)
{
	return (struct output_limit){.hard_bytes = cf->output_limit.cls[cls].hard_bytes,
				     .soft_bytes = cf->output_limit.cls[cls].soft_bytes,
				     .soft_s = cf->output_limit.cls[cls].soft_s};
}

void boot_dp_conf(struct ctrl *c)
{
	const struct config *cf = &c->config;
	struct dp_conf *d = &c->dp;
	d->databases = (uint32_t)cf->databases;
	d->maxmemory = cf->maxmemory;
	d->max_bulk = cf->proto_max_bulk_len;
	d->query_buffer_bytes = (uint64_t)cf->client_query_buffer_limit;
	d->output_normal = output_limit(cf, CONFIG_CLIENT_NORMAL);
	d->output_pubsub = output_limit(cf, CONFIG_CLIENT_PUBSUB);
	d->maxclients = (uint32_t)cf->maxclients;
	d->slowlog_us = cf->slowlog_log_slower_than;
	d->latency_ms = (uint64_t)cf->latency_monitor_threshold;
	d->timeout_s = (uint32_t)cf->timeout;
	d->tcp_keepalive_s = (uint32_t)cf->tcp_keepalive;
	d->events = cf->notify_keyspace_events;
	d->lfu = cf->maxmemory_policy == CONFIG_ALLKEYS_LFU || cf->maxmemory_policy == CONFIG_VOLATILE_LFU;
	d->lfu_log_factor = (uint32_t)cf->lfu_log_factor;
	d->lfu_decay_min = (uint32_t)cf->lfu_decay_time;
	d->tracking_max_keys = (uint64_t)cf->tracking_table_max_keys;
	d->evict = (enum evict_policy)cf->maxmemory_policy;
	d->evict_samples = (uint32_t)cf->maxmemory_samples;
	d->types = type_limits(cf);
	d->lazy_user_flush = cf->lazyfree_lazy_user_flush;
	d->debug_command = (uint32_t)cf->enable_debug_command;
	d->debug_scripts = c->debug_scripts;
	d->snapshot_slice_us = (uint32_t)cf->snapshot_slice_us;
	d->snapshot_share = (uint32_t)cf->snapshot_share;
	d->loading = c->persist != NULL && c->persist->loading.on;
	d->aof_on = c->aof != NULL && c->aof->state == AOF_ON;
	d->aof_fails = ctrl_aof_fails(c);
	if (d->aof_fails)
		memcpy(d->aof_why, c->aof->why, sizeof d->aof_why);
	d->misconf = c->persist != NULL && ctrl_save_misconf(c);
}

/* ---- the parts ---- */

static int boot_eal(struct ctrl *c, const struct memory_plan *m, struct err *e)
{
	const struct config *cf = &c->config;
	if (cf->cores.n != 0 && cf->cores.n < c->nworkers)
		return err_set(e, "cores names %u CPUs for %u workers; name one for each", cf->cores.n, c->nworkers);
	struct port_eal_params p = {.prefix = cf->file_prefix,
				    .nworkers = c->nworkers,
				    .worker_cpu = cf->cores.n != 0 ? cf->cores.cpu : NULL,
				    .control_cpu = (int)cf->control_core,
				    .huge = m->huge,
				    .mem_bytes = m->eal,
				    .device = cf->device,
				    .verbose = cf->loglevel == LOG_DEBUG};
	if (port_eal_init(&p, e) != 0) {
		c->plain_may_do = m->huge && cf->hugepages == CONFIG_HUGEPAGES_AUTO;
		return -1;
	}
	c->hugepages = m->huge;
	if (!m->huge && cf->hugepages == CONFIG_HUGEPAGES_AUTO)
		log_write(LOG_WARNING,
			  "running on plain memory: more TLB misses, expect 5-20%% less throughput with many "
			  "keys; reserve 2 MiB hugepages to avoid it");
	return 0;
}

static int boot_port(struct ctrl *c, const struct memory_plan *m, struct err *e)
{
	const struct config *cf = &c->config;
	struct port_params p = {.device = cf->device,
				.addrs = c->addrs,
				.naddrs = c->naddrs,
				.tcp_port = (uint16_t)cf->port,
				.nworkers = c->nworkers,
				.mtu = (uint32_t)cf->mtu,
				.mbufs = m->mbufs,
				.rx_desc = (uint32_t)cf->rx_descriptors,
				.tx_desc = (uint32_t)cf->tx_descriptors,
				.vlan = (uint16_t)cf->vlan,
				.csum_offload = cf->checksum_offload,
				.tx_help = (enum port_tx_help)cf->tx_offload};
	c->port = port_open(&p, e);
	return c->port != NULL ? 0 : -1;
}

static int boot_shared(struct ctrl *c, struct err *e)
{
	c->workers = calloc(c->nworkers, sizeof *c->workers);
	c->stores = calloc(c->nworkers, sizeof *c->stores);
	c->heaps = calloc(2 * c->nworkers + 2, sizeof *c->heaps);
	c->slot_map = calloc(RP_SLOTS, sizeof *c->slot_map);
	if (c->workers == NULL || c->stores == NULL || c->heaps == NULL || c->slot_map == NULL)
		return err_set(e, "out of memory at boot");
	for (uint32_t s = 0; s < RP_SLOTS; s++)
		c->slot_map[s] = (uint16_t)((uint64_t)s * c->nworkers / RP_SLOTS);
	c->bus = msg_bus_create(c->nworkers, e);
	if (c->bus == NULL)
		return -1;
	c->leases = lease_table_create(c->bus, c->nworkers);
	if (c->leases == NULL)
		return err_set(e, "out of memory for the lease table");
	return 0;
}

static void fill_net(const struct ctrl *c, uint32_t id, struct net_params *n)
{
	const struct config *cf = &c->config;
	const struct port_info *pi = port_info(c->port);
	*n = (struct net_params){.worker = id,
				 .nworkers = c->nworkers,
				 .mac = pi->mac,
				 .mtu = pi->mtu,
				 .rss = port_rss(c->port),
				 .shared = pi->shared,
				 .neigh_ask = xdp_neigh_ask(port_neigh(c->port), id),
				 .neigh_told = xdp_neigh_told(port_neigh(c->port), id),
				 .arp_entries = (uint32_t)cf->arp_entries,
				 .arp_age_s = (uint32_t)(cf->arp_age_us / 1000000),
				 .arp_retry_ms = (uint32_t)(cf->arp_retry_us / 1000),
				 .arp_tries = (uint32_t)cf->arp_tries,
				 .arp_queue = (uint32_t)cf->arp_queue,
				 .arp_announce = (uint32_t)cf->arp_announce,
				 .arp_defend_s = (uint32_t)(cf->arp_defend_us / 1000000),
				 .nd_reachable_s = (uint32_t)(cf->nd_reachable_us / 1000000),
				 .nd_delay_s = (uint32_t)(cf->nd_delay_us / 1000000),
				 .dad_transmits = (uint32_t)cf->dad_transmits,
				 .echo_rate = (uint32_t)cf->icmp_echo_rate,
				 .frag_entries = (uint32_t)cf->fragment_entries,
				 .frag_max = (uint32_t)cf->fragment_max,
				 .frag_timeout_ms = (uint32_t)(cf->fragment_timeout_us / 1000),
				 .pmtu_entries = (uint32_t)cf->pmtu_entries,
				 .pmtu_age_s = (uint32_t)(cf->pmtu_age_us / 1000000),
				 .vlan = (uint16_t)cf->vlan,
				 .tx_csum_ip = pi->tx_csum_ip,
				 .tx_csum_tcp = pi->tx_csum_tcp};
	if (c->steer_in != NULL) {
		n->steer_in = c->steer_in[id];
		n->steer_out = c->steer_out[id];
	}
	n->naddrs = c->naddrs;
	n->gateway = c->gateway;
	n->gateway6 = c->gateway6;
	memcpy(n->addrs, c->addrs, sizeof n->addrs);
}

static void fill_tcp(const struct ctrl *c, uint32_t id, struct tcp_params *t)
{
	const struct config *cf = &c->config;
	*t = (struct tcp_params){.max_conns = (uint32_t)cf->maxclients + 64,
				 .max_syn = (uint32_t)cf->tcp_backlog,
				 .max_time_wait = (uint32_t)cf->tcp_max_time_wait,
				 .rcv_buf = (uint32_t)cf->tcp_receive_buffer,
				 .snd_buf = (uint32_t)cf->tcp_send_buffer,
				 .rto_min_us = (uint32_t)cf->tcp_rto_min_us,
				 .rto_max_us = (uint32_t)cf->tcp_rto_max_us,
				 .delack_us = (uint32_t)cf->tcp_delayed_ack_us,
				 .keepalive_idle_s = (uint32_t)cf->tcp_keepalive,
				 .keepalive_intvl_s = (uint32_t)(cf->tcp_keepalive_interval_us / 1000000),
				 .keepalive_probes = (uint32_t)cf->tcp_keepalive_probes,
				 .time_wait_ms = (uint32_t)(cf->tcp_time_wait_us / 1000),
				 .user_timeout_ms = (uint32_t)(cf->tcp_user_timeout_us / 1000),
				 .pmtu_probe_ms = (uint32_t)(cf->tcp_pmtu_probe_us / 1000),
				 .init_cwnd = (uint32_t)cf->tcp_initial_window,
				 .rto_init_us = (uint32_t)cf->tcp_rto_initial_us,
				 .syn_retries = (uint32_t)cf->tcp_syn_retries,
				 .synack_retries = (uint32_t)cf->tcp_synack_retries,
				 .challenge_per_s = (uint32_t)cf->tcp_challenge_acks,
				 .invalid_us = (uint32_t)cf->tcp_invalid_ratelimit_us,
				 .rst_per_s = (uint32_t)cf->tcp_resets,
				 .ooo_bufs = (uint32_t)cf->tcp_reorder_buffers,
				 .snd_segs = (uint32_t)cf->tcp_send_buffers,
				 .timestamps = cf->tcp_timestamps,
				 .window_scale = cf->tcp_window_scaling,
				 .no_sack = !cf->tcp_sack,
				 .no_syn_cookies = !cf->tcp_syn_cookies,
				 .cc = cf->tcp_congestion_control == 1 ? TCP_CC_NEWRENO : TCP_CC_CUBIC,
				 .ecn = (enum tcp_ecn)cf->tcp_ecn,
				 .name_tag = id};
	rng_system(&t->seed, sizeof t->seed);
}

/* ---- workers ---- */

static int boot_worker(struct ctrl *c, const struct memory_plan *m, uint32_t id, uint64_t hash_seed, struct err *e)
{
	const struct config *cf = &c->config;
	struct worker_params p = {.id = id,
				  .nworkers = c->nworkers,
				  .port = c->port,
				  .bus = c->bus,
				  .leases = c->leases,
				  .stores = c->stores,
				  .slot_map = c->slot_map,
				  .conf = &c->dp,
				  .users = c->users,
				  .listen_port = (uint16_t)cf->port,
				  .max_sessions = (uint32_t)cf->maxclients,
				  .shared = &c->shared,
				  .durable = &c->durable,
				  .heaps = c->heaps,
				  .nheaps = 2 * c->nworkers + 2,
				  .databases = (uint32_t)cf->databases,
				  .index_initial = INDEX_INITIAL,
				  .hash_seed = hash_seed,
				  .shard_reserve = m->shard_reserve,
				  .shard_huge = m->shard_huge,
				  .own_reserve = m->shard_reserve + OWN_HEAP_RESERVE,
				  .tsc_hz = c->clock.tsc_hz,
				  .adaptive = cf->idle == CONFIG_IDLE_ADAPTIVE,
				  .spin_us = (uint32_t)cf->idle_spin_us,
				  .rx_burst = (uint32_t)cf->rx_burst,
				  .up = upcalls_table()};
	rng_system(&p.seed, sizeof p.seed);
	fill_net(c, id, &p.net);
	fill_tcp(c, id, &p.tcp);
	c->workers[id] = worker_create(&p, e);
	return c->workers[id] != NULL ? 0 : -1;
}

static int boot_workers(struct ctrl *c, const struct memory_plan *m, struct err *e)
{
	uint64_t hash_seed;
	rng_system(&hash_seed, sizeof hash_seed);
	for (uint32_t i = 0; i < c->nworkers; i++)
		if (boot_worker(c, m, i, hash_seed, e) != 0)
			return -1;
	for (uint32_t i = 0; i < c->nworkers; i++)
		heap_prefault(c->workers[i]->shard_heap, c->config.prefault_memory);
	return 0;
}

static int boot_host(struct ctrl *c, struct err *e)
{
	struct heap_params hp = {"control", OWN_HEAP_RESERVE, 0};
	c->heap = c->heaps[2 * c->nworkers] = heap_create(&hp, e);
	if (c->heap == NULL)
		return -1;
	struct session_host_params p = {
		.self = msg_bus_control(c->bus),
		.own = -1,
		.nstores = c->nworkers,
		.stores = c->stores,
		.slot_map = c->slot_map,
		.bus = c->bus,
		.leases = c->leases,
		.mbufs = port_pool(c->port, UINT32_MAX),
		.heap = c->heap,
		.conf = &c->dp,
		.users = c->users,
		.max_sessions = (uint32_t)c->config.admin_maxclients,
		.shared = &c->shared,
		.durable = &c->durable,
		.heaps = c->heaps,
		.nheaps = 2 * c->nworkers + 2,
		.first_client_id = c->nworkers + 1,
		.client_id_step = c->nworkers + 1,
		.tsc_hz = c->clock.tsc_hz,
		.ops = {.ctx = c, .slow = upcalls_own_slow, .told = upcalls_told, .denied = upcalls_own_denied},
		.owner = c};
	rng_system(&p.seed, sizeof p.seed);
	if (host_init(&c->host, &p, e) != 0)
		return -1;
	return ctrl_script_boot(c, &p, e);
}

static void boot_commands(void)
{
	cmd_table_init();
	ctrl_bind_config();
	ctrl_bind_info();
	ctrl_bind_client();
	ctrl_bind_pubsub();
	ctrl_bind_tracking();
	ctrl_bind_slowlog();
	ctrl_bind_latency();
	ctrl_bind_stages();
	ctrl_bind_memory();
	ctrl_bind_script();
	ctrl_bind_server();
	ctrl_bind_acl();
	ctrl_bind_save();
	ctrl_bind_aof();
	ctrl_bind_debug();
	rp_assert(cmd_table_check() == NULL);
}

int boot(struct ctrl *c, struct err *e)
{
	struct memory_plan m;
	c->nworkers = (uint32_t)c->config.workers;
	boot_commands();
	boot_dp_conf(c);
	if (boot_users(c, e) != 0 || memory_plan_make(c, &m, e) != 0 || boot_eal(c, &m, e) != 0)
		return -1;
	clock_init(&c->clock, 0);
	clock_read(&c->clock, &c->now);
	c->started_wall_us = c->now.wall_us;
	c->started_mono_us = c->now.mono_us;
	if (ctrl_persist_init(c, e) != 0)
		return -1;
	boot_dp_conf(c);
	c->slowlog = slowlog_create();
	c->latency = latency_create();
	c->base.cmd = calloc(cmd_count, sizeof *c->base.cmd);
	if (c->slowlog == NULL || c->latency == NULL || c->base.cmd == NULL)
		return err_set(e, "out of memory at boot");
	if (boot_addresses(c, e) != 0 || boot_port(c, &m, e) != 0 || boot_steering(c, e) != 0 ||
	    boot_shared(c, e) != 0 || boot_host(c, e) != 0 || boot_workers(c, &m, e) != 0 || ctrl_aof_init(c, e) != 0)
		return -1;
	boot_net_warnings(c);
	c->admin = admin_create(c, e);
	return c->admin == NULL && e->text[0] != '\0' ? -1 : 0;
}

void boot_undo(struct ctrl *c)
{
	if (c->admin != NULL)
		admin_destroy(c->admin);
	ctrl_script_undo(c);
	if (c->host.sessions.mem != NULL) {
		host_abandon(&c->host);
		host_fini(&c->host);
	}
	for (uint32_t i = 0; c->workers != NULL && i < c->nworkers; i++)
		if (c->workers[i] != NULL)
			worker_abandon(c->workers[i]);
	ctrl_aof_fini(c);
	ctrl_persist_fini(c);
	for (uint32_t i = 0; c->workers != NULL && i < c->nworkers; i++)
		if (c->workers[i] != NULL)
			worker_destroy(c->workers[i]);
	if (c->heap != NULL)
		heap_destroy(c->heap);
	boot_steering_undo(c);
	lease_table_destroy(c->leases);
	msg_bus_destroy(c->bus);
	if (c->port != NULL)
		port_close(c->port);
	port_eal_fini();
	if (c->slowlog != NULL)
		slowlog_destroy(c->slowlog);
	if (c->latency != NULL)
		latency_destroy(c->latency);
	boot_users_undo(c);
	free(c->base.cmd);
	free(c->slot_map);
	free(c->workers);
	free(c->stores);
	free(c->heaps);
}
