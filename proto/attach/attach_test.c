/* SPDX-License-Identifier: Apache-2.0 */
/* The codec: what goes in comes out, and what a peer may send instead is told apart without harm. */
#define _GNU_SOURCE /* pipe2 */
#include "proto/attach/attach.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint8_t frame[ATTACH_MAX_FRAME];
static size_t len;
static char detail[ATTACH_DETAIL_SIZE];
static int sockets[2];

static void setup(void)
{
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
}

static void teardown(void)
{
	close(sockets[0]);
	close(sockets[1]);
}

static struct attach_message largest_welcome(void)
{
	struct attach_message m = { .type = ATTACH_WELCOME };
	m.welcome.owner_index = m.welcome.owner_generation = m.welcome.layout_version = UINT32_MAX;
	m.welcome.instance = UINT64_MAX;
	memset(m.welcome.server_version, 'v', sizeof(m.welcome.server_version) - 1);
	m.welcome.grpc_addresses_count = 8;
	for (int i = 0; i < 8; i++)
		memset(m.welcome.grpc_addresses[i], 'a', sizeof(m.welcome.grpc_addresses[i]) - 1);
	return m;
}

static void test_the_largest_message_fits_and_comes_back(void)
{
	const struct attach_message in = largest_welcome();
	struct attach_message out;
	CU_ASSERT_EQUAL(attach_encode(&in, frame, &len), SABIR_OK);
	CU_ASSERT_TRUE(len <= ATTACH_MAX_FRAME);
	CU_ASSERT_EQUAL(attach_decode(frame, len, detail, &out), SABIR_OK);
	CU_ASSERT_EQUAL(out.type, ATTACH_WELCOME);
	CU_ASSERT_EQUAL(out.welcome.instance, UINT64_MAX);
	CU_ASSERT_STRING_EQUAL(out.welcome.grpc_addresses[7], in.welcome.grpc_addresses[7]);
}

static void test_the_header_has_the_documented_bytes(void)
{
	const struct attach_message goodbye = { .type = ATTACH_GOODBYE };
	CU_ASSERT_EQUAL(attach_encode(&goodbye, frame, &len), SABIR_OK);
	CU_ASSERT_EQUAL(len, 8);
	CU_ASSERT_EQUAL(memcmp(frame, "SABR\1\4\0\0", 8), 0);
}

static void test_every_cut_of_a_frame_is_an_error(void)
{
	const struct attach_message in = largest_welcome();
	struct attach_message out = { .type = ATTACH_PING };
	uint8_t cut[ATTACH_MAX_FRAME];
	CU_ASSERT_EQUAL(attach_encode(&in, frame, &len), SABIR_OK);
	for (size_t n = 0; n < len; n++) {
		memcpy(cut, frame, n);
		CU_ASSERT_EQUAL(attach_decode(cut, n, detail, &out), SABIR_INVALID_ARGUMENT);
		if (n < 8)
			continue;
		cut[6] = (uint8_t)(n - 8); /* the header agrees, the message is cut */
		cut[7] = (uint8_t)((n - 8) >> 8);
		enum sabir_error error = attach_decode(cut, n, detail, &out);
		CU_ASSERT_TRUE(error == SABIR_INVALID_ARGUMENT ||
			       error == SABIR_OK); /* cut between fields it is a shorter one */
	}
	CU_ASSERT_EQUAL(attach_decode(frame, len + 1, detail, &out), SABIR_INVALID_ARGUMENT);
}

static void test_no_change_of_one_byte_does_harm(void)
{
	const struct attach_message in = largest_welcome();
	struct attach_message out;
	uint8_t changed[ATTACH_MAX_FRAME];
	CU_ASSERT_EQUAL(attach_encode(&in, frame, &len), SABIR_OK);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(changed, frame, len);
			changed[i] ^= (uint8_t)(1u << bit);
			if (!attach_decode(changed, len, detail, &out) && out.type == ATTACH_WELCOME)
				CU_ASSERT_TRUE(strnlen(out.welcome.server_version, 32) < 32);
		}
	}
}

static void test_a_text_too_long_for_its_field_is_refused(void)
{
	struct attach_message out;
	memcpy(frame, "SABR\1\1\62\0\x12\x30", 10); /* a label of 48 bytes */
	memset(frame + 10, 'x', 48);
	CU_ASSERT_EQUAL(attach_decode(frame, 58, detail, &out), SABIR_INVALID_ARGUMENT);
}

