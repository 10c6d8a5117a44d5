/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A faulty program writes over the entries of owners, and a server or the next one finds them so. Who lives is not given up, who died is let
 * go of, and nobody else gets the entry.
 */
#include "server/main/memory_test_kit.h"
#include "server/ops/session_record.h"

static struct found {
	uint32_t owner;
	uint64_t word; /* before it was written over */
} * found;

/* What is written over it, and whether it is once more, while the next server starts. */
static uint64_t garbage;
static bool twice;

static int begin_suite(void)
{
	found = mmap(NULL, sizeof(*found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return found == MAP_FAILED;
}

static void write_over(struct memory *m, uint32_t owner)
{
	*found = (struct found){ owner, m->seg.owners[owner].word };
	m->seg.owners[owner].word = garbage;
}

static uint32_t open_owner(struct memory *m, uint32_t flags)
{
	uint32_t owner;
	/* Of an entry that was used before. */
	for (int i = 0; i < 3; i++) {
		if (owner_open(&m->seg, 1, "somebody", &owner))
			_exit(97);
		if (i < 2)
			owner_close(&m->seg, owner);
	}
	m->seg.owners[owner].flags = flags;
	return owner;
}

static void keep(const struct memory *m, uint32_t owner, uint32_t generation)
{
	char name[NOTIFY_NAME_SIZE];
	snprintf(name, sizeof(name), "client-%u-%u", owner, generation);
	if (!notify_store(name, &m->seg.bell_fd, 1))
		_exit(97);
}

static uint32_t open_program(struct memory *m)
{
	struct lane lane;
	uint32_t owner = open_owner(m, SEG_OWNER_WELCOMED);
	keep(m, owner, (uint32_t)(m->seg.owners[owner].word >> 32));
	if (lane_open(&m->seg, owner, &lane))
		_exit(97);
	return owner;
}

static void write_over_a_program(struct memory *m)
{
	write_over(m, open_program(m));
}

/* The word and the flags beside it. */
static void write_over_more_of_a_program(struct memory *m)
{
	uint32_t owner = open_program(m);
	write_over(m, owner);
	m->seg.owners[owner].flags = 0;
}

/* What was kept of an earlier one has not been forgotten. */
static void write_over_a_program_behind_another(struct memory *m)
{
	uint32_t owner = open_program(m);
	keep(m, owner, (uint32_t)(m->seg.owners[owner].word >> 32) - 1);
	write_over(m, owner);
}

static void write_over_a_program_that_is_not_kept(struct memory *m)
{
	write_over(m, open_owner(m, SEG_OWNER_WELCOMED));
}

static void write_over_a_session(struct memory *m)
{
	uint32_t owner = open_owner(m, 0);
	session_record_write(&m->seg, owner, &(struct session_record){ .lease_ns = 1 });
	write_over(m, owner);
}

static void write_over_a_session_that_ends(struct memory *m)
{
	uint32_t owner = open_owner(m, 0);
	session_record_write(&m->seg, owner, &(struct session_record){ .lease_ns = 1 });
	session_record_end(&m->seg, owner);
	write_over(m, owner);
}

/* It has let go of its entry, and died before its keeper was told to forget the program. */
static void leave_a_free_entry_kept(struct memory *m)
{
	uint32_t owner = open_owner(m, SEG_OWNER_WELCOMED);
	keep(m, owner, (uint32_t)(m->seg.owners[owner].word >> 32));
	owner_close(&m->seg, owner);
	*found = (struct found){ owner, m->seg.owners[owner].word };
}

static void write_over_the_server(struct memory *m)
{
	lane_begin(&m->lane, SEG_OP_DICT_WRITE, 0);
	if (lock_acquire(&m->lane, &m->seg.objects[0].lock))
		_exit(97);
	write_over(m, m->owner);
}

/* The server behind one that died of this, and what it found. */
static struct heirs succeed(void (*act)(struct memory *m), struct memory *m)
{
	struct heirs h = { .n_adopted = 0 };
	const struct memory_heir heir = { adopt, resume, recover, &h };
	run_server(act);
	struct kept copy = copy_of_kept();
	memset(m, 0, sizeof(*m));
	log_set_fd(-1);
	CU_ASSERT_EQUAL_FATAL(memory_start(&config, &copy, m, detail, sizeof(detail)), SABIR_OK);
	hear();
	if (twice)
		m->seg.owners[found->owner].word = garbage;
	memory_heirs(m, &copy, &heir);
	log_set_fd(STDERR_FILENO);
	hear();
	kept_fini(&copy);
	return h;
}

/* It is what it was, and nobody's else. */
static void expect_whole(struct memory *m)
{
	uint32_t owner, n = 0;
	CU_ASSERT_EQUAL(m->seg.owners[found->owner].word, found->word);
	while (owner_open(&m->seg, 1, "another", &owner) == SABIR_OK)
		n += owner == found->owner;
	CU_ASSERT_EQUAL(n, 0);
}

static const uint64_t garbages[] = { 0, 7, UINT64_MAX << 32, UINT64_MAX, 0xdeadbeef12345678ull,
				     /* of which the last bits are those of a state */
				     0x6161616161616161ull, 0x7272727272727272ull };

static void for_all_garbage(void (*act)(uint64_t word))
{
	for (unsigned i = 0; i < sizeof(garbages) / sizeof(garbages[0]); i++) {
		garbage = garbages[i];
		act(garbages[i]);
		kept_fini(&kept);
	}
}

static void find_program(uint64_t word)
{
	void (*const acts[])(struct memory *) = { write_over_a_program, write_over_more_of_a_program,
						  write_over_a_program_behind_another };
	(void)word;
	for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct memory m;
		struct heirs h = succeed(acts[i], &m);
		CU_ASSERT(h.n_adopted == 1 && h.adopted[0] == found->owner && h.n_recovered == 0);
		CU_ASSERT_EQUAL(m.seg.owners[found->owner].flags, SEG_OWNER_WELCOMED);
		expect_whole(&m);
		memory_stop(&m);
		kept_fini(&kept);
	}
}

static void test_a_local_program_is_watched_on(void)
{
	for_all_garbage(find_program);
}

/* Words that other owners could have. */
static void test_another_generation_is_not_believed(void)
{
	static const uint64_t words[] = { SEG_OWNER_LIVE, 1ull << 32 | SEG_OWNER_LIVE, 99ull << 32 | SEG_OWNER_LIVE,
					  99ull << 32 | SEG_OWNER_DEAD };
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct memory m;
		garbage = words[i];
		struct heirs h = succeed(write_over_a_program, &m);
		CU_ASSERT(h.n_adopted == 1 && h.adopted[0] == found->owner && h.n_recovered == 0);
		expect_whole(&m);
		memory_stop(&m);
		kept_fini(&kept);
	}
}

