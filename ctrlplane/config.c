#include <arpa/inet.h>
#include <stdlib.h>

#include "base/glob.h"
#include "ctrlplane/config_value.h"

#define OFFSET_STRING(field)    offsetof(struct config, field)
#define OFFSET_BOOL(field)      offsetof(struct config, field)
#define OFFSET_INT(field)       offsetof(struct config, field)
#define OFFSET_MEMORY(field)    offsetof(struct config, field)
#define OFFSET_PORTION(field)   offsetof(struct config, field)
#define OFFSET_DURATION(field)  offsetof(struct config, field)
#define OFFSET_ENUM(field)      offsetof(struct config, field)
#define OFFSET_ADDRESSES(field) offsetof(struct config, field)
#define OFFSET_IPS(field)       offsetof(struct config, field)
#define OFFSET_CPUS(field)      offsetof(struct config, field)
#define OFFSET_OUTPUT(field)    offsetof(struct config, field)
#define OFFSET_EVENTS(field)    offsetof(struct config, field)
#define OFFSET_SAVE(field)      offsetof(struct config, field)
#define OFFSET_ABSENT(field)    0

#define RANGE(low, high) .lo = (low), .hi = (high)
#define WORDS(list)      .words = (list)
#define NONE             .words = NULL
#define FIXED            true
#define LIVE             false

static const struct config_option options[] = {
#define OPTION(field_, name_, type_, def_, bounds_, flags_, help_) \
	{.name = (name_),                                          \
	 .def = (def_),                                            \
	 .help = (help_),                                          \
	 .type = CONFIG_##type_,                                   \
	 .fixed = (flags_),                                        \
	 .offset = OFFSET_##type_(field_),                         \
	 bounds_},
#include "ctrlplane/options.def"
#undef OPTION
};

/* Redis's older names of some. */
static const struct {
	const char *alias, *name;
} aliases[] = {
	{"lua-time-limit", "busy-reply-threshold"},
	{"list-max-ziplist-size", "list-max-listpack-size"},
	{"hash-max-ziplist-entries", "hash-max-listpack-entries"},
	{"hash-max-ziplist-value", "hash-max-listpack-value"},
	{"zset-max-ziplist-entries", "zset-max-listpack-entries"},
	{"zset-max-ziplist-value", "zset-max-listpack-value"},
	{"slaveof", "replicaof"},
	{"min-slaves-to-write", "min-replicas-to-write"},
	{"min-slaves-max-lag", "min-replicas-max-lag"},
	{"repl-ping-slave-period", "repl-ping-replica-period"},
	{"slave-read-only", "replica-read-only"},
	{"slave-serve-stale-data", "replica-serve-stale-data"},
	{"slave-priority", "replica-priority"},
	{"slave-announce-ip", "replica-announce-ip"},
	{"slave-announce-port", "replica-announce-port"},
	{"slave-ignore-maxmemory", "replica-ignore-maxmemory"},
	{"slave-lazy-flush", "replica-lazy-flush"},
};

uint32_t config_count(void)
{
	return RP_ARRAY_LEN(options);
}

uint32_t config_names(void)
{
	return RP_ARRAY_LEN(options) + RP_ARRAY_LEN(aliases);
}

const struct config_option *config_at(uint32_t i)
{
	rp_assert(i < config_count());
	return &options[i];
}

const struct config_option *config_find(struct slice name)
{
	for (uint32_t i = 0; i < config_count(); i++)
		if (slice_is(name, options[i].name))
			return &options[i];
	for (uint32_t i = 0; i < RP_ARRAY_LEN(aliases); i++)
		if (slice_is(name, aliases[i].alias))
			return config_find((struct slice){aliases[i].name, strlen(aliases[i].name)});
	return NULL;
}

void config_init(struct config *c)
{
	struct err e;

	memset(c, 0, sizeof(*c));
	for (uint32_t i = 0; i < config_count(); i++) {
		struct slice def = {options[i].def, strlen(options[i].def)};
		rp_assert(config_value_parse(&options[i], (char *)c + options[i].offset, def, false, &e) == 0);
	}
}

/* Levenshtein distance, for directives' short names. */
static size_t edit_distance(struct slice a, const char *b)
{
	size_t row[64], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];
			size_t swap = diagonal + (a.ptr[i - 1] != b[j - 1]);
			row[j] = RP_MIN(swap, RP_MIN(above, row[j - 1]) + 1);
			diagonal = above;
		}
	}
	return row[n];
}

static int err_unknown(struct slice name, struct err *e)
{
	const char *best = NULL;
	size_t least = RP_MAX(name.len / 3, 2) + 1;
	int shown = (int)RP_MIN(name.len, 64);

	for (uint32_t i = 0; i < config_count() && name.len < 64; i++) {
		size_t d = edit_distance(name, options[i].name);
		if (d < least) {
			least = d;
			best = options[i].name;
		}
	}
	if (best)
		return err_set(e, "unknown directive '%.*s'; did you mean '%s'?", shown, name.ptr, best);
	return err_set(e, "unknown directive '%.*s'; redpoll.conf explains all there are", shown, name.ptr);
}

int config_set(struct config *c, struct slice name, struct slice value, bool at_boot, struct err *e)
{
	const struct config_option *o = config_find(name);

	if (!o)
		return err_unknown(name, e);
	if (o->fixed && !at_boot)
		return err_set(e, "can't set immutable config");
	return config_value_parse(o, (char *)c + o->offset, value, false, e);
}

