/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several services' responses have in common: scalars, type codes and descriptions of objects.
 */
#include "server/ops/response.h"

#include <string.h>

/* In the order of the enum TypeCode, from 1. */
static const char letters[] = "cbBhHiIlLqQfd?u";

uint32_t type_code_letter(uint32_t type_code)
{
	return type_code >= 1 && type_code < sizeof(letters) ? (uint32_t)letters[type_code - 1] : 0;
}

uint32_t type_code_of(uint32_t letter)
{
	const char *at = letter && letter < 128 ? strchr(letters, (int)letter) : NULL;
	return at ? (uint32_t)(at - letters) + 1 : 0;
}

void respond_scalar(struct bytes *response, uint32_t number, const struct scalar *s)
{
	uint8_t *to = response->data + response->len;
	uint8_t *len = to + 1, *p = to + 2;

	*to = WIRE_TAG(number, WIRE_LEN);
	*p++ = WIRE_TAG(s->kind + 1, s->kind == SCALAR_REAL ? WIRE_FIXED64 : WIRE_VARINT);
	if (s->kind == SCALAR_REAL)
		p = wire_put_fixed64(p, s->u);
	else
		p = wire_put_varint(p, s->kind == SCALAR_BOOL ? s->b : s->u);
	*len = (uint8_t)(p - len - 1);
	response->len = (size_t)(p - response->data);
}

uint8_t *respond_put_number(uint8_t *to, uint32_t number, uint64_t v)
{
	if (!v)
		return to;
	return wire_put_varint(wire_put_tag(to, number, WIRE_VARINT), v);
}

uint8_t *respond_put_time(uint8_t *to, uint32_t number, uint64_t ns)
{
	uint8_t message[24];
	uint8_t *p = respond_put_number(message, 1, ns / 1000000000u);

	p = respond_put_number(p, 2, ns % 1000000000u);
	return wire_put_bytes(to, number, message, (size_t)(p - message));
}

static uint8_t *put_duration(uint8_t *to, uint32_t number, uint64_t ns)
{
	return ns ? respond_put_time(to, number, ns) : to;
}

static uint8_t *put_tasks(uint8_t *p, const struct object_info *info)
{
	const struct task_spec *task = &info->task;

	p = respond_put_number(p, 3, task->discipline ? task->discipline + 1 : 0);
	p = respond_put_number(p, 4, task->joinable);
	p = respond_put_number(p, 5, 1);
	p = respond_put_number(p, 6, task->max_attempts);
	if (info->dead_letter_len)
		p = wire_put_bytes(p, 7, info->dead_letter, info->dead_letter_len);
	p = put_duration(p, 8, task->dedup_window_ns);
	return put_duration(p, 9, task->ttl_ns);
}

/* The spec that would make the object again, but for its content. */
static uint8_t *put_spec(uint8_t *to, const struct object_info *info)
{
	uint8_t message[RESPONSE_INFO_MAX / 2], *p = message, ref[16];

	switch (info->kind) {
	case SEG_KIND_QUEUE:
	case SEG_KIND_TASK_QUEUE:
		p = respond_put_number(p, 1, info->max_items);
		p = respond_put_number(p, 2, info->max_item_bytes);
		if (info->kind == SEG_KIND_TASK_QUEUE)
			p = put_tasks(p, info);
		break;
	case SEG_KIND_ARRAY:
		p = respond_put_number(p, 1, type_code_of(info->type_code));
		p = respond_put_number(p, 2, info->length);
		break;
	case SEG_KIND_PIPE:
		p = respond_put_number(p, 1, info->one_way);
		p = respond_put_number(p, 2, info->max_items);
		p = respond_put_number(p, 3, info->max_item_bytes);
		break;
	case SEG_KIND_BLOCK:
		p = respond_put_number(p, 1, info->length);
		break;
	case SEG_KIND_SEMAPHORE:
		p = respond_put_number(p, 1, info->max_items);
		p = respond_put_number(p, 2, (info->flags & SEG_SEMAPHORE_BOUNDED) != 0);
		p = respond_put_number(p, 3, (info->flags & SEG_SEMAPHORE_OWNED) != 0);
		break;
	case SEG_KIND_CONDITION:
		if (info->over)
			p = wire_put_bytes(p, 1, ref, (size_t)(respond_put_number(ref, 2, info->over) - ref));
		break;
	case SEG_KIND_BARRIER:
		p = respond_put_number(p, 1, info->max_items);
		break;
	case SEG_KIND_LOCK:
		p = respond_put_number(p, 1, (info->flags & SEG_LOCK_STRICT) != 0);
		break;
	case SEG_KIND_VALUE:
		p = respond_put_number(p, 1, type_code_of(info->type_code));
		break;
	}
	return wire_put_bytes(to, SPEC_FIELD(respond_kind(info->kind)), message, (size_t)(p - message));
}

enum sabir_error respond_info(struct bytes *response, const struct object_info *info)
{
	uint8_t message[RESPONSE_INFO_MAX], *p = message;
	uint32_t name_len = info->name_len < sizeof(info->name) ? info->name_len : sizeof(info->name) - 1;

	if (name_len)
		p = wire_put_bytes(p, 1, info->name, name_len);
	p = respond_put_number(p, 2, info->handle);
	p = respond_put_number(p, 3, respond_kind(info->kind));
	p = respond_put_time(p, 4, info->create_time_ns);
	p = respond_put_number(p, 5, info->length);
	p = respond_put_number(p, 6, info->memory_bytes);
	p = respond_put_number(p, 7, info->closed != 0);
	p = respond_put_number(p, 8, info->ephemeral);
	if (info->ttl_ns)
		p = respond_put_time(p, 9, info->ttl_ns);
	if (object_kind_of(info->kind))
		p = put_spec(p, info);
	return bytes_add(response, message, (size_t)(p - message));
}
