# SPDX-License-Identifier: Apache-2.0
"""Watch, and the session's stream."""

import os
import random
import signal
import time

import grpc
from kit import (CHANNEL, PATIENCE, SERVER, Session, Stream, Victim, call, item_of, new, produce, reason_in, reason_of,
                 response, results, rss, session_call, types, until)


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
    for i in range(2):
        stream = Stream("SessionService/Session", hello={"token": token}, calls=[get, put])
        got = {r.tag: r for r in results(stream, 2)}
        assert item_of(got[1]) == 1 and not got[2].status, got
        stream.call.cancel()
        call("QueueService/Put", queue=ref, item={"int_value": 2 + i})
    assert [call("QueueService/Get", queue=ref).item.int_value for _ in range(2)] == [2, 3]
    assert call("QueueService/Size", queue=ref).size == 0


# ---------------------------------------------------------------- watches


def watch(ref, **fields):
    request, answer = types("WatchService/Watch")
    method = CHANNEL.unary_stream("/sabir.v1.WatchService/Watch", request.SerializeToString, answer.FromString)
    return method(request(object=ref, **fields), timeout=PATIENCE)


def set_key(ref, key, value):
    call("DictService/Set", dict=ref, key={"string_value": key}, value=value)


def watch_that_is_not_read():
    """It costs the server no memory and the others nothing; who reads it at last is told all that it has lost."""
    ref, value, n = {"name": "streams/unread"}, {"bytes_value": bytes(64 << 10)}, 3000
    call("ManagerService/Create", name=ref["name"], dict={})
    mute, busy = watch(ref, include_values=True), watch(ref)
    begun = next(busy).last_sequence
    before, seen = rss(), begun
    for i in range(n):
        set_key(ref, f"k{i % 8}", value)
        if i % 50 == 49:  # the one that reads is never behind
            while seen < begun + i + 1:
                seen = next(busy).last_sequence
    grown = rss() - before
    assert grown < 48 << 20, f"{grown} bytes more for {n} changes of 64 KiB"
    last = next(mute).last_sequence
    while last < begun + n:
        told = next(mute)
        if told.snapshot:
            assert told.lost.from_sequence == last + 1 and told.lost.to_sequence == told.last_sequence, told.lost
        else:
            assert [change.sequence for change in told.changes] == list(range(last + 1, told.last_sequence + 1))
        last = told.last_sequence
    mute.cancel()
    busy.cancel()


def watched_exactly():
    """Random changes of a dict; a stream of all, one of a prefix, and one of a key tell exactly these, a few at a time."""
    ref, chance, noted = {"name": "streams/exact"}, random.Random(3), []
    call("ManagerService/Create", name=ref["name"], dict={})
    keys = [f"{letter}{n}" for letter in "ab" for n in range(5)]
    filters = {"all": {}, "prefix": {"key_prefix": "a"}, "key": {"keys": [{"string_value": "b3"}]}}
    streams = {name: watch(ref, max_changes=3, **fields) for name, fields in filters.items()}
    base = {name: next(stream).last_sequence for name, stream in streams.items()}["all"]
    there = set()
    for _ in range(120):
        key = chance.choice(keys)
        if key in there and chance.random() < 0.5:
            call("DictService/Delete", dict=ref, key={"string_value": key})
            there.remove(key)
            noted.append((2, key))
        else:
            set_key(ref, key, {"int_value": 1})
            there.add(key)
            noted.append((1, key))
    wanted = [(base + 1 + i, kind, key) for i, (kind, key) in enumerate(noted)]
    admits = {"all": lambda key: True, "prefix": lambda key: key[0] == "a", "key": lambda key: key == "b3"}
    for name, stream in streams.items():
        mine, told = [change for change in wanted if admits[name](change[2])], []
        while len(told) < len(mine):
            answer = next(stream)
            assert not answer.snapshot and len(answer.changes) <= 3, answer
            told += [(change.sequence, change.kind, change.key.string_value) for change in answer.changes]
        assert told == mine, (name, told, mine)
        stream.cancel()


# ---------------------------------------------------------------- sessions


def mixed_batch():
    """Each request of a batch fails or not for itself, and the stream goes on."""
    ref, session = new("streams/mixed"), Session(label="mixed")
    missing = {"name": "streams/none"}
    calls = [session_call(1, "QueueService/Put", queue=ref, item={"int_value": 1}),
             session_call(2, "QueueService/Get", queue=missing),
             {"tag": 3, "method": "/sabir.v1.QueueService/Nothing"},
             {"tag": 4, "method": "/sabir.v1.QueueService/Put", "request": b"\xff\xff\xff"},
             session_call(5, "ValueService/Get", value=ref),
             {"tag": 6, "method": "/sabir.v1.QueueService/Consume"},
             session_call(7, "QueueService/Put", queue=ref),
             session_call(8, "QueueService/Get", queue=ref, timeout={}),
             session_call(9, "QueueService/Get", queue=ref, timeout={}),
             session_call(10, "QueueService/Get", queue=ref, timeout={"seconds": -1}),
             session_call(11, "QueueService/Size", queue=ref)]
    session.send(calls=calls)
    got = {r.tag: reason_in(r.status) if r.status else "OK" for r in results(session, len(calls))}
    assert got == {1: "OK", 2: "NOT_FOUND", 3: "UNIMPLEMENTED", 4: "INVALID_ARGUMENT", 5: "WRONG_KIND",
                   6: "UNIMPLEMENTED", 7: "INVALID_ARGUMENT", 8: "OK", 9: "EMPTY", 10: "INVALID_ARGUMENT", 11: "OK"}, got
    assert session.ask("QueueService/Size", queue=ref).size == 0
    session.finish()


