/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept answers, and what becomes of the requests that a server was performing when it died. The dead server is a lane of an
 * owner that is recovered; tests/crash tries every instruction.
 */
#include "server/objects/answers.h"

#include <stdlib.h>

#include "server/objects/dict.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/queue.h"

static uint64_t session;
static char known[256]; /* what the next server knows */

static int setup(void)
{
	return kit_begin(16 << 20);
}

static void open_session(void)
{
	uint32_t owner;
	CU_ASSERT_FATAL(owner_open(&seg, 0, "session", &owner) == SABIR_OK);
	memset(&seg.sessions[owner], 0, sizeof(seg.sessions[owner]));
	store32_relaxed(&seg.owners[owner].flags, SEG_OWNER_REMOTE);
	uint64_t word = load64_relaxed(&seg.owners[owner].word);
	store64_release(&seg.sessions[owner].word, word);
	session = (word & 0xffffffff00000000ull) | (owner + 1);
}

static void end_session(void)
{
	uint32_t owner = (uint32_t)session - 1;
	store64_release(&seg.sessions[owner].word, 0);
	CU_ASSERT(owner_recover(&lane, owner) == SABIR_OK);
}

static enum sabir_error keep(struct lane *by, uint64_t id, const char *body)
{
	const struct kept_answer a = { .id = id, .body = { (const uint8_t *)body, strlen(body) } };
	return answer_keep(by, session, &a);
}

static enum sabir_error tell(void *context, const struct kept_answer *a)
{
	FILE *to = context;
	fprintf(to, "%llu %s %.*s%s;", (unsigned long long)a->id, error_name(a->error), (int)a->body.len,
		(char *)a->body.data, a->recovered ? " recovered" : "");
	return SABIR_OK;
}

static struct answers_state load(void)
{
	struct answers_state state = { .lost_below = 0 };
	FILE *to = fmemopen(known, sizeof(known), "w");
	CU_ASSERT(answers_load(&lane, session, &state, tell, to) == SABIR_OK);
	fputc(0, to);
	fclose(to);
	return state;
}

/* ---------------------------------------------------------------- keeping */

static void test_answers_are_kept_until_they_are_acknowledged(void)
{
	open_session();
	CU_ASSERT(keep(&lane, 3, "three") == SABIR_OK && keep(&lane, 4, "") == SABIR_OK &&
		  keep(&lane, 5, "five") == SABIR_OK);
	CU_ASSERT(keep(&lane, 5, "again") == SABIR_OK);
	answers_acknowledged(&seg, session, 4);
	CU_ASSERT(load().acked_below == 4);
	CU_ASSERT_STRING_EQUAL(known, "4 OK ;5 OK again;");
	answer_drop(&lane, session, 4);
	(void)load();
	CU_ASSERT_STRING_EQUAL(known, "5 OK again;");
	end_session();
}

static void test_they_end_with_their_session(void)
{
	struct arena_stats before, after;
	open_session();
	kit_settle(&lane);
	arena_stats(&seg, &before);
	CU_ASSERT(keep(&lane, 1, "one") == SABIR_OK);
	end_session();
	CU_ASSERT(keep(&lane, 2, "two") == SABIR_SESSION_ENDED);
	kit_settle(&lane);
	arena_stats(&seg, &after);
	CU_ASSERT_EQUAL(after.used_bytes, before.used_bytes);
}

/* Whoever is attached can damage them. */
static void test_damaged_ones_are_an_error(void)
{
	struct answers_state state;
	const struct span key = { (const uint8_t *)"\x08", 1 };
	bool inserted;
	open_session();
	CU_ASSERT(keep(&lane, 1, "one") == SABIR_OK);
	uint64_t dict = seg.sessions[(uint32_t)session - 1].answers;
	CU_ASSERT(dict_set(&lane, dict, key, key, &inserted) == SABIR_OK);
	CU_ASSERT(answers_load(&lane, session, &state, tell, stderr) == SABIR_DATA_LOSS);
	CU_ASSERT(object_delete(&lane, dict) == SABIR_OK);
	CU_ASSERT(answers_load(&lane, session, &state, tell, stderr) != SABIR_OK);
	CU_ASSERT(keep(&lane, 2, "two") == SABIR_DELETED);
	end_session();
}

