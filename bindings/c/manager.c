/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is the same for objects of every kind: create, open, delete, list, describe, and the handles. All go through
 * the operations' requests on either transport. A handle of an object without a name is a hold of it, by this process or by
 * the connection's session.
 */
#include <stdlib.h>

#include "bindings/c/number.h"
#include "bindings/c/remote.h"
#include "bindings/c/request.h"
#include "server/objects/object.h"
#include "server/objects/shared_list.h"

/* The letters in the order of sabir.v1.TypeCode. */
static const char type_codes[] = "\0cbBhHiIlLqQfd?u";
#define N_TYPE_CODES (sizeof(type_codes) - 1)

uint32_t type_code_number(uint32_t letter)
{
	for (uint32_t i = 1; i < N_TYPE_CODES; i++)
		if ((uint32_t)type_codes[i] == letter)
			return i;
	return 0;
}

static uint32_t type_code_letter(uint64_t number)
{
	return number < N_TYPE_CODES ? (uint32_t)type_codes[number] : 0;
}

/* ---------------------------------------------------------------- ObjectInfo */

#define SPEC_FIELD(kind) (9 + (kind))

/* Of a damaged object it may be any number. */
static int64_t read_time(struct span timestamp)
{
	return (int64_t)(response_varint(timestamp, 1) * SABIR_SECOND + response_varint(timestamp, 2));
}

static bool has_type(uint32_t kind)
{
	return kind == SABIR_KIND_VALUE || kind == SABIR_KIND_ARRAY;
}

static void read_spec_of(struct span spec, struct sabir_info *info)
{
	if (info->kind == SABIR_KIND_QUEUE) {
		info->max_items = response_varint(spec, 1);
		info->max_item_bytes = response_varint(spec, 2);
	} else if (info->kind == SABIR_KIND_PIPE) {
		info->one_way = (uint32_t)response_varint(spec, 1);
		info->max_items = response_varint(spec, 2);
		info->max_item_bytes = response_varint(spec, 3);
	} else if (has_type(info->kind)) {
		info->type_code = type_code_letter(response_varint(spec, 1));
	}
}

static enum sabir_error read_info(struct span message, struct sabir_info *info)
{
	struct sabir_info made = { .handle = response_varint(message, 2),
				   .kind = (uint32_t)response_varint(message, 3),
				   .length = response_varint(message, 5),
				   .memory_bytes = response_varint(message, 6),
				   .closed = (uint32_t)response_varint(message, 7) };
	struct wire_field f;
	if (response_find(message, 1, &f) && f.type == WIRE_LEN && f.bytes.len < sizeof(made.name)) {
		made.name_len = (uint32_t)f.bytes.len;
		memcpy(made.name, f.bytes.data, f.bytes.len);
	}
	if (response_find(message, 4, &f) && f.type == WIRE_LEN)
		made.create_time_ns = read_time(f.bytes);
	made.ephemeral = response_varint(message, 8) != 0;
	if (response_find(message, 9, &f) && f.type == WIRE_LEN)
		made.ttl_ns = (uint64_t)read_time(f.bytes);
	if (response_find(message, SPEC_FIELD(made.kind), &f) && f.type == WIRE_LEN)
		read_spec_of(f.bytes, &made);
	if (!made.handle)
		return fail(SABIR_INTERNAL, "the server's description of an object is malformed");
	*info = made;
	return SABIR_OK;
}

/* A request whose response has an ObjectInfo in field 1. */
static enum sabir_error call_for_info(sabir_conn *conn, enum method method, struct request *r, struct sabir_info *info,
				      bool *created)
{
	struct bytes out = { 0 };
	struct wire_field f;
	enum sabir_error error = conn_call(conn, method, r, 0, &out);
	if (!error) {
		struct span message = bytes_item(&out, 0);
		if (!response_find(message, 1, &f) || f.type != WIRE_LEN)
			error = fail(SABIR_INTERNAL, "the server's description of an object is missing");
		else
			error = read_info(f.bytes, info);
		if (!error && created)
			*created = response_varint(message, 2) != 0;
	}
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- create */

/* A shared list's first content. */
static enum sabir_error check_items(struct span message)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	while (p < end) {
		if (!wire_next(&p, end, &f))
			return fail(SABIR_INVALID_ARGUMENT, "spec.initial is no SharedListSpec");
		if (f.number != 1 || f.type != WIRE_LEN || value_check(f.bytes))
			return fail(SABIR_INVALID_VALUE, "an item of a shared list");
		if (!shared_list_takes(f.bytes))
			return fail(SABIR_WRONG_TYPE, "a shared list does not hold items of this kind");
	}
	return SABIR_OK;
}

