/* SPDX-License-Identifier: Apache-2.0 */
/* Owners, lanes, epochs, the undo journal and the lock; also when their users die. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/shm/event.h"
#include "server/shm/test_kit.h"

static struct segment seg;

static int setup(void)
{
	return kit_segment(4 << 20, &seg) ? -1 : 0;
}

static int teardown(void)
{
	segment_unmap(&seg);
	return 0;
}

/* ---------------------------------------------------------------- owners and lanes */

static void a_full_owner_table_is_an_error_until_one_goes(void)
{
	uint32_t owners[64], more = 4711;
	for (uint32_t i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(owner_open(&seg, i, "many", &owners[i]), SABIR_OK);
	CU_ASSERT_EQUAL(owner_open(&seg, 1, "more", &more), SABIR_TOO_MANY_OWNERS);
	CU_ASSERT_EQUAL(more, 4711);
	uint64_t before = seg.owners[owners[9]].word;
	owner_close(&seg, owners[9]);
	CU_ASSERT_EQUAL(owner_open(&seg, 1, "more", &more), SABIR_OK);
	CU_ASSERT_EQUAL(more, owners[9]);
	CU_ASSERT_EQUAL(seg.owners[more].word >> 32, (before >> 32) + 1); /* nobody takes it for the other */
	for (uint32_t i = 0; i < 64; i++)
		owner_close(&seg, owners[i]);
}

static void a_label_is_cut_and_ends(void)
{
	static const char *const labels[] = { NULL, "", "short",
					      "an argument list that is longer than the forty bytes there are" };
	for (size_t i = 0; i < 4; i++) {
		uint32_t owner = 0;
		CU_ASSERT_EQUAL(owner_open(&seg, 1, labels[i], &owner), SABIR_OK);
		size_t len = strnlen(seg.owners[owner].label, 40);
		CU_ASSERT(len < 40 && len == (labels[i] ? strnlen(labels[i], 39) : 0));
		CU_ASSERT(!labels[i] || !strncmp(seg.owners[owner].label, labels[i], len));
		owner_close(&seg, owner);
	}
}

/* A segment of a server, which remembers whom it has given an entry. */
static struct segment of_server(uint32_t owner[3])
{
	struct segment its;
	CU_ASSERT_EQUAL_FATAL(kit_segment(4 << 20, &its), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(owners_remember(&its), SABIR_OK);
	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(owner_open(&its, 1, "program", &owner[i]), SABIR_OK);
	return its;
}

static void an_entry_that_was_written_over_is_mended(void)
{
	static const uint64_t garbage[] = { 0, 1, 7, UINT64_MAX, 1ull << 32, 77ull << 32 | SEG_OWNER_LIVE };
	uint32_t owner[3];
	struct segment its = of_server(owner);
	const uint64_t word = its.owners[owner[1]].word;
	CU_ASSERT_EQUAL(owners_mend(&its), 0);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		its.owners[owner[1]].word = garbage[i];
		CU_ASSERT_EQUAL(owners_mend(&its), 1);
		CU_ASSERT_EQUAL(its.owners[owner[1]].word, word);
	}
	its.owners[owner[1]].word = (word & ~15ull) | SEG_OWNER_DEAD; /* as a recovery does */
	owner_close(&its, owner[2]);
	CU_ASSERT_EQUAL(owners_mend(&its), 0);
	CU_ASSERT_EQUAL(its.owners[owner[1]].word & 15, SEG_OWNER_DEAD);
	CU_ASSERT_EQUAL(its.owners[owner[2]].word & 15, SEG_OWNER_FREE);
	segment_unmap(&its);
}

/* Else what it holds, or the next one, could be taken for another's. */
static void an_entry_that_was_written_over_keeps_its_generation(void)
{
	uint32_t owner[3], next = 0;
	struct segment its = of_server(owner);
	struct lane lane;
	const uint64_t generation = its.owners[owner[1]].word >> 32;
	its.owners[owner[1]].word = UINT64_MAX;
	CU_ASSERT_EQUAL_FATAL(lane_open(&its, owner[1], &lane), SABIR_OK);
	CU_ASSERT_EQUAL(lane.actor.owner, generation << 32 | (owner[1] + 1));
	lane_close(&lane);
	owner_close(&its, owner[1]);
	CU_ASSERT_EQUAL(owner_open(&its, 1, "next", &next), SABIR_OK);
	CU_ASSERT(next == owner[1] && its.owners[next].word >> 32 == generation + 1);
	segment_unmap(&its);
}

static void a_full_lane_table_is_an_error_until_one_goes(void)
{
	struct lane lanes[64], more = { .id = 4711 };
	uint32_t owner = 0;
	bool seen[65] = { false };
	CU_ASSERT_EQUAL(owner_open(&seg, 1, "one", &owner), SABIR_OK);
	for (int i = 0; i < 64; i++) {
		CU_ASSERT_EQUAL_FATAL(lane_open(&seg, owner, &lanes[i]), SABIR_OK);
		CU_ASSERT(lanes[i].id >= 1 && lanes[i].id <= 64 && !seen[lanes[i].id]);
		seen[lanes[i].id] = true;
	}
	CU_ASSERT_EQUAL(lane_open(&seg, owner, &more), SABIR_TOO_MANY_OWNERS);
	CU_ASSERT_EQUAL(more.id, 4711);
	lane_close(&lanes[33]);
	CU_ASSERT_PTR_NULL(lanes[33].shared);
	lane_close(&lanes[33]); /* again: nothing happens */
	CU_ASSERT_EQUAL(lane_open(&seg, owner, &lanes[33]), SABIR_OK);
	for (int i = 0; i < 64; i++)
		lane_close(&lanes[i]);
	owner_close(&seg, owner);
}

static void a_new_lane_is_clean_whatever_it_was_left_with(void)
{
	struct lane lane = kit_lane(&seg);
	struct seg_lane *s = lane.shared;
	uint64_t word = s->word;
	lane_close(&lane);
	uint8_t *content = (uint8_t *)s + sizeof(s->word);
	memset(content, 0xee, sizeof(*s) - sizeof(s->word));
	seg.header->lane_hint = (uint32_t)(s - seg.lanes);
	lane = kit_lane(&seg);
	CU_ASSERT_EQUAL_FATAL(lane.shared, s);
	CU_ASSERT_EQUAL((s->word >> 16 & 0xffff), (word >> 16 & 0xffff) + 1);
	bool clean = true;
	for (size_t i = 0; i < sizeof(*s) - sizeof(s->word); i++)
		clean &= content[i] == 0;
	CU_ASSERT(clean);
	kit_lane_close(&lane);
}

static void processes_get_different_owners_and_lanes(void)
{
	pid_t pids[8];
	uint32_t *taken = kit_shared(65 * sizeof(*taken));
	for (int i = 0; i < 8; i++)
		if ((pids[i] = fork()) == 0) {
			int bad = 0;
			for (int round = 0; round < 2000; round++) {
				struct lane lane = kit_lane(&seg);
				bad |= exchange32(&taken[lane.id], 1) != 0;
				bad |= (lane.shared->word >> 32) != lane.owner;
				bad |= exchange32(&taken[lane.id], 0) != 1;
				kit_lane_close(&lane);
			}
			_exit(bad);
		}
	CU_ASSERT(kit_wait_all(pids, 8));
	munmap(taken, 65 * sizeof(*taken));
	for (uint32_t i = 0; i < 64; i++)
		CU_ASSERT_EQUAL(seg.lanes[i].word & 15, SEG_LANE_FREE);
}

/* ---------------------------------------------------------------- epochs */

static void an_operation_holds_back_what_is_retired_meanwhile(void)
{
	struct lane a = kit_lane(&seg), b = kit_lane(&seg);
	uint64_t before = epoch_retire(&seg);
	CU_ASSERT(before < epoch_oldest(&seg)); /* nobody is in an operation */
	lane_begin(&a, SEG_OP_READ, 0);
	CU_ASSERT(before < epoch_oldest(&seg)); /* began later: can't have seen it */
	uint64_t during = epoch_retire(&seg);
	CU_ASSERT(during >= epoch_oldest(&seg));
	lane_begin(&b, SEG_OP_READ, 0);
	CU_ASSERT(during >= epoch_oldest(&seg));
	lane_end(&a);
	CU_ASSERT(during < epoch_oldest(&seg));
	uint64_t later = epoch_retire(&seg);
	CU_ASSERT(later > during && later >= epoch_oldest(&seg));
	lane_end(&b);
	CU_ASSERT(later < epoch_oldest(&seg));
	kit_lane_close(&a);
	kit_lane_close(&b);
}

/*
 * One process unlinks a cell, retires it and spoils it once its epoch has passed; the others look the cell up and
 * read it inside operations. None may ever read a spoiled one.
 */
static void read_cells(uint64_t *current, uint64_t *cells, uint64_t *stop)
{
	struct lane lane = kit_lane(&seg);
	int bad = 0;
	while (!load64_seq(stop)) {
		lane_begin(&lane, SEG_OP_READ, 0);
		uint64_t i = load64_seq(current);
		for (int k = 0; k < 20; k++)
			bad |= load64_relaxed(&cells[i]) == 0;
		lane_end(&lane);
	}
	kit_lane_close(&lane);
	_exit(bad);
}

static void what_a_reader_holds_is_never_reused(void)
{
	enum { CELLS = 8, ROUNDS = 4000 };
	uint64_t *shared = kit_shared(4096), *current = shared, *stop = shared + 1, *cells = shared + 8;
	uint64_t retired[CELLS] = { 0 };
	pid_t pids[3];
	for (int i = 0; i < CELLS; i++)
		cells[i] = 1;
	for (int i = 0; i < 3; i++)
		if ((pids[i] = fork()) == 0)
			read_cells(current, cells, stop);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		uint64_t old = load64_seq(current), next = (old + 1) % CELLS;
		while (retired[next] && epoch_oldest(&seg) <= retired[next])
			sched_yield();
		store64_relaxed(&cells[next], 0); /* spoil, and make again */
		store64_seq(&cells[next], round + 1);
		store64_seq(current, next);
		retired[old] = epoch_retire(&seg);
	}
	store64_seq(stop, 1);
	CU_ASSERT(kit_wait_all(pids, 3));
	munmap(shared, 4096);
}

