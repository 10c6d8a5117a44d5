/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_COLLECTOR_H
#define SABIR_MAIN_COLLECTOR_H

#include "server/shm/segment.h"

/*
 * The thread that runs the collector (server/objects/collect.h), with a lane of its own: a look at a million items must not
 * hold up the main loop. It sleeps as long as there is no object that it could ever end; else it looks twice in a linger,
 * and is never at work for more than a twentieth of the time.
 */
struct collector_thread;

/* NULL: no memory, no lane, no thread. */
struct collector_thread *collector_start(struct segment *seg, uint32_t owner, uint64_t linger_ns);
/* The doorbell has rung: there may be something to do again. From the main loop; NULL is fine. */
void collector_look(struct collector_thread *t);
/* NULL is fine. Returns when the thread has ended. */
void collector_stop(struct collector_thread *t);

#endif
