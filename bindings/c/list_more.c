/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list's functions on slices, by value, and on all of it: requests on either transport, but for the local reading
 * of a slice, which need not fit into messages.
 */
#include <stdlib.h>

#include "bindings/c/list_call.h"
#include "server/objects/list.h"

#define MOST_ROUNDS 16u /* of a remote slice that changes while it is read */

static void begin(struct request *r, const struct sabir_list *list)
{
	request_init(r, 64);
	request_object(r, list->h.id);
}

/* Three fields from `first` on. */
static void request_slice(struct request *r, uint32_t first, const struct sabir_slice *slice)
{
	if (!slice)
		return;
	if (slice->start != SABIR_SLICE_OPEN)
		request_varint(r, first, (uint64_t)slice->start);
	if (slice->stop != SABIR_SLICE_OPEN)
		request_varint(r, first + 1, (uint64_t)slice->stop);
	request_varint(r, first + 2, (uint64_t)slice->step);
}

/* ---------------------------------------------------------------- reading a slice */

static enum sabir_error read_local(struct sabir_list *list, struct lane *lane, const struct sabir_slice *slice,
				   struct bytes *all)
{
	struct list_slice s = LIST_ALL;
	uint32_t version = 0;
	uint64_t total;
	if (slice)
		s = (struct list_slice){ slice->start, slice->stop, slice->step, slice->start != SABIR_SLICE_OPEN,
					 slice->stop != SABIR_SLICE_OPEN };
	return object_result(&list->h, list_get_slice(lane, list->h.id, &s, 0, UINT64_MAX, &version, &total, all));
}

enum sabir_error add_items(struct span message, struct bytes *all)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	while (p < end) {
		if (!wire_next(&p, end, &f))
			return fail(SABIR_INTERNAL, "the server's list of items is malformed");
		if (f.number == 1 && f.type == WIRE_LEN && bytes_add(all, f.bytes.data, f.bytes.len))
			return fail(SABIR_NO_MEMORY, "a slice");
	}
	return SABIR_OK;
}

/* All pages of one state of the list, or CHANGED. */
static enum sabir_error read_pages(struct sabir_list *list, const struct sabir_slice *slice, struct bytes *all)
{
	uint64_t version = 0, total = 0;
	enum sabir_error error = SABIR_OK;
	do {
		struct bytes out = { 0 };
		struct request r;
		size_t n_before = all->n_items;
		begin(&r, list);
		request_slice(&r, 2, slice);
		request_varint(&r, 5, n_before);
		request_varint(&r, 7, version);
		error = conn_call(list->h.conn, METHOD_LIST_GET_SLICE, &r, 0, &out);
		if (!error) {
			total = response_varint(bytes_item(&out, 0), 2);
			version = response_varint(bytes_item(&out, 0), 3);
			error = add_items(bytes_item(&out, 0), all);
		}
		bytes_fini(&out);
		if (!error && all->n_items == n_before && n_before < total)
			error = fail(SABIR_INTERNAL, "the server's slice is empty");
	} while (!error && all->n_items < total);
	return error;
}

static enum sabir_error read_remote(struct sabir_list *list, const struct sabir_slice *slice, struct bytes *all)
{
	enum sabir_error error = SABIR_CHANGED;
	for (unsigned i = 0; i < MOST_ROUNDS && error == SABIR_CHANGED; i++) {
		bytes_truncate(all, 0);
		error = read_pages(list, slice, all);
	}
	return error;
}

enum sabir_error make_items(const struct bytes *all, struct sabir_item **items)
{
	struct span copy;
	void *block;
	if (result_block(all->n_items, sizeof(**items), (struct span){ all->data, all->len }, &block, &copy))
		return fail(SABIR_NO_MEMORY, "%zu items", all->n_items);
	struct sabir_item *made = block;
	for (size_t i = 0, at = 0; i < all->n_items; at = all->ends[i++]) {
		if (item_decode((struct span){ copy.data + at, all->ends[i] - at }, &made[i])) {
			free(block);
			return fail(SABIR_DATA_LOSS, "the list's Value is malformed");
		}
	}
	*items = made;
	return SABIR_OK;
}

enum sabir_error sabir_list_get_slice(struct sabir_list *list, const struct sabir_slice *slice,
				      struct sabir_item **items, size_t *n)
{
	struct bytes all = { 0 };
	struct lane *lane;
	if (!list || !items || !n)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	error = lane ? read_local(list, lane, slice, &all) : read_remote(list, slice, &all);
	struct sabir_item *made = NULL;
	if (!error && all.n_items)
		error = make_items(&all, &made);
	if (!error) {
		*items = made;
		*n = all.n_items;
	}
	bytes_fini(&all);
	return error;
}

/* ---------------------------------------------------------------- changing slices */

