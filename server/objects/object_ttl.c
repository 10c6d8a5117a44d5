/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that end by themselves. An object's entry has the time of its end; the header has a time by which the server
 * has to look through all entries, which is never later than the first of them: whoever sets an end stores it, then
 * lowers the header's time and rings; the server takes the header's time away, then looks, then lowers it again. Who
 * dies between his two stores is recovered, and that has the server look.
 */
#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/change.h"

/* Lowers the time. */
static void look_at(const struct segment *seg, uint64_t ns)
{
	uint64_t *next = &seg->header->expiry_ns;
	uint64_t seen = load64_seq(next);
	while ((!seen || ns < seen) && !cas64(next, &seen, ns))
		;
}

void object_ttl_announce(const struct segment *seg, uint32_t index)
{
	uint64_t ns = load64_seq(&seg->objects[index].expire_ns);
	if (!ns)
		return;
	look_at(seg, ns);
	bell_ring(seg, index);
}

void object_ttl_look_at(const struct segment *seg, uint32_t index, uint64_t ns)
{
	look_at(seg, ns);
	bell_ring(seg, index);
}

void object_ttl_look_again(const struct segment *seg)
{
	look_at(seg, 1);
	bell_ring(seg, 0);
}

uint64_t object_ttl_end(uint64_t ttl_ns)
{
	return ttl_ns ? clock_deadline(ttl_ns) : 0;
}

enum sabir_error object_set_ttl(struct lane *lane, uint64_t handle, uint64_t ttl_ns)
{
	struct seg_object *o;
	struct seg_block *body;
	enum sabir_error error = object_enter(lane, SEG_OP_ENTRY, handle, 0, sizeof(*body), &o, &body);
	if (error)
		return error;
	lane_publishes(lane);
	(void)exchange64(&o->expire_ns, object_ttl_end(ttl_ns));
	FAULT("object_ttl.set");
	change_note(lane, object_index(handle), CHANGE_TTL, 0, 0);
	object_leave(lane);
	object_ttl_announce(lane->seg, object_index(handle));
	return SABIR_OK;
}

uint64_t object_ttl_next(const struct segment *seg)
{
	uint64_t ns = load64_seq(&seg->header->expiry_ns);
	return ns ? ns : CLOCK_NEVER;
}

/* The log of changes of an object that is not watched any more. */
static void expire_log(struct lane *lane, uint64_t handle, uint64_t now_ns)
{
	uint64_t ns = change_end_ns(lane->seg, object_index(handle));
	if (ns > now_ns)
		look_at(lane->seg, ns);
	else if (ns)
		change_expire(lane, handle, now_ns);
}

void object_ttl_expire(struct lane *lane, uint64_t now_ns)
{
	struct segment *seg = lane->seg;
	uint32_t room = OBJECT_TTL_AT_ONCE;
	uint64_t first = exchange64(&seg->header->expiry_ns, 0);
	if (!first)
		return;
	if (first > now_ns) {
		look_at(seg, first);
		return;
	}
	for (uint32_t i = 1; i < seg->n_objects; i++) {
		uint64_t word = load64_seq(&seg->objects[i].word);
		uint64_t ns = load64_seq(&seg->objects[i].expire_ns);
		uint64_t handle = i | (word & 0xffffffff00000000ull);
		if ((word & 15) != SEG_OBJECT_LIVE)
			continue;
		expire_log(lane, handle, now_ns);
		if (!ns)
			continue;
		if (ns > now_ns || !room) {
			look_at(seg, ns);
			continue;
		}
		room--;
		(void)object_delete(lane, handle);
	}
}
