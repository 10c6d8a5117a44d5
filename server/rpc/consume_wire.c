/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a consumer. Tokens may come packed, as proto3 has it, or one by one. */
#include "server/rpc/consume_wire.h"

#include <stdlib.h>

static const char malformed[] = "the message is malformed";
static const char too_many[] = "more than 65536 tokens in one message";
static const char no_memory[] = "no memory for the tokens";

static const char *add_token(struct consume_message *m, uint64_t token)
{
	if (m->n_tokens == CONSUME_MAX)
		return too_many;
	if (!(m->n_tokens & (m->n_tokens - 1))) { /* none, or a power of two: the array is full */
		size_t size = m->n_tokens ? 2ul * m->n_tokens : 1;
		uint64_t *larger = realloc(m->tokens, size * sizeof(*larger));
		if (!larger)
			return no_memory;
		m->tokens = larger;
	}
	m->tokens[m->n_tokens++] = token;
	return NULL;
}

static const char *add_tokens(struct consume_message *m, const struct wire_field *f)
{
	const char *wrong = NULL;
	uint64_t token;
	if (f->type == WIRE_VARINT)
		return add_token(m, f->bits);
	if (f->type != WIRE_LEN)
		return malformed;
	for (const uint8_t *at = f->bytes.data, *end = at + f->bytes.len; at < end && !wrong;)
		wrong = wire_varint(&at, end, &token) ? add_token(m, token) : malformed;
	return wrong;
}

static const char *set_bytes(struct span *to, const struct wire_field *f)
{
	if (f->type != WIRE_LEN || to->data)
		return malformed;
	*to = f->bytes;
	return NULL;
}

static const char *set_number(uint64_t *to, bool *flag, const struct wire_field *f)
{
	if (f->type != WIRE_VARINT)
		return malformed;
	*to = f->bits;
	*flag = true;
	return NULL;
}

/* All but the tokens. */
static const char *note_field(struct consume_message *m, const struct wire_field *f)
{
	switch (f->number) {
	case CONSUME_QUEUE:
		m->opens = true;
		return set_bytes(&m->queue, f);
	case CONSUME_LEASE:
		m->opens = true;
		return set_bytes(&m->lease, f);
	case CONSUME_NACK_DELAY:
		return set_bytes(&m->delay, f);
	case CONSUME_MAX_OUTSTANDING:
		return set_number(&m->max_outstanding, &m->opens, f);
	case CONSUME_MAX_ITEMS:
		return set_number(&m->max_items, &m->opens, f);
	case CONSUME_ACKNOWLEDGED:
		return set_number(&m->acknowledged, &m->acknowledges, f);
	}
	return NULL;
}

/* Calls for each field, or for those with this number alone. */
static const char *each_field(struct consume_message *m, struct span message, uint32_t number)
{
	const uint8_t *at = message.data, *end = at + message.len;
	const char *wrong = NULL;
	struct wire_field f;
	while (at < end && !wrong) {
		if (!wire_next(&at, end, &f))
			return malformed;
		if (!number)
			wrong = note_field(m, &f);
		else if (f.number == number)
			wrong = add_tokens(m, &f);
	}
	return wrong;
}

const char *consume_read(struct consume_message *m, struct span message)
{
	consume_message_fini(m);
	const char *wrong = each_field(m, message, 0);
	if (!wrong)
		wrong = each_field(m, message, CONSUME_ACK_TOKENS);
	m->n_acks = m->n_tokens;
	return wrong ? wrong : each_field(m, message, CONSUME_NACK_TOKENS);
}

void consume_message_fini(struct consume_message *m)
{
	free(m->tokens);
	*m = (struct consume_message){ .opens = false };
}
