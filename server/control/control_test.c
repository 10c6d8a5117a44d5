/* SPDX-License-Identifier: Apache-2.0 */
/* The front's conversation: what a client gets for a good HELLO, and what for everything else. */
#include "server/control/test_kit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void test_hello_is_answered_with_the_memory(void)
{
	struct client c;
	struct segment mapped;
	static const char *const addresses[] = { "127.0.0.1:7420", "unix:/run/sabir/grpc.sock" };
	control_set_addresses(kit.control, addresses, 2);
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	CU_ASSERT_EQUAL_FATAL(c.answer.type, ATTACH_WELCOME);
	const attach_Welcome *w = &c.answer.welcome;
	CU_ASSERT_EQUAL(w->instance, kit.seg.header->instance);
	CU_ASSERT_EQUAL(w->layout_version, SEG_LAYOUT_VERSION);
	CU_ASSERT_STRING_EQUAL(w->server_version, "test");
	CU_ASSERT_EQUAL(w->grpc_addresses_count, 2);
	CU_ASSERT_STRING_EQUAL(w->grpc_addresses[1], addresses[1]);
	CU_ASSERT_EQUAL(w->owner_generation, kit.seg.owners[w->owner_index].word >> 32);
	CU_ASSERT_STRING_EQUAL(kit.seg.owners[w->owner_index].label, "test");
	CU_ASSERT_EQUAL_FATAL(c.reader.n_fds, 2);
	CU_ASSERT_TRUE(fcntl(c.reader.fds[0], F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(segment_map(attach_take_fd(&c.reader, 0), attach_take_fd(&c.reader, 1), &mapped),
			      SABIR_OK);
	CU_ASSERT_EQUAL(mapped.header->instance, w->instance);
	segment_unmap(&mapped);
	client_send(&c, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_CLOSED);
	client_close(&c);
}

static void test_ping_is_answered_before_and_after_hello(void)
{
	struct client c;
	client_open(&c);
	client_send(&c, ATTACH_PING);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_PONG);
	CU_ASSERT_EQUAL(c.answer.pong.n_attached, 0);
	client_hello(&c, NULL, 0);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	client_send(&c, ATTACH_PING);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_PONG);
	CU_ASSERT_EQUAL(c.answer.pong.n_attached, 1);
	client_send(&c, ATTACH_GOODBYE);
	client_close(&c);
}

/* Whatever a program writes over the word in the header: it is what tells one memory from another. */
static void test_the_memory_is_told_by_what_it_was(void)
{
	struct client c;
	kit.seg.header->instance++;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	CU_ASSERT(c.answer.type == ATTACH_WELCOME && c.answer.welcome.instance == kit.seg.instance);
	client_send(&c, ATTACH_PING);
	CU_ASSERT(client_answer(&c) == SABIR_OK && c.answer.pong.instance == kit.seg.instance);
	kit.seg.header->instance--;
	client_send(&c, ATTACH_GOODBYE);
	client_close(&c);
}

static void test_another_layout_is_refused(void)
{
	struct client c;
	struct attach_message hello = { .type = ATTACH_HELLO, .hello = { .layout_version = SEG_LAYOUT_VERSION + 1 } };
	client_open(&c);
	CU_ASSERT_EQUAL(attach_send(c.socket, &hello, NULL, 0), SABIR_OK);
	client_expect_refusal(&c, SABIR_LAYOUT_MISMATCH);
	kit_expect_service();
}

static void test_unknown_flags_are_refused(void)
{
	struct client c;
	struct attach_message hello = { .type = ATTACH_HELLO,
					.hello = { .layout_version = SEG_LAYOUT_VERSION, .flags = 4 } };
	client_open(&c);
	CU_ASSERT_EQUAL(attach_send(c.socket, &hello, NULL, 0), SABIR_OK);
	client_expect_refusal(&c, SABIR_INVALID_ARGUMENT);
	kit_expect_service();
}

static void test_rubbish_is_answered_and_closed(void)
{
	struct client c;
	uint8_t rubbish[5000];
	for (size_t i = 0; i < sizeof(rubbish); i++)
		rubbish[i] = (uint8_t)(i * 131 + 7);
	client_open(&c);
	client_bytes(&c, rubbish, sizeof(rubbish));
	client_expect_refusal(&c, SABIR_INVALID_ARGUMENT);
	kit_expect_service();
}

