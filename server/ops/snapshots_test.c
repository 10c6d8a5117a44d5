/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots that are asked for: who gets which, and who may; the test is the thread that writes them.
 */
#include "server/ops/snapshots.h"

#include "server/base/clock.h"
#include "server/ops/park.h"
#include "server/ops/test_kit.h"

#define SNAPSHOT "AdminService/Snapshot"

static struct snapshots *all;
static struct park *park;
static const char *peer = "unix:";

/* What became of a parked request. */
struct result {
	unsigned n_done;
	enum sabir_error error;
	char text[512];
	char detail[OP_DETAIL_SIZE];
	uint64_t id;
};

static int setup(void)
{
	if (ops_setup())
		return 1;
	all = snapshots_new(&ops_seg);
	park = park_new(&ops_seg, NULL, NULL);
	park_set_snapshots(park, all);
	return 0;
}

static int teardown(void)
{
	park_free(park);
	snapshots_free(all);
	return ops_teardown();
}

static void write_peer(void *context, char *to, size_t size)
{
	(void)context;
	snprintf(to, size, "%s", peer);
}

static void decode(const struct bytes *response, char *text, size_t size)
{
	FILE *out = fmemopen(text, size, "w");
	ops_decode(ops_method(SNAPSHOT)->output, bytes_item(response, 0), out);
	fclose(out);
}

static enum sabir_error run(struct snapshots *snapshots, const char *request, struct op_wait *wait)
{
	uint8_t encoded[64];
	const struct op_front front = { .snapshots = snapshots, .peer = write_peer };
	*wait = (struct op_wait){ 0 };
	return op_run_front(ops_op(SNAPSHOT), &ops_lane, &front, ops_request(SNAPSHOT, request, encoded), &ops_response,
			    wait, ops_detail);
}

static void done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct result *r = context;
	r->n_done++;
	r->error = error;
	snprintf(r->detail, sizeof(r->detail), "%s", detail);
	if (!error)
		decode(response, r->text, sizeof(r->text));
}

/* Asks and parks what has to wait. */
static void ask(const char *request, struct result *r)
{
	struct op_wait wait;
	uint8_t encoded[64];
	*r = (struct result){ 0 };
	struct park_entry entry = { .op = ops_op(SNAPSHOT), .wait = &wait, .done = done, .context = r };
	entry.error = run(all, request, &wait);
	CU_ASSERT_FATAL(entry.error == SABIR_WOULD_BLOCK && wait.wanted);
	entry.request = ops_request(SNAPSHOT, request, encoded);
	entry.deadline_ns = park_deadline(wait.timeout_ns);
	CU_ASSERT(park_add(park, &ops_lane, &entry, &r->id) == SABIR_OK);
}

static void begin_writing(void)
{
	CU_ASSERT(snapshots_await(all, CLOCK_NEVER));
}

static void written(uint64_t n_objects)
{
	struct snapshot_report report = { .n_objects = n_objects, .n_bytes = 7, .took_ns = 5, .end_time_ns = 9 };
	snprintf(report.file, sizeof(report.file), "file-%u", (unsigned)n_objects);
	snapshots_done(all, &report);
	park_ring(park, &ops_lane);
}

static void test_who_asks_is_answered_when_it_is_written(void)
{
	struct result r;
	ask("", &r);
	begin_writing();
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 0 && park_count(park) == 1);
	written(3);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_OK);
	CU_ASSERT_STRING_EQUAL(r.text, "file='file-3' n_objects=3 size_bytes=7 write_duration={nanos=5} "
				       "end_time={nanos=9}");
	CU_ASSERT(park_count(park) == 0);
}

static void test_one_that_had_begun_is_not_for_who_asks_later(void)
{
	struct result early, late, later, joined;
	ask("", &early);
	begin_writing();
	ask("", &late);
	ask("join=true", &joined);
	ask("", &later);
	written(1);
	CU_ASSERT(early.n_done == 1 && joined.n_done == 1 && late.n_done == 0);
	CU_ASSERT(!strncmp(joined.text, "file='file-1'", 13));
	begin_writing(); /* at once: it was asked for */
	written(2);
	CU_ASSERT(late.n_done == 1 && later.n_done == 1);
	CU_ASSERT(!strncmp(late.text, "file='file-2'", 13));
	CU_ASSERT(park_count(park) == 0);
}

