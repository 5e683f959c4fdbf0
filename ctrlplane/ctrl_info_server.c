/* INFO: the sections that Redis has, but for those about commands. */
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_memory.h"

void info_server(const struct ctrl *c, struct text *t)
{
	struct utsname os = {.sysname = ""};
	uint64_t up_s = (c->now.mono_us - c->started_mono_us) / 1000000;

	uname(&os);
	text_add(
		t,
		"# Server\r\nredis_version:%s\r\nredpoll_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
		"redis_mode:standalone\r\n",
		cmd_redis_version, REDPOLL_VERSION);
	text_add(t, "os:%s %s %s\r\narch_bits:%d\r\nmonotonic_clock:TSC %lu Hz\r\n", os.sysname, os.release, os.machine,
		 (int)sizeof(long) * 8, (unsigned long)c->host.tsc_hz);
	text_add(t, "multiplexing_api:poll-mode\r\natomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n", __GNUC__,
		 __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
	text_add(t, "process_id:%d\r\nprocess_supervised:no\r\nrun_id:%s\r\ntcp_port:%ld\r\nserver_time_usec:%ld\r\n",
		 getpid(), c->run_id, (long)c->config.port, (long)c->now.wall_us);
	text_add(t, "uptime_in_seconds:%lu\r\nuptime_in_days:%lu\r\nhz:10\r\nconfigured_hz:10\r\nlru_clock:%lu\r\n",
		 (unsigned long)up_s, (unsigned long)up_s / 86400,
		 (unsigned long)(c->now.wall_us / 1000000) & 0xffffff);
	text_add(t, "executable:%s\r\nconfig_file:%s\r\nio_threads_active:0\r\n", c->program ? c->program : "",
		 c->config.file);
}

void info_clients(const struct ctrl *c, struct text *t)
{
	struct stat_totals s;

	stats_totals(c, &s);
	text_add(t, "# Clients\r\nconnected_clients:%lu\r\ncluster_connections:0\r\nmaxclients:%ld\r\n",
		 (unsigned long)s.clients, (long)c->config.maxclients);
	text_add(t,
		 "blocked_clients:%lu\r\ntracking_clients:%lu\r\npubsub_clients:%lu\r\nclients_in_timeout_table:%lu\r\n"
		 "total_blocking_keys:%lu\r\ntotal_blocking_keys_on_nokey:%lu\r\n",
		 (unsigned long)s.blocked, (unsigned long)s.tracking, (unsigned long)s.pubsub,
		 (unsigned long)s.timeouts, (unsigned long)s.blocking_keys, (unsigned long)s.blocking_gone_keys);
}

/* ---- memory ---- */

static void human(struct text *t, const char *name, uint64_t bytes)
{
	text_add(t, "%s:%lu\r\n%s_human:%s\r\n", name, (unsigned long)bytes, name, TEXT_HUMAN(bytes));
}

static void plain(struct text *t, const char *name, uint64_t v)
{
	text_add(t, "%s:%lu\r\n", name, (unsigned long)v);
}

static void memory_heaps(const struct memory_figures *m, struct text *t)
{
	uint64_t idle = m->heap_committed > m->heap_used ? m->heap_committed - m->heap_used : 0;

	plain(t, "allocator_allocated", m->heap_used);
	plain(t, "allocator_active", m->heap_committed);
	plain(t, "allocator_resident", m->heap_committed);
	text_add(t, "allocator_frag_ratio:%.2f\r\n", memory_ratio(m->heap_committed, m->heap_used));
	plain(t, "allocator_frag_bytes", idle);
	/* What is resident beyond the heaps' pages belongs to the rest of the process: packet buffers, tables, the
	 * program. */
	text_add(t,
		 "allocator_rss_ratio:1.00\r\nallocator_rss_bytes:0\r\nrss_overhead_ratio:%.2f\r\nrss_overhead_bytes:%"
		 "ld\r\n",
		 memory_ratio(m->resident, m->heap_committed), (long)m->resident - (long)m->heap_committed);
	text_add(t, "mem_fragmentation_ratio:%.2f\r\nmem_fragmentation_bytes:%ld\r\n",
		 memory_ratio(m->resident, m->used), (long)m->resident - (long)m->used);
}

void info_memory(const struct ctrl *c, struct text *t)
{
	const struct config_option *policy = config_find(SLICE("maxmemory-policy"));
	char value[CONFIG_VALUE_MAX];
	struct memory_figures m;
	struct stat_totals s;
	struct sysinfo si = {.totalram = 0};

	memory_figures(c, &m);
	sysinfo(&si);
	config_format(&c->config, policy, value);
	text_add(t, "# Memory\r\n");
	human(t, "used_memory", m.used);
	human(t, "used_memory_rss", m.resident);
	human(t, "used_memory_peak", m.peak);
	text_add(t, "used_memory_peak_perc:%.2f%%\r\n", memory_ratio(m.used, m.peak) * 100);
	plain(t, "used_memory_overhead", m.overhead);
	plain(t, "used_memory_startup", 0);
	plain(t, "used_memory_dataset", m.dataset);
	text_add(t, "used_memory_dataset_perc:%.2f%%\r\n", memory_ratio(m.dataset, m.used) * 100);
	human(t, "total_system_memory", (uint64_t)si.totalram * si.mem_unit);
	info_scripts(c, t);
	human(t, "maxmemory", c->config.maxmemory);
	text_add(t, "maxmemory_policy:%s\r\n", value);
	memory_heaps(&m, t);
	text_add(t, "mem_not_counted_for_evict:0\r\nmem_replication_backlog:0\r\nmem_total_replication_buffers:0\r\n"
		    "mem_clients_slaves:0\r\n");
	plain(t, "mem_clients_normal", m.clients);
	text_add(
		t,
		"mem_cluster_links:0\r\nmem_aof_buffer:0\r\nmem_allocator:redpoll-slab\r\nactive_defrag_running:0\r\n");
	stats_totals(c, &s);
	plain(t, "lazyfree_pending_objects", s.freeing);
	plain(t, "lazyfreed_objects", s.freed);
}

/* ---- the rest ---- */

static void stats_traffic(const struct ctrl *c, const struct stat_totals *s, struct text *t)
{
	plain(t, "total_connections_received", s->sessions);
	plain(t, "total_commands_processed", s->commands);
	plain(t, "instantaneous_ops_per_sec", stats_rate(c->rates.ops));
	plain(t, "total_net_input_bytes", s->net_in);
	plain(t, "total_net_output_bytes", s->net_out);
	text_add(t, "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0\r\n");
	text_add(t, "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n",
		 (double)stats_rate(c->rates.in) / 1024, (double)stats_rate(c->rates.out) / 1024);
	text_add(t, "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00\r\n");
	plain(t, "rejected_connections", s->rejected);
}

void info_stats(const struct ctrl *c, struct text *t)
{
	struct stat_totals s;

	stats_totals(c, &s);
	text_add(t, "# Stats\r\n");
	stats_traffic(c, &s, t);
	text_add(t, "sync_full:0\r\nsync_partial_ok:0\r\nsync_partial_err:0\r\n");
	plain(t, "expired_keys", s.expired);
	text_add(t, "expired_stale_perc:0.00\r\nexpired_time_cap_reached_count:0\r\n");
	plain(t, "evicted_keys", s.evicted);
	plain(t, "evicted_clients", c->evicted_clients);
	text_add(t, "total_eviction_exceeded_time:0\r\ncurrent_eviction_exceeded_time:0\r\n");
	plain(t, "keyspace_hits", s.hits);
	plain(t, "keyspace_misses", s.misses);
	plain(t, "pubsub_channels", ctrl_pubsub_names(c, PUBSUB_CHANNEL));
	plain(t, "pubsub_patterns", ctrl_pubsub_names(c, PUBSUB_PATTERN));
	plain(t, "pubsubshard_channels", ctrl_pubsub_names(c, PUBSUB_SHARD));
	plain(t, "tracking_total_keys", s.tracked_keys);
	plain(t, "tracking_total_items", s.tracked_links);
	plain(t, "tracking_total_prefixes", ctrl_pubsub_names(c, PUBSUB_PREFIX));
	text_add(t, "latest_fork_usec:0\r\n"
		    "total_forks:0\r\nmigrate_cached_sockets:0\r\nslave_expires_tracked_keys:0\r\n"
		    "active_defrag_hits:0\r\nactive_defrag_misses:0\r\nactive_defrag_key_hits:0\r\n"
		    "active_defrag_key_misses:0\r\ntotal_active_defrag_time:0\r\ncurrent_active_defrag_time:0\r\n"
		    "io_threaded_reads_processed:0\r\nio_threaded_writes_processed:0\r\n"
		    "reply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\nunexpected_error_replies:0\r\n");
	plain(t, "total_error_replies", info_error_replies(c));
	plain(t, "acl_access_denied_auth", s.denied.auth);
	plain(t, "acl_access_denied_cmd", s.denied.cmd);
	plain(t, "acl_access_denied_key", s.denied.key);
	plain(t, "acl_access_denied_channel", s.denied.channel);
}

void info_replication(const struct ctrl *c, struct text *t)
{
	text_add(t,
		 "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_failover_state:no-failover\r\n"
		 "master_replid:%s\r\nmaster_replid2:0000000000000000000000000000000000000000\r\n",
		 c->replid);
	text_add(t, "master_repl_offset:0\r\nsecond_repl_offset:-1\r\nrepl_backlog_active:0\r\nrepl_backlog_size:0\r\n"
		    "repl_backlog_first_byte_offset:0\r\nrepl_backlog_histlen:0\r\n");
}

static void cpu_line(struct text *t, const char *what, const char *who, const struct timeval *tv)
{
	text_add(t, "used_cpu_%s%s:%ld.%06ld\r\n", what, who, (long)tv->tv_sec, (long)tv->tv_usec);
}

void info_cpu(const struct ctrl *c, struct text *t)
{
	struct rusage self, children, thread;

	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	getrusage(RUSAGE_THREAD, &thread);
	text_add(t, "# CPU\r\n");
	cpu_line(t, "sys", "", &self.ru_stime);
	cpu_line(t, "user", "", &self.ru_utime);
	cpu_line(t, "sys", "_children", &children.ru_stime);
	cpu_line(t, "user", "_children", &children.ru_utime);
	cpu_line(t, "sys", "_main_thread", &thread.ru_stime);
	cpu_line(t, "user", "_main_thread", &thread.ru_utime);
}

void info_modules(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Modules\r\n");
}

void info_cluster(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Cluster\r\ncluster_enabled:0\r\n");
}

void info_keyspace(const struct ctrl *c, struct text *t)
{
	uint32_t databases = c->nworkers > 0 ? store_databases(c->stores[0]) : 0;

	text_add(t, "# Keyspace\r\n");
	for (uint32_t db = 0; db < databases; db++) {
		uint64_t keys = 0, expires = 0;
		double ttl_sum = 0;
		for (uint32_t i = 0; i < c->nworkers; i++) {
			uint64_t n = store_expires(c->stores[i], db);
			keys += store_count(c->stores[i], db);
			expires += n;
			ttl_sum += (double)n * (double)store_avg_ttl_ms(c->stores[i], db);
		}
		if (keys != 0)
			text_add(t, "db%u:keys=%lu,expires=%lu,avg_ttl=%.0f\r\n", db, (unsigned long)keys,
				 (unsigned long)expires, expires ? ttl_sum / (double)expires : 0.0);
	}
}
