/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OPS_RESPONSE_H
#define SABIR_OPS_RESPONSE_H

#include "server/base/wire.h"
#include "server/objects/object.h"
#include "server/objects/scalar.h"

/*
 * Writing responses. op_run makes room for a small response before the operation begins, so nothing here can fail once
 * the operation has been done. Items and Values are not written here: the object's function adds them to the response
 * itself, as fields with the tag that was set as its frame.
 */
#define RESPONSE_ROOM 96

/* Numbers and bools; 0 and false are left out, as in proto3. */
static inline void respond_number(struct bytes *response, uint32_t number, uint64_t v)
{
	if (!v)
		return;
	uint8_t *to = response->data + response->len;
	*to++ = WIRE_TAG(number, WIRE_VARINT);
	response->len = (size_t)(wire_put_varint(to, v) - response->data);
}

/* The same into memory of the caller; both return what is behind them. A Timestamp and a Duration have one form. */
uint8_t *respond_put_number(uint8_t *to, uint32_t number, uint64_t v);
uint8_t *respond_put_time(uint8_t *to, uint32_t number, uint64_t ns);

/* A message field of type Scalar. */
void respond_scalar(struct bytes *response, uint32_t number, const struct scalar *s);

/* The field of the spec of a kind, in CreateRequest and ObjectInfo alike. */
#define SPEC_FIELD(kind) (9 + (kind))
#define SPEC_KIND(field) ((field)-9)

/* The kind as clients know it. */
static inline uint32_t respond_kind(uint32_t kind)
{
	return kind == SEG_KIND_TASK_QUEUE ? SEG_KIND_QUEUE : kind;
}

/* An ObjectInfo as one item of the response. RESPONSE_INFO_MAX bytes are enough. Errors: NO_MEMORY. */
#define RESPONSE_INFO_MAX 1024
enum sabir_error respond_info(struct bytes *response, const struct object_info *info);

/* The enum TypeCode and the letters of Python; 0: none. */
uint32_t type_code_letter(uint32_t type_code);
uint32_t type_code_of(uint32_t letter);

#endif
