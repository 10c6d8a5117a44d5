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


def load():
    lib = ctypes.CDLL(os.path.abspath(f"{BUILD}/lib/libsabir.so.1"))
    lib.sabir_error_name.restype = ctypes.c_char_p
    lib.sabir_detail.restype = ctypes.c_char_p
    lib.sabir_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    lib.sabir_session_open.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
    lib.sabir_call.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64,
                               ctypes.c_void_p, ctypes.c_void_p]
    lib.sabir_free.argtypes = lib.sabir_close.argtypes = [ctypes.c_void_p]
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

    def close(self):
        LIB.sabir_close(self.conn)


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
