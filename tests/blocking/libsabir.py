# SPDX-License-Identifier: Apache-2.0
"""libsabir by ctypes: connections, and calls in their encoded form."""

import ctypes
import os

FOREVER = 2**64 - 1
BUILD = os.environ.get("SABIR_BUILD", "build")
FUTEX = {"x86_64": "202", "aarch64": "98"}.get(os.uname().machine)
FUTEX_WAIT_BITSET = "0x9"  # as libsabir waits, and Python's own locks don't


class Failed(Exception):
    """An operation that has to work did not."""


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("label", ctypes.c_char_p), ("timeout_ns", ctypes.c_uint64)]


class Item(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_uint32), ("aux", ctypes.c_uint32), ("len", ctypes.c_size_t),
                ("i", ctypes.c_int64), ("content_type", ctypes.c_char_p)]


class ConsumerOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("max_outstanding", ctypes.c_uint32), ("max_items", ctypes.c_uint32),
                ("lease_ns", ctypes.c_uint64)]


class Delivery(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint64), ("token", ctypes.c_uint64), ("attempts", ctypes.c_uint32),
                ("reserved", ctypes.c_uint32)]


INT = 3  # SABIR_ITEM_INT


def load():
    lib = ctypes.CDLL(os.path.abspath(f"{BUILD}/lib/libsabir.so.1"))
    lib.sabir_error_name.restype = ctypes.c_char_p
    lib.sabir_detail.restype = ctypes.c_char_p
    lib.sabir_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    lib.sabir_session_open.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    lib.sabir_call.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64,
                               ctypes.c_void_p, ctypes.c_void_p]
    lib.sabir_free.argtypes = lib.sabir_close.argtypes = [ctypes.c_void_p]
    lib.sabir_queue_open_handle.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p]
    lib.sabir_queue_free.argtypes = lib.sabir_producer_close.argtypes = lib.sabir_consumer_close.argtypes = [ctypes.c_void_p]
    lib.sabir_producer_open.argtypes = lib.sabir_consumer_open.argtypes = [ctypes.c_void_p] * 3
    lib.sabir_producer_put.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_uint64]
    lib.sabir_producer_flush.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    lib.sabir_consumer_next.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p]
    lib.sabir_consumer_ack.argtypes = [ctypes.c_void_p] * 2
    for function in (lib.sabir_cancel_create, lib.sabir_cancel_attach, lib.sabir_cancel_fire, lib.sabir_cancel_free):
        function.argtypes = [ctypes.c_void_p]
    return lib


LIB = load()


def name(error):
    return LIB.sabir_error_name(error).decode()


def detail():
    return LIB.sabir_detail().decode()


class Connection:
    """Remote ones have a session from the beginning."""

    def __init__(self, url, label, lease_ns=0):
        self.conn = ctypes.c_void_p()
        options = Options(ctypes.sizeof(Options), label.encode(), 0)
        error = LIB.sabir_connect(url.encode(), ctypes.byref(options), ctypes.byref(self.conn))
        if not error and url.startswith("grpc"):
            error = LIB.sabir_session_open(self.conn, lease_ns)
        if error:
            raise Failed(f"{url}: {name(error)}: {detail()}")

    def raw(self, path, request, limit_ns=FOREVER):
        """The error's name, and the encoded response."""
        response, length = ctypes.c_void_p(), ctypes.c_size_t()
        error = LIB.sabir_call(self.conn, b"/sabir.v1." + path.encode(), request, len(request), limit_ns,
                               ctypes.byref(response), ctypes.byref(length))
        if error:
            return name(error), None
        data = ctypes.string_at(response, length.value)
        LIB.sabir_free(response)
        return "OK", data

    def queue(self, handle):
        """A handle, for `with`."""
        return Opened(LIB.sabir_queue_open_handle, LIB.sabir_queue_free, self.conn, handle)

    def produce(self, handle, number, timeout_ns):
        """Puts a number by a producer; the error's name."""
        with self.queue(handle) as queue, Opened(LIB.sabir_producer_open, LIB.sabir_producer_close, queue, None) as opened:
            item = Item(kind=INT, i=number)
            error = LIB.sabir_producer_put(opened, ctypes.byref(item), None, timeout_ns)
            return name(error or LIB.sabir_producer_flush(opened, timeout_ns))

    def consume(self, handle, lease_ns, timeout_ns):
        """Takes an item by a consumer, and acknowledges it; the error's name."""
        options, item, delivery = ConsumerOptions(ctypes.sizeof(ConsumerOptions), 1, 0, lease_ns), Item(), Delivery()
        with self.queue(handle) as queue, \
             Opened(LIB.sabir_consumer_open, LIB.sabir_consumer_close, queue, ctypes.byref(options)) as opened:
            error = LIB.sabir_consumer_next(opened, timeout_ns, ctypes.byref(item), ctypes.byref(delivery))
            return name(error or LIB.sabir_consumer_ack(opened, ctypes.byref(delivery)))

    def close(self):
        LIB.sabir_close(self.conn)


class Opened:
    """What a function opens, until another one closes it."""

    def __init__(self, opens, closes, *args):
        self.opens, self.closes, self.args, self.at = opens, closes, args, ctypes.c_void_p()

    def __enter__(self):
        error = self.opens(*self.args, ctypes.byref(self.at))
        if error:
            raise Failed(f"not opened: {name(error)}: {detail()}")
        return self.at

    def __exit__(self, *_):
        self.closes(self.at)


class Token:
    """What cancels the calls of the thread that attaches it."""

    def __init__(self):
        self.token = ctypes.c_void_p()
        if LIB.sabir_cancel_create(ctypes.byref(self.token)):
            raise Failed(f"no token: {detail()}")

    def attach(self):
        if LIB.sabir_cancel_attach(self.token):
            raise Failed(f"not attached: {detail()}")

    def fire(self):
        LIB.sabir_cancel_fire(self.token)

    @staticmethod
    def detach():
        LIB.sabir_cancel_attach(None)

    def __del__(self):
        LIB.sabir_cancel_free(self.token)


def task_waits(pid, tid):
    """Whether the thread sleeps in libsabir."""
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as file:
            words = file.read().split()
    except OSError:
        return False
    return len(words) > 2 and words[0] == FUTEX and words[2] == FUTEX_WAIT_BITSET
