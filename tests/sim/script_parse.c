/* A line of a script. */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

static bool parse_time(const char *t, struct script_line *l)
{
	char *end;

	l->any_time = strcmp(t, "*") == 0;
	l->joined = strcmp(t, "&") == 0;
	if (l->any_time || l->joined)
		return true;
	if (*t != '+')
		return false;
	l->after_us = (uint64_t)(strtod(t + 1, &end) * 1e6 + 0.5);
	return *end == '\0';
}

static bool parse_flags(const char *t, struct script_packet *p)
{
	static const char letters[] = "FSRP.UEW"; /* in the order of the bits */

	for (; *t != '\0'; t++) {
		const char *at = strchr(letters, *t);
		if (at == NULL)
			return false;
		p->flags |= (uint8_t)(1 << (at - letters));
	}
	return true;
}

static bool parse_ecn(const char *t, struct script_packet *p)
{
	static const char *const name[] = {"[noecn]", "[ect1]", "[ect0]", "[ce]"};

	for (int i = 0; i < 4; i++) {
		if (strcmp(t, name[i]) == 0) {
			p->ecn = i;
			return true;
		}
	}
	return false;
}

static bool parse_option(char *t, struct script_packet *p)
{
	struct tcp_opts *o = &p->opts;
	unsigned a, b;

	while (*t == ' ')
		t++;
	if (sscanf(t, "mss %u", &a) == 1) {
		o->has |= TCP_OPT_HAS_MSS;
		o->mss = (uint16_t)a;
	} else if (sscanf(t, "wscale %u", &a) == 1) {
		o->has |= TCP_OPT_HAS_WSCALE;
		o->wscale = (uint8_t)a;
	} else if (strcmp(t, "sackOK") == 0) {
		o->has |= TCP_OPT_HAS_SACK_OK;
	} else if (sscanf(t, "TS val %u ecr %u", &a, &b) == 2 || sscanf(t, "TS val *%n ecr %u", (int *)&a, &b) == 1) {
		p->any_tsval = strchr(t, '*') != NULL;
		o->has |= TCP_OPT_HAS_TS;
		o->tsval = a;
		o->tsecr = b;
	} else if (strncmp(t, "sack ", 5) == 0) {
		char *save = NULL;
		for (t = strtok_r(t + 5, " ", &save); t != NULL; t = strtok_r(NULL, " ", &save)) {
			if (o->nblocks == TCP_SACK_BLOCKS || sscanf(t, "%u:%u", &a, &b) != 2)
				return false;
			o->block[o->nblocks++] = (struct tcp_block){a, b};
		}
	} else {
		return false;
	}
	return true;
}

static bool parse_options(char *t, struct script_packet *p)
{
	char *save = NULL, *end = strchr(t, '>');

	if (end == NULL)
		return false;
	*end = '\0';
	p->has_opts = true;
	for (t = strtok_r(t + 1, ",", &save); t != NULL; t = strtok_r(NULL, ",", &save)) {
		if (!parse_option(t, p))
			return false;
	}
	return true;
}

/* [ce] P. 1:1001(1000) ack 1 win 257 <options> */
static bool parse_packet(char *t, struct script_packet *p)
{
	char *opts = strchr(t, '<'), *save = NULL, *word;
	unsigned from, to, len, v;

	p->ecn = -1;
	if (opts != NULL && !parse_options(opts, p))
		return false;
	if (opts != NULL)
		*opts = '\0';
	word = strtok_r(t, " ", &save);
	if (word != NULL && parse_ecn(word, p))
		word = strtok_r(NULL, " ", &save);
	if (word == NULL || !parse_flags(word, p))
		return false;
	word = strtok_r(NULL, " ", &save);
	if (word == NULL || sscanf(word, "%u:%u(%u)", &from, &to, &len) != 3 || to - from != len)
		return false;
	p->seq = from;
	p->len = len;
	while ((word = strtok_r(NULL, " ", &save)) != NULL) {
		char *number = strtok_r(NULL, " ", &save);
		if (number == NULL || sscanf(number, "%u", &v) != 1)
			return false;
		if (strcmp(word, "ack") == 0) {
			p->has_ack = true;
			p->ack = v;
		} else if (strcmp(word, "win") == 0) {
			p->has_win = true;
			p->win = (uint16_t)v;
		} else if (strcmp(word, "urg") == 0) {
			p->urg = (uint16_t)v;
		} else {
			return false;
		}
	}
	return true;
}

void script_shift(struct script_line *l, uint32_t ours, uint32_t theirs)
{
	struct script_packet *p = &l->packet;
	uint32_t sender = l->kind == SCRIPT_OUT ? ours : theirs, other = l->kind == SCRIPT_OUT ? theirs : ours;

	p->seq += sender;
	p->ack += other;
	for (uint32_t i = 0; i < p->opts.nblocks; i++) {
		p->opts.block[i].start += other;
		p->opts.block[i].end += other;
	}
}

int script_parse(char *text, struct script_line *l, const char **why)
{
	char time[32], mark[32];
	int used = 0;

	memset(l, 0, sizeof(*l));
	text[strcspn(text, "#\n")] = '\0';
	if (sscanf(text, "%31s", time) != 1)
		return 0;
	*why = "a line is a time (+seconds or *), then <, > or an action";
	if (sscanf(text, "%31s %31s%n", time, mark, &used) != 2 || !parse_time(time, l))
		return -1;
	l->kind = strcmp(mark, "<") == 0 ? SCRIPT_IN : strcmp(mark, ">") == 0 ? SCRIPT_OUT : SCRIPT_ACTION;
	if (l->kind == SCRIPT_ACTION) {
		snprintf(l->word, sizeof(l->word), "%s", mark);
		sscanf(text + used, "%31s %31s %31s", l->arg[0], l->arg[1], l->arg[2]);
		return 1;
	}
	*why = "a segment is FLAGS from:to(length) [ack N] [win N] [urg N] [<options>]";
	return parse_packet(text + used, &l->packet) ? 1 : -1;
}
