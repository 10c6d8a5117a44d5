/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting on a queue in shared memory: time-outs, wakes, and that no waiter is left behind. */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "bindings/c/local.h"
#include "server/base/clock.h"
#include "server/objects/mutex.h"
#include "server/objects/queue.h"
#include "server/objects/turns.h"
#include "server/shm/test_kit.h"

#define N_THREADS 6
#define N_ITEMS 30000u

static struct segment seg;
static uint32_t owner;
static struct waiting_lane main_lane;
static uint64_t queue;
static sabir_cancel *token;

static void open_lane(struct waiting_lane *waiting)
{
	*waiting = (struct waiting_lane){ .spins = 0 };
	/* Called from all threads, and CUnit's asserts belong to one. */
	if (lane_open(&seg, owner, &waiting->lane))
		abort();
}

static int setup(void)
{
	struct segment_options options = {
		.memory_limit = 32 << 20, .n_owners = 16, .n_lanes = 64, .n_objects = 64, .max_item_bytes = 1 << 16
	};
	alarm(120); /* a lost wake-up must not hang the run */
	kit_look_again_never();
	if (segment_create(&options, &seg) || owner_open(&seg, (uint32_t)getpid(), "test", &owner))
		return -1;
	open_lane(&main_lane);
	return object_init_directory(&main_lane.lane) ? -1 : 0;
}

static int teardown(void)
{
	lane_close(&main_lane.lane);
	segment_unmap(&seg);
	return 0;
}

static void make_queue(uint64_t max_items)
{
	struct object_spec spec = { .kind = SEG_KIND_QUEUE, .max_items = max_items };
	CU_ASSERT_EQUAL_FATAL(object_create(&main_lane.lane, (struct span){ NULL, 0 }, &spec, false, &queue), SABIR_OK);
}

static enum sabir_error attempt_get(struct lane *lane, void *context)
{
	struct bytes out;
	enum sabir_error error;
	uint8_t fixed[16];
	bytes_init(&out, fixed, sizeof(fixed));
	error = queue_get(lane, queue, 1, &out);
	if (!error)
		memcpy(context, bytes_item(&out, 0).data, sizeof(uint64_t));
	bytes_fini(&out);
	return error;
}

static enum sabir_error attempt_put(struct lane *lane, void *context)
{
	struct queue_item item = { .body = { context, sizeof(uint64_t) } };
	uint32_t accepted;
	return queue_put(lane, queue, &item, 1, &accepted);
}

static enum sabir_error get(struct waiting_lane *w, uint64_t timeout_ns, uint64_t *number)
{
	return local_wait(&w->lane, queue, SEG_EVENT_ITEMS, clock_deadline(timeout_ns), attempt_get, number);
}

static enum sabir_error put(struct waiting_lane *w, uint64_t timeout_ns, uint64_t number)
{
	return local_wait(&w->lane, queue, SEG_EVENT_ROOM, clock_deadline(timeout_ns), attempt_put, &number);
}

static void time_out_ends_the_wait(void)
{
	uint64_t number, begin = clock_now();
	make_queue(1);
	CU_ASSERT_EQUAL(get(&main_lane, 20 * CLOCK_MILLISECOND, &number), SABIR_EMPTY);
	CU_ASSERT(clock_now() - begin >= 20 * CLOCK_MILLISECOND);
	CU_ASSERT_EQUAL(put(&main_lane, 0, 1), SABIR_OK);
	CU_ASSERT_EQUAL(put(&main_lane, CLOCK_MILLISECOND, 2), SABIR_FULL);
	CU_ASSERT_EQUAL(main_lane.lane.shared->wait_side, 0);
}

struct tally {
	uint64_t count;
	uint64_t sum;
	enum sabir_error end;
};

static void *get_until_closed(void *context)
{
	struct tally *tally = context;
	struct waiting_lane mine;
	uint64_t number;
	open_lane(&mine);
	while (!(tally->end = get(&mine, SABIR_FOREVER, &number))) {
		tally->count++;
		tally->sum += number;
	}
	lane_close(&mine.lane);
	return NULL;
}

