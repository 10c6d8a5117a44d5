/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SNAPSHOTTER_H
#define SABIR_MAIN_SNAPSHOTTER_H

#include "server/shm/lane.h"
#include "server/snapshot/folder.h"

/*
 * The thread that writes snapshots, with a lane of its own: every so often, and when it is asked. It logs what it does; what
 * fails leaves the snapshots that there are.
 */
struct snapshotter;

struct snapshotter_options {
	struct segment *seg; /* outlives it */
	uint32_t owner;
	const struct folder *folder; /* outlives it */
	uint64_t every_ns;           /* 0: only when it is asked */
	size_t keep;
};

/* NULL: no memory or lane. */
struct snapshotter *snapshotter_start(const struct snapshotter_options *options);
/* One more, as of now; if one is being written, after that. */
void snapshotter_ask(struct snapshotter *t);
/* One that is being written is given up; `last`: writes one more, and waits for it. NULL is fine. */
void snapshotter_stop(struct snapshotter *t, bool last);

#endif
