/* SPDX-License-Identifier: Apache-2.0 */
/* The dict's part of the C API against a real server. */
#include <time.h>

#include "tests/integration/c_api.h"

static sabir_dict *new_dict(void)
{
	sabir_dict *d;
	NEED(sabir_dict_create(conn, NULL, 0, &d));
	return d;
}

static void drop(sabir_dict *d)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(d)));
	sabir_dict_free(d);
}

static void set(sabir_dict *d, const char *key, int64_t v)
{
	struct sabir_item k = sabir_text(key), value = sabir_int(v);
	CHECK_OK(sabir_dict_set(d, &k, &value, NULL));
}

/* The integer under a key, -1 if there is none. */
static int64_t at(sabir_dict *d, const char *key)
{
	struct sabir_item k = sabir_text(key), *value;
	if (sabir_dict_get(d, &k, &value))
		return -1;
	int64_t v = value->as.i;
	sabir_free(value);
	return v;
}

static uint64_t length(sabir_dict *d)
{
	uint64_t n = 77777;
	CHECK_OK(sabir_dict_len(d, &n));
	return n;
}

static void what_is_set_is_found(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item key = sabir_text("k"), one = sabir_int(1), two = sabir_text("two"), *value;
	bool flag;
	CHECK_ERROR(sabir_dict_get(d, &key, &value), SABIR_KEY_NOT_FOUND);
	CHECK(!sabir_dict_contains(d, &key, &flag) && !flag);
	CHECK(!sabir_dict_set(d, &key, &one, &flag) && flag);
	CHECK(!sabir_dict_set(d, &key, &two, &flag) && !flag);
	CHECK(!sabir_dict_contains(d, &key, &flag) && flag);
	NEED(sabir_dict_get(d, &key, &value));
	CHECK(is_text(value, "two"));
	sabir_free(value);
	CHECK(length(d) == 1);
	CHECK_OK(sabir_dict_delete(d, &key));
	CHECK_ERROR(sabir_dict_delete(d, &key), SABIR_KEY_NOT_FOUND);
	CHECK(length(d) == 0);
	drop(d);
}

static void equal_keys_are_one_key(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item one = sabir_int(1), keys[] = { sabir_int(7),
							 sabir_uint(7),
							 sabir_double(0.0),
							 sabir_double(-0.0),
							 sabir_bool(true),
							 sabir_text("a"),
							 sabir_bytes("a", 1),
							 sabir_int(1),
							 sabir_double(1.0),
							 sabir_uint(UINT64_MAX),
							 sabir_null(),
							 sabir_timestamp(5, 0),
							 sabir_encoded("\x18\x87\x00", 3) };
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK_OK(sabir_dict_set(d, &keys[i], &one, NULL));
	CHECK(length(d) == 10);
	drop(d);
}

static void get_into_reuses_the_buffer(void)
{
	sabir_dict *d = new_dict();
	struct sabir_buffer buffer = { NULL, 0 };
	struct sabir_item key = sabir_text("a"), value;
	set(d, "a", 5);
	CHECK_OK(sabir_dict_get_into(d, &key, &buffer, &value));
	CHECK(is_int(&value, 5));
	void *before = buffer.data;
	CHECK_OK(sabir_dict_get_into(d, &key, &buffer, &value));
	CHECK(buffer.data == before);
	key = sabir_text("b");
	CHECK_ERROR(sabir_dict_get_into(d, &key, &buffer, &value), SABIR_KEY_NOT_FOUND);
	sabir_free(buffer.data);
	drop(d);
}

static void large_keys_and_values(void)
{
	sabir_dict *d = new_dict();
	size_t len = 100000;
	char *data = malloc(len);
	memset(data, 'x', len);
	struct sabir_item key = sabir_text_n(data, len), value = sabir_bytes(data, len), *got;
	CHECK_OK(sabir_dict_set(d, &key, &value, NULL));
	NEED(sabir_dict_get(d, &key, &got));
	CHECK(got->kind == SABIR_ITEM_BYTES && got->len == len && memcmp(got->as.data, data, len) == 0);
	sabir_free(got);
	free(data);
	drop(d);
}