static enum sabir_error read_spec(const struct sabir_spec *given, struct sabir_spec *spec)
{
	enum sabir_error error = struct_read("spec", given, offsetof(struct sabir_spec, type_code), spec,
					     sizeof(*spec));
	if (error)
		return error;
	if (!object_kind_of(spec->kind))
		return fail(SABIR_INVALID_ARGUMENT, "there is no kind %u", spec->kind);
	bool typed = has_type(spec->kind);
	uint32_t width = scalar_width(spec->type_code);
	if (typed && !width)
		return fail(SABIR_INVALID_ARGUMENT, "no type code: %u", spec->type_code);
	if (!spec->initial)
		spec->initial_len = 0;
	if (spec->kind == SABIR_KIND_SHARED_LIST)
		return check_items((struct span){ spec->initial, spec->initial_len });
	if (spec->initial_len &&
	    (!typed || spec->initial_len % width || (spec->kind == SABIR_KIND_VALUE && spec->initial_len != width)))
		return fail(SABIR_INVALID_ARGUMENT, "%zu bytes of initial content", spec->initial_len);
	return SABIR_OK;
}

static struct sabir_item first_element(const struct sabir_spec *spec)
{
	uint64_t bits = 0;
	struct scalar s;
	memcpy(&bits, spec->initial, spec->initial_len);
	scalar_decode(spec->type_code, bits, &s);
	return item_of_scalar(&s);
}

static void write_spec(struct request *r, const struct sabir_spec *spec)
{
	size_t begin = request_begin(r, SPEC_FIELD(spec->kind));
	if (spec->kind == SABIR_KIND_QUEUE) {
		request_varint(r, 1, spec->max_items);
		request_varint(r, 2, spec->max_item_bytes);
	} else if (spec->kind == SABIR_KIND_PIPE) {
		request_varint(r, 1, spec->one_way);
		request_varint(r, 2, spec->max_items);
		request_varint(r, 3, spec->max_item_bytes);
	} else if (spec->kind == SABIR_KIND_BLOCK) {
		request_varint(r, 1, spec->length);
	} else if (has_type(spec->kind)) {
		request_varint(r, 1, type_code_number(spec->type_code));
	}
	if (spec->kind == SABIR_KIND_SHARED_LIST)
		request_raw(r, (struct span){ spec->initial, spec->initial_len });
	if (spec->kind == SABIR_KIND_SEMAPHORE) {
		request_varint(r, 1, spec->length);
		request_varint(r, 2, (spec->flags & SEG_SEMAPHORE_BOUNDED) != 0);
		request_varint(r, 3, (spec->flags & SEG_SEMAPHORE_OWNED) != 0);
	}
	if (spec->kind == SABIR_KIND_CONDITION && spec->lock)
		request_object(r, spec->lock);
	if (spec->kind == SABIR_KIND_BARRIER)
		request_varint(r, 1, spec->length);
	if (spec->kind == SABIR_KIND_LOCK)
		request_varint(r, 1, spec->flags & SEG_LOCK_STRICT);
	if (spec->kind == SABIR_KIND_ARRAY)
		request_varint(r, 2, spec->length);
	if (spec->kind == SABIR_KIND_ARRAY && spec->initial_len)
		request_bytes(r, 3, spec->initial, spec->initial_len);
	if (spec->kind == SABIR_KIND_VALUE && spec->initial_len) {
		struct sabir_item number = first_element(spec);
		(void)request_scalar(r, 2, &number);
	}
	request_end(r, begin);
}

enum sabir_error sabir_create(sabir_conn *conn, const char *name, const struct sabir_spec *spec, unsigned flags,
			      struct sabir_info *info, bool *created)
{
	struct sabir_spec s;
	struct request r;

