# SPDX-License-Identifier: Apache-2.0
"""Puts the lines of files into the queue demo/lines, and closes it.

    feed.py URL TIMES FILE...
"""

import sys
import time

import sabir

BATCH = 256
BATCH_BYTES = 1 << 20


def read(files):
    """The lines of the files: text where they are UTF-8, else bytes."""
    lines = []
    for file in files:
        with open(file, "rb") as text:
            for line in text:
                try:
                    lines.append(line.decode("utf-8"))
                except UnicodeDecodeError:
                    lines.append(line)
    return lines


def batches(lines):
    """Lists of lines, neither too many nor too long for one message."""
    batch, size = [], 0
    for line in lines:
        if batch and (len(batch) == BATCH or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    yield batch


def main(url, times, *files):
    lines = read(files)
    with sabir.connect(url) as client:
        queue = client.queue("demo/lines")
        client.value("d", name="demo/began").set(time.time())
        client.value("q", name="demo/total").set(len(lines) * int(times))
        for _ in range(int(times)):
            for batch in batches(lines):
                while batch:
                    batch = batch[queue.put_many(batch) :]
        queue.close()


main(*sys.argv[1:])
