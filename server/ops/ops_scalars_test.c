/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ValueService and ArrayService: every operation, and every way in which it fails.
 */
#include "server/ops/test_kit.h"

#define V "value={name='v'}"
#define A "array={name='a'}"

static void make(const char *name, const char *spec)
{
	char request[128];

	snprintf(request, sizeof(request), "object={name='%s'}", name);
	(void)ops_call("ManagerService/Delete", request);
	snprintf(request, sizeof(request), "name='%s' %s", name, spec);
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", request) == SABIR_OK);
}

static void test_value_of_every_type(void)
{
	/* What is set, and what is read again, by TypeCode. */
	static const char *const texts[][2] = {
		{ "int_value=255", "int_value=255" },
		{ "int_value=-128", "int_value=-128" },
		{ "uint_value=255", "uint_value=255" },
		{ "int_value=-32768", "int_value=-32768" },
		{ "int_value=65535", "uint_value=65535" },
		{ "uint_value=2147483647", "int_value=2147483647" },
		{ "int_value=4294967295", "uint_value=4294967295" },
		{ "int_value=-5", "int_value=-5" },
		{ "uint_value=18446744073709551615", "uint_value=18446744073709551615" },
		{ "int_value=0", "int_value=0" },
		{ "int_value=7", "uint_value=7" },
		{ "double_value=1.5", "double_value=1.5" },
		{ "int_value=3", "double_value=3.0" },
		{ "bool_value=true", "bool_value=true" },
		{ "int_value=1114111", "int_value=1114111" },
	};
	char request[128], response[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(request, sizeof(request), "value={type_code=%zu}", i + 1);
		make("v", request);
		snprintf(request, sizeof(request), V " new_value={%s}", texts[i][0]);
		CU_ASSERT(ops_answers("ValueService/Set", request, ""));
		snprintf(response, sizeof(response), "value={%s}", texts[i][1]);
		CU_ASSERT(ops_answers("ValueService/Get", V, response));
	}
}

static void test_value_add_and_exchange(void)
{
	make("v", "value={type_code=6 initial={int_value=40}}");
	CU_ASSERT(ops_answers("ValueService/Add", V " delta={int_value=2}", "value={int_value=42}"));
	CU_ASSERT(ops_answers("ValueService/Add", V " delta={int_value=2147483647}", "value={int_value=-2147483607}"));
	CU_ASSERT(ops_answers("ValueService/Exchange", V " desired={int_value=1}", "previous={int_value=-2147483607}"));
	CU_ASSERT(ops_answers("ValueService/CompareExchange", V " expected={int_value=2} desired={int_value=3}",
			      "value={int_value=1}"));
	CU_ASSERT(ops_answers("ValueService/CompareExchange", V " expected={uint_value=1} desired={int_value=3}",
			      "exchanged=true value={int_value=1}"));
	CU_ASSERT(ops_answers("ValueService/Get", V, "value={int_value=3}"));
}

static void test_value_refuses_what_does_not_fit(void)
{
	make("v", "value={type_code=3}");
	CU_ASSERT(ops_fails("ValueService/Set", V " new_value={int_value=-1}", SABIR_OUT_OF_RANGE, "value 'v'"));
	CU_ASSERT(ops_fails("ValueService/Set", V " new_value={double_value=1.0}", SABIR_WRONG_TYPE, "value 'v'"));
	CU_ASSERT(ops_fails("ValueService/Add", V " delta={bool_value=true}", SABIR_WRONG_TYPE, "value 'v'"));
	CU_ASSERT(ops_fails("ValueService/Exchange", V " desired={int_value=256}", SABIR_OUT_OF_RANGE, "value 'v'"));
	CU_ASSERT(ops_fails("ValueService/CompareExchange", V " expected={int_value=256} desired={int_value=1}",
			    SABIR_OUT_OF_RANGE, "value 'v'"));
	CU_ASSERT(ops_fails("ValueService/Set", V, SABIR_INVALID_ARGUMENT, "field 'new_value' is missing"));
	CU_ASSERT(ops_fails("ValueService/Set", V " new_value={}", SABIR_INVALID_ARGUMENT,
			    "field 'new_value' has no kind set"));
	CU_ASSERT(ops_fails("ValueService/Set", V " new_value={int_value=1 uint_value=1}", SABIR_INVALID_ARGUMENT,
			    "field 'new_value' is malformed"));
	CU_ASSERT(ops_fails("ValueService/Get", "value={name='x'}", SABIR_NOT_FOUND, "value 'x'"));
	make("a", "array={type_code=6 length=1}");
	CU_ASSERT(ops_fails("ValueService/Get", "value={name='a'}", SABIR_WRONG_KIND, "value 'a': it is an array"));
}

