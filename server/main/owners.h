/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_OWNERS_H
#define SABIR_MAIN_OWNERS_H

#include <stdint.h>

/* sabird --owners and --evict: questions to the server on this control socket. They return the exit status. */
int owners_list(const char *socket_path);
int owners_evict(const char *socket_path, uint64_t id);

#endif
