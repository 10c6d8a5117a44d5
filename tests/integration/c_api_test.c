/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, the manager, calls by name, threads and children of the C API against a real server. */
#include <pthread.h>
#include <sys/wait.h>

#include "tests/integration/c_api.h"

static const char *url;

static void names_are_created_and_opened(void)
{
	sabir_queue *made, *opened;
	struct sabir_info info;
	const char *name = name_of("jobs/in");
	NEED(sabir_queue_create(conn, name, 9, 0, &made));
	CHECK_OK(sabir_queue_open(conn, name, &opened));
	CHECK(sabir_queue_handle(made) == sabir_queue_handle(opened));
	CHECK_OK(sabir_queue_put_text(made, "x", 0));
	CHECK_OK(sabir_describe(conn, name, &info));
	CHECK(info.kind == SABIR_KIND_QUEUE && info.max_items == 9 && info.length == 1 && info.memory_bytes > 0);
	CHECK(strcmp(info.name, name) == 0 && info.name_len == strlen(name) && info.create_time_ns > 0 && !info.closed);
	CHECK_OK(sabir_describe_handle(conn, info.handle, &info));
	sabir_queue_free(opened);
	CHECK_OK(sabir_delete(conn, name));
	CHECK_ERROR(sabir_queue_open(conn, name, &opened), SABIR_NOT_FOUND);
	CHECK_ERROR(sabir_describe(conn, name, &info), SABIR_NOT_FOUND);
	CHECK_ERROR(sabir_delete(conn, name), SABIR_NOT_FOUND);
	CHECK_ERROR(sabir_describe_handle(conn, sabir_queue_handle(made), &info), SABIR_DELETED);
	CHECK_ERROR(sabir_delete_handle(conn, sabir_queue_handle(made)), SABIR_DELETED);
	sabir_queue_free(made);
}

static void taken_names_are_told_apart(void)
{
	sabir_dict *d;
	sabir_value *v, *again;
	const char *name = name_of("value");
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_VALUE, .type_code = 'q' };
	struct sabir_info info;
	bool created = true;
	NEED(sabir_value_create(conn, name, 'q', 0, &v));
	CHECK_ERROR(sabir_value_create(conn, name, 'q', 0, &again), SABIR_ALREADY_EXISTS);
	CHECK_OK(sabir_create(conn, name, &spec, SABIR_EXIST_OK, &info, &created));
	CHECK(!created && info.handle == sabir_value_handle(v));
	CHECK_ERROR(sabir_value_create(conn, name, 'd', SABIR_EXIST_OK, &again), SABIR_ALREADY_EXISTS);
	CHECK_ERROR(sabir_dict_create(conn, name, SABIR_EXIST_OK, &d), SABIR_WRONG_KIND);
	CHECK_ERROR(sabir_dict_open(conn, name, &d), SABIR_WRONG_KIND);
	CHECK_ERROR(sabir_dict_open_handle(conn, sabir_value_handle(v), &d), SABIR_WRONG_KIND);
	CHECK_OK(sabir_delete(conn, name));
	sabir_value_free(v);
}

static void bad_names_are_refused(void)
{
	static const char *const names[] = { "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a\nb", "\xff" };
	char longest[257];
	sabir_dict *d;
	memset(longest, 'n', sizeof(longest) - 1);
	longest[256] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK_ERROR(sabir_dict_create(conn, names[i], 0, &d), SABIR_INVALID_NAME);
		CHECK_ERROR(sabir_dict_open(conn, names[i], &d), SABIR_INVALID_NAME);
	}
	CHECK_ERROR(sabir_dict_create(conn, longest, 0, &d), SABIR_INVALID_NAME);
	longest[255] = 0;
	CHECK_OK(sabir_dict_create(conn, longest, 0, &d));
	CHECK_OK(sabir_delete(conn, longest));
	sabir_dict_free(d);
}

