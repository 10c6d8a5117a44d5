/* SPDX-License-Identifier: Apache-2.0 */
/* Elements: every type at its limits, what goes with what, and each type's arithmetic. */
#include <math.h>

#include "server/objects/scalar.h"
#include "server/shm/test_kit.h"

static const char letters[] = "cbBhHiIlLqQfd?u";

static struct scalar of_int(int64_t i)
{
	return (struct scalar){ .kind = SCALAR_INT, .i = i };
}

static struct scalar of_uint(uint64_t u)
{
	return (struct scalar){ .kind = SCALAR_UINT, .u = u };
}

static struct scalar of_real(double d)
{
	return (struct scalar){ .kind = SCALAR_REAL, .d = d };
}

static struct scalar of_bool(bool b)
{
	return (struct scalar){ .kind = SCALAR_BOOL, .b = b };
}

/* Encodes and decodes again; the error, or SABIR_OK with *back. */
static enum sabir_error round_trip(uint32_t letter, struct scalar s, struct scalar *back)
{
	uint64_t bits = 0x5555555555555555;
	enum sabir_error error = scalar_encode(letter, &s, &bits);
	if (error) {
		CU_ASSERT_EQUAL(bits, 0x5555555555555555); /* untouched on failure */
		return error;
	}
	uint32_t width = scalar_width(letter);
	CU_ASSERT(width == 8 || bits >> 8 * width == 0);
	scalar_decode(letter, bits, back);
	return SABIR_OK;
}

static struct scalar sum_of(uint32_t letter, struct scalar start, struct scalar delta)
{
	uint64_t bits = 0, sum = 0;
	struct scalar back = { .kind = SCALAR_BOOL };
	CU_ASSERT_EQUAL(scalar_encode(letter, &start, &bits), SABIR_OK);
	CU_ASSERT_EQUAL(scalar_add(letter, bits, &delta, &sum), SABIR_OK);
	CU_ASSERT(scalar_width(letter) == 8 || sum >> 8 * scalar_width(letter) == 0);
	scalar_decode(letter, sum, &back);
	return back;
}

static void widths_are_pythons(void)
{
	static const uint32_t widths[] = { 1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 4, 8, 1, 4 };
	for (int i = 0; letters[i]; i++)
		CU_ASSERT_EQUAL(scalar_width((uint32_t)letters[i]), widths[i]);
}

static void no_other_letter_is_a_type(void)
{
	struct scalar zero = of_int(0);
	uint64_t bits;
	for (uint32_t code = 0; code < 1000; code++) {
		if (code && code < 128 && strchr(letters, (int)code))
			continue;
		CU_ASSERT_EQUAL(scalar_width(code), 0);
		CU_ASSERT_EQUAL(scalar_encode(code, &zero, &bits), SABIR_INVALID_ARGUMENT);
		CU_ASSERT_EQUAL(scalar_add(code, 0, &zero, &bits), SABIR_INVALID_ARGUMENT);
	}
	CU_ASSERT_EQUAL(scalar_width('b' | 0x10000), 0);
}

static const struct {
	char letter;
	int64_t least;
	uint64_t most;
	enum scalar_kind kind;
} limits[] = {
	{ 'c', 0, 255, SCALAR_INT },
	{ 'b', INT8_MIN, INT8_MAX, SCALAR_INT },
	{ 'B', 0, UINT8_MAX, SCALAR_UINT },
	{ 'h', INT16_MIN, INT16_MAX, SCALAR_INT },
	{ 'H', 0, UINT16_MAX, SCALAR_UINT },
	{ 'i', INT32_MIN, INT32_MAX, SCALAR_INT },
	{ 'I', 0, UINT32_MAX, SCALAR_UINT },
	{ 'l', INT64_MIN, INT64_MAX, SCALAR_INT },
	{ 'q', INT64_MIN, INT64_MAX, SCALAR_INT },
	{ 'L', 0, UINT64_MAX, SCALAR_UINT },
	{ 'Q', 0, UINT64_MAX, SCALAR_UINT },
	{ 'u', 0, 0x10ffff, SCALAR_INT },
};
#define N_LIMITS (sizeof(limits) / sizeof(limits[0]))

static void integers_hold_their_limits(void)
{
	for (size_t i = 0; i < N_LIMITS; i++) {
		uint32_t letter = (uint32_t)limits[i].letter;
		struct scalar back;
		CU_ASSERT_EQUAL(round_trip(letter, of_int(limits[i].least), &back), SABIR_OK);
		CU_ASSERT(back.kind == limits[i].kind && back.i == limits[i].least);
		CU_ASSERT_EQUAL(round_trip(letter, of_uint(limits[i].most), &back), SABIR_OK);
		CU_ASSERT(back.kind == limits[i].kind && back.u == limits[i].most);
		CU_ASSERT_EQUAL(round_trip(letter, of_int(1), &back), SABIR_OK);
		CU_ASSERT(back.kind == limits[i].kind && back.i == 1);
	}
}