/* ---------------------------------------------------------------- journal */

static void a_damaged_journal_count_leads_nowhere(void)
{
	struct lane lane = kit_lane(&seg);
	struct seg_object *o = &seg.objects[3];
	const struct seg_lane *neighbour = lane.shared + 1;
	uint64_t word = neighbour->word;
	lane.shared->n_undo = SEG_JOURNAL_RECORDS + 3; /* where a record would lie in the next lane */
	journal_store64(&lane, &o->owner, 5);
	CU_ASSERT_EQUAL(neighbour->word, word);
	CU_ASSERT(lane.shared->n_undo <= SEG_JOURNAL_RECORDS);
	lane.shared->n_undo = 0;
	kit_lane_close(&lane);
}

static void journaled_stores_are_undone_in_reverse(void)
{
	struct lane lane = kit_lane(&seg);
	struct seg_object *o = &seg.objects[5];
	o->owner = 10;
	o->kind = 20;
	o->flags = 21;
	journal_store64(&lane, &o->owner, 11);
	journal_store32(&lane, &o->kind, 22);
	journal_store64(&lane, &o->owner, 12); /* the same word twice */
	CU_ASSERT(o->owner == 12 && o->kind == 22 && o->flags == 21);
	journal_undo(&lane);
	CU_ASSERT(o->owner == 10 && o->kind == 20 && o->flags == 21);
	journal_undo(&lane);
	CU_ASSERT_EQUAL(o->owner, 10);
	journal_store64(&lane, &o->owner, 13);
	journal_commit(&lane);
	journal_undo(&lane);
	CU_ASSERT_EQUAL(o->owner, 13);
	kit_lane_close(&lane);
}

