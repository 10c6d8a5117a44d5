/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena when its users die: at each named step of each thing they do, while they repair what others left, and at
 * any instruction among others who go on. Whatever happened, all memory must be free at the end, and given back.
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "server/shm/test_kit.h"

#define LIMIT (8u << 20)
#define N_BLOCKS 60
#define OBJECT 5

static struct segment seg;
static struct lane lane;

/* What stands for an object: refs of LIVE blocks, in memory that survives its users. */
struct table {
	uint64_t size; /* of the blocks that an act makes */
	uint32_t refs[N_BLOCKS];
};
static struct table *table;

static int setup(void)
{
	table = kit_shared(sizeof(*table) * 4);
	if (!table || kit_segment(LIMIT, &seg))
		return -1;
	lane = kit_lane(&seg);
	return 0;
}

static int teardown(void)
{
	lane_close(&lane);
	segment_unmap(&seg);
	return 0;
}

/* ---------------------------------------------------------------- what they die in */

static struct seg_block *block_at(uint32_t ref)
{
	return segment_at(&seg, ref, sizeof(struct seg_block));
}

/* As a kind does it: in the hand, into the table, LIVE, out of the hand. */
static enum sabir_error put(struct lane *by, struct table *t, uint32_t i, uint64_t size)
{
	struct seg_block *block;
	lane_begin(by, SEG_OP_QUEUE_PUT, 0);
	enum sabir_error error = block_alloc(by, size, 0, &block);
	if (!error) {
		store32_release(&t->refs[i], segment_ref(&seg, block));
		FAULT("test.linked");
		block_publish(block, OBJECT);
		FAULT("test.published");
		store32_relaxed(&by->shared->hand[0], 0);
	}
	lane_end(by);
	return error;
}

static void take(struct lane *by, struct table *t, uint32_t i, bool retire)
{
	struct seg_block *block = block_at(t->refs[i]);
	lane_begin(by, SEG_OP_QUEUE_GET, 0);
	store32_relaxed(&by->shared->hand[1], t->refs[i]);
	fence_compiler();
	block_retract(by, block);
	FAULT("test.retracted");
	store32_release(&t->refs[i], 0);
	FAULT("test.unlinked");
	if (retire)
		block_retire(by, block);
	else
		block_free(by, block);
	lane_end(by);
}

static void act_put(struct lane *by, void *context)
{
	struct table *t = context;
	for (uint32_t i = 0; i < N_BLOCKS; i++)
		if (!t->refs[i] && put(by, t, i, t->size))
			break;
}

static void act_take(struct lane *by, void *context)
{
	struct table *t = context;
	for (uint32_t i = 0; i < N_BLOCKS; i++)
		if (t->refs[i])
			take(by, t, i, false);
}

static void act_retire(struct lane *by, void *context)
{
	struct table *t = context;
	for (uint32_t i = 0; i < N_BLOCKS; i++)
		if (t->refs[i])
			take(by, t, i, true);
}

static void act_put_and_take(struct lane *by, void *context)
{
	act_put(by, context);
	act_take(by, context);
	act_put(by, context);
}

static void act_upkeep(struct lane *by, void *context)
{
	act_take(by, context);
	lane_begin(by, SEG_OP_READ, 0);
	arena_recover(by, by->shared, by->id);
	lane_end(by);
	arena_reclaim(by);
	arena_trim(by, 1, CLOCK_NEVER);
}

static void act_reap(struct lane *by, void *context)
{
	act_retire(by, context);
	arena_reclaim(by);
	arena_make_room(by);
	arena_trim(by, 0, CLOCK_NEVER);
}

static void act_close(struct lane *by, void *context)
{
	act_put(by, context);
	act_take(by, context);
	lane_close(by);
}

static const struct {
	const char *name;
	kit_act *act;
	bool full; /* the table is full when it begins */
} acts[] = {
	{ "put", act_put, false },           { "take", act_take, true },     { "retire", act_retire, true },
	{ "both", act_put_and_take, false }, { "upkeep", act_upkeep, true }, { "reap", act_reap, true },
	{ "close", act_close, false },
};
#define N_ACTS (sizeof(acts) / sizeof(acts[0]))

/* ---------------------------------------------------------------- what becomes of it */

