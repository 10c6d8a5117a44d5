/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ManagerService: objects of every kind, by name.
 */
#include <inttypes.h>
#include <string.h>

#include "server/base/value.h"
#include "server/objects/shared_list.h"
#include "server/ops/call.h"

#define DEFAULT_PAGE 100u
#define MAX_PAGE 1000u
#define N_AT_ONCE 16u

/* How often Create tries again when what it found has been deleted meanwhile. */
#define MAX_ROUNDS 100u

/* clang-format off */
static const struct request_field create_fields[] = {
	FIELD(1, BYTES, text, "name"),
	FIELD(2, BOOL, exist_ok, "exist_ok"),
	FIELD(3, BOOL, ephemeral, "ephemeral"),
	FIELD(4, DURATION, ttl_ns, "ttl"),
	FIELD(10, SPEC, spec, "queue"),
	FIELD(11, SPEC, spec, "value"),
	FIELD(12, SPEC, spec, "array"),
	FIELD(13, SPEC, spec, "dict"),
	FIELD(14, SPEC, spec, "list"),
	FIELD(15, SPEC, spec, "namespace"),
	FIELD(16, SPEC, spec, "pipe"),
	FIELD(17, SPEC, spec, "lock"),
	FIELD(18, SPEC, spec, "rlock"),
	FIELD(19, SPEC, spec, "semaphore"),
	FIELD(20, SPEC, spec, "condition"),
	FIELD(21, SPEC, spec, "event"),
	FIELD(22, SPEC, spec, "barrier"),
	FIELD(23, SPEC, spec, "shared_list"),
	FIELD(24, SPEC, spec, "block"),
	FIELDS_END,
};
/* clang-format on */
static const struct request_field open_fields[] = {
	REQUIRED(1, REF, ref, "object"),
	FIELD(2, ENUM, kind, "kind"),
	FIELDS_END,
};
static const struct request_field object_fields[] = {
	REQUIRED(1, REF, ref, "object"),
	FIELDS_END,
};
static const struct request_field ttl_fields[] = {
	REQUIRED(1, REF, ref, "object"),
	FIELD(2, DURATION, ttl_ns, "ttl"),
	FIELDS_END,
};
static const struct request_field list_fields[] = {
	FIELD(1, BYTES, text, "prefix"),
	FIELD(2, ENUM, kind, "kind"),
	FIELD(3, U32, n, "page_size"),
	FIELD(4, BYTES, page_token, "page_token"),
	FIELDS_END,
};

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

/* ---------------------------------------------------------------- create */

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
static enum sabir_error read_spec(struct op_call *c, struct object_spec *spec, uint8_t initial[8])
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

static bool same_tasks(const struct object_info *info, const struct object_spec *spec)
{
	const struct task_spec *a = &info->task, *b = &spec->task;

	return a->discipline == b->discipline && a->joinable == b->joinable && a->max_attempts == b->max_attempts &&
	       a->dedup_window_ns == b->dedup_window_ns && a->ttl_ns == b->ttl_ns &&
	       info->dead_letter_len == spec->dead_letter.len &&
	       !memcmp(info->dead_letter, spec->dead_letter.data ? spec->dead_letter.data : (const uint8_t *)"",
		       info->dead_letter_len);
}

/* Whether an object is what the spec would make, initial contents apart. */
static enum sabir_error compare_spec(struct op_call *c, const struct object_info *info, const struct object_spec *spec)
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

/* Makes the object or, where that is allowed, finds it. */
static enum sabir_error create_or_find(struct op_call *c, const struct object_spec *spec, struct object_info *info,
				       bool *created)
{
	enum sabir_error error = SABIR_INTERNAL;
	for (unsigned round = 0; round < MAX_ROUNDS; round++) {
		error = object_create(c->lane, c->request.text, spec, c->request.ephemeral, &c->handle);
		*created = !error;
		if (error && (error != SABIR_ALREADY_EXISTS || !c->request.exist_ok))
			return error;
		error = object_describe(c->lane, c->handle, info);
		if (!error)
			return *created ? SABIR_OK : compare_spec(c, info, spec);
		if (error != SABIR_DELETED && error != SABIR_NOT_FOUND)
			return error;
		if (*created)
			return error; /* somebody has deleted it at once */
	}
	return error;
}

static enum sabir_error manager_service_create(struct op_call *c)
{
	struct object_info info;
	struct object_spec spec;
	uint8_t initial[8];
	bool created;
	enum sabir_error error = read_spec(c, &spec, initial);

