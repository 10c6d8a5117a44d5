/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_SEGMENT_H
#define SABIR_SHM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/segment/layout.h"
#include "server/base/error.h"

/*
 * A process's view of the segment. The header's geometry is validated once, at mapping, and copied here: nothing below
 * reads it from shared memory again.
 */
struct segment {
	uint8_t *base;
	size_t size;
	int fd;      /* the memfd; owned */
	int bell_fd; /* eventfd that rings the server, or -1; owned */
	struct seg_header *header;
	struct seg_owner *owners;
	struct seg_session *sessions; /* [n_owners] */
	struct seg_lane *lanes;
	struct seg_object *objects;
	struct seg_chunk *chunks;
	uint64_t *hints;
	uint64_t *ready;
	uint32_t n_owners, n_lanes, n_objects, n_chunks;
	uint32_t n_hint_words; /* u64s in one class's hints */
	uint64_t data_off;
	uint8_t *data;     /* at data_off: the blocks */
	uint64_t data_len; /* a chunk at least */
	uint64_t max_item_bytes;
	uint64_t hash_seed;
	uint64_t instance;   /* random for each segment */
	bool light_pins;     /* this process pins epochs with plain stores */
	uint64_t *given;     /* [n_owners], of a server: the words of those that are given out; else NULL */
	uint64_t epoch_seen; /* that this process has got last; 0 = none */
	uint32_t bell_at;    /* of a server: the object at which its walk through the ready set goes on */
};

struct segment_options {
	uint64_t memory_limit; /* bytes for objects; rounded up to whole chunks */
	uint32_t n_owners;
	uint32_t n_lanes;
	uint32_t n_objects;
	uint64_t max_item_bytes;
};

/* Makes a sealed memfd with an empty segment and maps it; also makes bell_fd. Errors: RESOURCE_EXHAUSTED, INVALID_ARGUMENT. */
enum sabir_error segment_create(const struct segment_options *options, struct segment *seg);
/* Whether segment_map could map it. Errors: LAYOUT_MISMATCH. */
enum sabir_error segment_check(int fd);
/* Maps another server's segment; takes both descriptors also on failure. Errors: LAYOUT_MISMATCH, RESOURCE_EXHAUSTED. */
enum sabir_error segment_map(int fd, int bell_fd, struct segment *seg);
void segment_unmap(struct segment *seg);

/*
 * A block by its ref, or NULL if `len` bytes from it are not inside the data area: every ref that was read from shared
 * memory goes through here.
 */
static inline void *segment_at(const struct segment *seg, uint32_t ref, size_t len)
{
	/* Of a ref in front of the data area it is larger than any length. */
	uint64_t at = ((uint64_t)ref << SEG_REF_SHIFT) - seg->data_off;
	bool short_enough = __builtin_constant_p(len) && len <= SEG_CHUNK_SIZE;
	if ((!short_enough && len > seg->data_len) || at > seg->data_len - len)
		return NULL;
	uint8_t *block = seg->data + at;
	if (!block)
		__builtin_unreachable(); /* callers' tests need not be made again */
	return block;
}

static inline uint32_t segment_ref(const struct segment *seg, const void *p)
{
	return (uint32_t)((uint64_t)((const uint8_t *)p - seg->base) >> SEG_REF_SHIFT);
}

#endif