static void test_why_there_is_none_is_told(void)
{
	const struct snapshot_report report = { .error = SABIR_DISK_FULL, .detail = "no space left" };
	struct result r;
	ask("", &r);
	begin_writing();
	snapshots_done(all, &report);
	park_ring(park, &ops_lane);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_DISK_FULL);
	CU_ASSERT_STRING_EQUAL(r.detail, "no space left");
}

static void test_who_gives_up_gives_up_the_wait_only(void)
{
	struct result cancelled, timed, stays;
	ask("", &cancelled);
	ask("timeout={nanos=1}", &timed);
	ask("", &stays);
	CU_ASSERT(park_cancel(park, cancelled.id));
	park_expire(park, UINT64_MAX - 1);
	CU_ASSERT(timed.n_done == 1 && timed.error == SABIR_WOULD_BLOCK);
	begin_writing();
	written(1);
	CU_ASSERT(stays.n_done == 1 && cancelled.n_done == 0);
}

static void test_without_time_it_is_only_asked_for(void)
{
	struct op_wait wait;
	CU_ASSERT(run(all, "timeout={}", &wait) == SABIR_WOULD_BLOCK && !wait.wanted);
	begin_writing();
	written(1);
}

static void test_a_negative_timeout_only_asks(void)
{
	struct op_wait wait;
	CU_ASSERT_FATAL(run(all, "timeout={seconds=-1}", &wait) == SABIR_WOULD_BLOCK && !wait.wanted);
	begin_writing();
	written(1);
	CU_ASSERT(run(all, "timeout={seconds=-1 nanos=1}", &wait) == SABIR_INVALID_ARGUMENT);
}

static void test_who_may_and_where_there_is_no_folder(void)
{
	struct op_wait wait;
	CU_ASSERT(ops_fails(SNAPSHOT, "", SABIR_UNIMPLEMENTED, "snapshots are the server's: it is asked over gRPC"));
	CU_ASSERT(run(NULL, "", &wait) == SABIR_NOT_CONFIGURED && !wait.wanted);
	CU_ASSERT_STRING_EQUAL(ops_detail, "there is no folder for snapshots (snapshot-dir)");
	peer = "ipv4:127.0.0.1:80";
	CU_ASSERT(run(all, "", &wait) == SABIR_PERMISSION_DENIED && !wait.wanted);
	peer = "unix:";
}

static void test_at_the_end_nobody_waits(void)
{
	struct result r;
	struct op_wait wait;
	ask("", &r);
	snapshots_close(all);
	CU_ASSERT(!snapshots_await(all, CLOCK_NEVER));
	park_drain(park, SABIR_UNAVAILABLE);
	CU_ASSERT(r.n_done == 1 && r.error == SABIR_UNAVAILABLE);
	CU_ASSERT(run(all, "", &wait) == SABIR_UNAVAILABLE && !wait.wanted);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("snapshots", setup, teardown);
	CU_add_test(suite, "who asks is answered when it is written", test_who_asks_is_answered_when_it_is_written);
	CU_add_test(suite, "one that had begun is not for who asks later",
		    test_one_that_had_begun_is_not_for_who_asks_later);
	CU_add_test(suite, "why there is none is told", test_why_there_is_none_is_told);
	CU_add_test(suite, "who gives up gives up the wait only", test_who_gives_up_gives_up_the_wait_only);
	CU_add_test(suite, "without time it is only asked for", test_without_time_it_is_only_asked_for);
	CU_add_test(suite, "a negative time-out only asks", test_a_negative_timeout_only_asks);
	CU_add_test(suite, "who may, and where there is no folder", test_who_may_and_where_there_is_no_folder);
	CU_add_test(suite, "at the end nobody waits", test_at_the_end_nobody_waits);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
