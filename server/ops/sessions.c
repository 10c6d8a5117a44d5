/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of sessions.
 *
 *   LIVE ──close, end, lease over──► ENDING ──nobody uses it──► RECOVERING ──► freed
 *                                     ▲  ▲                          │ BUSY, no memory
 *                        a former server's └────── a little later ──┘
 *
 * All of it is under one mutex, except for the recovery itself, which the one who set RECOVERING does. Those that sessions_expire
 * finds are recovered by some at a time, in the order in which they came (`ripe`): thousands may end at once, and whoever calls it
 * has others to look after. But it looks at all whose time has come, so that none is found late for the others. `uses` counts
 * the calls that run or wait; it falls to 0 only by session_release, which has an ENDING session recovered.
 *
 * A session is in the heap of deadlines by the time at which somebody must look at it: LIVE, the end of its lease, or
 * earlier: whoever looks and finds that it was used since then sets the time anew, so a call does not touch the heap.
 * ENDING: when to try the recovery. In use while ENDING, or RECOVERING: not at all.
 *
 * The table is made anew by each server; what the next one needs of a session stands in the memory (session_record.h), up to its
 * last step (session_end.h). Of those that it finds LIVE there it knows the prints of their tokens, until somebody comes with the token
 * itself; those that it finds ENDING it ends.
 */
#include "server/ops/sessions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/base/clock.h"
#include "server/base/utf8.h"
#include "server/objects/object.h"
#include "server/ops/session_end.h"
#include "server/ops/session_record.h"
#include "server/ops/sessions_parts.h"

#define RETRY_FIRST (10 * CLOCK_MILLISECOND)
#define RETRY_MOST CLOCK_SECOND
#define MIN_BUCKETS 64u

_Static_assert(SESSION_TOKEN_LEN == TOKEN_TEXT_LEN, "a token's text is as long as it is said to be");
_Static_assert(SESSION_PEER_SIZE == SESSION_RECORD_PEER_SIZE, "a record has room for the peer");

struct sessions *sessions_new(const struct sessions_options *options, struct park *park)
{
	struct sessions *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	all->options = *options;
	all->park = park;
	all->ripe_end = &all->ripe;
	all->at_once = OWNERS_AT_ONCE;
	all->n_buckets = MIN_BUCKETS;
	while (all->n_buckets < options->seg->n_owners)
		all->n_buckets *= 2;
	all->by_owner = calloc(options->seg->n_owners, sizeof(struct session *));
	all->buckets = calloc(all->n_buckets, sizeof(struct session *));
	pthread_mutex_init(&all->mutex, NULL);
	if (all->by_owner && all->buckets)
		return all;
	sessions_free(all);
	return NULL;
}

void sessions_free(struct sessions *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; all->by_owner && i < all->options.seg->n_owners; i++) {
		struct session *s = all->by_owner[i];
		if (s && s->extra)
			s->extra->free(s->extra, NULL);
		free(s);
	}
	free(all->by_owner);
	free(all->buckets);
	deadlines_fini(&all->deadlines);
	pthread_mutex_destroy(&all->mutex);
	free(all);
}

/* ---------------------------------------------------------------- tokens */

/* Random bytes are their own hash. */
static struct session **bucket_of(struct sessions *all, const uint8_t *key)
{
	uint32_t hash;

	memcpy(&hash, key, sizeof(hash));
	return &all->buckets[hash & (all->n_buckets - 1)];
}

static struct session *look_up(struct sessions *all, const uint8_t *key, bool foreign)
{
	struct session *s = *bucket_of(all, key);

	while (s && (s->foreign != foreign || memcmp(s->key, key, TOKEN_SIZE) != 0))
		s = s->next;
	return s;
}

static void put_in(struct sessions *all, struct session *session)
{
	struct session **bucket = bucket_of(all, session->key);

	session->next = *bucket;
	*bucket = session;
	all->n_foreign += session->foreign;
}

static void take_out(struct sessions *all, struct session *session)
{
	struct session **link = bucket_of(all, session->key);

	while (*link != session)
		link = &(*link)->next;
	*link = session->next;
	all->n_foreign -= session->foreign;
}

/* One of a former server's, whose program has come with this token. */
static struct session *recognize(struct sessions *all, const uint8_t token[TOKEN_SIZE])
{
	uint8_t print[TOKEN_SIZE];

