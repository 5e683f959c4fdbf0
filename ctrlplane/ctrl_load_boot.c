/* The load at boot, and how far it is. */
#include <stdio.h>
#include <unistd.h>

#include "ctrlplane/ctrl_aof.h"
#include "ctrlplane/ctrl_load.h"
#include "ctrlplane/ctrl_priv.h"

#define SAY_US    2000000
#define BAR_US    100000
#define BAR_CHARS 40

bool ctrl_load_wanted(const struct ctrl *c)
{
	return c->config.appendonly || access(c->config.dbfilename, F_OK) == 0;
}

/* ---- how far it is ---- */

void ctrl_loading_begin(struct ctrl *c)
{
	struct loading *l = &c->persist->loading;

	*l = (struct loading){.on = true,
			      .started_s = c->now.wall_us / 1000000,
			      .started_us = c->now.mono_us,
			      .said_us = c->now.mono_us,
			      .bar_us = c->now.mono_us};
}

void ctrl_loading_end(struct ctrl *c)
{
	struct loading *l = &c->persist->loading;

	if (l->bar) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	l->on = false;
}

static unsigned percent_of(const struct loading *l)
{
	return l->total_bytes == 0 ? 0 : (unsigned)RP_MIN(l->loaded_bytes * 100 / l->total_bytes, 100ul);
}

/* On a terminal; a log file has its lines. */
static void draw(struct loading *l, uint64_t now_us)
{
	unsigned percent = percent_of(l), full = percent * BAR_CHARS / 100;
	uint64_t ms = (now_us - l->started_us) / 1000;

	fprintf(stderr, "\rloading [%.*s%*s] %3u%%  %lu keys  %lu MB/s \033[K", (int)full,
		"########################################", BAR_CHARS - (int)full, "", percent, (unsigned long)l->keys,
		(unsigned long)(ms > 0 ? l->loaded_bytes / 1000 / ms : 0));
	fflush(stderr);
	l->bar = true;
}

void ctrl_loading_say(struct ctrl *c)
{
	struct loading *l = &c->persist->loading;

	if (c->now.mono_us - l->bar_us >= BAR_US && isatty(STDERR_FILENO)) {
		l->bar_us = c->now.mono_us;
		draw(l, c->now.mono_us);
	}
	if (c->now.mono_us - l->said_us < SAY_US)
		return;
	l->said_us = c->now.mono_us;
	log_write(LOG_NOTICE, "loading: %u%%, %lu keys", percent_of(l), (unsigned long)l->keys);
}

/* ---- at boot ---- */

static void between(struct ctrl *c)
{
	ctrl_round(c);
	ctrl_loading_say(c);
}

int ctrl_load_rdb(struct ctrl *c, const char *path, bool keep_expired, struct load_result *out, struct err *e)
{
	struct load_order o = {.path = path, .keep_expired = keep_expired, .between = between};
	uint64_t begin_us = c->now.mono_us;

	if (ctrl_load(c, &o, out, e) != 0)
		return -1;
	log_write(LOG_NOTICE, "loaded %s: %lu keys, %lu expired ones dropped, %.3f seconds", path,
		  (unsigned long)out->keys, (unsigned long)out->expired, (double)(c->now.mono_us - begin_us) / 1000000);
	return 0;
}

int ctrl_load_boot(struct ctrl *c, struct err *e)
{
	struct load_result done;

	if (c->config.appendonly)
		return ctrl_aof_boot(c, e);
	return ctrl_load_rdb(c, c->config.dbfilename, false, &done, e);
}
