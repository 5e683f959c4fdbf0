"use strict";
/* The work that users of node-redis do, as RESP2 and as RESP3: what its methods return is the same; the part types
 * looks at what came over the wire. Environment: RESP is 2 (the default) or 3. */
const {createClient, RESP_TYPES} = require("redis");
const {assert, bytes, range, rejects, run, text, until} = require("./program");

const RESP = Number(process.env.RESP || 2);
const plain = (object) => ({...object}); // its maps have no prototype
const near = (a, b, by) => assert.ok(Math.abs(a - b) <= by, `${a}, not ${b}`);

async function sessions(client) {
	const users = range(300);
	const session = (i) => ({user: `user${i}`, theme: i % 2 ? "dark" : "", cart: text(60, i)});

	await Promise.all(users.flatMap(
		(i) => [client.hSet(`nr:sess:${i}`, session(i)),
			client.expire(`nr:sess:${i}`, 1800),
			client.setEx(`nr:token:${i}`, 60, `t${i}`),
	]));
	const found = await Promise.all(users.map((i) => client.hGetAll(`nr:sess:${i}`)));
	assert.deepEqual(found.map(plain), users.map(session));
	assert.deepEqual(
		await client.mGet([...users.map((i) => `nr:token:${i}`), "nr:none"]),
		[...users.map((i) => `t${i}`), null]);
	assert.deepEqual(plain(await client.hGetAll("nr:none")), {});
	assert.deepEqual(await client.hmGet("nr:sess:1", ["theme", "none"]), ["dark", null]);
	assert.equal(await client.hExists("nr:sess:1", "cart"), 1);
	assert.equal(await client.getEx("nr:token:1", {type: "PX", value: 40}), "t1");
	assert.equal(await client.set("nr:lock", "me", {expiration: {type: "PX", value: 500}, condition: "NX"}), "OK");
	assert.equal(await client.set("nr:lock", "you", {condition: "NX"}), null);
	await until(async () => (await client.exists(["nr:token:1", "nr:lock", "nr:token:2"])) === 1);
	assert.equal(await client.getDel("nr:token:2"), "t2");
	assert.equal(await client.unlink(users.map((i) => `nr:sess:${i}`)), 300);
	const pipelined = await client.multi()
				  .set("nr:a", 1)
				  .incr("nr:a")
				  .hSet("nr:b", "f", "v")
				  .hGetAll("nr:b")
				  .ttl("nr:a")
				  .execAsPipeline();
	pipelined[3] = plain(pipelined[3]);
	assert.deepEqual(pipelined, ["OK", 2, 1, {f: "v"}, -1]);
	await rejects(client.hGet("nr:a", "f"), /^WRONGTYPE Operation against a key holding the wrong kind of value$/);
}

async function leaderboard(client) {
	const players =
		range(1000, (i) => ({value: `p${String(i).padStart(4, "0")}`, score: ((i * 7919) % 500) + 0.5}));
	const order = [...players].sort((a, b) => a.score - b.score || (a.value < b.value ? -1 : 1));
	const same = (found, expected) => assert.deepEqual(found.map(plain), expected);

	assert.equal(await client.zAdd("nr:board", players), 1000);
	same(await client.zRangeWithScores("nr:board", 0, -1), order);
	same(await client.zRangeWithScores("nr:board", 0, 9, {REV: true}), order.slice(-10).reverse());
	same(await client.zRangeByScoreWithScores("nr:board", 100, "(200"),
	     order.filter((p) => p.score >= 100 && p.score < 200));
	assert.equal(await client.zRank("nr:board", order[700].value), 700);
	assert.equal(await client.zRevRank("nr:board", order[700].value), 299);
	assert.equal(await client.zRank("nr:board", "nobody"), null);
	assert.equal(await client.zIncrBy("nr:board", 1.5, order[0].value), order[0].score + 1.5);
	assert.equal(await client.zScore("nr:board", order[9].value), order[9].score);
	assert.deepEqual(await client.zmScore("nr:board", [order[9].value, "nobody"]), [order[9].score, null]);
	await client.zAdd("nr:last", [{value: order[5].value, score: 1000}, {value: "old", score: -5}]);
	assert.equal(
		await client.zUnionStore("nr:all", [{key: "nr:board", weight: 1}, {key: "nr:last", weight: 3}]), 1001);
	same(await client.zPopMaxCount("nr:all", 1), [{value: order[5].value, score: order[5].score + 3000}]);
	assert.deepEqual(plain(await client.zPopMin("nr:all")), {value: "old", score: -15});
	assert.deepEqual(await client.zDiff(["nr:last", "nr:board"]), ["old"]);
	assert.equal(await client.zRangeStore("nr:top", "nr:board", 0, 4, {REV: true}), 5);
	assert.equal(await client.zCard("nr:top"), 5);
}

