/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a queue when one of its users dies, and when it is deleted itself.
 *
 * A dead putter's chain is in the queue or it is not: the slot that it was about to change, together with the word of the chain's
 * first item, says which. A dead getter's items go back unless its phase says COMMITTED, or MAKING: then they are copies. A dead lane's epoch stays pinned until it
 * has been recovered, so nothing that its record names has been used for something else.
 */
#include "server/base/fault.h"
#include "server/objects/queue_kind.h"

/* ---------------------------------------------------------------- recovery */

/* Whether a word of the data area is in a block of the queue's: nothing is stored in any other. */
static bool is_in(const struct queue *q, const uint64_t *word)
{
	const struct seg_block *block = block_around(q->seg, (uint64_t)((const uint8_t *)word - q->seg->base));
	uint64_t first = block ? load64_acquire(&block->word) : 0;
	return block_word_is_of(first, q->index) ||
	       (block && block_is_joining(q->seg, segment_ref(q->seg, block), first, q->index, HAND_NEW_SLOTS));
}

static uint64_t *slot_of(const struct segment *seg, const struct seg_lane *dead)
{
	uint64_t off = load64_relaxed(&dead->slot_off);
	if (off < seg->data_off || off % 8 || off > seg->size - 8)
		return NULL;
	return (uint64_t *)(seg->base + off);
}

/* Whether the chain of a dead putter is in the queue, or has been: see seg_lane.chain_word. */
static bool was_published(const struct segment *seg, const struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t ref = load32_relaxed(&dead->chain);
	const struct seg_block *first = segment_at(seg, ref, sizeof(*first));
	const uint64_t *slot = slot_of(seg, dead);
	if (!first)
		return true;
	uint64_t word = load64_acquire(&first->word);
	if (block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == dead_id)
		return false;
	if (word != load64_relaxed(&dead->chain_word))
		return true; /* somebody has taken it */
	return slot && load64_acquire(slot) == ref;
}

void queue_put_begins_anew(struct lane *lane)
{
	store64_relaxed(&lane->shared->slot_off, 0);
}

bool queue_put_happened(const struct segment *seg, const struct seg_lane *dead, uint32_t dead_id)
{
	if (load32_relaxed(&dead->phase) == SEG_PHASE_COMMITTED)
		return false;
	return load32_relaxed(&dead->chain) ? was_published(seg, dead, dead_id) : load64_relaxed(&dead->slot_off) != 0;
}

void queue_get_happened(struct seg_lane *dead)
{
	uint32_t op = load32_relaxed(&dead->op);
	if (op == SEG_OP_QUEUE_GET || op == SEG_OP_TASK_GET)
		store32_relaxed(&dead->phase, SEG_PHASE_COMMITTED);
	fence_compiler();
}

/* Of a put's chain: made by the dead lane, or numbered already. */
static bool is_chained(const struct queue *q, const struct seg_block *block, uint32_t dead_id)
{
	uint64_t word = block ? load64_acquire(&block->word) : 0;
	return block_is_private(word, dead_id) || block_word_is_of(word, q->index);
}

/* The put died while it cut its chain: `doomed` begins where the chain has to end. */
static void finish_cut(struct queue *q, struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t doomed = load32_relaxed(&dead->doomed);
	uint32_t *link = &dead->chain;
	struct ring ring = { 0 };
	uint32_t ref;
	if (!doomed)
		return;
	while ((ref = load32_relaxed(link)) != 0 && ref != doomed) {
		struct seg_block *block = segment_at(q->seg, ref, sizeof(*block));
		if (!is_chained(q, block, dead_id) || ring_closes(&ring, ref))
			return;
		link = &block->next;
	}
	if (ref)
		store32_relaxed(link, 0);
}

static void recover_put(struct queue *q, struct seg_lane *dead, uint32_t dead_id)
{
	bool dropping = load32_relaxed(&dead->phase) == SEG_PHASE_COMMITTED;
	if (load32_relaxed(&dead->chain) && !dropping && was_published(q->seg, dead, dead_id))
		store32_relaxed(&dead->chain, 0);
	finish_cut(q, dead, dead_id);
	store32_relaxed(&dead->phase, SEG_PHASE_COMMITTED);
	FAULT("queue_recover.put");
	queue_drop_chain(q, dead, dead_id, &dead->chain);
	queue_drop_chain(q, dead, dead_id, &dead->doomed);
	store32_relaxed(&dead->phase, SEG_PHASE_OPEN);
}

