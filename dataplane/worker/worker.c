/* The worker's life: set-up, the poll loop, the way out. */
#include "base/turn.h"
#include "store/watch.h"
#include "worker/worker_priv.h"

#include <rte_cycles.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define BACKGROUND_US     100 /* between two background slices that find nothing */
#define BACKGROUND_BUDGET 64  /* steps of one slice */
#define NET_TIMERS_US     1000
#define SERVED_US         1000    /* for so long after the last request more are expected */
#define DRAIN_US          2000000 /* on stop, clients get this long to take their last replies */
#define LATE_US           100000  /* for the RSTs to those who did not */

/* ---- the steps of an iteration: each is bounded and returns how much it did ---- */

/* Tells sleeping workers that we steered packets to them. */
static void kick_steered(struct worker *w)
{
	for (uint32_t i = 0; i < w->nworkers; i++)
		if (w->steer_out[i] != NULL && !rte_ring_empty(w->steer_out[i]))
			msg_kick(w->bus, i);
}

static void worker_set_now(struct worker *w)
{
	clock_read(&w->clock, &w->now);
	net_set_now(w->net, &w->now);
	tcp_set_now(w->tcp, &w->now);
	host_set_now(&w->host, &w->now);
}

static uint32_t worker_poll_rx(struct worker *w)
{
	struct rte_mbuf *seg[RP_MAX_BURST];
	uint64_t frames = net_counters(w->net)->rx_packets;
	uint32_t n = net_poll_rx(w->net, seg, w->rx_burst);
	/* Now, with the frames in hand: if we lost the CPU before, no request is executed at a time before it was sent.
	 */
	worker_set_now(w);
	stages_mark(&w->host.stages, STAGE_RX);
	if (n > 0)
		tcp_input_burst(w->tcp, seg, n);
	stages_mark(&w->host.stages, STAGE_TCP_IN);
	if (w->adaptive && w->steer_out != NULL)
		kick_steered(w);
	/* Frames passed on to others are work as well: their next ones come this way, too. */
	return (uint32_t)(net_counters(w->net)->rx_packets - frames) + n;
}

static uint32_t worker_poll_sessions(struct worker *w)
{
	return host_poll(&w->host) + host_poll_messages(&w->host);
}

static uint32_t worker_poll_tx(struct worker *w)
{
	uint32_t n = tcp_poll_output(w->tcp);
	stages_mark(&w->host.stages, STAGE_TCP_OUT);
	uint32_t sent = net_poll_tx(w->net);
	if (rp_unlikely(sent > 0 && w->id >= w->nqueues))
		msg_kick(w->bus, w->id % w->nqueues); /* who sends them for us may sleep */
	n += sent;
	n += msg_flush(w->bus, w->id);
	stages_mark(&w->host.stages, STAGE_TX);
	return n;
}

static uint32_t worker_poll_timers(struct worker *w)
{
	uint32_t n = tcp_poll_timers(w->tcp);
	if (w->now.mono_us - w->net_timers_us >= NET_TIMERS_US) {
		w->net_timers_us = w->now.mono_us;
		n += net_poll_timers(w->net);
		n += host_poll_idle(&w->host);
		transport_poll_share(w);
	}
	return n;
}

static uint32_t worker_poll_background(struct worker *w)
{
	if (w->now.mono_us < w->background_us)
		return 0;
	uint32_t n = host_poll_memory(&w->host);
	n += heap_poll(w->heap, BACKGROUND_BUDGET);
	if (!w->host.own_leased)
		n += w->host.conf.loading ? 0 : store_poll(w->store, BACKGROUND_BUDGET);
	/* What is not finished goes on in the next iteration. */
	w->background_us = n > 0 ? 0 : w->now.mono_us + BACKGROUND_US;
	return n;
}

/* Clients come first: beside them a snapshot takes its share of the time, slice by slice. */
static bool snapshot_rests(const struct worker *w, uint64_t now_tsc)
{
	return now_tsc < w->snap_rest_tsc && w->now.mono_us - w->served_us < SERVED_US &&
	       !store_snap_pressing(w->store);
}

/* A slice of a snapshot that is under way; its chunks are for the control thread. */
static uint32_t worker_poll_snapshot(struct worker *w, bool served)
{
	if (served)
		w->served_us = w->now.mono_us;
	w->snap_rests = false;
	if (w->host.own_leased || !store_snap_active(w->store))
		return 0;
	uint64_t begin = rte_rdtsc();
	w->snap_rests = snapshot_rests(w, begin);
	if (w->snap_rests)
		return 0;
	uint32_t n = store_snap_poll(w->store, begin + w->host.snap_cycles), share = w->host.conf.snapshot_share;
	uint64_t end = rte_rdtsc();
	w->snap_rest_tsc = end + (end - begin) * (100 - share) / share;
	uint64_t pushed = store_snap_pushed(w->store);
	if (pushed != w->snap_pushed || !store_snap_active(w->store))
		msg_kick(w->bus, msg_bus_control(w->bus));
	w->snap_pushed = pushed;
	return n;
}

