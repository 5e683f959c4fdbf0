/* The XDP program in the kernel's own test run: which frames it takes. Frames for us on a queue without a socket get
 * the action TX here, so that they can be told from those that are passed on. Skipped without the right to load
 * programs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>

#include "net/xdp.h"
#include "net/xdp_filter.h"

#define NS    135
#define NA    136
#define PORT  6379
#define FIRST 61000
#define LAST  61999

static const uint8_t us4[4] = {10, 0, 0, 1}, peer4[4] = {10, 0, 0, 2};
static const uint8_t us6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, peer6[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};
static const uint8_t group6[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1}, all6[16] = {0xff, 2, [15] = 1};

struct frame {
	uint32_t len;
	uint8_t data[256];
};

static void put(struct frame *f, const void *p, size_t n)
{
	memcpy(f->data + f->len, p, n);
	f->len += (uint32_t)n;
}

static void put16(struct frame *f, uint16_t v)
{
	put(f, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static struct frame ethernet(uint16_t type)
{
	struct frame f = {.len = 12};
	put16(&f, type);
	return f;
}

static struct frame tagged(uint16_t vlan, uint16_t type)
{
	struct frame f = ethernet(0x8100);
	put16(&f, 0xe000 | vlan);
	put16(&f, type);
	return f;
}

/* A header with `options` words of options, then ports and padding. */
static struct frame ipv4(struct frame f, const uint8_t *dst, uint8_t proto, uint16_t frag, uint8_t options,
			 uint16_t dport)
{
	uint8_t ip[60] = {(uint8_t)(0x45 + options), [6] = (uint8_t)(frag >> 8), (uint8_t)frag, 64, proto};
	memcpy(ip + 12, peer4, 4);
	memcpy(ip + 16, dst, 4);
	put(&f, ip, 20 + 4u * options);
	put16(&f, 40000);
	put16(&f, dport);
	put(&f, (uint8_t[36]){0}, 36);
	return f;
}

static struct frame ipv6(struct frame f, const uint8_t *dst, uint8_t next, uint16_t dport)
{
	put(&f, (uint8_t[8]){0x60, [6] = next, 64}, 8);
	put(&f, peer6, 16);
	put(&f, dst, 16);
	put16(&f, 40000);
	put16(&f, dport);
	put(&f, (uint8_t[36]){0}, 36);
	return f;
}

static struct frame error4(const uint8_t *dst, uint8_t code, const uint8_t *quoted_src, uint8_t proto, uint16_t sport)
{
	struct frame f = ipv4(ethernet(0x0800), dst, IPPROTO_ICMP, 0, 0, 0);
	uint8_t ip[20] = {0x45, [8] = 64, proto};
	f.len = 14 + 20;
	memcpy(ip + 12, quoted_src, 4);
	memcpy(ip + 16, peer4, 4);
	put(&f, (uint8_t[8]){3, code, [6] = 5, 0}, 8);
	put(&f, ip, 20);
	put16(&f, sport);
	put(&f, (uint8_t[6]){0}, 6);
	return f;
}

static struct frame error6(const uint8_t *dst, uint8_t type, const uint8_t *quoted_src, uint16_t sport)
{
	struct frame f = ipv6(ethernet(0x86dd), dst, IPPROTO_ICMPV6, 0);
	f.len = 14 + 40;
	put(&f, (uint8_t[8]){type, 0, [6] = 5, 0}, 8);
	put(&f, (uint8_t[8]){0x60, [6] = IPPROTO_TCP, 64}, 8);
	put(&f, quoted_src, 16);
	put(&f, peer6, 16);
	put16(&f, sport);
	put(&f, (uint8_t[6]){0}, 6);
	return f;
}

static struct frame discovery(uint8_t type, const uint8_t *dst, const uint8_t *target)
{
	struct frame f = ethernet(0x86dd);
	put(&f, (uint8_t[8]){0x60, [5] = 24, IPPROTO_ICMPV6, 255}, 8);
	put(&f, peer6, 16);
	put(&f, dst, 16);
	put(&f, (uint8_t[8]){type}, 8);
	put(&f, target, 16);
	return f;
}

static struct frame arp(const uint8_t *sip, const uint8_t *tip)
{
	struct frame f = ethernet(0x0806);
	put(&f, (uint8_t[14]){0, 1, 8, 0, 6, 4, 0, 1}, 14);
	put(&f, sip, 4);
	put(&f, (uint8_t[6]){0}, 6);
	put(&f, tip, 4);
	put(&f, (uint8_t[18]){0}, 18);
	return f;
}

