#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "ctrlplane/config_value.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit memory_units[] = {{"", 1},        {"b", 1},           {"k", 1000},       {"kb", 1ull << 10},
					   {"m", 1000000}, {"mb", 1ull << 20}, {"g", 1000000000}, {"gb", 1ull << 30}};
static const struct unit duration_units[] = {
	{"us", 1}, {"ms", 1000}, {"s", 1000000}, {"min", 60000000}, {"h", 3600000000}};

static const char *const client_class[CONFIG_CLIENT_CLASSES] = {"normal", "slave", "pubsub"};

/* Letters of notify-keyspace-events in the order in which Redis writes them. */
static const struct event {
	char letter;
	uint32_t bit;
} events[] = {{'g', 1u << 2},  {'$', 1u << 3}, {'l', 1u << 4}, {'s', 1u << 5},  {'h', 1u << 6},
	      {'z', 1u << 7},  {'x', 1u << 8}, {'e', 1u << 9}, {'t', 1u << 10}, {'d', 1u << 13},
	      {'n', 1u << 14}, {'K', 1u << 0}, {'E', 1u << 1}, {'m', 1u << 11}};
#define EVENTS_ALL 0x27fcu /* "A": g$lshzxetd */

bool config_word_next(struct slice *rest, struct slice *word)
{
	while (rest->len && isspace((unsigned char)rest->ptr[0]))
		rest->ptr++, rest->len--;
	word->ptr = rest->ptr;
	word->len = 0;
	while (word->len < rest->len && !isspace((unsigned char)rest->ptr[word->len]))
		word->len++;
	rest->ptr += word->len;
	rest->len -= word->len;
	return word->len > 0;
}

static int check_range(const struct config_option *o, int64_t v, struct err *e)
{
	if (v >= o->lo && v <= o->hi)
		return 0;
	return err_set(e, "argument must be between %" PRId64 " and %" PRId64 " inclusive", o->lo, o->hi);
}

/* A number with one of the units: digits first, then the unit's name. */
static bool parse_quantity(struct slice s, const struct unit *units, size_t nunits, uint64_t *out)
{
	size_t digits = 0;
	uint64_t v = 0;

	for (; digits < s.len && isdigit((unsigned char)s.ptr[digits]); digits++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.ptr[digits] - '0', &v))
			return false;
	if (digits == 0)
		return false;
	struct slice unit = {s.ptr + digits, s.len - digits};
	for (size_t i = 0; i < nunits; i++)
		if (slice_is(unit, units[i].name))
			return !__builtin_mul_overflow(v, units[i].factor, out) && *out <= INT64_MAX;
	return false;
}

static int parse_memory(const struct config_option *o, uint64_t *field, struct slice s, struct err *e)
{
	uint64_t v;

	if (!parse_quantity(s, memory_units, RP_ARRAY_LEN(memory_units), &v))
		return err_set(e, "argument must be a memory value");
	if (check_range(o, (int64_t)v, e))
		return -1;
	*field = v;
	return 0;
}

/* Bytes, or a percentage of something. */
static int parse_portion(const struct config_option *o, int64_t *field, struct slice s, struct err *e)
{
	bool percent = s.len > 0 && s.ptr[s.len - 1] == '%';
	uint64_t v;

	if (!(percent ? num_parse_u64((struct slice){s.ptr, s.len - 1}, &v)
		      : parse_quantity(s, memory_units, RP_ARRAY_LEN(memory_units), &v)))
		return err_set(e, "argument must be a memory or percent value");
	if (percent && v > 100)
		return err_set(e, "percentage argument must be less or equal to 100");
	if (check_range(o, (int64_t)v, e))
		return -1;
	*field = percent ? -(int64_t)v : (int64_t)v;
	return 0;
}

static size_t format_duration(uint64_t us, char *buf)
{
	size_t i = us ? RP_ARRAY_LEN(duration_units) - 1 : 2;

	while (us % duration_units[i].factor)
		i--;
	return (size_t)sprintf(buf, "%" PRIu64 "%s", us / duration_units[i].factor, duration_units[i].name);
}

static int parse_duration(const struct config_option *o, uint64_t *field, struct slice s, struct err *e)
{
	uint64_t v;

	if (s.len == 1 && s.ptr[0] == '0')
		v = 0;
	else if (!parse_quantity(s, duration_units, RP_ARRAY_LEN(duration_units), &v))
		return err_set(e, "argument must be a duration with its unit: us, ms, s, min or h, as in 5ms");
	if ((int64_t)v < o->lo || (int64_t)v > o->hi) {
		char lo[32], hi[32];
		format_duration((uint64_t)o->lo, lo);
		format_duration((uint64_t)o->hi, hi);
		return err_set(e, "argument must be between %s and %s inclusive", lo, hi);
	}
	*field = v;
	return 0;
}

