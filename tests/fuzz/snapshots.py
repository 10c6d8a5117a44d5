# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus of tests/fuzz/snapshot.c: small snapshots of a real server, a kind or two in each.

    bindings/python/install && PYTHONPATH=tests/kit build/venv/bin/python tests/fuzz/snapshots.py tests/fuzz/corpus/snapshot

A seed is the messages of a file, without its first and last one, in the form in which the fuzzer makes a file with right
checksums of them; "whole" is a file as it is, behind a byte that says so.
"""

import os
import struct
import subprocess
import sys
import tempfile

import grpc
from contract import POOL, types
from google.protobuf import message_factory

TO = sys.argv[1]
SABIRD = os.environ.get("SABIRD", "build/bin/sabird")
HEAD, OBJECT, CONTENT = 32, 2, 3  # proto/snapshot/snapshot.h
INT8 = 2  # TypeCode


def text(value):
    return {"string_value": value}


def number(value):
    return {"int_value": value}


class Server:
    """A sabird of its own, with a folder for snapshots."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sabir-seeds-")
        at = f"{self.folder}/grpc.sock"
        self.process = subprocess.Popen([SABIRD, "--socket", f"{self.folder}/s", "--listen", f"unix:{at}", "--keeper", "off",
                                         "--memory-limit", "16M", "--snapshot-dir", f"{self.folder}/f",
                                         "--log-level", "error"])
        self.channel = grpc.insecure_channel(f"unix:{at}")
        grpc.channel_ready_future(self.channel).result(30)
        self.session = None
        self.session = self.call("SessionService/Open", label="seeds").token
        return self

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.wait()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def call(self, path, **fields):
        request, response = types(path)
        send = self.channel.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
        metadata = [("sabir-session", self.session)] if self.session else []
        return send(request(**fields), metadata=metadata, timeout=30)

    def make(self, name, **spec):
        return self.call("ManagerService/Create", name=name, **spec).info.handle

    def snapshot(self):
        with open(f"{self.folder}/f/{self.call('AdminService/Snapshot').file}", "rb") as made:
            return made.read()

    def clear(self):
        for info in self.call("ManagerService/List", page_size=100).objects:
            self.call("ManagerService/Delete", object={"handle": info.handle})


# ---------------------------------------------------------------- what is in them


def queue(s):
    s.make("q", queue={"max_items": 9})
    s.call("QueueService/PutMany", queue={"name": "q"}, items=[number(1), text("two"), {"null_value": 0}])
    s.call("QueueService/Close", queue={"name": "q"})


def tasks(s):
    s.make("dead", queue={"tasks": True})
    s.make("t", queue={"tasks": True, "discipline": 3, "joinable": True, "max_attempts": 2, "dead_letter": "gone",
                       "dedup_window": {"seconds": 900}})
    put = {"queue": {"name": "t"}}
    s.call("QueueService/Put", item=number(1), priority=-3, dedup_id=b"one", **put)
    s.call("QueueService/Put", item=number(2), delay={"seconds": 800}, ttl={"seconds": 900}, **put)
    s.call("QueueService/Put", item=text("leased"), **put)
    s.call("QueueService/Get", queue={"name": "t"}, lease_duration={"seconds": 600})


def value(s):
    s.make("v", value={"type_code": INT8})
    s.call("ValueService/Set", value={"name": "v"}, new_value={"int_value": -7})


def array(s):
    s.make("a", array={"type_code": INT8, "length": 5, "initial": b"\1\2\3\4\5"}, ttl={"seconds": 9000})


def mapping(s):
    other = s.make("", dict={})
    s.make("d", dict={})
    for key, item in ((text("a"), number(1)), (number(2), text("b")), (text("ref"), {"object_value": {"handle": other}})):
        s.call("DictService/Set", dict={"name": "d"}, key=key, value=item)
    s.call("DictService/Set", dict={"name": "d"}, key=text("t"), value=number(4), ttl={"seconds": 900})
    s.make("n", namespace={})
    s.call("NamespaceService/Set", namespace={"name": "n"}, name="x", value=text("y"))


def sequence(s):
    s.make("l", list={})
    nested = {"list_value": {"items": [number(1), {"map_value": {"entries": [{"key": text("k"), "value": number(2)}]}}]}}
    s.call("ListService/Extend", list={"name": "l"}, items=[number(3), nested, {"double_value": 0.5}])
    s.make("s", shared_list={"items": [value_of(text("fixed")), value_of(number(5))]})


def pipe(s):
    s.make("p", pipe={"max_items": 3})
    for end in (0, 1):
        s.call("PipeService/Open", pipe={"name": "p"}, end=end)
    s.call("PipeService/Send", pipe={"name": "p"}, end=0, item=text("sent"))
    s.call("PipeService/Close", pipe={"name": "p"}, end=0)


def block(s):
    s.make("b", block={"size_bytes": 100})
    s.call("BlockService/Write", block={"name": "b"}, offset=40, data=b"in the middle")


def locks(s):
    lock = s.make("k", lock={"strict": True})
    s.call("LockService/Acquire", lock={"handle": lock})
    s.make("r", rlock={})
    s.make("c", condition={"lock": {"handle": lock}})
    s.call("ValueService/GetLock", value={"handle": s.make("locked", value={"type_code": INT8})})


def waits(s):
    s.make("m", semaphore={"value": 3, "bounded": True, "owned": True})
    s.call("SemaphoreService/Acquire", semaphore={"name": "m"})
    s.make("e", event={})
    s.call("EventService/Set", event={"name": "e"})
    s.make("w", barrier={"parties": 2})
    s.call("BarrierService/Abort", barrier={"name": "w"})


def value_of(fields):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName("sabir.v1.Value"))(**fields).SerializeToString()


# ---------------------------------------------------------------- files


def messages(snapshot):
    at, seed = HEAD, b"\1"
    while at < len(snapshot):
        size, kind = struct.unpack_from("<II", snapshot, at)
        if kind in (OBJECT, CONTENT):
            seed += bytes([kind]) + struct.pack("<H", size) + snapshot[at + 16 : at + 16 + size]
        at += 16 + size
    return seed


def write(name, seed):
    with open(f"{TO}/{name}", "wb") as out:
        out.write(seed)
    print(f"{name}: {len(seed)} bytes")


with Server() as server:
    for fill in (queue, tasks, value, array, mapping, sequence, pipe, block, locks, waits):
        fill(server)
        write(fill.__name__, messages(server.snapshot()))
        server.clear()
    value(server)
    write("whole", b"\0" + server.snapshot())
