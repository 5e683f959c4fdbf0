/* Scripts as the control thread sees them: SCRIPT KILL, FUNCTION KILL, FUNCTION STATS, and what INFO says. */
#include "ctrlplane/ctrl_script.h"

#include "ctrlplane/ctrl_persist.h"

#define LONG_US   100000 /* a script that takes longer is worth a line */
#define SETTLE_US 20000

static void kill_running(struct cmd_ctx *c, bool function)
{
	switch (script_thread_kill(ctrl_of(c)->script, function)) {
	case SCRIPT_KILL_OK:
		reply_ok(c->out);
		return;
	case SCRIPT_KILL_NOTBUSY:
		reply_error(c->out, "NOTBUSY No scripts in execution right now.");
		return;
	case SCRIPT_KILL_OTHER:
		reply_error(c->out, function ? SESSION_BUSY_SCRIPT : SESSION_BUSY_FUNCTION);
		return;
	case SCRIPT_KILL_UNKILLABLE:
		reply_error(c->out,
			    "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
			    "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
			    "NOSAVE command.");
		return;
	}
}

static void ctrl_script_kill(struct cmd_ctx *c)
{
	kill_running(c, false);
}

static void ctrl_function_kill(struct cmd_ctx *c)
{
	kill_running(c, true);
}

static void reply_running(struct reply *r, const struct script_running *run)
{
	reply_map(r, 3);
	reply_bulk_str(r, "name");
	reply_bulk_str(r, run->name);
	reply_bulk_str(r, "command");
	reply_array(r, run->argc);
	for (uint32_t i = 0; i < run->argc; i++)
		reply_bulk_slice(r, run->argv[i]);
	reply_bulk_str(r, "duration_ms");
	reply_int(r, run->duration_us / 1000);
}

static void ctrl_function_stats(struct cmd_ctx *c)
{
	struct script_thread *t = ctrl_of(c)->script;
	struct script_running run;
	struct script_figures f;

	script_thread_figures(t, &f);
	reply_map(c->out, 2);
	reply_bulk_str(c->out, "running_script");
	if (script_running_get(t, &run))
		reply_running(c->out, &run);
	else
		reply_null(c->out);
	script_running_put(t);
	reply_bulk_str(c->out, "engines");
	reply_map(c->out, 1);
	reply_bulk_str(c->out, "LUA");
	reply_map(c->out, 2);
	reply_bulk_str(c->out, "libraries_count");
	reply_int(c->out, (int64_t)f.libraries);
	reply_bulk_str(c->out, "functions_count");
	reply_int(c->out, (int64_t)f.functions);
}

void ctrl_bind_script(void)
{
	script_bind();
	cmd_bind("script|kill", ctrl_script_kill);
	cmd_bind("function|kill", ctrl_function_kill);
	cmd_bind("function|stats", ctrl_function_stats);
}

/* ---- settings ---- */

static struct script_settings settings_of(const struct config *cf)
{
	return (struct script_settings){.lease = (enum script_lease_mode)cf->script_lease,
					.memory_max = cf->script_max_memory,
					.max_time_us = cf->script_max_time_us,
					.busy_us = (uint64_t)cf->busy_reply_threshold * 1000,
					.log_level = (enum log_level)cf->loglevel,
					.spin_us = cf->script_spin_us,
					.shares_cpu = cf->idle == CONFIG_IDLE_ADAPTIVE};
}

void ctrl_script_configure(struct ctrl *c)
{
	struct script_settings s = settings_of(&c->config);

	if (c->script != NULL)
		script_thread_configure(c->script, &c->dp, &s);
}

/* ---- the server stops ---- */

static void say_waiting(const struct ctrl *c)
{
	log_write(LOG_NOTICE,
		  "a script runs that has written: waiting for its end, %ld s at most (shutdown-timeout); SHUTDOWN "
		  "NOSAVE ends it at once",
		  (long)c->config.shutdown_timeout);
}

static uint64_t timeout_us(const struct ctrl *c)
{
	return (uint64_t)c->config.shutdown_timeout * 1000000;
}