static void test_bad_headers_have_their_own_errors(void)
{
	static const struct {
		uint8_t header[8];
		enum sabir_error error;
	} bad[] = {
		{ { 'S', 'A', 'B', 'R', 2, 1, 0, 0 }, SABIR_UNIMPLEMENTED },     /* another version */
		{ { 'S', 'A', 'B', 'R', 1, 77, 0, 0 }, SABIR_INVALID_ARGUMENT }, /* no such type */
		{ { 'S', 'A', 'B', 'R', 1, 1, 0xff, 0xff }, SABIR_TOO_LARGE },   /* too long */
		{ { 'S', 'A', 'B', 'R', 1, 2, 0, 0 }, SABIR_INVALID_ARGUMENT },  /* WELCOME is the server's to say */
		{ { 'S', 'A', 'B', 'R', 1, 1, 0, 0 }, SABIR_LAYOUT_MISMATCH },   /* a HELLO of no layout */
		{ { 'S', 'A', 'B', 'X', 1, 1, 0, 0 }, SABIR_INVALID_ARGUMENT },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct client c;
		client_open(&c);
		client_bytes(&c, bad[i].header, sizeof(bad[i].header));
		client_expect_refusal(&c, bad[i].error);
	}
	kit_expect_service();
}

static void test_half_a_frame_is_answered_when_the_peer_stops_writing(void)
{
	struct client c;
	client_open(&c);
	client_bytes(&c, "SABR\1\1\7\0ab", 10);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_EMPTY);
	shutdown(c.socket, SHUT_WR);
	client_expect_refusal(&c, SABIR_INVALID_ARGUMENT);
	kit_expect_service();
}

static void test_a_frame_may_come_byte_by_byte(void)
{
	struct client c;
	uint8_t frame[ATTACH_MAX_FRAME];
	size_t len;
	const struct attach_message ping = { .type = ATTACH_HELLO,
					     .hello = { .layout_version = SEG_LAYOUT_VERSION, .label = "slow" } };
	CU_ASSERT_EQUAL(attach_encode(&ping, frame, &len), SABIR_OK);
	client_open(&c);
	for (size_t i = 0; i + 1 < len; i++) {
		client_bytes(&c, frame + i, 1);
		CU_ASSERT_EQUAL(client_answer(&c), SABIR_EMPTY);
	}
	client_bytes(&c, frame + len - 1, 1);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_WELCOME);
	client_send(&c, ATTACH_GOODBYE);
	client_close(&c);
}

static void test_silence_is_refused_in_time(void)
{
	struct client c;
	struct control_options options = kit_options();
	options.hello_timeout_ns = CLOCK_MILLISECOND;
	kit_stop();
	kit_start(&options);
	client_open(&c);
	loop_turn(&kit.loop, CLOCK_SECOND); /* the connection */
	loop_turn(&kit.loop, CLOCK_SECOND); /* the end of its time */
	client_expect_refusal(&c, SABIR_TIMED_OUT);
}

static void test_a_second_hello_is_refused_and_the_owner_kept(void)
{
	struct client c;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	attach_reader_fini(&c.reader);
	client_hello(&c, NULL, 0);
	client_expect_refusal(&c, SABIR_INVALID_ARGUMENT);
	control_tick(kit.control);
	CU_ASSERT_EQUAL(kit_counters().attached, 1); /* this process lives and has the memory */
}

static void test_too_many_owners_are_refused_until_one_leaves(void)
{
	struct client c[KIT_OWNERS];
	for (int i = 0; i < KIT_OWNERS - 1; i++)
		CU_ASSERT_EQUAL(client_attach(&c[i]), SABIR_OK);
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	client_open(&c[KIT_OWNERS - 1]);
	client_hello(&c[KIT_OWNERS - 1], &pidfd, 1);
	close(pidfd);
	client_expect_refusal(&c[KIT_OWNERS - 1], SABIR_TOO_MANY_OWNERS);
	CU_ASSERT_STRING_EQUAL(c[KIT_OWNERS - 1].detail, "2 local programs are attached, the limit (max-owners)");
	client_send(&c[0], ATTACH_GOODBYE);
	client_close(&c[0]);
	CU_ASSERT_EQUAL(client_attach(&c[0]), SABIR_OK);
	CU_ASSERT_EQUAL(c[0].answer.type, ATTACH_WELCOME);
	for (int i = 0; i < KIT_OWNERS - 1; i++) {
		client_send(&c[i], ATTACH_GOODBYE);
		client_close(&c[i]);
	}
	kit_expect_service();
}

