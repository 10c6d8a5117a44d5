/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_RPC_TEST_FORM_H
#define SABIR_RPC_TEST_FORM_H

/* Messages as the tests of this folder write and read them. For *_test.c only. */
#include "server/base/wire.h"

/* The field of a message, empty if it has none. */
static inline struct span kit_field(struct span message, uint32_t number)
{
	struct wire_field f;
	const uint8_t *at = message.data, *end = at + message.len;
	while (at < end && wire_next(&at, end, &f))
		if (f.number == number)
			return f.type == WIRE_LEN ? f.bytes : (struct span){ (const uint8_t *)"", 0 };
	return (struct span){ NULL, 0 };
}

struct form {
	uint8_t bytes[512];
	size_t len;
};

static inline void form_bytes(struct form *form, uint32_t field, const void *data, size_t len)
{
	form->len = (size_t)(wire_put_bytes(form->bytes + form->len, field, data, len) - form->bytes);
}

static inline void form_number(struct form *form, uint32_t field, uint64_t value)
{
	form->bytes[form->len++] = WIRE_TAG(field, WIRE_VARINT);
	form->len = (size_t)(wire_put_varint(form->bytes + form->len, value) - form->bytes);
}

static inline void form_form(struct form *form, uint32_t field, const struct form *inner)
{
	form_bytes(form, field, inner->bytes, inner->len);
}

static inline struct span form_span(const struct form *form)
{
	return (struct span){ form->bytes, form->len };
}

/* Every request on a queue begins with its ObjectRef. */
static inline struct form form_on(const char *name)
{
	struct form ref = { .len = 0 }, form = { .len = 0 };
	form_bytes(&ref, 1, name, strlen(name));
	form_form(&form, 1, &ref);
	return form;
}

static inline struct form form_put(const char *queue, const char *text)
{
	struct form form = form_on(queue), value = { .len = 0 };
	form_bytes(&value, 6, text, strlen(text));
	form_form(&form, 2, &value);
	return form;
}

/* With the field of the timeout as in Get (2) or Put (3). */
static inline void form_timeout_ms(struct form *form, uint32_t field, uint64_t ms)
{
	struct form duration = { .len = 0 };
	form_number(&duration, 1, ms / 1000);
	form_number(&duration, 2, ms % 1000 * 1000000);
	form_form(form, field, &duration);
}

static inline struct form form_create_queue(const char *name, uint64_t max_items)
{
	struct form form = { .len = 0 }, spec = { .len = 0 };
	form_bytes(&form, 1, name, strlen(name));
	form_number(&spec, 1, max_items);
	form_form(&form, 10, &spec);
	return form;
}

#endif
