/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of the control socket's frames and their way through a socket.
 *
 * A reader is in one of two states: in the header (len < 8) or in the message. It asks the kernel for exactly what is
 * missing of the present frame, so that descriptors, which the kernel hands out with the bytes they were sent with,
 * can't be taken for the next frame's. Everything that a peer can send is looked at before it is used: the header's
 * fields before the message is awaited, lengths before they are added, descriptors counted and the surplus closed.
 */
#include "proto/attach/attach.h"

#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t magic[4] = { 'S', 'A', 'B', 'R' };

static const pb_msgdesc_t *message_fields(unsigned type)
{
	switch (type) {
	case ATTACH_HELLO:
		return attach_Hello_fields;
	case ATTACH_WELCOME:
		return attach_Welcome_fields;
	case ATTACH_REFUSED:
		return attach_Refused_fields;
	case ATTACH_GOODBYE:
		return attach_Goodbye_fields;
	case ATTACH_PING:
		return attach_Ping_fields;
	case ATTACH_PONG:
		return attach_Pong_fields;
	case ATTACH_LIST_OWNERS:
		return attach_ListOwners_fields;
	case ATTACH_OWNER_LIST:
		return attach_OwnerList_fields;
	case ATTACH_EVICT_OWNER:
		return attach_EvictOwner_fields;
	case ATTACH_EVICTED:
		return attach_Evicted_fields;
	case ATTACH_SNAPSHOT:
		return attach_Snapshot_fields;
	case ATTACH_SNAPSHOT_STATE:
		return attach_SnapshotState_fields;
	default:
		return NULL;
	}
}

struct attach_message attach_refusal(enum sabir_error error, const char *detail)
{
	struct attach_message message = { .type = ATTACH_REFUSED };
	message.refused.error = (uint32_t)error;
	snprintf(message.refused.detail, sizeof(message.refused.detail), "%s", detail);
	return message;
}

enum sabir_error attach_encode(const struct attach_message *message, uint8_t *frame, size_t *len)
{
	pb_ostream_t stream = pb_ostream_from_buffer(frame + ATTACH_HEADER_SIZE, ATTACH_MAX_MESSAGE);
	if (!pb_encode(&stream, message_fields(message->type), &message->hello))
		return SABIR_TOO_LARGE;
	memcpy(frame, magic, sizeof(magic));
	frame[4] = ATTACH_VERSION;
	frame[5] = (uint8_t)message->type;
	frame[6] = (uint8_t)stream.bytes_written;
	frame[7] = (uint8_t)(stream.bytes_written >> 8);
	*len = ATTACH_HEADER_SIZE + stream.bytes_written;
	return SABIR_OK;
}

static size_t message_len(const uint8_t *frame)
{
	return (size_t)frame[6] | (size_t)frame[7] << 8;
}

static enum sabir_error header_check(const uint8_t *frame, char *detail)
{
	if (memcmp(frame, magic, sizeof(magic))) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "this is no frame of Sabir's control socket");
		return SABIR_INVALID_ARGUMENT;
	}
	if (frame[4] != ATTACH_VERSION) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "protocol version %u; this side speaks %u", frame[4],
			 ATTACH_VERSION);
		return SABIR_UNIMPLEMENTED;
	}
	if (!message_fields(frame[5])) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "unknown frame type %u", frame[5]);
		return SABIR_INVALID_ARGUMENT;
	}
	if (message_len(frame) > ATTACH_MAX_MESSAGE) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "a message of %zu bytes; the limit is %u", message_len(frame),
			 ATTACH_MAX_MESSAGE);
		return SABIR_TOO_LARGE;
	}
	return SABIR_OK;
}

