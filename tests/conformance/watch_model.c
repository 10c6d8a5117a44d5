/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches of objects of every kind: random operations on one object, local and remote, and watches over both connections,
 * each of which must tell a snapshot and then all changes, as they were noted (watched.h).
 *
 * Some ask now and then, never waiting: they are told all that they have not seen or, if that is too much, what they have
 * lost. Two wait in threads of their own while the operations go on: what they were told is compared in the end.
 */
#include <pthread.h>

#include "tests/conformance/watched_sync.h"

#define N_WATCHERS 4u

/* clang-format off */
static const struct kind kinds[] = {
	{ "queue", { .kind = SABIR_KIND_QUEUE, .max_items = BOUND }, queue_open, queue_free, queue_step, false },
	{ "value", { .kind = SABIR_KIND_VALUE, .type_code = 'q' }, value_open, value_free, value_step, false },
	{ "array", { .kind = SABIR_KIND_ARRAY, .type_code = 'q', .length = LENGTH }, array_open, array_free, array_step, false },
	{ "dict", { .kind = SABIR_KIND_DICT }, dict_open, dict_free, dict_step, true },
	{ "list", { .kind = SABIR_KIND_LIST }, list_open, list_free, list_step, false },
	{ "namespace", { .kind = SABIR_KIND_NAMESPACE }, namespace_open, namespace_free, namespace_step, true },
	{ "pipe", { .kind = SABIR_KIND_PIPE, .max_items = BOUND }, pipe_open, pipe_free, pipe_step, false },
	{ "lock", { .kind = SABIR_KIND_LOCK }, lock_open, lock_free, lock_step, false },
	{ "rlock", { .kind = SABIR_KIND_RLOCK }, lock_open, lock_free, rlock_step, false },
	{ "condition", { .kind = SABIR_KIND_CONDITION }, condition_open, condition_free, condition_step, false },
	{ "task queue", { .kind = SABIR_KIND_QUEUE, .max_items = BOUND }, queue_open, queue_free, task_step, false },
	{ "semaphore", { .kind = SABIR_KIND_SEMAPHORE }, semaphore_open, semaphore_free, semaphore_step, false },
	{ "event", { .kind = SABIR_KIND_EVENT }, event_open, event_free, event_step, false },
	{ "barrier", { .kind = SABIR_KIND_BARRIER, .length = 2 }, barrier_open, barrier_free, barrier_step, false },
	{ "block", { .kind = SABIR_KIND_BLOCK, .length = LENGTH }, block_open, block_free, block_step, false },
	{ "shared list", { .kind = SABIR_KIND_SHARED_LIST }, shared_list_open, shared_list_free, shared_list_step, false },
};
/* clang-format on */
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---------------------------------------------------------------- who waits */

struct follower {
	pthread_t thread;
	sabir_watch *watch;
	uint64_t begun; /* the sequence of its first snapshot */
	unsigned n;
	struct sabir_change told[MAX_NOTED];
	struct noted noted[MAX_NOTED]; /* its own copy of what a change was */
};
static struct follower followers[2];
static uint64_t last_sequence; /* of the history, once it is known */

/* A change's key is valid until the next: so it is compared now. */
static int key_of(const struct sabir_change *told)
{
	if (!told->has_key || told->key.kind != SABIR_ITEM_TEXT || told->key.len < 2)
		return NO_KEY;
	return atoi((const char *)told->key.as.data + 1);
}

static void *follow(void *context)
{
	struct follower *f = context;
	uint64_t at = f->begun;
	while (at < __atomic_load_n(&last_sequence, __ATOMIC_SEQ_CST)) {
		SAME(f->n < MAX_NOTED);
		struct sabir_change *told = &f->told[f->n];
		SAME(!sabir_watch_next(f->watch, 60 * SABIR_SECOND, told));
		f->noted[f->n++] = (struct noted){ told->kind, key_of(told), told->index, told->count };
		at = told->sequence;
	}
	return NULL;
}

static void follower_begin(struct follower *f, int who, uint64_t handle)
{
	struct sabir_change told;
	SAME(!sabir_watch_open(conns[who], handle, NULL, &f->watch));
	SAME(!sabir_watch_next(f->watch, 0, &told) && told.kind == SABIR_CHANGE_SNAPSHOT && !told.lost_from);
	if (!is_watched)
		base = told.sequence;
	is_watched = true;
	SAME(told.sequence == base + n_noted && told.length == state.length);
	f->begun = told.sequence;
	f->n = 0;
	SAME(!pthread_create(&f->thread, NULL, follow, f));
}

