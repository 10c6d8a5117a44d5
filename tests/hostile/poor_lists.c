/* SPDX-License-Identifier: Apache-2.0 */
/* What poor programs do with lists, shared lists, values, arrays and blocks. */
#include <string.h>

#include "tests/hostile/hostile.h"

#define TIMES 8

static void got(struct me *me, enum sabir_error error, struct sabir_item *const *item)
{
	if (error)
		return;
	poor_got(me, *item);
	sabir_free(*item);
}

static void look_at_list(struct me *me, struct sabir_list *list)
{
	const struct sabir_slice slice = { 0, SABIR_SLICE_OPEN, 2 };
	struct sabir_item *items = NULL, item = sabir_int(3);
	uint64_t number;
	size_t n;
	switch (hostile_random(me, 4)) {
	case 0:
		if (!CALL(me, sabir_list_get_slice(list, &slice, &items, &n)))
			sabir_free(items);
		break;
	case 1:
		CALL(me, sabir_list_index(list, &item, 0, SABIR_SLICE_OPEN, &number));
		break;
	case 2:
		CALL(me, sabir_list_count(list, &item, &number));
		break;
	default:
		CALL(me, sabir_list_len(list, &number));
	}
}

static void change_list(struct me *me, struct sabir_list *list)
{
	const struct sabir_slice slice = { 1, 4, 1 };
	const struct sabir_item items[3] = { poor_item(me), sabir_int(1), sabir_text("a text that is longer than 7") };
	switch (hostile_random(me, 9)) {
	case 0:
		CALL(me, sabir_list_extend(list, items, 3));
		break;
	case 1:
		CALL(me, sabir_list_set_slice(list, &slice, items, 3));
		break;
	case 2:
		CALL(me, sabir_list_delete_slice(list, &slice, NULL));
		break;
	case 3:
		CALL(me, sabir_list_reverse(list));
		break;
	case 4:
		CALL(me, sabir_list_sort(list, NULL, hostile_random(me, 2)));
		break;
	case 5:
		CALL(me, sabir_list_remove(list, &items[1], NULL));
		break;
	case 6:
		CALL(me, sabir_list_set(list, (int64_t)hostile_random(me, 20) - 10, &items[0]));
		break;
	case 7:
		CALL(me, sabir_list_repeat(list, hostile_random(me, 3)));
		break;
	default:
		if (hostile_random(me, 3) == 0)
			CALL(me, sabir_list_clear(list, NULL));
	}
}

void poor_list(struct me *me, const char *name)
{
	struct sabir_list *list = NULL;
	if (CALL(me, sabir_list_create(me->conn, name, SABIR_EXIST_OK, &list)))
		return;
	for (int i = 0; i < 2 * TIMES; i++) {
		struct sabir_item *found = NULL, item = poor_item(me);
		int64_t at = (int64_t)hostile_random(me, 20) - 10;
		uint32_t what = hostile_random(me, 10);
		if (what == 0)
			look_at_list(me, list);
		else if (what < 3)
			change_list(me, list);
		else if (what < 6)
			CALL(me, sabir_list_append(list, &item));
		else if (what == 6)
			CALL(me, sabir_list_insert(list, at, &item));
		else if (what == 7)
			got(me, CALL(me, sabir_list_pop(list, at, &found)), &found);
		else
			got(me, CALL(me, sabir_list_get(list, at, &found)), &found);
	}
	CALL(me, (sabir_list_free(list), SABIR_OK));
}

void poor_shared_list(struct me *me, const char *name)
{
	const struct sabir_item items[3] = { sabir_int(1), sabir_text("twelve bytes"), sabir_double(0.5) };
	sabir_shared_list *list = NULL;
	if (CALL(me, sabir_shared_list_create(me->conn, name, items, 3, SABIR_EXIST_OK, &list)))
		return;
	for (int i = 0; i < TIMES; i++) {
		struct sabir_item *found = NULL;
		uint64_t number;
		size_t n;
		uint32_t what = hostile_random(me, 5), at = hostile_random(me, 3);
		if (what == 0 && !CALL(me, sabir_shared_list_items(list, &found, &n)))
			sabir_free(found);
		else if (what == 1)
			CALL(me, sabir_shared_list_index(list, &items[at], &number));
		else if (what == 2)
			got(me, CALL(me, sabir_shared_list_get(list, at, &found)), &found);
		else
			CALL(me, sabir_shared_list_set(list, at, &items[at]));
	}
	CALL(me, (sabir_shared_list_free(list), SABIR_OK));
}