static int parse_int(const struct config_option *o, int64_t *field, struct slice s, struct err *e)
{
	int64_t v;

	if (!num_parse_i64(s, &v))
		return err_set(e, "argument couldn't be parsed into an integer");
	if (check_range(o, v, e))
		return -1;
	*field = v;
	return 0;
}

static int parse_string(char *field, struct slice s, struct err *e)
{
	if (s.len >= CONFIG_STRING_MAX)
		return err_set(e, "argument must be shorter than %d bytes", CONFIG_STRING_MAX);
	if (memchr(s.ptr, '\0', s.len))
		return err_set(e, "argument must not contain a NUL byte");
	memset(field, 0, CONFIG_STRING_MAX);
	memcpy(field, s.ptr, s.len);
	return 0;
}

static int parse_bool(bool *field, struct slice s, struct err *e)
{
	bool yes = slice_is(s, "yes");

	if (!yes && !slice_is(s, "no"))
		return err_set(e, "argument must be 'yes' or 'no'");
	*field = yes;
	return 0;
}

/* The i-th of the words, which are separated by bars; empty if there are fewer. */
static struct slice word_at(const char *words, int i)
{
	for (; i > 0 && *words; i--) {
		words += strcspn(words, "|");
		words += *words == '|';
	}
	return (struct slice){words, strcspn(words, "|")};
}

static int parse_enum(const struct config_option *o, int *field, struct slice s, struct err *e)
{
	char list[256];
	size_t n = 0;

	for (int i = 0; word_at(o->words, i).len; i++) {
		struct slice w = word_at(o->words, i);
		if (s.len == w.len && strncasecmp(s.ptr, w.ptr, w.len) == 0) {
			*field = i;
			return 0;
		}
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.*s", i ? ", " : "", (int)w.len, w.ptr);
	}
	return err_set(e, "argument(s) must be one of the following: %s", list);
}

static bool parse_host(struct slice s, struct config_ip *ip)
{
	static const uint8_t none[16];
	char text[INET6_ADDRSTRLEN];

	memset(ip, 0, sizeof(*ip));
	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	if (inet_pton(AF_INET, text, &ip->v4) == 1)
		ip->family = 4;
	else if (inet_pton(AF_INET6, text, ip->v6) == 1)
		ip->family = 6;
	return ip->family && memcmp(ip->v6, none, sizeof(none)) != 0;
}

static int parse_address(struct config_ip *out, struct slice s, struct err *e)
{
	const char *slash = memchr(s.ptr, '/', s.len);
	int64_t len;

	if (!slash || !parse_host((struct slice){s.ptr, (size_t)(slash - s.ptr)}, out) ||
	    !num_parse_i64((struct slice){slash + 1, s.len - (size_t)(slash + 1 - s.ptr)}, &len) || len < 1 ||
	    len > (out->family == 4 ? 32 : 128))
		return err_set(
			e, "'%.*s' is not an IP address with its prefix length, as in 10.0.0.1/24 or 2001:db8::1/64",
			(int)RP_MIN(s.len, 64), s.ptr);
	out->prefix_len = (uint8_t)len;
	return 0;
}

static int parse_addresses(struct config_addrs *field, struct slice s, bool append, struct err *e)
{
	struct config_addrs list = {0};
	struct slice word;

	if (append)
		list = *field;
	while (config_word_next(&s, &word)) {
		if (list.n == CONFIG_ADDRS_MAX)
			return err_set(e, "there may be at most %d addresses", CONFIG_ADDRS_MAX);
		if (parse_address(&list.addr[list.n], word, e))
			return -1;
		list.n++;
	}
	*field = list;
	return 0;
}

static int parse_ips(struct config_ips *field, struct slice s, struct err *e)
{
	struct config_ips ips = {0};
	struct slice word;

	while (config_word_next(&s, &word)) {
		struct config_ip ip, *to;
		bool ok = parse_host(word, &ip);
		to = ip.family == 4 ? &ips.v4 : &ips.v6;
		if (!ok || to->family)
			return err_set(e, "argument must be an IPv4 address, an IPv6 address or one of each, as in "
					  "10.0.0.254 fe80::1");
		*to = ip;
	}
	*field = ips;
	return 0;
}

