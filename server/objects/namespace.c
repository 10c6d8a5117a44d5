/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a namespace's attributes, and the keys under which the dict has them. Everything else is the dict's.
 */
#include "server/objects/namespace.h"

#include <string.h>

#include "server/base/utf8.h"
#include "server/base/value.h"

static bool is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte >= 0x80;
}

static bool is_name(struct span name)
{
	if (!name.len || name.len > NAMESPACE_NAME_MAX || !is_letter(name.data[0]))
		return false;
	for (size_t i = 1; i < name.len; i++) {
		uint8_t byte = name.data[i];
		if (!is_letter(byte) && byte != '_' && (byte < '0' || byte > '9'))
			return false;
	}
	return utf8_valid(name);
}

enum sabir_error namespace_key(struct span name, uint8_t to[NAMESPACE_KEY_MAX], struct span *key)
{
	if (!is_name(name))
		return SABIR_INVALID_ARGUMENT;
	size_t head_len = value_head_bytes(VALUE_TEXT, name.len, to);
	memcpy(to + head_len, name.data, name.len);
	*key = (struct span){ to, head_len + name.len };
	return SABIR_OK;
}

struct span namespace_name(struct span key)
{
	struct value_view view;
	bool text = key.len && value_view(key, &view) == SABIR_OK && view.kind == VALUE_TEXT;
	return text ? view.bytes : (struct span){ NULL, 0 };
}
