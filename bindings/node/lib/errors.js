// SPDX-License-Identifier: Apache-2.0
// The errors: one class for each row of proto/errors.def, named like it (KEY_NOT_FOUND is KeyNotFound).
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { status } = require("@grpc/grpc-js");
const wire = require("./wire");

class SabirError extends Error {
	constructor(message, reason) {
		super(message);
		this.name = this.constructor.name;
		this.reason = reason;
	}
}

const byReason = new Map();
const classes = { SabirError };
const table = fs.readFileSync(path.join(wire.root, "proto", "errors.def"), "utf8");
for (const [, reason] of table.matchAll(/^E\((\w+), \d+, \w+, ".*"\)$/gm)) {
	const name = reason.toLowerCase().replace(/(^|_)(.)/g, (all, dash, letter) => letter.toUpperCase());
	const made = {
		[name]: class extends SabirError {
			constructor(message) {
				super(message, reason);
			}
		},
	};
	classes[name] = made[name];
	byReason.set(reason, made[name]);
}

// For errors that gRPC itself makes, without details.
const byCode = {
	[status.CANCELLED]: "CANCELLED",
	[status.DEADLINE_EXCEEDED]: "TIMED_OUT",
	[status.INVALID_ARGUMENT]: "INVALID_ARGUMENT",
	[status.PERMISSION_DENIED]: "PERMISSION_DENIED",
	[status.RESOURCE_EXHAUSTED]: "RESOURCE_EXHAUSTED",
	[status.UNAVAILABLE]: "UNAVAILABLE",
	[status.UNIMPLEMENTED]: "UNIMPLEMENTED",
	[status.DATA_LOSS]: "DATA_LOSS",
};

/** The error of a reason; a plain SabirError if a newer server knows a reason that we don't. */
function make(reason, message) {
	const Class = byReason.get(reason);
	return Class ? new Class(message) : new SabirError(message, reason);
}

/** The SabirError for a gRPC error. */
function fromRpc(error) {
	let reason = byCode[error.code] ?? "INTERNAL";
	for (const bytes of error.metadata?.get("grpc-status-details-bin") ?? []) {
		for (const detail of wire.parse("sabir.client.Status", bytes).details) {
			if (detail.type_url.endsWith("/google.rpc.ErrorInfo")) {
				reason = wire.parse("sabir.client.ErrorInfo", detail.value).reason;
			}
		}
	}
	return make(reason, error.details || error.message);
}

module.exports = { classes, make, fromRpc };