static uint32_t worker_iterate(struct worker *w, uint64_t begin_tsc)
{
	stages_begin(&w->host.stages, begin_tsc);
	uint32_t work = worker_poll_rx(w);
	work += worker_poll_sessions(w);
	bool served = work > 0;
	work += worker_poll_tx(w);
	work += worker_poll_timers(w);
	work += worker_poll_background(w);
	work += worker_poll_snapshot(w, served);
	stages_mark(&w->host.stages, STAGE_OTHER);
	stages_end(&w->host.stages, work > 0);
	return work;
}

/* ---- the way out ---- */

/* Clients get DRAIN_US to take their last replies, then a RST. A worker without clients goes on serving the others'
 * requests until the control thread has heard that all of them are done. */
static void worker_drain(struct worker *w)
{
	if (!w->draining) {
		w->draining = true;
		w->drain_until_us = w->now.mono_us + DRAIN_US;
		if (w->listen_port != 0)
			tcp_unlisten(w->tcp, w->listen_port);
	}
	bool late = w->now.mono_us >= w->drain_until_us;
	transport_close_all(w, late);
	if (tcp_conn_count(w->tcp) == 0 || w->now.mono_us >= w->drain_until_us + LATE_US)
		__atomic_store_n(&w->left, 1, __ATOMIC_RELEASE);
}

int worker_main(void *arg)
{
	struct worker *w = arg;
	RP_TSAN_TAKE(w);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	turn_set(w->adaptive ? TURN_SHORT_NS : TURN_LONG_NS);
	worker_set_now(w);
	if (w->id == 0)
		net_announce(w->net);
	uint64_t last = rte_rdtsc();
	for (;;) {
		uint32_t stop = __atomic_load_n(&w->stop, __ATOMIC_RELAXED);
		if (rp_unlikely(stop > 1))
			break;
		if (rp_unlikely(stop != 0))
			worker_drain(w);
		uint32_t work = worker_iterate(w, last);
		uint64_t now = rte_rdtsc();
		w->count.iterations++;
		if (work > 0) {
			w->count.busy_cycles += now - last;
			w->idle_since_us = 0;
			w->sleep_us = 50;
		} else {
			w->count.empty_cycles += now - last;
			worker_idle(w);
			now = rte_rdtsc();
		}
		last = now;
	}
	__atomic_store_n(&w->left, 1, __ATOMIC_RELEASE);
	RP_TSAN_GIVE(w);
	return 0;
}

/* ---- set-up ---- */

static bool make_heaps(struct worker *w, const struct worker_params *p, struct err *e)
{
	struct heap_params shard = {"shard", p->shard_reserve, p->shard_huge};
	struct heap_params own = {"worker", p->own_reserve, 0};
	w->shard_heap = heap_create(&shard, e);
	if (w->shard_heap == NULL && shard.huge_bytes != 0 && !p->huge_required) {
		/* Somebody else took the pages since they were counted: plain memory serves as well, a little slower.
		 */
		e->text[0] = '\0';
		shard.huge_bytes = 0;
		w->shard_heap = heap_create(&shard, e);
	}
	w->heap = w->shard_heap != NULL ? heap_create(&own, e) : NULL;
	if (w->heap == NULL)
		return false;
	p->heaps[2 * p->id] = w->shard_heap;
	p->heaps[2 * p->id + 1] = w->heap;
	return true;
}

static bool make_store(struct worker *w, const struct worker_params *p, struct err *e)
{
	struct store_params sp = {.shard = p->id,
				  .databases = p->databases,
				  .hash_seed = p->hash_seed,
				  .index_initial = p->index_initial,
				  .heap = w->shard_heap,
				  .journal = &w->journal};
	w->store = p->stores[p->id] = store_create(&sp, e);
	return w->store != NULL;
}

/* An ICMP message about a segment that was too long: believed if its connection knows the segment. */
static void on_pmtu(void *ctx, const struct net_addr *local, uint16_t lport, const struct net_addr *remote,
		    uint16_t rport, uint32_t seq, uint16_t mtu)
{
	struct worker *w = ctx;
	if (tcp_pmtu_update(w->tcp, local, lport, remote, rport, seq, mtu))
		net_pmtu_learn(w->net, remote, mtu);
}

