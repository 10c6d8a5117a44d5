/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.DictService. Keys are brought into their canonical form when the request is read; values are kept as they
 * come. Where a response is a Value, the dict writes it there itself.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "server/base/value.h"
#include "server/objects/dict.h"
#include "server/ops/call.h"
#include "server/ops/increment.h"

static const struct request_field dict_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	FIELDS_END,
};
static const struct request_field pop_item_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	FIELD(2, BOOL, first, "first"),
	FIELDS_END,
};
static const struct request_field key_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	REQUIRED(2, KEY, key, "key"),
	FIELDS_END,
};
static const struct request_field set_fields[] = {
	REQUIRED(1, REF, ref, "dict"),     REQUIRED(2, KEY, key, "key"),         REQUIRED(3, VALUE, item, "value"),
	FIELD(4, DURATION, ttl_ns, "ttl"), FIELD(5, BOOL, keep_ttl, "keep_ttl"), FIELDS_END,
};
static const struct request_field set_default_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	REQUIRED(2, KEY, key, "key"),
	REQUIRED(3, VALUE, item, "value"),
	FIELD(4, DURATION, ttl_ns, "ttl"),
	FIELDS_END,
};
static const struct request_field expire_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	REQUIRED(2, KEY, key, "key"),
	FIELD(3, DURATION, ttl_ns, "ttl"),
	FIELDS_END,
};
static const struct request_field update_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	FIELD(2, REPEATED, n_repeated, "entries"),
	FIELD(3, DURATION, ttl_ns, "ttl"),
	FIELD(4, BOOL, keep_ttl, "keep_ttl"),
	FIELDS_END,
};
static const struct request_field entry_fields[] = {
	REQUIRED(1, KEY, key, "key"),
	REQUIRED(2, VALUE, item, "value"),
	FIELDS_END,
};
static const struct request_field increment_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	REQUIRED(2, KEY, key, "key"),
	REQUIRED(3, VALUE, item, "delta"),
	FIELDS_END,
};
static const struct request_field compare_exchange_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	REQUIRED(2, KEY, key, "key"),
	FIELD(3, VALUE, expected, "expected"),
	FIELD(4, VALUE, desired, "desired"),
	FIELDS_END,
};

/* Says what was too large: the key, the value, or both together. */
static enum sabir_error entry_too_large(struct op_call *c, struct span key, struct span value)
{
	uint64_t limit = c->lane->seg->max_item_bytes;
	const char *what = key.len > limit ? "key" : value.len > limit ? "value" : "key and value";
	size_t len = key.len > limit ? key.len : value.len > limit ? value.len : key.len + value.len;

	if (len <= limit)
		return SABIR_TOO_LARGE;
	return op_fail_object(c, SABIR_TOO_LARGE, ": %s of %zu bytes, limit %" PRIu64, what, len, limit);
}

static enum sabir_error explain(struct op_call *c, enum sabir_error error)
{
	if (error != SABIR_TOO_LARGE)
		return error;
	return entry_too_large(c, c->request.key, c->request.item);
}

/* The next item that is added to the response becomes its field `number`. */
static void frame(struct op_call *c, uint32_t number)
{
	c->response->frame = WIRE_TAG(number, WIRE_LEN);
}

static enum sabir_error dict_service_get(struct op_call *c)
{
	frame(c, 1);
	return dict_get(c->lane, c->handle, c->request.key, c->response);
}

/* When what the request sets ends. */
static enum sabir_error read_end(struct op_call *c, uint64_t *ends)
{
	if (c->request.keep_ttl && c->request.ttl_ns)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "fields 'ttl' and 'keep_ttl' exclude each other");
	*ends = c->request.keep_ttl ? DICT_KEEP_END : dict_end_after(c->request.ttl_ns);
	return SABIR_OK;
}

static enum sabir_error dict_service_set(struct op_call *c)
{
	struct dict_entry entry = { c->request.key, c->request.item, 0 };
	bool inserted;
	enum sabir_error error = read_end(c, &entry.ends);

	if (!error)
		error = dict_set_entry(c->lane, c->handle, &entry, &inserted);
	if (error)
		return explain(c, error);
	respond_number(c->response, 1, inserted);
	return SABIR_OK;
}

static enum sabir_error dict_service_delete(struct op_call *c)
{
	return dict_delete(c->lane, c->handle, c->request.key);
}

