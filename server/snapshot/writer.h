/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SNAPSHOT_WRITER_H
#define SABIR_SNAPSHOT_WRITER_H

#include "server/snapshot/record.h"

/*
 * A snapshot file on its way: a temporary file in its folder, which becomes the snapshot in one step when all of it is on
 * the disk. Until then, and whatever fails or dies, the folder's snapshots stay as they are.
 */
struct writer {
	int folder_fd; /* borrowed */
	int fd;
	uint64_t number; /* of the snapshot */
	uint64_t id;
	uint64_t n_frames;
	uint64_t n_bytes;
	uint8_t *buffer;
	size_t n_buffered;
	char detail[256]; /* what went wrong */
};

/* Errors of all: DISK_FULL (or a quota or limit is reached), IO_ERROR, NO_MEMORY; `detail` says more. */
enum sabir_error writer_open(struct writer *w, int folder_fd, uint64_t number);
enum sabir_error writer_frame(struct writer *w, uint32_t type, struct span message);
/* Everything is on the disk and the file has its name. */
enum sabir_error writer_commit(struct writer *w);
/* Removes the temporary file, unless it has been committed. */
void writer_close(struct writer *w);

/* For writer, reader and tests: the hash of a frame. */
uint64_t frame_hash(uint64_t id, uint64_t number, uint32_t type, struct span message);
/* The 32 bytes that a file begins with. */
void file_head(uint64_t id, uint8_t *to);

#endif