static void test_a_refusal_is_cut_to_its_field(void)
{
	char text[400];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	struct attach_message m = attach_refusal(SABIR_TOO_LARGE, text);
	CU_ASSERT_EQUAL(strlen(m.refused.detail), 159);
	CU_ASSERT_EQUAL(m.refused.error, SABIR_TOO_LARGE);
	CU_ASSERT_EQUAL(attach_encode(&m, frame, &len), SABIR_OK);
}

static void test_descriptors_stay_with_their_frame(void)
{
	const struct attach_message ping = { .type = ATTACH_PING }, bye = { .type = ATTACH_GOODBYE };
	struct attach_message m;
	struct attach_reader reader;
	int fds[2];
	attach_reader_init(&reader);
	CU_ASSERT_EQUAL(pipe2(fds, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL(attach_send(sockets[0], &ping, NULL, 0), SABIR_OK);
	CU_ASSERT_EQUAL(attach_send(sockets[0], &bye, fds, 2), SABIR_OK);
	CU_ASSERT_EQUAL(attach_send(sockets[0], &ping, fds, 1), SABIR_OK);
	CU_ASSERT_EQUAL(attach_receive(sockets[1], &reader, detail, &m), SABIR_OK);
	CU_ASSERT_EQUAL(reader.n_fds, 0);
	CU_ASSERT_EQUAL(attach_receive(sockets[1], &reader, detail, &m), SABIR_OK);
	CU_ASSERT_EQUAL(m.type, ATTACH_GOODBYE);
	CU_ASSERT_EQUAL(reader.n_fds, 2);
	int taken = attach_take_fd(&reader, 0), untaken = reader.fds[1];
	CU_ASSERT_EQUAL(attach_take_fd(&reader, 2), -1);
	CU_ASSERT_EQUAL(attach_receive(sockets[1], &reader, detail, &m), SABIR_OK);
	CU_ASSERT_EQUAL(reader.n_fds, 1);
	CU_ASSERT_TRUE(fcntl(taken, F_GETFD) & FD_CLOEXEC);
	attach_reader_fini(&reader);
	CU_ASSERT_EQUAL(fcntl(untaken, F_GETFD), -1);
	close(taken);
	close(fds[0]);
	close(fds[1]);
}

static void test_a_peer_that_is_gone_or_does_not_read_is_an_error(void)
{
	const struct attach_message ping = { .type = ATTACH_PING };
	struct attach_reader reader;
	struct attach_message m;
	attach_reader_init(&reader);
	fcntl(sockets[0], F_SETFL, O_NONBLOCK);
	while (!attach_send(sockets[0], &ping, NULL, 0))
		; /* until the buffer is full */
	CU_ASSERT_EQUAL(attach_send(sockets[0], &ping, NULL, 0), SABIR_UNAVAILABLE);
	CU_ASSERT_EQUAL(attach_receive(sockets[0], &reader, detail, &m), SABIR_EMPTY);
	shutdown(sockets[1], SHUT_RDWR);
	CU_ASSERT_EQUAL(attach_send(sockets[0], &ping, NULL, 0), SABIR_UNAVAILABLE);
	CU_ASSERT_EQUAL(attach_receive(sockets[0], &reader, detail, &m), SABIR_CLOSED);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite_with_setup_and_teardown("attach", NULL, NULL, setup, teardown);
	CU_ADD_TEST(suite, test_the_largest_message_fits_and_comes_back);
	CU_ADD_TEST(suite, test_the_header_has_the_documented_bytes);
	CU_ADD_TEST(suite, test_every_cut_of_a_frame_is_an_error);
	CU_ADD_TEST(suite, test_no_change_of_one_byte_does_harm);
	CU_ADD_TEST(suite, test_a_text_too_long_for_its_field_is_refused);
	CU_ADD_TEST(suite, test_a_refusal_is_cut_to_its_field);
	CU_ADD_TEST(suite, test_descriptors_stay_with_their_frame);
	CU_ADD_TEST(suite, test_a_peer_that_is_gone_or_does_not_read_is_an_error);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	unsigned failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return (int)failures;
}
