/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/loads.h"

#include <stdlib.h>

#include "server/shm/segment.h"
#include "tests/fuzz/play.h"

struct loads loads;

/* Who touched a word last, and in which piece of all that were played. */
static struct touched {
	uint32_t piece, place;
} * touched;
static uint32_t n_pieces;

extern char __executable_start;

static void touch(const void *at, size_t size, uintptr_t place, bool load)
{
	uint64_t off = (uint64_t)((const uint8_t *)at - loads.base);
	if (!loads.seen || off >= loads.size)
		return;
	struct touched *last = &touched[off / 8];
	const struct access access = {
		(uint8_t *)(uintptr_t)at, size, place, load, last->piece == n_pieces, last->place
	};
	*last = (struct touched){ n_pieces, (uint32_t)place };
	loads.seen(&access);
}

#define PLACE ((uintptr_t)__builtin_return_address(0) - (uintptr_t)&__executable_start)
#define CALLBACKS(bytes, type)                                                                                         \
	void __sanitizer_cov_load##bytes(const type *at);                                                              \
	void __sanitizer_cov_load##bytes(const type *at)                                                               \
	{                                                                                                              \
		touch(at, bytes, PLACE, true);                                                                         \
	}                                                                                                              \
	void __sanitizer_cov_store##bytes(const type *at);                                                             \
	void __sanitizer_cov_store##bytes(const type *at)                                                              \
	{                                                                                                              \
		touch(at, bytes, PLACE, false);                                                                        \
	}
CALLBACKS(1, uint8_t)
CALLBACKS(2, uint16_t)
CALLBACKS(4, uint32_t)
CALLBACKS(8, uint64_t)
CALLBACKS(16, __int128)

/* By whatever name. */
static void touch_all(const void *from, size_t n, uintptr_t place)
{
	const uint8_t *at = from;
	if (!loads.seen || (uint64_t)(at - loads.base) >= loads.size)
		return;
	for (size_t i = 0; i < n; i += 8)
		touch(at + i, n - i < 8 ? n - i : 8, place, true);
}

#define WRAPPED(name)                                                                                                  \
	void *__wrap_##name(void *to, const void *from, size_t n);                                                     \
	void *__real_##name(void *to, const void *from, size_t n);                                                     \
	void *__wrap_##name(void *to, const void *from, size_t n)                                                      \
	{                                                                                                              \
		touch_all(from, n, PLACE);                                                                             \
		return __real_##name(to, from, n);                                                                     \
	}
WRAPPED(memcpy)
WRAPPED(memmove)
WRAPPED(__asan_memcpy)
WRAPPED(__asan_memmove)

int __wrap_memcmp(const void *a, const void *b, size_t n);
int __real_memcmp(const void *a, const void *b, size_t n);
int __wrap_memcmp(const void *a, const void *b, size_t n)
{
	touch_all(a, n, PLACE);
	touch_all(b, n, PLACE);
	return __real_memcmp(a, b, n);
}

void __sanitizer_symbolize_pc(void *pc, const char *format, char *to, size_t size);

void loads_describe(uintptr_t place, char *to, size_t size)
{
	__sanitizer_symbolize_pc((void *)(place + (uintptr_t)&__executable_start), "%f %s:%l", to, size);
}

/* ---------------------------------------------------------------- playing */

/* Inputs are played as they are: libFuzzer, whose this is, is not there. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
	(void)data, (void)size, (void)max;
	abort();
}

static void next_piece(void)
{
	n_pieces++;
	loads.piece++;
}

void loads_play(struct span input, bool damaged, loads_seen *seen)
{
	struct play play;
	play_on_piece = next_piece;
	play_begin(&play);
	const struct segment *seg = &play.world->seg;
	if (!touched)
		touched = calloc(seg->size / 8 + 1, sizeof(*touched));
	if (!touched)
		abort();
	loads = (struct loads){ seen, seg->base, seg->size, UINT32_MAX };
	play.damaged = damaged; /* what is overwritten makes no snapshot */
	play_pieces(&play, input);
	next_piece();
	play_end(&play);
	loads.seen = NULL;
}
