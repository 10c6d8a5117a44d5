/* SPDX-License-Identifier: Apache-2.0 */
/* The pipe: who may use an end, what a closed end means, and what is left when a holder dies at each of its steps. */
#include "server/objects/pipe.h"

#include "server/base/value.h"
#include "server/objects/recover_test_kit.h"

static struct segment seg;
static struct lane a, b; /* two owners */

static int setup(void)
{
	if (kit_segment(64 << 20, &seg))
		return 1;
	a = kit_lane(&seg);
	b = kit_lane(&seg);
	return object_init_directory(&a) != SABIR_OK;
}

static int teardown(void)
{
	kit_lane_close(&a);
	kit_lane_close(&b);
	segment_unmap(&seg);
	return 0;
}

static uint64_t make_pipe(const struct object_spec *more)
{
	struct object_spec spec = *more;
	uint64_t handle = 0;
	spec.kind = SEG_KIND_PIPE;
	CU_ASSERT_EQUAL_FATAL(object_create(&a, (struct span){ NULL, 0 }, &spec, false, &handle), SABIR_OK);
	return handle;
}

/* Duplex, with end 0 held by a and end 1 by b. */
static uint64_t open_pipe(void)
{
	uint64_t pipe = make_pipe(&(struct object_spec){ 0 });
	CU_ASSERT_EQUAL(pipe_open(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&b, pipe, 1), SABIR_OK);
	return pipe;
}

static enum sabir_error send_int(struct lane *by, uint64_t pipe, uint32_t end, int64_t number)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = { .head = { head, value_put_int(number, head) } };
	uint64_t queue;
	return pipe_send(by, pipe, end, &item, &queue);
}

static enum sabir_error recv_int(struct lane *by, uint64_t pipe, uint32_t end, int64_t *number)
{
	struct bytes out = { 0 };
	struct value_view view;
	uint64_t queue;
	enum sabir_error error = pipe_recv(by, pipe, end, &out, &queue);
	if (!error && !value_view(bytes_item(&out, 0), &view))
		*number = view.i;
	bytes_fini(&out);
	return error;
}

static enum sabir_error send_text(struct lane *by, uint64_t pipe, uint32_t end, const char *bytes)
{
	uint8_t head[VALUE_MAX_HEAD];
	struct queue_item item = { .head = { head, value_head_bytes(VALUE_BINARY, strlen(bytes), head) },
				   .body = { (const uint8_t *)bytes, strlen(bytes) } };
	uint64_t queue;
	return pipe_send(by, pipe, end, &item, &queue);
}

/* What is used when nothing is cached. */
static struct arena_stats settled(void)
{
	struct arena_stats stats;
	kit_settle(&b);
	kit_settle(&a);
	arena_stats(&seg, &stats);
	return stats;
}

/* ---------------------------------------------------------------- use */

static void messages_go_both_ways_in_order(void)
{
	uint64_t pipe = open_pipe();
	int64_t got = 0;
	for (int64_t i = 0; i < 3000; i++) {
		CU_ASSERT_EQUAL_FATAL(send_int(&a, pipe, 0, i), SABIR_OK);
		CU_ASSERT_EQUAL_FATAL(send_int(&b, pipe, 1, -i), SABIR_OK);
	}
	for (int64_t i = 0; i < 3000; i++) {
		CU_ASSERT(recv_int(&b, pipe, 1, &got) == SABIR_OK && got == i);
		CU_ASSERT(recv_int(&a, pipe, 0, &got) == SABIR_OK && got == -i);
	}
	CU_ASSERT_EQUAL(recv_int(&a, pipe, 0, &got), SABIR_EMPTY);
	CU_ASSERT_EQUAL(object_delete(&a, pipe), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_DELETED);
}

