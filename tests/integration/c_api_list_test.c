/* SPDX-License-Identifier: Apache-2.0 */
/* The lists' part of the C API against a real server. */
#include "tests/integration/c_api.h"

static struct sabir_list *new_list(const int64_t *numbers, size_t n)
{
	struct sabir_item items[16];
	struct sabir_list *l;
	NEED(sabir_list_create(conn, NULL, 0, &l));
	for (size_t i = 0; i < n; i++)
		items[i] = sabir_int(numbers[i]);
	NEED(sabir_list_extend(l, items, n));
	return l;
}

static void drop(struct sabir_list *l)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_list_handle(l)));
	sabir_list_free(l);
}

#define LIST(...) new_list((const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define IS(list, ...)                                                                                                  \
	holds(list, (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

static bool holds(struct sabir_list *l, const int64_t *numbers, size_t n)
{
	struct sabir_item *items;
	size_t n_items;
	uint64_t length;
	NEED(sabir_list_get_slice(l, NULL, &items, &n_items));
	NEED(sabir_list_len(l, &length));
	bool same = n_items == n && length == n;
	for (size_t i = 0; same && i < n; i++)
		same = is_int(&items[i], numbers[i]);
	sabir_free(items);
	return same;
}

static void one_item_is_put_got_and_deleted(void)
{
	struct sabir_list *l = LIST(1, 2, 3);
	struct sabir_item four = sabir_int(4), five = sabir_int(5), *item;
	CHECK_OK(sabir_list_append(l, &four));
	CHECK_OK(sabir_list_insert(l, -100, &five));
	CHECK_OK(sabir_list_set(l, -1, &five));
	CHECK(IS(l, 5, 1, 2, 3, 5));
	NEED(sabir_list_get(l, -2, &item));
	CHECK(is_int(item, 3));
	sabir_free(item);
	NEED(sabir_list_pop(l, 0, &item));
	CHECK(is_int(item, 5));
	sabir_free(item);
	CHECK_OK(sabir_list_delete(l, 1));
	CHECK(IS(l, 1, 3, 5));
	CHECK_ERROR(sabir_list_get(l, 3, &item), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_list_set(l, -4, &four), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_list_delete(l, 3), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_list_clear(l, NULL));
	CHECK_ERROR(sabir_list_pop(l, -1, &item), SABIR_EMPTY);
	drop(l);
}

static void slices_are_those_of_python(void)
{
	struct sabir_list *l = LIST(0, 1, 2, 3, 4, 5, 6, 7);
	struct sabir_slice odd = { 1, SABIR_SLICE_OPEN, 2 }, back = { SABIR_SLICE_OPEN, 4, -1 }, none = { 0, 1, 0 };
	struct sabir_item nines[4], *items;
	uint64_t removed;
	size_t n;
	for (int i = 0; i < 4; i++)
		nines[i] = sabir_int(9);
	CHECK_OK(sabir_list_set_slice(l, &odd, nines, 4));
	CHECK(IS(l, 0, 9, 2, 9, 4, 9, 6, 9));
	CHECK_ERROR(sabir_list_set_slice(l, &odd, nines, 3), SABIR_INVALID_ARGUMENT);
	NEED(sabir_list_get_slice(l, &back, &items, &n));
	CHECK(n == 3 && is_int(&items[0], 9) && is_int(&items[1], 6));
	sabir_free(items);
	CHECK_ERROR(sabir_list_get_slice(l, &none, &items, &n), SABIR_INVALID_ARGUMENT);
	CHECK(!sabir_list_delete_slice(l, &odd, &removed) && removed == 4);
	CHECK_OK(sabir_list_set_slice(l, &(struct sabir_slice){ 1, 3, 1 }, nines, 1));
	CHECK(IS(l, 0, 9, 6));
	drop(l);
}

static void items_are_found_by_value(void)
{
	struct sabir_list *l = LIST(3, 1, 2, 1);
	struct sabir_item one = sabir_double(1.0), text = sabir_text("1");
	uint64_t at;
	bool found;
	CHECK(!sabir_list_index(l, &one, SABIR_SLICE_OPEN, SABIR_SLICE_OPEN, &at) && at == 1);
	CHECK(!sabir_list_index(l, &one, 2, SABIR_SLICE_OPEN, &at) && at == 3);
	CHECK_ERROR(sabir_list_index(l, &one, 2, -1, &at), SABIR_VALUE_NOT_FOUND);
	CHECK(!sabir_list_count(l, &one, &at) && at == 2);
	CHECK(!sabir_list_contains(l, &text, &found) && !found);
	CHECK(!sabir_list_remove(l, &one, &at) && at == 1);
	CHECK_ERROR(sabir_list_remove(l, &text, NULL), SABIR_VALUE_NOT_FOUND);
	CHECK(IS(l, 3, 2, 1));
	drop(l);
}

static void all_of_it_is_moved(void)
{
	struct sabir_list *l = LIST(3, 1, 2), *other = LIST(7);
	struct sabir_item text = sabir_text("x"), *item;
	CHECK_OK(sabir_list_sort(l, NULL, false));
	CHECK(IS(l, 1, 2, 3));
	CHECK_OK(sabir_list_reverse(l));
	CHECK_OK(sabir_list_repeat(l, 2));
	CHECK(IS(l, 3, 2, 1, 3, 2, 1));
	CHECK_OK(sabir_list_copy(l, &(struct sabir_slice){ 1, 3, 1 }, other, true));
	CHECK(IS(other, 7, 2, 1));
	CHECK_OK(sabir_list_copy(l, NULL, other, false));
	CHECK(IS(other, 3, 2, 1, 3, 2, 1));
	CHECK_OK(sabir_list_append(l, &text));
	CHECK_ERROR(sabir_list_sort(l, NULL, true), SABIR_WRONG_TYPE);
	CHECK(strstr(sabir_detail(), "have no order") != NULL);
	NEED(sabir_list_pop(l, -1, &item));
	CHECK(is_text(item, "x"));
	sabir_free(item);
	drop(l);
	drop(other);
}

/* More than one message holds. */
static void a_large_list_comes_whole(void)
{
	struct sabir_list *l;
	struct sabir_item *items, item;
	char *text = malloc(1 << 20);
	size_t n, total = 0;
	NEED(sabir_list_create(conn, NULL, 0, &l));
	memset(text, 'x', 1 << 20);
	item = sabir_text_n(text, 1 << 20);
	for (int i = 0; i < 40; i++)
		CHECK_OK(sabir_list_append(l, &item));
	NEED(sabir_list_get_slice(l, &(struct sabir_slice){ SABIR_SLICE_OPEN, SABIR_SLICE_OPEN, -1 }, &items, &n));
	for (size_t i = 0; i < n; i++)
		total += items[i].len;
	CHECK(n == 40 && total == (size_t)40 << 20);
	sabir_free(items);
	free(text);
	drop(l);
}

static void a_shared_list_has_a_fixed_shape(void)
{
	struct sabir_item items[] = { sabir_int(1), sabir_text("text"), sabir_null() }, *item;
	struct sabir_item longer = sabir_text("1234567"), too_long = sabir_text("123456789"), object = sabir_object(5);
	sabir_shared_list *l;
	uint64_t n;
	NEED(sabir_shared_list_create(conn, NULL, items, 3, 0, &l));
	CHECK(!sabir_shared_list_len(l, &n) && n == 3);
	CHECK_OK(sabir_shared_list_set(l, 1, &longer));
	CHECK_OK(sabir_shared_list_set(l, -1, &longer));
	CHECK_ERROR(sabir_shared_list_set(l, 1, &too_long), SABIR_TOO_LARGE);
	CHECK_ERROR(sabir_shared_list_set(l, 1, &object), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_shared_list_set(l, 3, &longer), SABIR_OUT_OF_RANGE);
	NEED(sabir_shared_list_get(l, 2, &item));
	CHECK(is_text(item, "1234567"));
	sabir_free(item);
	CHECK(!sabir_shared_list_index(l, &longer, &n) && n == 1);
	CHECK(!sabir_shared_list_count(l, &longer, &n) && n == 2);
	CHECK_ERROR(sabir_shared_list_index(l, &object, &n), SABIR_VALUE_NOT_FOUND);
	struct sabir_item *all;
	size_t n_all;
	NEED(sabir_shared_list_items(l, &all, &n_all));
	CHECK(n_all == 3 && is_text(&all[1], "1234567") && is_text(&all[2], "1234567"));
	sabir_free(all);
	CHECK_OK(sabir_delete_handle(conn, sabir_shared_list_handle(l)));
	CHECK_ERROR(sabir_shared_list_get(l, 2, &item), SABIR_DELETED);
	CHECK_ERROR(sabir_shared_list_items(l, &all, &n_all), SABIR_DELETED);
	sabir_shared_list_free(l);
	CHECK_ERROR(sabir_shared_list_create(conn, NULL, &object, 1, 0, &l), SABIR_WRONG_TYPE);
}

static void names_lead_to_the_same_list(void)
{
	struct sabir_list *l, *again;
	struct sabir_item items[2] = { sabir_int(1), sabir_bool(true) };
	sabir_shared_list *shared, *other;
	const char *name = name_of("list"), *shared_name = name_of("shared");
	NEED(sabir_list_create(conn, name, 0, &l));
	NEED(sabir_list_create(conn, name, SABIR_EXIST_OK, &again));
	CHECK(sabir_list_handle(l) == sabir_list_handle(again));
	NEED(sabir_shared_list_create(conn, shared_name, items, 2, 0, &shared));
	CHECK_OK(sabir_shared_list_create(conn, shared_name, items, 2, SABIR_EXIST_OK, &other));
	sabir_shared_list_free(other);
	CHECK_ERROR(sabir_shared_list_create(conn, shared_name, items, 1, SABIR_EXIST_OK, &other),
		    SABIR_ALREADY_EXISTS);
	CHECK_ERROR(sabir_shared_list_open(conn, name, &other), SABIR_WRONG_KIND);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_OK(sabir_delete(conn, shared_name));
	sabir_list_free(l);
	sabir_list_free(again);
	sabir_shared_list_free(shared);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(one_item_is_put_got_and_deleted), TEST(slices_are_those_of_python),
		TEST(items_are_found_by_value),        TEST(all_of_it_is_moved),
		TEST(a_large_list_comes_whole),        TEST(a_shared_list_has_a_fixed_shape),
		TEST(names_lead_to_the_same_list),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
