/* Places: scores, distances and searches as Redis's. */
#include "harness.h"

#include "store/geo.h"

static struct harness *h;

static int setup(void **state)
{
	h = harness_create(4);
	expect(h, "GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2");
	return 0;
}

static int teardown(void **state)
{
	harness_destroy(h);
	return 0;
}

static void test_geoadd__scores_are_interleaved_bits(void **state)
{
	expect_events(h, "zadd:g");
	expect(h, "ZSCORE g Palermo", "$16 3479099956230698");
	expect(h, "ZSCORE g Catania", "$16 3479447370796909");
	expect(h, "GEOADD g CH 13.361389 38.115556 Palermo 1 1 Catania", ":1");
	expect(h, "GEOADD g NX XX 1 1 a", "-ERR syntax error");
	expect(h, "GEOADD g 181 1 a", "-ERR invalid longitude,latitude pair 181.000000,1.000000");
	expect(h, "GEOADD g 1 x a", "-ERR value is not a valid float");
}

static void test_geo__single_places(void **state)
{
	expect(h, "GEODIST g Palermo Catania", "$11 166274.1516");
	expect(h, "GEODIST g Palermo Catania km", "$8 166.2742");
	expect(h, "GEODIST g Palermo none", "$-1");
	expect(h, "GEOHASH g Palermo none", "*2 $11 sqc8b49rny0 $-1");
	expect(h, "GEOPOS g Palermo none", "*2 *2 $20 13.36138933897018433 $20 38.11555639549629859 *-1");
	h->client.proto = 3;
	expect(h, "GEOPOS g Palermo", "*1 *2 ,13.36138933897018433 ,38.11555639549629859");
}

static void test_geo__scores_that_are_no_places(void **state)
{
	expect(h, "ZADD x 18446744073709551615 a -1e300 b -1 c", ":3");
	expect(h, "GEOPOS x a", "*1 *2 $22 -179.99999731779098511 $21 -85.05112751263942528");
	expect(h, "GEOHASH x a b c", "*3 $11 00bh0hbj200 $11 00bh0hbj200 $11 bp05b5048p0");
}

static void test_geosearch__circle_and_box(void **state)
{
	expect(h, "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST",
	       "*2 *2 $7 Catania $7 56.4413 *2 $7 Palermo $8 190.4424");
	expect(h, "GEOSEARCH g FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 1 WITHHASH",
	       "*1 *2 $7 Palermo :3479099956230698");
	expect(h, "GEOSEARCH g FROMMEMBER none BYRADIUS 1 km", "-ERR could not decode requested zset member");
	expect(h, "GEOSEARCH g BYRADIUS 1 km ASC DESC ASC",
	       "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH");
	expect(h, "GEORADIUSBYMEMBER g Palermo 10 km", "*1 $7 Palermo");
	expect(h, "GEORADIUS_RO g 15 37 100 km STORE x", "-ERR syntax error");
}

static void test_geosearch__stores(void **state)
{
	h->events[0] = h->effects[0] = '\0';
	expect(h, "GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST", ":1");
	expect_events(h, "geosearchstore:d");
	expect(h, "ZRANGE d 0 -1", "*1 $7 Catania");
	expect(h, "GEORADIUS g 15 37 200 km STORE d", ":2");
	expect_events(h, "georadiusstore:d");
	expect_dirty(h, 1);
	h->effects[0] = '\0';
	expect(h, "GEORADIUS none 15 37 200 km STORE d", ":0");
	expect_events(h, "del:d");
	expect_effects(h, "DEL d");
}

/* Whatever the shape, no place within it is outside of its areas. */
static void test_geo__areas_hold_the_shape(void **state)
{
	struct rng rng;
	uint32_t within = 0;

	rng_init(&rng, 5);
	for (uint32_t i = 0; i < 20000; i++) {
		double size = (double)(1u << rng_below(&rng, 21)), metres;
		struct geo_point at = {(double)rng_below(&rng, 340) - 170, (double)rng_below(&rng, 140) - 70};
		struct geo_shape s = {at, i % 2, size, size, size * 2};
		struct geo_point p = {at.lon + ((double)rng_below(&rng, 2001) - 1000) * size / 4e7,
				      at.lat + ((double)rng_below(&rng, 2001) - 1000) * size / 4e7};
		struct geo_areas areas;
		bool found = false;

		if (!geo_in_range(p) || !geo_within(&s, geo_of_score(geo_score(p)), &metres))
			continue;
		within++;
		geo_areas(&s, &areas);
		for (uint32_t k = 0; k < areas.n; k++)
			found |= geo_score(p) >= areas.range[k].min && geo_score(p) < areas.range[k].max;
		assert_true(found);
	}
	assert_true(within > 1000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_geoadd__scores_are_interleaved_bits),
		T(test_geo__single_places),
		T(test_geo__scores_that_are_no_places),
		T(test_geosearch__circle_and_box),
		T(test_geosearch__stores),
		T(test_geo__areas_hold_the_shape),
	};

	harness_eal("test_geo");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