/* The item that the dead lane was just taking joins those that it had. */
static void finish_take(struct queue *q, struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t ref = load32_relaxed(&dead->candidate);
	uint32_t len;
	struct seg_item *item = ref ? queue_item_at(q->seg, ref, &len) : NULL;
	uint64_t *slot = slot_of(q->seg, dead);
	uint64_t word = item ? load64_acquire(&item->block.word) : 0;
	if (item && slot && is_in(q, slot) && block_state(word) == SEG_BLOCK_TAKEN && block_lane(word) == dead_id &&
	    load32_relaxed(&dead->chain) != ref) {
		queue_detach(slot, ref, item);
		FAULT("queue_recover.detached");
		store32_relaxed(&item->block.next, load32_relaxed(&dead->chain));
		fence_compiler();
		store32_relaxed(&dead->chain, ref);
		fence_compiler();
	}
	store32_relaxed(&dead->candidate, 0);
}

static enum sabir_error recover_get(struct queue *q, struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t phase = load32_relaxed(&dead->phase);
	if (phase != SEG_PHASE_COMMITTED)
		finish_take(q, dead, dead_id);
	if (phase == SEG_PHASE_COMMITTED || phase == SEG_PHASE_MAKING) {
		queue_drop_chain(q, dead, dead_id, &dead->chain);
		store32_relaxed(&dead->phase, SEG_PHASE_OPEN);
		return SABIR_OK;
	}
	return queue_give_back(q, dead, dead_id);
}

static bool slots_reachable(struct queue *q, uint32_t wanted)
{
	uint32_t ref = (uint32_t)load64_acquire(&q->body->head);
	uint32_t n_slots;
	while (ref && ref != wanted) {
		struct seg_slots *slots = queue_slots(q->seg, ref, &n_slots);
		if (!slots || queue_next_slots(q->seg, slots, &ref))
			return false;
	}
	return ref;
}

/* A segment that the dead lane had linked but not confirmed, or left behind but not retired. */
static void recover_slots(struct queue *q, struct seg_lane *dead, uint32_t dead_id)
{
	uint32_t made = load32_relaxed(&dead->hand[HAND_NEW_SLOTS]);
	uint32_t left = load32_relaxed(&dead->hand[HAND_OLD_SLOTS]);
	struct seg_block *block = made ? segment_at(q->seg, made, sizeof(*block)) : NULL;
	uint64_t word = block ? load64_acquire(&block->word) : 0;
	if (block && block_state(word) == SEG_BLOCK_PRIVATE && block_lane(word) == dead_id && slots_reachable(q, made))
		cas64(&block->word, &word, block_word(SEG_BLOCK_LIVE, 0, q->index, block_tag(word)));

	block = left ? segment_at(q->seg, left, sizeof(*block)) : NULL;
	word = block ? load64_acquire(&block->word) : 0;
	if (block && block_word_is_of(word, q->index) && block_size(q->seg, left) && (void *)block != (void *)q->body &&
	    !slots_reachable(q, left) &&
	    cas64(&block->word, &word, block_word(SEG_BLOCK_PRIVATE, q->lane->id, 0, block_tag(word)))) {
		store32_relaxed(&q->lane->shared->hand[HAND_OLD_SLOTS], left);
		block_retire(q->lane, block);
	}
}

enum sabir_error queue_recover(struct lane *by, struct seg_lane *dead, uint32_t dead_id, uint32_t index,
			       struct seg_object *object)
{
	struct queue q = { .lane = by, .seg = by->seg, .object = object, .index = index };
	uint32_t op = load32_relaxed(&dead->op);
	q.body = object_body(by->seg, object, sizeof(*q.body));
	if (!q.body || load32_relaxed(&object->kind) != SEG_KIND_QUEUE)
		return SABIR_OK;
	recover_slots(&q, dead, dead_id);
	if (op == SEG_OP_QUEUE_PUT)
		recover_put(&q, dead, dead_id);
	else if (op == SEG_OP_QUEUE_GET)
		return recover_get(&q, dead, dead_id);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- destruction */

bool queue_unlink_block(struct queue *q, uint64_t *link64, uint32_t *link32, uint32_t ref, uint64_t next)
{
	struct lane *lane = q->lane;
	struct seg_block *block = block_size(q->seg, ref) ? segment_at(q->seg, ref, sizeof(*block)) : NULL;
	uint64_t word = block ? load64_acquire(&block->word) : 0;
	/* Who takes an item does it in an operation, which is over, or else nobody is to unlink what it has. */
	bool ours = block_word_is_of(word, q->index) && (void *)block != (void *)q->body;
	if (ours) {
		store32_relaxed(&lane->shared->hand[HAND_ITEM], ref);
		fence_compiler();
		journal_store64(lane, &block->word, block_word(SEG_BLOCK_PRIVATE, lane->id, 0, block_tag(word)));
	}
	if (link64)
		journal_store64(lane, link64, next);
	else
		journal_store32(lane, link32, (uint32_t)next);
	journal_commit(lane);
	FAULT("queue_destroy.unlinked");
	if (ours)
		block_free(lane, block);
	return ours;
}

static void destroy_items(struct queue *q, struct seg_slots *slots, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t seen;
		while ((seen = load64_relaxed(&slots->slot[i])) != 0 && seen <= UINT32_MAX) {
			struct seg_item *item = queue_listed(q, (uint32_t)seen);
			uint64_t next = item ? load32_relaxed(&item->block.next) : 0;
			if (!item || (void *)item == (void *)slots ||
			    !queue_unlink_block(q, &slots->slot[i], NULL, (uint32_t)seen, next ? next : SEG_SLOT_DONE))
				store64_relaxed(&slots->slot[i], SEG_SLOT_DONE);
		}
	}
}

