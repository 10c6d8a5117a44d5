/* SPDX-License-Identifier: Apache-2.0 */
/* The dict on damaged memory: DATA_LOSS, a miss or a wrong answer, but no crash and no hang. */
#include "server/base/clock.h"
#include "server/objects/dict_parts.h"
#include "server/objects/dict_test_kit.h"
#include "server/objects/task_queue.h"

#define N_ENTRIES 300
#define SECONDS 20u /* a hang, on the slowest machine */

/* ---------------------------------------------------------------- damage */

static uint32_t *nth_live_block(uint32_t index, uint32_t n, uint32_t *len)
{
	uint32_t end = (uint32_t)(seg.size >> SEG_REF_SHIFT), seen = 0;
	for (int round = 0; round < 2; round++) {
		for (uint32_t ref = (uint32_t)(seg.data_off >> SEG_REF_SHIFT); ref < end; ref++) {
			uint64_t size = block_size(&seg, ref);
			struct seg_block *block = size ? segment_at(&seg, ref, size) : NULL;
			if (!block || block_state(block->word) != SEG_BLOCK_LIVE || block_object(block->word) != index)
				continue;
			if (seen++ < n)
				continue;
			*len = (uint32_t)(size / 4);
			return (uint32_t *)block;
		}
		n = seen ? n % seen : 0;
		seen = 0;
	}
	return NULL;
}

static uint32_t strange_number(uint32_t old)
{
	switch (rand() % 7) {
	case 0:
		return 0;
	case 1:
		return UINT32_MAX;
	case 2:
		return old ^ 1u << rand() % 32;
	case 3:
		return old + 1;
	case 4:
		return (uint32_t)((seg.data_off >> SEG_REF_SHIFT) +
				  (uint32_t)rand() % (uint32_t)((seg.size - seg.data_off) >> SEG_REF_SHIFT));
	case 5:
		return (uint32_t)rand() % 100;
	default:
		return (uint32_t)rand() << 16 ^ (uint32_t)rand();
	}
}

/* Strange numbers in some words of the dict's blocks; in the body, or in the first words of the others, often. */
static void damage(uint64_t d)
{
	uint32_t *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(struct seg_dict));
	for (int n = 1 + rand() % 4; n > 0; n--) {
		uint32_t len = sizeof(struct seg_dict) / 4;
		uint32_t *block = rand() % 3 ? nth_live_block(object_index(d), (uint32_t)rand() % 1000, &len) : body;
		if (!block)
			block = body;
		uint32_t most = rand() % 2 && len > 20 ? 20 : len;
		uint32_t i = (uint32_t)rand() % most;
		block[i] = strange_number(block[i]);
	}
}

/* ---------------------------------------------------------------- use */

static enum sabir_error flip(void *context, struct span now, struct span *next, bool *write)
{
	*next = now.data ? (struct span){ NULL, 0 } : number_span(context);
	*write = true;
	return SABIR_OK;
}

/* Entries that end, and the clock that ends them. */
static bool timed;

static enum sabir_error set_to_end(uint64_t d, uint64_t key)
{
	uint64_t value = key;
	const struct dict_entry entry = { .key = number_span(&key),
					  .value = number_span(&value),
					  .ends = dict_end_after((1 + key % 50) * CLOCK_MILLISECOND) };
	bool inserted;
	return dict_set_entry(&lane, d, &entry, &inserted);
}

static void use_time(uint64_t d, uint64_t key)
{
	uint64_t left;
	(void)set_to_end(d, key + key % 4);
	(void)dict_expire(&lane, d, number_span(&key), dict_end_after(key % 9 * CLOCK_MILLISECOND));
	(void)dict_ttl(&lane, d, number_span(&key), &left);
	task_clock_ahead_ns += key % 3 * CLOCK_MILLISECOND;
	if (key % 11 == 0)
		(void)dict_remove_due(&lane, d);
}

static void use_key(uint64_t d, uint64_t key)
{
	struct bytes out = { 0 };
	bool found;
	dict_get(&lane, d, number_span(&key), &out);
	dict_contains(&lane, d, number_span(&key), &found);
	if (key % 3 == 0)
		set(&lane, d, key, key);
	if (key % 3 == 1)
		dict_pop(&lane, d, number_span(&key), &out);
	if (key % 3 == 2)
		dict_modify(&lane, d, number_span(&key), flip, &key);
	set(&lane, d, key + 1000, key);
	if (key % 7 == 0)
		dict_popitem(&lane, d, &out);
	bytes_fini(&out);
}

