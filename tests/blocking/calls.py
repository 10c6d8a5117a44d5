# SPDX-License-Identifier: Apache-2.0
"""The ways to call an operation that may wait, all with the same encoded requests.

Local and RemoteC are libsabir (in shared memory; over gRPC), LocalFlow and RemoteFlow its producers and consumers,
Remote is plain gRPC, Tagged a session's stream, and Streamed the streams that wait for the same as an operation does. Each
begins a call without waiting for its answer, tells when the call waits in its turn, and when it ended.
"""

import os
import queue
import re
import signal
import threading
import time

import grpc
from contract import METHODS, types
from libsabir import FOREVER, Connection, Failed, Token, detail, task_waits

PATIENCE = 20.0  # seconds, for what must happen


# ---------------------------------------------------------------- messages


def encode(path, **fields):
    return types(path)[0](**fields).SerializeToString()


def decode(path, data):
    return types(path)[1].FromString(data)


def duration(seconds):
    """Of seconds, or the message itself, for one that is no duration."""
    if isinstance(seconds, dict):
        return seconds
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

    def cancel(self):
        self.future.cancel()

    def took(self):
        return (self.ended_ns - self.began_ns) / 1e9


def until(condition, what):
    """Asks again until it is so: of what others tell when asked, but tell nobody by themselves."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"never came true: {what}")
        time.sleep(0.0005)


class Caller:
    """What all ways to call have in common."""

    has_timeout = True  # the request's own
    has_deadline = True
    has_thread = False  # one that waits, which signals can interrupt
    is_signed = True  # time-outs can be negative
    is_at_once = True  # with time-out 0 it gets what is there

    @staticmethod
    def serves(_row):
        return True

    def begin_row(self, row, timeout, deadline, **how):
        return self.begin(row.path, encode(row.path, **row.request_fields(timeout)), deadline, **how)


# ---------------------------------------------------------------- libsabir


class Local(Caller, Connection):
    """libsabir in shared memory."""

    name = "local"
    deadline_error = "TIMED_OUT"
    has_thread = True
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
        limit_ns = FOREVER if deadline is None else round(deadline * 1e9)
        return self.begin_call(path, lambda: self.raw(path, request, limit_ns), fired)

    def begin_call(self, path, function, fired=False):
        """Has a thread call it; it gives the error's name, or that and a response."""
        pending = Pending(path)
        started = threading.Event()
        pending.token = Token()
        pending.cancel = pending.token.fire
        if fired:
            pending.token.fire()

        def run():
            pending.tid = threading.get_native_id()
            pending.token.attach()
            started.set()
            pending.began_ns = time.monotonic_ns()
            result = function()
            pending.token.detach()
            pending.end(*result if isinstance(result, tuple) else (result, None))

        pending.thread = threading.Thread(target=run, daemon=True)
        pending.thread.start()
        started.wait()
        return pending

    def wait_until_parked(self, pending, _n=1):
        until(lambda: task_waits(os.getpid(), pending.tid) or pending.done.is_set(), f"{pending.path} waits")

    def wait_until_idle(self):
        """Until who performs the calls knows of every one that was given up: here that is the caller himself."""

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


class Flow:
    """Producers and consumers of libsabir, on rows whose streams they are. Times are unsigned there."""

    is_signed = False

    @staticmethod
    def serves(row):
        return row.stream is not None and row.stream[0].startswith("QueueService/")

    def begin_row(self, row, timeout, deadline, **how):
        path, first = row.stream
        wait = timeout if deadline is None else deadline
        timeout_ns = FOREVER if wait is None else round(wait * 1e9)
        handle = row.ref["handle"]
        lease = first.get("lease_duration")
        if path == "QueueService/Produce":
            return self.begin_call(path, lambda: self.produce(handle, 7, timeout_ns), **how)
        lease_ns = lease["seconds"] * 10**9 + lease["nanos"] if lease else 0
        return self.begin_call(path, lambda: self.consume(handle, lease_ns, timeout_ns), **how)


class LocalFlow(Flow, Local):
    name = "local flow"
    has_deadline = False

    def __init__(self, url):
        super().__init__(url, "blocking-flow")


class RemoteFlow(Flow, RemoteC):
    name = "libsabir+gRPC flow"
    has_deadline = False
    is_at_once = False  # a stream that has just been opened has nothing yet

    def __init__(self, url):
        super().__init__(url, "blocking-c-flow")


def reason_in(details):
    return re.search(rb"\n.([A-Z_]+)\x12\tsabir\.dev", details, re.DOTALL)[1].decode()