static int parse_cpus(struct config_cpus *field, struct slice s, struct err *e)
{
	struct config_cpus cpus = {0};
	char text[CONFIG_VALUE_MAX], *p = text, *end;

	if (s.len >= sizeof(text))
		return err_set(e, "argument is too long");
	memcpy(text, s.ptr, s.len);
	text[s.len] = '\0';
	while (*p) {
		unsigned long first, last;
		if (!isdigit((unsigned char)*p))
			goto bad;
		first = last = strtoul(p, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (last < first || last > 1023 || (*end && *end != ',' && *end != ' '))
			goto bad;
		for (; first <= last; first++) {
			if (cpus.n == RP_MAX_WORKERS)
				return err_set(e, "there may be at most %d CPUs", RP_MAX_WORKERS);
			cpus.cpu[cpus.n++] = (int)first;
		}
		p = end + strspn(end, ", ");
	}
	*field = cpus;
	return 0;
bad:
	return err_set(e, "argument must be a list of CPUs, as in 1,2-3");
}

static int client_class_of(struct slice s)
{
	if (slice_is(s, "replica"))
		return CONFIG_CLIENT_REPLICA;
	for (int i = 0; i < CONFIG_CLIENT_CLASSES; i++)
		if (slice_is(s, client_class[i]))
			return i;
	return -1;
}

/* Groups of class, hard limit, soft limit, seconds; classes not named keep theirs. */
static int parse_output(struct config_output *field, struct slice s, struct err *e)
{
	struct config_output out = *field;
	struct slice word[4];
	size_t n = RP_ARRAY_LEN(memory_units);

	while (config_word_next(&s, &word[0])) {
		int64_t soft_s;
		int cls = client_class_of(word[0]);
		if (cls < 0)
			return err_set(e, "Invalid client class specified in buffer limit configuration.");
		for (int i = 1; i < 4; i++)
			if (!config_word_next(&s, &word[i]))
				return err_set(e, "Wrong number of arguments in buffer limit configuration.");
		if (!parse_quantity(word[1], memory_units, n, &out.cls[cls].hard_bytes) ||
		    !parse_quantity(word[2], memory_units, n, &out.cls[cls].soft_bytes) ||
		    !num_parse_i64(word[3], &soft_s) || soft_s < 0 || soft_s > INT32_MAX)
			return err_set(e, "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
		out.cls[cls].soft_s = (uint32_t)soft_s;
	}
	*field = out;
	return 0;
}

static int parse_events(uint32_t *field, struct slice s, struct err *e)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < s.len; i++) {
		uint32_t bit = s.ptr[i] == 'A' ? EVENTS_ALL : 0;
		for (size_t k = 0; k < RP_ARRAY_LEN(events); k++)
			if (events[k].letter == s.ptr[i])
				bit = events[k].bit;
		if (!bit)
			return err_set(e, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
		bits |= bit;
	}
	*field = bits;
	return 0;
}

/* Pairs of seconds and changes; none: never. */
static int parse_save(struct config_save *field, struct slice s, bool append, struct err *e)
{
	struct config_save out = {0};
	struct slice word;

	if (append)
		out = *field;
	if (s.len == 0)
		out.n = 0;
	while (config_word_next(&s, &word)) {
		int64_t seconds, changes;
		struct slice second;
		if (!num_parse_i64(word, &seconds) || seconds < 1 || !config_word_next(&s, &second) ||
		    !num_parse_i64(second, &changes) || changes < 0)
			return err_set(e, "Invalid save parameters");
		if (out.n == CONFIG_SAVE_MAX)
			return err_set(e, "there may be at most %d save points", CONFIG_SAVE_MAX);
		out.point[out.n++] = (struct config_save_point){seconds, (uint64_t)changes};
	}
	*field = out;
	return 0;
}

int config_value_parse(const struct config_option *o, void *field, struct slice s, bool append, struct err *e)
{
	switch (o->type) {
	case CONFIG_STRING:
		return parse_string(field, s, e);
	case CONFIG_BOOL:
		return parse_bool(field, s, e);
	case CONFIG_INT:
		return parse_int(o, field, s, e);
	case CONFIG_MEMORY:
		return parse_memory(o, field, s, e);
	case CONFIG_PORTION:
		return parse_portion(o, field, s, e);
	case CONFIG_DURATION:
		return parse_duration(o, field, s, e);
	case CONFIG_ENUM:
		return parse_enum(o, field, s, e);
	case CONFIG_ADDRESSES:
		return parse_addresses(field, s, append, e);
	case CONFIG_IPS:
		return parse_ips(field, s, e);
	case CONFIG_CPUS:
		return parse_cpus(field, s, e);
	case CONFIG_OUTPUT:
		return parse_output(field, s, e);
	case CONFIG_EVENTS:
		return parse_events(field, s, e);
	case CONFIG_SAVE:
		return parse_save(field, s, append, e);
	case CONFIG_ABSENT:
		break;
	}
	if (slice_is(s, o->def))
		return 0;
	return err_set(e, "%s", o->help);
}

static size_t format_memory(uint64_t v, enum config_style style, char *buf)
{
	static const struct unit units[] = {{"gb", 1ull << 30}, {"mb", 1ull << 20}, {"kb", 1ull << 10}};

	for (size_t i = 0; style == CONFIG_STYLE_FILE && v && i < RP_ARRAY_LEN(units); i++)
		if (v % units[i].factor == 0)
			return (size_t)sprintf(buf, "%" PRIu64 "%s", v / units[i].factor, units[i].name);
	return (size_t)sprintf(buf, "%" PRIu64, v);
}

static size_t format_ip(const struct config_ip *ip, char *buf)
{
	buf[0] = '\0';
	if (ip->family)
		inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->v6, buf, INET6_ADDRSTRLEN);
	return strlen(buf);
}

