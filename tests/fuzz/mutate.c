/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message is changed field by field, at any depth, and put together again, so that all lengths are right. What
 * comes new is drawn from what the contract has: names of the objects of the stage, Values, durations, numbers at
 * which something changes.
 */
#include "tests/fuzz/mutate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/value.h"
#include "server/base/wire.h"

#define MAX_FIELDS 64
#define MAX_PIECES 256
#define MAX_DEPTH 6
#define MESSAGE_MAX 8192

uint32_t dice_roll(struct dice *dice, uint32_t n)
{
	dice->state = dice->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((dice->state >> 33) % n);
}

/* ---------------------------------------------------------------- new fields */

uint64_t mutate_number(struct dice *dice)
{
	static const uint64_t known[] = {
		0,          1,          2,    3,        5,         8,          9,
		10,         100,        255,  256,      300,       4096,       65535,
		INT32_MAX,  UINT32_MAX, 1000, 1u << 20, INT64_MAX, UINT64_MAX, (uint64_t)INT64_MIN,
		1ull << 32, 1ull << 62
	};
	switch (dice_roll(dice, 4)) {
	case 0:
		return dice_roll(dice, 32);
	case 1: /* a handle of the stage: index and generation */
		return dice_roll(dice, 24) | (uint64_t)dice_roll(dice, 3) << 32;
	default:
		return known[dice_roll(dice, sizeof(known) / sizeof(known[0]))];
	}
}

size_t mutate_name(struct dice *dice, uint8_t *to)
{
	to[0] = (uint8_t)('a' + dice_roll(dice, 18));
	to[1] = '/';
	to[2] = (uint8_t)('a' + dice_roll(dice, 4));
	return dice_roll(dice, 8) ? 1 : 3;
}

/* Of a map: two Values that are not deep. */
static size_t new_entry(struct dice *dice, unsigned depth, uint8_t *to)
{
	uint8_t value[64], *end = to;
	for (uint32_t number = 1; number <= 2; number++)
		end = wire_put_bytes(end, number, value, mutate_value(dice, depth > 1 ? 1 : 0, value));
	return (size_t)(end - to);
}

static size_t new_element(struct dice *dice, unsigned depth, uint8_t *to)
{
	return mutate_value(dice, depth - 1, to);
}

/* Up to three, as many as fit; the first always does. */
static size_t new_items(struct dice *dice, unsigned depth, size_t (*make)(struct dice *, unsigned, uint8_t *),
			uint8_t *to)
{
	uint8_t item[192];
	size_t used = 0;
	for (uint32_t n = 1 + dice_roll(dice, 3); n; n--) {
		size_t len = make(dice, depth, item);
		if (used && used + len > 52)
			break;
		used = (size_t)(wire_put_bytes(to + used, 1, item, len) - to);
	}
	return used;
}

size_t mutate_value(struct dice *dice, unsigned depth, uint8_t *to)
{
	uint8_t inner[256], *end = to;
	size_t len;
	switch (dice_roll(dice, depth ? 13 : 7)) {
	case 0:
		return value_put_null(to);
	case 1:
		return value_put_bool(dice_roll(dice, 2), to);
	case 2:
		return value_put_uint(mutate_number(dice), to);
	case 3:
		return value_put_real((double)dice_roll(dice, 9) / 2, to);
	case 4:
		len = mutate_name(dice, inner);
		return (size_t)(wire_put_bytes(to, VALUE_TEXT, inner, len) - to);
	case 5: /* a reference */
		end = wire_put_varint(wire_put_tag(inner, 2, WIRE_VARINT), mutate_number(dice));
		return (size_t)(wire_put_bytes(to, VALUE_OBJECT, inner, (size_t)(end - inner)) - to);
	case 6:
		return value_put_int((int64_t)mutate_number(dice), to);
	case 7: /* a map */
		len = new_items(dice, depth, new_entry, inner);
		return (size_t)(wire_put_bytes(to, VALUE_MAP, inner, len) - to);
	case 8: /* a timestamp; what an opaque has is read as one, too */
		end = wire_put_varint(wire_put_tag(inner, 1, WIRE_VARINT), mutate_number(dice));
		end = wire_put_varint(wire_put_tag(end, 2, WIRE_VARINT), dice_roll(dice, 1000000000));
		return (size_t)(wire_put_bytes(to, VALUE_TIMESTAMP, inner, (size_t)(end - inner)) - to);
	case 9:
		end = wire_put_bytes(wire_put_bytes(inner, 1, "a/b", 3), 2, "data", dice_roll(dice, 5));
		return (size_t)(wire_put_bytes(to, VALUE_OPAQUE, inner, (size_t)(end - inner)) - to);
	case 10:
		return (size_t)(wire_put_bytes(to, VALUE_BINARY, "some bytes", dice_roll(dice, 11)) - to);
	default: /* a list */
		len = new_items(dice, depth, new_element, inner);
		return (size_t)(wire_put_bytes(to, VALUE_LIST, inner, len) - to);
	}
}

