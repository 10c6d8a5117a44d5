/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SNAPSHOTTER_H
#define SABIR_MAIN_SNAPSHOTTER_H

#include "server/ops/snapshots.h"
#include "server/snapshot/folder.h"

/*
 * The thread that writes snapshots, with a lane of its own: every so often, and when one is asked for (ops/snapshots.h). It
 * logs what it does, and reports it to who has asked; what fails leaves the snapshots that there are.
 */
struct snapshotter;

struct snapshotter_options {
	struct segment *seg; /* outlives it */
	uint32_t owner;
	struct folder *folder;       /* outlives it, and is its alone meanwhile */
	struct snapshots *snapshots; /* outlives it */
	uint64_t every_ns;           /* 0: only when it is asked */
	size_t keep;
};

/* NULL: no memory or lane. */
struct snapshotter *snapshotter_start(const struct snapshotter_options *options);
/* One that is being written is given up; `last`: writes one more, and waits for it. NULL is fine. */
void snapshotter_stop(struct snapshotter *t, bool last);

#endif
