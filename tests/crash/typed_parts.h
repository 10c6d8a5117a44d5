/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_TYPED_PARTS_H
#define SABIR_TESTS_CRASH_TYPED_PARTS_H

#include <stdio.h>

#include "bindings/c/local.h"

/* What typed.c and the files that have its functions share. */

/* Long enough that a process which is run step by step falls asleep. */
#define A_MOMENT (30 * SABIR_MILLISECOND)

/* A function that is running. */
struct typed {
	struct waiting_lane mine;
	struct sabir_conn *conn;
	void *o;        /* the handle of the object o */
	uint64_t other; /* what references refer to */
	FILE *answer;
};

/* What the act comes to, for who wants the answer. */
void typed_tell(struct typed *t, const char *format, ...);
void typed_tell_item(struct typed *t, const struct sabir_item *item);
/* The same of what a function has returned, which is freed. */
enum sabir_error typed_tell_got(struct typed *t, enum sabir_error error, struct sabir_item **item);

/* Begins a function of one of the tables. */
#define F(name) static enum sabir_error do_##name(struct typed *t)

struct typed_function {
	const char *name;
	enum sabir_error (*run)(struct typed *t);
};
extern const struct typed_function typed_queue_functions[], typed_object_functions[];
extern const size_t n_typed_queue_functions, n_typed_object_functions;

#endif
