/* SPDX-License-Identifier: Apache-2.0 */
/* The queue's part of the C API against a real server. */
#include <pthread.h>

#include "tests/integration/c_api.h"

static sabir_queue *new_queue(uint64_t max_items)
{
	sabir_queue *q;
	NEED(sabir_queue_create(conn, NULL, max_items, 0, &q));
	return q;
}

/* Deletes a test's queue. */
static void drop(sabir_queue *q)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

static enum sabir_error put_int(sabir_queue *q, int64_t v)
{
	struct sabir_item item = sabir_int(v);
	return sabir_queue_put(q, &item, 0);
}

static int64_t get_int(sabir_queue *q)
{
	struct sabir_item *item;
	NEED(sabir_queue_get(q, 0, &item));
	int64_t v = item->kind == SABIR_ITEM_INT ? item->as.i : -1;
	sabir_free(item);
	return v;
}

static void first_in_is_first_out(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_item *item;
	for (int i = 0; i < 100; i++)
		CHECK_OK(put_int(q, i));
	for (int i = 0; i < 100; i++)
		CHECK(get_int(q) == i);
	CHECK_OK(sabir_queue_put_text(q, "gr\xc3\xbc\xc3\x9f", SABIR_FOREVER));
	CHECK_OK(sabir_queue_get(q, SABIR_FOREVER, &item));
	CHECK(is_text(item, "gr\xc3\xbc\xc3\x9f"));
	sabir_free(item);
	drop(q);
}

static void every_kind_passes_through(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_item kinds[] = { sabir_null(),
				      sabir_bool(true),
				      sabir_int(-7),
				      sabir_uint(UINT64_MAX),
				      sabir_double(0.1),
				      sabir_text("t"),
				      sabir_bytes("\0\xff", 2),
				      sabir_timestamp(-1, 999999999),
				      sabir_object(sabir_queue_handle(q)),
				      sabir_opaque("application/x", "abc", 3) };
	struct sabir_item *item;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		CHECK_OK(sabir_queue_put(q, &kinds[i], 0));
		NEED(sabir_queue_get(q, 0, &item));
		CHECK(item->kind == kinds[i].kind && item->len == kinds[i].len && item->aux == kinds[i].aux);
		if (item->kind >= SABIR_ITEM_INT && item->kind <= SABIR_ITEM_DOUBLE)
			CHECK(item->as.u == kinds[i].as.u);
		if (item->len)
			CHECK(memcmp(item->as.data, kinds[i].as.data, item->len) == 0);
		sabir_free(item);
	}
	drop(q);
}

static void lists_pass_through(void)
{
	sabir_queue *q = new_queue(0);
	sabir_builder *b = sabir_builder_new();
	struct sabir_item list, one = sabir_int(1), *got, inner;
	struct sabir_reader reader;
	CHECK_OK(sabir_builder_begin_list(b));
	CHECK_OK(sabir_builder_append(b, &one));
	CHECK_OK(sabir_builder_end(b));
	CHECK_OK(sabir_builder_finish(b, &list));
	CHECK_OK(sabir_queue_put(q, &list, 0));
	NEED(sabir_queue_get(q, 0, &got));
	CHECK_OK(sabir_reader_init(&reader, got));
	CHECK_OK(sabir_reader_next(&reader, &inner));
	CHECK(is_int(&inner, 1));
	CHECK_ERROR(sabir_reader_next(&reader, &inner), SABIR_EMPTY);
	sabir_free(got);
	sabir_builder_free(b);
	drop(q);
}

static void sizes_up_to_a_mebibyte(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item item;
	size_t max = 1 << 20;
	char *data = malloc(max);
	for (size_t i = 0; i < max; i++)
		data[i] = (char)(i * 7);
	for (size_t len = 1; len <= max; len *= 4) {
		CHECK_OK(sabir_queue_put_bytes(q, data, len - 1, 0));
		CHECK_OK(sabir_queue_get_into(q, 0, &buffer, &item));
		CHECK(item.len == len - 1 && memcmp(item.as.data, data, item.len) == 0);
	}
	free(data);
	sabir_free(buffer.data);
	drop(q);
}

static void malformed_and_too_large_items_are_refused(void)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_QUEUE, .max_item_bytes = 100 };
	struct sabir_item bad = sabir_text("\xff"), rubbish = sabir_encoded("\x01\x02", 2);
	struct sabir_info info;
	sabir_queue *q;
	char data[100] = "";
	NEED(sabir_create(conn, NULL, &spec, 0, &info, NULL));
	CHECK(info.max_item_bytes == 100);
	NEED(sabir_queue_open_handle(conn, info.handle, &q));
	CHECK_ERROR(sabir_queue_put(q, &bad, 0), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_queue_put(q, &rubbish, 0), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_queue_put_bytes(q, data, 100, 0), SABIR_TOO_LARGE);
	CHECK_OK(sabir_queue_put_bytes(q, data, 98, 0));
	drop(q);
}