static uint64_t *journal_words(void)
{
	return (uint64_t *)&seg.objects[64]; /* plenty of words of entries that nobody uses */
}

static void act_journal(struct lane *by, void *context)
{
	uint64_t *words = journal_words();
	(void)context;
	for (uint32_t i = 0; i < SEG_JOURNAL_RECORDS / 2; i++) {
		journal_store64(by, &words[i], 1000 + i);
		journal_store32(by, (uint32_t *)&words[100] + i, 5000 + i);
	}
	journal_commit(by);
	FAULT("test.committed");
}

static void act_undo(struct lane *by, void *context)
{
	(void)by;
	journal_undo(context);
}

static bool journal_is(bool done)
{
	bool fine = true;
	for (uint32_t i = 0; i < SEG_JOURNAL_RECORDS / 2; i++) {
		fine &= journal_words()[i] == (done ? 1000 + i : i);
		fine &= ((uint32_t *)&journal_words()[100])[i] == (done ? 5000 + i : 7 * i);
	}
	return fine;
}

static void prepare_journal(void)
{
	for (uint32_t i = 0; i < SEG_JOURNAL_RECORDS / 2; i++) {
		journal_words()[i] = i;
		((uint32_t *)&journal_words()[100])[i] = 7 * i;
	}
}

static void death_before_the_commit_undoes_everything(void)
{
	struct kit_step step = { .name = "journal.stored" }, undoing = { .name = "journal.undone" };
	for (step.nth = 1; step.nth <= SEG_JOURNAL_RECORDS; step.nth++) {
		struct lane victim = kit_lane(&seg), helper = kit_lane(&seg);
		prepare_journal();
		CU_ASSERT(kit_die_at(&step, act_journal, &victim, NULL));
		undoing.nth = step.nth / 2 + 1; /* who undoes it dies too, somewhere in the middle */
		CU_ASSERT(kit_die_at(&undoing, act_undo, &helper, &victim));
		journal_undo(&victim);
		CU_ASSERT(journal_is(false));
		kit_lane_close(&victim);
		kit_lane_close(&helper);
	}
	struct lane victim = kit_lane(&seg);
	struct kit_step committed = { .name = "test.committed", .nth = 1 };
	prepare_journal();
	CU_ASSERT(kit_die_at(&committed, act_journal, &victim, NULL));
	journal_undo(&victim);
	CU_ASSERT(journal_is(true));
	kit_lane_close(&victim);
}

