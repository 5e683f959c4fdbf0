"use strict";
/* The work that users of ioredis do. Replies are those of RESP2: ioredis speaks nothing else. */
const Redis = require("ioredis");
const {assert, bytes, range, rejects, run, text, until} = require("./program");

/* Runs commands as one pipeline: [name, ...arguments] each; the values of their replies. */
async function pipeline(redis, commands) {
	const replies = await redis.pipeline(commands).exec();

	assert.equal(replies.length, commands.length);
	for (const [error] of replies)
		assert.ifError(error);
	return replies.map(([, value]) => value);
}

async function sessions(redis) {
	const users = range(300);
	const session = (i) =>
		({user: `user${i}`, csrf: text(40, i), cart: JSON.stringify({items: range(i % 7)}), hits: "0"});
	const replies = await pipeline(
		redis,
		users.flatMap(
			(i) => [["hset", `io:sess:${i}`, session(i)],
				["expire", `io:sess:${i}`, 1800],
				["set", `io:token:${i}`, i, "EX", 60],
	]));

	assert.deepEqual(replies, users.flatMap(() => [4, 1, "OK"]));
	assert.deepEqual(await redis.mget(users.map((i) => `io:token:${i}`)), users.map(String));
	assert.deepEqual(await Promise.all(users.map((i) => redis.hgetall(`io:sess:${i}`))), users.map(session));
	const ttl = await redis.ttl("io:sess:7");
	assert.ok(ttl > 1790 && ttl <= 1800, `ttl ${ttl}`);

	assert.deepEqual(
		await Promise.all(users.map(() => redis.hincrby("io:sess:0", "hits", 1))), users.map((i) => i + 1));
	assert.deepEqual(await redis.hmget("io:sess:0", "user", "none", "hits"), ["user0", null, "300"]);
	assert.equal(await redis.getex("io:token:1", "PERSIST"), "1");
	assert.equal(await redis.ttl("io:token:1"), -1);
	assert.equal(await redis.expire("io:sess:1", 10, "GT"), 0);
	assert.equal(await redis.expire("io:sess:1", 3600, "GT"), 1);

	assert.equal(await redis.set("io:lock", "me", "PX", 500, "NX"), "OK");
	assert.equal(await redis.set("io:lock", "you", "NX"), null);
	assert.equal(await redis.pexpire("io:sess:2", 40), 1);
	await until(async () => (await redis.set("io:lock", "you", "NX")) === "OK");
	await until(async () => (await redis.exists("io:sess:2")) === 0);
	assert.deepEqual(await redis.hgetall("io:sess:2"), {});
	assert.equal(await redis.hdel("io:sess:3", "user", "csrf", "cart", "hits", "none"), 4);
	assert.equal(await redis.exists("io:sess:0", "io:sess:2", "io:sess:3", "io:sess:4"), 2);
	assert.equal(await redis.del(...users.map((i) => `io:sess:${i}`)), 298);
	await rejects(
		redis.hget("io:token:4", "user"),
		/^WRONGTYPE Operation against a key holding the wrong kind of value$/);
}

