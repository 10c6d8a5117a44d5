/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists and maps inside items: the builder and the reader.
 *
 * The builder writes the encoded message of the outermost list or map front to back. What stands inside begins with a
 * one-byte length that grows when it ends (request_begin, request_end). In the stack of open messages a list has one
 * place for each open item, a map one for each open entry and value. What is refused changes nothing; after NO_MEMORY
 * the builder is of no more use.
 */
#include <stdlib.h>

#include "bindings/c/request.h"

enum level_kind { LEVEL_LIST, LEVEL_MAP };

struct level {
	uint32_t kind;
	uint32_t field; /* where it stands in the level around it: list 1; map: key 1, value 2 */
	bool has_key;   /* map: an entry is open and its key is there or begun */
	size_t entry;   /* map: where the open entry began */
	size_t value;   /* where the Value that this level is in began; not for the outermost */
	size_t message; /* where the ListValue or MapValue began; not for the outermost */
};

/* Every list or map in another adds at least 2 to the depth. */
#define MAX_LEVELS (VALUE_MAX_DEPTH / 2)

struct sabir_builder {
	struct request r;
	uint32_t n_levels;
	bool ended; /* the outermost */
	struct level levels[MAX_LEVELS];
};

sabir_builder *sabir_builder_new(void)
{
	struct sabir_builder *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	request_init(&b->r, 256);
	if (b->r.failed) {
		free(b);
		return NULL;
	}
	return b;
}

void sabir_builder_free(sabir_builder *b)
{
	if (!b)
		return;
	request_fini(&b->r);
	free(b);
}

/* Opens what stands in front of the next Value in the innermost level. */
static uint32_t before_value(struct sabir_builder *b)
{
	struct level *level = &b->levels[b->n_levels - 1];
	if (level->kind == LEVEL_LIST)
		return 1;
	if (!level->has_key) {
		level->entry = request_begin(&b->r, 1);
		level->has_key = true;
		return 1;
	}
	return 2;
}

/* Behind a Value in `field`: an entry's second one completes the entry. */
static void after_value(struct sabir_builder *b, uint32_t field)
{
	struct level *level = &b->levels[b->n_levels - 1];
	if (level->kind != LEVEL_MAP || field != 2)
		return;
	request_end(&b->r, level->entry);
	level->has_key = false;
}

static enum sabir_error begin_level(struct sabir_builder *b, uint32_t kind)
{
	if (!b)
		return FAIL_NULL();
	if (b->ended)
		return fail(SABIR_INVALID_ARGUMENT, "the outermost list or map has ended");
	if (b->n_levels == MAX_LEVELS)
		return fail(SABIR_INVALID_VALUE, "nested too deep");
	struct level level = { .kind = kind };
	if (b->n_levels) {
		level.field = before_value(b);
		level.value = request_begin(&b->r, level.field);
		level.message = request_begin(&b->r, kind == LEVEL_LIST ? VALUE_LIST : VALUE_MAP);
	} else {
		b->r.len = 0;
		b->r.failed = false;
	}
	b->levels[b->n_levels++] = level;
	return b->r.failed ? fail(SABIR_NO_MEMORY, "a list or map") : SABIR_OK;
}

enum sabir_error sabir_builder_begin_list(sabir_builder *b)
{
	return begin_level(b, LEVEL_LIST);
}

enum sabir_error sabir_builder_begin_map(sabir_builder *b)
{
	return begin_level(b, LEVEL_MAP);
}

enum sabir_error sabir_builder_append(sabir_builder *b, const struct sabir_item *item)
{
	struct item_code code;
	if (!b || !item)
		return FAIL_NULL();
	if (b->ended || !b->n_levels)
		return fail(SABIR_INVALID_ARGUMENT, "no list or map has begun");
	enum sabir_error error = item_encode(item, &code);
	if (!error) {
		uint32_t field = before_value(b);
		request_code(&b->r, field, &code);
		after_value(b, field);
	}
	item_code_fini(&code);
	if (error)
		return item_refused(error, item);
	return b->r.failed ? fail(SABIR_NO_MEMORY, "a list or map") : SABIR_OK;
}

