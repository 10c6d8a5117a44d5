/* SPDX-License-Identifier: Apache-2.0 */
/* The list on damaged memory: DATA_LOSS or a wrong answer, but no crash and no hang, and nobody else is hurt. */
#include <stdlib.h>

#include "server/base/value.h"
#include "server/objects/list_parts.h"
#include "server/objects/object_test_kit.h"

#define N_ELEMENTS 8000u
#define MEMORY (16u << 20)
#define SECONDS 20u /* a hang, on the slowest machine */
#define N_LIVES 100u

static uint64_t make_list(uint32_t n)
{
	struct object_spec spec = { .kind = SEG_KIND_LIST };
	uint64_t list = kit_make(&spec);
	uint8_t bytes[2][32];
	struct span values[2] = { { bytes[0], value_put_int(5, bytes[0]) },
				  { bytes[1], value_head_bytes(VALUE_TEXT, 12, bytes[1]) + 12 } };
	memset(bytes[1] + values[1].len - 12, 'x', 12);
	for (uint32_t i = 0; i < n; i += 2)
		CU_ASSERT_EQUAL(list_extend(&lane, list, values, 2, NULL), SABIR_OK);
	return list;
}

static struct seg_list *body_of(uint64_t list)
{
	return segment_at(&seg, seg.objects[object_index(list)].body, sizeof(struct seg_list));
}

static uint64_t length_of(uint64_t list)
{
	uint64_t n = 0;
	return list_len(&lane, list, &n) ? UINT64_MAX : n;
}

/* ---------------------------------------------------------------- strange numbers anywhere */

/* The n-th of the list's blocks, and how many words it has. */
static uint32_t *live_block(uint32_t index, uint32_t n, uint32_t *len)
{
	uint32_t end = (uint32_t)(seg.size >> SEG_REF_SHIFT), seen = 0;
	for (uint32_t round = 0; round < 2; round++, n = seen ? n % seen : 0, seen = 0)
		for (uint32_t ref = (uint32_t)(seg.data_off >> SEG_REF_SHIFT); ref < end; ref++) {
			uint64_t size = block_size(&seg, ref);
			struct seg_block *block = size ? segment_at(&seg, ref, size) : NULL;
			if (!block || !block_is_of(block, index) || seen++ < n)
				continue;
			*len = (uint32_t)(size / 4);
			return (uint32_t *)block;
		}
	return NULL;
}

static uint32_t strange_number(uint32_t old)
{
	uint32_t first = (uint32_t)(seg.data_off >> SEG_REF_SHIFT);
	switch (rand() % 6) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return old ^ 1u << rand() % 32;
	case 3:
		return old + 1;
	case 4:
		return first + (uint32_t)rand() % (MEMORY >> SEG_REF_SHIFT);
	default:
		return (uint32_t)rand() % 100;
	}
}

static void damage(uint64_t list)
{
	for (int n = 1 + rand() % 6; n > 0; n--) {
		uint32_t len = sizeof(struct seg_list) / 4;
		uint32_t *block = rand() % 4 ? live_block(object_index(list), (uint32_t)rand() % 9000, &len) : NULL;
		if (!block)
			block = (uint32_t *)body_of(list);
		uint32_t i = (uint32_t)rand() % (rand() % 2 && len > 12 ? 12 : len);
		block[i] = strange_number(block[i]);
	}
}

static void use(struct lane *by, uint64_t list)
{
	uint8_t bytes[32];
	struct span value = { bytes, value_put_int(rand() % 100, bytes) };
	int64_t at = rand() % N_ELEMENTS;
	struct list_slice slice = { .has_start = true, .start = at, .has_stop = true, .stop = at + rand() % 500, 1 };
	struct bytes out = { 0 };
	uint64_t number;
	uint32_t version = 0;
	slice.step = rand() % 4 ? 1 : 1 + rand() % 7;
	(void)list_get(by, list, at, &out);
	(void)list_insert(by, list, at, value, &number);
	(void)list_set(by, list, -at, value);
	(void)list_pop(by, list, at / 2, &out);
	(void)list_delete_slice(by, list, &slice, &number);
	(void)list_get_slice(by, list, &slice, 0, 100, &version, &number, &out);
	(void)list_index(by, list, value, &LIST_ALL, &number);
	(void)list_remove(by, list, value, &number);
	if (rand() % 20 == 0)
		(void)list_reverse(by, list);
	bytes_fini(&out);
}

