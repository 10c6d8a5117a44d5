// SPDX-License-Identifier: Apache-2.0
// JavaScript to sabir.v1.Value and back.
//
//   null  boolean  string  Date                  themselves
//   number                                       an integer where it is a safe one, else a double
//   BigInt                                       an integer of 64 bits; comes back as a number where that is exact
//   Double                                       a double even where the number is whole; comes back as a number
//   Buffer, any Uint8Array                       bytes; come back as a Buffer
//   array                                        a list
//   plain object, Map                            a map; comes back as an object if all keys are strings, else a Map
//   a shared object, Ref                         a reference; comes back as a Ref
//   Opaque                                       itself
"use strict";

const wire = require("./wire");

/** A number that is to be a double even where it is whole. */
class Double {
	constructor(value) {
		this.value = Number(value);
	}
}

/** A reference to a shared object, by name or by handle; client.open() makes an object of it. */
class Ref {
	constructor({ name, handle }) {
		this.name = name;
		this.handle = handle;
	}
}

/** Bytes with a media type, passed through unread. */
class Opaque {
	constructor(contentType, data) {
		this.contentType = contentType;
		this.data = data;
	}
}

/** The field and text of an integer in a Value or Scalar. */
function integerField(item) {
	const big = BigInt(item);
	if (big >= -(2n ** 63n) && big < 2n ** 63n) {
		return { int_value: String(big) };
	}
	if (big > 0n && big < 2n ** 64n) {
		return { uint_value: String(big) };
	}
	throw new RangeError(`an integer must be from -2**63 to 2**64-1, not ${big}`);
}

function encodeDate(date) {
	const ms = date.getTime();
	if (Number.isNaN(ms)) {
		throw new TypeError("an invalid Date can't be sent");
	}
	const seconds = Math.floor(ms / 1000);
	return { timestamp_value: { seconds: String(seconds), nanos: (ms - seconds * 1000) * 1000000 } };
}

function encodeMap(entries) {
	return { map_value: { entries: Array.from(entries, ([key, value]) => ({ key: encode(key), value: encode(value) })) } };
}

/** The ObjectRef of a name, a Ref or a shared object. */
function encodeRef(which) {
	const ref = which?.ref ?? which;
	if (ref instanceof Ref) {
		return ref.handle === undefined ? { name: ref.name } : { handle: String(ref.handle) };
	}
	return { name: String(ref) };
}

function encodeObject(item) {
	if (item instanceof Uint8Array) {
		return { bytes_value: item };
	}
	if (Array.isArray(item)) {
		return { list_value: { items: item.map(encode) } };
	}
	if (item instanceof Date) {
		return encodeDate(item);
	}
	if (item instanceof Map) {
		return encodeMap(item);
	}
	if (item instanceof Double) {
		return { double_value: item.value };
	}
	if (item instanceof Opaque) {
		return { opaque_value: { content_type: item.contentType, data: item.data } };
	}
	if (item instanceof Ref || item.ref instanceof Ref) {
		return { object_value: encodeRef(item) };
	}
	const prototype = Object.getPrototypeOf(item);
	if (prototype === Object.prototype || prototype === null) {
		return encodeMap(Object.entries(item));
	}
	throw new TypeError(`${prototype.constructor?.name ?? "this object"} can't be sent: other languages don't know it`);
}

/** The Value of anything in the table above; else a TypeError or RangeError. */
function encode(item) {
	switch (typeof item) {
		case "boolean":
			return { bool_value: item };
		case "string":
			return { string_value: item };
		case "bigint":
			return integerField(item);
		case "number":
			return Number.isSafeInteger(item) && !Object.is(item, -0) ? integerField(item) : { double_value: item };
		case "object":
			return item === null ? { null_value: 0 } : encodeObject(item);
		default:
			throw new TypeError(`${typeof item} can't be sent`);
	}
}

function decodeMap(entries) {
	const pairs = entries.map((entry) => [decode(entry.key), decode(entry.value)]);
	return pairs.every(([key]) => typeof key === "string") ? Object.fromEntries(pairs) : new Map(pairs);
}

/** What a Value stands for. */
function decode(value) {
	switch (value.kind) {
		case "int_value":
		case "uint_value":
			return wire.integer(value[value.kind]);
		case "list_value":
			return value.list_value.items.map(decode);
		case "map_value":
			return decodeMap(value.map_value.entries);
		case "timestamp_value":
			return decodeTime(value.timestamp_value);
		case "object_value": {
			const { ref, name, handle } = value.object_value;
			return new Ref(ref === "handle" ? { handle: BigInt(handle) } : { name });
		}
		case "opaque_value":
			return new Opaque(value.opaque_value.content_type, value.opaque_value.data);
		case "bool_value":
		case "double_value":
		case "string_value":
		case "bytes_value":
			return value[value.kind];
		default:
			return null;
	}
}

function decodeTime(stamp) {
	return new Date(Number(stamp.seconds) * 1000 + Math.floor(stamp.nanos / 1000000));
}

module.exports = { Double, Opaque, Ref, decode, decodeTime, encode, encodeRef, integerField };
