/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict UTF-8 validation. Most text is ASCII, so eight bytes at a time are skipped while none has its top bit set; all
 * else is looked up by its first byte, which settles the length and, for four of them, a narrower range of the second.
 */
#include "server/base/utf8.h"

#include <string.h>

/* Bytes of the character that begins here, 0 if it is none. */
static size_t sequence_len(const uint8_t *p, size_t left)
{
	uint8_t first = byte_once(p);
	uint8_t low = 0x80, high = 0xbf;
	size_t len;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (len > left)
		return 0;
	if (first == 0xe0)
		low = 0xa0; /* below: overlong */
	else if (first == 0xed)
		high = 0x9f; /* above: surrogates */
	else if (first == 0xf0)
		low = 0x90; /* below: overlong */
	else if (first == 0xf4)
		high = 0x8f; /* above: beyond U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

bool utf8_valid(struct span text)
{
	size_t i = 0;

	while (i < text.len) {
		uint64_t eight;
		if (text.len - i >= sizeof(eight)) {
			memcpy(&eight, text.data + i, sizeof(eight));
			if (!(eight & 0x8080808080808080ull)) {
				i += sizeof(eight);
				continue;
			}
		}
		size_t len = sequence_len(text.data + i, text.len - i);
		if (!len)
			return false;
		i += len;
	}
	return true;
}

void utf8_show(struct span text, char *to, size_t size)
{
	bool valid = utf8_valid(text);
	size_t len = text.len < size ? text.len : size - 1;

	while (valid && len < text.len && len && (text.data[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = text.data[i];
		bool shown = byte >= 0x20 && byte != 0x7f && (byte < 0x80 || valid);
		to[i] = shown ? (char)byte : '?';
	}
	to[len] = '\0';
}