async function list_queue(client) {
	const jobs = range(300, (i) => JSON.stringify({id: i, body: text(i % 70, i)}));

	assert.equal(await client.lPush("nr:queue", jobs), 300);
	const taken = await Promise.all(range(50, () => client.lMove("nr:queue", "nr:work", "RIGHT", "LEFT")));
	assert.deepEqual(taken, jobs.slice(0, 50));
	assert.deepEqual(
		await Promise.all(taken.slice(0, 45).map((job) => client.lRem("nr:work", 1, job))), range(45, () => 1));
	assert.deepEqual(await client.lRange("nr:work", 0, -1), taken.slice(45).reverse());
	assert.deepEqual(await client.lPopCount("nr:work", 10), taken.slice(45).reverse());
	assert.equal(await client.exists("nr:work"), 0);
	assert.deepEqual(
		await client.lmPop(["nr:work", "nr:queue"], "RIGHT", {COUNT: 3}), ["nr:queue", jobs.slice(50, 53)]);
	assert.equal(await client.lLen("nr:queue"), 247);
	assert.equal(await client.lPos("nr:queue", jobs[60], {RANK: -1}), 239);
	assert.equal(await client.lTrim("nr:queue", 0, 9), "OK");
	assert.equal(await client.lIndex("nr:queue", -1), jobs[290]);
	assert.equal(await client.rPopCount("nr:none", 2), null);
}

/* Messages of streams: those of RESP3 come as they were sent, a map of the streams' names. */
function streams(reply) {
	const fields = (flat) => Object.fromEntries(range(flat.length / 2, (i) => [flat[2 * i], flat[2 * i + 1]]));

	if (RESP === 2)
		return reply;
	return Object.entries(reply).map(
		([name, list]) => ({name, messages: list.map(([id, flat]) => ({id, message: fields(flat)}))}));
}

async function stream_queue(client) {
	const ids =
		await Promise.all(range(150, (i) => client.xAdd("nr:jobs", "*", {id: String(i), body: text(20, i)})));
	const read = async (who, id, COUNT) =>
		streams(await client.xReadGroup("workers", who, {key: "nr:jobs", id}, {COUNT}))[0];

	assert.equal(await client.xGroupCreate("nr:jobs", "workers", "0"), "OK");
	await rejects(client.xGroupCreate("nr:jobs", "workers", "0"), /^BUSYGROUP Consumer Group name already exists$/);
	const first = await read("w1", ">", 100);
	const second = await read("w2", ">", 100);
	assert.equal(first.name, "nr:jobs");
	assert.deepEqual([...first.messages, ...second.messages].map((m) => m.id), ids);
	assert.deepEqual(plain(second.messages[0].message), {id: "100", body: text(20, 100)});
	assert.equal(await client.xReadGroup("workers", "w2", {key: "nr:jobs", id: ">"}), null);
	assert.equal(await client.xAck("nr:jobs", "workers", ids.slice(10)), 140);
	const {pending, firstId, lastId, consumers} = await client.xPending("nr:jobs", "workers");
	assert.deepEqual(
		[pending, firstId, lastId, consumers.map(plain)],
		[10, ids[0], ids[9], [{name: "w1", deliveriesCounter: 10}]]);
	const [oldest] = await client.xPendingRange("nr:jobs", "workers", "-", "+", 1);
	assert.deepEqual([oldest.id, oldest.consumer, oldest.deliveriesCounter], [ids[0], "w1", 1]);
	const {nextId, messages, deletedMessages} =
		await client.xAutoClaim("nr:jobs", "workers", "w2", 0, "0-0", {COUNT: 8});
	assert.deepEqual([nextId, messages.map((m) => m.id), deletedMessages], [ids[8], ids.slice(0, 8), []]);
	assert.deepEqual(
		(await client.xClaim("nr:jobs", "workers", "w2", 0, ids.slice(8, 10))).map((m) => m.id),
		ids.slice(8, 10));
	assert.equal((await read("w2", "0", 100)).messages.length, 10);
	assert.equal(await client.xAck("nr:jobs", "workers", ids), 10);
	const [group] = await client.xInfoGroups("nr:jobs");
	assert.deepEqual(
		[group.name, group.consumers, group.pending, group["last-delivered-id"], group.lag],
		["workers", 2, 0, ids[149], 0]);
	assert.equal((await client.xInfoStream("nr:jobs")).length, 150);
	assert.deepEqual(
		(await client.xRevRange("nr:jobs", "+", "-", {COUNT: 3})).map((m) => m.id), ids.slice(-3).reverse());
	assert.equal(await client.xTrim("nr:jobs", "MINID", ids[140]), 140);
	const [{messages: rest}] = streams(await client.xRead([{key: "nr:jobs", id: "0"}]));
	assert.deepEqual(rest.map((m) => m.id), ids.slice(140));
}