static void a_damaged_journal_touches_nothing_outside(void)
{
	static const uint64_t offs[] = { 0, 8, 504, 511, UINT64_MAX, UINT64_MAX - 7, 1ull << 40 };
	struct lane lane = kit_lane(&seg);
	struct seg_header header = *seg.header;
	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++)
		for (uint64_t width = 0; width < 2; width++) {
			lane.shared->undo[0] = (struct seg_undo){ .off = offs[i] | width, .old = 0xabababababababab };
			lane.shared->n_undo = 1;
			journal_undo(&lane);
			CU_ASSERT_EQUAL(lane.shared->n_undo, 0);
		}
	lane.shared->undo[0] = (struct seg_undo){ .off = seg.size - 4, .old = 1 };
	lane.shared->n_undo = 1;
	journal_undo(&lane);
	memset(lane.shared->undo, 0, sizeof(lane.shared->undo));
	lane.shared->n_undo = UINT32_MAX;
	journal_undo(&lane);
	CU_ASSERT_EQUAL(memcmp(&header, seg.header, sizeof(header)), 0);
	kit_lane_close(&lane);
}

/* ---------------------------------------------------------------- lock */

static void count_under_lock(uint64_t *lock, uint64_t *counter, int rounds)
{
	struct lane lane = kit_lane(&seg);
	for (int i = 0; i < rounds; i++) {
		if (kit_hold(&lane, lock))
			_exit(1);
		*(volatile uint64_t *)counter += 1; /* no atomic: the lock is what is tested */
		kit_let_go(&lane, lock);
	}
	kit_lane_close(&lane);
	_exit(0);
}

static void the_lock_excludes_between_processes(void)
{
	uint64_t *lock = &seg.objects[7].lock, *counter = kit_shared(8);
	pid_t pids[6];
	for (int i = 0; i < 6; i++)
		if ((pids[i] = fork()) == 0)
			count_under_lock(lock, counter, 30000);
	CU_ASSERT(kit_wait_all(pids, 6));
	CU_ASSERT_EQUAL(*counter, 6 * 30000);
	CU_ASSERT_EQUAL(*lock, 0);
	munmap(counter, 8);
}

/* Whether the doorbell has been rung for this object, and for no other. */
static bool rung_for(uint32_t object)
{
	uint32_t found = UINT32_MAX, more;
	bell_answer(&seg);
	return bell_next(&seg, &found) && found == object && !bell_next(&seg, &more);
}

