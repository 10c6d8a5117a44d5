#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The keeper and the server are killed together, and a service manager with a file descriptor store starts them again.

    manager.py SABIRD EXAMPLES

This script is the manager: what systemd does for a unit with FileDescriptorStoreMax, by the same protocol. What was in a queue is
there afterwards, and a program that waited all the time gets what is put then. With --keeper off the manager is the only one
that keeps anything. Closes with a line "N passed, N failed".
"""

import array
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SABIRD, EXAMPLES = sys.argv[1], sys.argv[2]
results = []


class Manager:
    """One unit: its notification socket, its store, its processes."""

    def __init__(self, folder, *options):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = f"{folder}/notify"
        self.socket.bind(self.path)
        self.socket.settimeout(20)
        self.store = []
        self.control = f"{folder}/s.sock"
        self.log = f"{folder}/log"
        self.options = ["--socket", self.control, "--listen", "127.0.0.1:0", "--memory-limit", "16M", *options]

    def start(self):
        """Starts it with what is kept; returns when it is ready."""
        names = ":".join(name for name, _ in self.store)
        fds = [fd for _, fd in self.store]
        environment = dict(os.environ, NOTIFY_SOCKET=self.path, FDSTORE="100")
        self.pid = os.fork()
        if self.pid == 0:
            os.setpgid(0, 0)
            high = [os.dup2(fd, 200 + i, inheritable=True) for i, fd in enumerate(fds)]
            for i, fd in enumerate(high):
                os.dup2(fd, 3 + i, inheritable=True)
                os.close(fd)
            environment.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 2)
            os.execve(SABIRD, ["sabird", *self.options], environment)
        self.listen_until("READY=1")

    def listen_until(self, wanted):
        while True:
            lines = self.listen()
            if wanted in lines:
                return

    def listen(self):
        room = socket.CMSG_SPACE(8 * array.array("i").itemsize)
        data, ancillary, _, _ = self.socket.recvmsg(4096, room)
        lines = data.decode().splitlines()
        fields = dict(line.split("=", 1) for line in lines if "=" in line)
        fds = array.array("i")
        for _, _, payload in ancillary:
            fds.frombytes(payload)
        if "FDSTORE" in fields:
            self.store += [(fields["FDNAME"], fd) for fd in fds]
        elif "FDSTOREREMOVE" in fields:
            for entry in [entry for entry in self.store if entry[0] == fields["FDNAME"]]:
                os.close(entry[1])
                self.store.remove(entry)
        return lines

    def drain(self):
        """All that was said before the death."""
        self.socket.setblocking(False)
        try:
            while True:
                self.listen()
        except BlockingIOError:
            pass
        self.socket.settimeout(20)

    def kill(self):
        """The keeper and the server at once, as an out-of-memory kill of the whole group does."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.drain()

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        pid, status = 0, 0
        while pid == 0:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.drain()
            time.sleep(0.01)
        return os.waitstatus_to_exitcode(status)


def check(right, what):
    results.append(bool(right))
    print(f"{'ok' if right else 'FAILED':6} {what}", flush=True)


def put(url, queue, text):
    subprocess.run([f"{EXAMPLES}/producer", queue, url], input=text, text=True, check=True, timeout=20, stdout=subprocess.DEVNULL)


def attached(manager):
    out = subprocess.run([SABIRD, "--health", "--socket", manager.control], capture_output=True, text=True, check=False).stdout
    return int(out.split(",")[1].split()[0]) if out.startswith("well") else -1


def await_attached(manager, n):
    until = time.monotonic() + 20
    while attached(manager) != n and time.monotonic() < until:
        time.sleep(0.02)
    return attached(manager) == n


def story(folder, *options):
    what = f"({' '.join(options)})" if options else "(keeper)"
    manager = Manager(folder, *options)
    manager.start()
    url = f"unix:{manager.control}"
    put(url, "before", "one\ntwo\n")
    with subprocess.Popen(["stdbuf", "-oL", f"{EXAMPLES}/consumer", "meanwhile", url, "30"], stdout=subprocess.PIPE, text=True) as waiting, \
            subprocess.Popen([f"{EXAMPLES}/consumer", "other", url], stdout=subprocess.DEVNULL) as doomed:
        check(await_attached(manager, 2), f"two programs wait {what}")
        for _ in range(3):
            manager.kill()
            manager.start()
        check(await_attached(manager, 2), f"both are still attached after three deaths of all {what}")
        manager.kill()
        doomed.kill()
        doomed.wait()
        manager.start()
        check(await_attached(manager, 1), f"one that died meanwhile is not {what}")
        put(url, "meanwhile", "three\n")
        check(waiting.stdout.readline() == "three\n", f"what is put then reaches the one that waited all the time {what}")
        waiting.kill()
    got = subprocess.run([f"{EXAMPLES}/consumer", "before", url, "1"], capture_output=True, text=True, check=False).stdout
    check(got == "one\ntwo\n", f"what was put before is there {what}")
    check(manager.end() == 0, f"it ends in order {what}")
    check(not manager.store, f"and nothing is kept any more {what}: {[name for name, _ in manager.store]}")
    if not all(results):
        print(open(manager.log, encoding="utf-8").read())


for more in ((), ("--keeper", "off")):
    directory = tempfile.mkdtemp(prefix="sabir-manager-")
    try:
        story(directory, *more)
    finally:
        shutil.rmtree(directory)
print(f"{results.count(True)} passed, {results.count(False)} failed")
sys.exit(not all(results))
