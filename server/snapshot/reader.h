/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_READER_H
#define SABIR_SNAPSHOT_READER_H

#include "server/snapshot/record.h"

/*
 * A snapshot file as it is read, one frame after the other, each checked. What comes from a file is never believed: a length
 * beyond the file's end, an unknown type and a wrong hash end the reading.
 */
struct reader {
	int fd;             /* owned; -1: */
	struct span memory; /* the bytes, borrowed */
	uint64_t size;
	uint64_t at;     /* of the next frame */
	uint64_t number; /* of the next frame */
	uint64_t id;
	uint8_t *buffer;
	size_t cap;
	char detail[256]; /* what is wrong with it, and where */
};

struct frame {
	uint32_t type;
	struct span message; /* until the next is read */
	uint64_t at, number; /* where it stands */
};

/*
 * Errors of all: DATA_LOSS (this is no snapshot, or it is torn or damaged), LAYOUT_MISMATCH (a newer sabird wrote it),
 * IO_ERROR (the file can't be read), NO_MEMORY; `detail` says more. Takes the descriptor, also on failure.
 */
enum sabir_error reader_open(struct reader *r, int fd);
enum sabir_error reader_open_memory(struct reader *r, struct span bytes);
enum sabir_error reader_next(struct reader *r, struct frame *frame);
/* The next frame is this one, which was read before. */
void reader_seek(struct reader *r, uint64_t at, uint64_t number);
void reader_close(struct reader *r);
/* Writes what is wrong with the file at the last frame, and returns DATA_LOSS. */
enum sabir_error reader_damaged(struct reader *r, const char *what);

#endif
