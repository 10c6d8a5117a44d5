// SPDX-License-Identifier: Apache-2.0
// What the tests share: a client of the server that `run` started, and names of each test's own.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const sabir = require("sabir");

const urls = { tcp: process.env.TCP_URL, remote: process.env.REMOTE_URL, local: process.env.LOCAL_URL };

/** A test with a client and a function that makes names of the test's own. */
function story(title, body) {
	test(title, { timeout: 60000 }, async () => {
		const client = await sabir.connect(urls.tcp);
		const prefix = `node/${title.replaceAll(" ", "-")}/`;
		try {
			await body(client, (name) => prefix + name);
		} finally {
			for await (const { name } of client.list(prefix)) {
				await client.delete(name);
			}
			client.close();
		}
	});
}

/** Checks that a call fails for this reason, with the class of that name. */
async function fails(reason, call) {
	const Class = sabir.errors[reason.toLowerCase().replace(/(^|_)(.)/g, (all, dash, letter) => letter.toUpperCase())];
	await assert.rejects(call, (error) => {
		assert.equal(error.reason, reason);
		assert.ok(error instanceof Class && error instanceof sabir.SabirError);
		return true;
	});
}

async function all(iterable) {
	const items = [];
	for await (const item of iterable) {
		items.push(item);
	}
	return items;
}

module.exports = { all, fails, story, urls };
