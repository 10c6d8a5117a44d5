# SPDX-License-Identifier: Apache-2.0
"""The table: a class for each operation that may wait. See matrix.py for what is done with them.

A row makes an object in a state in which its operation waits, and knows what ends that wait. A new operation that waits
needs a row here; matrix.py fails without it.
"""

import threading

from calls import Failed, duration

ITEM = {"int_value": 7}


class Row:
    path = None
    object_field = None  # of the request
    times_out = "WOULD_BLOCK"
    negative = None  # what a negative time-out is: "AT_ONCE", the same as 0, or the error; each kind says it
    closed = None  # the error of a wait when close() ends it; None: nothing is to be closed
    holder = None  # (path, fields): what a process does first whose death ends the wait; None: nobody's does
    holder_gone = "OK"  # how the wait ends then
    wakes_all = False  # complete() ends every wait, not one
    keeps = True  # complete() also ends a wait that begins after it
    stream = None  # (path, fields) of a stream that waits for the same
    fellow_gone = "OK"  # how a wait ends when another one's caller is killed: "OK": as complete() ends it

    def __init__(self, admin):
        """`admin` is a local connection of somebody else than the caller."""
        self.admin = admin
        self.ref = {"handle": self.create()}

    def create(self):
        raise NotImplementedError

    def new(self, **spec):
        return self.admin.call("ManagerService/Create", **spec).info.handle

    def fields(self):
        return {}

    def request_fields(self, timeout=None):
        fields = {self.object_field: self.ref, **self.fields()}
        if timeout is not None:
            fields["timeout"] = duration(timeout)
        return fields

    def stream_fields(self):
        """Those of them that the stream's first message has too."""
        return {}

    def before(self):
        """(path, fields) of calls that a caller makes first."""
        return []

    def before_fellow(self):
        """The same of a caller in another process, which waits once."""
        return []

    def ready(self, caller):
        """What has to be so when the caller begins a wait, whatever the wait before has left."""

    def take(self):
        """`admin` becomes the one that is waited for."""

    def complete(self):
        """What one wait needs to end well."""
        raise NotImplementedError

    def close(self):
        raise NotImplementedError

    def delete(self):
        self.admin.call("ManagerService/Delete", object=self.ref)


# ---------------------------------------------------------------- queue


class Queue(Row):
    object_field = "queue"
    negative = "INVALID_ARGUMENT"
    closed = "CLOSED"

    def close(self):
        self.admin.call("QueueService/Close", queue=self.ref)


class Get(Queue):
    path = "QueueService/Get"
    stream = ("QueueService/Consume", {"max_outstanding": 1})
    times_out = "EMPTY"

    def create(self):
        return self.new(queue={})

    def complete(self):
        self.admin.call("QueueService/Put", queue=self.ref, item=ITEM)


class GetMany(Get):
    path = "QueueService/GetMany"
    stream = None

    def fields(self):
        return {"max_items": 3}


class GetTask(Get):
    """Of a task queue whose only item somebody has on lease: his death gives it back."""

    holder = ("QueueService/Get", {"lease_duration": duration(3600)})
    stream = ("QueueService/Consume", {"max_outstanding": 1, "lease_duration": duration(3600)})

    def create(self):
        handle = self.new(queue={"tasks": True})
        self.admin.call("QueueService/Put", queue={"handle": handle}, item=ITEM)
        return handle

    def take(self):
        self.admin.call("QueueService/Get", queue=self.ref)

    def complete(self):
        self.admin.call("QueueService/Put", queue=self.ref, item=ITEM)


class Put(Queue):
    path = "QueueService/Put"
    stream = ("QueueService/Produce", {"items": [ITEM]})
    times_out = "FULL"

    def create(self):
        handle = self.new(queue={"max_items": 1})
        self.admin.call("QueueService/Put", queue={"handle": handle}, item=ITEM)
        return handle

    def fields(self):
        return {"item": ITEM}

    def complete(self):
        self.admin.call("QueueService/Get", queue=self.ref)


class PutMany(Put):
    path = "QueueService/PutMany"
    stream = None

    def fields(self):
        return {"items": [ITEM, ITEM]}


class PutTask(Put):
    def create(self):
        handle = self.new(queue={"max_items": 1, "tasks": True})
        self.admin.call("QueueService/Put", queue={"handle": handle}, item=ITEM)
        return handle


class Join(Queue):
    path = "QueueService/Join"
    closed = None  # a closed queue's tasks are still to be done
    wakes_all = True

    def create(self):
        handle = self.new(queue={"joinable": True})
        self.admin.call("QueueService/Put", queue={"handle": handle}, item=ITEM)
        self.admin.call("QueueService/Get", queue={"handle": handle})
        return handle

    def complete(self):
        self.admin.call("QueueService/TaskDone", queue=self.ref)


# ---------------------------------------------------------------- lock, semaphore, event


class Lock(Row):
    path = "LockService/Acquire"
    object_field = "lock"
    negative = "AT_ONCE"
    holder = ("LockService/Acquire", {})
    spec = {"lock": {}}

    def create(self):
        return self.new(**self.spec)

    def take(self):
        self.admin.call("LockService/Acquire", lock=self.ref)

    def complete(self):
        self.admin.call("LockService/Release", lock=self.ref)


