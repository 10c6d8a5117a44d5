/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rpc/identity_wire.h"

static const char *const names[IDENTITY_KEYS] = {
	[IDENTITY_SESSION] = "sabir-session",
	[IDENTITY_THREAD] = "sabir-thread",
	[IDENTITY_REQUEST_ID] = "sabir-request-id",
	[IDENTITY_ACKNOWLEDGED_BELOW] = "sabir-acknowledged-below",
};

const char *identity_key_name(enum identity_key key)
{
	return names[key];
}

static int find_key(struct span key)
{
	if (key.len < 6 || memcmp(key.data, "sabir-", 6) != 0)
		return IDENTITY_KEYS; /* most are not ours */
	for (int i = 0; i < IDENTITY_KEYS; i++)
		if (key.len == strlen(names[i]) && !memcmp(key.data, names[i], key.len))
			return i;
	return IDENTITY_KEYS;
}

bool identity_note(struct identity_words *words, struct span key, struct span value)
{
	int i = find_key(key);
	if (i == IDENTITY_KEYS)
		return true;
	if (words->of[i].data)
		return false;
	words->of[i] = value;
	return true;
}

static bool read_number(struct span text, uint64_t *number)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t digit = (uint8_t)(text.data[i] - '0');
		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*number = n;
	return text.len > 0;
}

bool identity_number(const struct identity_words *words, enum identity_key key, uint64_t *number)
{
	*number = 0;
	return !words->of[key].data || read_number(words->of[key], number);
}