static void bad_arguments_are_refused(void)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = 999 };
	struct sabir_info info;
	sabir_value *v;
	sabir_array *a;
	CHECK_ERROR(sabir_create(conn, NULL, &spec, 0, &info, NULL), SABIR_INVALID_ARGUMENT);
	spec.kind = SABIR_KIND_DICT;
	CHECK_ERROR(sabir_create(conn, NULL, &spec, 1u << 31, &info, NULL), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_value_create(conn, NULL, 'z', 0, &v), SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_array_create(conn, NULL, 'q', UINT64_MAX / 4, 0, &a), SABIR_TOO_LARGE);
	spec = (struct sabir_spec){ .size = sizeof(spec), .kind = SABIR_KIND_QUEUE, .max_item_bytes = UINT64_MAX };
	CHECK_ERROR(sabir_create(conn, NULL, &spec, 0, &info, NULL), SABIR_TOO_LARGE);
	CHECK_ERROR(sabir_delete_handle(conn, 0x7fffffff00000001), SABIR_NOT_FOUND);
	CHECK_ERROR(sabir_create(conn, NULL, NULL, 0, &info, NULL), SABIR_INVALID_ARGUMENT);
}

static void lists_are_paged_in_the_order_of_naming(void)
{
	struct sabir_cursor cursor = { 0 };
	struct sabir_info *infos;
	enum sabir_error error;
	size_t n, total = 0;
	for (int i = 0; i < 130; i++) {
		char name[32];
		sabir_dict *d;
		sabir_value *v;
		snprintf(name, sizeof(name), "list/%c%03d", 'a' + i * 7 % 26, i);
		if (i % 2)
			NEED(sabir_dict_create(conn, name_of(name), 0, &d));
		else
			NEED(sabir_value_create(conn, name_of(name), 'i', 0, &v));
		i % 2 ? sabir_dict_free(d) : sabir_value_free(v);
	}
	while (!(error = sabir_list(conn, name_of("list/"), SABIR_KIND_ANY, &cursor, &infos, &n)) && n) {
		for (size_t i = 0; i < n; i++, total++)
			CHECK((size_t)atoi(infos[i].name + infos[i].name_len - 3) == total);
		sabir_free(infos);
	}
	CHECK_OK(error);
	CHECK(total == 130);
	CHECK(!sabir_list(conn, name_of("list/"), SABIR_KIND_DICT, &cursor, &infos, &n) && n == 65);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(sabir_delete(conn, infos[i].name));
	sabir_free(infos);
	cursor = (struct sabir_cursor){ 0 };
	CHECK(!sabir_list(conn, name_of("list/"), SABIR_KIND_ANY, &cursor, &infos, &n) && n == 65);
	for (size_t i = 0; i < n; i++)
		CHECK_OK(sabir_delete(conn, infos[i].name));
	sabir_free(infos);
	cursor = (struct sabir_cursor){ 0 };
	CHECK_ERROR(sabir_list(conn, "a\nb", SABIR_KIND_ANY, &cursor, &infos, &n), SABIR_INVALID_NAME);
}

/* A call by name answers what the typed function does, in bytes. */
static void calls_by_name(void)
{
	sabir_queue *q;
	uint8_t request[16] = { 0x0a, 0, 0x10 };
	size_t len = 3, response_len;
	void *response;
	NEED(sabir_queue_create(conn, NULL, 0, 0, &q));
	for (uint64_t v = sabir_queue_handle(q); v; v >>= 7)
		request[len++] = (uint8_t)(v >= 0x80 ? v | 0x80 : v);
	request[1] = (uint8_t)(len - 2);
	CHECK_OK(sabir_queue_put_text(q, "hi", 0));
	CHECK_OK(sabir_call(conn, "/sabir.v1.QueueService/Get", request, len, SABIR_SECOND, &response, &response_len));
	CHECK(response_len == 6 && memcmp(response, "\x0a\x04\x32\x02hi", 6) == 0);
	sabir_free(response);
	/* The request itself would wait for ever. */
	CHECK_ERROR(sabir_call(conn, "/sabir.v1.QueueService/Get", request, len, 20 * SABIR_MILLISECOND, &response,
			       &response_len),
		    SABIR_TIMED_OUT);
	CHECK_OK(sabir_call(conn, "/sabir.v1.QueueService/Close", request, len, 0, &response, &response_len));
	CHECK(response_len == 0);
	sabir_free(response);
	CHECK_ERROR(sabir_call(conn, "/sabir.v1.QueueService/Get", "\xff", 1, 0, &response, &response_len),
		    SABIR_INVALID_ARGUMENT);
	CHECK_ERROR(sabir_call(conn, "/sabir.v1.QueueService/Nothing", "", 0, 0, &response, &response_len),
		    SABIR_UNIMPLEMENTED);
	CHECK_ERROR(sabir_call(conn, "nothing", "", 0, 0, &response, &response_len), SABIR_UNIMPLEMENTED);
	CHECK_OK(sabir_delete_handle(conn, sabir_queue_handle(q)));
	sabir_queue_free(q);
}

