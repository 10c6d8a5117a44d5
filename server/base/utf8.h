/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_UTF8_H
#define SABIR_BASE_UTF8_H

#include <stdbool.h>

#include "server/base/bytes.h"

/*
 * Whether the bytes are UTF-8: no surrogate, nothing overlong, nothing above U+10FFFF. NUL is a character like others.
 */
bool utf8_valid(struct span text);

/*
 * Copies what is for people, in logs and tables, up to size - 1 bytes: whatever somebody sends, the copy is printable
 * UTF-8, NUL-terminated.
 */
void utf8_show(struct span text, char *to, size_t size);

#endif
