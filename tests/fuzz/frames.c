/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's frames: whatever comes is decoded or refused, and what was decoded is encoded to the same message.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/attach/attach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char detail[ATTACH_DETAIL_SIZE];
	struct attach_message message, again;
	uint8_t frame[ATTACH_MAX_FRAME], second[ATTACH_MAX_FRAME];
	size_t len, second_len;

	memset(&message, 0, sizeof(message));
	memset(&again, 0, sizeof(again));
	if (attach_decode(data, size, detail, &message))
		return 0;
	if (attach_encode(&message, frame, &len) || attach_decode(frame, len, detail, &again) ||
	    attach_encode(&again, second, &second_len))
		abort();
	if (len != second_len || memcmp(frame, second, len))
		abort();
	return 0;
}
