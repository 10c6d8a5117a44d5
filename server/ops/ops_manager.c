/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.ManagerService: objects of every kind, by name.
 */
#include <inttypes.h>

#include "server/ops/spec.h"

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

/* ---------------------------------------------------------------- create */

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
			return *created ? SABIR_OK : spec_compare(c, info, spec);
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
	enum sabir_error error = spec_read(c, &spec, initial);

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
	OP_READS(ManagerService, List, "object", manager_service_list, list_fields),
	OP_READS(ManagerService, Describe, "object", manager_service_describe, object_fields),
	OP(ManagerService, SetTtl, "object", manager_service_set_ttl, ttl_fields),
};

const struct op_service manager_service = { ops, sizeof(ops) / sizeof(ops[0]) };
