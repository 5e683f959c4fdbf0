/* See monitor.h. */
#include "session/monitor.h"

#include <stdio.h>

#include "cmd/monitor.h"
#include "session/pubsub_priv.h"
#include "session/session_priv.h"

#define LINE_INLINE 1024
#define PUT_OFF_MAX 64 /* iterations */

/* ---- who watches ---- */

bool monitor_begin(struct session_host *h, struct client *cl)
{
	struct session_listener *l = listener_get(session_of(cl));
	struct pubsub *ps = h->pubsub;

	if (l == NULL)
		return false;
	l->monitor_next = ps->monitors;
	l->monitor_pprev = &ps->monitors;
	if (l->monitor_next != NULL)
		l->monitor_next->monitor_pprev = &l->monitor_next;
	ps->monitors = l;
	cl->flags |= CLIENT_F_MONITOR;
	__atomic_fetch_or(&h->shared->monitor_homes[h->self / 64], 1ull << h->self % 64, __ATOMIC_RELEASE);
	monitor_look(h);
	return true;
}

void monitor_end(struct session_listener *l)
{
	struct session_host *h = l->s->host;

	if (!(l->s->cl.flags & CLIENT_F_MONITOR))
		return;
	*l->monitor_pprev = l->monitor_next;
	if (l->monitor_next != NULL)
		l->monitor_next->monitor_pprev = l->monitor_pprev;
	l->s->cl.flags &= ~CLIENT_F_MONITOR;
	if (h->pubsub->monitors == NULL)
		__atomic_fetch_and(&h->shared->monitor_homes[h->self / 64], ~(1ull << h->self % 64), __ATOMIC_RELEASE);
}

void monitor_look(struct session_host *h)
{
	uint64_t any = 0;

	for (size_t i = 0; i < RP_ARRAY_LEN(h->monitor_homes); i++)
		any |= h->monitor_homes[i] = __atomic_load_n(&h->shared->monitor_homes[i], __ATOMIC_ACQUIRE);
	h->monitored = any != 0;
}

/* ---- telling ---- */

static void post_line(struct session_host *h, struct slice line)
{
	uint64_t tsc = clock_tsc();
	struct slice stamp = {(const char *)&tsc, sizeof tsc};

	for (size_t i = 0; i < RP_ARRAY_LEN(h->monitor_homes); i++)
		for (uint64_t rest = h->monitor_homes[i]; rest != 0; rest &= rest - 1)
			post_add(h->post, (uint32_t)(64 * i) + (uint32_t)__builtin_ctzll(rest), POST_MONITOR, 0, line,
				 stamp, NULL);
}

void monitor_tell(struct session_host *h, const struct cmd *cmd, uint32_t argc, const struct slice *argv, uint32_t db,
		  const struct endpoint *from)
{
	char inline_buf[LINE_INLINE], *buf = inline_buf;
	size_t most = monitor_line_max(argc, argv);

	if (!monitor_shows(cmd))
		return;
	if (most > sizeof inline_buf && (buf = heap_alloc(h->heap, most)) == NULL)
		return; /* as a line that its reader had no room for */
	post_line(h, (struct slice){buf, monitor_line(buf, cmd, argc, argv, db, from)});
	if (buf != inline_buf)
		heap_free(h->heap, buf);
}

/* ---- showing ---- */

struct monitor_line {
	uint64_t tsc;
	size_t len;
	char text[];
};

static bool lines_room(struct pubsub *ps)
{
	struct monitor_lines *w = &ps->lines;

	if (w->n < w->cap)
		return true;
	uint32_t cap = RP_MAX(64u, w->cap * 2);
	struct monitor_line **at = heap_realloc(ps->heap, w->at, cap * sizeof *at);
	if (at == NULL)
		return false;
	w->at = at;
	w->cap = cap;
	return true;
}

void monitor_take(struct session_host *h, const struct post_entry *e)
{
	struct pubsub *ps = h->pubsub;
	struct monitor_lines *w = &ps->lines;

	if (ps->monitors == NULL || !lines_room(ps))
		return;
	struct monitor_line *l = heap_alloc(ps->heap, sizeof *l + e->name_len);
	if (l == NULL)
		return;
	memcpy(&l->tsc, post_data(e).ptr, sizeof l->tsc);
	l->len = e->name_len;
	memcpy(l->text, e->text, l->len);
	/* Nearly in order already. */
	uint32_t i = w->n++;
	for (; i > 0 && w->at[i - 1]->tsc > l->tsc; i--)
		w->at[i] = w->at[i - 1];
	w->at[i] = l;
}

static void show(struct session_listener *l, struct slice time, struct slice text)
{
	struct session *s = l->s;

	if (s->closing || s->gone)
		return;
	bool behind = s->flight_head != NULL;
	if (behind)
		push_behind_begin(l);
	push_bytes(l, time);
	push_bytes(l, text);
	if (behind)
		push_behind_end(l);
}

static void show_all(struct session_host *h, const struct monitor_line *line)
{
	struct pubsub *ps = h->pubsub;
	int64_t cycles = (int64_t)(line->tsc - h->now.tsc);
	int64_t us = h->now.wall_us + (int64_t)((double)cycles * 1e6 / (double)h->tsc_hz);
	char time[48];

	us = ps->lines.last_us = RP_MAX(us, ps->lines.last_us);
	int n = snprintf(time, sizeof time, "+%ld.%06ld ", us / 1000000, us % 1000000);
	for (struct session_listener *l = ps->monitors, *next; l != NULL; l = next) {
		next = l->monitor_next;
		show(l, (struct slice){time, (size_t)n}, (struct slice){line->text, line->len});
	}
}

uint32_t monitor_flush(struct session_host *h)
{
	struct monitor_lines *w = &h->pubsub->lines;
	uint32_t n = 0;

	/* Somebody's post has not been looked at. But a load that never lets us look at all must not keep lines for
	 * ever. */
	if (!h->calls_drained && ++w->put_off < PUT_OFF_MAX)
		return 0;
	w->put_off = 0;
	for (; n < w->n && w->at[n]->tsc <= w->seen_tsc; n++) {
		show_all(h, w->at[n]);
		heap_free(h->pubsub->heap, w->at[n]);
	}
	w->n -= n;
	memmove(w->at, w->at + n, w->n * sizeof *w->at);
	if (w->n > 0)
		w->seen_tsc = w->at[w->n - 1]->tsc;
	return n;
}

void monitor_drop(struct pubsub *ps)
{
	for (uint32_t i = 0; i < ps->lines.n; i++)
		heap_free(ps->heap, ps->lines.at[i]);
	heap_free(ps->heap, ps->lines.at);
}
