# SPDX-License-Identifier: Apache-2.0
"""The queue."""

import pathlib
import os
import queue
import subprocess

import kit

import sabir


class Queue(kit.Case):
    def test_first_in_first_out(self):
        jobs = self.client.queue()
        for i in range(100):
            jobs.put(i)
        self.assertEqual([jobs.get() for _ in range(100)], list(range(100)))

    def test_empty_and_full_are_those_of_python(self):
        jobs = self.client.queue(maxsize=1)
        with self.assertRaises(queue.Empty):
            jobs.get_nowait()
        with self.assertRaises(queue.Empty):
            jobs.get(timeout=0.01)
        jobs.put(1)
        with self.assertRaises(queue.Full):
            jobs.put_nowait(2)
        with self.assertRaises(queue.Full):
            jobs.put(2, timeout=0.01)
        self.assertEqual((jobs.qsize(), jobs.maxsize, jobs.full(), jobs.empty()), (1, 1, True, False))
        with self.assertRaises(ValueError):
            jobs.get(timeout=-1)

    def test_a_get_waits_for_a_put(self):
        jobs = self.client.queue()
        getter = kit.Later(jobs.get)
        jobs.put("late")
        self.assertEqual(getter.result(), "late")

    def test_a_put_waits_for_room(self):
        jobs = self.client.queue(maxsize=1)
        jobs.put(1)
        putter = kit.Later(jobs.put, 2)
        self.assertEqual(jobs.get(), 1)
        putter.result()
        self.assertEqual(jobs.get(), 2)

    def test_many_in_one_step(self):
        jobs = self.client.queue(maxsize=3)
        self.assertEqual(jobs.put_many(["a", "b", "c", "d"]), 3)
        self.assertEqual(jobs.put_many([]), 0)
        self.assertEqual(jobs.get_many(2), ["a", "b"])
        self.assertEqual(jobs.get_many(9), ["c"])
        self.reason("EMPTY", jobs.get_many, 1, block=False)
        self.reason("INVALID_ARGUMENT", jobs.get_many, 0)
        self.reason("INVALID_ARGUMENT", jobs.get_many, 65537)

    def test_peek_and_clear(self):
        jobs = self.client.queue()
        self.reason("EMPTY", jobs.peek)
        jobs.put_many([1, 2])
        self.assertEqual((jobs.peek(), jobs.peek(), jobs.qsize()), (1, 1, 2))
        self.assertEqual((jobs.clear(), jobs.clear(), jobs.empty()), (2, 0, True))

    def test_close_lets_getters_drain(self):
        jobs = self.client.queue()
        jobs.put_many([1, 2])
        jobs.close()
        jobs.close()
        self.assertTrue(jobs.closed)
        self.reason("CLOSED", jobs.put, 3)
        self.assertEqual(list(jobs), [1, 2])
        self.reason("CLOSED", jobs.get)
        with self.assertRaises(ValueError):
            jobs.get_nowait()

    def test_close_wakes_who_waits(self):
        jobs, full = self.client.queue(), self.client.queue(maxsize=1)
        full.put(1)
        waiters = [kit.Later(jobs.get), kit.Later(full.put, 2)]
        jobs.close()
        full.close()
        for waiter in waiters:
            self.reason("CLOSED", waiter.result)

    def test_delete_wakes_who_waits(self):
        jobs = self.client.queue(self.name())
        getter = kit.Later(jobs.get)
        jobs.delete()
        self.reason("DELETED", getter.result)
        self.client.queue(self.name())
        self.reason("DELETED", jobs.qsize)

    def test_an_item_over_the_limit_is_refused(self):
        jobs = self.client.queue()
        self.reason("TOO_LARGE", jobs.put, bytes(1 << 20))
        jobs.put(bytes(1000 << 10))
        self.assertEqual(len(jobs.get()), 1000 << 10)

    def test_every_item_once_among_threads(self):
        jobs = self.client.queue(maxsize=16)
        getters = [kit.Later(list, jobs) for _ in range(4)]
        putters = [kit.Later(lambda p=p: [jobs.put((p, i)) for i in range(100)]) for p in range(4)]
        for putter in putters:
            putter.result()
        jobs.close()
        got = [getter.result() for getter in getters]
        for items in got:
            for p in range(4):
                mine = [i for producer, i in items if producer == p]
                self.assertEqual(mine, sorted(mine))
        self.assertEqual(sorted(sum(got, [])), [[p, i] for p in range(4) for i in range(100)])

    def test_a_c_program_on_shared_memory_takes_what_python_puts(self):
        lines, words, done = self.client.queue(self.name("q")), self.client.dict(self.name("d")), self.name("n")
        worker = pathlib.Path(os.environ["SABIR_BUILD"], "examples", "wordcount_worker")
        program = subprocess.Popen([worker, lines.name, words.name, done, kit.LOCAL_URL], stdout=subprocess.PIPE)
        lines.put("to be or not")
        lines.put(b"to be")
        lines.close()
        self.assertEqual(program.communicate(timeout=30)[0], b"2 lines\n")
        self.assertEqual(dict(words), {"to": 2, "be": 2, "or": 1, "not": 1})
        self.assertEqual(self.client.value("q", name=done).value, 2)

    def test_two_connections_share_one_queue(self):
        with sabir.connect(kit.REMOTE_URL) as other:
            other.queue(self.name()).put("from there")
            self.assertEqual(self.client.queue(self.name()).get(), "from there")
