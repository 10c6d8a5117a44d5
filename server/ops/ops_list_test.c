/* SPDX-License-Identifier: Apache-2.0 */
/* ListService and SharedListService: what requests mean, what is left out, and how failures are told. */
#include "server/ops/test_kit.h"

static void make(const char *name, const char *items)
{
	char request[256];
	snprintf(request, sizeof(request), "name='%s' list={}", name);
	CU_ASSERT(ops_call("ManagerService/Create", request) == SABIR_OK);
	snprintf(request, sizeof(request), "list={name='%s'} %s", name, items);
	CU_ASSERT(ops_call("ListService/Extend", request) == SABIR_OK);
}

static void test_elements_come_and_go(void)
{
	make("l/one", "items=$1 items=$'two' items=$null");
	CU_ASSERT(ops_answers("ListService/Append", "list={name='l/one'} item=$4", "length=4"));
	CU_ASSERT(ops_answers("ListService/Insert", "list={name='l/one'} index=-1 item=$true", "length=5"));
	CU_ASSERT(ops_answers("ListService/Get", "list={name='l/one'} index=-2", "value=$true"));
	CU_ASSERT(ops_answers("ListService/Set", "list={name='l/one'} value=$0.5", ""));
	CU_ASSERT(ops_answers("ListService/Pop", "list={name='l/one'}", "value=$4"));
	CU_ASSERT(ops_answers("ListService/Pop", "list={name='l/one'} index=0", "value=$0.5"));
	CU_ASSERT(ops_answers("ListService/Delete", "list={name='l/one'} index=1", ""));
	CU_ASSERT(ops_answers("ListService/Remove", "list={name='l/one'} value=$1", "index=1"));
	CU_ASSERT(ops_answers("ListService/Len", "list={name='l/one'}", "length=1"));
	CU_ASSERT(ops_answers("ListService/Clear", "list={name='l/one'}", "removed=1"));
	CU_ASSERT(ops_call("ListService/Pop", "list={name='l/one'}") == SABIR_EMPTY);
}

static void test_slices_leave_out_what_python_leaves_out(void)
{
	make("l/s", "items=$0 items=$1 items=$2 items=$3 items=$4");
	CU_ASSERT(ops_call("ListService/GetSlice", "list={name='l/s'} start=1 stop=-1") == SABIR_OK);
	CU_ASSERT(!strncmp(ops_text, "items=$1 items=$2 items=$3 total=3 version=", 43));
	CU_ASSERT(ops_call("ListService/GetSlice", "list={name='l/s'} step=-2 skip=1 max_items=1") == SABIR_OK);
	CU_ASSERT(!strncmp(ops_text, "items=$2 total=3 version=", 25));
	CU_ASSERT(ops_call("ListService/GetSlice", "list={name='l/s'} version=1") == SABIR_CHANGED);
	CU_ASSERT(ops_answers("ListService/SetSlice", "list={name='l/s'} start=3 items=$7", "length=4"));
	CU_ASSERT(ops_answers("ListService/DeleteSlice", "list={name='l/s'} step=2", "removed=2"));
	CU_ASSERT(ops_call("ListService/GetSlice", "list={name='l/s'}") == SABIR_OK);
	CU_ASSERT(!strncmp(ops_text, "items=$1 items=$7 total=2", 25));
	CU_ASSERT(ops_fails("ListService/GetSlice", "list={name='l/s'} step=0", SABIR_INVALID_ARGUMENT,
			    "field 'step' is 0"));
	CU_ASSERT(ops_fails("ListService/SetSlice", "list={name='l/s'} step=2 items=$1 items=$2",
			    SABIR_INVALID_ARGUMENT, "list 'l/s': 2 elements for a slice of another length"));
}

