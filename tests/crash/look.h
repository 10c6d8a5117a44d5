/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_LOOK_H
#define SABIR_TESTS_CRASH_LOOK_H

#include <stdio.h>

#include "tests/crash/world.h"

struct text {
	char *at;
	size_t len;
};

/* What an object that lives holds, as the survivor finds it. */
void look_at(struct world *world, uint32_t index, FILE *to);
/* A reference in such a text becomes the index of the object, $*3, or $*gone. */
void look_name_references(const struct segment *seg, struct text *text);
/* What all objects of the world hold. */
void look_at_all(struct world *world, struct text *text);
/* What who watches an object is told behind a sequence, without the sequences. */
void look_at_changes(struct world *world, uint64_t handle, uint64_t sequence, struct text *text);
/* Takes a field out of such a text, up to one of `ends`, the brace that closes a message included. */
void look_drop(char *text, const char *name, const char *ends);
/* What is different in every session: its token, its number, its times. */
void look_drop_session(char *text);
/* Those of changes: a recovery takes some, for what it can't tell of. */
void look_drop_sequences(char *text);
/* The handle of the live object at an index; 0: there is none. */
uint64_t look_handle(const struct segment *seg, uint32_t index);

#endif
