// SPDX-License-Identifier: Apache-2.0
// The types of the package. Times are milliseconds. Integers of 64 bits are numbers where that is exact, else BigInts.

/** What an item, key or value of a queue or dict may be; any other object is a TypeError. */
export type Item =
	| null
	| boolean
	| number
	| bigint
	| string
	| Uint8Array
	| Date
	| Double
	| Ref
	| Opaque
	| Shared
	| readonly Item[]
	| ReadonlyMap<Item, Item>
	| { readonly [key: string]: Item };

/** What an item comes back as: bytes as a Buffer, a map as an object if all keys are strings, else as a Map. */
export type Got = any;

/** An element of a value or array: `u` is a string of one character, `?` a boolean, all others are numbers. */
export type Scalar = number | bigint | boolean | string;

export type TypeCode = "c" | "b" | "B" | "h" | "H" | "i" | "I" | "l" | "L" | "q" | "Q" | "f" | "d" | "?" | "u";

export type Kind = "queue" | "value" | "array" | "dict";

/** A number that is to be a double even where it is whole. */
export class Double {
	constructor(value: number);
	readonly value: number;
}

/** A reference to a shared object, by name or by handle; client.open() makes an object of it. */
export class Ref {
	constructor(ref: { name?: string; handle?: bigint });
	readonly name?: string;
	readonly handle?: bigint;
}

/** Bytes with a media type, passed through unread. */
export class Opaque {
	constructor(contentType: string, data: Uint8Array);
	readonly contentType: string;
	readonly data: Uint8Array;
}

/** The description of an object. `typecode` is that of a value or array, `maxsize` that of a queue. */
export interface Info {
	name: string;
	handle: bigint;
	kind: Kind;
	length: number;
	memoryBytes: number;
	closed: boolean;
	createTime: Date;
	typecode?: TypeCode;
	maxsize?: number;
}

/** A file with the server's objects. `damaged` are not in it. */
export interface Snapshot {
	file: string;
	objects: number;
	damaged: number;
	size: number;
	milliseconds: number;
	endTime: Date;
}

/**
 * How long a call waits: for ever if `timeout` is left out; a negative one is a RangeError. `signal` ends it early; an
 * item that the server had sent by then is lost, one that was put later is not.
 */
export interface Wait {
	timeout?: number;
	signal?: AbortSignal;
}

/** The result of a compareExchange; `found` is what was there before, undefined for a missing key. */
export interface Exchange<T> {
	exchanged: boolean;
	found: T;
}

interface Shared {
	readonly name: string;
	readonly handle: bigint;
	readonly ref: Ref;
	describe(): Promise<Info>;
}

/** First in, first out. Errors: Empty, Full, Closed, Deleted, TooLarge. Iterating takes items until it is closed. */
export class Queue implements Shared, AsyncIterable<Got> {
	private constructor();
	readonly name: string;
	readonly handle: bigint;
	readonly ref: Ref;
	describe(): Promise<Info>;
	/** Adds an item at the end; waits while the queue is full, then Full. */
	put(item: Item, options?: Wait): Promise<void>;
	putNowait(item: Item): Promise<void>;
	/** Adds all the items that fit, in one step, at most 65536; waits until the first does. How many were added. */
	putMany(items: Iterable<Item>, options?: Wait): Promise<number>;
	/** Takes the first item; waits while the queue is empty, then Empty. */
	get(options?: Wait): Promise<Got>;
	getNowait(): Promise<Got>;
	/** Takes all the items that there are, 1 to maxItems, with no other getter in between; waits for the first. */
	getMany(maxItems: number, options?: Wait): Promise<Got[]>;
	/** The first item, left in place. */
	peek(): Promise<Got>;
	qsize(): Promise<number>;
	empty(): Promise<boolean>;
	full(): Promise<boolean>;
	closed(): Promise<boolean>;
	/** Removes all items; how many. */
	clear(): Promise<number>;
	/** Closes the queue for good: puts fail with Closed, gets take what is left, then fail with Closed. */
	close(): Promise<void>;
	[Symbol.asyncIterator](): AsyncIterator<Got>;
}