static void setdefault_and_pop(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item key = sabir_text("k"), one = sabir_int(1), two = sabir_int(2), *value;
	struct sabir_entry *entry;
	bool inserted;
	CHECK(!sabir_dict_setdefault(d, &key, &one, &value, &inserted) && inserted && is_int(value, 1));
	sabir_free(value);
	CHECK(!sabir_dict_setdefault(d, &key, &two, &value, &inserted) && !inserted && is_int(value, 1));
	sabir_free(value);
	CHECK_OK(sabir_dict_setdefault(d, &key, &two, NULL, NULL));
	CHECK(!sabir_dict_pop(d, &key, &value) && is_int(value, 1));
	sabir_free(value);
	CHECK_ERROR(sabir_dict_pop(d, &key, &value), SABIR_KEY_NOT_FOUND);
	CHECK_ERROR(sabir_dict_popitem(d, &entry), SABIR_EMPTY);
	set(d, "first", 1);
	set(d, "last", 2);
	NEED(sabir_dict_popitem(d, &entry));
	CHECK(is_text(&entry->key, "last") && is_int(&entry->value, 2));
	sabir_free(entry);
	drop(d);
}

static void update_is_all_or_nothing(void)
{
	sabir_dict *d = new_dict();
	struct sabir_entry good[] = { { sabir_text("a"), sabir_int(1) },
				      { sabir_text("b"), sabir_int(2) },
				      { sabir_text("a"), sabir_int(3) } };
	struct sabir_entry bad[] = { { sabir_text("c"), sabir_int(1) }, { sabir_text("\xff"), sabir_int(2) } };
	uint64_t inserted = 77;
	CHECK(!sabir_dict_update(d, good, 3, &inserted) && inserted == 2);
	CHECK(at(d, "a") == 3 && at(d, "b") == 2);
	CHECK_ERROR(sabir_dict_update(d, bad, 2, &inserted), SABIR_INVALID_VALUE);
	CHECK(length(d) == 2);
	CHECK(!sabir_dict_update(d, NULL, 0, &inserted) && inserted == 0);
	drop(d);
}

static void increments_count(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item key = sabir_text("n"), half = sabir_double(0.5), text = sabir_text("x"),
			  big = sabir_uint(UINT64_MAX), sum;
	int64_t n;
	CHECK(!sabir_dict_increment_int(d, &key, 5, &n) && n == 5);
	CHECK(!sabir_dict_increment_int(d, &key, -7, &n) && n == -2);
	CHECK_OK(sabir_dict_increment_int(d, &key, 2, NULL));
	CHECK(!sabir_dict_increment(d, &key, &big, &sum) && sum.kind == SABIR_ITEM_UINT && sum.as.u == UINT64_MAX);
	CHECK_ERROR(sabir_dict_increment_int(d, &key, 1, &n), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_dict_increment(d, &key, &text, &sum), SABIR_WRONG_TYPE);
	CHECK_OK(sabir_dict_set(d, &key, &half, NULL));
	CHECK(!sabir_dict_increment(d, &key, &half, &sum) && sum.kind == SABIR_ITEM_DOUBLE && sum.as.d == 1.0);
	CHECK_OK(sabir_dict_set(d, &key, &text, NULL));
	CHECK_ERROR(sabir_dict_increment_int(d, &key, 1, &n), SABIR_WRONG_TYPE);
	key = sabir_text("other");
	CHECK_ERROR(sabir_dict_increment(d, &key, &text, &sum), SABIR_WRONG_TYPE);
	CHECK(length(d) == 1);
	drop(d);
}

static void compare_exchange_sets_and_deletes(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item key = sabir_text("k"), one = sabir_int(1), two = sabir_int(2), *found = &one;
	bool exchanged;
	CHECK(!sabir_dict_compare_exchange(d, &key, &one, &two, &exchanged, &found) && !exchanged && !found);
	CHECK(!sabir_dict_compare_exchange(d, &key, NULL, &one, &exchanged, &found) && exchanged && !found);
	CHECK(!sabir_dict_compare_exchange(d, &key, NULL, &two, &exchanged, &found) && !exchanged && is_int(found, 1));
	sabir_free(found);
	CHECK(!sabir_dict_compare_exchange(d, &key, &one, &two, &exchanged, NULL) && exchanged);
	CHECK(at(d, "k") == 2);
	CHECK(!sabir_dict_compare_exchange(d, &key, &two, NULL, &exchanged, &found) && exchanged && is_int(found, 2));
	sabir_free(found);
	CHECK(length(d) == 0);
	drop(d);
}

