/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_RESTART_LEDGER_H
#define SABIR_TESTS_RESTART_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * What was put and what was got, counted outside of Sabir, in memory that all processes of the test share. An item is known
 * by its producer and its number; each item's byte is written by whoever puts it and whoever gets it.
 */
#define LEDGER_PRODUCERS 4
#define LEDGER_ITEMS (512u << 20) /* of each producer, at most; what is not touched costs nothing */

struct ledger {
	uint64_t n[LEDGER_PRODUCERS];  /* numbers begun */
	uint64_t progress;             /* items of the local queue that were got */
	uint64_t n_leased, n_turns[2]; /* local, remote */
	uint64_t n_failed, n_finished; /* remote calls that failed, and that did not */
	uint32_t stop;                 /* producers end */
	uint8_t item[LEDGER_PRODUCERS][LEDGER_ITEMS];
};
#define LEDGER_ACCEPTED 0x80u /* the put was answered with OK */
#define LEDGER_UNSURE 0x40u   /* it failed in the middle: it may have been performed */
#define LEDGER_ACKED 0x20u    /* a worker's ack was answered with OK */
#define LEDGER_GOT 0x0fu      /* so often, at most 15 */

struct ledger_sum {
	uint64_t n, accepted, unsure, unsure_there;
	uint64_t lost, twice, uncalled;
};

#define LEDGER_NUMBER_BITS 40

static inline struct ledger *ledger_new(void)
{
	struct ledger *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);
	if (l == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return l;
}

static inline uint64_t ledger_id(unsigned producer, uint64_t number)
{
	return (uint64_t)producer << LEDGER_NUMBER_BITS | number;
}

static inline uint8_t *ledger_byte(struct ledger *l, uint64_t id)
{
	uint64_t producer = id >> LEDGER_NUMBER_BITS, number = id & ((1ull << LEDGER_NUMBER_BITS) - 1);
	if (producer >= LEDGER_PRODUCERS || number >= LEDGER_ITEMS) {
		fprintf(stderr, "an item that nobody has put: %#llx\n", (unsigned long long)id);
		exit(2);
	}
	return &l->item[producer][number];
}

/* A number for the producer's next item. */
static inline uint64_t ledger_begin(struct ledger *l, unsigned producer)
{
	uint64_t number = __atomic_fetch_add(&l->n[producer], 1, __ATOMIC_SEQ_CST);
	return ledger_id(producer, number);
}

static inline void ledger_put(struct ledger *l, uint64_t id, bool accepted)
{
	__atomic_fetch_or(ledger_byte(l, id), accepted ? LEDGER_ACCEPTED : LEDGER_UNSURE, __ATOMIC_SEQ_CST);
}

static inline void ledger_got(struct ledger *l, uint64_t id)
{
	uint8_t *byte = ledger_byte(l, id);
	if ((__atomic_load_n(byte, __ATOMIC_SEQ_CST) & LEDGER_GOT) < LEDGER_GOT)
		__atomic_fetch_add(byte, 1, __ATOMIC_SEQ_CST);
}

static inline void ledger_acked(struct ledger *l, uint64_t id)
{
	__atomic_fetch_or(ledger_byte(l, id), LEDGER_ACKED, __ATOMIC_SEQ_CST);
}

/* Of a producer whose items are got once, or (leased) at least once. */
static inline struct ledger_sum ledger_sum(const struct ledger *l, unsigned producer, bool leased)
{
	struct ledger_sum sum = { .n = l->n[producer] };
	for (uint64_t i = 0; i < sum.n; i++) {
		uint8_t byte = l->item[producer][i];
		unsigned got = byte & LEDGER_GOT;
		bool accepted = byte & LEDGER_ACCEPTED, unsure = byte & LEDGER_UNSURE;
		sum.accepted += accepted;
		sum.unsure += unsure;
		sum.unsure_there += unsure && got;
		sum.lost += accepted && !got;
		sum.twice += !leased && got > 1;
		sum.uncalled += !accepted && !unsure;
	}
	return sum;
}

#endif