static struct bpf_object *program(bool exclusive, uint16_t vlan)
{
	struct xdp_filter filter = {.exclusive = exclusive, .unread = XDP_TX, .port = htons(PORT), .vlan = vlan};
	filter.first = FIRST;
	filter.last = LAST;
	filter.nv4 = 2;
	filter.v4[0] = htonl(0xc0000201);
	memcpy(&filter.v4[1], us4, sizeof(us4));
	filter.nv6 = 1;
	memcpy(filter.v6[0], us6, sizeof(us6));
	struct bpf_object *obj = xdp_load(&filter);
	if (!obj && (errno == EPERM || errno == EACCES))
		skip();
	assert_non_null(obj);
	return obj;
}

static bool takes(struct bpf_object *obj, struct frame f)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.data, .data_size_in = f.len);
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(bpf_object__next_program(obj, NULL)), &run), 0);
	assert_true(run.retval == XDP_TX || run.retval == XDP_PASS);
	return run.retval == XDP_TX;
}

static void test_net_xdp__shared_takes_tcp_to_our_port(void **state)
{
	struct bpf_object *p = program(false, 0);
	struct frame e4 = ethernet(0x0800), e6 = ethernet(0x86dd);

	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 0, PORT)));
	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0x4000, 0, PORT)));
	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 10, PORT)));
	assert_true(takes(p, ipv6(e6, us6, IPPROTO_TCP, PORT)));
	bpf_object__close(p);
}

static void test_net_xdp__shared_leaves_the_rest_to_the_kernel(void **state)
{
	struct bpf_object *p = program(false, 0);
	struct frame e4 = ethernet(0x0800), e6 = ethernet(0x86dd);

	assert_false(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 0, 22)));
	assert_false(takes(p, ipv4(e4, peer4, IPPROTO_TCP, 0, 0, PORT)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_UDP, 0, 0, PORT)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_ICMP, 0, 0, PORT)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0x2000, 0, PORT)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0x0001, 0, PORT)));
	assert_false(takes(p, ipv6(e6, us6, IPPROTO_TCP, 22)));
	assert_false(takes(p, ipv6(e6, peer6, IPPROTO_TCP, PORT)));
	assert_false(takes(p, ipv6(e6, us6, IPPROTO_ICMPV6, PORT)));
	assert_false(takes(p, discovery(NS, group6, us6)));
	assert_false(takes(p, discovery(NA, all6, us6)));
	assert_false(takes(p, arp(peer4, us4)));
	assert_false(takes(p, ipv4(tagged(7, 0x0800), us4, IPPROTO_TCP, 0, 0, PORT)));
	bpf_object__close(p);
}

static void test_net_xdp__shared_takes_answers_to_connections_that_we_open(void **state)
{
	struct bpf_object *p = program(false, 0);
	struct frame e4 = ethernet(0x0800), e6 = ethernet(0x86dd);

	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 0, FIRST)));
	assert_true(takes(p, ipv6(e6, us6, IPPROTO_TCP, LAST)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 0, FIRST - 1)));
	assert_false(takes(p, ipv6(e6, us6, IPPROTO_TCP, LAST + 1)));
	assert_false(takes(p, ipv4(e4, us4, IPPROTO_UDP, 0, 0, FIRST)));
	bpf_object__close(p);
}

static void test_net_xdp__shared_takes_too_big_about_our_segments_only(void **state)
{
	struct bpf_object *p = program(false, 0);

	assert_true(takes(p, error4(us4, 4, us4, IPPROTO_TCP, PORT)));
	assert_true(takes(p, error4(us4, 4, us4, IPPROTO_TCP, FIRST)));
	assert_false(takes(p, error4(us4, 4, us4, IPPROTO_TCP, 22)));
	assert_false(takes(p, error4(us4, 4, us4, IPPROTO_UDP, PORT)));
	assert_false(takes(p, error4(us4, 4, peer4, IPPROTO_TCP, PORT)));
	assert_false(takes(p, error4(us4, 3, us4, IPPROTO_TCP, PORT)));
	assert_false(takes(p, error4(peer4, 4, us4, IPPROTO_TCP, PORT)));
	assert_true(takes(p, error6(us6, 2, us6, PORT)));
	assert_false(takes(p, error6(us6, 2, us6, 22)));
	assert_false(takes(p, error6(us6, 2, peer6, PORT)));
	assert_false(takes(p, error6(us6, 1, us6, PORT)));
	assert_false(takes(p, error6(us6, 128, us6, PORT)));
	bpf_object__close(p);
}

