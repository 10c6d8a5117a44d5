/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of the memory are overwritten, as a program that is attached could: the low bits of `where` choose a region,
 * the next an offset in it, the highest how. Or, exactly: all but the highest are the number of the word in the
 * segment.
 */
#include <string.h>

#include "server/shm/chunk.h"
#include "tests/fuzz/play.h"

#define MAX_FILLED (1u << 16)
#define WHERE_MASK 0x3fffffffu /* the rest of `where` is how */

/* Offsets of words of the stage with something in them, those of the header's geometry left out. */
static uint32_t filled[MAX_FILLED], n_filled;

struct change {
	uint32_t where;
	uint64_t what;
};

/* The n-th chunk that is in use, or NULL. */
static uint8_t *used_chunk(const struct segment *seg, uint32_t n)
{
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		if (chunk_state(seg->chunks[i].word) != SEG_CHUNK_FREE && n-- == 0)
			return chunk_base(seg, i);
	return NULL;
}

/*
 * The word that a change is about. The header's geometry is not among them: each process has read it before, and a
 * program that comes later checks it (segment_test.c).
 */
static uint64_t *word_at(const struct segment *seg, uint32_t where)
{
	uint32_t region = where & 15, offset = where >> 4;
	uint8_t *chunk;
	switch (region) {
	case 0:
		return (uint64_t *)(seg->base + 192) + offset % 24; /* the header's changing part */
	case 1:
		return (uint64_t *)seg->owners + offset % (seg->n_owners * sizeof(*seg->owners) / 8);
	case 2:
	case 3:
		return (uint64_t *)seg->lanes + offset % (seg->n_lanes * sizeof(*seg->lanes) / 8);
	case 4:
	case 5:
	case 6:
		return (uint64_t *)seg->objects + offset % (20 * sizeof(*seg->objects) / 8);
	case 7:
		return (uint64_t *)seg->chunks + offset % (seg->n_chunks * sizeof(*seg->chunks) / 8);
	case 8:
		return seg->hints + offset % (SEG_N_HINTS * seg->n_hint_words);
	case 14:
	case 15:
		return n_filled ? (uint64_t *)(seg->base + filled[offset % n_filled]) : NULL;
	default:
		chunk = used_chunk(seg, offset % 8);
		/* Most of what is used stands at the beginning of a slab. */
		return chunk ? (uint64_t *)chunk + (offset >> 3) % (region < 12 ? 2048 : SEG_CHUNK_SIZE / 8) : NULL;
	}
}

/* The word of that number in the segment; NULL: there is none that anybody has. */
static uint64_t *exact_word(const struct segment *seg, uint32_t number)
{
	uint64_t off = (uint64_t)number * sizeof(uint64_t);
	if (off < 192)
		return NULL;
	if (off >= seg->data_off) {
		uint64_t chunk = (off - seg->data_off) >> SEG_CHUNK_SHIFT;
		if (chunk >= seg->n_chunks || chunk_state(seg->chunks[chunk].word) == SEG_CHUNK_FREE)
			return NULL;
	}
	return (uint64_t *)(seg->base + off);
}

static void apply(const struct segment *seg, const struct change *change, bool exact)
{
	uint64_t *word = exact ? exact_word(seg, change->where & WHERE_MASK) : word_at(seg, change->where);
	if (!word)
		return;
	switch (change->where >> 30) {
	case 0:
		*word = change->what;
		break;
	case 1:
		*word ^= 1ull << (change->what & 63);
		break;
	case 2:
		*word += (uint64_t)(int64_t)(int8_t)change->what;
		break;
	default:
		memcpy(word, &change->what, 4);
	}
}

void damage(const struct segment *seg, struct span changes, bool exact)
{
	struct change change;
	for (; changes.len >= DAMAGE_LEN; changes.data += DAMAGE_LEN, changes.len -= DAMAGE_LEN) {
		memcpy(&change.where, changes.data, 4);
		memcpy(&change.what, changes.data + 4, 8);
		apply(seg, &change, exact);
	}
}

/* ---------------------------------------------------------------- new ones */

static const struct segment *known;

