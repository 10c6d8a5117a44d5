#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists against Python's own: random operations, each through shared memory or gRPC, every answer equal.

list_model.py LOCAL_URL REMOTE_URL; HISTORIES=n, SEED=n.
"""

import ctypes
import os
import random
import struct
import sys

OPEN = -(2**63)
ENCODED = 100
OK = 0
LIB = ctypes.CDLL(os.path.join(os.environ.get("SABIR_BUILD", "build"), "lib", "libsabir.so"))
LIB.sabir_error_name.restype = ctypes.c_char_p
LIB.sabir_detail.restype = ctypes.c_char_p
for name in ("sabir_list_handle", "sabir_shared_list_handle"):
    getattr(LIB, name).restype = ctypes.c_uint64


class Item(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("aux", ctypes.c_uint32), ("len", ctypes.c_size_t),
                ("data", ctypes.c_uint64), ("content_type", ctypes.c_void_p)]


class Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Slice(ctypes.Structure):
    _fields_ = [("start", ctypes.c_int64), ("stop", ctypes.c_int64), ("step", ctypes.c_int64)]


# ---------------------------------------------------------------- Values


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, data):
    return bytes([number << 3 | 2]) + varint(len(data)) + data


def encode(v):
    if v is None:
        return b"\x08\x00"
    if isinstance(v, bool):
        return bytes([0x10, v])
    if isinstance(v, int):
        return (b"\x20" if v >= 2**63 else b"\x18") + varint(v % 2**64)
    if isinstance(v, float):
        return b"\x29" + struct.pack("<d", v)
    if isinstance(v, str):
        return field(6, v.encode())
    if isinstance(v, bytes):
        return field(7, v)
    if isinstance(v, list):
        return field(8, b"".join(field(1, encode(item)) for item in v))
    return field(9, b"".join(field(1, field(1, encode(k)) + field(2, encode(x))) for k, x in v.items()))


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return n, at


def parts(data):
    """The contents of a message's fields of bytes."""
    at = 0
    while at < len(data):
        n, at = read_varint(data, at + 1)
        yield data[at:at + n]
        at += n


def decode(data):
    kind, rest = data[0] >> 3, data[1:]
    if kind <= 4:
        n = read_varint(rest, 0)[0]
        return None if kind == 1 else bool(n) if kind == 2 else n - 2**64 if kind == 3 and n >= 2**63 else n
    if kind == 5:
        return struct.unpack("<d", rest)[0]
    n, at = read_varint(rest, 0)
    rest = rest[at:]
    if kind == 6:
        return rest.decode()
    if kind == 7:
        return rest
    if kind == 8:
        return [decode(part) for part in parts(rest)]
    return {decode(k): decode(v) for k, v in (parts(entry) for entry in parts(rest))}


# ---------------------------------------------------------------- the library


class Refused(Exception):
    pass


def call(function, *args):
    error = getattr(LIB, function)(*args)
    if error != OK:
        raise Refused(LIB.sabir_error_name(error).decode())


def items_of(values):
    """An array of items, and what keeps it alive."""
    encoded = [ctypes.create_string_buffer(e, len(e)) for e in map(encode, values)]
    array = (Item * max(len(values), 1))()
    for i, e in enumerate(encoded):
        array[i] = Item(ENCODED, 0, len(e), ctypes.addressof(e), None)
    array.keep = encoded
    return array


def value_of(item):
    buffer, n = Buffer(), ctypes.c_size_t()
    call("sabir_encode", ctypes.byref(item), ctypes.byref(buffer), ctypes.byref(n))
    value = decode(ctypes.string_at(buffer.data, n.value))
    LIB.sabir_free(ctypes.c_void_p(buffer.data))
    return value


def slice_of(s):
    at = lambda n: OPEN if n is None else n
    return ctypes.byref(Slice(at(s.start), at(s.stop), 1 if s.step is None else s.step))


def number(function, *args):
    n = ctypes.c_uint64()
    call(function, *args, ctypes.byref(n))
    return n.value


def one(function, *args):
    p = ctypes.POINTER(Item)()
    call(function, *args, ctypes.byref(p))
    value = value_of(p[0])
    LIB.sabir_free(p)
    return value


