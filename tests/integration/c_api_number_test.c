/* SPDX-License-Identifier: Apache-2.0 */
/* Values and arrays in the C API against a real server. */
#include <math.h>

#include "tests/integration/c_api.h"

static const char codes[] = "cbBhHiIlLqQfd?u";

static sabir_value *new_value(char code)
{
	sabir_value *v;
	NEED(sabir_value_create(conn, NULL, code, 0, &v));
	return v;
}

static void drop_value(sabir_value *v)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(v)));
	sabir_value_free(v);
}

static sabir_array *new_array(char code, uint64_t length)
{
	sabir_array *a;
	NEED(sabir_array_create(conn, NULL, code, length, 0, &a));
	return a;
}

static void drop_array(sabir_array *a)
{
	CHECK_OK(sabir_delete_handle(conn, sabir_array_handle(a)));
	sabir_array_free(a);
}

/* What the type's numbers come back as. */
static uint32_t kind_of(char code)
{
	return strchr("BHILQ", code) ? SABIR_ITEM_UINT
	       : strchr("fd", code)  ? SABIR_ITEM_DOUBLE
	       : code == '?'         ? SABIR_ITEM_BOOL
				     : SABIR_ITEM_INT;
}

/* ---------------------------------------------------------------- values */

static void every_type_holds_one(void)
{
	struct sabir_item one, got;
	for (const char *code = codes; *code; code++) {
		sabir_value *v = new_value(*code);
		CHECK(sabir_value_type_code(v) == *code);
		CHECK_OK(sabir_value_get(v, &got));
		CHECK(got.kind == kind_of(*code) && (*code == '?' ? !got.as.boolean : got.as.u == 0));
		one = *code == '?' ? sabir_bool(true) : *code == 'f' || *code == 'd' ? sabir_double(1) : sabir_uint(1);
		CHECK_OK(sabir_value_set(v, &one));
		CHECK_OK(sabir_value_get(v, &got));
		CHECK(got.kind == kind_of(*code));
		CHECK(*code == '?' ? got.as.boolean : got.kind == SABIR_ITEM_DOUBLE ? got.as.d == 1 : got.as.u == 1);
		drop_value(v);
	}
}

static void ranges_are_kept(void)
{
	sabir_value *b = new_value('b'), *L = new_value('L'), *u = new_value('u');
	CHECK_OK(sabir_value_set_int(b, -128));
	CHECK_ERROR(sabir_value_set_int(b, 128), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_value_set_int(L, -1), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_value_set_uint(L, UINT64_MAX));
	CHECK_ERROR(sabir_value_set_uint(u, 0x110000), SABIR_OUT_OF_RANGE);
	int64_t i = 5;
	uint64_t n;
	CHECK_ERROR(sabir_value_get_int(L, &i), SABIR_OUT_OF_RANGE);
	CHECK(i == 5);
	CHECK(!sabir_value_get_uint(L, &n) && n == UINT64_MAX);
	CHECK_ERROR(sabir_value_get_uint(b, &n), SABIR_OUT_OF_RANGE);
	drop_value(b);
	drop_value(L);
	drop_value(u);
}

static void wrong_types_are_refused(void)
{
	sabir_value *q = new_value('q'), *d = new_value('d'), *flag = new_value('?');
	struct sabir_item text = sabir_text("1"), yes = sabir_bool(true);
	int64_t i;
	CHECK_ERROR(sabir_value_set_double(q, 1), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_value_set(q, &text), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_value_set(d, &yes), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_value_add_double(q, 1, NULL), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_value_add_int(flag, 1, NULL), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_value_get_int(d, &i), SABIR_WRONG_TYPE);
	CHECK_OK(sabir_value_set_int(d, 3));
	drop_value(q);
	drop_value(d);
	drop_value(flag);
}

static void additions_wrap_and_tell(void)
{
	sabir_value *B = new_value('B'), *d = new_value('d');
	int64_t sum;
	double real;
	CHECK(!sabir_value_add_int(B, 250, &sum) && sum == 250);
	CHECK(!sabir_value_add_int(B, 10, &sum) && sum == 4);
	CHECK(!sabir_value_add_int(B, -5, &sum) && sum == 255);
	CHECK_OK(sabir_value_add_int(B, 1, NULL));
	CHECK(!sabir_value_add_double(d, 0.5, &real) && real == 0.5);
	CHECK(!sabir_value_add_double(d, -1.5, &real) && real == -1.0);
	CHECK(!sabir_value_get_double(B, &real) && real == 0);
	drop_value(B);
	drop_value(d);
}

