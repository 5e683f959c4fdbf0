/* Places: adding, and what single members are asked. */
#include <stdio.h>

#include "cmd/geo_args.h"
#include "cmd/handlers.h"

#define ADD_INLINE 8 /* members of one GEOADD that need no allocation for their scores */

bool geo_arg_point(struct cmd_ctx *c, uint32_t i, struct geo_point *p)
{
	if (!cmd_arg_double(c, i, &p->lon) || !cmd_arg_double(c, i + 1, &p->lat))
		return false;
	if (geo_in_range(*p))
		return true;
	reply_errorf(c->out, "ERR invalid longitude,latitude pair %f,%f", p->lon, p->lat);
	return false;
}

bool geo_arg_unit(struct cmd_ctx *c, uint32_t i, double *metres)
{
	static const struct {
		const char *word;
		double metres;
	} units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

	for (uint32_t k = 0; k < RP_ARRAY_LEN(units); k++)
		if (cmd_arg_is(c, i, units[k].word)) {
			*metres = units[k].metres;
			return true;
		}
	reply_error(c->out, "ERR unsupported unit provided. please use M, KM, FT, MI");
	return false;
}

void geo_reply_distance(struct cmd_ctx *c, double metres, double unit)
{
	char text[NUM_DOUBLE_CHARS];
	int n = snprintf(text, sizeof text, "%.4f", metres / unit);

	reply_bulk(c->out, text, (size_t)n);
}

/* Seventeen decimals, of RESP3 too: not the shortest text, which reply_double() writes. */
static void reply_coordinate(struct cmd_ctx *c, double d)
{
	char text[NUM_LD_CHARS + 3];
	size_t n = num_format_ld_human(text + 1, (long double)d);

	if (c->out->proto == 2) {
		reply_bulk(c->out, text + 1, n);
		return;
	}
	text[0] = ',';
	memcpy(text + 1 + n, "\r\n", 2);
	reply_raw(c->out, text, n + 3);
}

void geo_reply_point(struct cmd_ctx *c, struct geo_point p)
{
	reply_array(c->out, 2);
	reply_coordinate(c, p.lon);
	reply_coordinate(c, p.lat);
}

/* ---- GEOADD -------------------------------------------------------------------------------------------------- */

static uint32_t geoadd_flags(struct cmd_ctx *c, uint32_t *flags, bool *ch)
{
	uint32_t i = 2;

	for (; i < c->argc; i++)
		if (cmd_arg_is(c, i, "nx"))
			*flags |= ZADD_NX;
		else if (cmd_arg_is(c, i, "xx"))
			*flags |= ZADD_XX;
		else if (cmd_arg_is(c, i, "ch"))
			*ch = true;
		else
			break;
	return i;
}

static bool geoadd_items(struct cmd_ctx *c, uint32_t first, uint32_t n, struct zitem *items)
{
	struct geo_point p;

	for (uint32_t i = 0; i < n; i++) {
		if (!geo_arg_point(c, first + 3 * i, &p))
			return false;
		items[i] = (struct zitem){c->argv[first + 3 * i + 2], geo_score(p)};
	}
	return true;
}

void cmd_geoadd(struct cmd_ctx *c)
{
	struct zitem few[ADD_INLINE], *items = few;
	uint32_t flags = 0;
	bool ch = false;
	uint32_t first = geoadd_flags(c, &flags, &ch), n = (c->argc - first) / 3;

	if (n == 0 || (c->argc - first) % 3 != 0 || (flags & ZADD_NX && flags & ZADD_XX)) {
		cmd_err_syntax(c);
		return;
	}
	if (n > ADD_INLINE && (items = heap_alloc(c->env->heap, n * sizeof *items)) == NULL) {
		cmd_err_oom(c);
		return;
	}
	if (geoadd_items(c, first, n, items))
		zset_add_items(c, n, items, flags, ch);
	if (items != few)
		heap_free(c->env->heap, items);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

void cmd_geodist(struct cmd_ctx *c)
{
	double unit = 1, a, b;
	bool wrong;

	if (c->argc > 5) {
		cmd_err_syntax(c);
		return;
	}
	if (c->argc == 5 && !geo_arg_unit(c, 4, &unit))
		return;
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	if (wrong)
		return;
	if (zval_score(v, c->argv[2], &a) && zval_score(v, c->argv[3], &b))
		geo_reply_distance(c, geo_distance(geo_of_score(a), geo_of_score(b)), unit);
	else
		reply_null(c->out);
}

void cmd_geohash(struct cmd_ctx *c)
{
	bool wrong;
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	char text[GEO_HASH_CHARS];
	double score;

	if (wrong)
		return;
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++) {
		if (!zval_score(v, c->argv[i], &score)) {
			reply_null(c->out);
			continue;
		}
		geo_hash(geo_of_score(score), text);
		reply_bulk(c->out, text, sizeof text);
	}
}

void cmd_geopos(struct cmd_ctx *c)
{
	bool wrong;
	struct zval v = zval_of(zset_read_key(c, c->argv[1], &wrong));
	double score;

	if (wrong)
		return;
	reply_array(c->out, c->argc - 2);
	for (uint32_t i = 2; i < c->argc; i++)
		if (zval_score(v, c->argv[i], &score))
			geo_reply_point(c, geo_of_score(score));
		else
			reply_null_array(c->out);
}