async function leaderboard(redis) {
	const players = range(1500, (i) => ({name: `p${String(i).padStart(4, "0")}`, score: (i * 7919) % 1000}));
	const points = new Map(players.map((p) => [p.name, p.score]));
	const ranked = () => [...points].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
	const flat = (pairs) => pairs.flatMap(([name, score]) => [name, String(score)]);

	await pipeline(redis, players.map((p) => ["zadd", "io:board", p.score, p.name]));
	await pipeline(redis, players.slice(0, 400).map((p, i) => ["zincrby", "io:board", i / 4, p.name]));
	players.slice(0, 400).forEach((p, i) => points.set(p.name, points.get(p.name) + i / 4));
	const order = ranked();

	assert.equal(await redis.zcard("io:board"), 1500);
	assert.deepEqual(await redis.zrange("io:board", 0, -1, "WITHSCORES"), flat(order));
	const top = flat(order.slice(-10).reverse());
	assert.deepEqual(await redis.zrange("io:board", 0, 9, "REV", "WITHSCORES"), top);
	assert.deepEqual(await redis.zrevrange("io:board", 0, 9, "WITHSCORES"), top);
	const some = range(50, (i) => order[i * 29][0]);
	assert.deepEqual(
		await pipeline(redis, some.map((name) => ["zrank", "io:board", name])), range(50, (i) => i * 29));
	assert.deepEqual(
		await redis.zmscore("io:board", ...some, "nobody"), [...some.map((n) => String(points.get(n))), null]);
	assert.equal(await redis.zrevrank("io:board", "nobody"), null);
	const middle = order.filter(([, score]) => score > 200 && score <= 400);
	assert.equal(await redis.zcount("io:board", "(200", 400), middle.length);
	assert.deepEqual(
		await redis.zrangebyscore("io:board", "(200", 400, "LIMIT", 5, 20),
		middle.slice(5, 25).map(([name]) => name));

	assert.equal(await redis.zadd("io:board", "GT", "CH", 5000, "p0001", -1, "p0002"), 1);
	assert.deepEqual(await redis.zpopmax("io:board"), ["p0001", "5000"]);
	points.delete("p0001");
	await redis.zadd("io:last", 10, "p0003", 2.5, "old", "inf", "hero");
	assert.equal(
		await redis.zunionstore("io:all", 2, "io:board", "io:last", "WEIGHTS", 1, 2, "AGGREGATE", "SUM"), 1501);
	assert.deepEqual(
		await redis.zmscore("io:all", "p0003", "old", "hero"), [String(points.get("p0003") + 20), "5", "inf"]);
	assert.deepEqual(
		await redis.zinter(2, "io:board", "io:last", "WITHSCORES"),
		["p0003", String(points.get("p0003") + 10)]);
	assert.equal(await redis.zremrangebyrank("io:all", 0, -101), 1401);
	assert.equal(await redis.zcard("io:all"), 100);
}

async function list_queue(redis) {
	const jobs = range(400, (i) => JSON.stringify({id: i, body: text(i % 90, i)}));
	const done = [];

	assert.equal(await redis.lpush("io:queue", ...jobs), 400);
	for (let i = 0; i < 100; i++) {
		const job = await redis.lmove("io:queue", "io:work", "RIGHT", "LEFT");
		if (i % 10) { // every tenth worker dies with its job
			assert.equal(await redis.lrem("io:work", 1, job), 1);
			done.push(job);
		}
	}
	assert.equal(await redis.llen("io:work"), 10);
	while (await redis.rpoplpush("io:work", "io:queue"))
		;
	assert.equal(await redis.exists("io:work"), 0);
	for (;;) {
		const batch = await redis.rpop("io:queue", 32);
		if (!batch)
			break;
		done.push(...batch);
	}
	assert.deepEqual(done.sort(), [...jobs].sort());

	await pipeline(
		redis, range(250).flatMap((i) => [["rpush", "io:log", `line ${i}`], ["ltrim", "io:log", -100, -1]]));
	assert.deepEqual(await redis.lrange("io:log", 0, -1), range(100, (i) => `line ${i + 150}`));
	assert.equal(await redis.lpos("io:log", "line 160"), 10);
	assert.equal(await redis.linsert("io:log", "BEFORE", "line 151", "between"), 101);
	assert.equal(await redis.lindex("io:log", 1), "between");
}

