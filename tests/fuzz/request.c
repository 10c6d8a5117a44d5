/* SPDX-License-Identifier: Apache-2.0 */
/* New requests, by the tables that requests are read by. */
#include <string.h>

#include "server/ops/call.h"
#include "tests/fuzz/play.h"

/* The names that stage.c gives. */
static const struct {
	const char *service;
	const char *names;
} services[] = {
	{ "Queue", "abc" },   { "Value", "d" },      { "Array", "e" },     { "Dict", "f" },      { "List", "g" },
	{ "Namespace", "h" }, { "Pipe", "i" },       { "Lock", "jk" },     { "Semaphore", "l" }, { "Event", "m" },
	{ "Block", "n" },     { "SharedList", "z" }, { "Condition", "q" }, { "Barrier", "r" },
};

static char new_letter(struct dice *dice, const struct op *op)
{
	const char *service = op_path(op) + strlen("/sabir.v1.");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		size_t len = strlen(services[i].service);
		if (!strncmp(service, services[i].service, len) && !strncmp(service + len, "Service", 7) &&
		    dice_roll(dice, 12))
			return services[i].names[dice_roll(dice, (uint32_t)strlen(services[i].names))];
	}
	return (char)('a' + dice_roll(dice, 18));
}

static size_t new_ref(struct dice *dice, const struct op *op, uint8_t *to)
{
	char letter = new_letter(dice, op);
	if (dice_roll(dice, 16) == 0)
		return (size_t)(wire_put_varint(wire_put_tag(to, 2, WIRE_VARINT), mutate_number(dice)) - to);
	return (size_t)(wire_put_bytes(to, 1, &letter, 1) - to);
}

/* Some numbers in fields up to `last`. */
static size_t new_numbers(struct dice *dice, uint32_t last, uint8_t *to)
{
	uint8_t *end = to;
	for (uint32_t number = 1; number <= last; number++)
		if (dice_roll(dice, 3) == 0)
			end = wire_put_varint(wire_put_tag(end, number, WIRE_VARINT), mutate_number(dice));
	return (size_t)(end - to);
}

static size_t new_scalar(struct dice *dice, uint8_t *to)
{
	uint32_t which = 1 + dice_roll(dice, 4);
	if (which == 3)
		return (size_t)(wire_put_fixed64(wire_put_tag(to, 3, WIRE_FIXED64), mutate_number(dice)) - to);
	return (size_t)(wire_put_varint(wire_put_tag(to, which, WIRE_VARINT), which == 4 ? 1 : mutate_number(dice)) -
			to);
}

static size_t new_elements(struct dice *dice, uint8_t *to)
{
	uint8_t data[64],
		*end = wire_put_varint(wire_put_tag(to, 1, WIRE_VARINT), dice_roll(dice, 3) ? 6 : dice_roll(dice, 16));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)dice_roll(dice, 256);
	return (size_t)(wire_put_bytes(end, 2, data,
				       dice_roll(dice, 2) ? 8 * dice_roll(dice, 8) : dice_roll(dice, 64)) -
			to);
}

/* A Value, or an entry of two. */
static size_t new_element(struct dice *dice, uint8_t *to)
{
	uint8_t value[64], *end = to;
	if (dice_roll(dice, 2))
		return mutate_value(dice, 2, to);
	for (uint32_t number = 1; number <= 2; number++)
		end = wire_put_bytes(end, number, value, mutate_value(dice, 1, value));
	return (size_t)(end - to);
}

static size_t new_content(struct dice *dice, const struct op *op, enum field_kind kind, uint8_t *to)
{
	switch (kind) {
	case FIELD_REF:
		return new_ref(dice, op, to);
	case FIELD_VALUE:
	case FIELD_KEY:
		return mutate_value(dice, 2, to);
	case FIELD_REPEATED:
		return new_element(dice, to);
	case FIELD_SCALAR:
		return new_scalar(dice, to);
	case FIELD_ELEMENTS:
		return new_elements(dice, to);
	case FIELD_DURATION:
		return new_numbers(dice, 2, to);
	case FIELD_SPEC:
		return new_numbers(dice, 8, to);
	default:
		return mutate_name(dice, to);
	}
}

static uint8_t *put_field(struct dice *dice, const struct op *op, const struct request_field *f, uint8_t *to)
{
	uint8_t content[256];
	if (f->kind >= FIELD_U32) {
		uint64_t n = f->kind == FIELD_BOOL   ? 1
			     : f->kind == FIELD_ENUM ? dice_roll(dice, 18)
						     : mutate_number(dice);
		return wire_put_varint(wire_put_tag(to, f->number, WIRE_VARINT), n);
	}
	return wire_put_bytes(to, f->number, content, new_content(dice, op, f->kind, content));
}

