/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specs of ManagerService.Create: a message for each kind, read into what an object is made by, and held against what is
 * there already.
 */
#include "server/ops/spec.h"

#include <inttypes.h>
#include <string.h>

#include "server/base/value.h"
#include "server/objects/shared_list.h"

static const struct request_field queue_spec_fields[] = {
	FIELD(1, U64, max_items, "max_items"),
	FIELD(2, U64, max_item_bytes, "max_item_bytes"),
	FIELD(3, ENUM, discipline, "discipline"),
	FIELD(4, BOOL, task.joinable, "joinable"),
	FIELD(5, BOOL, tasks, "tasks"),
	FIELD(6, U32, task.max_attempts, "max_attempts"),
	FIELD(7, BYTES, dead_letter, "dead_letter"),
	FIELD(8, DURATION, task.dedup_window_ns, "dedup_window"),
	FIELD(9, DURATION, task.ttl_ns, "ttl"),
	FIELDS_END,
};
static const struct request_field value_spec_fields[] = {
	FIELD(1, ENUM, type_code, "type_code"),
	FIELD(2, SCALAR, scalar, "initial"),
	FIELDS_END,
};
static const struct request_field array_spec_fields[] = {
	FIELD(1, ENUM, type_code, "type_code"),
	FIELD(2, U64, count, "length"),
	FIELD(3, BYTES, data, "initial"),
	FIELDS_END,
};
static const struct request_field pipe_spec_fields[] = {
	FIELD(1, BOOL, one_way, "one_way"),
	FIELD(2, U64, max_items, "max_items"),
	FIELD(3, U64, max_item_bytes, "max_item_bytes"),
	FIELDS_END,
};
static const struct request_field block_spec_fields[] = {
	FIELD(1, U64, count, "size_bytes"),
	FIELDS_END,
};
static const struct request_field shared_list_spec_fields[] = {
	FIELD(1, REPEATED, n_repeated, "items"),
	FIELDS_END,
};
static const struct request_field lock_spec_fields[] = {
	FIELD(1, BOOL, strict, "strict"),
	FIELDS_END,
};
static const struct request_field semaphore_spec_fields[] = {
	FIELD(1, U64, count, "value"),
	FIELD(2, BOOL, bounded, "bounded"),
	FIELD(3, BOOL, owned, "owned"),
	FIELDS_END,
};
static const struct request_field condition_spec_fields[] = {
	FIELD(1, REF, other, "lock"),
	FIELDS_END,
};
static const struct request_field barrier_spec_fields[] = {
	FIELD(1, U64, count, "parties"),
	FIELDS_END,
};
static const struct request_field empty_spec_fields[] = { FIELDS_END };

/* clang-format off */
static const struct request_field *const spec_fields[] = {
	[SEG_KIND_QUEUE] = queue_spec_fields,
	[SEG_KIND_VALUE] = value_spec_fields,
	[SEG_KIND_ARRAY] = array_spec_fields,
	[SEG_KIND_DICT] = empty_spec_fields,
	[SEG_KIND_LIST] = empty_spec_fields,
	[SEG_KIND_SHARED_LIST] = shared_list_spec_fields,
	[SEG_KIND_NAMESPACE] = empty_spec_fields,
	[SEG_KIND_PIPE] = pipe_spec_fields,
	[SEG_KIND_LOCK] = lock_spec_fields,
	[SEG_KIND_RLOCK] = empty_spec_fields,
	[SEG_KIND_SEMAPHORE] = semaphore_spec_fields,
	[SEG_KIND_CONDITION] = condition_spec_fields,
	[SEG_KIND_EVENT] = empty_spec_fields,
	[SEG_KIND_BARRIER] = barrier_spec_fields,
	[SEG_KIND_BLOCK] = block_spec_fields,
};
/* clang-format on */

/* ---------------------------------------------------------------- reading */

static enum sabir_error read_initial_scalar(struct op_call *c, struct object_spec *spec, uint8_t initial[8])
{
	uint64_t bits;
	enum sabir_error error = scalar_encode(spec->type_code, &c->request.scalar, &bits);