async function counters(client) {
	assert.deepEqual(await Promise.all(range(500, () => client.incr("nr:n"))), range(500, (i) => i + 1));
	assert.equal(await client.incrByFloat("nr:float", 0.1), "0.1");
	assert.equal(await client.decrBy("nr:n", 600), -100);
	await Promise.all(range(900, (i) => client.hIncrBy("nr:hits", `page${i % 3}`, i)));
	assert.deepEqual(plain(await client.hGetAll("nr:hits")), {page0: "134550", page1: "134850", page2: "135150"});
	assert.equal(await client.expire("nr:n", 100, "NX"), 1);
	assert.equal(await client.expire("nr:n", 50, "GT"), 0);
	near(await client.expireTime("nr:n"), Date.now() / 1000 + 100, 3);
	await Promise.all(range(30, (i) => client.pfAdd(`nr:seen:${i % 2}`, range(100, (j) => `v${i * 50 + j}`))));
	near(await client.pfCount(["nr:seen:0", "nr:seen:1"]), 1550, 60);
	await Promise.all(range(400, (i) => client.setBit("nr:bits", i * 7, 1)));
	assert.equal(await client.bitCount("nr:bits"), 400);
	assert.equal(await client.bitOp("NOT", "nr:inverse", "nr:bits"), 350);
	assert.equal(await client.bitCount("nr:inverse"), 2400);
}

async function geo(client) {
	assert.equal(
		await client.geoAdd(
			"nr:geo",
			[
				{longitude: 13.361389, latitude: 38.115556, member: "Palermo"},
				{longitude: 15.087269, latitude: 37.502669, member: "Catania"},
				{longitude: 13.583333, latitude: 37.316667, member: "Agrigento"},
				{longitude: 12.4964, latitude: 41.9028, member: "Roma"},
			]),
		4);
	near(await client.geoDist("nr:geo", "Palermo", "Catania", "km"), 166.2742, 0.0001);
	assert.equal(await client.geoDist("nr:geo", "Palermo", "none"), null);
	assert.deepEqual(
		await client.geoSearch(
			"nr:geo", {longitude: 15, latitude: 37}, {radius: 200, unit: "km"}, {SORT: "ASC"}),
		["Catania", "Agrigento", "Palermo"]);
	const [agrigento, palermo] = await client.geoSearchWith(
		"nr:geo", "Agrigento", {width: 250, height: 250, unit: "km"}, ["WITHDIST", "WITHCOORD", "WITHHASH"],
		{SORT: "ASC", COUNT: 2});
	assert.deepEqual([agrigento.member, palermo.member], ["Agrigento", "Palermo"]);
	near(Number(palermo.distance), 90.9778, 0.0001);
	near(Number(palermo.coordinates.latitude), 38.115556, 0.00001);
	const [position, none] = await client.geoPos("nr:geo", ["Roma", "none"]);
	near(Number(position.longitude), 12.4964, 0.00001);
	assert.equal(none, null);
	assert.equal(await client.geoSearchStore("nr:near", "nr:geo", "Roma", {radius: 500, unit: "km"}), 2);
}

async function tags(client) {
	const tagged = (n) => range(500).filter((i) => i % n === 0).map(String);
	const set = (list) => new Set(list);

	for (const n of [2, 3, 5])
		assert.equal(await client.sAdd(`nr:tag:${n}`, tagged(n)), tagged(n).length);
	assert.deepEqual(set(await client.sInter(["nr:tag:2", "nr:tag:3"])), set(tagged(6)));
	assert.equal(await client.sInterCard(["nr:tag:2", "nr:tag:5"]), 50);
	assert.equal(await client.sUnionStore("nr:tag:any", ["nr:tag:2", "nr:tag:3"]), 333);
	assert.equal((await client.sDiff(["nr:tag:5", "nr:tag:any"])).length, 33);
	assert.deepEqual(await client.smIsMember("nr:tag:3", ["3", "4"]), [1, 0]);
	const drawn = await client.sPopCount("nr:tag:5", 40);
	assert.equal(set(drawn).size, 40);
	assert.equal(await client.sRem("nr:tag:5", drawn), 0);
	assert.equal((await client.sRandMemberCount("nr:tag:5", 100)).length, 60);
	assert.equal(await client.sMove("nr:tag:2", "nr:tag:3", "2"), 1);
	assert.deepEqual(
		await client.sort("nr:tag:3", {LIMIT: {offset: 0, count: 3}, DIRECTION: "ASC"}), ["0", "2", "3"]);
}

