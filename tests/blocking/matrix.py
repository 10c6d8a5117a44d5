# SPDX-License-Identifier: Apache-2.0
"""Every operation that may wait, in each way to call it, against everything that ends a wait.

    matrix.py LOCAL_URL TCP_URL SERVER_PID

The rows are in rows.py, the ways to call in calls.py; a column is a function here. Closes with "N passed, N failed".
"""

import glob
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time

from calls import Failed, Local, LocalFlow, Remote, RemoteC, RemoteFlow, Streamed, Tagged, encode, until
from contract import METHODS
from libsabir import task_waits
from rows import ROWS

SHORT = 0.01  # a time-out, in seconds
LONG = 60.0
SAMPLES = int(os.environ.get("SAMPLES", "10"))
MOST_LATE = 0.005
ATTEMPTS = 5
# (seconds, nanos): signs that differ, a second in nanos, more than 10,000 years
NO_DURATIONS = [(1, -1), (-1, 1), (0, 10**9), (0, -(10**9)), (315576000001, 0), (-315576000001, 0)]


class Wrong(Exception):
    """A test that failed."""


def same(found, wanted, what):
    if found != wanted:
        raise Wrong(f"{what}: {found}, not {wanted}")


# ---------------------------------------------------------------- what a column works with


class Case:
    """A row's object, and a caller that is about to wait for it."""

    def __init__(self, row, caller, world, taken=True):
        self.row, self.caller, self.world = row(world.admin), caller, world
        if taken:
            self.row.take()
        for path, fields in self.row.before():
            caller.call(path, **fields)

    def begin(self, timeout=None, deadline=None, **how):
        self.row.ready(self.caller)
        return self.caller.begin_row(self.row, timeout, deadline, **how)

    def parked(self, timeout=LONG, deadline=None):
        pending = self.begin(timeout, deadline)
        self.caller.wait_until_parked(pending)
        return pending

    def works(self):
        """Who gave up has taken nothing: the next one gets it."""
        pending = None if self.row.keeps else self.parked()
        self.row.complete()
        same((pending or self.begin(LONG)).outcome(), "OK", "the next one")


class Fellow:
    """Another process, see fellow.py."""

    count = 0

    def __init__(self, world, caller):
        Fellow.count += 1
        self.label = f"fellow-{Fellow.count}"
        self.local = caller.server_gone is None
        self.sessions = world.sessions
        url = world.local_url if self.local else world.tcp_url
        self.child = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "fellow.py"), url, self.label, str(10**9)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        same(self.child.stdout.readline(), "ready\n", "another process")

    def send(self, path, fields):
        self.child.stdin.write(f"{path} {encode(path, **fields).hex()}\n")
        self.child.stdin.flush()

    def call(self, path, fields):
        self.send(path, fields)
        same(self.child.stdout.readline().rstrip(), "OK", f"another process: {path}")

    def waits(self):
        if self.local:
            return task_waits(self.child.pid, self.child.pid)
        return self.sessions.n_active(self.label) > 0

    def kill(self):
        """Of a remote one the server hears a moment later; what it answers until then is lost with who asked."""
        self.child.kill()
        self.child.wait()
        if not self.local:
            until(lambda: not self.waits(), "the server has seen the end of another process")
        self.child.stdin.close()
        self.child.stdout.close()


class World:
    def __init__(self, local_url, tcp_url, server):
        self.local_url, self.tcp_url, self.server = local_url, tcp_url, server
        self.admin = Local(local_url, "admin")
        self.callers = [Local(local_url), RemoteC(tcp_url), Remote(tcp_url), Tagged(tcp_url), Streamed(tcp_url),
                        LocalFlow(local_url), RemoteFlow(tcp_url)]
        self.sessions = self.callers[1].sessions

    def pairs(self, rows=None):
        """Every row with every caller that has it."""
        return [(row, caller) for row in rows or ROWS for caller in self.callers if caller.serves(row)]


# ---------------------------------------------------------------- columns


