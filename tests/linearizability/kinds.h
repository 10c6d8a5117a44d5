/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_KINDS_H
#define TESTS_LINEARIZABILITY_KINDS_H

/*
 * The kinds: how an object of each is made and opened, one random step on it, and what is asked of it when all are
 * done. The checker's models know the operations by the names that are given here.
 */
#include "tests/linearizability/history.h"

enum kind_flag {
	NO_KILLS = 1,  /* outcomes that the model can't leave open */
	OWNERSHIP = 2, /* a process's death is an operation of its own */
};

struct kind {
	const char *name;
	unsigned flags;
	int64_t parameter; /* of the model: a bound, a type code, ... */
	enum sabir_error (*create)(sabir_conn *conn, const char *name, const struct kind *kind, union object *object);
	enum sabir_error (*open)(sabir_conn *conn, const char *name, union object *object);
	void (*step)(struct client *c, const struct kind *kind, union object object);
	void (*finish)(struct client *c, const struct kind *kind, union object object);
	void (*free)(union object object);
};

#endif
