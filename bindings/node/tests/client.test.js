// SPDX-License-Identifier: Apache-2.0
// Connections, names and errors; and the example of the README.
"use strict";

const assert = require("node:assert/strict");
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { promisify } = require("node:util");
const sabir = require("sabir");
const { all, fails, story, urls } = require("./kit");

const root = path.join(__dirname, "..", "..", "..");

story("each name is one object", async (client, name) => {
	const [a, b] = [await client.queue(name("a"), { maxsize: 2 }), await client.dict(name("b/c"))];
	assert.deepEqual((await all(client.list(name("")))).map((info) => info.name), [a.name, b.name]);
	assert.deepEqual((await all(client.list(name(""), { kind: "dict" }))).map((info) => info.name), [b.name]);
	const info = await client.describe(a);
	assert.deepEqual([info.kind, info.maxsize, info.handle, info.closed], ["queue", 2, a.handle, false]);
	assert.ok((await client.open(b.name)) instanceof sabir.Dict);
	await fails("ALREADY_EXISTS", client.queue(a.name, { maxsize: 3 }));
	await fails("WRONG_KIND", client.dict(a.name));
	await fails("WRONG_KIND", client.dict(a.name, { create: false }));
	await fails("NOT_FOUND", client.queue(name("none"), { create: false }));
	await fails("NOT_FOUND", client.delete(name("none")));
});

story("malformed names", async (client) => {
	for (const name of ["a//b", "/a", "a/../b", "a\0b", "x".repeat(256)]) {
		await fails("INVALID_NAME", client.queue(name));
	}
});

story("a snapshot is there when the call ends", async (client, name) => {
	await fails("PERMISSION_DENIED", client.snapshot());
	const other = await sabir.connect(urls.remote);
	await client.queue(name("q"));
	const made = await other.snapshot();
	assert.equal(fs.statSync(path.join(process.env.SNAPSHOT_DIR, made.file)).size, made.size);
	assert.ok(made.objects >= 1 && made.damaged === 0 && made.endTime <= new Date());
	await fails("WOULD_BLOCK", other.snapshot({ timeout: 0 }));
	other.close();
});

story("another transport sees the same objects", async (client, name) => {
	const other = await sabir.connect(urls.remote);
	await (await other.queue(name("q"))).put("from there");
	assert.equal(await (await client.queue(name("q"))).get(), "from there");
	const queue = await other.queue(name("q"));
	other.close();
	await fails("UNAVAILABLE", queue.qsize());
});

test("addresses", async () => {
	for (const url of ["localhost:7420", "grpc://", "unix:/x", "http://x"]) {
		await assert.rejects(sabir.connect(url), TypeError);
	}
	await fails("UNAVAILABLE", sabir.connect("grpc+unix:/nowhere/at/all", { timeout: 200 }));
});

test("every row of the error table has a class and a type", () => {
	const table = fs.readFileSync(path.join(root, "proto", "errors.def"), "utf8");
	const types = fs.readFileSync(path.join(root, "bindings", "node", "index.d.ts"), "utf8");
	const names = [...types.matchAll(/^export class (\w+) extends SabirError/gm)].map(([, name]) => name);
	assert.deepEqual(Object.keys(sabir.errors).filter((name) => name !== "SabirError"), names);
	assert.equal(table.match(/^E\(/gm).length, names.length);
	assert.equal(new sabir.KeyNotFound("x").name, "KeyNotFound");
});

test("the types name every export and method", () => {
	const types = fs.readFileSync(path.join(root, "bindings", "node", "index.d.ts"), "utf8");
	for (const [name, Class] of Object.entries({ Client: sabir.Client, ...sabir })) {
		if (!/^(Queue|Value|Array|Dict|Client)$/.test(name)) {
			continue;
		}
		const inner = ["constructor", "call", "make", "wrap", "bounds", "write", "pages"];
		const methods = Object.getOwnPropertyNames(Class.prototype).filter((method) => !inner.includes(method));
		for (const method of methods) {
			assert.match(types, new RegExp(`^\\t${method}\\(`, "m"), `${name}.${method}`);
		}
	}
});

test("the README is true", async () => {
	const text = fs.readFileSync(path.join(root, "bindings", "node", "README.md"), "utf8");
	const example = /```js\n(.*?)```/s.exec(text)[1].replace("grpc://localhost:7420", urls.tcp);
	const { stdout } = await promisify(execFile)(process.execPath, ["-e", example], { timeout: 30000 });
	assert.deepEqual(stdout.trim().split("\n"), [
		"{ path: '/a', size: 3 }",
		"1",
		"1",
		"to 2",
		"be 2",
		"or 1",
		"[ 7, 8, 2.5 ]",
	]);
});
