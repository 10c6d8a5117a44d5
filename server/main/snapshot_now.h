/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SNAPSHOT_NOW_H
#define SABIR_MAIN_SNAPSHOT_NOW_H

/* Has the server on the control socket write a snapshot and prints what it is. Returns the exit status. */
int snapshot_now(const char *socket_path);

#endif