async function stream_queue(redis) {
	const ids = await pipeline(
		redis, range(200, (i) => ["xadd", "io:jobs", "MAXLEN", "~", 5000, "*", "id", i, "body", text(30, i)]));
	const read = (consumer, count, from) =>
		redis.xreadgroup("GROUP", "workers", consumer, "COUNT", count, "STREAMS", "io:jobs", from);

	assert.equal(await redis.xlen("io:jobs"), 200);
	assert.equal(await redis.xgroup("CREATE", "io:jobs", "workers", 0), "OK");
	await rejects(
		redis.xgroup("CREATE", "io:jobs", "workers", 0), /^BUSYGROUP Consumer Group name already exists$/);
	const [[, first]] = await read("w1", 120, ">");
	const [[, second]] = await read("w2", 1000, ">");
	assert.deepEqual([...first, ...second].map(([id]) => id), ids);
	assert.deepEqual(second[0][1], ["id", "120", "body", text(30, 120)]);
	assert.equal(await redis.xgroup("CREATECONSUMER", "io:jobs", "workers", "w3"), 1);
	assert.equal(await read("w3", 10, ">"), null);

	assert.equal(await redis.xack("io:jobs", "workers", ...first.slice(20).map(([id]) => id)), 100);
	assert.equal(await redis.xack("io:jobs", "workers", ids[50]), 0);
	assert.deepEqual(
		await redis.xpending("io:jobs", "workers"), [100, ids[0], ids[199], [["w1", "20"], ["w2", "80"]]]);
	const pending = await redis.xpending("io:jobs", "workers", "IDLE", 0, "-", "+", 5, "w1");
	assert.deepEqual(
		pending.map(([id, who, , times]) => [id, who, times]), ids.slice(0, 5).map((id) => [id, "w1", 1]));

	// w1 never comes back: w2 takes over what it had, in two steps
	let [next, taken] = await redis.xautoclaim("io:jobs", "workers", "w2", 0, "-", "COUNT", 15);
	assert.deepEqual(taken.map(([id]) => id), ids.slice(0, 15));
	assert.equal(next, ids[15]);
	[next, taken] = await redis.xautoclaim("io:jobs", "workers", "w2", 0, next, "COUNT", 5);
	assert.deepEqual(taken.map(([id]) => id), ids.slice(15, 20));
	const [[, mine]] = await read("w2", 1000, 0);
	assert.equal(mine.length, 100);
	assert.equal(await redis.xack("io:jobs", "workers", ...mine.map(([id]) => id)), 100);
	assert.deepEqual(await redis.xpending("io:jobs", "workers"), [0, null, null, null]);
	const [[, , , consumers, , waiting]] = await redis.xinfo("GROUPS", "io:jobs");
	assert.deepEqual([consumers, waiting], [3, 0]);

	assert.deepEqual((await redis.xrange("io:jobs", ids[10], ids[12])).map(([id]) => id), ids.slice(10, 13));
	assert.deepEqual(
		(await redis.xrevrange("io:jobs", "+", "-", "COUNT", 2)).map(([id]) => id), [ids[199], ids[198]]);
	const [[key, later]] = await redis.xread("COUNT", 10, "STREAMS", "io:jobs", "io:none", ids[197], 0);
	assert.deepEqual([key, later.map(([id]) => id)], ["io:jobs", [ids[198], ids[199]]]);
	assert.equal(await redis.xdel("io:jobs", ids[0], ids[1]), 2);
	assert.equal(await redis.xtrim("io:jobs", "MAXLEN", 50), 148);
	assert.equal(await redis.xlen("io:jobs"), 50);
}

