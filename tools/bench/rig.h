/* What the generator stands on: EAL, the port, one network and one TCP instance. */
#pragma once

#include "net/net.h"
#include "options.h"
#include "tcp/tcp.h"

struct rig {
	struct port *port;
	struct net *net;
	struct tcp *tcp;
	struct rte_mempool *pool;
	struct clock clock;
	struct clock_now now;
	struct net_ifaddr local[NET_MAX_ADDRS];
	uint16_t next_lport[NET_MAX_ADDRS]; /* ports are taken in turn: those in TIME_WAIT have left when it comes round
					     */
	uint16_t first_lport;
	uint32_t nlocal, turn; /* turn: address of the next connection */
	uint64_t net_timers_us;
	bool eal, huge;
};

/* max_conns: open at once; batch_bufs: packet buffers that they hold at most. 0, or -1 with *e. */
int rig_open(struct rig *r, const struct options *o, const struct tcp_ops *ops, uint32_t max_conns, uint64_t batch_bufs,
	     struct err *e);
void rig_close(struct rig *r);
/* Opens from the next address and port that are free. NULL with *why = -errno. */
struct tcp_conn *rig_connect(struct rig *r, const struct net_addr *remote, uint16_t port, void *user, int *why);
/* Time for all parts. Once per iteration. */
void rig_set_now(struct rig *r);
/* Sends what is queued and runs timers that are due; returns how much it did. */
uint32_t rig_poll_tx(struct rig *r);
