/* Intrusive circular list: a link that is not on any list points to itself. */
#pragma once

#include "base/defs.h"

struct tcp_link {
	struct tcp_link *next, *prev;
};

static inline void tcp_list_init(struct tcp_link *l)
{
	l->next = l->prev = l;
}

static inline bool tcp_list_empty(const struct tcp_link *l)
{
	return l->next == l;
}

static inline void tcp_list_push(struct tcp_link *head, struct tcp_link *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void tcp_list_remove(struct tcp_link *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	tcp_list_init(l);
}

/* First element, removed; the list must not be empty. */
static inline struct tcp_link *tcp_list_pop(struct tcp_link *head)
{
	struct tcp_link *l = head->next;
	tcp_list_remove(l);
	return l;
}