class RLock(Lock):
    spec = {"rlock": {}}


class Semaphore(Row):
    path = "SemaphoreService/Acquire"
    object_field = "semaphore"
    negative = "AT_ONCE"
    holder = ("SemaphoreService/Acquire", {})

    def create(self):
        return self.new(semaphore={"value": 1, "owned": True})

    def take(self):
        self.admin.call("SemaphoreService/Acquire", semaphore=self.ref)

    def complete(self):
        self.admin.call("SemaphoreService/Release", semaphore=self.ref, count=1)


class PlainSemaphore(Semaphore):
    holder = None  # whose death costs one: so it is documented

    def create(self):
        return self.new(semaphore={"value": 0})

    def take(self):
        """There is nothing to take."""


class Event(Row):
    path = "EventService/Wait"
    object_field = "event"
    negative = "AT_ONCE"
    wakes_all = True

    def create(self):
        return self.new(event={})

    def complete(self):
        self.admin.call("EventService/Set", event=self.ref)


class Condition(Row):
    """Over a plain lock, which anybody may release: the caller has it whenever a wait begins, and after each."""

    path = "ConditionService/Wait"
    object_field = "condition"
    negative = "AT_ONCE"
    times_out = "OK"  # and says that nobody has notified
    keeps = False

    def create(self):
        self.lock = {"handle": self.new(lock={})}
        return self.new(condition={"lock": self.lock})

    def free(self):
        try:
            self.admin.call("LockService/Release", lock=self.lock)
        except Failed:
            pass  # nobody had it

    def before_fellow(self):
        return [("LockService/Acquire", {"lock": self.lock})]

    def ready(self, caller):
        self.free()
        caller.call("LockService/Acquire", lock=self.lock)

    def complete(self):
        self.admin.call("LockService/Acquire", lock=self.lock)
        self.admin.call("ConditionService/Notify", condition=self.ref)
        self.free()


class Barrier(Row):
    """Of three: a caller, and two who come when it is to be completed."""

    path = "BarrierService/Wait"
    object_field = "barrier"
    negative = "AT_ONCE"
    times_out = "BROKEN_BARRIER"
    fellow_gone = "BROKEN_BARRIER"
    keeps = False

    def create(self):
        return self.new(barrier={"parties": 3})

    def ready(self, caller):
        if self.admin.call("BarrierService/Status", barrier=self.ref).broken:
            self.admin.call("BarrierService/Reset", barrier=self.ref)

    def complete(self):
        others = [threading.Thread(target=self.admin.call, args=(self.path,), kwargs={"barrier": self.ref})
                  for _ in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()


# ---------------------------------------------------------------- pipe


class Pipe(Row):
    """The caller has end 1, the other one end 0."""

    object_field = "pipe"
    negative = "AT_ONCE"
    one = 1

    def create(self):
        return self.new(pipe={"max_items": 1})

    def open_end(self, end):
        return ("PipeService/Open", {"pipe": self.ref, "end": end})

    def before(self):
        return [self.open_end(1)]

    def fields(self):
        return {"end": 1}

    def take(self):
        path, fields = self.open_end(0)
        self.admin.call(path, **fields)

    def close(self):
        self.admin.call("PipeService/Close", pipe=self.ref, end=0)

    @property
    def holder(self):
        return self.open_end(0)


class Recv(Pipe):
    path = "PipeService/Recv"
    times_out = "EMPTY"
    closed = holder_gone = "END_OF_FILE"

    def complete(self):
        self.admin.call("PipeService/SendBytes", pipe=self.ref, end=0, data=b"x")


class RecvBytes(Recv):
    path = "PipeService/RecvBytes"


class Poll(Recv):
    path = "PipeService/Poll"
    closed = holder_gone = "OK"  # and says that the file has ended
    wakes_all = True


class Send(Pipe):
    path = "PipeService/Send"
    times_out = "FULL"
    closed = holder_gone = "BROKEN_PIPE"

    def create(self):
        self.filled = False
        return super().create()

    def fields(self):
        return {"end": 1, "item": ITEM}

    def before(self):
        calls = [self.open_end(1)]
        if not self.filled:
            calls.append(("PipeService/SendBytes", {"pipe": self.ref, "end": 1, "data": b"x"}))
        self.filled = True
        return calls

    def complete(self):
        self.admin.call("PipeService/Recv", pipe=self.ref, end=0)


class SendBytes(Send):
    path = "PipeService/SendBytes"

    def fields(self):
        return {"end": 1, "data": b"y"}


class Watch(Row):
    path = "WatchService/Next"
    stream = ("WatchService/Watch", {})
    object_field = "object"
    negative = "AT_ONCE"
    wakes_all = True

    def create(self):
        handle = self.new(event={})
        self.seen = self.admin.call("WatchService/Next", object={"handle": handle}).last_sequence
        return handle

    def fields(self):
        return {"after_sequence": self.seen}

    stream_fields = fields

    def complete(self):
        self.admin.call("EventService/Set", event=self.ref)


ROWS = [Get, GetMany, GetTask, Put, PutMany, PutTask, Join]
ROWS += [Lock, RLock, Semaphore, PlainSemaphore, Event, Condition, Barrier]
ROWS += [Recv, RecvBytes, Poll, Send, SendBytes, Watch]
