/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dict's functions. Locally get, set, delete, contains, len and increment call the object's own functions;
 * everything else is the operation's request on either transport (dict_more.c).
 */
#include "server/objects/dict.h"

#include "bindings/c/dict_call.h"
#include "bindings/c/number.h"
#include "bindings/c/request.h"

/* ---------------------------------------------------------------- handles */

enum sabir_error sabir_dict_create(sabir_conn *conn, const char *name, unsigned flags, sabir_dict **dict)
{
	struct sabir_spec spec = { .size = sizeof(spec), .kind = SABIR_KIND_DICT };
	return handle_create(conn, name, &spec, flags, dict);
}

enum sabir_error sabir_dict_open(sabir_conn *conn, const char *name, sabir_dict **dict)
{
	return name ? handle_open(conn, name, 0, SABIR_KIND_DICT, dict) : FAIL_NULL();
}

enum sabir_error sabir_dict_open_handle(sabir_conn *conn, uint64_t handle, sabir_dict **dict)
{
	return handle_open(conn, NULL, handle, SABIR_KIND_DICT, dict);
}

void sabir_dict_free(sabir_dict *dict)
{
	handle_free((struct handle *)dict);
}

uint64_t sabir_dict_handle(const sabir_dict *dict)
{
	return dict->h.id;
}

/* ---------------------------------------------------------------- encoded arguments */

/*
 * An item as the object's functions want it: in one piece, and as a key in the form in which equal keys have equal
 * bytes.
 */
struct plain {
	struct span span;
	bool simple; /* all of it is in `small` */
	struct item_code code;
	struct bytes joined;
	struct bytes canonical;
	uint8_t small[256];
};

/* The encodings of these are canonical as they are made. */
static bool is_canonical(const struct sabir_item *item)
{
	switch (item->kind) {
	case SABIR_ITEM_NULL:
	case SABIR_ITEM_BOOL:
	case SABIR_ITEM_INT:
	case SABIR_ITEM_TEXT:
	case SABIR_ITEM_BYTES:
		return true;
	}
	return false;
}

static enum sabir_error plain_init_rare(struct plain *p, const struct sabir_item *item, bool is_key)
{
	p->simple = false;
	bytes_init(&p->joined, p->small, sizeof(p->small));
	bytes_init(&p->canonical, NULL, 0);
	enum sabir_error error = item_encode(item, &p->code);
	if (!error && p->code.parts.body.len)
		error = item_join(&p->code, &p->joined);
	if (!error)
		p->span = p->code.parts.body.len ? bytes_item(&p->joined, 0) : p->code.parts.head;
	if (!error && is_key && !is_canonical(item))
		error = value_key(p->span, &p->canonical, &p->span);
	return error ? item_refused(error, item) : SABIR_OK;
}

/* Short text and bytes, which nearly all keys are, take the short way. Undone by plain_fini, also after a failure. */
static inline enum sabir_error plain_init(struct plain *p, const struct sabir_item *item, bool is_key)
{
	struct span content = { (const uint8_t *)item->as.data, item->len };
	bool text = item->kind == SABIR_ITEM_TEXT;

	if ((!text && item->kind != SABIR_ITEM_BYTES) || item->len > sizeof(p->small) - VALUE_MAX_HEAD ||
	    (text && !utf8_valid(content)))
		return plain_init_rare(p, item, is_key);
	p->small[0] = WIRE_TAG(item->kind, WIRE_LEN);
	size_t head_len = (size_t)(wire_put_varint(p->small + 1, content.len) - p->small);
	if (content.len)
		memcpy(p->small + head_len, content.data, content.len);
	p->span = (struct span){ p->small, head_len + content.len };
	p->simple = true;
	return SABIR_OK;
}

static inline void plain_fini(struct plain *p)
{
	if (p->simple)
		return;
	bytes_fini(&p->canonical);
	bytes_fini(&p->joined);
	item_code_fini(&p->code);
}

/* ---------------------------------------------------------------- requests */