/* What the owner of a table does first after a death: finish a link, forget a block that was being taken out. */
static void repair_table(struct table *t, const struct seg_lane *dead)
{
	for (uint32_t i = 0; i < N_BLOCKS; i++) {
		if (!t->refs[i])
			continue;
		if (t->refs[i] == dead->hand[0])
			block_publish(block_at(t->refs[i]), OBJECT);
		else if (t->refs[i] == dead->hand[1] && block_state(block_at(t->refs[i])->word) == SEG_BLOCK_PRIVATE)
			store32_release(&t->refs[i], 0);
	}
}

static void recover(struct lane *by, struct lane *dead)
{
	lane_begin(by, SEG_OP_READ, 0);
	arena_recover(by, dead->shared, dead->id);
	lane_end(by);
}

/* Nothing that the recovery has overlooked may be found by the lane's next user. */
static void bury(struct lane *dead)
{
	memset((uint8_t *)dead->shared + 8, 0, sizeof(*dead->shared) - 8);
	dead->shared->word = (dead->shared->word & 0xffff0000) | SEG_LANE_FREE;
	owner_close(&seg, dead->owner);
}

static bool is_accounted(void)
{
	struct arena_stats stats;
	struct stat st;
	arena_stats(&seg, &stats);
	return !fstat(seg.fd, &st) && (uint64_t)st.st_blocks * 512 - seg.data_off == stats.committed_bytes;
}

static bool is_empty(void)
{
	struct arena_stats stats;
	recover(&lane, &lane); /* our own cache back */
	arena_reclaim(&lane);
	arena_reclaim(&lane);
	arena_trim(&lane, 0, CLOCK_NEVER);
	arena_stats(&seg, &stats);
	return stats.n_blocks == 0 && stats.used_bytes == 0 && stats.committed_bytes == 0 && is_accounted();
}

/* All blocks in the table are whole and LIVE, and can be freed; then there is nothing left. */
static bool ends_empty(void)
{
	bool fine = is_accounted();
	for (uint32_t i = 0; i < N_BLOCKS; i++) {
		uint32_t ref = table->refs[i];
		fine &= !ref ||
			(block_size(&seg, ref) >= table->size && block_state(block_at(ref)->word) == SEG_BLOCK_LIVE);
	}
	act_take(&lane, table);
	return is_empty() && fine;
}

/* Slabs of small, middling and few blocks, and runs of chunks. */
static const uint64_t sizes[] = { 300, 9000, 60000, 86016, 300000 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct lane stage(size_t act, uint64_t size)
{
	memset(table, 0, sizeof(*table));
	table->size = size;
	if (acts[act].full) {
		act_put(&lane, table);
		recover(&lane, &lane);
	}
	return kit_lane(&seg);
}

static struct kit_steps *steps_of(size_t act, uint64_t size)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = stage(act, size);
	CU_ASSERT(kit_list_steps(steps, acts[act].act, &victim, table));
	repair_table(table, victim.shared);
	recover(&lane, &victim);
	bury(&victim);
	CU_ASSERT(ends_empty());
	return steps;
}

static void nothing_is_lost_at_any_step(void)
{
	int points = 0;
	for (size_t act = 0; act < N_ACTS; act++)
		for (size_t s = 0; s < N_SIZES; s++) {
			struct kit_steps *steps = steps_of(act, sizes[s]);
			unsigned stride = steps->n / 60 + 1;
			for (unsigned k = (unsigned)s % stride; k < steps->n; k += stride, points++) {
				struct lane victim = stage(act, sizes[s]);
				CU_ASSERT(kit_die_at(&steps->at[k], acts[act].act, &victim, table));
				repair_table(table, victim.shared);
				recover(&lane, &victim);
				bury(&victim);
				bool fine = ends_empty();
				CU_ASSERT(fine);
				if (!fine)
					printf("\n    %s of %u: killed at %s #%u", acts[act].name, (unsigned)sizes[s],
					       steps->at[k].name, steps->at[k].nth);
			}
			munmap(steps, sizeof(*steps));
		}
	printf("%d points ", points);
}

/* ---------------------------------------------------------------- death of the recovery */

static struct lane *dead_lane;

static void act_recover(struct lane *by, void *context)
{
	(void)context;
	recover(by, dead_lane);
}

static bool survives_both(size_t act, uint64_t size, const struct kit_step *first, const struct kit_step *second)
{
	struct lane victim = stage(act, size), helper = kit_lane(&seg);
	dead_lane = &victim;
	(void)kit_die_at(first, acts[act].act, &victim, table);
	repair_table(table, victim.shared);
	(void)kit_die_at(second, act_recover, &helper, NULL);
	recover(&lane, &helper);
	recover(&lane, &victim);
	bury(&helper);
	bury(&victim);
	bool fine = ends_empty();
	if (!fine)
		printf("\n    %s of %u: killed at %s #%u and %s #%u", acts[act].name, (unsigned)size, first->name,
		       first->nth, second->name, second->nth);
	return fine;
}

