/* Which queue a NIC puts a flow on: the Toeplitz hash of its addresses and ports with the key that the NIC has now,
 * looked up in the redirection table that it has now. Connections that we open take a local port whose answers come
 * back to their own worker. */
#include <stdio.h>

#include <rte_thash.h>

#include "net/net.h"
#include "net/port_rss.h"

/* The key of the specification of receive-side scaling: known to spread ports well. Longer ones repeat it. */
static const uint8_t rss_key[] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define RSS_TCP (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)

bool port_rss_ask(struct port_rss *r, const struct rte_eth_dev_info *di, struct rte_eth_conf *conf)
{
	uint64_t hf = RSS_TCP & di->flow_type_rss_offloads;

	memset(r, 0, sizeof(*r));
	r->key_len = di->hash_key_size ? di->hash_key_size : (uint8_t)sizeof(rss_key);
	if (hf == 0 || r->key_len < sizeof(rss_key) || r->key_len > sizeof(r->key))
		return false;
	for (uint32_t i = 0; i < r->key_len; i++)
		((uint8_t *)r->key)[i] = rss_key[i % sizeof(rss_key)];
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = hf;
	conf->rx_adv_conf.rss_conf.rss_key = (uint8_t *)r->key;
	conf->rx_adv_conf.rss_conf.rss_key_len = r->key_len;
	/* Of one family alone we could not tell where the other's flows arrive. */
	return hf == RSS_TCP;
}

static bool table_read(uint16_t port_id, struct port_rss *r, uint16_t size, uint16_t nqueues)
{
	struct rte_eth_rss_reta_entry64 t[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (uint32_t i = 0; i < size; i++) {
		t[i / RTE_ETH_RETA_GROUP_SIZE].mask = UINT64_MAX;
		t[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % nqueues);
	}
	/* Best effort: what counts is what it has afterwards. */
	rte_eth_dev_rss_reta_update(port_id, t, size);
	if (rte_eth_dev_rss_reta_query(port_id, t, size) != 0)
		return false;
	for (uint32_t i = 0; i < size; i++) {
		r->table[i] = t[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (r->table[i] >= nqueues)
			return false;
	}
	return true;
}

bool port_rss_learn(struct port_rss *r, uint16_t port_id, uint16_t nqueues)
{
	struct rte_eth_rss_conf conf = {.rss_key = (uint8_t *)r->key, .rss_key_len = r->key_len};
	struct rte_eth_dev_info di;

	if (rte_eth_dev_info_get(port_id, &di) != 0 || di.reta_size == 0 || di.reta_size > RTE_DIM(r->table) ||
	    (di.reta_size & (di.reta_size - 1)) != 0)
		return false;
	if (rte_eth_dev_rss_hash_conf_get(port_id, &conf) != 0 || (conf.rss_hf & RSS_TCP) != RSS_TCP)
		return false;
	r->mask = di.reta_size - 1;
	return table_read(port_id, r, di.reta_size, nqueues);
}

uint32_t port_rss_queue(const struct port_rss *r, const struct net_addr *local, uint16_t lport,
			const struct net_addr *remote, uint16_t rport)
{
	union rte_thash_tuple t;
	uint32_t hash;

	/* As the frame that arrives has them. */
	if (local->family == 4) {
		t.v4 = (struct rte_ipv4_tuple){.src_addr = rte_be_to_cpu_32(remote->v4),
					       .dst_addr = rte_be_to_cpu_32(local->v4),
					       .sport = rport,
					       .dport = lport};
		hash = rte_softrss((uint32_t *)&t, RTE_THASH_V4_L4_LEN, (const uint8_t *)r->key);
	} else {
		struct rte_ipv6_hdr ip;
		memcpy(ip.src_addr, remote->v6, 16);
		memcpy(ip.dst_addr, local->v6, 16);
		rte_thash_load_v6_addrs(&ip, &t);
		t.v6.sport = rport;
		t.v6.dport = lport;
		hash = rte_softrss((uint32_t *)&t, RTE_THASH_V6_L4_LEN, (const uint8_t *)r->key);
	}
	return r->table[hash & r->mask];
}
