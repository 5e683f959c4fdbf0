"use strict";
/* What BullMQ does without scripts: a queue's settings, jobs read from the keys where BullMQ keeps them, dates of
 * removal and deduplication, and the stream of events between a producer and its listeners. */
const {Queue, QueueEvents, QueueEventsProducer, Job} = require("bullmq");
const {assert, range, run, until} = require("./program");

const NAME = "letters";

async function settings({queue}) {
	assert.match(await queue.getVersion(), /^bullmq:\d/);
	assert.equal(await queue.isPaused(), false);
	assert.equal(await queue.getGlobalConcurrency(), null);
	await queue.setGlobalConcurrency(4);
	assert.equal(await queue.getGlobalConcurrency(), 4);
	await queue.removeGlobalConcurrency();
	assert.equal(await queue.getGlobalConcurrency(), null);
	await queue.setGlobalRateLimit(10, 1000);
	assert.deepEqual(await queue.getGlobalRateLimit(), {max: 10, duration: 1000});
	await queue.removeGlobalRateLimit();
	assert.equal((await queue.getMeta()).maxLenEvents, 10000);

	const client = await queue.client;
	await queue.rateLimit(500);
	const left = await client.pttl(queue.toKey("limiter"));
	assert.ok(left > 0 && left <= 500, `limited for ${left} ms`);
	await until(async () => (await client.exists(queue.toKey("limiter"))) === 0);
	assert.equal(await queue.removeRateLimitKey(), 0);
	await client.set(queue.toKey("de:once"), "7");
	assert.equal(await queue.getDeduplicationJobId("once"), "7");
	assert.equal(await queue.removeDeduplicationKey("once"), 1);
}

/* A job lies in a hash; which state it is in, the lists and sorted sets beside it tell. */
async function jobs({queue}) {
	const client = await queue.client;
	const now = Date.now();

	for (const i of range(60, (n) => n + 1)) {
		await client.hset(queue.toKey(String(i)), {
			name: "send",
			data: JSON.stringify({to: `user${i}`}),
			opts: JSON.stringify({attempts: 3}),
			timestamp: now + i,
			delay: 0,
			priority: 0,
			atm: i % 3,
			...(i % 2 ? {returnvalue: JSON.stringify({sent: i}), finishedOn: now + i} : {}),
		});
		if (i % 2)
			await client.zadd(queue.toKey("completed"), now + i, String(i));
		else
			await client.zadd(queue.toKey("failed"), now + i, String(i));
	}
	for (const i of [1, 2, 33, 60]) {
		const job = await queue.getJob(String(i));
		assert.deepEqual(
			[job.id, job.name, job.data, job.timestamp, job.attemptsMade],
			[String(i), "send", {to: `user${i}`}, now + i, i % 3]);
		assert.deepEqual(job.returnvalue, i % 2 ? {sent: i} : null);
		assert.equal(await job.isCompleted(), i % 2 === 1);
		assert.equal(await job.isFailed(), i % 2 === 0);
	}
	assert.equal(await queue.getJob("none"), undefined);

	const logs = queue.toKey("5:logs");
	await client.rpush(logs, ...range(30, (i) => `row ${i}`));
	const job = await Job.fromId(queue, "5");
	await job.clearLogs(10);
	assert.deepEqual(await client.lrange(logs, 0, -1), range(10, (i) => `row ${i + 20}`));
	await job.clearLogs();
	assert.equal(await client.exists(logs), 0);
	await client.hset(queue.toKey("5:processed"), {"bull:child:1": JSON.stringify({ok: true})});
	assert.deepEqual(await job.getChildrenValues(), {"bull:child:1": {ok: true}});
}

async function events({queue, connection}) {
	const listener = new QueueEvents(NAME, {connection, lastEventId: "0-0", blockingTimeout: 200});
	const producer = new QueueEventsProducer(NAME, {connection});
	const heard = [];

	listener.on("error", (error) => assert.fail(error));
	const all = new Promise((done) => listener.on("progress", ({jobId, data}, id) => {
		heard.push([jobId, data, id]);
		if (heard.length === 200)
			done();
	}));
	await listener.waitUntilReady();
	for (const i of range(200))
		await producer.publishEvent(
			{eventName: "progress", jobId: String(i), data: JSON.stringify({percent: i / 2})});
	await all;
	assert.deepEqual(heard.map(([jobId, data]) => [jobId, data]), range(200, (i) => [String(i), {percent: i / 2}]));
	assert.equal(new Set(heard.map(([, , id]) => id)).size, 200);
	await queue.trimEvents(0);
	assert.equal(await (await queue.client).xlen(queue.toKey("events")), 0);
	await listener.close();
	await producer.close();
}

async function connect(host, port) {
	const connection = {host, port};
	const queue = new Queue(NAME, {connection});
	queue.on("error", (error) => assert.fail(error));
	await queue.waitUntilReady();
	await until(() => queue.getVersion()); // it writes its settings meanwhile
	return {queue, connection};
}

run({settings, jobs, events}, connect, ({queue}) => queue.close());
