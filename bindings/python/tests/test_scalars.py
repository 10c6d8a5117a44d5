# SPDX-License-Identifier: Apache-2.0
"""The value and the array."""

import kit

import sabir

EXTREMES = {
    "c": [b"\0", b"\xff"],
    "b": [-(2**7), 2**7 - 1],
    "B": [0, 2**8 - 1],
    "h": [-(2**15), 2**15 - 1],
    "H": [0, 2**16 - 1],
    "i": [-(2**31), 2**31 - 1],
    "I": [0, 2**32 - 1],
    "l": [-(2**63), 2**63 - 1],
    "L": [0, 2**64 - 1],
    "q": [-(2**63), 2**63 - 1],
    "Q": [0, 2**64 - 1],
    "f": [-0.5, 2.0**127],
    "d": [5e-324, 1.7976931348623157e308],
    "?": [False, True],
    "u": ["\0", "\U0010ffff"],
}


class Value(kit.Case):
    def test_every_typecode_holds_its_extremes(self):
        for code, extremes in EXTREMES.items():
            value = self.client.value(code)
            self.assertEqual(value.value, {"c": b"\0", "u": "\0"}.get(code, 0))
            for extreme in extremes:
                value.value = extreme
                self.assertEqual(value.value, extreme)
                self.assertEqual(self.client.value(code, extreme).get(), extreme)

    def test_what_a_typecode_cannot_hold_is_refused(self):
        self.reason("OUT_OF_RANGE", self.client.value("b").set, 128)
        self.reason("OUT_OF_RANGE", self.client.value("B").set, -1)
        self.reason("WRONG_TYPE", self.client.value("i").set, 1.5)
        with self.assertRaises(TypeError):
            self.client.value("i").set("1")
        with self.assertRaises(ValueError):
            self.client.value("x")

    def test_add_wraps_and_tells_the_sum(self):
        value = self.client.value("b", 127)
        self.assertEqual(value.add(1), -128)
        self.assertEqual(value.add(-1), 127)
        self.assertEqual(self.client.value("d", 0.5).add(1), 1.5)
        self.reason("WRONG_TYPE", self.client.value("?").add, 1)

    def test_exchange_and_compare_exchange(self):
        value = self.client.value("i", 1)
        self.assertEqual(value.exchange(2), 1)
        self.assertEqual(value.compare_exchange(2, 3), (True, 2))
        self.assertFalse(value.compare_exchange(2, 4))
        self.assertEqual(value.compare_exchange(2, 4).found, 3)

    def test_no_add_is_lost(self):
        value = self.client.value("q")
        for thread in [kit.Later(lambda: [value.add(1) for _ in range(200)]) for _ in range(4)]:
            thread.result()
        self.assertEqual(value.value, 800)

    def test_a_name_has_one_type(self):
        self.client.value("i", 5, name=self.name())
        self.assertEqual(self.client.value("i", 9, name=self.name()).value, 5)
        self.reason("ALREADY_EXISTS", self.client.value, "d", name=self.name())


class Array(kit.Case):
    def test_every_typecode_holds_its_extremes(self):
        for code, extremes in EXTREMES.items():
            array = self.client.array(code, extremes)
            self.assertEqual((array[:], array[0], array[-1]), (extremes, *extremes))
            array[:] = extremes[::-1]
            self.assertEqual(list(array), extremes[::-1])

    def test_it_is_a_sequence(self):
        array = self.client.array("i", range(10))
        self.assertEqual((len(array), sum(array), 7 in array, 10 in array, array.index(4)), (10, 45, True, False, 4))
        for index in (slice(2, 5), slice(-3, None), slice(None, None, 3), slice(None, None, -2), slice(5, 2)):
            self.assertEqual(array[index], list(range(10))[index])
        self.assertEqual(list(reversed(array)), list(range(9, -1, -1)))

    def test_slices_keep_the_length(self):
        array, plain = self.client.array("i", 6), [0] * 6
        for index, items in ((slice(1, 3), [7, 8]), (slice(None, None, 2), [1, 2, 3]), (slice(4, 4), [])):
            array[index] = plain[index] = items
            self.assertEqual(array[:], plain)
        with self.assertRaises(ValueError):
            array[0:2] = [1, 2, 3]
        with self.assertRaises(OverflowError):
            array[0:2] = [0, 2**31]
        with self.assertRaises(TypeError):
            array[0:2] = [0, "x"]
        self.assertEqual(array[:], plain)

    def test_beyond_either_end_is_an_index_error(self):
        array = self.client.array("i", 3)
        for index in (3, -4):
            self.reason("OUT_OF_RANGE", array.__getitem__, index)
            with self.assertRaises(IndexError):
                array[index] = 1

    def test_add_compare_exchange_and_fill(self):
        array = self.client.array("h", 4)
        array.fill(5, 1)
        array.fill(6, start=2, count=1)
        array.fill(9, count=0)
        self.assertEqual(array[:], [0, 5, 6, 5])
        self.assertEqual(array.add(-1, 2), 7)
        self.assertEqual(array.compare_exchange(1, 5, 1), (True, 5))
        self.assertEqual(array.compare_exchange(1, 5, 2), (False, 1))

    def test_a_long_array_goes_in_pieces(self):
        numbers = list(range(1_200_000))
        array = self.client.array("q", numbers)
        self.assertEqual(array[:], numbers)
        array[1:] = numbers[:-1]
        self.assertEqual((array[0], array[-1], array[600_000]), (0, 1_199_998, 599_999))
        array.delete()

    def test_no_elements_at_all(self):
        array = self.client.array("d", 0)
        self.assertEqual((len(array), array[:], list(array)), (0, [], []))

    def test_an_info_tells_the_type(self):
        info = self.client.array("d", 3, name=self.name()).describe()
        self.assertEqual((info.kind, info.typecode, info.length, info.name), ("array", "d", 3, self.name()))
        self.assertIsInstance(self.client.open(self.name()), sabir.Array)