static void the_largest_item_fits_and_no_larger(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_info info;
	struct sabir_item item;
	NEED(sabir_describe_handle(conn, sabir_queue_handle(q), &info));
	size_t max = (size_t)info.max_item_bytes;
	char *data = malloc(max);
	memset(data, 'x', max);
	/* A tag and a length of four bytes stand in front. */
	CHECK_OK(sabir_queue_put_bytes(q, data, max - 5, 0));
	CHECK_ERROR(sabir_queue_put_bytes(q, data, max, 0), SABIR_TOO_LARGE);
	CHECK_OK(sabir_queue_get_into(q, 0, &buffer, &item));
	CHECK(item.len == max - 5 && memcmp(item.as.data, data, item.len) == 0);
	struct sabir_item two[] = { sabir_bytes(data, max), sabir_bytes(data, max) };
	CHECK_ERROR(sabir_queue_put_many(q, two, 2, 0, NULL), SABIR_TOO_LARGE);
	free(data);
	sabir_free(buffer.data);
	drop(q);
}

static void full_and_empty_end_with_the_time_out(void)
{
	sabir_queue *q = new_queue(2);
	struct sabir_item *item;
	bool flag;
	CHECK_ERROR(sabir_queue_get(q, 0, &item), SABIR_EMPTY);
	CHECK_ERROR(sabir_queue_get(q, 10 * SABIR_MILLISECOND, &item), SABIR_EMPTY);
	CHECK_ERROR(sabir_queue_peek(q, &item), SABIR_EMPTY);
	CHECK(!sabir_queue_empty(q, &flag) && flag);
	CHECK(!sabir_queue_full(q, &flag) && !flag);
	CHECK_OK(put_int(q, 1));
	CHECK_OK(put_int(q, 2));
	CHECK_ERROR(put_int(q, 3), SABIR_FULL);
	CHECK_ERROR(sabir_queue_put_text(q, "x", 10 * SABIR_MILLISECOND), SABIR_FULL);
	CHECK(!sabir_queue_empty(q, &flag) && !flag);
	CHECK(!sabir_queue_full(q, &flag) && flag);
	drop(q);
}

static void many_go_in_one_step(void)
{
	sabir_queue *q = new_queue(150);
	struct sabir_item items[100], *got;
	size_t n;
	for (int i = 0; i < 100; i++)
		items[i] = sabir_int(i);
	CHECK(!sabir_queue_put_many(q, items, 100, 0, &n) && n == 100);
	CHECK(!sabir_queue_put_many(q, items, 100, 0, &n) && n == 50);
	CHECK_ERROR(sabir_queue_put_many(q, items, 100, 0, &n), SABIR_FULL);
	NEED(sabir_queue_get_many(q, 120, 0, &got, &n));
	CHECK(n == 120);
	for (size_t i = 0; i < n; i++)
		CHECK(is_int(&got[i], (int64_t)(i % 100)));
	sabir_free(got);
	NEED(sabir_queue_get_many(q, 65536, SABIR_FOREVER, &got, &n));
	CHECK(n == 30 && is_int(&got[29], 49));
	sabir_free(got);
	CHECK_ERROR(sabir_queue_get_many(q, 10, SABIR_MILLISECOND, &got, &n), SABIR_EMPTY);
	drop(q);
}

static void batches_have_limits(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_item items[2] = { sabir_int(1), sabir_text("\xff") }, *got;
	uint64_t size = 77;
	size_t n;
	CHECK_ERROR(sabir_queue_put_many(q, items, 0, 0, &n), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_queue_put_many(q, items, 65537, 0, &n), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_queue_get_many(q, 0, 0, &got, &n), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_queue_get_many(q, 65537, 0, &got, &n), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_queue_put_many(q, items, 2, 0, &n), SABIR_INVALID_VALUE);
	CHECK(!sabir_queue_size(q, &size) && size == 0);
	drop(q);
}

static void get_into_reuses_the_buffer(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item items[3];
	size_t n;
	CHECK_OK(sabir_queue_put_text(q, "one", 0));
	CHECK_OK(sabir_queue_put_text(q, "two", 0));
	CHECK_OK(sabir_queue_put_text(q, "three", 0));
	CHECK_OK(sabir_queue_get_into(q, 0, &buffer, &items[0]));
	CHECK(is_text(&items[0], "one"));
	void *before = buffer.data;
	CHECK(!sabir_queue_get_many_into(q, 3, 0, &buffer, items, &n) && n == 2);
	CHECK(is_text(&items[0], "two") && is_text(&items[1], "three"));
	CHECK(buffer.data == before);
	CHECK_ERROR(sabir_queue_get_into(q, 0, &buffer, &items[0]), SABIR_EMPTY);
	sabir_free(buffer.data);
	drop(q);
}

