/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_LOAD_H
#define SABIR_SNAPSHOT_LOAD_H

#include "server/objects/object.h"
#include "server/snapshot/reader.h"

/*
 * Reads a snapshot into a memory in which there is nothing yet, and which nobody uses. The whole file is checked before
 * anything is made of it.
 *
 * Objects have other handles than before; references lead to the same objects, and those that led nowhere lead to an object
 * that is deleted. What time has ended meanwhile is not there any more. Tokens of locks and leases go on far above what
 * they were: by more than could have been given out since.
 *
 * An object that makes no sense in a file that is whole was damaged when it was saved, by a faulty program and without
 * anybody's noticing. It is left out, as it would have been then, and the others are not lost with it; but for conditions over
 * its lock, which could do nothing any more.
 */
struct load_result {
	uint64_t n_objects;    /* that were made */
	uint64_t n_damaged;    /* that make no sense, and are left out */
	uint64_t n_lockless;   /* conditions whose lock is left out or not in the file: they are left out too */
	uint64_t time_unix_ns; /* when the snapshot was begun */
	uint64_t n_bytes;
	char detail[320];   /* what went wrong */
	char damaged[320];  /* what of the first that was left out */
	char lockless[264]; /* the name of the first of those */
};

struct load_options {
	struct lane *lane; /* it acts for nobody */
	struct reader *reader;
	/* Not NULL: is called now and then. */
	void (*progress)(void *context, const struct load_result *so_far);
	void *context;
};

/*
 * Errors: those of reader_open; RESOURCE_EXHAUSTED, TOO_MANY_OWNERS (the memory or the table of objects is too small),
 * TOO_LARGE (an item is larger than max-item-bytes is now), and what else a create or put may answer that is no matter of the
 * object alone. *begun: something has been made of it, and the memory is of no use any more.
 */
enum sabir_error snapshot_load(const struct load_options *options, struct load_result *result, bool *begun);
/* Only the check. */
enum sabir_error snapshot_check(struct reader *reader, struct load_result *result);

#endif
