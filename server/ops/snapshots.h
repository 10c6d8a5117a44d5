/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_SNAPSHOTS_H
#define SABIR_OPS_SNAPSHOTS_H

#include <stdbool.h>

#include "server/ops/ops.h"

/*
 * Snapshots that are asked for, between those who ask (AdminService, the control socket, a signal) and the thread that writes
 * them: ops does not know what a snapshot is. They are written one after the other and numbered here from 1 on. Who asks gets
 * the number of one that has not begun, and finds its report under it.
 *
 * All functions may be called from any thread.
 */
struct snapshots;

struct snapshot_report {
	enum sabir_error error; /* not 0: there is none, and `detail` says why; the rest is nothing then */
	char detail[OP_DETAIL_SIZE];
	char file[64]; /* its name in the folder */
	uint64_t n_objects, n_damaged, n_bytes;
	uint64_t took_ns;
	uint64_t end_time_ns; /* CLOCK_REALTIME */
};

/* When one is over the doorbell of `seg` (borrowed) is rung for OP_WAIT_SNAPSHOT. NULL: the process is out of memory. */
struct snapshots *snapshots_new(struct segment *seg);
void snapshots_free(struct snapshots *all);

/*
 * One more. `join`: one that is being written will do. *number tells which one it is. Errors: UNAVAILABLE (none is written any
 * more).
 */
enum sabir_error snapshots_ask(struct snapshots *all, bool join, uint64_t *number);
bool snapshots_is_over(struct snapshots *all, uint64_t number);
/*
 * What has become of it; of one that has been over for long, what has become of a later one. Errors: WOULD_BLOCK (it is not
 * over).
 */
enum sabir_error snapshots_report(struct snapshots *all, uint64_t number, struct snapshot_report *report);

/* For the thread that writes: until one is asked for, or the time has come; it has begun then. False: closed. */
bool snapshots_await(struct snapshots *all, uint64_t until_ns);
void snapshots_done(struct snapshots *all, const struct snapshot_report *report);
/* No more of them; whoever is in snapshots_await comes back. */
void snapshots_close(struct snapshots *all);

#endif
