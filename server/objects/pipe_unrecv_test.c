/* SPDX-License-Identifier: Apache-2.0 */
/* A message that was received and could not be handed over. */
#include "server/base/value.h"
#include "server/objects/pipe.h"
#include "server/objects/recover_test_kit.h"

static struct segment seg;
static struct lane a, b, c; /* three owners */

static int setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return 1;
	a = kit_lane(&seg);
	b = kit_lane(&seg);
	c = kit_lane(&seg);
	return object_init_directory(&a) != SABIR_OK;
}

static int teardown(void)
{
	kit_lane_close(&a);
	kit_lane_close(&b);
	kit_lane_close(&c);
	segment_unmap(&seg);
	return 0;
}

static enum sabir_error send(uint64_t pipe, int64_t number)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = { .head = { head, value_put_int(number, head) } };
	uint64_t queue;
	return pipe_send(&b, pipe, 1, &item, &queue);
}

/* What was received, as the front keeps it until it is delivered. */
struct got {
	uint64_t pipe, queue, ordinal;
	uint8_t value[16];
	size_t len;
};

static enum sabir_error recv(struct lane *by, struct got *got)
{
	struct bytes out = { 0 };
	enum sabir_error error = pipe_recv(by, got->pipe, 0, &out, &got->queue);
	got->ordinal = by->got_ordinal;
	got->len = out.len;
	if (!error)
		memcpy(got->value, out.data, out.len);
	bytes_fini(&out);
	return error;
}

static enum sabir_error unrecv(struct lane *by, const struct got *got)
{
	uint32_t n_back = 0;
	return pipe_unrecv(by, got->pipe, got->queue, got->ordinal, (struct span){ got->value, got->len }, &n_back);
}

/* The next number, or the error * 1000. */
static int64_t next(struct lane *by, uint64_t pipe)
{
	struct got got = { .pipe = pipe };
	struct value_view view = { .i = 0 };
	enum sabir_error error = recv(by, &got);
	if (error)
		return error * 1000;
	CU_ASSERT_EQUAL(value_view((struct span){ got.value, got.len }, &view), SABIR_OK);
	return view.i;
}

/* End 0 held by a and c, end 1 by b, which has sent 1 to n. */
static struct got open_pipe(int64_t n)
{
	struct object_spec spec = { .kind = SEG_KIND_PIPE };
	struct got got = { .pipe = 0 };
	CU_ASSERT_EQUAL_FATAL(object_create(&a, (struct span){ NULL, 0 }, &spec, false, &got.pipe), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&a, got.pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&c, got.pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&b, got.pipe, 1), SABIR_OK);
	for (int64_t i = 1; i <= n; i++)
		CU_ASSERT_EQUAL(send(got.pipe, i), SABIR_OK);
	return got;
}

static void it_is_the_first_again(void)
{
	struct got first = open_pipe(4), second = first;
	CU_ASSERT_EQUAL(recv(&a, &first), SABIR_OK);
	CU_ASSERT_EQUAL(recv(&a, &second), SABIR_OK);
	CU_ASSERT_EQUAL(unrecv(&b, &second), SABIR_OK);
	CU_ASSERT_EQUAL(unrecv(&b, &first), SABIR_OK);
	for (int64_t i = 1; i <= 4; i++)
		CU_ASSERT_EQUAL(next(&c, first.pipe), i);
	CU_ASSERT_EQUAL(next(&a, first.pipe), SABIR_EMPTY * 1000);
	object_delete(&a, first.pipe);
}

/* The other end is closed: the end of the file comes behind it. */
static void the_end_of_the_file_is_behind_it(void)
{
	struct got got = open_pipe(1);
	CU_ASSERT_EQUAL(recv(&a, &got), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_close(&b, got.pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL(next(&c, got.pipe), SABIR_END_OF_FILE * 1000);
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(next(&c, got.pipe), 1);
	CU_ASSERT_EQUAL(next(&c, got.pipe), SABIR_END_OF_FILE * 1000);
	object_delete(&a, got.pipe);
}

static void an_end_that_others_hold_has_it_again(void)
{
	struct got got = open_pipe(1);
	CU_ASSERT_EQUAL(recv(&a, &got), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_close(&a, got.pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_OK);
	CU_ASSERT_EQUAL(next(&c, got.pipe), 1);
	object_delete(&a, got.pipe);
}

static void a_closed_end_has_it_no_more(void)
{
	struct got got = open_pipe(1);
	struct pipe_state state;
	CU_ASSERT_EQUAL(recv(&a, &got), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_close(&a, got.pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_close(&c, got.pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_CLOSED);
	CU_ASSERT_EQUAL(pipe_state(&a, got.pipe, &state), SABIR_OK);
	CU_ASSERT_EQUAL(state.n_messages[0], 0);
	object_delete(&a, got.pipe);
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_DELETED);
}

static void a_queue_of_another_is_refused(void)
{
	struct got got = open_pipe(1), other = open_pipe(1);
	CU_ASSERT_EQUAL(recv(&a, &got), SABIR_OK);
	CU_ASSERT_EQUAL(recv(&a, &other), SABIR_OK);
	uint64_t queue = got.queue;
	got.queue = other.queue;
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_NOT_FOUND);
	got.queue = 0;
	CU_ASSERT_EQUAL(unrecv(&b, &got), SABIR_NOT_FOUND);
	got.queue = queue;
	object_delete(&a, got.pipe);
	object_delete(&a, other.pipe);
}

/* ---------------------------------------------------------------- death */

static void act_unrecv(struct lane *by, void *context)
{
	(void)unrecv(by, context);
}

/* Before it was made again there was no other copy; from then on it is back, and the pipe goes on in any case. */
static void a_giver_that_dies_leaves_the_pipe_whole(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		struct got got = open_pipe(3);
		CU_ASSERT_EQUAL(recv(&a, &got), SABIR_OK);
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, act_unrecv, &dying, &got));
		if (i)
			(void)kit_die_at(&steps->at[i - 1], act_unrecv, &dying, &got);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		int64_t first = next(&c, got.pipe);
		CU_ASSERT(first == 1 || (first == 2 && i));
		for (int64_t number = first + 1; number <= 3; number++)
			CU_ASSERT_EQUAL(next(&c, got.pipe), number);
		CU_ASSERT_EQUAL(next(&c, got.pipe), SABIR_EMPTY * 1000);
		CU_ASSERT_EQUAL(object_delete(&a, got.pipe), SABIR_OK);
	}
	munmap(steps, sizeof(*steps));
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(it_is_the_first_again),
		KIT_TEST(the_end_of_the_file_is_behind_it),
		KIT_TEST(an_end_that_others_hold_has_it_again),
		KIT_TEST(a_closed_end_has_it_no_more),
		KIT_TEST(a_queue_of_another_is_refused),
		KIT_TEST(a_giver_that_dies_leaves_the_pipe_whole),
	};
	return kit_run("pipe, what could not be handed over", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