static void integers_beyond_their_limits_are_refused(void)
{
	for (size_t i = 0; i < N_LIMITS; i++) {
		uint32_t letter = (uint32_t)limits[i].letter;
		struct scalar back;
		if (limits[i].least > INT64_MIN)
			CU_ASSERT_EQUAL(round_trip(letter, of_int(limits[i].least - 1), &back), SABIR_OUT_OF_RANGE);
		if (limits[i].most < UINT64_MAX)
			CU_ASSERT_EQUAL(round_trip(letter, of_uint(limits[i].most + 1), &back), SABIR_OUT_OF_RANGE);
		if (limits[i].most < INT64_MAX)
			CU_ASSERT_EQUAL(round_trip(letter, of_int((int64_t)limits[i].most + 1), &back),
					SABIR_OUT_OF_RANGE);
		if (limits[i].least > INT64_MIN)
			CU_ASSERT_EQUAL(round_trip(letter, of_int(INT64_MIN), &back), SABIR_OUT_OF_RANGE);
		if (limits[i].most < UINT64_MAX)
			CU_ASSERT_EQUAL(round_trip(letter, of_uint(UINT64_MAX), &back), SABIR_OUT_OF_RANGE);
	}
}

static void only_bools_are_bools(void)
{
	struct scalar back;
	for (int i = 0; letters[i]; i++) {
		bool is_bool = letters[i] == '?';
		CU_ASSERT_EQUAL(round_trip((uint32_t)letters[i], of_bool(true), &back),
				is_bool ? SABIR_OK : SABIR_WRONG_TYPE);
	}
	CU_ASSERT_EQUAL(round_trip('?', of_int(1), &back), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(round_trip('?', of_uint(0), &back), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(round_trip('?', of_real(1), &back), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(round_trip('?', of_bool(true), &back), SABIR_OK);
	CU_ASSERT(back.kind == SCALAR_BOOL && back.b);
	CU_ASSERT_EQUAL(round_trip('?', of_bool(false), &back), SABIR_OK);
	CU_ASSERT(back.kind == SCALAR_BOOL && !back.b);
}

static void reals_go_into_reals_only(void)
{
	struct scalar back;
	for (size_t i = 0; i < N_LIMITS; i++)
		CU_ASSERT_EQUAL(round_trip((uint32_t)limits[i].letter, of_real(1), &back), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(round_trip('d', of_real(0.1), &back), SABIR_OK);
	CU_ASSERT(back.kind == SCALAR_REAL && back.d == 0.1);
	CU_ASSERT_EQUAL(round_trip('f', of_real(0.1), &back), SABIR_OK);
	CU_ASSERT(back.kind == SCALAR_REAL && back.d == (double)0.1f);
	CU_ASSERT_EQUAL(round_trip('f', of_real(-INFINITY), &back), SABIR_OK);
	CU_ASSERT(isinf(back.d) && back.d < 0);
	CU_ASSERT_EQUAL(round_trip('f', of_real(1e300), &back), SABIR_OK);
	CU_ASSERT(isinf(back.d) && back.d > 0);
	CU_ASSERT_EQUAL(round_trip('d', of_real(NAN), &back), SABIR_OK);
	CU_ASSERT(isnan(back.d));
	CU_ASSERT_EQUAL(round_trip('d', of_real(-0.0), &back), SABIR_OK);
	CU_ASSERT(back.d == 0 && signbit(back.d));
}

static void integers_go_into_reals_rounded_once(void)
{
	struct scalar back;
	CU_ASSERT_EQUAL(round_trip('d', of_int(-3), &back), SABIR_OK);
	CU_ASSERT(back.kind == SCALAR_REAL && back.d == -3.0);
	CU_ASSERT_EQUAL(round_trip('d', of_uint(UINT64_MAX), &back), SABIR_OK);
	CU_ASSERT_EQUAL(back.d, 18446744073709551616.0);
	/* 2^60 + 2^36 + 1: through a double it would become a tie, and that would go down to even. */
	int64_t tie = (1ll << 60) + (1ll << 36) + 1;
	CU_ASSERT_EQUAL(round_trip('f', of_int(tie), &back), SABIR_OK);
	CU_ASSERT_EQUAL(back.d, (double)((1ll << 60) + (1ll << 37)));
}

static void addition_wraps_at_the_width(void)
{
	for (size_t i = 0; i < N_LIMITS; i++) {
		uint32_t letter = (uint32_t)limits[i].letter;
		if (letter == 'c' || letter == 'u')
			continue;
		CU_ASSERT_EQUAL(sum_of(letter, of_uint(limits[i].most), of_int(1)).i, limits[i].least);
		CU_ASSERT_EQUAL(sum_of(letter, of_int(limits[i].least), of_int(-1)).u, limits[i].most);
		CU_ASSERT_EQUAL(sum_of(letter, of_int(5), of_int(-3)).i, 2);
		CU_ASSERT_EQUAL(sum_of(letter, of_int(5), of_uint(UINT64_MAX)).i, 4);
	}
	CU_ASSERT_EQUAL(sum_of('B', of_int(200), of_int(1000)).u, (200 + 1000) % 256);
	CU_ASSERT_EQUAL(sum_of('b', of_int(-100), of_int(-100)).i, 56);
	CU_ASSERT_EQUAL(sum_of('h', of_int(1), of_int(INT64_MIN)).i, 1);
}

static void reals_add_in_their_precision(void)
{
	struct scalar inf = of_real(INFINITY);
	CU_ASSERT_EQUAL(sum_of('d', of_real(0.1), of_real(0.2)).d, 0.1 + 0.2);
	CU_ASSERT_EQUAL(sum_of('f', of_real(0.1), of_real(0.2)).d, (double)(0.1f + 0.2f));
	CU_ASSERT_EQUAL(sum_of('f', of_real(16777216), of_int(1)).d, 16777216.0);
	CU_ASSERT_EQUAL(sum_of('d', of_real(0.5), of_int(-1)).d, -0.5);
	CU_ASSERT_EQUAL(sum_of('d', of_real(0.5), of_uint(UINT64_MAX)).d, 18446744073709551616.0);
	CU_ASSERT(isnan(sum_of('d', inf, of_real(-INFINITY)).d));
	CU_ASSERT(isnan(sum_of('f', of_real(NAN), of_real(1)).d));
}

static void what_is_no_number_is_not_added(void)
{
	struct scalar one = of_int(1), real = of_real(1), truth = of_bool(true);
	uint64_t sum = 7;
	CU_ASSERT_EQUAL(scalar_add('c', 1, &one, &sum), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(scalar_add('u', 1, &one, &sum), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(scalar_add('?', 1, &one, &sum), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(scalar_add('?', 1, &truth, &sum), SABIR_WRONG_TYPE);
	for (int i = 0; letters[i]; i++)
		CU_ASSERT_EQUAL(scalar_add((uint32_t)letters[i], 0, &truth, &sum), SABIR_WRONG_TYPE);
	for (size_t i = 0; i < N_LIMITS; i++)
		CU_ASSERT_EQUAL(scalar_add((uint32_t)limits[i].letter, 0, &real, &sum), SABIR_WRONG_TYPE);
	CU_ASSERT_EQUAL(sum, 7);
}

static void bits_above_the_width_do_not_count(void)
{
	struct scalar s, one = of_int(1);
	uint64_t sum;
	scalar_decode('b', 0xffffffffffffff80, &s);
	CU_ASSERT_EQUAL(s.i, -128);
	scalar_decode('H', 0xabcdef0000012345 & ~0xffffull, &s);
	CU_ASSERT_EQUAL(s.u, 0);
	scalar_decode('?', 0xff00, &s);
	CU_ASSERT(!s.b);
	CU_ASSERT_EQUAL(scalar_add('I', 0xffffffff00000001, &one, &sum), SABIR_OK);
	CU_ASSERT_EQUAL(sum, 2);
}

static void foreign_elements_are_checked(void)
{
	uint8_t bools[] = { 0, 1, 1, 0, 2 };
	uint8_t raw[13] = { 0 };
	uint32_t points[] = { 0x10ffff, 0xd800, 0x110000 };
	memcpy(raw + 1, points, sizeof(points)); /* at an odd address */
	CU_ASSERT_EQUAL(scalar_check('?', bools, 4), SABIR_OK);
	CU_ASSERT_EQUAL(scalar_check('?', bools, 5), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(scalar_check('u', raw + 1, 2), SABIR_OK);
	CU_ASSERT_EQUAL(scalar_check('u', raw + 1, 3), SABIR_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(scalar_check('c', bools, 5), SABIR_OK);
	CU_ASSERT_EQUAL(scalar_check('i', raw, 3), SABIR_OK);
	CU_ASSERT_EQUAL(scalar_check('?', NULL, 0), SABIR_OK);
}

int main(void)
{
	static const CU_TestInfo tests[] = {
		KIT_TEST(widths_are_pythons),
		KIT_TEST(no_other_letter_is_a_type),
		KIT_TEST(integers_hold_their_limits),
		KIT_TEST(integers_beyond_their_limits_are_refused),
		KIT_TEST(only_bools_are_bools),
		KIT_TEST(reals_go_into_reals_only),
		KIT_TEST(integers_go_into_reals_rounded_once),
		KIT_TEST(addition_wraps_at_the_width),
		KIT_TEST(reals_add_in_their_precision),
		KIT_TEST(what_is_no_number_is_not_added),
		KIT_TEST(bits_above_the_width_do_not_count),
		KIT_TEST(foreign_elements_are_checked),
	};
	return kit_run("scalar", NULL, NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
