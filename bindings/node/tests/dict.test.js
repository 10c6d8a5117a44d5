// SPDX-License-Identifier: Apache-2.0
// The dict.
"use strict";

const assert = require("node:assert/strict");
const sabir = require("sabir");
const { all, fails, story } = require("./kit");

story("it is a map", async (client) => {
	const dict = await client.dict();
	assert.deepEqual([await dict.set("a", 1), await dict.set("b", [2]), await dict.set("a", null)], [true, true, false]);
	assert.deepEqual([await dict.get("a"), await dict.get("c"), await dict.get("c", 3)], [null, undefined, 3]);
	assert.deepEqual([await dict.has("a"), await dict.has("c"), await dict.size()], [true, false, 2]);
	assert.deepEqual([await all(dict.keys()), await all(dict.values())], [["a", "b"], [null, [2]]]);
	assert.deepEqual([await dict.delete("a"), await dict.delete("a"), await all(dict)], [true, false, [["b", [2]]]]);
});

story("keys of every kind", async (client) => {
	const dict = await client.dict();
	const keys = [null, true, 1, "1", Buffer.from("1"), [1, ["x"]], { a: 1 }, 2n ** 64n - 1n, new sabir.Double(1)];
	for (const [i, key] of keys.entries()) {
		await dict.set(key, i);
	}
	assert.equal(await dict.size(), keys.length);
	for (const [i, key] of keys.entries()) {
		assert.equal(await dict.get(key), i);
	}
});

story("pop popitem setdefault and clear", async (client) => {
	const dict = await client.dict();
	assert.equal(await dict.update({ a: 1, b: 2, c: 3 }), 3);
	assert.deepEqual([await dict.pop("a"), await dict.pop("a", "none"), await dict.popitem()], [1, "none", ["c", 3]]);
	await fails("KEY_NOT_FOUND", dict.pop("a"));
	assert.deepEqual([await dict.setdefault("b", 9), await dict.setdefault("x", 9)], [2, 9]);
	assert.equal(await dict.setdefault("y"), null);
	assert.equal(await dict.clear(), 3);
	await fails("EMPTY", dict.popitem());
});

story("update is all or nothing", async (client) => {
	const dict = await client.dict();
	await fails("TOO_LARGE", dict.update([["a", 1], ["b", Buffer.alloc(1 << 20)]]));
	assert.equal(await dict.size(), 0);
	assert.equal(await dict.update(new Map([["a", 1], ["b", 2]])), 2);
});

story("increment", async (client) => {
	const dict = await client.dict();
	await Promise.all(Array.from({ length: 300 }, () => dict.increment("n")));
	assert.equal(await dict.get("n"), 300);
	assert.deepEqual([await dict.increment("n", -1), await dict.increment("n", 0.5)], [299, 299.5]);
	await dict.update({ big: 2n ** 64n - 1n, text: "x" });
	await fails("OUT_OF_RANGE", dict.increment("big"));
	await fails("WRONG_TYPE", dict.increment("text"));
});

story("compareExchange sets and deletes", async (client) => {
	const dict = await client.dict();
	assert.deepEqual(await dict.compareExchange("k", undefined, 1), { exchanged: true, found: undefined });
	assert.deepEqual(await dict.compareExchange("k", undefined, 2), { exchanged: false, found: 1 });
	assert.deepEqual(await dict.compareExchange("k", 1, null), { exchanged: true, found: 1 });
	assert.deepEqual(await dict.compareExchange("k", null, undefined), { exchanged: true, found: null });
	assert.equal(await dict.has("k"), false);
});

story("iteration goes over many pages", async (client) => {
	const dict = await client.dict();
	const pairs = Array.from({ length: 2500 }, (none, i) => [i, String(i)]);
	await dict.update(pairs);
	assert.deepEqual(await all(dict.items()), pairs);
	assert.deepEqual(await all(dict.keys()), pairs.map(([key]) => key));
});
