/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of changes: whoever dies or is stopped anywhere leaves nothing untold, concurrent writers are all counted, and
 * logs begin and end without losing memory.
 */
#include "server/objects/change.h"

#include "server/base/clock.h"
#include "server/objects/array.h"
#include "server/objects/change_parts.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"
#include "server/objects/memory.h"
#include "server/objects/mutex.h"
#include "server/objects/object_test_kit.h"
#include "server/objects/pipe.h"
#include "server/objects/queue.h"
#include "server/objects/semaphore.h"
#include "server/objects/signal.h"
#include "server/objects/task_queue.h"
#include "server/objects/value.h"

static int setup(void)
{
	return kit_begin(32 << 20);
}

static const struct span text = { (const uint8_t *)"text", 4 }, other = { (const uint8_t *)"other", 5 };
static const struct scalar one = { .kind = SCALAR_INT, .i = 1 };

static uint64_t make(const struct object_spec *spec)
{
	uint64_t handle = 0;
	CU_ASSERT_EQUAL_FATAL(object_create(&lane, (struct span){ NULL, 0 }, spec, false, &handle), SABIR_OK);
	return handle;
}

static struct change_page page;
static struct change changes[SEG_N_CHANGES];

static enum sabir_error look(uint64_t handle, uint64_t after)
{
	return change_read(&lane, handle, after, SEG_N_CHANGES, changes, &page);
}

static uint64_t begin(uint64_t handle)
{
	CU_ASSERT_EQUAL_FATAL(look(handle, 0), SABIR_OK);
	CU_ASSERT(page.snapshot && !page.lost);
	return page.last;
}

/* Who watches a pipe is told of its own queues, whatever an entry says that it is part of. */
static void what_is_no_part_of_a_pipe_is_not_told_there(void)
{
	uint64_t pipe = make(&(struct object_spec){ .kind = SEG_KIND_PIPE });
	uint64_t queue = make(&(struct object_spec){ .kind = SEG_KIND_QUEUE });
	const struct queue_item item = { .body = text };
	uint32_t accepted;
	uint64_t last = begin(pipe);
	(void)begin(queue);
	seg.objects[object_index(queue)].part_of = pipe;
	CU_ASSERT_EQUAL(queue_put(&lane, queue, &item, 1, &accepted), SABIR_OK);
	CU_ASSERT(look(pipe, last) != SABIR_OK || page.last == last);
	seg.objects[object_index(queue)].part_of = 0;
	object_delete(&lane, queue);
	object_delete(&lane, pipe);
}

/* ---------------------------------------------------------------- deaths */

static void act_value(struct lane *by, void *context)
{
	struct scalar sum;
	value_add(by, *(uint64_t *)context, &one, &sum);
}

static void act_array(struct lane *by, void *context)
{
	array_fill(by, *(uint64_t *)context, 0, 2, &one);
}

static void act_block(struct lane *by, void *context)
{
	memory_write(by, *(uint64_t *)context, 0, text);
}

static void act_put(struct lane *by, void *context)
{
	struct queue_item item = { .body = text };
	uint32_t accepted;
	queue_put(by, *(uint64_t *)context, &item, 1, &accepted);
}

static void act_get(struct lane *by, void *context)
{
	struct bytes out = { 0 };
	queue_get(by, *(uint64_t *)context, 1, &out);
	bytes_fini(&out);
}

static void act_close(struct lane *by, void *context)
{
	queue_close(by, *(uint64_t *)context);
}

static void act_set(struct lane *by, void *context)
{
	bool inserted;
	dict_set(by, *(uint64_t *)context, text, text, &inserted);
}

static void act_delete(struct lane *by, void *context)
{
	dict_delete(by, *(uint64_t *)context, other);
}

static void act_append(struct lane *by, void *context)
{
	uint64_t length;
	list_insert(by, *(uint64_t *)context, 0, text, &length);
}

static void act_take(struct lane *by, void *context)
{
	struct mutex_hold hold;
	mutex_take(by, *(uint64_t *)context, &hold);
}