static size_t format_ips(const struct config_ips *ips, char *buf)
{
	size_t n = format_ip(&ips->v4, buf);

	if (n && ips->v6.family)
		buf[n++] = ' ';
	return n + format_ip(&ips->v6, buf + n);
}

static size_t format_addresses(const struct config_addrs *list, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < list->n; i++) {
		if (i)
			buf[n++] = ' ';
		n += format_ip(&list->addr[i], buf + n);
		n += (size_t)sprintf(buf + n, "/%u", list->addr[i].prefix_len);
	}
	return n;
}

static size_t format_cpus(const struct config_cpus *cpus, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < cpus->n; i++)
		n += (size_t)sprintf(buf + n, "%s%d", i ? "," : "", cpus->cpu[i]);
	return n;
}

static size_t format_output(const struct config_output *out, enum config_style style, char *buf)
{
	size_t n = 0;

	for (int i = 0; i < CONFIG_CLIENT_CLASSES; i++) {
		n += (size_t)sprintf(buf + n, "%s%s ", i ? " " : "", client_class[i]);
		n += format_memory(out->cls[i].hard_bytes, style, buf + n);
		buf[n++] = ' ';
		n += format_memory(out->cls[i].soft_bytes, style, buf + n);
		n += (size_t)sprintf(buf + n, " %u", out->cls[i].soft_s);
	}
	return n;
}

static size_t format_events(uint32_t bits, char *buf)
{
	size_t n = 0;
	bool all = (bits & EVENTS_ALL) == EVENTS_ALL;

	if (all)
		buf[n++] = 'A';
	for (size_t i = 0; i < RP_ARRAY_LEN(events); i++)
		if ((bits & events[i].bit) && !(all && (events[i].bit & EVENTS_ALL)))
			buf[n++] = events[i].letter;
	buf[n] = '\0';
	return n;
}

static size_t format_save(const struct config_save *save, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < save->n; i++)
		n += (size_t)sprintf(buf + n, "%s%" PRId64 " %" PRIu64, i ? " " : "", save->point[i].seconds,
				     save->point[i].changes);
	return n;
}

size_t config_value_format(const struct config_option *o, const void *field, enum config_style style, char *buf)
{
	const char *text = o->def;
	struct slice word;

	switch (o->type) {
	case CONFIG_STRING:
		text = field;
		break;
	case CONFIG_BOOL:
		text = *(const bool *)field ? "yes" : "no";
		break;
	case CONFIG_INT:
		return (size_t)sprintf(buf, "%" PRId64, *(const int64_t *)field);
	case CONFIG_MEMORY:
		return format_memory(*(const uint64_t *)field, style, buf);
	case CONFIG_PORTION:
		if (*(const int64_t *)field < 0)
			return (size_t)sprintf(buf, "%" PRId64 "%%", -*(const int64_t *)field);
		return format_memory((uint64_t) * (const int64_t *)field, style, buf);
	case CONFIG_DURATION:
		return format_duration(*(const uint64_t *)field, buf);
	case CONFIG_ENUM:
		word = word_at(o->words, *(const int *)field);
		return (size_t)sprintf(buf, "%.*s", (int)word.len, word.ptr);
	case CONFIG_ADDRESSES:
		return format_addresses(field, buf);
	case CONFIG_IPS:
		return format_ips(field, buf);
	case CONFIG_CPUS:
		return format_cpus(field, buf);
	case CONFIG_OUTPUT:
		return format_output(field, style, buf);
	case CONFIG_EVENTS:
		return format_events(*(const uint32_t *)field, buf);
	case CONFIG_SAVE:
		return format_save(field, buf);
	case CONFIG_ABSENT:
		break;
	}
	return (size_t)sprintf(buf, "%s", text);
}
