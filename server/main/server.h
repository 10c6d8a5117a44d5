/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SERVER_H
#define SABIR_MAIN_SERVER_H

#include "server/main/config.h"
#include "server/main/kept.h"

/*
 * Runs the server with this configuration until it is told to end. `reload` reads the configuration again, for HUP. `kept`
 * is what a server before this one has left; what is needed of it is taken, the rest closed. `keeper`: a socket to who keeps
 * such things for the next (keeper.h), or -1; taken. Returns an exit status.
 */
typedef enum sabir_error server_reload_fn(void *context, char *detail, struct config *config);
int server_run(const struct config *config, server_reload_fn *reload, void *context, struct kept *kept, int keeper);

#endif
