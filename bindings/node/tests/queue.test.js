// SPDX-License-Identifier: Apache-2.0
// Items and the queue.
"use strict";

const assert = require("node:assert/strict");
const { execFile } = require("node:child_process");
const path = require("node:path");
const { promisify } = require("node:util");
const sabir = require("sabir");
const { all, fails, story, urls } = require("./kit");

const items = [
	null, true, false, 0, -1, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n, 1.5, -0, NaN, Infinity, 2 ** 60,
	"", "é\0x", Buffer.from([]), Buffer.from([0, 255]), [], [1, [2, [null]]], {}, { a: { b: [1] } },
	new Map([[1, 2], [Buffer.from("k"), null]]), new Date(0), new Date(-1), new Date(1234567890123),
	new sabir.Opaque("text/x-made-up", Buffer.from([0])), new sabir.Ref({ name: "some/name" }),
	new sabir.Ref({ handle: 2n ** 64n - 1n }),
];

story("items come back as they were", async (client) => {
	const queue = await client.queue();
	for (const item of items) {
		await queue.put(item);
		assert.deepStrictEqual(await queue.get(), item);
	}
	await queue.put([new sabir.Double(2), new Uint8Array([1]), 7n]);
	assert.deepStrictEqual(await queue.get(), [2, Buffer.from([1]), 7]);
});

story("what others do not know is refused", async (client) => {
	const queue = await client.queue();
	for (const item of [undefined, () => 1, Symbol("x"), new Set(), /x/, [new Error("x")], new Date(NaN)]) {
		await assert.rejects(queue.put(item), TypeError);
	}
	await assert.rejects(queue.put(2n ** 64n), RangeError);
	assert.equal(await queue.qsize(), 0);
});

story("a shared object travels as a reference", async (client) => {
	const [inner, outer] = [await client.queue(), await client.queue()];
	await outer.put({ replyTo: inner });
	const { replyTo } = await outer.get();
	await (await client.open(replyTo)).put("here");
	assert.equal(await inner.get(), "here");
});

story("first in first out", async (client) => {
	const queue = await client.queue();
	for (let i = 0; i < 50; i++) {
		await queue.put(i);
	}
	assert.deepEqual(await queue.getMany(100), Array.from({ length: 50 }, (none, i) => i));
});

story("empty and full", async (client) => {
	const queue = await client.queue(undefined, { maxsize: 1 });
	await fails("EMPTY", queue.getNowait());
	await fails("EMPTY", queue.get({ timeout: 10 }));
	await fails("EMPTY", queue.peek());
	await queue.put(1);
	await fails("FULL", queue.putNowait(2));
	await fails("FULL", queue.put(2, { timeout: 10.5 }));
	assert.deepEqual([await queue.peek(), await queue.full(), await queue.empty()], [1, true, false]);
	assert.deepEqual([await queue.clear(), await queue.qsize()], [1, 0]);
	await assert.rejects(queue.get({ timeout: -1 }), RangeError);
});

story("calls wait for each other", async (client) => {
	const queue = await client.queue(undefined, { maxsize: 1 });
	const got = queue.get();
	await queue.put("a");
	assert.equal(await got, "a");
	await queue.put("b");
	const put = queue.put("c");
	assert.equal(await queue.get(), "b");
	await put;
	assert.equal(await queue.get(), "c");
});

story("many in one step", async (client) => {
	const queue = await client.queue(undefined, { maxsize: 3 });
	assert.equal(await queue.putMany([1, 2, 3, 4]), 3);
	assert.equal(await queue.putMany([]), 0);
	assert.deepEqual(await queue.getMany(2), [1, 2]);
	await fails("INVALID_ARGUMENT", queue.getMany(0));
});

story("close and delete wake who waits", async (client, name) => {
	const [closing, deleting] = [await client.queue(), await client.queue(name("it"))];
	const waiting = [fails("CLOSED", closing.get()), fails("DELETED", deleting.get())];
	await closing.close();
	await client.delete(deleting);
	await Promise.all(waiting);
	await fails("CLOSED", closing.put(1));
	await fails("DELETED", deleting.qsize());
	assert.equal(await closing.closed(), true);
});

story("iterating drains a closed queue", async (client) => {
	const queue = await client.queue();
	await queue.putMany(["a", "b"]);
	await queue.close();
	assert.deepEqual(await all(queue), ["a", "b"]);
});

story("an aborted get takes nothing", async (client) => {
	const queue = await client.queue();
	const abort = new AbortController();
	const got = queue.get({ signal: abort.signal });
	await queue.qsize();
	abort.abort();
	await assert.rejects(got, { name: "AbortError" });
	await assert.rejects(queue.get({ signal: abort.signal }), { name: "AbortError" });
	await queue.put("kept");
	assert.equal(await queue.get({ timeout: 5000 }), "kept");
});

story("an item over the limit is refused", async (client) => {
	await fails("TOO_LARGE", (await client.queue()).put(Buffer.alloc(1 << 20)));
});

story("a C program on shared memory takes what Node puts", async (client, name) => {
	const [lines, words] = [await client.queue(name("q")), await client.dict(name("d"))];
	const program = path.join(process.env.SABIR_BUILD, "examples", "wordcount_worker");
	const run = promisify(execFile)(program, [lines.name, words.name, name("n"), urls.local], { timeout: 30000 });
	await lines.putMany(["to be or not", Buffer.from("to be")]);
	await lines.close();
	assert.equal((await run).stdout, "2 lines\n");
	assert.deepEqual(new Map(await all(words)), new Map([["to", 2], ["be", 2], ["or", 1], ["not", 1]]));
	assert.equal(await (await client.open(name("n"))).get(), 2);
});
