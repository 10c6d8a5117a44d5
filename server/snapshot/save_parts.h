/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_SAVE_PARTS_H
#define SABIR_SNAPSHOT_SAVE_PARTS_H

#include "server/objects/keep.h"
#include "server/snapshot/record.h"
#include "server/snapshot/save.h"
#include "server/snapshot/times.h"
#include "server/snapshot/writer.h"

/* What the files of saving share. */

#define N_RANKS 5u /* the order in which objects are read */

struct handles {
	uint64_t *at;
	size_t n, cap;
	size_t next; /* to be saved */
};

struct save {
	const struct save_options *options;
	struct lane *lane;
	struct save_result *result;
	struct writer writer;
	struct times times;
	struct message object, content;
	struct handles todo[N_RANKS];
	uint64_t *seen;  /* by index: the handle that was saved or is in `todo` */
	uint64_t *order; /* by index: where it stands among the names, 0: it has none */
	bool failed;     /* the process is out of memory */
};

/* The object is to be in the snapshot too. */
void save_want(struct save *s, uint64_t handle);
/* Writes the record, which has everything but what its kind adds. */
enum sabir_error save_object(struct save *s, const struct record_object *object);
/* Adds to the content of the object that was written last. */
enum sabir_error save_entry(struct save *s, const struct record_entry *entry);
enum sabir_error save_raw(struct save *s, struct span raw, uint64_t offset);

/* Of one kind: fills in the record, writes it, and the content. Errors: as those of snapshot_save and of operations. */
enum sabir_error save_kind(struct save *s, uint64_t handle, struct record_object *object);

#endif