class Shared:
    """A list with the methods of Python's, over one connection."""

    def __init__(self, handle):
        self.h = handle

    def append(self, v):
        call("sabir_list_append", self.h, items_of([v]))

    def extend(self, vs):
        call("sabir_list_extend", self.h, items_of(vs), ctypes.c_size_t(len(vs)))

    def insert(self, i, v):
        call("sabir_list_insert", self.h, ctypes.c_int64(i), items_of([v]))

    def pop(self, i=-1):
        return one("sabir_list_pop", self.h, ctypes.c_int64(i))

    def remove(self, v):
        call("sabir_list_remove", self.h, items_of([v]), None)

    def index(self, v, start=None, stop=None):
        at = [ctypes.c_int64(OPEN if n is None else n) for n in (start, stop)]
        return number("sabir_list_index", self.h, items_of([v]), *at)

    def count(self, v):
        return number("sabir_list_count", self.h, items_of([v]))

    def __contains__(self, v):
        found = ctypes.c_bool()
        call("sabir_list_contains", self.h, items_of([v]), ctypes.byref(found))
        return found.value

    def reverse(self):
        call("sabir_list_reverse", self.h)

    def sort(self, key=None, reverse=False):
        call("sabir_list_sort", self.h, None if key is None else items_of([key]), ctypes.c_bool(reverse))

    def clear(self):
        call("sabir_list_clear", self.h, None)

    def __len__(self):
        return number("sabir_list_len", self.h)

    def __getitem__(self, i):
        if isinstance(i, int):
            return one("sabir_list_get", self.h, ctypes.c_int64(i))
        p, n = ctypes.POINTER(Item)(), ctypes.c_size_t()
        call("sabir_list_get_slice", self.h, slice_of(i), ctypes.byref(p), ctypes.byref(n))
        values = [value_of(p[k]) for k in range(n.value)]
        LIB.sabir_free(p)
        return values

    def __setitem__(self, i, v):
        if isinstance(i, int):
            call("sabir_list_set", self.h, ctypes.c_int64(i), items_of([v]))
        else:
            call("sabir_list_set_slice", self.h, slice_of(i), items_of(v), ctypes.c_size_t(len(v)))

    def __delitem__(self, i):
        if isinstance(i, int):
            call("sabir_list_delete", self.h, ctypes.c_int64(i))
        else:
            call("sabir_list_delete_slice", self.h, slice_of(i), None)

    def times(self, n):
        call("sabir_list_repeat", self.h, ctypes.c_int64(n))

    def copy_of(self, s, append):
        call("sabir_list_copy", self.h, slice_of(s), self.h, ctypes.c_bool(append))


# ---------------------------------------------------------------- the model


class Model(list):
    def sort(self, key=None, reverse=False):
        by = (lambda v: v[key] if isinstance(v, dict) else {}[0]) if key is not None else None
        if key is not None and not all(isinstance(v, dict) for v in self):
            # The first that is no map, or has no such key, decides.
            for v in self:
                if not isinstance(v, dict):
                    raise TypeError
                v[key]
        self[:] = sorted(self, key=by, reverse=reverse)

    def times(self, n):
        self[:] = list(self) * n

    def copy_of(self, s, append):
        self[:] = (list(self) if append else []) + list(self)[s]


REFUSALS = {
    IndexError: ("OUT_OF_RANGE", "EMPTY"),
    ValueError: ("VALUE_NOT_FOUND", "INVALID_ARGUMENT"),
    TypeError: ("WRONG_TYPE",),
    KeyError: ("KEY_NOT_FOUND",),
}


def outcome(what, target):
    """What an operation answers: a value with all its types, or an error."""
    try:
        return repr(what(target)), None
    except Refused as refused:
        return None, (str(refused),)
    except tuple(REFUSALS) as error:
        return None, REFUSALS[type(error)]


def same(expected, got):
    if expected[1] is None or got[1] is None:
        return expected == got
    return got[1][0] in expected[1]


NUMBERS = [0, 1, 2, -1, True, False, 1.0, 0.0, -0.0, 2.5, 2**53, 2**53 + 1, float(2**53), 2**63, 2**64 - 1, float(2**63),
           -(2**63), float(2**64), float("inf"), float("-inf"), -2.5]