	token_print(token, print);
	struct session *s = look_up(all, print, true);
	if (!s)
		return NULL;
	take_out(all, s);
	memcpy(s->key, token, TOKEN_SIZE);
	s->foreign = false;
	put_in(all, s);
	return s;
}

static struct session *find(struct sessions *all, struct span text)
{
	uint8_t token[TOKEN_SIZE];

	if (!token_read(text, token))
		return NULL;
	struct session *s = look_up(all, token, false);
	return s || !all->n_foreign ? s : recognize(all, token);
}

/* ---------------------------------------------------------------- the end */

bool sessions_look_at(struct sessions *all, struct session *s, uint64_t ns)
{
	deadlines_remove(&all->deadlines, &s->deadline);
	s->deadline.ns = ns;
	return deadlines_add(&all->deadlines, &s->deadline);
}

static void tell_sooner(struct sessions *all, bool sooner)
{
	if (sooner && all->options.sooner)
		all->options.sooner(all->options.context);
}

static void drop(struct sessions *all, struct session *s)
{
	if (all->by_owner[s->index] == s) /* else its owner is another session's already */
		all->by_owner[s->index] = NULL;
	all->count--;
	free(s);
}

bool session_begin_recovery(struct session *s)
{
	if (s->state != ENDING || s->uses)
		return false;
	s->state = RECOVERING;
	return true;
}

static void finish(struct sessions *all, struct session *s, const struct session_end *its, struct lane *lane)
{
	s->n_lost = its->n_lost;
	if (!its->error && s->extra)
		s->extra->free(s->extra, lane);
	if (!its->error && s->n_lost && all->options.lost)
		all->options.lost(all->options.context, s->owner, s->n_lost);
	pthread_mutex_lock(&all->mutex);
	bool sooner = false;
	if (its->error) {
		s->state = ENDING;
		s->retry_ns = !s->retry_ns ? RETRY_FIRST : s->retry_ns * 2 > RETRY_MOST ? RETRY_MOST : s->retry_ns * 2;
		sooner = sessions_look_at(all, s, clock_deadline(s->retry_ns));
	} else {
		drop(all, s);
	}
	pthread_mutex_unlock(&all->mutex);
	tell_sooner(all, sooner);
}

void sessions_recover_some(struct sessions *all, struct session *const *those, uint32_t n, struct lane *lane)
{
	struct session_end ends[OWNERS_AT_ONCE];
	pthread_mutex_unlock(&all->mutex);
	for (uint32_t i = 0; i < n; i++)
		ends[i] = (struct session_end){ .owner = those[i]->index, .n_lost = those[i]->n_lost };
	sessions_recover(lane, ends, n);
	for (uint32_t i = 0; i < n; i++)
		finish(all, those[i], &ends[i], lane);
	pthread_mutex_lock(&all->mutex);
}

struct session_extra *session_extra(struct sessions *all, struct session *session)
{
	pthread_mutex_lock(&all->mutex);
	struct session_extra *extra = session->extra;
	pthread_mutex_unlock(&all->mutex);
	return extra;
}

struct session_extra *session_keep_extra(struct sessions *all, struct session *session, struct session_extra *extra)
{
	pthread_mutex_lock(&all->mutex);
	if (!session->extra)
		session->extra = extra;
	extra = session->extra;
	pthread_mutex_unlock(&all->mutex);
	return extra;
}

void session_begin_end(struct sessions *all, struct session *s)
{
	take_out(all, s);
	s->state = ENDING;
	deadlines_remove(&all->deadlines, &s->deadline);
	s->uses++; /* ours: it stays, whoever else leaves it */
	pthread_mutex_unlock(&all->mutex);
	session_record_end(all->options.seg, s->index);
	park_end(all->park, s->owner, SABIR_SESSION_ENDED);
	struct session_extra *extra = session_extra(all, s);
	if (extra)
		extra->ended(extra);
	pthread_mutex_lock(&all->mutex);
	s->uses--;
}

/* With the mutex held, which is let go meanwhile; the session may be gone afterwards. */
static void end(struct sessions *all, struct session *s, struct lane *lane)
{
	session_begin_end(all, s);
	if (session_begin_recovery(s))
		sessions_recover_some(all, &s, 1, lane);
}