/* Every getter sleeps again and again; each must be woken for the items and for the end. */
static void no_getter_is_forgotten(void)
{
	pthread_t threads[N_THREADS];
	struct tally tallies[N_THREADS] = { { 0 } };
	uint64_t count = 0, sum = 0;
	make_queue(0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, get_until_closed, &tallies[i]);
	for (uint64_t i = 1; i <= N_ITEMS; i++)
		CU_ASSERT_EQUAL_FATAL(put(&main_lane, SABIR_FOREVER, i), SABIR_OK);
	CU_ASSERT_EQUAL(queue_close(&main_lane.lane, queue), SABIR_OK);
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(tallies[i].end, SABIR_CLOSED);
		count += tallies[i].count;
		sum += tallies[i].sum;
	}
	CU_ASSERT_EQUAL(count, N_ITEMS);
	CU_ASSERT_EQUAL(sum, (uint64_t)N_ITEMS * (N_ITEMS + 1) / 2);
}

static void *put_many_numbers(void *context)
{
	struct tally *tally = context;
	struct waiting_lane mine;
	open_lane(&mine);
	for (uint64_t i = 1; i <= N_ITEMS / N_THREADS && !tally->end; i++) {
		tally->end = put(&mine, SABIR_FOREVER, i);
		tally->count++;
	}
	lane_close(&mine.lane);
	return NULL;
}

static void no_putter_is_forgotten(void)
{
	pthread_t threads[N_THREADS];
	struct tally tallies[N_THREADS] = { { 0 } };
	uint64_t number;
	make_queue(2);
	for (int i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, put_many_numbers, &tallies[i]);
	for (uint64_t i = 0; i < N_ITEMS; i++)
		CU_ASSERT_EQUAL_FATAL(get(&main_lane, SABIR_FOREVER, &number), SABIR_OK);
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(tallies[i].end, SABIR_OK);
	}
	CU_ASSERT_EQUAL(get(&main_lane, 0, &number), SABIR_EMPTY);
}

static void *get_once(void *context)
{
	struct tally *tally = context;
	struct waiting_lane mine;
	open_lane(&mine);
	tally->end = get(&mine, SABIR_FOREVER, &tally->sum);
	lane_close(&mine.lane);
	return NULL;
}

static void delete_ends_the_wait(void)
{
	pthread_t thread;
	struct tally tally = { 0 };
	make_queue(0);
	pthread_create(&thread, NULL, get_once, &tally);
	while (!load32_relaxed(&seg.objects[object_index(queue)].event[SEG_EVENT_ITEMS].waiting))
		cpu_relax();
	CU_ASSERT_EQUAL(object_delete(&main_lane.lane, queue), SABIR_OK);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(tally.end, SABIR_DELETED);
}

static uint32_t sleeps(void)
{
	return load32_relaxed(&seg.objects[object_index(queue)].event[SEG_EVENT_ITEMS].waiting);
}

static void *get_until_cancelled(void *context)
{
	struct tally *tally = context;
	struct waiting_lane mine;
	open_lane(&mine);
	if (sabir_cancel_attach(token))
		abort();
	tally->end = get(&mine, SABIR_FOREVER, &tally->sum);
	(void)sabir_cancel_attach(NULL);
	lane_close(&mine.lane);
	return NULL;
}

/* One of two is cancelled, and the item that comes then is the other one's. */
static void cancel_ends_one_wait_and_no_other(void)
{
	pthread_t stays, goes;
	struct tally stayed = { 0 }, went = { 0 };
	make_queue(0);
	CU_ASSERT_EQUAL_FATAL(sabir_cancel_create(&token), SABIR_OK);
	pthread_create(&stays, NULL, get_once, &stayed);
	pthread_create(&goes, NULL, get_until_cancelled, &went);
	while (!sleeps())
		cpu_relax();
	sabir_cancel_fire(token);
	pthread_join(goes, NULL);
	CU_ASSERT_EQUAL(went.end, SABIR_CANCELLED);
	CU_ASSERT_EQUAL(put(&main_lane, 0, 7), SABIR_OK);
	pthread_join(stays, NULL);
	CU_ASSERT_EQUAL(stayed.end, SABIR_OK);
	CU_ASSERT_EQUAL(stayed.sum, 7);
	sabir_cancel_free(token);
}

/* Getters come and are cancelled all the time, while as many items are put as are got. */
static void no_item_is_lost_with_who_is_cancelled(void)
{
	pthread_t threads[N_THREADS];
	struct tally tallies[N_THREADS];
	uint64_t number, sum = 0, expected = 0;
	make_queue(0);
	for (uint64_t i = 1; i <= 500; i++) {
		CU_ASSERT_EQUAL_FATAL(sabir_cancel_create(&token), SABIR_OK);
		memset(tallies, 0, sizeof(tallies));
		for (int t = 0; t < N_THREADS; t++)
			pthread_create(&threads[t], NULL, get_until_cancelled, &tallies[t]);
		CU_ASSERT_EQUAL(put(&main_lane, 0, i), SABIR_OK);
		sabir_cancel_fire(token);
		for (int t = 0; t < N_THREADS; t++) {
			pthread_join(threads[t], NULL);
			sum += tallies[t].end ? 0 : tallies[t].sum;
		}
		expected += i;
		sabir_cancel_free(token);
	}
	while (!get(&main_lane, 0, &number))
		sum += number;
	CU_ASSERT_EQUAL(sum, expected);
}

