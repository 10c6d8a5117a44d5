/* SPDX-License-Identifier: Apache-2.0 */
/* How a failed gRPC call becomes an error, from bytes that a server, a proxy or an attacker might send. */
#include <CUnit/Basic.h>

#include "bindings/c/request.h"
#include "bindings/c/status.h"

static struct request made;

static struct span status_with(const char *type_url, const char *domain, const char *reason, const char *detail)
{
	request_init(&made, 256);
	request_varint(&made, 1, 5);
	request_bytes(&made, 2, "text", 4);
	size_t any = request_begin(&made, 3);
	request_bytes(&made, 1, type_url, strlen(type_url));
	size_t info = request_begin(&made, 2);
	request_bytes(&made, 1, reason, strlen(reason));
	request_bytes(&made, 2, domain, strlen(domain));
	size_t entry = request_begin(&made, 3);
	request_bytes(&made, 1, "detail", 6);
	request_bytes(&made, 2, detail, strlen(detail));
	request_end(&made, entry);
	request_end(&made, info);
	request_end(&made, any);
	return (struct span){ made.data, made.len };
}

static const char info_url[] = "type.googleapis.com/google.rpc.ErrorInfo";
static const struct span nothing;
static const struct span text = { (const uint8_t *)"from gRPC", 9 };

static void the_reason_decides(void)
{
	CU_ASSERT_EQUAL(status_read(5, status_with(info_url, "sabir.dev", "KEY_NOT_FOUND", "key 7"), text),
			SABIR_KEY_NOT_FOUND);
	CU_ASSERT_STRING_EQUAL(sabir_detail(), "key 7");
	request_fini(&made);
}

static void without_a_reason_the_code_decides(void)
{
	CU_ASSERT_EQUAL(status_read(14, nothing, text), SABIR_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(sabir_detail(), "from gRPC");
	CU_ASSERT_EQUAL(status_read(4, nothing, nothing), SABIR_TIMED_OUT);
	CU_ASSERT_STRING_EQUAL(sabir_detail(), "");
	CU_ASSERT_EQUAL(status_read(1, nothing, text), SABIR_UNAVAILABLE);
	CU_ASSERT_EQUAL(status_read(12, nothing, text), SABIR_UNIMPLEMENTED);
	CU_ASSERT_EQUAL(status_read(16, nothing, text), SABIR_PERMISSION_DENIED);
	CU_ASSERT_EQUAL(status_read(2, nothing, text), SABIR_INTERNAL);
}

static void foreign_details_count_for_nothing(void)
{
	CU_ASSERT_EQUAL(status_read(14, status_with(info_url, "other.example", "EMPTY", "x"), text), SABIR_UNAVAILABLE);
	request_fini(&made);
	CU_ASSERT_EQUAL(status_read(14, status_with("type.googleapis.com/other", "sabir.dev", "EMPTY", "x"), text),
			SABIR_UNAVAILABLE);
	request_fini(&made);
	CU_ASSERT_EQUAL(status_read(14, status_with(info_url, "sabir.dev", "FROM_THE_FUTURE", "x"), text),
			SABIR_UNAVAILABLE);
	request_fini(&made);
}

static void every_cut_is_survived(void)
{
	struct span whole = status_with(info_url, "sabir.dev", "EMPTY", "some detail");
	for (size_t len = 0; len < whole.len; len++) {
		enum sabir_error error = status_read(9, (struct span){ whole.data, len }, text);
		CU_ASSERT_EQUAL(error, SABIR_INTERNAL);
	}
	request_fini(&made);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("status", NULL, NULL);
	CU_ADD_TEST(suite, the_reason_decides);
	CU_ADD_TEST(suite, without_a_reason_the_code_decides);
	CU_ADD_TEST(suite, foreign_details_count_for_nothing);
	CU_ADD_TEST(suite, every_cut_is_survived);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