def completes(case):
    pending = case.parked()
    case.row.complete()
    same(pending.outcome(), "OK", "the wait")


def completes_without_end(case):
    pending = case.parked(timeout=None)
    case.row.complete()
    same(pending.outcome(), "OK", "the wait")


def completes_at_once(case, timeout=0):
    if not case.row.keeps or not case.caller.has_timeout or not case.caller.is_at_once:
        return None
    case.row.complete()
    return same(case.begin(timeout).outcome(), "OK", f"with time-out {timeout}")


def negative_completes_at_once(case):
    signed = case.caller.is_signed and case.row.negative == "AT_ONCE"
    return completes_at_once(case, -1) if signed else None


def times_out(case):
    if not case.caller.has_timeout:
        return None
    pending = case.begin(SHORT)
    same(pending.outcome(), case.row.times_out, "the wait")
    if pending.took() < SHORT:
        raise Wrong(f"ended after {pending.took():.6f} of {SHORT} s")
    return case.works()


def with_zero_does_not_wait(case):
    if not case.caller.has_timeout:
        return None
    same(case.begin(0).outcome(), case.row.times_out, "with time-out 0")
    return case.works()


def negative_is_as_in_python(case):
    if not case.caller.has_timeout or not case.caller.is_signed:
        return None
    wanted = case.row.times_out if case.row.negative == "AT_ONCE" else case.row.negative
    for timeout in (-1, -1e-9, -315576000000):
        same(case.begin(timeout).outcome(), wanted, f"with time-out {timeout}")
    return case.works()


def refuses_what_is_no_duration(case):
    if not case.caller.has_timeout or not case.caller.is_signed:
        return None
    for seconds, nanos in NO_DURATIONS:
        timeout = {"seconds": seconds, "nanos": nanos}
        same(case.begin(timeout).outcome(), "INVALID_ARGUMENT", f"with time-out {timeout}")
    return case.works()


def ends_at_its_deadline(case):
    if not case.caller.has_deadline:
        return None
    pending = case.begin(deadline=SHORT)
    same(pending.outcome(), case.caller.deadline_error, "the wait")
    if pending.took() < SHORT:
        raise Wrong(f"ended after {pending.took():.6f} of {SHORT} s")
    case.caller.wait_until_idle()
    return case.works()


def is_cancelled(case):
    pending = case.parked()
    pending.cancel()
    same(pending.outcome(), "CANCELLED", "the wait")
    case.caller.wait_until_idle()
    return case.works()


def is_cancelled_before(case):
    if not case.caller.has_thread:
        return None
    pending = case.begin(LONG, fired=True)
    same(pending.outcome(), "CANCELLED", "the wait")
    case.caller.wait_until_idle()
    return case.works()


def goes_on_after_a_signal(case):
    if not case.caller.has_thread:
        return None
    pending = case.parked()
    for _ in range(3):
        case.caller.interrupt(pending)
        case.caller.wait_until_parked(pending)
    same(pending.done.is_set(), False, "it has ended")
    case.row.complete()
    return same(pending.outcome(), "OK", "the wait")


def ends_at_delete(case):
    pending = case.parked()
    case.row.delete()
    same(pending.outcome(), "DELETED", "the wait")


def ends_at_close(case):
    if not case.row.closed:
        return None
    pending = case.parked()
    case.row.close()
    return same(pending.outcome(), case.row.closed, "the wait")


def outlives_a_fellow(case):
    """Another waits before it, and is killed: what the dead one would have got is not lost."""
    fellow = Fellow(case.world, case.caller)
    for path, fields in case.row.before() + case.row.before_fellow():
        fellow.call(path, fields)
    fellow.send(case.row.path, case.row.request_fields(LONG))
    until(fellow.waits, "another process waits")
    pending = case.parked()
    fellow.kill()
    if case.row.fellow_gone == "OK":
        case.row.complete()
    same(pending.outcome(), case.row.fellow_gone, "the wait")