static void test_values_are_found_as_python_finds_them(void)
{
	make("l/f", "items=$0 items=$1 items=$'a' items=$1.0");
	CU_ASSERT(ops_answers("ListService/Index", "list={name='l/f'} value=$true", "index=1"));
	CU_ASSERT(ops_answers("ListService/Index", "list={name='l/f'} value=$1 start=2", "index=3"));
	CU_ASSERT(ops_call("ListService/Index", "list={name='l/f'} value=$1 start=2 stop=3") == SABIR_VALUE_NOT_FOUND);
	CU_ASSERT(ops_answers("ListService/Count", "list={name='l/f'} value=$1", "count=2"));
	CU_ASSERT(ops_answers("ListService/Contains", "list={name='l/f'} value=$'a'", "found=true"));
	CU_ASSERT(ops_answers("ListService/Contains", "list={name='l/f'} value=$'b'", ""));
	CU_ASSERT(ops_fails("ListService/Sort", "list={name='l/f'}", SABIR_WRONG_TYPE,
			    "list 'l/f': elements 1 and 2 have no order"));
	CU_ASSERT(ops_fails("ListService/Sort", "list={name='l/f'} key=$'k'", SABIR_WRONG_TYPE,
			    "list 'l/f': element 0 is no map"));
	CU_ASSERT(ops_fails("ListService/Get", "list={name='l/f'} index=4", SABIR_OUT_OF_RANGE,
			    "list 'l/f': index 4, length 4"));
}

static void test_a_list_is_copied_in_one_step(void)
{
	make("l/c", "items=$3 items=$1 items=$2");
	make("l/d", "items=$9");
	CU_ASSERT(ops_answers("ListService/Sort", "list={name='l/c'} reverse=true", ""));
	CU_ASSERT(ops_answers("ListService/Copy", "list={name='l/c'} to={name='l/d'} start=1 append=true", "length=3"));
	CU_ASSERT(ops_answers("ListService/Repeat", "list={name='l/d'} count=2", "length=6"));
	CU_ASSERT(ops_answers("ListService/Reverse", "list={name='l/d'}", ""));
	CU_ASSERT(ops_answers("ListService/Copy", "list={name='l/d'} to={name='l/d'} step=2", "length=3"));
	CU_ASSERT(ops_call("ListService/GetSlice", "list={name='l/d'}") == SABIR_OK);
	CU_ASSERT(!strncmp(ops_text, "items=$1 items=$9 items=$2 total=3", 34));
	CU_ASSERT(ops_fails("ListService/Copy", "list={name='l/c'} to={name='l/x'}", SABIR_NOT_FOUND,
			    "the list to copy to"));
	CU_ASSERT(ops_answers("ListService/Repeat", "list={name='l/d'}", ""));
}

static void test_a_shared_list_keeps_its_shape(void)
{
	CU_ASSERT(ops_call("ManagerService/Create", "name='s' shared_list={items=$1 items=$'text' items=$null}") ==
		  SABIR_OK);
	CU_ASSERT(ops_answers("SharedListService/Len", "shared_list={name='s'}", "length=3"));
	CU_ASSERT(ops_answers("SharedListService/Set", "shared_list={name='s'} index=-1 value=$'12345678'", ""));
	CU_ASSERT(ops_answers("SharedListService/Items", "shared_list={name='s'} start=1",
			      "items=$'text' items=$'12345678' length=3"));
	CU_ASSERT(ops_answers("SharedListService/Items", "shared_list={name='s'} max_items=1", "items=$1 length=3"));
	CU_ASSERT(ops_fails("SharedListService/Set", "shared_list={name='s'} value=$'123456789'", SABIR_TOO_LARGE,
			    "shared list 's': place 0 has not as much room"));
	CU_ASSERT(ops_answers("SharedListService/Index", "shared_list={name='s'} value=$'text'", "index=1"));
	CU_ASSERT(ops_answers("SharedListService/Count", "shared_list={name='s'} value=$1.0", "count=1"));
	CU_ASSERT(ops_fails("SharedListService/Get", "shared_list={name='s'} index=3", SABIR_OUT_OF_RANGE,
			    "shared list 's': index 3, length 3"));
	CU_ASSERT(ops_call("ManagerService/Create", "name='s' exist_ok=true shared_list={items=$1}") ==
		  SABIR_ALREADY_EXISTS);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_elements_come_and_go),
		KIT_TEST(test_slices_leave_out_what_python_leaves_out),
		KIT_TEST(test_values_are_found_as_python_finds_them),
		KIT_TEST(test_a_list_is_copied_in_one_step),
		KIT_TEST(test_a_shared_list_keeps_its_shape),
	};
	return kit_run("ops_list", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
