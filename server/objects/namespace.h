/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_NAMESPACE_H
#define SABIR_OBJECTS_NAMESPACE_H

#include "server/objects/dict.h"

/*
 * A namespace is a dict of a kind of its own: the functions of dict.h work on its handle. Its keys are the names of
 * attributes, as Values of text.
 *
 * A name is 1 to 255 bytes of UTF-8: a letter, then letters, digits and '_'; what is not ASCII counts as a letter. None
 * begins with '_': Python's proxy keeps such attributes to itself, and nobody should believe that they are shared.
 */
#define NAMESPACE_NAME_MAX 255
#define NAMESPACE_KEY_MAX (NAMESPACE_NAME_MAX + 12)

/* The dict's key of a name, written to `to`. Errors: INVALID_ARGUMENT (no name of an attribute). */
enum sabir_error namespace_key(struct span name, uint8_t to[NAMESPACE_KEY_MAX], struct span *key);
/* The name in a key; data NULL: it is none. */
struct span namespace_name(struct span key);

#endif
