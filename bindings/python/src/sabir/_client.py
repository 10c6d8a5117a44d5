# SPDX-License-Identifier: Apache-2.0
"""The connection: one gRPC channel, on which all objects of a Client make their calls."""

import contextlib
import datetime
import os
from dataclasses import dataclass
from typing import Any, Optional, Union

import grpc

from . import _array, _dict, _items, _queue, _scalars, _value, _wire, errors
from ._object import Shared
from ._session import Session

# How much longer than the server a waiting call lasts, so that the server's answer comes first.
GRACE = 30.0
DEFAULT_URL = "grpc://localhost:7420"
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CLASSES = {"queue": _queue.Queue, "value": _value.Value, "array": _array.Array, "dict": _dict.Dict}


@dataclass(frozen=True)
class Info:
    """The description of an object. `typecode` is that of a value or array, `maxsize` that of a queue, else None."""

    name: str
    handle: int
    kind: str
    length: int
    memory_bytes: int
    closed: bool
    create_time: datetime.datetime
    typecode: Optional[str] = None
    maxsize: Optional[int] = None


@dataclass(frozen=True)
class Snapshot:
    """A file with the server's objects. `damaged` are not in it; `seconds` it took."""

    file: str
    objects: int
    damaged: int
    size: int
    seconds: float
    end_time: datetime.datetime


class _Call:
    def __init__(self, channel, service, method, request, response):
        self.request = request
        self.send = channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )


def _target(url):
    """gRPC's name for the address of a URL."""
    for scheme, target in (("grpc+unix:", "unix:"), ("grpc://", "")):
        rest = url[len(scheme) :].rstrip("/")
        if url.startswith(scheme) and rest:
            return target + rest
    raise ValueError(f"{url!r} is no address: use grpc://HOST:PORT or grpc+unix:/PATH")


def _info(info):
    spec = info.WhichOneof("spec")
    return Info(
        name=info.name,
        handle=info.handle,
        kind=_wire.KIND_NAME.get(info.kind, str(info.kind)),
        length=info.length,
        memory_bytes=info.memory_bytes,
        closed=info.closed,
        create_time=_items._datetime(info.create_time),
        typecode=_scalars.CODE_OF.get(getattr(info, spec).type_code) if spec in ("value", "array") else None,
        maxsize=info.queue.max_items if spec == "queue" else None,
    )