static void destroy_list(struct queue *q, uint32_t *first)
{
	uint32_t ref;
	while ((ref = load32_relaxed(first)) != 0) {
		struct seg_item *item = queue_listed(q, ref);
		uint32_t next = item ? load32_relaxed(&item->block.next) : 0;
		if (!item || !queue_unlink_block(q, NULL, first, ref, next))
			store32_relaxed(first, 0);
	}
}

/*
 * All but what is lent: a borrower reads where the item stands, whatever becomes of the queue. The lock keeps the list from
 * changing while queue_kept_gone follows it. The number is lowered last: as long as it is not 0 the dead owner of a loan
 * is looked for here.
 */
static void destroy_held(struct queue *q)
{
	uint32_t *link = &q->body->held;
	struct ring ring = { 0 };
	uint32_t ref, n = 0;
	while ((ref = load32_relaxed(link)) != 0) {
		struct seg_item *item = queue_listed(q, ref);
		uint32_t next = item ? load32_relaxed(&item->block.next) : 0;
		bool lent = item && queue_is_lent(q->seg, item, q->index);
		if (lent && !ring_closes(&ring, ref)) {
			link = &item->block.next;
			n++;
		} else if (lent || !item || !queue_unlink_block(q, NULL, link, ref, next)) {
			store32_relaxed(link, 0); /* a ring is cut where it has led to all its items */
		}
	}
	FAULT("queue_destroy.held");
	store32_relaxed(&q->body->n_held, n);
}

void queue_destroy(struct lane *lane, uint32_t index, struct seg_object *object)
{
	struct queue q = { .lane = lane, .seg = lane->seg, .object = object, .index = index };
	uint64_t head;
	uint32_t n;
	q.body = object_body(lane->seg, object, sizeof(*q.body));
	if (!q.body)
		return;
	while ((head = load64_relaxed(&q.body->head)) != 0) {
		struct seg_slots *slots = queue_own_slots(&q, (uint32_t)head, &n);
		if (!slots) {
			store64_relaxed(&q.body->head, 0);
			break;
		}
		destroy_items(&q, slots, n);
		/* Of a ring, the one that was freed is ours no more. */
		if (!queue_unlink_block(&q, &q.body->head, NULL, (uint32_t)head, load32_relaxed(&slots->block.next)))
			store64_relaxed(&q.body->head, 0);
	}
	destroy_list(&q, &q.body->returned);
	if (!load32_relaxed(&q.body->held) && !load32_relaxed(&q.body->n_held))
		return;
	enum sabir_error error = lock_acquire(lane, &object->lock);
	if (error == SABIR_BUSY) {
		store32_seq(&lane->seg->header->sweep_wanted, 1);
		return;
	}
	destroy_held(&q);
	if (!error)
		lock_release(lane, &object->lock);
}

bool queue_keeps(const struct segment *seg, const struct seg_object *object)
{
	const struct seg_queue *body = object_body(seg, object, sizeof(*body));
	return body && load32_relaxed(&body->n_held);
}

/* ---------------------------------------------------------------- accounts */

/* Bytes of blocks; beyond some number of items an estimate from the first ones. */
uint64_t queue_memory(struct queue *q, uint64_t length)
{
	uint64_t slots_bytes = 0, item_bytes = 0, n_seen = 0;
	uint32_t ref = (uint32_t)load64_acquire(&q->body->head), n;
	struct seg_slots *slots;
	for (uint32_t k = 0; ref && k < 65536 && (slots = queue_slots(q->seg, ref, &n)) != NULL; k++) {
		slots_bytes += block_size(q->seg, ref);
		for (uint32_t i = 0; i < n && n_seen < 4096; i++) {
			uint64_t seen = load64_acquire(&slots->slot[i]);
			if (seen == 0 || seen > UINT32_MAX)
				continue;
			item_bytes += block_size(q->seg, (uint32_t)seen);
			n_seen++;
		}
		if (queue_next_slots(q->seg, slots, &ref))
			break;
	}
	return sizeof(struct seg_queue) + slots_bytes + (n_seen ? item_bytes / n_seen * length : 0);
}
