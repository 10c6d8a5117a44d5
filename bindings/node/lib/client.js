// SPDX-License-Identifier: Apache-2.0
// The connection: one gRPC channel, on which all objects of a Client make their calls.
"use strict";

const grpc = require("@grpc/grpc-js");
const { fromRpc, make } = require("./errors");
const { decodeTime, encodeRef } = require("./items");
const objects = require("./objects");
const scalars = require("./scalars");
const wire = require("./wire");

// How much longer than the server a waiting call lasts, so that the server's answer comes first, in milliseconds.
const GRACE = 30000;
const DEFAULT_URL = "grpc://localhost:7420";
const kinds = ["", "queue", "value", "array", "dict"];
const shared = { queue: objects.Queue, value: objects.Value, array: objects.Array, dict: objects.Dict };

function target(url) {
	const [, scheme, rest] = /^(grpc\+unix:|grpc:\/\/)(.+?)\/*$/.exec(url) ?? [];
	if (!scheme) {
		throw new TypeError(`'${url}' is no address: use grpc://HOST:PORT or grpc+unix:/PATH`);
	}
	return scheme === "grpc://" ? rest : `unix:${rest}`;
}

function describe(info) {
	const spec = info[info.spec] ?? {};
	return {
		name: info.name,
		handle: BigInt(info.handle),
		kind: kinds[info.kind] ?? String(info.kind),
		length: wire.integer(info.length),
		memoryBytes: wire.integer(info.memory_bytes),
		closed: info.closed,
		createTime: decodeTime(info.create_time),
		typecode: spec.type_code === undefined ? undefined : scalars.code(spec.type_code),
		maxsize: info.spec === "queue" ? wire.integer(spec.max_items) : undefined,
	};
}

class Client {
	constructor(url, { callTimeout = 60000 } = {}) {
		this.url = url;
		this.callTimeout = callTimeout;
		const options = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };
		const channel = new grpc.Client(target(url), grpc.credentials.createInsecure(), options);
		Object.defineProperty(this, "channel", { value: channel });
	}

	/** One call. `waits`: how long the server may wait in milliseconds; left out: the call doesn't wait. */
	call(service, method, request, { waits, signal } = {}) {
		const { path, requestSerialize, responseDeserialize } = wire.method(service, method);
		const limit = waits === undefined ? this.callTimeout : waits + GRACE;
		const deadline = limit === Infinity ? Infinity : Date.now() + limit;
		return new Promise((resolve, reject) => {
			signal?.throwIfAborted();
			const done = (error, response) => {
				signal?.removeEventListener("abort", abort);
				if (error && signal?.aborted) {
					// By then the cancellation has been written, so that it is in front of the caller's next call.
					setImmediate(reject, signal.reason);
				} else if (error) {
					reject(fromRpc(error));
				} else {
					resolve(response);
				}
			};
			const abort = () => running.cancel();
			const metadata = new grpc.Metadata();
			let running;
			try {
				running = this.channel.makeUnaryRequest(
					path, requestSerialize, responseDeserialize, request, metadata, { deadline }, done,
				);
			} catch (error) {
				reject(/closed|shut down/.test(error.message) ? make("UNAVAILABLE", "the client was closed") : error);
				return;
			}
			signal?.addEventListener("abort", abort);
		});
	}

	async make(kind, name, create, spec) {
		const request = create
			? ["Create", { name: name ?? "", exist_ok: true, [kind]: spec }]
			: ["Open", { object: { name }, kind: kinds.indexOf(kind) }];
		const { info, created } = await this.call("Manager", ...request);
		return [this.wrap(info), created];
	}

	wrap(info) {
		const kind = kinds[info.kind];
		return new shared[kind](this, kind[0].toUpperCase() + kind.slice(1), info);
	}

	async queue(name, { maxsize = 0, create = true } = {}) {
		return (await this.make("queue", name, create, { max_items: String(maxsize) }))[0];
	}

	async value(typecode, initial = 0, { name, create = true } = {}) {
		const spec = { type_code: scalars.number(typecode) };
		if (initial) {
			spec.initial = scalars.encode(typecode, initial);
		}
		return (await this.make("value", name, create, spec))[0];
	}

	async array(typecode, sizeOrInitial, { name, create = true } = {}) {
		const type_code = scalars.number(typecode);
		if (typeof sizeOrInitial === "number") {
			return (await this.make("array", name, create, { type_code, length: String(sizeOrInitial) }))[0];
		}
		const data = scalars.pack(typecode, sizeOrInitial);
		const fits = data.length <= objects.PIECE_BYTES;
		const length = String(data.length / scalars.width(typecode));
		const [array, created] = await this.make("array", name, create, {
			type_code,
			length,
			initial: fits ? data : Buffer.alloc(0),
		});
		if (created && !fits) {
			await array.write(0, data);
		}
		return array;
	}

	async dict(name, { create = true } = {}) {
		return (await this.make("dict", name, create, {}))[0];
	}

	async open(which) {
		return this.wrap((await this.call("Manager", "Open", { object: encodeRef(which) })).info);
	}

	async describe(which) {
		return describe((await this.call("Manager", "Describe", { object: encodeRef(which) })).info);
	}

	async delete(which) {
		await this.call("Manager", "Delete", { object: encodeRef(which) });
	}

	async *list(prefix = "", { kind = "" } = {}) {
		if (!kinds.includes(kind)) {
			throw new TypeError(`'${kind}' is no kind`);
		}
		let page_token = "";
		do {
			const fields = { prefix, kind: kinds.indexOf(kind), page_size: 1000, page_token };
			const page = await this.call("Manager", "List", fields);
			yield* page.objects.map(describe);
			page_token = page.next_page_token;
		} while (page_token);
	}

	async snapshot(options) {
		const made = await this.call("Admin", "Snapshot", ...objects.wait({}, options));
		const took = made.write_duration;
		return {
			file: made.file,
			objects: wire.integer(made.n_objects),
			damaged: wire.integer(made.n_damaged),
			size: wire.integer(made.size_bytes),
			milliseconds: Number(took.seconds) * 1000 + took.nanos / 1000000,
			endTime: decodeTime(made.end_time),
		};
	}

	close() {
		this.channel.close();
	}
}

/** Connects to a server and waits up to `timeout` milliseconds for it, then Unavailable. */
async function connect(url, { timeout = 10000, ...options } = {}) {
	const client = new Client(url ?? process.env.SABIR_URL ?? DEFAULT_URL, options);
	await new Promise((resolve, reject) => {
		client.channel.waitForReady(Date.now() + timeout, (error) => {
			if (!error) {
				resolve();
				return;
			}
			client.close();
			reject(make("UNAVAILABLE", `no server answers at ${client.url}`));
		});
	});
	return client;
}

module.exports = { Client, connect };
