/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSIONS_PARTS_H
#define SABIR_OPS_SESSIONS_PARTS_H

#include <pthread.h>

#include "server/objects/object.h"
#include "server/ops/deadlines.h"
#include "server/ops/sessions.h"
#include "server/ops/token.h"

/* What sessions.c, the table, and sessions_expire.c, what time does to it, share. All with the mutex held. */

#define LEAST_AT_ONCE 8u /* what a slice begins with costs the same for one */

enum state {
	LIVE,
	ENDING,
	RECOVERING,
};

struct session {
	struct session *next;    /* in the bucket, then among the ripe */
	uint8_t key[TOKEN_SIZE]; /* its token, or the print of that */
	bool foreign;            /* it is the print: a former server has opened it, and nobody has come yet */
	enum state state;
	uint32_t index; /* of the owner's entry */
	uint64_t owner;
	uint32_t uses;
	uint64_t n_calls;
	uint64_t lease_ns;
	uint64_t used_ns; /* when the last use ended */
	bool lapsed;      /* once since then, and it was given another lease */
	uint64_t retry_ns;
	uint64_t open_time_ns;
	bool adopted;    /* a former server has opened it */
	uint32_t n_lost; /* of its answers: see session_recover */
	struct deadline deadline;
	struct session_extra *extra;
	char label[SESSION_LABEL_SIZE];
	char peer[SESSION_PEER_SIZE];
};

struct sessions {
	pthread_mutex_t mutex;
	struct sessions_options options;
	struct park *park;
	size_t count; /* those that end included */
	struct deadlines deadlines;
	struct session **by_owner; /* [n_owners] */
	struct session **buckets;  /* by key: the LIVE ones */
	uint32_t n_foreign;        /* of them */
	uint32_t n_buckets;        /* a power of two */
	struct session *ripe;      /* RECOVERING, when it is their turn */
	struct session **ripe_end;
	uint32_t at_once; /* so many of them; LEAST_AT_ONCE to OWNERS_AT_ONCE */
};

/* Returns whether whoever sleeps until sessions_next() must look again. */
bool sessions_look_at(struct sessions *all, struct session *s, uint64_t ns);
/* The mutex is let go meanwhile. */
void session_begin_end(struct sessions *all, struct session *s);
/* False: it is not ENDING, or still in use. */
bool session_begin_recovery(struct session *s);
/* Up to OWNERS_AT_ONCE, which are RECOVERING. The mutex is let go meanwhile. */
void sessions_recover_some(struct sessions *all, struct session *const *those, uint32_t n, struct lane *lane);

#endif