COLUMNS = [
    ("completes", completes),
    ("completes, without a time-out", completes_without_end),
    ("completes at once", completes_at_once),
    ("times out", times_out),
    ("time-out 0", with_zero_does_not_wait),
    ("negative time-out", negative_is_as_in_python),
    ("negative time-out, completes at once", negative_completes_at_once),
    ("no duration", refuses_what_is_no_duration),
    ("deadline", ends_at_its_deadline),
    ("cancelled", is_cancelled),
    ("cancelled before", is_cancelled_before),
    ("a signal", goes_on_after_a_signal),
    ("deleted", ends_at_delete),
    ("closed", ends_at_close),
    ("a fellow is killed", outlives_a_fellow),
]


# ---------------------------------------------------------------- how late


def sleep_late(into):
    began = time.monotonic_ns()
    time.sleep(SHORT)
    into.append((time.monotonic_ns() - began) / 1e9 - SHORT)


def sample(case):
    """How late one time-out was, and how late the machine is at the same time: of a sleep, and a call that does not wait."""
    slept = []
    sleeper = threading.Thread(target=sleep_late, args=(slept,))
    sleeper.start()
    pending = case.begin(SHORT)
    same(pending.outcome(), case.row.times_out, "the wait")
    sleeper.join()
    trip = case.begin(0)
    same(trip.outcome(), case.row.times_out, "with time-out 0")
    if pending.took() < SHORT:
        raise Wrong(f"ended after {pending.took():.6f} of {SHORT} s")
    return pending.took() - SHORT, slept[0] + trip.took()


def cancel_sample(case):
    """How long one wait went on when it was cancelled, and how late the machine is: a thread's wake-up, and a call."""
    pending = case.parked()
    slept = []
    sleeper = threading.Thread(target=sleep_late, args=(slept,))
    sleeper.start()
    fired_ns = time.monotonic_ns()
    pending.cancel()
    same(pending.outcome(), "CANCELLED", "the wait")
    sleeper.join()
    case.caller.wait_until_idle()
    trip = case.begin(0)
    same(trip.outcome(), case.row.times_out, "with time-out 0")
    return (pending.ended_ns - fired_ns) / 1e9, slept[0] + trip.took()


