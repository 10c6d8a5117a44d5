/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_LEFTOVER_H
#define SABIR_OBJECTS_LEFTOVER_H

#include "server/objects/object.h"

/*
 * What the calls of sessions that waited in a server have left behind when it died: their turns in the lines of locks,
 * semaphores, conditions and barriers (turns.h). The sessions live on, so these are no dead owner's; but nobody comes for
 * them any more, and whoever stands behind them would wait for ever.
 */
struct leftover {
	struct leftover_line {
		uint64_t handle;
		uint32_t before; /* the ticket of the next who came when it was found */
	} * lines;
	uint32_t n;
};

/* Finds every line that somebody stands in; before this server's own calls can. Errors: NO_MEMORY. */
enum sabir_error leftover_find(const struct segment *seg, struct leftover *left);
/*
 * Ends these turns. False: where somebody who is stopped, or dead and not yet recovered, is in the way there are some yet; call it
 * again a little later. Who came meanwhile is not concerned.
 */
bool leftover_end(struct lane *by, struct leftover *left);
void leftover_fini(struct leftover *left);

#endif
