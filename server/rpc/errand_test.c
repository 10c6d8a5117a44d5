/* SPDX-License-Identifier: Apache-2.0 */
/* Streams whose clients go while what they wait for comes: an errand is parked again as it is cancelled. */
#include "server/rpc/test_flow.h"

#define N_STREAMS 60

static struct kit kit;
static uint32_t ended;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 64 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

/* As a local program does: one change at a time, so that the watch waits for each. */
static void *change_all_the_time(void *context)
{
	struct lane lane = kit_lane(&kit.seg);
	struct queue_item item = { { NULL, 0 }, { (const uint8_t *)"\x32\x01x", 3 } };
	uint64_t handle;
	uint32_t accepted;
	uint64_t cleared;
	(void)context;
	if (object_open(&lane, (struct span){ (const uint8_t *)"come and go", 11 }, &handle) == SABIR_OK)
		while (!load32_acquire(&ended)) {
			(void)queue_put(&lane, handle, &item, 1, &accepted);
			usleep(20);
			(void)queue_clear(&lane, handle, &cleared);
		}
	kit_lane_close(&lane);
	return NULL;
}

static void clients_go_while_changes_come(void)
{
	struct ask ask;
	pthread_t changer;
	struct form form = form_on("come and go");
	kit_create_queue(&kit, "come and go", 0);
	pthread_create(&changer, NULL, change_all_the_time, NULL);
	for (int i = 0; i < N_STREAMS; i++) {
		ask_begin(&kit, &ask, 0, "/sabir.v1.WatchService/Watch", form_span(&form));
		CU_ASSERT_TRUE(ask_read(&ask));
		for (int n = 0; n < i % 5; n++)
			CU_ASSERT_TRUE(flow_hear(&ask));
		flow_break(&ask);
	}
	store32_release(&ended, 1);
	pthread_join(changer, NULL);
	kit_await_waiting(&kit, 0);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("errands", start, stop);
	CU_ADD_TEST(suite, clients_go_while_changes_come);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