static void a_lane_that_does_not_sleep_has_the_release_ring(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg);
	uint64_t *lock = &seg.objects[7].lock;
	server.lock_rings = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	kit_let_go(&holder, lock);
	CU_ASSERT_FALSE(rung_for(7));
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL(kit_hold(&server, lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(server.busy_object, 7);
	CU_ASSERT(lock_held_by(lock, holder.id) && !rung_for(7));
	kit_let_go(&holder, lock);
	CU_ASSERT(rung_for(7));
	CU_ASSERT_EQUAL(kit_hold(&server, lock), SABIR_OK);
	kit_let_go(&server, lock);
	CU_ASSERT(!rung_for(7) && *lock == 0);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

static void the_lock_names_its_holder(void)
{
	struct lane a = kit_lane(&seg), b = kit_lane(&seg);
	uint64_t *lock = &seg.objects[7].lock;
	CU_ASSERT(!lock_held_by(lock, a.id));
	CU_ASSERT_EQUAL(kit_hold(&a, lock), SABIR_OK);
	CU_ASSERT(lock_held_by(lock, a.id) && !lock_held_by(lock, b.id));
	b.lock_patience_ns = 2000000;
	CU_ASSERT_EQUAL(kit_hold(&b, lock), SABIR_BUSY);
	CU_ASSERT(lock_held_by(lock, a.id)); /* with the sleepers' flag beside it */
	kit_let_go(&a, lock);
	CU_ASSERT_EQUAL(kit_hold(&b, lock), SABIR_OK);
	kit_let_go(&b, lock);
	kit_lane_close(&a);
	kit_lane_close(&b);
}

/* Whoever came would wait for ever, or come again and again. */
static void a_lock_that_nobody_can_have_is_data_loss(void)
{
	struct lane server = kit_lane(&seg), client = kit_lane(&seg), gone = kit_lane(&seg), idle = kit_lane(&seg);
	const uint64_t words[] = {
		UINT64_MAX, 1ull << 40 | client.id, 0x4000, 0x8000, seg.n_lanes + 1, gone.id, idle.id
	};
	struct seg_object *o = &seg.objects[9];
	kit_lane_close(&gone);
	server.lock_rings = true;
	alarm(20);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		o->damaged = 0;
		o->lock = words[i];
		CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(o->damaged, 1);
		o->damaged = 0;
		CU_ASSERT_EQUAL(kit_hold(&client, &o->lock), SABIR_DATA_LOSS);
		CU_ASSERT_EQUAL(o->damaged, 1);
	}
	alarm(0);
	o->lock = idle.id;
	o->damaged = 0;
	lane_begin(&idle, SEG_OP_READ, 0); /* it may be about to release it */
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(o->damaged, 0);
	lane_end(&idle); /* but it does not */
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_DATA_LOSS);
	o->lock = o->damaged = 0;
	kit_lane_close(&idle);
	kit_lane_close(&server);
	kit_lane_close(&client);
}

static bool clock_stands;

static void *overwrite(void *context)
{
	uint64_t *lock = context;
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	store64_seq(lock, 0);
	return NULL;
}

static void who_sleeps_sees_that_the_word_is_another_though_nobody_wakes_him(void)
{
	struct lane holder = kit_lane(&seg), client = kit_lane(&seg);
	uint64_t *lock = &seg.objects[9].lock;
	pthread_t thread;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, overwrite, lock), 0);
	lane_look_again = 50 * CLOCK_MILLISECOND;
	alarm(20);
	CU_ASSERT_EQUAL(kit_hold(&client, lock), SABIR_OK);
	alarm(0);
	kit_look_again_never();
	pthread_join(thread, NULL);
	kit_let_go(&client, lock);
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
	kit_lane_close(&client);
}

/* The holder lets go just before he is asked for, each time, and takes the lock again just behind that. */
static void change_hands(const char *name, void *context)
{
	struct lane *holder = context;
	if (!strcmp(name, "lock.named") || !strcmp(name, "lock.doubted"))
		kit_let_go(holder, &seg.objects[9].lock);
	else if (!strcmp(name, "lock.suspected") || !strcmp(name, "lock.asked"))
		CU_ASSERT_EQUAL(kit_hold(holder, &seg.objects[9].lock), SABIR_OK);
}

