# SPDX-License-Identifier: Apache-2.0
"""The ways to call an operation that may wait, all with the same encoded requests.

Local and RemoteC are libsabir (in shared memory; over gRPC), Remote is plain gRPC. Each begins a call without waiting for
its answer, tells when the call waits in its turn, and when it ended.
"""

import os
import re
import signal
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from libsabir import FOREVER, Connection, Failed, Token, detail, task_waits

PATIENCE = 20.0  # seconds, for what must happen


# ---------------------------------------------------------------- messages


def load_pool():
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet()
    with open("build/gen/descriptor.pb", "rb") as binary:
        files.ParseFromString(binary.read())
    for file in files.file:
        pool.Add(file)
    services = [f"{file.package}.{service.name}" for file in files.file for service in file.service]
    return pool, [pool.FindServiceByName(name) for name in services if name.startswith("sabir.v1.")]


POOL, SERVICES = load_pool()
METHODS = {f"{s.name}/{m.name}": m for s in SERVICES for m in s.methods}


def encode(path, **fields):
    cls = message_factory.GetMessageClass(METHODS[path].input_type)
    return cls(**fields).SerializeToString()


def decode(path, data):
    cls = message_factory.GetMessageClass(METHODS[path].output_type)
    return cls.FromString(data)


def duration(seconds):
    nanos = round(seconds * 1e9)
    whole = int(nanos / 10**9)
    return {"seconds": whole, "nanos": nanos - whole * 10**9}


class Pending:
    """A call that has begun. Its times are of CLOCK_MONOTONIC, in nanoseconds."""

    def __init__(self, path):
        self.path = path
        self.error = self.response = self.ended_ns = self.began_ns = None
        self.done = threading.Event()

    def end(self, error, response):
        self.ended_ns = time.monotonic_ns()
        self.error, self.response = error, response
        self.done.set()

    def outcome(self):
        """How it ended: the name of its error, or OK."""
        if not self.done.wait(PATIENCE):
            return "no end"
        return self.error

    def took(self):
        return (self.ended_ns - self.began_ns) / 1e9


def until(condition, what):
    """Asks again until it is so: of what others tell when asked, but tell nobody by themselves."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"never came true: {what}")
        time.sleep(0.0005)


# ---------------------------------------------------------------- libsabir


class Local(Connection):
    """libsabir in shared memory."""

    name = "local"
    deadline_error = "TIMED_OUT"
    has_thread = True  # one that waits, which signals can interrupt
    server_gone = None  # a wait in shared memory goes on

    def __init__(self, url, label="blocking"):
        super().__init__(url, label)
        self.label = label

    def call(self, path, **fields):
        error, data = self.raw(path, encode(path, **fields), round(PATIENCE * 1e9))
        if error != "OK":
            raise Failed(f"{path}: {error}: {detail()}")
        return decode(path, data)

    def begin(self, path, request, deadline=None, fired=False):
        pending = Pending(path)
        started = threading.Event()
        pending.token = Token()
        if fired:
            pending.token.fire()

        def run():
            pending.tid = threading.get_native_id()
            pending.token.attach()
            started.set()
            pending.began_ns = time.monotonic_ns()
            error, data = self.raw(path, request, FOREVER if deadline is None else round(deadline * 1e9))
            pending.token.detach()
            pending.end(error, data)

        pending.thread = threading.Thread(target=run, daemon=True)
        pending.thread.start()
        started.wait()
        return pending

    def wait_until_parked(self, pending, _n=1):
        until(lambda: task_waits(os.getpid(), pending.tid) or pending.done.is_set(), f"{pending.path} waits")

    def wait_until_idle(self):
        """Until who performs the calls knows of every one that was given up: here that is the caller himself."""

    def cancel(self, pending):
        pending.token.fire()

    def interrupt(self, pending):
        """A signal that the program handles, in the thread that waits."""
        signal.pthread_kill(pending.thread.ident, signal.SIGUSR1)


# ---------------------------------------------------------------- gRPC


class Sessions:
    """Asks the server, over a channel of its own, which calls it has."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])

    def all(self):
        path = "SessionService/List"
        return decode(path, self.channel.unary_unary("/sabir.v1." + path)(encode(path, page_size=1000))).sessions

    def of(self, label):
        return next((s for s in self.all() if s.label == label), None)

    def n_active(self, label):
        session = self.of(label)
        return session.n_active if session else 0


class RemoteC(Local):
    """libsabir over gRPC."""

    name = "libsabir+gRPC"
    server_gone = "UNAVAILABLE"

    def __init__(self, url, label="blocking-c"):
        super().__init__(url, label)
        self.sessions = Sessions(url.removeprefix("grpc://"))

    def wait_until_parked(self, pending, n=1):
        until(lambda: self.sessions.n_active(self.label) >= n or pending.done.is_set(), f"{pending.path} waits")

    def wait_until_idle(self):
        until(lambda: not self.sessions.n_active(self.label), "the server has seen the deadline")


class Remote:
    """Plain gRPC."""

    name = "gRPC"
    deadline_error = "DEADLINE_EXCEEDED"
    has_thread = False
    server_gone = "UNAVAILABLE"

    def __init__(self, url, label="blocking-grpc"):
        self.label = label
        self.sessions = Sessions(url.removeprefix("grpc://"))
        self.channel = grpc.insecure_channel(
            url.removeprefix("grpc://"), options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.metadata = []
        token = self.call("SessionService/Open", label=label, lease_duration=duration(600)).token
        self.metadata = [("sabir-session", token), ("sabir-thread", "1")]

    @staticmethod
    def reason(error):
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                found = re.search(rb"\n.([A-Z_]+)\x12\tsabir\.dev", value, re.DOTALL)
                return found[1].decode()
        return error.code().name

    def call(self, path, **fields):
        try:
            method = self.channel.unary_unary("/sabir.v1." + path)
            return decode(path, method(encode(path, **fields), metadata=self.metadata))
        except grpc.RpcError as error:
            raise Failed(f"{path}: {self.reason(error)}: {error.details()}") from error

    def begin(self, path, request, deadline=None):
        pending = Pending(path)
        method = self.channel.unary_unary("/sabir.v1." + path)
        pending.began_ns = time.monotonic_ns()
        pending.future = method.future(request, timeout=deadline, metadata=self.metadata)

        def ended(future):
            if future.cancelled():
                pending.end("CANCELLED", None)
            elif future.exception():
                pending.end(self.reason(future.exception()), None)
            else:
                pending.end("OK", decode(path, future.result()))

        pending.future.add_done_callback(ended)
        return pending

    def cancel(self, pending):
        pending.future.cancel()

    def wait_until_parked(self, pending, n=1):
        until(lambda: self.sessions.n_active(self.label) >= n or pending.done.is_set(), f"{pending.path} waits")

    def wait_until_idle(self):
        until(lambda: not self.sessions.n_active(self.label), "the server has seen the cancellation")

    def close(self):
        self.channel.close()