static void exchanges_tell_what_was_there(void)
{
	sabir_value *v = new_value('i'), *d = new_value('d');
	struct sabir_item ten = sabir_int(10), twenty = sabir_int(20), nan_item = sabir_double(NAN),
			  zero = sabir_double(0), found;
	bool exchanged;
	CHECK(!sabir_value_exchange(v, &ten, &found) && is_int(&found, 0));
	CHECK(!sabir_value_compare_exchange(v, &twenty, &ten, &exchanged, &found) && !exchanged && is_int(&found, 10));
	CHECK(!sabir_value_compare_exchange(v, &ten, &twenty, &exchanged, &found) && exchanged && is_int(&found, 10));
	CHECK(!sabir_value_exchange(v, &ten, NULL));
	CHECK_OK(sabir_value_set(d, &nan_item));
	CHECK(!sabir_value_compare_exchange(d, &nan_item, &zero, &exchanged, NULL) && exchanged);
	drop_value(v);
	drop_value(d);
}

static void a_deleted_value_is_told(void)
{
	sabir_value *v = new_value('q');
	int64_t i;
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(v)));
	CHECK_ERROR(sabir_value_get_int(v, &i), SABIR_DELETED);
	CHECK_ERROR(sabir_value_set_int(v, 1), SABIR_DELETED);
	CHECK_ERROR(sabir_value_add_int(v, 1, &i), SABIR_DELETED);
	sabir_value_free(v);
}

/* ---------------------------------------------------------------- arrays */

static void elements_of_every_type(void)
{
	for (const char *code = codes; *code; code++) {
		sabir_array *a = new_array(*code, 3);
		struct sabir_item one = *code == '?' ? sabir_bool(true) : sabir_int(1), got;
		uint64_t length;
		CHECK(!sabir_array_len(a, &length) && length == 3);
		CHECK(sabir_array_type_code(a) == *code);
		CHECK_OK(sabir_array_set(a, -1, &one));
		CHECK_OK(sabir_array_get(a, 2, &got));
		CHECK(got.kind == kind_of(*code));
		CHECK_OK(sabir_array_get(a, 0, &got));
		CHECK(*code == '?' ? !got.as.boolean : got.as.u == 0);
		drop_array(a);
	}
}

static void indexes_are_checked(void)
{
	sabir_array *a = new_array('i', 4), *none = new_array('i', 0);
	int64_t i;
	CHECK_ERROR(sabir_array_get_int(a, 4, &i), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_get_int(a, -5, &i), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_set_int(a, INT64_MAX, 1), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_add_int(a, INT64_MIN, 1, &i), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_get_int(none, 0, &i), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_set_int(a, 0, 1ll << 31), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_set_double(a, 0, 1), SABIR_WRONG_TYPE);
	drop_array(a);
	drop_array(none);
}

static void elements_add_and_exchange(void)
{
	sabir_array *a = new_array('h', 2), *d = new_array('d', 1);
	struct sabir_item old = sabir_int(5), new = sabir_int(6), found;
	bool exchanged;
	int64_t sum;
	double real;
	CHECK(!sabir_array_add_int(a, 1, 5, &sum) && sum == 5);
	CHECK(!sabir_array_compare_exchange(a, 1, &old, &new, &exchanged, &found) && exchanged && is_int(&found, 5));
	CHECK(!sabir_array_compare_exchange(a, 1, &old, &new, &exchanged, &found) && !exchanged && is_int(&found, 6));
	CHECK(!sabir_array_get_int(a, 0, &sum) && sum == 0);
	CHECK(!sabir_array_add_double(d, 0, 2.5, &real) && real == 2.5);
	CHECK(!sabir_array_get_double(d, 0, &real) && real == 2.5);
	drop_array(a);
	drop_array(d);
}

