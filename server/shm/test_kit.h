/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_TEST_KIT_H
#define SABIR_SHM_TEST_KIT_H

/*
 * What the unit tests of shm and objects share: segments, lanes with an owner of their own, and children that die at a
 * named step. For *_test.c only.
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/fault.h"
#include "server/shm/arena.h"

/* A wake-up that is lost is one for good: who waits for it is to be stopped by the test's end, not helped by himself. */
static inline void kit_look_again_never(void)
{
#ifdef SABIR_FAULTS
	lane_look_again = 3600 * CLOCK_SECOND;
#endif
}

static inline enum sabir_error kit_segment(uint64_t memory_limit, struct segment *seg)
{
	struct segment_options options = {
		.memory_limit = memory_limit, .n_owners = 64, .n_lanes = 64, .n_objects = 256, .max_item_bytes = 1 << 20
	};
	kit_look_again_never();
	return segment_create(&options, seg);
}

/* A lane of an owner of its own: whoever works with it can die alone. Without a lane a test program can only end. */
static inline struct lane kit_lane(struct segment *seg)
{
	struct lane made;
	uint32_t owner;
	if (owner_open(seg, (uint32_t)getpid(), "test", &owner) || lane_open(seg, owner, &made)) {
		fprintf(stderr, "no owner or lane is free\n");
		_exit(99);
	}
	return made;
}

static inline void kit_lane_close(struct lane *lane)
{
	struct segment *seg = lane->seg;
	uint32_t owner = lane->owner;
	lane_close(lane);
	owner_close(seg, owner);
}

/* Takes a lock as one in the midst of an operation, who is left there. */
static inline enum sabir_error kit_hold(struct lane *lane, uint64_t *lock)
{
	if (!lane_pins(lane->shared))
		lane_begin(lane, SEG_OP_READ, 0);
	enum sabir_error error = lock_acquire(lane, lock);
	if (error)
		lane_end(lane);
	return error;
}

static inline void kit_let_go(struct lane *lane, uint64_t *lock)
{
	lock_release(lane, lock);
	lane_end(lane);
}

/* Memory that children share with their parent beside the segment. */
static inline void *kit_shared(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* Waits for a child; its exit status, or -1 if a signal ended it. */
static inline int kit_wait(pid_t pid)
{
	int status = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* Waits for n children; true if each ended with status 0. */
static inline bool kit_wait_all(const pid_t *pids, int n)
{
	bool fine = true;
	for (int i = 0; i < n; i++)
		fine &= kit_wait(pids[i]) == 0;
	return fine;
}

/* ---------------------------------------------------------------- death at a step */

typedef void kit_act(struct lane *by, void *context);

/* The steps that an act passes, each with how many times it was passed up to there. */
struct kit_steps {
	unsigned n;
	struct kit_step {
		char name[44];
		unsigned nth;
	} at[4096];
};

static inline void kit_note_step(const char *name, void *context)
{
	struct kit_steps *steps = context;
	unsigned nth = 1;
	if (steps->n >= sizeof(steps->at) / sizeof(steps->at[0]))
		return;
	for (unsigned i = 0; i < steps->n; i++)
		nth += !strcmp(steps->at[i].name, name);
	snprintf(steps->at[steps->n].name, sizeof(steps->at[0].name), "%s", name);
	steps->at[steps->n++].nth = nth;
}

/* Lets a child perform the act and lists its steps in `steps` (kit_shared memory). */
static inline bool kit_list_steps(struct kit_steps *steps, kit_act *act, struct lane *by, void *context)
{
	pid_t pid = fork();
	if (pid == 0) {
		fault_trace(kit_note_step, steps);
		act(by, context);
		_exit(0);
	}
	return kit_wait(pid) == 0 && steps->n > 0;
}

/* Lets a child perform the act and die at the step; true if it did die. */
static inline bool kit_die_at(const struct kit_step *step, kit_act *act, struct lane *by, void *context)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		fault_kill_at(step->name, step->nth);
		act(by, context);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* ---------------------------------------------------------------- running */

#define KIT_TEST(function)                                                                                             \
	{                                                                                                              \
#function, function                                                                                    \
	}

/* Runs one suite; the number of failures. */
static inline int kit_run(const char *name, int (*setup)(void), int (*teardown)(void), const CU_TestInfo *tests,
			  size_t n)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_pSuite suite = CU_add_suite(name, setup, teardown);
	for (size_t i = 0; suite && i < n; i++)
		CU_add_test(suite, tests[i].pName, tests[i].pTestFunc);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed() + (suite == NULL);
	CU_cleanup_registry();
	return (int)failures;
}

#endif
