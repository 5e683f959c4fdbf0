/* The `device` directive: parsing, checks with a telling sentence, the driver's arguments. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal_memconfig.h>

#include "net/port_priv.h"

/*      word            needs an argument   what it is   */
static const struct {
	const char *word;
	bool needs_arg;
	const char *what;
} kinds[] = {
	[PORT_TAP] = {"tap", false, "NAME"},           [PORT_AF_PACKET] = {"af_packet", true, "INTERFACE"},
	[PORT_AF_XDP] = {"af_xdp", true, "INTERFACE"}, [PORT_MEMIF] = {"memif", true, "SOCKET[,client]"},
	[PORT_VHOST] = {"vhost", true, "SOCKET"},      [PORT_VIRTIO_USER] = {"virtio-user", true, "SOCKET"},
	[PORT_PCI] = {"pci", true, "ADDRESS"},         [PORT_VDEV] = {"vdev", true, "DRIVER,ARGUMENTS"},
};

int port_device_parse(const char *text, struct port_device *d, struct err *e)
{
	if (!text || !*text)
		return err_set(
			e,
			"no device: set `device tap`, or another of tap, af_packet, af_xdp, memif, vhost, virtio-user, "
			"pci, vdev");
	const char *colon = strchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	memset(d, 0, sizeof(*d));
	for (size_t k = 0; k < RP_ARRAY_LEN(kinds); k++) {
		if (strlen(kinds[k].word) != n || memcmp(kinds[k].word, text, n) != 0)
			continue;
		d->kind = (enum port_kind)k;
		if (strlen(text) >= sizeof(d->text))
			return err_set(e, "device %.40s...: longer than %zu bytes", text, sizeof(d->text) - 1);
		snprintf(d->text, sizeof(d->text), "%s", text);
		snprintf(d->arg, sizeof(d->arg), "%s", colon ? colon + 1 : "");
		if (kinds[k].needs_arg && !d->arg[0])
			return err_set(e, "device %s: say which, %s:%s", text, kinds[k].word, kinds[k].what);
		if (k == PORT_TAP && !d->arg[0])
			snprintf(d->arg, sizeof(d->arg), "redpoll0");
		char *comma = k == PORT_MEMIF ? strchr(d->arg, ',') : NULL;
		if (comma && strcmp(comma, ",client") != 0)
			return err_set(e, "device %s: after the socket only `,client` may stand", text);
		d->client = comma != NULL;
		if (comma)
			*comma = '\0';
		return 0;
	}
	return err_set(
		e, "device %s: unknown kind; known are tap, af_packet, af_xdp, memif, vhost, virtio-user, pci, vdev",
		text);
}

static int iface_ioctl(const char *ifname, unsigned long req, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	memcpy(ifr->ifr_name, ifname, strnlen(ifname, IFNAMSIZ - 1));
	int ret = ioctl(fd, req, ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

uint16_t port_iface_mtu(const char *ifname)
{
	struct ifreq ifr = {0};
	return iface_ioctl(ifname, SIOCGIFMTU, &ifr) == 0 ? (uint16_t)RP_MIN(ifr.ifr_mtu, UINT16_MAX) : 0;
}

int port_iface_up(const char *ifname)
{
	struct ifreq ifr = {0};
	int ret = iface_ioctl(ifname, SIOCGIFFLAGS, &ifr);
	if (ret < 0)
		return ret;
	ifr.ifr_flags |= IFF_UP;
	return iface_ioctl(ifname, SIOCSIFFLAGS, &ifr);
}

static int iface_check(const struct port_device *d, struct err *e)
{
	struct ifreq ifr = {0};
	if (strlen(d->arg) >= IFNAMSIZ || if_nametoindex(d->arg) == 0)
		return err_set(e, "device %s: no interface of that name; `ip link` lists them", d->text);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, "device %s: no permission for raw packets (%s); run as root", d->text,
			       strerror(errno));
	close(fd);
	if (iface_ioctl(d->arg, SIOCGIFFLAGS, &ifr) < 0 || !(ifr.ifr_flags & IFF_UP))
		return err_set(e, "device %s: the interface is down; `ip link set %s up`", d->text, d->arg);
	return 0;
}

/* Makes the interface for a moment, as the driver will: every reason why it cannot comes as one errno here. */
static int tap_check(const struct port_device *d, struct err *e)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE};
	if (strlen(d->arg) >= IFNAMSIZ)
		return err_set(e, "device %s: the name is longer than %d characters", d->text, IFNAMSIZ - 1);
	/* A second server would share the first one's queues, and take the interface down when it ends. */
	if (if_nametoindex(d->arg) != 0)
		return err_set(e,
			       "device %s: there is an interface of that name already; stop its owner or choose "
			       "another tap:NAME",
			       d->text);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return err_set(e, "device %s: no permission to open /dev/net/tun; run as root", d->text);
	if (fd < 0)
		return err_set(e, "device %s: cannot open /dev/net/tun (%s); `modprobe tun`", d->text, strerror(errno));
	memcpy(ifr.ifr_name, d->arg, strlen(d->arg) + 1);
	int why = ioctl(fd, TUNSETIFF, &ifr) < 0 ? errno : 0;
	close(fd);
	if (why == EPERM)
		return err_set(e, "device %s: no permission to make a TAP interface; run as root", d->text);
	if (why == EBUSY || why == EINVAL)
		return err_set(e, "device %s: an interface of that name is in use; stop its owner or choose tap:NAME",
			       d->text);
	if (why)
		return err_set(e, "device %s: cannot make the TAP interface: %s", d->text, strerror(why));
	return 0;
}

