/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of raw memory: ranges, their ends, and the death of a writer. */
#include "server/objects/memory.h"

#include "server/objects/object_test_kit.h"

static int setup(void)
{
	return kit_begin(64 << 20);
}

static uint64_t make_block(uint64_t size)
{
	struct object_spec spec = { .kind = SEG_KIND_BLOCK, .length = size };
	return kit_make(&spec);
}

static void a_new_block_is_zero(void)
{
	uint64_t block = make_block(1000003), size = 0;
	uint8_t *bytes;
	void *at;
	CU_ASSERT_EQUAL(memory_map(&lane, block, &at, &size), SABIR_OK);
	CU_ASSERT_EQUAL(size, 1000003);
	bytes = at;
	for (uint64_t i = 0; i < size; i++)
		CU_ASSERT_EQUAL_FATAL(bytes[i], 0);
	memset(at, 0xff, size);
	object_delete(&lane, block);
	block = make_block(1000003);
	CU_ASSERT_EQUAL(memory_map(&lane, block, &at, &size), SABIR_OK);
	for (uint64_t i = 0; i < size; i++)
		CU_ASSERT_EQUAL_FATAL(((uint8_t *)at)[i], 0);
	object_delete(&lane, block);
}

static void every_range_is_written_and_read_exactly(void)
{
	uint8_t model[64] = { 0 }, from[64], to[64];
	uint64_t block = make_block(sizeof(model));
	for (uint64_t off = 0; off <= sizeof(model); off++) {
		for (uint64_t len = 0; len <= sizeof(model) - off; len++) {
			memset(from, (int)(off * 7 + len), len);
			memcpy(model + off, from, len);
			CU_ASSERT_EQUAL_FATAL(memory_write(&lane, block, off, (struct span){ from, len }), SABIR_OK);
			memset(to, 0xee, sizeof(to));
			CU_ASSERT_EQUAL_FATAL(memory_copy(&lane, block, 0, sizeof(to), to), SABIR_OK);
			CU_ASSERT_EQUAL_FATAL(memcmp(to, model, sizeof(to)), 0);
			CU_ASSERT_EQUAL_FATAL(memory_copy(&lane, block, off, len, to), SABIR_OK);
			CU_ASSERT_EQUAL_FATAL(memcmp(to, model + off, len), 0);
		}
	}
	object_delete(&lane, block);
}

static void what_ends_behind_the_end_is_out_of_range(void)
{
	uint64_t block = make_block(10), size = 0;
	uint8_t byte = 1;
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(memory_write(&lane, block, 10, (struct span){ &byte, 1 }), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(memory_write(&lane, block, UINT64_MAX, (struct span){ &byte, 1 }), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(memory_read(&lane, block, 5, 6, &out), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(memory_read(&lane, block, 5, UINT64_MAX, &out), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(memory_read(&lane, block, 10, 0, &out), SABIR_OK);
	CU_ASSERT(out.n_items == 1 && out.len == 0);
	CU_ASSERT(memory_size(&lane, block, &size) == SABIR_OK && size == 10);
	bytes_fini(&out);
	struct object_spec huge = { .kind = SEG_KIND_BLOCK, .length = UINT64_MAX };
	uint64_t handle;
	CU_ASSERT_EQUAL(object_create(&lane, (struct span){ NULL, 0 }, &huge, false, &handle), SABIR_TOO_LARGE);
	object_delete(&lane, block);
	CU_ASSERT_EQUAL(memory_size(&lane, block, &size), SABIR_DELETED);
}

static void write_ones(struct lane *by, void *context)
{
	uint8_t ones[24];
	memset(ones, 1, sizeof(ones));
	(void)memory_write(by, *(uint64_t *)context, 8, (struct span){ ones, sizeof(ones) });
}

static void a_writer_that_dies_has_written_whole_words(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		uint64_t block = make_block(32), words[4];
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, write_ones, &dying, &block));
		if (i)
			CU_ASSERT(kit_die_at(&steps->at[i - 1], write_ones, &dying, &block));
		CU_ASSERT_EQUAL(owner_recover(&lane, dying.owner), SABIR_OK);
		CU_ASSERT_EQUAL(memory_copy(&lane, block, 0, sizeof(words), words), SABIR_OK);
		for (int w = 0; w < 4; w++)
			CU_ASSERT(words[w] == 0 || words[w] == 0x0101010101010101ull);
		object_delete(&lane, block);
	}
	munmap(steps, sizeof(*steps));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_new_block_is_zero),
		KIT_TEST(every_range_is_written_and_read_exactly),
		KIT_TEST(what_ends_behind_the_end_is_out_of_range),
		KIT_TEST(a_writer_that_dies_has_written_whole_words),
	};
	return kit_run("memory", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