static void test_connections_beyond_the_limit_are_refused(void)
{
	struct client first, second;
	struct control_options options = kit_options();
	options.max_connections = 1;
	kit_stop();
	kit_start(&options);
	client_open(&first);
	kit_turn();
	client_open(&second);
	client_expect_refusal(&second, SABIR_TOO_MANY_OWNERS);
	client_close(&first);
	kit_expect_service();
}

static void test_surplus_descriptors_are_closed(void)
{
	struct client c;
	int fds[ATTACH_MAX_FDS] = { (int)syscall(SYS_pidfd_open, getpid(), 0), dup(0) };
	int before = kit_count_fds();
	client_open(&c);
	client_hello(&c, fds, 2);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	for (int i = 0; i < 8; i++) { /* each with two more that nobody wants */
		const struct attach_message ping = { .type = ATTACH_PING };
		CU_ASSERT_EQUAL(attach_send(c.socket, &ping, fds, 2), SABIR_OK);
		CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	}
	client_send(&c, ATTACH_GOODBYE);
	client_close(&c);
	CU_ASSERT_EQUAL(kit_count_fds(), before);
	close(fds[0]);
	close(fds[1]);
}

/* The limit lets the client's socket through, but not the server's. */
static void test_a_server_without_descriptors_says_so(void)
{
	struct client c, patient;
	struct rlimit before, tight;
	getrlimit(RLIMIT_NOFILE, &before);
	client_open(&c);
	client_open(&patient);
	int next = dup(0);
	close(next);
	tight = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &tight);
	loop_turn(&kit.loop, 0);
	loop_turn(&kit.loop, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	client_expect_refusal(&c, SABIR_TOO_MANY_OWNERS);
	client_close(&patient);
	kit_expect_service();
}

static void test_draining_says_goodbye_and_removes_the_socket(void)
{
	struct client c, late;
	struct stat st;
	CU_ASSERT_EQUAL(client_attach(&c), SABIR_OK);
	attach_reader_fini(&c.reader);
	control_drain(kit.control);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_OK);
	CU_ASSERT_EQUAL(c.answer.type, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(client_answer(&c), SABIR_CLOSED);
	CU_ASSERT_NOT_EQUAL(stat(kit.path, &st), 0);
	CU_ASSERT_EQUAL(attach_dial(kit.path, 0, late.detail, &late.socket), SABIR_UNAVAILABLE);
	client_close(&c);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("control", NULL, NULL, kit_setup, kit_teardown);
	CU_ADD_TEST(suite, test_hello_is_answered_with_the_memory);
	CU_ADD_TEST(suite, test_ping_is_answered_before_and_after_hello);
	CU_ADD_TEST(suite, test_the_memory_is_told_by_what_it_was);
	CU_ADD_TEST(suite, test_another_layout_is_refused);
	CU_ADD_TEST(suite, test_unknown_flags_are_refused);
	CU_ADD_TEST(suite, test_rubbish_is_answered_and_closed);
	CU_ADD_TEST(suite, test_bad_headers_have_their_own_errors);
	CU_ADD_TEST(suite, test_half_a_frame_is_answered_when_the_peer_stops_writing);
	CU_ADD_TEST(suite, test_a_frame_may_come_byte_by_byte);
	CU_ADD_TEST(suite, test_silence_is_refused_in_time);
	CU_ADD_TEST(suite, test_a_second_hello_is_refused_and_the_owner_kept);
	CU_ADD_TEST(suite, test_too_many_owners_are_refused_until_one_leaves);
	CU_ADD_TEST(suite, test_connections_beyond_the_limit_are_refused);
	CU_ADD_TEST(suite, test_surplus_descriptors_are_closed);
	CU_ADD_TEST(suite, test_a_server_without_descriptors_says_so);
	CU_ADD_TEST(suite, test_draining_says_goodbye_and_removes_the_socket);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
