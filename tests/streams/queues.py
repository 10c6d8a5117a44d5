# SPDX-License-Identifier: Apache-2.0
"""Produce, Consume, Watch and Session with plain gRPC. queues.py ADDRESS SERVER_PID"""

import os
import queue
import signal
import subprocess
import sys
import threading
import traceback

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PATIENCE = 20.0  # seconds, for what must happen
ADDRESS, SERVER = sys.argv[1], int(sys.argv[2])


def load_pool():
    pool, files = descriptor_pool.DescriptorPool(), descriptor_pb2.FileDescriptorSet()
    with open("build/gen/descriptor.pb", "rb") as binary:
        files.ParseFromString(binary.read())
    for file in files.file:
        pool.Add(file)
    return pool


POOL = load_pool()
CHANNEL = grpc.insecure_channel(ADDRESS)


def types(path):
    method = POOL.FindServiceByName("sabir.v1." + path.split("/")[0]).methods_by_name[path.split("/")[1]]
    return message_factory.GetMessageClass(method.input_type), message_factory.GetMessageClass(method.output_type)


def call(path, **fields):
    request, response = types(path)
    method = CHANNEL.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
    return method(request(**fields), timeout=PATIENCE)


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


def in_order_and_once():
    ref, n = new("streams/order"), 20000
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=1000)
    producer = Stream("QueueService/Produce", queue=ref)
    for start in range(0, n, 100):
        producer.send(items=values(range(start, start + 100)))
    assert producer.finish()[-1].accepted == n
    got = []
    while len(got) < n:
        got += consumer.take(1)
        consumer.send(acknowledged=len(got))
    assert got == list(range(n))
    consumer.finish()
    size = call("QueueService/Size", queue=ref)
    assert size.size == 0


def credit_is_kept_to():
    ref = new("streams/credit")
    produce(ref, range(100))
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=10)
    assert consumer.take(10) == list(range(10))
    size = call("QueueService/Size", queue=ref)
    assert (size.size, size.leased) == (90, 10), size
    consumer.send(acknowledged=3)
    assert consumer.take(3) == [10, 11, 12]
    consumer.finish()
    assert Stream("QueueService/Consume", queue=ref, max_outstanding=97).take(97) == list(range(3, 100))


def killed_consumer():
    ref = new("streams/killed")
    produce(ref, range(50))
    command = [sys.executable, __file__, ADDRESS, str(SERVER), "victim", ref["name"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout.readline() == "ready\n"
        heir = Stream("QueueService/Consume", queue=ref, max_outstanding=100)
        assert heir.take(25) == list(range(25, 50))
        os.kill(victim.pid, signal.SIGKILL)
    assert heir.take(20) == list(range(5, 25))
    heir.finish()


def victim(name):
    """Takes 20, acknowledges 5 and gets 5 more for them, then waits for its end."""
    ref = {"name": name}
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=20)
    consumer.take(20)
    consumer.send(acknowledged=5)
    consumer.take(5)
    print("ready", flush=True)
    signal.pause()


def closed_and_deleted():
    ref = new("streams/closed")
    produce(ref, range(3))
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=10)
    assert consumer.take(3) == [0, 1, 2]
    call("QueueService/Close", queue=ref)
    consumer.send(acknowledged=3)
    assert b"CLOSED" in consumer.ended()
    ref = new("streams/deleted")
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=10)
    produce(ref, [7])
    assert consumer.take(1) == [7]
    call("ManagerService/Delete", object=ref)
    assert b"DELETED" in consumer.ended()


def two_consumers_share():
    ref = new("streams/shared")
    both = [Stream("QueueService/Consume", queue=ref, max_outstanding=10, max_items=1) for _ in range(2)]
    produce(ref, range(20))
    got = [consumer.take(10) for consumer in both]
    assert sorted(got[0] + got[1]) == list(range(20)), got
    assert all(part == sorted(part) for part in got), got
    for consumer in both:
        consumer.finish()


def leases():
    ref = new("streams/leases", tasks=True)
    produce(ref, range(6))
    consumer = Stream("QueueService/Consume", queue=ref, max_outstanding=6, lease_duration={"seconds": 600})
    tokens, items = [], []
    while len(items) < 6:
        response = next(consumer.call)
        tokens += response.lease_tokens
        items += [item.int_value for item in response.items]
    assert items == list(range(6)) and len(set(tokens)) == 6
    consumer.send(ack_tokens=tokens[:2], nack_tokens=tokens[3:4])
    again = next(consumer.call)
    assert [item.int_value for item in again.items] == [3] and list(again.attempts) == [2], again
    consumer.send(ack_tokens=tokens[:1])
    assert list(next(consumer.call).lost_tokens) == tokens[:1]
    consumer.finish()
    heir = Stream("QueueService/Consume", queue=ref, max_outstanding=6, lease_duration={"seconds": 600})
    assert heir.take(4) == [2, 3, 4, 5]
    heir.finish()


