/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DictService: every operation, and every way in which it fails.
 */
#include "server/ops/test_kit.h"

#define D "dict={name='d'}"
#define KEYS_OF_D "dict={name='d'} page_size=2 page_token="

static void make_dict(void)
{
	(void)ops_call("ManagerService/Delete", "object={name='d'}");
	CU_ASSERT_FATAL(ops_call("ManagerService/Create", "name='d' dict={}") == SABIR_OK);
}

static void test_set_get_delete(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/Set", D " key=$'k' value=$1", "inserted=true"));
	CU_ASSERT(ops_answers("DictService/Set", D " key=$'k' value=$'two'", ""));
	CU_ASSERT(ops_answers("DictService/Get", D " key=$'k'", "value=$'two'"));
	CU_ASSERT(ops_answers("DictService/Contains", D " key=$'k'", "found=true"));
	CU_ASSERT(ops_answers("DictService/Contains", D " key=$'x'", ""));
	CU_ASSERT(ops_answers("DictService/Len", D, "length=1"));
	CU_ASSERT(ops_answers("DictService/Delete", D " key=$'k'", ""));
	CU_ASSERT(ops_fails("DictService/Delete", D " key=$'k'", SABIR_KEY_NOT_FOUND, "dict 'd'"));
	CU_ASSERT(ops_fails("DictService/Get", D " key=$'k'", SABIR_KEY_NOT_FOUND, "dict 'd'"));
	CU_ASSERT(ops_answers("DictService/Len", D, ""));
}

static void test_equal_keys_are_one_key(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/Set", D " key='\x20\x05' value=$1", "inserted=true")); /* unsigned 5 */
	CU_ASSERT(ops_answers("DictService/Get", D " key=$5", "value=$1"));
	CU_ASSERT(ops_fails("DictService/Get", D " key=$5.0", SABIR_KEY_NOT_FOUND, "dict 'd'"));
	CU_ASSERT(ops_fails("DictService/Get", D " key=$'5'", SABIR_KEY_NOT_FOUND, "dict 'd'"));
	CU_ASSERT(ops_answers("DictService/Keys", D, "keys=$5"));
	/* A list in other bytes: [unsigned 1] and [1]. */
	CU_ASSERT(ops_answers("DictService/Set", D " key='\x42\x04\x0a\x02\x20\x01' value=$2", "inserted=true"));
	CU_ASSERT(ops_answers("DictService/Get", D " key='\x42\x04\x0a\x02\x18\x01'", "value=$2"));
}

static void test_setdefault_and_pop(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/SetDefault", D " key=$'k' value=$1", "value=$1 inserted=true"));
	CU_ASSERT(ops_answers("DictService/SetDefault", D " key=$'k' value=$2", "value=$1"));
	CU_ASSERT(ops_answers("DictService/Pop", D " key=$'k'", "value=$1"));
	CU_ASSERT(ops_fails("DictService/Pop", D " key=$'k'", SABIR_KEY_NOT_FOUND, "dict 'd'"));
	CU_ASSERT(ops_answers("DictService/Set", D " key=$'a' value=$1", "inserted=true"));
	CU_ASSERT(ops_answers("DictService/Set", D " key=$'b' value=$'last'", "inserted=true"));
	CU_ASSERT(ops_answers("DictService/PopItem", D, "key=$'b' value=$'last'"));
	CU_ASSERT(ops_answers("DictService/PopItem", D, "key=$'a' value=$1"));
	CU_ASSERT(ops_fails("DictService/PopItem", D, SABIR_EMPTY, "dict 'd'"));
}

static void test_pop_item_first_and_reversed_pages(void)
{
	char request[160], token[64] = "";
	make_dict();
	for (int i = 1; i <= 4; i++) {
		snprintf(request, sizeof(request), D " key=$%d value=$'v%d'", i, i);
		CU_ASSERT(ops_answers("DictService/Set", request, "inserted=true"));
	}
	CU_ASSERT(ops_answers("DictService/PopItem", D " first=true", "key=$1 value=$'v1'"));
	CU_ASSERT(ops_answers("DictService/Keys", D " reverse=true", "keys=$4 keys=$3 keys=$2"));
	CU_ASSERT(ops_answers("DictService/Values", D " reverse=true", "values=$'v4' values=$'v3' values=$'v2'"));
	CU_ASSERT(ops_call("DictService/Items", D " reverse=true page_size=2") == SABIR_OK);
	CU_ASSERT(sscanf(ops_text, "entries={key=$4 value=$'v4'} entries={key=$3 value=$'v3'} next_page_token='%24s",
			 token) == 1);
	snprintf(request, sizeof(request), D " reverse=true page_token='%s'", token);
	CU_ASSERT(ops_answers("DictService/Items", request, "entries={key=$2 value=$'v2'}"));
	snprintf(request, sizeof(request), D " page_token='%s'", token);
	CU_ASSERT(ops_fails("DictService/Items", request, SABIR_INVALID_ARGUMENT,
			    "field 'page_token' is not a token of this call"));
}

