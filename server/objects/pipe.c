/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe: two queues, one for each direction, and two ends that owners hold.
 *
 * The queues are objects of their own, parts of the pipe, so that each direction has its own events, its own order of those
 * who wait, and its own recovery; the pipe adds who may use an end and what a closed end means. So a message is sent in two
 * steps: a look at the pipe (does the owner hold the end, is the other one closed), and the queue's operation, which decides.
 * Who holds the ends is in pipe_ends.c.
 *
 * A direction is bounded by memory, or by max_items: a send fills the shared memory and no buffer of a kernel, so two ends
 * that both send before they receive don't block each other, unless max_items says so.
 */
#include "server/objects/pipe.h"

#include "server/base/value.h"
#include "server/base/wire.h"
#include "server/objects/pipe_parts.h"

enum sabir_error pipe_enter(struct lane *lane, uint32_t op, uint64_t handle, struct pipe *p)
{
	p->lane = lane;
	p->seg = lane->seg;
	p->index = object_index(handle);
	p->handle = handle;
	return object_enter(lane, op, handle, SEG_KIND_PIPE, sizeof(*p->body), &p->object, &p->body);
}

void pipe_leave(struct pipe *p)
{
	object_leave(p->lane);
}

/* ---------------------------------------------------------------- before the queue's operation */

/* One direction as one end sees it. */
struct direction {
	uint64_t queue;
	bool closed; /* the other end */
};

static enum sabir_error look(const struct pipe *p, uint32_t end, bool sends, struct direction *d)
{
	uint32_t to = sends ? 1 - end : end, mine;
	if (to == 1 && (load16_relaxed(&p->body->flags) & SEG_PIPE_ONE_WAY))
		return SABIR_INVALID_ARGUMENT;
	enum sabir_error error = pipe_holders(p, end, p->lane->actor.owner, &mine);
	if (error)
		return error;
	if (!mine)
		return SABIR_CLOSED;
	/* Read before the queue: if it is closed and the queue then empty, nothing can come any more. */
	d->closed = pipe_bit(&p->body->closed, 1 - end);
	d->queue = pipe_queue(p, to);
	return d->queue ? SABIR_OK : object_damaged(p->object);
}

static enum sabir_error find(struct lane *lane, uint64_t handle, uint32_t end, bool sends, struct direction *d)
{
	struct pipe p;
	if (end >= PIPE_N_ENDS)
		return SABIR_INVALID_ARGUMENT;
	if (!lane->actor.owner)
		return SABIR_SESSION_REQUIRED;
	enum sabir_error error = pipe_enter(lane, SEG_OP_READ, handle, &p);
	if (error)
		return error;
	error = look(&p, end, sends, d);
	pipe_leave(&p);
	return error;
}

/* ---------------------------------------------------------------- send, receive */

enum sabir_error pipe_send(struct lane *lane, uint64_t handle, uint32_t end, const struct queue_item *item,
			   uint64_t *queue)
{
	struct direction d;
	enum sabir_error error = find(lane, handle, end, true, &d);
	if (error)
		return error;
	if (d.closed)
		return SABIR_BROKEN_PIPE;
	*queue = d.queue;
	error = queue_put_one(lane, d.queue, item);
	return error == SABIR_CLOSED ? SABIR_BROKEN_PIPE : error;
}

/* What the queue's answer means to who receives. */
static enum sabir_error received(const struct direction *d, enum sabir_error error)
{
	bool ended = error == SABIR_CLOSED || (error == SABIR_EMPTY && d->closed);
	return ended ? SABIR_END_OF_FILE : error;
}

enum sabir_error pipe_recv(struct lane *lane, uint64_t handle, uint32_t end, struct bytes *out, uint64_t *queue)
{
	struct direction d;
	enum sabir_error error = find(lane, handle, end, false, &d);
	if (error)
		return error;
	*queue = d.queue;
	return received(&d, queue_get_one(lane, d.queue, out));
}

enum sabir_error pipe_recv_open(struct lane *lane, uint64_t handle, uint32_t end, struct bytes *out, uint64_t *queue)
{
	struct direction d;
	enum sabir_error error = find(lane, handle, end, false, &d);
	if (error)
		return error;
	*queue = d.queue;
	return received(&d, queue_get_open(lane, d.queue, 1, out, NULL));
}

