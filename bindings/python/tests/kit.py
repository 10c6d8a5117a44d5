# SPDX-License-Identifier: Apache-2.0
"""What the tests share: a client of the server that `run` started, and threads that hand over what they raise."""

import os
import pathlib
import threading
import unittest

import sabir

TCP_URL = os.environ["TCP_URL"]
REMOTE_URL = os.environ["REMOTE_URL"]
LOCAL_URL = os.environ["LOCAL_URL"]
SNAPSHOT_DIR = pathlib.Path(os.environ["SNAPSHOT_DIR"])


class Case(unittest.TestCase):
    """Each test has a client, and names of its own that begin with self.prefix."""

    def setUp(self):
        self.client = sabir.connect(TCP_URL)
        self.addCleanup(self.client.close)
        self.prefix = self.id().rpartition(".")[2] + "/"
        self.addCleanup(self.delete_all)

    def delete_all(self):
        for info in list(self.client.list(self.prefix)):
            self.client.delete(info.name)

    def name(self, short="it"):
        return self.prefix + short

    def reason(self, reason, function, *args, **kwargs):
        with self.assertRaises(sabir.SabirError) as caught:
            function(*args, **kwargs)
        self.assertEqual(caught.exception.reason, reason)
        self.assertIs(type(caught.exception), sabir.errors.BY_REASON[reason])


class Later(threading.Thread):
    """Runs a function in a thread; result() is what it returned, or raises what it raised."""

    def __init__(self, function, *args, **kwargs):
        super().__init__(daemon=True)
        self._job = (function, args, kwargs)
        self._result = self._error = None
        self.start()

    def run(self):
        function, args, kwargs = self._job
        try:
            self._result = function(*args, **kwargs)
        except BaseException as error:  # handed over to result()
            self._error = error

    def result(self):
        self.join(30)
        if self.is_alive():
            raise AssertionError("the thread did not end")
        if self._error is not None:
            raise self._error
        return self._result
