/* The two calls of the data path. Queue i belongs to worker i. A worker beyond the last queue sends through a ring of
 * its own, which the owner of queue (worker % nqueues) empties whenever it receives or sends. */
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "net/port_priv.h"

static struct rte_mbuf *copy_linear(struct port *p, struct rte_mbuf *m)
{
	struct rte_mbuf *c = rte_pktmbuf_alloc(p->pool);
	char *to = c ? rte_pktmbuf_append(c, (uint16_t)m->pkt_len) : NULL;
	if (to) {
		for (struct rte_mbuf *s = m; s; s = s->next) {
			memcpy(to, rte_pktmbuf_mtod(s, const char *), s->data_len);
			to += s->data_len;
		}
		c->ol_flags = m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK;
		c->tx_offload = m->tx_offload;
	} else {
		rte_pktmbuf_free(c);
		c = NULL;
	}
	rte_pktmbuf_free(m);
	return c;
}

static bool sendable(const struct port *p, const struct rte_mbuf *m)
{
	if (m->nb_segs > 1 && !p->info.tx_multi_seg)
		return false;
	return !p->copy_foreign || (RTE_MBUF_DIRECT(m) && m->pool == p->pool);
}

/* Makes every frame one that the driver can send; returns how many are left. */
static uint16_t make_sendable(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *x = m[i];
		if (rp_unlikely(!sendable(p, x)))
			x = copy_linear(p, x);
		if (rp_likely(x != NULL))
			m[k++] = x;
	}
	return k;
}