static enum sabir_error dict_service_contains(struct op_call *c)
{
	bool found;
	enum sabir_error error = dict_contains(c->lane, c->handle, c->request.key, &found);

	if (!error)
		respond_number(c->response, 1, found);
	return error;
}

static enum sabir_error dict_service_len(struct op_call *c)
{
	uint64_t length;
	enum sabir_error error = dict_len(c->lane, c->handle, &length);

	if (!error)
		respond_number(c->response, 1, length);
	return error;
}

static enum sabir_error dict_service_set_default(struct op_call *c)
{
	const struct dict_entry entry = { c->request.key, c->request.item, dict_end_after(c->request.ttl_ns) };
	bool inserted;

	frame(c, 1);
	enum sabir_error error = dict_setdefault_entry(c->lane, c->handle, &entry, c->response, &inserted);
	if (error)
		return explain(c, error);
	respond_number(c->response, 2, inserted);
	return SABIR_OK;
}

static enum sabir_error dict_service_pop(struct op_call *c)
{
	frame(c, 1);
	return dict_pop(c->lane, c->handle, c->request.key, c->response);
}

/* Both parts are written as field 1; the second one's tag is put right. */
static enum sabir_error dict_service_pop_item(struct op_call *c)
{
	frame(c, 1);
	enum sabir_error error = c->request.first ? dict_popfirst(c->lane, c->handle, c->response)
						  : dict_popitem(c->lane, c->handle, c->response);
	if (!error)
		c->response->data[c->response->ends[0]] = WIRE_TAG(2, WIRE_LEN);
	return error;
}

/* ---------------------------------------------------------------- update */

static enum sabir_error read_entries(struct op_call *c, struct dict_entry *entries)
{
	struct span rest = c->message, encoded;
	struct op_request r;
	uint64_t ends = 0;
	enum sabir_error ended = read_end(c, &ends);

	if (ended)
		return ended;
	/* All keys together are shorter than the request: the scratch memory does not move while keys point into it. */
	if (!bytes_reserve(&c->scratch, c->message.len))
		return SABIR_NO_MEMORY;
	for (uint32_t i = 0; request_next(&rest, 2, &encoded); i++) {
		enum sabir_error error = request_read(c, encoded, entry_fields, &r);
		if (error)
			return error;
		entries[i] = (struct dict_entry){ r.key, r.item, ends };
	}
	return SABIR_OK;
}

static enum sabir_error explain_entries(struct op_call *c, const struct dict_entry *entries, uint32_t n)
{
	uint64_t limit = c->lane->seg->max_item_bytes;

	for (uint32_t i = 0; i < n; i++) {
		size_t len = entries[i].key.len + entries[i].value.len;
		if (len > limit)
			return op_fail_object(c, SABIR_TOO_LARGE, ": entry %" PRIu32 " of %zu bytes, limit %" PRIu64, i,
					      len, limit);
	}
	return SABIR_TOO_LARGE;
}

static enum sabir_error dict_service_update(struct op_call *c)
{
	uint32_t n = c->request.n_repeated;
	uint64_t inserted = 0;
	struct dict_entry *entries = malloc((n + 1) * sizeof(*entries));

	if (!entries)
		return SABIR_NO_MEMORY;
	enum sabir_error error = read_entries(c, entries);
	if (!error)
		error = dict_update(c->lane, c->handle, entries, n, &inserted);
	if (!error)
		respond_number(c->response, 1, inserted);
	if (error == SABIR_TOO_LARGE)
		error = explain_entries(c, entries, n);
	free(entries);
	return error;
}

/* ---------------------------------------------------------------- changes that depend on the present value */

enum sabir_error dict_add_delta(void *context, struct span now, struct span *next, bool *write)
{
	struct dict_increment *i = context;
	uint8_t copy[VALUE_MAX_HEAD];
	size_t len;

	/* A number is never longer; it is copied because others may write where it stands. */
	if (now.len > sizeof(copy))
		return SABIR_WRONG_TYPE;
	if (now.data)
		memcpy(copy, now.data, len = now.len);
	else
		len = value_put_int(0, copy);
	enum sabir_error error = value_sum((struct span){ copy, len }, i->delta, i->sum, &i->sum_len);
	if (error)
		return error;
	*next = (struct span){ i->sum, i->sum_len };
	*write = true;
	return SABIR_OK;
}

static enum sabir_error dict_service_increment(struct op_call *c)
{
	struct dict_increment i = { .delta = c->request.item };
	enum sabir_error error = dict_modify(c->lane, c->handle, c->request.key, dict_add_delta, &i);

