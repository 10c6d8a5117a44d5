/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SIGNALS_H
#define SABIR_MAIN_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/error.h"

/* Exit statuses; sabird.8 has them too. */
#define EXIT_IN_ORDER 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_TAKEN 3     /* another server has the socket or the port */
#define EXIT_CUT_SHORT 4 /* ended before all calls were */

/*
 * TERM and INT: the first asks for an end in good order, the second ends the process at once, even if the main thread
 * hangs. HUP asks for a reload. PIPE is ignored. *fd becomes readable when one has come; it belongs to this module.
 * Errors: RESOURCE_EXHAUSTED.
 */
enum sabir_error signals_install(int *fd);

/* What has come since the last call. */
struct signals {
	bool end;
	bool reload;
};
struct signals signals_take(void);

/* Ends the process, wherever it is, when this time has passed. */
void signals_end_within(uint64_t timeout_ns);

#endif
