/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, strangers at the door, and the way out. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "server/rpc/test_ask.h"

static struct kit kit;

static void start(void)
{
	CU_ASSERT_TRUE_FATAL(kit_start(&kit, (struct rpc_options){ .n_threads = 2 }));
}

/* A second server beside the kit's on these addresses, which is to fail. */
static enum sabir_error start_second(const char *const *addresses, size_t n, char detail[RPC_DETAIL_SIZE])
{
	struct rpc *second = NULL;
	struct rpc_options options = { .addresses = addresses,
				       .n_addresses = n,
				       .seg = &kit.seg,
				       .park = kit.park,
				       .owner = kit.owner,
				       .detail = detail };
	enum sabir_error error = rpc_start(&options, &second);
	CU_ASSERT_PTR_NULL(second);
	rpc_free(second);
	return error;
}

static enum sabir_error start_on(const char *address, char detail[RPC_DETAIL_SIZE])
{
	return start_second(&address, 1, detail);
}

static bool serves(int connection)
{
	struct ask ask;
	return kit_ask(&kit, &ask, connection, "/grpc.health.v1.Health/Check",
		       (struct span){ (const uint8_t *)"", 0 }) == GRPC_STATUS_OK;
}

static void a_second_server_takes_neither_path_nor_port(void)
{
	char detail[RPC_DETAIL_SIZE], tcp[32];
	start();
	snprintf(tcp, sizeof(tcp), "127.0.0.1:%d", rpc_port(kit.rpc, 1));
	CU_ASSERT_EQUAL(start_on(kit.socket, detail), SABIR_ALREADY_EXISTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, kit.socket));
	CU_ASSERT_EQUAL(start_on(tcp, detail), SABIR_ALREADY_EXISTS);
	CU_ASSERT_PTR_NOT_NULL(strstr(detail, "in use"));
	CU_ASSERT_TRUE(serves(0));
	CU_ASSERT_TRUE(serves(1));
	kit_stop(&kit);
}

static void what_was_bound_before_a_failure_is_let_go(void)
{
	char detail[RPC_DETAIL_SIZE], path[128];
	start();
	snprintf(path, sizeof(path), "unix:%s/t", kit.folder);
	const char *addresses[] = { path, kit.socket };
	CU_ASSERT_EQUAL(start_second(addresses, 2, detail), SABIR_ALREADY_EXISTS);
	CU_ASSERT_NOT_EQUAL(access(path + strlen("unix:"), F_OK), 0);
	kit_stop(&kit);
}

