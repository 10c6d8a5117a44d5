/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabir.v1.WatchService.
 *
 * Next is run again each time that the object's event CHANGED says so. What it keeps in between is the sequence up to which
 * it has looked: changes that its filter does not admit are behind it then, and can't be lost any more. When the time is over it
 * tells how far that is, if it is any way, so that who asks again and again with short times gets on too.
 *
 * Watch is a stream of what Next answers. It is no operation: who serves it asks Next.
 */
#include <string.h>

#include "server/base/value.h"
#include "server/objects/change.h"
#include "server/objects/dict.h"
#include "server/objects/value.h"
#include "server/ops/call.h"

#define MAX_KEYS 64u
#define FIELD_KEYS 6u
#define RESPONSE_REST 1024u /* of a response beside its changes */
#define CHANGE_ROOM (64u + SEG_CHANGE_KEY_MAX)

static const struct request_field next_fields[] = {
	REQUIRED(1, REF, ref, "object"),        FIELD(2, U64, start, "after_sequence"),
	FIELD(3, U32, n, "max_changes"),        FIELD(4, TIMEOUT, timeout_ns, "timeout"),
	FIELD(5, BOOL, flag, "include_values"), FIELD(FIELD_KEYS, REPEATED, n_repeated, "keys"),
	FIELD(7, BYTES, text, "key_prefix"),    FIELDS_END,
};

/* ---------------------------------------------------------------- which changes */

/* The keys in their canonical form; without any, and without a prefix, it admits everything. */
struct filter {
	struct bytes keys;
	struct span prefix;
};

static enum sabir_error add_key(struct op_call *c, struct filter *f, struct span encoded)
{
	struct bytes scratch = { 0 };
	struct span key;
	enum sabir_error error = value_key(encoded, &scratch, &key);

	if (!error)
		error = bytes_add(&f->keys, key.data, key.len);
	bytes_fini(&scratch);
	return error == SABIR_INVALID_VALUE ? op_fail(c, error, "field 'keys'") : error;
}

static enum sabir_error check_kind(struct op_call *c)
{
	struct object_info info;
	enum sabir_error error = object_describe(c->lane, c->handle, &info);

	if (!error && info.kind != SEG_KIND_DICT && info.kind != SEG_KIND_NAMESPACE)
		error = op_fail_object(c, SABIR_WRONG_KIND, ": it has no keys");
	return error;
}

/* The caller frees `keys` in any case. */
static enum sabir_error read_filter(struct op_call *c, struct filter *f)
{
	struct span rest = c->message, encoded;
	enum sabir_error error = SABIR_OK;

	f->prefix = c->request.text;
	if (c->request.n_repeated > MAX_KEYS)
		return op_fail(c, SABIR_INVALID_ARGUMENT, "field 'keys' has more than %u", MAX_KEYS);
	while (!error && request_next(&rest, FIELD_KEYS, &encoded))
		error = add_key(c, f, encoded);
	return error || (!f->keys.n_items && !f->prefix.len) ? error : check_kind(c);
}

static bool is_key(struct span key, struct span wanted)
{
	return key.len == wanted.len && !memcmp(key.data, wanted.data, key.len);
}

static bool begins_so(struct span key, struct span prefix)
{
	struct value_view view;

	return prefix.len && !value_view(key, &view) && view.kind == VALUE_TEXT && view.bytes.len >= prefix.len &&
	       !memcmp(view.bytes.data, prefix.data, prefix.len);
}

static bool admits(const struct filter *f, const struct change *change)
{
	struct span key = { change->key, change->key_len };

	if (!key.len || (!f->keys.n_items && !f->prefix.len))
		return true;
	for (size_t i = 0; i < f->keys.n_items; i++)
		if (is_key(key, bytes_item(&f->keys, i)))
			return true;
	return begins_so(key, f->prefix);
}

/* Leaves those that are admitted, `most` of them; *last is what the rest is behind. */
static uint32_t select_changes(const struct filter *f, struct change *changes, uint32_t n, uint32_t most,
			       uint64_t *last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!admits(f, &changes[i]))
			continue;
		if (kept == most) {
			*last = changes[i].sequence - 1;
			break;
		}
		changes[kept++] = changes[i];
	}
	return kept;
}

/* ---------------------------------------------------------------- responses */

/* Field 2, WatchedState. */
static enum sabir_error respond_state(struct op_call *c)
{
	uint8_t fixed[64], *to = c->response->data + c->response->len;
	struct object_info info;
	struct scalar value;
	struct bytes state;
	enum sabir_error error = object_describe(c->lane, c->handle, &info);

	if (!error && info.kind == SEG_KIND_VALUE)
		error = value_get(c->lane, c->handle, &value);
	if (error)
		return error;
	bytes_init(&state, fixed, sizeof(fixed));
	respond_number(&state, 1, respond_kind(info.kind));
	respond_number(&state, 2, info.length);
	respond_number(&state, 3, info.closed != 0);
	if (info.kind == SEG_KIND_VALUE)
		respond_scalar(&state, 4, &value);
	c->response->len += (size_t)(wire_put_bytes(to, 2, state.data, state.len) - to);
	return SABIR_OK;
}

