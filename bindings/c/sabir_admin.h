/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: what operators ask of the server. Part of <sabir.h>, which says what holds for all functions.
 */
#ifndef SABIR_ADMIN_H
#define SABIR_ADMIN_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A snapshot that was written. */
struct sabir_snapshot_info {
	char file[64]; /* its name in the folder of the server's snapshots; NUL-terminated */
	uint64_t n_objects;
	uint64_t n_damaged; /* objects that are damaged and not in it */
	uint64_t size_bytes;
	uint64_t write_ns;   /* how long it took */
	int64_t end_time_ns; /* when it was there, since 1970, by the server's clock */
};

/*
 * Has the server write a snapshot of its objects, and waits until it is on the disk, timeout_ns at most; it is written all the
 * same when the time is over, or the thread's token (sabir_cancel.h) ends the wait. What was done before the call is in it. snapshot
 * may be NULL.
 *
 * Who may: over gRPC see sabird's admin-sessions; with a local connection root and the server's user. Errors:
 * PERMISSION_DENIED, NOT_CONFIGURED (the server has no folder for snapshots), WOULD_BLOCK (the time is over), CANCELLED;
 * and none was written: DISK_FULL, IO_ERROR (the file can't be written), UNAVAILABLE (the server ends), BUSY
 * (a program has an object's lock and does not go on), TOO_LARGE (an object is), NO_MEMORY.
 */
enum sabir_error sabir_snapshot(sabir_conn *conn, uint64_t timeout_ns, struct sabir_snapshot_info *snapshot);

#ifdef __cplusplus
}
#endif

#endif
