/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_MEMORY_H
#define SABIR_MAIN_MEMORY_H

#include "server/main/config.h"
#include "server/main/kept.h"
#include "server/shm/lane.h"

/*
 * The server's memory: a new segment, or the one that a server before this has left in keeping. On the latter this one is
 * the former's successor: what the former was in the middle of is repaired before this returns, the living go on
 * meanwhile, and whom the former served is for memory_heirs.
 */
struct memory {
	struct segment seg;
	uint32_t owner;     /* the server's own */
	struct lane lane;   /* upkeep and recovery */
	struct lane parked; /* parked operations: does not sleep for locks */
	bool inherited;
};

/*
 * `detail` gets a text on failure. Errors: RESOURCE_EXHAUSTED, INVALID_ARGUMENT, TOO_MANY_OWNERS; LAYOUT_MISMATCH: what was
 * kept is of another version or damaged, and can't be used; it is not touched.
 */
enum sabir_error memory_start(const struct config *config, struct kept *kept, struct memory *memory, char *detail,
			      size_t size);

/* Owners of a former server whose entries a faulty program has written over are owners again: for memory_start, before it has any. */
void memory_mend_owners(struct segment *seg, const struct kept *kept);

/* Gives new memory into keeping, when all is in it that it begins with. Errors: UNAVAILABLE (the keeper doesn't take it). */
enum sabir_error memory_settle(const struct memory *memory, char *detail, size_t size);

/*
 * Hands each owner that the former has left to one of these: `adopt`, with a descriptor of the process (and of its control
 * socket, or -1), both of which it takes, for a program that may be alive; `resume` for one of a
 * remote program, whose process is not known to us: false, it is to be recovered; `recover` for one of nobody who lives. Before
 * anybody else can become an owner.
 */
struct memory_heir {
	void (*adopt)(void *context, uint32_t owner, int socket, int pidfd);
	bool (*resume)(void *context, uint32_t owner);
	void (*recover)(void *context, uint32_t owner);
	void *context;
};
void memory_heirs(struct memory *memory, struct kept *kept, const struct memory_heir *heir);

/* Has everybody who waits for the server in an object, and all that has a time, looked at again. */
void memory_look_again(struct memory *memory);

/* Once in a while: sees that the next server will find a lane, and that the entries of owners are what they were. */
void memory_tick(struct memory *memory);

/* Gives it into keeping, with this process's pidfd. False: it is not taken. */
bool memory_keep(const struct memory *memory);
/* Takes the memory out of keeping: it ends with this server, or is of no use. */
void memory_forget(void);
/* Closes the lanes and the owner and unmaps. Also what has not been started. */
void memory_stop(struct memory *memory);

#endif
