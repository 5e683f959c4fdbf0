/* A bad network: impair IFACE [--lose PERCENT] [--duplicate PERCENT] [--corrupt PERCENT] [--delay MS]
 * [--reorder PERCENT,MS]
 *
 * Every IP packet that enters or leaves the interface is lost, doubled, corrupted or held back at random, each
 * direction by itself; --delay holds all of them back, --reorder some of them so much longer. Prints "ready" once it
 * works, goes on until its standard input ends or SIGTERM, and then prints what it did.
 *
 * tc programs judge the packets (impair.bpf.c). The kernel here has no queueing discipline that delays, so a packet to
 * be held back is redirected into a TAP interface of its direction; this process reads it there, waits, writes it back
 * into the TAP, and another tc program sends it on its way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "impair.h"

#define PACKET_MAX 9700
#define QUEUE_MAX  65536
#define READ_MAX   64

static const unsigned char object[] __attribute__((aligned(8))) = {
#include "impair.bpf.inc"
};

struct packet {
	uint64_t due_ns;
	uint32_t len;
	char data[];
};

/* Packets that wait equally long, in the order of their arrival. */
struct line {
	uint64_t wait_ns;
	uint32_t head, count;
	struct packet *at[QUEUE_MAX];
};

struct hold {
	int fd;
	struct line all, late;
};

struct setup {
	const char *iface;
	struct impair_rules rules;
	double delay_ms, reorder, reorder_ms; /* reorder: a share */
	struct hold *hold[IMPAIR_DIRS];
	struct bpf_object *obj;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "impair: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- the interfaces ---- */

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			die(path);
		close(fd);
	}
}

static void set_link(const char *name)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};
	char path[128];

	/* the kernel must not speak through it on its own */
	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	write_file(path, "1");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	r.ifr_qlen = QUEUE_MAX / 2;
	if (s < 0 || ioctl(s, SIOCSIFTXQLEN, &r) < 0)
		die(name);
	r.ifr_mtu = 9600;
	if (ioctl(s, SIOCSIFMTU, &r) < 0)
		die(name);
	r.ifr_flags = IFF_UP | IFF_NOARP;
	if (ioctl(s, SIOCSIFFLAGS, &r) < 0)
		die(name);
	close(s);
}

static void make_hold(struct setup *s, enum impair_dir dir)
{
	struct hold *h = calloc(1, sizeof(*h));
	struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (h == NULL)
		die("memory");
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dir == IMPAIR_IN ? "hold-in" : "hold-out");
	h->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (h->fd < 0 || ioctl(h->fd, TUNSETIFF, &r) < 0)
		die("TAP interface");
	set_link(r.ifr_name);
	h->all.wait_ns = (uint64_t)(s->delay_ms * 1e6);
	h->late.wait_ns = h->all.wait_ns + (uint64_t)(s->reorder_ms * 1e6);
	s->hold[dir] = h;
	s->rules.tap[dir] = if_nametoindex(r.ifr_name);
}

static void make_hook(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (bpf_tc_hook_create(&hook) != 0)
		die("clsact");
}

static void attach(struct setup *s, unsigned int ifindex, enum bpf_tc_attach_point point, const char *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts);

	opts.prog_fd = bpf_program__fd(bpf_object__find_program_by_name(s->obj, program));
	if (bpf_tc_attach(&hook, &opts) != 0)
		die(program);
}

static void load(struct setup *s)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "impair");
	s->obj = bpf_object__open_mem(object, sizeof(object), &opts);
	struct bpf_map *map = s->obj ? bpf_object__find_map_by_name(s->obj, ".rodata") : NULL;

	if (!map || bpf_map__set_initial_value(map, &s->rules, sizeof(s->rules)) != 0 || bpf_object__load(s->obj) != 0)
		die("the tc programs");
	make_hook(s->rules.ifindex);
	attach(s, s->rules.ifindex, BPF_TC_INGRESS, "impair_in");
	attach(s, s->rules.ifindex, BPF_TC_EGRESS, "impair_out");
	if (s->hold[IMPAIR_IN] != NULL) {
		make_hook(s->rules.tap[IMPAIR_IN]);
		make_hook(s->rules.tap[IMPAIR_OUT]);
		attach(s, s->rules.tap[IMPAIR_IN], BPF_TC_INGRESS, "return_in");
		attach(s, s->rules.tap[IMPAIR_OUT], BPF_TC_INGRESS, "return_out");
	}
}

static void unload(struct setup *s)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)s->rules.ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	static const char *const name[] = {"seen", "lost", "duplicated", "corrupted", "held"};
	int map = bpf_object__find_map_fd_by_name(s->obj, "counters");

	bpf_tc_hook_destroy(&hook);
	for (uint32_t i = 0; i < IMPAIR_COUNTERS; i++) {
		uint32_t in = IMPAIR_IN * IMPAIR_COUNTERS + i, out = IMPAIR_OUT * IMPAIR_COUNTERS + i;
		uint64_t n[IMPAIR_DIRS] = {0};
		bpf_map_lookup_elem(map, &in, &n[IMPAIR_IN]);
		bpf_map_lookup_elem(map, &out, &n[IMPAIR_OUT]);
		printf("%s %lu %lu\n", name[i], n[IMPAIR_IN], n[IMPAIR_OUT]);
	}
	bpf_object__close(s->obj);
}