static bool make_net(struct worker *w, const struct worker_params *p, struct err *e)
{
	struct net_params np = p->net;
	np.port = p->port;
	np.worker = p->id;
	np.nworkers = p->nworkers;
	np.pool = port_pool(p->port, p->id);
	np.log = &w->log;
	np.pmtu = on_pmtu;
	np.pmtu_ctx = w;
	w->steer_in = np.steer_in;
	w->steer_out = np.steer_out;
	w->net = net_create(&np, e);
	if (w->net == NULL)
		return false;
	struct tcp_params tp = p->tcp;
	transport_tcp_ops(w, &tp.ops);
	tcp_lower_net(&tp.lower, w->net);
	tp.pool = np.pool;
	tp.worker = p->id;
	tp.log = &w->log;
	w->tcp = tcp_create(&tp, e);
	if (w->tcp == NULL)
		return false;
	struct net_addr any = {.family = 0};
	if (p->listen_port != 0 && tcp_listen(w->tcp, &any, p->listen_port) != 0) {
		err_set(e, "port %u is in use on our own stack; choose another port", p->listen_port);
		return false;
	}
	return true;
}

static bool make_host(struct worker *w, const struct worker_params *p, struct err *e)
{
	struct session_host_params hp = {
		.self = p->id,
		.own = (int32_t)p->id,
		.nstores = p->nworkers,
		.stores = p->stores,
		.slot_map = p->slot_map,
		.bus = p->bus,
		.leases = p->leases,
		.mbufs = port_pool(p->port, p->id),
		.heap = w->heap,
		.conf = p->conf,
		.users = p->users,
		.max_sessions = p->max_sessions,
		.shared = p->shared,
		.durable = p->durable,
		.gathers = true,
		.heaps = p->heaps,
		.nheaps = p->nheaps,
		.first_client_id = p->id + 1,
		.client_id_step = p->nworkers + 1,
		.seed = p->seed,
		.tsc_hz = p->tsc_hz,
		.ops = {.ctx = w, .slow = wants_slow, .told = wants_told, .denied = wants_denied},
		.owner = w};
	return host_init(&w->host, &hp, e) == 0;
}

struct worker *worker_create(const struct worker_params *p, struct err *e)
{
	struct worker *w = aligned_alloc(RP_CACHE_LINE, RTE_ALIGN_CEIL(sizeof *w, RP_CACHE_LINE));
	if (w == NULL) {
		err_set(e, "out of memory for worker %u; use fewer workers or free memory", p->id);
		return NULL;
	}
	memset(w, 0, sizeof *w);
	w->id = p->id;
	w->nworkers = p->nworkers;
	w->port = p->port;
	w->nqueues = port_info(p->port)->nqueues;
	w->bus = p->bus;
	w->leases = p->leases;
	w->up = p->up;
	w->adaptive = p->adaptive;
	w->spin_us = p->spin_us;
	w->rx_burst = p->rx_burst;
	w->sleep_us = 50;
	w->listen_port = p->listen_port;
	clock_init(&w->clock, p->tsc_hz);
	clock_read(&w->clock, &w->now);
	if (!make_heaps(w, p, e) || !make_store(w, p, e) || !make_net(w, p, e) || !make_host(w, p, e)) {
		worker_destroy(w);
		return NULL;
	}
	w->rx_fd = p->adaptive ? port_rx_intr_fd(p->port, p->id) : -1;
	transport_poll_share(w);
	worker_set_now(w);
	return w;
}

void worker_abandon(struct worker *w)
{
	if (w->host.sessions.mem != NULL) {
		transport_forget_all(w);
		host_abandon(&w->host);
		host_fini(&w->host);
	}
	if (w->store != NULL)
		watch_fini(w->store); /* watchers lie in the heaps of others, which are still there */
	if (w->tcp != NULL)
		tcp_destroy(w->tcp);
	w->tcp = NULL;
	if (w->net != NULL)
		net_destroy(w->net); /* frames that still wait here or in the port may hold values of any worker */
	w->net = NULL;
	port_tx_drop(w->port, w->id);
	/* Those who wait for our keys may have their memory from other workers' heaps. */
	if (w->store != NULL)
		watch_fini(w->store);
}

void worker_destroy(struct worker *w)
{
	worker_abandon(w);
	if (w->store != NULL)
		store_destroy(w->store);
	if (w->heap != NULL)
		heap_destroy(w->heap);
	if (w->shard_heap != NULL)
		heap_destroy(w->shard_heap);
	free(w);
}