static void one_way_goes_from_end_1_to_end_0(void)
{
	uint64_t pipe = make_pipe(&(struct object_spec){ .one_way = true });
	int64_t got = 0;
	CU_ASSERT_EQUAL(pipe_open(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&b, pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&b, pipe, 1, 7), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 7), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_INVALID_ARGUMENT);
	CU_ASSERT(recv_int(&a, pipe, 0, &got) == SABIR_OK && got == 7);
	CU_ASSERT_EQUAL(pipe_close(&b, pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL(recv_int(&a, pipe, 0, &got), SABIR_END_OF_FILE);
	object_delete(&a, pipe);
}

static void an_end_belongs_to_who_opened_it(void)
{
	uint64_t pipe = open_pipe();
	struct lane nobody = a;
	int64_t got;
	nobody.actor.owner = 0;
	CU_ASSERT_EQUAL(send_int(&b, pipe, 0, 1), SABIR_CLOSED);
	CU_ASSERT_EQUAL(recv_int(&a, pipe, 1, &got), SABIR_CLOSED);
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 1), SABIR_CLOSED);
	CU_ASSERT_EQUAL(send_int(&nobody, pipe, 0, 1), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(pipe_open(&nobody, pipe, 0), SABIR_SESSION_REQUIRED);
	CU_ASSERT_EQUAL(pipe_open(&a, pipe, 2), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 2, 1), SABIR_INVALID_ARGUMENT);
	object_delete(&a, pipe);
}

static void a_closed_end_is_the_end_of_the_file_behind_what_it_sent(void)
{
	uint64_t pipe = open_pipe();
	int64_t got = 0;
	send_int(&a, pipe, 0, 1);
	send_int(&b, pipe, 1, 2);
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 3), SABIR_CLOSED);
	CU_ASSERT_EQUAL(recv_int(&a, pipe, 0, &got), SABIR_CLOSED);
	CU_ASSERT_EQUAL(send_int(&b, pipe, 1, 3), SABIR_BROKEN_PIPE);
	CU_ASSERT(recv_int(&b, pipe, 1, &got) == SABIR_OK && got == 1);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_END_OF_FILE);
	CU_ASSERT_EQUAL(pipe_open(&a, pipe, 0), SABIR_CLOSED);
	struct pipe_state state;
	CU_ASSERT_EQUAL(pipe_state(&b, pipe, &state), SABIR_OK);
	CU_ASSERT(state.closed[0] && !state.closed[1] && state.n_messages[0] == 0 && state.n_holders[1] == 1);
	object_delete(&a, pipe);
}

static void an_end_is_open_until_its_last_holder_closes_it(void)
{
	uint64_t pipe = open_pipe();
	int64_t got;
	for (int i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(pipe_open(i % 2 ? &a : &b, pipe, 0), SABIR_OK);
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(pipe_close(i % 2 ? &a : &b, pipe, 0), SABIR_OK);
		CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_EMPTY);
	}
	CU_ASSERT_EQUAL(pipe_close(&b, pipe, 0), SABIR_CLOSED);
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_END_OF_FILE);
	object_delete(&a, pipe);
}

static void messages_wait_for_an_end_that_nobody_has_opened_yet(void)
{
	uint64_t pipe = make_pipe(&(struct object_spec){ 0 });
	int64_t got = 0;
	CU_ASSERT_EQUAL(pipe_open(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 5), SABIR_OK);
	CU_ASSERT_EQUAL(recv_int(&a, pipe, 0, &got), SABIR_EMPTY);
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_open(&b, pipe, 1), SABIR_OK);
	CU_ASSERT(recv_int(&b, pipe, 1, &got) == SABIR_OK && got == 5);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_END_OF_FILE);
	object_delete(&a, pipe);
}

static void a_bounded_pipe_is_full_each_way(void)
{
	uint64_t pipe = make_pipe(&(struct object_spec){ .max_items = 2, .max_item_bytes = 10 });
	int64_t got;
	pipe_open(&a, pipe, 0);
	pipe_open(&b, pipe, 1);
	for (int i = 0; i < 2; i++)
		CU_ASSERT(send_int(&a, pipe, 0, i) == SABIR_OK && send_int(&b, pipe, 1, i) == SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 2), SABIR_FULL);
	CU_ASSERT_EQUAL(send_int(&b, pipe, 1, 2), SABIR_FULL);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 2), SABIR_OK);
	CU_ASSERT_EQUAL(send_text(&b, pipe, 1, "more than ten bytes"), SABIR_TOO_LARGE);
	object_delete(&a, pipe);
}

