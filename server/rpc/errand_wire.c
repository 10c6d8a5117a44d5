/* SPDX-License-Identifier: Apache-2.0 */
#include "server/rpc/errand_wire.h"

static bool append(struct bytes *to, const uint8_t *data, size_t len)
{
	return bytes_add(to, data, len) == SABIR_OK;
}

bool errand_put_number(struct bytes *request, uint32_t field, uint64_t value)
{
	uint8_t bytes[2 * WIRE_MAX_VARINT], *end = wire_put_tag(bytes, field, WIRE_VARINT);
	end = wire_put_varint(end, value);
	return append(request, bytes, (size_t)(end - bytes));
}

bool errand_put_bytes(struct bytes *request, uint32_t field, struct span value)
{
	uint8_t *to = bytes_reserve(request, value.len + 2 * WIRE_MAX_VARINT);
	if (!to)
		return false;
	bytes_commit(request, (size_t)(wire_put_bytes(to, field, value.data, value.len) - to));
	return true;
}

bool errand_put_ref(struct bytes *request, uint64_t handle)
{
	uint8_t ref[2 * WIRE_MAX_VARINT], *end = wire_put_tag(ref, 2, WIRE_VARINT);
	end = wire_put_varint(end, handle);
	return errand_put_bytes(request, 1, (struct span){ ref, (size_t)(end - ref) });
}

bool errand_put_field(struct bytes *request, const struct wire_field *f)
{
	uint8_t bytes[3 * WIRE_MAX_VARINT], *end;
	if (f->type == WIRE_LEN)
		return errand_put_bytes(request, f->number, f->bytes);
	end = wire_put_tag(bytes, f->number, (enum wire_type)f->type);
	if (f->type == WIRE_VARINT)
		end = wire_put_varint(end, f->bits);
	else
		for (unsigned i = 0; i < (f->type == WIRE_FIXED64 ? 8u : 4u); i++)
			*end++ = (uint8_t)(f->bits >> 8 * i);
	return append(request, bytes, (size_t)(end - bytes));
}

uint64_t errand_number(struct span message, uint32_t field)
{
	const uint8_t *p = message.data, *end = p + message.len;
	struct wire_field f;
	while (p < end && wire_next(&p, end, &f))
		if (f.number == field && f.type == WIRE_VARINT)
			return f.bits;
	return 0;
}