class Client:
    """A connection to a server; made by connect(). Any number of threads may use it. After a fork the child needs its
    own. Use it in a `with` block or close() it.

    An object without a name is held by whoever has made or opened it, as long as there is a Python object for it and
    the client is open; it lives while somebody holds it or another object refers to it."""

    def __init__(self, url, timeout, call_timeout, pickle):
        self.url = url
        self._closed = False
        self._call_timeout = call_timeout
        self._pickle = pickle
        self._channel = grpc.insecure_channel(_target(url), options=OPTIONS)
        self._calls = {}
        for service, method, request, response in _wire.methods():
            short = service.rpartition(".")[2][: -len("Service")]
            self._calls[short, method] = _Call(self._channel, service, method, request, response)
        self._session = Session(self._calls)
        self._greet(timeout)

    def _greet(self, timeout):
        """Waits for the server with the smallest call; grpc's own way to wait looks only five times a second."""
        call = self._calls["Manager", "List"]
        try:
            call.send(call.request(page_size=1), timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            self._channel.close()
            if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise errors.make("UNAVAILABLE", f"no server answers at {self.url}") from None
            raise errors.from_rpc(error) from None

    def _send(self, call, request, timeout=None, waits=False):
        if not waits:
            timeout = self._call_timeout
        elif timeout is not None:
            timeout += GRACE
        try:
            return self._send_once(call, request, timeout)
        except errors.BY_REASON["SESSION_REQUIRED"]:
            self._need_session()
            return self._send_once(call, request, timeout)

    def _send_once(self, call, request, timeout):
        metadata = self._session.metadata()
        with self._failures():
            try:
                return call.send(request, timeout=timeout, metadata=metadata)
            except grpc.RpcError as error:
                found = errors.from_rpc(error)
                if found.reason == "SESSION_ENDED" and self._closed:
                    found = errors.make("CANCELLED", "the client was closed")
                elif found.reason == "SESSION_ENDED":
                    self._session.lost(metadata)
                raise found from None

    def _need_session(self):
        with self._failures():
            self._session.need(self._call_timeout)

    @staticmethod
    @contextlib.contextmanager
    def _failures():
        """What gRPC raises becomes one of our errors."""
        try:
            yield
        except grpc.RpcError as error:
            raise errors.from_rpc(error) from None
        except ValueError as error:
            if "closed channel" in str(error):
                raise errors.make("UNAVAILABLE", "the client was closed") from None
            raise

    def _manage(self, method, fill=None, **fields):
        call = self._calls["Manager", method]
        request = call.request(**fields)
        if fill is not None:
            fill(request)
        return self._send(call, request)

    def _on(self, method, which, **fields):
        ref = which if isinstance(which, _items.Ref) else getattr(which, "ref", None)
        ref = ref or _items.Ref(name=which)
        return self._manage(method, lambda request: _items.put_ref(request.object, ref), **fields)

    def _make(self, kind, name, create, **spec):
        if not create:
            return CLASSES[kind](self, self._on("Open", name, kind=_wire.KIND[kind]).info), False
        if not name:
            self._need_session()
        response = self._manage("Create", name=name or "", exist_ok=True, **{kind: spec})
        return CLASSES[kind](self, response.info), response.created

    def queue(self, name=None, maxsize=0, create=True):
        """The queue of this name, made if it isn't there; without a name a new one. maxsize: the most items, 0:
        limited by memory alone. AlreadyExists if there is one with another maxsize, NotFound if not `create`."""
        return self._make("queue", name, create, max_items=maxsize)[0]

    def value(self, typecode, initial=0, name=None, create=True):
        """The value of this name and type, made with `initial` if it isn't there; without a name a new one."""
        spec = {"type_code": _scalars.check(typecode)}
        if initial:
            spec["initial"] = scalar = _wire.Scalar()
            _scalars.put(scalar, typecode, initial)
        return self._make("value", name, create, **spec)[0]

    def array(self, typecode, size_or_initial, name=None, create=True):
        """The array of this name, type and length, made if it isn't there: of zeros if a length is given, else of
        these elements."""
        number = _scalars.check(typecode)
        if isinstance(size_or_initial, int):
            return self._make("array", name, create, type_code=number, length=size_or_initial)[0]
        data = _scalars.pack(typecode, size_or_initial)
        first = data if len(data) <= _array.PIECE_BYTES else b""
        length = len(data) // _scalars.width(typecode)
        array, created = self._make("array", name, create, type_code=number, length=length, initial=first)
        if created and not first:
            array._write(0, data)
        return array

    def dict(self, name=None, create=True):
        """The dict of this name, made if it isn't there; without a name a new one."""
        return self._make("dict", name, create)[0]

    def open(self, which: Union[str, _items.Ref, Shared]) -> Any:
        """An existing object of any kind, by name or Ref. NotFound, Deleted."""
        if not isinstance(which, str):
            self._need_session()
        info = self._on("Open", which).info
        return CLASSES[_wire.KIND_NAME[info.kind]](self, info)

    def describe(self, which):
        """What the server tells about an object: an Info."""
        return _info(self._on("Describe", which).info)

    def delete(self, which):
        """Deletes an object for everybody, by name, Ref or object. NotFound, Deleted."""
        self._on("Delete", which)

    def list(self, prefix="", kind=None):
        """Yields an Info for each named object whose name begins with the prefix, by name. kind: only 'queue', …"""
        token, number = "", _wire.KIND[kind] if kind else 0
        while True:
            page = self._manage("List", prefix=prefix, kind=number, page_size=1000, page_token=token)
            yield from map(_info, page.objects)
            token = page.next_page_token
            if not token:
                return

    def snapshot(self, timeout=None):
        """Has the server write a snapshot of its objects, waits until it is on the disk and returns what it is. Waits
        `timeout` seconds, for ever if None; then WouldBlock. For operators: see sabird's admin-sessions."""
        call = self._calls["Admin", "Snapshot"]
        request = call.request()
        seconds = _queue._wait(request, True, timeout)
        made = self._send(call, request, seconds, waits=True)
        return Snapshot(
            file=made.file,
            objects=made.n_objects,
            damaged=made.n_damaged,
            size=made.size_bytes,
            seconds=made.write_duration.ToNanoseconds() / 1e9,
            end_time=_items._datetime(made.end_time),
        )

    def close(self):
        """Ends the connection; calls that wait end with Cancelled. Objects without a name are not held any more."""
        self._closed = True
        self._session.close()
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __repr__(self):
        return f"<sabir.Client {self.url}>"


def connect(url=None, timeout=10.0, call_timeout=60.0, pickle=False):
    """Connects to a server: grpc://HOST:PORT or grpc+unix:/PATH. Waits `timeout` seconds for it, then Unavailable.

    url: if None, $SABIR_URL, or where that is not set grpc://localhost:7420.
    call_timeout: the most seconds that a call which doesn't wait may take, then TimedOut.
    pickle: send objects that Sabir has no type for as pickles, and read such pickles. Whoever may write to the server
    can then run code here: only where all of them are trusted.
    """
    return Client(url or os.environ.get("SABIR_URL") or DEFAULT_URL, timeout, call_timeout, pickle)
