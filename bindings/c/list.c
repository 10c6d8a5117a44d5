/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list's functions on one item. Locally they call the object's own functions; remotely, as everything in
 * list_more.c, they are the operation's request.
 */
#include "server/objects/list.h"

#include "bindings/c/list_call.h"

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_list_create(sabir_conn *conn, const char *name, unsigned flags, struct sabir_list **list)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_LIST };
	return handle_create(conn, name, &spec, flags, list);
}

enum sabir_error sabir_list_open(sabir_conn *conn, const char *name, struct sabir_list **list)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_LIST, list) : FAIL_NULL();
}

enum sabir_error sabir_list_open_handle(sabir_conn *conn, uint64_t handle, struct sabir_list **list)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_LIST, list);
}

void sabir_list_free(struct sabir_list *list)
{
	handle_free((struct handle *)list);
}

uint64_t sabir_list_handle(const struct sabir_list *list)
{
	return list->h.id;
}

/* ---------------------------------------------------------------- what all share */

enum sabir_error whole_init(struct whole *w, const struct sabir_item *item)
{
	bytes_init(&w->joined, w->small, sizeof(w->small));
	enum sabir_error error = item_encode(item, &w->code);
	if (!error && w->code.parts.body.len)
		error = item_join(&w->code, &w->joined);
	if (error)
		return item_refused(error, item);
	w->span = w->code.parts.body.len ? bytes_item(&w->joined, 0) : w->code.parts.head;
	return SABIR_OK;
}

void whole_fini(struct whole *w)
{
	bytes_fini(&w->joined);
	item_code_fini(&w->code);
}

enum sabir_error call_for_number(const struct handle *h, enum method method, struct request *r, uint64_t *number)
{
	struct bytes out = { 0 };
	enum sabir_error error = conn_call(h->conn, method, r, 0, &out);
	if (!error && number)
		*number = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error call_for_item(const struct handle *h, enum method method, struct request *r, struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct wire_field f;
	if (result_begin(&out, sizeof(**item))) {
		request_fini(r);
		return fail(SABIR_NO_MEMORY, "%s", h->name);
	}
	enum sabir_error error = conn_call(h->conn, method, r, 0, &out);
	if (!error && (!response_find(bytes_item(&out, 1), 1, &f) || f.type != WIRE_LEN))
		error = fail(SABIR_INTERNAL, "the server's Value is missing");
	if (!error)
		return result_item(&out, f.bytes, item);
	bytes_fini(&out);
	return error;
}

enum sabir_error ask_number(const struct handle *h, enum method method, const struct sabir_item *item, uint64_t *number)
{
	struct request r;
	request_init(&r, 64);
	request_object(&r, h->id);
	enum sabir_error error = item ? request_item(&r, 2, item) : SABIR_OK;
	if (!error)
		return call_for_number(h, method, &r, number);
	request_fini(&r);
	return error;
}

enum sabir_error take_only_item(const struct handle *h, enum sabir_error error, struct bytes *out,
				struct sabir_item **item)
{
	if (!error)
		return result_item(out, bytes_item(out, 1), item);
	bytes_fini(out);
	return object_result(h, error);
}

/* ---------------------------------------------------------------- one item */

enum sabir_error sabir_list_len(struct sabir_list *list, uint64_t *length)
{
	struct lane *lane;
	if (!list || !length)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return ask_number(&list->h, METHOD_LIST_LEN, NULL, length);
	return object_result(&list->h, list_len(lane, list->h.id, length));
}

typedef enum sabir_error take_fn(struct lane *lane, uint64_t handle, int64_t index, struct bytes *out);

/* Get and pop. */
static enum sabir_error take(struct sabir_list *list, take_fn *take_local, enum method method, int64_t index,
			     struct sabir_item **item)
{
	struct bytes out = { 0 };
	struct lane *lane;
	struct request r;
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (!lane) {
		request_init(&r, 64);
		request_object(&r, list->h.id);
		request_varint(&r, 2, (uint64_t)index);
		return call_for_item(&list->h, method, &r, item);
	}
	if (result_begin(&out, sizeof(**item)))
		return fail(SABIR_NO_MEMORY, "%s", list->h.name);
	return take_only_item(&list->h, take_local(lane, list->h.id, index, &out), &out, item);
}

enum sabir_error sabir_list_get(struct sabir_list *list, int64_t index, struct sabir_item **item)
{
	return list && item ? take(list, list_get, METHOD_LIST_GET, index, item) : FAIL_NULL();
}

enum sabir_error sabir_list_pop(struct sabir_list *list, int64_t index, struct sabir_item **item)
{
	return list && item ? take(list, list_pop, METHOD_LIST_POP, index, item) : FAIL_NULL();
}

typedef enum sabir_error put_fn(struct lane *lane, uint64_t handle, int64_t index, struct span value);

static enum sabir_error insert_local(struct lane *lane, uint64_t handle, int64_t index, struct span value)
{
	return list_insert(lane, handle, index, value, NULL);
}

/* Set, insert and append. */
static enum sabir_error put(struct sabir_list *list, put_fn *put_local, enum method method, int64_t index,
			    const struct sabir_item *item)
{
	struct lane *lane;
	struct request r;
	struct whole w;
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (lane) {
		error = whole_init(&w, item);
		if (!error)
			error = object_result(&list->h, put_local(lane, list->h.id, index, w.span));
		whole_fini(&w);
		return error;
	}
	request_init(&r, 64);
	request_object(&r, list->h.id);
	request_varint(&r, 2, (uint64_t)index);
	error = request_item(&r, 3, item);
	if (!error)
		return call_for_number(&list->h, method, &r, NULL);
	request_fini(&r);
	return error;
}

enum sabir_error sabir_list_set(struct sabir_list *list, int64_t index, const struct sabir_item *item)
{
	return list && item ? put(list, list_set, METHOD_LIST_SET, index, item) : FAIL_NULL();
}

enum sabir_error sabir_list_insert(struct sabir_list *list, int64_t index, const struct sabir_item *item)
{
	return list && item ? put(list, insert_local, METHOD_LIST_INSERT, index, item) : FAIL_NULL();
}

enum sabir_error sabir_list_append(struct sabir_list *list, const struct sabir_item *item)
{
	return list && item ? put(list, insert_local, METHOD_LIST_INSERT, INT64_MAX, item) : FAIL_NULL();
}

enum sabir_error sabir_list_delete(struct sabir_list *list, int64_t index)
{
	struct lane *lane;
	struct request r;
	if (!list)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(list->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return object_result(&list->h, list_delete(lane, list->h.id, index));
	request_init(&r, 64);
	request_object(&r, list->h.id);
	request_varint(&r, 2, (uint64_t)index);
	return call_for_number(&list->h, METHOD_LIST_DELETE, &r, NULL);
}
