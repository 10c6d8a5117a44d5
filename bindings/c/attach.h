/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BINDINGS_C_ATTACH_H
#define SABIR_BINDINGS_C_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/attach/attach.h"

/*
 * This process's attachment to a local server. While it lives the owner is this process's; a child of fork has none
 * of it and attaches anew.
 */
struct attachment {
	int socket;  /* owned; stays open: its end and a GOODBYE on it mean that the server shuts down */
	int memfd;   /* owned by the caller: for segment_map, which takes it */
	int bell_fd; /* the same */
	uint32_t owner;
	uint32_t owner_generation;
	uint64_t instance;
	uint32_t layout_version;
	char server_version[32];
	char grpc_addresses[8][128];
	uint32_t n_grpc_addresses;
};

/*
 * Attaches to the server behind the control socket `path` under a name for people, which is cut to 39 bytes. `detail`
 * (ATTACH_DETAIL_SIZE bytes) gets a text on failure. Errors: INVALID_ARGUMENT, UNAVAILABLE, PERMISSION_DENIED,
 * TIMED_OUT, TOO_MANY_OWNERS, LAYOUT_MISMATCH, UNIMPLEMENTED (another protocol version), INTERNAL.
 */
enum sabir_error attach_connect(const char *path, const char *label, uint64_t timeout_ns, char *detail,
				struct attachment *out);
/* Promises that this process will not touch the memory again (unmap it first), and closes the socket. */
void attach_goodbye(struct attachment *attachment);
/* Closes the socket without a word: for the child of a fork, whose parent keeps the owner. */
void attach_abandon(struct attachment *attachment);
/* Whether the server still serves: false once it has said GOODBYE or closed the socket. Never waits. */
bool attach_alive(struct attachment *attachment);

#endif
