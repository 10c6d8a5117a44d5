# SPDX-License-Identifier: Apache-2.0
"""What all shared objects have in common."""

from typing import Any, NamedTuple

from . import _items


class Exchange(NamedTuple):
    """The result of a compare_exchange; true if the exchange took place."""

    exchanged: bool
    found: Any

    def __bool__(self):
        return self.exchanged


class Missing:
    """The type of MISSING: no value at all."""

    def __repr__(self):
        return "sabir.MISSING"

    def __bool__(self):
        return False


MISSING = Missing()


class Shared:
    """One object of the server, held by its handle: when it is deleted every call fails with Deleted, even if another
    object has its name by then. May be used by any number of threads. Two are equal if they are the same object."""

    _service = ""
    _field = ""

    def __init__(self, client, info):
        self._client = client
        self.name = info.name
        self.handle = info.handle
        self.ref = _items.Ref(handle=info.handle)
        if not info.name:
            client._session.holds(self)

    def _call(self, method, timeout=None, fill=None, **fields):
        call = self._client._calls[self._service, method]
        request = call.request(**fields)
        getattr(request, self._field).handle = self.handle
        if fill is not None:
            fill(request)
        return self._client._send(call, request, timeout)

    def _encode(self, out, item):
        _items.encode(out, item, self._client._pickle)

    def _decode(self, value):
        return _items.decode(value, self._client._pickle)

    def describe(self):
        """What the server tells about the object now: an Info."""
        return self._client.describe(self.ref)

    def delete(self):
        """Deletes the object for everybody."""
        self._client.delete(self.ref)

    def __eq__(self, other):
        return self is other or (
            isinstance(other, Shared) and self._client is other._client and self.handle == other.handle
        )

    def __hash__(self):
        return hash(self.handle)

    def __repr__(self):
        return f"<sabir.{type(self).__name__} {self.name or self.handle!r}>"