static void a_dead_servers_socket_is_replaced(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct rpc *second = NULL;
	char address[128];
	start();
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/stale", kit.folder);
	snprintf(address, sizeof(address), "unix://%s", un.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	const char *addresses[] = { address };
	struct rpc_options options = {
		.addresses = addresses, .n_addresses = 1, .seg = &kit.seg, .park = kit.park, .owner = kit.owner
	};
	CU_ASSERT_EQUAL(rpc_start(&options, &second), SABIR_OK);
	CU_ASSERT_EQUAL(rpc_port(second, 0), 0);
	rpc_free(second);
	CU_ASSERT_NOT_EQUAL(access(un.sun_path, F_OK), 0);
	kit_stop(&kit);
}

static void a_file_that_is_no_socket_is_left_alone(void)
{
	char detail[RPC_DETAIL_SIZE], path[96], address[128];
	start();
	snprintf(path, sizeof(path), "%s/file", kit.folder);
	snprintf(address, sizeof(address), "unix:%s", path);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CU_ASSERT_EQUAL(start_on(address, detail), SABIR_ALREADY_EXISTS);
	CU_ASSERT_EQUAL(unlink(path), 0);
	kit_stop(&kit);
}

static void the_socket_has_its_mode_and_leaves_nothing_behind(void)
{
	struct stat st;
	CU_ASSERT_TRUE_FATAL(kit_start(&kit, (struct rpc_options){ .unix_mode = 0640 }));
	CU_ASSERT_EQUAL_FATAL(stat(kit.socket + strlen("unix:"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0640);
	kit_stop(&kit);
	CU_ASSERT_NOT_EQUAL(access(kit.folder, F_OK), 0); /* it could be removed, so it was empty */
}

static void what_is_no_address_is_refused(void)
{
	static const char *const wrong[] = { "",
					     "7047",
					     "localhost",
					     "localhost:",
					     ":7047",
					     "::1:7047",
					     "[::1:7047",
					     "localhost:70000",
					     "localhost:7o47",
					     "unix:",
					     "nobody.invalid:0" };
	char detail[RPC_DETAIL_SIZE], long_path[200] = "unix:/";
	start();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CU_ASSERT_EQUAL(start_on(wrong[i], detail), SABIR_INVALID_ARGUMENT);
	memset(long_path + 6, 'x', 150);
	CU_ASSERT_EQUAL(start_on(long_path, detail), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(start_on("unix:/nowhere/at/all", detail), SABIR_UNAVAILABLE);
	CU_ASSERT_EQUAL(start_second(NULL, 0, detail), SABIR_INVALID_ARGUMENT);
	kit_stop(&kit);
}

static void random_bytes_hurt_nobody(void)
{
	uint8_t bytes[4096];
	unsigned seed = 7;
	start();
	for (int i = 0; i < 64; i++) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t)rpc_port(kit.rpc, 1)) };
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)(rand_r(&seed) >> 8);
		if (i % 2) /* past the first check */
			memcpy(bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
		(void)!send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
	CU_ASSERT_TRUE(serves(0));
	CU_ASSERT_TRUE(serves(1));
	kit_stop(&kit);
}

static void begin_get(struct ask *ask, int connection)
{
	struct form form = form_on("drained");
	ask_begin(&kit, ask, connection, KIT_GET, form_span(&form));
}

static void draining_ends_what_waits_and_refuses_what_comes(void)
{
	struct ask waiting[2], ask;
	struct form put = form_put("drained", "x");
	start();
	kit_create_queue(&kit, "drained", 0);
	begin_get(&waiting[0], 0);
	begin_get(&waiting[1], 1);
	kit_await_waiting(&kit, 2);
	rpc_drain(kit.rpc);
	CU_ASSERT_EQUAL(kit_ask(&kit, &ask, 0, KIT_PUT, form_span(&put)), GRPC_STATUS_UNAVAILABLE);
	CU_ASSERT_STRING_EQUAL(ask.reason, "UNAVAILABLE");
	park_drain(kit.park, SABIR_UNAVAILABLE);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(ask_finish(&waiting[i]), GRPC_STATUS_UNAVAILABLE);
		CU_ASSERT_STRING_EQUAL(waiting[i].reason, "UNAVAILABLE");
	}
	rpc_stop(kit.rpc, kit_now() + KIT_PATIENCE_MS * 1000000ull);
	kit_stop(&kit);
}

static void stopping_takes_what_still_waits_out_of_the_park(void)
{
	struct ask waiting;
	start();
	kit_create_queue(&kit, "drained", 0);
	begin_get(&waiting, 1);
	kit_await_waiting(&kit, 1);
	rpc_stop(kit.rpc, kit_now() + 20000000); /* the park was not drained */
	CU_ASSERT_NOT_EQUAL(ask_finish(&waiting), GRPC_STATUS_OK);
	CU_ASSERT_EQUAL(park_count(kit.park), 0);
	kit_stop(&kit);
}

static void stopping_under_load_loses_no_answer(void)
{
	struct ask asks[64];
	start();
	kit_create_queue(&kit, "load", 0);
	struct form put = form_put("load", "x");
	for (int i = 0; i < 64; i++)
		ask_begin(&kit, &asks[i], i % 2, KIT_PUT, form_span(&put));
	kit_stop_server(&kit, KIT_PATIENCE_MS);
	unsigned put_ok = 0, items = 0;
	for (int i = 0; i < 64; i++)
		put_ok += ask_finish(&asks[i]) == GRPC_STATUS_OK;
	uint64_t handle;
	struct queue_size size = { 0 };
	CU_ASSERT_EQUAL(object_open(&kit.lane, (struct span){ (const uint8_t *)"load", 4 }, &handle), SABIR_OK);
	CU_ASSERT_EQUAL(queue_size(&kit.lane, handle, &size), SABIR_OK);
	items = (unsigned)size.size;
	CU_ASSERT_EQUAL(put_ok, items);
	kit_stop(&kit);
}

int main(void)
{
	const CU_TestInfo tests[] = {
		KIT_TEST(a_second_server_takes_neither_path_nor_port),
		KIT_TEST(what_was_bound_before_a_failure_is_let_go),
		KIT_TEST(a_dead_servers_socket_is_replaced),
		KIT_TEST(a_file_that_is_no_socket_is_left_alone),
		KIT_TEST(the_socket_has_its_mode_and_leaves_nothing_behind),
		KIT_TEST(what_is_no_address_is_refused),
		KIT_TEST(random_bytes_hurt_nobody),
		KIT_TEST(draining_ends_what_waits_and_refuses_what_comes),
		KIT_TEST(stopping_takes_what_still_waits_out_of_the_park),
		KIT_TEST(stopping_under_load_loses_no_answer),
	};
	return kit_run("listen", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
