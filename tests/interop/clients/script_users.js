"use strict";
/* Libraries whose work is done by scripts, or stands on them: locks, rate limits, sessions, rooms of Socket.IO, a queue.
 * Each part makes the clients that its library wants. */
const {fork} = require("node:child_process");
const http = require("node:http");
const Redis = require("ioredis");
const {assert, range, run, until} = require("./program");

const open = ({host, port}) => new Redis({host, port, maxRetriesPerRequest: 1});

/* Ten clients add to a number that they read and write apart; only the lock makes that right. */
async function redlock(at) {
	const Redlock = require("redlock");
	const clients = range(5, () => open(at));
	const locks = clients.map((c) => new Redlock([c], {retryCount: 400, retryDelay: 5, retryJitter: 5}));

	await clients[0].set("bank", 0);
	await Promise.all(range(50, async (i) => {
		const lock = await locks[i % 5].lock("locks:bank", 5000);
		const n = Number(await clients[i % 5].get("bank"));
		await clients[i % 5].set("bank", n + 1);
		await lock.unlock();
	}));
	assert.equal(await clients[0].get("bank"), "50");

	const short = await locks[0].lock("locks:short", 1000);
	await assert.rejects(new Redlock([clients[1]], {retryCount: 0}).lock("locks:short", 1000), /LockError|unable to achieve/i);
	const longer = await short.extend(4000);
	assert.ok((await clients[0].pttl("locks:short")) > 1500);
	await longer.unlock();
	await assert.rejects(longer.unlock(), /quorum|not longer held|unable/i);
	assert.equal(await clients[0].exists("locks:short", "locks:bank"), 0);
	await Promise.all(clients.map((c) => c.quit()));
}

async function rateLimiter(at) {
	const {RateLimiterRedis, BurstyRateLimiter} = require("rate-limiter-flexible");
	const client = open(at);
	const limiter = new RateLimiterRedis({storeClient: client, keyPrefix: "rl", points: 20, duration: 30, blockDuration: 60});
	const outcomes = await Promise.all(range(200, (i) =>
		limiter.consume(`user${i % 4}`).then(() => true, (r) => (assert.ok(r.msBeforeNext > 0, `${r}`), false))));

	for (const user of range(4))
		assert.equal(outcomes.filter((ok, i) => ok && i % 4 === user).length, 20, `of user${user}`);
	assert.ok(Number(await client.get("rl:user0")) >= 20);
	assert.ok((await limiter.get("user0")).remainingPoints <= 0);
	await limiter.delete("user0");
	assert.equal((await limiter.consume("user0", 5)).remainingPoints, 15);
	await limiter.reward("user0", 2);
	assert.equal((await limiter.get("user0")).consumedPoints, 3);
	const quick = new RateLimiterRedis({storeClient: client, keyPrefix: "quick", points: 1, duration: 1});
	await quick.consume("a");
	await assert.rejects(quick.consume("a"));
	await until(async () => quick.consume("a").then(() => true, () => false));
	const bursty = new BurstyRateLimiter(
		new RateLimiterRedis({storeClient: client, keyPrefix: "slow", points: 1, duration: 60}),
		new RateLimiterRedis({storeClient: client, keyPrefix: "burst", points: 3, duration: 60}));
	const burst = await Promise.allSettled(range(6, () => bursty.consume("b")));
	assert.equal(burst.filter((r) => r.status === "fulfilled").length, 4);
	await client.quit();
}

/* connect-redis as express-session uses it. */
async function sessionStore(at) {
	const {createClient} = require("redis");
	const {RedisStore} = require("connect-redis");
	const client = createClient({socket: {host: at.host, port: at.port}});
	await client.connect();
	const store = new RedisStore({client, prefix: "sess:", ttl: 600, scanCount: 10});
	const call = (name, ...args) => new Promise((done, fail) =>
		store[name](...args, (error, value) => (error ? fail(error) : done(value))));
	const session = (i) => ({cookie: {originalMaxAge: null}, user: `user${i}`, views: i});

	await Promise.all(range(120, (i) => call("set", `id${i}`, session(i))));
	assert.deepEqual(await call("get", "id7"), session(7));
	assert.ok(!(await call("get", "none")));
	assert.equal(await call("length"), 120);
	assert.deepEqual((await call("ids")).sort(), range(120, (i) => `id${i}`).sort());
	assert.equal((await call("all")).length, 120);
	await client.expire("sess:id7", 5);
	await call("touch", "id7", session(7));
	assert.ok((await client.ttl("sess:id7")) > 500);
	await call("destroy", "id7");
	assert.ok(!(await call("get", "id7")));
	await call("clear");
	assert.equal(await call("length"), 0);
	await client.close();
}