static void act_acquire(struct lane *by, void *context)
{
	semaphore_take(by, *(uint64_t *)context);
}

static void act_signal(struct lane *by, void *context)
{
	signal_set(by, *(uint64_t *)context);
}

static void act_task(struct lane *by, void *context)
{
	struct queue_item item = { .body = text };
	struct task_put how = { 0 };
	uint32_t accepted;
	bool duplicate;
	task_queue_put(by, *(uint64_t *)context, &item, 1, &how, &accepted, &duplicate);
}

static void act_send(struct lane *by, void *context)
{
	struct queue_item item = { .body = text };
	uint64_t queue, handle = *(uint64_t *)context;
	if (pipe_open(by, handle, 1) == SABIR_OK)
		pipe_send(by, handle, 1, &item, &queue);
}

static void act_open(struct lane *by, void *context)
{
	CU_ASSERT_EQUAL(pipe_open(by, *(uint64_t *)context, 1), SABIR_OK);
}

static void act_send_only(struct lane *by, void *context)
{
	struct queue_item item = { .body = text };
	uint64_t queue;
	pipe_send(by, *(uint64_t *)context, 1, &item, &queue);
}

static void act_ttl(struct lane *by, void *context)
{
	object_set_ttl(by, *(uint64_t *)context, 1000 * CLOCK_SECOND);
}

static void act_watch(struct lane *by, void *context)
{
	struct change_page read;
	change_read(by, *(uint64_t *)context, 0, SEG_N_CHANGES, changes, &read);
}

static void act_expire(struct lane *by, void *context)
{
	change_expire(by, *(uint64_t *)context, clock_now() + 2 * CHANGE_IDLE_NS);
}

static const struct mortal {
	kit_act *act, *before;
	kit_act *first; /* by who dies */
	struct object_spec spec;
} mortals[] = {
	{ act_value, NULL, NULL, { .kind = SEG_KIND_VALUE, .type_code = 'i' } },
	{ act_array, NULL, NULL, { .kind = SEG_KIND_ARRAY, .type_code = 'i', .length = 2 } },
	{ act_block, NULL, NULL, { .kind = SEG_KIND_BLOCK, .length = 64 } },
	{ act_put, NULL, NULL, { .kind = SEG_KIND_QUEUE } },
	{ act_get, act_put, NULL, { .kind = SEG_KIND_QUEUE } },
	{ act_close, NULL, NULL, { .kind = SEG_KIND_QUEUE } },
	{ act_set, NULL, NULL, { .kind = SEG_KIND_DICT } },
	{ act_delete, NULL, NULL, { .kind = SEG_KIND_DICT } },
	{ act_append, NULL, NULL, { .kind = SEG_KIND_LIST } },
	{ act_take, NULL, NULL, { .kind = SEG_KIND_LOCK } },
	{ act_acquire, NULL, NULL, { .kind = SEG_KIND_SEMAPHORE, .length = 2 } },
	{ act_signal, NULL, NULL, { .kind = SEG_KIND_EVENT } },
	{ act_task, NULL, NULL, { .kind = SEG_KIND_TASK_QUEUE } },
	{ act_send, NULL, NULL, { .kind = SEG_KIND_PIPE } },
	{ act_send_only, act_open, act_open, { .kind = SEG_KIND_PIPE } },
	{ act_ttl, NULL, NULL, { .kind = SEG_KIND_VALUE, .type_code = 'i' } },
};

/* What tells states apart that the acts make of each other. */
static uint64_t state_of(uint64_t handle, uint32_t kind)
{
	struct object_info info = { 0 };
	struct scalar s = { .i = 0 };
	uint8_t first = 0;
	CU_ASSERT_EQUAL(object_describe(&lane, handle, &info), SABIR_OK);
	if (kind == SEG_KIND_VALUE)
		CU_ASSERT_EQUAL(value_get(&lane, handle, &s), SABIR_OK);
	if (kind == SEG_KIND_ARRAY)
		CU_ASSERT_EQUAL(array_get(&lane, handle, 0, &s), SABIR_OK);
	if (kind == SEG_KIND_BLOCK)
		CU_ASSERT_EQUAL(memory_copy(&lane, handle, 0, 1, &first), SABIR_OK);
	return info.length + info.closed * 1000 + (uint64_t)s.i * 100 + first + (info.ttl_ns != 0) * 10000;
}