	if (error)
		return explain(c, error);
	frame(c, 1);
	return bytes_add(c->response, i.sum, i.sum_len);
}

struct exchange {
	struct bytes *found; /* what is there now, as one item; none if the key is missing */
	const struct op_request *request;
	bool exchanged;
};

static enum sabir_error exchange_value(void *context, struct span now, struct span *next, bool *write)
{
	struct exchange *x = context;
	struct span expected = x->request->expected;

	/* The copy is compared, not what stands where others may write. */
	bytes_truncate(x->found, 0);
	if (now.data && bytes_add(x->found, now.data, now.len))
		return SABIR_NO_MEMORY;
	if (now.data && expected.data)
		x->exchanged = value_equal(bytes_item(x->found, 0), expected);
	else
		x->exchanged = !now.data && !expected.data;
	*next = x->request->desired;
	*write = x->exchanged && (now.data || next->data);
	return SABIR_OK;
}

static enum sabir_error dict_service_compare_exchange(struct op_call *c)
{
	struct exchange x = { .found = c->response, .request = &c->request };

	frame(c, 2);
	enum sabir_error error = dict_modify(c->lane, c->handle, c->request.key, exchange_value, &x);
	if (error == SABIR_TOO_LARGE)
		return entry_too_large(c, c->request.key, c->request.desired);
	if (error)
		return explain(c, error);
	respond_number(c->response, 1, x.exchanged);
	return SABIR_OK;
}

static enum sabir_error dict_service_expire(struct op_call *c)
{
	return dict_expire(c->lane, c->handle, c->request.key, dict_end_after(c->request.ttl_ns));
}

static enum sabir_error dict_service_ttl(struct op_call *c)
{
	uint64_t ttl_ns;
	enum sabir_error error = dict_ttl(c->lane, c->handle, c->request.key, &ttl_ns);

	if (!error && ttl_ns)
		c->response->len =
			(size_t)(respond_put_time(c->response->data + c->response->len, 1, ttl_ns) - c->response->data);
	return error;
}

static enum sabir_error dict_service_clear(struct op_call *c)
{
	uint64_t removed;
	enum sabir_error error = dict_clear(c->lane, c->handle, &removed);

	if (!error)
		respond_number(c->response, 1, removed);
	return error;
}

static const struct op ops[] = {
	OP_READS_OF_KIND(DictService, Get, "dict", SEG_KIND_DICT, dict_service_get, key_fields),
	OP_OF_KIND(DictService, Set, "dict", SEG_KIND_DICT, dict_service_set, set_fields),
	OP_OF_KIND(DictService, Delete, "dict", SEG_KIND_DICT, dict_service_delete, key_fields),
	OP_READS_OF_KIND(DictService, Contains, "dict", SEG_KIND_DICT, dict_service_contains, key_fields),
	OP_READS_OF_KIND(DictService, Len, "dict", SEG_KIND_DICT, dict_service_len, dict_fields),
	OP_OF_KIND(DictService, SetDefault, "dict", SEG_KIND_DICT, dict_service_set_default, set_default_fields),
	OP_OF_KIND(DictService, Pop, "dict", SEG_KIND_DICT, dict_service_pop, key_fields),
	OP_OF_KIND(DictService, PopItem, "dict", SEG_KIND_DICT, dict_service_pop_item, pop_item_fields),
	OP_HEAVY_OF_KIND(DictService, Update, "dict", SEG_KIND_DICT, dict_service_update, update_fields, HEAVY_REQUEST),
	OP_OF_KIND(DictService, Increment, "dict", SEG_KIND_DICT, dict_service_increment, increment_fields),
	OP_OF_KIND(DictService, CompareExchange, "dict", SEG_KIND_DICT, dict_service_compare_exchange,
		   compare_exchange_fields),
	OP_OF_KIND(DictService, Expire, "dict", SEG_KIND_DICT, dict_service_expire, expire_fields),
	OP_READS_OF_KIND(DictService, Ttl, "dict", SEG_KIND_DICT, dict_service_ttl, key_fields),
	OP_HEAVY_OF_KIND(DictService, Clear, "dict", SEG_KIND_DICT, dict_service_clear, dict_fields, HEAVY_CHANGE),
};

const struct op_service dict_service = { ops, sizeof(ops) / sizeof(ops[0]) };