def rss():
    with open(f"/proc/{SERVER}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) << 10


def producer_is_held_up():
    """256 MiB are offered to a queue of 4 items: how much of it gRPC asks for is how much the server lets come."""
    ref, item, asked = new("streams/held", max_items=4), {"bytes_value": bytes(64 << 10)}, [0]
    request, response = types("QueueService/Produce")
    stopped = threading.Event()

    def offer():
        yield request(queue=ref)
        for _ in range(4096):
            if stopped.is_set():
                return
            asked[0] += 1
            yield request(items=[item])

    before = rss()
    method = CHANNEL.stream_stream("/sabir.v1.QueueService/Produce", request.SerializeToString, response.FromString)
    held = method(offer(), timeout=2)
    try:
        last = [told.accepted for told in held][-1]
        raise AssertionError(f"all was accepted: {last}")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    stopped.set()
    assert call("QueueService/Size", queue=ref).size == 4
    assert asked[0] < 1024, f"{asked[0]} items were asked for"
    assert rss() - before < 64 << 20, f"{rss() - before} bytes more"


def watched():
    ref = {"name": "streams/watched"}
    call("ManagerService/Create", name=ref["name"], queue={})
    request, response = types("WatchService/Watch")
    method = CHANNEL.unary_stream("/sabir.v1.WatchService/Watch", request.SerializeToString, response.FromString)
    watch = method(request(object=ref), timeout=PATIENCE)
    first = next(watch)
    assert first.snapshot and first.state.length == 0 and not first.HasField("lost"), first
    produce(ref, range(3))
    told, last = 0, first.last_sequence
    while told < 3:
        for change in next(watch).changes:
            assert change.kind == 4 and change.sequence > last, change
            told, last = told + change.count, change.sequence
    for n in range(200):
        call("QueueService/Put", queue=ref, item={"int_value": n})
    late = next(method(request(object=ref, after_sequence=first.last_sequence), timeout=PATIENCE))
    assert late.snapshot and late.lost.from_sequence == first.last_sequence + 1, late
    assert late.lost.to_sequence == late.last_sequence and late.state.length == 203, late
    call("ManagerService/Delete", object=ref)
    try:
        list(watch)
        raise AssertionError("the end of the object was not told")
    except grpc.RpcError as error:
        assert b"DELETED" in dict(error.trailing_metadata())["grpc-status-details-bin"], error


def session_call(tag, path, request_id=0, **fields):
    request = types(path)[0](**fields).SerializeToString()
    return {"tag": tag, "method": "/sabir.v1." + path, "request": request, "request_id": request_id}


def results(stream, n):
    got = []
    while len(got) < n:
        got += next(stream.call).results
    return got


def item_of(result):
    assert not result.status, result
    return types("QueueService/Get")[1].FromString(result.response).item.int_value


def answers_out_of_order():
    ref = new("streams/session")
    stream = Stream("SessionService/Session", hello={"label": "streams"})
    assert next(stream.call).welcome.token
    stream.send(calls=[session_call(1, "QueueService/Get", queue=ref), session_call(2, "QueueService/Get", queue=ref),
                       session_call(3, "QueueService/Size", queue=ref)])
    assert [r.tag for r in results(stream, 1)] == [3]
    stream.send(cancel_tags=[1])
    (cancelled,) = results(stream, 1)
    assert cancelled.tag == 1 and b"CANCELLED" in cancelled.status, cancelled
    stream.send(calls=[session_call(4, "QueueService/Put", queue=ref, item={"int_value": 9})])
    got = {r.tag: r for r in results(stream, 2)}
    assert sorted(got) == [2, 4] and item_of(got[2]) == 9
    stream.finish()


def resumed_once():
    """A get waits, with an id, as its stream breaks; both are sent again on two other streams: one item is put and taken."""
    ref = new("streams/resumed")
    stream = Stream("SessionService/Session", hello={"label": "resumed", "lease_duration": {"seconds": 60}})
    token = next(stream.call).welcome.token
    get = session_call(1, "QueueService/Get", 5, queue=ref)
    put = session_call(2, "QueueService/Put", 6, queue=ref, item={"int_value": 1})
    stream.send(calls=[get, session_call(3, "QueueService/Size", queue=ref)])
    assert [r.tag for r in results(stream, 1)] == [3]
    stream.call.cancel()
    for _ in range(2):
        stream = Stream("SessionService/Session", hello={"token": token}, calls=[get, put])
        got = {r.tag: r for r in results(stream, 2)}
        assert item_of(got[1]) == 1 and not got[2].status, got
        stream.call.cancel()
    assert call("QueueService/Size", queue=ref).size == 0


def server_ends():
    ref = new("streams/end")
    streams = [Stream("QueueService/Consume", queue=ref, max_outstanding=1), Stream("QueueService/Produce", queue=ref),
               Stream("SessionService/Session", hello={"label": "end"})]
    assert next(streams[2].call).welcome.token
    produce(ref, [1])
    assert streams[0].take(1) == [1]
    os.kill(SERVER, signal.SIGTERM)
    for stream in streams:
        try:
            list(stream.call)
            raise AssertionError("ended with OK")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error


STORIES = [in_order_and_once, credit_is_kept_to, killed_consumer, closed_and_deleted, two_consumers_share, leases,
           producer_is_held_up, watched, answers_out_of_order, resumed_once, server_ends]


def main():
    if len(sys.argv) > 3:
        return victim(sys.argv[4])
    failed = 0
    for story in STORIES:
        try:
            story()
        except Exception:  # whatever it is: the next story is told all the same
            failed += 1
            print(f"FAILED: {story.__name__}\n{traceback.format_exc()}")
    print(f"{len(STORIES) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
