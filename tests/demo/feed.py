# SPDX-License-Identifier: Apache-2.0
"""Puts the lines of files into the queue demo/lines, and closes it.

    feed.py URL TIMES FILE...
"""

import sys
import time

import sabir

BATCH = 256


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


def main(url, times, *files):
    lines = read(files)
    with sabir.connect(url) as client:
        queue = client.queue("demo/lines")
        client.value("d", name="demo/began").set(time.time())
        client.value("q", name="demo/total").set(len(lines) * int(times))
        for _ in range(int(times)):
            at = 0
            while at < len(lines):
                at += queue.put_many(lines[at : at + BATCH])
        queue.close()


main(*sys.argv[1:])
