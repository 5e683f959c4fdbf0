/* What the script thread has the control thread do. */
#include <stdlib.h>

#include "base/log.h"
#include "ctrlplane/script/script_thread_priv.h"

#define LOG_TEXT_MAX 1024
#define NOTES        128 /* as many of a script's slow commands go into the slow log, and of its denied ones into ACL's */

static struct msg *upcall(struct script_thread *t, msg_call_fn fn)
{
	struct msg *m = msg_get(t->host.bus, t->host.self);

	if (m == NULL)
		return NULL;
	m->kind = MSG_CALL;
	m->owner = (uint8_t)msg_bus_control(t->host.bus);
	m->fn = fn;
	m->arg[3] = NULL;
	return m;
}

struct log_line {
	int level;
	char text[LOG_TEXT_MAX];
};

static void write_line(void *owner, struct msg *m)
{
	struct log_line *l = m->arg[0];

	log_write((enum log_level)l->level, "%s", l->text);
	free(l);
}

/* A line that cannot be kept is lost: the log is for people. */
void script_log(void *ctx, int level, struct slice text)
{
	struct script_thread *t = ctx;

	if (level < (int)t->settings.log_level)
		return;
	struct log_line *l = malloc(sizeof *l);
	struct msg *m = l != NULL ? upcall(t, write_line) : NULL;

	if (m == NULL) {
		free(l);
		return;
	}
	size_t n = RP_MIN(text.len, sizeof l->text - 1);
	t->run.acted = true;
	l->level = level;
	for (size_t i = 0; i < n; i++)
		l->text[i] = (unsigned char)text.ptr[i] < ' ' ? ' ' : text.ptr[i];
	l->text[n] = '\0';
	m->arg[0] = l;
	msg_send(t->host.bus, m);
}

void script_report_slow(void *ctx, const struct cmd_ctx *c, uint64_t cycles)
{
	struct script_thread *t = ctx;
	const struct dp_conf *conf = &t->host.conf;
	uint64_t us = cycles * 1000000 / t->host.tsc_hz;
	bool logged = conf->slowlog_us >= 0 && us >= (uint64_t)conf->slowlog_us &&
		      !(c->cmd->flags & CMD_F_SKIP_SLOWLOG);

	if (!logged && (conf->latency_ms == 0 || us < conf->latency_ms * 1000))
		return;
	struct slow_note *n = slow_note_create(t->host.heap, c, t->now.wall_us, us);
	if (n == NULL)
		return;
	slow_note_hang(t->current->m, n);
	if (++t->slow_notes >= 2 * NOTES) {
		slow_notes_keep(t->current->m, NOTES);
		t->slow_notes = NOTES;
	}
}

void script_report_denied(void *ctx, const struct acl_denial *d)
{
	struct script_thread *t = ctx;
	struct acl_note *n = t->denials < NOTES ? acl_note_create(t->host.heap, d, t->now.wall_us) : NULL;

	if (n == NULL)
		return; /* counted all the same */
	acl_note_hang(t->current->m, n);
	t->denials++;
}
