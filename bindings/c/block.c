/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The block's functions: locally the object's own, remotely the operation's request, in pieces that every server takes.
 */
#include "bindings/c/request.h"
#include "server/objects/memory.h"

#define PIECE                                                                                                          \
	(UINT64_C(1) << 20) /* bytes of one remote call: a multiple of a word, within the smallest limit of messages */

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_block_create(sabir_conn *conn, const char *name, uint64_t size, unsigned flags,
				    sabir_block **block)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_BLOCK, .length = size };
	return handle_create(conn, name, &spec, flags, block);
}

enum sabir_error sabir_block_open(sabir_conn *conn, const char *name, sabir_block **block)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_BLOCK, block) : FAIL_NULL();
}

enum sabir_error sabir_block_open_handle(sabir_conn *conn, uint64_t handle, sabir_block **block)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_BLOCK, block);
}

void sabir_block_free(sabir_block *block)
{
	handle_free((struct handle *)block);
}

uint64_t sabir_block_handle(const sabir_block *block)
{
	return block->h.id;
}

/* ---------------------------------------------------------------- bytes */

enum sabir_error sabir_block_size(sabir_block *block, uint64_t *size)
{
	struct bytes out = { 0 };
	struct request r;
	struct lane *lane;

	if (!block || !size)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(block->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&block->h, memory_size(lane, block->h.id, size));
	request_init(&r, 16);
	request_object(&r, block->h.id);
	error = conn_call(block->h.conn, METHOD_BLOCK_SIZE, &r, 0, &out);
	if (!error)
		*size = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

/* Whether the range is inside: asked before its first piece, and where there is none. */
static enum sabir_error check_range(sabir_block *block, uint64_t offset, size_t len)
{
	uint64_t size;
	enum sabir_error error = sabir_block_size(block, &size);
	if (!error && (offset > size || len > size - offset))
		error = fail_object(&block->h, SABIR_OUT_OF_RANGE);
	return error;
}

static size_t piece_of(uint64_t offset, size_t len)
{
	/* The first one ends at a word, so that no piece divides one. */
	uint64_t piece = PIECE - offset % 8;
	return len < piece ? len : (size_t)piece;
}

static enum sabir_error read_piece(const struct handle *h, uint64_t offset, size_t len, void *data)
{
	struct bytes out = { 0 };
	struct wire_field f;
	struct request r;

	request_init(&r, 64);
	request_object(&r, h->id);
	request_varint(&r, 2, offset);
	request_varint(&r, 3, len);
	enum sabir_error error = conn_call(h->conn, METHOD_BLOCK_READ, &r, 0, &out);
	if (!error) {
		if (response_find(bytes_item(&out, 0), 1, &f) && f.type == WIRE_LEN && f.bytes.len == len)
			memcpy(data, f.bytes.data, len);
		else
			error = fail(SABIR_INTERNAL, "not the %zu bytes that were asked for", len);
	}
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_block_read(sabir_block *block, uint64_t offset, size_t len, void *data)
{
	struct lane *lane;

	if (!block || (!data && len))
		return FAIL_NULL();
	enum sabir_error error = conn_enter(block->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&block->h, memory_copy(lane, block->h.id, offset, len, data));
	if (len != piece_of(offset, len) || !len)
		error = check_range(block, offset, len);
	for (uint8_t *to = data; !error && len;) {
		size_t n = piece_of(offset, len);
		error = read_piece(&block->h, offset, n, to);
		to += n;
		offset += n;
		len -= n;
	}
	return error;
}

static enum sabir_error write_piece(const struct handle *h, uint64_t offset, size_t len, const void *data)
{
	struct bytes out = { 0 };
	struct request r;

	request_init(&r, 64 + len);
	request_object(&r, h->id);
	request_varint(&r, 2, offset);
	request_bytes(&r, 3, data, len);
	enum sabir_error error = conn_call(h->conn, METHOD_BLOCK_WRITE, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_block_write(sabir_block *block, uint64_t offset, size_t len, const void *data)
{
	struct lane *lane;

	if (!block || (!data && len))
		return FAIL_NULL();
	enum sabir_error error = conn_enter(block->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&block->h, memory_write(lane, block->h.id, offset, (struct span){ data, len }));
	if (len != piece_of(offset, len) || !len)
		error = check_range(block, offset, len);
	for (const uint8_t *from = data; !error && len;) {
		size_t n = piece_of(offset, len);
		error = write_piece(&block->h, offset, n, from);
		from += n;
		offset += n;
		len -= n;
	}
	return error;
}

enum sabir_error sabir_block_map(sabir_block *block, void **data, uint64_t *size)
{
	struct lane *lane;
	uint64_t n;

	if (!block || !data)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(block->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return fail(SABIR_UNIMPLEMENTED, "the memory is not mapped");
	error = memory_map(lane, block->h.id, data, &n);
	if (!error && size)
		*size = n;
	return object_result(&block->h, error);
}
