# SPDX-License-Identifier: Apache-2.0
"""The dict."""

import kit

import sabir


class Dict(kit.Case):
    def setUp(self):
        super().setUp()
        self.dict = self.client.dict()

    def test_it_is_a_mapping(self):
        d = self.dict
        d["a"] = 1
        d["b"] = [2]
        d["a"] = None
        self.assertEqual((d["a"], d["b"], d.get("c"), d.get("c", 3), len(d)), (None, [2], None, 3, 2))
        self.assertEqual(("a" in d, "c" in d), (True, False))
        self.assertEqual((list(d), list(d.values())), (["a", "b"], [None, [2]]))
        self.assertEqual(list(d.items()), [("a", None), ("b", [2])])
        del d["a"]
        self.assertEqual((dict(d), d.copy()), ({"b": [2]}, {"b": [2]}))
        self.assertEqual((d.keys() & {"b", "x"}, [2] in d.values(), ("b", [2]) in d.items()), ({"b"}, True, True))

    def test_a_missing_key_is_a_key_error(self):
        self.reason("KEY_NOT_FOUND", self.dict.__getitem__, "a")
        with self.assertRaises(KeyError):
            del self.dict["a"]
        with self.assertRaises(KeyError):
            self.dict.pop("a")
        with self.assertRaises(KeyError):
            self.dict.popitem()

    def test_keys_of_every_kind(self):
        keys = [None, True, 1, 1.0, "1", b"1", (1, ("x",)), "", 2**64 - 1]
        for number, key in enumerate(keys):
            self.dict[key] = number
        self.assertEqual([(type(key), key) for key in self.dict], [(type(key), key) for key in keys])
        self.assertEqual([self.dict[key] for key in keys], list(range(len(keys))))

    def test_pop_popitem_setdefault_and_clear(self):
        d = self.dict
        d.update({"a": 1}, b=2, c=3)
        self.assertEqual((d.pop("a"), d.pop("a", "none"), d.popitem()), (1, "none", ("c", 3)))
        self.assertEqual((d.setdefault("b", 9), d.setdefault("x", 9), d.setdefault("y")), (2, 9, None))
        self.assertEqual((d.clear(), len(d), d.clear()), (3, 0, 0))

    def test_update_is_all_or_nothing(self):
        self.reason("TOO_LARGE", self.dict.update, [("a", 1), ("b", bytes(1 << 20))])
        self.assertEqual(len(self.dict), 0)
        self.dict.update([("a", 1), ("a", 2)])
        self.dict.update()
        self.assertEqual(dict(self.dict), {"a": 2})

    def test_increment(self):
        self.assertEqual((self.dict.increment("n"), self.dict.increment("n", -3)), (1, -2))
        self.assertEqual(self.dict.increment("n", 0.5), -1.5)
        self.dict.update(big=2**64 - 1, text="x")
        self.reason("OUT_OF_RANGE", self.dict.increment, "big")
        self.reason("WRONG_TYPE", self.dict.increment, "text")

    def test_no_increment_is_lost(self):
        for thread in [kit.Later(lambda: [self.dict.increment("n") for _ in range(200)]) for _ in range(4)]:
            thread.result()
        self.assertEqual(self.dict["n"], 800)

    def test_compare_exchange_sets_and_deletes(self):
        d = self.dict
        self.assertEqual(d.compare_exchange("k", sabir.MISSING, 1), (True, sabir.MISSING))
        self.assertEqual(d.compare_exchange("k", sabir.MISSING, 2), (False, 1))
        self.assertTrue(d.compare_exchange("k", 1, None))
        self.assertFalse(d.compare_exchange("k", 1, 2))
        self.assertEqual(d.compare_exchange("k", None, sabir.MISSING), (True, None))
        self.assertNotIn("k", d)

    def test_iteration_goes_over_many_pages(self):
        pairs = {i: str(i) for i in range(3500)}
        self.dict.update(pairs)
        self.assertEqual(dict(self.dict.items()), pairs)
        self.assertEqual(list(self.dict), list(pairs))
        self.assertEqual(list(self.dict.values()), list(pairs.values()))

    def test_delete_while_iterating_tells_so(self):
        self.dict.update({i: i for i in range(3000)})
        keys = iter(self.dict)
        next(keys)
        self.dict.delete()
        self.reason("DELETED", list, keys)