int ctrl_script_await(struct ctrl *c, struct err *e)
{
	uint64_t id = script_thread_run(c->script);
	bool said = false;

	script_thread_hurry(c->script, SCRIPT_HURRY_UNWRITTEN);
	clock_read(&c->clock, &c->now);
	uint64_t until_us = c->now.mono_us + timeout_us(c);
	while (id != 0 && script_thread_run(c->script) == id) {
		ctrl_persist_wait_once(c);
		script_thread_tick(c->script);
		clock_read(&c->clock, &c->now);
		if (c->now.mono_us >= until_us)
			return err_set(e,
				       "a script that has written did not end within %ld s (shutdown-timeout); its "
				       "changes cannot be saved by halves",
				       (long)c->config.shutdown_timeout);
		if (!said && script_thread_run_us(c->script) >= LONG_US)
			say_waiting(c);
		said |= script_thread_run_us(c->script) >= LONG_US;
	}
	return 0;
}

bool ctrl_script_lasts(struct ctrl *c)
{
	uint64_t now = c->now.mono_us;
	enum lease_busy why;

	if (c->stop > 1)
		return false;
	if (c->stop_since_us == 0)
		c->stop_since_us = now;
	if (script_thread_run(c->script) == 0) /* what waits for its answer, a transaction perhaps, gets it */
		return c->script_seen_us != 0 && now - c->script_seen_us < SETTLE_US;
	if (c->script_seen_us == 0)
		say_waiting(c);
	c->script_seen_us = now;
	if (c->stop_nosave && lease_busy(c->leases, &why) != 0)
		return false;
	if (now - c->stop_since_us < timeout_us(c))
		return true;
	log_write(LOG_WARNING, "it has not ended within %ld s (shutdown-timeout)", (long)c->config.shutdown_timeout);
	return false;
}

/* ---- life ---- */

int ctrl_script_boot(struct ctrl *c, struct session_host_params *host, struct err *e)
{
	struct heap_params hp = {"script", SCRIPT_HEAP_RESERVE, 0};

	host->self = msg_bus_script(c->bus);
	host->heap = c->heaps[2 * c->nworkers + 1] = heap_create(&hp, e);
	if (host->heap == NULL)
		return -1;
	c->script_heap = host->heap;
	rng_system(&host->seed, sizeof host->seed);
	struct script_thread_params p = {
		.host = *host,
		.settings = settings_of(&c->config),
		.clock = c->clock,
		.cpu = -1,
	};
	c->script = script_thread_create(&p, e);
	return c->script != NULL ? 0 : -1;
}

void ctrl_script_undo(struct ctrl *c)
{
	if (c->script != NULL) {
		script_thread_stop(c->script);
		script_thread_join(c->script);
		script_thread_destroy(c->script);
	}
	if (c->script_heap != NULL)
		heap_destroy(c->script_heap);
}

/* ---- INFO ---- */

static void line(struct text *t, const char *name, uint64_t v)
{
	text_add(t, "%s:%lu\r\n", name, (unsigned long)v);
}

void info_scripts(const struct ctrl *c, struct text *t)
{
	struct script_figures f;
	uint64_t cached;

	script_thread_figures(c->script, &f);
	cached = f.scripts_bytes + f.functions_bytes;
	line(t, "used_memory_lua", f.lua_bytes);
	line(t, "used_memory_vm_eval", f.lua_bytes);
	text_add(t, "used_memory_lua_human:%s\r\n", TEXT_HUMAN(f.lua_bytes));
	line(t, "used_memory_scripts_eval", f.scripts_bytes);
	line(t, "number_of_cached_scripts", f.scripts);
	line(t, "number_of_functions", f.functions);
	line(t, "number_of_libraries", f.libraries);
	line(t, "used_memory_vm_functions", 0); /* one Lua state serves both */
	line(t, "used_memory_vm_total", f.lua_bytes);
	text_add(t, "used_memory_vm_total_human:%s\r\n", TEXT_HUMAN(f.lua_bytes));
	line(t, "used_memory_functions", f.functions_bytes);
	line(t, "used_memory_scripts", cached);
	text_add(t, "used_memory_scripts_human:%s\r\n", TEXT_HUMAN(cached));
}