static void peek_state_and_clear(void)
{
	sabir_queue *q = new_queue(5);
	struct sabir_queue_state state;
	struct sabir_item *item;
	uint64_t removed;
	CHECK_OK(put_int(q, 5));
	CHECK_OK(put_int(q, 6));
	NEED(sabir_queue_peek(q, &item));
	CHECK(is_int(item, 5));
	sabir_free(item);
	CHECK(!sabir_queue_state(q, &state) && state.size == 2 && state.max_items == 5 && !state.closed);
	CHECK(!sabir_queue_clear(q, &removed) && removed == 2);
	CHECK(!sabir_queue_clear(q, &removed) && removed == 0);
	CHECK_OK(sabir_queue_clear(q, NULL));
	drop(q);
}

static void closed_queue_drains(void)
{
	sabir_queue *q = new_queue(0);
	struct sabir_queue_state state;
	struct sabir_item *item;
	CHECK_OK(put_int(q, 1));
	CHECK_OK(sabir_queue_close(q));
	CHECK_OK(sabir_queue_close(q));
	CHECK_ERROR(put_int(q, 2), SABIR_CLOSED);
	CHECK(!sabir_queue_state(q, &state) && state.size == 1 && state.closed);
	CHECK(get_int(q) == 1);
	CHECK_ERROR(sabir_queue_get(q, SABIR_FOREVER, &item), SABIR_CLOSED);
	CHECK_ERROR(sabir_queue_peek(q, &item), SABIR_CLOSED);
	drop(q);
}

static void deleted_queue_is_told(void)
{
	sabir_queue *q = new_queue(0), *other;
	struct sabir_item *item;
	uint64_t size;
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	CHECK_ERROR(put_int(q, 1), SABIR_DELETED);
	CHECK_ERROR(sabir_queue_get(q, SABIR_FOREVER, &item), SABIR_DELETED);
	CHECK_ERROR(sabir_queue_size(q, &size), SABIR_DELETED);
	CHECK_ERROR(sabir_queue_close(q), SABIR_DELETED);
	CHECK_ERROR(sabir_queue_clear(q, NULL), SABIR_DELETED);
	CHECK_ERROR(sabir_queue_open_handle(conn, sabir_queue_handle(q), &other), SABIR_DELETED);
	sabir_queue_free(q);
}

struct waiter {
	sabir_queue *q;
	enum sabir_error error;
	int64_t got;
};

static void *wait_for_one(void *context)
{
	struct waiter *w = context;
	struct sabir_item *item;
	w->error = sabir_queue_get(w->q, SABIR_FOREVER, &item);
	if (!w->error) {
		w->got = item->as.i;
		sabir_free(item);
	}
	return NULL;
}

static void a_put_wakes_a_getter(void)
{
	pthread_t thread;
	struct waiter w = { .q = new_queue(0) };
	pthread_create(&thread, NULL, wait_for_one, &w);
	CHECK_OK(put_int(w.q, 42));
	pthread_join(thread, NULL);
	CHECK_OK(w.error);
	CHECK(w.got == 42);
	drop(w.q);
}

static void a_get_wakes_a_putter(void)
{
	sabir_queue *q = new_queue(1);
	pthread_t thread;
	struct waiter w = { .q = q };
	CHECK_OK(put_int(q, 1));
	pthread_create(&thread, NULL, wait_for_one, &w);
	CHECK_OK(sabir_queue_put_text(q, "2", 20 * SABIR_SECOND));
	pthread_join(thread, NULL);
	CHECK(w.got == 1);
	drop(q);
}

static void close_and_delete_wake_all(void)
{
	pthread_t threads[4];
	struct waiter w[4];
	sabir_queue *closed = new_queue(0), *deleted = new_queue(0);
	for (int i = 0; i < 4; i++) {
		w[i] = (struct waiter){ .q = i < 2 ? closed : deleted };
		pthread_create(&threads[i], NULL, wait_for_one, &w[i]);
	}
	CHECK_OK(sabir_queue_close(closed));
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(deleted)));
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CHECK_ERROR(w[i].error, i < 2 ? SABIR_CLOSED : SABIR_DELETED);
	}
	drop(closed);
	sabir_queue_free(deleted);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(first_in_is_first_out),
		TEST(every_kind_passes_through),
		TEST(lists_pass_through),
		TEST(sizes_up_to_a_mebibyte),
		TEST(malformed_and_too_large_items_are_refused),
		TEST(the_largest_item_fits_and_no_larger),
		TEST(full_and_empty_end_with_the_time_out),
		TEST(many_go_in_one_step),
		TEST(batches_have_limits),
		TEST(get_into_reuses_the_buffer),
		TEST(peek_state_and_clear),
		TEST(closed_queue_drains),
		TEST(deleted_queue_is_told),
		TEST(a_put_wakes_a_getter),
		TEST(a_get_wakes_a_putter),
		TEST(close_and_delete_wake_all),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
