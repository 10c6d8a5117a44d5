/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of sabir.v1.DictService that make a dict.
 */
#include <stdlib.h>

#include "server/base/value.h"
#include "server/objects/dict.h"
#include "server/ops/call.h"

static const struct request_field copy_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	FIELD(2, BYTES, text, "name"),
	FIELDS_END,
};
static const struct request_field from_keys_fields[] = {
	FIELD(1, BYTES, text, "name"),
	FIELD(2, REPEATED, n_repeated, "keys"),
	FIELD(3, VALUE, item, "value"),
	FIELDS_END,
};

/* The new dict's description. What somebody has deleted at once is told as what it was, as far as that is known. */
static enum sabir_error respond_made(struct op_call *c, uint64_t made)
{
	struct object_info info = { 0 };
	enum sabir_error error = object_describe(c->lane, made, &info);

	if (error)
		return error;
	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	return respond_info(c->response, &info);
}

static enum sabir_error dict_service_copy(struct op_call *c)
{
	uint64_t made;

	if (!bytes_reserve(c->response, 2 * RESPONSE_INFO_MAX)) /* what has been made must be told */
		return SABIR_NO_MEMORY;
	enum sabir_error error = dict_copy(c->lane, c->handle, c->request.text, &made);
	return error ? error : respond_made(c, made);
}

static enum sabir_error read_keys(struct op_call *c, struct span value, struct dict_entry *entries)
{
	struct span rest = c->message, encoded;

	/* All keys together are shorter than the request: the scratch memory does not move while keys point into it. */
	if (!bytes_reserve(&c->scratch, c->message.len))
		return SABIR_NO_MEMORY;
	for (uint32_t i = 0; request_next(&rest, 2, &encoded); i++) {
		enum sabir_error error = value_key(encoded, &c->scratch, &entries[i].key);
		if (error)
			return op_fail(c, error, "field 'keys'");
		entries[i].value = value;
		entries[i].ends = 0;
	}
	return SABIR_OK;
}

static enum sabir_error dict_service_from_keys(struct op_call *c)
{
	uint8_t null[VALUE_MAX_HEAD];
	struct span value = c->request.item.data ? c->request.item : (struct span){ null, value_put_null(null) };
	uint64_t made;
	struct dict_entry *entries = malloc((c->request.n_repeated + 1) * sizeof(*entries));

	if (!entries || !bytes_reserve(c->response, 2 * RESPONSE_INFO_MAX)) {
		free(entries);
		return SABIR_NO_MEMORY;
	}
	enum sabir_error error = read_keys(c, value, entries);
	/* A text about a failure shows the name. */
	if (!error && c->request.text.len)
		c->request.ref.name = c->request.text;
	if (!error)
		error = dict_make(c->lane, c->request.text, entries, c->request.n_repeated, &made);
	free(entries);
	return error ? error : respond_made(c, made);
}

static const struct op ops[] = {
	OP_HEAVY_OF_KIND(DictService, Copy, "dict", SEG_KIND_DICT, dict_service_copy, copy_fields, HEAVY_CHANGE),
	OP_HEAVY(DictService, FromKeys, "dict", dict_service_from_keys, from_keys_fields, HEAVY_REQUEST),
};

const struct op_service dict_copy_service = { ops, sizeof(ops) / sizeof(ops[0]) };
