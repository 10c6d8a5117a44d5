/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_STEP_H
#define SABIR_TESTS_CRASH_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One function, run in a child one instruction at a time, those of libc included, and watched for what it does to a range
 * of memory that it shares with its parent. A system call counts as one instruction, and so do all rounds of one that
 * repeats itself.
 */
typedef void step_act(void *context);

#define STEP_MAX_PAGES 8

/* Where the child stands. Its memory may differ from what it was before, at most in these pages; 0: anywhere. */
struct step_at {
	uint64_t n; /* instructions done; with `writes_only`, those that wrote to the memory */
	uint32_t n_pages;
	uint64_t page[STEP_MAX_PAGES]; /* offsets */
};

/* Called when the memory may have changed, while the child stands still. False: the child is killed right there. */
typedef bool step_seen(void *context, const struct step_at *at);

struct steps {
	step_act *act;
	void *act_context;
	step_seen *seen; /* NULL: nobody looks */
	void *seen_context;
	uint8_t *base; /* the memory, mapped shared */
	size_t len;
	bool late;        /* only from step_begin on, which the act calls */
	bool writes_only; /* full speed but for what writes to the memory; where that can't be done, all are steps */
	uint64_t kill_at; /* SIGKILL when so many are done; 0: never */
};

/* Returns how many were done; 0: the child could not be traced, or died by itself. */
uint64_t step_through(const struct steps *steps);

/* In a child: what comes now is stepped through. Elsewhere, and once more, nothing. */
void step_begin(void);

/* For what writes to the memory behind the processor's back, as a system call does: it may have changed anywhere. */
void step_touched(void);

#endif
