# SPDX-License-Identifier: Apache-2.0
"""Who holds what has no name."""

import gc
import time

import kit

import sabir


class Session(kit.Case):
    def await_gone(self, ref):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                self.client.describe(ref)
            except (sabir.Deleted, sabir.NotFound):
                return
            time.sleep(0.01)
        self.fail("it is still there")

    def await_collection(self):
        """Until the server has deleted what nobody holds by now: something made later has gone."""
        call = self.client._calls["Manager", "Create"]
        request = call.request()
        request.queue.SetInParent()
        self.await_gone(sabir.Ref(handle=call.send(request).info.handle))

    def test_what_has_no_name_is_held(self):
        queue = self.client.queue()
        self.await_collection()
        queue.put(1)
        self.assertEqual(queue.get(), 1)

    def test_what_is_dropped_goes(self):
        ref = self.client.queue().ref
        gc.collect()
        self.await_gone(ref)

    def test_each_one_who_has_opened_it_holds_it(self):
        queue = self.client.queue()
        again = self.client.open(queue.ref)
        del queue
        gc.collect()
        self.await_collection()
        again.put(1)

    def test_what_is_found_in_a_container_is_held_once_opened(self):
        box = self.client.dict(self.name())
        box["queue"] = self.client.queue()
        gc.collect()
        self.await_collection()
        queue = self.client.open(box["queue"])
        box.clear()
        self.await_collection()
        queue.put(1)

    def test_close_lets_go(self):
        other = sabir.connect(kit.REMOTE_URL)
        queue = other.queue()
        other.close()
        self.await_gone(queue.ref)

    def test_the_end_of_a_session_is_told_once(self):
        queue = self.client.queue()
        call = self.client._calls["Session", "Close"]
        call.send(call.request(token=self.client._session.metadata()[0][1]))
        self.reason("SESSION_ENDED", queue.qsize)
        self.await_gone(queue.ref)
        self.client.queue().put(1)

    def test_what_has_a_name_needs_no_session(self):
        self.client.queue(self.name()).put(1)
        self.assertIsNone(self.client._session.metadata())