static void pages_hold_everything_in_order(void)
{
	sabir_dict *d = new_dict();
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *entries;
	struct sabir_item *items;
	enum sabir_error error;
	int64_t next = 0;
	size_t n;
	for (int64_t i = 0; i < 250; i++) {
		struct sabir_item key = sabir_int(i), value = sabir_int(-i);
		CHECK_OK(sabir_dict_set(d, &key, &value, NULL));
	}
	while (!(error = sabir_dict_items(d, 100, &cursor, &entries, &n)) && n) {
		CHECK(n <= 100);
		for (size_t i = 0; i < n; i++, next++)
			CHECK(is_int(&entries[i].key, next) && is_int(&entries[i].value, -next));
		sabir_free(entries);
	}
	CHECK_OK(error);
	CHECK(next == 250);
	/* The cursor is at the beginning again. */
	CHECK(!sabir_dict_keys(d, 0, &cursor, &items, &n) && n == 250 && is_int(&items[249], 249));
	sabir_free(items);
	CHECK(!sabir_dict_keys(d, 0, &cursor, &items, &n) && n == 0 && !items);
	CHECK(!sabir_dict_values(d, 3, &cursor, &items, &n) && n == 3 && is_int(&items[2], -2));
	sabir_free(items);
	drop(d);
}

static void clear_empties_and_foreign_cursors_are_refused(void)
{
	sabir_dict *d = new_dict();
	struct sabir_cursor cursor = { .state = 1, .len = 7, .token = "rubbish" };
	struct sabir_item *items;
	uint64_t removed;
	size_t n;
	set(d, "a", 1);
	set(d, "b", 2);
	CHECK_ERROR(sabir_dict_keys(d, 1, &cursor, &items, &n), SABIR_INVALID_ARGUMENT);
	CHECK(!sabir_dict_clear(d, &removed) && removed == 2);
	CHECK(length(d) == 0);
	cursor = (struct sabir_cursor){ 0 };
	CHECK(!sabir_dict_keys(d, 1, &cursor, &items, &n) && n == 0);
	drop(d);
}

static void malformed_items_are_refused(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item bad = sabir_text("\xff"), good = sabir_int(1), *value;
	bool flag;
	CHECK_ERROR(sabir_dict_get(d, &bad, &value), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_dict_set(d, &bad, &good, NULL), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_dict_set(d, &good, &bad, NULL), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_dict_contains(d, &bad, &flag), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_dict_pop(d, &bad, &value), SABIR_INVALID_VALUE);
	CHECK_ERROR(sabir_dict_delete(d, &bad), SABIR_INVALID_VALUE);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(d)));
	CHECK_ERROR(sabir_dict_get(d, &good, &value), SABIR_DELETED);
	CHECK_ERROR(sabir_dict_set(d, &good, &good, NULL), SABIR_DELETED);
	CHECK_ERROR(sabir_dict_pop(d, &good, &value), SABIR_DELETED);
	CHECK_ERROR(sabir_dict_clear(d, NULL), SABIR_DELETED);
	sabir_dict_free(d);
}

static void copies_and_fromkeys(void)
{
	sabir_dict *d = new_dict(), *copy, *made;
	struct sabir_item keys[] = { sabir_text("x"), sabir_text("y") }, five = sabir_int(5);
	struct sabir_entry *entry;
	set(d, "a", 1);
	set(d, "b", 2);
	NEED(sabir_dict_copy(d, NULL, &copy));
	CHECK(length(copy) == 2 && at(copy, "a") == 1 && sabir_dict_handle(copy) != sabir_dict_handle(d));
	CHECK(!sabir_dict_popitem_first(d, &entry) && is_text(&entry->key, "a") && is_int(&entry->value, 1));
	sabir_free(entry);
	CHECK(length(d) == 1 && length(copy) == 2);
	NEED(sabir_dict_fromkeys(conn, NULL, keys, 2, &five, &made));
	CHECK(length(made) == 2 && at(made, "y") == 5);
	drop(made);
	NEED(sabir_dict_fromkeys(conn, name_of("from"), keys, 2, NULL, &made));
	CHECK(length(made) == 2);
	CHECK_ERROR(sabir_dict_copy(d, name_of("from"), &copy), SABIR_ALREADY_EXISTS);
	drop(made);
	drop(copy);
	drop(d);
}

