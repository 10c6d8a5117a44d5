# SPDX-License-Identifier: Apache-2.0
"""Scalars by Python's typecodes: c is a bytes object of one byte, u a str of one character, ? a bool."""

import struct

CODES = {code: number for number, code in enumerate("cbBhHiIlLqQfd?u", start=1)}
CODE_OF = {number: code for code, number in CODES.items()}

# The width is the same everywhere: l and L have 8 bytes, u has 4.
_FORMAT = {**{code: code for code in CODES}, "c": "B", "l": "q", "L": "Q", "u": "I"}


def check(typecode):
    """The number of a typecode. Raises ValueError."""
    if typecode not in CODES:
        raise ValueError(f"bad typecode {typecode!r}: must be one of {', '.join(CODES)}")
    return CODES[typecode]


def width(typecode):
    """Bytes of one element."""
    return struct.calcsize("<" + _FORMAT[typecode])


def _plain(typecode, item):
    """The number, or for ? the bool, that stands for a character."""
    if typecode == "c" and isinstance(item, (bytes, bytearray)):
        if len(item) != 1:
            raise TypeError("an element of typecode 'c' is one byte")
        return item[0]
    if typecode == "u" and isinstance(item, str):
        if len(item) != 1:
            raise TypeError("an element of typecode 'u' is one character")
        return ord(item)
    return bool(item) if typecode == "?" and isinstance(item, int) else item


def _fancy(typecode, number):
    if typecode == "c":
        return bytes([number])
    return chr(number) if typecode == "u" else number


def put(out, typecode, item):
    """Writes a Python number into a Scalar; whether it goes with the typecode is for the server to judge."""
    item = _plain(typecode, item)
    if isinstance(item, bool):
        if typecode == "?":
            out.bool_value = item
            return
        item = int(item)
    if isinstance(item, int):
        if -(2**63) <= item < 2**63:
            out.int_value = item
        elif 0 <= item < 2**64:
            out.uint_value = item
        else:
            raise OverflowError("an integer must be from -2**63 to 2**64-1")
    elif isinstance(item, float):
        out.double_value = item
    else:
        raise TypeError(f"{type(item).__name__} is no element of typecode {typecode!r}")


def take(typecode, scalar):
    """The Python number of a Scalar."""
    return _fancy(typecode, getattr(scalar, scalar.WhichOneof("kind")))


def pack(typecode, items):
    """Elements.data of a sequence. Raises TypeError, OverflowError."""
    if typecode == "c" and isinstance(items, (bytes, bytearray)):
        return bytes(items)
    try:
        plain = [_plain(typecode, item) for item in items]
        return struct.pack(f"<{len(plain)}{_FORMAT[typecode]}", *plain)
    except struct.error as error:
        kind = TypeError if "required argument" in str(error) else OverflowError
        raise kind(f"typecode {typecode!r}: {error}") from None


def unpack(typecode, data):
    """The list of elements of Elements.data."""
    numbers = struct.unpack(f"<{len(data) // width(typecode)}{_FORMAT[typecode]}", data)
    return [_fancy(typecode, n) for n in numbers] if typecode in "cu" else list(numbers)