enum sabir_error sessions_close(struct sessions *all, struct span token, struct lane *lane)
{
	pthread_mutex_lock(&all->mutex);
	struct session *s = find(all, token);
	if (s)
		end(all, s, lane);
	pthread_mutex_unlock(&all->mutex);
	return s ? SABIR_OK : SABIR_SESSION_ENDED;
}

enum sabir_error sessions_cancel(struct sessions *all, struct span token, uint64_t thread, uint32_t *n)
{
	struct session *session;
	enum sabir_error error = session_use(all, token, &session);

	if (error)
		return error;
	*n = park_cancel_thread(all->park, session->owner, thread);
	session_release(all, session);
	return SABIR_OK;
}

enum sabir_error sessions_end(struct sessions *all, uint64_t owner, struct lane *lane)
{
	uint32_t index = (uint32_t)owner - 1;
	struct session *s = NULL;

	pthread_mutex_lock(&all->mutex);
	if (index < all->options.seg->n_owners)
		s = all->by_owner[index];
	if (s && (s->owner != owner || s->state != LIVE))
		s = NULL;
	if (s)
		end(all, s, lane);
	pthread_mutex_unlock(&all->mutex);
	return s ? SABIR_OK : SABIR_SESSION_ENDED;
}

/* ---------------------------------------------------------------- opening and using */

static uint64_t lease_of(uint64_t wanted_ns)
{
	return !wanted_ns                      ? SESSION_LEASE_DEFAULT
	       : wanted_ns < SESSION_LEASE_MIN ? SESSION_LEASE_MIN
	       : wanted_ns > SESSION_LEASE_MAX ? SESSION_LEASE_MAX
					       : wanted_ns;
}

static struct session *make(struct span label, const char *peer, uint64_t lease_ns)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	utf8_show(label, s->label, sizeof(s->label));
	snprintf(s->peer, sizeof(s->peer), "%s", peer ? peer : "");
	s->lease_ns = lease_of(lease_ns);
	s->used_ns = clock_now();
	return s;
}

/* With the mutex held. It has its owner. */
static void enter(struct sessions *all, struct session *s, bool *sooner)
{
	const struct seg_owner *o = &all->options.seg->owners[s->index];

	s->owner = (owner_now(all->options.seg, s->index) & 0xffffffff00000000ull) | (s->index + 1);
	s->open_time_ns = load64_relaxed(&o->attach_time_ns);
	all->by_owner[s->index] = s;
	all->count++;
	if (s->state == LIVE)
		put_in(all, s);
	*sooner = sessions_look_at(all, s, s->used_ns + (s->state == LIVE ? s->lease_ns : 0));
}

/* With the mutex held. */
static enum sabir_error begin(struct sessions *all, struct session *s, bool *sooner)
{
	uint32_t limit = all->options.max_sessions;
	struct session_record record = { .lease_ns = s->lease_ns };

	if (limit && all->count >= limit)
		return SABIR_TOO_MANY_OWNERS;
	if (getrandom(s->key, sizeof(s->key), 0) != sizeof(s->key) ||
	    !deadlines_reserve_all(&all->deadlines, (uint32_t)all->count + 1))
		return SABIR_NO_MEMORY;
	enum sabir_error error = owner_open(all->options.seg, 0, s->label, &s->index);
	if (error)
		return error;
	token_print(s->key, record.print);
	memcpy(record.peer, s->peer, sizeof(record.peer));
	session_record_write(all->options.seg, s->index, &record);
	enter(all, s, sooner);
	return SABIR_OK;
}

static void describe(const struct session *s, struct session_info *info)
{
	uint64_t left_ns = s->uses ? s->lease_ns : clock_left(s->used_ns + s->lease_ns);

	*info = (struct session_info){
		.owner = s->owner,
		.lease_ns = s->lease_ns,
		.left_ns = left_ns,
		.open_time_ns = s->open_time_ns,
		.n_calls = s->n_calls,
		.n_active = s->uses,
	};
	memcpy(info->label, s->label, sizeof(info->label));
	memcpy(info->peer, s->peer, sizeof(info->peer));
}

enum sabir_error sessions_open(struct sessions *all, struct span label, const char *peer, uint64_t lease_ns,
			       struct session_info *info)
{
	struct session *s = make(label, peer, lease_ns);
	bool sooner = false;