enum sabir_error sabir_builder_end(sabir_builder *b)
{
	if (!b)
		return FAIL_NULL();
	if (!b->n_levels || b->ended)
		return fail(SABIR_INVALID_ARGUMENT, "no list or map has begun");
	struct level *level = &b->levels[b->n_levels - 1];
	if (level->has_key)
		return fail(SABIR_INVALID_ARGUMENT, "the last key has no value");
	if (b->n_levels == 1) {
		b->ended = true;
		return SABIR_OK;
	}
	request_end(&b->r, level->message);
	request_end(&b->r, level->value);
	b->n_levels--;
	after_value(b, level->field);
	return b->r.failed ? fail(SABIR_NO_MEMORY, "a list or map") : SABIR_OK;
}

enum sabir_error sabir_builder_finish(sabir_builder *b, struct sabir_item *item)
{
	if (!b || !item)
		return FAIL_NULL();
	if (!b->ended)
		return fail(SABIR_INVALID_ARGUMENT, "the outermost list or map has not ended");
	uint32_t kind = b->levels[0].kind;
	b->n_levels = 0;
	b->ended = false;
	*item = sabir_item_of(kind == LEVEL_LIST ? SABIR_ITEM_LIST : SABIR_ITEM_MAP, b->r.data, b->r.len);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- reader */

enum sabir_error sabir_reader_init(struct sabir_reader *reader, const struct sabir_item *list_or_map)
{
	if (!reader || !list_or_map)
		return FAIL_NULL();
	if (list_or_map->kind != SABIR_ITEM_LIST && list_or_map->kind != SABIR_ITEM_MAP)
		return fail(SABIR_WRONG_TYPE, "an item of kind %u is neither list nor map", list_or_map->kind);
	*reader = (struct sabir_reader){ list_or_map->as.data, list_or_map->len, list_or_map->kind };
	return SABIR_OK;
}

/* The bytes of the next item or entry; both containers have them in field 1. */
static enum sabir_error next_bytes(struct sabir_reader *reader, uint32_t kind, struct span *bytes)
{
	const uint8_t *p = reader->at, *end = p + reader->left;
	struct wire_field f;
	if (reader->kind != kind)
		return fail(SABIR_WRONG_TYPE, "an item of kind %u is read as kind %u", reader->kind, kind);
	if (p == end)
		return fail(SABIR_EMPTY, "%s", "");
	if (!wire_next(&p, end, &f) || f.number != 1 || f.type != WIRE_LEN)
		return fail(SABIR_INVALID_VALUE, "a malformed list or map");
	reader->at = p;
	reader->left = (size_t)(end - p);
	*bytes = f.bytes;
	return SABIR_OK;
}

enum sabir_error sabir_reader_next(struct sabir_reader *reader, struct sabir_item *item)
{
	struct span bytes;
	enum sabir_error error = reader && item ? next_bytes(reader, SABIR_ITEM_LIST, &bytes) : FAIL_NULL();
	if (error)
		return error;
	return item_decode(bytes, item) ? fail(SABIR_INVALID_VALUE, "a malformed item in a list") : SABIR_OK;
}

enum sabir_error sabir_reader_next_entry(struct sabir_reader *reader, struct sabir_entry *entry)
{
	struct span bytes;
	struct sabir_entry made;
	enum sabir_error error = reader && entry ? next_bytes(reader, SABIR_ITEM_MAP, &bytes) : FAIL_NULL();
	if (error)
		return error;
	if (response_item(bytes, 1, &made.key) || response_item(bytes, 2, &made.value))
		return fail(SABIR_INVALID_VALUE, "a malformed entry in a map");
	*entry = made;
	return SABIR_OK;
}
