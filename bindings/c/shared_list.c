/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared list's functions.
 */
#include "server/objects/shared_list.h"

#include "bindings/c/list_call.h"

/* The elements from `all->n_items` on, as many as fit into a message; *length: of the whole list. */
static enum sabir_error read_page(sabir_shared_list *list, struct bytes *all, uint64_t *length)
{
	struct bytes out = { 0 };
	struct request r;
	size_t n_before = all->n_items;
	request_init(&r, 64);
	request_object(&r, list->h.id);
	request_varint(&r, 2, n_before);
	enum sabir_error error = conn_call(list->h.conn, METHOD_SHARED_LIST_ITEMS, &r, 0, &out);
	if (!error) {
		*length = response_varint(bytes_item(&out, 0), 2);
		error = add_items(bytes_item(&out, 0), all);
	}
	bytes_fini(&out);
	if (!error && all->n_items == n_before && n_before < *length)
		error = fail(SABIR_INTERNAL, "the server's list of items is empty");
	return error;
}

enum sabir_error sabir_shared_list_items(sabir_shared_list *list, struct sabir_item **items, size_t *n)
{
	struct bytes all = { 0 };
	struct sabir_item *made = NULL;
	uint64_t length = 0;
	enum sabir_error error = SABIR_OK;

	if (!list || !items || !n)
		return FAIL_NULL();
	do
		error = read_page(list, &all, &length);
	while (!error && all.n_items < length);
	if (!error && all.n_items)
		error = make_items(&all, &made);
	if (!error) {
		*items = made;
		*n = all.n_items;
	}
	bytes_fini(&all);
	return error;
}

enum sabir_error sabir_shared_list_create(sabir_conn *conn, const char *name, const struct sabir_item *items, size_t n,
					  unsigned flags, sabir_shared_list **list)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_SHARED_LIST, .length = n };
	struct request r;
	enum sabir_error error = SABIR_OK;

	if (!items && n)
		return FAIL_NULL();
	request_init(&r, 64);
	for (size_t i = 0; !error && i < n; i++)
		error = request_item(&r, 1, &items[i]);
	if (!error && r.failed)
		error = fail(SABIR_NO_MEMORY, "%zu items", n);
	spec.initial = r.data;
	spec.initial_len = r.len;
	if (!error)
		error = handle_create(conn, name, &spec, flags, list);
	request_fini(&r);
	return error;
}

enum sabir_error sabir_shared_list_open(sabir_conn *conn, const char *name, sabir_shared_list **list)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_SHARED_LIST, list) : FAIL_NULL();
}

enum sabir_error sabir_shared_list_open_handle(sabir_conn *conn, uint64_t handle, sabir_shared_list **list)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_SHARED_LIST, list);
}

void sabir_shared_list_free(sabir_shared_list *list)
{
	handle_free((struct handle *)list);
}

uint64_t sabir_shared_list_handle(const sabir_shared_list *list)
{
	return list->h.id;
}

enum sabir_error sabir_shared_list_len(sabir_shared_list *list, uint64_t *length)
{
	return list && length ? ask_number(&list->h, METHOD_SHARED_LIST_LEN, NULL, length) : FAIL_NULL();
}

enum sabir_error sabir_shared_list_get(sabir_shared_list *list, int64_t index, struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct lane *lane;
	struct request r;

	if (!list || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (!lane) {
		request_init(&r, 64);
		request_object(&r, list->h.id);
		request_varint(&r, 2, (uint64_t)index);
		return call_for_item(&list->h, METHOD_SHARED_LIST_GET, &r, item);
	}
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", list->h.name);
	return take_only_item(&list->h, shared_list_get(lane, list->h.id, index, &out), &out, item);
}

enum sabir_error sabir_shared_list_set(sabir_shared_list *list, int64_t index, const struct sabir_item *item)
{
	struct lane *lane;
	struct request r;
	struct whole w;

	if (!list || !item)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (lane) {
		error = whole_init(&w, item);
		if (!error)
			error = object_result(&list->h, shared_list_set(lane, list->h.id, index, w.span));
		whole_fini(&w);
		return error;
	}
	request_init(&r, 64);
	request_object(&r, list->h.id);
	request_varint(&r, 2, (uint64_t)index);
	error = request_item(&r, 3, item);
	if (!error)
		return call_for_number(&list->h, METHOD_SHARED_LIST_SET, &r, NULL);
	request_fini(&r);
	return error;
}

enum sabir_error sabir_shared_list_index(sabir_shared_list *list, const struct sabir_item *item, uint64_t *index)
{
	return list && item && index ? ask_number(&list->h, METHOD_SHARED_LIST_INDEX, item, index) : FAIL_NULL();
}

enum sabir_error sabir_shared_list_count(sabir_shared_list *list, const struct sabir_item *item, uint64_t *count)
{
	return list && item && count ? ask_number(&list->h, METHOD_SHARED_LIST_COUNT, item, count) : FAIL_NULL();
}
