/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_RUNTIME_H
#define SABIR_MAIN_RUNTIME_H

#include <stddef.h>

#include "server/main/config.h"

/*
 * The folder for sockets where none is named: /run/sabir if this user can have it, else $XDG_RUNTIME_DIR/sabir, else
 * /tmp/sabir-UID.
 */
void runtime_folder(char *path, size_t size);

/*
 * Makes the folder of a socket's path if it is missing (not its parents), and sees that it can be trusted: nobody but
 * its owner, who is this user or root, can write to a folder that we chose in /tmp. Errors: PERMISSION_DENIED,
 * UNAVAILABLE.
 */
enum sabir_error runtime_prepare(const char *socket_path, char *detail, size_t size);

/* The log's level and format. */
void runtime_set_log(const struct config *config);
/* As many descriptors as the system allows: each attached program costs two and each connection one. */
void runtime_raise_file_limit(void);

#endif