async function counters(redis) {
	const allowed = async () => { // at most five in a window
		const [n] = await pipeline(redis, [["incr", "io:rate"], ["pexpire", "io:rate", 1000, "NX"]]);
		return n <= 5;
	};
	const admitted = await Promise.all(range(8, allowed));
	assert.equal(admitted.filter(Boolean).length, 5);
	await until(allowed);

	await pipeline(redis, range(900, (i) => ["hincrby", "io:hits", `page${i % 9}`, i]));
	const hits = await redis.hgetall("io:hits");
	range(9).forEach(
		(p) => assert.equal(Number(hits[`page${p}`]), range(100).reduce((sum, i) => sum + i * 9 + p, 0)));
	assert.equal(await redis.hincrbyfloat("io:hits", "load", 10.25), "10.25");
	assert.equal(await redis.incrbyfloat("io:float", "3.0e3"), "3000");
	await rejects(redis.call("INCR", "io:n", 1), /^ERR wrong number of arguments for 'incr' command$/);

	await pipeline(
		redis,
		range(40, (i) => ["pfadd", `io:seen:${i % 2}`, ...range(100, (j) => `visitor${(i * 75 + j) % 2500}`)]));
	const seen = await redis.pfcount("io:seen:0", "io:seen:1");
	assert.ok(Math.abs(seen - 2500) < 100, `${seen} of 2500 visitors`);
	assert.equal(await redis.pfmerge("io:seen", "io:seen:0", "io:seen:1"), "OK");
	assert.equal(await redis.pfcount("io:seen"), seen);

	await pipeline(
		redis, range(1000).flatMap((i) => [["setbit", "io:mon", i * 3, 1], ["setbit", "io:tue", i * 5, 1]]));
	assert.equal(await redis.bitcount("io:mon"), 1000);
	assert.equal(await redis.bitop("AND", "io:both", "io:mon", "io:tue"), 625);
	assert.equal(await redis.bitcount("io:both"), 200);
	assert.equal(await redis.bitpos("io:both", 1, 1), 15);
	assert.deepEqual(
		await redis.bitfield(
			"io:fields", "INCRBY", "u8", "#1", 250, "OVERFLOW", "SAT", "INCRBY", "u8", "#1", 10),
		[250, 255]);
}

async function geo(redis) {
	const places = [
		["Palermo", 13.361389, 38.115556], ["Catania", 15.087269, 37.502669],
		["Agrigento", 13.583333, 37.316667], ["Roma", 12.4964, 41.9028], ["Tunis", 10.1815, 36.8065]
	];
	const near = (a, b, by) => assert.ok(Math.abs(a - b) <= by, `${a}, not ${b}`);

	assert.equal(await redis.geoadd("io:geo", ...places.flatMap(([name, lon, lat]) => [lon, lat, name])), 5);
	near(Number(await redis.geodist("io:geo", "Palermo", "Catania", "km")), 166.2742, 0.0001);
	assert.deepEqual(
		await redis.geohash("io:geo", "Palermo", "Catania", "none"), ["sqc8b49rny0", "sqdtr74hyu0", null]);
	const found = await redis.geosearch(
		"io:geo", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "ASC", "WITHDIST", "WITHCOORD");
	assert.deepEqual(found.map(([name]) => name), ["Catania", "Agrigento", "Palermo"]);
	near(Number(found[0][1]), 56.4413, 0.0001);
	near(Number(found[0][2][0]), 15.087269, 0.00001);
	assert.deepEqual(
		await redis.geosearch("io:geo", "FROMMEMBER", "Palermo", "BYBOX", 600, 900, "km", "DESC", "COUNT", 2),
		["Roma", "Tunis"]);
	assert.equal(
		await redis.geosearchstore(
			"io:near", "io:geo", "FROMMEMBER", "Agrigento", "BYRADIUS", 100, "km", "STOREDIST"),
		2);
	assert.equal(await redis.zscore("io:near", "Agrigento"), "0");
	assert.deepEqual(await redis.georadius("io:geo", 12.5, 41.9, 5, "km"), ["Roma"]);
	assert.deepEqual(await redis.geopos("io:geo", "none"), [null]);
	assert.equal(await redis.zrem("io:geo", "Roma"), 1);
}