/* The word that leads to them may be written over. */
static void test_they_are_not_kept_in_anothers_dict(void)
{
	const struct object_spec spec = { .kind = SEG_KIND_DICT };
	struct span none = { NULL, 0 };
	uint64_t other, n = 1;
	open_session();
	CU_ASSERT_FATAL(object_create(&lane, none, &spec, false, &other) == SABIR_OK);
	seg.sessions[(uint32_t)session - 1].answers = other;
	CU_ASSERT(keep(&lane, 1, "one") == SABIR_OK);
	CU_ASSERT(dict_len(&lane, other, &n) == SABIR_OK && n == 0);
	(void)load();
	CU_ASSERT_STRING_EQUAL(known, "1 OK one;");
	seg.sessions[(uint32_t)session - 1].answers = other;
	CU_ASSERT(answer_drop(&lane, session, 1) == SABIR_OK);
	CU_ASSERT(answers_kept(&seg, (uint32_t)session - 1) == 0);
	end_session();
	CU_ASSERT(object_delete(&lane, other) == SABIR_OK);
}

static void test_they_can_be_read_one_by_one(void)
{
	struct bytes page = { 0 };
	struct kept_answer a;
	struct answers_walk walk = { 0 };
	open_session();
	CU_ASSERT(answers_next(&lane, session, &walk, &page, &a) == SABIR_EMPTY);
	for (uint64_t id = 1; id < 5; id++)
		CU_ASSERT(keep(&lane, id, "body") == SABIR_OK);
	answers_acknowledged(&seg, session, 2);
	for (uint64_t id = 2; id < 5; id++) {
		CU_ASSERT(answers_next(&lane, session, &walk, &page, &a) == SABIR_OK && a.id == id);
		CU_ASSERT(a.body.len == 4 && !memcmp(a.body.data, "body", 4));
		CU_ASSERT(answer_drop(&lane, session, id) == SABIR_OK);
	}
	CU_ASSERT(answers_next(&lane, session, &walk, &page, &a) == SABIR_EMPTY);
	CU_ASSERT(answer_drop(&lane, session, 4) == SABIR_OK);
	bytes_fini(&page);
	end_session();
}

/* Whoever recovers its owner before leaves them, and the owner. */
static void test_a_session_that_ends_keeps_them_until_they_are_done_with(void)
{
	uint32_t owner;
	open_session();
	owner = (uint32_t)session - 1;
	CU_ASSERT(keep(&lane, 1, "one") == SABIR_OK && answers_kept(&seg, owner) == seg.sessions[owner].answers);
	(void)fetch_or64(&seg.sessions[owner].word, SEG_SESSION_ENDS);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT(owner_recover(&lane, owner) == SABIR_BUSY);
		(void)load();
		CU_ASSERT_STRING_EQUAL(known, "1 OK one;");
	}
	uint32_t *n_back = answer_returning(&seg, session, 1);
	CU_ASSERT_FATAL(n_back && *n_back == 0);
	*n_back = 3;
	CU_ASSERT(answer_returning(&seg, session, 1) == n_back && *n_back == 3);
	CU_ASSERT(answer_returning(&seg, session, 2) == n_back && *n_back == 0);
	end_session();
	CU_ASSERT(!answer_returning(&seg, session, 1) && !answers_kept(&seg, owner));
}

static void test_what_can_not_be_kept_is_lost_with_all_below(void)
{
	open_session();
	answer_lose(&seg, session, 9);
	answer_lose(&seg, session, 4);
	CU_ASSERT(load().lost_below == 10);
	answer_lose(&seg, session, UINT64_MAX);
	CU_ASSERT(load().lost_below == UINT64_MAX);
	end_session();
}

/* ---------------------------------------------------------------- a server dies */