static uint64_t make_mortal(const struct mortal *m)
{
	uint64_t handle = make(&m->spec);
	bool inserted;
	if (m->spec.kind == SEG_KIND_DICT)
		CU_ASSERT_EQUAL(dict_set(&lane, handle, other, text, &inserted), SABIR_OK);
	if (m->spec.kind == SEG_KIND_PIPE)
		CU_ASSERT_EQUAL(pipe_open(&lane, handle, 0), SABIR_OK);
	if (m->before)
		m->before(&lane, &handle);
	return handle;
}

/*
 * Who dies at the step has changed nothing, or it is told, and who waited for it was woken; and who comes after him is told of with a
 * record.
 */
static bool is_told(const struct mortal *m, const struct kit_step *step)
{
	uint64_t handle = make_mortal(m);
	struct seg_event *event = &seg.objects[object_index(handle)].event[SEG_EVENT_CHANGED];
	struct lane victim = kit_lane(&seg);
	(void)begin(handle);
	if (m->first)
		m->first(&victim, &handle);
	CU_ASSERT_EQUAL(look(handle, 0), SABIR_OK);
	uint64_t after = page.last, was = state_of(handle, m->spec.kind);
	uint32_t asleep = event_prepare(event, SEG_WAITING_LOCAL);
	if (step)
		(void)kit_die_at(step, m->act, &victim, &handle);
	bool good = owner_recover(&lane, victim.owner) == SABIR_OK;
	enum sabir_error error = look(handle, after);
	good &= error == SABIR_OK || (error == SABIR_WOULD_BLOCK && state_of(handle, m->spec.kind) == was);
	good &= error != SABIR_OK || load32_relaxed(&event->seq) != asleep;
	CU_ASSERT_EQUAL(look(handle, 0), SABIR_OK);
	after = page.last;
	CU_ASSERT_EQUAL(object_set_ttl(&lane, handle, 99 * CLOCK_SECOND), SABIR_OK);
	good &= look(handle, after) == SABIR_OK && page.n == 1 && changes[0].what == CHANGE_TTL;
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	if (!good)
		printf("\n    kind %u, killed at %s #%u: %s", m->spec.kind, step ? step->name : "-",
		       step ? step->nth : 0, error_name(error));
	return good;
}

static void whoever_dies_anywhere_is_told_or_has_changed_nothing(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	for (size_t i = 0; i < sizeof(mortals) / sizeof(mortals[0]); i++) {
		uint64_t handle = make_mortal(&mortals[i]);
		struct lane victim = kit_lane(&seg);
		(void)begin(handle);
		if (mortals[i].first)
			mortals[i].first(&victim, &handle);
		(void)event_prepare(&seg.objects[object_index(handle)].event[SEG_EVENT_CHANGED], SEG_WAITING_LOCAL);
		steps->n = 0;
		CU_ASSERT(kit_list_steps(steps, mortals[i].act, &victim, &handle));
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
		bool notes = false;
		for (unsigned k = 0; k < steps->n; k++) {
			notes |= !strcmp(steps->at[k].name, "change.written");
			CU_ASSERT(is_told(&mortals[i], &steps->at[k]));
		}
		CU_ASSERT(notes);
	}
	munmap(steps, sizeof(*steps));
}

static uint64_t n_blocks(void)
{
	struct arena_stats stats;
	kit_settle(&lane);
	arena_stats(&seg, &stats);
	return stats.n_blocks;
}