/* Every sequence was told, or told to be lost, once, and what was told is what it was. */
static void follower_end(struct follower *f)
{
	uint64_t at = f->begun;
	SAME(!pthread_join(f->thread, NULL));
	for (unsigned i = 0; i < f->n; i++) {
		const struct sabir_change *told = &f->told[i];
		const struct noted *wanted = &noted[told->sequence - base - 1], *found = &f->noted[i];
		SAME(told->sequence > at && told->sequence <= base + n_noted);
		if (told->kind == SABIR_CHANGE_SNAPSHOT) {
			SAME(told->lost_from == at + 1 && told->lost_to == told->sequence);
		} else {
			SAME(told->sequence == at + 1);
			SAME(found->kind == wanted->kind && found->key == wanted->key);
			SAME(found->index == wanted->index && found->count == wanted->count);
		}
		at = told->sequence;
	}
	SAME(at == base + n_noted);
	sabir_watch_close(f->watch);
}

/* ---------------------------------------------------------------- a history */

static void make(const struct kind *kind)
{
	struct sabir_item items[3] = { sabir_int(0), sabir_int(0), sabir_int(0) };
	struct sabir_task_spec tasks = { .size = sizeof(tasks), .max_items = BOUND };
	sabir_shared_list *list;
	sabir_queue *queue;
	struct sabir_info info;
	struct sabir_spec spec = kind->spec;
	sabir_conn *conn = conns[random_below(2)];
	spec.size = sizeof(spec);
	if (spec.kind == SABIR_KIND_SHARED_LIST) {
		SAME(!sabir_shared_list_create(conn, NAME, items, 3, 0, &list));
		sabir_shared_list_free(list);
	} else if (has_tasks) {
		SAME(!sabir_task_queue_create(conn, NAME, &tasks, 0, &queue));
		sabir_queue_free(queue);
	} else {
		SAME(!sabir_create(conn, NAME, &spec, 0, &info, NULL));
	}
}

static void begin(const struct kind *kind)
{
	n_noted = 0;
	is_watched = false;
	last_sequence = UINT64_MAX;
	state = (struct watched_state){ 0 };
	has_tasks = kind->step == task_step;
	for (unsigned i = 0; i < N_KEYS; i++)
		key_values[i] = ABSENT;
	make(kind);
	for (int who = 0; who < 2; who++)
		kind->open(who);
}

static void fix_state(const struct kind *kind)
{
	static const uint32_t fixed[] = { SABIR_KIND_ARRAY, SABIR_KIND_BLOCK };
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (kind->spec.kind == fixed[i])
			state.length = LENGTH;
	if (kind->spec.kind == SABIR_KIND_SHARED_LIST)
		state.length = 3;
	if (kind->spec.kind == SABIR_KIND_VALUE)
		state.length = 1;
}

static void step(const struct kind *kind, uint64_t handle, struct watcher *watchers)
{
	struct watcher *w = &watchers[random_below(N_WATCHERS)];
	int who = (int)random_below(2);
	if (random_below(100) == 0) {
		SAME(!sabir_set_ttl_handle(conns[who], handle, 3600 * SABIR_SECOND));
		note(SABIR_CHANGE_TTL, NO_KEY, 0, 0);
	} else {
		kind->step(who);
	}
	/* The last one is slow: a hundred changes lie between two of its looks. */
	if (w < &watchers[N_WATCHERS - 1] || random_below(40) == 0)
		while (watcher_ask(w, &state) && random_below(4))
			;
	if (random_below(100) == 0)
		watcher_resume(w, handle);
}

static void end(const struct kind *kind, uint64_t handle, struct watcher *watchers)
{
	struct sabir_change told;
	__atomic_store_n(&last_sequence, base + n_noted + 1, __ATOMIC_SEQ_CST);
	SAME(!sabir_set_ttl_handle(conns[random_below(2)], handle, 0));
	note(SABIR_CHANGE_TTL, NO_KEY, 0, 0);
	for (int who = 0; who < 2; who++)
		follower_end(&followers[who]);
	for (unsigned i = 0; i < N_WATCHERS; i++)
		while (watcher_ask(&watchers[i], &state))
			;
	SAME(!sabir_delete(conns[random_below(2)], NAME));
	for (unsigned i = 0; i < N_WATCHERS; i++) {
		SAME(sabir_watch_next(watchers[i].watch, SABIR_SECOND, &told) == SABIR_DELETED);
		sabir_watch_close(watchers[i].watch);
	}
	for (int who = 0; who < 2; who++)
		kind->free(who);
}

static void history(unsigned n_steps)
{
	const struct kind *kind = &kinds[history_seed % N_KINDS];
	struct watcher watchers[N_WATCHERS];
	struct sabir_info info;
	begin(kind);
	fix_state(kind);
	SAME(!sabir_describe(conns[0], NAME, &info));
	for (unsigned i = random_below(20); i; i--)
		kind->step((int)random_below(2));
	for (unsigned i = 0; i < N_WATCHERS; i++)
		watcher_init(&watchers[i], i % 2, info.handle, kind->has_keys);
	for (int who = 0; who < 2; who++)
		follower_begin(&followers[who], who, info.handle);
	for (history_step = 1; history_step <= n_steps; history_step++)
		step(kind, info.handle, watchers);
	end(kind, info.handle, watchers);
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "watches", 600, history);
}
