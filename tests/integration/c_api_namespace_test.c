/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace's part of the C API against a real server. */
#include "tests/integration/c_api.h"

static sabir_namespace *new_namespace(void)
{
	sabir_namespace *ns;
	NEED(sabir_namespace_create(conn, NULL, 0, &ns));
	return ns;
}

static void drop(sabir_namespace *ns)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_namespace_handle(ns)));
	sabir_namespace_free(ns);
}

static void what_is_set_is_found(void)
{
	sabir_namespace *ns = new_namespace();
	struct sabir_item one = sabir_int(1), two = sabir_text("two"), *value;
	bool inserted;
	CHECK_ERROR(sabir_namespace_get(ns, "x", &value), SABIR_KEY_NOT_FOUND);
	CHECK(!sabir_namespace_set(ns, "x", &one, &inserted) && inserted);
	CHECK(!sabir_namespace_set(ns, "x", &two, &inserted) && !inserted);
	CHECK_OK(sabir_namespace_set(ns, "y", &one, NULL));
	NEED(sabir_namespace_get(ns, "x", &value));
	CHECK(is_text(value, "two"));
	sabir_free(value);
	CHECK_OK(sabir_namespace_delete(ns, "x"));
	CHECK_ERROR(sabir_namespace_delete(ns, "x"), SABIR_KEY_NOT_FOUND);
	drop(ns);
}

static void bad_names_are_refused(void)
{
	sabir_namespace *ns = new_namespace();
	struct sabir_item one = sabir_int(1), *value;
	static const char *const bad[] = { "", "_x", "1", "a b", "\xff" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_ERROR(sabir_namespace_get(ns, bad[i], &value), SABIR_INVALID_ARGUMENT);
		CHECK_ERROR(sabir_namespace_set(ns, bad[i], &one, NULL), SABIR_INVALID_ARGUMENT);
		CHECK_ERROR(sabir_namespace_delete(ns, bad[i]), SABIR_INVALID_ARGUMENT);
		CHECK_ERROR(sabir_namespace_increment(ns, bad[i], &one, NULL), SABIR_INVALID_ARGUMENT);
	}
	CHECK_ERROR(sabir_namespace_get(ns, NULL, &value), SABIR_INVALID_ARGUMENT);
	drop(ns);
}

static void increments_are_summed(void)
{
	sabir_namespace *ns = new_namespace();
	struct sabir_item five = sabir_int(5), text = sabir_text("t"), sum;
	CHECK(!sabir_namespace_increment(ns, "n", &five, &sum) && is_int(&sum, 5));
	CHECK(!sabir_namespace_increment(ns, "n", &five, &sum) && is_int(&sum, 10));
	CHECK_OK(sabir_namespace_set(ns, "n", &text, NULL));
	CHECK_ERROR(sabir_namespace_increment(ns, "n", &five, &sum), SABIR_WRONG_TYPE);
	drop(ns);
}

static void attributes_are_listed_in_order(void)
{
	sabir_namespace *ns = new_namespace();
	struct sabir_cursor cursor = { 0 };
	struct sabir_item *names;
	struct sabir_entry *attributes;
	char name[16];
	size_t n, all = 0;
	for (int i = 0; i < 25; i++) {
		struct sabir_item value = sabir_int(i);
		snprintf(name, sizeof(name), "a%d", i);
		CHECK_OK(sabir_namespace_set(ns, name, &value, NULL));
	}
	while (!sabir_namespace_list(ns, 10, &cursor, &attributes, &n) && n) {
		for (size_t i = 0; i < n; i++, all++) {
			snprintf(name, sizeof(name), "a%zu", all);
			CHECK(is_text(&attributes[i].key, name) && is_int(&attributes[i].value, (int64_t)all));
		}
		sabir_free(attributes);
	}
	CHECK(all == 25);
	cursor = (struct sabir_cursor){ 0 };
	NEED(sabir_namespace_dir(ns, 0, &cursor, &names, &n));
	CHECK(n == 25 && is_text(&names[24], "a24"));
	sabir_free(names);
	drop(ns);
}

static void it_is_a_kind_of_its_own(void)
{
	sabir_namespace *ns, *again;
	sabir_dict *d;
	struct sabir_info info;
	NEED(sabir_namespace_create(conn, name_of("ns"), 0, &ns));
	CHECK_ERROR(sabir_dict_open(conn, name_of("ns"), &d), SABIR_WRONG_KIND);
	CHECK_ERROR(sabir_dict_create(conn, name_of("ns"), SABIR_EXIST_OK, &d), SABIR_WRONG_KIND);
	CHECK_OK(sabir_namespace_open(conn, name_of("ns"), &again));
	CHECK(sabir_namespace_handle(again) == sabir_namespace_handle(ns));
	CHECK(!sabir_describe(conn, name_of("ns"), &info) && info.kind == SABIR_KIND_NAMESPACE && info.length == 0);
	sabir_namespace_free(again);
	drop(ns);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(what_is_set_is_found),           TEST(bad_names_are_refused),   TEST(increments_are_summed),
		TEST(attributes_are_listed_in_order), TEST(it_is_a_kind_of_its_own),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