/* ---------------------------------------------------------------- turns */

static uint64_t lock;

/* A connection to the segment of this test: each thread has a lane. */
static enum sabir_error enter_test(struct sabir_conn *conn, struct lane **lane)
{
	static __thread struct waiting_lane mine;
	(void)conn;
	open_lane(&mine);
	*lane = &mine.lane;
	return SABIR_OK;
}

static const struct transport test_transport = { .enter = enter_test };
static struct sabir_conn test_conn = { .transport = &test_transport, .refs = 1, .id = 1 };

struct acquire {
	struct local_turn turn; /* first */
	struct waiting_lane mine;
	enum sabir_error end;
};

static enum sabir_error attempt_acquire(struct lane *lane, void *context)
{
	struct acquire *a = context;
	struct mutex_wait wait = { .place = a->turn.place, .last = !a->turn.joins || a->turn.last };
	struct mutex_hold hold;
	enum sabir_error error = mutex_take_in_turn(lane, lock, &wait, &hold);
	a->turn.place = wait.place;
	return error;
}

static void *acquire_once(void *context)
{
	struct acquire *a = context;
	open_lane(&a->mine);
	a->mine.lane.lock_patience_ns = 5 * CLOCK_MILLISECOND;
	a->end = local_wait_turn(&a->mine.lane, lock, SEG_EVENT_ITEMS, EVENT_FOREVER, attempt_acquire, &a->turn);
	lane_close(&a->mine.lane);
	return NULL;
}

static uint32_t n_in_line(void)
{
	const struct seg_object *object = &seg.objects[object_index(lock)];
	const struct seg_mutex *body = segment_at(&seg, object->body, sizeof(*body));
	return load32_relaxed(&body->turns.n);
}

/*
 * Who gives up can't take his turn out of the line, because somebody is stopped who has locked it; that is done later. Else the
 * lock would be handed over to nobody one day.
 */
static void a_turn_is_not_left_in_a_line_that_is_busy(void)
{
	struct object_spec spec = { .kind = SEG_KIND_LOCK };
	struct acquire a = { .turn = { .conn = &test_conn, .give_up = mutex_give_up } };
	struct mutex_hold hold;
	pthread_t thread;
	CU_ASSERT_EQUAL_FATAL(object_create(&main_lane.lane, (struct span){ NULL, 0 }, &spec, false, &lock), SABIR_OK);
	struct seg_object *object = &seg.objects[object_index(lock)];
	CU_ASSERT_EQUAL(mutex_take(&main_lane.lane, lock, &hold), SABIR_OK);
	pthread_create(&thread, NULL, acquire_once, &a);
	while (!n_in_line())
		cpu_relax();
	CU_ASSERT_EQUAL(kit_hold(&main_lane.lane, &object->lock), SABIR_OK);
	event_poke(&object->event[SEG_EVENT_ITEMS], UINT32_MAX);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(a.end, SABIR_BUSY);
	CU_ASSERT_EQUAL(n_in_line(), 1);
	kit_let_go(&main_lane.lane, &object->lock);
	while (n_in_line())
		cpu_relax();
	CU_ASSERT_EQUAL(mutex_release(&main_lane.lane, lock), SABIR_OK);
	CU_ASSERT_EQUAL(mutex_take(&main_lane.lane, lock, &hold), SABIR_OK);
	while (load32_relaxed(&test_conn.refs) != 1)
		cpu_relax();
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("wait", setup, teardown);
	CU_ADD_TEST(suite, time_out_ends_the_wait);
	CU_ADD_TEST(suite, no_getter_is_forgotten);
	CU_ADD_TEST(suite, no_putter_is_forgotten);
	CU_ADD_TEST(suite, delete_ends_the_wait);
	CU_ADD_TEST(suite, cancel_ends_one_wait_and_no_other);
	CU_ADD_TEST(suite, no_item_is_lost_with_who_is_cancelled);
	CU_ADD_TEST(suite, a_turn_is_not_left_in_a_line_that_is_busy);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