static void death_in_the_beginning_or_the_end_of_a_log_costs_no_memory(void)
{
	struct kit_steps *steps = kit_shared(sizeof(*steps));
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	kit_act *const acts[] = { act_watch, act_expire };
	for (int i = 0; i < 2; i++) {
		uint64_t before = n_blocks(), handle = make(&spec);
		struct lane lister = kit_lane(&seg);
		if (i)
			(void)begin(handle);
		steps->n = 0;
		CU_ASSERT(kit_list_steps(steps, acts[i], &lister, &handle));
		CU_ASSERT_EQUAL(owner_recover(&lane, lister.owner), SABIR_OK);
		CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
		for (unsigned k = 0; k < steps->n; k++) {
			struct lane victim = kit_lane(&seg);
			handle = make(&spec);
			if (i)
				(void)begin(handle);
			(void)kit_die_at(&steps->at[k], acts[i], &victim, &handle);
			CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
			uint64_t after = begin(handle);
			act_value(&lane, &handle);
			CU_ASSERT(look(handle, after) == SABIR_OK && page.n == 1);
			CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
		}
		CU_ASSERT_EQUAL(n_blocks(), before);
	}
	munmap(steps, sizeof(*steps));
}

/* ---------------------------------------------------------------- stopped, and many */

static void stop_at(const char *name, void *context)
{
	if (!strcmp(name, context))
		raise(SIGSTOP);
}

static void a_stopped_writer_holds_nobody_up_and_hides_nothing(void)
{
	static const char *const steps[] = { "change.locked", "change.claimed", "change.writing", "change.written" };
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	for (int i = 0; i < 4; i++) {
		uint64_t handle = make(&spec), after = begin(handle);
		struct lane victim = kit_lane(&seg);
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			fault_trace(stop_at, (void *)steps[i]);
			act_value(&victim, &handle);
			_exit(0);
		}
		CU_ASSERT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
		for (int k = 0; k < 2; k++) {
			act_value(&lane, &handle);
			CU_ASSERT(look(handle, after) == SABIR_OK && page.last > after);
			after = page.last;
		}
		CU_ASSERT(kill(pid, SIGCONT) == 0 && kit_wait(pid) == 0);
		CU_ASSERT_EQUAL(owner_recover(&lane, victim.owner), SABIR_OK);
		(void)look(handle, 0);
		after = page.last;
		act_value(&lane, &handle);
		CU_ASSERT(look(handle, after) == SABIR_OK && page.n == 1 && changes[0].sequence == after + 1);
		CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	}
}

#define N_WRITERS 3
#define N_WRITES 20000

struct follower {
	uint64_t after, told, lost;
	bool good; /* each answer went on where the last one ended */
};

static enum sabir_error follow(uint64_t handle, struct follower *f)
{
	enum sabir_error error = look(handle, f->after);
	if (error)
		return error;
	for (uint32_t i = 0; i < page.n; i++)
		f->good &= changes[i].sequence == f->after + 1 + i && changes[i].what == CHANGE_SET;
	f->told += page.n;
	f->lost += page.lost ? page.lost_to - page.lost_from + 1 : 0;
	f->after = page.last;
	return SABIR_OK;
}

static void every_change_of_many_writers_is_told_or_counted_as_lost(void)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	uint64_t handle = make(&spec), first = begin(handle);
	struct follower f = { .after = first, .good = true };
	struct scalar value = { .i = 0 };
	struct lane writers[N_WRITERS];
	pid_t pids[N_WRITERS];
	for (int w = 0; w < N_WRITERS; w++) {
		writers[w] = kit_lane(&seg);
		pids[w] = fork();
		for (int i = 0; pids[w] == 0 && i < N_WRITES; i++)
			act_value(&writers[w], &handle);
		if (pids[w] == 0)
			_exit(0);
	}
	while (value.i < N_WRITERS * N_WRITES && value_get(&lane, handle, &value) == SABIR_OK)
		(void)follow(handle, &f);
	CU_ASSERT(kit_wait_all(pids, N_WRITERS));
	while (follow(handle, &f) == SABIR_OK)
		;
	CU_ASSERT(f.good && f.told + f.lost == N_WRITERS * N_WRITES && f.after == first + N_WRITERS * N_WRITES);
	for (int w = 0; w < N_WRITERS; w++)
		kit_lane_close(&writers[w]);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
}

/* ---------------------------------------------------------------- the end of a log */