static struct lane server(bool is_one)
{
	struct lane made = kit_lane(&seg);
	store32_relaxed(&seg.owners[made.owner].flags, is_one ? SEG_OWNER_SERVER : 0);
	made.actor = (struct actor){ .owner = session, .thread = 1, .request = 7 };
	return made;
}

static void die(const struct lane *dead)
{
	CU_ASSERT(owner_recover(&lane, dead->owner) == SABIR_OK);
	(void)load();
}

enum how_far { BEGUN, RUNNING, PUBLISHED, ENDED };

static void perform(struct lane *by, enum how_far how_far, enum sabir_error error, bool waits, struct span response)
{
	asked_begins(by);
	if (how_far >= RUNNING)
		asked_runs(by);
	if (how_far >= PUBLISHED)
		lane_publishes(by);
	if (how_far >= ENDED)
		asked_ends(by, error, waits, response);
}

static void test_the_record_tells_what_became_of_the_request(void)
{
	static const uint8_t much[SEG_ASKED_RESPONSE + 1];
	static const struct {
		enum how_far how_far;
		enum sabir_error error;
		bool waits;
		struct span response;
		const char *known;
	} cases[] = {
		{ BEGUN, SABIR_OK, false, { NULL, 0 }, "" },
		{ RUNNING, SABIR_OK, false, { NULL, 0 }, "" },
		{ PUBLISHED, SABIR_OK, false, { NULL, 0 }, "7 OUTCOME_UNKNOWN  recovered;" },
		{ ENDED, SABIR_OK, false, { (const uint8_t *)"yes", 3 }, "7 OK yes recovered;" },
		{ ENDED, SABIR_OK, false, { much, sizeof(much) }, "7 OUTCOME_UNKNOWN  recovered;" },
		{ ENDED, SABIR_OUT_OF_RANGE, false, { NULL, 0 }, "7 OUT_OF_RANGE  recovered;" },
		{ ENDED, SABIR_EMPTY, true, { NULL, 0 }, "" },
		{ ENDED, SABIR_NO_MEMORY, false, { NULL, 0 }, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_session();
		struct lane by = server(true);
		perform(&by, cases[i].how_far, cases[i].error, cases[i].waits, cases[i].response);
		die(&by);
		CU_ASSERT_STRING_EQUAL(known, cases[i].known);
		end_session();
	}
}

static void test_only_servers_perform_requests(void)
{
	open_session();
	struct lane by = server(false);
	perform(&by, ENDED, SABIR_OK, false, (struct span){ NULL, 0 });
	die(&by);
	CU_ASSERT_STRING_EQUAL(known, "");
	end_session();
}

static void test_an_answer_that_was_kept_stays_what_it_is(void)
{
	open_session();
	struct lane by = server(true);
	perform(&by, ENDED, SABIR_OK, false, (struct span){ NULL, 0 });
	CU_ASSERT(keep(&lane, 7, "kept") == SABIR_OK);
	die(&by);
	CU_ASSERT_STRING_EQUAL(known, "7 OK kept;");
	answers_acknowledged(&seg, session, 8);
	answer_drop(&lane, session, 7);
	by = server(true);
	perform(&by, ENDED, SABIR_OK, false, (struct span){ NULL, 0 });
	die(&by);
	CU_ASSERT_STRING_EQUAL(known, "");
	end_session();
}

/* ---------------------------------------------------------------- plain queues */

static uint64_t queue_of(uint32_t n)
{
	uint64_t q;
	const struct queue_item item = { .body = { (const uint8_t *)"item", 4 } };
	CU_ASSERT_FATAL(object_create(&lane, (struct span){ NULL, 0 }, &(struct object_spec){ .kind = SEG_KIND_QUEUE },
				      false, &q) == SABIR_OK);
	while (n--)
		CU_ASSERT(queue_put_one(&lane, q, &item) == SABIR_OK);
	return q;
}

static uint64_t size_of(uint64_t q)
{
	struct queue_size size = { .size = 0 };
	CU_ASSERT(queue_size(&lane, q, &size) == SABIR_OK);
	return size.size;
}

static void get_open(struct lane *by, uint64_t q, uint32_t n)
{
	struct bytes items = { 0 }, places = { 0 };
	asked_begins(by);
	asked_runs(by);
	asked_giving(by);
	CU_ASSERT(queue_get_open(by, q, n, &items, &places) == SABIR_OK);
	CU_ASSERT(items.n_items == n && places.len == n * sizeof(uint64_t));
	asked_ends(by, SABIR_OK, false, (struct span){ items.data, items.len });
	bytes_fini(&items);
	bytes_fini(&places);
}

static void test_an_open_get_goes_back_if_its_answer_was_not_kept(void)
{
	open_session();
	uint64_t q = queue_of(3);
	struct lane by = server(true);
	get_open(&by, q, 2);
	CU_ASSERT_EQUAL(size_of(q), 1);
	die(&by);
	CU_ASSERT_STRING_EQUAL(known, "");
	CU_ASSERT_EQUAL(size_of(q), 3);
	by = server(true);
	get_open(&by, q, 2);
	CU_ASSERT(keep(&lane, 7, "items") == SABIR_OK);
	die(&by);
	CU_ASSERT_STRING_EQUAL(known, "7 OK items;");
	CU_ASSERT_EQUAL(size_of(q), 1);
	CU_ASSERT(object_delete(&lane, q) == SABIR_OK);
	end_session();
}

static void test_an_open_get_is_closed_or_abandoned(void)
{
	open_session();
	uint64_t q = queue_of(3);
	struct lane by = server(true);
	get_open(&by, q, 2);
	CU_ASSERT(queue_get_abandon(&by) == SABIR_OK);
	CU_ASSERT_EQUAL(size_of(q), 3);
	get_open(&by, q, 2);
	queue_get_close(&by, 2);
	CU_ASSERT_EQUAL(size_of(q), 1);
	CU_ASSERT(object_delete(&lane, q) == SABIR_OK);
	lane_close(&by);
	owner_close(&seg, by.owner);
	end_session();
}

static void test_a_put_is_known_wherever_it_was(void)
{
	const struct queue_item item = { .body = { (const uint8_t *)"item", 4 } };
	uint32_t accepted;
	for (int put = 0; put < 2; put++) {
		open_session();
		uint64_t q = queue_of(0);
		struct lane by = server(true);
		asked_begins(&by);
		asked_runs(&by);
		asked_putting(&by);
		if (put)
			CU_ASSERT(queue_put(&by, q, &item, 1, &accepted) == SABIR_OK);
		die(&by);
		CU_ASSERT_STRING_EQUAL(known, put ? "7 OK  recovered;" : "");
		CU_ASSERT_EQUAL(size_of(q), (uint64_t)put);
		CU_ASSERT(object_delete(&lane, q) == SABIR_OK);
		end_session();
	}
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("answers", setup, kit_end);
	CU_ADD_TEST(suite, test_answers_are_kept_until_they_are_acknowledged);
	CU_ADD_TEST(suite, test_they_end_with_their_session);
	CU_ADD_TEST(suite, test_damaged_ones_are_an_error);
	CU_ADD_TEST(suite, test_they_are_not_kept_in_anothers_dict);
	CU_ADD_TEST(suite, test_they_can_be_read_one_by_one);
	CU_ADD_TEST(suite, test_a_session_that_ends_keeps_them_until_they_are_done_with);
	CU_ADD_TEST(suite, test_what_can_not_be_kept_is_lost_with_all_below);
	CU_ADD_TEST(suite, test_the_record_tells_what_became_of_the_request);
	CU_ADD_TEST(suite, test_only_servers_perform_requests);
	CU_ADD_TEST(suite, test_an_answer_that_was_kept_stays_what_it_is);
	CU_ADD_TEST(suite, test_an_open_get_goes_back_if_its_answer_was_not_kept);
	CU_ADD_TEST(suite, test_an_open_get_is_closed_or_abandoned);
	CU_ADD_TEST(suite, test_a_put_is_known_wherever_it_was);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