/* A process that was killed leaves its socket behind, and no driver takes its place. Whether somebody has it a
 * connection of another type tells: it never comes about, so nobody notices. */
static int socket_clear(const struct port_device *d, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct stat st;

	if (lstat(d->arg, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "device %s: there is a file of that name; choose another", d->text);
	strcpy(at.sun_path, d->arg);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int why = fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ? errno : EPROTOTYPE;
	if (fd >= 0)
		close(fd);
	if (why == EPROTOTYPE)
		return err_set(e, "device %s: another process listens there; stop it or choose another", d->text);
	if (why != ECONNREFUSED)
		return err_set(e, "device %s: cannot find out whose socket is there: %s", d->text, strerror(why));
	if (unlink(d->arg) < 0)
		return err_set(e, "device %s: cannot remove what a process that has ended left there: %s", d->text,
			       strerror(errno));
	return 0;
}

static int socket_dir_check(const struct port_device *d, struct err *e)
{
	char dir[PORT_NAME_BYTES];
	snprintf(dir, sizeof(dir), "%s", d->arg);
	char *slash = strrchr(dir, '/');
	if (strlen(d->arg) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(e, "device %s: the socket path is too long", d->text);
	if (slash)
		slash[slash == dir] = '\0';
	if (access(slash ? dir : ".", W_OK | X_OK) < 0)
		return err_set(e, "device %s: cannot make a socket in %s: %s", d->text, slash ? dir : ".",
			       strerror(errno));
	return socket_clear(d, e);
}

static int socket_peer_check(const struct port_device *d, struct err *e)
{
	struct stat st;
	if (stat(d->arg, &st) < 0)
		return err_set(e, "device %s: no socket there (%s); start the other end first", d->text,
			       strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "device %s: not a socket", d->text);
	return 0;
}

static int pci_check(const struct port_device *d, struct err *e)
{
	char path[PORT_NAME_BYTES + 64], target[256];
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", d->arg);
	if (access(path, F_OK) < 0)
		return err_set(e, "device %s: no such PCI device; `lspci -D` lists them as 0000:bb:dd.f", d->text);
	strncat(path, "/driver", sizeof(path) - strlen(path) - 1);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	const char *drv = strrchr(target, '/');
	drv = drv ? drv + 1 : "none";
	/* mlx drivers stay with the kernel and share the device. */
	if (strcmp(drv, "vfio-pci") == 0 || strcmp(drv, "uio_pci_generic") == 0 || strncmp(drv, "mlx", 3) == 0)
		return 0;
	return err_set(e, "device %s: bound to driver %s, not vfio; `dpdk-devbind.py -b vfio-pci %s`", d->text, drv,
		       d->arg);
}

int port_device_check(const struct port_device *d, struct err *e)
{
	switch (d->kind) {
	case PORT_TAP:
		return tap_check(d, e);
	case PORT_AF_PACKET:
	case PORT_AF_XDP:
		return iface_check(d, e);
	case PORT_MEMIF:
		return d->client ? 0 : socket_dir_check(d, e);
	case PORT_VHOST:
		return socket_dir_check(d, e);
	case PORT_VIRTIO_USER:
		return socket_peer_check(d, e);
	case PORT_PCI:
		return pci_check(d, e);
	case PORT_VDEV:
		break;
	}
	return 0;
}

/* An XDP socket only gets the packets of its own queue: every queue of the interface needs one, and a worker that reads
 * it. */
static uint16_t xdp_queues(struct port_device *d, uint32_t nworkers, struct err *e)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&ch};
	uint32_t have = 1;
	if (iface_ioctl(d->arg, SIOCETHTOOL, &ifr) == 0)
		have = RP_MAX(ch.combined_count + ch.rx_count, 1U);
	bool combined = ch.max_combined > 0;
	uint32_t most = RP_MIN(nworkers, (uint32_t)PORT_MAX_QUEUES);
	if (combined && ch.rx_count > 0)
		err_set(e, "device %s: combined and separate receive queues cannot both be read; `ethtool -L %s rx 0`",
			d->text, d->arg);
	else if (have > most)
		err_set(e,
			"device %s: the interface has %u receive queues and only %u can be read by %u workers; "
			"`ethtool -L %s %s %u`, or more workers",
			d->text, have, most, nworkers, d->arg, combined ? "combined" : "rx", most);
	else if (combined)
		return (uint16_t)have;
	else
		d->further = (uint16_t)(have - 1);
	return e->text[0] ? 0 : 1;
}

