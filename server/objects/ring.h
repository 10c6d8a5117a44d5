/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_RING_H
#define SABIR_OBJECTS_RING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A walk along links that anybody may have written over, which is to end also where they are a ring. It remembers one place
 * that it passed: the first, then the second, the fourth, the eighth and so on. A ring leads back to one of them, after at most
 * about three times as many steps as it has places, the way to it included, however large the memory is. Begins with { 0 }.
 */
struct ring {
	uint64_t n;    /* steps so far */
	uint64_t next; /* the step whose place is remembered next */
	uint32_t place;
};

/* One step, to `ref`; true: the walk has been there before. */
static inline bool ring_closes(struct ring *r, uint32_t ref)
{
	if (r->n && ref == r->place)
		return true;
	if (r->n++ == r->next) {
		r->place = ref;
		r->next = r->next * 2 + 1;
	}
	return false;
}

#endif
