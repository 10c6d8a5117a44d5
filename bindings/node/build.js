// SPDX-License-Identifier: Apache-2.0
// The build, run by `npm pack`: copies the protos and the error table of the repository into the package, and away
// again once it is packed.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const from = path.join(__dirname, "..", "..", "proto");
const to = path.join(__dirname, "proto");

fs.rmSync(to, { recursive: true, force: true });
if (process.argv[2] === "copy") {
	fs.cpSync(path.join(from, "sabir"), path.join(to, "sabir"), { recursive: true });
	fs.cpSync(path.join(from, "errors.def"), path.join(to, "errors.def"));
}
