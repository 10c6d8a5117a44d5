/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSION_END_TEST_KIT_H
#define SABIR_OPS_SESSION_END_TEST_KIT_H

/* A session that takes something from objects of each kind with request ids, and what there is to be seen when it ends. For session_end_*test.c only. */
#include "server/base/clock.h"
#include "server/objects/answers.h"
#include "server/objects/dict.h"
#include "server/objects/recover_test_kit.h"
#include "server/ops/answer_body.h"
#include "server/ops/session_end.h"
#include "server/ops/session_record.h"
#include "server/ops/session_test_kit.h"

static struct lane keeper; /* stores answers, as a server's other lane does */
static uint64_t next_id;
static uint32_t n_lost;

static inline void note_lost(void *context, uint64_t owner, uint32_t n_answers)
{
	(void)context, (void)owner;
	n_lost += n_answers;
}

static inline int setup(void)
{
	if (session_kit_begin(&(struct sessions_options){ .lost = note_lost }))
		return 1;
	keeper = kit_lane(&ops_seg);
	return 0;
}

static inline int teardown(void)
{
	kit_lane_close(&keeper);
	return session_kit_end();
}

static inline void must(const char *method, const char *request)
{
	enum sabir_error error = ops_call(method, request);
	if (error)
		fprintf(stderr, "\n%s %s: %s %s\n", method, request, error_name(error), ops_detail);
	CU_ASSERT_FATAL(error == SABIR_OK);
}

static inline void open_one(void)
{
	CU_ASSERT_FATAL(sessions_open(all, text("remote"), NULL, 0, &opened) == SABIR_OK);
	next_id = 1;
	n_lost = 0;
}

static inline void keep(struct lane *by, uint64_t id, struct span body, size_t items_len)
{
	const struct kept_answer a = { .id = id, .items = true, .body = body, .items_len = items_len };
	CU_ASSERT_FATAL(answer_keep(by, opened.owner, &a) == SABIR_OK);
}

/* A request of the session with an id, as a server's front performs it. */
static inline struct op_wait perform(struct lane *by, const char *method, const char *request)
{
	uint8_t encoded[256];
	struct op_wait wait = { .undoable = true };
	struct actor own = by->actor;
	by->actor = (struct actor){ .owner = opened.owner, .request = next_id };
	enum sabir_error error = op_run_front(ops_op(method), by, NULL, ops_request(method, request, encoded),
					      &ops_response, &wait, ops_detail);
	by->actor = own;
	CU_ASSERT_FATAL(error == SABIR_OK);
	return wait;
}

/* And its answer is kept. */
static inline void ask(const char *method, const char *request)
{
	const struct op *op = ops_op(method);
	struct op_wait wait = perform(&ops_lane, method, request);
	const struct answer_body body = { op, wait.receipt, bytes_item(&ops_response, 0) };
	struct span made = answer_body_encode(&body);
	keep(&keeper, next_id++, made, wait.receipt.items ? body.result.len : 0);
	free((void *)made.data);
	op_finish(&wait.receipt, true);
	op_receipt_fini(&wait.receipt);
}

/* What a server does that starts, and then in its loop. */
static inline void next_server(void)
{
	sessions_free(all);
	all = table();
	for (uint32_t i = 0; i < ops_seg.n_owners; i++)
		if (owner_state(i) != SEG_OWNER_FREE && i != ops_lane.owner && i != keeper.owner &&
		    !sessions_adopt(all, i))
			CU_ASSERT(session_recover(&ops_lane, i, &n_lost) == SABIR_OK);
	sessions_expire(all, &ops_lane, clock_now());
}

static inline bool has_ended(void)
{
	struct session *session;
	bool unknown = session_use(all, text(opened.token), &session) == SABIR_SESSION_ENDED;
	return unknown && owner_state(entry()) == SEG_OWNER_FREE && sessions_count(all) == 0;
}

/* ---------------------------------------------------------------- objects */

#define NAMED(field, name) field "={name='" name "'}"

/* Of each kind that gives something: three in a plain queue, two tasks, a message of each sort. */
static inline void make_objects(void)
{
	must("ManagerService/Create", "name='plain' queue={}");
	must("ManagerService/Create", "name='tasks' queue={tasks=true}");
	must("ManagerService/Create", "name='pipe' pipe={}");
	must("ManagerService/Create", "name='lock' lock={}");
	must("PipeService/Open", NAMED("pipe", "pipe") " end=0");
	must("PipeService/Open", NAMED("pipe", "pipe") " end=1");
	must("QueueService/PutMany", NAMED("queue", "plain") " items=$1 items=$2 items=$3 items=$4 items=$5");
	must("QueueService/PutMany", NAMED("queue", "tasks") " items=$1 items=$2 items=$3");
	must("PipeService/Send", NAMED("pipe", "pipe") " end=1 item=$1");
	must("PipeService/SendBytes", NAMED("pipe", "pipe") " end=1 data='two'");
}

static inline void delete_objects(void)
{
	must("ManagerService/Delete", NAMED("object", "plain"));
	must("ManagerService/Delete", NAMED("object", "tasks"));
	must("ManagerService/Delete", NAMED("object", "pipe"));
	must("ManagerService/Delete", NAMED("object", "lock"));
}

/* The session takes all of it but the last of the plain queue. */
static inline void take_all(void)
{
	struct actor own = ops_lane.actor;
	ops_lane.actor = (struct actor){ .owner = opened.owner };
	must("PipeService/Open", NAMED("pipe", "pipe") " end=0");
	ops_lane.actor = own;
	ask("QueueService/Put", NAMED("queue", "plain") " item=$6");
	ask("QueueService/Get", NAMED("queue", "plain"));
	ask("QueueService/GetMany", NAMED("queue", "plain") " max_items=3");
	ask("QueueService/GetMany", NAMED("queue", "tasks") " max_items=2");
	ask("LockService/Acquire", NAMED("lock", "lock"));
	ask("QueueService/Get", NAMED("queue", "tasks"));
	ask("PipeService/Recv", NAMED("pipe", "pipe") " end=0");
	ask("PipeService/RecvBytes", NAMED("pipe", "pipe") " end=0");
}

static inline bool all_is_there(void)
{
	bool fine = ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
				"items=$1 items=$2 items=$3 items=$4 items=$5 items=$6");
	fine &= ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			    "items=$1 items=$2 items=$3");
	fine &= ops_answers("PipeService/Recv", NAMED("pipe", "pipe") " end=0 timeout={}", "item=$1");
	fine &= ops_answers("PipeService/RecvBytes", NAMED("pipe", "pipe") " end=0 timeout={}", "data='two'");
	fine &= ops_call("PipeService/Recv", NAMED("pipe", "pipe") " end=0 timeout={}") == SABIR_EMPTY;
	fine &= ops_call("LockService/Acquire", NAMED("lock", "lock") " timeout={}") == SABIR_OK;
	return fine;
}

static inline bool items_are_there(void)
{
	return ops_answers("QueueService/GetMany", NAMED("queue", "plain") " max_items=9 timeout={}",
			   "items=$1 items=$2 items=$3 items=$4 items=$5") &&
	       ops_answers("QueueService/GetMany", NAMED("queue", "tasks") " max_items=9 timeout={}",
			   "items=$1 items=$2 items=$3");
}

/* Answers are the server's: also who knows where they are does not get them. */

#endif
