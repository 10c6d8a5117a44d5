/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SESSIONS_H
#define SABIR_OPS_SESSIONS_H

#include "server/ops/park.h"

/*
 * The sessions of remote programs: what a local program's attachment is to it, namely an owner in the segment. What a
 * session's operations hold (locks, leases, ephemeral objects) goes when it ends: by its own wish, by an operator's, or
 * when its lease has run out; session_recover() does it (session_end.h).
 *
 * A call that names a session uses it from session_use to session_release, also while it is parked. As long as a
 * session is in use its lease does not run; when the last use ends it begins anew. A session that ends is in nobody's
 * hands when its owner is recovered: what is parked for it is ended first, what runs is waited for.
 *
 * A session outlives its server where the memory does: what the next one needs of it is in the memory, and it goes on there
 * with all that it holds, or comes to its end if that was begun (sessions_adopt). Calls, and what fronts keep, end with the server.
 *
 * All functions may be called from any thread unless they say otherwise.
 */
struct sessions;
struct session;

#define SESSION_TOKEN_LEN 32 /* hexadecimal digits: 128 random bits */
#define SESSION_LABEL_SIZE 40
#define SESSION_PEER_SIZE 64
#define SESSION_LEASE_DEFAULT (30 * 1000000000ull)
#define SESSION_LEASE_MIN (1 * 1000000000ull)
#define SESSION_LEASE_MAX (3600 * 1000000000ull)

/* Who may look at the sessions of others and end them. */
enum session_admin {
	SESSION_ADMIN_UNIX, /* who comes by a unix socket: its permissions have let him in */
	SESSION_ADMIN_ALL,
	SESSION_ADMIN_NONE,
};

struct sessions_options {
	struct segment *seg;   /* borrowed until sessions_free */
	uint32_t max_sessions; /* at a time; 0: as many as owners are free */
	enum session_admin admin;
	/* Called without a lock held when sessions_next() became earlier than it was; NULL where nobody sleeps. */
	void (*sooner)(void *context);
	/*
	 * Of a session that has ended: what so many of its answers held could not go back (session_recover). NULL: nobody
	 * is told. By any thread, without a lock held.
	 */
	void (*lost)(void *context, uint64_t owner, uint32_t n_answers);
	void *context;
};

struct session_info {
	char token[SESSION_TOKEN_LEN + 1]; /* sessions_open alone tells it */
	char label[SESSION_LABEL_SIZE];
	char peer[SESSION_PEER_SIZE];
	uint64_t owner; /* as in lane->actor.owner: names the session to people */
	uint64_t lease_ns;
	uint64_t left_ns;      /* of the lease; all of it while the session is in use */
	uint64_t open_time_ns; /* CLOCK_REALTIME */
	uint64_t n_calls;      /* since it was opened */
	uint32_t n_active;     /* calls that run or wait */
};

/* The park is where its calls wait; borrowed too. NULL when the process is out of memory. */
struct sessions *sessions_new(const struct sessions_options *options, struct park *park);
/*
 * Forgets all without recovering anything: the memory goes too, or to another server; so what fronts keep is freed without a
 * lane. Nobody uses a session any more. NULL is fine.
 */
void sessions_free(struct sessions *all);

/*
 * Opens one. lease_ns 0: the default; what is outside of the limits is moved to them. Fills *info. Errors:
 * TOO_MANY_OWNERS, NO_MEMORY.
 */
enum sabir_error sessions_open(struct sessions *all, struct span label, const char *peer, uint64_t lease_ns,
			       struct session_info *info);
/*
 * A session that a former server has opened goes on, with a whole lease: nobody could begin it anew while there was no server. One
 * whose end the former had begun is nobody's to use: sessions_expire finishes that.
 * False: the owner is none, or one that had not begun or had ended; or there is no memory. Then it is to be recovered
 * (session_recover).
 */
bool sessions_adopt(struct sessions *all, uint32_t owner);
/* Finds the session of a token; counted until session_release. Errors: SESSION_ENDED. */
enum sabir_error session_use(struct sessions *all, struct span token, struct session **session);
/* One more use, by who has one. */
void session_keep(struct sessions *all, struct session *session);
/* NULL is fine. */
void session_release(struct sessions *all, struct session *session);
uint64_t session_owner(const struct session *session);

/* A former server has opened it, and may have kept answers of its (answers.h). */
bool session_is_adopted(const struct session *session);

/* What a front keeps for a session: made when it is first needed, by who uses the session, and there until its end. */
struct session_extra {
	/* The session has ended: what uses it on the front's own account must let go of it. No lock is held. */
	void (*ended)(struct session_extra *extra);
	/* Nobody uses the session any more; its owner has been recovered. By a thread with a lane. */
	void (*free)(struct session_extra *extra, struct lane *lane);
};
/* NULL: there is none. */
struct session_extra *session_extra(struct sessions *all, struct session *session);
/* Keeps it, if there is none yet; returns the one that is kept. */
struct session_extra *session_keep_extra(struct sessions *all, struct session *session, struct session_extra *extra);
/*
 * Whether it has ended while it is in use. Who parks a call for it asks behind park_add: an end that this does not see
 * finds the call in the park.
 */
bool session_has_ended(struct sessions *all, const struct session *session);
/* Fills all but the token. */
void session_describe(struct sessions *all, const struct session *session, struct session_info *info);

/*
 * Ends the session of a token, or of an owner: no call can use it any more, what waits for it ends with SESSION_ENDED.
 * If nothing runs for it, all that it held is gone when this returns; else soon after. Errors: SESSION_ENDED.
 */
enum sabir_error sessions_close(struct sessions *all, struct span token, struct lane *lane);
enum sabir_error sessions_end(struct sessions *all, uint64_t owner, struct lane *lane);

/* Cancels what waits in the park for a thread of the session of a token: *n of its calls. Errors: SESSION_ENDED. */
enum sabir_error sessions_cancel(struct sessions *all, struct span token, uint64_t thread, uint32_t *n);

/* Describes up to n sessions in the order of their entries, from *cursor on (0: the first), which is 0 at the end. */
uint32_t sessions_list(struct sessions *all, uint64_t *cursor, struct session_info *infos, uint32_t n);

/* When sessions_expire has something to do next; CLOCK_NEVER: nothing. */
uint64_t sessions_next(struct sessions *all);
/*
 * Ends what has lapsed, and recovers some of what has ended: as long as that takes others wait, so the rest is for the next call, for
 * which sessions_next() then says that it is time. By one thread at a time. Where it comes too late, since the server stood still, what
 * has lapsed has one more lease: what its client sent may be unread.
 */
void sessions_expire(struct sessions *all, struct lane *lane, uint64_t now_ns);

enum session_admin sessions_admin(const struct sessions *all);
size_t sessions_count(struct sessions *all);

#endif
