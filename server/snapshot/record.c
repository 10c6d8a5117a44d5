/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of a snapshot: a table of fields for each, and one writer and one reader that go by it.
 */
#include "server/snapshot/record.h"

#include <stddef.h>
#include <stdlib.h>

#include "server/base/wire.h"

enum field_type { FIELD_U64, FIELD_U32, FIELD_BOOL, FIELD_FIXED64, FIELD_SINT64, FIELD_SPAN };

struct field {
	uint32_t number;
	enum field_type type;
	size_t offset;
};

struct table {
	const struct field *fields; /* in the order of their numbers */
	size_t n;
};

#define F(record, number, type, member)                                                                                \
	{                                                                                                              \
		number, FIELD_##type, offsetof(struct record, member)                                                  \
	}
#define TABLE(fields)                                                                                                  \
	{                                                                                                              \
		fields, sizeof(fields) / sizeof((fields)[0])                                                           \
	}

static const struct field begin_fields[] = {
	F(record_begin, 1, FIXED64, time_unix_ns),
	F(record_begin, 2, SPAN, writer),
};

static const struct field object_fields[] = {
	F(record_object, 1, U64, id),
	F(record_object, 2, U32, kind),
	F(record_object, 3, SPAN, name),
	F(record_object, 4, U64, order),
	F(record_object, 5, FIXED64, create_unix_ns),
	F(record_object, 6, FIXED64, expire_unix_ns),
	F(record_object, 7, U64, part_of),
	F(record_object, 8, U32, part),
	F(record_object, 9, U32, type_code),
	F(record_object, 10, U64, length),
	F(record_object, 11, U64, max_items),
	F(record_object, 12, U64, max_item_bytes),
	F(record_object, 13, U32, flags),
	F(record_object, 14, U64, over),
	F(record_object, 15, BOOL, one_way),
	F(record_object, 16, U32, discipline),
	F(record_object, 17, BOOL, joinable),
	F(record_object, 18, U32, max_attempts),
	F(record_object, 19, U64, dedup_window_ns),
	F(record_object, 20, U64, item_ttl_ns),
	F(record_object, 21, SPAN, dead_letter),
	F(record_object, 22, BOOL, closed),
	F(record_object, 23, BOOL, paused),
	F(record_object, 24, U64, unfinished),
	F(record_object, 25, U64, next_ordinal),
	F(record_object, 26, U64, last_lease),
	F(record_object, 27, U64, token),
	F(record_object, 28, U32, abandoned),
	F(record_object, 29, U64, value),
	F(record_object, 30, U64, cycle),
	F(record_object, 31, BOOL, broken),
	F(record_object, 32, U32, closed_ends),
	F(record_object, 33, BOOL, set),
	F(record_object, 34, FIXED64, bits),
};

static const struct field entry_fields[] = {
	F(record_entry, 1, SPAN, value),
	F(record_entry, 2, SPAN, key),
	F(record_entry, 3, FIXED64, ends_unix_ns),
	F(record_entry, 4, U32, room),
	F(record_entry, 5, SINT64, priority),
	F(record_entry, 6, U64, ordinal),
	F(record_entry, 7, FIXED64, due_unix_ns),
	F(record_entry, 8, U64, origin),
	F(record_entry, 9, U32, attempts),
	F(record_entry, 10, U32, state),
	F(record_entry, 11, SPAN, id),
};

static const struct field content_fields[] = {
	F(record_content, 2, SPAN, raw),
	F(record_content, 3, U64, offset),
};

static const struct field end_fields[] = {
	F(record_end, 1, U64, objects),
	F(record_end, 2, U64, frames),
};

static const struct table begin_table = TABLE(begin_fields), object_table = TABLE(object_fields),
			  entry_table = TABLE(entry_fields), content_table = TABLE(content_fields),
			  end_table = TABLE(end_fields);

/* ---------------------------------------------------------------- writing */

void message_fini(struct message *m)
{
	free(m->data);
	*m = (struct message){ NULL, 0, 0, false };
}

/* Where `len` more bytes go, or NULL. */
static uint8_t *room(struct message *m, size_t len)
{
	if (len > m->cap - m->len) {
		size_t cap = m->cap ? m->cap : 4096;
		while (cap - m->len < len)
			cap *= 2;
		uint8_t *data = realloc(m->data, cap);
		if (!data) {
			m->failed = true;
			return NULL;
		}
		m->data = data;
		m->cap = cap;
	}
	return m->data + m->len;
}

static uint64_t number_in(const struct field *f, const void *record)
{
	const uint8_t *at = (const uint8_t *)record + f->offset;
	uint64_t v = 0;
	switch (f->type) {
	case FIELD_U32:
		return *(const uint32_t *)(const void *)at;
	case FIELD_BOOL:
		return *(const bool *)(const void *)at;
	case FIELD_SINT64:
		memcpy(&v, at, sizeof(v));
		return v << 1 ^ (v >> 63 ? UINT64_MAX : 0);
	default:
		memcpy(&v, at, sizeof(v));
		return v;
	}
}

static const struct span *span_in(const struct field *f, const void *record)
{
	return (const void *)((const uint8_t *)record + f->offset);
}

