/* A client as CLIENT LIST and CLIENT INFO print it. */
#include <stdio.h>

#include "cmd/tracking.h"
#include "cmd/acl.h"

static void client_flags_text(const struct client *cl, const struct tx_info *tx, char *buf)
{
	uint32_t tracking = cl->listens != NULL ? cl->listens->tracking : 0;
	char *p = buf;

	if (cl->flags & CLIENT_F_MONITOR)
		*p++ = 'O';
	if (cl->flags & CLIENT_F_PUBSUB)
		*p++ = 'P';
	if (tx->open)
		*p++ = 'x';
	if (cl->flags & CLIENT_F_BLOCKED)
		*p++ = 'b';
	if (cl->flags & CLIENT_F_TRACKING)
		*p++ = 't';
	if (tracking & TRACK_BROKEN)
		*p++ = 'R';
	if (tracking & TRACK_BCAST)
		*p++ = 'B';
	if (tx->dirty)
		*p++ = 'd';
	if (cl->flags & CLIENT_F_CLOSE)
		*p++ = 'c';
	if (cl->flags & CLIENT_F_NO_EVICT)
		*p++ = 'e';
	if (cl->flags & CLIENT_F_NO_TOUCH)
		*p++ = 'T';
	if (p == buf)
		*p++ = 'N';
	*p = '\0';
}

static int64_t seconds_since(const struct clock_now *now, int64_t then_us)
{
	int64_t us = (int64_t)now->mono_us - then_us;

	return us > 0 ? us / 1000000 : 0;
}

size_t client_info_format(const struct client *cl, const struct client_held *held, const struct clock_now *now,
			  char *buf, size_t cap)
{
	static const struct client_held nothing;
	static const struct client_text silent;
	static const struct client_listens deaf;
	const struct client_listens *hears = cl->listens != NULL ? cl->listens : &deaf;
	static const struct tx_info none;
	const struct tx_info *tx = cl->tx != NULL ? (const struct tx_info *)cl->tx : &none;
	const struct client_text *text = cl->text != NULL ? cl->text : &silent;
	struct slice user = cl->user != NULL ? cl->user->name : SLICE("default");
	const struct client_held *h = held != NULL ? held : &nothing;
	char flags[16], addr[ENDPOINT_TEXT_MAX], laddr[ENDPOINT_TEXT_MAX];

	endpoint_format(&cl->addr, addr, sizeof addr);
	endpoint_format(&cl->laddr, laddr, sizeof laddr);
	client_flags_text(cl, tx, flags);
	int n = snprintf(
		buf, cap,
		"id=%lu addr=%s laddr=%s fd=-1 name=%.*s age=%ld idle=%ld flags=%s db=%u sub=%u psub=%u ssub=%u "
		"multi=%d qbuf=%zu qbuf-free=0 argv-mem=%zu multi-mem=%lu rbs=0 rbp=0 obl=0 oll=%u omem=%zu "
		"tot-mem=%zu events=%s cmd=%s user=%.*s redir=%ld resp=%u lib-name=%.*s lib-ver=%.*s\n",
		cl->id, addr, laddr, text->name_len, text->name, seconds_since(now, cl->created_us),
		seconds_since(now, cl->last_us), flags, cl->db, hears->channels, hears->patterns, hears->shards,
		tx->open ? (int)tx->n : -1, h->input, h->arguments, tx->bytes, h->output > 0, h->output,
		held != NULL ? held->total : sizeof *cl + tx->bytes, h->output > 0 ? "rw" : "r",
		cl->last_cmd >= 0 ? cmd_at((uint32_t)cl->last_cmd)->name : "NULL",
		(int)RP_MIN(user.len, (size_t)CLIENT_NAME_MAX), user.ptr,
		cl->flags & CLIENT_F_TRACKING ? (long)hears->redirect : -1L, cl->proto, text->lib_name_len,
		text->lib_name, text->lib_ver_len, text->lib_ver);
	return n < 0 ? 0 : RP_MIN((size_t)n, cap - 1);
}
