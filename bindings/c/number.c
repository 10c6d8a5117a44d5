/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers between the forms that callers, objects and C have for them.
 */
#include "bindings/c/number.h"

struct sabir_item item_of_scalar(const struct scalar *s)
{
	switch (s->kind) {
	case SCALAR_INT:
		return sabir_int(s->i);
	case SCALAR_UINT:
		return sabir_uint(s->u);
	case SCALAR_REAL:
		return sabir_double(s->d);
	default:
		return sabir_bool(s->b);
	}
}

enum sabir_error scalar_of_item(const struct sabir_item *item, struct scalar *s)
{
	switch (item->kind) {
	case SABIR_ITEM_INT:
		*s = (struct scalar){ .kind = SCALAR_INT, .i = item->as.i };
		return SABIR_OK;
	case SABIR_ITEM_UINT:
		*s = (struct scalar){ .kind = SCALAR_UINT, .u = item->as.u };
		return SABIR_OK;
	case SABIR_ITEM_DOUBLE:
		*s = (struct scalar){ .kind = SCALAR_REAL, .d = item->as.d };
		return SABIR_OK;
	case SABIR_ITEM_BOOL:
		*s = (struct scalar){ .kind = SCALAR_BOOL, .b = item->as.boolean };
		return SABIR_OK;
	}
	return fail(SABIR_WRONG_TYPE, "an item of kind %u is no number", item->kind);
}

enum sabir_error number_int(const struct sabir_item *number, int64_t *out)
{
	switch (number->kind) {
	case SABIR_ITEM_INT:
		*out = number->as.i;
		return SABIR_OK;
	case SABIR_ITEM_UINT:
		if (number->as.u > INT64_MAX)
			return fail(SABIR_OUT_OF_RANGE, "%llu", (unsigned long long)number->as.u);
		*out = (int64_t)number->as.u;
		return SABIR_OK;
	case SABIR_ITEM_BOOL:
		*out = number->as.boolean;
		return SABIR_OK;
	}
	return fail(SABIR_WRONG_TYPE, "not an integer");
}

enum sabir_error number_uint(const struct sabir_item *number, uint64_t *out)
{
	switch (number->kind) {
	case SABIR_ITEM_INT:
		if (number->as.i < 0)
			return fail(SABIR_OUT_OF_RANGE, "%lld", (long long)number->as.i);
		*out = (uint64_t)number->as.i;
		return SABIR_OK;
	case SABIR_ITEM_UINT:
		*out = number->as.u;
		return SABIR_OK;
	case SABIR_ITEM_BOOL:
		*out = number->as.boolean;
		return SABIR_OK;
	}
	return fail(SABIR_WRONG_TYPE, "not an integer");
}

enum sabir_error number_double(const struct sabir_item *number, double *out)
{
	switch (number->kind) {
	case SABIR_ITEM_INT:
		*out = (double)number->as.i;
		return SABIR_OK;
	case SABIR_ITEM_UINT:
		*out = (double)number->as.u;
		return SABIR_OK;
	case SABIR_ITEM_DOUBLE:
		*out = number->as.d;
		return SABIR_OK;
	}
	return fail(SABIR_WRONG_TYPE, "not a number");
}
