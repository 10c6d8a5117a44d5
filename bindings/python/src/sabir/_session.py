# SPDX-License-Identifier: Apache-2.0
"""The session of a Client: who its calls act for, and who holds the objects without a name that it made or opened.

It is opened by the first call that needs one. A thread, the keeper, begins its lease anew three times in its duration, and
lets go of the objects that the program has dropped: that is noticed by the garbage collector, in which nothing may be
called. So what this process holds goes soon after it, however it ends.
"""

import os
import queue
import sys
import threading
import weakref

import grpc

LEASE = 30  # seconds
CLOSE_TIMEOUT = 2.0


class Session:
    def __init__(self, calls):
        self._calls = calls  # {(service, method): call}
        self._lock = threading.Lock()
        self._token = None
        self._dropped = queue.SimpleQueue()  # handles; None: the end
        self._keeper = None

    def metadata(self):
        """Of every call."""
        token = self._token
        if token is None:
            return None
        return (("sabir-session", token), ("sabir-thread", str(threading.get_ident())))

    def need(self, timeout):
        """Opens it if it is not open. Raises grpc.RpcError."""
        with self._lock:
            if self._token is not None:
                return
            call = self._calls["Session", "Open"]
            request = call.request(label=os.path.basename(sys.argv[0] or "python")[:39])
            request.lease_duration.seconds = LEASE
            self._token = call.send(request, timeout=timeout).token
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, daemon=True, name="sabir-session")
                self._keeper.start()

    def lost(self, metadata):
        """It has ended, as the call with these metadata was told; the next that needs one opens another."""
        with self._lock:
            if metadata and self._token == metadata[0][1]:
                self._token = None

    def holds(self, shared):
        """Lets go of the object's handle once the program has dropped this."""
        token = self._token
        if token is not None:
            weakref.finalize(shared, self._dropped.put, (shared.handle, token)).atexit = False

    def close(self):
        """Ends it, and with it all that it holds. Without an answer in time its lease does the same."""
        self._dropped.put(None)
        with self._lock:
            token, self._token = self._token, None
        if token is not None:
            self._send("Session", "Close", CLOSE_TIMEOUT, token=token)

    def _keep(self):
        while True:
            try:
                dropped = self._dropped.get(timeout=LEASE / 3)
            except queue.Empty:
                self._send("Session", "KeepAlive", LEASE / 3, token=self._token or "")
                continue
            if dropped is None:
                return
            handle, token = dropped
            if token == self._token:
                self._release(handle)

    def _release(self, handle):
        call = self._calls["Manager", "Release"]
        request = call.request()
        request.object.handle = handle
        try:
            call.send(request, timeout=LEASE / 3, metadata=self.metadata())
        except (grpc.RpcError, ValueError):
            pass  # deleted, or the connection has ended

    def _send(self, service, method, timeout, **fields):
        call = self._calls[service, method]
        try:
            call.send(call.request(**fields), timeout=timeout)
        except (grpc.RpcError, ValueError):
            pass  # the next call of the program finds out
