/* An interface whose receive queues are separate channels (veth, some NICs): net_af_xdp of DPDK 22.11 counts combined
 * ones only and opens one queue. Here every further queue is an ethdev of its own over the same packet pool. */
#include <stdio.h>

#include <rte_bus_vdev.h>

#include "net/port_priv.h"

static void name_of(char *name, size_t cap, uint16_t q)
{
	snprintf(name, cap, "net_af_xdp%u", q);
}

static int open_queue(struct port *p, uint16_t q, uint16_t rxd, uint16_t txd)
{
	const struct rte_eth_conf conf = {0};
	struct port_queue *pq = &p->q[q];
	char name[32], args[PORT_NAME_BYTES + 64];

	name_of(name, sizeof(name), q);
	snprintf(args, sizeof(args), "iface=%s,start_queue=%u,queue_count=1", p->dev.arg, q);
	int ret = rte_vdev_init(name, args);
	if (ret < 0)
		return ret;
	p->info.nqueues = q + 1;
	ret = rte_eth_dev_get_port_by_name(name, &pq->port_id);
	if (ret == 0)
		ret = rte_eth_dev_configure(pq->port_id, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_dev_adjust_nb_rx_tx_desc(pq->port_id, &rxd, &txd);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(pq->port_id, 0, rxd, SOCKET_ID_ANY, NULL, p->pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(pq->port_id, 0, txd, SOCKET_ID_ANY, NULL);
	return ret == 0 ? rte_eth_dev_start(pq->port_id) : ret;
}

int port_split_open(struct port *p, uint16_t rxd, uint16_t txd)
{
	for (uint16_t q = 1; q <= p->dev.further; q++) {
		int ret = open_queue(p, q, rxd, txd);
		if (ret < 0)
			return ret;
	}
	return 0;
}

void port_split_close(struct port *p)
{
	for (uint16_t q = 1; p->dev.further && q < p->info.nqueues; q++) {
		char name[32];
		name_of(name, sizeof(name), q);
		rte_eth_dev_stop(p->q[q].port_id);
		rte_vdev_uninit(name);
	}
}
