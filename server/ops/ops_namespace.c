/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.NamespaceService: a dict whose keys are names. Names stand as plain text in requests and responses, and as
 * Values in the dict, so a page is copied once more.
 */
#include <inttypes.h>

#include "server/objects/namespace.h"
#include "server/ops/call.h"
#include "server/ops/increment.h"

#define DEFAULT_PAGE 1000u
#define MAX_PAGE 10000u

/* Of the longest response: for tags and lengths of a page's attributes, and the token. */
#define RESPONSE_REST (MAX_PAGE * 20u + 256u)

static const struct request_field name_fields[] = {
	REQUIRED(1, REF, ref, "namespace"),
	REQUIRED(2, BYTES, text, "name"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "namespace"),
	REQUIRED(2, BYTES, text, "name"),
	REQUIRED(3, VALUE, item, "value"),
	FIELDS_END,
};
static const struct request_field increment_fields[] = {
	REQUIRED(1, REF, ref, "namespace"),
	REQUIRED(2, BYTES, text, "name"),
	REQUIRED(3, VALUE, item, "delta"),
	FIELDS_END,
};
static const struct request_field page_fields[] = {
	REQUIRED(1, REF, ref, "namespace"),
	FIELD(2, U32, n, "page_size"),
	FIELD(3, BYTES, page_token, "page_token"),
	FIELDS_END,
};

static enum sabir_error read_name(struct op_call *c, uint8_t buffer[NAMESPACE_KEY_MAX], struct span *key)
{
	enum sabir_error error = namespace_key(c->request.text, buffer, key);

	return error ? op_fail(c, error, "field 'name' is no name of an attribute") : SABIR_OK;
}

static enum sabir_error explain(struct op_call *c, struct span key, enum sabir_error error)
{
	uint64_t limit = c->lane->seg->max_item_bytes;
	size_t len = key.len + c->request.item.len;

	if (error != SABIR_TOO_LARGE || len <= limit)
		return error;
	return op_fail_object(c, error, ": name and value of %zu bytes, limit %" PRIu64, len, limit);
}

static enum sabir_error namespace_get(struct op_call *c)
{
	uint8_t buffer[NAMESPACE_KEY_MAX];
	struct span key;
	enum sabir_error error = read_name(c, buffer, &key);

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return error ? error : dict_get(c->lane, c->handle, key, c->response);
}

static enum sabir_error namespace_set(struct op_call *c)
{
	uint8_t buffer[NAMESPACE_KEY_MAX];
	struct span key;
	bool inserted;
	enum sabir_error error = read_name(c, buffer, &key);

	if (!error)
		error = dict_set(c->lane, c->handle, key, c->request.item, &inserted);
	if (error)
		return explain(c, key, error);
	respond_number(c->response, 1, inserted);
	return SABIR_OK;
}

static enum sabir_error namespace_delete(struct op_call *c)
{
	uint8_t buffer[NAMESPACE_KEY_MAX];
	struct span key;
	enum sabir_error error = read_name(c, buffer, &key);

	return error ? error : dict_delete(c->lane, c->handle, key);
}

static enum sabir_error namespace_increment(struct op_call *c)
{
	struct dict_increment i = { .delta = c->request.item };
	uint8_t buffer[NAMESPACE_KEY_MAX];
	struct span key;
	enum sabir_error error = read_name(c, buffer, &key);

	if (!error)
		error = dict_modify(c->lane, c->handle, key, dict_add_delta, &i);
	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return bytes_add(c->response, i.sum, i.sum_len);
}

/* ---------------------------------------------------------------- pages */

typedef enum sabir_error respond_fn(struct bytes *response, struct span name, struct span value);

static enum sabir_error respond_name(struct bytes *response, struct span name, struct span value)
{
	(void)value;
	return bytes_add(response, name.data, name.len);
}

static enum sabir_error respond_attribute(struct bytes *response, struct span name, struct span value)
{
	size_t len = 2 + wire_varint_size(name.len) + name.len + wire_varint_size(value.len) + value.len;
	uint8_t *to = bytes_reserve(response, len);

	if (!to)
		return SABIR_NO_MEMORY;
	to = wire_put_bytes(to, 1, name.data, name.len);
	wire_put_bytes(to, 2, value.data, value.len);
	bytes_commit(response, len);
	return SABIR_OK;
}

static enum sabir_error respond_page(struct op_call *c, enum dict_part part, respond_fn *respond)
{
	uint32_t n = c->request.n ? c->request.n : DEFAULT_PAGE;
	uint64_t cursor, scope = page_scope(c, c->handle, (struct span){ NULL, 0 });
	struct bytes page;
	enum sabir_error error = page_cursor(c, scope, &cursor);

	if (error)
		return error;
	bytes_init(&page, NULL, 0);
	page.limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	error = dict_page(c->lane, c->handle, part, n < MAX_PAGE ? n : MAX_PAGE, &cursor, &page);
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	for (size_t i = 0; !error && i + 1 < page.n_items; i += 2) {
		struct span name = namespace_name(bytes_item(&page, i));
		error = name.data ? respond(c->response, name, bytes_item(&page, i + 1)) : SABIR_DATA_LOSS;
	}
	bytes_fini(&page);
	return error ? error : page_respond(c, 2, scope, cursor);
}

static enum sabir_error namespace_dir(struct op_call *c)
{
	return respond_page(c, DICT_KEYS, respond_name);
}

static enum sabir_error namespace_list(struct op_call *c)
{
	return respond_page(c, DICT_ITEMS, respond_attribute);
}

#define NAMESPACE_OP(method, function, fields)                                                                         \
	OP_OF_KIND(NamespaceService, method, "namespace", SEG_KIND_NAMESPACE, function, fields)
#define NAMESPACE_OP_READS(method, function, fields)                                                                   \
	OP_READS_OF_KIND(NamespaceService, method, "namespace", SEG_KIND_NAMESPACE, function, fields)

static const struct op ops[] = {
	NAMESPACE_OP_READS(Get, namespace_get, name_fields),
	NAMESPACE_OP(Set, namespace_set, set_fields),
	NAMESPACE_OP(Delete, namespace_delete, name_fields),
	NAMESPACE_OP(Increment, namespace_increment, increment_fields),
	NAMESPACE_OP_READS(Dir, namespace_dir, page_fields),
	NAMESPACE_OP_READS(List, namespace_list, page_fields),
};

const struct op_service namespace_service = { ops, sizeof(ops) / sizeof(ops[0]) };
