/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_SEGMENT_TEST_KIT_H
#define SABIR_SHM_SEGMENT_TEST_KIT_H

/* One small segment for all tests of a program, and nothing in it. For *_test.c of shm only. */
#include "server/shm/test_kit.h"

static struct segment seg;

static inline int segment_setup(void)
{
	return kit_segment(4 << 20, &seg) ? -1 : 0;
}

static inline int segment_teardown(void)
{
	segment_unmap(&seg);
	return 0;
}

#endif