/* Adds the items as a repeated field and sends the request, or ends it. */
static enum sabir_error send_items(struct sabir_list *list, enum method method, struct request *r, uint32_t field,
				   const struct sabir_item *items, size_t n)
{
	enum sabir_error error = SABIR_OK;
	for (size_t i = 0; !error && i < n; i++)
		error = request_item(r, field, &items[i]);
	if (!error)
		return call_for_number(&list->h, method, r, NULL);
	request_fini(r);
	return error;
}

enum sabir_error sabir_list_set_slice(struct sabir_list *list, const struct sabir_slice *slice,
				      const struct sabir_item *items, size_t n)
{
	struct request r;
	if (!list || (!items && n))
		return FAIL_NULL();
	begin(&r, list);
	request_slice(&r, 2, slice);
	return send_items(list, METHOD_LIST_SET_SLICE, &r, 5, items, n);
}

enum sabir_error sabir_list_extend(struct sabir_list *list, const struct sabir_item *items, size_t n)
{
	struct request r;
	if (!list || (!items && n))
		return FAIL_NULL();
	begin(&r, list);
	return send_items(list, METHOD_LIST_EXTEND, &r, 2, items, n);
}

enum sabir_error sabir_list_delete_slice(struct sabir_list *list, const struct sabir_slice *slice, uint64_t *removed)
{
	struct request r;
	if (!list)
		return FAIL_NULL();
	begin(&r, list);
	request_slice(&r, 2, slice);
	return call_for_number(&list->h, METHOD_LIST_DELETE_SLICE, &r, removed);
}

/* ---------------------------------------------------------------- by value */

enum sabir_error sabir_list_remove(struct sabir_list *list, const struct sabir_item *item, uint64_t *index)
{
	return list && item ? ask_number(&list->h, METHOD_LIST_REMOVE, item, index) : FAIL_NULL();
}

enum sabir_error sabir_list_index(struct sabir_list *list, const struct sabir_item *item, int64_t start, int64_t stop,
				  uint64_t *index)
{
	struct request r;
	if (!list || !item || !index)
		return FAIL_NULL();
	begin(&r, list);
	if (start != SABIR_SLICE_OPEN)
		request_varint(&r, 3, (uint64_t)start);
	if (stop != SABIR_SLICE_OPEN)
		request_varint(&r, 4, (uint64_t)stop);
	enum sabir_error error = request_item(&r, 2, item);
	if (!error)
		return call_for_number(&list->h, METHOD_LIST_INDEX, &r, index);
	request_fini(&r);
	return error;
}

enum sabir_error sabir_list_count(struct sabir_list *list, const struct sabir_item *item, uint64_t *count)
{
	return list && item && count ? ask_number(&list->h, METHOD_LIST_COUNT, item, count) : FAIL_NULL();
}

enum sabir_error sabir_list_contains(struct sabir_list *list, const struct sabir_item *item, bool *found)
{
	uint64_t flag;
	if (!list || !item || !found)
		return FAIL_NULL();
	enum sabir_error error = ask_number(&list->h, METHOD_LIST_CONTAINS, item, &flag);
	if (!error)
		*found = flag != 0;
	return error;
}

/* ---------------------------------------------------------------- all of it */

enum sabir_error sabir_list_reverse(struct sabir_list *list)
{
	return list ? ask_number(&list->h, METHOD_LIST_REVERSE, NULL, NULL) : FAIL_NULL();
}

enum sabir_error sabir_list_sort(struct sabir_list *list, const struct sabir_item *key, bool reverse)
{
	struct request r;
	if (!list)
		return FAIL_NULL();
	begin(&r, list);
	request_varint(&r, 2, reverse);
	enum sabir_error error = key ? request_item(&r, 3, key) : SABIR_OK;
	if (!error)
		return call_for_number(&list->h, METHOD_LIST_SORT, &r, NULL);
	request_fini(&r);
	return error;
}

enum sabir_error sabir_list_repeat(struct sabir_list *list, int64_t count)
{
	struct request r;
	if (!list)
		return FAIL_NULL();
	begin(&r, list);
	request_varint(&r, 2, (uint64_t)count);
	return call_for_number(&list->h, METHOD_LIST_REPEAT, &r, NULL);
}

enum sabir_error sabir_list_copy(struct sabir_list *from, const struct sabir_slice *slice, struct sabir_list *to,
				 bool append)
{
	struct request r;
	if (!from || !to)
		return FAIL_NULL();
	begin(&r, from);
	size_t at = request_begin(&r, 2);
	request_varint(&r, 2, to->h.id);
	request_end(&r, at);
	request_slice(&r, 3, slice);
	request_varint(&r, 6, append);
	return call_for_number(&from->h, METHOD_LIST_COPY, &r, NULL);
}

enum sabir_error sabir_list_clear(struct sabir_list *list, uint64_t *removed)
{
	return list ? ask_number(&list->h, METHOD_LIST_CLEAR, NULL, removed) : FAIL_NULL();
}
