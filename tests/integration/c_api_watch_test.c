/* SPDX-License-Identifier: Apache-2.0 */
/* Watches, and waiting for a value; see c_api.h. */
#include "tests/integration/c_api.h"

#include <pthread.h>

static sabir_dict *dict;

static void set(const char *key, int64_t v)
{
	struct sabir_item k = sabir_text(key), value = sabir_int(v);
	CHECK_OK(sabir_dict_set(dict, &k, &value, NULL));
}

static sabir_watch *watch_dict(const struct sabir_watch_options *options, uint64_t *length)
{
	struct sabir_change change;
	sabir_watch *watch;
	NEED(sabir_watch_open(conn, sabir_dict_handle(dict), options, &watch));
	NEED(sabir_watch_next(watch, 0, &change));
	CHECK(change.kind == SABIR_CHANGE_SNAPSHOT && change.lost_from == 0);
	*length = change.length;
	return watch;
}

static void a_watch_tells_a_snapshot_then_changes(void)
{
	struct sabir_watch_options options = { .size = sizeof(options), .include_values = true };
	struct sabir_item a = sabir_text("a");
	struct sabir_change change;
	uint64_t length;
	NEED(sabir_dict_create(conn, name_of("dict"), 0, &dict));
	set("a", 1);
	sabir_watch *watch = watch_dict(&options, &length);
	CHECK(length == 1);
	CHECK_ERROR(sabir_watch_next(watch, 0, &change), SABIR_WOULD_BLOCK);
	CHECK_ERROR(sabir_watch_next(watch, SABIR_MILLISECOND, &change), SABIR_WOULD_BLOCK);
	set("b", 2);
	CHECK_OK(sabir_dict_delete(dict, &a));
	CHECK_OK(sabir_watch_next(watch, SABIR_SECOND, &change));
	CHECK(change.kind == SABIR_CHANGE_SET && is_text(&change.key, "b") && is_int(&change.value, 2));
	uint64_t sequence = change.sequence;
	CHECK_OK(sabir_watch_next(watch, SABIR_SECOND, &change));
	CHECK(change.kind == SABIR_CHANGE_DELETED && is_text(&change.key, "a") && change.absent);
	CHECK(change.sequence > sequence);
	sabir_watch_close(watch);
	options.after_sequence = sequence;
	NEED(sabir_watch_open(conn, sabir_dict_handle(dict), &options, &watch));
	CHECK_OK(sabir_watch_next(watch, 0, &change));
	CHECK(change.kind == SABIR_CHANGE_DELETED);
	sabir_watch_close(watch);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(dict)));
	sabir_dict_free(dict);
}

/* As with all structs of callers: of a later version of this header, larger; never too small to have a size. */
static void options_of_another_size_are_read(void)
{
	struct {
		struct sabir_watch_options options;
		uint64_t later;
	} larger = { .options = { .size = sizeof(larger) } };
	sabir_watch *watch;
	NEED(sabir_dict_create(conn, name_of("sizes"), 0, &dict));
	CHECK_OK(sabir_watch_open(conn, sabir_dict_handle(dict), &larger.options, &watch));
	sabir_watch_close(watch);
	larger.options.size = 3;
	CHECK_ERROR(sabir_watch_open(conn, sabir_dict_handle(dict), &larger.options, &watch), SABIR_INVALID_ARGUMENT);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(dict)));
	sabir_dict_free(dict);
}

static void *set_later(void *context)
{
	(void)context;
	set("x", 1);
	set("wanted", 2);
	return NULL;
}

static void a_key_can_be_waited_for_before_it_is_there(void)
{
	struct sabir_item key = sabir_text("wanted");
	struct sabir_watch_options options = { .size = sizeof(options), .keys = &key, .n_keys = 1 };
	struct sabir_change change;
	pthread_t thread;
	uint64_t length;
	NEED(sabir_dict_create(conn, name_of("keys"), 0, &dict));
	sabir_watch *watch = watch_dict(&options, &length);
	CHECK(pthread_create(&thread, NULL, set_later, NULL) == 0);
	CHECK_OK(sabir_watch_next(watch, 10 * SABIR_SECOND, &change));
	CHECK(change.kind == SABIR_CHANGE_SET && is_text(&change.key, "wanted"));
	pthread_join(thread, NULL);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(dict)));
	CHECK_ERROR(sabir_watch_next(watch, SABIR_SECOND, &change), SABIR_DELETED);
	sabir_watch_close(watch);
	sabir_dict_free(dict);
}

static void who_is_too_slow_is_told_what_was_lost(void)
{
	struct sabir_change change;
	uint64_t length;
	NEED(sabir_dict_create(conn, name_of("slow"), 0, &dict));
	sabir_watch *watch = watch_dict(NULL, &length);
	for (int i = 0; i < 200; i++)
		set("k", i);
	CHECK_OK(sabir_watch_next(watch, 0, &change));
	CHECK(change.kind == SABIR_CHANGE_SNAPSHOT && change.lost_to - change.lost_from == 199 && change.length == 1);
	CHECK_ERROR(sabir_watch_next(watch, 0, &change), SABIR_WOULD_BLOCK);
	sabir_watch_close(watch);
	CHECK_OK(sabir_delete_handle(conn, sabir_dict_handle(dict)));
	sabir_dict_free(dict);
}

static sabir_value *value;

static void *count_up(void *context)
{
	(void)context;
	CHECK_OK(sabir_value_add_int(value, 1, NULL));
	return NULL;
}

static void a_value_can_be_waited_for(void)
{
	struct sabir_item zero = sabir_int(0), found;
	pthread_t thread;
	NEED(sabir_value_create(conn, name_of("value"), 'i', 0, &value));
	CHECK_ERROR(sabir_value_wait(value, &zero, 0, &found), SABIR_WOULD_BLOCK);
	CHECK_ERROR(sabir_value_wait(value, &zero, SABIR_MILLISECOND, &found), SABIR_WOULD_BLOCK);
	CHECK(pthread_create(&thread, NULL, count_up, NULL) == 0);
	CHECK_OK(sabir_value_wait(value, &zero, 10 * SABIR_SECOND, &found));
	CHECK(is_int(&found, 1));
	pthread_join(thread, NULL);
	CHECK_OK(sabir_value_wait(value, &zero, 0, NULL));
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(value)));
	CHECK_ERROR(sabir_value_wait(value, &found, SABIR_SECOND, NULL), SABIR_DELETED);
	sabir_value_free(value);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(a_watch_tells_a_snapshot_then_changes),
		TEST(options_of_another_size_are_read),
		TEST(a_key_can_be_waited_for_before_it_is_there),
		TEST(who_is_too_slow_is_told_what_was_lost),
		TEST(a_value_can_be_waited_for),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
