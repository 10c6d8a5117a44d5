/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A write's blocks, its publishing store, and what follows it or its writer's death.
 *
 * All that a write makes hangs on body->fresh from the moment when it leaves the lane's hand, and all that it will
 * put out of use on body->stale. body->writing has its number. `top` decides: a write whose number is there is
 * finished, and what is stale is freed; another one is rolled back, and what is fresh is freed. Each block is freed
 * in one transaction that also takes it off its chain, so whoever settles may die anywhere, and the next one goes on.
 * Nothing here needs memory but what it makes.
 *
 * Between writes, when the lock is free, `writing` is 0 and both chains are empty.
 */
#include "server/objects/list_write.h"
#include "server/objects/refs.h"

#include <string.h>

#include "server/base/fault.h"

#define HAND_MADE 0
#define HAND_FREED 1
#define LAST_NUMBER (UINT32_MAX - 1)

enum sabir_error list_lock(const struct list *l)
{
	enum sabir_error error = lock_acquire(l->lane, &l->object->lock);
	if (error)
		return error;
	/* Nothing, unless a lock was released in the name of somebody whose work was not settled. */
	error = list_settle(l);
	if (error) {
		lock_release(l->lane, &l->object->lock);
		return object_damaged(l->object);
	}
	return SABIR_OK;
}

void list_unlock(const struct list *l)
{
	lock_release(l->lane, &l->object->lock);
}

/* ---------------------------------------------------------------- blocks */

static enum sabir_error make_block(struct list_write *w, uint64_t size, struct seg_block **block)
{
	const struct list *l = w->l;
	struct seg_block *made;
	enum sabir_error error = block_alloc(l->lane, size, HAND_MADE, &made);
	if (error)
		return error;
	uint32_t ref = segment_ref(l->seg, made);
	store32_relaxed(&made->next, load32_relaxed(&l->body->fresh));
	journal_store64(l->lane, &l->body->bytes, load64_relaxed(&l->body->bytes) + block_size(l->seg, ref));
	journal_store32(l->lane, &l->body->fresh, ref);
	journal_commit(l->lane);
	FAULT("list_write.chained");
	record32(&l->lane->shared->hand[HAND_MADE], 0);
	block_publish(made, l->index);
	w->n_made++;
	FAULT("list_write.made");
	*block = made;
	return SABIR_OK;
}

enum sabir_error list_new_node(struct list_write *w, struct seg_list_node **node)
{
	struct seg_block *block;
	if (w->n_spares) {
		*node = segment_at(w->l->seg, w->spare[--w->n_spares], sizeof(**node));
		return SABIR_OK;
	}
	enum sabir_error error = make_block(w, sizeof(**node), &block);
	if (!error)
		*node = (struct seg_list_node *)block;
	return error;
}

enum sabir_error list_spare_node(struct list_write *w, struct seg_list_node *node)
{
	if (w->n_spares == LIST_SPARES)
		return SABIR_DATA_LOSS;
	w->spare[w->n_spares++] = segment_ref(w->l->seg, node);
	return SABIR_OK;
}

enum sabir_error list_stale_block(struct list_write *w, struct seg_block *block)
{
	const struct list *l = w->l;
	if (!block_word_is_of(load64_relaxed(&block->word), l->index) || block == &l->body->block)
		return SABIR_DATA_LOSS;
	store32_relaxed(&block->next, load32_relaxed(&l->body->stale));
	fence_compiler();
	store32_relaxed(&l->body->stale, segment_ref(l->seg, block));
	return SABIR_OK;
}

enum sabir_error list_make_entry(struct list_write *w, struct span value, uint64_t *entry)
{
	struct seg_block *block;
	if (value.len > w->l->seg->max_item_bytes || value.len > arena_max_block(w->l->seg))
		return SABIR_TOO_LARGE;
	if (value.len && value.len <= LIST_INLINE_MAX) {
		*entry = (uint64_t)value.len << 56;
		for (size_t i = 0; i < value.len; i++)
			*entry |= (uint64_t)value.data[i] << 8 * i;
		return SABIR_OK;
	}
	enum sabir_error error = make_block(w, sizeof(struct seg_list_item) + value.len, &block);
	if (error)
		return error;
	block->len = (uint32_t)value.len;
	if (value.len)
		memcpy((struct seg_list_item *)block + 1, value.data, value.len);
	refs_enter(w->l->lane, w->l->object, value);
	*entry = segment_ref(w->l->seg, block);
	return SABIR_OK;
}