static void a_message_that_is_too_long_stays(void)
{
	uint64_t pipe = open_pipe(), queue;
	struct pipe_bytes bytes = { .max_len = 5 };
	struct bytes out = { 0 };
	CU_ASSERT_EQUAL(send_text(&a, pipe, 0, "sixsix"), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_recv_bytes(&b, pipe, 1, &bytes, &out, &queue), SABIR_TOO_LARGE);
	CU_ASSERT(bytes.len == 6 && out.n_items == 0);
	bytes.max_len = bytes.len;
	CU_ASSERT_EQUAL(pipe_recv_bytes(&b, pipe, 1, &bytes, &out, &queue), SABIR_OK);
	struct span content = pipe_content(bytes_item(&out, 0));
	CU_ASSERT(content.len == 6 && !memcmp(content.data, "sixsix", 6));
	CU_ASSERT_EQUAL(pipe_recv_bytes(&b, pipe, 1, &bytes, &out, &queue), SABIR_WRONG_TYPE);
	int64_t got = 0;
	CU_ASSERT(recv_int(&b, pipe, 1, &got) == SABIR_OK && got == 1);
	CU_ASSERT_EQUAL(pipe_recv_bytes(&b, pipe, 1, &bytes, &out, &queue), SABIR_EMPTY);
	bytes_fini(&out);
	object_delete(&a, pipe);
}

static void poll_tells_of_the_next_message_and_of_the_end(void)
{
	uint64_t pipe = open_pipe(), queue = 0;
	struct pipe_next next = { 0 };
	int64_t got;
	CU_ASSERT(pipe_poll(&b, pipe, 1, &next, &queue) == SABIR_EMPTY && queue != 0);
	send_text(&a, pipe, 0, "12345678901234567890");
	CU_ASSERT(pipe_poll(&b, pipe, 1, &next, &queue) == SABIR_OK && next.len == 20 && !next.eof);
	CU_ASSERT(pipe_poll(&b, pipe, 1, &next, &queue) == SABIR_OK && next.len == 20);
	send_int(&a, pipe, 0, 5);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_OK);
	CU_ASSERT(pipe_poll(&b, pipe, 1, &next, &queue) == SABIR_OK && next.len == 2);
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &got), SABIR_OK);
	pipe_close(&a, pipe, 0);
	CU_ASSERT(pipe_poll(&b, pipe, 1, &next, &queue) == SABIR_OK && next.eof && next.len == 0);
	object_delete(&a, pipe);
}

static void nothing_is_left_of_a_deleted_pipe(void)
{
	struct arena_stats before, after;
	before = settled();
	for (int round = 0; round < 10; round++) {
		uint64_t pipe = open_pipe();
		for (int i = 0; i < 30; i++)
			CU_ASSERT(pipe_open(&a, pipe, 1) == SABIR_OK && send_int(&a, pipe, 0, i) == SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&a, pipe), SABIR_OK);
	}
	after = settled();
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
}

/* ---------------------------------------------------------------- death */

/* What one owner does with a pipe of which b holds end 1: opens end 0, sends two, and closes it. */
static void live_and_close(struct lane *by, void *context)
{
	uint64_t pipe = *(uint64_t *)context;
	(void)(pipe_open(by, pipe, 0) || send_int(by, pipe, 0, 1) || send_int(by, pipe, 0, 2));
	(void)pipe_close(by, pipe, 0);
}

/* What b sees when the owner is gone: some of what was sent, in order, then the end, or a pipe that was never opened. */
static bool b_sees_the_end(uint64_t pipe)
{
	struct pipe_state state;
	int64_t got = 0, expected = 1;
	enum sabir_error error;
	if (pipe_state(&b, pipe, &state) || state.n_holders[0])
		return false;
	while ((error = recv_int(&b, pipe, 1, &got)) == SABIR_OK)
		if (got != expected++)
			return false;
	if (!state.opened[0])
		return error == SABIR_EMPTY && expected == 1 && send_int(&b, pipe, 1, 1) == SABIR_OK;
	return error == SABIR_END_OF_FILE && send_int(&b, pipe, 1, 1) == SABIR_BROKEN_PIPE;
}

/* `filled`: the first segment of holders is full; `late`: b opens its end only then, so that the queues are made. */
static void die_at_each_step(bool filled, bool late)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before, after;
	before = settled();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		uint64_t pipe = make_pipe(&(struct object_spec){ 0 });
		CU_ASSERT(late || pipe_open(&b, pipe, 1) == SABIR_OK);
		for (unsigned n = 0; filled && n < SEG_N_HOLDERS; n++)
			CU_ASSERT(!pipe_open(&a, pipe, 0));
		if (i == 0) {
			CU_ASSERT_FATAL(kit_list_steps(steps, live_and_close, &dying, &pipe));
		} else {
			/* A step that comes only in a fresh segment is not reached again. */
			(void)kit_die_at(&steps->at[i - 1], live_and_close, &dying, &pipe);
		}
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		for (unsigned n = 0; filled && n < SEG_N_HOLDERS; n++)
			CU_ASSERT(!pipe_close(&a, pipe, 0));
		CU_ASSERT(!late || pipe_open(&b, pipe, 1) == SABIR_OK);
		bool fine = b_sees_the_end(pipe);
		CU_ASSERT(fine);
		if (!fine)
			fprintf(stderr, "step %s %u\n", i ? steps->at[i - 1].name : "-", i ? steps->at[i - 1].nth : 0);
		object_delete(&a, pipe);
	}
	after = settled();
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
	munmap(steps, sizeof(*steps));
}

