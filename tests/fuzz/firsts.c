/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inputs for the fuzzer of damaged memory that are told one behind the other and not by chance: for each place in the code that loads a
 * word from the segment which the piece of an input had not touched before, the input once more for each of some values, with that word
 * overwritten in front of the piece. What is new of them belongs into the corpus.
 *
 *   firsts TO FOLDER...: of inputs of the fuzzers of requests and of memory
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/loads.h"
#include "tests/fuzz/play.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/twice_values.h"

#define MAX_FIRSTS 8192u /* of one input */
#define PLACES (1u << 25)
#define INPUT_MOST 2048u /* -max_len of `memory` */
#define GEOMETRY 192u    /* of the header, which damage leaves alone */

static struct first {
	uint32_t piece;
	uint32_t word;    /* its number in the segment */
	uint32_t size;    /* of the load */
	uint32_t within;  /* where in the word it begins */
	uint64_t content; /* of the word */
} firsts[MAX_FIRSTS];
static uint32_t n_firsts;
static uint8_t is_known[PLACES / 8]; /* bits, by place */
static size_t n_written;

static bool is_new(uintptr_t place)
{
	if (place >= PLACES || is_known[place / 8] >> place % 8 & 1)
		return false;
	is_known[place / 8] |= (uint8_t)(1u << place % 8);
	return true;
}

static void seen(const struct access *access)
{
	uint64_t off = (uint64_t)(access->at - loads.base);
	uint32_t within = off % sizeof(uint64_t);
	if (!access->load || off < GEOMETRY || n_firsts == MAX_FIRSTS || !is_new(access->place))
		return;
	uint32_t size = access->size < sizeof(uint64_t) - within ? (uint32_t)access->size : 8 - within;
	struct first *first = &firsts[n_firsts++];
	*first = (struct first){ loads.piece, (uint32_t)(off / sizeof(uint64_t)), size, within, 0 };
	memcpy(&first->content, loads.base + off - within, sizeof(first->content));
}

/* Of the input's beginning, that many pieces. */
static size_t length_of(struct span input, uint32_t pieces)
{
	struct span rest = input, message;
	const uint8_t *head;
	while (pieces > 0 && piece_next(&play_form, &rest, &head, &message))
		pieces--;
	return input.len - rest.len;
}

static void write_first(const char *to, struct span input, const struct first *first, uint32_t kind)
{
	static const uint8_t head[PLAY_HEAD] = { (uint8_t)(EVENT + EVENT_DAMAGE), (EVENT + EVENT_DAMAGE) >> 8,
						 PLAY_EXACT };
	uint8_t changed[INPUT_MOST + 1], change[DAMAGE_LEN];
	size_t before = length_of(input, first->piece);
	uint64_t content = first->content;
	twice_overwrite((uint8_t *)&content + first->within, first->size, kind);
	if (content == first->content || before > sizeof(changed))
		return;
	memcpy(change, &first->word, 4);
	memcpy(change + 4, &content, 8);
	memcpy(changed, input.data, before);
	uint8_t *end = piece_put(&play_damage_form, changed + before, changed + sizeof(changed), head,
				 (struct span){ change, sizeof(change) });
	size_t rest = input.len - before;
	if (!end || rest > (size_t)(changed + sizeof(changed) - end))
		return;
	memcpy(end, input.data + before, rest);
	seed_write(to, "first", n_written++, (struct span){ changed, (size_t)(end - changed) + rest });
}

int main(int argc, char **argv)
{
	struct span input;
	bool fine = argc > 2;
	for (int i = 2; fine && i < argc; i++)
		fine = inputs_list(argv[i]);
	if (!fine) {
		fprintf(stderr, "firsts TO FOLDER...: of inputs of the fuzzers of requests and of memory\n");
		return 2;
	}
	inputs_sort();
	for (uint32_t i = 0; i < n_inputs; i++) {
		if (!inputs_read(i, &input))
			continue;
		n_firsts = 0;
		loads_play(input, true, seen);
		for (uint32_t k = 0; k < n_firsts * TWICE_KINDS; k++)
			write_first(argv[1], input, &firsts[k / TWICE_KINDS], k % TWICE_KINDS);
	}
	printf("firsts: %u inputs, %zu written\n", n_inputs, n_written);
	return 0;
}
