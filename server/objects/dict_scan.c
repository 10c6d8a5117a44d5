/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references in a dict or a namespace, for the collector: page after page of its entries in the order of their
 * insertion numbers. An entry keeps its number as long as its key is there, so a page that is behind the cursor misses
 * nothing; a key that comes back, or gets another value, passes refs_enter.
 */
#include "server/objects/dict.h"
#include "server/objects/dict_parts.h"

#define PAGE_ENTRIES 1024u
#define PAGE_BYTES (1u << 20)

enum sabir_error dict_scan(struct lane *lane, uint64_t handle, value_ref_fn *visit, void *context)
{
	struct bytes page;
	uint64_t cursor = 0;
	enum sabir_error error = SABIR_OK;
	bytes_init(&page, NULL, 0);
	page.limit = PAGE_BYTES;
	do {
		bytes_truncate(&page, 0);
		error = dict_page(lane, handle, DICT_ITEMS, PAGE_ENTRIES, &cursor, &page);
		for (size_t i = 0; !error && i < page.n_items; i++)
			value_refs(bytes_item(&page, i), visit, context);
	} while (!error && cursor);
	bytes_fini(&page);
	return error;
}
