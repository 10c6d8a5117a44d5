/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_SAVE_H
#define SABIR_SNAPSHOT_SAVE_H

#include "server/objects/object.h"

/*
 * Writes a snapshot of all objects that have a name, of what they refer to, and of nothing else: what lives by a holder or
 * ends with an owner does not outlive them. Others use the objects meanwhile.
 *
 * Each object is as it was at one moment between the begin and the end; so is a list, dict, queue or array up to 1 GiB. They
 * are read one after the other: first queues (those with a dead-letter queue in front of the others) and pipes, then what
 * holds data, then what is waited for, locks last. So what somebody takes out of a queue and puts into anything else but a
 * queue or pipe is in one of the two at least, unless he has it in his hands all the time; and a lock's token is no lower than one
 * that he stored in an object while he had it.
 */
struct save_result {
	uint64_t number;    /* of the snapshot */
	uint64_t n_objects; /* in it */
	uint64_t n_damaged; /* objects that are damaged, and not in it */
	uint64_t damaged;   /* handle of one of those */
	uint64_t n_bytes;
	char detail[320]; /* what went wrong */
};

struct save_options {
	struct lane *lane; /* with a patience for locks; it acts for nobody */
	int folder_fd;
	uint64_t number;
	const uint32_t *stop; /* not NULL: it ends soon once *stop is not 0 */
	/* Not NULL: is called now and then. */
	void (*progress)(void *context, const struct save_result *so_far);
	void *context;
};

/*
 * Errors: DISK_FULL, IO_ERROR (of the file), BUSY (somebody has the lock of an
 * object and has not gone on for SAVE_PATIENCE), TOO_LARGE (KEEP_MOST), NO_MEMORY, CANCELLED. Then no file is left.
 */
#define SAVE_PATIENCE (10 * 1000000000ull)
enum sabir_error snapshot_save(const struct save_options *options, struct save_result *result);

#endif
