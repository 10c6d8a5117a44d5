/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_PAGE_H
#define SABIR_C_PAGE_H

#include "bindings/c/conn.h"

/*
 * Pages of a listing whose request is the object (field 1), page_size (2) and page_token (3), and whose response has the
 * records in field 1 and the next page's token in field 2.
 */
struct page_kind {
	enum method method;
	size_t size;  /* of a record */
	bool reverse; /* field 4: from the end */
	/* Makes the records of the response's field 1; what they point to is in `page`, which the block holds. */
	enum sabir_error (*read)(struct span page, void *records, size_t n);
};

/*
 * The next page that is not empty: a block of *n records; NULL and 0 behind the last. `records` is the address of the
 * caller's pointer to them. Errors: those of the method, INTERNAL, NO_MEMORY.
 */
enum sabir_error page_next(const struct handle *h, const struct page_kind *kind, uint32_t page_size,
			   struct sabir_cursor *cursor, void *records, size_t *n);

#endif