static enum sabir_error respond_snapshot(struct op_call *c, const struct change_page *page)
{
	uint8_t lost[32], *p = lost;

	respond_number(c->response, 1, true);
	enum sabir_error error = respond_state(c);
	if (error)
		return error;
	respond_number(c->response, 4, page->last);
	if (page->lost) {
		uint8_t *to = c->response->data + c->response->len;
		p = respond_put_number(p, 1, page->lost_from);
		p = respond_put_number(p, 2, page->lost_to);
		c->response->len += (size_t)(wire_put_bytes(to, 5, lost, (size_t)(p - lost)) - to);
	}
	return SABIR_OK;
}

/* One Change as an item of the response. Errors: EMPTY, it would pass the limit; those of dict_get. */
static enum sabir_error respond_change(struct op_call *c, const struct change *change, struct bytes *value)
{
	uint8_t fixed[CHANGE_ROOM], *p = fixed;
	enum sabir_error found = SABIR_OK;
	bool valued = c->request.flag && change->key_len;

	bytes_truncate(value, 0);
	if (valued)
		found = dict_get(c->lane, c->handle, (struct span){ change->key, change->key_len }, value);
	if (found && found != SABIR_KEY_NOT_FOUND)
		return found;
	p = respond_put_number(p, 1, change->sequence);
	p = respond_put_number(p, 2, change->what);
	if (change->key_len)
		p = wire_put_bytes(p, 3, change->key, change->key_len);
	p = respond_put_number(p, 5, found == SABIR_KEY_NOT_FOUND);
	p = respond_put_number(p, 6, change->first);
	p = respond_put_number(p, 7, change->count);

	size_t len = (size_t)(p - fixed);
	size_t value_len = valued && !found ? 1 + wire_varint_size(value->len) + value->len : 0;
	if (!bytes_fits(c->response, len + value_len))
		return SABIR_EMPTY;
	uint8_t *to = bytes_reserve(c->response, len + value_len);
	if (!to)
		return SABIR_NO_MEMORY;
	memcpy(to, fixed, len);
	if (value_len)
		wire_put_bytes(to + len, 4, value->data, value->len);
	bytes_commit(c->response, len + value_len);
	return SABIR_OK;
}

static enum sabir_error respond_changes(struct op_call *c, const struct change *changes, uint32_t n, uint64_t last)
{
	enum sabir_error error = SABIR_OK;
	struct bytes value = { 0 };

	c->response->frame = WIRE_TAG(3, WIRE_LEN);
	c->response->limit = op_message_limit(c->lane->seg) - RESPONSE_REST;
	for (uint32_t i = 0; !error && i < n; i++) {
		error = respond_change(c, &changes[i], &value);
		if (error == SABIR_EMPTY)
			last = changes[i].sequence - 1;
	}
	bytes_fini(&value);
	if (error && error != SABIR_EMPTY)
		return error;
	respond_number(c->response, 4, last);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the operation */

/* Nothing is behind `after`, or nothing that is admitted, and then that is told when there is no more time to wait. */
static enum sabir_error nothing_yet(struct op_call *c, uint64_t after)
{
	bool moved = c->request.start && after != c->request.start;

	c->memory = moved ? after : 0;
	if (!moved || (c->request.timeout_ns && !c->over))
		return op_may_wait(c, SABIR_WOULD_BLOCK, SABIR_WOULD_BLOCK, SEG_EVENT_CHANGED);
	respond_number(c->response, 4, after);
	return SABIR_OK;
}

static enum sabir_error read_changes(struct op_call *c, const struct filter *f)
{
	struct change changes[SEG_N_CHANGES];
	struct change_page page;
	uint32_t most = c->request.n && c->request.n < SEG_N_CHANGES ? c->request.n : SEG_N_CHANGES, n;
	uint64_t after = c->memory ? c->memory : c->request.start;

	for (;;) {
		enum sabir_error error = change_read(c->lane, c->handle, after, SEG_N_CHANGES, changes, &page);
		if (error == SABIR_WOULD_BLOCK)
			return nothing_yet(c, after);
		if (error)
			return error;
		if (page.snapshot)
			return respond_snapshot(c, &page);
		n = select_changes(f, changes, page.n, most, &page.last);
		if (n)
			return respond_changes(c, changes, n, page.last);
		after = page.last;
	}
}

static enum sabir_error watch_service_next(struct op_call *c)
{
	struct filter f = { 0 };

	if (c->over == OP_ABANDONED)
		return SABIR_CANCELLED;
	enum sabir_error error = read_filter(c, &f);

	if (!error)
		error = read_changes(c, &f);
	bytes_fini(&f.keys);
	return error;
}

static const struct op ops[] = {
	OP_WAITS_IN_LINE(WatchService, Next, "object", watch_service_next, next_fields),
};

const struct op_service watch_service = { ops, sizeof(ops) / sizeof(ops[0]) };