static void who_had_let_go_when_he_was_asked_for_is_believed(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg);
	struct seg_object *o = &seg.objects[9];
	server.lock_rings = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, &o->lock), SABIR_OK);
	fault_trace(change_hands, &holder);
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	fault_trace(NULL, NULL);
	CU_ASSERT(!o->damaged && lock_held_by(&o->lock, holder.id));
	kit_let_go(&holder, &o->lock);
	kit_lane_close(&holder);
	kit_lane_close(&server);
}

struct doubters {
	struct lane *holder, *other;
	bool is_inside;
};

/* The same, and another comes to doubt him too, as soon as he has it again. */
static void change_hands_and_doubt(const char *name, void *context)
{
	struct doubters *d = context;
	uint64_t *lock = &seg.objects[9].lock;
	if (d->is_inside)
		return;
	change_hands(name, d->holder);
	if (strcmp(name, "lock.asked") != 0)
		return;
	d->is_inside = true;
	store64_seq(&d->holder->shared->epoch, 0); /* so that he is doubted */
	CU_ASSERT_EQUAL(kit_hold(d->other, lock), SABIR_DATA_LOSS);
	store64_seq(&d->holder->shared->epoch, 1);
	d->is_inside = false;
}

/* The clock stands still for them, or is too coarse for two who look at it at once. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	long stopped = syscall(SYS_clock_gettime, id, t);
	if (clock_stands)
		*t = (struct timespec){ 0 };
	return (int)stopped;
}

static void two_who_doubt_at_the_same_time_are_told_apart(void)
{
	struct lane holder = kit_lane(&seg), server = kit_lane(&seg), other = kit_lane(&seg);
	struct doubters d = { &holder, &other, false };
	struct seg_object *o = &seg.objects[9];
	server.lock_rings = other.lock_rings = clock_stands = true;
	CU_ASSERT_EQUAL(kit_hold(&holder, &o->lock), SABIR_OK);
	fault_trace(change_hands_and_doubt, &d);
	CU_ASSERT_EQUAL(kit_hold(&server, &o->lock), SABIR_BUSY);
	fault_trace(NULL, NULL);
	clock_stands = false;
	CU_ASSERT(lock_held_by(&o->lock, holder.id));
	kit_let_go(&holder, &o->lock);
	o->damaged = 0;
	kit_lane_close(&holder);
	kit_lane_close(&server);
	kit_lane_close(&other);
}

/* Nobody writes into the word of one who works: he needs it soon. */
static void who_works_is_not_doubted(void)
{
	struct lane holder = kit_lane(&seg), client = kit_lane(&seg);
	uint64_t *lock = &seg.objects[9].lock;
	client.lock_patience_ns = CLOCK_MILLISECOND;
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	CU_ASSERT_EQUAL(kit_hold(&client, lock), SABIR_BUSY);
	CU_ASSERT_EQUAL(*lock >> 16, 0);
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
	kit_lane_close(&client);
}

struct company {
	struct lane lane[3]; /* the last of them only doubts */
	bool is_inside;
	unsigned short seed[3];
};

/* Whatever the others may do between two steps of a doubt. */
static void go_on_at_random(const char *name, void *context)
{
	struct company *c = context;
	uint64_t *lock = &seg.objects[9].lock;
	if (c->is_inside || strncmp(name, "lock.", 5) != 0)
		return;
	c->is_inside = true;
	for (long n = nrand48(c->seed) % 4; n > 0; n--) {
		struct lane *lane = &c->lane[nrand48(c->seed) % 3];
		if (lock_held_by(lock, lane->id))
			kit_let_go(lane, lock);
		else if (!lock_holder(lock) || lane->lock_rings)
			CU_ASSERT_NOT_EQUAL(kit_hold(lane, lock), SABIR_DATA_LOSS);
	}
	c->is_inside = false;
}

