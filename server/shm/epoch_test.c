/* SPDX-License-Identifier: Apache-2.0 */
/* Epochs: what is held back, and by whom; also where a faulty program has written over what tells it. */
#include <sched.h>
#include <unistd.h>

#include "server/shm/segment_test_kit.h"

static void an_operation_holds_back_what_is_retired_meanwhile(void)
{
	struct lane a = kit_lane(&seg), b = kit_lane(&seg);
	uint64_t before = epoch_retire(&seg);
	CU_ASSERT(before < epoch_oldest(&seg)); /* nobody is in an operation */
	lane_begin(&a, SEG_OP_READ, 0);
	CU_ASSERT(before < epoch_oldest(&seg)); /* began later: can't have seen it */
	uint64_t during = epoch_retire(&seg);
	CU_ASSERT(during >= epoch_oldest(&seg));
	lane_begin(&b, SEG_OP_READ, 0);
	CU_ASSERT(during >= epoch_oldest(&seg));
	lane_end(&a);
	CU_ASSERT(during < epoch_oldest(&seg));
	uint64_t later = epoch_retire(&seg);
	CU_ASSERT(later > during && later >= epoch_oldest(&seg));
	lane_end(&b);
	CU_ASSERT(later < epoch_oldest(&seg));
	kit_lane_close(&a);
	kit_lane_close(&b);
}

static void a_lane_that_nobody_has_holds_nothing_back(void)
{
	static const uint64_t garbage[] = { 1, SEG_PINNED, SEG_PINNED | 1, UINT64_MAX };
	struct lane lane = kit_lane(&seg);
	struct seg_lane *s = lane.shared;
	kit_lane_close(&lane);
	uint64_t retired = epoch_retire(&seg);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		store64_seq(&s->epoch, garbage[i]);
		CU_ASSERT(retired < epoch_oldest(&seg));
	}
	store64_seq(&s->epoch, 0);
}

/* Else it would until its thread works again. */
static void a_lane_that_does_not_work_holds_nothing_back(void)
{
	static const uint64_t garbage[] = { 1, SEG_PINNED, SEG_PINNED | 1, UINT64_MAX };
	struct lane lane = kit_lane(&seg);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		store64_seq(&lane.shared->epoch, garbage[i]);
		CU_ASSERT(epoch_retire(&seg) < epoch_oldest(&seg));
		lane_begin(&lane, SEG_OP_READ, 0);
		uint64_t retired = epoch_retire(&seg);
		CU_ASSERT(retired >= epoch_oldest(&seg));
		store64_seq(&lane.shared->epoch, garbage[i]);
		CU_ASSERT(retired >= epoch_oldest(&seg));
		lane_end(&lane);
		CU_ASSERT(retired < epoch_oldest(&seg));
	}
	kit_lane_close(&lane);
}

static void a_spare_lane_holds_nothing_back(void)
{
	struct segment its;
	CU_ASSERT_EQUAL_FATAL(kit_segment(4 << 20, &its), SABIR_OK);
	struct lane lane = kit_lane(&its);
	lanes_spare(&its, lane.owner, 1);
	for (uint32_t i = 0; i < its.n_lanes; i++)
		if (its.lanes[i].op == SEG_OP_SPARE)
			its.lanes[i].epoch = 1;
	CU_ASSERT(epoch_retire(&its) < epoch_oldest(&its));
	kit_lane_close(&lane);
	segment_unmap(&its);
}

/* Whatever is written over the word of who is in an operation, or over what says how many there are. */
static void who_reads_holds_it_back_whatever_is_written_beside(void)
{
	struct lane lane = kit_lane(&seg);
	uint64_t word = lane.shared->word;
	lane_begin(&lane, SEG_OP_READ, 0);
	uint64_t retired = epoch_retire(&seg);
	lane.shared->word = UINT64_MAX;
	CU_ASSERT(retired >= epoch_oldest(&seg));
	lane.shared->word = word;
	seg.header->n_lanes_used = seg.header->light_pins = 0;
	lanes_mend(&seg);
	CU_ASSERT(retired >= epoch_oldest(&seg) && seg.header->light_pins == seg.light_pins);
	lane_end(&lane);
	kit_lane_close(&lane);
}

static const uint64_t epoch_garbage[] = {
	0, 1, 4000, 1ull << 57, 1ull << 58, (1ull << 62) - 1, SEG_PINNED, UINT64_MAX
};

