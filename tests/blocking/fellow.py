# SPDX-License-Identifier: Apache-2.0
"""Another process that makes calls, until it is killed:

    fellow.py URL LABEL LEASE_NS

Reads lines "PATH REQUEST-IN-HEX" and answers each with the name of its error.
"""

import sys

from libsabir import Connection


def main():
    url, label, lease_ns = sys.argv[1:]
    connection = Connection(url, label, int(lease_ns))
    print("ready", flush=True)
    for line in sys.stdin:
        path, request = (line.rstrip("\n") + " ").split(" ")[:2]
        print(connection.raw(path, bytes.fromhex(request))[0], flush=True)


if __name__ == "__main__":
    main()