	if (error)
		return op_fail(c, error, "field 'initial': type '%c'", (int)spec->type_code);
	(void)wire_put_fixed64(initial, bits);
	spec->initial = (struct span){ initial, scalar_width(spec->type_code) };
	return SABIR_OK;
}

static enum sabir_error read_initial_elements(struct op_call *c, struct object_spec *spec)
{
	struct span data = c->request.data;
	uint32_t width = scalar_width(spec->type_code);

	spec->length = c->request.count;
	spec->initial = data;
	if (data.len % width)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "%zu bytes of elements that have %" PRIu32 " bytes each",
			       data.len, width);
	if (data.len / width > spec->length)
		return op_fail(c, SABIR_OUT_OF_RANGE, "%zu elements for a length of %" PRIu64, data.len / width,
			       spec->length);
	return SABIR_OK;
}

/* A shared list's elements: the object reads them out of the message once more. */
static enum sabir_error read_initial_items(struct op_call *c, struct object_spec *spec)
{
	struct span rest = c->request.spec.message, item;

	spec->length = c->request.n_repeated;
	spec->initial = rest;
	for (uint32_t i = 0; request_next(&rest, 1, &item); i++) {
		if (value_check(item))
			return op_fail(c, SABIR_INVALID_VALUE, "item %" PRIu32, i);
		if (!shared_list_takes(item))
			return op_fail(c, SABIR_WRONG_TYPE, "item %" PRIu32 " is of a kind that it does not hold", i);
	}
	return SABIR_OK;
}

/* A queue of which anything is asked that a plain one does not know is another kind. */
static enum sabir_error read_tasks(struct op_call *c, struct object_spec *spec)
{
	const struct op_request *r = &c->request;

	if (r->discipline > 1 + SEG_TASK_PRIORITY)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'discipline' is %" PRIu32 ", which is none",
			       r->discipline);
	spec->task = r->task;
	spec->task.discipline = r->discipline ? r->discipline - 1 : SEG_TASK_FIFO;
	spec->dead_letter = r->dead_letter;
	if (spec->task.discipline || r->tasks || r->task.joinable || r->task.max_attempts || r->dead_letter.len ||
	    r->task.dedup_window_ns || r->task.ttl_ns)
		spec->kind = SEG_KIND_TASK_QUEUE;
	if (r->dead_letter.len && object_name_check(r->dead_letter))
		return op_fail(c, SABIR_INVALID_NAME, "field 'dead_letter'");
	if (r->dead_letter.len && r->dead_letter.len == r->text.len &&
	    !memcmp(r->dead_letter.data, r->text.data, r->text.len))
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'dead_letter' is the queue itself");
	return SABIR_OK;
}

/* The lock that a condition is made over, if one is named. */
static enum sabir_error read_lock(struct op_call *c, struct object_spec *spec)
{
	const struct object_ref *lock = &c->request.other;
	enum sabir_error error = SABIR_OK;

	spec->over = lock->handle;
	if (lock->name.data)
		error = object_open(c->lane, lock->name, &spec->over);
	return error ? op_fail(c, error, "field 'lock'") : SABIR_OK;
}

/* The spec of the request, in its object's form. `initial` is where a value's first content goes. */
enum sabir_error spec_read(struct op_call *c, struct object_spec *spec, uint8_t initial[8])
{
	struct op_request *r = &c->request;

