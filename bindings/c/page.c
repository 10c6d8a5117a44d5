/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of listings: each one request, its records made in a block that also holds what they point to.
 */
#include "bindings/c/page.h"

#include <stdlib.h>

#include "bindings/c/request.h"

static enum sabir_error make_page(const struct page_kind *kind, struct span message, void **block, size_t *n)
{
	struct span copy;
	size_t n_records = response_count(message, 1);
	if (!n_records)
		return SABIR_OK;
	enum sabir_error error = result_block(n_records, kind->size, message, block, &copy);
	if (error)
		return fail(error, "a page of %zu bytes", message.len);
	error = kind->read(copy, *block, n_records);
	*n = n_records;
	return error;
}

static enum sabir_error read_page(const struct handle *h, const struct page_kind *kind, uint32_t page_size,
				  struct sabir_cursor *cursor, void **block, size_t *n)
{
	struct bytes out = { 0 };
	struct request r;
	request_init(&r, 1100);
	request_object(&r, h->id);
	request_varint(&r, 2, page_size);
	request_cursor(&r, 3, cursor);
	if (kind->reverse)
		request_varint(&r, 4, 1);
	enum sabir_error error = conn_call(h->conn, kind->method, &r, 0, &out);
	if (!error)
		error = make_page(kind, bytes_item(&out, 0), block, n);
	if (!error)
		error = response_cursor(bytes_item(&out, 0), 2, cursor);
	bytes_fini(&out);
	return error;
}

enum sabir_error page_next(const struct handle *h, const struct page_kind *kind, uint32_t page_size,
			   struct sabir_cursor *cursor, void *records, size_t *n)
{
	void *block = NULL;
	size_t n_records = 0;
	enum sabir_error error = SABIR_OK;

	if (!cursor || !records || !n)
		return FAIL_NULL();
	while (!error && !n_records && !cursor_ended(cursor))
		error = read_page(h, kind, page_size, cursor, &block, &n_records);
	if (error) {
		free(block);
		return error;
	}
	*(void **)records = block;
	*n = n_records;
	return SABIR_OK;
}
