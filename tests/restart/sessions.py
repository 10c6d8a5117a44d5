# SPDX-License-Identifier: Apache-2.0
"""Many sessions over their server's death, each with a lock, an item on lease and a call that waits.

    sessions.py ADDRESS KEEPER_PID N

All are opened by unary calls, with request ids where something is taken. The server is killed (SIGKILL) while all of them wait.
With the next one each goes on by its token: what waited is sent again, with its id, and completed; each has its lock and its
lease yet; no item is lost or got twice. Closes with "N passed, N failed".
"""

import os
import signal
import sys
import threading
import time

import grpc
from contract import types

ADDRESS, KEEPER, N = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
N_CHANNELS = 16
AT_A_TIME = 1000
PATIENCE = 120  # seconds, for what must happen
LEASE = {"seconds": 600}
LOCKS, TASKS, WORK = "many/lock/", "many/tasks", "many/work"
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), ("grpc.initial_reconnect_backoff_ms", 50),
           ("grpc.min_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]

failed = passed = 0


def check(what, found, wanted):
    global failed, passed
    fine = found == wanted
    passed, failed = passed + fine, failed + (not fine)
    print(f"{'ok    ' if fine else 'FAILED'} {what}" + ("" if fine else f": {found}, not {wanted}"), flush=True)


# ---------------------------------------------------------------- calls


CHANNELS = [grpc.insecure_channel(ADDRESS, OPTIONS) for _ in range(N_CHANNELS)]
OTHER = grpc.insecure_channel(ADDRESS, OPTIONS)  # for calls that must not stand behind those that wait


def method_of(path, channel):
    request, response = types(path)
    method = channel.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
    return request, method


def call(path, **fields):
    request, method = method_of(path, OTHER)
    return method(request(**fields), timeout=PATIENCE, wait_for_ready=True)


def reason_of(error):
    """The name of an error of the server's own; UNAVAILABLE if it is the connection's."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    for reason in (b"OUTCOME_UNKNOWN", b"SESSION_ENDED", b"LEASE_LOST", b"NOT_HELD", b"WOULD_BLOCK"):
        if reason in details:
            return reason.decode()
    return error.code().name


class Calls:
    """One call of each session, all under way at once: `begin`, then `results`: a response, or the name of an error."""

    def __init__(self, path, fields_of, sessions, request_id=None, at_a_time=N):
        self.found = [None] * len(sessions)
        self.n_ended = 0
        self.mutex = threading.Lock()
        self.room = threading.Semaphore(at_a_time)
        self.left = threading.Semaphore(0)
        made = [method_of(path, channel) for channel in CHANNELS]
        for i, session in enumerate(sessions):
            request, method = made[i % N_CHANNELS]
            metadata = [("sabir-session", session)] if session else []
            if request_id:
                metadata.append(("sabir-request-id", str(request_id)))
            self.room.acquire()
            future = method.future(request(**fields_of(i)), timeout=PATIENCE, metadata=metadata, wait_for_ready=True)
            future.add_done_callback(lambda future, i=i: self.ended(i, future))

    def ended(self, i, future):
        error = future.exception()
        self.found[i] = reason_of(error) if error else future.result()
        with self.mutex:
            self.n_ended += 1
        self.room.release()
        self.left.release()

    def results(self):
        for _ in self.found:
            self.left.acquire()
        return self.found


def each(path, fields_of, sessions, request_id=None):
    return Calls(path, fields_of, sessions, request_id, AT_A_TIME).results()


def errors_in(results):
    return sorted({r for r in results if isinstance(r, str)})


# ---------------------------------------------------------------- the story


def prepare():
    call("ManagerService/Create", name=TASKS, queue={"tasks": True})
    call("ManagerService/Create", name=WORK, queue={})
    call("QueueService/PutMany", queue={"name": TASKS}, items=[{"int_value": i} for i in range(N)])
    nobody = [None] * N
    check("locks are made", errors_in(each("ManagerService/Create", lambda i: {"name": f"{LOCKS}{i}", "lock": {}}, nobody)), [])
    opened = each("SessionService/Open", lambda i: {"label": f"many {i}", "lease_duration": LEASE}, nobody)
    check(f"{N} sessions are opened", errors_in(opened), [])
    sessions = [answer.token for answer in opened]
    held = each("LockService/Acquire", lambda i: {"lock": {"name": f"{LOCKS}{i}"}}, sessions, 1)
    check("each has a lock", errors_in(held), [])
    leased = each("QueueService/Get", lambda i: {"queue": {"name": TASKS}, "lease_duration": LEASE}, sessions, 2)
    check("each has an item on lease", errors_in(leased), [])
    return sessions, [answer.lease_token for answer in leased]


def parked():
    """How many sessions have a call that waits, where nobody calls anything else."""
    n, token = 0, ""
    while True:
        page = call("SessionService/List", page_size=1000, page_token=token)
        n += sum(session.n_active > 0 for session in page.sessions)
        token = page.next_page_token
        if not token:
            return n


def kill_server():
    with open(f"/proc/{KEEPER}/task/{KEEPER}/children", encoding="ascii") as children:
        server = int(children.read().split()[0])
    os.kill(server, signal.SIGKILL)
    began = time.monotonic()
    while True:
        try:
            call("QueueService/Size", queue={"name": WORK})
            return time.monotonic() - began
        except grpc.RpcError:
            time.sleep(0.01)


def ask_again(sessions, fields_of):
    """With the same id, as long as nobody answers: who waited has been given nothing, so the next server performs it."""
    answers, again, request_id = [None] * N, list(range(N)), 3
    waiting = Calls("QueueService/Get", fields_of, sessions, request_id)
    deadline = time.monotonic() + PATIENCE
    while parked() + waiting.n_ended < N and time.monotonic() < deadline:
        time.sleep(0.05)
    call("QueueService/PutMany", queue={"name": WORK}, items=[{"int_value": i} for i in range(N)])
    while again and time.monotonic() < deadline:
        left = []
        for i, result in zip(again, waiting.results()):
            if result == "UNAVAILABLE":
                left.append(i)
            else:
                answers[i] = result
        again = left
        waiting = Calls("QueueService/Get", fields_of, [sessions[i] for i in again], request_id)
    return answers


def main():
    began = time.monotonic()
    sessions, leases = prepare()

    def get(_):
        return {"queue": {"name": WORK}}

    waiting = Calls("QueueService/Get", get, sessions, 3)
    deadline = time.monotonic() + PATIENCE
    while parked() < N and time.monotonic() < deadline:
        time.sleep(0.05)
    check("each waits", parked(), N)
    back = kill_server()
    check("what waited ends with UNAVAILABLE", errors_in(waiting.results()), ["UNAVAILABLE"])
    answers = ask_again(sessions, get)
    check("what waited is asked again and completed", errors_in(answers), [])
    got = sorted(answer.item.int_value for answer in answers if not isinstance(answer, str))
    check("each item is got once", got == list(range(N)), True)
    status = each("LockService/Release", lambda i: {"lock": {"name": f"{LOCKS}{i}"}}, sessions, 5)
    check("each has its lock yet", errors_in(status), [])
    acked = each("QueueService/Ack", lambda i: {"queue": {"name": TASKS}, "lease_token": leases[i]}, sessions, 6)
    check("and its lease", errors_in(acked), [])
    size = call("QueueService/Size", queue={"name": TASKS})
    check("all leased items are done", (size.size, size.leased), (0, 0))
    check("each can be closed", errors_in(each("SessionService/Close", lambda i: {"token": sessions[i]}, [None] * N)), [])
    print(f"{N} sessions; the next server answered after {back:.2f} s; all of it took "
          f"{time.monotonic() - began:.0f} s")


main()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
