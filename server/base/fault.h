/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_FAULT_H
#define SABIR_BASE_FAULT_H

/*
 * Named steps of operations at which a test may kill its process. Nothing is left of them in the product; test builds
 * define SABIR_FAULTS.
 */
#ifdef SABIR_FAULTS
#define FAULT(name) fault_point(name)
#else
#define FAULT(name) ((void)0)
#endif

void fault_point(const char *name);

/* From now on the process kills itself (SIGKILL) at the nth passage (1 = the first) of the named step. NULL: never. */
void fault_kill_at(const char *name, unsigned nth);
/* Calls `visit` for each passage instead: how a test finds out which steps an operation has. NULL: no longer. */
void fault_trace(void (*visit)(const char *name, void *context), void *context);

#endif
