/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of a dict that end: requests on either transport.
 */
#include "bindings/c/dict_call.h"
#include "bindings/c/request.h"

void dict_request_ttl(struct request *r, uint32_t field, uint64_t ttl_ns)
{
	if (ttl_ns == SABIR_KEEP_TTL)
		request_varint(r, field + 1, 1);
	else if (ttl_ns)
		request_timeout(r, field, ttl_ns);
}

enum sabir_error dict_call_ttl(const struct handle *h, enum method method, const struct sabir_item *const items[],
			       uint64_t ttl_ns, struct bytes *out)
{
	struct request r;
	uint32_t n = items[1] ? 2 : 1;
	enum sabir_error error = SABIR_OK;
	request_init(&r, 64);
	request_object(&r, h->id);
	for (uint32_t i = 0; !error && i < n; i++)
		error = request_item(&r, 2 + i, items[i]);
	dict_request_ttl(&r, 2 + n, ttl_ns);
	if (error) {
		request_fini(&r);
		return error;
	}
	return conn_call(h->conn, method, &r, 0, out);
}

enum sabir_error sabir_dict_set_ttl(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				    uint64_t ttl_ns, bool *inserted)
{
	const struct sabir_item *const items[] = { key, value };
	struct bytes out = { 0 };
	if (!dict || !key || !value)
		return FAIL_NULL();
	enum sabir_error error = dict_call_ttl(&dict->h, METHOD_DICT_SET, items, ttl_ns, &out);
	if (!error && inserted)
		*inserted = response_varint(bytes_item(&out, 0), 1) != 0;
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_dict_expire(sabir_dict *dict, const struct sabir_item *key, uint64_t ttl_ns)
{
	const struct sabir_item *const items[] = { key, NULL };
	struct bytes out = { 0 };
	if (!dict || !key)
		return FAIL_NULL();
	if (ttl_ns == SABIR_KEEP_TTL)
		return fail(SABIR_INVALID_ARGUMENT, "an end that is kept is not another one");
	enum sabir_error error = dict_call_ttl(&dict->h, METHOD_DICT_EXPIRE, items, ttl_ns, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_dict_ttl(sabir_dict *dict, const struct sabir_item *key, uint64_t *ttl_ns)
{
	struct bytes out = { 0 };
	struct wire_field f;
	if (!dict || !key || !ttl_ns)
		return FAIL_NULL();
	enum sabir_error error = dict_call(&dict->h, METHOD_DICT_TTL, &key, 1, &out);
	if (!error) {
		*ttl_ns = 0;
		if (response_find(bytes_item(&out, 0), 1, &f) && f.type == WIRE_LEN)
			*ttl_ns = response_varint(f.bytes, 1) * SABIR_SECOND + response_varint(f.bytes, 2);
	}
	bytes_fini(&out);
	return error;
}
