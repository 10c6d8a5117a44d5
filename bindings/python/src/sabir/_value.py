# SPDX-License-Identifier: Apache-2.0
"""The shared value: one scalar, like multiprocessing.Value. Every method is atomic."""

from . import _scalars
from ._object import Exchange, Shared


class Value(Shared):
    """One scalar. Errors: WrongType, OutOfRange, Deleted and those of any call."""

    _service = "Value"
    _field = "value"

    def __init__(self, client, info):
        super().__init__(client, info)
        self.typecode = _scalars.CODE_OF[info.value.type_code]

    def _put(self, out, item):
        _scalars.put(out, self.typecode, item)

    def _take(self, scalar):
        return _scalars.take(self.typecode, scalar)

    def get(self):
        """The content."""
        return self._take(self._call("Get").value)

    def set(self, value):
        """Writes the content."""
        self._call("Set", fill=lambda request: self._put(request.new_value, value))

    value = property(get, set, doc="The content. `v.value += 1` is two calls: add(1) is the atomic one.")

    def add(self, delta):
        """Adds and returns the new content. Integers wrap at their width."""
        return self._take(self._call("Add", fill=lambda request: self._put(request.delta, delta)).value)

    def exchange(self, value):
        """Writes the content and returns what it was before."""
        return self._take(self._call("Exchange", fill=lambda request: self._put(request.desired, value)).previous)

    def compare_exchange(self, expected, desired):
        """Writes `desired` if the content is `expected`. The result is true if it was, and holds what was found."""

        def fill(request):
            self._put(request.expected, expected)
            self._put(request.desired, desired)

        response = self._call("CompareExchange", fill=fill)
        return Exchange(response.exchanged, self._take(response.value))
