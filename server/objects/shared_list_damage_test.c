/* SPDX-License-Identifier: Apache-2.0 */
/* The shared list on damaged memory: DATA_LOSS or a wrong answer, but no crash and no hang, and nobody else is hurt. */
#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/keep.h"
#include "server/objects/object_damage_test_kit.h"
#include "server/objects/shared_list.h"

#define N_ELEMENTS 200u
#define N_OTHERS 50u

/* Numbers and texts of 16 bytes by turns. */
static uint64_t make_list(uint32_t n)
{
	uint8_t *message = malloc(64 * (size_t)n), *p = message, bytes[2][32] = { 0 };
	const struct span values[2] = { { bytes[0], value_put_int(5, bytes[0]) },
					{ bytes[1], value_head_bytes(VALUE_TEXT, 16, bytes[1]) + 16 } };
	memset(bytes[1] + values[1].len - 16, 'x', 16);
	for (uint32_t i = 0; i < n; i++)
		p = wire_put_bytes(p, 1, values[i % 2].data, values[i % 2].len);
	struct object_spec spec = { .kind = SEG_KIND_SHARED_LIST, .initial = { message, (size_t)(p - message) } };
	uint64_t list = kit_make(&spec);
	free(message);
	return list;
}

static uint64_t make_damaged(void)
{
	return make_list(N_ELEMENTS);
}

static uint64_t make_other(void)
{
	return make_list(N_OTHERS);
}

static bool is_whole(uint64_t other)
{
	uint8_t bytes[16];
	uint64_t n = 0;
	return shared_list_count(&lane, other, (struct span){ bytes, value_put_int(5, bytes) }, &n) == SABIR_OK &&
	       n == N_OTHERS / 2;
}

static void use(uint64_t list)
{
	uint8_t bytes[16];
	struct span value = { bytes, value_put_int(rand() % 10, bytes) };
	struct object_info info;
	struct bytes out = { 0 };
	uint64_t n;
	for (int i = 0; i < 50; i++) {
		use_again(list);
		(void)shared_list_set(&lane, list, rand() % (int)N_ELEMENTS, value);
		(void)shared_list_get(&lane, list, -(rand() % (int)N_ELEMENTS), &out);
		(void)shared_list_page(&lane, list, (uint64_t)rand() % N_ELEMENTS, 20, &n, &out);
		(void)shared_list_index(&lane, list, value, &n);
		(void)shared_list_count(&lane, list, value, &n);
		(void)keep_shared_list(&lane, list, &out);
		(void)object_describe(&lane, list, &info);
		bytes_fini(&out);
	}
}

static const struct kind_life life_of_a_shared_list = {
	.make = make_damaged,
	.make_other = make_other,
	.is_whole = is_whole,
	.use = use,
	.body_len = sizeof(struct seg_shared_list) + N_ELEMENTS * sizeof(struct seg_shared_slot),
	.deaths = { "shared_list.written", "shared_list.published" },
};

static void damage_stays_where_it_is(void)
{
	lives_end_well(&life_of_a_shared_list, 200, false);
	lives_end_well(&life_of_a_shared_list, 50, true);
}

/* Each is as long as half of the list, so that they are thousands of times as long as it, together. */
static void elements_that_share_their_room_are_data_loss(void)
{
	CU_ASSERT_EQUAL_FATAL(kit_begin(64 << 20), 0);
	const uint32_t n_elements = 60000;
	uint8_t bytes[16];
	struct span value = { bytes, value_put_int(7, bytes) };
	uint64_t list = make_list(n_elements), other = make_other(), n;
	struct seg_shared_list *body = segment_at(&seg, seg.objects[object_index(list)].body, sizeof(*body));
	struct seg_shared_slot *slot = (struct seg_shared_slot *)(body + 1);
	uint32_t off = slot->room_off, room = (uint32_t)(block_size(&seg, segment_ref(&seg, body)) - off) / 2;
	struct bytes out = { 0 };
	for (uint32_t i = 0; i < n_elements; i++)
		slot[i] = (struct seg_shared_slot){ room, off, room };
	alarm(LIFE_SECONDS);
	CU_ASSERT_EQUAL(shared_list_count(&lane, list, value, &n), SABIR_DATA_LOSS);
	use_again(list);
	CU_ASSERT_EQUAL(shared_list_page(&lane, list, 0, n_elements, &n, &out), SABIR_DATA_LOSS);
	alarm(0);
	bytes_fini(&out);
	CU_ASSERT_EQUAL(object_delete(&lane, list), SABIR_OK);
	CU_ASSERT(is_whole(other));
	kit_end();
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(elements_that_share_their_room_are_data_loss),
		KIT_TEST(damage_stays_where_it_is),
	};
	return kit_run("shared list, damage", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
