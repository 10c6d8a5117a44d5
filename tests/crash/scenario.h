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
 *   next     it is made by somebody else, who is the next behind the victim
 *   waits    so too, and he has to wait: what it comes to is found too
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
 * An act that has to wait may be begun in the setup, where nobody dies. A line of it is then one of
 *   begun    the victim begins the act, and falls asleep; after that: he is woken, and sleeps again
 *   late     his time is over, and he has to wait for something else
 *   pause    everybody who waits has done so for long
 * and in front of the act is "again:", for he is woken, "late:", for his time is over, or "left:", for it is given up.
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
	/*
	 * Of a function that waits, not NULL: what happens while the victim sleeps, as of a setup, of requests; he dies
	 * only behind that. Up to a line "sleeps", then behind that, when he sleeps again, and so on.
	 */
	const char *meanwhile;
	/* Not NULL: what the act comes to begins with this; and this is among what is found at its two ends. */
	const char *answer, *before, *after;
};

/* Requests, those of queues, functions of typed.h, what is about sessions, and waits. */
extern const struct scenario scenarios[], queue_scenarios[], typed_scenarios[], session_scenarios[], wait_scenarios[];
extern const size_t n_scenarios, n_queue_scenarios, n_typed_scenarios, n_session_scenarios, n_wait_scenarios;

/* The requests alone: the fuzzers begin with them. */
static inline size_t scenario_request_count(void)
{
	return n_scenarios + n_queue_scenarios;
}
static inline const struct scenario *scenario_request_at(size_t i)
{
	return i < n_scenarios ? &scenarios[i] : &queue_scenarios[i - n_scenarios];
}

/* All. */
static inline size_t scenario_count(void)
{
	return scenario_request_count() + n_typed_scenarios + n_session_scenarios + n_wait_scenarios;
}
static inline const struct scenario *scenario_at(size_t i)
{
	if (i < scenario_request_count())
		return scenario_request_at(i);
	i -= scenario_request_count();
	if (i < n_typed_scenarios)
		return &typed_scenarios[i];
	i -= n_typed_scenarios;
	return i < n_session_scenarios ? &session_scenarios[i] : &wait_scenarios[i - n_session_scenarios];
}

#endif