	if (!r->spec.field)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "a spec is missing");
	*spec = (struct object_spec){ .kind = SPEC_KIND(r->spec.field) };
	enum sabir_error error = request_read(c, r->spec.message, spec_fields[spec->kind], r);
	if (error)
		return error;
	spec->flags = r->strict ? SEG_LOCK_STRICT : 0;
	if (spec->kind == SEG_KIND_SEMAPHORE) {
		spec->length = r->count;
		spec->flags = r->bounded ? SEG_SEMAPHORE_BOUNDED | SEG_SEMAPHORE_OWNED
			      : r->owned ? SEG_SEMAPHORE_OWNED
					 : 0;
	}
	spec->ttl_ns = r->ttl_ns;
	spec->max_items = r->max_items;
	spec->max_item_bytes = r->max_item_bytes;
	spec->one_way = r->one_way;
	if (spec->kind == SEG_KIND_BLOCK || spec->kind == SEG_KIND_BARRIER)
		spec->length = r->count;
	if (spec->max_item_bytes > c->lane->seg->max_item_bytes)
		return op_fail(c, SABIR_TOO_LARGE, "max_item_bytes is %" PRIu64 ", limit %" PRIu64, r->max_item_bytes,
			       c->lane->seg->max_item_bytes);
	if (spec->kind == SEG_KIND_SHARED_LIST)
		return read_initial_items(c, spec);
	if (spec->kind == SEG_KIND_QUEUE)
		return read_tasks(c, spec);
	if (spec->kind == SEG_KIND_CONDITION)
		return read_lock(c, spec);
	if (spec->kind != SEG_KIND_VALUE && spec->kind != SEG_KIND_ARRAY)
		return SABIR_OK;
	spec->type_code = type_code_letter(r->type_code);
	if (!spec->type_code)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'type_code' is %" PRIu32 ", which is no type",
			       r->type_code);
	if (spec->kind == SEG_KIND_ARRAY)
		return read_initial_elements(c, spec);
	return r->has_scalar ? read_initial_scalar(c, spec, initial) : SABIR_OK;
}

/* ---------------------------------------------------------------- comparing */

static bool same_tasks(const struct object_info *info, const struct object_spec *spec)
{
	const struct task_spec *a = &info->task, *b = &spec->task;

	return a->discipline == b->discipline && a->joinable == b->joinable && a->max_attempts == b->max_attempts &&
	       a->dedup_window_ns == b->dedup_window_ns && a->ttl_ns == b->ttl_ns &&
	       info->dead_letter_len == spec->dead_letter.len &&
	       !memcmp(info->dead_letter, spec->dead_letter.data ? spec->dead_letter.data : (const uint8_t *)"",
		       info->dead_letter_len);
}

enum sabir_error spec_compare(struct op_call *c, const struct object_info *info, const struct object_spec *spec)
{
	uint64_t max_item_bytes = spec->max_item_bytes ? spec->max_item_bytes : c->lane->seg->max_item_bytes;

	if (respond_kind(info->kind) != respond_kind(spec->kind))
		return SABIR_WRONG_KIND;
	if (info->kind != spec->kind)
		return SABIR_ALREADY_EXISTS;
	switch (spec->kind) {
	case SEG_KIND_TASK_QUEUE:
		if (!same_tasks(info, spec))
			return SABIR_ALREADY_EXISTS;
		/* fall through */
	case SEG_KIND_QUEUE:
		return info->max_items == spec->max_items && info->max_item_bytes == max_item_bytes
			       ? SABIR_OK
			       : SABIR_ALREADY_EXISTS;
	case SEG_KIND_PIPE:
		return info->max_items == spec->max_items && info->max_item_bytes == max_item_bytes &&
				       info->one_way == spec->one_way
			       ? SABIR_OK
			       : SABIR_ALREADY_EXISTS;
	case SEG_KIND_BLOCK:
		return info->length == spec->length ? SABIR_OK : SABIR_ALREADY_EXISTS;
	case SEG_KIND_VALUE:
		return info->type_code == spec->type_code ? SABIR_OK : SABIR_ALREADY_EXISTS;
	case SEG_KIND_ARRAY:
		return info->type_code == spec->type_code && info->length == spec->length ? SABIR_OK
											  : SABIR_ALREADY_EXISTS;
	case SEG_KIND_SHARED_LIST:
		return info->length == spec->length ? SABIR_OK : SABIR_ALREADY_EXISTS;
	case SEG_KIND_SEMAPHORE:
		return info->flags == spec->flags &&
				       (info->max_items == spec->length || !(spec->flags & SEG_SEMAPHORE_BOUNDED))
			       ? SABIR_OK
			       : SABIR_ALREADY_EXISTS;
	case SEG_KIND_CONDITION:
		return info->over == spec->over ? SABIR_OK : SABIR_ALREADY_EXISTS;
	case SEG_KIND_BARRIER:
		return info->max_items == spec->length ? SABIR_OK : SABIR_ALREADY_EXISTS;
	case SEG_KIND_LOCK:
		return info->flags == spec->flags ? SABIR_OK : SABIR_ALREADY_EXISTS;
	default:
		return SABIR_OK;
	}
}
