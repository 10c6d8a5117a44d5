/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_QUEUE_DAMAGE_TEST_KIT_H
#define SABIR_OBJECTS_QUEUE_DAMAGE_TEST_KIT_H

/* A queue whose items a test writes over, and the proof that others have what they had. For queue_*_test.c only. */
#include "server/objects/keep.h"
#include "server/objects/queue_kind.h"
#include "server/objects/queue_test_kit.h"

#define ITEM_LEN 3000u
#define N_ITEMS 4u

/* A queue of N_ITEMS items of ITEM_LEN bytes, each of its number; put one by one, or as one chain. */
static inline uint64_t make(bool chained)
{
	uint8_t data[N_ITEMS][ITEM_LEN];
	struct queue_item items[N_ITEMS];
	uint32_t accepted;
	uint64_t q = make_queue(0);
	for (uint32_t i = 0; i < N_ITEMS; i++) {
		memset(data[i], (int)i, ITEM_LEN);
		items[i] = (struct queue_item){ .body = { data[i], ITEM_LEN } };
	}
	for (uint32_t i = 0; i < N_ITEMS; i += chained ? N_ITEMS : 1)
		CU_ASSERT_EQUAL(queue_put(&lane, q, &items[i], chained ? N_ITEMS : 1, &accepted), SABIR_OK);
	return q;
}

/* It has all that was put into it yet. */
static inline bool is_whole(uint64_t q)
{
	struct bytes out = { 0 };
	bool good = queue_get(&lane, q, N_ITEMS, &out) == SABIR_OK && out.n_items == N_ITEMS;
	for (size_t i = 0; good && i < N_ITEMS; i++) {
		struct span item = bytes_item(&out, i);
		good = item.len == ITEM_LEN && item.data[0] == i && item.data[ITEM_LEN - 1] == i;
	}
	bytes_fini(&out);
	return good;
}

/* The damaged one is deleted and its memory used; the other one has what it had. Both are gone then. */
static inline bool spares(uint64_t other, uint64_t damaged)
{
	bool good = object_delete(&lane, damaged) == SABIR_OK;
	kit_settle(&lane);
	uint64_t next = make(false);
	good &= is_whole(other) && is_whole(next);
	return object_delete(&lane, other) == SABIR_OK && object_delete(&lane, next) == SABIR_OK && good;
}

/* ---------------------------------------------------------------- what it is made of, to be damaged */

static inline struct seg_item *item_of(struct span value)
{
	return (struct seg_item *)(void *)(uintptr_t)value.data - 1;
}

static inline uint32_t ref_of(struct span value)
{
	return segment_ref(&seg, item_of(value));
}

static inline struct seg_queue *body_of(uint64_t q)
{
	return segment_at(&seg, seg.objects[object_index(q)].body, sizeof(struct seg_queue));
}

static inline struct seg_slots *first_slots(uint64_t q)
{
	return segment_at(&seg, (uint32_t)body_of(q)->head, sizeof(struct seg_slots));
}

/* The n-th slot's item. */
static inline struct seg_item *live_item(uint64_t q, uint32_t n)
{
	return segment_at(&seg, (uint32_t)first_slots(q)->slot[n], sizeof(struct seg_item));
}

/* ---------------------------------------------------------------- what is done to it */

static inline struct span borrow(uint64_t q, uint64_t number)
{
	struct span item = { NULL, 0 };
	CU_ASSERT_EQUAL_FATAL(queue_borrow(&lane, q, queue_borrower(number, lane.owner), &item), SABIR_OK);
	return item;
}

static inline enum sabir_error give_back(uint64_t q, uint64_t number)
{
	return queue_unhold(&lane, q, queue_borrower(number, lane.owner));
}

static inline enum sabir_error release(uint64_t q, uint64_t number)
{
	uint32_t gone;
	return queue_settle(&lane, q, queue_borrower(number, lane.owner), 1, &gone);
}

static inline enum sabir_error get(uint64_t q)
{
	struct bytes out = { 0 };
	enum sabir_error error = queue_get(&lane, q, 1, &out);
	bytes_fini(&out);
	return error;
}

static inline enum sabir_error peek(uint64_t q)
{
	struct bytes out = { 0 };
	enum sabir_error error = queue_peek(&lane, q, &out);
	bytes_fini(&out);
	return error;
}

static inline void get_open(uint64_t q, uint32_t n)
{
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL_FATAL(queue_get_open(&lane, q, n, &out, NULL), SABIR_OK);
	bytes_fini(&out);
}

static inline struct queue_slot reserve(uint64_t q)
{
	struct queue_slot slot = { NULL, 0, 0 };
	CU_ASSERT_EQUAL_FATAL(queue_reserve(&lane, q, (struct span){ NULL, 0 }, ITEM_LEN, &slot), SABIR_OK);
	memset(slot.data, 0, ITEM_LEN);
	return slot;
}

static inline enum sabir_error keep_it(uint64_t q)
{
	struct kept_queue kept;
	enum sabir_error error = keep_queue(&lane, q, &kept);
	if (!error)
		kept_queue_fini(&kept);
	return error;
}

#endif
