# SPDX-License-Identifier: Apache-2.0
"""Tells all stories, or those that are named. stories.py ADDRESS SERVER_PID [STORY...]"""

import sys
import traceback

import once
import queues
import sessions


def main():
    stories = [s for s in queues.STORIES + once.STORIES + sessions.STORIES if not sys.argv[3:] or s.__name__ in sys.argv[3:]]
    failed = 0
    for story in stories:
        try:
            story()
        except Exception:  # whatever it is: the next story is told all the same
            failed += 1
            print(f"FAILED: {story.__name__}\n{traceback.format_exc()}")
    print(f"{len(stories) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
