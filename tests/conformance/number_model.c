/* SPDX-License-Identifier: Apache-2.0 */
/* Values and arrays of every integer type against C's own. See model.h for how it is run. */
#include "tests/conformance/model.h"

#define MAX_LEN 40u

static struct {
	int64_t at[MAX_LEN]; /* a value is an array of one */
	uint64_t len;
	char code;
	unsigned bits;
	bool is_signed;
} model;

static sabir_array *arrays[2];
static sabir_value *values[2];

/* As the type keeps it: two's complement at its width. */
static int64_t wrapped(uint64_t n)
{
	unsigned unused = 64 - model.bits;
	return model.is_signed ? (int64_t)(n << unused) >> unused : (int64_t)(n << unused >> unused);
}

static struct sabir_item item_of(int64_t n)
{
	return model.is_signed ? sabir_int(n) : sabir_uint((uint64_t)n);
}

static int64_t number_in(const struct sabir_item *item)
{
	SAME(item->kind == (model.is_signed ? SABIR_ITEM_INT : SABIR_ITEM_UINT));
	return model.is_signed ? item->as.i : (int64_t)item->as.u;
}

/* Mostly small, so that a compare_exchange meets what it expects; now and then at the type's ends. */
static int64_t random_number(void)
{
	if (random_below(8))
		return (int64_t)random_below(4);
	return wrapped(random_below(2) ? UINT64_MAX << (model.bits - 1) : ~(UINT64_MAX << (model.bits - 1)));
}

/* ---------------------------------------------------------------- one element */

static void step_get(int who, int64_t i, int64_t *cell)
{
	struct sabir_item found;
	SAME(!(i < 0 ? sabir_value_get(values[who], &found) : sabir_array_get(arrays[who], i, &found)));
	SAME(number_in(&found) == *cell);
}

static void step_set(int who, int64_t i, int64_t *cell)
{
	struct sabir_item number = item_of(random_number());
	SAME(!(i < 0 ? sabir_value_set(values[who], &number) : sabir_array_set(arrays[who], i, &number)));
	*cell = number_in(&number);
}

static void step_add(int who, int64_t i, int64_t *cell)
{
	struct sabir_item delta = item_of(random_number()), sum;
	SAME(!(i < 0 ? sabir_value_add(values[who], &delta, &sum) : sabir_array_add(arrays[who], i, &delta, &sum)));
	*cell = wrapped((uint64_t)*cell + (uint64_t)number_in(&delta));
	SAME(number_in(&sum) == *cell);
}

static void step_compare_exchange(int who, int64_t i, int64_t *cell)
{
	struct sabir_item expected = item_of(random_number()), desired = item_of(random_number()), found;
	bool exchanged;
	SAME(!(i < 0 ? sabir_value_compare_exchange(values[who], &expected, &desired, &exchanged, &found)
		     : sabir_array_compare_exchange(arrays[who], i, &expected, &desired, &exchanged, &found)));
	SAME(number_in(&found) == *cell && exchanged == (*cell == number_in(&expected)));
	if (exchanged)
		*cell = number_in(&desired);
}

static void step_exchange(int who, int64_t i, int64_t *cell)
{
	struct sabir_item desired = item_of(random_number()), previous;
	if (i >= 0)
		return;
	SAME(!sabir_value_exchange(values[who], &desired, &previous));
	SAME(number_in(&previous) == *cell);
	*cell = number_in(&desired);
}

static void step_too_large(int who, int64_t i, int64_t *cell)
{
	struct sabir_item number = model.is_signed ? sabir_uint(UINT64_MAX) : sabir_int(-1);
	(void)cell;
	SAME((i < 0 ? sabir_value_set(values[who], &number) : sabir_array_set(arrays[who], i, &number)) ==
	     SABIR_OUT_OF_RANGE);
}

/* ---------------------------------------------------------------- slices */

/* The elements from `start` on as they lie in memory: little-endian. */
static void encode(uint64_t start, uint64_t count, uint8_t *to)
{
	unsigned width = model.bits / 8;
	for (uint64_t k = 0; k < count; k++)
		memcpy(to + k * width, &model.at[start + k], width);
}

static void step_slice(int who)
{
	uint8_t data[MAX_LEN * 8], mine[MAX_LEN * 8];
	uint64_t start = random_below((unsigned)model.len + 2), count = random_below((unsigned)model.len + 2);
	enum sabir_error expected = start + count > model.len ? SABIR_OUT_OF_RANGE : SABIR_OK;
	struct sabir_item number = item_of(random_number());
	unsigned what = random_below(3);
	if (what == 0) {
		SAME(sabir_array_fill(arrays[who], start, count, &number) == expected);
	} else if (what == 1) {
		for (uint64_t k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)random_below(256);
		SAME(sabir_array_set_slice(arrays[who], start, count, data) == expected);
	} else {
		SAME(sabir_array_get_slice(arrays[who], start, count, data) == expected);
	}
	for (uint64_t k = 0; k < count && !expected; k++) {
		uint64_t bits = 0;
		memcpy(&bits, data + k * model.bits / 8, model.bits / 8);
		if (what < 2)
			model.at[start + k] = what ? wrapped(bits) : number_in(&number);
	}
	if (!expected)
		encode(start, count, mine);
	SAME(expected || what < 2 || !memcmp(data, mine, count * model.bits / 8));
}

static void step(void)
{
	static void (*const steps[])(int, int64_t, int64_t *) = { step_get,      step_get,      step_set,
								  step_add,      step_add,      step_compare_exchange,
								  step_exchange, step_too_large };
	int who = (int)random_below(2);
	unsigned what = random_below(10);
	int64_t i = values[0] ? -1 : (int64_t)random_below((unsigned)model.len);
	if (what < 8)
		steps[what](who, i, &model.at[i < 0 ? 0 : i]);
	else if (i >= 0)
		step_slice(who);
}

static void begin(void)
{
	static const char codes[] = "bBhHiIlLqQ";
	static const unsigned bits[] = { 8, 8, 16, 16, 32, 32, 64, 64, 64, 64 };
	unsigned type = random_below(10);
	memset(&model, 0, sizeof(model));
	model.code = codes[type];
	model.bits = bits[type];
	model.is_signed = type % 2 == 0;
	model.len = random_below(3) ? 1 + random_below(MAX_LEN) : 1;
	if (model.len > 1) {
		SAME(!sabir_array_create(conns[0], NULL, model.code, model.len, 0, &arrays[0]));
		SAME(!sabir_array_open_handle(conns[1], sabir_array_handle(arrays[0]), &arrays[1]));
	} else {
		SAME(!sabir_value_create(conns[1], NULL, model.code, 0, &values[1]));
		SAME(!sabir_value_open_handle(conns[0], sabir_value_handle(values[1]), &values[0]));
	}
}

static void history(unsigned n_steps)
{
	begin();
	for (history_step = 1; history_step <= n_steps; history_step++)
		step();
	uint64_t handle = values[0] ? sabir_value_handle(values[0]) : sabir_array_handle(arrays[0]);
	SAME(!sabir_delete_handle(conns[random_below(2)], handle));
	for (int i = 0; i < 2; i++) {
		sabir_value_free(values[i]);
		sabir_array_free(arrays[i]);
		values[i] = NULL;
		arrays[i] = NULL;
	}
}

int main(int argc, char **argv)
{
	return run_histories(argc, argv, "value, array", 200, history);
}