static void a_log_ends_when_nobody_asks_and_nobody_waits(void)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	uint64_t handle = make(&spec), after = begin(handle), later = clock_now() + 2 * CHANGE_IDLE_NS;
	struct seg_object *o = &seg.objects[object_index(handle)];
	struct object_info info;
	CU_ASSERT(object_ttl_next(&seg) <= clock_now() + CHANGE_IDLE_NS);
	CU_ASSERT(object_describe(&lane, handle, &info) == SABIR_OK && info.memory_bytes > CHANGE_LOG_SIZE);
	object_ttl_expire(&lane, clock_now() + CHANGE_IDLE_NS / 2);
	event_prepare(&o->event[SEG_EVENT_CHANGED], SEG_WAITING_SERVER);
	object_ttl_expire(&lane, later);
	CU_ASSERT(change_watched(o) && object_ttl_next(&seg) <= later + CHANGE_IDLE_NS);
	store32_relaxed(&o->event[SEG_EVENT_CHANGED].waiting, 0);
	store64_relaxed(&seg.header->expiry_ns, 1);
	object_ttl_expire(&lane, later);
	CU_ASSERT(!change_watched(o) && object_describe(&lane, handle, &info) == SABIR_OK && info.memory_bytes < 1000);
	act_value(&lane, &handle);
	/* Who comes back late has lost it, and goes on above all that he knew. */
	CU_ASSERT(look(handle, after) == SABIR_OK && page.lost && page.snapshot && page.last > after);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
}

static void a_damaged_log_is_data_loss_and_no_crash(void)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	static const uint64_t words[] = { 1, 12345, UINT32_MAX, UINT64_MAX };
	for (int i = 0; i < 4; i++) {
		uint64_t handle = make(&spec);
		store64_relaxed(&seg.objects[object_index(handle)].changes, words[i]);
		act_value(&lane, &handle);
		CU_ASSERT_EQUAL(look(handle, 0), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	}
	uint64_t handle = make(&spec), after = begin(handle);
	memset(change_log(&seg, object_index(handle)) + 1, 0xff, SEG_N_CHANGES * sizeof(struct seg_change));
	act_value(&lane, &handle);
	store32_relaxed(&change_at(change_log(&seg, object_index(handle)), after + 1)->key_len, UINT32_MAX);
	CU_ASSERT(look(handle, after) == SABIR_OK && changes[0].key_len == 0);
	CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	CU_ASSERT_EQUAL(look(0, 0), SABIR_NOT_FOUND);
	CU_ASSERT_EQUAL(look(handle, after), SABIR_DELETED);
}

/* Who asks on and on from where he was told last would be told at once, each time, of something that he has lost. */
static void a_log_that_counts_from_nothing_is_data_loss(void)
{
	struct object_spec spec = { .kind = SEG_KIND_VALUE, .type_code = 'i' };
	for (uint64_t head = 0; head < 4; head++) {
		uint64_t handle = make(&spec), after = begin(handle);
		enum sabir_error error = SABIR_OK;
		store64_relaxed(&change_log(&seg, object_index(handle))->head, head);
		for (int i = 0; !error && i < 10; i++) {
			error = look(handle, after);
			after = page.last;
		}
		CU_ASSERT_EQUAL(error, SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(object_delete(&lane, handle), SABIR_OK);
	}
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(what_is_no_part_of_a_pipe_is_not_told_there),
		KIT_TEST(whoever_dies_anywhere_is_told_or_has_changed_nothing),
		KIT_TEST(death_in_the_beginning_or_the_end_of_a_log_costs_no_memory),
		KIT_TEST(a_stopped_writer_holds_nobody_up_and_hides_nothing),
		KIT_TEST(every_change_of_many_writers_is_told_or_counted_as_lost),
		KIT_TEST(a_log_ends_when_nobody_asks_and_nobody_waits),
		KIT_TEST(a_damaged_log_is_data_loss_and_no_crash),
		KIT_TEST(a_log_that_counts_from_nothing_is_data_loss),
	};
	return kit_run("changes", setup, kit_end, tests, sizeof(tests) / sizeof(tests[0]));
}
