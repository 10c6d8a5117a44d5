# SPDX-License-Identifier: Apache-2.0
"""Connections, names and errors; and the example of the README."""

import contextlib
import io
import pathlib
import re
import threading

import kit

import sabir

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Client(kit.Case):
    def test_each_name_is_one_object(self):
        a, b = self.client.queue(self.name("a")), self.client.dict(self.name("b/c"))
        self.assertEqual([info.name for info in self.client.list(self.prefix)], [a.name, b.name])
        self.assertEqual([info.name for info in self.client.list(self.prefix, kind="dict")], [b.name])
        self.assertEqual(self.client.open(a.name), a)
        self.assertNotEqual(a, b)
        self.client.delete(a.name)
        self.client.delete(b)
        self.assertEqual(list(self.client.list(self.prefix)), [])

    def test_listing_goes_over_many_pages(self):
        names = [self.name(f"{i:04}") for i in range(1100)]
        for name in names:
            self.client.value("b", name=name)
        self.assertEqual([info.name for info in self.client.list(self.prefix)], names)

    def test_create_false_only_opens(self):
        self.reason("NOT_FOUND", self.client.queue, self.name(), create=False)
        self.client.queue(self.name(), maxsize=2)
        self.assertEqual(self.client.queue(self.name(), create=False).maxsize, 2)

    def test_wrong_uses_of_a_name(self):
        self.client.queue(self.name(), maxsize=2)
        self.reason("ALREADY_EXISTS", self.client.queue, self.name(), maxsize=3)
        self.reason("WRONG_KIND", self.client.dict, self.name())
        self.reason("WRONG_KIND", self.client.dict, self.name(), create=False)
        self.reason("NOT_FOUND", self.client.open, self.name("none"))
        self.reason("NOT_FOUND", self.client.delete, self.name("none"))

    def test_malformed_names(self):
        for name in ("a//b", "/a", "a/", "a/../b", ".", "a\0b", "a\nb", "x" * 256):
            self.reason("INVALID_NAME", self.client.queue, name)
        self.reason("INVALID_NAME", self.client.open, "")

    def test_anonymous_objects_are_apart(self):
        self.assertNotEqual(self.client.queue(), self.client.queue())

    def test_more_memory_than_there_is(self):
        self.reason("TOO_LARGE", self.client.array, "d", 1 << 40)
        names = [self.name(str(i)) for i in range(9)]
        self.reason("RESOURCE_EXHAUSTED", lambda: [self.client.array("d", 1 << 22, name=name) for name in names])
        self.delete_all()
        self.client.array("d", 1 << 22).delete()

    def test_every_row_of_the_error_table_has_a_class(self):
        rows = re.findall(r"^E\((\w+)", (ROOT / "proto" / "errors.def").read_text(), re.MULTILINE)
        self.assertEqual(list(sabir.errors.BY_REASON), rows)
        for reason in rows:
            error = sabir.errors.make(reason, "text")
            self.assertEqual((error.reason, error.message, str(error)), (reason, "text", f"{reason}: text"))
            self.assertIs(getattr(sabir, type(error).__name__), type(error))

    def test_addresses(self):
        for url in ("localhost:7420", "grpc://", "unix:/x", "http://x"):
            with self.assertRaises(ValueError):
                sabir.connect(url)
        with self.assertRaises(ConnectionError):
            sabir.connect("grpc+unix:/nowhere/at/all", timeout=0.2)

    def test_a_snapshot_is_there_when_the_call_returns(self):
        self.reason("PERMISSION_DENIED", self.client.snapshot)
        with sabir.connect(kit.REMOTE_URL) as client:
            self.client.queue(self.name())
            made = client.snapshot()
            self.assertEqual((kit.SNAPSHOT_DIR / made.file).stat().st_size, made.size)
            self.assertEqual((made.objects, made.damaged), (1, 0))
            self.reason("WOULD_BLOCK", client.snapshot, timeout=0)
            with self.assertRaises(ValueError):
                client.snapshot(timeout=-1)

    def test_a_closed_client_says_so(self):
        client = sabir.connect(kit.REMOTE_URL)
        queue = client.queue()
        client.close()
        self.reason("UNAVAILABLE", queue.qsize)

    def test_close_ends_waiting_calls(self):
        client = sabir.connect(kit.REMOTE_URL)
        waiting = threading.Event()
        queue = client.queue()
        getter = kit.Later(lambda: (waiting.set(), queue.get()))
        waiting.wait()
        client.close()
        with self.assertRaises((sabir.Cancelled, sabir.Unavailable)):
            getter.result()

    def test_the_readme_is_true(self):
        text = (ROOT / "bindings" / "python" / "README.md").read_text()
        example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1].replace("grpc://localhost:7420", kit.TCP_URL)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(example, "README.md", "exec"), {})
        self.assertEqual(
            out.getvalue().splitlines(),
            ["{'path': '/a', 'size': 3}", "1", "1 {'to': 2, 'be': 2, 'or': 1}", "[7.0, 8.0, 2.5] 17.5"],
        )