static void no_order_of_steps_makes_a_doubt_wrong(void)
{
	struct lane server = kit_lane(&seg);
	struct company c = { .lane = { kit_lane(&seg), kit_lane(&seg), kit_lane(&seg) } };
	uint64_t *lock = &seg.objects[9].lock;
	server.lock_rings = c.lane[2].lock_rings = true;
	fault_trace(go_on_at_random, &c);
	for (int i = 0; i < 20000 && !seg.objects[9].damaged; i++)
		if (kit_hold(&server, lock) == SABIR_OK)
			kit_let_go(&server, lock);
	fault_trace(NULL, NULL);
	CU_ASSERT_EQUAL(seg.objects[9].damaged, 0);
	for (int i = 0; i < 3; i++) {
		if (lock_held_by(lock, c.lane[i].id))
			kit_let_go(&c.lane[i], lock);
		kit_lane_close(&c.lane[i]);
	}
	kit_lane_close(&server);
}

#define N_TURNS 20000u

/* Two who take turns, and a third who doubts each of them, all the time. */
static void take_turns(uint64_t *lock, bool doubts, uint64_t *n_turns)
{
	struct lane lane = kit_lane(&seg);
	alarm(120);
	lane.lock_rings = doubts;
	for (uint32_t n = 0; doubts ? load64_seq(n_turns) < 2 * N_TURNS : n < N_TURNS; n++) {
		enum sabir_error error = kit_hold(&lane, lock);
		if (error && !(doubts && error == SABIR_BUSY))
			_exit(1); /* the others end too, by their alarms */
		if (!error)
			kit_let_go(&lane, lock);
		if (!doubts)
			fetch_add64(n_turns, 1);
	}
	_exit(0);
}

static void a_doubt_is_never_wrong(void)
{
	uint64_t *lock = &seg.objects[9].lock, *n_turns = kit_shared(sizeof(*n_turns));
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (!pids[i])
			take_turns(lock, i == 2, n_turns);
	}
	CU_ASSERT(kit_wait_all(pids, 3));
	CU_ASSERT_EQUAL(*lock, 0);
	CU_ASSERT_EQUAL(seg.objects[9].damaged, 0);
}

static void act_lock(struct lane *by, void *context)
{
	uint64_t *lock = context;
	(void)!kit_hold(by, lock);
	FAULT("test.locked");
	kit_let_go(by, lock);
}

static pid_t start_waiter(uint64_t *lock)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct lane lane = kit_lane(&seg);
		enum sabir_error error = kit_hold(&lane, lock);
		kit_let_go(&lane, lock);
		_exit(error != SABIR_OK);
	}
	while (!(load64_seq(lock) & 0x4000))
		sched_yield();
	return pid;
}

static void a_release_wakes_who_sleeps(void)
{
	uint64_t *lock = &seg.objects[7].lock;
	struct lane holder = kit_lane(&seg);
	CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	for (int i = 0; i < 20; i++) {
		pid_t waiter = start_waiter(lock);
		const struct timespec moment = { 0, 5000000 };
		nanosleep(&moment, NULL); /* he may not sleep yet, and need not be woken then; he does mostly */
		kit_let_go(&holder, lock);
		CU_ASSERT_EQUAL(kit_wait(waiter), 0);
		CU_ASSERT_EQUAL(kit_hold(&holder, lock), SABIR_OK);
	}
	kit_let_go(&holder, lock);
	kit_lane_close(&holder);
}

static void a_dead_holders_lock_is_given_to_those_who_wait(void)
{
	static const char *const steps[] = { "test.locked", "lock.releasing" };
	uint64_t *lock = &seg.objects[7].lock;
	for (int i = 0; i < 2; i++) {
		struct lane victim = kit_lane(&seg);
		struct kit_step step = { .nth = 1 };
		snprintf(step.name, sizeof(step.name), "%s", steps[i]);
		CU_ASSERT(kit_die_at(&step, act_lock, &victim, lock));
		CU_ASSERT(lock_held_by(lock, victim.id));
		pid_t pids[3] = { start_waiter(lock), start_waiter(lock), start_waiter(lock) };
		store64_seq(lock, 0); /* what a recovery does, see objects/recover.c */
		lock_wake_all(lock);
		CU_ASSERT(kit_wait_all(pids, 3));
		CU_ASSERT_EQUAL(*lock, 0);
		kit_lane_close(&victim);
	}
}

