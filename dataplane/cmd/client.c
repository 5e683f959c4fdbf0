/* A client as CLIENT LIST and CLIENT INFO print it. */
#include <stdio.h>

#include "cmd/cmd.h"

static void client_flags_text(const struct client *cl, char *buf)
{
	char *p = buf;

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

size_t client_info_format(const struct client *cl, const struct clock_now *now, char *buf, size_t cap)
{
	static const struct client_text silent;
	const struct client_text *text = cl->text != NULL ? cl->text : &silent;
	char flags[8], addr[ENDPOINT_TEXT_MAX], laddr[ENDPOINT_TEXT_MAX];

	endpoint_format(&cl->addr, addr, sizeof addr);
	endpoint_format(&cl->laddr, laddr, sizeof laddr);
	client_flags_text(cl, flags);
	int n = snprintf(
		buf, cap,
		"id=%lu addr=%s laddr=%s fd=-1 name=%.*s age=%ld idle=%ld flags=%s db=%u sub=0 psub=0 ssub=0 "
		"multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=%zu "
		"events=r cmd=%s user=default redir=-1 resp=%u lib-name=%.*s lib-ver=%.*s\n",
		cl->id, addr, laddr, text->name_len, text->name, seconds_since(now, cl->created_us),
		seconds_since(now, cl->last_us), flags, cl->db, sizeof *cl,
		cl->last_cmd >= 0 ? cmd_at((uint32_t)cl->last_cmd)->name : "NULL", cl->proto, text->lib_name_len,
		text->lib_name, text->lib_ver_len, text->lib_ver);
	return n < 0 ? 0 : RP_MIN((size_t)n, cap - 1);
}
