# SPDX-License-Identifier: Apache-2.0
"""The shared queue, with the methods of queue.Queue."""

from . import errors
from ._object import Shared


def _wait(request, block, timeout):
    """Fills in how long the server waits. Returns the seconds that the call may take at most, None for ever."""
    if not block:
        timeout = 0
    if timeout is None:
        return None
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    request.timeout.FromNanoseconds(int(timeout * 1_000_000_000))
    return timeout


class Queue(Shared):
    """A queue of any number of programs. A negative timeout is a ValueError, as with queue.Queue. Errors: Empty, Full,
    Closed, Deleted, TooLarge and those of any call."""

    _service = "Queue"
    _field = "queue"

    def _wait_call(self, method, block, timeout, **fields):
        call = self._client._calls["Queue", method]
        request = call.request(**fields)
        request.queue.handle = self.handle
        return call, request, _wait(request, block, timeout)

    def put(self, item, block=True, timeout=None):
        """Adds an item at the end. While the queue is full waits `timeout` seconds, for ever if None; then Full."""
        call, request, seconds = self._wait_call("Put", block, timeout)
        self._encode(request.item, item)
        self._client._send(call, request, seconds, waits=True)

    def put_nowait(self, item):
        """put(item, block=False)"""
        self.put(item, block=False)

    def put_many(self, items, block=True, timeout=None):
        """Adds, from the first on, all the items that fit, in one step; waits until the first does. At most 65536 at a
        time. Returns how many were added."""
        call, request, seconds = self._wait_call("PutMany", block, timeout)
        for item in items:
            self._encode(request.items.add(), item)
        if not request.items:
            return 0
        return self._client._send(call, request, seconds, waits=True).accepted

    def get(self, block=True, timeout=None):
        """Takes the first item. While the queue is empty waits `timeout` seconds, for ever if None; then Empty. Closed
        if the queue is closed and drained."""
        call, request, seconds = self._wait_call("Get", block, timeout)
        return self._decode(self._client._send(call, request, seconds, waits=True).item)

    def get_nowait(self):
        """get(block=False)"""
        return self.get(block=False)

    def get_many(self, max_items, block=True, timeout=None):
        """Takes all the items that there are, 1 to max_items (at most 65536), with no other getter in between; waits for
        the first."""
        call, request, seconds = self._wait_call("GetMany", block, timeout, max_items=max_items)
        return [self._decode(item) for item in self._client._send(call, request, seconds, waits=True).items]

    def peek(self):
        """The first item, left in place. Never waits: Empty."""
        return self._decode(self._call("Peek").item)

    def qsize(self):
        """How many items there are."""
        return self._call("Size").size

    def empty(self):
        """True if there is no item."""
        return self._call("Size").empty

    def full(self):
        """True if there are maxsize items."""
        return self._call("Size").full

    @property
    def closed(self):
        """True if the queue was closed."""
        return self._call("Size").closed

    @property
    def maxsize(self):
        """The most items it holds; 0: limited by memory alone."""
        return self._call("Size").max_items

    def clear(self):
        """Removes the items that are there. Returns how many."""
        return self._call("Clear").removed

    def close(self):
        """Closes the queue for good: puts fail with Closed, gets take what is left, then fail with Closed."""
        self._call("Close")

    def __iter__(self):
        """Takes items until the queue is closed and drained."""
        while True:
            try:
                yield self.get()
            except errors.Closed:
                return