/* The content of a field that has a length; at most 250 bytes. */
static size_t new_content(struct dice *dice, uint8_t *to)
{
	uint8_t name[4];
	switch (dice_roll(dice, 6)) {
	case 0:
		return mutate_name(dice, to);
	case 1: /* by name */
		return (size_t)(wire_put_bytes(to, 1, name, mutate_name(dice, name)) - to);
	case 2: /* a duration, or a reference by its handle */
		return (size_t)(wire_put_varint(wire_put_tag(to, 1 + dice_roll(dice, 2), WIRE_VARINT),
						mutate_number(dice)) -
				to);
	case 3:
		return 0;
	default:
		return mutate_value(dice, 2, to);
	}
}

/* At most 260 bytes. */
static size_t new_field(struct dice *dice, uint8_t *to)
{
	uint32_t number = 1 + dice_roll(dice, dice_roll(dice, 3) ? 10 : 34);
	uint8_t content[256], *end;
	switch (dice_roll(dice, 5)) {
	case 0:
	case 1:
		end = wire_put_varint(wire_put_tag(to, number, WIRE_VARINT), mutate_number(dice));
		break;
	case 2:
		end = wire_put_fixed64(wire_put_tag(to, number, WIRE_FIXED64), mutate_number(dice));
		break;
	default:
		end = wire_put_bytes(to, number, content, new_content(dice, content));
	}
	return (size_t)(end - to);
}

/* ---------------------------------------------------------------- messages */

struct field {
	struct span all; /* tag and length too */
	struct wire_field f;
};

static unsigned read_fields(struct span message, struct field *fields, unsigned max)
{
	const uint8_t *at = message.data, *end = at + message.len;
	unsigned n = 0;
	while (n < max && at < end) {
		const uint8_t *begin = at;
		if (!wire_next(&at, end, &fields[n].f))
			return 0;
		fields[n++].all = (struct span){ begin, (size_t)(at - begin) };
	}
	return at == end ? n : 0;
}

static size_t raw(struct span from, size_t max, uint8_t *to)
{
	if (from.len > max)
		from.len = max;
	if (from.len)
		memcpy(to, from.data, from.len);
	return max ? LLVMFuzzerMutate(to, from.len, max) : 0;
}

static size_t mutate_message(struct span from, unsigned depth, size_t max, struct dice *dice, uint8_t *to);

/* The field with another content; at most max bytes, which are more than 32. */
static size_t mutate_field(const struct field *field, unsigned depth, size_t max, struct dice *dice, uint8_t *to)
{
	uint8_t *content = malloc(max), *end = to;
	uint32_t number = dice_roll(dice, 12) ? field->f.number : 1 + dice_roll(dice, 20);
	size_t len, room = max - 16;
	if (!content)
		abort();
	if (field->f.type != WIRE_LEN) {
		uint64_t step = dice_roll(dice, 2) ? (uint64_t)(int64_t)((int)dice_roll(dice, 9) - 4)
						   : 1ull << dice_roll(dice, 64);
		uint64_t bits = dice_roll(dice, 2) ? mutate_number(dice) : field->f.bits + step;
		end = wire_put_tag(to, number, field->f.type == WIRE_VARINT ? WIRE_VARINT : WIRE_FIXED64);
		end = field->f.type == WIRE_VARINT ? wire_put_varint(end, bits) : wire_put_fixed64(end, bits);
	} else {
		if (dice_roll(dice, 6) == 0 && room > 250)
			len = new_content(dice, content);
		else if (depth && dice_roll(dice, 4))
			len = mutate_message(field->f.bytes, depth - 1, room, dice, content);
		else
			len = raw(field->f.bytes, room, content);
		end = wire_put_bytes(to, number, content, len);
	}
	free(content);
	return (size_t)(end - to);
}

