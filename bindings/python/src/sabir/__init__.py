# SPDX-License-Identifier: Apache-2.0
"""Queues, values, arrays and dicts that programs in any language share through a Sabir server.

    with sabir.connect("grpc://localhost:7420") as client:
        jobs = client.queue("jobs")
        jobs.put({"path": "/a", "size": 3})
        print(jobs.get())
"""

from . import errors
from ._array import Array
from ._client import Client, Info, Snapshot, connect
from ._dict import Dict
from ._items import Opaque, Ref
from ._object import MISSING, Exchange
from ._queue import Queue
from ._value import Value
from .errors import *  # noqa: F403

__version__ = "0.1.0"
__all__ = ["Array", "Client", "Dict", "Exchange", "Info", "MISSING", "Opaque", "Queue", "Ref", "Snapshot", "Value"]
__all__ += ["connect", "errors", *errors.__all__]
