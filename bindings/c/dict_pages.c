/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's listings, page by page, and the dicts that are made with content.
 */
#include <stdlib.h>

#include "bindings/c/page.h"
#include "bindings/c/request.h"
#include "server/objects/dict.h"

/* ---------------------------------------------------------------- pages */

static enum sabir_error read_items(struct span page, void *records, size_t n)
{
	size_t n_read;
	return response_items(page, 1, records, n, &n_read);
}

static enum sabir_error read_entries(struct span page, void *records, size_t n)
{
	const uint8_t *p = page.data, *end = p + page.len;
	struct sabir_entry *entry = records, *last = entry + n;
	struct wire_field f;
	while (p < end && entry < last) {
		if (!wire_next(&p, end, &f))
			return fail(SABIR_INTERNAL, "the server's page is malformed");
		if (f.number != 1 || f.type != WIRE_LEN)
			continue;
		enum sabir_error error = response_item(f.bytes, 1, &entry->key);
		if (!error)
			error = response_item(f.bytes, 2, &entry->value);
		if (error)
			return error;
		entry++;
	}
	return SABIR_OK;
}

enum sabir_error sabir_dict_keys(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				 struct sabir_item **keys, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_KEYS, sizeof(**keys), false, read_items };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, keys, n) : FAIL_NULL();
}

enum sabir_error sabir_dict_keys_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					  struct sabir_item **keys, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_KEYS, sizeof(**keys), true, read_items };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, keys, n) : FAIL_NULL();
}

enum sabir_error sabir_dict_values(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				   struct sabir_item **values, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_VALUES, sizeof(**values), false, read_items };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, values, n) : FAIL_NULL();
}

enum sabir_error sabir_dict_values_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					    struct sabir_item **values, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_VALUES, sizeof(**values), true, read_items };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, values, n) : FAIL_NULL();
}

enum sabir_error sabir_dict_items(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
				  struct sabir_entry **entries, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_ITEMS, sizeof(**entries), false, read_entries };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, entries, n) : FAIL_NULL();
}

enum sabir_error sabir_dict_items_reversed(sabir_dict *dict, uint32_t page_size, struct sabir_cursor *cursor,
					   struct sabir_entry **entries, size_t *n)
{
	static const struct page_kind kind = { METHOD_DICT_ITEMS, sizeof(**entries), true, read_entries };
	return dict ? page_next(&dict->h, &kind, page_size, cursor, entries, n) : FAIL_NULL();
}

/* ---------------------------------------------------------------- new dicts */

/* A local anonymous one ends with this process, which no request can say. */
static enum sabir_error copy_own(struct lane *lane, sabir_dict *dict, sabir_dict **copy)
{
	uint64_t id;
	enum sabir_error error = object_result(&dict->h,
					       dict_copy(lane, dict->h.id, (struct span){ NULL, 0 }, true, &id));
	return error ? error : sabir_dict_open_handle(dict->h.conn, id, copy);
}

enum sabir_error sabir_dict_copy(sabir_dict *dict, const char *name, sabir_dict **copy)
{
	struct request r;
	struct lane *lane;

	if (!dict || !copy)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (lane && (!name || !*name))
		return copy_own(lane, dict, copy);
	request_init(&r, 320);
	request_object(&r, dict->h.id);
	if (name && *name)
		request_bytes(&r, 2, name, strlen(name));
	return handle_make(dict->h.conn, METHOD_DICT_COPY, &r, copy);
}

static enum sabir_error write_keys(struct request *r, const char *name, const struct sabir_item *keys, size_t n,
				   const struct sabir_item *value)
{
	enum sabir_error error = SABIR_OK;

	if (name && *name)
		request_bytes(r, 1, name, strlen(name));
	for (size_t i = 0; !error && i < n; i++)
		error = request_item(r, 2, &keys[i]);
	if (!error && value)
		error = request_item(r, 3, value);
	return error;
}

/* Locally an anonymous dict is made and then filled: nobody else can know it yet. */
static enum sabir_error fromkeys_own(sabir_conn *conn, const struct sabir_item *keys, size_t n,
				     const struct sabir_item *value, sabir_dict **dict)
{
	struct sabir_item null = sabir_null();
	struct sabir_entry *entries = malloc((n + 1) * sizeof(*entries));
	sabir_dict *made = NULL;

	if (!entries)
		return fail(SABIR_NO_MEMORY, "%zu keys", n);
	for (size_t i = 0; i < n; i++)
		entries[i] = (struct sabir_entry){ keys[i], value ? *value : null };
	enum sabir_error error = sabir_dict_create(conn, NULL, 0, &made);
	if (!error)
		error = sabir_dict_update(made, entries, n, NULL);
	free(entries);
	if (!error) {
		*dict = made;
	} else if (made) {
		(void)sabir_delete_handle(conn, made->h.id);
		sabir_dict_free(made);
	}
	return error;
}

enum sabir_error sabir_dict_fromkeys(sabir_conn *conn, const char *name, const struct sabir_item *keys, size_t n,
				     const struct sabir_item *value, sabir_dict **dict)
{
	struct request r;
	struct lane *lane;

	if (!conn || (!keys && n) || !dict)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(conn, &lane);
	if (error)
		return error;
	if (lane && (!name || !*name))
		return fromkeys_own(conn, keys, n, value, dict);
	request_init(&r, 320 + n * 16);
	error = write_keys(&r, name, keys, n, value);
	if (error) {
		request_fini(&r);
		return error;
	}
	return handle_make(conn, METHOD_DICT_FROM_KEYS, &r, dict);
}
