/* struct tcp_lower over net/. */
#include "tcp/tcp.h"

static int path_init(void *ctx, struct net_path *path, const struct net_addr *local, const struct net_addr *remote)
{
	return net_path_init(ctx, path, local, remote);
}

static void output(void *ctx, struct net_path *path, struct rte_mbuf *m, uint8_t tcp_len)
{
	net_tcp_output(ctx, path, m, tcp_len);
}

static void confirm(void *ctx, struct net_path *path)
{
	net_path_confirm(ctx, path);
}

static uint32_t flow_worker(void *ctx, const struct net_addr *l, uint16_t lport, const struct net_addr *r,
			    uint16_t rport)
{
	return net_flow_worker(ctx, l, lport, r, rport);
}

static uint32_t tx_room(void *ctx)
{
	return net_tx_room(ctx);
}

static int local_for(void *ctx, const struct net_addr *remote, struct net_addr *local)
{
	return net_local_for(ctx, remote, local);
}

static bool tx_verdict(void *ctx, uint8_t family, bool train, bool arrived)
{
	return net_tx_verdict(ctx, family, train, arrived);
}

void tcp_lower_net(struct tcp_lower *l, struct net *n)
{
	const struct net_params *p = net_params_get(n);

	*l = (struct tcp_lower){
		.ctx = n,
		.path_init = path_init,
		.output = output,
		.confirm = confirm,
		.flow_worker = flow_worker,
		.local_for = local_for,
		.tx_room = tx_room,
		.mtu = p->mtu,
		.ext_bufs = p->tx_ext_bufs,
		.train_bytes = p->tx_train_bytes,
		.train_bufs = p->tx_train_bufs,
		.tx_sums = p->tx_csum_tcp,
		.tx_verdict = p->tx_csum_tcp || p->tx_train_bytes != 0 ? tx_verdict : NULL,
	};
}
