/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSION_RECORD_H
#define SABIR_OPS_SESSION_RECORD_H

#include "server/ops/token.h"
#include "server/shm/lane.h"

/*
 * What stands in the memory of a session (struct seg_session), for the next server: so that a session outlives the one that
 * opened it. For sessions.c.
 */
#define SESSION_RECORD_PEER_SIZE 64

struct session_record {
	uint64_t owner; /* as in lane->actor.owner; the record says it, who writes it need not */
	bool ends;      /* it can't be used any more, but has not ended yet */
	uint8_t print[TOKEN_SIZE];
	uint64_t lease_ns;
	char peer[SESSION_RECORD_PEER_SIZE];
};

/* The owner has just been opened, and is a session from now on, for the next server too. */
void session_record_write(struct segment *seg, uint32_t owner, const struct session_record *record);
/* From now on it ends: no server uses it any more, the next one finishes its end. Once or more. */
void session_record_end(struct segment *seg, uint32_t owner);
/* It is none any more: an owner to be recovered. */
void session_record_remove(struct segment *seg, uint32_t owner);
/* False: the owner is no session that was opened and has not ended; it is to be recovered. */
bool session_record_read(const struct segment *seg, uint32_t owner, struct session_record *record);

/* The word of the owner for which there is a record, whether it is that of its entry yet; 0: there is none. */
uint64_t session_record_owner_word(const struct segment *seg, uint32_t owner);

#endif
