/* Rounded step by step as written, whatever the CPU could fuse: the last bit decides who is within a radius. */
#pragma GCC optimize("fp-contract=off")

#include "store/geo.h"

#define EARTH_RADIUS  6372797.560856 /* metres */
#define MERCATOR_HALF 20037726.37    /* metres */

/* A square: `step` bits of each coordinate. step 0: none. */
struct cell {
	uint64_t bits;
	uint32_t step;
};

struct cell_bounds {
	struct geo_point min, max;
};

static double radians(double degrees)
{
	return degrees * (M_PI / 180.0);
}
static double degrees(double radians)
{
	return radians / (M_PI / 180.0);
}

/* ---- bits ---------------------------------------------------------------------------------------------------- */

/* The bits of v at even positions. */
static uint64_t spread(uint32_t v)
{
	uint64_t x = v;

	x = (x | x << 16) & 0x0000ffff0000ffff;
	x = (x | x << 8) & 0x00ff00ff00ff00ff;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
	x = (x | x << 2) & 0x3333333333333333;
	return (x | x << 1) & 0x5555555555555555;
}

static uint32_t gather(uint64_t x)
{
	x &= 0x5555555555555555;
	x = (x | x >> 1) & 0x3333333333333333;
	x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0f;
	x = (x | x >> 4) & 0x00ff00ff00ff00ff;
	x = (x | x >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(x | x >> 16);
}

static struct cell cell_of(struct geo_point p, double lat_max, uint32_t step)
{
	double lat = (p.lat + lat_max) / (2 * lat_max), lon = (p.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX);
	double parts = (double)(1ull << step);

	return (struct cell){spread((uint32_t)(lat * parts)) | spread((uint32_t)(lon * parts)) << 1, step};
}

static struct cell_bounds bounds_of(struct cell c)
{
	uint32_t lat = gather(c.bits), lon = gather(c.bits >> 1);
	double parts = (double)(1ull << c.step), height = 2 * GEO_LAT_MAX, width = 2 * GEO_LON_MAX;

	return (struct cell_bounds){
		.min = {-GEO_LON_MAX + lon * 1.0 / parts * width, -GEO_LAT_MAX + lat * 1.0 / parts * height},
		.max = {-GEO_LON_MAX + (lon + 1.0) / parts * width, -GEO_LAT_MAX + (lat + 1.0) / parts * height},
	};
}

/* The square `dx` to the east and `dy` to the north; around the world if need be. */
static struct cell neighbour(struct cell c, int dx, int dy)
{
	uint32_t mask = (uint32_t)((1ull << c.step) - 1);
	uint32_t lat = gather(c.bits), lon = gather(c.bits >> 1);

	/* the very edge of the map is one beyond the last square: only a move brings it back */
	if (dx != 0)
		lon = (lon + (uint32_t)dx) & mask;
	if (dy != 0)
		lat = (lat + (uint32_t)dy) & mask;
	return (struct cell){spread(lat) | spread(lon) << 1, c.step};
}

double geo_score(struct geo_point p)
{
	return (double)cell_of(p, GEO_LAT_MAX, GEO_STEP).bits;
}

/* Any score has a place. Those that no place has become the bits that the conversion on x86-64 leaves, as in Redis. */
static uint64_t bits_of_score(double score)
{
	if (score < 0)
		return score >= -0x1p63 ? (uint64_t)(int64_t)score : 1ull << 63;
	return score < 0x1p64 ? (uint64_t)score : 0;
}

struct geo_point geo_of_score(double score)
{
	struct cell_bounds b = bounds_of((struct cell){bits_of_score(score), GEO_STEP});
	double lon = (b.min.lon + b.max.lon) / 2, lat = (b.min.lat + b.max.lat) / 2;

	return (struct geo_point){RP_MAX(RP_MIN(lon, GEO_LON_MAX), -GEO_LON_MAX),
				  RP_MAX(RP_MIN(lat, GEO_LAT_MAX), -GEO_LAT_MAX)};
}

/* The eleventh letter would need 55 bits: it is always the first of the alphabet. */
void geo_hash(struct geo_point p, char out[GEO_HASH_CHARS])
{
	static const char letters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
	uint64_t bits = cell_of(p, 90, GEO_STEP).bits;

	for (int i = 0; i < GEO_HASH_CHARS - 1; i++)
		out[i] = letters[bits >> (2 * GEO_STEP - (i + 1) * 5) & 31];
	out[GEO_HASH_CHARS - 1] = letters[0];
}

/* ---- distances ----------------------------------------------------------------------------------------------- */

static double lat_distance(double a, double b)
{
	return EARTH_RADIUS * fabs(radians(b) - radians(a));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
	double v = sin((radians(b.lon) - radians(a.lon)) / 2);

	if (v == 0)
		return lat_distance(a.lat, b.lat);
	double u = sin((radians(b.lat) - radians(a.lat)) / 2);
	double h = u * u + cos(radians(a.lat)) * cos(radians(b.lat)) * v * v;
	return 2.0 * EARTH_RADIUS * asin(sqrt(h));
}

bool geo_within(const struct geo_shape *s, struct geo_point p, double *metres)
{
	if (s->box) {
		if (lat_distance(p.lat, s->at.lat) > s->height / 2)
			return false;
		/* along the point's own parallel */
		if (geo_distance(p, (struct geo_point){s->at.lon, p.lat}) > s->width / 2)
			return false;
	}
	*metres = geo_distance(s->at, p);
	return s->box || *metres <= s->radius;
}

/* ---- areas --------------------------------------------------------------------------------------------------- */

static struct cell_bounds shape_bounds(const struct geo_shape *s)
{
	double up = s->box ? s->height / 2 : s->radius, side = s->box ? s->width / 2 : s->radius;
	double dlat = degrees(up / EARTH_RADIUS);
	/* the edge farther from the equator is the wider one in degrees */
	double edge = s->at.lat < 0 ? s->at.lat - dlat : s->at.lat + dlat;
	double dlon = degrees(side / EARTH_RADIUS / cos(radians(edge)));

	return (struct cell_bounds){{s->at.lon - dlon, s->at.lat - dlat}, {s->at.lon + dlon, s->at.lat + dlat}};
}

/* Bits with which a square and the eight around it hold the radius. */
static uint32_t step_for(double radius, double lat)
{
	int step = 1;

	if (radius == 0)
		return GEO_STEP;
	for (; radius < MERCATOR_HALF; radius *= 2)
		step++;
	step -= 2;
	/* squares become narrower towards the poles */
	if (fabs(lat) > 66)
		step -= fabs(lat) > 80 ? 2 : 1;
	return (uint32_t)RP_MAX(RP_MIN(step, GEO_STEP), 1);
}

static bool too_small(struct cell c, const struct cell_bounds *b)
{
	return bounds_of(neighbour(c, 0, 1)).max.lat < b->max.lat ||
	       bounds_of(neighbour(c, 0, -1)).min.lat > b->min.lat ||
	       bounds_of(neighbour(c, 1, 0)).max.lon < b->max.lon ||
	       bounds_of(neighbour(c, -1, 0)).min.lon > b->min.lon;
}

/* Does the shape reach that neighbour of the middle square m? */
static bool reaches(const struct cell_bounds *m, const struct cell_bounds *b, int dx, int dy)
{
	return !((dy < 0 && m->min.lat < b->min.lat) || (dy > 0 && m->max.lat > b->max.lat) ||
		 (dx < 0 && m->min.lon < b->min.lon) || (dx > 0 && m->max.lon > b->max.lon));
}

static double range_end(uint64_t bits, uint32_t step)
{
	return (double)(bits << (2 * (GEO_STEP - step)));
}

void geo_areas(const struct geo_shape *s, struct geo_areas *out)
{
	static const int order[GEO_AREAS][2] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
						{1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
	struct cell_bounds b = shape_bounds(s), m;
	double radius = s->box ? sqrt(s->width / 2 * (s->width / 2) + s->height / 2 * (s->height / 2)) : s->radius;
	struct cell middle = cell_of(s->at, GEO_LAT_MAX, step_for(radius, s->at.lat));
	uint64_t last = UINT64_MAX;

	if (middle.step > 1 && too_small(middle, &b))
		middle = cell_of(s->at, GEO_LAT_MAX, middle.step - 1);
	m = bounds_of(middle);
	out->n = 0;
	for (uint32_t i = 0; i < GEO_AREAS; i++) {
		struct cell c = neighbour(middle, order[i][0], order[i][1]);

		if (i > 0 && middle.step >= 2 && !reaches(&m, &b, order[i][0], order[i][1]))
			continue;
		/* shapes around the world: neighbours on both sides are one; the middle is not looked at again */
		if (c.bits == last)
			continue;
		out->range[out->n].min = range_end(c.bits, c.step);
		out->range[out->n++].max = range_end(c.bits + 1, c.step);
		if (i > 0)
			last = c.bits;
	}
}
