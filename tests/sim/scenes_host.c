/* What a host lacks: room in its device's ring, buffers to send from, buffers to receive into. */
#include "stage.h"

static void small_ring(struct stage *st)
{
	st->wp.tx_ring = 4;
	st->wp.tx_us = 20;
}

/* Stops for 3 ms with the tenth frame or so: longer than any probe would wait. */
static void stopping_ring(struct stage *st)
{
	small_ring(st);
	st->wp.tx_stall_ppm = 100000;
	st->wp.tx_stall_us = 3000;
	st->wp.seed = 2;
}

static const char *met_full(struct stage *st)
{
	const struct wire_end *e = &st->w.end[0];

	if (e->tx_full == 0)
		return "the ring was never full";
	return e->tx_over != 0 || e->tx_dropped != 0 ? "data went to a full device" : NULL;
}

static const char *met_stop(struct stage *st)
{
	return st->w.end[0].tx_full == 0 ? "the ring was never full" : NULL;
}

/* All buffers are taken just before the connection opens, and come back after 30 ms. */
static void without_send_buffers(struct stage *st)
{
	if (stage_us(st) < 30000)
		stage_hog(st, st->tx, 0);
	else
		stage_unhog(st);
}

/* Nothing is to be said, and no probe could be: that is not the peer's fault. */
static void keepalive(struct stage *st)
{
	st->p[0].keepalive_idle_s = 2;
	st->p[0].keepalive_intvl_s = 1;
	st->p[0].keepalive_probes = 3;
}

static void close_once(struct stage *st)
{
	if (st->done++ == 0 && st->actor[0].c != NULL)
		tcp_close(st->actor[0].c);
}

static void without_buffers_to_probe(struct stage *st)
{
	if (stage_us(st) > 11000000)
		close_once(st);
	else if (stage_us(st) > 10000000)
		stage_unhog(st);
	else if (stage_us(st) > 1000000)
		stage_hog(st, st->tx, 0);
}

/* The first flight meets a receiver without buffers; its driver has none for 2 ms. */
static void without_receive_buffers(struct stage *st)
{
	if (stage_us(st) > 2000)
		stage_unhog(st);
	else if (st->sent > 0)
		stage_hog(st, st->rx, 0);
}

static const char *met_lack(struct stage *st)
{
	return st->w.end[1].rx_dropped == 0 ? "the receiver had buffers" : NULL;
}

const struct scene scenes_host[] = {
	{"the device's ring is small", .set = small_ring, .within_us = 5000, .check = met_full,
	 .want = {WANT(0, retransmits, 0), WANT(0, rtos, 0), WANT(0, window_probes, 0)}},
	{"the device stops now and then", .set = stopping_ring, .within_us = 100000, .check = met_stop,
	 .want = {WANT(0, window_probes, 0)}},
	{"no buffers to send from for 30 ms", .act = without_send_buffers, .within_us = 400000, .after_us = 30000,
	 .want = {WANT_SOME(1, no_mbuf)}},
	{"no buffers to probe a silent peer with", .set = keepalive, .act = without_buffers_to_probe,
	 .within_us = 11100000, .keep = true, .want = {WANT_SOME(0, no_mbuf)}},
	{"no buffers to receive into for 2 ms", .act = without_receive_buffers, .within_us = 400000, .check = met_lack,
	 .want = {WANT_SOME(0, retransmits)}},
	{NULL},
};
