/* SPDX-License-Identifier: Apache-2.0 */
#include "server/base/fault.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static const char *kill_name;
static unsigned kill_countdown;
static void (*trace_visit)(const char *name, void *context);
static void *trace_context;

void fault_kill_at(const char *name, unsigned nth)
{
	kill_name = name;
	kill_countdown = nth;
}

void fault_trace(void (*visit)(const char *name, void *context), void *context)
{
	trace_visit = visit;
	trace_context = context;
}

void fault_point(const char *name)
{
	if (trace_visit)
		trace_visit(name, trace_context);
	if (kill_name && !strcmp(kill_name, name) && --kill_countdown == 0)
		raise(SIGKILL);
}
