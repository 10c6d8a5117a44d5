// SPDX-License-Identifier: Apache-2.0
// The value and the array.
"use strict";

const assert = require("node:assert/strict");
const sabir = require("sabir");
const { all, fails, story } = require("./kit");

const extremes = {
	c: [0, 255],
	b: [-128, 127],
	B: [0, 255],
	h: [-32768, 32767],
	H: [0, 65535],
	i: [-(2 ** 31), 2 ** 31 - 1],
	I: [0, 2 ** 32 - 1],
	l: [-(2n ** 63n), 2n ** 63n - 1n],
	L: [0, 2n ** 64n - 1n],
	q: [-(2n ** 63n), 2n ** 63n - 1n],
	Q: [0, 2n ** 64n - 1n],
	f: [-0.5, 2 ** 127],
	d: [Number.MIN_VALUE, Number.MAX_VALUE],
	"?": [false, true],
	u: ["\0", "\u{10ffff}"],
};

story("every typecode holds its extremes", async (client) => {
	for (const [code, both] of Object.entries(extremes)) {
		const value = await client.value(code);
		const array = await client.array(code, both);
		assert.deepStrictEqual(await array.slice(), both);
		for (const [i, extreme] of both.entries()) {
			await value.set(extreme);
			assert.strictEqual(await value.get(), extreme);
			assert.strictEqual(await array.get(i), extreme);
			await array.set(i, extreme);
			assert.strictEqual(await (await client.value(code, extreme)).get(), extreme);
		}
	}
});

story("what a typecode cannot hold is refused", async (client) => {
	const value = await client.value("b", 127);
	await fails("OUT_OF_RANGE", value.set(128));
	await fails("WRONG_TYPE", value.set(1.5));
	await assert.rejects(value.set("1"), TypeError);
	await assert.rejects(client.value("x"), RangeError);
	assert.equal(await value.add(1), -128);
	await fails("WRONG_TYPE", (await client.value("?")).add(1));
});

story("exchange and compareExchange", async (client) => {
	const value = await client.value("i", 1);
	assert.equal(await value.exchange(2), 1);
	assert.deepEqual(await value.compareExchange(2, 3), { exchanged: true, found: 2 });
	assert.deepEqual(await value.compareExchange(2, 4), { exchanged: false, found: 3 });
});

story("no add is lost", async (client) => {
	const value = await client.value("d");
	await Promise.all(Array.from({ length: 500 }, () => value.add(1)));
	assert.equal(await value.get(), 500);
});

story("slices", async (client) => {
	const plain = Array.from({ length: 10 }, (none, i) => i);
	const array = await client.array("i", plain);
	for (const bounds of [[], [2, 5], [-3], [5, 2], [0, 99], [-99, 1]]) {
		assert.deepEqual(await array.slice(...bounds), plain.slice(...bounds));
	}
	await array.setSlice(8, [80, 90]);
	await array.fill(7, 1, 3);
	await array.fill(6, 2, 2);
	assert.deepEqual(await all(array), [0, 7, 7, 3, 4, 5, 6, 7, 80, 90]);
	await fails("OUT_OF_RANGE", array.setSlice(9, [1, 2]));
	await assert.rejects(array.setSlice(0, [2 ** 31]), RangeError);
});

story("elements", async (client) => {
	const array = await client.array("h", 3);
	assert.equal(array.length, 3);
	assert.equal(await array.add(-1, 5), 5);
	assert.deepEqual(await array.compareExchange(2, 5, 1), { exchanged: true, found: 5 });
	await fails("OUT_OF_RANGE", array.get(3));
	await fails("OUT_OF_RANGE", array.set(-4, 1));
	assert.deepEqual(await (await client.array("d", 0)).slice(), []);
});

story("a long array goes in pieces", async (client) => {
	const numbers = Array.from({ length: 200000 }, (none, i) => i);
	const array = await client.array("q", numbers);
	assert.deepEqual(await array.slice(), numbers);
	assert.equal((await array.describe()).length, 200000);
	assert.ok(array instanceof sabir.Array);
	await client.delete(array);
});