static void test_array_elements(void)
{
	make("a", "array={type_code=6 length=3}");
	CU_ASSERT(ops_answers("ArrayService/Len", A, "length=3 type_code=6"));
	CU_ASSERT(ops_answers("ArrayService/Set", A " index=1 value={int_value=7}", ""));
	CU_ASSERT(ops_answers("ArrayService/Get", A " index=1", "value={int_value=7}"));
	CU_ASSERT(ops_answers("ArrayService/Get", A " index=-2", "value={int_value=7}"));
	CU_ASSERT(ops_answers("ArrayService/Get", A, "value={int_value=0}"));
	CU_ASSERT(ops_answers("ArrayService/Add", A " index=1 delta={int_value=-9}", "value={int_value=-2}"));
	CU_ASSERT(ops_answers("ArrayService/CompareExchange", A " index=1 expected={int_value=5} desired={int_value=6}",
			      "value={int_value=-2}"));
	CU_ASSERT(ops_answers("ArrayService/CompareExchange",
			      A " index=1 expected={int_value=-2} desired={int_value=6}",
			      "exchanged=true value={int_value=-2}"));
	CU_ASSERT(ops_answers("ArrayService/Get", A " index=1", "value={int_value=6}"));
}

static void test_array_slices(void)
{
	make("a", "array={type_code=4 length=4 initial='aabbccdd'}");
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A, "elements={type_code=4 data='aabbccdd'}"));
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A " start=1 count=2", "elements={type_code=4 data='bbcc'}"));
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A " start=4", "elements={type_code=4 data=''}"));
	CU_ASSERT(ops_answers("ArrayService/SetSlice", A " start=2 elements={type_code=4 data='xxyy'}", ""));
	CU_ASSERT(ops_answers("ArrayService/SetSlice", A " start=4 elements={type_code=4}", ""));
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A, "elements={type_code=4 data='aabbxxyy'}"));
	CU_ASSERT(ops_answers("ArrayService/Fill", A " start=1 count=2 value={int_value=31354}", "")); /* "zz" */
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A, "elements={type_code=4 data='aazzzzyy'}"));
	CU_ASSERT(ops_answers("ArrayService/Fill", A " value={int_value=31354}", ""));
	CU_ASSERT(ops_answers("ArrayService/GetSlice", A " start=3", "elements={type_code=4 data='zz'}"));
}

static void test_array_refuses_what_is_outside(void)
{
	make("a", "array={type_code=4 length=4}");
	CU_ASSERT(ops_fails("ArrayService/Get", A " index=4", SABIR_OUT_OF_RANGE, "array 'a': index 4, length 4"));
	CU_ASSERT(ops_fails("ArrayService/Get", A " index=-5", SABIR_OUT_OF_RANGE, "array 'a': index -5, length 4"));
	CU_ASSERT(ops_fails("ArrayService/Set", A " index=-9223372036854775808 value={int_value=1}", SABIR_OUT_OF_RANGE,
			    "array 'a': index -9223372036854775808, length 4"));
	CU_ASSERT(ops_fails("ArrayService/Set", A " index=0 value={int_value=40000}", SABIR_OUT_OF_RANGE,
			    "array 'a': a number that type 'h' does not hold"));
	CU_ASSERT(ops_fails("ArrayService/GetSlice", A " start=5", SABIR_OUT_OF_RANGE,
			    "array 'a': 0 elements from 5, length 4"));
	CU_ASSERT(ops_fails("ArrayService/GetSlice", A " start=3 count=2", SABIR_OUT_OF_RANGE,
			    "array 'a': 2 elements from 3, length 4"));
	CU_ASSERT(ops_fails("ArrayService/GetSlice", A " start=1 count=18446744073709551615", SABIR_OUT_OF_RANGE,
			    "array 'a': 18446744073709551615 elements from 1, length 4"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A " start=3 elements={type_code=4 data='xxyy'}",
			    SABIR_OUT_OF_RANGE, "array 'a': 2 elements from 3, length 4"));
	CU_ASSERT(ops_fails("ArrayService/Fill", A " start=3 count=2 value={int_value=1}", SABIR_OUT_OF_RANGE,
			    "array 'a': 2 elements from 3, length 4"));
	CU_ASSERT(ops_fails("ArrayService/Fill", A " value={int_value=99999}", SABIR_OUT_OF_RANGE,
			    "array 'a': a number that type 'h' does not hold"));
}

