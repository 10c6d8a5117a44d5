/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_RECORD_H
#define SABIR_SNAPSHOT_RECORD_H

#include <stdbool.h>

#include "server/base/bytes.h"

/* The messages of proto/snapshot/snapshot.proto, read and written; the fields are told there. Spans lie in what was read. */
struct record_begin {
	uint64_t time_unix_ns;
	struct span writer;
};

struct record_object {
	uint64_t id;
	uint32_t kind;
	struct span name;
	uint64_t order;
	uint64_t create_unix_ns, expire_unix_ns;
	uint64_t part_of;
	uint32_t part;
	uint32_t type_code;
	uint64_t length;
	uint64_t max_items, max_item_bytes;
	uint32_t flags;
	uint64_t over;
	bool one_way;
	uint32_t discipline;
	bool joinable;
	uint32_t max_attempts;
	uint64_t dedup_window_ns, item_ttl_ns;
	struct span dead_letter;
	bool closed, paused;
	uint64_t unfinished, next_ordinal, last_lease;
	uint64_t token;
	uint32_t abandoned;
	uint64_t value;
	uint64_t cycle;
	bool broken;
	uint32_t closed_ends;
	bool set;
	uint64_t bits;
};

struct record_entry {
	struct span value, key;
	uint64_t ends_unix_ns;
	uint32_t room;
	int64_t priority;
	uint64_t ordinal, due_unix_ns, origin;
	uint32_t attempts, state;
	struct span id;
};

struct record_content {
	struct span entries; /* the message: record_next_entry goes through it */
	struct span raw;
	uint64_t offset;
};

struct record_end {
	uint64_t objects, frames;
};

/* A message that grows. All-zero is an empty one. */
struct message {
	uint8_t *data;
	size_t len, cap;
	bool failed; /* the process is out of memory; what was added since is lost */
};
void message_fini(struct message *m);

void record_put_begin(struct message *m, const struct record_begin *begin);
void record_put_object(struct message *m, const struct record_object *object);
void record_put_end(struct message *m, const struct record_end *end);
/* Adds an entry to a Content. */
void record_put_entry(struct message *m, const struct record_entry *entry);
void record_put_raw(struct message *m, struct span raw, uint64_t offset);

/* False: the bytes are no such message. Fields that are not known are passed over; of one that comes twice the last counts. */
bool record_get_begin(struct span from, struct record_begin *begin);
bool record_get_object(struct span from, struct record_object *object);
bool record_get_content(struct span from, struct record_content *content);
bool record_get_end(struct span from, struct record_end *end);
/* Takes the next entry off the content; *entry is it, or *done. False: damaged. */
bool record_next_entry(struct record_content *content, struct record_entry *entry, bool *done);

#endif
