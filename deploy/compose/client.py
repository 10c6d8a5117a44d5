# SPDX-License-Identifier: Apache-2.0
"""Feeds the lines of the licence texts to the workers, waits until all are counted, and checks the counts.

The server is at $SABIR_URL. Exit status 0: every count agrees.
"""

import collections
import glob
import os
import re
import sys
import time

import sabir


def main():
    lines = []
    for file in sorted(glob.glob("/usr/share/common-licenses/*")):
        with open(file, encoding="ascii", errors="ignore") as text:
            lines += text.read().splitlines()
    expected = collections.Counter(re.findall("[a-z]+", "\n".join(lines).lower()))
    with sabir.connect(os.environ["SABIR_URL"]) as client:
        queue, done = client.queue("lines"), client.value("q", name="done")
        for at in range(0, len(lines), 256):
            batch = lines[at : at + 256]
            while batch:
                batch = batch[queue.put_many(batch) :]
        queue.close()
        deadline = time.monotonic() + 60
        while done.value < len(lines) and time.monotonic() < deadline:
            time.sleep(0.05)
        words = dict(client.dict("words").items())
    print(f"{len(lines)} lines, {sum(words.values())} words, {len(words)} different ones")
    print("every count agrees" if words == expected else "NOT every count agrees")
    return words != expected


sys.exit(main())
