/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_ATTACH_H
#define SABIR_ATTACH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/attach/attach.pb.h"
#include "server/base/error.h"

/*
 * The control socket's protocol: frames over a unix SOCK_STREAM socket. A frame is a header of eight bytes and one
 * message of attach.proto; the header is, at these offsets:
 *
 *   0  4 bytes  "SABR"
 *   4  1 byte   ATTACH_VERSION of the sender
 *   5  1 byte   enum attach_type
 *   6  2 bytes  length of the message, little-endian, at most ATTACH_MAX_MESSAGE
 *
 * Descriptors travel (SCM_RIGHTS) with the first byte of the frame that they belong to. This codec serves both sides.
 */
#define ATTACH_VERSION 1
#define ATTACH_HEADER_SIZE 8
#define ATTACH_MAX_MESSAGE 2048
#define ATTACH_MAX_FRAME (ATTACH_HEADER_SIZE + ATTACH_MAX_MESSAGE)
#define ATTACH_MAX_FDS 2
#define ATTACH_DETAIL_SIZE 160

enum attach_type {
	ATTACH_HELLO = 1,
	ATTACH_WELCOME = 2,
	ATTACH_REFUSED = 3,
	ATTACH_GOODBYE = 4,
	ATTACH_PING = 5,
	ATTACH_PONG = 6,
	ATTACH_LIST_OWNERS = 20,
	ATTACH_OWNER_LIST = 21,
	ATTACH_EVICT_OWNER = 22,
	ATTACH_EVICTED = 23,
	ATTACH_SNAPSHOT = 24,
	ATTACH_SNAPSHOT_STATE = 25,
};

struct attach_message {
	enum attach_type type;
	union {
		attach_Hello hello;
		attach_Welcome welcome;
		attach_Refused refused;
		attach_Goodbye goodbye;
		attach_Ping ping;
		attach_Pong pong;
		attach_ListOwners list_owners;
		attach_OwnerList owner_list;
		attach_EvictOwner evict_owner;
		attach_Evicted evicted;
		attach_Snapshot snapshot;
		attach_SnapshotState snapshot_state;
	};
};

/* A REFUSED message; `detail` is cut to fit. */
struct attach_message attach_refusal(enum sabir_error error, const char *detail);

/* The whole frame. `frame` has ATTACH_MAX_FRAME bytes. Errors: TOO_LARGE. */
enum sabir_error attach_encode(const struct attach_message *message, uint8_t *frame, size_t *len);
/*
 * A whole frame back. `detail` (ATTACH_DETAIL_SIZE bytes) gets a text on failure. Errors: INVALID_ARGUMENT (no frame,
 * an unknown type, a message that doesn't decode), UNIMPLEMENTED (another protocol version), TOO_LARGE.
 */
enum sabir_error attach_decode(const uint8_t *frame, size_t len, char *detail, struct attach_message *message);

/*
 * Sends one frame with up to ATTACH_MAX_FDS descriptors, which stay the caller's, in one piece. Errors: UNAVAILABLE
 * (the peer is gone or doesn't read).
 */
enum sabir_error attach_send(int socket, const struct attach_message *message, const int *fds, unsigned n_fds);

/* One side's incoming frames: never reads past the end of a frame, so descriptors stay with theirs. */
struct attach_reader {
	uint8_t frame[ATTACH_MAX_FRAME];
	size_t len;
	int fds[ATTACH_MAX_FDS]; /* received with this frame, owned; more than these are closed on arrival */
	unsigned n_fds;
};

void attach_reader_init(struct attach_reader *reader);
/* Closes the descriptors that nobody took. */
void attach_reader_fini(struct attach_reader *reader);
/*
 * Reads what is there. Errors: EMPTY (the frame is not complete yet), CLOSED (the peer closed the socket; reader->len
 * > 0: within a frame), and those of attach_decode, after which the stream can't be read any further. After a message
 * its descriptors are in reader->fds until the next call or attach_take_fd.
 */
enum sabir_error attach_receive(int socket, struct attach_reader *reader, char *detail, struct attach_message *message);
/* Hands over the i-th descriptor of the last message; -1 if there is none. */
int attach_take_fd(struct attach_reader *reader, unsigned i);

/*
 * The client's side, with a deadline (CLOCK_MONOTONIC) for each step. `detail` as above. attach_dial: Errors:
 * INVALID_ARGUMENT (a path that is too long), UNAVAILABLE (nobody listens), PERMISSION_DENIED, TIMED_OUT.
 */
enum sabir_error attach_dial(const char *path, uint64_t deadline_ns, char *detail, int *socket);
/*
 * Sends a message and waits for the answer. A REFUSED answer becomes its error and detail. Errors: those, TIMED_OUT,
 * CLOSED (without an answer, as when the server dies; the next one may be there already), UNAVAILABLE (it shuts down), and those
 * of attach_decode.
 */
enum sabir_error attach_ask(int socket, const struct attach_message *question, int fd, uint64_t deadline_ns,
			    struct attach_reader *reader, char *detail, struct attach_message *answer);

#endif
