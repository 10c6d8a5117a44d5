/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/crash/front.h"

#include <stdlib.h>

#include "server/ops/session_end.h"
#include "server/ops/session_record.h"
#include "server/ops/snapshots.h"

#define N_WAITING 4u

struct front {
	struct op_front ops;
	struct park *park;
};

static struct waiting {
	const struct op *op;
	struct actor actor;
	struct span request;
	struct op_wait wait;
	enum sabir_error error;
} waiting[N_WAITING];
static unsigned n_waiting;

/* ---------------------------------------------------------------- making */

static void ended(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	(void)context, (void)error, (void)response, (void)detail;
}

static void wait_again(struct park *park, struct lane *lane)
{
	for (unsigned i = 0; i < n_waiting; i++) {
		const struct waiting *w = &waiting[i];
		const struct park_entry entry = {
			.op = w->op,
			.request = w->request,
			.actor = w->actor,
			.wait = &w->wait,
			.error = w->error,
			.deadline_ns = park_deadline(w->wait.timeout_ns),
			.done = ended,
		};
		uint64_t id;
		if (park_add(park, lane, &entry, &id))
			abort();
	}
}

static struct front *make(struct world *world, struct lane *lane)
{
	struct front *f = calloc(1, sizeof(*f));
	const struct sessions_options options = { .seg = &world->seg, .admin = SESSION_ADMIN_ALL };
	if (!f || !(f->park = park_new(&world->seg, NULL, NULL)))
		abort();
	f->ops.sessions = sessions_new(&options, f->park);
	f->ops.snapshots = snapshots_new(&world->seg);
	if (!f->ops.sessions || !f->ops.snapshots)
		abort();
	for (uint32_t i = 0; i < world->seg.n_owners; i++)
		(void)sessions_adopt(f->ops.sessions, i);
	if (!world->next_server)
		wait_again(f->park, lane);
	return f;
}

const struct op_front *front_of(struct world *world)
{
	if (!world->front)
		world->front = make(world, &world->lane[SURVIVOR]);
	return &world->front->ops;
}

void front_serve(struct world *world, struct lane *lane, bool late)
{
	if (!world->front)
		world->front = make(world, lane);
	if (late)
		park_expire(world->front->park, OP_FOREVER - 1);
	front_turn(world, lane);
}

struct sessions *front_sessions(struct world *world)
{
	return front_of(world)->sessions;
}

void front_drop(struct world *world)
{
	struct front *f = world->front;
	world->front = NULL;
	if (!f)
		return;
	sessions_free(f->ops.sessions);
	snapshots_free(f->ops.snapshots);
	park_free(f->park);
	free(f);
}

void front_turn(struct world *world, struct lane *lane)
{
	if (world->front)
		park_ring(world->front->park, lane);
}

/* ---------------------------------------------------------------- who waits */

void front_add_waiting(const struct op *op, struct actor actor, struct span request, const struct op_wait *wait,
		       enum sabir_error error)
{
	if (n_waiting == N_WAITING)
		abort();
	waiting[n_waiting++] = (struct waiting){ op, actor, request, *wait, error };
}

void front_forget_waiting(void)
{
	n_waiting = 0;
}

bool front_has_waiting(void)
{
	return n_waiting;
}

/* ---------------------------------------------------------------- the next server */

static uint32_t owner_state(const struct world *world, uint32_t owner)
{
	return (uint32_t)(load64_relaxed(&world->seg.owners[owner].word) & 15);
}

bool front_is_session(const struct world *world, uint32_t owner)
{
	for (int i = 0; i < N_PERSONS; i++)
		if (world->lane[i].owner == owner)
			return false;
	return owner_state(world, owner) != SEG_OWNER_FREE;
}

static bool goes_on(const struct world *world, uint32_t owner)
{
	struct session_record record;
	return session_record_read(&world->seg, owner, &record) && !record.ends;
}

enum sabir_error front_recover_sessions(struct world *world, struct lane *lane)
{
	enum sabir_error error = SABIR_OK;
	uint32_t n_lost = 0;
	for (uint32_t i = 0; i < world->seg.n_owners; i++) {
		if (!front_is_session(world, i) || goes_on(world, i))
			continue;
		enum sabir_error one = session_recover(lane, i, &n_lost);
		error = one ? one : error;
	}
	return error ? error : n_lost ? SABIR_DATA_LOSS : SABIR_OK;
}

const char *front_left_behind(const struct world *world)
{
	for (uint32_t i = 0; i < world->seg.n_owners; i++)
		if (front_is_session(world, i) && !goes_on(world, i))
			return "a session has not ended";
	return NULL;
}