static void slices_are_copied(void)
{
	sabir_array *a = new_array('i', 1000);
	int32_t in[600], out[1000];
	for (int i = 0; i < 600; i++)
		in[i] = -i;
	CHECK_OK(sabir_array_set_slice(a, 400, 600, in));
	CHECK_OK(sabir_array_get_slice(a, 0, 1000, out));
	CHECK(out[399] == 0 && out[400] == 0 && out[401] == -1 && out[999] == -599);
	CHECK_OK(sabir_array_get_slice(a, 999, 1, out));
	CHECK(out[0] == -599);
	CHECK_OK(sabir_array_get_slice(a, 1000, 0, out));
	CHECK_ERROR(sabir_array_get_slice(a, 1001, 0, out), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_get_slice(a, 999, 2, out), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_set_slice(a, 401, 600, in), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_array_set_slice(a, 3, 0, NULL));
	drop_array(a);
}

static void fill_writes_the_range(void)
{
	sabir_array *a = new_array('d', 10), *flags = new_array('?', 4);
	struct sabir_item half = sabir_double(0.5), text = sabir_text("x");
	double out[10];
	CHECK_OK(sabir_array_fill(a, 2, 3, &half));
	CHECK_OK(sabir_array_get_slice(a, 0, 10, out));
	CHECK(out[1] == 0 && out[2] == 0.5 && out[4] == 0.5 && out[5] == 0);
	CHECK_OK(sabir_array_fill(a, 10, 0, &half));
	CHECK_ERROR(sabir_array_fill(a, 9, 2, &half), SABIR_OUT_OF_RANGE);
	CHECK_ERROR(sabir_array_fill(a, 0, 1, &text), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_array_fill(flags, 0, 1, &half), SABIR_WRONG_TYPE);
	CHECK_ERROR(sabir_array_set_slice(flags, 0, 2, "\1\2"), SABIR_OUT_OF_RANGE);
	CHECK_OK(sabir_array_set_slice(flags, 0, 2, "\1\0"));
	drop_array(a);
	drop_array(flags);
}

static void the_mapped_elements_are_the_array(void)
{
	sabir_array *a = new_array('q', 8);
	void *elements;
	uint64_t length;
	int64_t got;
	if (!sabir_is_local(conn)) {
		CHECK_ERROR(sabir_array_map(a, &elements, &length), SABIR_UNIMPLEMENTED);
	} else {
		CHECK_OK(sabir_array_map(a, &elements, &length));
		CHECK(length == 8);
		((int64_t *)elements)[3] = 77;
		CHECK(!sabir_array_get_int(a, 3, &got) && got == 77);
	}
	drop_array(a);
}

static void initial_content_is_there(void)
{
	const int16_t first[] = { 1, -2, 3 };
	struct sabir_spec spec = { .size = sizeof(spec),
				   .kind = SABIR_KIND_ARRAY,
				   .type_code = 'h',
				   .length = 4,
				   .initial = first,
				   .initial_len = sizeof(first) };
	struct sabir_info info;
	sabir_array *a;
	int16_t out[4];
	bool created;
	NEED(sabir_create(conn, name_of("initial"), &spec, 0, &info, &created));
	CHECK(created && info.kind == SABIR_KIND_ARRAY && info.type_code == 'h' && info.length == 4);
	NEED(sabir_array_open_handle(conn, info.handle, &a));
	CHECK_OK(sabir_array_get_slice(a, 0, 4, out));
	CHECK(out[0] == 1 && out[1] == -2 && out[2] == 3 && out[3] == 0);
	drop_array(a);
	spec.length = 2;
	CHECK_ERROR(sabir_create(conn, NULL, &spec, 0, &info, NULL), SABIR_OUT_OF_RANGE);
	spec.initial_len = 3;
	CHECK_ERROR(sabir_create(conn, NULL, &spec, 0, &info, NULL), SABIR_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(every_type_holds_one),          TEST(ranges_are_kept),
		TEST(wrong_types_are_refused),       TEST(additions_wrap_and_tell),
		TEST(exchanges_tell_what_was_there), TEST(a_deleted_value_is_told),
		TEST(elements_of_every_type),        TEST(indexes_are_checked),
		TEST(elements_add_and_exchange),     TEST(slices_are_copied),
		TEST(fill_writes_the_range),         TEST(the_mapped_elements_are_the_array),
		TEST(initial_content_is_there),
	};
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
