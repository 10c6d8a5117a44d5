/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's functions for many items in one step.
 */
#include <stdlib.h>

#include "bindings/c/queue_ends.h"
#include "bindings/c/request.h"

#define MAX_BATCH 65536u
#define SMALL_BATCH 32u

/* ---------------------------------------------------------------- put_many */

/* The encoded items of a batch, in the two forms that the transports want. */
struct batch {
	struct item_code *codes;
	struct queue_item *parts;
	uint32_t n; /* codes that are to be undone */
	struct item_code small_codes[SMALL_BATCH];
	struct queue_item small_parts[SMALL_BATCH];
};

static void batch_fini(struct batch *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		item_code_fini(&b->codes[i]);
	if (b->codes != b->small_codes)
		free(b->codes);
	if (b->parts != b->small_parts)
		free(b->parts);
}

static enum sabir_error batch_init(struct batch *b, const struct sabir_item *items, size_t n)
{
	b->n = 0;
	b->codes = n <= SMALL_BATCH ? b->small_codes : malloc(n * sizeof(*b->codes));
	b->parts = n <= SMALL_BATCH ? b->small_parts : malloc(n * sizeof(*b->parts));
	if (!b->codes || !b->parts)
		return fail(SABIR_NO_MEMORY, "a batch of %zu items", n);
	for (size_t i = 0; i < n; i++) {
		enum sabir_error error = item_encode(&items[i], &b->codes[i]);
		b->n++;
		if (error)
			return item_refused(error, &items[i]);
		b->parts[i] = b->codes[i].parts;
	}
	return SABIR_OK;
}

static enum sabir_error put_many_remote(const struct handle *h, const struct batch *b, uint64_t timeout_ns,
					uint32_t *accepted)
{
	struct request r;
	struct bytes response = { 0 };
	size_t size = 64;

	for (uint32_t i = 0; i < b->n; i++)
		size += 6 + b->codes[i].parts.head.len + b->codes[i].parts.body.len;
	request_init(&r, size);
	request_object(&r, h->id);
	for (uint32_t i = 0; i < b->n; i++)
		request_code(&r, 2, &b->codes[i]);
	request_timeout(&r, 3, timeout_ns);
	enum sabir_error error = conn_call(h->conn, METHOD_QUEUE_PUT_MANY, &r, timeout_ns, &response);
	if (!error)
		*accepted = (uint32_t)response_varint(bytes_item(&response, 0), 1);
	bytes_fini(&response);
	return error;
}

enum sabir_error sabir_queue_put_many(sabir_queue *queue, const struct sabir_item *items, size_t n, uint64_t timeout_ns,
				      size_t *accepted)
{
	struct batch b;
	struct lane *lane;
	uint32_t n_accepted = 0;

	if (!queue || !items)
		return FAIL_NULL();
	if (n < 1 || n > MAX_BATCH)
		return fail(SABIR_INVALID_ARGUMENT, "a batch of %zu items", n);
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = batch_init(&b, items, n);
	if (!error)
		error = lane ? queue_put_local(&queue->h, lane, b.parts, (uint32_t)n, timeout_ns, &n_accepted)
			     : SABIR_WRONG_KIND;
	if (error == SABIR_WRONG_KIND) /* remote, or a task queue */
		error = put_many_remote(&queue->h, &b, timeout_ns, &n_accepted);
	batch_fini(&b);
	if (!error && accepted)
		*accepted = n_accepted;
	return error;
}

/* ---------------------------------------------------------------- get_many */

/* How many Values get_local or get_remote (of up to max) added; of a single get too. */
static size_t got_count(const struct bytes *out, bool local)
{
	return local ? out->n_items : response_count(bytes_item(out, 0), 1);
}

/* Their items, which point into `all`: the same bytes as in `out`, there or elsewhere. */
static enum sabir_error got_items(const struct bytes *out, struct span all, bool local, struct sabir_item *items,
				  size_t n)
{
	if (!local)
		return response_items(all, 1, items, n, &n);
	for (size_t i = 0; i < n; i++) {
		struct span value = bytes_item(out, i);
		value.data = all.data + (value.data - out->data);
		if (item_decode(value, &items[i]))
			return fail(SABIR_DATA_LOSS, "the queue's Value is malformed");
	}
	return SABIR_OK;
}

static enum sabir_error get_batch(sabir_queue *queue, size_t max, uint64_t timeout_ns, struct bytes *out, bool *local)
{
	struct lane *lane;
	if (max < 1 || max > MAX_BATCH)
		return fail(SABIR_INVALID_ARGUMENT, "a batch of %zu items", max);
	enum sabir_error error = conn_enter(queue->h.conn, &lane);
	if (error)
		return error;
	error = lane ? queue_get_local(&queue->h, lane, (uint32_t)max, timeout_ns, out) : SABIR_WRONG_KIND;
	*local = error != SABIR_WRONG_KIND;
	return *local ? error : queue_get_remote(&queue->h, (uint32_t)max, timeout_ns, out);
}

enum sabir_error sabir_queue_get_many(sabir_queue *queue, size_t max, uint64_t timeout_ns, struct sabir_item **items,
				      size_t *n)
{
	struct bytes out = { 0 };
	struct span copy;
	void *block;
	bool local;

	if (!queue || !items || !n)
		return FAIL_NULL();
	enum sabir_error error = get_batch(queue, max, timeout_ns, &out, &local);
	if (error) {
		bytes_fini(&out);
		return error;
	}
	size_t n_got = got_count(&out, local);
	error = result_block(n_got, sizeof(**items), (struct span){ out.data, out.len }, &block, &copy);
	if (error)
		fail(error, "%zu items were taken and are lost", n_got);
	else if ((error = got_items(&out, copy, local, block, n_got)))
		free(block);
	bytes_fini(&out);
	if (error)
		return error;
	*items = block;
	*n = n_got;
	return SABIR_OK;
}

enum sabir_error sabir_queue_get_many_into(sabir_queue *queue, size_t max, uint64_t timeout_ns,
					   struct sabir_buffer *buffer, struct sabir_item *items, size_t *n)
{
	struct bytes out;
	bool local;

	if (!queue || !buffer || !items || !n)
		return FAIL_NULL();
	bytes_init(&out, buffer->data, buffer->size);
	enum sabir_error error = get_batch(queue, max, timeout_ns, &out, &local);
	if (!error) {
		size_t n_got = got_count(&out, local);
		if (n_got > max)
			n_got = max;
		error = got_items(&out, (struct span){ out.data, out.len }, local, items, n_got);
		if (!error)
			*n = n_got;
	}
	buffer_take(buffer, &out);
	return error;
}
