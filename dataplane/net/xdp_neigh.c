/* rtnetlink(7): RTM_GETROUTE for the next hop, RTM_NEWNEIGH with NTF_USE so that the kernel resolves it, RTM_GETNEIGH
 * for what it knows. The kernel answers before sendto() returns: nothing waits. */
#include "net/xdp_neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <rte_ring_elem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING       64
#define OPEN_MAX   128 /* questions that the kernel could not answer yet */
#define OPEN_TRIES 64
#define NUD_KNOWN  (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct question {
	struct net_neigh_msg msg;
	uint16_t worker, tries;
};

struct xdp_neigh {
	int fd;
	uint32_t ifindex, seq, nworkers, nopen;
	struct rte_ring *ask[RP_MAX_WORKERS], *told[RP_MAX_WORKERS];
	struct question open[OPEN_MAX];
};

struct request {
	struct nlmsghdr h;
	union {
		struct rtmsg rt;
		struct ndmsg nd;
	};
	char attr[64];
};

static uint32_t addr_bytes(const struct net_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

static uint8_t addr_af(const struct net_addr *a)
{
	return a->family == 4 ? AF_INET : AF_INET6;
}

static void begin(struct request *r, uint16_t type, uint16_t flags, size_t body)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = NLM_F_REQUEST | flags;
	r->h.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
}

static void put(struct request *r, uint16_t type, const void *data, uint32_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

/* The answer in buf, or NULL if the kernel has none. */
static struct nlmsghdr *ask(struct xdp_neigh *x, struct request *r, void *buf, size_t cap)
{
	r->h.nlmsg_seq = ++x->seq;
	if (send(x->fd, r, r->h.nlmsg_len, 0) < 0)
		return NULL;
	for (;;) {
		ssize_t n = recv(x->fd, buf, cap, MSG_DONTWAIT);
		struct nlmsghdr *h = buf;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (NLMSG_OK(h, (size_t)n) && h->nlmsg_seq == x->seq)
			return h->nlmsg_type == NLMSG_ERROR ? NULL : h;
	}
}

static const void *find(const struct nlmsghdr *h, size_t body, uint16_t type, uint32_t len)
{
	const struct rtattr *a = (const struct rtattr *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(body));
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(body);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type && RTA_PAYLOAD(a) == len)
			return RTA_DATA(a);
	return NULL;
}

/* The router on the way, or the peer itself. */
static struct net_addr next_hop(struct xdp_neigh *x, const struct net_addr *a)
{
	char buf[1024];
	struct request r;
	struct net_addr hop = *a;

	begin(&r, RTM_GETROUTE, 0, sizeof(r.rt));
	r.rt.rtm_family = addr_af(a);
	r.rt.rtm_dst_len = (uint8_t)(addr_bytes(a) * 8);
	put(&r, RTA_DST, a->v6, addr_bytes(a));
	put(&r, RTA_OIF, &x->ifindex, sizeof(x->ifindex));
	const struct nlmsghdr *h = ask(x, &r, buf, sizeof(buf));
	const void *via = h ? find(h, sizeof(r.rt), RTA_GATEWAY, addr_bytes(a)) : NULL;
	if (via)
		memcpy(hop.v6, via, addr_bytes(a));
	return hop;
}

static void resolve(struct xdp_neigh *x, const struct net_addr *hop)
{
	char buf[1024];
	struct request r;

	begin(&r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, sizeof(r.nd));
	r.nd.ndm_family = addr_af(hop);
	r.nd.ndm_ifindex = (int)x->ifindex;
	r.nd.ndm_flags = NTF_USE;
	put(&r, NDA_DST, hop->v6, addr_bytes(hop));
	ask(x, &r, buf, sizeof(buf));
}

