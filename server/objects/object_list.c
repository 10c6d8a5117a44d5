/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at objects: one by its handle, or all by name. A list is made of pages of the directory; what is deleted while
 * it is read may be in it or not.
 */
#include <string.h>

#include "server/base/clock.h"
#include "server/objects/change.h"
#include "server/objects/object_names.h"

enum sabir_error object_describe(struct lane *lane, uint64_t handle, struct object_info *info)
{
	struct seg_object *o;
	struct seg_block *body;
	struct span name;
	uint8_t copy[OBJECT_NAME_MAX];
	enum sabir_error error = object_enter(lane, SEG_OP_READ, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	struct object_info made = { .handle = handle, .kind = load32_relaxed(&o->kind) };
	const struct object_kind *kind = object_kind_of(made.kind);
	made.create_time_ns = load64_relaxed(&o->create_time_ns);
	made.ephemeral = load64_relaxed(&o->owner) != 0;
	uint64_t expire_ns = load64_relaxed(&o->expire_ns), left_ns = clock_left(expire_ns);
	/* 0 would say that it has none. */
	made.ttl_ns = !expire_ns ? 0 : left_ns ? left_ns : 1;
	if (names_of(lane->seg, o, copy, &name)) {
		made.name_len = (uint32_t)name.len;
		memcpy(made.name, name.data, name.len);
	}
	if (kind)
		kind->describe(lane, object_index(handle), o, &made);
	else
		error = object_damaged(o);
	/* What is missing in the description of a damaged one is not to be taken for 0. */
	if (!error && load64_relaxed(&o->damaged))
		error = SABIR_DATA_LOSS;
	made.memory_bytes += change_memory(lane->seg, o);
	object_leave(lane);
	if (!error)
		*info = made;
	return error;
}

static bool has_prefix(struct span name, struct span prefix)
{
	return name.len >= prefix.len && (prefix.len == 0 || !memcmp(name.data, prefix.data, prefix.len));
}

/* A task queue is a queue. */
static bool is_wanted(uint32_t kind, uint32_t wanted)
{
	return !wanted || kind == wanted || (wanted == SEG_KIND_QUEUE && kind == SEG_KIND_TASK_QUEUE);
}

enum sabir_error object_list(struct lane *lane, struct span prefix, uint32_t kind, uint64_t *cursor,
			     struct object_info *infos, uint32_t n, uint32_t *n_infos)
{
	uint64_t at = *cursor;
	uint32_t found = 0;
	enum sabir_error error = SABIR_OK;
	do {
		struct bytes page;
		bytes_init(&page, NULL, 0);
		/* No more than are wanted, so that the cursor never has to stop inside a page. */
		error = names_page(lane, n - found, &at, &page);
		for (size_t i = 0; !error && i + 1 < page.n_items; i += 2) {
			uint64_t handle = names_handle_in(bytes_item(&page, i + 1));
			if (!has_prefix(bytes_item(&page, i), prefix))
				continue;
			if (object_describe(lane, handle, &infos[found]) == SABIR_OK &&
			    is_wanted(infos[found].kind, kind))
				found++;
		}
		bytes_fini(&page);
	} while (!error && at && found < n);
	if (error)
		return error;
	*cursor = at;
	*n_infos = found;
	return SABIR_OK;
}
