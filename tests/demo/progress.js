// SPDX-License-Identifier: Apache-2.0
// Follows the shared counter demo/done until it reaches demo/total, and draws how far it is; then keeps the time in
// demo/ended.
//
//   progress.js URL
"use strict";

const { setTimeout: pause } = require("node:timers/promises");
const sabir = require("sabir");

const WIDTH = 50;
const EVERY_MS = 20;

function draw(done, total) {
	const part = total ? done / total : 0;
	const bar = "█".repeat(Math.floor(part * WIDTH)).padEnd(WIDTH, "·");
	return `${bar} ${String(Math.floor(part * 100)).padStart(3)}%  ${done} of ${total || "?"} lines`;
}

async function main(url) {
	const client = await sabir.connect(url);
	const counter = await client.value("q", 0, { name: "demo/done" });
	const goal = await client.value("q", 0, { name: "demo/total" });
	const ended = await client.value("d", 0, { name: "demo/ended" });
	let done = 0;
	let total = 0;
	while (!total || done < total) {
		[done, total] = await Promise.all([counter.get(), goal.get()]);
		if (process.stdout.isTTY) {
			process.stdout.write(`\r${draw(done, total)}\x1b[K`);
		}
		await pause(done < total || !total ? EVERY_MS : 0);
	}
	await ended.set(Date.now() / 1000);
	process.stdout.write(process.stdout.isTTY ? "\n" : `${draw(done, total)}\n`);
	client.close();
}

main(process.argv[2]).catch((error) => {
	console.error(`progress.js: ${error.name}: ${error.message}`);
	process.exit(1);
});
