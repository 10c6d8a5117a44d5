# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this folder, or those named, and closes with the line that the suite reads."""

import pathlib
import sys
import unittest


def main():
    here = str(pathlib.Path(__file__).parent)
    sys.path.insert(0, here)
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(sys.argv[1:]) if sys.argv[1:] else loader.discover(here)
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses) + len(result.skipped)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
