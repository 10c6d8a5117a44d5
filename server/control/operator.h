/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_CONTROL_OPERATOR_H
#define SABIR_CONTROL_OPERATOR_H

#include "server/control/connection.h"

/*
 * Answers LIST_OWNERS, EVICT_OWNER and SNAPSHOT. `detail` (ATTACH_DETAIL_SIZE bytes) gets a text on failure. Errors:
 * PERMISSION_DENIED (the peer is no operator, or the server may not kill that process), NOT_FOUND, INVALID_ARGUMENT, NOT_CONFIGURED,
 * those of a snapshot.
 */
enum sabir_error operator_answer(const struct connection *by, const struct attach_message *question, char *detail,
				 struct attach_message *answer);

#endif