	if (!conn || !spec || !info)
		return FAIL_NULL();
	if (flags & ~(SABIR_EXIST_OK | SABIR_EPHEMERAL))
		return fail(SABIR_INVALID_ARGUMENT, "unknown flags %#x", flags);
	enum sabir_error error = read_spec(spec, &s);
	if (!error && (!name || !*name))
		error = sabir_session_open(conn, 0); /* it is held by an owner */
	if (error)
		return error;
	request_init(&r, 320 + s.initial_len);
	if (name && *name)
		request_bytes(&r, 1, name, strlen(name));
	if (flags & SABIR_EXIST_OK)
		request_varint(&r, 2, 1);
	if (flags & SABIR_EPHEMERAL)
		request_varint(&r, 3, 1);
	if (s.ttl_ns)
		request_timeout(&r, 4, s.ttl_ns);
	write_spec(&r, &s);
	return call_for_info(conn, METHOD_CREATE, &r, info, created);
}

/* ---------------------------------------------------------------- open, delete, describe */

/* An ObjectRef by name, or by handle if the name is NULL. */
static void write_ref(struct request *r, const char *name, uint64_t id)
{
	request_init(r, 320);
	if (!name) {
		request_object(r, id);
		return;
	}
	size_t begin = request_begin(r, 1);
	request_bytes(r, 1, name, strlen(name));
	request_end(r, begin);
}

