/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes back from gRPC: messages, and the errors of calls that failed.
 */
#include <grpc/byte_buffer_reader.h>

#include "bindings/c/remote.h"
#include "bindings/c/status.h"

static struct span span_of(const grpc_slice *slice)
{
	return (struct span){ GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice) };
}

enum sabir_error remote_failure(grpc_status_code code, const grpc_metadata_array *trailing, const grpc_slice *message)
{
	struct span details = { NULL, 0 };
	for (size_t i = 0; i < trailing->count; i++)
		if (grpc_slice_str_cmp(trailing->metadata[i].key, "grpc-status-details-bin") == 0)
			details = span_of(&trailing->metadata[i].value);
	return status_read((int)code, details, span_of(message));
}

enum sabir_error remote_message(grpc_byte_buffer *buffer, struct bytes *out)
{
	grpc_byte_buffer_reader reader;
	grpc_slice *slice;
	size_t len = buffer ? grpc_byte_buffer_length(buffer) : 0;
	uint8_t *at = bytes_reserve(out, len);
	if (!at)
		return fail(SABIR_NO_MEMORY, "a message of %zu bytes", len);
	if (len && grpc_byte_buffer_reader_init(&reader, buffer)) {
		while (grpc_byte_buffer_reader_peek(&reader, &slice)) {
			memcpy(at, GRPC_SLICE_START_PTR(*slice), GRPC_SLICE_LENGTH(*slice));
			at += GRPC_SLICE_LENGTH(*slice);
		}
		grpc_byte_buffer_reader_destroy(&reader);
	}
	bytes_commit(out, len);
	return SABIR_OK;
}
