# SPDX-License-Identifier: Apache-2.0
"""The shared array: a fixed number of scalars, like multiprocessing.Array.

Calls on one element are atomic, those on slices atomic for each element. Long slices go in several messages.
"""

from collections.abc import Sequence

from . import _scalars
from ._object import Exchange, Shared

# The server takes messages of at least 1 MiB, whatever its limits are.
PIECE_BYTES = 512 << 10


class Array(Shared, Sequence):
    """Scalars of one type. Errors: WrongType, OutOfRange (an IndexError), Deleted and those of any call."""

    _service = "Array"
    _field = "array"

    def __init__(self, client, info):
        super().__init__(client, info)
        self.typecode = _scalars.CODE_OF[info.array.type_code]
        self._len = info.array.length

    def __len__(self):
        return self._len

    def _put(self, out, item):
        _scalars.put(out, self.typecode, item)

    def _take(self, scalar):
        return _scalars.take(self.typecode, scalar)

    def _read(self, start, count):
        items, piece = [], PIECE_BYTES // _scalars.width(self.typecode)
        for at in range(start, start + count, piece):
            response = self._call("GetSlice", start=at, count=min(piece, start + count - at))
            items += _scalars.unpack(self.typecode, response.elements.data)
        return items

    def _write(self, start, data):
        width = _scalars.width(self.typecode)
        for at in range(0, len(data), PIECE_BYTES):
            self._call(
                "SetSlice",
                start=start + at // width,
                elements={"type_code": _scalars.CODES[self.typecode], "data": data[at : at + PIECE_BYTES]},
            )

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self._take(self._call("Get", index=index).value)
        places = range(*index.indices(self._len))
        if not places:
            return []
        low = min(places[0], places[-1])
        items = self._read(low, abs(places[-1] - places[0]) + 1)
        return [items[place - low] for place in places]

    def __setitem__(self, index, value):
        if not isinstance(index, slice):
            self._call("Set", index=index, fill=lambda request: self._put(request.value, value))
            return
        places = range(*index.indices(self._len))
        items = value if isinstance(value, (list, tuple, bytes, str)) else list(value)
        if len(items) != len(places):
            raise ValueError(f"a slice of {len(places)} elements can't take {len(items)}: an array keeps its length")
        if places.step == 1:
            self._write(places.start, _scalars.pack(self.typecode, items))
            return
        for place, item in zip(places, _scalars.unpack(self.typecode, _scalars.pack(self.typecode, items))):
            self[place] = item

    def __iter__(self):
        piece = PIECE_BYTES // _scalars.width(self.typecode)
        for at in range(0, self._len, piece):
            yield from self._read(at, min(piece, self._len - at))

    def __contains__(self, item):
        return any(item == each for each in self)

    def add(self, index, delta):
        """Adds to one element and returns it. Integers wrap at their width."""
        response = self._call("Add", index=index, fill=lambda request: self._put(request.delta, delta))
        return self._take(response.value)

    def compare_exchange(self, index, expected, desired):
        """Writes `desired` if the element is `expected`. The result is true if it was, and holds what was found."""

        def fill(request):
            self._put(request.expected, expected)
            self._put(request.desired, desired)

        response = self._call("CompareExchange", index=index, fill=fill)
        return Exchange(response.exchanged, self._take(response.value))

    def fill(self, value, start=0, count=None):
        """Writes the same element to `count` places from `start`, to the end if None."""
        if count == 0:
            return
        self._call("Fill", start=start, count=count or 0, fill=lambda request: self._put(request.value, value))
