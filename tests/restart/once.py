# SPDX-License-Identifier: Apache-2.0
"""Requests with ids, sent again and again while the server is killed: each is performed once, by whatever server.

    once.py ADDRESS KEEPER_PID KILLS PAUSE_MS

Each thread is a session. What it was answered goes into a ledger, and in the end the objects are held against that."""

import collections
import os
import random
import signal
import sys
import threading
import time

import grpc
from contract import types

ADDRESS, KEEPER, KILLS, PAUSE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]) / 1000
PATIENCE = 60.0
N_SESSIONS = 6
N_LEFT = 700
QUEUES = {"once": {}, "jobs": {"tasks": True}}
EMPTY = "EMPTY"
END_WITHIN = 0.006
BACKOFF = [("grpc." + name, 20) for name in ("initial_reconnect_backoff_ms", "min_reconnect_backoff_ms", "max_reconnect_backoff_ms")]


class Client:
    def __init__(self):
        self.channel = grpc.insecure_channel(ADDRESS, options=BACKOFF + [("grpc.use_local_subchannel_pool", 1)])
        self.methods, self.resent, self.longest = {}, 0, 0.0

    def method(self, path):
        if path not in self.methods:
            request, response = types(path)
            call = self.channel.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
            self.methods[path] = request, call
        return self.methods[path]

    def call(self, path, metadata=(), **fields):
        """Sends it until there is an answer. None: the answer is that nobody knows."""
        request, method = self.method(path)
        message, begun = request(**fields), time.monotonic()
        while True:
            try:
                return method(message, metadata=metadata, timeout=PATIENCE, wait_for_ready=True)
            except grpc.RpcError as error:
                details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
                if b"OUTCOME_UNKNOWN" in details:
                    return None
                if b"EMPTY" in details:
                    return EMPTY
                if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > begun + PATIENCE:
                    raise
                self.resent += 1
            finally:
                self.longest = max(self.longest, time.monotonic() - begun)


class Session(Client):
    def __init__(self, number):
        super().__init__()
        self.number, self.id = number, 0
        self.token = self.call("SessionService/Open", label="once", lease_duration={"seconds": 60}).token
        self.put, self.maybe = ({name: set() for name in QUEUES} for _ in range(2))
        self.got, self.appended = {name: [] for name in QUEUES}, set()
        self.answered, self.unknown, self.failures = collections.Counter(), collections.Counter(), []

    def ask(self, path, **fields):
        self.id += 1
        metadata = (("sabir-session", self.token), ("sabir-request-id", str(self.id)),
                    ("sabir-acknowledged-below", str(self.id)))
        answer = self.call(path, metadata, **fields)
        (self.answered if answer is not None else self.unknown)[path] += 1
        return answer

    def pass_on(self, queue, what):
        put = self.ask("QueueService/Put", queue={"name": queue}, item={"int_value": what})
        (self.put if put is not None else self.maybe)[queue].add(what)
        # Nobody waits for what may not be there.
        answer = self.ask("QueueService/Get", queue={"name": queue}, timeout={} if QUEUES[queue] else None)
        if answer not in (None, EMPTY):
            self.got[queue].append(answer.item.int_value)

    def step(self):
        what = self.number << 32 | self.id
        for name in QUEUES:
            self.pass_on(name, what)
        self.ask("ValueService/Add", value={"name": "sum"}, delta={"int_value": 1})
        self.ask("DictService/Increment", dict={"name": "counts"}, key={"int_value": self.number}, delta={"int_value": 1})
        if self.ask("ListService/Append", list={"name": "all"}, item={"int_value": what}) is not None:
            self.appended.add(what)

    def run(self, until):
        try:
            while not until.is_set():
                self.step()
        except Exception as error:  # told at the end
            self.failures.append(error)


passed = failed = 0


