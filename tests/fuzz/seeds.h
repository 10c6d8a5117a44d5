/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_SEEDS_H
#define SABIR_TESTS_FUZZ_SEEDS_H

#include "server/shm/lane.h"
#include "tests/fuzz/mutate.h"

/*
 * Inputs that nobody has to keep: each scenario of the crash sweep, setup and act, as an input of `requests`; so a new
 * operation has its own from the beginning. One file each in the folder.
 */
void seeds_of_requests(const struct piece_form *form, const char *folder);

/* The memory of the stage, number 0, and as it is behind each of them. */
void seeds_of_memory(void (*write)(void *context, size_t number, struct lane *lane), void *context);

#define SEED_MAX 4096u /* -max_len */

/* Writes one. */
void seed_write(const char *folder, const char *name, size_t number, struct span input);

#endif