enum sabir_error dict_call(const struct handle *h, enum method method, const struct sabir_item *const items[],
			   uint32_t n, struct bytes *out)
{
	struct request r;
	enum sabir_error error = SABIR_OK;
	request_init(&r, 64);
	request_object(&r, h->id);
	for (uint32_t i = 0; !error && i < n; i++)
		if (items[i])
			error = request_item(&r, 2 + i, items[i]);
	if (error) {
		request_fini(&r);
		return error;
	}
	return conn_call(h->conn, method, &r, 0, out);
}

/* The number or flag in field 1 of the response. */
static enum sabir_error call_for_number(const struct handle *h, enum method method,
					const struct sabir_item *const items[], uint32_t n, uint64_t *number)
{
	struct bytes out = { 0 };
	enum sabir_error error = dict_call(h, method, items, n, &out);
	if (!error)
		*number = response_varint(bytes_item(&out, 0), 1);
	bytes_fini(&out);
	return error;
}

/* ---------------------------------------------------------------- get */

/* Adds the value of the key, or remotely the response with it, to `out`. */
static enum sabir_error get(sabir_dict *dict, const struct sabir_item *key, struct bytes *out, bool *local)
{
	struct lane *lane;
	struct plain k;
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	*local = lane != NULL;
	if (!lane)
		return dict_call(&dict->h, METHOD_DICT_GET, &key, 1, out);
	error = plain_init(&k, key, true);
	if (!error)
		error = object_result(&dict->h, dict_get(lane, dict->h.id, k.span, out));
	plain_fini(&k);
	return error;
}

static struct span got_value(const struct bytes *out, size_t n, bool local)
{
	struct span value = bytes_item(out, n);
	struct wire_field f;
	if (local)
		return value;
	return response_find(value, 1, &f) && f.type == WIRE_LEN ? f.bytes : (struct span){ NULL, 0 };
}

enum sabir_error sabir_dict_get(sabir_dict *dict, const struct sabir_item *key, struct sabir_item **value)
{
	struct bytes out = { 0 };
	bool local;
	if (!dict || !key || !value)
		return FAIL_NULL();
	if (result_begin(&out, sizeof(**value)))
		return fail(SABIR_NO_MEMORY, "%s", dict->h.name);
	enum sabir_error error = get(dict, key, &out, &local);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	return result_item(&out, got_value(&out, 1, local), value);
}

enum sabir_error sabir_dict_get_into(sabir_dict *dict, const struct sabir_item *key, struct sabir_buffer *buffer,
				     struct sabir_item *value)
{
	struct bytes out;
	bool local;
	if (!dict || !key || !buffer || !value)
		return FAIL_NULL();
	bytes_init(&out, buffer->data, buffer->size);
	enum sabir_error error = get(dict, key, &out, &local);
	struct span encoded = { out.data, out.len };
	if (!error && !local)
		encoded = got_value(&out, 0, local);
	if (!error && item_decode(encoded, value))
		error = fail(SABIR_DATA_LOSS, "the dict's Value is malformed");
	buffer_take(buffer, &out);
	return error;
}

/* ---------------------------------------------------------------- set, delete, contains, len */

static enum sabir_error set_local(sabir_dict *dict, struct lane *lane, const struct sabir_item *key,
				  const struct sabir_item *value, bool *inserted)
{
	struct plain k, v;
	enum sabir_error error = plain_init(&k, key, true);
	if (!error) {
		error = plain_init(&v, value, false);
		if (!error)
			error = object_result(&dict->h, dict_set(lane, dict->h.id, k.span, v.span, inserted));
		plain_fini(&v);
	}
	plain_fini(&k);
	return error;
}

enum sabir_error sabir_dict_set(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *value,
				bool *inserted)
{
	const struct sabir_item *const items[] = { key, value };
	struct lane *lane;
	uint64_t flag;
	bool is_new;

	if (!dict || !key || !value)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (lane) {
		error = set_local(dict, lane, key, value, &is_new);
	} else {
		error = call_for_number(&dict->h, METHOD_DICT_SET, items, 2, &flag);
		is_new = !error && flag;
	}
	if (!error && inserted)
		*inserted = is_new;
	return error;
}