def p90(times):
    return sorted(times)[(len(times) - 1) * 9 // 10]


def measure(row, caller, world, what, take):
    """Late by less than 5 ms on an idle machine: on one that is busy, by less than that more than the machine is."""
    for _ in range(ATTEMPTS):
        case = Case(row, caller, world)
        late, machine = zip(*(take(case) for _ in range(SAMPLES)))
        case.row.delete()
        excess = max(statistics.median(late) - statistics.median(machine), p90(late) - p90(machine))
        if excess < MOST_LATE:
            break
    print(f"       {row.__name__:16} {caller.name:14} {what:9} late by {statistics.median(late) * 1e3:6.2f} ms in the median,"
          f" {p90(late) * 1e3:6.2f} at 90 %, {max(late) * 1e3:6.2f} at most; the machine"
          f" {statistics.median(machine) * 1e3:6.2f}, {p90(machine) * 1e3:6.2f}, {max(machine) * 1e3:6.2f}")
    if excess >= MOST_LATE:
        raise Wrong(f"{excess * 1e3:.2f} ms later than the machine")


# ---------------------------------------------------------------- all


class Tally:
    passed = failed = 0

    def column(self, name, run):
        began, passed, failed = time.monotonic(), self.passed, self.failed
        run()
        print(f"       {name}: {self.passed - passed} passed, {self.failed - failed} failed,"
              f" {time.monotonic() - began:.1f} s", flush=True)

    def run(self, what, test):
        try:
            test()
        except (Wrong, Failed) as wrong:
            self.failed += 1
            print(f"FAILED {what}: {wrong}", flush=True)
            return
        self.passed += 1


# Not for what an object has: tests/snapshot waits for it.
OF_NO_OBJECT = {"AdminService/Snapshot"}


def check_rows():
    """The table is complete: by the operation table's own word, and by the requests that have a time-out."""
    waiting = set()
    for name in glob.glob("server/ops/*.c"):
        with open(name, encoding="utf-8") as source:
            found = re.findall(r"^\tOP_WAITS\w*\((\w+), (\w+),", source.read(), re.MULTILINE)
        waiting |= {f"{service}/{method}" for service, method in found}
    with_timeout = {path for path, method in METHODS.items() if "timeout" in method.input_type.fields_by_name}
    rows = {row.path for row in ROWS} | OF_NO_OBJECT
    same(sorted(waiting ^ rows), [], "operations that wait, or have a row, but not both")
    same(sorted(with_timeout - rows), [], "operations with a time-out and without a row")
    silent = [row.__name__ for row in ROWS if row.negative not in ("AT_ONCE", "INVALID_ARGUMENT")]
    same(silent, [], "rows that do not say what a negative time-out is")


def run_column(tally, world, name, column):
    for row, caller in world.pairs():

        def test(row=row, caller=caller):
            column(Case(row, caller, world))

        tally.run(f"{row.__name__}, {caller.name}: {name}", test)


def run_end_of(tally, world, who, name):
    """One process is waited for by everybody, and is killed: a local one, or one whose session's lease must end first."""
    holder = Fellow(world, who)
    pairs = world.pairs([row for row in ROWS if row.holder])
    cases = [Case(row, caller, world, taken=False) for row, caller in pairs]
    for case in cases:
        path, fields = case.row.holder
        holder.call(path, {case.row.object_field: case.row.ref, **fields})
    waits = [(case, case.begin(LONG)) for case in cases]
    for case, pending in waits:
        case.caller.wait_until_parked(pending, sum(caller is case.caller for _, caller in pairs))
    holder.kill()
    for case, pending in waits:
        tally.run(f"{type(case.row).__name__}, {case.caller.name}: {name}",
                  lambda case=case, pending=pending: same(pending.outcome(), case.row.holder_gone, "the wait"))


def server_ends(tally, world):
    """The last column: the server is told to end, while everybody waits. Local waits go on, and end in their time."""
    cases = [Case(row, caller, world) for row, caller in world.pairs()]
    n_seen = sum(isinstance(case.caller, (Remote, RemoteC)) for case in cases)
    waits = [(case, case.begin(2.0 if case.caller.server_gone is None else LONG)) for case in cases]
    for case, pending in waits:
        if case.caller.server_gone is None or isinstance(case.caller, Tagged):
            case.caller.wait_until_parked(pending)
    until(lambda: sum(s.n_active for s in world.sessions.all()) >= n_seen, "all wait")
    os.kill(world.server, signal.SIGTERM)
    for case, pending in waits:
        wanted = case.caller.server_gone or case.row.times_out
        tally.run(f"{type(case.row).__name__}, {case.caller.name}: the server ends",
                  lambda pending=pending, wanted=wanted: same(pending.outcome(), wanted, "the wait"))


def main():
    signal.signal(signal.SIGUSR1, lambda *_: None)
    world = World(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    tally = Tally()
    tally.run("every operation that waits has a row", check_rows)
    for name, column in COLUMNS:
        tally.column(name, lambda n=name, c=column: run_column(tally, world, n, c))
    for name, who in ("a local holder is killed", world.callers[0]), ("a remote holder is killed", world.callers[1]):
        tally.column(name, lambda n=name, w=who: run_end_of(tally, world, w, n))
    for what, take in ("times out", sample), ("cancelled", cancel_sample):
        for row, caller in world.pairs():
            if caller.has_timeout:
                tally.run(f"{row.__name__}, {caller.name}: late, {what}",
                          lambda r=row, c=caller, w=what, t=take: measure(r, c, world, w, t))
    tally.column("the server ends", lambda: server_ends(tally, world))
    print(f"{tally.passed} passed, {tally.failed} failed", flush=True)
    os._exit(tally.failed != 0)  # threads may still wait for what failed


main()