size_t config_format(const struct config *c, const struct config_option *o, char *buf)
{
	return config_value_format(o, (const char *)c + o->offset, CONFIG_STYLE_GET, buf);
}

static const char *name_at(uint32_t i)
{
	return i < RP_ARRAY_LEN(options) ? options[i].name : aliases[i - RP_ARRAY_LEN(options)].alias;
}

static bool get_one(const struct config *c, struct slice pattern, uint32_t number, config_visit_fn fn, void *ctx)
{
	const char *name = name_at(number);
	char value[CONFIG_VALUE_MAX];
	struct slice word = {name, strlen(name)};

	if (!glob_match(pattern, word, true))
		return false;
	config_format(c, config_find(word), value);
	fn(ctx, number, name, value);
	return true;
}

uint32_t config_get(const struct config *c, struct slice pattern, config_visit_fn fn, void *ctx)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < config_names(); i++)
		n += get_one(c, pattern, i, fn, ctx);
	return n;
}

struct config_addrs config_addresses(const struct config *c)
{
	struct config_addrs list = c->address;

	if (list.n == 0 && strncmp(c->device, "af_xdp:", 7) != 0) {
		list.addr[0].family = 4;
		inet_pton(AF_INET, "10.77.0.2", &list.addr[0].v4);
		list.addr[0].prefix_len = 24;
		list.n = 1;
	}
	return list;
}

/* Do the first bits agree? */
static bool same_prefix(const struct config_ip *a, const struct config_ip *b, uint32_t bits)
{
	bits = RP_MIN(bits, a->family == 4 ? 32u : 128u);
	for (uint32_t i = 0; i < bits; i++)
		if ((a->v6[i / 8] ^ b->v6[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* Link-local gateways are on every link that has IPv6. */
static bool on_link(const struct config_addrs *list, const struct config_ip *gw)
{
	bool link_local = gw->family == 6 && gw->v6[0] == 0xfe && (gw->v6[1] & 0xc0) == 0x80;

	for (uint32_t i = 0; i < list->n; i++)
		if (list->addr[i].family == gw->family &&
		    (link_local || same_prefix(&list->addr[i], gw, list->addr[i].prefix_len)))
			return true;
	return gw->family == 0;
}

static int check_network(const struct config *c, struct err *e)
{
	const struct config_addrs list = config_addresses(c);
	uint8_t any[16];
	bool v6 = false;

	for (uint32_t i = 0; i < list.n; i++) {
		v6 |= list.addr[i].family == 6;
		for (uint32_t k = 0; k < i; k++)
			if (list.addr[i].family == list.addr[k].family &&
			    same_prefix(&list.addr[i], &list.addr[k], 128))
				return err_set(e, "an address is named twice; remove one of the two 'address' values");
	}
	if (list.n && (!on_link(&list, &c->gateway.v4) || !on_link(&list, &c->gateway.v6)))
		return err_set(e, "the gateway is in none of our networks; correct 'gateway' or a prefix of 'address'");
	if (c->mtu && c->mtu < 576)
		return err_set(e, "mtu %d is too small; set at least 576, or 0 for the device's", (int)c->mtu);
	if (c->mtu && c->mtu < 1280 && v6)
		return err_set(e, "mtu %d is too small for IPv6; set at least 1280, or 0 for the device's",
			       (int)c->mtu);
	if (c->port == 0 && c->admin_port == 0)
		return err_set(e, "nothing would listen; set 'port' or 'admin-port'");
	if (inet_pton(AF_INET, c->admin_bind, any) != 1 && inet_pton(AF_INET6, c->admin_bind, any) != 1)
		return err_set(e, "admin-bind '%.64s' is not an IP address; set for example 127.0.0.1", c->admin_bind);
	return 0;
}

static bool percentiles_ok(const char *list)
{
	char *end;

	for (const char *p = list; *p != '\0'; p = end) {
		double percent = strtod(p, &end);
		if (end == p || !(percent >= 0 && percent <= 100) || (*end != ' ' && *end != '\0'))
			return false;
		end += *end == ' ' && end[1] != '\0';
	}
	return true;
}

int config_check(const struct config *c, struct err *e)
{
	if (check_network(c, e))
		return -1;
	if (c->device[0] == '\0')
		return err_set(e, "there is no device; set 'device', for example to tap");
	if (c->file_prefix[0] == '\0' || strchr(c->file_prefix, '/'))
		return err_set(e, "file-prefix must be a name without '/'; set for example redpoll");
	if (c->dbfilename[0] == '\0' || strchr(c->dbfilename, '/'))
		return err_set(e, "dbfilename can't be a path, just a filename");
	if (c->cores.n && c->cores.n != (uint64_t)c->workers)
		return err_set(e, "cores names %u CPUs for %d workers; name one for each worker", c->cores.n,
			       (int)c->workers);
	if (!percentiles_ok(c->latency_percentiles))
		return err_set(e, "latency-tracking-info-percentiles must be numbers from 0 to 100 with single blanks "
				  "between them, as in 50 99 99.9");
	if (c->tcp_rto_min_us > c->tcp_rto_max_us)
		return err_set(e, "tcp-rto-min is above tcp-rto-max; lower the former or raise the latter");
	return 0;
}

void config_usage(FILE *out)
{
	fprintf(out, "usage: redpoll [CONFIG_FILE] [--directive value ...]...\n\n"
		     "Directives, with their defaults (the same words as in the file):\n");
	for (uint32_t i = 0; i < config_count(); i++)
		fprintf(out, "  --%s %s\n      %s\n", options[i].name, options[i].def[0] ? options[i].def : "\"\"",
			options[i].help);
}