/** One scalar. Errors: WrongType, OutOfRange, Deleted. */
export class Value implements Shared {
	private constructor();
	readonly name: string;
	readonly handle: bigint;
	readonly ref: Ref;
	readonly typecode: TypeCode;
	describe(): Promise<Info>;
	get(): Promise<Scalar>;
	set(value: Scalar): Promise<void>;
	/** Adds and tells the new content; integers wrap at their width. */
	add(delta: number | bigint): Promise<Scalar>;
	/** Writes and tells what was there. */
	exchange(value: Scalar): Promise<Scalar>;
	compareExchange(expected: Scalar, desired: Scalar): Promise<Exchange<Scalar>>;
}

/** A fixed number of scalars; atomic for each element. Errors: WrongType, OutOfRange, Deleted. */
declare class SharedArray implements Shared, AsyncIterable<Scalar> {
	private constructor();
	readonly name: string;
	readonly handle: bigint;
	readonly ref: Ref;
	readonly typecode: TypeCode;
	readonly length: number;
	describe(): Promise<Info>;
	/** A negative index counts from the end. */
	get(index: number): Promise<Scalar>;
	set(index: number, value: Scalar): Promise<void>;
	add(index: number, delta: number | bigint): Promise<Scalar>;
	compareExchange(index: number, expected: Scalar, desired: Scalar): Promise<Exchange<Scalar>>;
	/** Bounds as in Array.prototype.slice. */
	slice(start?: number, end?: number): Promise<Scalar[]>;
	setSlice(start: number, items: Iterable<Scalar>): Promise<void>;
	/** Bounds as in Array.prototype.fill. */
	fill(value: Scalar, start?: number, end?: number): Promise<void>;
	[Symbol.asyncIterator](): AsyncIterator<Scalar>;
}
export { SharedArray as Array };

/** A map in insertion order. Errors: KeyNotFound, WrongType, OutOfRange, TooLarge, Deleted. */
export class Dict implements Shared, AsyncIterable<[Got, Got]> {
	private constructor();
	readonly name: string;
	readonly handle: bigint;
	readonly ref: Ref;
	describe(): Promise<Info>;
	/** The value of a key; `missing` where there is none. */
	get(key: Item, missing?: Got): Promise<Got>;
	/** True if the key is new. */
	set(key: Item, value: Item): Promise<boolean>;
	/** True if the key was there. */
	delete(key: Item): Promise<boolean>;
	has(key: Item): Promise<boolean>;
	size(): Promise<number>;
	/** The value of the key; a missing key is first set. */
	setdefault(key: Item, value?: Item): Promise<Got>;
	/** Deletes the key and returns its value; `missing` where there is none, without it KeyNotFound. */
	pop(key: Item, missing?: Got): Promise<Got>;
	/** Deletes and returns the entry that was inserted last; Empty if there is none. */
	popitem(): Promise<[Got, Got]>;
	/** Sets many keys, all or none, in one step. How many are new. */
	update(entries: Iterable<readonly [Item, Item]> | { readonly [key: string]: Item }): Promise<number>;
	/** Adds to the number of a key, from 0 if it is missing; the sum. */
	increment(key: Item, delta?: number | bigint | Double): Promise<number | bigint>;
	/** Sets the key if it holds `expected` (undefined: is missing); `desired` undefined deletes it. */
	compareExchange(key: Item, expected: Item | undefined, desired: Item | undefined): Promise<Exchange<Got>>;
	/** Deletes all keys; how many. */
	clear(): Promise<number>;
	keys(): AsyncGenerator<Got>;
	values(): AsyncGenerator<Got>;
	items(): AsyncGenerator<[Got, Got]>;
	[Symbol.asyncIterator](): AsyncIterator<[Got, Got]>;
}

