/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's frames: whatever comes is decoded or refused, and what was decoded is encoded to the same
 * message. What comes by a socket is the same, frame by frame.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/attach/attach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All of it as one stream; the writer is gone behind it. */
static void receive(const uint8_t *data, size_t size)
{
	char detail[ATTACH_DETAIL_SIZE];
	struct attach_reader reader;
	struct attach_message message;
	enum sabir_error error;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends))
		abort();
	if (size && write(ends[0], data, size) != (ssize_t)size)
		abort();
	close(ends[0]);
	attach_reader_init(&reader);
	do
		error = attach_receive(ends[1], &reader, detail, &message);
	while (!error);
	if (error == SABIR_EMPTY)
		abort();
	attach_reader_fini(&reader);
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char detail[ATTACH_DETAIL_SIZE];
	struct attach_message message, again;
	uint8_t frame[ATTACH_MAX_FRAME], second[ATTACH_MAX_FRAME];
	size_t len, second_len;

	receive(data, size);
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