/* Two servers of Socket.IO that know of each other by Redis alone. */
async function socketRooms(at) {
	const {Server} = require("socket.io");
	const {createAdapter} = require("@socket.io/redis-adapter");
	const {io: connect} = require("socket.io-client");
	const nodes = await Promise.all(range(2, async () => {
		const server = http.createServer(), pub = open(at), sub = open(at);
		const io = new Server(server, {adapter: createAdapter(pub, sub, {requestsTimeout: 8000})});
		io.on("connection", (socket) => socket.on("join", (room, done) => done(socket.join(room))));
		await new Promise((done) => server.listen(0, "127.0.0.1", done));
		return {server, pub, sub, io};
	}));
	const clients = await Promise.all(range(6, async (i) => {
		const socket = connect(`http://127.0.0.1:${nodes[i % 2].server.address().port}`, {transports: ["websocket"]});
		socket.got = [];
		socket.on("news", (n) => socket.got.push(n));
		await new Promise((done, fail) => (socket.on("connect", done), socket.on("connect_error", fail)));
		await socket.emitWithAck("join", i < 3 ? "left" : "right");
		return socket;
	}));

	await until(async () => (await nodes[0].io.fetchSockets()).length === 6);
	for (const n of range(50))
		nodes[n % 2].io.to("left").emit("news", n);
	nodes[1].io.emit("news", "all");
	await until(() => clients.every((c, i) => c.got.length === (i < 3 ? 51 : 1)));
	for (const c of clients.slice(0, 3))
		for (const side of range(2))
			assert.deepEqual(c.got.filter((n) => n % 2 === side), range(25, (i) => 2 * i + side));
	assert.equal((await nodes[1].io.in("left").fetchSockets()).length, 3);
	nodes[0].io.in("right").socketsJoin("left");
	await until(async () => (await nodes[1].io.in("left").fetchSockets()).length === 6);
	clients.forEach((c) => c.disconnect());
	await until(async () => (await nodes[0].io.fetchSockets()).length === 0);
	for (const {io, pub, sub} of nodes) {
		await io.close();
		pub.disconnect();
		sub.disconnect();
	}
}

async function beeQueue(at) {
	const Queue = require("bee-queue");
	const settings = {redis: {host: at.host, port: at.port}, activateDelayedJobs: true, delayedDebounce: 20,
		nearTermWindow: 50, stallInterval: 300};
	const queue = new Queue("sums", {...settings, isWorker: false}), worker = new Queue("sums", settings);
	const failures = new Map(), results = new Map();

	queue.on("job succeeded", (id, result) => results.set(id, result));
	worker.process(5, async (job) => {
		const seen = failures.get(job.id) || 0;
		failures.set(job.id, seen + 1);
		if (job.data.fails > seen)
			throw new Error("not yet");
		return job.data.x + job.data.y;
	});
	const plain = await Promise.all(range(60, (i) => queue.createJob({x: i, y: i, fails: 0}).save()));
	const stubborn = await queue.createJob({x: 1, y: 2, fails: 2}).retries(3).backoff("immediate").save();
	const hopeless = await queue.createJob({x: 1, y: 2, fails: 99}).retries(1).save();
	const later = await queue.createJob({x: 20, y: 22, fails: 0}).delayUntil(Date.now() + 300).save();
	await until(() => results.size === 62);
	plain.forEach((job, i) => assert.equal(results.get(job.id), 2 * i));
	assert.equal(results.get(stubborn.id), 3);
	assert.equal(results.get(later.id), 42);
	await until(async () => (await queue.checkHealth()).failed === 1);
	assert.equal((await queue.getJob(hopeless.id)).status, "failed");
	await queue.saveAll(range(20, (i) => queue.createJob({x: i, y: 1, fails: 0})));
	await until(async () => (await queue.checkHealth()).succeeded === 82);
	await worker.close();
	await queue.destroy();
	await queue.close();
}

/* A worker is killed with three jobs half done; another one finds them stalled and does them, and nothing twice. */
async function beeQueueCrash(at) {
	const Queue = require("bee-queue");
	const settings = {redis: {host: at.host, port: at.port}, stallInterval: 200};
	const client = open(at), queue = new Queue("risky", {...settings, isWorker: false}), results = new Map();
	queue.on("job succeeded", (id, result) => results.set(id, [...(results.get(id) || []), result]));
	const victim = fork(__filename, [at.host, String(at.port), "(bee)"], {stdio: "inherit"});
	const jobs = await Promise.all(range(12, (i) => queue.createJob({i}).save()));

	await until(async () => (await client.scard("bee:begun")) === 3);
	victim.kill("SIGKILL");
	assert.equal((await queue.checkHealth()).active, 3);
	const worker = new Queue("risky", settings), done = [];
	worker.process(3, async (job) => (done.push(job.id), 2 * job.data.i));
	await until(() => results.size === 9);
	assert.equal((await queue.checkHealth()).active, 3);
	worker.checkStalledJobs(100);
	await until(() => results.size === 12);
	jobs.forEach((job, i) => assert.deepEqual(results.get(job.id), [2 * i]));
	assert.deepEqual(done.slice(9).sort(), (await client.smembers("bee:begun")).sort());
	const {waiting, active, succeeded, failed} = await queue.checkHealth();
	assert.deepEqual({waiting, active, succeeded, failed}, {waiting: 0, active: 0, succeeded: 12, failed: 0});
	await worker.close();
	await queue.close();
	await client.quit();
}

async function bee(at) {
	const Queue = require("bee-queue");
	const client = open(at), worker = new Queue("risky", {redis: {host: at.host, port: at.port}, stallInterval: 200});
	worker.process(3, async (job) => {
		await client.sadd("bee:begun", job.id);
		await new Promise(() => {});
	});
	await new Promise(() => {});
}

if (process.argv[4] === "(bee)")
	bee({host: process.argv[2], port: Number(process.argv[3])});
else
	run({redlock, rateLimiter, sessionStore, socketRooms, beeQueue, beeQueueCrash}, async (host, port) => ({host, port}), async () => {});
