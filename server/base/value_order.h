/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_BASE_VALUE_ORDER_H
#define SABIR_BASE_VALUE_ORDER_H

#include "server/base/value_digest.h"

/*
 * Equality and order of Values as Python has them for elements of a list. They differ from those of keys (value.h):
 * numbers and bools of all kinds compare by what they are worth, exactly (true is 1), at any depth of lists and maps.
 *
 * Ordered are numbers with numbers, text with text (by code points), bytes with bytes, timestamps with timestamps,
 * and lists with lists: the first two items that are not equal decide, else the shorter one comes first. A NaN equals
 * every NaN and comes behind all other numbers. Everything else is only equal or not: maps are equal if they have equal
 * entries, in whatever order; those that have a key twice (their writer's fault) if they have each entry as often.
 */
bool value_same(struct span a, struct span b);

/* A Value that many others are held against: value_is(w, v) is value_same(value, v) and takes no longer than v is. */
struct value_wanted {
	struct span value;
	struct value_view view;
	struct value_digest digest;
	bool by_digest; /* it has a map: the two above are set */
};
void value_want(struct span value, struct value_wanted *w);
bool value_is(const struct value_wanted *w, struct span value);

/* *order: below 0, 0, above 0. Errors: WRONG_TYPE (they have no order, be they equal or not), INVALID_VALUE. */
enum sabir_error value_compare(struct span a, struct span b, int *order);
/* The same for Values whose tops were read before. */
enum sabir_error value_compare_views(const struct value_view *a, const struct value_view *b, int *order);
/* The value of a map's last entry with this key, *value untouched: there is none. Errors: WRONG_TYPE (no map). */
enum sabir_error value_map_find(const struct value_view *map, struct span key, struct span *value);

#endif
