/* What the device is asked to do for us. What it then really does is proven by traffic: net_tx_verdict() for what we
 * send, net_input.c for what comes in.
 *
 * Trains (TSO) are asked for where the device, or the host behind a virtio ring, cuts them. net_tap of DPDK 22.11 cuts
 * in software and gets stuck on frames that need more of its own few buffers than are free: never there. It also sums
 * in software, as we do: only with PORT_TX_ON. net_af_packet offers none, so they go past it: port_train.c.
 *
 * Bytes outside of the packet pool are sent as they are by drivers that copy every frame anyway, by address: net_tap
 * (writev), net_af_packet, net_vhost, and net_memif but for the client's zero-copy mode. The others hand out addresses
 * that only EAL's own memory has (virtio-user and memif's zero copy: shared with the peer, NICs: mapped for DMA), or
 * mishandle such buffers (net_af_xdp of DPDK 22.11). */
#include "net/port_priv.h"

#define TRAIN_BYTES 65000 /* and the headers: what a 16-bit length holds */
#define TRAIN_LEAST 8     /* buffers; with fewer it is not worth it */

static bool tx_wanted(const struct port *p, const struct port_params *pp)
{
	if (!pp->csum_offload || pp->tx_help == PORT_TX_OFF)
		return false;
	return p->dev.kind != PORT_TAP || pp->tx_help == PORT_TX_ON;
}

static void choose_trains(struct port *p, const struct port_params *pp, const struct rte_eth_dev_info *di,
			  struct rte_eth_conf *conf)
{
	const uint64_t need = RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	uint32_t bufs = di->tx_desc_lim.nb_seg_max != 0 ? di->tx_desc_lim.nb_seg_max : PORT_TRAIN_BUFS;

	if (p->dev.kind == PORT_TAP || bufs < TRAIN_LEAST)
		return;
	if (p->dev.kind != PORT_AF_PACKET) {
		if ((di->tx_offload_capa & need) != need)
			return;
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
	} else if (pp->vlan != 0) {
		return; /* the kernel looks for the TCP header right behind Ethernet's */
	}
	p->info.tx_train_bytes = TRAIN_BYTES;
	p->info.tx_train_bufs = RP_MIN(bufs, (uint32_t)PORT_TRAIN_BUFS);
}

static bool copies_by_address(const struct port *p)
{
	switch (p->dev.kind) {
	case PORT_TAP:
	case PORT_AF_PACKET:
	case PORT_VHOST:
		return true;
	case PORT_MEMIF:
		return !p->dev.client;
	default:
		return false;
	}
}

void port_offloads_choose(struct port *p, const struct port_params *pp, const struct rte_eth_dev_info *di,
			  struct rte_eth_conf *conf)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	uint64_t tx = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	if (tx_wanted(p, pp)) {
		tx |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
		choose_trains(p, pp, di, conf);
	}
	conf->txmode.offloads |= tx & di->tx_offload_capa;
	/* net_tap's verdicts are made in software: ours cost less. */
	if (pp->csum_offload && p->dev.kind != PORT_TAP)
		conf->rxmode.offloads |= rx & di->rx_offload_capa;
	/* What does not fit one buffer all the same comes in several, and input gathers or drops it. */
	conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER & di->rx_offload_capa;
	p->info.tx_csum_ip = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	p->info.tx_csum_tcp = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
	p->info.rx_csum = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM) != 0;
	/* net_af_xdp takes the first buffer's address with the whole length. */
	p->info.tx_multi_seg = (conf->txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 &&
			       p->dev.kind != PORT_AF_XDP;
	p->info.tx_ext_bufs = p->info.tx_multi_seg && copies_by_address(p);
}
