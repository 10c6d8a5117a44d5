/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespace's functions. Locally get, set and delete are those of the dict that a namespace is; everything else is
 * the operation's request on either transport.
 */
#include "server/objects/namespace.h"

#include "bindings/c/page.h"
#include "bindings/c/request.h"

enum sabir_error sabir_namespace_create(sabir_conn *conn, const char *name, unsigned flags, sabir_namespace **ns)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_NAMESPACE };
	return handle_create(conn, name, &spec, flags, ns);
}

enum sabir_error sabir_namespace_open(sabir_conn *conn, const char *name, sabir_namespace **ns)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_NAMESPACE, ns) : FAIL_NULL();
}

enum sabir_error sabir_namespace_open_handle(sabir_conn *conn, uint64_t handle, sabir_namespace **ns)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_NAMESPACE, ns);
}

void sabir_namespace_free(sabir_namespace *ns)
{
	handle_free((struct handle *)ns);
}

uint64_t sabir_namespace_handle(const sabir_namespace *ns)
{
	return ns->h.id;
}

/* ---------------------------------------------------------------- one attribute */

/* The transport, and for a local one the dict and its key. */
struct access {
	struct lane *lane; /* NULL: remote */
	sabir_dict *dict;
	struct sabir_item key;
};

static enum sabir_error access_init(struct access *a, sabir_namespace *ns, const char *attribute)
{
	uint8_t buffer[NAMESPACE_KEY_MAX];
	struct span name = { (const uint8_t *)attribute, strlen(attribute) }, key;
	enum sabir_error error = conn_enter(ns->h.conn, &a->lane);

	if (error || !a->lane)
		return error;
	if (namespace_key(name, buffer, &key))
		return fail(SABIR_INVALID_ARGUMENT, "'%.64s' is no name of an attribute", attribute);
	a->dict = (sabir_dict *)ns;
	a->key = sabir_text(attribute);
	return SABIR_OK;
}

/* A request of the namespace, a name and perhaps an item. Adds the response to `out`. */
static enum sabir_error call(const struct handle *h, enum method method, const char *attribute,
			     const struct sabir_item *item, struct bytes *out)
{
	struct request r;
	enum sabir_error error = SABIR_OK;

	request_init(&r, 320);
	request_object(&r, h->id);
	request_bytes(&r, 2, attribute, strlen(attribute));
	if (item)
		error = request_item(&r, 3, item);
	if (!error)
		return conn_call(h->conn, method, &r, 0, out);
	request_fini(&r);
	return error;
}

static enum sabir_error get_remote(sabir_namespace *ns, const char *attribute, struct sabir_item **value)
{
	struct bytes out = { 0 };
	struct wire_field f;

	if (result_begin(&out, sizeof(**value)))
		return fail(SABIR_NO_MEMORY, "%s", ns->h.name);
	enum sabir_error error = call(&ns->h, METHOD_NAMESPACE_GET, attribute, NULL, &out);
	if (!error && (!response_find(bytes_item(&out, 1), 1, &f) || f.type != WIRE_LEN))
		error = fail(SABIR_INTERNAL, "the server's Value is missing");
	if (!error)
		return result_item(&out, f.bytes, value);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_namespace_get(sabir_namespace *ns, const char *attribute, struct sabir_item **value)
{
	struct access a;

	if (!ns || !attribute || !value)
		return FAIL_NULL();
	enum sabir_error error = access_init(&a, ns, attribute);
	if (error)
		return error;
	return a.lane ? sabir_dict_get(a.dict, &a.key, value) : get_remote(ns, attribute, value);
}

enum sabir_error sabir_namespace_set(sabir_namespace *ns, const char *attribute, const struct sabir_item *value,
				     bool *inserted)
{
	struct bytes out = { 0 };
	struct access a;

	if (!ns || !attribute || !value)
		return FAIL_NULL();
	enum sabir_error error = access_init(&a, ns, attribute);
	if (error)
		return error;
	if (a.lane)
		return sabir_dict_set(a.dict, &a.key, value, inserted);
	error = call(&ns->h, METHOD_NAMESPACE_SET, attribute, value, &out);
	if (!error && inserted)
		*inserted = response_varint(bytes_item(&out, 0), 1) != 0;
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_namespace_delete(sabir_namespace *ns, const char *attribute)
{
	struct bytes out = { 0 };
	struct access a;

	if (!ns || !attribute)
		return FAIL_NULL();
	enum sabir_error error = access_init(&a, ns, attribute);
	if (error)
		return error;
	if (a.lane)
		return sabir_dict_delete(a.dict, &a.key);
	error = call(&ns->h, METHOD_NAMESPACE_DELETE, attribute, NULL, &out);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_namespace_increment(sabir_namespace *ns, const char *attribute, const struct sabir_item *delta,
					   struct sabir_item *sum)
{
	struct bytes out = { 0 };

	if (!ns || !attribute || !delta)
		return FAIL_NULL();
	enum sabir_error error = call(&ns->h, METHOD_NAMESPACE_INCREMENT, attribute, delta, &out);
	if (!error && sum)
		error = response_item(bytes_item(&out, 0), 1, sum);
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- pages */

static enum sabir_error read_names(struct span page, void *records, size_t n)
{
	const uint8_t *p = page.data, *end = p + page.len;
	struct sabir_item *item = records, *last = item + n;
	struct wire_field f;

	while (p < end && item < last) {
		if (!wire_next(&p, end, &f))
			return fail(SABIR_INTERNAL, "the server's page is malformed");
		if (f.number == 1 && f.type == WIRE_LEN)
			*item++ = sabir_text_n((const char *)f.bytes.data, f.bytes.len);
	}
	return SABIR_OK;
}

static enum sabir_error read_attributes(struct span page, void *records, size_t n)
{
	const uint8_t *p = page.data, *end = p + page.len;
	struct sabir_entry *entry = records, *last = entry + n;
	struct wire_field f, name;

	while (p < end && entry < last) {
		if (!wire_next(&p, end, &f))
			return fail(SABIR_INTERNAL, "the server's page is malformed");
		if (f.number != 1 || f.type != WIRE_LEN)
			continue;
		if (!response_find(f.bytes, 1, &name) || name.type != WIRE_LEN)
			return fail(SABIR_INTERNAL, "the server's page is malformed");
		entry->key = sabir_text_n((const char *)name.bytes.data, name.bytes.len);
		enum sabir_error error = response_item(f.bytes, 2, &entry->value);
		if (error)
			return error;
		entry++;
	}
	return SABIR_OK;
}

enum sabir_error sabir_namespace_dir(sabir_namespace *ns, uint32_t page_size, struct sabir_cursor *cursor,
				     struct sabir_item **names, size_t *n)
{
	static const struct page_kind kind = { METHOD_NAMESPACE_DIR, sizeof(**names), false, read_names };
	return ns ? page_next(&ns->h, &kind, page_size, cursor, names, n) : FAIL_NULL();
}

enum sabir_error sabir_namespace_list(sabir_namespace *ns, uint32_t page_size, struct sabir_cursor *cursor,
				      struct sabir_entry **attributes, size_t *n)
{
	static const struct page_kind kind = { METHOD_NAMESPACE_LIST, sizeof(**attributes), false, read_attributes };
	return ns ? page_next(&ns->h, &kind, page_size, cursor, attributes, n) : FAIL_NULL();
}
