# SPDX-License-Identifier: Apache-2.0
"""Processes that will be killed. victims.py ADDRESS SERVER_PID WHAT ARGUMENTS-IN-JSON"""

import json
import signal
import sys

from kit import Session, Stream, call, session_call


def tell(**what):
    print(json.dumps(what), flush=True)


def consumer(name):
    """Takes 20, acknowledges 5 and gets 5 more for them, then waits for its end."""
    stream = Stream("QueueService/Consume", queue={"name": name}, max_outstanding=20)
    stream.take(20)
    stream.send(acknowledged=5)
    stream.take(5)
    tell(taken=25)
    signal.pause()


def eater(name, most):
    """Takes and acknowledges one after the other, with credit for 8: who has n has been heard about n - 8."""
    stream = Stream("QueueService/Consume", queue={"name": name}, max_outstanding=8, max_items=1)
    for n in range(1, most + 1):
        tell(item=stream.take(1)[0])
        stream.send(acknowledged=n)
    signal.pause()


def putter(name, n):
    """Puts n items with ids in one message each, and never looks for an answer."""
    session = Session(label="putter", lease_duration={"seconds": 600})
    tell(token=session.token)
    for i in range(1, n + 1):
        session.send(calls=[session_call(i, "QueueService/Put", i, queue={"name": name}, item={"int_value": i})])
        tell(sent=i)
    signal.pause()


def holder(name, seconds):
    """Holds a lock."""
    session = Session(label="holder", lease_duration={"seconds": seconds})
    tell(token=session.token, fence=session.ask("LockService/Acquire", lock={"name": name}).token)
    signal.pause()


def getter(name, token):
    """Waits for an item, with a request id."""
    call("QueueService/Get", metadata=(("sabir-session", token), ("sabir-request-id", "1")), queue={"name": name})


{"consumer": consumer, "eater": eater, "putter": putter, "holder": holder, "getter": getter}[sys.argv[3]](**json.loads(sys.argv[4]))
