/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_CRASH_KEPT_H
#define SABIR_TESTS_CRASH_KEPT_H

#include "tests/crash/look.h"

/* Whether there are objects that live only as long as others refer to them. */
bool kept_any(struct world *world);
/*
 * Runs the server's collector and looks at what it has left, with what each refers to. NULL: it is right; else what is not: an
 * object without a name stays if somebody holds it, or one that stays refers to it, and then everybody can open it; others go.
 */
const char *kept_look(struct world *world, struct text *text);

#endif
