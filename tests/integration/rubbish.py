# SPDX-License-Identifier: Apache-2.0
"""Sends the bytes of its standard input to the control socket and to the gRPC port, whole, in pieces and cut short.

    rubbish.py CONTROL_SOCKET GRPC_PORT
"""

import socket
import sys


def connections(path, port):
    """One fresh connection of each kind that the servers may expect on their sockets."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        control = socket.socket(socket.AF_UNIX, kind)
        try:
            control.connect(path)
            yield control
        except OSError:
            control.close()  # the other kind of socket
    yield socket.create_connection(("127.0.0.1", port))


def main():
    path, port = sys.argv[1], int(sys.argv[2])
    rubbish = sys.stdin.buffer.read()
    for length in (1, 7, 64, 500, 4096, 60000):
        for connection in connections(path, port):
            with connection:
                connection.settimeout(1)
                try:
                    connection.sendall(rubbish[:length])
                    connection.recv(64)
                except OSError:
                    pass  # it hung up on us, or waits for the rest: both are fine


if __name__ == "__main__":
    main()