TEXTS = ["", "a", "b", "ab", "\x00", "\u00e9", "\U0001f600", "\uffff", "a text that has a block of its own", "a" * 300]


# The ends of what an index can be; C writes "open" as the lowest of all, so it comes one later.
FAR = [2**63 - 1, 2**63 - 2, 1 - 2**63, 2 - 2**63, 2**32, -(2**32), 2**62, -(2**62), 2**31]


def shuffled(rng, m):
    """The same dict with its entries in another order."""
    return dict(rng.sample(list(m.items()), len(m)))


def record(rng, depth=0):
    """Dicts with few keys and few values, so that many are equal and few of these have their entries in one order."""
    inner = lambda: rng.choice([0, 1, True, 1.0, "a"]) if depth == 2 or rng.random() < 0.6 else record(rng, depth + 1)
    value = lambda: [inner()] if rng.random() < 0.3 else inner()
    return shuffled(rng, {k: value() for k in rng.sample([1, "a", b"a", 2.5], rng.randrange(3))})


def values(rng, taste):
    if taste == "records":
        return record(rng)
    if taste == "numbers":
        return rng.choice(NUMBERS) if rng.random() < 0.5 else rng.randrange(-5, 6)
    if taste == "text":
        return rng.choice(TEXTS)
    if taste == "lists":
        return [rng.choice(NUMBERS[:10]) for _ in range(rng.randrange(3))]
    if taste == "maps":
        m = shuffled(rng, {"k": rng.randrange(5), "n": rng.randrange(1000)})
        return m if rng.random() < 0.97 else rng.choice([{"n": 1}, 7])
    return rng.choice([None, rng.choice(NUMBERS), rng.choice(TEXTS), b"", b"a", rng.randbytes(rng.randrange(20)), [None, 1], {}])


def operation(rng, taste, n):
    """A random operation as text for people, and as a function of the list."""
    index = lambda: rng.randrange(-n - 2, n + 3) if rng.random() < 0.97 else rng.choice(FAR)
    maybe = lambda: None if rng.random() < 0.3 else index()
    v = lambda: values(rng, taste)
    some = lambda most: [v() for _ in range(rng.randrange(most))]
    steps = [None, 1, 1, 2, 3, -1, -2, -5, 7]
    s = slice(maybe(), maybe(), rng.choice(steps) if rng.random() < 0.95 else rng.choice(FAR))
    near = slice(s.start, s.stop)
    i, x, xs, flag = index(), v(), some(5), rng.random() < 0.5
    many = [v() for _ in range(rng.randrange(200))] if rng.random() < 0.1 and n < 2000 else xs
    times = rng.randrange(-1, 4) if n < 300 else rng.choice([1, 0, -(2**63)]) if rng.random() < 0.05 else 1
    fit = [v() for _ in range(len(range(*s.indices(n))) + (rng.random() < 0.1))]

    def put(where, what):
        return lambda t: t.__setitem__(where, what)

    choices = [
        ("append", lambda t: t.append(x)), ("append", lambda t: t.append(x)), ("extend", lambda t: t.extend(many)),
        ("extend", lambda t: t.extend(many)), ("insert", lambda t: t.insert(i, x)), ("insert", lambda t: t.insert(i, x)),
        ("pop", lambda t: t.pop()), ("pop at", lambda t: t.pop(i)), ("remove", lambda t: t.remove(x)),
        ("index", lambda t: t.index(x)), ("index in", lambda t: t.index(x, *(0 if b is None else b for b in (s.start, s.stop)))),
        ("count", lambda t: t.count(x)), ("contains", lambda t: x in t), ("get", lambda t: t[i]), ("set", put(i, x)),
        ("delete", lambda t: t.__delitem__(i)), ("len", len), ("get slice", lambda t: t[s]), ("get slice", lambda t: t[s]),
        ("set slice", put(near, many)), ("set slice", put(s, fit)), ("delete slice", lambda t: t.__delitem__(s)),
        ("reverse", lambda t: t.reverse()), ("sort", lambda t: t.sort(reverse=flag)),
        ("sort by key", lambda t: t.sort(key="k", reverse=flag)), ("repeat", lambda t: t.times(times)),
        ("copy", lambda t: t.copy_of(s, flag and n < 2000)), ("all", lambda t: t[:]),
    ]
    if rng.random() < 0.01:
        return "clear", lambda t: t.clear()
    return rng.choice(choices)