static void use_all(struct lane *by, uint64_t list)
{
	struct object_info info;
	for (int i = 0; i < 30; i++) {
		/* Past the mark that the first damaged operation has set. */
		store64_relaxed(&seg.objects[object_index(list)].damaged, 0);
		use(by, list);
	}
	(void)object_describe(by, list, &info);
}

/* In a process and a segment of its own, so that a crash or a hang is seen. */
static int one_life(unsigned number, bool in_the_middle)
{
	alarm(SECONDS);
	srand(number);
	if (kit_begin(MEMORY))
		return 1;
	uint64_t list = make_list(N_ELEMENTS), other = make_list(500);
	struct lane victim = kit_lane(&seg);
	pid_t pid = in_the_middle ? fork() : -1;
	if (pid == 0) {
		fault_kill_at(rand() % 2 ? "list_write.made" : "list_settle.unchained", 1 + (unsigned)rand() % 40);
		use_all(&victim, list);
		_exit(0);
	}
	if (in_the_middle)
		waitpid(pid, NULL, 0);
	damage(list);
	if (owner_recover(&lane, victim.owner))
		return 2;
	use_all(&lane, list);
	if (object_delete(&lane, list))
		return 3;
	object_sweep(&lane);
	return length_of(other) == 500 && length_of(make_list(500)) == 500 ? 0 : 4;
}

static void lives_end_well(bool in_the_middle)
{
	for (unsigned number = 1; number <= N_LIVES; number++) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0)
			_exit(one_life(number, in_the_middle));
		waitpid(pid, &status, 0);
		CU_ASSERT_EQUAL(status, 0);
		if (status)
			printf("\n    life %u%s: status %x", number, in_the_middle ? ", in the middle" : "",
			       (unsigned)status);
	}
}

static void damage_stays_where_it_is(void)
{
	lives_end_well(false);
}

static void damage_stays_where_it_is_in_recovery(void)
{
	lives_end_well(true);
}

/* ---------------------------------------------------------------- more elements than there is memory for */

/* A node that leads n times to the same one below it. */
static uint64_t make_node(struct seg_list_node *node, uint32_t level, uint32_t n, uint64_t below)
{
	node->level = level;
	node->n = n;
	node->total = n * (uint64_t)list_elements(below);
	for (uint32_t i = 0; i < n; i++)
		node->entry[i] = below;
	return segment_ref(&seg, node) | node->total << 32;
}

static void a_few_nodes_are_no_long_list(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(MEMORY), 0);
	uint64_t list = make_list(N_ELEMENTS), other = make_list(500), n;
	struct seg_list *body = body_of(list);
	struct seg_list_node *root = segment_at(&seg, (uint32_t)body->top, sizeof(*root));
	struct seg_list_node *inner = segment_at(&seg, (uint32_t)root->entry[0], sizeof(*inner));
	uint64_t tree = inner->entry[0];
	uint8_t bytes[16];
	struct span value = { bytes, value_put_int(77, bytes) };
	for (uint32_t level = 1; level <= 5; level++) {
		struct seg_list_node *leaf = segment_at(&seg, (uint32_t)inner->entry[level], sizeof(*leaf));
		tree = make_node(leaf, level, level == 5 ? 5 : SEG_LIST_FAN, tree);
	}
	body->top = (body->top & 0xffffffff00000000ull) | (uint32_t)tree;
	alarm(SECONDS);
	CU_ASSERT_EQUAL(list_count(&lane, list, value, &n), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	alarm(0);
	CU_ASSERT_EQUAL(length_of(other), 500);
	kit_end();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_few_nodes_are_no_long_list),
		KIT_TEST(damage_stays_where_it_is),
		KIT_TEST(damage_stays_where_it_is_in_recovery),
	};
	return kit_run("list, damage", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
