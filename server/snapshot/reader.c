/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the frames of a snapshot file; see proto/snapshot/snapshot.h. */
#include "server/snapshot/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/snapshot/snapshot.h"
#include "server/base/wire.h"
#include "server/snapshot/writer.h"

enum sabir_error reader_damaged(struct reader *r, const char *what)
{
	snprintf(r->detail, sizeof(r->detail), "%s (frame %llu, byte %llu of %llu)", what,
		 (unsigned long long)r->number, (unsigned long long)r->at, (unsigned long long)r->size);
	return SABIR_DATA_LOSS;
}

static enum sabir_error read_at(struct reader *r, uint64_t at, void *to, size_t len)
{
	uint8_t *p = to;
	if (at > r->size || len > r->size - at)
		return reader_damaged(r, "the file is cut short");
	if (r->fd < 0) {
		if (len)
			memcpy(to, r->memory.data + at, len);
		return SABIR_OK;
	}
	while (len) {
		ssize_t n = pread(r->fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			snprintf(r->detail, sizeof(r->detail), "can't read the file: %s", strerror(errno));
			return SABIR_IO_ERROR;
		}
		if (n == 0)
			return reader_damaged(r, "the file is cut short");
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return SABIR_OK;
}

static uint64_t number_at(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	(void)wire_fixed(&p, p + n, n, &v);
	return v;
}

static enum sabir_error read_head(struct reader *r)
{
	uint8_t head[SNAPSHOT_HEAD], right[SNAPSHOT_HEAD];
	enum sabir_error error = read_at(r, 0, head, sizeof(head));
	if (error)
		return error;
	if (memcmp(head, SNAPSHOT_MAGIC, 8))
		return reader_damaged(r, "this is no snapshot of sabird");
	uint64_t version = number_at(head + 8, 4);
	if (version > SNAPSHOT_VERSION) {
		snprintf(r->detail, sizeof(r->detail), "a newer sabird wrote it: format %llu, this one reads up to %u",
			 (unsigned long long)version, SNAPSHOT_VERSION);
		return SABIR_LAYOUT_MISMATCH;
	}
	r->id = number_at(head + 16, 8);
	file_head(r->id, right);
	if (memcmp(head, right, sizeof(head)))
		return reader_damaged(r, "the checksum of the file's head is wrong");
	r->at = SNAPSHOT_HEAD;
	return SABIR_OK;
}

enum sabir_error reader_open(struct reader *r, int fd)
{
	struct stat st;
	*r = (struct reader){ .fd = fd };
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		snprintf(r->detail, sizeof(r->detail), "this is no file");
		return SABIR_IO_ERROR;
	}
	r->size = (uint64_t)st.st_size;
	return read_head(r);
}

enum sabir_error reader_open_memory(struct reader *r, struct span bytes)
{
	*r = (struct reader){ .fd = -1, .memory = bytes, .size = bytes.len };
	return read_head(r);
}

/* Also for a message without bytes, which is to be somewhere. */
static enum sabir_error make_room(struct reader *r, size_t len)
{
	if (len < r->cap)
		return SABIR_OK;
	uint8_t *more = realloc(r->buffer, len + 1);
	if (!more)
		return SABIR_NO_MEMORY;
	r->buffer = more;
	r->cap = len + 1;
	return SABIR_OK;
}

enum sabir_error reader_next(struct reader *r, struct frame *frame)
{
	uint8_t head[SNAPSHOT_FRAME_HEAD];
	enum sabir_error error = read_at(r, r->at, head, sizeof(head));
	if (error)
		return error;
	uint32_t len = (uint32_t)number_at(head, 4), type = (uint32_t)number_at(head + 4, 4);
	/* Before memory is asked for. */
	if (len > r->size - r->at - sizeof(head))
		return reader_damaged(r, "the file is cut short");
	error = make_room(r, len);
	if (!error)
		error = read_at(r, r->at + sizeof(head), r->buffer, len);
	if (error)
		return error;
	struct span message = { r->buffer, len };
	if (frame_hash(r->id, r->number, type, message) != number_at(head + 8, 8))
		return reader_damaged(r, "a checksum is wrong");
	*frame = (struct frame){ type, message, r->at, r->number };
	r->at += sizeof(head) + len;
	r->number++;
	return SABIR_OK;
}

void reader_seek(struct reader *r, uint64_t at, uint64_t number)
{
	r->at = at;
	r->number = number;
}

void reader_close(struct reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	free(r->buffer);
	r->buffer = NULL;
	r->cap = 0;
}
