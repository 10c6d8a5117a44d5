/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_LOAD_PARTS_H
#define SABIR_SNAPSHOT_LOAD_PARTS_H

#include "server/objects/keep.h"
#include "server/snapshot/load.h"
#include "server/snapshot/times.h"

/* What the files of loading share. */

/* An object of the file. Its name and its dead-letter queue's stand in `texts`, behind each other. */
struct loaded {
	struct record_object record;
	uint64_t content_at, content_number; /* the frame behind its own */
	uint64_t handle;                     /* 0: it was not made (yet), or is left out */
	bool left_out;                       /* it, or what it is a part of, makes no sense */
	uint8_t *texts;
};

/* Those of a queue's tasks and of its ids, each of which may come once. */
struct ordinals {
	uint64_t *of;
	size_t n, cap;
	uint64_t end;    /* all are below */
	uint64_t id_end; /* so are those of ids so far */
};

/* Numbers that count up: none comes so far. What a file has beyond would leave no room to count on. */
#define LOAD_COUNT_MAX (1ull << 60)

struct load {
	const struct load_options *options;
	struct lane *lane;
	struct reader *reader;
	struct load_result *result;
	struct times times;
	struct loaded *objects; /* in the order of the file */
	size_t n, cap;
	size_t *by_id; /* indexes of objects, by their ids */
	uint64_t gone; /* handle of an object that is deleted */
	uint64_t jump; /* of tokens */
	struct ordinals ordinals;
};

struct loaded *load_find(const struct load *l, uint64_t id);
/* For value_translate: the handle of an id. `context` is the load. */
uint64_t load_handle(void *context, uint64_t id);
/* The next frame with content of the object, or *done. */
enum sabir_error load_content(struct load *l, struct record_content *content, bool *done);

/* Says what of the object makes no sense, and returns INVALID_VALUE. */
enum sabir_error load_senseless(struct load *l, const char *what);

/* Forgets those of the last queue. */
void ordinals_begin(struct load *l, uint64_t end);
/* Errors: INVALID_VALUE, NO_MEMORY. */
enum sabir_error ordinals_add(struct load *l, uint64_t ordinal, bool of_id);
/* Errors: INVALID_VALUE (one has come twice). */
enum sabir_error ordinals_check(struct load *l);

/* Makes the object, empty. Errors: NOT_FOUND (what it needs is not there (yet)). */
enum sabir_error load_make(struct load *l, struct loaded *object);
/* Fills it. */
enum sabir_error load_fill(struct load *l, struct loaded *object);

#endif
