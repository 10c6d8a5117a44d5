/* SPDX-License-Identifier: Apache-2.0 */
/* Items, their encoded form, and what stands inside lists and maps. */
#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>

#include "bindings/c/sabir.h"
#include "server/base/value.h"

static struct sabir_buffer buffer;

/* The item after encoding and decoding; it points into `buffer`. */
static struct sabir_item round_trip(struct sabir_item item)
{
	struct sabir_item back = { 0 };
	size_t len;
	CU_ASSERT_EQUAL_FATAL(sabir_encode(&item, &buffer, &len), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(sabir_decode(buffer.data, len, &back), SABIR_OK);
	CU_ASSERT_EQUAL(back.kind, item.kind);
	return back;
}

static enum sabir_error encode_error(struct sabir_item item)
{
	size_t len;
	return sabir_encode(&item, &buffer, &len);
}

static bool has_bytes(const struct sabir_item *item, const char *text)
{
	return item->len == strlen(text) && memcmp(item->as.data, text, item->len) == 0;
}

static void numbers_come_back(void)
{
	CU_ASSERT_EQUAL(round_trip(sabir_null()).len, 0);
	CU_ASSERT(round_trip(sabir_bool(true)).as.boolean);
	CU_ASSERT(!round_trip(sabir_bool(false)).as.boolean);
	CU_ASSERT_EQUAL(round_trip(sabir_int(INT64_MIN)).as.i, INT64_MIN);
	CU_ASSERT_EQUAL(round_trip(sabir_int(0)).as.i, 0);
	CU_ASSERT_EQUAL(round_trip(sabir_uint(UINT64_MAX)).as.u, UINT64_MAX);
	CU_ASSERT_EQUAL(round_trip(sabir_double(-0.5)).as.d, -0.5);
	CU_ASSERT(isnan(round_trip(sabir_double(NAN)).as.d));
}

static void text_and_bytes_come_back(void)
{
	struct sabir_item back = round_trip(sabir_text("gr\xc3\xbc\xc3\x9f"));
	CU_ASSERT(has_bytes(&back, "gr\xc3\xbc\xc3\x9f"));
	back = round_trip(sabir_text_n("a\0b", 3));
	CU_ASSERT_EQUAL(back.len, 3);
	back = round_trip(sabir_bytes("\xff\xfe", 2));
	CU_ASSERT(has_bytes(&back, "\xff\xfe"));
	back = round_trip(sabir_bytes(NULL, 0));
	CU_ASSERT_EQUAL(back.len, 0);
}

static void rare_kinds_come_back(void)
{
	struct sabir_item back = round_trip(sabir_timestamp(-62135596800, 999999999));
	CU_ASSERT_EQUAL(back.as.i, -62135596800);
	CU_ASSERT_EQUAL(back.aux, 999999999);
	back = round_trip(sabir_timestamp(0, 0));
	CU_ASSERT_EQUAL(back.as.i, 0);
	back = round_trip(sabir_object(UINT64_MAX));
	CU_ASSERT_EQUAL(back.as.u, UINT64_MAX);
	CU_ASSERT_EQUAL(back.len, 0);
	back = round_trip(sabir_item_of(SABIR_ITEM_OBJECT, "jobs/a", 6));
	CU_ASSERT(has_bytes(&back, "jobs/a"));
	back = round_trip(sabir_opaque("application/x-thing", "\0\1\2", 3));
	CU_ASSERT_EQUAL(back.len, 3);
	CU_ASSERT_EQUAL(back.aux, 19);
	CU_ASSERT_EQUAL(memcmp(back.content_type, "application/x-thing", 19), 0);
}

static void malformed_items_are_refused(void)
{
	struct sabir_item item;
	CU_ASSERT_EQUAL(encode_error(sabir_text("\xc3")), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_item_of(0, NULL, 0)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_item_of(77, NULL, 0)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_timestamp(0, 1000000000)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_timestamp(253402300800, 0)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_opaque("", "x", 1)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_encoded("\x08", 1)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(encode_error(sabir_item_of(SABIR_ITEM_LIST, "rubbish", 7)), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(sabir_decode("", 0, &item), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(sabir_decode("\x18", 1, &item), SABIR_INVALID_VALUE);
}

static void a_buffer_grows_and_is_kept(void)
{
	static char large[100000];
	struct sabir_buffer own = { NULL, 0 };
	struct sabir_item item = sabir_bytes(large, sizeof(large)), small = sabir_int(1);
	size_t len;
	CU_ASSERT_EQUAL(sabir_encode(&small, &own, &len), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_encode(&item, &own, &len), SABIR_OK);
	CU_ASSERT(len > sizeof(large) && own.size >= len);
	void *kept = own.data;
	CU_ASSERT_EQUAL(sabir_encode(&item, &own, &len), SABIR_OK);
	CU_ASSERT_PTR_EQUAL(own.data, kept);
	sabir_free(own.data);
}

static void append(sabir_builder *b, struct sabir_item item)
{
	CU_ASSERT_EQUAL(sabir_builder_append(b, &item), SABIR_OK);
}

/* {"name": "x", "list": [1, [2.5], {}], ["k"]: null} */
static struct sabir_item build_sample(sabir_builder *b)
{
	struct sabir_item map = { 0 };
	CU_ASSERT_EQUAL(sabir_builder_begin_map(b), SABIR_OK);
	append(b, sabir_text("name"));
	append(b, sabir_text("x"));
	append(b, sabir_text("list"));
	CU_ASSERT_EQUAL(sabir_builder_begin_list(b), SABIR_OK);
	append(b, sabir_int(1));
	CU_ASSERT_EQUAL(sabir_builder_begin_list(b), SABIR_OK);
	append(b, sabir_double(2.5));
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_begin_map(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_begin_list(b), SABIR_OK);
	append(b, sabir_text("k"));
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	append(b, sabir_null());
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_finish(b, &map), SABIR_OK);
	return map;
}

static void built_containers_are_read_back(void)
{
	sabir_builder *b = sabir_builder_new();
	struct sabir_item map = round_trip(build_sample(b)), item;
	struct sabir_reader in_map, in_list, inner;
	struct sabir_entry entry;
	CU_ASSERT_EQUAL(sabir_reader_init(&in_map, &map), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_reader_next_entry(&in_map, &entry), SABIR_OK);
	CU_ASSERT(has_bytes(&entry.key, "name") && has_bytes(&entry.value, "x"));
	CU_ASSERT_EQUAL(sabir_reader_next_entry(&in_map, &entry), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_reader_init(&in_list, &entry.value), SABIR_OK);
	CU_ASSERT(!sabir_reader_next(&in_list, &item) && item.as.i == 1);
	CU_ASSERT(!sabir_reader_next(&in_list, &item) && item.kind == SABIR_ITEM_LIST);
	CU_ASSERT_EQUAL(sabir_reader_init(&inner, &item), SABIR_OK);
	CU_ASSERT(!sabir_reader_next(&inner, &item) && item.as.d == 2.5);
	CU_ASSERT_EQUAL(sabir_reader_next(&inner, &item), SABIR_EMPTY);
	CU_ASSERT(!sabir_reader_next(&in_list, &item) && item.kind == SABIR_ITEM_MAP && item.len == 0);
	CU_ASSERT_EQUAL(sabir_reader_next(&in_list, &item), SABIR_EMPTY);
	CU_ASSERT_EQUAL(sabir_reader_next_entry(&in_map, &entry), SABIR_OK);
	CU_ASSERT(entry.key.kind == SABIR_ITEM_LIST && entry.value.kind == SABIR_ITEM_NULL);
	CU_ASSERT_EQUAL(sabir_reader_next_entry(&in_map, &entry), SABIR_EMPTY);
	CU_ASSERT_EQUAL(sabir_reader_next(&in_map, &item), SABIR_WRONG_TYPE);
	sabir_builder_free(b);
}

static void lengths_of_more_than_a_byte_are_right(void)
{
	static char text[300];
	sabir_builder *b = sabir_builder_new();
	struct sabir_item list, back, item;
	struct sabir_reader reader, inner;
	memset(text, 'x', sizeof(text));
	sabir_builder_begin_list(b);
	for (int i = 0; i < 200; i++) {
		sabir_builder_begin_list(b);
		append(b, sabir_text_n(text, (size_t)i));
		sabir_builder_end(b);
	}
	sabir_builder_end(b);
	CU_ASSERT_EQUAL(sabir_builder_finish(b, &list), SABIR_OK);
	back = round_trip(list);
	CU_ASSERT_EQUAL(sabir_reader_init(&reader, &back), SABIR_OK);
	for (size_t i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL_FATAL(sabir_reader_next(&reader, &item), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(sabir_reader_init(&inner, &item), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(sabir_reader_next(&inner, &item), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(item.len, i);
	}
	sabir_builder_free(b);
}

static void builder_refuses_misuse(void)
{
	sabir_builder *b = sabir_builder_new();
	struct sabir_item one = sabir_int(1), bad = sabir_text("\xff"), out;
	CU_ASSERT_EQUAL(sabir_builder_append(b, &one), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_builder_finish(b, &out), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_builder_begin_map(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_append(b, &bad), SABIR_INVALID_VALUE);
	CU_ASSERT_EQUAL(sabir_builder_append(b, &one), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_builder_append(b, &one), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_begin_list(b), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_builder_finish(b, &out), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_begin_list(b), SABIR_OK);
	sabir_builder_free(b);
	sabir_builder_free(NULL);
}

static void depth_is_bounded(void)
{
	sabir_builder *b = sabir_builder_new();
	struct sabir_item list = { 0 };
	int depth = 0;
	while (sabir_builder_begin_list(b) == SABIR_OK)
		depth++;
	for (int i = 0; i < depth; i++)
		CU_ASSERT_EQUAL(sabir_builder_end(b), SABIR_OK);
	CU_ASSERT_EQUAL(sabir_builder_finish(b, &list), SABIR_OK);
	CU_ASSERT_EQUAL(depth, VALUE_MAX_DEPTH / 2);
	CU_ASSERT_EQUAL(encode_error(list), SABIR_OK);
	sabir_builder_free(b);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("item", NULL, NULL);
	CU_ADD_TEST(suite, numbers_come_back);
	CU_ADD_TEST(suite, text_and_bytes_come_back);
	CU_ADD_TEST(suite, rare_kinds_come_back);
	CU_ADD_TEST(suite, malformed_items_are_refused);
	CU_ADD_TEST(suite, a_buffer_grows_and_is_kept);
	CU_ADD_TEST(suite, built_containers_are_read_back);
	CU_ADD_TEST(suite, lengths_of_more_than_a_byte_are_right);
	CU_ADD_TEST(suite, builder_refuses_misuse);
	CU_ADD_TEST(suite, depth_is_bounded);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	sabir_free(buffer.data);
	return failed;
}