async function iterators(client) {
	const names = range(1000, (i) => `nr:scan:${i}`);
	const collect = async (iterator) => {
		const all = [];
		for await (const batch of iterator)
			all.push(...batch);
		return all;
	};

	await Promise.all(
		names.map((name, i) => (i % 4 ? client.set(name, i) : client.zAdd(name, {value: "m", score: i}))));
	assert.deepEqual(new Set(await collect(client.scanIterator({MATCH: "nr:scan:*", COUNT: 70}))), new Set(names));
	assert.equal(
		new Set(await collect(client.scanIterator({MATCH: "nr:scan:*", TYPE: "zset", COUNT: 400}))).size, 250);
	for (const n of [20, 1000]) { // compact, and a table
		const part = names.slice(0, n);
		await client.hSet(`nr:h${n}`, Object.fromEntries(part.map((name, i) => [name, i])));
		await client.sAdd(`nr:s${n}`, part);
		await client.zAdd(`nr:z${n}`, part.map((value, score) => ({value, score})));
		const fields = await collect(client.hScanIterator(`nr:h${n}`, {COUNT: 60}));
		assert.deepEqual(
			new Map(fields.map((e) => [e.field, e.value])),
			new Map(part.map((name, i) => [name, String(i)])));
		assert.deepEqual(new Set(await collect(client.sScanIterator(`nr:s${n}`, {COUNT: 60}))), new Set(part));
		const members = await collect(client.zScanIterator(`nr:z${n}`, {COUNT: 60}));
		assert.deepEqual(
			new Map(members.map((e) => [e.value, e.score])), new Map(part.map((name, i) => [name, i])));
	}
}

async function binary(client) {
	const raw = client.withTypeMapping({[RESP_TYPES.BLOB_STRING]: Buffer});
	const key = Buffer.concat([Buffer.from("nr:"), bytes(256)]);
	const value = bytes(150000, 9);

	assert.equal(String(await raw.set(key, value)), "OK");
	assert.deepEqual(await raw.get(key), value);
	await raw.hSet("nr:bin:hash", bytes(50, 3), value);
	await raw.rPush("nr:bin:list", range(300, (i) => bytes(i, i)));
	await raw.zAdd("nr:bin:zset", range(300, (i) => ({value: bytes(9, i), score: i / 7})));
	for (const from of [key, Buffer.from("nr:bin:hash"), Buffer.from("nr:bin:list"), Buffer.from("nr:bin:zset")]) {
		const to = Buffer.concat([Buffer.from("nr:copy:"), from]);
		const payload = await raw.dump(from);
		assert.equal(String(await raw.restore(to, 0, payload)), "OK");
		await rejects(raw.restore(to, 0, payload), /^BUSYKEY /);
		assert.equal(await client.type(to), await client.type(from));
		assert.equal(await raw.copy(to, `${from.length}`, {REPLACE: true}), 1);
	}
	assert.deepEqual(await raw.get(Buffer.concat([Buffer.from("nr:copy:"), key])), value);
	assert.deepEqual(await raw.hGet("nr:copy:nr:bin:hash", bytes(50, 3)), value);
	assert.deepEqual(await raw.lRange("nr:copy:nr:bin:list", 0, -1), range(300, (i) => bytes(i, i)));
	assert.deepEqual(await raw.zRange("nr:copy:nr:bin:zset", 0, -1), await raw.zRange("nr:bin:zset", 0, -1));
	await rejects(
		raw.restore("nr:bad", 0, Buffer.from("nothing of the kind")),
		/^ERR DUMP payload version or checksum are wrong$/);
}

async function field_times(client) {
	await client.hSet("nr:carts", Object.fromEntries(range(40, (i) => [`c${i}`, i])));
	assert.deepEqual(await client.hExpire("nr:carts", ["c0", "none"], 100), [1, -2]);
	assert.deepEqual(await client.hTTL("nr:carts", ["c0", "c1"]), [100, -1]);
	assert.deepEqual(await client.hpExpire("nr:carts", ["c1", "c2"], 500), [1, 1]);
	assert.deepEqual(await client.hPersist("nr:carts", ["c2"]), [1]);
	await until(async () => (await client.hLen("nr:carts")) === 39);
	assert.deepEqual(await client.hmGet("nr:carts", ["c1", "c2"]), [null, "2"]);
	assert.equal(await client.hSetEx("nr:carts", {c3: "x"}, {expiration: {type: "EX", value: 50}}), 1);
	assert.deepEqual(await client.hGetDel("nr:carts", ["c3", "c1"]), ["x", null]);
	assert.equal(await client.hLen("nr:carts"), 38);
}

