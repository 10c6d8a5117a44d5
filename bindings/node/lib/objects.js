// SPDX-License-Identifier: Apache-2.0
// The four kinds of shared object. Each is held by its handle: when it is deleted every call fails with Deleted, even
// if another object has its name by then.
"use strict";

const { classes } = require("./errors");
const { Ref, decode, encode } = require("./items");
const scalars = require("./scalars");
const wire = require("./wire");

// The server takes messages of at least 1 MiB, whatever its limits are.
const PIECE_BYTES = 512 << 10;

class Shared {
	constructor(client, service, info) {
		this.client = client;
		this.name = info.name;
		this.handle = BigInt(info.handle);
		this.ref = new Ref({ handle: this.handle });
		Object.defineProperty(this, "client", { enumerable: false });
		Object.defineProperty(this, "service", { value: service });
	}

	call(method, fields, options) {
		const request = { [this.service.toLowerCase()]: { handle: String(this.handle) }, ...fields };
		return this.client.call(this.service, method, request, options);
	}

	describe() {
		return this.client.describe(this.ref);
	}
}

/** The fields and options of a call that may wait: `timeout` in milliseconds, for ever if it is left out. */
function wait(fields, { timeout, signal } = {}) {
	if (timeout === undefined || timeout === Infinity) {
		return [fields, { waits: Infinity, signal }];
	}
	if (!(timeout >= 0)) {
		throw new RangeError("'timeout' must be a number of milliseconds, at least 0");
	}
	const seconds = Math.floor(timeout / 1000);
	const nanos = Math.floor((timeout - seconds * 1000) * 1000000);
	return [{ ...fields, timeout: { seconds: String(seconds), nanos } }, { waits: timeout, signal }];
}

class Queue extends Shared {
	async put(item, options) {
		await this.call("Put", ...wait({ item: encode(item) }, options));
	}

	putNowait(item) {
		return this.put(item, { timeout: 0 });
	}

	async putMany(items, options) {
		const encoded = Array.from(items, encode);
		if (!encoded.length) {
			return 0;
		}
		return (await this.call("PutMany", ...wait({ items: encoded }, options))).accepted;
	}

	async get(options) {
		return decode((await this.call("Get", ...wait({}, options))).item);
	}

	getNowait() {
		return this.get({ timeout: 0 });
	}

	async getMany(maxItems, options) {
		return (await this.call("GetMany", ...wait({ max_items: maxItems }, options))).items.map(decode);
	}

	async peek() {
		return decode((await this.call("Peek")).item);
	}

	async qsize() {
		return wire.integer((await this.call("Size")).size);
	}

	async empty() {
		return (await this.call("Size")).empty;
	}

	async full() {
		return (await this.call("Size")).full;
	}

	async closed() {
		return (await this.call("Size")).closed;
	}

	async clear() {
		return wire.integer((await this.call("Clear")).removed);
	}

	async close() {
		await this.call("Close");
	}

	async *[Symbol.asyncIterator]() {
		for (;;) {
			let item;
			try {
				item = await this.get();
			} catch (error) {
				if (error instanceof classes.Closed) {
					return;
				}
				throw error;
			}
			yield item;
		}
	}
}

class Value extends Shared {
	constructor(client, service, info) {
		super(client, service, info);
		this.typecode = scalars.code(info.value.type_code);
	}

	async get() {
		return scalars.decode(this.typecode, (await this.call("Get")).value);
	}

	async set(value) {
		await this.call("Set", { new_value: scalars.encode(this.typecode, value) });
	}

	async add(delta) {
		const response = await this.call("Add", { delta: scalars.encode(this.typecode, delta) });
		return scalars.decode(this.typecode, response.value);
	}

	async exchange(value) {
		const response = await this.call("Exchange", { desired: scalars.encode(this.typecode, value) });
		return scalars.decode(this.typecode, response.previous);
	}

	async compareExchange(expected, desired) {
		const { exchanged, value } = await this.call("CompareExchange", {
			expected: scalars.encode(this.typecode, expected),
			desired: scalars.encode(this.typecode, desired),
		});
		return { exchanged, found: scalars.decode(this.typecode, value) };
	}
}

class SharedArray extends Shared {
	constructor(client, service, info) {
		super(client, service, info);
		this.typecode = scalars.code(info.array.type_code);
		this.length = wire.integer(info.array.length);
	}

	async get(index) {
		return scalars.decode(this.typecode, (await this.call("Get", { index: String(index) })).value);
	}

	async set(index, value) {
		await this.call("Set", { index: String(index), value: scalars.encode(this.typecode, value) });
	}

	async add(index, delta) {
		const fields = { index: String(index), delta: scalars.encode(this.typecode, delta) };
		return scalars.decode(this.typecode, (await this.call("Add", fields)).value);
	}

