# SPDX-License-Identifier: Apache-2.0
"""The shared dict, with the methods of Python's: each is atomic, update() too.

Keys are compared by the server: 1, 1.0 and True are three keys there.
"""

from collections.abc import ItemsView, MutableMapping, ValuesView

from . import _items, errors
from ._object import MISSING, Exchange, Shared


class Values(ValuesView):
    """The values, read page by page."""

    def __iter__(self):
        shared = self._mapping
        return (shared._decode(value) for page in shared._pages("Values") for value in page.values)


class Items(ItemsView):
    """The pairs of key and value, read page by page."""

    def __iter__(self):
        shared = self._mapping
        for page in shared._pages("Items"):
            for entry in page.entries:
                yield shared._decode_key(entry.key), shared._decode(entry.value)


class Dict(Shared, MutableMapping):
    """A map in insertion order. Errors: KeyNotFound (a KeyError), WrongType, OutOfRange, TooLarge, Deleted and those
    of any call. What is inserted or deleted while somebody iterates may be seen or not."""

    _service = "Dict"
    _field = "dict"
    __eq__ = Shared.__eq__
    __hash__ = Shared.__hash__

    def _decode_key(self, value):
        return _items.decode(value, self._client._pickle, key=True)

    def _on_key(self, method, key, **values):
        def fill(request):
            self._encode(request.key, key)
            for name, value in values.items():
                if value is not MISSING:
                    self._encode(getattr(request, name), value)

        return self._call(method, fill=fill)

    def _pages(self, method):
        token = ""
        while True:
            page = self._call(method, page_token=token)
            yield page
            token = page.next_page_token
            if not token:
                return

    def __getitem__(self, key):
        return self._decode(self._on_key("Get", key).value)

    def __setitem__(self, key, value):
        self._on_key("Set", key, value=value)

    def __delitem__(self, key):
        self._on_key("Delete", key)

    def __contains__(self, key):
        return self._on_key("Contains", key).found

    def __len__(self):
        return self._call("Len").length

    def __iter__(self):
        return (self._decode_key(key) for page in self._pages("Keys") for key in page.keys)

    def values(self):
        """A view of the values."""
        return Values(self)

    def items(self):
        """A view of the pairs of key and value."""
        return Items(self)

    def setdefault(self, key, default=None):
        """The value of the key; a missing key is first set to the default."""
        return self._decode(self._on_key("SetDefault", key, value=default).value)

    def pop(self, key, default=MISSING):
        """Deletes the key and returns its value; the default if it is missing, without one KeyNotFound."""
        try:
            return self._decode(self._on_key("Pop", key).value)
        except errors.KeyNotFound:
            if default is MISSING:
                raise
            return default

    def popitem(self):
        """Deletes the pair that was inserted last and returns it. KeyNotFound if the dict is empty."""
        try:
            response = self._call("PopItem")
        except errors.Empty as error:
            raise errors.KeyNotFound("popitem: the dict is empty") from error
        return self._decode_key(response.key), self._decode(response.value)

    def update(self, other=(), /, **more):
        """Sets many keys, all or none, in one step."""

        def fill(request):
            pairs = other.items() if hasattr(other, "items") else other
            for key, value in [*pairs, *more.items()]:
                entry = request.entries.add()
                self._encode(entry.key, key)
                self._encode(entry.value, value)

        self._call("Update", fill=fill)

    def increment(self, key, delta=1):
        """Adds to the number of a key, from 0 if it is missing, and returns the sum."""
        return self._decode(self._on_key("Increment", key, delta=delta).value)

    def compare_exchange(self, key, expected, desired):
        """Sets the key to `desired` if it holds `expected`. MISSING as `expected`: if it isn't there; as `desired`:
        delete it. The result is true if that was done, and holds what was found."""
        response = self._on_key("CompareExchange", key, expected=expected, desired=desired)
        return Exchange(response.exchanged, self._decode(response.value) if response.HasField("value") else MISSING)

    def clear(self):
        """Deletes all keys in one step. Returns how many."""
        return self._call("Clear").removed

    def copy(self):
        """A dict of Python's own."""
        return dict(self.items())
