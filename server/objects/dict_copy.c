/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dicts that begin with content: copies, and those made from given entries.
 *
 * A copy is one page of everything, which is a consistent cut, held in the caller's own memory, and one write of it into
 * a new dict that nobody can find yet. So no two dicts are ever locked by one operation, and who dies leaves the maker's
 * half-made object, which its recovery deletes.
 */
#include <stdlib.h>
#include <string.h>

#include "server/objects/dict.h"

struct content {
	const struct dict_entry *entries;
	uint32_t n;
};

static enum sabir_error fill(struct lane *lane, uint64_t handle, const void *context)
{
	const struct content *c = context;
	return c->n ? dict_update(lane, handle, c->entries, c->n, NULL) : SABIR_OK;
}

enum sabir_error dict_make(struct lane *lane, struct span name, const struct dict_entry *entries, uint32_t n,
			   uint64_t *handle)
{
	struct content content = { entries, n };
	struct object_spec spec = { .kind = SEG_KIND_DICT, .fill = fill, .fill_context = &content };
	return object_create(lane, name, &spec, false, handle);
}

/* The i-th entry of a page with ends: it ends when the original does. */
static struct dict_entry copied(const struct bytes *all, size_t i)
{
	struct dict_entry entry = { bytes_item(all, 3 * i), bytes_item(all, 3 * i + 1), 0 };
	memcpy(&entry.ends, bytes_item(all, 3 * i + 2).data, sizeof(entry.ends));
	return entry;
}

enum sabir_error dict_copy(struct lane *lane, uint64_t handle, struct span name, uint64_t *copy)
{
	struct dict_entry *entries = NULL;
	struct bytes all;
	uint64_t cursor = 0;
	bytes_init(&all, NULL, 0);
	enum sabir_error error = dict_page(lane, handle, DICT_ITEMS | DICT_ENDS, UINT32_MAX, &cursor, &all);
	uint32_t n = (uint32_t)(all.n_items / 3);
	if (!error && cursor)
		error = SABIR_TOO_LARGE;
	if (!error && n) {
		entries = malloc(n * sizeof(*entries));
		error = entries ? SABIR_OK : SABIR_NO_MEMORY;
	}
	for (uint32_t i = 0; !error && i < n; i++)
		entries[i] = copied(&all, i);
	if (!error)
		error = dict_make(lane, name, entries, n, copy);
	free(entries);
	bytes_fini(&all);
	return error;
}
