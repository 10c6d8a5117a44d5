# SPDX-License-Identifier: Apache-2.0
"""Unary calls with a request id, sent again after their connection broke, their client was killed, their answer got lost."""

import socket
import threading

import grpc

from kit import ADDRESS, PATIENCE, Victim, call, new, reason_of, rss, types, until


class Session:
    def __init__(self):
        opened = call("SessionService/Open", label="once", lease_duration={"seconds": 60})
        self.token = opened.token

    def metadata(self, request_id=0, acknowledged_below=0):
        return (("sabir-session", self.token), ("sabir-request-id", str(request_id)),
                ("sabir-acknowledged-below", str(acknowledged_below)))

    def call(self, path, request_id, acknowledged_below=0, **fields):
        return call(path, metadata=self.metadata(request_id, acknowledged_below), **fields)

    def await_active(self, n):
        """Waits until so many calls run or wait, those that are parked counted twice."""
        def is_so():
            return call("SessionService/KeepAlive", token=self.token).session.n_active == n + 1  # with this one

        until(is_so, f"{n} are active")

    def close(self):
        call("SessionService/Close", metadata=self.metadata(acknowledged_below=1 << 63), token=self.token)


class Relay:
    """A connection that can lose what the server answers, and break."""

    def __init__(self):
        self.mute, self.sockets = False, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        host, port = ADDRESS.rsplit(":", 1)
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection((host, int(port)))
            self.sockets = [client, server]
            threading.Thread(target=self.pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, True), daemon=True).start()

    def pass_on(self, source, to, answers):
        try:
            while data := source.recv(65536):
                if not (answers and self.mute):
                    to.sendall(data)
        except OSError:
            pass

    def cut(self):
        """The connection is gone; the next one is made anew."""
        broken, self.mute = self.sockets, False
        for sock in broken:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


def await_size(ref, n):
    until(lambda: call("QueueService/Size", queue=ref).size == n, f"{n} items")


def perform(method, request, session, request_id):
    """As bindings/README.md has it."""
    metadata = [("sabir-session", session), ("sabir-request-id", str(request_id)),
                ("sabir-acknowledged-below", str(request_id))]
    while True:
        try:
            return method(request, metadata=metadata, timeout=10, wait_for_ready=True)
        except grpc.RpcError as error:
            told = any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata() or ())
            if told and error.code() != grpc.StatusCode.UNAVAILABLE:
                raise


def answer_is_lost_on_its_way():
    """Put and Get are performed, their connection breaks before their answers are through; sent again, they have them."""
    ref, session, relay, answers = new("streams/lost"), Session(), Relay(), []
    channel = grpc.insecure_channel(relay.address)
    for path, request_id, fields, size in (("QueueService/Put", 1, {"item": {"int_value": 5}}, 1),
                                           ("QueueService/Get", 2, {}, 0)):
        call("QueueService/Size", channel=channel, queue=ref)
        request, response = types(path)
        method = channel.unary_unary("/sabir.v1." + path, request.SerializeToString, response.FromString)
        relay.mute = True
        arguments = (method, request(queue=ref, **fields), session.token, request_id)
        thread = threading.Thread(target=lambda: answers.append(perform(*arguments)))
        thread.start()
        await_size(ref, size)
        assert not answers[request_id - 1:]
        relay.cut()
        thread.join()
        await_size(ref, size)
    assert answers[1].item.int_value == 5, answers
    channel.close()
    session.close()
    await_size(ref, 0)


def killed_while_it_waits():
    """A process that waits in Get is killed while another has sent the same request: that one has the one item."""
    ref, session = new("streams/widow"), Session()
    victim = Victim("getter", name=ref["name"], token=session.token)
    session.await_active(2)  # its call, and what is parked for it
    request, response = types("QueueService/Get")
    channel = grpc.insecure_channel(ADDRESS, [("grpc.use_local_subchannel_pool", 1)])
    method = channel.unary_unary("/sabir.v1.QueueService/Get", request.SerializeToString, response.FromString)
    heir = method.future(request(queue=ref), timeout=PATIENCE, metadata=session.metadata(1))
    session.await_active(3)
    victim.kill()
    session.await_active(2)
    call("QueueService/Put", queue=ref, item={"int_value": 8})
    assert heir.result().item.int_value == 8
    assert session.call("QueueService/Get", 1, queue=ref).item.int_value == 8
    await_size(ref, 0)
    session.close()


def killed_for_good():
    """Nobody waits any more when the item comes: it is there for the next try, and for nobody before."""
    ref, session = new("streams/alone"), Session()
    victim = Victim("getter", name=ref["name"], token=session.token)
    session.await_active(2)
    victim.kill()
    session.await_active(0)
    call("QueueService/Put", queue=ref, item={"int_value": 9})
    assert session.call("QueueService/Get", 1, queue=ref).item.int_value == 9
    session.close()


def an_id_is_one_request_of_one_session():
    ref, session = new("streams/ids"), Session()
    session.call("QueueService/Put", 1, queue=ref, item={"int_value": 1})
    for metadata, reason in ((session.metadata(1), "REQUEST_REUSED"), (session.metadata(1, 2), "REQUEST_FORGOTTEN"),
                             ((("sabir-request-id", "2"),), "INVALID_ARGUMENT"),
                             ((("sabir-session", session.token), ("sabir-request-id", "two")), "INVALID_ARGUMENT")):
        try:
            call("QueueService/Put", metadata=metadata, queue=ref, item={"int_value": 2})
            raise AssertionError(f"{reason} was expected")
        except grpc.RpcError as error:
            assert reason_of(error) == reason, error
    await_size(ref, 1)
    session.close()


def ten_thousand_ids():
    ref, session = new("streams/many-ids"), Session()
    session.call("QueueService/Put", 1, queue=ref, item={"bytes_value": bytes(10000)})
    before = rss()
    for request_id in range(2, 10002):
        session.call("QueueService/Peek", request_id, max(request_id - 4, 0), queue=ref)
    assert rss() - before < 8 << 20, f"{rss() - before} bytes more"
    session.close()


STORIES = [answer_is_lost_on_its_way, killed_while_it_waits, killed_for_good, an_id_is_one_request_of_one_session,
           ten_thousand_ids]
