# SPDX-License-Identifier: Apache-2.0
"""Produce and Consume."""

import random
import threading

import grpc
from kit import CHANNEL, Stream, Victim, call, new, produce, rss, types, until, values

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
    victim = Victim("consumer", name=ref["name"])
    assert victim.tells() == {"taken": 25}
    heir = Stream("QueueService/Consume", queue=ref, max_outstanding=100)
    assert heir.take(25) == list(range(25, 50))
    victim.kill()
    assert heir.take(20) == list(range(5, 25))
    heir.finish()


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


def many_are_killed():
    """Three at a time, twelve in all, in the midst of it: all is delivered, and nothing again that was acknowledged."""
    ref, n = new("streams/many"), 3000
    produce(ref, range(n))
    chance, taken, done = random.Random(7), set(), set()

    def end(victim):
        items = first[victim] + [told["item"] for told in victim.kill()]
        assert not done & set(items), sorted(done & set(items))
        taken.update(items)
        done.update(items[:-8])

    first = {}
    for _ in range(4):
        victims = [Victim("eater", name=ref["name"], most=100) for _ in range(3)]
        for victim in victims:
            first[victim] = [victim.tells()["item"] for _ in range(chance.randrange(1, 100))]
        for victim in victims:
            end(victim)
    until(lambda: call("QueueService/Size", queue=ref).leased == 0, "what the dead ones had is back")
    n_left = call("QueueService/Size", queue=ref).size
    heir = Stream("QueueService/Consume", queue=ref, max_outstanding=n)
    left = heir.take(n_left)
    heir.finish()
    assert len(left) == len(set(left)) and left == sorted(left)
    assert not done & set(left), sorted(done & set(left))
    lost = set(range(n)) - taken - set(left)
    assert not lost, f"{len(lost)} items are lost: {sorted(lost)[:10]}…"


STORIES = [in_order_and_once, credit_is_kept_to, killed_consumer, closed_and_deleted, two_consumers_share, leases,
           producer_is_held_up, many_are_killed]
