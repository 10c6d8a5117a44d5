/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_MAIN_SIGNALS_H
#define SABIR_MAIN_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/error.h"

/* Exit statuses; sabird.8 has them too. */
#define EXIT_IN_ORDER 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_TAKEN 3     /* another server has the socket or the port */
#define EXIT_CUT_SHORT 4 /* ended before all calls were */
#define EXIT_MEMORY 5    /* the memory that was kept can't be used */

/*
 * The signals that signals_install is about to handle are held back until then, as in a child that is not ready for them.
 */
void signals_hold(void);
/*
 * TERM and INT: the first asks for an end in good order, the second ends the process at once, even if the main thread
 * hangs; what comes from the keeper (0: there is none) is counted apart, since it passes on what its group may have got
 * too. HUP asks for a reload, USR1 for a snapshot. PIPE is ignored. *fd becomes readable when one has come; it belongs to
 * this module.
 * Errors: RESOURCE_EXHAUSTED.
 */
enum sabir_error signals_install(pid_t keeper, int *fd);

/* Another keeper from now on. */
void signals_set_keeper(pid_t keeper);

/* What has come since the last call. */
struct signals {
	bool end;
	bool reload;
	bool snapshot;
};
struct signals signals_take(void);

/* Ends the process, wherever it is, when this time has passed. */
void signals_end_within(uint64_t timeout_ns);

#endif