def order_of_completion():
    """Sixty gets wait, and are answered as their queues are filled: in whatever order that is."""
    session, n = Session(label="order"), 60
    refs = [new(f"streams/order/{i}") for i in range(n)]
    session.send(calls=[session_call(i, "QueueService/Get", queue=ref) for i, ref in enumerate(refs)])
    assert session.ask("QueueService/Size", queue=refs[0]).size == 0  # all of them wait now
    order = random.Random(5).sample(range(n), n)
    for i in order:
        call("QueueService/Put", queue=refs[i], item={"int_value": i})
        (result,) = results(session, 1)
        assert result.tag == i and item_of(result) == i, (i, result)
    session.finish()


def cancelled_as_it_completes():
    """A put and the cancellation of the get that waits for it race: the item is got, or still there, and never both."""
    ref, session, outcomes = new("streams/race"), Session(label="race"), set()
    method = "/sabir.v1.QueueService/Put"
    request, answer = types("QueueService/Put")
    put = CHANNEL.unary_unary(method, request.SerializeToString, answer.FromString)
    for i in range(300):
        session.send(calls=[session_call(i, "QueueService/Get", queue=ref)])
        assert session.ask("QueueService/Size", queue=ref).size == 0
        both = [lambda i=i: put.future(request(queue=ref, item={"int_value": i}), timeout=PATIENCE),
                lambda i=i: session.send(cancel_tags=[i, 10**9 + i])]  # the other tag is nobody's
        begun = [both[i % 2]()]
        time.sleep(i % 10 / 20000)
        begun.append(both[1 - i % 2]())
        (result,) = results(session, 1)
        begun[i % 2].result()
        assert result.tag == i
        cancelled = bool(result.status)
        outcomes.add(cancelled)
        assert not cancelled or reason_in(result.status) == "CANCELLED", result
        left = call("QueueService/Get", queue=ref).item.int_value if cancelled else item_of(result)
        assert left == i and call("QueueService/Size", queue=ref).size == 0, (i, cancelled, left)
    session.send(calls=[session_call(1, "QueueService/Get", queue=ref)], cancel_tags=[1])
    assert reason_in(results(session, 1)[0].status) == "CANCELLED"  # cancels come behind the calls of their message
    session.finish()
    print(f"       races ended {'both ways' if len(outcomes) > 1 else 'one way'}")


def killed_putters():
    """Processes put with ids and are killed before they know; who has their token sends all again: all is there once."""
    chance, n = random.Random(11), 200
    for round_ in range(5):
        ref = new(f"streams/killed/{round_}")
        victim = Victim("putter", name=ref["name"], n=n)
        token, stop = victim.tells()["token"], chance.randrange(n)
        while victim.tells()["sent"] < stop:
            pass
        victim.kill()
        session = Session(token=token)
        again = [session_call(i, "QueueService/Put", i, queue=ref, item={"int_value": i}) for i in range(1, n + 1)]
        session.send(calls=again)
        assert all(not result.status for result in results(session, n))
        session.finish()
        items = call("QueueService/GetMany", queue=ref, max_items=2 * n).items
        assert sorted(item.int_value for item in items) == list(range(1, n + 1)), items


def lock_of_a_broken_session(seconds):
    """A process that holds a lock is killed; gives its token, the lock and when that was."""
    ref = {"name": f"streams/lock/{time.monotonic_ns()}"}
    call("ManagerService/Create", name=ref["name"], lock={})
    victim = Victim("holder", name=ref["name"], seconds=seconds)
    told = victim.tells()
    until(lambda: call("LockService/Status", lock=ref).locked, "the lock is held")
    before = time.monotonic()
    victim.kill()
    return told, ref, before


def lease_over_while_broken():
    """Nobody comes back in time: what the session held is free, not before, and the next one is told; the token is dead."""
    told, ref, before = lock_of_a_broken_session(2)
    heir = Session(label="heir", lease_duration={"seconds": 600})
    heir.send(calls=[session_call(1, "LockService/Acquire", lock=ref)])
    got = response("LockService/Acquire", results(heir, 1)[0])
    assert time.monotonic() - before >= 2, "before the lease's end"
    assert got.abandoned and got.token > told["fence"], got
    try:
        Session(token=told["token"])
        raise AssertionError("the session is still there")
    except grpc.RpcError as error:
        assert reason_of(error) == "SESSION_ENDED", error
    heir.finish()


def resumed_at_the_last_moment():
    """The lease has all but run out: the session holds what it held, and its lease begins anew."""
    for _ in range(5):
        told, ref, before = lock_of_a_broken_session(3)
        time.sleep(2.5)
        try:
            session = Session(token=told["token"])
        except grpc.RpcError:
            assert time.monotonic() - before >= 3, "before the lease's end"
            continue  # the machine was late
        status = session.ask("LockService/Status", lock=ref)
        assert status.locked and status.held_by_caller and status.token == told["fence"], status
        session.breaks()
        time.sleep(1.5)
        again = time.monotonic() - before
        assert call("LockService/Status", lock=ref).locked or again > 5, "the lease did not begin anew"
        return
    raise AssertionError("the machine was late five times")


def server_ends_with_all():
    """The last story."""
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


STORIES = [watched, watch_that_is_not_read, watched_exactly, answers_out_of_order, resumed_once, mixed_batch,
           order_of_completion, cancelled_as_it_completes, killed_putters, lease_over_while_broken,
           resumed_at_the_last_moment, server_ends_with_all]