enum sabir_error attach_decode(const uint8_t *frame, size_t len, char *detail, struct attach_message *message)
{
	struct attach_message decoded = { 0 };
	if (len < ATTACH_HEADER_SIZE) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "a frame cut short after %zu bytes", len);
		return SABIR_INVALID_ARGUMENT;
	}
	enum sabir_error error = header_check(frame, detail);
	if (error)
		return error;
	if (len != ATTACH_HEADER_SIZE + message_len(frame)) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "a frame of %zu bytes where its header says %zu", len,
			 ATTACH_HEADER_SIZE + message_len(frame));
		return SABIR_INVALID_ARGUMENT;
	}
	pb_istream_t stream = pb_istream_from_buffer(frame + ATTACH_HEADER_SIZE, message_len(frame));
	if (!pb_decode(&stream, message_fields(frame[5]), &decoded.hello)) {
		snprintf(detail, ATTACH_DETAIL_SIZE, "the message of type %u doesn't decode: %s", frame[5],
			 PB_GET_ERROR(&stream));
		return SABIR_INVALID_ARGUMENT;
	}
	decoded.type = (enum attach_type)frame[5];
	*message = decoded;
	return SABIR_OK;
}

enum sabir_error attach_send(int socket, const struct attach_message *message, const int *fds, unsigned n_fds)
{
	uint8_t frame[ATTACH_MAX_FRAME];
	size_t len;
	enum sabir_error error = attach_encode(message, frame, &len);
	if (error)
		return error;
	union {
		char bytes[CMSG_SPACE(sizeof(int) * ATTACH_MAX_FDS)];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { .iov_base = frame, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	ssize_t n;
	do {
		n = sendmsg(socket, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	/*
	 * A frame is much smaller than a socket's buffer: one that doesn't go at once meets a peer that doesn't read.
	 */
	return n == (ssize_t)len ? SABIR_OK : SABIR_UNAVAILABLE;
}

void attach_reader_init(struct attach_reader *reader)
{
	reader->len = 0;
	reader->n_fds = 0;
}

void attach_reader_fini(struct attach_reader *reader)
{
	for (unsigned i = 0; i < reader->n_fds; i++)
		if (reader->fds[i] >= 0)
			close(reader->fds[i]);
	reader->n_fds = 0;
}

static void keep_fds(struct attach_reader *reader, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (reader->n_fds < ATTACH_MAX_FDS)
				reader->fds[reader->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

/* Reads towards `want` bytes of the frame. EMPTY: not there yet. */
static enum sabir_error fill(int socket, struct attach_reader *reader, size_t want)
{
	while (reader->len < want) {
		union {
			char bytes[CMSG_SPACE(sizeof(int) * ATTACH_MAX_FDS)]; /* what doesn't fit the kernel closes */
			struct cmsghdr align;
		} control;
		struct iovec iov = { .iov_base = reader->frame + reader->len, .iov_len = want - reader->len };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.bytes,
				      .msg_controllen = sizeof(control.bytes) };
		ssize_t n = recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? SABIR_EMPTY : SABIR_CLOSED;
		keep_fds(reader, &msg);
		if (n == 0)
			return SABIR_CLOSED;
		reader->len += (size_t)n;
	}
	return SABIR_OK;
}

enum sabir_error attach_receive(int socket, struct attach_reader *reader, char *detail, struct attach_message *message)
{
	if (!reader->len)
		attach_reader_fini(reader); /* descriptors of the previous message that nobody wanted */
	enum sabir_error error = fill(socket, reader, ATTACH_HEADER_SIZE);
	if (!error)
		error = header_check(reader->frame, detail);
	if (!error)
		error = fill(socket, reader, ATTACH_HEADER_SIZE + message_len(reader->frame));
	if (error)
		return error;
	error = attach_decode(reader->frame, reader->len, detail, message);
	if (!error)
		reader->len = 0;
	return error;
}

int attach_take_fd(struct attach_reader *reader, unsigned i)
{
	if (i >= reader->n_fds)
		return -1;
	int fd = reader->fds[i];
	reader->fds[i] = -1;
	return fd;
}