class Remote(Caller):
    """Plain gRPC."""

    name = "gRPC"
    deadline_error = "DEADLINE_EXCEEDED"
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
                return reason_in(value)
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

    def wait_until_parked(self, pending, n=1):
        until(lambda: self.sessions.n_active(self.label) >= n or pending.done.is_set(), f"{pending.path} waits")

    def wait_until_idle(self):
        until(lambda: not self.sessions.n_active(self.label), "the server has seen the cancellation")

    def close(self):
        self.channel.close()


class Tagged(Caller):
    """The stream of a session: requests with tags, which are answered as they come to their end."""

    name = "session stream"
    has_deadline = False
    server_gone = "UNAVAILABLE"

    def __init__(self, url, label="blocking-stream"):
        self.label = label
        self.channel = grpc.insecure_channel(
            url.removeprefix("grpc://"), options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.out, self.lock, self.waiting, self.last_tag = queue.SimpleQueue(), threading.Lock(), {}, 0
        method = self.channel.stream_stream("/sabir.v1.SessionService/Session")
        self.stream = method(iter(self.out.get, None))
        self.send(hello={"label": label, "lease_duration": duration(600)})
        if not decode("SessionService/Session", next(self.stream)).welcome.token:
            raise Failed("no welcome")
        threading.Thread(target=self.read, daemon=True).start()

    def send(self, **fields):
        self.out.put(encode("SessionService/Session", **fields))

    def take(self, tag):
        with self.lock:
            return self.waiting.pop(tag)

    def read(self):
        try:
            for data in self.stream:
                for result in decode("SessionService/Session", data).results:
                    pending = self.take(result.tag)
                    if result.status:
                        pending.end(reason_in(result.status), None)
                    else:
                        pending.end("OK", decode(pending.path, result.response))
            gone = "OK"
        except grpc.RpcError as error:
            gone = Remote.reason(error)
        with self.lock:
            left = list(self.waiting.values())
        for pending in left:
            pending.end(gone, None)

    def begin(self, path, request, _deadline=None):
        pending = Pending(path)
        with self.lock:
            self.last_tag += 1
            tag = self.last_tag
            self.waiting[tag] = pending
        pending.cancel = lambda: self.send(cancel_tags=[tag])
        pending.began_ns = time.monotonic_ns()
        self.send(calls=[{"tag": tag, "method": "/sabir.v1." + path, "request": request, "thread": 1}])
        return pending

    def call(self, path, **fields):
        pending = self.begin(path, encode(path, **fields))
        if pending.outcome() != "OK":
            raise Failed(f"{path}: {pending.error}")
        return pending.response

    def wait_until_parked(self, _pending, _n=1):
        """What comes behind it is answered, so it has been performed."""
        self.call("ManagerService/List", page_size=1)

    def wait_until_idle(self):
        self.wait_until_parked(None)

    def close(self):
        self.out.put(None)
        self.channel.close()


class Streamed(Remote):
    """Produce, Consume and Watch: a stream that waits until it can send or take one thing. It knows no time-outs."""

    name = "own stream"
    has_timeout = False

    def __init__(self, url):
        super().__init__(url, "blocking-own")

    @staticmethod
    def serves(row):
        return row.stream is not None

    def begin_row(self, row, timeout, deadline):
        path, first = row.stream
        pending, out = Pending(path), queue.SimpleQueue()
        out.put(encode(path, **{row.object_field: row.ref, **row.stream_fields()}, **first))
        client_streams = path != "WatchService/Watch"
        if client_streams:
            method = self.channel.stream_stream("/sabir.v1." + path)
            requests = iter(out.get, None)
        else:
            method, requests = self.channel.unary_stream("/sabir.v1." + path), out.get()
        pending.began_ns = time.monotonic_ns()
        pending.future = method(requests, timeout=deadline, metadata=self.metadata)
        threading.Thread(target=self.read, args=(pending, out, client_streams), daemon=True).start()
        return pending

    def read(self, pending, out, client_streams):
        """The first thing that comes is acknowledged, and the stream then brought to its end."""
        ended, done = "OK", None
        try:
            for data in pending.future:
                response = decode(pending.path, data)
                if done or not self.is_something(pending.path, response):
                    continue
                done = response
                if not client_streams:
                    break
                if pending.path == "QueueService/Consume":
                    tokens = list(response.lease_tokens)
                    out.put(encode(pending.path, ack_tokens=tokens) if tokens else encode(pending.path, acknowledged=1))
                out.put(None)
        except grpc.RpcError as error:
            ended = self.reason(error)
        pending.future.cancel()
        out.put(None)
        pending.end(ended if done or ended != "OK" else "nothing came", done)

    @staticmethod
    def is_something(path, response):
        if path == "QueueService/Consume":
            return len(response.items) > 0
        return path == "WatchService/Watch" or response.accepted > 0