uint16_t port_device_queues(struct port_device *d, uint32_t nworkers, struct err *e)
{
	switch (d->kind) {
	case PORT_AF_XDP:
		return xdp_queues(d, nworkers, e);
	case PORT_PCI:
	case PORT_VDEV:
		return (uint16_t)nworkers;
	default:
		return (uint16_t)RP_MIN(nworkers, (uint32_t)PORT_MAX_QUEUES);
	}
}

/* A whole frame. If a mbuf's data does not fit a slot the driver puts its pieces together in slots of the peer; else
 * each piece of a frame gets a slot of its own, marked as continued, and the mark stays there for later frames
 * (DPDK 22.11). */
static unsigned memif_slot_bytes(const struct port_device *d)
{
	return (d->jumbo ? PORT_JUMBO_BYTES : BUF_DATA_BYTES - RTE_PKTMBUF_HEADROOM) - RTE_CACHE_LINE_SIZE;
}

#define AF_PACKET_FRAMES 8192 /* of all queues; each takes a slot twice, for both directions */
#define AF_PACKET_SLOT   2048

void port_device_vdev(const struct port_device *d, uint16_t nq, char *name, size_t name_cap, char *args, size_t cap)
{
	const char *a = d->arg, *comma;
	args[0] = '\0';
	switch (d->kind) {
	case PORT_TAP:
		snprintf(name, name_cap, "net_tap0");
		snprintf(args, cap, "iface=%s", a);
		break;
	case PORT_AF_PACKET:
		/* A slot takes one frame. Fifty clients that each fill a receive window at once must fit, or the
		 * overflow is repaired by their retransmissions. */
		snprintf(name, name_cap, "net_af_packet0");
		snprintf(args, cap, "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u,qdisc_bypass=1", a, nq,
			 d->jumbo ? 4 * PORT_JUMBO_BYTES : 32 * AF_PACKET_SLOT,
			 d->jumbo ? PORT_JUMBO_BYTES : AF_PACKET_SLOT,
			 ((d->jumbo ? AF_PACKET_FRAMES / 4 : AF_PACKET_FRAMES) / nq) & ~31u);
		break;
	case PORT_AF_XDP:
		snprintf(name, name_cap, "net_af_xdp0");
		snprintf(args, cap, "iface=%s,start_queue=0,queue_count=%u", a, nq);
		break;
	case PORT_MEMIF:
		/* Zero copy needs hugepages in few files; see eal.c. */
		snprintf(name, name_cap, "net_memif0");
		snprintf(args, cap, "role=%s,socket=%s,socket-abstract=no,bsize=%u%s", d->client ? "client" : "server",
			 a, memif_slot_bytes(d),
			 d->client && rte_mcfg_get_single_file_segments() ? ",zero-copy=yes" : "");
		break;
	case PORT_VHOST:
		snprintf(name, name_cap, "net_vhost0");
		snprintf(args, cap, "iface=%s,queues=%u", a, nq);
		break;
	case PORT_VIRTIO_USER:
		snprintf(name, name_cap, "net_virtio_user0");
		snprintf(args, cap, "path=%s,queues=%u,queue_size=1024", a, nq);
		break;
	case PORT_PCI:
		name[0] = '\0';
		break;
	case PORT_VDEV:
		comma = strchr(a, ',');
		snprintf(name, name_cap, "%.*s", (int)(comma ? comma - a : (long)strlen(a)), a);
		snprintf(args, cap, "%s", comma ? comma + 1 : "");
		break;
	}
}