/* The name of one that had the entry before has not been forgotten, and of who has it now nothing could be kept. */
static void leave_a_name_of_another(struct memory *m)
{
	uint32_t owner = open_owner(m, SEG_OWNER_WELCOMED);
	keep(m, owner, (uint32_t)(m->seg.owners[owner].word >> 32) - 1);
	*found = (struct found){ owner, m->seg.owners[owner].word };
}

static void test_who_came_later_than_the_name_is_not_taken_for_its_program(void)
{
	struct memory m;
	struct heirs h = succeed(leave_a_name_of_another, &m);
	CU_ASSERT(h.n_adopted == 0 && h.n_recovered == 0);
	expect_whole(&m);
	memory_stop(&m);
	kept_fini(&kept);
}

static void write_over_the_flags(struct memory *m)
{
	uint32_t owner = open_program(m);
	*found = (struct found){ owner, m->seg.owners[owner].word };
	m->seg.owners[owner].flags = (uint32_t)garbage;
}

static void test_a_program_is_none_of_the_former_servers(void)
{
	static const uint32_t flags[] = { SEG_OWNER_SERVER, SEG_OWNER_SERVER | 1u << SEG_OWNER_NUMBER_SHIFT,
					  SEG_OWNER_REMOTE, UINT32_MAX };
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct memory m;
		garbage = flags[i];
		struct heirs h = succeed(write_over_the_flags, &m);
		CU_ASSERT(h.n_adopted == 1 && h.adopted[0] == found->owner && h.n_recovered == 0);
		expect_whole(&m);
		memory_stop(&m);
		kept_fini(&kept);
	}
}

static void find_unkept(uint64_t word)
{
	struct memory m;
	uint32_t owner, n = 0;
	struct heirs h = succeed(write_over_a_program_that_is_not_kept, &m);
	CU_ASSERT(h.n_adopted == 0 && h.n_recovered == 0);
	CU_ASSERT_EQUAL(m.seg.owners[found->owner].word, (word & 0xffffffff00000000ull) | SEG_OWNER_LIVE);
	while (owner_open(&m.seg, 1, "another", &owner) == SABIR_OK)
		n += owner == found->owner;
	CU_ASSERT_EQUAL(n, 0);
	memory_stop(&m);
}

