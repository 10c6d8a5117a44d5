/* SPDX-License-Identifier: Apache-2.0 */
/* What all sessions together may keep. */
#include "server/rpc/asked.h"
#include "server/rpc/test_once.h"

#define MOST 65536u
/* Who asks is refused when so much is kept already, so the last one that is not may go beyond; there are the answers, too. */
#define MOST_KEPT (MOST / sizeof(struct asked) + 1)

static int start_small(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 64, .max_kept_bytes = MOST });
}

/* Returns how many were kept before one was refused. */
static uint32_t fill(void)
{
	struct ask ask;
	char id[24];
	uint64_t bytes;
	struct form form = form_on("q");
	grpc_status_code code = GRPC_STATUS_OK;
	for (unsigned i = 1; i <= MOST_KEPT + 1 && code == GRPC_STATUS_OK; i++) {
		snprintf(id, sizeof(id), "%u", i);
		say(token, id, NULL);
		code = kit_ask(&kit, &ask, 0, KIT_SIZE, form_span(&form));
	}
	CU_ASSERT_EQUAL(code, GRPC_STATUS_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "TOO_MANY_REQUESTS");
	return n_kept(&bytes);
}

/* What one keeps is missing to the others, and is free again when its session has ended. */
static void sessions_keep_so_much_together(void)
{
	struct ask ask;
	struct form form = { .len = 0 };
	char greedy[SESSION_TOKEN_LEN + 1];
	kit_create_queue(&kit, "q", 0);
	open_session();
	uint32_t n = fill();
	CU_ASSERT_TRUE(n > 100 && n <= MOST_KEPT);
	memcpy(greedy, token, sizeof(greedy));
	open_session();
	CU_ASSERT_EQUAL(put_as("1", "q", "x", &ask, 0), GRPC_STATUS_RESOURCE_EXHAUSTED);
	CU_ASSERT_STRING_EQUAL(ask.reason, "TOO_MANY_REQUESTS");
	CU_ASSERT_EQUAL(size_of("q"), 0);
	form_bytes(&form, 1, greedy, SESSION_TOKEN_LEN);
	say(NULL, NULL, NULL);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, CLOSE, form_span(&form)), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(fill(), n);
	CU_ASSERT_EQUAL(close_session(), GRPC_STATUS_OK);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("what sessions keep", start_small, stop);
	CU_ADD_TEST(suite, sessions_keep_so_much_together);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