/** A connection to a server. */
export class Client {
	private constructor();
	readonly url: string;
	/** The queue of this name, made if it isn't there; without a name a new one. maxsize 0: limited by memory alone. */
	queue(name?: string, options?: { maxsize?: number; create?: boolean }): Promise<Queue>;
	/** The value of this name and type, made with `initial` if it isn't there. */
	value(typecode: TypeCode, initial?: Scalar, options?: { name?: string; create?: boolean }): Promise<Value>;
	/** The array of this name, type and length, made if it isn't there: of zeros or of these elements. */
	array(
		typecode: TypeCode,
		sizeOrInitial: number | Iterable<Scalar>,
		options?: { name?: string; create?: boolean },
	): Promise<SharedArray>;
	/** The dict of this name, made if it isn't there. */
	dict(name?: string, options?: { create?: boolean }): Promise<Dict>;
	/** An existing object of any kind. NotFound, Deleted. */
	open(which: string | Ref): Promise<Queue | Value | SharedArray | Dict>;
	describe(which: string | Ref | Shared): Promise<Info>;
	/** Deletes an object for everybody. */
	delete(which: string | Ref | Shared): Promise<void>;
	/** The named objects whose name begins with the prefix, by name. */
	list(prefix?: string, options?: { kind?: Kind }): AsyncGenerator<Info>;
	/**
	 * Has the server write a snapshot of its objects, and waits until it is on the disk; when `timeout` has passed,
	 * WouldBlock. For operators: see sabird's admin-sessions.
	 */
	snapshot(options?: Wait): Promise<Snapshot>;
	/** Ends the connection; calls that wait end with an error. */
	close(): void;
}

/**
 * Connects to a server: grpc://HOST:PORT or grpc+unix:/PATH; by default $SABIR_URL, or grpc://localhost:7420. Waits
 * `timeout` for it (10 s), then Unavailable. A call that doesn't wait ends with TimedOut after `callTimeout` (60 s).
 */
export function connect(url?: string, options?: { timeout?: number; callTimeout?: number }): Promise<Client>;

/** Any error of the server or the connection. `reason` is its name in proto/errors.def. */
export class SabirError extends Error {
	readonly reason: string;
}
export class InvalidArgument extends SabirError {}
export class InvalidName extends SabirError {}
export class InvalidValue extends SabirError {}
export class NotFound extends SabirError {}
export class AlreadyExists extends SabirError {}
export class WrongKind extends SabirError {}
export class WrongType extends SabirError {}
export class OutOfRange extends SabirError {}
export class TooLarge extends SabirError {}
export class KeyNotFound extends SabirError {}
export class Empty extends SabirError {}
export class Full extends SabirError {}
export class Closed extends SabirError {}
export class Deleted extends SabirError {}
export class TimedOut extends SabirError {}
export class Cancelled extends SabirError {}
export class ResourceExhausted extends SabirError {}
export class TooManyOwners extends SabirError {}
export class Unavailable extends SabirError {}
export class LayoutMismatch extends SabirError {}
export class PermissionDenied extends SabirError {}
export class Unimplemented extends SabirError {}
export class DataLoss extends SabirError {}
export class Internal extends SabirError {}
export class NoMemory extends SabirError {}
export class Busy extends SabirError {}
export class SessionRequired extends SabirError {}
export class WouldBlock extends SabirError {}
export class NotHeld extends SabirError {}
export class BrokenBarrier extends SabirError {}
export class Changed extends SabirError {}
export class ValueNotFound extends SabirError {}
export class BrokenPipe extends SabirError {}
export class EndOfFile extends SabirError {}
export class TaskDoneTooOften extends SabirError {}
export class LeaseLost extends SabirError {}
export class NotEnabled extends SabirError {}
export class SessionEnded extends SabirError {}
export class RequestReused extends SabirError {}
export class RequestForgotten extends SabirError {}
export class TooManyRequests extends SabirError {}
export class OutcomeUnknown extends SabirError {}
export class NotConfigured extends SabirError {}
export class DiskFull extends SabirError {}
export class IoError extends SabirError {}
