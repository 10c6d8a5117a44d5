/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's functions that are requests on either transport: what a program does now and then, and what answers with
 * much.
 */
#include <stdlib.h>

#include "bindings/c/dict_call.h"
#include "bindings/c/request.h"

/* ---------------------------------------------------------------- one entry */

/* The value in a field of the response, or *value = NULL where the field is absent. Takes `out`. */
static enum sabir_error take_value(struct bytes *out, uint32_t field, struct sabir_item **value)
{
	struct wire_field f;
	if (response_find(bytes_item(out, 1), field, &f) && f.type == WIRE_LEN)
		return result_item(out, f.bytes, value);
	bytes_fini(out);
	*value = NULL;
	return SABIR_OK;
}

/* A request whose response has a Value in one field and a flag in another (0: none). */
struct entry_op {
	enum method method;
	const struct sabir_item *items[3];
	uint32_t value_field;
	uint32_t flag_field;
	uint64_t ttl_ns;
};

static enum sabir_error run_entry_op(const struct handle *h, const struct entry_op *op, struct sabir_item **value,
				     bool *flag)
{
	struct bytes out = { 0 };
	if (result_begin(&out, sizeof(**value)))
		return fail(SABIR_NO_MEMORY, "%s", h->name);
	enum sabir_error error = op->ttl_ns ? dict_call_ttl(h, op->method, op->items, op->ttl_ns, &out)
					    : dict_call(h, op->method, op->items, 3, &out);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	bool found = op->flag_field && response_varint(bytes_item(&out, 1), op->flag_field);
	if (value)
		error = take_value(&out, op->value_field, value);
	else
		bytes_fini(&out);
	if (!error && flag)
		*flag = found;
	return error;
}

enum sabir_error sabir_dict_setdefault(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *preset,
				       struct sabir_item **value, bool *inserted)
{
	return sabir_dict_setdefault_ttl(dict, key, preset, 0, value, inserted);
}

enum sabir_error sabir_dict_setdefault_ttl(sabir_dict *dict, const struct sabir_item *key,
					   const struct sabir_item *preset, uint64_t ttl_ns, struct sabir_item **value,
					   bool *inserted)
{
	struct entry_op op = { METHOD_DICT_SETDEFAULT, { key, preset }, 1, 2, ttl_ns };
	if (!dict || !key || !preset)
		return FAIL_NULL();
	if (ttl_ns == SABIR_KEEP_TTL)
		return fail(SABIR_INVALID_ARGUMENT, "a key that is missing has no end to keep");
	return run_entry_op(&dict->h, &op, value, inserted);
}

enum sabir_error sabir_dict_pop(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value)
{
	struct entry_op op = { METHOD_DICT_POP, { key }, 1, 0, 0 };
	if (!dict || !key || !value)
		return FAIL_NULL();
	return run_entry_op(&dict->h, &op, value, NULL);
}

enum sabir_error sabir_dict_compare_exchange(sabir_dict *dict, const struct sabir_item *key,
					     const struct sabir_item *expected, const struct sabir_item *desired,
					     bool *exchanged, struct sabir_item **found)
{
	struct entry_op op = { METHOD_DICT_COMPARE_EXCHANGE, { key, expected, desired }, 2, 1, 0 };
	if (!dict || !key || !exchanged)
		return FAIL_NULL();
	return run_entry_op(&dict->h, &op, found, exchanged);
}

static enum sabir_error popitem(sabir_dict *dict, bool first, struct sabir_entry **entry)
{
	struct bytes out = { 0 };
	struct request r;
	if (!dict || !entry)
		return FAIL_NULL();
	if (result_begin(&out, sizeof(**entry)))
		return fail(SABIR_NO_MEMORY, "%s", dict->h.name);
	request_init(&r, 16);
	request_object(&r, dict->h.id);
	if (first)
		request_varint(&r, 2, 1);
	enum sabir_error error = conn_call(dict->h.conn, METHOD_DICT_POPITEM, &r, 0, &out);
	if (!error) {
		struct sabir_entry *made = (struct sabir_entry *)(void *)out.data;
		error = response_item(bytes_item(&out, 1), 1, &made->key);
		if (!error)
			error = response_item(bytes_item(&out, 1), 2, &made->value);
	}
	if (error) {
		bytes_fini(&out);
		return error;
	}
	*entry = result_take(&out);
	return SABIR_OK;
}

enum sabir_error sabir_dict_popitem(sabir_dict *dict, struct sabir_entry **entry)
{
	return popitem(dict, false, entry);
}

enum sabir_error sabir_dict_popitem_first(sabir_dict *dict, struct sabir_entry **entry)
{
	return popitem(dict, true, entry);
}

/* ---------------------------------------------------------------- many entries */

enum sabir_error sabir_dict_update(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t *inserted)
{
	return sabir_dict_update_ttl(dict, entries, n, 0, inserted);
}

enum sabir_error sabir_dict_update_ttl(sabir_dict *dict, const struct sabir_entry *entries, size_t n, uint64_t ttl_ns,
				       uint64_t *inserted)
{
	struct bytes out = { 0 };
	struct request r;
	enum sabir_error error = SABIR_OK;

	if (!dict || (!entries && n))
		return FAIL_NULL();
	request_init(&r, 64 + n * 32);
	request_object(&r, dict->h.id);
	for (size_t i = 0; !error && i < n; i++) {
		size_t begin = request_begin(&r, 2);
		error = request_item(&r, 1, &entries[i].key);
		if (!error)
			error = request_item(&r, 2, &entries[i].value);
		request_end(&r, begin);
	}
	dict_request_ttl(&r, 3, ttl_ns);
	if (error) {
		request_fini(&r);
		return error;
	}
	error = conn_call(dict->h.conn, METHOD_DICT_UPDATE, &r, 0, &out);
	if (!error && inserted)
		*inserted = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_dict_clear(sabir_dict *dict, uint64_t *removed)
{
	struct bytes out = { 0 };
	if (!dict)
		return FAIL_NULL();
	enum sabir_error error = dict_call(&dict->h, METHOD_DICT_CLEAR, NULL, 0, &out);
	if (!error && removed)
		*removed = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}