	if (!s)
		return SABIR_NO_MEMORY;
	pthread_mutex_lock(&all->mutex);
	enum sabir_error error = begin(all, s, &sooner);
	if (!error) {
		describe(s, info);
		token_write(s->key, info->token);
	}
	pthread_mutex_unlock(&all->mutex);
	if (error)
		free(s);
	tell_sooner(all, sooner);
	return error;
}

static struct session *remake(const struct segment *seg, uint32_t owner, const struct session_record *record)
{
	char label[sizeof(seg->owners[owner].label)];

	memcpy(label, seg->owners[owner].label, sizeof(label));
	struct session *s = make((struct span){ (const uint8_t *)label, strnlen(label, sizeof(label)) }, record->peer,
				 record->lease_ns);
	if (!s)
		return NULL;
	memcpy(s->key, record->print, sizeof(s->key));
	s->foreign = true;
	s->index = owner;
	s->adopted = true;
	s->state = record->ends ? ENDING : LIVE;
	return s;
}

bool sessions_adopt(struct sessions *all, uint32_t owner)
{
	struct session_record record;
	bool sooner = false;

	if (owner >= all->options.seg->n_owners || !session_record_read(all->options.seg, owner, &record))
		return false;
	struct session *s = remake(all->options.seg, owner, &record);
	pthread_mutex_lock(&all->mutex);
	bool fits = s && !all->by_owner[owner] && deadlines_reserve_all(&all->deadlines, (uint32_t)all->count + 1);
	if (fits)
		enter(all, s, &sooner);
	pthread_mutex_unlock(&all->mutex);
	if (!fits)
		free(s);
	tell_sooner(all, sooner);
	return fits;
}

enum sabir_error session_use(struct sessions *all, struct span token, struct session **session)
{
	pthread_mutex_lock(&all->mutex);
	struct session *s = find(all, token);
	/* Also one that has lapsed and that nobody has come round to yet: all that it holds is still its own. */
	if (s) {
		s->lapsed = false;
		s->uses++;
		s->n_calls++;
	}
	pthread_mutex_unlock(&all->mutex);
	if (!s)
		return SABIR_SESSION_ENDED;
	*session = s;
	return SABIR_OK;
}

void session_keep(struct sessions *all, struct session *s)
{
	pthread_mutex_lock(&all->mutex);
	s->uses++;
	pthread_mutex_unlock(&all->mutex);
}

bool session_has_ended(struct sessions *all, const struct session *s)
{
	pthread_mutex_lock(&all->mutex);
	bool ended = s->state != LIVE;
	pthread_mutex_unlock(&all->mutex);
	return ended;
}

void session_release(struct sessions *all, struct session *s)
{
	bool sooner = false;

	if (!s)
		return;
	pthread_mutex_lock(&all->mutex);
	if (!--s->uses) {
		s->used_ns = clock_now();
		if (s->state == ENDING)
			sooner = sessions_look_at(all, s, s->used_ns);
	}
	pthread_mutex_unlock(&all->mutex);
	tell_sooner(all, sooner);
}

uint64_t session_owner(const struct session *session)
{
	return session->owner;
}

bool session_is_adopted(const struct session *session)
{
	return session->adopted;
}

void session_describe(struct sessions *all, const struct session *session, struct session_info *info)
{
	pthread_mutex_lock(&all->mutex);
	describe(session, info);
	pthread_mutex_unlock(&all->mutex);
}

uint32_t sessions_list(struct sessions *all, uint64_t *cursor, struct session_info *infos, uint32_t n)
{
	uint32_t found = 0, n_owners = all->options.seg->n_owners;
	uint64_t i = *cursor;

	pthread_mutex_lock(&all->mutex);
	for (; i < n_owners && found < n; i++)
		if (all->by_owner[i] && all->by_owner[i]->state == LIVE)
			describe(all->by_owner[i], &infos[found++]);
	pthread_mutex_unlock(&all->mutex);
	*cursor = i < n_owners ? i : 0;
	return found;
}

enum session_admin sessions_admin(const struct sessions *all)
{
	return all->options.admin;
}

size_t sessions_count(struct sessions *all)
{
	pthread_mutex_lock(&all->mutex);
	size_t count = all->count;
	pthread_mutex_unlock(&all->mutex);
	return count;
}
