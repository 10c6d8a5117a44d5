/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_NOTIFY_H
#define SABIR_MAIN_NOTIFY_H

/*
 * Tells the service manager how the server does, by its protocol: lines like "READY=1" in a datagram to the socket that
 * $NOTIFY_SOCKET names. Without one nothing happens; a manager that doesn't listen is none of our business.
 */
void notify(const char *lines);

#endif