/* The kind of the Value that begins so, and how much of it is its content. */
static uint32_t read_head(struct span head, uint64_t len, uint64_t *content_len)
{
	const uint8_t *p = head.data, *end = p + head.len;
	uint64_t tag = 0, n;
	*content_len = len;
	if (p == end || !wire_varint(&p, end, &tag) || tag != WIRE_TAG(VALUE_BINARY, WIRE_LEN) ||
	    !wire_varint(&p, end, &n))
		return tag >> 3;
	*content_len = n;
	return VALUE_BINARY;
}

static enum sabir_error accept_bytes(void *context, struct span head, uint32_t len)
{
	struct pipe_bytes *bytes = context;
	if (read_head(head, len, &bytes->len) != VALUE_BINARY)
		return SABIR_WRONG_TYPE;
	if (bytes->len > bytes->max_len)
		return SABIR_TOO_LARGE;
	return !bytes->room || bytes_reserve(bytes->room, len) ? SABIR_OK : SABIR_NO_MEMORY;
}

enum sabir_error pipe_recv_bytes(struct lane *lane, uint64_t handle, uint32_t end, struct pipe_bytes *bytes,
				 struct bytes *out, uint64_t *queue)
{
	struct direction d;
	enum sabir_error error = find(lane, handle, end, false, &d);
	if (error)
		return error;
	*queue = d.queue;
	const struct queue_choice choice = { accept_bytes, bytes, bytes->open };
	return received(&d, queue_get_if(lane, d.queue, &choice, out));
}

/* The end that receives from the queue. Errors: CLOSED (nobody does any more), NOT_FOUND. */
static enum sabir_error find_receiver(struct lane *lane, uint64_t handle, uint64_t queue)
{
	struct pipe p;
	uint32_t end = 0;
	enum sabir_error error = pipe_enter(lane, SEG_OP_READ, handle, &p);
	if (error)
		return error;
	while (end < PIPE_N_ENDS && load64_acquire(&p.body->queue[end]) != queue)
		end++;
	if (end == PIPE_N_ENDS || !queue)
		error = SABIR_NOT_FOUND;
	else if (pipe_bit(&p.body->closed, end))
		error = SABIR_CLOSED;
	pipe_leave(&p);
	return error;
}

enum sabir_error pipe_unrecv(struct lane *lane, uint64_t handle, uint64_t queue, uint64_t ordinal, struct span item,
			     uint32_t *n_back)
{
	enum sabir_error error = find_receiver(lane, handle, queue);
	if (!error)
		error = queue_unget(lane, queue, &ordinal, &item, 1, n_back);
	if (error)
		return error;
	FAULT("pipe_unrecv.back");
	/* Who closed the end meanwhile may have emptied the queue too early: it is emptied once more. */
	error = find_receiver(lane, handle, queue);
	if (error == SABIR_CLOSED)
		(void)pipe_tell(lane, handle);
	return error;
}

struct span pipe_content(struct span value)
{
	struct value_view view;
	if (value_view(value, &view) || view.kind != VALUE_BINARY)
		return (struct span){ NULL, 0 };
	return view.bytes;
}

/* Notes the first message, and refuses to take it. */
static enum sabir_error accept_none(void *context, struct span head, uint32_t len)
{
	struct pipe_next *next = context;
	(void)read_head(head, len, &next->len);
	return SABIR_CANCELLED;
}

enum sabir_error pipe_poll(struct lane *lane, uint64_t handle, uint32_t end, struct pipe_next *next, uint64_t *queue)
{
	struct pipe_next found = { 0 };
	struct bytes none = { 0 };
	struct direction d;
	enum sabir_error error = find(lane, handle, end, false, &d);
	if (error)
		return error;
	*queue = d.queue;
	const struct queue_choice choice = { .accept = accept_none, .context = &found };
	error = received(&d, queue_get_if(lane, d.queue, &choice, &none));
	bytes_fini(&none);
	found.eof = error == SABIR_END_OF_FILE;
	if (!found.eof && error != SABIR_CANCELLED)
		return error;
	*next = found;
	return SABIR_OK;
}

/* ---------------------------------------------------------------- state */

