/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listings of sabir.v1.DictService: Keys, Values and Items, page by page.
 *
 * Keys and values are written into the response by the dict. An item of Items is a message of two fields, whose length
 * is known only when both parts are: a page of them is copied once more.
 */
#include "server/objects/dict.h"
#include "server/ops/call.h"

#define DEFAULT_PAGE 1000u
#define MAX_PAGE 10000u

/* Of the longest response: for tags and lengths of a page's entries, and the token. */
#define RESPONSE_REST (MAX_PAGE * 20u + 256u)

static const struct request_field page_fields[] = {
	REQUIRED(1, REF, ref, "dict"),
	FIELD(2, U32, n, "page_size"),
	FIELD(3, BYTES, page_token, "page_token"),
	FIELD(4, BOOL, reverse, "reverse"),
	FIELDS_END,
};

/* One page of a part into `to`; *scope is what its token is bound to. */
static enum sabir_error read_page(struct op_call *c, enum dict_part part, struct bytes *to, uint64_t *cursor,
				  uint64_t *scope)
{
	uint32_t n = c->request.n ? c->request.n : DEFAULT_PAGE;

	/* A cursor means something else on the way back. */
	*scope = page_scope(c, c->request.reverse ? ~c->handle : c->handle, (struct span){ NULL, 0 });
	enum sabir_error error = page_cursor(c, *scope, cursor);
	if (error)
		return error;
	to->limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	if (c->request.reverse)
		part |= DICT_REVERSED;
	return dict_page(c->lane, c->handle, part, n < MAX_PAGE ? n : MAX_PAGE, cursor, to);
}

/* dict_page adds two items for each entry, of which the unwanted one is empty; no Value is. */
static void drop_empty(struct bytes *response)
{
	uint8_t *to = response->data;
	size_t n = 0;

	for (size_t i = 0, begin = 0; i < response->n_items; i++) {
		size_t end = response->ends[i], len = end - begin;
		if (len > 2) {
			memmove(to, response->data + begin, len);
			to += len;
			response->ends[n++] = (uint32_t)(to - response->data);
		}
		begin = end;
	}
	response->n_items = n;
	response->len = (size_t)(to - response->data);
}

static enum sabir_error respond_halves(struct op_call *c, enum dict_part part)
{
	uint64_t cursor, scope;

	c->response->frame = WIRE_TAG(1, WIRE_LEN);
	enum sabir_error error = read_page(c, part, c->response, &cursor, &scope);
	if (error)
		return error;
	drop_empty(c->response);
	return page_respond(c, 2, scope, cursor);
}

static enum sabir_error dict_service_keys(struct op_call *c)
{
	return respond_halves(c, DICT_KEYS);
}

static enum sabir_error dict_service_values(struct op_call *c)
{
	return respond_halves(c, DICT_VALUES);
}

static size_t field_size(size_t len)
{
	return 1 + wire_varint_size(len) + len;
}

static enum sabir_error respond_entries(struct bytes *response, const struct bytes *page)
{
	response->frame = WIRE_TAG(1, WIRE_LEN);
	for (size_t i = 0; i + 1 < page->n_items; i += 2) {
		struct span key = bytes_item(page, i), value = bytes_item(page, i + 1);
		size_t len = field_size(key.len) + field_size(value.len);
		uint8_t *to = bytes_reserve(response, len);
		if (!to)
			return SABIR_NO_MEMORY;
		to = wire_put_bytes(to, 1, key.data, key.len);
		wire_put_bytes(to, 2, value.data, value.len);
		bytes_commit(response, len);
	}
	return SABIR_OK;
}

static enum sabir_error dict_service_items(struct op_call *c)
{
	uint64_t cursor, scope;
	struct bytes page;

	bytes_init(&page, NULL, 0);
	enum sabir_error error = read_page(c, DICT_ITEMS, &page, &cursor, &scope);
	if (!error)
		error = respond_entries(c->response, &page);
	bytes_fini(&page);
	return error ? error : page_respond(c, 2, scope, cursor);
}

static const struct op ops[] = {
	OP_READS_OF_KIND(DictService, Keys, "dict", SEG_KIND_DICT, dict_service_keys, page_fields),
	OP_READS_OF_KIND(DictService, Values, "dict", SEG_KIND_DICT, dict_service_values, page_fields),
	OP_READS_OF_KIND(DictService, Items, "dict", SEG_KIND_DICT, dict_service_items, page_fields),
};

const struct op_service dict_page_service = { ops, sizeof(ops) / sizeof(ops[0]) };
