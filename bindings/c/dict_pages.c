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

enum sabir_error sabir_dict_copy(sabir_dict *dict, const char *name, sabir_dict **copy)
{
	struct request r;

	if (!dict || !copy)
		return FAIL_NULL();
	enum sabir_error error = name && *name ? SABIR_OK : sabir_session_open(dict->h.conn, 0);
	if (error)
		return error;
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

enum sabir_error sabir_dict_fromkeys(sabir_conn *conn, const char *name, const struct sabir_item *keys, size_t n,
				     const struct sabir_item *value, sabir_dict **dict)
{
	struct request r;

	if (!conn || (!keys && n) || !dict)
		return FAIL_NULL();
	enum sabir_error error = name && *name ? SABIR_OK : sabir_session_open(conn, 0);
	if (error)
		return error;
	request_init(&r, 320 + n * 16);
	error = write_keys(&r, name, keys, n, value);
	if (error) {
		request_fini(&r);
		return error;
	}
	return handle_make(conn, METHOD_DICT_FROM_KEYS, &r, dict);
}