/* ---- holding back ---- */

static void push(struct line *l, const char *data, uint32_t len, uint64_t now)
{
	struct packet *p = l->count < QUEUE_MAX ? malloc(sizeof(*p) + len) : NULL;

	if (p == NULL)
		return; /* one loss more */
	p->due_ns = now + l->wait_ns;
	p->len = len;
	memcpy(p->data, data, len);
	l->at[(l->head + l->count++) % QUEUE_MAX] = p;
}

/* Sends what is due; returns when the next one is, or sooner if that is. */
static uint64_t release(struct hold *h, struct line *l, uint64_t now, uint64_t sooner)
{
	while (l->count > 0) {
		struct packet *p = l->at[l->head];
		if (p->due_ns > now)
			return p->due_ns < sooner ? p->due_ns : sooner;
		if (write(h->fd, p->data, p->len) < 0 && errno == EAGAIN)
			return now;
		free(p);
		l->head = (l->head + 1) % QUEUE_MAX;
		l->count--;
	}
	return sooner;
}

/* The tc program has chosen already: without a delay for all, all that come here are late. */
static bool is_late(const struct setup *s)
{
	return s->rules.hold < IMPAIR_ALL || drand48() < s->reorder;
}

static uint64_t serve(const struct setup *s, struct hold *h)
{
	char data[PACKET_MAX];
	uint64_t now = now_ns();
	ssize_t n;

	for (int i = 0; i < READ_MAX && (n = read(h->fd, data, sizeof(data))) > 0; i++)
		push(is_late(s) ? &h->late : &h->all, data, (uint32_t)n, now);
	return release(h, &h->late, now, release(h, &h->all, now, UINT64_MAX));
}

static void hold_back(const struct setup *s)
{
	struct pollfd p[] = {{.fd = STDIN_FILENO},
			     {.fd = s->hold[IMPAIR_IN] ? s->hold[IMPAIR_IN]->fd : -1, .events = POLLIN},
			     {.fd = s->hold[IMPAIR_OUT] ? s->hold[IMPAIR_OUT]->fd : -1, .events = POLLIN}};

	while (!stop && !(p[0].revents & POLLHUP)) {
		uint64_t next = UINT64_MAX;
		for (int dir = 0; dir < IMPAIR_DIRS && s->hold[dir] != NULL; dir++) {
			uint64_t due = serve(s, s->hold[dir]);
			next = due < next ? due : next;
		}
		uint64_t now = now_ns(), wait = next <= now ? 0 : next - now;
		struct timespec ts = {.tv_sec = (time_t)(wait / 1000000000), .tv_nsec = (long)(wait % 1000000000)};
		ppoll(p, 3, next == UINT64_MAX ? NULL : &ts, NULL);
	}
}

/* ---- options ---- */

static unsigned int share(double percent)
{
	return (unsigned int)(percent / 100 * IMPAIR_ALL);
}

static void parse(int argc, char **argv, struct setup *s)
{
	double reorder = 0;

	s->iface = argc > 1 ? argv[1] : "";
	s->rules.ifindex = if_nametoindex(s->iface);
	bool ok = s->rules.ifindex != 0 && argc % 2 == 0;
	for (int i = 2; i + 1 < argc; i += 2) {
		const char *o = argv[i], *v = argv[i + 1];
		if (strcmp(o, "--lose") == 0)
			s->rules.lose = share(atof(v));
		else if (strcmp(o, "--duplicate") == 0)
			s->rules.duplicate = share(atof(v));
		else if (strcmp(o, "--corrupt") == 0)
			s->rules.corrupt = share(atof(v));
		else if (strcmp(o, "--delay") == 0)
			s->delay_ms = atof(v);
		else if (strcmp(o, "--reorder") != 0 || sscanf(v, "%lf,%lf", &reorder, &s->reorder_ms) != 2)
			ok = false;
	}
	if (!ok) {
		fprintf(stderr, "usage: impair IFACE [--lose PERCENT] [--duplicate PERCENT] [--corrupt PERCENT] "
				"[--delay MS] [--reorder PERCENT,MS]\n");
		exit(2);
	}
	s->reorder = reorder / 100;
	s->rules.hold = s->delay_ms > 0 || s->rules.corrupt > 0 ? IMPAIR_ALL : share(reorder);
}

int main(int argc, char **argv)
{
	struct setup s = {0};
	struct sigaction action = {.sa_handler = on_signal};

	parse(argc, argv, &s);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (s.rules.hold > 0) {
		make_hold(&s, IMPAIR_IN);
		make_hold(&s, IMPAIR_OUT);
	}
	load(&s);
	printf("ready\n");
	fflush(stdout);
	hold_back(&s);
	unload(&s);
	return 0;
}
