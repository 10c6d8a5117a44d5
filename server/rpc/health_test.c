/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.health.v1: Check and Watch. */
#include "server/rpc/test_ask.h"

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"

enum {
	SERVING = 1,
	NOT_SERVING = 2,
	SERVICE_UNKNOWN = 3,
};

static struct kit kit;

static int start(void)
{
	return !kit_start(&kit, (struct rpc_options){ .max_parked = 4 });
}

static int stop(void)
{
	kit_stop(&kit);
	return 0;
}

static struct form form_service(const char *name)
{
	struct form form = { .len = 0 };
	form_bytes(&form, 1, name, strlen(name));
	return form;
}

static int status_of(const struct ask *ask)
{
	return ask->response_len == 2 && ask->response[0] == WIRE_TAG(1, WIRE_VARINT) ? ask->response[1] : -1;
}

static void begin_watch(struct ask *ask, const char *service)
{
	struct form form = form_service(service);
	ask_begin(&kit, ask, 0, WATCH, form_span(&form));
}

static int next_status(struct ask *ask)
{
	if (!ask_read(ask))
		return -1;
	ask_send(ask, (struct span){ NULL, 0 }, false); /* asks for the next */
	return status_of(ask);
}

static void end_watch(struct ask *ask)
{
	grpc_call_cancel(ask->call, NULL);
	CU_ASSERT_EQUAL(ask_finish(ask), GRPC_STATUS_CANCELLED);
}

static void check_knows_every_service(void)
{
	static const char *const names[] = { "", "sabir.v1.QueueService", "sabir.v1.ManagerService",
					     "grpc.health.v1.Health" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ask ask;
		struct form form = form_service(names[i]);
		CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, CHECK, form_span(&form)), GRPC_STATUS_OK);
		CU_ASSERT_EQUAL(status_of(&ask), SERVING);
	}
}

static void check_of_another_service_is_not_found(void)
{
	struct ask ask;
	struct form form = form_service("sabir.v1.Queue");
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, CHECK, form_span(&form)), GRPC_STATUS_NOT_FOUND);
}

static void a_malformed_check_is_refused(void)
{
	struct ask ask;
	const struct span cut_short = { (const uint8_t *)"\x0a\x05x", 3 };
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, CHECK, cut_short), GRPC_STATUS_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 1, WATCH, cut_short), GRPC_STATUS_INVALID_ARGUMENT);
}

static void watch_tells_every_change(void)
{
	struct ask all, one;
	begin_watch(&all, "");
	begin_watch(&one, "sabir.v1.DictService");
	CU_ASSERT_EQUAL(next_status(&all), SERVING);
	CU_ASSERT_EQUAL(next_status(&one), SERVING);
	rpc_set_serving(kit.rpc, false);
	CU_ASSERT_EQUAL(next_status(&all), NOT_SERVING);
	CU_ASSERT_EQUAL(next_status(&one), NOT_SERVING);
	rpc_set_serving(kit.rpc, true);
	CU_ASSERT_EQUAL(next_status(&all), SERVING);
	CU_ASSERT_EQUAL(next_status(&one), SERVING);
	end_watch(&all);
	end_watch(&one);
}

static void watch_of_another_service_stays_open(void)
{
	struct ask ask;
	begin_watch(&ask, "nobody");
	CU_ASSERT_EQUAL(next_status(&ask), SERVICE_UNKNOWN);
	rpc_set_serving(kit.rpc, true);
	end_watch(&ask);
}

static void await_watching(uint64_t n)
{
	struct rpc_counters counters;
	uint64_t give_up = kit_now() + KIT_PATIENCE_MS * 1000000ull;
	do {
		rpc_counters(kit.rpc, &counters);
		usleep(200);
	} while (counters.watching != n && kit_now() < give_up);
	CU_ASSERT_EQUAL(counters.watching, n);
}

static void there_is_a_limit_to_watchers(void)
{
	struct ask watch[5];
	await_watching(0);
	for (int i = 0; i < 4; i++) {
		begin_watch(&watch[i], "");
		CU_ASSERT_EQUAL(next_status(&watch[i]), SERVING);
	}
	begin_watch(&watch[4], "");
	CU_ASSERT_EQUAL(ask_finish(&watch[4]), GRPC_STATUS_RESOURCE_EXHAUSTED);
	for (int i = 0; i < 4; i++)
		end_watch(&watch[i]);
	await_watching(0);
}

static void watchers_race_with_changes(void)
{
	for (int i = 0; i < 200; i++) {
		struct ask ask;
		int status;
		begin_watch(&ask, "");
		rpc_set_serving(kit.rpc, false);
		rpc_set_serving(kit.rpc, true);
		do
			status = next_status(&ask);
		while (status == NOT_SERVING);
		CU_ASSERT_EQUAL(status, SERVING);
		end_watch(&ask);
		await_watching(0);
	}
}

static void draining_tells_watchers_and_lets_them_go(void)
{
	struct ask ask;
	begin_watch(&ask, "");
	CU_ASSERT_EQUAL(next_status(&ask), SERVING);
	rpc_drain(kit.rpc);
	CU_ASSERT_TRUE(ask_read(&ask));
	CU_ASSERT_EQUAL(status_of(&ask), NOT_SERVING);
	CU_ASSERT_EQUAL(ask_close(&ask), GRPC_STATUS_UNAVAILABLE);
	await_watching(0);
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(check_knows_every_service),           KIT_TEST(check_of_another_service_is_not_found),
		KIT_TEST(a_malformed_check_is_refused),        KIT_TEST(watch_tells_every_change),
		KIT_TEST(watch_of_another_service_stays_open), KIT_TEST(there_is_a_limit_to_watchers),
		KIT_TEST(watchers_race_with_changes),          KIT_TEST(draining_tells_watchers_and_lets_them_go),
	};
	return kit_run("health", start, stop, tests, sizeof(tests) / sizeof(tests[0]));
}
