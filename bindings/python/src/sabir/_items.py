# SPDX-License-Identifier: Apache-2.0
"""Python objects to sabir.v1.Value and back.

None, bool, int, float, str, bytes, list, tuple, dict and aware datetime travel as themselves (a tuple arrives as a
list, except inside a key, where it has to be hashable). Shared objects travel as references. With `pickle` whatever
else there is travels as an opaque Value that only Python can read; without it that is a TypeError.
"""

import datetime
import pickle as _pickle
from dataclasses import dataclass
from typing import Optional

from . import _wire

PICKLE_TYPE = "application/x-python-pickle"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_SECOND = datetime.timedelta(seconds=1)


@dataclass(frozen=True)
class Opaque:
    """Bytes with a media type, passed through unread."""

    content_type: str
    data: bytes


@dataclass(frozen=True)
class Ref:
    """A reference to a shared object, by name or by handle; Client.open() makes an object of it."""

    name: Optional[str] = None
    handle: Optional[int] = None


def _put_int(out, item):
    if -(2**63) <= item < 2**63:
        out.int_value = item
    elif 0 <= item < 2**64:
        out.uint_value = item
    else:
        raise OverflowError(f"an integer must be from -2**63 to 2**64-1, not {item}")


def _put_datetime(out, item):
    if item.tzinfo is None:
        raise TypeError("a datetime must have a time zone, for example datetime.timezone.utc")
    since = item - _EPOCH
    out.timestamp_value.seconds = since // _SECOND
    out.timestamp_value.nanos = since.microseconds * 1000


def _put(out, item):
    if item is None:
        out.null_value = 0
    elif isinstance(item, bool):
        out.bool_value = item
    elif isinstance(item, int):
        _put_int(out, int(item))
    elif isinstance(item, float):
        out.double_value = item
    elif isinstance(item, str):
        out.string_value = item
    elif isinstance(item, (bytes, bytearray, memoryview)):
        out.bytes_value = bytes(item)
    elif isinstance(item, (list, tuple)):
        out.list_value.SetInParent()
        for each in item:
            _put(out.list_value.items.add(), each)
    elif isinstance(item, dict):
        out.map_value.SetInParent()
        for key, value in item.items():
            entry = out.map_value.entries.add()
            _put(entry.key, key)
            _put(entry.value, value)
    else:
        _put_rare(out, item)


def _put_rare(out, item):
    if isinstance(item, datetime.datetime):
        _put_datetime(out, item)
    elif isinstance(item, Opaque):
        out.opaque_value.content_type = item.content_type
        out.opaque_value.data = item.data
    elif isinstance(item, Ref):
        put_ref(out.object_value, item)
    elif isinstance(getattr(item, "ref", None), Ref):
        put_ref(out.object_value, item.ref)
    else:
        name = type(item).__name__
        raise TypeError(f"{name} can't be sent: no other language knows it; connect(..., pickle=True) pickles it")


def put_ref(out, ref):
    """Writes a Ref into an ObjectRef."""
    if ref.handle is not None:
        out.handle = ref.handle
    else:
        out.name = ref.name or ""


def encode(out, item, pickle=False):
    """Writes a Python object into a Value that is still empty. Raises TypeError or OverflowError."""
    try:
        _put(out, item)
    except (TypeError, OverflowError):
        if not pickle:
            raise
        out.Clear()
        out.opaque_value.content_type = PICKLE_TYPE
        out.opaque_value.data = _pickle.dumps(item)


def _datetime(stamp):
    return _EPOCH + datetime.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _opaque(opaque, pickle):
    if pickle and opaque.content_type == PICKLE_TYPE:
        return _pickle.loads(opaque.data)
    return Opaque(opaque.content_type, opaque.data)


def decode(value, pickle=False, key=False):
    """The Python object of a Value. For a key lists become tuples."""
    kind = value.WhichOneof("kind")
    if kind == "null_value" or kind is None:
        return None
    if kind == "list_value":
        items = [decode(item, pickle, key) for item in value.list_value.items]
        return tuple(items) if key else items
    if kind == "map_value":
        return {decode(e.key, pickle, True): decode(e.value, pickle) for e in value.map_value.entries}
    if kind == "timestamp_value":
        return _datetime(value.timestamp_value)
    if kind == "object_value":
        ref = value.object_value
        return Ref(handle=ref.handle) if ref.WhichOneof("ref") == "handle" else Ref(name=ref.name)
    if kind == "opaque_value":
        return _opaque(value.opaque_value, pickle)
    return getattr(value, kind)
