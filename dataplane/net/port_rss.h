/* Receive-side scaling that can be foretold; see port_rss.c. Control thread sets it up, then it is constant. */
#pragma once

#include <rte_ethdev.h>

struct net_addr;

struct port_rss {
	uint32_t key[16]; /* as bytes; rte_softrss() reads words */
	uint8_t key_len;
	uint32_t mask; /* of the table */
	uint16_t table[RTE_ETH_RSS_RETA_SIZE_512];
};

/* Before configuration: asks the device to spread TCP over its queues. False: how it does could not be foretold. */
bool port_rss_ask(struct port_rss *r, const struct rte_eth_dev_info *di, struct rte_eth_conf *conf);
/* After the start: what the device really uses. False: it does not tell. */
bool port_rss_learn(struct port_rss *r, uint16_t port_id, uint16_t nqueues);
/* The queue where segments from remote to local arrive. Ports in host order. */
uint32_t port_rss_queue(const struct port_rss *r, const struct net_addr *local, uint16_t lport,
			const struct net_addr *remote, uint16_t rport);