static void add_filled(uint64_t from, uint64_t to)
{
	uint64_t word;
	for (uint64_t off = from; off < to && n_filled < MAX_FILLED; off += sizeof(word)) {
		memcpy(&word, known->base + off, sizeof(word));
		if (word)
			filled[n_filled++] = (uint32_t)off;
	}
}

void damage_init(const struct segment *seg)
{
	known = seg;
	/* Tables, then what the chunks hold: large items alone are worth less. */
	add_filled(192, seg->data_off);
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		if (chunk_state(seg->chunks[i].word) != SEG_CHUNK_FREE)
			add_filled(seg->data_off + ((uint64_t)i << SEG_CHUNK_SHIFT),
				   seg->data_off + ((uint64_t)(i + 1) << SEG_CHUNK_SHIFT));
}

/* Numbers, and words that stand elsewhere, or almost. */
static uint64_t new_what(struct dice *dice)
{
	uint64_t word = 0;
	switch (dice_roll(dice, 4)) {
	case 0:
		return mutate_number(dice);
	case 1:
		return (uint64_t)dice_roll(dice, UINT32_MAX) << 32 | dice_roll(dice, UINT32_MAX);
	default:
		if (n_filled)
			memcpy(&word, known->base + filled[dice_roll(dice, n_filled)], sizeof(word));
		return dice_roll(dice, 3) ? word : word + dice_roll(dice, 5) - 2;
	}
}

static uint64_t word_behind(uint64_t off)
{
	uint64_t word;
	memcpy(&word, known->base + off, sizeof(word));
	return word;
}

/* What could stand there, but for one thing: a state, a number, a half, or what another of its kind has. */
static uint64_t near_what(struct dice *dice, uint64_t off)
{
	static const uint64_t low = UINT32_MAX, high = ~(uint64_t)UINT32_MAX;
	uint64_t word = word_behind(off), other = n_filled ? word_behind(filled[dice_roll(dice, n_filled)]) : 0;
	switch (dice_roll(dice, 12)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2: /* states stand in the low bits */
		return word ^ (1 + dice_roll(dice, 15));
	case 3:
		return word + dice_roll(dice, 17) - 8;
	case 4: /* generations, tags and ordinals in the high ones */
		return word + ((uint64_t)dice_roll(dice, 17) << 32) - (8ull << 32);
	case 5:
		return (word & high) | (other & low);
	case 6:
		return (word & low) | (other & high);
	case 7:
		return (word & high) | (uint32_t)mutate_number(dice);
	case 8:
		return (word & low) | mutate_number(dice) << 32;
	case 9:
		return word ^ 1ull << dice_roll(dice, 64);
	case 10: /* of another row of the table, or another block */
		off += 64 * (uint64_t)(1 + dice_roll(dice, 8));
		return off < known->size ? word_behind(off) : other;
	default:
		return other;
	}
}

static uint64_t another_what(struct dice *dice, bool exact, uint32_t where)
{
	uint64_t off = (uint64_t)(where & WHERE_MASK) * sizeof(uint64_t);
	return exact && off < known->size ? near_what(dice, off) : new_what(dice);
}

void damage_new(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN])
{
	uint32_t where = dice_roll(dice, UINT32_MAX) << 4;
	where |= dice_roll(dice, 2) ? 15 : dice_roll(dice, 16);
	if (exact && n_filled)
		where = filled[dice_roll(dice, n_filled)] / (uint32_t)sizeof(uint64_t);
	uint64_t what = another_what(dice, exact, where);
	memcpy(change, &where, 4);
	memcpy(change + 4, &what, 8);
}

void damage_mutate(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN])
{
	uint32_t where;
	uint64_t what;
	memcpy(&where, change, 4);
	memcpy(&what, change + 4, 8);
	switch (dice_roll(dice, 6)) {
	case 0: /* a neighbour */
		where += (dice_roll(dice, 9) - 4) << (exact ? 0 : 4);
		break;
	case 1: /* in another way */
		where ^= (1 + dice_roll(dice, 3)) << 30;
		break;
	case 2:
		what ^= 1ull << dice_roll(dice, 64);
		break;
	case 3:
		what += dice_roll(dice, 33) - 16ull;
		break;
	default:
		what = another_what(dice, exact, where);
	}
	memcpy(change, &where, 4);
	memcpy(change + 4, &what, 8);
}
