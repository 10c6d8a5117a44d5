/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_CONFORMANCE_MODEL_H
#define TESTS_CONFORMANCE_MODEL_H

/*
 * What the KIND_model.c programs share: two connections to one server, and histories of random operations.
 *
 *   dict_model LOCAL_URL REMOTE_URL
 *
 * A history begins with its seed; each step takes either connection by chance. The first answer that differs from the
 * model's ends the program with the seed and the step.
 */
#include <sabir.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sabir_conn *conns[2]; /* local, remote */
static unsigned long long history_seed;
static unsigned history_step;
static unsigned long long random_state;

static inline unsigned random_below(unsigned n)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((random_state >> 33) % n);
}

#define SAME(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: SEED=%llu step %u: not true: %s (%s)\n", __FILE__, __LINE__,           \
				history_seed, history_step, #condition, sabir_detail());                               \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static inline unsigned long long setting(const char *name, unsigned long long preset)
{
	const char *text = getenv(name);
	return text && *text ? strtoull(text, NULL, 10) : preset;
}

/* `history` makes its object, does `n_steps` steps on it and its model, and deletes it. */
static inline int run_histories(int argc, char **argv, const char *what, unsigned n_steps,
				void (*history)(unsigned n_steps))
{
	unsigned long long n = setting("HISTORIES", 40), seed = setting("SEED", 1);
	/* A machine that stands still is no difference. */
	const struct sabir_options options = { .size = sizeof(options), .timeout_ns = 300 * SABIR_SECOND };
	if (argc < 3) {
		fprintf(stderr, "usage: %s LOCAL_URL REMOTE_URL\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < 2; i++) {
		if (sabir_connect(argv[1 + i], &options, &conns[i]) ||
		    sabir_session_open(conns[i], 900 * SABIR_SECOND)) {
			fprintf(stderr, "%s: %s\n", argv[1 + i], sabir_detail());
			return 2;
		}
	}
	for (unsigned long long i = 0; i < n; i++) {
		history_seed = seed + i;
		random_state = history_seed * 0x9e3779b97f4a7c15ull;
		history_step = 0;
		history(n_steps);
	}
	sabir_close(conns[0]);
	sabir_close(conns[1]);
	printf("%s: %llu histories of %u steps, every answer equal\n", what, n, n_steps);
	return 0;
}

#endif
