/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of requests. Everything here comes from outside: nothing is believed that was not checked against the end
 * of its message, and no amount of fields makes it allocate more than the request's own size.
 */
#include "server/ops/request.h"

#include "server/base/value.h"
#include "server/ops/call.h"

/* google.protobuf.Duration: 10,000 years and less than a second, to either side. */
#define DURATION_SECONDS_MAX 315576000000
#define DURATION_NANOS_MAX 999999999
#define NS_PER_SECOND 1000000000ull

static enum sabir_error malformed(struct op_call *c, const struct request_field *f)
{
	return op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' is malformed", f->name);
}

static enum sabir_error read_ref(struct op_call *c, const struct request_field *f, struct span message,
				 struct object_ref *ref)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field w;
	unsigned n = 0;

	while (p < end) {
		if (!wire_next(&p, end, &w))
			return malformed(c, f);
		if (w.number == 1 && w.type == WIRE_LEN) {
			ref->name = w.bytes;
			n++;
		} else if (w.number == 2 && w.type == WIRE_VARINT) {
			ref->handle = w.bits;
			n++;
		} else if (w.number <= 2) {
			return malformed(c, f);
		}
	}
	return n == 1 ? SABIR_OK
		      : op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' must hold either a name or a handle", f->name);
}

static enum sabir_error read_scalar(struct op_call *c, const struct request_field *f, struct span message,
				    struct scalar *s)
{
	static const uint8_t types[] = { 0, WIRE_VARINT, WIRE_VARINT, WIRE_FIXED64, WIRE_VARINT };
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field w;
	unsigned n = 0;

	while (p < end) {
		if (!wire_next(&p, end, &w))
			return malformed(c, f);
		if (w.number >= sizeof(types))
			continue;
		if (w.type != types[w.number] || n++)
			return malformed(c, f);
		s->kind = (enum scalar_kind)(w.number - 1);
		s->u = w.bits;
		if (s->kind == SCALAR_BOOL)
			s->b = w.bits != 0;
	}
	return n ? SABIR_OK : op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' has no kind set", f->name);
}

/* Seconds and nanoseconds, which may both be negative. */
static enum sabir_error read_duration_parts(struct op_call *c, const struct request_field *f, struct span message,
					    int64_t part[2])
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field w;
	unsigned seen = 0;

	while (p < end) {
		if (!wire_next(&p, end, &w))
			return malformed(c, f);
		if (w.number > 2)
			continue;
		if (w.type != WIRE_VARINT || (seen & w.number))
			return malformed(c, f);
		seen |= w.number;
		part[w.number - 1] = (int64_t)w.bits;
	}
	return SABIR_OK;
}

static bool is_duration(int64_t seconds, int64_t nanos)
{
	if (seconds > DURATION_SECONDS_MAX || seconds < -DURATION_SECONDS_MAX)
		return false;
	if (nanos > DURATION_NANOS_MAX || nanos < -DURATION_NANOS_MAX)
		return false;
	return !(seconds > 0 && nanos < 0) && !(seconds < 0 && nanos > 0);
}

static enum sabir_error read_duration(struct op_call *c, const struct request_field *f, struct span message,
				      uint64_t *ns)
{
	int64_t part[2] = { 0, 0 };
	enum sabir_error error = read_duration_parts(c, f, message, part);

	if (error)
		return error;
	if (!is_duration(part[0], part[1]))
		return malformed(c, f);
	if (part[0] < 0 || part[1] < 0) {
		if (f->kind != FIELD_TIMEOUT)
			return op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' is negative", f->name);
		*ns = 0;
		return SABIR_OK;
	}
	/* More than 584 years are as good as for ever. */
	uint64_t seconds = (uint64_t)part[0];
	*ns = seconds < OP_FOREVER / NS_PER_SECOND ? seconds * NS_PER_SECOND + (uint64_t)part[1] : OP_FOREVER;
	return SABIR_OK;
}

static enum sabir_error read_elements(struct op_call *c, const struct request_field *f, struct span message,
				      struct elements *e)
{
	static const struct request_field fields[] = {
		REQUIRED(1, ENUM, type_code, "type_code"),
		FIELD(2, BYTES, data, "data"),
		FIELDS_END,
	};
	struct op_request r;

	(void)f;
	r.data = (struct span){ message.data, 0 };
	enum sabir_error error = request_read(c, message, fields, &r);
	if (!error)
		*e = (struct elements){ r.type_code, r.data };
	return error;
}

