/* Places as scores of sorted sets: the interleaved bits of latitude and longitude (26 each, Web Mercator's range of
 * latitudes), so that a square on the map is a range of scores. Bits, roundings and the order in which squares are
 * searched are Redis's: scores are exchanged with it. All functions are pure.
 */
#pragma once

#include <math.h>

#include "base/defs.h"

#define GEO_LAT_MAX 85.05112878 /* degrees */
#define GEO_LON_MAX 180.0
#define GEO_STEP    26 /* bits of each coordinate in a score */

struct geo_point {
	double lon, lat; /* degrees */
};

static inline bool geo_in_range(struct geo_point p)
{
	return p.lon >= -GEO_LON_MAX && p.lon <= GEO_LON_MAX && p.lat >= -GEO_LAT_MAX && p.lat <= GEO_LAT_MAX;
}
/* p is in range. */
double geo_score(struct geo_point p);
struct geo_point geo_of_score(double score);
/* Eleven letters of the usual geohash. */
#define GEO_HASH_CHARS 11
void geo_hash(struct geo_point p, char out[GEO_HASH_CHARS]);
/* Metres on a sphere. */
double geo_distance(struct geo_point a, struct geo_point b);

/* A circle, or a box with sides along meridians and parallels. Metres. */
struct geo_shape {
	struct geo_point at;
	bool box;
	double radius, width, height;
};
/* *metres: from the middle. */
bool geo_within(const struct geo_shape *s, struct geo_point p, double *metres);

/* Ranges of scores, min included and max not, that hold all of the shape. Two may be the same range. */
#define GEO_AREAS 9
struct geo_areas {
	uint32_t n;
	struct {
		double min, max;
	} range[GEO_AREAS];
};
void geo_areas(const struct geo_shape *s, struct geo_areas *out);