/* Nobody sees its end. But it may live, and is not taken for dead. */
static void test_a_local_program_that_was_not_kept_has_its_entry_yet(void)
{
	for_all_garbage(find_unkept);
}

static void find_session(uint64_t word)
{
	void (*const acts[])(struct memory *) = { write_over_a_session, write_over_a_session_that_ends };
	(void)word;
	for (unsigned i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct session_record record = { .owner = 0 };
		struct memory m;
		struct heirs h = succeed(acts[i], &m);
		CU_ASSERT(h.n_resumed == 1 && h.resumed[0] == found->owner && h.n_recovered == 0);
		CU_ASSERT(session_record_read(&m.seg, found->owner, &record) && record.ends == (i == 1));
		expect_whole(&m);
		memory_stop(&m);
		kept_fini(&kept);
	}
}

static void test_a_session_goes_on(void)
{
	for_all_garbage(find_session);
}

static void test_what_is_free_stays_free(void)
{
	struct memory m;
	struct heirs h = succeed(leave_a_free_entry_kept, &m);
	CU_ASSERT(h.n_adopted == 0 && h.n_recovered == 0 && h.n_resumed == 0);
	/* Who comes next gets it: the server itself. */
	CU_ASSERT_EQUAL(m.owner, found->owner);
	CU_ASSERT_EQUAL(m.seg.owners[found->owner].word >> 32, (found->word >> 32) + 1);
	CU_ASSERT_EQUAL(n_owners(&m.seg), 1);
	CU_ASSERT_EQUAL(kept.n, 3); /* memory, bell and this server */
	memory_stop(&m);
}

static void find_server(uint64_t word)
{
	struct memory m;
	struct heirs h = succeed(write_over_the_server, &m);
	(void)word;
	CU_ASSERT(h.n_adopted == 0 && h.n_recovered == 0);
	CU_ASSERT_EQUAL(m.seg.objects[0].lock, 0);
	CU_ASSERT_EQUAL(n_owners(&m.seg), 1);
	memory_stop(&m);
}

static void test_a_former_server_is_recovered(void)
{
	for_all_garbage(find_server);
}

static void test_what_is_written_over_while_a_server_starts_is_mended_too(void)
{
	twice = true;
	for_all_garbage(find_program);
	for_all_garbage(find_session);
	twice = false;
}

static void mend_at_once(uint64_t word)
{
	struct memory m;
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	write_over(&m, open_owner(&m, SEG_OWNER_WELCOMED));
	CU_ASSERT_EQUAL(m.seg.owners[found->owner].word, word);
	log_set_fd(-1);
	memory_tick(&m);
	log_set_fd(STDERR_FILENO);
	expect_whole(&m);
	memory_stop(&m);
}

static void test_who_writes_over_an_entry_while_there_is_a_server_has_it_mended(void)
{
	for_all_garbage(mend_at_once);
}

static void test_who_writes_over_the_epoch_has_it_mended(void)
{
	struct memory m;
	CU_ASSERT_EQUAL_FATAL(start(&m), SABIR_OK);
	uint64_t before = epoch_retire(&m.seg);
	memory_tick(&m);
	m.seg.header->epoch = 0;
	log_set_fd(-1);
	memory_tick(&m);
	log_set_fd(STDERR_FILENO);
	CU_ASSERT(m.seg.header->epoch > before && epoch_oldest(&m.seg) > before);
	memory_stop(&m);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("memory, owners", begin_suite, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_a_local_program_is_watched_on);
	CU_ADD_TEST(suite, test_another_generation_is_not_believed);
	CU_ADD_TEST(suite, test_who_came_later_than_the_name_is_not_taken_for_its_program);
	CU_ADD_TEST(suite, test_a_program_is_none_of_the_former_servers);
	CU_ADD_TEST(suite, test_a_local_program_that_was_not_kept_has_its_entry_yet);
	CU_ADD_TEST(suite, test_a_session_goes_on);
	CU_ADD_TEST(suite, test_what_is_free_stays_free);
	CU_ADD_TEST(suite, test_a_former_server_is_recovered);
	CU_ADD_TEST(suite, test_what_is_written_over_while_a_server_starts_is_mended_too);
	CU_ADD_TEST(suite, test_who_writes_over_an_entry_while_there_is_a_server_has_it_mended);
	CU_ADD_TEST(suite, test_who_writes_over_the_epoch_has_it_mended);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
