"use strict";
/* BullMQ's own work, all of it by its scripts: jobs now, later, by priority, again and again, no faster than allowed,
 * parents that wait for their children, and workers that die while they work. */
const {fork} = require("node:child_process");
const {FlowProducer, Queue, QueueEvents, Worker} = require("bullmq");
const {assert, range, run, until} = require("./program");

const opened = [];

function at({host, port}) {
	return {connection: {host, port, maxRetriesPerRequest: null}};
}

function open(Type, ...args) {
	const one = new Type(...args);
	one.on("error", (error) => {
		console.error(error);
		process.exit(1);
	});
	opened.push(one);
	return one;
}

async function closeAll() {
	await Promise.all(opened.splice(0).reverse().map((one) => one.close()));
}

const total = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

/* Jobs at once and in bulk, one of which fails until its last attempt. */
async function plain(here) {
	const queue = open(Queue, "plain", at(here)), done = new Map();
	const worker = open(Worker, "plain", async (job) => {
		if (job.data.fails > job.attemptsMade)
			throw new Error("not yet");
		await job.updateProgress(50);
		await job.log("half");
		return {sum: job.data.x + 1};
	}, {...at(here), concurrency: 8});

	worker.on("completed", (job, result) => done.set(job.id, result.sum));
	const jobs = await queue.addBulk(range(100, (i) => ({name: "add", data: {x: i, fails: 0}})));
	const stubborn = await queue.add("add", {x: 7, fails: 2}, {attempts: 3, backoff: {type: "fixed", delay: 20}});
	const hopeless = await queue.add("add", {x: 7, fails: 9}, {attempts: 2});
	await until(async () => done.size === 101 && (await queue.getFailedCount()) === 1);
	jobs.forEach((job, i) => assert.equal(done.get(job.id), i + 1));
	assert.equal(done.get(stubborn.id), 8);
	const failed = await queue.getJob(hopeless.id);
	assert.deepEqual([failed.failedReason, failed.attemptsMade, await failed.getState()], ["not yet", 2, "failed"]);
	assert.deepEqual((await queue.getJobLogs(jobs[0].id)).logs, ["half"]);
	assert.deepEqual(await queue.getJobCounts("completed", "failed", "wait", "active"), {completed: 101, failed: 1, wait: 0, active: 0});
	await failed.updateData({x: 1, fails: 0});
	await failed.retry();
	await until(async () => (await queue.getCompletedCount()) === 102);
	assert.equal((await queue.clean(0, 1000, "completed")).length, 102);
	await queue.pause();
	await queue.add("add", {x: 1, fails: 0}, {jobId: "once"});
	await queue.add("add", {x: 2, fails: 0}, {jobId: "once"});
	assert.equal(await queue.count(), 1);
	await queue.resume();
	await until(async () => (await queue.getCompletedCount()) === 1);
	await queue.obliterate({force: true});
	assert.equal(total(await queue.getJobCounts()), 0);
}

async function delayed(here) {
	const queue = open(Queue, "delayed", at(here)), began = new Map();
	open(Worker, "delayed", async (job) => began.set(job.data.i, Date.now()), at(here));
	const start = Date.now();

	await Promise.all(range(20, (i) => queue.add("later", {i}, {delay: 100 + 40 * (19 - i)})));
	await until(() => began.size === 20);
	for (const [i, when] of began)
		assert.ok(when - start >= 100 + 40 * (19 - i) - 2, `job ${i} after ${when - start} ms`);
	const order = [...began.keys()];
	assert.deepEqual(order, range(20, (i) => 19 - i));
	const job = await queue.add("far", {i: 99}, {delay: 1e6});
	assert.equal(await job.getState(), "delayed");
	await job.promote();
	await until(() => began.has(99));
}

async function prioritised(here) {
	const queue = open(Queue, "prio", at(here)), order = [];
	const priorities = range(60, (i) => 1 + ((i * 37) % 12));

	await queue.addBulk(priorities.map((priority, i) => ({name: "p", data: {i, priority}, opts: {priority}})));
	await queue.add("p", {i: -1, priority: 0});
	assert.equal((await queue.getCountsPerPriority([0, 1, 2]))[0], 1);
	open(Worker, "prio", async (job) => void order.push(job.data), at(here));
	await until(() => order.length === 61);
	assert.equal(order[0].i, -1);
	for (const i of range(59, (n) => n + 2))
		assert.ok(order[i - 1].priority < order[i].priority || (order[i - 1].priority === order[i].priority &&
			order[i - 1].i < order[i].i), `${JSON.stringify(order[i - 1])} before ${JSON.stringify(order[i])}`);
}

async function repeated(here) {
	const queue = open(Queue, "again", at(here)), ticks = [];
	open(Worker, "again", async (job) => void ticks.push(job.name), at(here));

	await queue.upsertJobScheduler("tick", {every: 60, limit: 5}, {name: "tick"});
	await queue.upsertJobScheduler("tock", {every: 100}, {name: "tock"});
	assert.equal((await queue.getJobSchedulers()).length, 2);
	await until(() => ticks.filter((t) => t === "tick").length === 5 && ticks.filter((t) => t === "tock").length >= 4);
	assert.equal(await queue.removeJobScheduler("tock"), true);
	await until(async () => (await queue.getDelayedCount()) === 0 && (await queue.getActiveCount()) === 0);
	assert.equal(ticks.filter((t) => t === "tick").length, 5);
}

