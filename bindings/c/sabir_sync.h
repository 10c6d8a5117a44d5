/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that programs wait for one another with. Part of <sabir.h>, which says what holds for all functions.
 *
 * What a wait was for and did not come in its time answers SABIR_WOULD_BLOCK, also when the time is 0.
 */
#ifndef SABIR_SYNC_H
#define SABIR_SYNC_H

#include <sabir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ event */

/*
 * A flag that many can wait for, as Python's threading.Event. It begins cleared. A set ends every wait that began
 * before it, even if a clear follows at once.
 */
typedef struct sabir_event sabir_event;

/* Errors: as sabir_create. */
enum sabir_error sabir_event_create(sabir_conn *conn, const char *name, unsigned flags, sabir_event **event);
/* Errors: INVALID_NAME, NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_event_open(sabir_conn *conn, const char *name, sabir_event **event);
/* Errors: NOT_FOUND, WRONG_KIND. */
enum sabir_error sabir_event_open_handle(sabir_conn *conn, uint64_t handle, sabir_event **event);
/* Frees the handle, not the event; NULL is fine. */
void sabir_event_free(sabir_event *event);
uint64_t sabir_event_handle(const sabir_event *event);

/* Sets the flag: all who wait go on, and nobody waits until it is cleared. */
enum sabir_error sabir_event_set(sabir_event *event);
enum sabir_error sabir_event_clear(sabir_event *event);
enum sabir_error sabir_event_is_set(sabir_event *event, bool *set);
/* Returns when the flag is set, at once if it is. Errors: WOULD_BLOCK. */
enum sabir_error sabir_event_wait(sabir_event *event, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