/* The holder goes between letting go and waking: the next one sleeps beside a free lock until a recovery wakes it. */
static void a_wake_up_that_a_dead_releaser_owes_is_made_good(void)
{
	uint64_t *lock = &seg.objects[7].lock;
	struct lane victim = kit_lane(&seg);
	int go[2], status;
	char byte = 0;
	CU_ASSERT_EQUAL(pipe(go), 0);
	CU_ASSERT_EQUAL(kit_hold(&victim, lock), SABIR_OK);
	pid_t holder = fork();
	if (holder == 0) {
		fault_kill_at("lock.released", 1);
		(void)!read(go[0], &byte, 1);
		kit_let_go(&victim, lock);
		_exit(0);
	}
	pid_t waiter = start_waiter(lock);
	CU_ASSERT_EQUAL(write(go[1], &byte, 1), 1);
	CU_ASSERT(waitpid(holder, &status, 0) == holder && WIFSIGNALED(status));
	lock_wake_all(lock);
	CU_ASSERT_EQUAL(kit_wait(waiter), 0);
	CU_ASSERT_EQUAL(*lock, 0);
	close(go[0]);
	close(go[1]);
	kit_lane_close(&victim);
}

/* Among those who go on counting, one after the other dies with the lock in its hand. */
static void deaths_among_many_do_not_stop_the_others(void)
{
	uint64_t *lock = &seg.objects[7].lock, *counter = kit_shared(8);
	struct kit_step step = { .name = "test.locked", .nth = 1 };
	pid_t pids[3];
	for (int i = 0; i < 3; i++)
		if ((pids[i] = fork()) == 0)
			count_under_lock(lock, counter, 100000);
	for (int i = 0; i < 200; i++) {
		struct lane victim = kit_lane(&seg);
		CU_ASSERT(kit_die_at(&step, act_lock, &victim, lock));
		CU_ASSERT(lock_held_by(lock, victim.id));
		store64_seq(lock, 0);
		lock_wake_all(lock);
		kit_lane_close(&victim);
	}
	CU_ASSERT(kit_wait_all(pids, 3));
	CU_ASSERT_EQUAL(*counter, 300000);
	CU_ASSERT_EQUAL(*lock, 0);
	munmap(counter, 8);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_full_owner_table_is_an_error_until_one_goes),
		KIT_TEST(a_label_is_cut_and_ends),
		KIT_TEST(an_entry_that_was_written_over_is_mended),
		KIT_TEST(an_entry_that_was_written_over_keeps_its_generation),
		KIT_TEST(a_full_lane_table_is_an_error_until_one_goes),
		KIT_TEST(a_new_lane_is_clean_whatever_it_was_left_with),
		KIT_TEST(processes_get_different_owners_and_lanes),
		KIT_TEST(an_operation_holds_back_what_is_retired_meanwhile),
		KIT_TEST(what_a_reader_holds_is_never_reused),
		KIT_TEST(a_damaged_journal_count_leads_nowhere),
		KIT_TEST(journaled_stores_are_undone_in_reverse),
		KIT_TEST(death_before_the_commit_undoes_everything),
		KIT_TEST(a_damaged_journal_touches_nothing_outside),
		KIT_TEST(the_lock_excludes_between_processes),
		KIT_TEST(the_lock_names_its_holder),
		KIT_TEST(a_lock_that_nobody_can_have_is_data_loss),
		KIT_TEST(who_sleeps_sees_that_the_word_is_another_though_nobody_wakes_him),
		KIT_TEST(who_had_let_go_when_he_was_asked_for_is_believed),
		KIT_TEST(two_who_doubt_at_the_same_time_are_told_apart),
		KIT_TEST(who_works_is_not_doubted),
		KIT_TEST(no_order_of_steps_makes_a_doubt_wrong),
		KIT_TEST(a_doubt_is_never_wrong),
		KIT_TEST(a_lane_that_does_not_sleep_has_the_release_ring),
		KIT_TEST(a_release_wakes_who_sleeps),
		KIT_TEST(a_dead_holders_lock_is_given_to_those_who_wait),
		KIT_TEST(a_wake_up_that_a_dead_releaser_owes_is_made_good),
		KIT_TEST(deaths_among_many_do_not_stop_the_others),
	};
	return kit_run("lane", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
