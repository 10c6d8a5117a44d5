/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cancelling calls that wait. Part of <sabir.h>, which says what holds for all functions.
 *
 *   sabir_cancel *cancel;
 *   sabir_cancel_create(&cancel);
 *   in the thread that waits:   sabir_cancel_attach(cancel);
 *                               error = sabir_queue_get(jobs, SABIR_FOREVER, &job);   SABIR_CANCELLED
 *   anywhere else:              sabir_cancel_fire(cancel);
 */
#ifndef SABIR_CANCEL_H
#define SABIR_CANCEL_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A token that cancels what waits. A thread attaches it; from then on each of its calls with a timeout_ns above 0, on any
 * connection, ends with SABIR_CANCELLED when the token is fired and the call would wait, or wait on. Any number of threads may
 * attach the same token; each has at most one. It stays fired until it is reset.
 *
 * CANCELLED: nothing was done, and who was cancelled stands in no line; a lock, unit or item that was just being handed to him
 * goes on to the next. To the objects it is as if his time had passed or he had gone: a barrier that somebody was cancelled at is
 * broken, and sabir_condition_wait ends without the lock.
 *
 * What can be done at once is done, fired or not, and what was done is answered as ever: a loop that is to end looks at
 * sabir_cancel_fired() too. So locally the token costs nothing until a call is about to sleep. Remotely the server is asked to
 * cancel the call, for which the connection opens a session (sabir_session.h). If the server does not answer within 250 ms the
 * call is cut off, and it is unknown whether it was done.
 *
 * Not cancelled are sabir_connect; up to 300 ms in which a remote call waits for a connection that broke; and the moments
 * for which the memory of a local object is locked by another thread, which end with SABIR_BUSY if that one is stopped.
 */
typedef struct sabir_cancel sabir_cancel;

/* Errors: NO_MEMORY. */
enum sabir_error sabir_cancel_create(sabir_cancel **cancel);
/* The last use of it: no other thread has it attached, and nobody fires it any more. NULL is fine. */
void sabir_cancel_free(sabir_cancel *cancel);

/*
 * The token for the calls of this thread from now on, in place of the one that it had; NULL: none. A child of fork has none,
 * and may attach its parent's tokens, which are then its own. Before a thread ends it detaches what it has attached, or a few
 * bytes stay until the token is freed. Errors: NO_MEMORY, and it has the one that it had.
 */
enum sabir_error sabir_cancel_attach(sabir_cancel *cancel);
/* The token of this thread, or NULL. */
sabir_cancel *sabir_cancel_attached(void);

/* Fires it; again is fine. Safe in a signal handler. NULL is fine. */
void sabir_cancel_fire(sabir_cancel *cancel);
/* Makes it unfired. A wait that has not yet seen that it was fired goes on: reset it when those waits have returned. */
void sabir_cancel_reset(sabir_cancel *cancel);
bool sabir_cancel_fired(const sabir_cancel *cancel);

#ifdef __cplusplus
}
#endif

#endif
