/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_CHORE_H
#define SABIR_C_CHORE_H

#include "bindings/c/conn.h"

/*
 * What a call can't do any more when it gives up: its place in a line is to be taken away, or it would be called one day and
 * nobody came; but the line is locked by somebody who does not go on. A thread of the library does it when it can be done.
 *
 * `run` is called until it answers something else than BUSY, with a lane of that thread, and then `context` freed. The
 * connection stays open as long. Where there is no thread to be had, this one does it before chore_leave returns.
 */
typedef enum sabir_error chore_fn(struct lane *lane, void *context);
void chore_leave(struct sabir_conn *conn, struct lane *lane, chore_fn *run, void *context);

#endif