	if (error)
		return error;
	if (!bytes_reserve(c->response, 2 * RESPONSE_INFO_MAX)) /* what has been made must be told */
		return SABIR_NO_MEMORY;
	/* A text about a failure shows the name. */
	if (c->request.text.len)
		c->request.ref.name = c->request.text;
	error = create_or_find(c, &spec, &info, &created);
	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	error = respond_info(c->response, &info);
	respond_number(c->response, 2, created);
	return error;
}

/* ---------------------------------------------------------------- open, delete, describe */

static enum sabir_error answer_info(struct op_call *c, const struct object_info *info)
{
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return respond_info(c->response, info);
}

static enum sabir_error check_kind(struct op_call *c)
{
	uint32_t kind = c->request.kind;
	if (!kind || (object_kind_of(kind) && kind == respond_kind(kind)))
		return SABIR_OK;
	return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'kind' is %" PRIu32 ", which is no kind", c->request.kind);
}

static enum sabir_error manager_service_open(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = check_kind(c);

	if (!error)
		error = object_describe(c->lane, c->handle, &info);
	if (!error && c->request.kind && c->request.kind != respond_kind(info.kind))
		error = SABIR_WRONG_KIND;
	if (!error && !bytes_reserve(c->response, 2 * RESPONSE_INFO_MAX)) /* what is held must be told */
		error = SABIR_NO_MEMORY;
	if (!error)
		error = object_hold(c->lane, c->handle);
	return error ? error : answer_info(c, &info);
}

static enum sabir_error manager_service_release(struct op_call *c)
{
	return object_release(c->lane, c->handle);
}

static enum sabir_error manager_service_delete(struct op_call *c)
{
	return object_delete(c->lane, c->handle);
}

static enum sabir_error manager_service_describe(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = object_describe(c->lane, c->handle, &info);

	return error ? error : answer_info(c, &info);
}

static enum sabir_error manager_service_set_ttl(struct op_call *c)
{
	return object_set_ttl(c->lane, c->handle, c->request.ttl_ns);
}

/* ---------------------------------------------------------------- list */

/* A prefix is fine if it is a name or becomes one when a letter follows. */
static enum sabir_error check_prefix(struct op_call *c)
{
	struct span prefix = c->request.text;
	uint8_t longer[256];

	if (!prefix.len || object_name_check(prefix) == SABIR_OK)
		return SABIR_OK;
	if (prefix.len < sizeof(longer)) {
		memcpy(longer, prefix.data, prefix.len);
		longer[prefix.len] = 'x';
		if (object_name_check((struct span){ longer, prefix.len + 1 }) == SABIR_OK)
			return SABIR_OK;
	}
	return op_fail(c, SABIR_INVALID_NAME, "no name begins with this prefix");
}

static enum sabir_error list_some(struct op_call *c, uint32_t n, uint64_t *cursor, uint32_t *found)
{
	struct object_info infos[N_AT_ONCE];
	enum sabir_error error = object_list(c->lane, c->request.text, c->request.kind, cursor, infos,
					     n < N_AT_ONCE ? n : N_AT_ONCE, found);

	for (uint32_t i = 0; !error && i < *found; i++)
		error = respond_info(c->response, &infos[i]);
	return error;
}

static enum sabir_error manager_service_list(struct op_call *c)
{
	uint32_t left = c->request.n ? c->request.n : DEFAULT_PAGE, found;
	uint64_t cursor, scope = page_scope(c, c->request.kind, c->request.text);
	enum sabir_error error = check_kind(c);

	if (!error)
		error = check_prefix(c);
	if (!error)
		error = page_cursor(c, scope, &cursor);
	if (error)
		return error;
	if (left > MAX_PAGE)
		left = MAX_PAGE;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	do {
		error = list_some(c, left, &cursor, &found);
		left -= error ? 0 : found;
	} while (!error && left && cursor);
	return error ? error : page_respond(c, 2, scope, cursor);
}

static const struct op ops[] = {
	OP(ManagerService, Create, "object", manager_service_create, create_fields),
	OP(ManagerService, Open, "object", manager_service_open, open_fields),
	OP(ManagerService, Release, "object", manager_service_release, object_fields),
	OP_HEAVY(ManagerService, Delete, "object", manager_service_delete, object_fields, HEAVY_CHANGE),
	OP(ManagerService, List, "object", manager_service_list, list_fields),
	OP(ManagerService, Describe, "object", manager_service_describe, object_fields),
	OP(ManagerService, SetTtl, "object", manager_service_set_ttl, ttl_fields),
};

const struct op_service manager_service = { ops, sizeof(ops) / sizeof(ops[0]) };
