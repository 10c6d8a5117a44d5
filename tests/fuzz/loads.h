/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_LOADS_H
#define SABIR_TESTS_FUZZ_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

/*
 * What the compiler tells of a build with VARIANT=twice: each load from the segment and each store to it, before it is done, with its
 * place in the code; of what is copied or compared, each of its words.
 */
struct access {
	uint8_t *at;
	size_t size;
	uintptr_t place;
	bool load;
	bool again;      /* the word has been touched in this piece of the input before, */
	uintptr_t first; /* at this place last */
};
typedef void loads_seen(const struct access *access);

struct loads {
	loads_seen *seen; /* NULL: nobody is told */
	uint8_t *base;    /* of the segment */
	uint64_t size;
	uint32_t piece; /* of the input, from 0 on; what ends it is one more */
};
extern struct loads loads;

/* The function and line of a place. */
void loads_describe(uintptr_t place, char *to, size_t size);

/* Plays an input of the fuzzer of requests as it is, on the stage, with `seen` told. */
void loads_play(struct span input, bool damaged, loads_seen *seen);

/* ---------------------------------------------------------------- inputs.c: the files of some folders, short ones first */

#define INPUTS_MOST 65536u

extern uint32_t n_inputs;
/* False: it can't be read, which is said. */
bool inputs_list(const char *folder);
void inputs_sort(void);
const char *inputs_path(uint32_t number);
/* Valid until the next. False: it has gone. */
bool inputs_read(uint32_t number, struct span *input);

#endif
