/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_TWICE_VALUES_H
#define SABIR_TESTS_FUZZ_TWICE_VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What stands there is made another thing: nothing, all, almost the same, and halves of words, in which lengths, refs and states are. */
#define TWICE_KINDS 12u

static inline uint64_t twice_value(uint64_t word, uint32_t kind)
{
	const uint64_t low = UINT32_MAX, high = ~low;
	switch (kind) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return word + 1;
	case 3:
		return word - 1;
	case 4:
		return word + (1ull << 32);
	case 5:
		return (word & high) | 0x7fffffff;
	case 6:
		return (word & low) | 0x7fffffffull << 32;
	case 7:
		return word ^ 7;
	case 8:
		return word + 64;
	case 9:
		return word << 3;
	case 10:
		return (word & high) | 0x10000; /* within the memory, and elsewhere */
	default:
		return (word & low) | (word & low) << 32;
	}
}

static inline void twice_overwrite(uint8_t *at, size_t size, uint32_t kind)
{
	uint64_t word = 0;
	size = size > sizeof(word) ? sizeof(word) : size;
	memcpy(&word, at, size);
	word = twice_value(word, kind);
	memcpy(at, &word, size);
}

#endif