async function tags(redis) {
	const posts = range(600);
	const tagged = (n) => posts.filter((i) => i % n === 0).map(String);
	const sorted = (list) => [...list].sort((a, b) => a - b);

	for (const n of [2, 3, 5])
		assert.equal(await redis.sadd(`io:tag:${n}`, ...tagged(n)), tagged(n).length);
	assert.deepEqual(sorted(await redis.sinter("io:tag:2", "io:tag:3", "io:tag:5")), tagged(30));
	assert.equal(await redis.sintercard(2, "io:tag:2", "io:tag:3", "LIMIT", 50), 50);
	assert.equal(
		await redis.sunionstore("io:tag:any", "io:tag:2", "io:tag:3"),
		posts.filter((i) => i % 2 === 0 || i % 3 === 0).length);
	assert.deepEqual(sorted(await redis.sdiff("io:tag:5", "io:tag:any")), tagged(5).filter((i) => i % 2 && i % 3));
	assert.deepEqual(await redis.smismember("io:tag:5", 5, 6, "x"), [1, 0, 0]);
	const drawn = await redis.spop("io:tag:5", 20);
	assert.equal(new Set(drawn).size, 20);
	assert.equal(await redis.scard("io:tag:5"), 100);
	assert.deepEqual(await redis.smismember("io:tag:5", ...drawn), drawn.map(() => 0));
	assert.ok(tagged(2).includes(await redis.srandmember("io:tag:2")));
	assert.equal((await redis.srandmember("io:tag:2", -7)).length, 7);
	assert.equal(await redis.smove("io:tag:2", "io:tag:even", "4"), 1);
	assert.deepEqual(await redis.smembers("io:tag:even"), ["4"]);
	await redis.set("io:weight:4", 1);
	assert.deepEqual(await redis.sort("io:tag:3", "LIMIT", 0, 3, "DESC"), ["597", "594", "591"]);
}

async function iterators(redis) {
	const names = range(1200, (i) => `io:scan:${i}`);
	const collect = async (stream) => {
		const all = [];
		for await (const batch of stream)
			all.push(...batch);
		return all;
	};
	const pairs = (flat) => new Map(range(flat.length / 2, (i) => [flat[2 * i], flat[2 * i + 1]]));

	await pipeline(redis, names.map((name, i) => (i % 2 ? ["set", name, i] : ["sadd", name, i])));
	assert.deepEqual(new Set(await collect(redis.scanStream({match: "io:scan:*", count: 100}))), new Set(names));
	assert.deepEqual(
		new Set(await collect(redis.scanStream({match: "io:scan:*", type: "set", count: 500}))),
		new Set(names.filter((_, i) => i % 2 === 0)));
	for (const n of [10, 1200]) { // compact, and a table
		const part = names.slice(0, n);
		await pipeline(
			redis,
			part.flatMap(
				(name,
				 i) => [["hset", `io:h${n}`, name, i], ["sadd", `io:s${n}`, name],
					["zadd", `io:z${n}`, i / 2, name]]));
		assert.deepEqual(
			pairs(await collect(redis.hscanStream(`io:h${n}`, {count: 50}))),
			new Map(part.map((name, i) => [name, String(i)])));
		assert.deepEqual(new Set(await collect(redis.sscanStream(`io:s${n}`))), new Set(part));
		assert.deepEqual(
			pairs(await collect(redis.zscanStream(`io:z${n}`, {count: 30}))),
			new Map(part.map((name, i) => [name, String(i / 2)])));
	}
	assert.equal((await collect(redis.hscanStream("io:h1200", {match: "*:11?"}))).length, 20);
}

