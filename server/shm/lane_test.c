/* SPDX-License-Identifier: Apache-2.0 */
/* Owners, lanes and the undo journal; also when their users die. */
#include <unistd.h>

#include "server/shm/segment_test_kit.h"

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
	uint32_t owner[3];
	struct segment its = of_server(owner);
	const uint64_t word = its.owners[owner[1]].word;
	const uint64_t garbage[] = { 0, 1, 7, UINT64_MAX, 1ull << 32, 77ull << 32 | SEG_OWNER_LIVE, word + 1 };
	CU_ASSERT_EQUAL(owners_mend(&its), 0);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		its.owners[owner[1]].word = garbage[i];
		CU_ASSERT_EQUAL(owners_mend(&its), 1);
		CU_ASSERT_EQUAL(its.owners[owner[1]].word, word);
	}
	owner_dies(&its, owner[1]);
	owner_close(&its, owner[2]);
	CU_ASSERT_EQUAL(owners_mend(&its), 0);
	CU_ASSERT_EQUAL(its.owners[owner[1]].word & 15, SEG_OWNER_DEAD);
	CU_ASSERT_EQUAL(its.owners[owner[2]].word & 15, SEG_OWNER_FREE);
	segment_unmap(&its);
}

/* Not for a moment. */
static void whose_entry_was_written_over_lives(void)
{
	uint32_t owner[3];
	struct segment its = of_server(owner);
	const uint64_t word = its.owners[owner[1]].word;
	const uint64_t garbage[] = { 0, 1, 7, UINT64_MAX, 77ull << 32 | SEG_OWNER_LIVE, word + 1 };
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		its.owners[owner[1]].word = garbage[i];
		CU_ASSERT_EQUAL(owner_now(&its, owner[1]), word);
	}
	owner_dies(&its, owner[1]);
	CU_ASSERT_EQUAL(owner_now(&its, owner[1]) & 15, SEG_OWNER_DEAD);
	owner_close(&its, owner[1]);
	CU_ASSERT_EQUAL(owner_now(&its, owner[1]) & 15, SEG_OWNER_FREE);
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
	o->lock = lane.id;
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
	o->lock = 0;
	kit_lane_close(&lane);
}

#define JOURNALED 64u /* the object whose words these are */

static uint64_t *journal_words(void)
{
	static struct seg_block *block;
	if (!block) {
		struct lane lane = kit_lane(&seg);
		CU_ASSERT_EQUAL_FATAL(block_alloc(&lane, 2048, 0, &block), SABIR_OK);
		block_publish(block, JOURNALED);
		lane.shared->hand[0] = 0;
		kit_lane_close(&lane);
	}
	return (uint64_t *)(block + 1);
}

static void act_journal(struct lane *by, void *context)
{
	uint64_t *words = journal_words();
	(void)context;
	seg.objects[JOURNALED].lock = by->id;
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
	/* Nor half of one word and half of the next, which not every processor can. */
	uint64_t *words = journal_words(), begin = (uint64_t)((uint8_t *)words - seg.base);
	memset(words, 0, 64);
	seg.objects[JOURNALED].lock = lane.id;
	for (uint64_t off = 1; off < 16; off++) {
		lane.shared->undo[0] = (struct seg_undo){ .off = begin + off, .old = UINT64_MAX };
		lane.shared->n_undo = 1;
		journal_undo(&lane);
		CU_ASSERT_EQUAL(words[0] || words[1] || words[2],
				off == 1 || off == 5 || off == 8 || off == 9 || off == 13);
		memset(words, 0, 64);
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

/* Whether an undoing by the lane of a journal that names this word, which it has not changed, gives it a value. */
static bool undoes(struct lane *lane, void *word)
{
	uint64_t was;
	memcpy(&was, word, sizeof(was));
	lane->shared->undo[0] = (struct seg_undo){ .off = (uint64_t)((uint8_t *)word - seg.base), .old = was + 1 };
	lane->shared->n_undo = 1;
	journal_undo(lane);
	bool done = memcmp(&was, word, sizeof(was)) != 0;
	memcpy(word, &was, sizeof(was));
	return done;
}

static void a_damaged_journal_touches_what_is_the_lanes_alone(void)
{
	struct lane lane = kit_lane(&seg), other = kit_lane(&seg);
	struct seg_block *block;
	uint64_t *words = journal_words();
	const uint32_t holders[] = { 0, other.id, lane.id };
	for (int i = 0; i < 3; i++) {
		seg.objects[JOURNALED].lock = holders[i];
		CU_ASSERT_EQUAL(undoes(&lane, &words[3]), i == 2);
		CU_ASSERT_EQUAL(undoes(&lane, &seg.objects[JOURNALED].owner), i == 2);
	}
	seg.objects[JOURNALED].lock = 0;
	seg.objects[JOURNALED].word = SEG_OBJECT_SWEEPING | (uint64_t)lane.id << 4 | 1ull << 32;
	CU_ASSERT(undoes(&lane, &words[3]) && !undoes(&other, &words[3]));
	seg.objects[JOURNALED].word = 0;
	CU_ASSERT_EQUAL_FATAL(block_alloc(&other, 500, 0, &block), SABIR_OK);
	CU_ASSERT(!undoes(&lane, block + 1) && undoes(&other, block + 1));
	CU_ASSERT(!undoes(&lane, other.shared->args) && undoes(&other, other.shared->args));
	CU_ASSERT(!undoes(&lane, seg.owners) && !undoes(&lane, seg.chunks) && !undoes(&lane, &seg.header->expiry_ns));
	/* Who recovers the other one has his to change. */
	owner_dies(&seg, other.owner);
	CU_ASSERT(undoes(&lane, block + 1));
	seg.objects[JOURNALED].lock = other.id;
	CU_ASSERT(undoes(&lane, &words[3]));
	seg.objects[JOURNALED].lock = 0;
	block_free(&other, block);
	kit_lane_close(&other);
	kit_lane_close(&lane);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(a_full_owner_table_is_an_error_until_one_goes),
		KIT_TEST(a_label_is_cut_and_ends),
		KIT_TEST(an_entry_that_was_written_over_is_mended),
		KIT_TEST(whose_entry_was_written_over_lives),
		KIT_TEST(an_entry_that_was_written_over_keeps_its_generation),
		KIT_TEST(a_full_lane_table_is_an_error_until_one_goes),
		KIT_TEST(a_new_lane_is_clean_whatever_it_was_left_with),
		KIT_TEST(processes_get_different_owners_and_lanes),
		KIT_TEST(a_damaged_journal_count_leads_nowhere),
		KIT_TEST(journaled_stores_are_undone_in_reverse),
		KIT_TEST(death_before_the_commit_undoes_everything),
		KIT_TEST(a_damaged_journal_touches_nothing_outside),
		KIT_TEST(a_damaged_journal_touches_what_is_the_lanes_alone),
	};
	return kit_run("lane", segment_setup, segment_teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
