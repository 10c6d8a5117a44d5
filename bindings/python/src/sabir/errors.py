# SPDX-License-Identifier: Apache-2.0
"""The errors: one class for each row of proto/errors.def, named like it (KEY_NOT_FOUND is KeyNotFound).

Each is a SabirError; where Python has an exception with the same meaning it is one of those too, so that
`except queue.Empty` and `except KeyError` work as they do with Python's own objects.
"""

import queue
import re
from importlib import resources

from . import _wire


class SabirError(Exception):
    """Any error of the server or the connection. `reason` is its name in proto/errors.def, `message` its text."""

    reason = "INTERNAL"

    def __init__(self, message="", reason=None):
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason

    def __str__(self):
        return f"{self.reason}: {self.message}" if self.message else self.reason


_ALSO = {
    "INVALID_ARGUMENT": (ValueError,),
    "INVALID_NAME": (ValueError,),
    "INVALID_VALUE": (ValueError,),
    "NOT_FOUND": (LookupError,),
    "WRONG_KIND": (TypeError,),
    "WRONG_TYPE": (TypeError,),
    "OUT_OF_RANGE": (IndexError, ValueError),
    "TOO_LARGE": (ValueError,),
    "KEY_NOT_FOUND": (KeyError,),
    "EMPTY": (queue.Empty,),
    "FULL": (queue.Full,),
    "CLOSED": (ValueError,),
    "DELETED": (LookupError,),
    "TIMED_OUT": (TimeoutError,),
    "RESOURCE_EXHAUSTED": (MemoryError,),
    "UNAVAILABLE": (ConnectionError,),
    "PERMISSION_DENIED": (PermissionError,),
    "UNIMPLEMENTED": (NotImplementedError,),
    "NO_MEMORY": (MemoryError,),
    "DISK_FULL": (OSError,),
    "IO_ERROR": (OSError,),
}
_ROW = re.compile(r'^E\((\w+), \d+, (\w+), "(.*)"\)$', re.MULTILINE)

BY_REASON = {}
for _reason, _code, _text in _ROW.findall((resources.files(__package__) / "errors.def").read_text("utf-8")):
    _name = _reason.title().replace("_", "")
    BY_REASON[_reason] = type(
        _name,
        (SabirError, *_ALSO.get(_reason, ())),
        {"__doc__": f"{_reason}: {_text}.", "__module__": __name__, "reason": _reason},
    )
    globals()[_name] = BY_REASON[_reason]

__all__ = ["SabirError", *(_class.__name__ for _class in BY_REASON.values())]

# For errors that gRPC itself makes, without details.
_BY_CODE = {
    "CANCELLED": "CANCELLED",
    "DEADLINE_EXCEEDED": "TIMED_OUT",
    "INVALID_ARGUMENT": "INVALID_ARGUMENT",
    "PERMISSION_DENIED": "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED": "RESOURCE_EXHAUSTED",
    "UNAVAILABLE": "UNAVAILABLE",
    "UNIMPLEMENTED": "UNIMPLEMENTED",
    "DATA_LOSS": "DATA_LOSS",
}


def _reason_of(error):
    """The reason in the details of a grpc.RpcError; None if it has none that we can read."""
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        for detail in _wire.Status.FromString(value).details:
            if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                return _wire.ErrorInfo.FromString(detail.value).reason
    return None


def make(reason, message=""):
    """An error of the reason's class; of SabirError itself if a newer server knows a reason that we don't."""
    return BY_REASON[reason](message) if reason in BY_REASON else SabirError(message, reason)


def from_rpc(error):
    """The SabirError for a grpc.RpcError."""
    reason = _reason_of(error) or _BY_CODE.get(error.code().name, "INTERNAL")
    return make(reason, error.details() or "")