static enum sabir_error read_value(struct op_call *c, const struct request_field *f, struct span encoded,
				   struct span *to)
{
	enum sabir_error error = f->kind == FIELD_KEY ? value_key(encoded, &c->scratch, to) : value_check(encoded);
	if (error == SABIR_INVALID_VALUE)
		return op_fail(c, error, "field '%s'", f->name);
	if (!error && f->kind == FIELD_VALUE)
		*to = encoded;
	return error;
}

static enum sabir_error read_spec(struct op_call *c, const struct wire_field *w, struct op_spec *spec)
{
	if (spec->field)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "more than one spec");
	*spec = (struct op_spec){ w->number, w->bytes };
	return SABIR_OK;
}

/* The kinds that have a length. */
static enum sabir_error read_bytes(struct op_call *c, const struct request_field *f, const struct wire_field *w,
				   void *to)
{
	switch (f->kind) {
	case FIELD_REF:
		return read_ref(c, f, w->bytes, to);
	case FIELD_VALUE:
	case FIELD_KEY:
		return read_value(c, f, w->bytes, to);
	case FIELD_REPEATED:
		++*(uint32_t *)to;
		return SABIR_OK;
	case FIELD_SCALAR:
		return read_scalar(c, f, w->bytes, to);
	case FIELD_ELEMENTS:
		return read_elements(c, f, w->bytes, to);
	case FIELD_DURATION:
	case FIELD_TIMEOUT:
		return read_duration(c, f, w->bytes, to);
	case FIELD_SPEC:
		return read_spec(c, w, to);
	default:
		*(struct span *)to = w->bytes;
		return SABIR_OK;
	}
}

static enum sabir_error read_number(struct op_call *c, const struct request_field *f, uint64_t bits, void *to)
{
	switch (f->kind) {
	case FIELD_U32:
		if (bits > UINT32_MAX)
			return malformed(c, f);
		*(uint32_t *)to = (uint32_t)bits;
		break;
	case FIELD_ENUM: /* what is no member of the enum stays none */
		*(uint32_t *)to = bits > UINT32_MAX ? UINT32_MAX : (uint32_t)bits;
		break;
	case FIELD_U64:
		*(uint64_t *)to = bits;
		break;
	default:
		*(bool *)to = bits != 0;
	}
	return SABIR_OK;
}

static const struct request_field *find_field(const struct request_field *fields, uint32_t number)
{
	for (; fields->number; fields++)
		if (fields->number == number)
			return fields;
	return NULL;
}

static enum sabir_error read_field(struct op_call *c, const struct request_field *f, const struct wire_field *w,
				   struct op_request *r)
{
	void *to = (uint8_t *)r + f->offset;

	if (w->type != (f->kind >= FIELD_U32 ? WIRE_VARINT : WIRE_LEN))
		return malformed(c, f);
	if (f->kind == FIELD_SCALAR && to == &r->scalar)
		r->has_scalar = true;
	return f->kind >= FIELD_U32 ? read_number(c, f, w->bits, to) : read_bytes(c, f, w, to);
}

enum sabir_error request_read(struct op_call *c, struct span message, const struct request_field *fields,
			      struct op_request *r)
{
	const uint8_t *p = message.data, *end = p + message.len;
	uint32_t seen = 0;

	while (p < end) {
		struct wire_field w;
		if (!wire_next(&p, end, &w))
			return op_fail(c, SABIR_INVALID_ARGUMENT, "the message is malformed");
		const struct request_field *f = find_field(fields, w.number);
		if (!f)
			continue;
		if ((seen & 1u << f->number) && f->kind != FIELD_REPEATED)
			return op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' comes twice", f->name);
		seen |= 1u << f->number;
		enum sabir_error error = read_field(c, f, &w, r);
		if (error)
			return error;
	}
	for (const struct request_field *f = fields; f->number; f++)
		if (f->required && !(seen & 1u << f->number))
			return op_fail(c, SABIR_INVALID_ARGUMENT, "field '%s' is missing", f->name);
	r->seen = seen;
	return SABIR_OK;
}

bool request_next(struct span *rest, uint32_t number, struct span *bytes)
{
	const uint8_t *p = rest->data, *end = p + rest->len;
	struct wire_field w;

	while (p < end && wire_next(&p, end, &w)) {
		if (w.number != number || w.type != WIRE_LEN)
			continue;
		*rest = (struct span){ p, (size_t)(end - p) };
		*bytes = w.bytes;
		return true;
	}
	return false;
}
