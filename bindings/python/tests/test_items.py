# SPDX-License-Identifier: Apache-2.0
"""Items: what Python can send, and what it becomes."""

import datetime
import math

import kit

import sabir

UTC = datetime.timezone.utc
ITEMS = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 0.0, 1.5, math.inf, 5e-324,
    "", "é\0x", b"", b"\0\xff", [], [1, [2, [None]]], {}, {"a": {"b": [1]}}, {1: 2, (3, 4): 5, None: 6, b"k": 7},
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), datetime.datetime(1, 1, 1, tzinfo=UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    sabir.Opaque("text/x-made-up", b"\0\1"), sabir.Ref(name="some/name"), sabir.Ref(handle=2**64 - 1),
]  # fmt: skip


class Items(kit.Case):
    def test_items_come_back_as_they_were(self):
        queue = self.client.queue()
        for item in ITEMS:
            queue.put(item)
            got = queue.get()
            self.assertEqual(got, item)
            self.assertIs(type(got), type(item))

    def test_what_python_means_alike_becomes_one(self):
        queue = self.client.queue()
        zone = datetime.timezone(datetime.timedelta(hours=2))
        for item, becomes in [
            ((1, (2,)), [1, [2]]),
            (bytearray(b"x"), b"x"),
            (memoryview(b"x"), b"x"),
            (datetime.datetime(2026, 1, 1, 2, tzinfo=zone), datetime.datetime(2026, 1, 1, tzinfo=UTC)),
        ]:
            queue.put(item)
            self.assertEqual(queue.get(), becomes)

    def test_nan_stays_nan(self):
        queue = self.client.queue()
        queue.put(math.nan)
        self.assertTrue(math.isnan(queue.get()))

    def test_what_others_do_not_know_is_refused(self):
        queue = self.client.queue()
        for item in (object(), {1, 2}, 1j, [object()], datetime.datetime(2026, 1, 1)):
            with self.assertRaises(TypeError):
                queue.put(item)
        for item in (2**64, -(2**63) - 1):
            with self.assertRaises(OverflowError):
                queue.put(item)
        self.assertTrue(queue.empty())

    def test_pickle_carries_the_rest_if_asked(self):
        with sabir.connect(kit.TCP_URL, pickle=True) as pickler:
            queue = pickler.queue(self.name())
            for item in ({1, 2}, 1j, 2**100, [1, {2}]):
                queue.put(item)
                self.assertEqual(queue.get(), item)
            queue.put({1})
        opaque = self.client.open(self.name()).get()
        self.assertEqual(opaque.content_type, "application/x-python-pickle")

    def test_a_shared_object_travels_as_a_reference(self):
        inner = self.client.queue()
        outer = self.client.queue()
        outer.put({"reply_to": inner})
        self.client.open(outer.get()["reply_to"]).put("here")
        self.assertEqual(inner.get(), "here")

    def test_too_deep_nesting_is_refused(self):
        item = []
        for _ in range(60):
            item = [item]
        self.reason("INVALID_VALUE", self.client.queue().put, item)