static void use_pages(uint64_t d)
{
	uint64_t cursor = 0;
	for (int i = 0; i < 100; i++) {
		struct bytes out = { 0 };
		enum sabir_error error = dict_page(&lane, d, DICT_ITEMS, 50, &cursor, &out);
		bytes_fini(&out);
		if (error || !cursor)
			break;
	}
}

static void use_again(uint64_t d)
{
	/* Past the mark that the first damaged operation has set. */
	store64_relaxed(&seg.objects[object_index(d)].damaged, 0);
}

static void use_all(uint64_t d)
{
	struct object_info info;
	uint64_t removed;
	use_pages(d);
	for (uint64_t key = 0; key < N_ENTRIES; key += 1 + (uint64_t)rand() % 5) {
		use_again(d);
		use_key(d, key);
		if (timed)
			use_time(d, key);
	}
	use_again(d);
	object_describe(&lane, d, &info);
	use_pages(d);
	if (rand() % 2)
		dict_clear(&lane, d, &removed);
	for (uint64_t key = 0; key < 50; key++)
		set(&lane, d, key, key);
}

/* In a process and a segment of its own, so that a crash or a hang is seen. */
static int one_life(unsigned seed, bool in_the_middle)
{
	alarm(SECONDS);
	srand(seed);
	if (kit_begin(8 << 20))
		return 1;
	uint64_t d = make_dict(), other = make_dict(), got = 0;
	for (uint64_t i = 0; i < 40; i++)
		set(&lane, other, i, i);
	for (uint64_t i = 0; i < N_ENTRIES; i++)
		if (!timed || i % 2 || set_to_end(d, i))
			set(&lane, d, i, i);
	struct lane victim = kit_lane(&seg);
	if (in_the_middle) { /* what the recovery finds is damaged */
		pid_t pid = fork();
		if (pid == 0) {
			fault_kill_at(rand() % 2 ? "journal.stored" : "dict_write.committed",
				      1 + (unsigned)rand() % 40);
			lane = victim;
			use_all(d);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	damage(d);
	if (owner_recover(&lane, victim.owner))
		return 2;
	use_all(d);
	/* Memory may be lost with a damaged dict; other objects and the server go on. */
	if (object_delete(&lane, d))
		return 3;
	object_sweep(&lane);
	for (uint64_t i = 0; i < 40; i++)
		if (get(&lane, other, i, &got) || got != i)
			return 4;
	return 0;
}

static void lives_end_well(unsigned n, bool in_the_middle)
{
	for (unsigned seed = 1; seed <= n; seed++) {
		int status = 0;
		pid_t pid = fork();
		if (pid == 0)
			_exit(one_life(seed, in_the_middle));
		waitpid(pid, &status, 0);
		CU_ASSERT_EQUAL(status, 0);
		if (status)
			printf("\n    seed %u%s: status %x", seed, in_the_middle ? ", in the middle" : "",
			       (unsigned)status);
	}
}

static void damage_stays_where_it_is(void)
{
	lives_end_well(400, false);
}

static void damage_stays_where_it_is_in_recovery(void)
{
	lives_end_well(300, true);
}

/* The ends of entries, and the list by which they are found, are damaged as well. */
static void damage_to_entries_that_end_stays_where_it_is(void)
{
	timed = true;
	lives_end_well(300, false);
	lives_end_well(200, true);
	timed = false;
}

/* ---------------------------------------------------------------- plain cases */

/* Whoever removes what is due finds it by this list; what is on it must be the dict's, and have an end. */
static void a_strange_first_end_is_data_loss(void)
{
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), other = make_dict(), n;
		set(&lane, other, 1, 1);
		CU_ASSERT_EQUAL(set_to_end(d, 1), SABIR_OK);
		struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		struct seg_dict *others = segment_at(&seg, seg.objects[object_index(other)].body, sizeof(*body));
		struct seg_timed *version = segment_at(&seg, body->timed[0], sizeof(*version));
		if (i == 0)
			body->timed[0] = 0xfffffff0;
		else if (i == 1)
			body->timed[0] = others->tables; /* another dict's block */
		else
			version->end.key = 0;
		task_clock_ahead_ns += CLOCK_SECOND;
		CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(length_of(other), 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		kit_end();
	}
}

static void a_ref_out_of_bounds_is_data_loss(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
	uint64_t d = make_dict(), got;
	set(&lane, d, 1, 1);
	struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
	body->tables = 0xfffffff0;
	CU_ASSERT_EQUAL(get(&lane, d, 1, &got), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(length_of(make_dict()), 0); /* others go on */
	uint64_t n = 77;
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(n, 77);
	CU_ASSERT_EQUAL(set(&lane, d, 2, 2), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
	kit_end();
}

static struct seg_node *node_of(uint64_t d, uint64_t key)
{
	struct dict_key k = { number_span(&key), 0 };
	struct dict_found found = { .now = 0 };
	struct dict view;
	CU_ASSERT_EQUAL_FATAL(dict_enter(&lane, SEG_OP_READ, d, &view), SABIR_OK);
	k.hash = dict_hash(&view, k.bytes);
	CU_ASSERT_EQUAL_FATAL(dict_look(&view, &k, &found), SABIR_OK);
	object_leave(&lane);
	return found.node;
}

/* Else others would use one block at the same time. What the lane has in its cache makes a difference. */
static void a_node_that_is_its_own_version_is_freed_once(void)
{
	for (uint32_t i = 0; i < 80; i++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), others[2] = { make_dict(), make_dict() }, got = 0;
		for (uint64_t key = 0; key < 2 + i / 4; key++)
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
		struct seg_node *node = node_of(d, 1);
		struct seg_version *version = segment_at(&seg, node->block.next, sizeof(*version));
		if (i % 2)
			version->block.next = node->block.next;
		else
			node->block.next = segment_ref(&seg, node);
		if (i % 4 < 2)
			(void)del(&lane, d, 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		for (uint64_t key = 0; key < 40; key++)
			CU_ASSERT_EQUAL(set(&lane, others[key % 2], key, key), SABIR_OK);
		for (uint64_t key = 0; key < 40; key++)
			CU_ASSERT(get(&lane, others[key % 2], key, &got) == SABIR_OK && got == key);
		kit_end();
	}
}

/* A write of many has a list of its versions, which who takes the lock next works off. */
static void a_list_of_pending_versions_that_is_a_ring_ends(void)
{
	for (uint32_t n = 1; n <= 3; n++) {
		CU_ASSERT_EQUAL_FATAL(kit_begin(8 << 20), 0);
		uint64_t d = make_dict(), other = make_dict();
		struct seg_dict *body = segment_at(&seg, seg.objects[object_index(d)].body, sizeof(*body));
		struct seg_version *version[3];
		set(&lane, other, 1, 1);
		for (uint64_t key = 0; key < n; key++) {
			CU_ASSERT_EQUAL(set(&lane, d, key, key), SABIR_OK);
			version[key] = segment_at(&seg, node_of(d, key)->block.next, sizeof(**version));
		}
		for (uint32_t i = 0; i < n; i++)
			version[i]->pending_next = segment_ref(&seg, version[(i + 1) % n]);
		body->pending = segment_ref(&seg, version[0]);
		alarm(SECONDS);
		(void)set(&lane, d, 100, 1);
		CU_ASSERT_EQUAL(object_delete(&lane, d), SABIR_OK);
		alarm(0);
		CU_ASSERT_EQUAL(length_of(other), 1);
		kit_end();
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_ref_out_of_bounds_is_data_loss),
		KIT_TEST(a_strange_first_end_is_data_loss),
		KIT_TEST(a_list_of_pending_versions_that_is_a_ring_ends),
		KIT_TEST(a_node_that_is_its_own_version_is_freed_once),
		KIT_TEST(damage_stays_where_it_is),
		KIT_TEST(damage_to_entries_that_end_stays_where_it_is),
		KIT_TEST(damage_stays_where_it_is_in_recovery),
	};
	return kit_run("dict, damage", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
