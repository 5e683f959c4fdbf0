"""Places: mostly few and close to each other, some at the edges of the map."""
import gen

# COUNT shows distances: which of equal ones it leaves out is chance (known.py).
WITH = "*({WITHDIST|WITHHASH|WITHCOORD|ASC|DESC|COUNT geocount WITHDIST|COUNT geocount ANY WITHDIST})"
STORED_WITH = WITH.replace("geocount", "allcount").replace("allcount WITHDIST", "allcount").replace("ANY WITHDIST", "ANY")

TEMPLATES = [
    (20, "GEOADD key lon lat member"),
    (20, "GEOADD key +(lon lat member) +(lon lat member)"),
    (5, "GEOADD key *({NX|XX|CH}) +(lon lat member)"),
    (2, "ZADD key score member"),
    (2, "ZREM key member member"),
    (6, "GEODIST key member member ?(unit)"),
    (5, "GEOHASH key *(member)"),
    (5, "GEOPOS key *(member)"),
    (12, f"GEOSEARCH key FROMLONLAT lon lat BYRADIUS radius unit {WITH}", "geo"),
    (12, f"GEOSEARCH key FROMMEMBER member BYRADIUS radius unit {WITH}", "geo"),
    (12, f"GEOSEARCH key FROMLONLAT lon lat BYBOX radius radius unit {WITH}", "geo"),
    (8, f"GEOSEARCH key FROMMEMBER member BYBOX radius radius unit {WITH}", "geo"),
    (3, "GEOSEARCH key *({FROMMEMBER member|FROMLONLAT lon lat|BYRADIUS radius unit|BYBOX radius radius unit|ANY})",
     "geo"),
    (5, "GEOSEARCHSTORE key key FROMLONLAT lon lat BYRADIUS radius unit ?(ASC COUNT allcount)"),
    (5, "GEOSEARCHSTORE distkey key FROMLONLAT lon lat BYRADIUS radius unit ?(ASC COUNT allcount) STOREDIST"),
    (5, "GEOSEARCHSTORE distkey key FROMMEMBER member BYBOX radius radius unit ?(STOREDIST)"),
    (2, f"GEOSEARCHSTORE distkey key FROMMEMBER member BYBOX radius radius unit ?(STOREDIST) {STORED_WITH}"),
    (8, f"{{GEORADIUS|GEORADIUS_RO}} key lon lat radius unit {WITH}", "geo"),
    (8, f"{{GEORADIUSBYMEMBER|GEORADIUSBYMEMBER_RO}} key member radius unit {WITH}", "geo"),
    (5, "{GEORADIUS|GEORADIUS_RO} key lon lat radius unit {STORE key|STOREDIST distkey}"),
    (5, "GEORADIUSBYMEMBER key member radius unit {STORE key|STOREDIST distkey}"),
    (1, "GEORADIUS key lon lat radius unit STORE {key|STORE} STOREDIST {distkey|STORE} ?(ASC)"),
    (1, "SET key 1"),
    (1, "DEL key"),
]


def distkey(self):
    """Distances are no places: as such they would all be the same."""
    return f"d{self.rng.randrange(3)}"


def lon(self):
    return coordinate(self, 13.3, 180, ["180", "-180", "180.0001", "-179.9999"])


def lat(self):
    return coordinate(self, 52.5, 85, ["85.05112878", "-85.05112878", "85.06", "0", "84.9"])


def coordinate(self, middle, most, edges):
    r = self.rng.random()
    if r < 0.6:
        return round(middle + self.rng.uniform(-0.5, 0.5), 6)
    if r < 0.9:
        return round(self.rng.uniform(-most, most), 6)
    if r < 0.98:
        return self.rng.choice(edges)
    return self.rng.choice(gen.JUNK)


def radius(self):
    r = self.rng.random()
    if r < 0.85:
        return self.rng.choice([1, 10, 50, 300, 1000, 4000, 10000, 0.5, 12.25, 20000, 30000])
    return self.rng.choice([0, -1, 1e6, 1e8, "x", 100000])


def unit(self):
    return self.rng.choice(["m", "km", "km", "km", "ft", "mi", "KM", "Mi", "x" if self.rng.random() < 0.1 else "m"])


def geocount(self):
    return self.rng.choice([1, 2, 3, 5, 10, 100, 0, -1])


def allcount(self):
    """Which of equally distant places are stored is not said by anything."""
    return self.rng.choice([1000, 1000, 2**31, 0, -1, "x"])


for word in (distkey, lon, lat, radius, unit, geocount, allcount):
    setattr(gen.Gen, word.__name__, word)