static void pages_from_the_end(void)
{
	sabir_dict *d = new_dict();
	struct sabir_cursor cursor = { 0 };
	struct sabir_entry *page;
	int64_t next = 25;
	char key[16];
	size_t n;
	for (int i = 1; i <= 25; i++) {
		snprintf(key, sizeof(key), "%d", i);
		set(d, key, i);
	}
	while (!sabir_dict_items_reversed(d, 10, &cursor, &page, &n) && n) {
		for (size_t i = 0; i < n; i++)
			CHECK(is_int(&page[i].value, next--));
		sabir_free(page);
	}
	CHECK(next == 0);
	drop(d);
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static void an_entry_ends_in_time(void)
{
	sabir_dict *d = new_dict();
	struct sabir_item key = sabir_text("k"), one = sabir_int(1);
	uint64_t begin = now_ns(), left = 0, ttl = 100 * SABIR_MILLISECOND;
	bool inserted;
	set(d, "stays", 2);
	NEED(sabir_dict_set_ttl(d, &key, &one, ttl, &inserted));
	CHECK(inserted);
	while (at(d, "k") == 1 && now_ns() - begin < 10 * SABIR_SECOND)
		CHECK(sabir_dict_ttl(d, &key, &left) || (left > 0 && left <= ttl));
	CHECK(now_ns() - begin >= ttl && now_ns() - begin < 10 * SABIR_SECOND);
	CHECK(length(d) == 1 && at(d, "stays") == 2);
	drop(d);
}

static void ends_are_kept_moved_and_taken_away(void)
{
	sabir_dict *d = new_dict(), *copy;
	struct sabir_item key = sabir_text("k"), one = sabir_int(1), *value;
	struct sabir_entry entry = { key, one };
	uint64_t left = 0, hour = 3600 * SABIR_SECOND;
	CHECK_ERROR(sabir_dict_expire(d, &key, hour), SABIR_KEY_NOT_FOUND);
	CHECK_ERROR(sabir_dict_setdefault_ttl(d, &key, &one, SABIR_KEEP_TTL, &value, NULL), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_dict_setdefault_ttl(d, &key, &one, hour, NULL, NULL));
	CHECK(!sabir_dict_ttl(d, &key, &left) && left > hour / 2 && left <= hour);
	CHECK_OK(sabir_dict_set_ttl(d, &key, &one, SABIR_KEEP_TTL, NULL));
	CHECK_OK(sabir_dict_increment(d, &key, &one, NULL));
	NEED(sabir_dict_copy(d, NULL, &copy));
	CHECK(!sabir_dict_ttl(copy, &key, &left) && left > hour / 2 && left <= hour);
	CHECK_OK(sabir_dict_expire(d, &key, 0));
	CHECK(!sabir_dict_ttl(d, &key, &left) && left == 0 && at(d, "k") == 2);
	CHECK_OK(sabir_dict_update_ttl(d, &entry, 1, hour, NULL));
	CHECK(!sabir_dict_ttl(d, &key, &left) && left > hour / 2);
	set(d, "k", 5);
	CHECK(!sabir_dict_ttl(d, &key, &left) && left == 0);
	drop(copy);
	drop(d);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_set_is_found),
		TEST(equal_keys_are_one_key),
		TEST(get_into_reuses_the_buffer),
		TEST(large_keys_and_values),
		TEST(setdefault_and_pop),
		TEST(update_is_all_or_nothing),
		TEST(increments_count),
		TEST(compare_exchange_sets_and_deletes),
		TEST(pages_hold_everything_in_order),
		TEST(clear_empties_and_foreign_cursors_are_refused),
		TEST(malformed_items_are_refused),
		TEST(copies_and_fromkeys),
		TEST(pages_from_the_end),
		TEST(an_entry_ends_in_time),
		TEST(ends_are_kept_moved_and_taken_away),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