static void test_copy_and_from_keys(void)
{
	make_dict();
	(void)ops_call("ManagerService/Delete", "object={name='d2'}");
	CU_ASSERT(ops_answers("DictService/Set", D " key=$1 value=$2", "inserted=true"));
	CU_ASSERT(ops_call("DictService/Copy", D " name='d2'") == SABIR_OK);
	CU_ASSERT(strstr(ops_text, "info={name='d2'") && strstr(ops_text, "kind=4") && strstr(ops_text, "length=1"));
	CU_ASSERT(ops_answers("DictService/Items", "dict={name='d2'}", "entries={key=$1 value=$2}"));
	CU_ASSERT(ops_fails("DictService/Copy", D " name='d2'", SABIR_ALREADY_EXISTS, "dict 'd'"));
	CU_ASSERT(ops_fails("DictService/Copy", D " name='/'", SABIR_INVALID_NAME, "dict 'd'"));
	CU_ASSERT(ops_fails("DictService/FromKeys", "name='d2' keys=$1", SABIR_ALREADY_EXISTS, "dict 'd2'"));
	CU_ASSERT(ops_call("ManagerService/Delete", "object={name='d2'}") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/FromKeys", "name='d2' keys=$'b' keys=$1 keys=$'b'") == SABIR_OK);
	CU_ASSERT(ops_answers("DictService/Items", "dict={name='d2'}",
			      "entries={key=$'b' value=$null} entries={key=$1 value=$null}"));
	CU_ASSERT(ops_call("DictService/FromKeys", "keys=$1 value=$5") == SABIR_OK && strstr(ops_text, "length=1"));
	CU_ASSERT(ops_fails("DictService/FromKeys", "keys='x'", SABIR_INVALID_VALUE, "field 'keys'"));
}

static void test_update_sets_all_or_none(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/Update", D, ""));
	CU_ASSERT(ops_answers("DictService/Update",
			      D " entries={key=$'a' value=$1} entries={value=$2 key=$'b'} entries={key=$'a' value=$3}",
			      "inserted=2"));
	CU_ASSERT(ops_answers("DictService/Items", D, "entries={key=$'a' value=$3} entries={key=$'b' value=$2}"));
	CU_ASSERT(ops_fails("DictService/Update", D " entries={key=$'c' value=$1} entries={key=$'d'}",
			    SABIR_INVALID_ARGUMENT, "field 'value' is missing"));
	CU_ASSERT(ops_fails("DictService/Update", D " entries={key=$'c' value=$1} entries={key='x' value=$1}",
			    SABIR_INVALID_VALUE, "field 'key'"));
	CU_ASSERT(ops_fails("DictService/Update", D " entries={}", SABIR_INVALID_ARGUMENT, "field 'key' is missing"));
	CU_ASSERT(ops_answers("DictService/Len", D, "length=2"));
	/* Keys that are not canonical stand in memory of the call. */
	CU_ASSERT(ops_answers("DictService/Update",
			      D " entries={key='\x20\x01' value=$1} entries={key='\x20\x02' value=$2}", "inserted=2"));
	CU_ASSERT(ops_answers("DictService/Get", D " key=$2", "value=$2"));
}

static void test_increment(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/Increment", D " key=$'n' delta=$5", "value=$5"));
	CU_ASSERT(ops_answers("DictService/Increment", D " key=$'n' delta=$-7", "value=$-2"));
	CU_ASSERT(ops_answers("DictService/Increment", D " key=$'n' delta=$0.5", "value=$-1.5"));
	CU_ASSERT(ops_answers("DictService/Increment", D " key=$'m' delta=$9223372036854775807",
			      "value=$9223372036854775807"));
	CU_ASSERT(ops_answers("DictService/Increment", D " key=$'m' delta=$1", "value=$9223372036854775808"));
	CU_ASSERT(ops_fails("DictService/Increment", D " key=$'m' delta=$9223372036854775808", SABIR_OUT_OF_RANGE,
			    "dict 'd'"));
	CU_ASSERT(ops_answers("DictService/Get", D " key=$'m'", "value=$9223372036854775808"));
	CU_ASSERT(ops_fails("DictService/Increment", D " key=$'x' delta=$'one'", SABIR_WRONG_TYPE, "dict 'd'"));
	CU_ASSERT(ops_fails("DictService/Increment", D " key=$'x' delta=$true", SABIR_WRONG_TYPE, "dict 'd'"));
	CU_ASSERT(ops_answers("DictService/Contains", D " key=$'x'", ""));
	CU_ASSERT(ops_answers("DictService/Set", D " key=$'s' value=$'a text that is too long for a number'",
			      "inserted=true"));
	CU_ASSERT(ops_fails("DictService/Increment", D " key=$'s' delta=$1", SABIR_WRONG_TYPE, "dict 'd'"));
}

static void test_compare_exchange(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' expected=$1 desired=$2", ""));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' desired=$1", "exchanged=true"));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' desired=$2", "value=$1"));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' expected=$3 desired=$2", "value=$1"));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' expected='\x20\x01' desired=$2",
			      "value=$1 exchanged=true"));
	CU_ASSERT(ops_answers("DictService/Get", D " key=$'k'", "value=$2"));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k' expected=$2", "value=$2 exchanged=true"));
	CU_ASSERT(ops_answers("DictService/Contains", D " key=$'k'", ""));
	CU_ASSERT(ops_answers("DictService/CompareExchange", D " key=$'k'", "exchanged=true"));
	CU_ASSERT(ops_answers("DictService/Len", D, ""));
}