static void a_holder_that_dies_at_any_step_closes_its_end(void)
{
	die_at_each_step(false, false);
}

static void a_holder_that_dies_while_it_makes_the_queues_leaves_a_whole_pipe(void)
{
	die_at_each_step(false, true);
}

static void a_holder_that_dies_in_a_full_list_closes_its_end(void)
{
	die_at_each_step(true, false);
}

/* One of those who sleep for a message is woken, and looks at the pipe first. If he dies there it is the next one's. */
static void who_is_woken_for_a_message_and_dies_wakes_the_next(void)
{
	struct lane woken = kit_lane(&seg);
	struct pipe_next next;
	uint64_t pipe = open_pipe(), queue = 0;
	CU_ASSERT_EQUAL(pipe_open(&woken, pipe, 1), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(pipe_poll(&woken, pipe, 1, &next, &queue), SABIR_EMPTY);
	uint32_t index = object_index(queue);
	struct seg_event *event = &seg.objects[index].event[SEG_EVENT_ITEMS];
	CU_ASSERT(!event_wait(&woken, index, SEG_EVENT_ITEMS, event_prepare(event, SEG_WAITING_LOCAL), 0));
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_OK);
	uint32_t seq = load32_relaxed(&event->seq);
	CU_ASSERT_EQUAL(send_int(&woken, pipe, 0, 1), SABIR_CLOSED); /* he gets no further than the pipe */
	CU_ASSERT_EQUAL(owner_recover(&a, woken.owner), SABIR_OK);
	CU_ASSERT_NOT_EQUAL(load32_relaxed(&event->seq), seq);
	CU_ASSERT_EQUAL(object_delete(&a, pipe), SABIR_OK);
}

/* The recovery of a holder: it may die too, and be done again by another. */
static void recover_owner(struct lane *by, void *context)
{
	(void)owner_recover(by, *(uint32_t *)context);
}

static uint64_t n_waiting(uint64_t pipe, uint32_t end)
{
	struct pipe_state state = { 0 };
	CU_ASSERT_EQUAL(pipe_state(&a, pipe, &state), SABIR_OK);
	return state.n_messages[end];
}

static void act_get(struct lane *by, void *queue)
{
	struct bytes out = { 0 };
	queue_get(by, *(uint64_t *)queue, 1, &out);
	bytes_fini(&out);
}

/* A message that a dead receiver gave back is taken under the queue's lock. */
static void a_closed_end_is_emptied_when_its_queue_can_be_locked(void)
{
	const struct kit_step taken = { "queue_get.chained", 1 };
	struct lane dying = kit_lane(&seg), other = kit_lane(&seg);
	uint64_t pipe = open_pipe(), queue = 0;
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_OK);
	CU_ASSERT_EQUAL(object_part(&a, pipe, 1, &(struct object_spec){ .kind = SEG_KIND_QUEUE }, &queue), SABIR_OK);
	CU_ASSERT(kit_die_at(&taken, act_get, &dying, &queue));
	CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&a, &seg.objects[object_index(queue)].lock), SABIR_OK);
	b.lock_patience_ns = 1000000;
	CU_ASSERT_EQUAL(pipe_close(&b, pipe, 1), SABIR_OK);
	b.lock_patience_ns = 0;
	CU_ASSERT_EQUAL(n_waiting(pipe, 1), 1);
	kit_let_go(&a, &seg.objects[object_index(queue)].lock);
	CU_ASSERT_EQUAL(owner_recover(&a, other.owner), SABIR_OK);
	CU_ASSERT_EQUAL(n_waiting(pipe, 1), 0);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 2), SABIR_BROKEN_PIPE);
	object_delete(&a, pipe);
}