/* Maps, sets, doubles and nulls are sent as such with RESP3 and as arrays and strings with RESP2. */
async function types(client) {
	const typeMapping = {[RESP_TYPES.MAP]: Map, [RESP_TYPES.SET]: Set, [RESP_TYPES.DOUBLE]: Number};
	const send = (...words) => client.sendCommand(words, {typeMapping});
	const sent = (resp2, resp3) => (RESP === 3 ? resp3 : resp2);

	await client.hSet("nr:t:hash", {a: "1", b: "2"});
	await client.sAdd("nr:t:set", ["1", "2", "3"]);
	await client.zAdd("nr:t:zset", [{value: "x", score: 1.5}, {value: "y", score: Infinity}]);
	await client.rPush("nr:t:list", ["1", "2"]);
	const hello = await send("HELLO");
	assert.equal(hello.constructor, sent(Array, Map));
	assert.equal(RESP === 3 ? hello.get("proto") : hello[hello.indexOf("proto") + 1], RESP);
	assert.deepEqual(
		await send("HGETALL", "nr:t:hash"), sent(["a", "1", "b", "2"], new Map([["a", "1"], ["b", "2"]])));
	assert.deepEqual(await send("HGETALL", "nr:none"), sent([], new Map()));
	assert.deepEqual(
		await send("HRANDFIELD", "nr:t:hash", "2", "WITHVALUES"),
		sent(["a", "1", "b", "2"], [["a", "1"], ["b", "2"]]));
	assert.deepEqual(await send("SMEMBERS", "nr:t:set"), sent(["1", "2", "3"], new Set(["1", "2", "3"])));
	assert.deepEqual(await send("SUNION", "nr:t:set", "nr:none"), sent(["1", "2", "3"], new Set(["1", "2", "3"])));
	assert.deepEqual(await send("SINTER", "nr:t:set", "nr:none"), sent([], new Set()));
	assert.deepEqual(await send("SPOP", "nr:t:set", "3"), sent(["1", "2", "3"], new Set(["1", "2", "3"])));
	assert.deepEqual(await send("ZSCORE", "nr:t:zset", "x"), sent("1.5", 1.5));
	assert.deepEqual(await send("ZMSCORE", "nr:t:zset", "y", "z"), sent(["inf", null], [Infinity, null]));
	assert.deepEqual(await send("ZINCRBY", "nr:t:zset", "-1", "x"), sent("0.5", 0.5));
	assert.deepEqual(await send("ZADD", "nr:t:zset", "INCR", "1", "x"), sent("1.5", 1.5));
	assert.deepEqual(
		await send("ZRANGE", "nr:t:zset", "0", "-1", "WITHSCORES"),
		sent(["x", "1.5", "y", "inf"], [["x", 1.5], ["y", Infinity]]));
	assert.deepEqual(
		await send("ZRANK", "nr:t:zset", "y", "WITHSCORE").catch(() => [1, sent("inf", Infinity)]),
		[1, sent("inf", Infinity)]);
	assert.deepEqual(await send("ZPOPMIN", "nr:t:zset"), sent(["x", "1.5"], ["x", 1.5]));
	assert.deepEqual(await send("ZPOPMAX", "nr:t:zset", "5"), sent(["y", "inf"], [["y", Infinity]]));
	assert.deepEqual(await send("LPOP", "nr:t:list", "2"), ["1", "2"]);
	assert.deepEqual(await send("LPOP", "nr:t:list", "2"), null);
	assert.deepEqual(
		await send("CONFIG", "GET", "maxmemory-policy"),
		sent(["maxmemory-policy", "noeviction"], new Map([["maxmemory-policy", "noeviction"]])));
	assert.equal((await send("COMMAND", "DOCS", "get")).constructor, sent(Array, Map));
}

const connect = async (host, port) => {
	const client = createClient({
		RESP,
		unstableResp3: true,
		commandOptions: {timeout: 10000},
		socket: {host, port, reconnectStrategy: false}
	});
	client.on("error", (error) => assert.fail(error));
	await client.connect();
	return client;
};

run({sessions, leaderboard, list_queue, stream_queue, counters, geo, tags, iterators, binary, field_times, types},
    connect, (client) => client.close());