async function binary(redis) {
	const key = Buffer.concat([Buffer.from("io:"), bytes(256)]);
	const value = bytes(100000, 5);

	await redis.set(key, value);
	assert.deepEqual(await redis.getBuffer(key), value);
	await redis.hset("io:bin:hash", bytes(64, 1), value, bytes(3, 2), "");
	assert.deepEqual(await redis.hgetBuffer("io:bin:hash", bytes(64, 1)), value);
	await redis.rpush("io:bin:list", value, bytes(1), bytes(9000));
	await redis.sadd("io:bin:set", ...range(40, (i) => bytes(i, i)));
	await redis.zadd("io:bin:zset", ...range(200).flatMap((i) => [i / 3, bytes(20, i)]));
	for (const i of range(300))
		await redis.xadd("io:bin:stream", `${i + 1}-1`, "field", bytes(i, i));
	await redis.xgroup("CREATE", "io:bin:stream", "readers", "0");
	await redis.xreadgroup("GROUP", "readers", "me", "COUNT", 20, "STREAMS", "io:bin:stream", ">");
	const dumped = [key, ...["hash", "list", "set", "zset", "stream"].map((type) => Buffer.from(`io:bin:${type}`))];
	for (const from of dumped) {
		const payload = await redis.dumpBuffer(from);
		const to = Buffer.concat([Buffer.from("io:copy:"), from]);
		assert.equal(await redis.restore(to, 5000, payload), "OK");
		await rejects(redis.restore(to, 0, payload), /^BUSYKEY Target key name already exists\.$/);
		assert.equal(await redis.restore(to, 0, payload, "REPLACE"), "OK");
		assert.equal(await redis.type(to), await redis.type(from));
		payload[payload.length >> 1] ^= 1;
		await rejects(
			redis.restore(to, 0, payload, "REPLACE"), /^ERR DUMP payload version or checksum are wrong$/);
	}
	assert.deepEqual(await redis.getBuffer(Buffer.concat([Buffer.from("io:copy:"), key])), value);
	assert.deepEqual(await redis.lrangeBuffer("io:copy:io:bin:list", 0, -1), [value, bytes(1), bytes(9000)]);
	assert.deepEqual(
		await redis.zrangeBuffer("io:copy:io:bin:zset", 0, -1), await redis.zrangeBuffer("io:bin:zset", 0, -1));
	assert.deepEqual(
		await redis.xrangeBuffer("io:copy:io:bin:stream", "-", "+"),
		await redis.xrangeBuffer("io:bin:stream", "-", "+"));
	assert.deepEqual(await redis.xpending("io:copy:io:bin:stream", "readers"), [20, "1-1", "20-1", [["me", "20"]]]);
	assert.equal((await redis.sdiff("io:bin:set", "io:copy:io:bin:set")).length, 0);
	assert.deepEqual(await redis.hgetallBuffer("io:copy:io:bin:hash"), await redis.hgetallBuffer("io:bin:hash"));
}

/* What the client puts into one pipeline by itself comes back to those who asked. */
async function auto_pipelining(redis) {
	const auto = redis.duplicate({enableAutoPipelining: true});
	const replies = await Promise.all(range(1000).flatMap(
		(i) => [auto.incr(`io:auto:n${i % 50}`),
			auto.rpush(`io:auto:list${i % 50}`, i),
			auto.zscore("io:auto:none", i),
			auto.hset(`io:auto:h${i % 50}`, `f${i}`, i),
	]));

	assert.deepEqual(
		replies, range(1000).flatMap((i) => [Math.floor(i / 50) + 1, Math.floor(i / 50) + 1, null, 1]));
	auto.disconnect();
}

async function field_times(redis) {
	const key = "io:carts";

	await redis.hset(key, range(300).flatMap((i) => [`cart${i}`, text(10, i)]));
	assert.deepEqual(await redis.call("HEXPIRE", key, 100, "FIELDS", 2, "cart0", "none"), [1, -2]);
	assert.deepEqual(await redis.call("HTTL", key, "FIELDS", 3, "cart0", "cart1", "none"), [100, -1, -2]);
	assert.deepEqual(await redis.call("HPEXPIRE", key, 500, "FIELDS", 3, "cart1", "cart2", "cart3"), [1, 1, 1]);
	assert.deepEqual(await redis.call("HPERSIST", key, "FIELDS", 1, "cart3"), [1]);
	await until(async () => (await redis.hlen(key)) === 298);
	assert.deepEqual(await redis.hmget(key, "cart1", "cart2", "cart3"), [null, null, text(10, 3)]);
	assert.equal(await redis.call("HSETEX", key, "EX", 60, "FIELDS", 1, "cart9", "new"), 1);
	assert.deepEqual(await redis.call("HGETDEL", key, "FIELDS", 2, "cart9", "cart1"), ["new", null]);
}

const connect = async (host, port) => {
	const redis = new Redis({host, port, lazyConnect: true, retryStrategy: null, commandTimeout: 10000});
	await redis.connect();
	return redis;
};

run({
	sessions,
	leaderboard,
	list_queue,
	stream_queue,
	counters,
	geo,
	tags,
	iterators,
	binary,
	auto_pipelining,
	field_times
},
    connect, (redis) => redis.quit());