	async compareExchange(index, expected, desired) {
		const { exchanged, value } = await this.call("CompareExchange", {
			index: String(index),
			expected: scalars.encode(this.typecode, expected),
			desired: scalars.encode(this.typecode, desired),
		});
		return { exchanged, found: scalars.decode(this.typecode, value) };
	}

	/** The bounds that Array.prototype.slice makes of its arguments. */
	bounds(start = 0, end = this.length) {
		const clip = (place) => Math.min(Math.max(place < 0 ? this.length + place : place, 0), this.length);
		return [clip(start), Math.max(clip(start), clip(end))];
	}

	async slice(start, end) {
		const [first, last] = this.bounds(start, end);
		const piece = PIECE_BYTES / scalars.width(this.typecode);
		const parts = [];
		for (let at = first; at < last; at += piece) {
			const fields = { start: String(at), count: String(Math.min(piece, last - at)) };
			const { elements } = await this.call("GetSlice", fields);
			parts.push(scalars.unpack(this.typecode, elements.data));
		}
		return parts.flat();
	}

	async setSlice(start, items) {
		await this.write(start, scalars.pack(this.typecode, items));
	}

	async write(start, data) {
		const type_code = scalars.number(this.typecode);
		for (let at = 0; at < data.length; at += PIECE_BYTES) {
			const elements = { type_code, data: data.subarray(at, at + PIECE_BYTES) };
			await this.call("SetSlice", { start: String(start + at / scalars.width(this.typecode)), elements });
		}
	}

	async fill(value, start, end) {
		const [first, last] = this.bounds(start, end);
		if (first < last) {
			const place = { start: String(first), count: String(last - first) };
			await this.call("Fill", { ...place, value: scalars.encode(this.typecode, value) });
		}
	}

	async *[Symbol.asyncIterator]() {
		const piece = PIECE_BYTES / scalars.width(this.typecode);
		for (let at = 0; at < this.length; at += piece) {
			yield* await this.slice(at, at + piece);
		}
	}
}

class Dict extends Shared {
	async get(key, missing = undefined) {
		try {
			return decode((await this.call("Get", { key: encode(key) })).value);
		} catch (error) {
			if (error instanceof classes.KeyNotFound) {
				return missing;
			}
			throw error;
		}
	}

	async set(key, value) {
		return (await this.call("Set", { key: encode(key), value: encode(value) })).inserted;
	}

	async delete(key) {
		try {
			await this.call("Delete", { key: encode(key) });
			return true;
		} catch (error) {
			if (error instanceof classes.KeyNotFound) {
				return false;
			}
			throw error;
		}
	}

	async has(key) {
		return (await this.call("Contains", { key: encode(key) })).found;
	}

	async size() {
		return wire.integer((await this.call("Len")).length);
	}

	async setdefault(key, value = null) {
		return decode((await this.call("SetDefault", { key: encode(key), value: encode(value) })).value);
	}

	async pop(key, ...missing) {
		try {
			return decode((await this.call("Pop", { key: encode(key) })).value);
		} catch (error) {
			if (missing.length && error instanceof classes.KeyNotFound) {
				return missing[0];
			}
			throw error;
		}
	}

	async popitem() {
		const { key, value } = await this.call("PopItem");
		return [decode(key), decode(value)];
	}

	async update(entries) {
		const pairs = typeof entries[Symbol.iterator] === "function" ? entries : Object.entries(entries);
		const encoded = Array.from(pairs, ([key, value]) => ({ key: encode(key), value: encode(value) }));
		return wire.integer((await this.call("Update", { entries: encoded })).inserted);
	}

	async increment(key, delta = 1) {
		return decode((await this.call("Increment", { key: encode(key), delta: encode(delta) })).value);
	}

	async compareExchange(key, expected, desired) {
		const fields = { key: encode(key) };
		if (expected !== undefined) {
			fields.expected = encode(expected);
		}
		if (desired !== undefined) {
			fields.desired = encode(desired);
		}
		const { exchanged, value } = await this.call("CompareExchange", fields);
		return { exchanged, found: value ? decode(value) : undefined };
	}

	async clear() {
		return wire.integer((await this.call("Clear")).removed);
	}

	async *pages(method) {
		let page_token = "";
		do {
			const page = await this.call(method, { page_token });
			yield page;
			page_token = page.next_page_token;
		} while (page_token);
	}

	async *keys() {
		for await (const page of this.pages("Keys")) {
			yield* page.keys.map(decode);
		}
	}

	async *values() {
		for await (const page of this.pages("Values")) {
			yield* page.values.map(decode);
		}
	}

	async *items() {
		for await (const page of this.pages("Items")) {
			yield* page.entries.map(({ key, value }) => [decode(key), decode(value)]);
		}
	}

	[Symbol.asyncIterator]() {
		return this.items();
	}
}

module.exports = { Array: SharedArray, Dict, PIECE_BYTES, Queue, Value, wait };
