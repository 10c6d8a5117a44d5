/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every atomic access to shared memory goes through these few functions, so that all orderings stand in one file.
 *
 * _relaxed   no ordering; for hints and for words that only their owner writes
 * _acquire   pairs with a _release of the same word: what the writer did before is seen
 * _release   the publishing store
 * _seq       part of the one total order; for the flag protocols of eventcounts and epochs, where each side writes its
 *            own word and then reads the other's
 * cas        compare-and-swap, sequentially consistent; on failure *expected is what was found
 */
#ifndef SABIR_SHM_ATOMIC_H
#define SABIR_SHM_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#define ATOMIC_FUNCTIONS(suffix, type)                                                                                 \
	static inline type load##suffix##_relaxed(const type *p)                                                       \
	{                                                                                                              \
		return __atomic_load_n(p, __ATOMIC_RELAXED);                                                           \
	}                                                                                                              \
	static inline type load##suffix##_acquire(const type *p)                                                       \
	{                                                                                                              \
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                                           \
	}                                                                                                              \
	static inline type load##suffix##_seq(const type *p)                                                           \
	{                                                                                                              \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                           \
	}                                                                                                              \
	static inline void store##suffix##_relaxed(type *p, type v)                                                    \
	{                                                                                                              \
		__atomic_store_n(p, v, __ATOMIC_RELAXED);                                                              \
	}                                                                                                              \
	static inline void store##suffix##_release(type *p, type v)                                                    \
	{                                                                                                              \
		__atomic_store_n(p, v, __ATOMIC_RELEASE);                                                              \
	}                                                                                                              \
	static inline void store##suffix##_seq(type *p, type v)                                                        \
	{                                                                                                              \
		__atomic_store_n(p, v, __ATOMIC_SEQ_CST);                                                              \
	}                                                                                                              \
	static inline bool cas##suffix(type *p, type *expected, type v)                                                \
	{                                                                                                              \
		return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);         \
	}                                                                                                              \
	static inline type exchange##suffix(type *p, type v)                                                           \
	{                                                                                                              \
		return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                    \
	}                                                                                                              \
	static inline type fetch_or##suffix(type *p, type v)                                                           \
	{                                                                                                              \
		return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                      \
	}                                                                                                              \
	static inline type fetch_and##suffix(type *p, type v)                                                          \
	{                                                                                                              \
		return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                     \
	}                                                                                                              \
	static inline type fetch_add##suffix(type *p, type v)                                                          \
	{                                                                                                              \
		return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                     \
	}

ATOMIC_FUNCTIONS(8, uint8_t)
ATOMIC_FUNCTIONS(16, uint16_t)
ATOMIC_FUNCTIONS(32, uint32_t)
ATOMIC_FUNCTIONS(64, uint64_t)

/* Loads before it are done before loads behind it: for the second look at a word that validates what was read between. */
static inline void fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/*
 * Stores before it are seen before stores behind it: between a block's new word and its new content, for those who
 * still look at its life before and then at the word. Pairs with fence_acquire.
 */
static inline void fence_release(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Stores before it are seen before loads behind it are done: for the flag protocols of `_seq`, behind plain stores. */
static inline void fence_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Keeps the compiler from moving stores across it. Enough between the steps of one operation for its recovery: the
 * stores of a thread are seen in full once its death is proved, so only their order in the program counts.
 */
static inline void fence_compiler(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Fetches a line to write into it. GCC's builtin would fetch it as a shared one where prefetchw is not known to exist; on
 * processors without it the instruction does nothing. */
static inline void prefetch_write(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
