/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libsabir: pipes, and blocks of raw memory. Included by sabir.h.
 */
#ifndef SABIR_PIPE_H
#define SABIR_PIPE_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ pipe */

/*
 * A pipe has two ends, 0 and 1; what one sends the other receives, as items or as plain bytes. One way, end 0 receives
 * and end 1 sends. A sabir_pipe is one end, held by this program (remote: by the connection's session) from its opening
 * until it is closed or freed, or the program ends in any way. Several programs may hold the same end. When the last of them
 * lets go of it the end is closed for good: the other end receives what was sent, then END_OF_FILE, and its sends fail with
 * BROKEN_PIPE. An end that nobody has opened yet is not closed: what is sent to it waits for it. A child of fork holds
 * nothing of its parent's: it opens its end itself, and the parent closes its own behind that.
 *
 * Messages lie in the server's memory: two ends that both send before they receive do not block each other, unless
 * max_items says so. Every function on an end can answer CLOSED (it is not, or no longer, held by this program).
 */
typedef struct sabir_pipe sabir_pipe;

/* For creating, beside SABIR_EXIST_OK. */
#define SABIR_PIPE_ONE_WAY 0x100u

/*
 * Creates a pipe with at most max_items messages each way (0 = limited by memory alone) and opens both its ends, or with
 * `ends` NULL neither. Errors: as sabir_create, and CLOSED (an existing one of which an end was closed).
 */
enum sabir_error sabir_pipe_create(sabir_conn *conn, const char *name, uint64_t max_items, unsigned flags,
				   sabir_pipe *ends[2]);
/*
 * Opens an end. Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND, INVALID_ARGUMENT (no such end), CLOSED (for good),
 * RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_pipe_open(sabir_conn *conn, const char *name, uint32_t end, sabir_pipe **pipe);
/* The same by handle: also of a pipe that came as an item. Errors: as sabir_pipe_open, and DELETED. */
enum sabir_error sabir_pipe_open_handle(sabir_conn *conn, uint64_t handle, uint32_t end, sabir_pipe **pipe);
/* Closes the end if it is open, and frees it; NULL is fine. The pipe stays. */
void sabir_pipe_free(sabir_pipe *pipe);
/* The pipe's handle, for sabir_object() and the functions by handle. */
uint64_t sabir_pipe_handle(const sabir_pipe *pipe);
/* 0 or 1. */
uint32_t sabir_pipe_end(const sabir_pipe *pipe);
/* Lets go of the end. Errors: CLOSED (it is closed already). */
enum sabir_error sabir_pipe_close(sabir_pipe *pipe);

/*
 * Sends a message; waits while a bounded pipe is full. Errors: FULL (timeout_ns passed), BROKEN_PIPE (the other end is
 * closed), INVALID_ARGUMENT (this end only receives), INVALID_VALUE, TOO_LARGE, RESOURCE_EXHAUSTED.
 */
enum sabir_error sabir_pipe_send(sabir_pipe *pipe, const struct sabir_item *item, uint64_t timeout_ns);
/* The same with `len` bytes. */
enum sabir_error sabir_pipe_send_bytes(sabir_pipe *pipe, const void *data, size_t len, uint64_t timeout_ns);
/*
 * Receives the next message; waits for one. Errors: EMPTY (timeout_ns passed), END_OF_FILE (the other end is closed and
 * all is received), INVALID_ARGUMENT (this end only sends).
 */
enum sabir_error sabir_pipe_recv(sabir_pipe *pipe, uint64_t timeout_ns, struct sabir_item **item);
/* The same without an allocation where the buffer is large enough; `item` points into the buffer. */
enum sabir_error sabir_pipe_recv_into(sabir_pipe *pipe, uint64_t timeout_ns, struct sabir_buffer *buffer,
				      struct sabir_item *item);
/*
 * Receives a message of bytes into a block of its own, followed by a NUL that `len` does not count. Errors: as
 * sabir_pipe_recv, TOO_LARGE (it has more than max_len bytes; 0: any length), WRONG_TYPE (it is no bytes): then it stays.
 */
enum sabir_error sabir_pipe_recv_bytes(sabir_pipe *pipe, size_t max_len, uint64_t timeout_ns, void **data, size_t *len);
/*
 * Waits until a receive would not wait. `ready`: whether; true also at the end of the file. `bytes` or NULL: of the next
 * message's content if it is bytes, else of its encoded form; 0 where there is none.
 */
enum sabir_error sabir_pipe_poll(sabir_pipe *pipe, uint64_t timeout_ns, bool *ready, uint64_t *bytes);

/* One end, as all programs see it. */
struct sabir_pipe_state {
	uint32_t holders;  /* how often it is open now */
	bool opened;       /* at least once */
	bool closed;       /* for good */
	uint64_t messages; /* that wait to be received at this end */
};
/* Of end 0 and of end 1; also on a closed end. */
enum sabir_error sabir_pipe_state(sabir_pipe *pipe, struct sabir_pipe_state ends[2]);

/* ------------------------------------------------------------------ block */

/*
 * Raw memory of a fixed size, zeros at first. Each eight bytes that begin at a multiple of eight are read and written in
 * one step, what is longer is not; a lock beside the block makes it one. All: OUT_OF_RANGE (a range past the end).
 */
typedef struct sabir_block sabir_block;

/* Errors: as sabir_create; ALREADY_EXISTS with SABIR_EXIST_OK: it has another size. */
enum sabir_error sabir_block_create(sabir_conn *conn, const char *name, uint64_t size, unsigned flags,
				    sabir_block **block);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_block_open(sabir_conn *conn, const char *name, sabir_block **block);
/* Errors: NOT_FOUND (never given out), WRONG_KIND, DELETED. */
enum sabir_error sabir_block_open_handle(sabir_conn *conn, uint64_t handle, sabir_block **block);
/* Frees the handle, not the block; NULL is fine. */
void sabir_block_free(sabir_block *block);
uint64_t sabir_block_handle(const sabir_block *block);

enum sabir_error sabir_block_size(sabir_block *block, uint64_t *size);
/* Remote: in as many calls as the length needs. Errors: OUT_OF_RANGE. */
enum sabir_error sabir_block_read(sabir_block *block, uint64_t offset, size_t len, void *data);
/* The same. Where it fails in the middle, what came before is written. Errors: OUT_OF_RANGE (nothing is written). */
enum sabir_error sabir_block_write(sabir_block *block, uint64_t offset, size_t len, const void *data);
/*
 * Local only: the bytes themselves, shared with everybody, `size` of them (or NULL), aligned to 64 bytes. The pointer is
 * good until the handle is freed; use atomic accesses where others write. Deleting the block meanwhile gives its memory
 * to others. Errors: UNIMPLEMENTED (remote).
 */
enum sabir_error sabir_block_map(sabir_block *block, void **data, uint64_t *size);

#ifdef __cplusplus
}
#endif

#endif