def history(seed, connections):
    rng = random.Random(seed)
    taste = rng.choice(["numbers", "text", "lists", "maps", "records", "mixed"])
    model, shared, handle = Model(), [], None
    for conn in connections:
        p = ctypes.c_void_p()
        if handle is None:
            call("sabir_list_create", conn, b"model/list/%d" % seed, 0, ctypes.byref(p))
            handle = LIB.sabir_list_handle(p)
        else:
            call("sabir_list_open", conn, b"model/list/%d" % seed, ctypes.byref(p))
        shared.append(Shared(p))
    for step in range(rng.randrange(10, 120)):
        name, what = operation(rng, taste, len(model))
        which = rng.randrange(len(shared))
        before = list(model)
        expected, got = outcome(what, model), outcome(what, shared[which])
        if expected[1]:
            model[:] = before
        now = repr(shared[1 - which][:])
        if not same(expected, got) or now != repr(list(model)):
            print(f"seed {seed}, step {step}, {name} by {which}: {before!r:.2000}")
            print(f"expected {expected!r:.500}\n     got {got!r:.500}\n  then {list(model)!r:.2000}\nbut is {now:.2000}")
            return False
    for s in shared:
        LIB.sabir_list_free(s.h)
    call("sabir_delete", connections[0], b"model/list/%d" % seed)
    return True


# ---------------------------------------------------------------- shared lists


def room(v):
    n = len(v.encode()) if isinstance(v, str) else len(v) if isinstance(v, bytes) else 0
    return n, (n // 8 + 1) * 8


def shared_history(seed, connections):
    rng = random.Random(seed)
    pick = lambda: rng.choice([None, rng.choice(NUMBERS), rng.choice(TEXTS), rng.randbytes(rng.randrange(30))])
    name = b"model/shared_list/%d" % seed
    model = [pick() for _ in range(rng.randrange(12))]
    rooms = [room(v)[1] for v in model]
    p, q = ctypes.c_void_p(), ctypes.c_void_p()
    call("sabir_shared_list_create", connections[seed % 2], name, items_of(model), ctypes.c_size_t(len(model)), 0, ctypes.byref(p))
    call("sabir_shared_list_open", connections[1 - seed % 2], name, ctypes.byref(q))
    for step in range(60):
        h, i, v = rng.choice([p, q]), rng.randrange(-len(model) - 1, len(model) + 1), pick()
        inside = -len(model) <= i < len(model)
        fits = inside and room(v)[0] <= rooms[i]
        got = outcome(lambda _: call("sabir_shared_list_set", h, ctypes.c_int64(i), items_of([v])), None)
        fine = got == (("None", None) if fits else (None, ("TOO_LARGE" if inside else "OUT_OF_RANGE",)))
        if fits:
            model[i] = v
        n = number("sabir_shared_list_len", h)
        now = [one("sabir_shared_list_get", h, ctypes.c_int64(k)) for k in range(n)]
        x = pick()
        found = outcome(lambda _: number("sabir_shared_list_index", h, items_of([x])), None)
        fine &= same(outcome(lambda t: t.index(x), model), found)
        fine &= number("sabir_shared_list_count", h, items_of([x])) == model.count(x)
        if not fine or repr(now) != repr(model):
            print(f"shared list, seed {seed}, step {step}: [{i}] = {v!r}: {got}, {now} for {model}")
            return False
    LIB.sabir_shared_list_free(p)
    LIB.sabir_shared_list_free(q)
    call("sabir_delete", connections[0], name)
    return True


def main():
    seed, histories = int(os.environ.get("SEED", "1")), int(os.environ.get("HISTORIES", "150"))
    connections = []
    for url in sys.argv[1:3]:
        p = ctypes.c_void_p()
        call("sabir_connect", url.encode(), None, ctypes.byref(p))
        connections.append(p)
    for i in range(histories):
        if not history(seed + i, connections) or not shared_history(seed + i, connections):
            return 1
    print(f"list_model.py: {histories} histories of lists and shared lists, seed {seed}")
    return 0


sys.exit(main())