/* What is 0 or empty takes nothing. */
static size_t field_size(const struct field *f, const void *record)
{
	if (f->type == FIELD_SPAN) {
		size_t len = span_in(f, record)->len;
		return len ? wire_tag_size(f->number) + wire_varint_size(len) + len : 0;
	}
	uint64_t v = number_in(f, record);
	if (!v)
		return 0;
	return wire_tag_size(f->number) + (f->type == FIELD_FIXED64 ? 8 : wire_varint_size(v));
}

static size_t record_size(const struct table *table, const void *record)
{
	size_t len = 0;
	for (size_t i = 0; i < table->n; i++)
		len += field_size(&table->fields[i], record);
	return len;
}

static uint8_t *put_field(const struct field *f, const void *record, uint8_t *to)
{
	if (!field_size(f, record))
		return to;
	if (f->type == FIELD_SPAN) {
		const struct span *s = span_in(f, record);
		return wire_put_bytes(to, f->number, s->data, s->len);
	}
	uint64_t v = number_in(f, record);
	to = wire_put_tag(to, f->number, f->type == FIELD_FIXED64 ? WIRE_FIXED64 : WIRE_VARINT);
	return f->type == FIELD_FIXED64 ? wire_put_fixed64(to, v) : wire_put_varint(to, v);
}

static uint8_t *put_fields(const struct table *table, const void *record, uint8_t *to)
{
	for (size_t i = 0; i < table->n; i++)
		to = put_field(&table->fields[i], record, to);
	return to;
}

static void put(struct message *m, const struct table *table, const void *record)
{
	size_t len = record_size(table, record);
	uint8_t *to = room(m, len);
	if (!to)
		return;
	(void)put_fields(table, record, to);
	m->len += len;
}

void record_put_begin(struct message *m, const struct record_begin *begin)
{
	put(m, &begin_table, begin);
}

void record_put_object(struct message *m, const struct record_object *object)
{
	put(m, &object_table, object);
}

void record_put_end(struct message *m, const struct record_end *end)
{
	put(m, &end_table, end);
}

void record_put_entry(struct message *m, const struct record_entry *entry)
{
	size_t len = record_size(&entry_table, entry);
	uint8_t *to = room(m, 1 + WIRE_MAX_VARINT + len);
	if (!to)
		return;
	*to = WIRE_TAG(1, WIRE_LEN);
	to = put_fields(&entry_table, entry, wire_put_varint(to + 1, len));
	m->len = (size_t)(to - m->data);
}

void record_put_raw(struct message *m, struct span raw, uint64_t offset)
{
	const struct record_content content = { .raw = raw, .offset = offset };
	put(m, &content_table, &content);
}

/* ---------------------------------------------------------------- reading */

static const struct field *find(const struct table *table, uint32_t number)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->fields[i].number == number)
			return &table->fields[i];
	return NULL;
}

/* False: another wire type than the field's, or a number that does not fit. */
static bool store(const struct field *f, const struct wire_field *from, void *record)
{
	uint8_t *at = (uint8_t *)record + f->offset;
	uint32_t type = f->type == FIELD_SPAN ? WIRE_LEN : f->type == FIELD_FIXED64 ? WIRE_FIXED64 : WIRE_VARINT;
	uint64_t v = from->bits;
	if (from->type != type)
		return false;
	switch (f->type) {
	case FIELD_SPAN:
		*(struct span *)(void *)at = from->bytes;
		return true;
	case FIELD_U32:
		*(uint32_t *)(void *)at = (uint32_t)v;
		return v <= UINT32_MAX;
	case FIELD_BOOL:
		*(bool *)(void *)at = v != 0;
		return v <= 1;
	case FIELD_SINT64:
		v = v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
		break;
	default:
		break;
	}
	memcpy(at, &v, sizeof(v));
	return true;
}

/* The record is all-zero at first. */
static bool get(const struct table *table, struct span from, void *record)
{
	const uint8_t *p = from.data, *end = p + from.len;
	struct wire_field field;
	while (p < end) {
		if (!wire_next(&p, end, &field))
			return false;
		const struct field *f = find(table, field.number);
		if (f && !store(f, &field, record))
			return false;
	}
	return true;
}

bool record_get_begin(struct span from, struct record_begin *begin)
{
	memset(begin, 0, sizeof(*begin));
	return get(&begin_table, from, begin);
}

bool record_get_object(struct span from, struct record_object *object)
{
	memset(object, 0, sizeof(*object));
	return get(&object_table, from, object);
}

bool record_get_content(struct span from, struct record_content *content)
{
	memset(content, 0, sizeof(*content));
	content->entries = from;
	return get(&content_table, from, content);
}

bool record_get_end(struct span from, struct record_end *end)
{
	memset(end, 0, sizeof(*end));
	return get(&end_table, from, end);
}

bool record_next_entry(struct record_content *content, struct record_entry *entry, bool *done)
{
	const uint8_t *p = content->entries.data, *end = p + content->entries.len;
	struct wire_field field;
	*done = true;
	while (p < end) {
		if (!wire_next(&p, end, &field))
			return false;
		if (field.number != 1)
			continue;
		content->entries = (struct span){ p, (size_t)(end - p) };
		*done = false;
		memset(entry, 0, sizeof(*entry));
		return field.type == WIRE_LEN && get(&entry_table, field.bytes, entry);
	}
	return true;
}