bool xdp_neigh_lookup(struct xdp_neigh *x, const struct net_addr *a, struct rte_ether_addr *mac)
{
	struct net_addr hop = next_hop(x, a);
	char buf[1024];
	struct request r;

	resolve(x, &hop);
	begin(&r, RTM_GETNEIGH, 0, sizeof(r.nd));
	r.nd.ndm_family = addr_af(&hop);
	r.nd.ndm_ifindex = (int)x->ifindex;
	put(&r, NDA_DST, hop.v6, addr_bytes(&hop));
	const struct nlmsghdr *h = ask(x, &r, buf, sizeof(buf));
	if (!h || h->nlmsg_type != RTM_NEWNEIGH || !(((struct ndmsg *)NLMSG_DATA(h))->ndm_state & NUD_KNOWN))
		return false;
	const void *found = find(h, sizeof(r.nd), NDA_LLADDR, sizeof(*mac));
	if (found)
		memcpy(mac, found, sizeof(*mac));
	return found != NULL;
}

/* False: not yet. */
static bool answer(struct xdp_neigh *x, struct question *q)
{
	if (!xdp_neigh_lookup(x, &q->msg.addr, &q->msg.mac))
		return false;
	/* A full ring: the worker asks again. */
	rte_ring_sp_enqueue_elem(x->told[q->worker], &q->msg, sizeof(q->msg));
	return true;
}

static void poll_open(struct xdp_neigh *x)
{
	uint32_t k = 0;
	for (uint32_t i = 0; i < x->nopen; i++) {
		struct question q = x->open[i];
		if (!answer(x, &q) && ++q.tries < OPEN_TRIES)
			x->open[k++] = q;
	}
	x->nopen = k;
}

uint32_t xdp_neigh_poll(struct xdp_neigh *x)
{
	if (!x)
		return 0;
	if (x->nopen)
		poll_open(x);
	for (uint32_t w = 0; w < x->nworkers; w++) {
		struct question q = {.worker = (uint16_t)w};
		for (int i = 0; i < RING && rte_ring_sc_dequeue_elem(x->ask[w], &q.msg, sizeof(q.msg)) == 0; i++)
			if (!answer(x, &q) && x->nopen < OPEN_MAX)
				x->open[x->nopen++] = q;
	}
	return x->nopen;
}

static struct rte_ring *ring(const char *what, uint32_t w)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "neigh_%s_%u", what, w);
	return rte_ring_create_elem(name, sizeof(struct net_neigh_msg), RING, SOCKET_ID_ANY,
				    RING_F_SP_ENQ | RING_F_SC_DEQ);
}

struct xdp_neigh *xdp_neigh_open(const char *ifname, uint32_t nworkers, struct err *e)
{
	struct xdp_neigh *x = calloc(1, sizeof(*x));
	if (!x) {
		err_set(e, "out of memory");
		return NULL;
	}
	x->ifindex = if_nametoindex(ifname);
	x->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (x->fd < 0) {
		err_set(e, "the kernel's neighbours of %s cannot be asked for: %s", ifname, strerror(errno));
		goto failed;
	}
	for (; x->nworkers < nworkers; x->nworkers++) {
		uint32_t w = x->nworkers;
		x->ask[w] = ring("ask", w);
		x->told[w] = ring("told", w);
		if (!x->ask[w] || !x->told[w]) {
			err_set(e, "no memory for the rings of neighbours; raise eal-memory or use fewer workers");
			goto failed;
		}
	}
	return x;
failed:
	xdp_neigh_close(x);
	return NULL;
}

void xdp_neigh_close(struct xdp_neigh *x)
{
	if (!x)
		return;
	if (x->fd >= 0)
		close(x->fd);
	for (uint32_t w = 0; w < RP_MAX_WORKERS; w++) {
		rte_ring_free(x->ask[w]);
		rte_ring_free(x->told[w]);
	}
	free(x);
}

struct rte_ring *xdp_neigh_ask(const struct xdp_neigh *x, uint32_t w)
{
	return x ? x->ask[w] : NULL;
}

struct rte_ring *xdp_neigh_told(const struct xdp_neigh *x, uint32_t w)
{
	return x ? x->told[w] : NULL;
}
