/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SERVER_PARTS_H
#define SABIR_MAIN_SERVER_PARTS_H

#include "server/base/loop.h"
#include "server/control/control.h"
#include "server/main/address.h"
#include "server/main/collector.h"
#include "server/main/keeping.h"
#include "server/main/memory.h"
#include "server/main/server.h"
#include "server/main/snapshotter.h"
#include "server/objects/leftover.h"
#include "server/ops/park.h"
#include "server/ops/sessions.h"
#include "server/rpc/rpc.h"

/* What server.c and start.c share: the server's parts, and what the main loop looks at. */
struct server {
	const struct config *config;
	server_reload_fn *reload;
	void *reload_context;
	struct loop loop;
	struct kept *kept;
	struct keeping keeping;
	struct memory memory;
	struct park *park;
	struct sessions *sessions;
	struct rpc *rpc;
	struct control *control;
	struct collector_thread *collector;
	struct folder folder; /* of the snapshots */
	struct snapshots *snapshots;
	struct snapshotter *snapshotter;
	struct addresses addresses;
	int sooner_fd; /* rung by the park and the sessions, from any thread */
	struct loop_fd bell, sooner, signals;
	struct loop_timer tick, reclaim, expiry, leases, ends, lines;
	uint32_t next_chunk; /* to be reclaimed */
	struct leftover leftover;
	bool leaves; /* for another server, which goes on with the memory */
	char detail[512];
};

/* Makes the parts. On failure those that were made are to be ended. */
enum sabir_error server_start(struct server *s);
/* A loop_timer's: ends what is left of the calls that waited in the former server; asks to be called again where it can't. */
void server_end_leftover(void *server);
/* The park's and the sessions' call, from any thread: a deadline is sooner than the loop knows. */
void server_ring_sooner(void *server);

#endif
