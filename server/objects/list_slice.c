/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's slices: which elements start:stop:step means in a list of a certain length.
 */
#include "server/objects/list.h"

/* A bound counted from the start of the list, between `low` and `high`. */
static int64_t bound(int64_t at, int64_t length, int64_t low, int64_t high)
{
	if (at < 0)
		at = at < -length ? -1 : at + length;
	return at < low ? low : at > high ? high : at;
}

enum sabir_error list_slice_range(const struct list_slice *slice, uint64_t length, struct list_range *range)
{
	int64_t len = (int64_t)length, step = slice->step; /* a length has 32 bits */
	bool back = step < 0;
	if (step == 0)
		return SABIR_INVALID_ARGUMENT;
	/* Backwards, -1 is in front of the first element. */
	int64_t low = back ? -1 : 0, high = back ? len - 1 : len;
	int64_t start = slice->has_start ? bound(slice->start, len, low, high) : back ? high : low;
	int64_t stop = slice->has_stop ? bound(slice->stop, len, low, high) : back ? low : high;
	uint64_t room = back ? (start > stop ? (uint64_t)(start - stop) : 0)
			     : (stop > start ? (uint64_t)(stop - start) : 0);
	uint64_t stride = back ? (uint64_t)0 - (uint64_t)step : (uint64_t)step;
	*range = (struct list_range){ (uint64_t)start, step, room ? (room - 1) / stride + 1 : 0 };
	return SABIR_OK;
}
