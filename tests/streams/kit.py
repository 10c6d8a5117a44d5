# SPDX-License-Identifier: Apache-2.0
"""What the stories share: calls and streams with plain gRPC, and other processes that are killed."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import time

import grpc
from contract import types

PATIENCE = 120.0  # seconds, for what must happen
ADDRESS, SERVER = sys.argv[1], int(sys.argv[2])


CHANNEL = grpc.insecure_channel(ADDRESS)


def call(path, *, metadata=(), channel=CHANNEL, **fields):
    request, response = types(path)
    method = channel.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
    return method(request(**fields), timeout=PATIENCE, metadata=metadata)


class Stream:
    """One stream; what it sends is put in, what comes is iterated over."""

    def __init__(self, path, **first):
        self.request, response = types(path)
        self.out = queue.SimpleQueue()
        self.send(**first)
        method = CHANNEL.stream_stream("/sabir.v1." + path, self.request.SerializeToString, response.FromString)
        self.call = method(iter(self.out.get, None), timeout=PATIENCE)

    def send(self, **fields):
        self.out.put(self.request(**fields))

    def finish(self):
        self.out.put(None)
        return list(self.call)

    def take(self, n):
        got = []
        while len(got) < n:
            got += [item.int_value for item in next(self.call).items]
        return got

    def ended(self):
        """The details of the error that ends it."""
        try:
            rest = [item.int_value for response in self.call for item in response.items]
        except grpc.RpcError as error:
            return next((v for k, v in error.trailing_metadata() if k == "grpc-status-details-bin"), error.code())
        raise AssertionError(f"ended with OK, after {rest}")


def new(name, **spec):
    call("ManagerService/Create", name=name, queue=spec)
    return {"name": name}


def values(numbers):
    return [{"int_value": n} for n in numbers]


def produce(ref, numbers):
    accepted = Stream("QueueService/Produce", queue=ref, items=values(numbers)).finish()[-1].accepted
    assert accepted == len(numbers), accepted


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(0.002)


def rss():
    with open(f"/proc/{SERVER}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) << 10


def reason_in(details):
    """The reason of an encoded google.rpc.Status; None: there is none in it."""
    found = re.search(rb"\n.([A-Z_]+)\x12\tsabir\.dev", details, re.DOTALL)
    return found[1].decode() if found else None


def reason_of(error):
    return reason_in(dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")) or error.code().name


class Victim:
    """Another process, see victims.py, which tells what it does in lines of JSON, until it is killed."""

    def __init__(self, what, **told):
        command = [sys.executable, os.path.join(os.path.dirname(__file__), "victims.py"), ADDRESS, str(SERVER)]
        self.process = subprocess.Popen(command + [what, json.dumps(told)], stdout=subprocess.PIPE, text=True)

    def tells(self):
        return json.loads(self.process.stdout.readline())

    def kill(self):
        """Gives what it had told until then."""
        os.kill(self.process.pid, signal.SIGKILL)
        lines = self.process.stdout.read().splitlines(keepends=True)
        self.process.wait()
        return [json.loads(line) for line in lines if line.endswith("\n")]


# ---------------------------------------------------------------- the session's stream


def session_call(tag, path, request_id=0, **fields):
    request = types(path)[0](**fields).SerializeToString()
    return {"tag": tag, "method": "/sabir.v1." + path, "request": request, "request_id": request_id}


def results(stream, n):
    got = []
    while len(got) < n:
        got += next(stream.call).results
    return got


def response(path, result):
    assert not result.status, result
    return types(path)[1].FromString(result.response)


def item_of(result):
    return response("QueueService/Get", result).item.int_value


class Session(Stream):
    """One whose first message says what it is for."""

    def __init__(self, **hello):
        super().__init__("SessionService/Session", hello=hello)
        self.token = next(self.call).welcome.token
        assert self.token
        self.tag = 1 << 32

    def ask(self, path, **fields):
        """One call, while nothing else is under way."""
        self.tag += 1
        self.send(calls=[session_call(self.tag, path, **fields)])
        (result,) = results(self, 1)
        assert result.tag == self.tag, result
        return reason_in(result.status) if result.status else response(path, result)

    def breaks(self):
        self.call.cancel()