/* The token that the last response ended with. */
static bool next_page(const char *method, char *token)
{
	char request[128];
	const char *at = strstr(ops_text, "next_page_token='");

	if (!at)
		return false;
	snprintf(token, 25, "%s", at + strlen("next_page_token='"));
	snprintf(request, sizeof(request), KEYS_OF_D "'%s'", token);
	return ops_call(method, request) == SABIR_OK;
}

static void test_pages(void)
{
	char token[32];

	make_dict();
	CU_ASSERT(ops_answers("DictService/Keys", D, ""));
	for (int i = 1; i <= 5; i++) {
		char request[64];
		snprintf(request, sizeof(request), D " key=$%d value=$%d", i, 10 * i);
		CU_ASSERT(ops_call("DictService/Set", request) == SABIR_OK);
	}
	CU_ASSERT(ops_answers("DictService/Keys", D, "keys=$1 keys=$2 keys=$3 keys=$4 keys=$5"));
	CU_ASSERT(ops_answers("DictService/Values", D " page_size=20000",
			      "values=$10 values=$20 values=$30 values=$40 values=$50"));
	CU_ASSERT(ops_call("DictService/Keys", D " page_size=2") == SABIR_OK);
	CU_ASSERT(!strncmp(ops_text, "keys=$1 keys=$2 next_page_token='", 33));
	CU_ASSERT(next_page("DictService/Keys", token) && !strncmp(ops_text, "keys=$3 keys=$4 n", 17));
	CU_ASSERT(next_page("DictService/Keys", token) && !strcmp(ops_text, "keys=$5"));
	CU_ASSERT(ops_call("DictService/Items", D " page_size=2") == SABIR_OK);
	CU_ASSERT(next_page("DictService/Items", token) &&
		  !strncmp(ops_text, "entries={key=$3 value=$30} entries={key=$4 value=$40} n", 55));
	CU_ASSERT(next_page("DictService/Items", token) && !strcmp(ops_text, "entries={key=$5 value=$50}"));
}