/* What was retired before comes back, what is retired from then on is held back as ever: until it is mended, and behind that. */
static void an_epoch_that_was_written_over_is_mended(void)
{
	for (size_t i = 0; i < sizeof(epoch_garbage) / sizeof(epoch_garbage[0]); i++) {
		struct segment its;
		CU_ASSERT_EQUAL_FATAL(kit_segment(4 << 20, &its), SABIR_OK);
		struct lane old = kit_lane(&its), young = kit_lane(&its);
		its.header->epoch = 4711;
		CU_ASSERT(!epoch_mend(&its) && its.header->epoch == 4711);
		uint64_t before = epoch_retire(&its);
		lane_begin(&old, SEG_OP_READ, 0);
		its.header->epoch = epoch_garbage[i];
		lane_begin(&young, SEG_OP_READ, 0);
		uint64_t during = epoch_retire(&its);
		CU_ASSERT(during && during >= epoch_oldest(&its));
		(void)epoch_mend(&its);
		CU_ASSERT(!epoch_mend(&its));
		CU_ASSERT(during >= epoch_oldest(&its));
		lane_end(&old);
		lane_end(&young);
		CU_ASSERT(before < epoch_oldest(&its) && during < epoch_oldest(&its));
		kit_lane_close(&old);
		kit_lane_close(&young);
		segment_unmap(&its);
	}
}

/* The former server wrote down what it was. */
static void the_next_server_sees_that_the_epoch_was_written_over(void)
{
	for (size_t i = 0; i < sizeof(epoch_garbage) / sizeof(epoch_garbage[0]); i++) {
		struct segment its;
		CU_ASSERT_EQUAL_FATAL(kit_segment(4 << 20, &its), SABIR_OK);
		its.header->epoch = 4711;
		uint64_t before = epoch_retire(&its);
		(void)epoch_mend(&its);
		its.header->epoch = epoch_garbage[i];
		its.epoch_seen = 0;
		(void)epoch_mend(&its);
		CU_ASSERT(before < epoch_oldest(&its));
		CU_ASSERT(epoch_retire(&its) >= 4711);
		segment_unmap(&its);
	}
}

/* It is believed as far as that does no harm. */
static void a_floor_that_was_written_over_harms_nobody(void)
{
	for (size_t i = 0; i < sizeof(epoch_garbage) / sizeof(epoch_garbage[0]); i++) {
		struct segment its, another;
		CU_ASSERT_EQUAL_FATAL(kit_segment(4 << 20, &its), SABIR_OK);
		struct lane lane = kit_lane(&its);
		its.header->epoch = 4711;
		(void)epoch_mend(&its);
		lane_begin(&lane, SEG_OP_READ, 0);
		its.header->epoch_floor = epoch_garbage[i];
		another = its;
		another.epoch_seen = 0; /* a process that comes now */
		for (int n = 0; n < 3; n++) {
			uint64_t first = epoch_retire(&another), second = epoch_retire(&its);
			CU_ASSERT(first >= 4711 && second > first && first >= epoch_oldest(&its));
			(void)epoch_mend(&its);
		}
		lane_end(&lane);
		CU_ASSERT(!epoch_mend(&its));
		kit_lane_close(&lane);
		segment_unmap(&its);
	}
}

/*
 * One process unlinks a cell, retires it and spoils it once its epoch has passed; the others look the cell up and
 * read it inside operations. None may ever read a spoiled one.
 */
static void read_cells(uint64_t *current, uint64_t *cells, uint64_t *stop)
{
	struct lane lane = kit_lane(&seg);
	int bad = 0;
	while (!load64_seq(stop)) {
		lane_begin(&lane, SEG_OP_READ, 0);
		uint64_t i = load64_seq(current);
		for (int k = 0; k < 20; k++)
			bad |= load64_relaxed(&cells[i]) == 0;
		lane_end(&lane);
	}
	kit_lane_close(&lane);
	_exit(bad);
}

static void what_a_reader_holds_is_never_reused(void)
{
	enum { CELLS = 8, ROUNDS = 4000 };
	uint64_t *shared = kit_shared(4096), *current = shared, *stop = shared + 1, *cells = shared + 8;
	uint64_t retired[CELLS] = { 0 };
	pid_t pids[3];
	for (int i = 0; i < CELLS; i++)
		cells[i] = 1;
	for (int i = 0; i < 3; i++)
		if ((pids[i] = fork()) == 0)
			read_cells(current, cells, stop);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t old = load64_seq(current), next = (old + 1) % CELLS;
		while (retired[next] && epoch_oldest(&seg) <= retired[next])
			sched_yield();
		store64_relaxed(&cells[next], 0); /* spoil, and make again */
		store64_seq(&cells[next], round + 1);
		store64_seq(current, next);
		retired[old] = epoch_retire(&seg);
	}
	store64_seq(stop, 1);
	CU_ASSERT(kit_wait_all(pids, 3));
	munmap(shared, 4096);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(an_operation_holds_back_what_is_retired_meanwhile),
		KIT_TEST(a_lane_that_nobody_has_holds_nothing_back),
		KIT_TEST(a_lane_that_does_not_work_holds_nothing_back),
		KIT_TEST(a_spare_lane_holds_nothing_back),
		KIT_TEST(who_reads_holds_it_back_whatever_is_written_beside),
		KIT_TEST(an_epoch_that_was_written_over_is_mended),
		KIT_TEST(the_next_server_sees_that_the_epoch_was_written_over),
		KIT_TEST(a_floor_that_was_written_over_harms_nobody),
		KIT_TEST(what_a_reader_holds_is_never_reused),
	};
	return kit_run("epoch", segment_setup, segment_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
