/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_HEALTH_H
#define SABIR_MAIN_HEALTH_H

/*
 * Asks the server on the control socket whether it is well and tells the answer on stdout or stderr. Returns an exit
 * status.
 */
int health_ask(const char *socket_path);

/*
 * Has the keeper of that server put the program that is installed by now in the server's place, and waits until that one answers.
 * Returns an exit status.
 */
int health_upgrade(const char *socket_path);

#endif
