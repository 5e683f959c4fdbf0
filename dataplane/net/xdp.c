/* Loading and attaching of our XDP program; see tools/bpf/redpoll.bpf.c. */
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <rte_byteorder.h>

#include "base/log.h"
#include "net/xdp.h"
#include "net/xdp_filter.h"

static const unsigned char object[] __attribute__((aligned(8))) = {
#include "redpoll.bpf.inc"
};

struct xdp {
	struct bpf_object *obj;
	int link_fd;
	bool shared, native;
};

/* Either the kernel has all our addresses, or none: the program has one rule for all of them. */
static int choose_mode(struct xdp *x, const struct xdp_params *p, struct err *e)
{
	uint32_t kernels = 0;
	for (uint32_t i = 0; i < p->naddrs; i++)
		kernels += xdp_kernel_has(&p->addrs[i].addr, NULL);
	if (kernels != 0 && kernels != p->naddrs)
		return err_set(e,
			       "device af_xdp:%s: the kernel has some of our addresses and lacks others; name only "
			       "addresses that it has, or only ones that it does not have",
			       p->ifname);
	x->shared = kernels != 0;
	return 0;
}

static int fill_filter(const struct xdp *x, const struct xdp_params *p, struct xdp_filter *f, struct err *e)
{
	memset(f, 0, sizeof(*f));
	f->exclusive = !x->shared;
	f->unread = XDP_PASS;
	f->port = rte_cpu_to_be_16(p->tcp_port);
	f->vlan = p->vlan;
	f->first = p->first_port;
	f->last = p->last_port;
	for (uint32_t i = 0; i < p->naddrs; i++) {
		const struct net_addr *a = &p->addrs[i].addr;
		if (f->nv4 == XDP_FILTER_ADDRS || f->nv6 == XDP_FILTER_ADDRS)
			return err_set(e, "device af_xdp:%s: more than %d addresses", p->ifname, XDP_FILTER_ADDRS);
		if (a->family == 4)
			f->v4[f->nv4++] = a->v4;
		else
			memcpy(f->v6[f->nv6++], a->v6, sizeof(f->v6[0]));
	}
	return 0;
}

struct bpf_object *xdp_load(const struct xdp_filter *filter)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "redpoll");
	struct bpf_object *obj = bpf_object__open_mem(object, sizeof(object), &opts);
	struct bpf_map *map = obj ? bpf_object__find_map_by_name(obj, ".rodata") : NULL;

	if (!map || bpf_map__set_initial_value(map, filter, sizeof(*filter)) != 0 || bpf_object__load(obj) != 0) {
		int why = errno;
		bpf_object__close(obj);
		errno = why;
		return NULL;
	}
	return obj;
}

static int load(struct xdp *x, const struct xdp_params *p, struct err *e)
{
	struct xdp_filter filter;

	if (fill_filter(x, p, &filter, e) < 0)
		return -1;
	x->obj = xdp_load(&filter);
	if (!x->obj)
		return err_set(e, "device af_xdp:%s: the kernel refuses the XDP program: %s%s", p->ifname,
			       strerror(errno), errno == EPERM ? "; run as root" : "");
	return 0;
}

static int occupied(const struct xdp_params *p, int ifindex, struct err *e)
{
	struct bpf_prog_info info = {0};
	uint32_t id = 0, len = sizeof(info);

	bpf_xdp_query_id(ifindex, 0, &id);
	int fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
	}
	return err_set(e,
		       "device af_xdp:%s: the interface has an XDP program already (%s, id %u); stop its owner, or `ip "
		       "link set %s xdp off` if it has none",
		       p->ifname, info.name, id, p->ifname);
}

static int attach(struct xdp *x, const struct xdp_params *p, struct err *e)
{
	static const uint32_t modes[] = {XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE};
	int ifindex = (int)if_nametoindex(p->ifname);
	int prog = bpf_program__fd(bpf_object__next_program(x->obj, NULL));
	int why = 0;

	for (size_t i = 0; i < RP_ARRAY_LEN(modes) && x->link_fd < 0; i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = modes[i]);
		x->link_fd = bpf_link_create(prog, ifindex, BPF_XDP, &opts);
		if (x->link_fd >= 0) {
			x->native = modes[i] == XDP_FLAGS_DRV_MODE;
			return 0;
		}
		why = errno;
		if (why == EBUSY || why == EEXIST)
			return occupied(p, ifindex, e);
	}
	return err_set(e, "device af_xdp:%s: the XDP program cannot be attached: %s", p->ifname, strerror(why));
}

struct xdp *xdp_attach(const struct xdp_params *p, struct err *e)
{
	struct xdp *x = calloc(1, sizeof(*x));
	if (!x) {
		err_set(e, "out of memory");
		return NULL;
	}
	x->link_fd = -1;
	if (choose_mode(x, p, e) < 0 || load(x, p, e) < 0 || attach(x, p, e) < 0) {
		xdp_detach(x);
		return NULL;
	}
	return x;
}

void xdp_detach(struct xdp *x)
{
	if (!x)
		return;
	if (x->link_fd >= 0)
		close(x->link_fd);
	bpf_object__close(x->obj);
	free(x);
}

bool xdp_is_shared(const struct xdp *x)
{
	return x->shared;
}

bool xdp_is_native(const struct xdp *x)
{
	return x->native;
}
