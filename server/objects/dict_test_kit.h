/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_DICT_TEST_KIT_H
#define SABIR_OBJECTS_DICT_TEST_KIT_H

/* What the tests of the dict share. For dict_*_test.c only. */
#include <stdlib.h>

#include "server/objects/dict.h"
#include "server/objects/object_test_kit.h"

static inline uint64_t make_dict(void)
{
	struct object_spec spec = { .kind = SEG_KIND_DICT };
	return kit_make(&spec);
}

static inline struct span number_span(const uint64_t *n)
{
	return (struct span){ (const uint8_t *)n, sizeof(*n) };
}

static inline uint64_t number_in(struct span s)
{
	uint64_t n = UINT64_MAX;
	if (s.len == sizeof(n))
		memcpy(&n, s.data, sizeof(n));
	return n;
}

static inline enum sabir_error set(struct lane *by, uint64_t d, uint64_t key, uint64_t value)
{
	return dict_set(by, d, number_span(&key), number_span(&value), NULL);
}

static inline enum sabir_error get(struct lane *by, uint64_t d, uint64_t key, uint64_t *value)
{
	struct bytes out;
	uint8_t fixed[64];
	bytes_init(&out, fixed, sizeof(fixed));
	enum sabir_error error = dict_get(by, d, number_span(&key), &out);
	if (!error)
		*value = number_in(bytes_item(&out, 0));
	bytes_fini(&out);
	return error;
}

static inline enum sabir_error del(struct lane *by, uint64_t d, uint64_t key)
{
	return dict_delete(by, d, number_span(&key));
}

static inline uint64_t length_of(uint64_t d)
{
	uint64_t n = UINT64_MAX;
	CU_ASSERT_EQUAL(dict_len(&lane, d, &n), SABIR_OK);
	return n;
}

/* Forks a child that works with a lane of its own; its exit status is what `work` returns. */
static inline pid_t child(int (*work)(struct lane *by, uint64_t d, uint64_t n), uint64_t d, uint64_t n)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct lane mine = kit_lane(&seg);
		int status = work(&mine, d, n);
		kit_lane_close(&mine);
		_exit(status);
	}
	return pid;
}

static inline bool ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

/* One write of two keys after the other: both always have the same value. */
static inline int write_pairs(struct lane *by, uint64_t d, uint64_t n)
{
	uint64_t keys[2] = { 1, 2 };
	for (uint64_t i = 1; i <= n; i++) {
		struct dict_entry entries[2] = { { number_span(&keys[0]), number_span(&i), 0 },
						 { number_span(&keys[1]), number_span(&i), 0 } };
		if (dict_update(by, d, entries, 2, NULL))
			return 1;
	}
	return 0;
}

#endif
