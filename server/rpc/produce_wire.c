/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a producer. They are read twice: whole, to check and count, and then piece by piece as items are put. */
#include "server/rpc/produce_wire.h"

#include "server/rpc/errand_wire.h"

enum { /* QueueServiceProduceRequest; Put and PutMany have the same numbers */
       REQUEST_QUEUE = 1,
       REQUEST_ITEMS = 2,
       REQUEST_PRIORITY = 4,
       REQUEST_DELAY = 5,
       REQUEST_TTL = 6,
       REQUEST_DEDUP_IDS = 7,
};

/* One field of a new message. */
static bool note_field(struct produce_message *m, const struct wire_field *f)
{
	bool has_length = f->type == WIRE_LEN;
	switch (f->number) {
	case REQUEST_QUEUE:
		if (!has_length || m->queue.data)
			return false;
		m->queue = f->bytes;
		return true;
	case REQUEST_ITEMS:
		m->n_items++;
		return has_length;
	case REQUEST_DEDUP_IDS:
		m->n_ids++;
		return has_length;
	case REQUEST_PRIORITY:
	case REQUEST_DELAY:
	case REQUEST_TTL:
		return errand_put_field(&m->how, f);
	}
	return true;
}

const char *produce_read(struct produce_message *m, struct span message, bool first)
{
	const uint8_t *at = message.data, *end = at + message.len;
	struct wire_field f;
	m->queue = (struct span){ NULL, 0 };
	m->items = m->ids = message;
	m->n_items = m->n_ids = 0;
	bytes_truncate(&m->how, 0);
	while (at < end)
		if (!wire_next(&at, end, &f) || !note_field(m, &f))
			return "the message is malformed";
	if (first && !m->queue.data)
		return "field 'queue' is missing in the first message";
	if (!first && m->queue.data)
		return "field 'queue' stands in a message behind the first";
	if (m->n_items > PRODUCE_MAX_ITEMS)
		return "more than 65536 items in one message";
	if (m->n_ids && m->n_ids != m->n_items)
		return "there are not as many dedup_ids as items";
	return NULL;
}

void produce_message_fini(struct produce_message *m)
{
	bytes_fini(&m->how);
}

/* Moves *rest behind the next field of that number. */
static struct span next_field(struct span *rest, uint32_t number)
{
	const uint8_t *at = rest->data, *end = at + rest->len;
	struct wire_field f = { .number = 0 };
	while (at < end && wire_next(&at, end, &f) && f.number != number)
		;
	*rest = (struct span){ at, (size_t)(end - at) };
	return f.bytes;
}

bool produce_put_open(const struct produce_message *m, struct bytes *request)
{
	return errand_put_bytes(request, REQUEST_QUEUE, m->queue);
}

static bool put_one(const struct produce_message *m, struct bytes *request)
{
	struct span items = m->items, ids = m->ids;
	return errand_put_bytes(request, REQUEST_ITEMS, next_field(&items, REQUEST_ITEMS)) &&
	       errand_put_bytes(request, REQUEST_DEDUP_IDS, next_field(&ids, REQUEST_DEDUP_IDS));
}

static bool put_many(const struct produce_message *m, uint32_t most, struct bytes *request, uint32_t *n_items)
{
	struct span items = m->items;
	bool fine = true;
	for (*n_items = 0; fine && *n_items < most && request->len < PRODUCE_CHUNK_BYTES; ++*n_items)
		fine = errand_put_bytes(request, REQUEST_ITEMS, next_field(&items, REQUEST_ITEMS));
	return fine;
}

bool produce_put_next(const struct produce_message *m, uint64_t handle, uint32_t most, struct bytes *request,
		      uint32_t *n_items)
{
	*n_items = 1;
	bool fine = errand_put_ref(request, handle) &&
		    (m->n_ids ? put_one(m, request)
			      : put_many(m, most < m->n_items ? most : m->n_items, request, n_items));
	return fine && (!m->how.len || bytes_add(request, m->how.data, m->how.len) == SABIR_OK);
}

void produce_accept(struct produce_message *m, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		(void)next_field(&m->items, REQUEST_ITEMS);
		if (m->n_ids)
			(void)next_field(&m->ids, REQUEST_DEDUP_IDS);
	}
	m->n_items -= n;
}
