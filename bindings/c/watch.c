/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches: WatchService/Next on either transport, one response after the other, whose changes are handed out one by one.
 */
#include <stdlib.h>

#include "bindings/c/number.h"
#include "bindings/c/request.h"

#define MAX_KEYS 64u

struct sabir_watch {
	struct sabir_conn *conn;
	uint64_t handle;
	uint64_t after;
	struct request fixed; /* the fields that are the same in every request */
	struct bytes response;
	struct span rest; /* of the response: changes that were not handed out yet */
};

/* ---------------------------------------------------------------- open, close */

static enum sabir_error write_fixed(struct request *r, const struct sabir_watch_options *o)
{
	enum sabir_error error = SABIR_OK;
	request_init(r, 64);
	if (o->include_values)
		request_varint(r, 5, 1);
	for (size_t i = 0; !error && o->keys && i < o->n_keys; i++)
		error = request_item(r, 6, &o->keys[i]);
	if (o->key_prefix)
		request_bytes(r, 7, o->key_prefix, strlen(o->key_prefix));
	return !error && r->failed ? fail(SABIR_NO_MEMORY, "a watch") : error;
}

enum sabir_error sabir_watch_open(sabir_conn *conn, uint64_t handle, const struct sabir_watch_options *options,
				  sabir_watch **watch)
{
	struct sabir_watch_options o;
	if (!conn || !watch)
		return FAIL_NULL();
	enum sabir_error error = struct_read("options", options, sizeof(options->size), &o, sizeof(o));
	if (error)
		return error;
	if (o.n_keys > MAX_KEYS)
		return fail(SABIR_INVALID_ARGUMENT, "%zu keys, at most %u", o.n_keys, MAX_KEYS);
	struct sabir_watch *made = calloc(1, sizeof(*made));
	if (!made)
		return fail(SABIR_NO_MEMORY, "a watch");
	error = write_fixed(&made->fixed, &o);
	if (error) {
		request_fini(&made->fixed);
		free(made);
		return error;
	}
	conn_ref(conn);
	made->conn = conn;
	made->handle = handle;
	made->after = o.after_sequence;
	*watch = made;
	return SABIR_OK;
}

void sabir_watch_close(sabir_watch *watch)
{
	if (!watch)
		return;
	conn_unref(watch->conn);
	request_fini(&watch->fixed);
	bytes_fini(&watch->response);
	free(watch);
}

/* ---------------------------------------------------------------- next */

static enum sabir_error read_snapshot(struct span message, struct sabir_change *change)
{
	struct wire_field state, lost, number;
	*change = (struct sabir_change){ .sequence = response_varint(message, 4), .kind = SABIR_CHANGE_SNAPSHOT };
	if (!response_find(message, 2, &state))
		return fail(SABIR_INTERNAL, "the server's snapshot has no state");
	change->length = response_varint(state.bytes, 2);
	change->closed = response_varint(state.bytes, 3) != 0;
	if (response_find(message, 5, &lost)) {
		change->lost_from = response_varint(lost.bytes, 1);
		change->lost_to = response_varint(lost.bytes, 2);
	}
	return response_find(state.bytes, 4, &number) ? response_scalar(state.bytes, 4, &change->number) : SABIR_OK;
}

static enum sabir_error read_change(struct span message, struct sabir_change *change)
{
	struct wire_field f;
	struct sabir_change made = {
		.sequence = response_varint(message, 1),
		.kind = (uint32_t)response_varint(message, 2),
		.has_key = response_find(message, 3, &f),
		.has_value = response_find(message, 4, &f),
		.absent = response_varint(message, 5) != 0,
		.index = response_varint(message, 6),
		.count = response_varint(message, 7),
	};
	enum sabir_error error = made.has_key ? response_item(message, 3, &made.key) : SABIR_OK;
	if (!error && made.has_value)
		error = response_item(message, 4, &made.value);
	if (!error)
		*change = made;
	return error;
}

/* The next change of the response that is there; EMPTY: none is left. */
static enum sabir_error take_change(struct sabir_watch *w, struct sabir_change *change)
{
	const uint8_t *p = w->rest.data, *end = p + w->rest.len;
	struct wire_field f;
	while (p < end && wire_next(&p, end, &f)) {
		if (f.number != 3 || f.type != WIRE_LEN)
			continue;
		w->rest = (struct span){ p, (size_t)(end - p) };
		return read_change(f.bytes, change);
	}
	w->rest = (struct span){ NULL, 0 };
	return SABIR_EMPTY;
}

static enum sabir_error ask(struct sabir_watch *w, uint64_t timeout_ns)
{
	struct request r;
	request_init(&r, 64 + w->fixed.len);
	request_object(&r, w->handle);
	if (w->after)
		request_varint(&r, 2, w->after);
	request_timeout(&r, 4, timeout_ns);
	request_raw(&r, (struct span){ w->fixed.data, w->fixed.len });
	bytes_truncate(&w->response, 0);
	return conn_call(w->conn, METHOD_WATCH_NEXT, &r, timeout_ns, &w->response);
}

enum sabir_error sabir_watch_next(sabir_watch *watch, uint64_t timeout_ns, struct sabir_change *change)
{
	if (!watch || !change)
		return FAIL_NULL();
	enum sabir_error error = take_change(watch, change);
	if (error != SABIR_EMPTY)
		return error;
	error = ask(watch, timeout_ns);
	if (error)
		return error;
	struct span message = bytes_item(&watch->response, 0);
	watch->after = response_varint(message, 4);
	if (response_varint(message, 1))
		return read_snapshot(message, change);
	watch->rest = message;
	error = take_change(watch, change);
	/* Others were changed; from now on what is behind them is asked for. */
	return error == SABIR_EMPTY ? fail(SABIR_WOULD_BLOCK, "no change of what is watched") : error;
}
