/* SPDX-License-Identifier: Apache-2.0 */
/* How new pieces of an input come about, and changed ones (play.h). */
#include <string.h>

#include "tests/fuzz/play.h"

static void new_head(struct dice *dice, bool damages, uint8_t *head)
{
	uint16_t number = stage_op_number(op_at(dice_roll(dice, (uint32_t)op_count())));
	if (dice_roll(dice, 5) == 0)
		number = (uint16_t)(EVENT + dice_roll(dice, N_EVENTS));
	if (damages ? dice_roll(dice, 3) == 0 : number == EVENT + EVENT_DAMAGE)
		number = damages ? EVENT + EVENT_DAMAGE : EVENT;
	head[0] = (uint8_t)number;
	head[1] = (uint8_t)(number >> 8);
	head[2] = (uint8_t)(dice_roll(dice, 3) ? PLAY_WAIT : dice_roll(dice, 32));
	if (dice_roll(dice, 6) == 0)
		head[2] |= (uint8_t)(PLAY_ABANDON << dice_roll(dice, 3));
	if (number == EVENT + EVENT_DAMAGE)
		head[2] = (uint8_t)((head[2] & 0x1f) | (dice_roll(dice, 2) ? PLAY_EXACT : 0));
}

static void new_honest_head(struct dice *dice, uint8_t *head)
{
	new_head(dice, false, head);
}

static void new_damaging_head(struct dice *dice, uint8_t *head)
{
	new_head(dice, true, head);
}

static bool has_number(unsigned event)
{
	return event == EVENT_DIES || event == EVENT_PASS || event == EVENT_HOLD || event == EVENT_FILL ||
	       event == EVENT_AGAIN;
}

/* Mostly a low one, and now and then a second one. */
static void new_numbers(struct dice *dice, struct bytes_out *to)
{
	to->len = dice_roll(dice, 3) ? 2 : 4;
	for (size_t i = 0; i < to->len; i += 2) {
		uint32_t n = dice_roll(dice, dice_roll(dice, 3) ? 48 : STEPS_MOST);
		to->data[i] = (uint8_t)n;
		to->data[i + 1] = (uint8_t)(n >> 8);
	}
}

/* Now and then all of it is new. */
static bool mutate_request(struct dice *dice, const uint8_t *head, struct span from, size_t max, struct bytes_out *to)
{
	unsigned number = head[0] | (unsigned)head[1] << 8;
	if (number >= EVENT && has_number(number - EVENT)) {
		new_numbers(dice, to);
		return true;
	}
	if (number >= EVENT || max < REQUEST_NEW_MAX || (from.len && dice_roll(dice, 6)))
		return false;
	to->len = request_new(dice, stage_op((uint16_t)number), to->data);
	return true;
}

/* Another change, or one change more, or less. */
static bool mutate_damage(struct dice *dice, const uint8_t *head, struct span from, size_t max, struct bytes_out *to)
{
	if ((head[0] | head[1] << 8) != (EVENT | EVENT_DAMAGE))
		return mutate_request(dice, head, from, max, to);
	size_t n = from.len / DAMAGE_LEN, which = n ? dice_roll(dice, (uint32_t)n) : 0;
	if (n)
		memcpy(to->data, from.data, n * DAMAGE_LEN);
	uint8_t *at = to->data + which * DAMAGE_LEN;
	uint32_t what = dice_roll(dice, 8);
	bool exact = play_is_exact(head[2]);
	if (n == 0 || (what == 0 && (n + 1) * DAMAGE_LEN <= max)) {
		damage_new(dice, exact, to->data + n * DAMAGE_LEN);
		n++;
	} else if (what == 1) {
		memmove(at, at + DAMAGE_LEN, (n - which - 1) * DAMAGE_LEN);
		n--;
	} else if (what == 2) {
		damage_new(dice, exact, at);
	} else {
		damage_mutate(dice, exact, at);
	}
	to->len = n * DAMAGE_LEN;
	return true;
}

const struct piece_form play_form = { PLAY_HEAD, new_honest_head, mutate_request };
const struct piece_form play_damage_form = { PLAY_HEAD, new_damaging_head, mutate_damage };