static uint8_t *append(uint8_t *to, const uint8_t *end, struct span s)
{
	if (s.len > (size_t)(end - to))
		return to;
	if (s.len)
		memcpy(to, s.data, s.len);
	return to + s.len;
}

enum change { CHANGE_FIELD, DROP_FIELD, DOUBLE_FIELD, ADD_FIELD, SWAP_FIELDS, N_CHANGES };

static size_t mutate_message(struct span from, unsigned depth, size_t max, struct dice *dice, uint8_t *to)
{
	struct field fields[MAX_FIELDS];
	uint8_t *at = to, *end = to + max, fresh[300];
	unsigned n = from.len ? read_fields(from, fields, MAX_FIELDS) : 0;
	if ((from.len && !n) || dice_roll(dice, 12) == 0 || max < 600)
		return raw(from, max, to);
	/* Mostly a field is changed. */
	enum change change = n == 0               ? ADD_FIELD
			     : dice_roll(dice, 2) ? CHANGE_FIELD
						  : (enum change)dice_roll(dice, N_CHANGES);
	unsigned which = n ? dice_roll(dice, n) : 0;
	if (change == SWAP_FIELDS) {
		struct field other = fields[which];
		fields[which] = fields[n - 1];
		fields[n - 1] = other;
	}
	for (unsigned i = 0; i < n; i++) {
		if (i == which && change == CHANGE_FIELD && end - at > 300) {
			at += mutate_field(&fields[i], depth, (size_t)(end - at), dice, at);
			continue;
		}
		if (i != which || change != DROP_FIELD)
			at = append(at, end, fields[i].all);
		if (i == which && change == DOUBLE_FIELD)
			at = append(at, end, fields[i].all);
	}
	if (change == ADD_FIELD)
		at = append(at, end, (struct span){ fresh, new_field(dice, fresh) });
	return (size_t)(at - to);
}

/* ---------------------------------------------------------------- pieces */

struct piece {
	const uint8_t *head;
	struct span message;
};

bool piece_next(const struct piece_form *form, struct span *rest, const uint8_t **head, struct span *message)
{
	size_t head_len = form->head_len + 2;
	if (rest->len < head_len)
		return false;
	size_t len = rest->data[form->head_len] | (size_t)rest->data[form->head_len + 1] << 8;
	if (len > rest->len - head_len)
		len = rest->len - head_len;
	*head = rest->data;
	*message = (struct span){ rest->data + head_len, len };
	*rest = (struct span){ rest->data + head_len + len, rest->len - head_len - len };
	return true;
}

uint8_t *piece_put(const struct piece_form *form, uint8_t *to, const uint8_t *end, const uint8_t *head,
		   struct span message)
{
	size_t len = form->head_len + 2 + message.len;
	if (!to || message.len > UINT16_MAX || len > (size_t)(end - to))
		return NULL;
	memcpy(to, head, form->head_len);
	to[form->head_len] = (uint8_t)message.len;
	to[form->head_len + 1] = (uint8_t)(message.len >> 8);
	if (message.len)
		memcpy(to + form->head_len + 2, message.data, message.len);
	return to + len;
}

static unsigned read_pieces(const struct piece_form *form, struct span all, struct piece *pieces)
{
	unsigned n = 0;
	while (n < MAX_PIECES && piece_next(form, &all, &pieces[n].head, &pieces[n].message))
		n++;
	return n;
}

