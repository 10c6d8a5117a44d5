// SPDX-License-Identifier: Apache-2.0
// The contract's messages and methods, read from the .proto files of the package.
//
// Integers of 64 bits are strings inside messages. They become numbers where that is exact, else BigInts.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const loader = require("@grpc/proto-loader");

const root = path.join(__dirname, "..");
const files = fs.readdirSync(path.join(root, "proto", "sabir", "v1")).filter((name) => name.endsWith(".proto"));
const definitions = loader.loadSync(["status.proto", ...files.map((name) => `sabir/v1/${name}`)], {
	includeDirs: [root, path.join(root, "proto")],
	keepCase: true,
	longs: String,
	defaults: true,
	oneofs: true,
});

/** The definition of `method` in `service`, a short name such as "Queue". */
function method(service, name) {
	return definitions[`sabir.v1.${service}Service`][name];
}

/** Reads a message by its full name from its bytes. */
function parse(name, bytes) {
	return definitions[name].deserialize(bytes);
}

/** The number, or the BigInt, of an integer in a message. */
function integer(text) {
	const number = Number(text);
	return Number.isSafeInteger(number) ? number : BigInt(text);
}

module.exports = { root, method, parse, integer };
