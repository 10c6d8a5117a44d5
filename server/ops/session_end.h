/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSION_END_H
#define SABIR_OPS_SESSION_END_H

#include "server/objects/object.h"

/*
 * The end of a session in the memory, whoever has begun it, and however often it is begun anew: what it got with a request id and has
 * not acknowledged goes back to where it was, then all that it holds is let go of, as owner_recover() does it. Of any other owner it
 * is just that. Nobody uses the session; one thread at a time.
 *
 * Adds to *n_lost of how many answers the items can't go back any more though their object may be there: one of the two is damaged.
 *
 * Errors: BUSY, NO_MEMORY, RESOURCE_EXHAUSTED: some of them can't go back yet; everything else is let go of. Again a little later.
 */
enum sabir_error session_recover(struct lane *lane, uint32_t owner, uint32_t *n_lost);

/* Of one of several. */
struct session_end {
	uint32_t owner;
	uint32_t n_lost; /* adds to it */
	enum sabir_error error;
};
/* The same of up to OWNERS_AT_ONCE different ones, see owners_recover(). */
void sessions_recover(struct lane *lane, struct session_end *ends, uint32_t n);

#endif
