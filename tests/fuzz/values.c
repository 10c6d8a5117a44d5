/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of encoded Values: what it lets in has one canonical form, equals itself, and compares both ways alike.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/value.h"
#include "server/base/value_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool it_is_so)
{
	if (!it_is_so)
		abort();
}

static void check_canonical(struct span value)
{
	uint8_t fixed[2][512];
	struct bytes first, second;

	bytes_init(&first, fixed[0], sizeof(fixed[0]));
	bytes_init(&second, fixed[1], sizeof(fixed[1]));
	expect(value_canonical(value, &first) == SABIR_OK);
	struct span canonical = bytes_item(&first, 0);
	expect(value_check(canonical) == SABIR_OK && canonical.len <= value.len);
	expect(value_canonical(canonical, &second) == SABIR_OK);
	struct span again = bytes_item(&second, 0);
	expect(again.len == canonical.len && !memcmp(again.data, canonical.data, again.len));
	expect(value_equal(value, canonical) && value_same(value, canonical));
	bytes_fini(&first);
	bytes_fini(&second);
}

/* Two Values: the first byte says how long the first is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	size_t first_len = data[0] < size - 1 ? data[0] : size - 1;
	struct span a = { data + 1, first_len }, b = { data + 1 + first_len, size - 1 - first_len };
	bool a_good = !value_check(a), b_good = !value_check(b);
	int order = 0, back = 0;

	if (a_good)
		check_canonical(a);
	if (b_good)
		check_canonical(b);
	if (!a_good || !b_good)
		return 0;
	expect(value_equal(a, b) == value_equal(b, a) && value_same(a, b) == value_same(b, a));
	enum sabir_error one = value_compare(a, b, &order), other = value_compare(b, a, &back);
	expect(one == other);
	expect(one || ((order < 0) == (back > 0) && (order == 0) == (back == 0)));
	return 0;
}
