/* INFO persistence. */
#include "ctrlplane/ctrl_info.h"
#include "ctrlplane/ctrl_persist.h"

static void line(struct text *t, const char *name, uint64_t v)
{
	text_add(t, "%s:%lu\r\n", name, (unsigned long)v);
}

static int64_t seconds_of(int64_t us)
{
	return us < 0 ? -1 : us / 1000000;
}

static void loading_lines(const struct ctrl *c, struct text *t)
{
	const struct loading *l = &c->persist->loading;
	double fraction = l->total_bytes > 0 ? (double)l->loaded_bytes / (double)l->total_bytes : 0;
	double elapsed_s = (double)(c->now.mono_us - l->started_us) / 1000000;

	text_add(t, "loading:%d\r\nasync_loading:0\r\n", l->on);
	if (!l->on)
		return;
	text_add(t, "loading_start_time:%ld\r\n", (long)l->started_s);
	line(t, "loading_total_bytes", l->total_bytes);
	line(t, "loading_rdb_used_mem", 0);
	line(t, "loading_loaded_bytes", l->loaded_bytes);
	text_add(t, "loading_loaded_perc:%.2f\r\n", fraction * 100);
	text_add(t, "loading_eta_seconds:%.0f\r\n", fraction > 0 ? elapsed_s / fraction - elapsed_s : 0.0);
	line(t, "loading_loaded_keys", l->keys);
}

/* Copies are what a fork would make; here they are states before writes. */
static void rdb_lines(const struct ctrl *c, struct text *t)
{
	const struct saving *s = &c->persist->saving;
	const struct snapshot *sn = &c->persist->snapshot;
	bool running = sn->state != SNAPSHOT_IDLE;

	text_add(t, "current_cow_peak:0\r\ncurrent_cow_size:0\r\ncurrent_cow_size_age:0\r\n");
	text_add(t, "current_fork_perc:%.2f\r\n",
		 running && sn->keys_total != 0 ? 100.0 * (double)sn->keys_done / (double)sn->keys_total : 0.0);
	line(t, "current_save_keys_processed", running ? sn->keys_done : 0);
	line(t, "current_save_keys_total", running ? sn->keys_total : 0);
	line(t, "rdb_changes_since_last_save", ctrl_save_changes(c));
	line(t, "rdb_bgsave_in_progress", ctrl_save_running(c));
	text_add(t, "rdb_last_save_time:%ld\r\n", (long)s->last_save_s);
	text_add(t, "rdb_last_bgsave_status:%s\r\n", s->failed ? "err" : "ok");
	text_add(t, "rdb_last_bgsave_time_sec:%ld\r\n", (long)seconds_of(s->last_us));
	text_add(t, "rdb_current_bgsave_time_sec:%ld\r\n",
		 ctrl_save_running(c) ? (long)seconds_of((int64_t)(c->now.mono_us - sn->started_us)) : -1L);
	line(t, "rdb_saves", s->saves);
	line(t, "rdb_last_cow_size", 0);
	line(t, "rdb_last_load_keys_expired", c->persist->loading.expired);
	line(t, "rdb_last_load_keys_loaded", c->persist->loading.keys);
}

static void snapshot_lines(const struct ctrl *c, struct text *t)
{
	const struct snapshot *s = &c->persist->snapshot;
	struct snap_stats st;
	uint64_t flying[SNAP_STREAMS];

	ctrl_snapshot_stats(c, &st, flying);
	line(t, "snapshot_slices", st.slices);
	line(t, "snapshot_longest_slice_usec", st.slice_max_cycles * 1000000 / c->host.tsc_hz);
	line(t, "snapshot_keys_before_writes", st.before);
	line(t, "snapshot_large_at_once", st.inline_large);
	line(t, "snapshot_waits", st.waits);
	line(t, "snapshot_bytes_walked_in_flight", flying[SNAP_WALK]);
	line(t, "snapshot_bytes_before_writes_in_flight", flying[SNAP_BEFORE]);
	line(t, "snapshot_bytes_to_disk_in_flight", s->w != NULL ? file_writer_flying(s->w) : 0);
	line(t, "snapshot_bytes_written", s->w != NULL ? file_writer_bytes(s->w) : s->bytes);
	line(t, "snapshot_epoch_held_usec", s->held_us);
}

void info_persistence(const struct ctrl *c, struct text *t)
{
	text_add(t, "# Persistence\r\n");
	loading_lines(c, t);
	rdb_lines(c, t);
	info_aof(c, t);
	text_add(t, "module_fork_in_progress:0\r\nmodule_fork_last_cow_size:0\r\n");
	snapshot_lines(c, t);
}
