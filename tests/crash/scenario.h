/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_SCENARIO_H
#define SABIR_TESTS_CRASH_SCENARIO_H

#include <stddef.h>

/*
 * A state of the memory, and the operation in which the victim dies. Both are requests as server/ops/test_kit.h reads
 * them, with "Service/Method " in front; `setup` has one in each line. In front of a request of the setup
 *   victim   it is the victim who makes it, not the survivor
 *   session  it is made in the name of the session that was opened last
 *   asked    so too, as a request with an id, of which the answer is kept
 *   waiting  so too, and it waits in the server; one in a setup
 *   5*       it is made five times; % in it is the number of the time, from 0
 * and anywhere in a request ~1000~ is that many letters, @ the token of the lease that was got last, & the handle of
 * the object that was made last, ! of that before it, ^ the token and ` the number of the session that was opened last, # the
 * sequence of the change that a watch was told of last. So $*& is an
 * item that refers to the object that was made last. The operation may be a function of typed.h, by its name.
 *
 * An act with "undo:" in front is done by the survivor in the end of the setup, for somebody who has not received the answer, and
 * it is its undoing in which the victim dies. One with "asked:" in front is a request with an id, of the session that was opened
 * last, and the victim a server.
 *
 * An operation that is made of several has states between its two ends: `steps` has what is then found, in their order,
 * each as the check tells it and ended by a NUL. "new slab" and "first name": see check.c.
 *
 * Objects are best called o, other ones p, q.
 */
struct scenario {
	const char *name; /* the state: "empty", "wrapped" */
	const char *setup;
	const char *act;
	const char *steps;
};

/* Requests, functions of typed.h, and what is about sessions. */
extern const struct scenario scenarios[], typed_scenarios[], session_scenarios[];
extern const size_t n_scenarios, n_typed_scenarios, n_session_scenarios;

static inline size_t scenario_count(void)
{
	return n_scenarios + n_typed_scenarios + n_session_scenarios;
}
static inline const struct scenario *scenario_at(size_t i)
{
	if (i < n_scenarios)
		return &scenarios[i];
	i -= n_scenarios;
	return i < n_typed_scenarios ? &typed_scenarios[i] : &session_scenarios[i - n_typed_scenarios];
}

#endif