enum sabir_error list_stale_entry(struct list_write *w, uint64_t entry)
{
	if (list_inline_len(entry))
		return SABIR_OK;
	struct seg_block *block = segment_at(w->l->seg, list_ref(entry), sizeof(*block));
	return block ? list_stale_block(w, block) : SABIR_DATA_LOSS;
}

/* ---------------------------------------------------------------- settling */

/* Frees a block and sets the link that leads to it to what is behind it. */
static enum sabir_error free_linked(const struct list *l, uint32_t *link)
{
	uint32_t ref = load32_relaxed(link);
	struct seg_block *block = segment_at(l->seg, ref, sizeof(*block));
	uint64_t size = block_size(l->seg, ref);
	if (!block || !size || block == &l->body->block)
		return SABIR_DATA_LOSS;
	uint64_t word = load64_relaxed(&block->word);
	bool live = block_word_is_of(word, l->index);
	bool half_made = l->dead_id && block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == l->dead_id;
	if (!live && !half_made)
		return SABIR_DATA_LOSS;
	record32(&l->lane->shared->hand[HAND_FREED], ref);
	fence_compiler();
	journal_store64(l->lane, &l->body->bytes, load64_relaxed(&l->body->bytes) - size);
	journal_store32(l->lane, link, load32_relaxed(&block->next));
	journal_store64(l->lane, &block->word, block_word(SEG_BLOCK_PRIVATE, l->lane->id, 0, block_tag(word)));
	journal_commit(l->lane);
	FAULT("list_settle.unchained");
	block_free(l->lane, block);
	return SABIR_OK;
}

enum sabir_error list_settle(const struct list *l)
{
	struct seg_list *body = l->body;
	uint32_t number = load32_relaxed(&body->writing);
	if (!number)
		return SABIR_OK;
	bool finished = (uint32_t)(load64_relaxed(&body->top) >> 32) == number;
	uint32_t *out_of_use = finished ? &body->stale : &body->fresh;
	/* No more than there can be: somebody may put one back as often as it is freed. */
	uint64_t most = l->seg->data_len >> SEG_REF_SHIFT;
	while (load32_relaxed(out_of_use)) {
		enum sabir_error error = most-- ? free_linked(l, out_of_use) : SABIR_DATA_LOSS;
		if (error)
			return error;
	}
	FAULT("list_settle.freed");
	store32_relaxed(finished ? &body->fresh : &body->stale, 0);
	fence_compiler();
	store32_relaxed(&body->writing, 0);
	FAULT("list_settle.settled");
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the write */

enum sabir_error list_write_begin(const struct list *l, struct list_write *w)
{
	uint64_t top = load64_relaxed(&l->body->top);
	uint32_t last = (uint32_t)(top >> 32);
	*w = (struct list_write){ .l = l, .number = last < LAST_NUMBER ? last + 1 : 1 };
	enum sabir_error error = list_tree(l, top, &w->tree, &w->level);
	if (error)
		return error;
	store32_relaxed(&l->body->writing, w->number);
	fence_compiler();
	FAULT("list_write.begun");
	return SABIR_OK;
}

/* Frees a node that hangs on body->fresh, beside no more than the write has made. */
static enum sabir_error free_spare(const struct list_write *w, uint32_t ref)
{
	const struct list *l = w->l;
	uint32_t *link = &l->body->fresh, n = 0;
	while (load32_relaxed(link) != ref) {
		struct seg_block *block = segment_at(l->seg, load32_relaxed(link), sizeof(*block));
		if (!block || ++n > w->n_made)
			return SABIR_DATA_LOSS;
		link = &block->next;
	}
	return free_linked(l, link);
}

enum sabir_error list_publish(struct list_write *w)
{
	const struct list *l = w->l;
	while (w->n_spares) {
		enum sabir_error error = free_spare(w, w->spare[--w->n_spares]);
		if (error)
			return error;
	}
	FAULT("list_write.prepared");
	/* Pairs with the readers' second look: what is freed below is not what they have seen. */
	lane_publishes(l->lane);
	store64_seq(&l->body->top, list_ref(w->tree) | (uint64_t)w->number << 32);
	FAULT("list_write.published");
	return list_settle(l);
}