static void a_recovery_that_dies_at_any_step_is_done_again(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane holder = kit_lane(&seg), dying = kit_lane(&seg);
		uint64_t pipe = make_pipe(&(struct object_spec){ 0 });
		CU_ASSERT(!pipe_open(&b, pipe, 1) && !pipe_open(&holder, pipe, 0) && !pipe_open(&holder, pipe, 0));
		CU_ASSERT(!send_int(&holder, pipe, 0, 1));
		if (i == 0)
			CU_ASSERT_FATAL(kit_list_steps(steps, recover_owner, &dying, &holder.owner));
		if (i)
			(void)kit_die_at(&steps->at[i - 1], recover_owner, &dying, &holder.owner);
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		CU_ASSERT_EQUAL(owner_recover(&a, holder.owner), SABIR_OK);
		bool fine = b_sees_the_end(pipe);
		CU_ASSERT(fine);
		if (!fine)
			fprintf(stderr, "step %s %u\n", i ? steps->at[i - 1].name : "-", i ? steps->at[i - 1].nth : 0);
		object_delete(&a, pipe);
	}
	munmap(steps, sizeof(*steps));
}

static void delete_pipe(struct lane *by, void *context)
{
	(void)object_delete(by, *(uint64_t *)context);
}

static void a_deleter_that_dies_at_any_step_leaves_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct arena_stats before = settled();
	for (unsigned i = 0; i == 0 || i <= steps->n; i++) {
		struct lane dying = kit_lane(&seg);
		uint64_t pipe = open_pipe();
		int64_t got;
		CU_ASSERT(!send_int(&a, pipe, 0, 1) && !send_int(&b, pipe, 1, 1));
		if (i == 0) {
			CU_ASSERT_FATAL(kit_list_steps(steps, delete_pipe, &dying, &pipe));
		} else {
			CU_ASSERT(kit_die_at(&steps->at[i - 1], delete_pipe, &dying, &pipe));
		}
		CU_ASSERT_EQUAL(owner_recover(&a, dying.owner), SABIR_OK);
		/* It may have died before the pipe was deleted. */
		if (object_delete(&a, pipe) != SABIR_OK)
			CU_ASSERT_EQUAL(recv_int(&a, pipe, 0, &got), SABIR_DELETED);
	}
	struct arena_stats after = settled();
	CU_ASSERT_EQUAL(before.used_bytes, after.used_bytes);
	CU_ASSERT_EQUAL(kit_count_objects(&seg), 0);
	munmap(steps, sizeof(*steps));
}

/* The collector asks who holds an end again and again, also of a pipe that is damaged. */
static void a_list_of_holders_that_is_a_ring_is_data_loss(void)
{
	uint64_t pipe = open_pipe();
	struct seg_object *object = &seg.objects[object_index(pipe)];
	struct seg_pipe *body = segment_at(&seg, object->body, sizeof(*body));
	for (int i = 0; i < 2 * (int)SEG_N_HOLDERS; i++)
		CU_ASSERT_EQUAL(pipe_open(&a, pipe, 0), SABIR_OK);
	struct seg_holders *first = segment_at(&seg, body->holders[0], sizeof(*first));
	struct seg_holders *second = segment_at(&seg, first->block.next, sizeof(*second));
	second->block.next = body->holders[0];
	alarm(20);
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_DATA_LOSS);
	for (int i = 0; i < 10000; i++) {
		lane_begin(&a, SEG_OP_READ, 0);
		(void)pipe_kind.held(&a, object_index(pipe), object);
		lane_end(&a);
	}
	CU_ASSERT_EQUAL(object_delete(&a, pipe), SABIR_OK);
	alarm(0);
	pipe = open_pipe();
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_OK);
	CU_ASSERT_EQUAL(object_delete(&a, pipe), SABIR_OK);
}

static struct seg_pipe *pipe_body(uint64_t pipe)
{
	return segment_at(&seg, seg.objects[object_index(pipe)].body, sizeof(struct seg_pipe));
}

static uint64_t queue_with_one(void)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE };
	struct queue_item item = { .body = { (const uint8_t *)"one", 3 } };
	uint64_t queue = 0;
	uint32_t accepted;
	CU_ASSERT_EQUAL_FATAL(object_create(&a, (struct span){ NULL, 0 }, &spec, false, &queue), SABIR_OK);
	CU_ASSERT_EQUAL(queue_put(&a, queue, &item, 1, &accepted), SABIR_OK);
	return queue;
}

/* It has its item, and only that, and can be put into. */
static void check_it_is_whole(uint64_t queue)
{
	struct queue_size size = { 0 };
	CU_ASSERT_EQUAL(queue_size(&a, queue, &size), SABIR_OK);
	CU_ASSERT(size.size == 1 && !size.closed);
	object_delete(&a, queue);
}

