/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_UTF8_H
#define SABIR_BASE_UTF8_H

#include <stdbool.h>

#include "server/base/bytes.h"

/*
 * Whether the bytes are UTF-8: no surrogate, nothing overlong, nothing above U+10FFFF. NUL is a character like others.
 */
bool utf8_valid(struct span text);

#endif
