/* Deliveries of PUBLISH without a kernel on the client's side: see pubsub.h. The stack is the generator's.
 *
 *   pubsub_direct SUBSCRIBERS PUBLISHERS DEPTH BYTES SECONDS OPTIONS...   prints one line of JSON
 *
 * OPTIONS are those of redpoll-bench that say what to connect to: --device, --address, -h, -p, --cores, --hugepages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pubsub.h"
#include "rig.h"

#define CONNECTING   64 /* connections that are being opened at once */
#define BATCH_BUFS   16384
#define LEAVE_US     1000000
#define ARGS_COUNTED 6 /* the program's name, and the words before OPTIONS */

struct conn {
	struct pubsub_conn is;
	struct tcp_conn *tc;
	bool open;
};

struct load {
	struct pubsub_load is;
	struct rig rig;
	struct net_addr remote;
	uint16_t port;
	struct conn *conn; /* subscribers first */
	uint32_t n, begun, opened;
};

/* ---- what TCP tells ---- */

static void send_bytes(struct load *l, struct conn *c, const char *p, size_t len)
{
	struct rte_mbuf *m = buf_alloc(l->rig.pool);

	if (m == NULL)
		pubsub_die("no packet buffers left");
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), p, len);
	tcp_send(c->tc, m);
}

static void on_connected(void *ctx, struct tcp_conn *tc)
{
	struct load *l = ctx;
	struct conn *c = tcp_user(tc);

	c->open = true;
	l->opened++;
	if (!c->is.publisher)
		send_bytes(l, c, pubsub_subscribe, strlen(pubsub_subscribe));
}

static void on_received(void *ctx, struct tcp_conn *tc, void *user, struct rte_mbuf *m)
{
	struct load *l = ctx;
	struct conn *c = user;

	tcp_rx_consumed(tc, m->data_len);
	if (c != NULL)
		pubsub_take(&l->is, &c->is, rte_pktmbuf_mtod(m, const char *), m->data_len);
	rte_pktmbuf_free(m);
}

static void on_peer_closed(void *ctx, struct tcp_conn *tc, void *user)
{
	if (user != NULL)
		pubsub_die("the server closed a connection");
	tcp_close(tc);
}

static void on_send_ready(void *ctx, struct tcp_conn *tc, void *user)
{
	/* What is under way is little: it was handed over whole. */
}

static void on_closed(void *ctx, struct tcp_conn *tc, void *user, enum tcp_close_reason why)
{
	if (user != NULL)
		pubsub_die("a connection was lost");
}

/* ---- the loop ---- */

static void iterate(struct load *l)
{
	struct rte_mbuf *seg[RP_MAX_BURST];

	rig_set_now(&l->rig);
	uint32_t n = net_poll_rx(l->rig.net, seg, RP_MAX_BURST);
	if (n > 0)
		tcp_input_burst(l->rig.tcp, seg, n);
	rig_poll_tx(&l->rig);
}

static void open_some(struct load *l)
{
	while (l->begun < l->n && l->begun - l->opened < CONNECTING) {
		struct conn *c = &l->conn[l->begun];
		int why = 0;
		c->is.publisher = l->begun >= l->is.subscribers;
		c->tc = rig_connect(&l->rig, &l->remote, l->port, c, &why);
		if (c->tc == NULL)
			return; /* tried again */
		l->begun++;
	}
}

static void open_all(struct load *l)
{
	double begin = pubsub_now_s();

	while (l->opened < l->n || l->is.confirmed < l->is.subscribers) {
		open_some(l);
		iterate(l);
		if (pubsub_now_s() - begin > PUBSUB_PATIENCE_S)
			pubsub_die("only %u of %u connections came about", l->opened, l->n);
	}
}

/* Full segments, not one for each request. */
static void publish(struct load *l, struct conn *c)
{
	uint16_t mss = RP_MIN(tcp_mss(c->tc), (uint16_t)(BUF_DATA_BYTES - BUF_TX_HEADROOM));
	char out[BUF_DATA_BYTES];
	size_t len = 0, n;

	do {
		n = pubsub_next(&l->is, &c->is, out + len);
		len += n;
		if (len > 0 && (n == 0 || len + PUBSUB_REQUEST_MAX > mss)) {
			send_bytes(l, c, out, len);
			len = 0;
		}
	} while (n > 0);
}

static double run(struct load *l, double seconds)
{
	double begin = pubsub_now_s(), passed = 0;

	while (pubsub_goes_on(&l->is, passed, seconds)) {
		for (uint32_t i = l->is.subscribers; i < l->n; i++)
			publish(l, &l->conn[i]);
		iterate(l);
		passed = pubsub_now_s() - begin;
	}
	return passed;
}

/* Until the server has said goodbye too: who comes next is to find no subscriber of ours. */
static void leave(struct load *l)
{
	for (uint32_t i = 0; i < l->n; i++) {
		tcp_set_user(l->conn[i].tc, NULL);
		tcp_close(l->conn[i].tc);
		iterate(l);
	}
	for (uint64_t end = l->rig.now.mono_us + LEAVE_US; tcp_conn_count(l->rig.tcp) > 0 && l->rig.now.mono_us < end;)
		iterate(l);
}

static struct pubsub_conn *get(void *ctx, uint32_t i)
{
	return &((struct load *)ctx)->conn[i].is;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct tcp_ops ops = {.ctx = &l,
			      .connected = on_connected,
			      .received = on_received,
			      .peer_closed = on_peer_closed,
			      .send_ready = on_send_ready,
			      .closed = on_closed};
	struct options o;
	struct err e = {""};

	if (argc <= ARGS_COUNTED)
		pubsub_die("usage: SUBSCRIBERS PUBLISHERS DEPTH BYTES SECONDS OPTIONS...");
	pubsub_init(&l.is, pubsub_count(argv[1], 20000), pubsub_count(argv[2], 1000), pubsub_count(argv[3], 512),
		    pubsub_count(argv[4], 128));
	double seconds = strtod(argv[5], NULL);
	argv[ARGS_COUNTED - 1] = argv[0];
	if (options_parse(&o, argc - (ARGS_COUNTED - 1), argv + (ARGS_COUNTED - 1), &e) < 0)
		pubsub_die("%s", e.text);
	l.n = l.is.subscribers + l.is.publishers;
	l.conn = calloc(l.n, sizeof *l.conn);
	l.port = (uint16_t)o.port;
	if (l.conn == NULL || !net_addr_parse(o.host, &l.remote, NULL))
		pubsub_die("-h must be the server's address");
	if (rig_open(&l.rig, &o, &ops, l.n, BATCH_BUFS, &e) < 0)
		pubsub_die("%s", e.text);
	open_all(&l);
	double took = run(&l, seconds);
	pubsub_report(&l.is, get, &l, took);
	leave(&l);
	rig_close(&l.rig);
	return 0;
}