/* ---------------------------------------------------------------- numbers, bytes */

static void use_value(struct me *me, sabir_value *value)
{
	const struct sabir_item one = sabir_int(1), two = sabir_int(2);
	struct sabir_item found;
	uint64_t timeout_ns = poor_time(me);
	bool done;
	switch (hostile_random(me, 6)) {
	case 0:
		CALL(me, sabir_value_compare_exchange(value, &one, &two, &done, &found));
		break;
	case 1:
		if (!CALL_FOR(me, timeout_ns, sabir_value_lock(value, timeout_ns)))
			CALL(me, sabir_value_unlock(value));
		break;
	case 2:
		CALL_FOR(me, timeout_ns, sabir_value_wait(value, &one, timeout_ns, &found));
		break;
	case 3:
		CALL(me, sabir_value_exchange(value, &two, &found));
		break;
	case 4:
		CALL(me, sabir_value_get(value, &found));
		break;
	default:
		CALL(me, sabir_value_add_int(value, 1, NULL));
	}
}

void poor_value(struct me *me, const char *name)
{
	sabir_value *value = NULL;
	if (CALL(me, sabir_value_create(me->conn, name, 'i', SABIR_EXIST_OK, &value)))
		return;
	for (int i = 0; i < TIMES; i++)
		use_value(me, value);
	CALL(me, (sabir_value_free(value), SABIR_OK));
}

static void use_array(struct me *me, sabir_array *array)
{
	const struct sabir_item one = sabir_int(1), two = sabir_int(2);
	struct sabir_item found;
	int32_t slice[64] = { 0 };
	uint64_t timeout_ns = poor_time(me), first = hostile_random(me, 64),
		 n = hostile_random(me, 65 - (uint32_t)first);
	bool done;
	switch (hostile_random(me, 7)) {
	case 0:
		CALL(me, sabir_array_get_slice(array, first, n, slice));
		break;
	case 1:
		CALL(me, sabir_array_set_slice(array, first, n, slice));
		break;
	case 2:
		CALL(me, sabir_array_fill(array, first, n, &one));
		break;
	case 3:
		CALL(me, sabir_array_compare_exchange(array, 5, &one, &two, &done, &found));
		break;
	case 4:
		if (!CALL_FOR(me, timeout_ns, sabir_array_lock(array, timeout_ns)))
			CALL(me, sabir_array_unlock(array));
		break;
	case 5:
		CALL(me, sabir_array_get(array, (int64_t)first, &found));
		break;
	default:
		CALL(me, sabir_array_add_int(array, (int64_t)first, 1, NULL));
	}
}

void poor_array(struct me *me, const char *name)
{
	sabir_array *array = NULL;
	if (CALL(me, sabir_array_create(me->conn, name, 'i', 64, SABIR_EXIST_OK, &array)))
		return;
	for (int i = 0; i < TIMES && sabir_array_width(array) == sizeof(int32_t); i++)
		use_array(me, array);
	CALL(me, (sabir_array_free(array), SABIR_OK));
}

void poor_block(struct me *me, const char *name)
{
	uint8_t bytes[200] = { 1 };
	sabir_block *block = NULL;
	void *mapped;
	uint64_t size = 0;
	if (CALL(me, sabir_block_create(me->conn, name, 5000, SABIR_EXIST_OK, &block)))
		return;
	for (int i = 0; i < TIMES; i++) {
		uint32_t at = hostile_random(me, 4800);
		if (hostile_random(me, 2))
			CALL(me, sabir_block_read(block, at, sizeof(bytes), bytes));
		else
			CALL(me, sabir_block_write(block, at, sizeof(bytes), bytes));
		CALL(me, sabir_block_size(block, &size));
	}
	if (me->local && !CALL(me, sabir_block_map(block, &mapped, &size)))
		(void)((volatile uint8_t *)mapped)[size - 1];
	CALL(me, (sabir_block_free(block), SABIR_OK));
}