static enum sabir_error read_ends(const struct pipe *p, struct pipe_state *state)
{
	enum sabir_error error = SABIR_OK;
	for (uint32_t end = 0; !error && end < PIPE_N_ENDS; end++) {
		error = pipe_holders(p, end, 0, &state->n_holders[end]);
		state->opened[end] = pipe_bit(&p->body->opened, end);
		state->closed[end] = pipe_bit(&p->body->closed, end);
	}
	state->one_way = load16_relaxed(&p->body->flags) & SEG_PIPE_ONE_WAY;
	return error;
}

enum sabir_error pipe_state(struct lane *lane, uint64_t handle, struct pipe_state *state)
{
	struct pipe_state made = { 0 };
	uint64_t queue[PIPE_N_ENDS];
	struct pipe p;
	enum sabir_error error = pipe_enter(lane, SEG_OP_READ, handle, &p);
	if (error)
		return error;
	error = read_ends(&p, &made);
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++)
		queue[end] = pipe_queue(&p, end);
	pipe_leave(&p);
	for (uint32_t end = 0; !error && end < PIPE_N_ENDS; end++) {
		struct queue_size size;
		if (queue[end] && queue_size(lane, queue[end], &size) == SABIR_OK)
			made.n_messages[end] = size.size;
	}
	if (!error)
		*state = made;
	return error;
}

/* ---------------------------------------------------------------- the kind */

static enum sabir_error create(struct lane *lane, uint32_t index, const struct object_spec *spec,
			       struct seg_block **body)
{
	struct seg_block *block;
	(void)index;
	enum sabir_error error = block_alloc_zeroed(lane, sizeof(struct seg_pipe), 0, 0, &block);
	if (error)
		return error;
	struct seg_pipe *p = (struct seg_pipe *)block;
	p->max_items = spec->max_items;
	p->max_item_bytes = spec->max_item_bytes ? spec->max_item_bytes : lane->seg->max_item_bytes;
	p->flags = spec->one_way ? SEG_PIPE_ONE_WAY : 0;
	*body = block;
	return SABIR_OK;
}

static uint64_t *part(const struct segment *seg, struct seg_object *object, uint32_t n)
{
	struct seg_pipe *body = object_body(seg, object, sizeof(*body));
	return body && n < PIPE_N_ENDS ? &body->queue[n] : NULL;
}

/* Adds what a queue has. The lane's record names the queue meanwhile: a death is repaired there. */
static void describe_queue(struct lane *lane, uint64_t queue, struct object_info *info)
{
	uint32_t index = object_index(queue);
	if (!index || index >= lane->seg->n_objects)
		return;
	struct seg_object *object = &lane->seg->objects[index];
	struct object_info its = { 0 };
	/*
	 * In an epoch that began when the pipe was LIVE, so a queue that is LIVE now keeps its memory. One that was found damaged is not
	 * looked through once more: it could take as long each time.
	 */
	if (load64_seq(&object->word) != ((queue & 0xffffffff00000000ull) | SEG_OBJECT_LIVE) ||
	    load32_relaxed(&object->kind) != SEG_KIND_QUEUE || load64_relaxed(&object->damaged))
		return;
	store32_relaxed(&lane->shared->object, index);
	queue_kind.describe(lane, index, object, &its);
	info->length += its.length;
	info->memory_bytes += its.memory_bytes;
}

static void describe(struct lane *lane, uint32_t index, struct seg_object *object, struct object_info *info)
{
	struct seg_pipe *body = object_body(lane->seg, object, sizeof(*body));
	struct pipe p = { .seg = lane->seg, .object = object, .body = body, .index = index };
	p.handle = object_handle_of(lane->seg, index);
	if (!body)
		return;
	info->max_items = load64_relaxed(&body->max_items);
	info->max_item_bytes = load64_relaxed(&body->max_item_bytes);
	info->one_way = load16_relaxed(&body->flags) & SEG_PIPE_ONE_WAY;
	info->closed = load16_relaxed(&body->closed) != 0;
	info->memory_bytes = sizeof(*body);
	for (uint32_t end = 0; end < PIPE_N_ENDS; end++)
		describe_queue(lane, pipe_queue(&p, end), info);
	store32_relaxed(&lane->shared->object, index);
}

const struct object_kind pipe_kind = {
	.create = create,
	.destroy = pipe_destroy,
	.recover = pipe_recover,
	.describe = describe,
	.part = part,
	.hides_parts = true,
	.owner_gone = pipe_owner_gone,
	.held = pipe_held,
};
