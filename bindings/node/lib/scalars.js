// SPDX-License-Identifier: Apache-2.0
// Scalars by Python's typecodes: c is the number of a byte, u a string of one character, ? a boolean; integers are
// numbers where that is exact, else BigInts.
"use strict";

const { integerField } = require("./items");
const wire = require("./wire");

const codes = "cbBhHiIlLqQfd?u";

// For each code its width and the DataView methods that read and write it.
const forms = {
	c: [1, "Uint8"],
	b: [1, "Int8"],
	B: [1, "Uint8"],
	h: [2, "Int16"],
	H: [2, "Uint16"],
	i: [4, "Int32"],
	I: [4, "Uint32"],
	l: [8, "BigInt64"],
	L: [8, "BigUint64"],
	q: [8, "BigInt64"],
	Q: [8, "BigUint64"],
	f: [4, "Float32"],
	d: [8, "Float64"],
	"?": [1, "Uint8"],
	u: [4, "Uint32"],
};

/** The number of a typecode. */
function number(typecode) {
	const place = typeof typecode === "string" && typecode.length === 1 ? codes.indexOf(typecode) : -1;
	if (place < 0) {
		throw new RangeError(`bad typecode '${typecode}': must be one of ${codes.split("").join(", ")}`);
	}
	return place + 1;
}

/** The typecode of a number. */
function code(typeCode) {
	return codes[typeCode - 1];
}

function plain(typecode, item) {
	if (typecode !== "u" || typeof item !== "string") {
		return item;
	}
	if (Array.from(item).length !== 1) {
		throw new TypeError("an element of typecode 'u' is one character");
	}
	return item.codePointAt(0);
}

function fancy(typecode, item) {
	if (typecode === "u") {
		return String.fromCodePoint(Number(item));
	}
	return typecode === "?" ? Boolean(item) : item;
}

/** The Scalar of an element; whether it goes with the typecode is for the server to judge. */
function encode(typecode, element) {
	const item = plain(typecode, element);
	if (typeof item === "boolean") {
		return { bool_value: item };
	}
	if (typeof item === "bigint" || (Number.isSafeInteger(item) && !"fd".includes(typecode))) {
		return typecode === "?" ? { bool_value: item != 0 } : integerField(item);
	}
	if (typeof item !== "number") {
		throw new TypeError(`${typeof element} is no element of typecode '${typecode}'`);
	}
	return { double_value: item };
}

/** The element of a Scalar. */
function decode(typecode, scalar) {
	const item = scalar[scalar.kind];
	return fancy(typecode, typeof item === "string" ? wire.integer(item) : item);
}

function packOne(typecode, form, item, least, most) {
	if (form.startsWith("Float")) {
		return Number(item);
	}
	const big = BigInt(item);
	if (big < least || big > most) {
		throw new RangeError(`${item} is out of range for typecode '${typecode}'`);
	}
	return form.startsWith("Big") ? big : Number(big);
}

/** Elements.data of anything that can be iterated. */
function pack(typecode, elements) {
	const [width, form] = forms[typecode];
	const items = Array.from(elements);
	const view = new DataView(new ArrayBuffer(items.length * width));
	const bits = BigInt(width * 8);
	const signed = form.includes("Int") && !form.includes("Uint");
	const least = signed ? -(2n ** (bits - 1n)) : 0n;
	const most = signed ? 2n ** (bits - 1n) - 1n : 2n ** bits - 1n;
	items.forEach((item, i) => {
		view[`set${form}`](i * width, packOne(typecode, form, plain(typecode, item), least, most), true);
	});
	return Buffer.from(view.buffer);
}

/** The elements of Elements.data. */
function unpack(typecode, data) {
	const [width, form] = forms[typecode];
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
	const elements = [];
	for (let at = 0; at < data.byteLength; at += width) {
		const item = view[`get${form}`](at, true);
		elements.push(fancy(typecode, typeof item === "bigint" ? wire.integer(item) : item));
	}
	return elements;
}

module.exports = { code, decode, encode, number, pack, unpack, width: (typecode) => forms[typecode][0] };