enum sabir_error sabir_delete(sabir_conn *conn, const char *name)
{
	struct bytes out = { 0 };
	struct request r;
	if (!conn || !name)
		return FAIL_NULL();
	write_ref(&r, name, 0);
	enum sabir_error error = conn_call(conn, METHOD_DELETE, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

static enum sabir_error call_with_handle(sabir_conn *conn, enum method method, uint64_t handle)
{
	struct bytes out = { 0 };
	struct request r;
	write_ref(&r, NULL, handle);
	enum sabir_error error = conn_call(conn, method, &r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_delete_handle(sabir_conn *conn, uint64_t handle)
{
	return conn ? call_with_handle(conn, METHOD_DELETE, handle) : FAIL_NULL();
}

enum sabir_error sabir_release(sabir_conn *conn, uint64_t handle)
{
	return conn ? call_with_handle(conn, METHOD_RELEASE, handle) : FAIL_NULL();
}

enum sabir_error sabir_describe(sabir_conn *conn, const char *name, struct sabir_info *info)
{
	struct request r;
	if (!conn || !name || !info)
		return FAIL_NULL();
	write_ref(&r, name, 0);
	return call_for_info(conn, METHOD_DESCRIBE, &r, info, NULL);
}

enum sabir_error sabir_describe_handle(sabir_conn *conn, uint64_t handle, struct sabir_info *info)
{
	struct request r;
	if (!conn || !info)
		return FAIL_NULL();
	write_ref(&r, NULL, handle);
	return call_for_info(conn, METHOD_DESCRIBE, &r, info, NULL);
}

static enum sabir_error set_ttl(sabir_conn *conn, struct request *r, uint64_t ttl_ns)
{
	struct bytes out = { 0 };
	if (ttl_ns)
		request_timeout(r, 2, ttl_ns);
	enum sabir_error error = conn_call(conn, METHOD_SET_TTL, r, 0, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_set_ttl(sabir_conn *conn, const char *name, uint64_t ttl_ns)
{
	struct request r;
	if (!conn || !name)
		return FAIL_NULL();
	write_ref(&r, name, 0);
	return set_ttl(conn, &r, ttl_ns);
}

enum sabir_error sabir_set_ttl_handle(sabir_conn *conn, uint64_t handle, uint64_t ttl_ns)
{
	struct request r;
	if (!conn)
		return FAIL_NULL();
	write_ref(&r, NULL, handle);
	return set_ttl(conn, &r, ttl_ns);
}

/* ---------------------------------------------------------------- list */

static enum sabir_error read_infos(struct span message, struct sabir_info **infos, size_t *n)
{
	const uint8_t *p = message.data, *end = p + message.len;
	size_t n_infos = response_count(message, 1), i = 0;
	struct sabir_info *made = n_infos ? malloc(n_infos * sizeof(*made)) : NULL;
	struct wire_field f;
	enum sabir_error error = SABIR_OK;

	if (n_infos && !made)
		return fail(SABIR_NO_MEMORY, "%zu objects", n_infos);
	while (!error && p < end && i < n_infos && wire_next(&p, end, &f))
		if (f.number == 1 && f.type == WIRE_LEN)
			error = read_info(f.bytes, &made[i++]);
	if (error) {
		free(made);
		return error;
	}
	*infos = made;
	*n = n_infos;
	return SABIR_OK;
}

enum sabir_error sabir_list(sabir_conn *conn, const char *prefix, enum sabir_kind kind, struct sabir_cursor *cursor,
			    struct sabir_info **infos, size_t *n)
{
	enum sabir_error error = SABIR_OK;
	struct sabir_info *made = NULL;
	size_t n_made = 0;

	if (!conn || !cursor || !infos || !n)
		return FAIL_NULL();
	while (!error && !n_made && !cursor_ended(cursor)) {
		struct bytes out = { 0 };
		struct request r;
		request_init(&r, 1400);
		if (prefix && *prefix)
			request_bytes(&r, 1, prefix, strlen(prefix));
		request_varint(&r, 2, (uint64_t)(uint32_t)kind);
		request_cursor(&r, 4, cursor);
		error = conn_call(conn, METHOD_LIST, &r, 0, &out);
		if (!error)
			error = read_infos(bytes_item(&out, 0), &made, &n_made);
		if (!error)
			error = response_cursor(bytes_item(&out, 0), 2, cursor);
		bytes_fini(&out);
	}
	if (error) {
		free(made);
		return error;
	}
	*infos = made;
	*n = n_made;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- handles */

/* Tells this process from the one that it was forked from, and the connection's session from one that it had before. */
static uint64_t owner_of(const sabir_conn *conn)
{
	return sabir_is_local(conn) ? load64_relaxed(&conn->id) : load64_relaxed(&((struct remote *)conn->state)->id);
}

static enum sabir_error make_handle(sabir_conn *conn, const struct sabir_info *info, void *handle)
{
	struct handle *h = malloc(sizeof(*h) + info->name_len + 1);
	if (!h) {
		if (!info->name_len && !info->ephemeral)
			(void)call_with_handle(conn, METHOD_RELEASE, info->handle);
		return fail(SABIR_NO_MEMORY, "%s", info->name);
	}
	*h = (struct handle){ .conn = conn, .id = info->handle, .kind = info->kind, .type_code = info->type_code };
	h->held = !info->name_len && !info->ephemeral;
	h->owner = owner_of(conn);
	memcpy(h->name, info->name, info->name_len + 1);
	conn_ref(conn);
	*(struct handle **)handle = h;
	return SABIR_OK;
}

enum sabir_error handle_create(sabir_conn *conn, const char *name, const struct sabir_spec *spec, unsigned flags,
			       void *handle)
{
	struct sabir_info info;
	if (!handle)
		return FAIL_NULL();
	enum sabir_error error = sabir_create(conn, name, spec, flags, &info, NULL);
	return error ? error : make_handle(conn, &info, handle);
}

enum sabir_error handle_open(sabir_conn *conn, const char *name, uint64_t id, enum sabir_kind kind, void *handle)
{
	struct sabir_info info;
	struct request r;
	if (!conn || !handle)
		return FAIL_NULL();
	enum sabir_error error = name ? SABIR_OK : sabir_session_open(conn, 0); /* it may have to be held */
	if (error)
		return error;
	write_ref(&r, name, id);
	request_varint(&r, 2, kind);
	error = call_for_info(conn, METHOD_OPEN, &r, &info, NULL);
	return error ? error : make_handle(conn, &info, handle);
}

enum sabir_error handle_make(sabir_conn *conn, enum method method, struct request *r, void *handle)
{
	struct sabir_info info;
	enum sabir_error error = call_for_info(conn, method, r, &info, NULL);
	return error ? error : make_handle(conn, &info, handle);
}

/* The handle's hold, unless it is another owner's. What does not reach the server ends with the owner. */
static void let_go(const struct handle *h)
{
	if (h->held && h->owner == owner_of(h->conn))
		(void)call_with_handle(h->conn, METHOD_RELEASE, h->id);
}

void handle_free(struct handle *h)
{
	while (h) {
		struct handle *part = (struct handle *)(uintptr_t)h->part;
		let_go(h);
		conn_unref(h->conn);
		free(h);
		h = part;
	}
}
