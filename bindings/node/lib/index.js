// SPDX-License-Identifier: Apache-2.0
// Queues, values, arrays and dicts that programs in any language share through a Sabir server.
"use strict";

const { Client, connect } = require("./client");
const { classes } = require("./errors");
const { Double, Opaque, Ref } = require("./items");
const { Array, Dict, Queue, Value } = require("./objects");

module.exports = { connect, Client, Queue, Value, Array, Dict, Double, Opaque, Ref, errors: classes, ...classes };