/* Those that fit; n is at least 1. */
static size_t write_pieces(const struct piece_form *form, const struct piece *pieces, unsigned n, uint8_t *to,
			   size_t max)
{
	uint8_t *at = to, *next;
	for (unsigned i = 0; i < n; i++)
		if ((next = piece_put(form, at, to + max, pieces[i].head, pieces[i].message)) != NULL)
			at = next;
	return (size_t)(at - to);
}

/* A piece more behind the one at `which`. */
static unsigned insert(struct piece *pieces, unsigned n, unsigned which, struct piece piece)
{
	if (n == MAX_PIECES)
		return n;
	unsigned at = n ? which + 1 : 0;
	memmove(pieces + at + 1, pieces + at, (n - at) * sizeof(*pieces));
	pieces[at] = piece;
	return n + 1;
}

static size_t mutate_one(const struct piece_form *form, const struct piece *piece, struct dice *dice, uint8_t *to)
{
	struct bytes_out out = { to, 0 };
	if (form->mutate && form->mutate(dice, piece->head, piece->message, MESSAGE_MAX, &out))
		return out.len;
	return mutate_message(piece->message, MAX_DEPTH, MESSAGE_MAX, dice, to);
}

static unsigned change_pieces(const struct piece_form *form, struct piece *pieces, unsigned n, struct dice *dice)
{
	static uint8_t head[PIECE_HEAD_MAX], message[MESSAGE_MAX];
	unsigned which = n ? dice_roll(dice, n) : 0, other = n ? dice_roll(dice, n) : 0;
	struct piece fresh = { head, { message, 0 } }, old = n ? pieces[which] : fresh;
	unsigned what = n ? dice_roll(dice, 16) : 0;
	switch (what) {
	case 0:
		form->new_head(dice, head);
		if (dice_roll(dice, 4))
			fresh.message.len = mutate_one(form, &fresh, dice, message);
		return insert(pieces, n, which, fresh);
	case 1:
		return insert(pieces, n, which, pieces[other]);
	case 2:
	case 3:
		memmove(pieces + which, pieces + which + 1, (n - which - 1) * sizeof(*pieces));
		return n - 1;
	case 4:
		pieces[which] = pieces[other];
		pieces[other] = old;
		return n;
	case 5:
		form->new_head(dice, head);
		pieces[which].head = head;
		return n;
	case 6:
		memcpy(head, old.head, form->head_len);
		head[dice_roll(dice, (uint32_t)form->head_len)] ^= (uint8_t)(1u << dice_roll(dice, 8));
		pieces[which].head = head;
		return n;
	default:
		fresh.message.len = mutate_one(form, &old, dice, message);
		pieces[which].message = fresh.message;
		return n;
	}
}

size_t pieces_mutate(const struct piece_form *form, uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct piece pieces[MAX_PIECES];
	struct dice dice = { seed };
	if (dice_roll(&dice, 24) == 0)
		return LLVMFuzzerMutate(data, size, max);
	uint8_t *out = malloc(max + 1);
	if (!out)
		abort();
	unsigned n = read_pieces(form, (struct span){ data, size }, pieces);
	n = change_pieces(form, pieces, n, &dice);
	size_t len = write_pieces(form, pieces, n, out, max);
	memcpy(data, out, len);
	free(out);
	return len;
}

/* The beginning of one and the end of the other. */
size_t pieces_cross(const struct piece_form *form, struct span a, struct span b, struct span out, unsigned seed)
{
	struct piece first[MAX_PIECES], second[MAX_PIECES], both[MAX_PIECES];
	struct dice dice = { seed };
	unsigned n_first = read_pieces(form, a, first), n_second = read_pieces(form, b, second), n = 0;
	unsigned until = dice_roll(&dice, n_first + 1), from = dice_roll(&dice, n_second + 1);
	for (unsigned i = 0; i < until; i++)
		both[n++] = first[i];
	for (unsigned i = from; i < n_second && n < MAX_PIECES; i++)
		both[n++] = second[i];
	return write_pieces(form, both, n, (uint8_t *)(uintptr_t)out.data, out.len);
}