#define N_THREADS 8
#define N_ADDITIONS 200

static void *add_ones(void *value)
{
	for (int i = 0; i < N_ADDITIONS; i++)
		if (sabir_value_add_int(value, 1, NULL))
			break;
	return NULL;
}

static void threads_share_a_handle(void)
{
	pthread_t threads[N_THREADS];
	sabir_value *v;
	int64_t sum = 0;
	NEED(sabir_value_create(conn, NULL, 'q', 0, &v));
	/* Twice, so that lanes are given back and used again. */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N_THREADS; i++)
			pthread_create(&threads[i], NULL, add_ones, v);
		for (int i = 0; i < N_THREADS; i++)
			pthread_join(threads[i], NULL);
	}
	CHECK(!sabir_value_get_int(v, &sum) && sum == 2 * N_THREADS * N_ADDITIONS);
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(v)));
	sabir_value_free(v);
}

static void a_handle_outlives_its_connection(void)
{
	sabir_conn *second;
	sabir_value *v;
	int64_t got;
	NEED(sabir_connect(url, NULL, &second));
	NEED(sabir_value_create(second, name_of("outlives"), 'q', 0, &v));
	sabir_close(second);
	CHECK_OK(sabir_value_set_int(v, 5));
	CHECK(!sabir_value_get_int(v, &got) && got == 5);
	CHECK_OK(sabir_delete(conn, name_of("outlives")));
	sabir_value_free(v);
}

/* The child adds to the value of its parent; its exit status is 0 if it could. */
static int run_child(sabir_value *v)
{
	pid_t pid = fork();
	int status = -1;
	if (pid == 0) {
		enum sabir_error error = sabir_value_add_int(v, 10, NULL);
		_exit(error == (sabir_is_local(conn) ? SABIR_OK : SABIR_UNAVAILABLE) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void a_child_attaches_by_itself(void)
{
	sabir_value *v;
	int64_t got;
	NEED(sabir_value_create(conn, NULL, 'q', 0, &v));
	CHECK_OK(sabir_value_set_int(v, 1));
	CHECK(run_child(v) == 0);
	CHECK(run_child(v) == 0);
	/* The parent's own attachment is as it was. */
	CHECK_OK(sabir_value_add_int(v, 100, NULL));
	CHECK(!sabir_value_get_int(v, &got) && got == (sabir_is_local(conn) ? 121 : 101));
	CHECK_OK(sabir_delete_handle(conn, sabir_value_handle(v)));
	sabir_value_free(v);
}

static void failures_have_a_detail(void)
{
	sabir_queue *q;
	struct sabir_item *item;
	CHECK_ERROR(sabir_queue_open(conn, "no/such/queue", &q), SABIR_NOT_FOUND);
	CHECK(strstr(sabir_detail(), "no/such/queue"));
	NEED(sabir_queue_create(conn, name_of("detail"), 0, 0, &q));
	CHECK_OK(sabir_delete(conn, name_of("detail")));
	CHECK_ERROR(sabir_queue_get(q, 0, &item), SABIR_DELETED);
	CHECK(sabir_detail()[0]);
	sabir_queue_free(q);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(names_are_created_and_opened),
		TEST(taken_names_are_told_apart),
		TEST(bad_names_are_refused),
		TEST(bad_arguments_are_refused),
		TEST(lists_are_paged_in_the_order_of_naming),
		TEST(calls_by_name),
		TEST(threads_share_a_handle),
		TEST(a_handle_outlives_its_connection),
		TEST(a_child_attaches_by_itself),
		TEST(failures_have_a_detail),
	};
	url = argc > 1 ? argv[1] : NULL;
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]));
}