static void test_array_refuses_other_types(void)
{
	make("a", "array={type_code=4 length=4}");
	CU_ASSERT(ops_fails("ArrayService/Set", A " value={bool_value=true}", SABIR_WRONG_TYPE, "array 'a'"));
	CU_ASSERT(ops_fails("ArrayService/Add", A " delta={double_value=1.5}", SABIR_WRONG_TYPE, "array 'a'"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A " elements={type_code=5 data='xx'}", SABIR_WRONG_TYPE,
			    "array 'a'"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A " elements={type_code=4 data='xxx'}", SABIR_INVALID_ARGUMENT,
			    "3 bytes of elements that have 2 bytes each"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A " elements={type_code=99 data='xx'}", SABIR_INVALID_ARGUMENT,
			    "field 'type_code' is 99, which is no type"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A " elements={data='xx'}", SABIR_INVALID_ARGUMENT,
			    "field 'type_code' is missing"));
	CU_ASSERT(ops_fails("ArrayService/SetSlice", A, SABIR_INVALID_ARGUMENT, "field 'elements' is missing"));
}

static void test_a_slice_longer_than_a_response_is_refused(void)
{
	make("a", "array={type_code=10 length=300000}");
	CU_ASSERT(ops_fails("ArrayService/GetSlice", A, SABIR_TOO_LARGE,
			    "array 'a': 2400000 bytes in one response, limit 2097088"));
	CU_ASSERT(ops_call("ArrayService/GetSlice", A " count=262136") == SABIR_OK &&
		  ops_response.len <= op_message_limit(&ops_seg));
}

/* Its head had been written already. */
static void test_a_slice_that_meets_a_lock_leaves_no_response(void)
{
	struct lane holder;
	uint64_t handle;
	CU_ASSERT(!ops_call("ManagerService/Create", "name='held' array={type_code=6 length=3}"));
	CU_ASSERT(!object_open(&ops_lane, (struct span){ (const uint8_t *)"held", 4 }, &handle));
	CU_ASSERT_FATAL(!lane_open(&ops_seg, ops_lane.owner, &holder));
	CU_ASSERT(!kit_hold(&holder, &ops_seg.objects[object_index(handle)].lock));
	ops_lane.lock_rings = true;
	CU_ASSERT_EQUAL(ops_call("ArrayService/GetSlice", "array={name='held'}"), SABIR_BUSY);
	CU_ASSERT_EQUAL(ops_response.len, 0);
	ops_lane.lock_rings = false;
	kit_let_go(&holder, &ops_seg.objects[object_index(handle)].lock);
	lane_close(&holder);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_value_of_every_type),
		KIT_TEST(test_a_slice_that_meets_a_lock_leaves_no_response),
		KIT_TEST(test_value_add_and_exchange),
		KIT_TEST(test_value_refuses_what_does_not_fit),
		KIT_TEST(test_array_elements),
		KIT_TEST(test_array_slices),
		KIT_TEST(test_array_refuses_what_is_outside),
		KIT_TEST(test_array_refuses_other_types),
		KIT_TEST(test_a_slice_longer_than_a_response_is_refused),
	};

	return kit_run("ops_scalars", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