static void test_broken_tokens_are_refused(void)
{
	char token[32], request[128];
	const char *text = "field 'page_token' is not a token of this call";

	make_dict();
	CU_ASSERT(ops_call("DictService/Update", D " entries={key=$1 value=$1} entries={key=$2 value=$1}") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Keys", D " page_size=1") == SABIR_OK);
	CU_ASSERT(next_page("DictService/Keys", token));
	snprintf(request, sizeof(request), KEYS_OF_D "'%s'", token);
	CU_ASSERT(ops_fails("DictService/Values", request, SABIR_INVALID_ARGUMENT, text));
	for (size_t i = 0; i < 24; i++) {
		char broken[32];
		memcpy(broken, token, sizeof(broken));
		broken[i] = broken[i] == 'a' ? 'b' : 'a';
		snprintf(request, sizeof(request), KEYS_OF_D "'%s'", broken);
		CU_ASSERT(ops_fails("DictService/Keys", request, SABIR_INVALID_ARGUMENT, text));
	}
	CU_ASSERT(ops_fails("DictService/Keys", KEYS_OF_D "'x'", SABIR_INVALID_ARGUMENT, text));
	CU_ASSERT(ops_fails("DictService/Keys", KEYS_OF_D "'000000000000000000000000'", SABIR_INVALID_ARGUMENT, text));
	CU_ASSERT(ops_fails("DictService/Keys", KEYS_OF_D "'                       1'", SABIR_INVALID_ARGUMENT, text));
}

/* Each value is nearly as large as a response may be. */
static void test_a_page_ends_at_the_limit_of_a_response(void)
{
	static uint8_t request[700100], value[700000];
	char token[32];
	unsigned n_pages = 1;

	make_dict();
	memset(value, 'x', sizeof(value));
	(void)value_head_bytes(VALUE_BINARY, sizeof(value) - 4, value);
	for (uint8_t i = 0; i < 4; i++) {
		uint8_t key[] = { 0x18, i }, *to = wire_put_bytes(request, 1,
								  "\x0a\x01"
								  "d",
								  3);
		to = wire_put_bytes(to, 2, key, 2);
		to = wire_put_bytes(to, 3, value, sizeof(value));
		CU_ASSERT(ops_run("DictService/Set", (struct span){ request, (size_t)(to - request) }) == SABIR_OK);
	}
	CU_ASSERT(ops_call("DictService/Keys", D) == SABIR_OK && !strcmp(ops_text, "keys=$0 keys=$1 keys=$2 keys=$3"));
	CU_ASSERT(ops_call("DictService/Items", D) == SABIR_OK);
	for (;; n_pages++) {
		CU_ASSERT(ops_response.len > sizeof(value) && ops_response.len <= op_message_limit(&ops_seg));
		if (ops_response.data[ops_response.len - 26] != 0x12)
			break;
		snprintf(token, sizeof(token), "%.24s", (const char *)ops_response.data + ops_response.len - 24);
		snprintf((char *)request, sizeof(request), D " page_token='%s'", token);
		if (ops_call("DictService/Items", (char *)request) != SABIR_OK)
			break;
	}
	CU_ASSERT(n_pages == 2);
}

static void test_bad_keys_and_values_are_refused(void)
{
	static uint8_t request[1200100], value[1200000];

	make_dict();
	CU_ASSERT(ops_fails("DictService/Get", D, SABIR_INVALID_ARGUMENT, "field 'key' is missing"));
	CU_ASSERT(ops_fails("DictService/Get", D " key='x'", SABIR_INVALID_VALUE, "field 'key'"));
	CU_ASSERT(ops_fails("DictService/Set", D " key=$1", SABIR_INVALID_ARGUMENT, "field 'value' is missing"));
	CU_ASSERT(ops_fails("DictService/Set", D " key=$1 value='x'", SABIR_INVALID_VALUE, "field 'value'"));
	CU_ASSERT(ops_fails("DictService/CompareExchange", D " key=$1 desired='x'", SABIR_INVALID_VALUE,
			    "field 'desired'"));
	memset(value, 'x', sizeof(value));
	(void)value_head_bytes(VALUE_BINARY, sizeof(value) - 4, value);
	uint8_t *to = wire_put_bytes(request, 1,
				     "\x0a\x01"
				     "d",
				     3);
	to = wire_put_bytes(to, 2, "\x18\x01", 2);
	to = wire_put_bytes(to, 3, value, sizeof(value));
	CU_ASSERT(ops_run("DictService/Set", (struct span){ request, (size_t)(to - request) }) == SABIR_TOO_LARGE);
	CU_ASSERT_STRING_EQUAL(ops_detail, "dict 'd': value of 1200000 bytes, limit 1048576");
	CU_ASSERT(ops_answers("DictService/Len", D, ""));
}

/* A key and a value of so many bytes together. */
static enum sabir_error set_entry(size_t key_len, size_t value_len)
{
	static uint8_t request[1200100], part[1200000];
	uint8_t *to = wire_put_bytes(request, 1,
				     "\x0a\x01"
				     "d",
				     3);
	(void)value_head_bytes(VALUE_BINARY, key_len - 4, part);
	to = wire_put_bytes(to, 2, part, key_len);
	(void)value_head_bytes(VALUE_BINARY, value_len - 4, part);
	to = wire_put_bytes(to, 3, part, value_len);
	return ops_run("DictService/Set", (struct span){ request, (size_t)(to - request) });
}

static void test_every_entry_fits_into_a_response(void)
{
	uint8_t encoded[64];

	make_dict();
	CU_ASSERT(set_entry(500000, 548577) == SABIR_TOO_LARGE);
	CU_ASSERT_STRING_EQUAL(ops_detail, "dict 'd': key and value of 1048577 bytes, limit 1048576");
	CU_ASSERT(set_entry(500000, 548576) == SABIR_OK);
	struct span request = ops_request("DictService/Items", D, encoded);
	CU_ASSERT(op_run(ops_op("DictService/Items"), &ops_lane, request, &ops_response, &ops_wait, ops_detail) ==
		  SABIR_OK);
	CU_ASSERT(ops_response.len > 1048576 && ops_response.len <= op_message_limit(&ops_seg));
	CU_ASSERT(op_run(ops_op("DictService/PopItem"), &ops_lane, request, &ops_response, &ops_wait, ops_detail) ==
		  SABIR_OK);
	CU_ASSERT(ops_response.len > 1048576 && ops_response.len <= op_message_limit(&ops_seg));
}

static void test_clear(void)
{
	make_dict();
	CU_ASSERT(ops_call("DictService/Update", D " entries={key=$1 value=$1} entries={key=$2 value=$1}") == SABIR_OK);
	CU_ASSERT(ops_answers("DictService/Clear", D, "removed=2"));
	CU_ASSERT(ops_answers("DictService/Clear", D, ""));
}

static void test_entries_that_end(void)
{
	make_dict();
	CU_ASSERT(ops_answers("DictService/Set", D " key=$1 value=$10 ttl={seconds=100}", "inserted=true"));
	CU_ASSERT(ops_call("DictService/Ttl", D " key=$1") == SABIR_OK);
	CU_ASSERT(ops_response.len > 0);
	CU_ASSERT(ops_answers("DictService/Set", D " key=$1 value=$11 keep_ttl=1", ""));
	CU_ASSERT(ops_call("DictService/Ttl", D " key=$1") == SABIR_OK);
	CU_ASSERT(ops_response.len > 0);
	CU_ASSERT(ops_answers("DictService/Expire", D " key=$1", ""));
	CU_ASSERT(ops_answers("DictService/Ttl", D " key=$1", ""));
	CU_ASSERT(ops_call("DictService/Ttl", D " key=$2") == SABIR_KEY_NOT_FOUND);
	CU_ASSERT(ops_call("DictService/Expire", D " key=$2 ttl={seconds=1}") == SABIR_KEY_NOT_FOUND);
	CU_ASSERT(ops_call("DictService/Set", D " key=$1 value=$1 ttl={seconds=1} keep_ttl=1") ==
		  SABIR_INVALID_ARGUMENT);
	CU_ASSERT(ops_call("DictService/Set", D " key=$1 value=$1 ttl={seconds=-1}") == SABIR_INVALID_ARGUMENT);
	CU_ASSERT(ops_answers("DictService/Update",
			      D " entries={key=$1 value=$1} entries={key=$3 value=$1} ttl={nanos=1}", "inserted=1"));
	CU_ASSERT(ops_answers("DictService/Len", D, ""));
	CU_ASSERT(ops_call("DictService/SetDefault", D " key=$1 value=$5 ttl={nanos=1}") == SABIR_OK);
	CU_ASSERT(ops_call("DictService/Get", D " key=$1") == SABIR_KEY_NOT_FOUND);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(test_set_get_delete),
		KIT_TEST(test_equal_keys_are_one_key),
		KIT_TEST(test_setdefault_and_pop),
		KIT_TEST(test_pop_item_first_and_reversed_pages),
		KIT_TEST(test_copy_and_from_keys),
		KIT_TEST(test_update_sets_all_or_none),
		KIT_TEST(test_increment),
		KIT_TEST(test_compare_exchange),
		KIT_TEST(test_pages),
		KIT_TEST(test_broken_tokens_are_refused),
		KIT_TEST(test_a_page_ends_at_the_limit_of_a_response),
		KIT_TEST(test_bad_keys_and_values_are_refused),
		KIT_TEST(test_every_entry_fits_into_a_response),
		KIT_TEST(test_clear),
		KIT_TEST(test_entries_that_end),
	};

	return kit_run("ops_dict", ops_setup, ops_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
