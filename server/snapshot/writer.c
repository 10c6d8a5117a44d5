/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a snapshot file.
 *
 *   .NAME.tmp, new and empty ──frames──► complete ──fsync──► on the disk ──rename──► NAME ──fsync of the folder──► kept
 *
 * Who dies in front of the rename leaves a temporary file, which the folder's next user removes.
 */
#include "server/snapshot/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/snapshot/snapshot.h"
#include "server/base/fault.h"
#include "server/base/wire.h"
#include "server/snapshot/folder.h"

#define BUFFER_BYTES (1u << 20)

/* ---------------------------------------------------------------- hashes */

static uint8_t *put32(uint8_t *to, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		*to++ = (uint8_t)(v >> 8 * i);
	return to;
}

uint64_t frame_hash(uint64_t id, uint64_t number, uint32_t type, struct span message)
{
	uint8_t place[24], *to = wire_put_fixed64(wire_put_fixed64(place, id), number);
	(void)put32(put32(to, (uint32_t)message.len), type);
	return XXH3_64bits_withSeed(message.data, message.len, XXH3_64bits(place, sizeof(place)));
}

void file_head(uint64_t id, uint8_t *to)
{
	memcpy(to, SNAPSHOT_MAGIC, 8);
	uint8_t *behind = wire_put_fixed64(put32(put32(to + 8, SNAPSHOT_VERSION), 0), id);
	(void)wire_put_fixed64(behind, XXH3_64bits(to, 24));
}

/* ---------------------------------------------------------------- the file */

static enum sabir_error failed(struct writer *w, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
	snprintf(w->detail, sizeof(w->detail), "can't %s: %s", what, strerror(errno));
	return full ? SABIR_DISK_FULL : SABIR_IO_ERROR;
}

static enum sabir_error write_all(struct writer *w, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = write(w->fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(w, "write the temporary file");
		FAULT("snapshot_write.written");
		data += n;
		len -= (size_t)n;
		w->n_bytes += (uint64_t)n;
	}
	return SABIR_OK;
}

static enum sabir_error flush(struct writer *w)
{
	size_t len = w->n_buffered;
	w->n_buffered = 0;
	return write_all(w, w->buffer, len);
}

static enum sabir_error add(struct writer *w, const void *data, size_t len)
{
	enum sabir_error error = SABIR_OK;
	if (len > BUFFER_BYTES - w->n_buffered)
		error = flush(w);
	if (error || len > BUFFER_BYTES)
		return error ? error : write_all(w, data, len);
	if (len)
		memcpy(w->buffer + w->n_buffered, data, len);
	w->n_buffered += len;
	return SABIR_OK;
}

enum sabir_error writer_open(struct writer *w, int folder_fd, uint64_t number)
{
	char name[FOLDER_NAME_SIZE];
	uint8_t head[SNAPSHOT_HEAD];
	*w = (struct writer){ .folder_fd = folder_fd, .fd = -1, .number = number, .detail = "" };
	w->buffer = malloc(BUFFER_BYTES);
	if (!w->buffer)
		return SABIR_NO_MEMORY;
	if (getrandom(&w->id, sizeof(w->id), 0) != sizeof(w->id))
		return failed(w, "get random bytes");
	folder_temporary_name(number, name);
	w->fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return failed(w, "make a temporary file");
	FAULT("snapshot_write.opened");
	file_head(w->id, head);
	return add(w, head, sizeof(head));
}

enum sabir_error writer_frame(struct writer *w, uint32_t type, struct span message)
{
	uint8_t head[SNAPSHOT_FRAME_HEAD];
	if (message.len > UINT32_MAX) {
		snprintf(w->detail, sizeof(w->detail), "an item is larger than a frame of the file can be");
		return SABIR_TOO_LARGE;
	}
	uint8_t *to = put32(put32(head, (uint32_t)message.len), type);
	(void)wire_put_fixed64(to, frame_hash(w->id, w->n_frames, type, message));
	enum sabir_error error = add(w, head, sizeof(head));
	if (!error)
		error = add(w, message.data, message.len);
	w->n_frames++;
	FAULT("snapshot_write.framed");
	return error;
}

enum sabir_error writer_commit(struct writer *w)
{
	char temporary[FOLDER_NAME_SIZE], name[FOLDER_NAME_SIZE];
	folder_temporary_name(w->number, temporary);
	folder_name(w->number, name);
	enum sabir_error error = flush(w);
	if (error)
		return error;
	FAULT("snapshot_write.complete");
	if (fsync(w->fd))
		return failed(w, "bring the file to the disk");
	FAULT("snapshot_write.synced");
	/* Some file systems tell of a lack of room only here. */
	int fd = w->fd;
	w->fd = -1;
	if (close(fd)) {
		error = failed(w, "close the file");
		(void)unlinkat(w->folder_fd, temporary, 0);
		return error;
	}
	if (renameat(w->folder_fd, temporary, w->folder_fd, name)) {
		error = failed(w, "give the file its name");
		(void)unlinkat(w->folder_fd, temporary, 0);
		return error;
	}
	FAULT("snapshot_write.renamed");
	return fsync(w->folder_fd) ? failed(w, "bring the folder to the disk") : SABIR_OK;
}

void writer_close(struct writer *w)
{
	char name[FOLDER_NAME_SIZE];
	if (w->fd >= 0) {
		close(w->fd);
		folder_temporary_name(w->number, name);
		(void)unlinkat(w->folder_fd, name, 0);
	}
	w->fd = -1;
	free(w->buffer);
	w->buffer = NULL;
}