static inline bool past_driver(const struct port *p, const struct rte_mbuf *m)
{
	return p->train_fds && (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

/* Frames from the first one on that go to the driver together. */
static inline uint16_t for_driver(const struct port *p, struct rte_mbuf **m, uint32_t n)
{
	uint32_t k = RP_MIN(n, (uint32_t)RP_MAX_BURST);
	if (rp_likely(!p->train_fds))
		return (uint16_t)k;
	uint32_t i = 0;
	while (i < k && !past_driver(p, m[i]))
		i++;
	return (uint16_t)i;
}

static uint32_t burst(struct port *p, uint16_t queue, struct rte_mbuf **m, uint32_t n)
{
	struct port_queue *q = &p->q[queue];
	uint32_t done = 0, took = 1;
	while (done < n && took > 0) {
		uint16_t k = for_driver(p, m + done, n - done);
		took = k > 0 ? rte_eth_tx_burst(q->port_id, q->queue, m + done, k) : port_train_send(q, m[done]);
		q->driver_left |= k > 0 && p->train_fds && q->wake_fd >= 0;
		done += took;
	}
	return done;
}

/* Done once for each frame. Returns how many may be sent: those that the driver refuses are dropped. */
static uint16_t prepare(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	for (uint16_t i = 0; p->train_fds && i < n; i++)
		if (past_driver(p, m[i]))
			port_train_prepare(m[i]);
	if (!p->info.tx_csum_tcp && !p->info.tx_csum_ip)
		return n;
	uint16_t k = rte_eth_tx_prepare(p->q[queue].port_id, p->q[queue].queue, m, n);
	while (rp_unlikely(k < n)) {
		rte_pktmbuf_free(m[k]);
		n--;
		memmove(&m[k], &m[k + 1], (n - k) * sizeof(m[0]));
		k += rte_eth_tx_prepare(p->q[queue].port_id, p->q[queue].queue, &m[k], n - k);
	}
	return n;
}

/* A frame that the device never takes (its driver may lack memory for that very one) must not stop all others. */
static void give_up(struct port_queue *q)
{
	rte_pktmbuf_free_bulk(q->late, q->nlate);
	q->given_up += q->nlate;
	q->nlate = 0;
}

static void send_late(struct port *p, uint16_t queue)
{
	struct port_queue *q = &p->q[queue];
	uint32_t done = burst(p, queue, q->late, q->nlate);
	if (done == 0) {
		uint32_t hz = past_driver(p, q->late[0]) ? PORT_TX_LATE_TRAIN_HZ : PORT_TX_LATE_HZ;
		if (rte_rdtsc() - q->late_tsc > rte_get_tsc_hz() / hz)
			give_up(q);
		return;
	}
	q->nlate -= done;
	q->late_tsc = rte_rdtsc();
	memmove(q->late, q->late + done, q->nlate * sizeof(q->late[0]));
}

/* What the device does not take now it gets later, in order; with too much of that the rest is dropped, as a wire
 * would. TCP looks at port_tx_room() and waits rather than lose its segments here. */
static uint16_t send_now(struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct port_queue *q = &p->q[queue];
	uint32_t ready = prepare(p, queue, m, make_sendable(p, m, n)), done = 0;
	if (rp_unlikely(q->nlate > 0))
		send_late(p, queue);
	if (rp_likely(q->nlate == 0))
		done = burst(p, queue, m, ready);
	if (rp_unlikely(done < ready) && q->nlate == 0)
		q->late_tsc = rte_rdtsc();
	while (rp_unlikely(done < ready) && q->nlate < PORT_TX_LATE_MAX)
		q->late[q->nlate++] = m[done++];
	if (rp_unlikely(done < ready))
		rte_pktmbuf_free_bulk(m + done, ready - done);
	uint32_t lost = RP_MIN(q->given_up, done);
	q->given_up -= lost;
	return (uint16_t)(done - lost);
}

static void send_for_others(struct port *p, uint16_t queue)
{
	struct port_queue *q = &p->q[queue];
	/* With a full device their frames stay in their rings, whose room they see. */
	for (uint32_t i = 0; i < q->nrings && q->nlate < PORT_TX_LATE; i++) {
		struct rte_mbuf *m[RP_MAX_BURST];
		unsigned k = rte_ring_sc_dequeue_burst(q->ring[i], (void **)m, RP_MAX_BURST, NULL);
		if (k)
			send_now(p, queue, m, (uint16_t)k);
	}
}

void port_tx_drop(struct port *p, uint32_t worker)
{
	void *m;

	while (p->tx_ring[worker] != NULL && rte_ring_sc_dequeue(p->tx_ring[worker], &m) == 0)
		rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(p->q[worker].late, p->q[worker].nlate);
	p->q[worker].nlate = 0;
}

uint32_t port_tx_room(const struct port *p, uint32_t worker)
{
	if (rp_likely(worker < p->info.nqueues)) {
		uint32_t late = p->q[worker].nlate;
		return late < PORT_TX_LATE ? PORT_TX_LATE - late : 0;
	}
	return rte_ring_free_count(p->tx_ring[worker]);
}

bool port_tx_waiting(const struct port *p, uint32_t worker)
{
	if (worker < p->info.nqueues && p->q[worker].nlate > 0)
		return true;
	for (uint32_t i = 0; worker < p->info.nqueues && i < p->q[worker].nrings; i++)
		if (!rte_ring_empty(p->q[worker].ring[i]))
			return true;
	return false;
}

uint16_t port_rx_burst(struct port *p, uint32_t worker, struct rte_mbuf **m, uint16_t n)
{
	if (rp_unlikely(worker >= p->info.nqueues))
		return 0;
	if (rp_unlikely(p->q[worker].nlate > 0))
		send_late(p, (uint16_t)worker);
	if (p->q[worker].nrings)
		send_for_others(p, (uint16_t)worker);
	return rte_eth_rx_burst(p->q[worker].port_id, p->q[worker].queue, m, n);
}

uint16_t port_tx_burst(struct port *p, uint32_t worker, struct rte_mbuf **m, uint16_t n)
{
	if (rp_likely(worker < p->info.nqueues)) {
		if (p->q[worker].nrings)
			send_for_others(p, (uint16_t)worker);
		return send_now(p, (uint16_t)worker, m, n);
	}
	unsigned k = rte_ring_sp_enqueue_burst(p->tx_ring[worker], (void **)m, n, NULL);
	rte_pktmbuf_free_bulk(m + k, n - k);
	return (uint16_t)k;
}

int port_rx_intr_fd(struct port *p, uint32_t worker)
{
	if (worker >= p->info.nqueues)
		return -1;
	if (!p->has_intr)
		return p->q[worker].wake_fd;
	return rte_eth_dev_rx_intr_ctl_q_get_fd(p->port_id, (uint16_t)worker);
}

int port_rx_intr_arm(struct port *p, uint32_t worker, bool on)
{
	if (worker >= p->info.nqueues)
		return -1;
	if (!p->has_intr)
		return 0; /* a socket needs no arming */
	int ret = on ? rte_eth_dev_rx_intr_enable(p->port_id, (uint16_t)worker)
		     : rte_eth_dev_rx_intr_disable(p->port_id, (uint16_t)worker);
	/* Drivers whose descriptor is always armed have nothing to switch. */
	return ret == -ENOTSUP ? 0 : ret;
}
