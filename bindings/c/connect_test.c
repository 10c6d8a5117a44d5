/* SPDX-License-Identifier: Apache-2.0 */
/* What sabir_connect and the functions without a connection do with what they can't use. */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bindings/c/sabir_session.h"

static enum sabir_error connect_to(const char *url)
{
	struct sabir_options options = { .size = sizeof(options), .timeout_ns = 2 * SABIR_SECOND };
	sabir_conn *conn = NULL;
	enum sabir_error error = sabir_connect(url, &options, &conn);
	CU_ASSERT_PTR_NULL(conn);
	return error;
}

static void unknown_urls_are_refused(void)
{
	CU_ASSERT_EQUAL(connect_to("http://localhost"), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(connect_to("localhost:7700"), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(connect_to("unix:"), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(connect_to("grpc://"), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(sabir_detail(), "grpc://"));
}

static void absent_servers_are_unavailable(void)
{
	CU_ASSERT_EQUAL(connect_to("unix:/nowhere/sabir.sock"), SABIR_UNAVAILABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(sabir_detail(), "/nowhere"));
	CU_ASSERT_EQUAL(connect_to("grpc+unix:/nowhere/grpc.sock"), SABIR_UNAVAILABLE);
}

static void the_environment_gives_the_default_url(void)
{
	setenv("SABIR_URL", "unix:/from/the/environment", 1);
	CU_ASSERT_EQUAL(connect_to(NULL), SABIR_UNAVAILABLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(sabir_detail(), "/from/the/environment"));
	CU_ASSERT_EQUAL(connect_to(""), SABIR_UNAVAILABLE);
	unsetenv("SABIR_URL");
}

static void options_have_a_size(void)
{
	struct sabir_options options = { .size = 0 };
	sabir_conn *conn;
	CU_ASSERT_EQUAL(sabir_connect("unix:/nowhere", &options, &conn), SABIR_INVALID_ARGUMENT);
	CU_ASSERT_EQUAL(sabir_connect("unix:/nowhere", NULL, NULL), SABIR_INVALID_ARGUMENT);
}

/* A socket on which somebody listens who never answers. */
static void a_mute_server_times_out(void)
{
	char dir[] = "/tmp/sabir-test-XXXXXX", url[128];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sabir_options options = { .size = sizeof(options), .timeout_ns = 50 * SABIR_MILLISECOND };
	sabir_conn *conn;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(fd, 4), 0);
	snprintf(url, sizeof(url), "unix:%s", address.sun_path);
	CU_ASSERT_EQUAL(sabir_connect(url, &options, &conn), SABIR_TIMED_OUT);
	snprintf(url, sizeof(url), "grpc+unix:%s", address.sun_path);
	CU_ASSERT_EQUAL(sabir_connect(url, &options, &conn), SABIR_TIMED_OUT);
	close(fd);
	unlink(address.sun_path);
	rmdir(dir);
}

/* Takes one connection, and says the first word of HTTP/2: a client is connected then. */
static void *greet(void *context)
{
	static const uint8_t settings[9] = { [3] = 4 };
	int *fd = context;
	*fd = accept(*fd, NULL, NULL);
	CU_ASSERT_EQUAL(write(*fd, settings, sizeof(settings)), (ssize_t)sizeof(settings));
	return NULL;
}

static void a_server_that_has_gone_opens_no_session(void)
{
	char dir[] = "/tmp/sabir-test-XXXXXX", url[128];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	sabir_conn *conn;
	pthread_t thread;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", dir);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = listener;
	CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL_FATAL(listen(listener, 4), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, greet, &fd), 0);
	snprintf(url, sizeof(url), "grpc+unix:%s", address.sun_path);
	CU_ASSERT_EQUAL_FATAL(sabir_connect(url, NULL, &conn), SABIR_OK);
	pthread_join(thread, NULL);
	close(listener);
	unlink(address.sun_path);
	rmdir(dir);
	close(fd);
	CU_ASSERT_EQUAL(sabir_session_open(conn, SABIR_SECOND), SABIR_UNAVAILABLE);
	sabir_close(conn);
}

static void errors_have_names_and_texts(void)
{
	CU_ASSERT_STRING_EQUAL(sabir_error_name(SABIR_NOT_FOUND), "NOT_FOUND");
	CU_ASSERT_STRING_EQUAL(sabir_error_text(SABIR_NOT_FOUND), "no object has this name or handle");
	CU_ASSERT_PTR_NOT_NULL(sabir_error_text((enum sabir_error)9999));
	CU_ASSERT_PTR_NOT_NULL(strchr(sabir_version(), '.'));
}

static void nothing_is_freed_quietly(void)
{
	sabir_close(NULL);
	sabir_queue_free(NULL);
	sabir_value_free(NULL);
	sabir_array_free(NULL);
	sabir_dict_free(NULL);
	sabir_free(NULL);
	CU_ASSERT_EQUAL(sabir_queue_put(NULL, NULL, 0), SABIR_INVALID_ARGUMENT);
}

int main(void)
{
	CU_initialize_registry();
	CU_pSuite suite = CU_add_suite("connect", NULL, NULL);
	CU_ADD_TEST(suite, unknown_urls_are_refused);
	CU_ADD_TEST(suite, absent_servers_are_unavailable);
	CU_ADD_TEST(suite, the_environment_gives_the_default_url);
	CU_ADD_TEST(suite, options_have_a_size);
	CU_ADD_TEST(suite, a_mute_server_times_out);
	CU_ADD_TEST(suite, a_server_that_has_gone_opens_no_session);
	CU_ADD_TEST(suite, errors_have_names_and_texts);
	CU_ADD_TEST(suite, nothing_is_freed_quietly);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	int failed = (int)CU_get_number_of_failures();
	CU_cleanup_registry();
	return failed;
}