static void test_double_deaths(size_t act, uint64_t size, const struct kit_step *first)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct lane victim = stage(act, size), helper = kit_lane(&seg);
	dead_lane = &victim;
	CU_ASSERT(kit_die_at(first, acts[act].act, &victim, table));
	repair_table(table, victim.shared);
	(void)kit_list_steps(steps, act_recover, &helper, NULL);
	recover(&lane, &helper);
	bury(&helper);
	bury(&victim);
	CU_ASSERT(ends_empty());
	for (unsigned k = 0; k < steps->n; k += steps->n / 12 + 1)
		CU_ASSERT(survives_both(act, size, first, &steps->at[k]));
	munmap(steps, sizeof(*steps));
}

static void nothing_is_lost_when_the_recovery_dies_too(void)
{
	for (size_t act = 0; act < N_ACTS; act++)
		for (size_t s = 1; s < N_SIZES; s++) {
			struct kit_steps *steps = steps_of(act, sizes[s]);
			for (unsigned k = (unsigned)s; k < steps->n; k += steps->n / 5 + 1)
				test_double_deaths(act, sizes[s], &steps->at[k]);
			munmap(steps, sizeof(*steps));
		}
}

/* ---------------------------------------------------------------- at any instruction */

#define N_WORKERS 3
#define N_DEATHS 200

/* Puts and takes for ever, each block full of its number. */
static void work(struct lane *mine, struct table *t, unsigned seed)
{
	for (;;) {
		uint32_t i = (uint32_t)rand_r(&seed) % N_BLOCKS;
		uint64_t size = 64u << rand_r(&seed) % 13;
		if (t->refs[i]) {
			take(mine, t, i, rand_r(&seed) % 4 == 0);
			continue;
		}
		if (put(mine, t, i, size) && rand_r(&seed) % 8 == 0)
			arena_reclaim(mine);
		if (rand_r(&seed) % 1000 == 0)
			arena_trim(mine, 2, CLOCK_NEVER);
	}
}

static pid_t start_worker(struct lane *mine, struct table *t, unsigned seed)
{
	*mine = kit_lane(&seg);
	pid_t pid = fork();
	if (pid == 0)
		work(mine, t, seed);
	return pid;
}

static void end_worker(pid_t pid, struct lane *mine, struct table *t)
{
	int status;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	repair_table(t, mine->shared);
	recover(&lane, mine);
	bury(mine);
}

static void workers_may_die_anywhere_while_others_work(void)
{
	struct lane lanes[N_WORKERS];
	pid_t pids[N_WORKERS];
	unsigned seed = 42;
	memset(table, 0, sizeof(*table) * (N_WORKERS + 1));
	for (unsigned i = 0; i < N_WORKERS; i++)
		pids[i] = start_worker(&lanes[i], &table[i + 1], i);
	for (unsigned n = 0; n < N_DEATHS; n++) {
		unsigned i = n % N_WORKERS;
		usleep((useconds_t)rand_r(&seed) % 2000); /* any moment will do */
		end_worker(pids[i], &lanes[i], &table[i + 1]);
		pids[i] = start_worker(&lanes[i], &table[i + 1], n);
	}
	for (unsigned i = 0; i < N_WORKERS; i++)
		end_worker(pids[i], &lanes[i], &table[i + 1]);
	/* No two own the same block, and with theirs gone there is nothing. */
	bool fine = true;
	for (unsigned i = 1; i <= N_WORKERS; i++)
		for (unsigned k = 0; k < N_BLOCKS; k++)
			fine &= !table[i].refs[k] || block_state(block_at(table[i].refs[k])->word) == SEG_BLOCK_LIVE;
	for (unsigned i = 1; fine && i <= N_WORKERS; i++)
		act_take(&lane, &table[i]);
	CU_ASSERT(fine);
	CU_ASSERT(is_empty());
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(nothing_is_lost_at_any_step),
		KIT_TEST(nothing_is_lost_when_the_recovery_dies_too),
		KIT_TEST(workers_may_die_anywhere_while_others_work),
	};
	return kit_run("arena, deaths", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