def check(what, good, detail=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    print(f"{'ok    ' if good else 'FAILED'} {what}{': ' if detail else ''}{detail}", flush=True)


def server():
    with open(f"/proc/{KEEPER}/task/{KEEPER}/children", encoding="ascii") as children:
        return int((children.read().split() or ["0"])[0])


def kill_some():
    for _ in range(KILLS):
        time.sleep(PAUSE * (0.5 + random.random()))
        was = server()
        if was:
            os.kill(was, signal.SIGKILL)


def main():
    client = Client()
    for name, spec in QUEUES.items():
        client.call("ManagerService/Create", name=name, queue=spec)
    client.call("ManagerService/Create", name="sum", value={"type_code": "TYPE_CODE_INT64"})
    client.call("ManagerService/Create", name="counts", dict={})
    client.call("ManagerService/Create", name="all", list={})
    sessions, over = [Session(i) for i in range(N_SESSIONS)], threading.Event()
    threads = [threading.Thread(target=session.run, args=(over,)) for session in sessions]
    for thread in threads:
        thread.start()
    kill_some()
    over.set()
    for thread in threads:
        thread.join()
    judge(client, sessions)
    for name, spec in QUEUES.items():
        end_some(client, "left by " + name, spec)


def end_one(client, queue, after):
    """A session that has all items, in answers that it does not acknowledge, and ends while the server is killed."""
    session = Session(0)
    got = []
    while client.call("QueueService/Size", queue=queue).size:
        session.id += 1
        answer = session.call("QueueService/GetMany", (("sabir-session", session.token), ("sabir-request-id", str(session.id))),
                              queue=queue, max_items=7)
        got += [item.int_value for item in answer.items]
    killer = threading.Timer(after, lambda was: os.kill(was, signal.SIGKILL), (server(),))
    killer.start()
    try:
        session.call("SessionService/Close", token=session.token)
    except grpc.RpcError as error:  # the former server had ended it, or begun to
        if b"SESSION_ENDED" not in dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b""):
            raise
    killer.join()
    begun = time.monotonic()
    while client.call("QueueService/Size", queue=queue).size != N_LEFT and time.monotonic() < begun + 10:
        time.sleep(0.01)
    session.channel.close()
    return got


def end_some(client, name, spec):
    """What a session has not acknowledged goes back when it ends, once, though servers die on the way."""
    client.call("ManagerService/Create", name=name, queue=spec)
    items, queue = list(range(N_LEFT)), {"name": name}
    client.call("QueueService/PutMany", queue=queue, items=[{"int_value": i} for i in items])
    got, n = items, 0
    while got == items and n <= KILLS:
        got, n = end_one(client, queue, random.random() * END_WITHIN), n + 1
    if got == items:  # also behind the last one
        got = []
        while client.call("QueueService/Size", queue=queue).size:
            got += [item.int_value for item in client.call("QueueService/GetMany", queue=queue, max_items=1000).items]
    check(f"a session that ends gives back what it has not acknowledged, {name}", got == items,
          f"{n} ends, {len(got)} items, {len(set(items) - set(got))} lost")


def judge_items(client, sessions, name):
    rest = []
    while True:
        request, method = client.method("QueueService/GetMany")
        try:
            rest += [item.int_value for item in method(request(queue={"name": name}, max_items=1000, timeout={}), timeout=PATIENCE).items]
        except grpc.RpcError:
            break
    got = [item for s in sessions for item in s.got[name]] + rest
    put, maybe = (set().union(*(of[name] for of in them)) for them in ([s.put for s in sessions], [s.maybe for s in sessions]))
    if not QUEUES[name]:
        check("puts into a plain queue are always known", not maybe)
    check(f"no item came twice, {name}", len(got) == len(set(got)), f"{len(got)} items")
    check(f"no item was lost, {name}", put <= set(got) <= put | maybe,
          f"{len(put - set(got))} lost, {len(set(got) - put - maybe)} from nowhere")


def judge(client, sessions):
    answered, unknown = sum((s.answered for s in sessions), collections.Counter()), sum((s.unknown for s in sessions), collections.Counter())
    check("every request had an answer", not any(s.failures for s in sessions), str([f for s in sessions for f in s.failures][:1]))
    print(f"       {sum(answered.values())} answered, {sum(s.resent for s in sessions)} sent again; not known what became of: "
          f"{dict(unknown) or 'none'}; longest wait {max(s.longest for s in sessions) * 1000:.0f} ms")
    check("gets are always known", not unknown["QueueService/Get"])
    for name in QUEUES:
        judge_items(client, sessions, name)
    total = client.call("ValueService/Get", value={"name": "sum"}).value.int_value
    n = answered["ValueService/Add"]
    check("every addition counts once", n <= total <= n + unknown["ValueService/Add"], f"{total} of {n}")
    total = sum(client.call("DictService/Get", dict={"name": "counts"}, key={"int_value": s.number}).value.int_value for s in sessions)
    n = answered["DictService/Increment"]
    check("every increment counts once", n <= total <= n + unknown["DictService/Increment"], f"{total} of {n}")
    listed, appended = [], set().union(*(s.appended for s in sessions))
    length = client.call("ListService/Len", list={"name": "all"}).length
    while len(listed) < length:
        listed += [item.int_value for item in client.call("ListService/GetSlice", list={"name": "all"}, start=len(listed), stop=len(listed) + 10000).items]
    check("every element is in the list once", len(listed) == len(set(listed)) and appended <= set(listed)
          and len(listed) <= len(appended) + unknown["ListService/Append"], f"{len(listed)} of {len(appended)}")
    few = sum(unknown.values()) <= max(2, KILLS // 10)
    check("it is rarely unknown what became of a request", few, f"{sum(unknown.values())} of {KILLS} kills")


main()
print(f"{passed} passed, {failed} failed")
sys.exit(failed != 0)
