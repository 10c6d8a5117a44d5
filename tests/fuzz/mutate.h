/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_MUTATE_H
#define SABIR_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/bytes.h"

/*
 * Mutators that know the form of an input, so that what they make is not refused at its first byte: lists of pieces,
 * each with a head and a protobuf message behind it. libFuzzer's own mutators are among what they do.
 */
struct dice {
	uint64_t state;
};
/* A number below n. */
uint32_t dice_roll(struct dice *dice, uint32_t n);

struct bytes_out {
	uint8_t *data;
	size_t len;
};

/* A list of pieces: a head of head_len bytes, the length of the message in two bytes, the message. */
struct piece_form {
	size_t head_len; /* at most PIECE_HEAD_MAX */
	void (*new_head)(struct dice *dice, uint8_t *head);
	/* Messages behind some heads are special: writes another one of at most max bytes; false: it is a usual one. */
	bool (*mutate)(struct dice *dice, const uint8_t *head, struct span from, size_t max, struct bytes_out *to);
};
#define PIECE_HEAD_MAX 8

/* The next piece; false: there is none. What is cut short is a piece yet. */
bool piece_next(const struct piece_form *form, struct span *rest, const uint8_t **head, struct span *message);
/* Behind it; NULL: no room for it until `end`. */
uint8_t *piece_put(const struct piece_form *form, uint8_t *to, const uint8_t *end, const uint8_t *head,
		   struct span message);

/* As LLVMFuzzerCustomMutator and LLVMFuzzerCustomCrossOver. */
size_t pieces_mutate(const struct piece_form *form, uint8_t *data, size_t size, size_t max, unsigned seed);
size_t pieces_cross(const struct piece_form *form, struct span a, struct span b, struct span out, unsigned seed);

/* One at which something changes. */
uint64_t mutate_number(struct dice *dice);
/* A Value with lists so deep, at most 64 bytes, of two levels 128; a name, at most 3. */
size_t mutate_value(struct dice *dice, unsigned depth, uint8_t *to);
size_t mutate_name(struct dice *dice, uint8_t *to);

/* Of libFuzzer. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* What a fuzzer may have; libFuzzer asks for them by these names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, uint8_t *out,
				 size_t max, unsigned seed);

#endif
