/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.BlockService.
 */
#include <inttypes.h>

#include "server/objects/memory.h"
#include "server/ops/call.h"

/* What of a response is not its bytes. */
#define RESPONSE_REST 64u

static const struct request_field size_fields[] = {
	REQUIRED(1, REF, ref, "block"),
	FIELDS_END,
};
static const struct request_field read_fields[] = {
	REQUIRED(1, REF, ref, "block"),
	FIELD(2, U64, start, "offset"),
	FIELD(3, U64, count, "count"),
	FIELDS_END,
};
static const struct request_field write_fields[] = {
	REQUIRED(1, REF, ref, "block"),
	FIELD(2, U64, start, "offset"),
	FIELD(3, BYTES, data, "data"),
	FIELDS_END,
};

static enum sabir_error explain_range(struct op_call *c, enum sabir_error error, uint64_t len)
{
	uint64_t size;

	if (error != SABIR_OUT_OF_RANGE || memory_size(c->lane, c->handle, &size))
		return error;
	return op_fail_object(c, error, ": %" PRIu64 " bytes from %" PRIu64 " on, it has %" PRIu64, len,
			      c->request.start, size);
}

static enum sabir_error block_service_size(struct op_call *c)
{
	uint64_t size;
	enum sabir_error error = memory_size(c->lane, c->handle, &size);

	if (!error)
		respond_number(c->response, 1, size);
	return error;
}

static enum sabir_error block_service_read(struct op_call *c)
{
	uint64_t size, start = c->request.start, len = c->request.count;
	uint64_t limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	enum sabir_error error = memory_size(c->lane, c->handle, &size);

	if (error)
		return error;
	if (!len && start <= size)
		len = size - start;
	/* What is past the end is that first, however much it is. */
	if (len > limit && start <= size && len <= size - start)
		return op_fail_object(c, SABIR_TOO_LARGE, ": %" PRIu64 " bytes, limit %" PRIu64, len, limit);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return explain_range(c, memory_read(c->lane, c->handle, start, len, c->response), len);
}

static enum sabir_error block_service_write(struct op_call *c)
{
	struct span data = c->request.data;

	return explain_range(c, memory_write(c->lane, c->handle, c->request.start, data), data.len);
}

static const struct op ops[] = {
	OP_READS(BlockService, Size, "block", block_service_size, size_fields),
	OP_READS(BlockService, Read, "block", block_service_read, read_fields),
	OP(BlockService, Write, "block", block_service_write, write_fields),
};

const struct op_service block_service = { ops, sizeof(ops) / sizeof(ops[0]) };