size_t request_new(struct dice *dice, const struct op *op, uint8_t *to)
{
	uint8_t *end = to;
	for (const struct request_field *f = op->fields; f->number; f++) {
		bool wanted = f->required || f->kind == FIELD_REF || f->kind == FIELD_REPEATED;
		/* One of the specs, or two. */
		if (f->kind == FIELD_SPEC ? dice_roll(dice, 12) : !wanted && dice_roll(dice, 2))
			continue;
		unsigned n = f->kind == FIELD_REPEATED ? dice_roll(dice, 6) : 1;
		while (n-- && end + 320 < to + REQUEST_NEW_MAX)
			end = put_field(dice, op, f, end);
	}
	return (size_t)(end - to);
}

/* ---------------------------------------------------------------- large ones */

static const uint32_t sizes[] = { 60, 250, 1000, 5000, 20000, 66000, 131000, 299990, 310000 };

/* Short ones, so that a request has one or two. */
static uint32_t large_size(struct span text)
{
	return sizes[text.len % (sizeof(sizes) / sizeof(sizes[0]))];
}

static uint8_t *put_large(uint8_t *to, const uint8_t *end, const struct wire_field *f)
{
	static uint8_t value[400000];
	struct value_view v = { 0 };
	if (f->type != WIRE_LEN || value_view(f->bytes, &v) || (v.kind != VALUE_TEXT && v.kind != VALUE_BINARY) ||
	    (size_t)(end - to) < sizeof(value))
		return NULL;
	uint32_t n = large_size(v.bytes);
	uint8_t *content = wire_put_varint(wire_put_tag(value, v.kind, WIRE_LEN), n);
	memset(content, 'a', n);
	if (v.bytes.len)
		memcpy(content, v.bytes.data, v.bytes.len < n ? v.bytes.len : n);
	return wire_put_bytes(to, f->number, value, (size_t)(content + n - value));
}

struct span request_large(struct span request)
{
	static uint8_t grown[1 << 20];
	uint8_t *to = grown, *put;
	const uint8_t *at = request.data, *end = at + request.len;
	struct wire_field f;
	while (at < end && to + (1 << 16) < grown + sizeof(grown)) {
		const uint8_t *begin = at;
		if (!wire_next(&at, end, &f))
			break;
		if ((put = put_large(to, grown + sizeof(grown), &f)) != NULL) {
			to = put;
		} else {
			memcpy(to, begin, (size_t)(at - begin));
			to += at - begin;
		}
	}
	return (struct span){ grown, (size_t)(to - grown) };
}

/* ---------------------------------------------------------------- what answers have said */

#define N_SAID 8u
static uint64_t said[N_SAID];
static uint32_t n_said;

void request_forget(void)
{
	n_said = 0;
}

static void note_fields(struct span message, unsigned depth)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	while (at < end && wire_next(&at, end, &f)) {
		/* What is no count, nor anything else that comes up by itself. */
		if (f.type != WIRE_LEN && f.bits >> 32 && (!n_said || said[(n_said - 1) % N_SAID] != f.bits))
			said[n_said++ % N_SAID] = f.bits;
		else if (f.type == WIRE_LEN && depth && f.bytes.len)
			note_fields(f.bytes, depth - 1);
	}
}

void request_note(struct span response)
{
	if (response.len)
		note_fields(response, 1);
}

static bool is_token(const struct op *op, uint32_t number)
{
	const struct request_field *f = op->fields;
	while (f->number && f->number != number)
		f++;
	return f->kind == FIELD_U64 && f->number;
}

struct span request_following(const struct op *op, struct span request)
{
	static uint8_t changed[2 * UINT16_MAX];
	uint8_t *to = changed;
	const uint8_t *at = request.data, *end = at + request.len;
	uint32_t n = n_said < N_SAID ? n_said : N_SAID;
	struct wire_field f;
	if (!n || request.len > UINT16_MAX / 2)
		return request;
	while (at < end) {
		const uint8_t *begin = at;
		if (!wire_next(&at, end, &f))
			return request;
		if (f.type == WIRE_VARINT && is_token(op, f.number)) {
			to = wire_put_varint(wire_put_tag(to, f.number, WIRE_VARINT),
					     said[(n_said - 1 - f.bits % n) % N_SAID]);
			continue;
		}
		memcpy(to, begin, (size_t)(at - begin));
		to += at - begin;
	}
	return (struct span){ changed, (size_t)(to - changed) };
}
