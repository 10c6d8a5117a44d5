/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns of calls that are gone. Which ones these are is told by their tickets: those of a dead server's calls were all given out
 * before this server's first.
 */
#include "server/objects/leftover.h"

#include <stdlib.h>

#include "server/base/fault.h"
#include "server/objects/object_word.h"

/* The line of the object at `index`, if somebody stands in it. */
static const struct seg_turns *line_of(const struct segment *seg, uint32_t index, uint64_t word)
{
	const struct seg_object *o = &seg->objects[index];
	const struct object_kind *kind = object_kind_of(load32_relaxed(&o->kind));
	if (object_state(word) != SEG_OBJECT_LIVE || !kind || !kind->waits_gone)
		return NULL;
	const uint8_t *body = object_body(seg, o, kind->line + sizeof(struct seg_turns));
	const struct seg_turns *line = body ? (const struct seg_turns *)(body + kind->line) : NULL;
	return line && load32_relaxed(&line->first) ? line : NULL;
}

static enum sabir_error add(struct leftover *left, uint64_t handle, uint32_t before)
{
	/* A power of two of them has just filled what there is. */
	if (!(left->n & (left->n - 1))) {
		size_t room = left->n ? 2 * (size_t)left->n : 1;
		struct leftover_line *lines = realloc(left->lines, room * sizeof(*lines));
		if (!lines)
			return SABIR_NO_MEMORY;
		left->lines = lines;
	}
	left->lines[left->n++] = (struct leftover_line){ handle, before };
	return SABIR_OK;
}

enum sabir_error leftover_find(const struct segment *seg, struct leftover *left)
{
	*left = (struct leftover){ .n = 0 };
	for (uint32_t i = 1; i < seg->n_objects; i++) {
		uint64_t word = load64_acquire(&seg->objects[i].word);
		const struct seg_turns *line = line_of(seg, i, word);
		if (line && add(left, i | (word & 0xffffffff00000000ull), load32_relaxed(&line->ticket))) {
			leftover_fini(left);
			return SABIR_NO_MEMORY;
		}
	}
	return SABIR_OK;
}

bool leftover_end(struct lane *by, struct leftover *left)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < left->n; i++) {
		const struct leftover_line l = left->lines[i];
		const struct object_kind *kind =
			object_kind_of(load32_relaxed(&by->seg->objects[object_index(l.handle)].kind));
		if (kind && kind->waits_gone && kind->waits_gone(by, l.handle, l.before) == SABIR_BUSY)
			left->lines[n++] = l;
		FAULT("leftover.line_done");
	}
	left->n = n;
	return n == 0;
}

void leftover_fini(struct leftover *left)
{
	free(left->lines);
	*left = (struct leftover){ .n = 0 };
}