/* What is written over the words of a pipe leads to nobody else's queue: not what is sent, nor the end. */
static void a_queue_that_is_not_the_pipes_is_left_alone(void)
{
	uint64_t pipe = open_pipe(), queue = queue_with_one();
	int64_t number;
	pipe_body(pipe)->queue[0] = pipe_body(pipe)->queue[1] = queue;
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_DATA_LOSS);
	seg.objects[object_index(pipe)].damaged = 0;
	CU_ASSERT_EQUAL(recv_int(&b, pipe, 1, &number), SABIR_DATA_LOSS);
	seg.objects[object_index(pipe)].damaged = 0;
	CU_ASSERT_EQUAL(pipe_close(&a, pipe, 0), SABIR_OK);
	CU_ASSERT_EQUAL(pipe_close(&b, pipe, 1), SABIR_OK);
	check_it_is_whole(queue);
	object_delete(&a, pipe);
}

/* To look through one may take long, and a description may be asked for all the time. */
static void a_queue_that_was_found_damaged_is_not_looked_through_for_a_description(void)
{
	uint64_t pipe = open_pipe();
	struct object_info info;
	CU_ASSERT_EQUAL(send_int(&a, pipe, 0, 1), SABIR_OK);
	CU_ASSERT_EQUAL(send_int(&b, pipe, 1, 2), SABIR_OK);
	CU_ASSERT_EQUAL(object_describe(&a, pipe, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.length, 2);
	seg.objects[object_index(pipe_body(pipe)->queue[0])].damaged = 1;
	CU_ASSERT_EQUAL(object_describe(&a, pipe, &info), SABIR_OK);
	CU_ASSERT_EQUAL(info.length, 1);
	object_delete(&a, pipe);
}

/* Nor is a holder written into another's block. */
static void holders_that_are_not_the_pipes_are_data_loss(void)
{
	uint64_t pipe = open_pipe(), queue = queue_with_one();
	uint8_t before[sizeof(struct seg_queue)];
	const struct seg_queue *body = segment_at(&seg, seg.objects[object_index(queue)].body, sizeof(*body));
	memcpy(before, body, sizeof(before));
	pipe_body(pipe)->holders[0] = seg.objects[object_index(queue)].body;
	CU_ASSERT_EQUAL(pipe_open(&b, pipe, 0), SABIR_DATA_LOSS);
	CU_ASSERT_EQUAL(memcmp(before, body, sizeof(before)), 0);
	check_it_is_whole(queue);
	object_delete(&a, pipe);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(messages_go_both_ways_in_order),
		KIT_TEST(one_way_goes_from_end_1_to_end_0),
		KIT_TEST(an_end_belongs_to_who_opened_it),
		KIT_TEST(a_closed_end_is_the_end_of_the_file_behind_what_it_sent),
		KIT_TEST(an_end_is_open_until_its_last_holder_closes_it),
		KIT_TEST(messages_wait_for_an_end_that_nobody_has_opened_yet),
		KIT_TEST(a_bounded_pipe_is_full_each_way),
		KIT_TEST(a_message_that_is_too_long_stays),
		KIT_TEST(poll_tells_of_the_next_message_and_of_the_end),
		KIT_TEST(nothing_is_left_of_a_deleted_pipe),
		KIT_TEST(a_holder_that_dies_at_any_step_closes_its_end),
		KIT_TEST(a_holder_that_dies_while_it_makes_the_queues_leaves_a_whole_pipe),
		KIT_TEST(a_holder_that_dies_in_a_full_list_closes_its_end),
		KIT_TEST(who_is_woken_for_a_message_and_dies_wakes_the_next),
		KIT_TEST(a_closed_end_is_emptied_when_its_queue_can_be_locked),
		KIT_TEST(a_recovery_that_dies_at_any_step_is_done_again),
		KIT_TEST(a_deleter_that_dies_at_any_step_leaves_nothing),
		KIT_TEST(a_list_of_holders_that_is_a_ring_is_data_loss),
		KIT_TEST(a_queue_that_is_not_the_pipes_is_left_alone),
		KIT_TEST(a_queue_that_was_found_damaged_is_not_looked_through_for_a_description),
		KIT_TEST(holders_that_are_not_the_pipes_are_data_loss),
	};
	return kit_run("pipe", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
