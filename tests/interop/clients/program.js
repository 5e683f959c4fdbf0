"use strict";
/* What the programs of the Node.js clients share: each is a table of parts, run one after the other on one connection.
 * Usage: node PROGRAM.js HOST PORT PART... ; prints nothing and ends with 0 if every part found what it expected. */
const assert = require("node:assert/strict");

const range = (n, fn = (i) => i) => Array.from({length: n}, (_, i) => fn(i));

/* Waits until what() is true: how soon is not for a crowded machine to tell. */
async function until(what) {
	const end = Date.now() + 10000;

	while (!(await what())) {
		assert.ok(Date.now() < end, `not within 10 s: ${what}`);
		await new Promise((done) => setTimeout(done, 10));
	}
}

/* Text of a size, the same each time. */
const text = (n, seed) => range(n, (i) => String.fromCharCode(97 + ((i * 7 + seed) % 26))).join("");

/* Every byte there is, CR LF among them, n bytes long. */
const bytes = (n, seed = 0) => Buffer.from(range(n, (i) => (i * 31 + seed) & 255));

async function rejects(promise, pattern) {
	await assert.rejects(promise, (error) => {
		assert.match(error.message, pattern);
		return true;
	});
}

/* connect(host, port, part): a connected client; disconnect(client): ends it. */
async function main(parts, connect, disconnect) {
	const [host, port, ...wanted] = process.argv.slice(2);
	const watchdog = setTimeout(() => {
		console.error(`no end of part ${main.part} in sight`);
		process.exit(1);
	}, 55000);

	for (const part of wanted) {
		main.part = part;
		assert.ok(parts[part], `no part ${part}`);
		const client = await connect(host, Number(port), part);
		await parts[part](client, part);
		await disconnect(client);
	}
	clearTimeout(watchdog);
}

function run(parts, connect, disconnect) {
	main(parts, connect, disconnect).catch((error) => {
		console.error(`in part ${main.part}:`, error);
		process.exit(1);
	});
}

module.exports = {assert, bytes, range, rejects, run, text, until};