static void test_net_xdp__exclusive_takes_all_that_is_for_the_address(void **state)
{
	struct bpf_object *p = program(true, 0);
	struct frame e4 = ethernet(0x0800), e6 = ethernet(0x86dd);

	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0, 0, 22)));
	assert_true(takes(p, ipv4(e4, us4, IPPROTO_TCP, 0x2001, 0, 22)));
	assert_true(takes(p, ipv4(e4, us4, IPPROTO_ICMP, 0, 0, 0)));
	assert_true(takes(p, arp(peer4, us4)));
	assert_true(takes(p, arp(us4, peer4)));
	assert_true(takes(p, ipv6(e6, us6, IPPROTO_TCP, 22)));
	assert_true(takes(p, ipv6(e6, us6, IPPROTO_FRAGMENT, 0)));
	assert_true(takes(p, ipv6(e6, us6, IPPROTO_ICMPV6, 0)));
	assert_true(takes(p, discovery(NS, group6, us6)));
	assert_true(takes(p, discovery(NA, us6, peer6)));
	assert_true(takes(p, discovery(NA, all6, us6))); /* somebody else has our address */
	bpf_object__close(p);
}

static void test_net_xdp__exclusive_leaves_what_is_for_others(void **state)
{
	struct bpf_object *p = program(true, 0);

	assert_false(takes(p, ipv4(ethernet(0x0800), peer4, IPPROTO_TCP, 0, 0, PORT)));
	assert_false(takes(p, ipv4(ethernet(0x0800), us4, IPPROTO_UDP, 0, 0, PORT)));
	assert_false(takes(p, arp(peer4, peer4)));
	assert_false(takes(p, discovery(NS, group6, peer6)));
	assert_false(takes(p, discovery(NA, all6, peer6)));
	assert_false(takes(p, discovery(NA, peer6, us6)));
	assert_false(takes(p, discovery(NA + 1, all6, us6)));
	assert_false(takes(p, ipv6(ethernet(0x86dd), us6, IPPROTO_UDP, PORT)));
	assert_false(takes(p, ethernet(0x88cc)));
	bpf_object__close(p);
}

static void test_net_xdp__vlan_takes_its_own_tag_only(void **state)
{
	struct bpf_object *p = program(false, 7);

	assert_true(takes(p, ipv4(tagged(7, 0x0800), us4, IPPROTO_TCP, 0, 0, PORT)));
	assert_true(takes(p, ipv6(tagged(7, 0x86dd), us6, IPPROTO_TCP, PORT)));
	assert_false(takes(p, ipv4(tagged(8, 0x0800), us4, IPPROTO_TCP, 0, 0, PORT)));
	assert_false(takes(p, ipv4(ethernet(0x0800), us4, IPPROTO_TCP, 0, 0, PORT)));
	bpf_object__close(p);
}

static void test_net_xdp__frames_cut_short_are_passed(void **state)
{
	struct bpf_object *p = program(false, 0);
	struct frame f4 = ipv4(ethernet(0x0800), us4, IPPROTO_TCP, 0, 0, PORT);
	struct frame f6 = ipv6(ethernet(0x86dd), us6, IPPROTO_TCP, PORT);

	for (uint32_t len = 14; len <= 60; len++) {
		f4.len = f6.len = len;
		assert_int_equal(takes(p, f4), len >= 14 + 20 + 4);
		assert_int_equal(takes(p, f6), len >= 14 + 40 + 4);
	}
	bpf_object__close(p);
}

int main(void)
{
	libbpf_set_print(NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_net_xdp__shared_takes_tcp_to_our_port),
		cmocka_unit_test(test_net_xdp__shared_leaves_the_rest_to_the_kernel),
		cmocka_unit_test(test_net_xdp__shared_takes_answers_to_connections_that_we_open),
		cmocka_unit_test(test_net_xdp__shared_takes_too_big_about_our_segments_only),
		cmocka_unit_test(test_net_xdp__exclusive_takes_all_that_is_for_the_address),
		cmocka_unit_test(test_net_xdp__exclusive_leaves_what_is_for_others),
		cmocka_unit_test(test_net_xdp__vlan_takes_its_own_tag_only),
		cmocka_unit_test(test_net_xdp__frames_cut_short_are_passed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