enum sabir_error sabir_dict_delete(sabir_dict *dict, const struct sabir_item *key)
{
	struct lane *lane;
	struct plain k;
	uint64_t unused;

	if (!dict || !key)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return call_for_number(&dict->h, METHOD_DICT_DELETE, &key, 1, &unused);
	error = plain_init(&k, key, true);
	if (!error)
		error = object_result(&dict->h, dict_delete(lane, dict->h.id, k.span));
	plain_fini(&k);
	return error;
}

enum sabir_error sabir_dict_contains(sabir_dict *dict, const struct sabir_item *key, bool *found)
{
	struct lane *lane;
	struct plain k;
	uint64_t flag;

	if (!dict || !key || !found)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (!lane) {
		error = call_for_number(&dict->h, METHOD_DICT_CONTAINS, &key, 1, &flag);
		if (!error)
			*found = flag != 0;
		return error;
	}
	error = plain_init(&k, key, true);
	if (!error)
		error = object_result(&dict->h, dict_contains(lane, dict->h.id, k.span, found));
	plain_fini(&k);
	return error;
}

enum sabir_error sabir_dict_len(sabir_dict *dict, uint64_t *length)
{
	struct lane *lane;

	if (!dict || !length)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (!lane)
		return call_for_number(&dict->h, METHOD_DICT_LEN, NULL, 0, length);
	return object_result(&dict->h, dict_len(lane, dict->h.id, length));
}

/* ---------------------------------------------------------------- increment */

struct increment {
	struct span delta;
	uint8_t sum[VALUE_MAX_HEAD];
	size_t sum_len;
};

/* The dict's modify function. A missing key counts from 0. */
static enum sabir_error add_delta(void *context, struct span now, struct span *next, bool *write)
{
	struct increment *inc = context;
	uint8_t zero[VALUE_MAX_HEAD];
	if (!now.data)
		now = (struct span){ zero, value_put_int(0, zero) };
	enum sabir_error error = value_sum(now, inc->delta, inc->sum, &inc->sum_len);
	if (error)
		return error;
	*next = (struct span){ inc->sum, inc->sum_len };
	*write = true;
	return SABIR_OK;
}

static enum sabir_error increment_local(sabir_dict *dict, struct lane *lane, const struct sabir_item *key,
					const struct sabir_item *delta, struct sabir_item *sum)
{
	struct increment inc;
	struct plain k, d;
	enum sabir_error error = plain_init(&k, key, true);
	if (!error) {
		error = plain_init(&d, delta, false);
		inc.delta = d.span;
		if (!error)
			error = object_result(&dict->h, dict_modify(lane, dict->h.id, k.span, add_delta, &inc));
		plain_fini(&d);
	}
	plain_fini(&k);
	if (!error && sum)
		error = item_decode((struct span){ inc.sum, inc.sum_len }, sum);
	return error;
}

enum sabir_error sabir_dict_increment(sabir_dict *dict, const struct sabir_item *key, const struct sabir_item *delta,
				      struct sabir_item *sum)
{
	const struct sabir_item *const items[] = { key, delta };
	struct bytes out = { 0 };
	struct lane *lane;

	if (!dict || !key || !delta)
		return FAIL_NULL();
	enum sabir_error error = conn_enter(dict->h.conn, &lane);
	if (error)
		return error;
	if (lane)
		return increment_local(dict, lane, key, delta, sum);
	error = dict_call(&dict->h, METHOD_DICT_INCREMENT, items, 2, &out);
	if (!error && sum)
		error = response_item(bytes_item(&out, 0), 1, sum);
	bytes_fini(&out);
	return error;
}

enum sabir_error sabir_dict_increment_int(sabir_dict *dict, const struct sabir_item *key, int64_t delta, int64_t *sum)
{
	struct sabir_item item = sabir_int(delta);
	enum sabir_error error = sabir_dict_increment(dict, key, &item, sum ? &item : NULL);
	return error || !sum ? error : number_int(&item, sum);
}
