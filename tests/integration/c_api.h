/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_C_API_H
#define TESTS_C_API_H

/*
 * What the c_api_*_test.c programs share. Each takes the URL of a running server, and passes on every kind of URL
 * alike:
 *
 *   c_api_queue_test unix:/run/sabir/sabir.sock
 *   c_api_queue_test grpc://localhost:7700
 *
 * It makes its own objects under a name of its own, deletes them, prints what failed and returns how many tests did.
 */
#include <inttypes.h>
#include <sabir.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static sabir_conn *conn;
static int n_failures;

/* A name that no other run uses. */
__attribute__((unused)) static const char *name_of(const char *what)
{
	static char names[8][128];
	static unsigned next;
	char *name = names[next++ % 8];
	snprintf(name, sizeof(names[0]), "test/%ld/%s", (long)getpid(), what);
	return name;
}

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			n_failures++;                                                                                  \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                      \
		}                                                                                                      \
	} while (0)

#define CHECK_ERROR(call, expected)                                                                                    \
	do {                                                                                                           \
		enum sabir_error got_ = (call);                                                                        \
		if (got_ != (expected)) {                                                                              \
			n_failures++;                                                                                  \
			fprintf(stderr, "%s:%d: %s is %s (%s), not %s\n", __FILE__, __LINE__, #call,                   \
				sabir_error_name(got_), sabir_detail(), sabir_error_name(expected));                   \
		}                                                                                                      \
	} while (0)

#define CHECK_OK(call) CHECK_ERROR(call, SABIR_OK)

/* For what a test can't go on without. */
#define NEED(call)                                                                                                     \
	do {                                                                                                           \
		enum sabir_error got_ = (call);                                                                        \
		if (got_) {                                                                                            \
			fprintf(stderr, "%s:%d: %s is %s (%s)\n", __FILE__, __LINE__, #call, sabir_error_name(got_),   \
				sabir_detail());                                                                       \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

__attribute__((unused)) static bool is_text(const struct sabir_item *item, const char *text)
{
	return item->kind == SABIR_ITEM_TEXT && item->len == strlen(text) &&
	       memcmp(item->as.data, text, item->len) == 0;
}

__attribute__((unused)) static bool is_int(const struct sabir_item *item, int64_t v)
{
	return item->kind == SABIR_ITEM_INT && item->as.i == v;
}

struct test {
	const char *name;
	void (*run)(void);
};

static int run_tests(int argc, char **argv, const struct test *tests, size_t n)
{
	int n_failed = 0;
	if (argc < 2) {
		fprintf(stderr, "usage: %s URL\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	NEED(sabir_connect(argv[1], NULL, &conn));
	for (size_t i = 0; i < n; i++) {
		n_failures = 0;
		tests[i].run();
		printf("%-6s %s\n", n_failures ? "FAILED" : "ok", tests[i].name);
		n_failed += n_failures != 0;
	}
	sabir_close(conn);
	printf("%zu passed, %d failed\n", n - (size_t)n_failed, n_failed);
	return n_failed;
}

#define TEST(name)                                                                                                     \
	{                                                                                                              \
#name, name                                                                                            \
	}

#endif
