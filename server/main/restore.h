/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_RESTORE_H
#define SABIR_MAIN_RESTORE_H

#include "server/shm/lane.h"
#include "server/snapshot/folder.h"

/*
 * Restores what --restore names into a memory that was made just now: "newest" (of the folder's snapshots the newest that is
 * whole; nothing, if there is none at all; folder NULL: nothing), "none", or a path. A snapshot that is damaged is logged
 * and passed over; behind one that was restored it gets another name. `detail` gets what ends the start.
 *
 * Errors: DATA_LOSS (there are snapshots, and none is whole), those of snapshot_load.
 */
enum sabir_error restore(struct lane *lane, const struct folder *folder, const char *what, char *detail, size_t size);

#endif