async function limited(here) {
	const queue = open(Queue, "slow", at(here)), when = [];
	open(Worker, "slow", async () => void when.push(Date.now()), {...at(here), concurrency: 10, limiter: {max: 5, duration: 200}});
	await queue.addBulk(range(25, (i) => ({name: "x", data: {i}})));
	await until(() => when.length === 25);
	/* Windows of the limiter begin with a job: five of them last 800 ms at least. */
	assert.ok(when[24] - when[0] >= 4 * 200 - 20, `${when[24] - when[0]} ms`);
}

async function families(here) {
	const flow = open(FlowProducer, at(here)), parents = open(Queue, "parents", at(here));
	open(Queue, "children", at(here));
	const events = open(QueueEvents, "parents", at(here));
	await events.waitUntilReady();
	open(Worker, "children", async (job) => job.data.n * 2, {...at(here), concurrency: 4});
	open(Worker, "parents", async (job) => Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0),
		{...at(here), concurrency: 4});
	const trees = await Promise.all(range(12, (t) => flow.add({name: "sum", queueName: "parents", data: {t},
		children: range(5, (n) => ({name: "double", queueName: "children", data: {n: n + t}}))})));

	for (const [t, tree] of trees.entries()) {
		const result = await tree.job.waitUntilFinished(events, 9000);
		assert.equal(result, 2 * (0 + 1 + 2 + 3 + 4 + 5 * t));
	}
	const deep = await flow.add({name: "sum", queueName: "parents", data: {},
		children: [{name: "sum", queueName: "parents", data: {}, children: [{name: "double", queueName: "children", data: {n: 21}}]}]});
	assert.equal(await deep.job.waitUntilFinished(events, 9000), 42);
	await until(async () => (await parents.getCompletedCount()) === 14);
}

/* Worker processes are killed while they work; others take over what they had, and nothing is lost or done by halves. */
async function crashes(here) {
	const queue = open(Queue, "risky", at(here));
	const client = await queue.client;
	const spawn = () => fork(__filename, [here.host, String(here.port), "(victim)"], {stdio: "inherit"});
	let victims = range(3, spawn);

	await queue.addBulk(range(80, (i) => ({name: "r", data: {i}, opts: {attempts: 20}})));
	for (const round of range(4)) {
		await until(async () => Number(await client.scard("risky:done")) >= 12 * (round + 1));
		victims.shift().kill("SIGKILL");
		victims.push(spawn());
	}
	await until(async () => Number(await client.scard("risky:done")) === 80 && (await queue.getCompletedCount()) === 80);
	assert.deepEqual(await queue.getJobCounts("wait", "active", "failed", "delayed"), {wait: 0, active: 0, failed: 0, delayed: 0});
	victims.forEach((v) => v.kill("SIGKILL"));
}

async function victim(here) {
	const worker = new Worker("risky", async (job) => {
		await new Promise((done) => setTimeout(done, 15));
		await (await worker.client).sadd("risky:done", job.data.i);
	}, {...at(here), concurrency: 3, lockDuration: 400, stalledInterval: 200, maxStalledCount: 50});
	worker.on("error", () => {});
	await new Promise(() => {});
}

/* The same with children that are delayed and parents that wait for them: no child is lost, no parent begins too early. */
async function orphans(here) {
	const flow = open(FlowProducer, at(here)), parents = open(Queue, "kin", at(here)), children = open(Queue, "kids", at(here));
	const client = await parents.client, victims = [], spawn = () =>
		victims.push(fork(__filename, [here.host, String(here.port), "(relatives)"], {stdio: "inherit"}));
	const trees = await Promise.all(range(8, (t) => flow.add({name: "sum", queueName: "kin", data: {t}, opts: {attempts: 20},
		children: range(4, (n) => ({name: "double", queueName: "kids", data: {n: n + t}, opts: {delay: 60 * n, attempts: 20}}))})));

	range(2, spawn);
	for (const round of range(3)) {
		await until(async () => Number(await client.scard("kids:done")) >= 8 * (round + 1));
		victims.shift().kill("SIGKILL");
		spawn();
	}
	await until(async () => (await parents.getCompletedCount()) === 8);
	for (const [t, tree] of trees.entries())
		assert.equal((await parents.getJob(tree.job.id)).returnvalue, 2 * (0 + 1 + 2 + 3 + 4 * t));
	const nothing = {wait: 0, active: 0, delayed: 0, failed: 0, "waiting-children": 0};
	for (const queue of [parents, children])
		assert.deepEqual(await queue.getJobCounts(...Object.keys(nothing)), nothing);
	assert.equal(await children.getCompletedCount(), 32);
	victims.forEach((v) => v.kill("SIGKILL"));
}

const FRAGILE = {lockDuration: 400, stalledInterval: 200, maxStalledCount: 50};

async function relatives(here) {
	const slowly = () => new Promise((done) => setTimeout(done, 20));
	const kids = new Worker("kids", async (job) => {
		await slowly();
		await (await kids.client).sadd("kids:done", job.id);
		await slowly();
		return job.data.n * 2;
	}, {...at(here), concurrency: 3, ...FRAGILE});
	const kin = new Worker("kin", async (job) => {
		const values = Object.values(await job.getChildrenValues());
		assert.equal(values.length, 4);
		await slowly();
		return values.reduce((a, b) => a + b, 0);
	}, {...at(here), ...FRAGILE});
	[kids, kin].forEach((worker) => worker.on("error", () => {}));
	await new Promise(() => {});
}

if (process.argv[4] === "(victim)")
	victim({host: process.argv[2], port: Number(process.argv[3])});
else if (process.argv[4] === "(relatives)")
	relatives({host: process.argv[2], port: Number(process.argv[3])});
else
	run({plain, delayed, prioritised, repeated, limited, families, crashes, orphans}, async (host, port) => ({host, port}), closeAll);
