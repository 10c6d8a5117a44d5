/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a dict without its lock.
 *
 * A reader takes the number of the last finished write, finds the key's node and its newest version that is not newer
 * than that number, copies the value, and looks at the blocks' words again: the same LIVE word means the same
 * incarnation, so what it copied is what the key had at that number. Otherwise it starts again; each new start means
 * that somebody else has got further, so a stopped writer stops no reader. A page of entries counts if no write was
 * finished while it was read. After some attempts both are read under the lock: whatever still changes then is damaged.
 */
#include "server/objects/dict_parts.h"

#include <string.h>

#include "server/base/fault.h"
#include "server/objects/task_queue.h"

#define MOST_LOOKS 1000u /* that met a change, or made no sense, before one is made under the lock */
#define PAGE_TRIES 4u
#define PAGE_BYTES (1u << 30) /* of a buffer without a limit, which holds less than 4 GiB */

enum sabir_error dict_enter(struct lane *lane, uint32_t op, uint64_t handle, struct dict *d)
{
	d->lane = lane;
	d->seg = lane->seg;
	d->index = object_index(handle);
	/* Which of the two stays as long as the handle is good, and object_enter sees to that. */
	bool names = d->index < d->seg->n_objects &&
		     load32_relaxed(&d->seg->objects[d->index].kind) == SEG_KIND_NAMESPACE;
	uint32_t kind = names ? SEG_KIND_NAMESPACE : SEG_KIND_DICT;
	return object_enter(lane, op, handle, kind, sizeof(*d->body), &d->object, &d->body);
}

/* Without what is due, which is removed. */
static enum sabir_error count_locked(const struct dict *d, uint64_t *count)
{
	enum sabir_error error = dict_lock_current(d);
	if (error)
		return error;
	*count = load64_relaxed(&d->body->count[load64_relaxed(&d->body->committed) & 1]);
	dict_unlock(d);
	return SABIR_OK;
}

enum sabir_error dict_count(const struct dict *d, uint64_t *count)
{
	for (uint32_t tries = 0; tries < MOST_LOOKS; tries++) {
		uint64_t seq = load64_acquire(&d->body->committed);
		uint64_t n = load64_acquire(&d->body->count[seq & 1]);
		if (dict_is_due(d))
			return count_locked(d, count);
		fence_acquire();
		if (load64_acquire(&d->body->committed) == seq) {
			*count = n;
			return SABIR_OK;
		}
	}
	return count_locked(d, count);
}

/* ---------------------------------------------------------------- one key */

/*
 * Nothing was found as of `seq`: true only if that is still the last finished write, else it may have been tidied
 * away.
 */
static enum sabir_error absent(const struct dict *d, uint64_t seq)
{
	fence_acquire();
	return load64_acquire(&d->body->committed) == seq ? SABIR_KEY_NOT_FOUND : SABIR_BUSY;
}

static enum sabir_error open_version(const struct dict *d, uint32_t ref, struct dict_found *found, uint64_t *seq,
				     uint32_t *next)
{
	struct seg_version *version = segment_at(d->seg, ref, sizeof(*version));
	uint64_t word = version ? load64_acquire(&version->block.word) : 0;
	if (!version || !dict_word_is_live(d, word))
		return SABIR_DATA_LOSS;
	uint64_t made = load64_relaxed(&version->seq);
	const struct seg_timed *timed = made & SEG_VERSION_TIMED ? segment_at(d->seg, ref, sizeof(*timed)) : NULL;
	found->ends = timed ? load64_relaxed((const uint64_t *)&timed->end.key) : 0;
	*seq = made & ~SEG_VERSION_TIMED;
	*next = load32_relaxed(&version->block.next);
	found->value_len = load32_relaxed(&version->block.len);
	fence_acquire();
	if (load64_relaxed(&version->block.word) != word)
		return SABIR_BUSY;
	if (!found->ends != !(made & SEG_VERSION_TIMED))
		return SABIR_DATA_LOSS;
	found->version = version;
	found->version_word = word;
	return SABIR_OK;
}

/* A version that ends: its key is there until then. The answer is true as of the time that was read, if that is still so. */
static enum sabir_error in_time(const struct dict *d, uint64_t seq, struct dict_found *found)
{
	if (!found->now)
		found->now = task_clock();
	return found->now < found->ends ? SABIR_OK : absent(d, seq);
}

enum sabir_error dict_visible(const struct dict *d, uint64_t seq, struct dict_found *found)
{
	struct seg_node *node = found->node;
	uint32_t ref = load32_acquire(&node->block.next), next;
	uint64_t gone = load64_relaxed(&node->gone), order = load64_relaxed(&node->order), made;
	fence_acquire();
	if (load64_relaxed(&node->block.word) != found->node_word)
		return SABIR_BUSY;
	if (gone && gone <= seq)
		return SABIR_KEY_NOT_FOUND;
	if (order < load64_acquire(&d->body->floor[seq & 1]))
		return absent(d, seq);
	/* The newest version, or, if that belongs to a write that is not finished, the one that it replaces. */
	enum sabir_error error = open_version(d, ref, found, &made, &next);
	if (!error && made > seq) {
		if (!next)
			return absent(d, seq);
		error = open_version(d, next, found, &made, &next);
		if (!error && made > seq)
			error = SABIR_DATA_LOSS;
	}
	if (error && error != SABIR_DATA_LOSS)
		return error;
	fence_acquire();
	/* The version may stand in the node's block: as long as that is the node's, what was read there was a version. */
	if (!error && load64_relaxed(&node->block.word) != found->node_word)
		return SABIR_BUSY;
	if (!error)
		return found->ends ? in_time(d, seq, found) : SABIR_OK;
	bool same = load64_relaxed(&node->block.word) == found->node_word && load32_relaxed(&node->block.next) == ref &&
		    load64_relaxed(&d->body->committed) == seq;
	return same ? SABIR_DATA_LOSS : SABIR_BUSY;
}

/* Copies the version's value as one item. */
static enum sabir_error copy_value(const struct dict *d, const struct dict_found *found, struct bytes *out)
{
	struct seg_version *version = found->version;
	uint32_t len = found->value_len;
	size_t head_len = dict_head_len(found->ends);
	if (len > d->seg->max_item_bytes || !segment_at(d->seg, segment_ref(d->seg, version), head_len + (uint64_t)len))
		return SABIR_DATA_LOSS;
	uint8_t *to = bytes_reserve(out, len);
	if (!to)
		return SABIR_NO_MEMORY;
	copy_few(to, (const uint8_t *)version + head_len, len);
	FAULT("dict_read.copied");
	fence_acquire();
	if (load64_relaxed(&version->block.word) != found->version_word ||
	    load64_relaxed(&found->node->block.word) != found->node_word)
		return SABIR_BUSY;
	bytes_commit(out, len);
	return SABIR_OK;
}

/* Whether to look again after this answer. */
static bool again(enum sabir_error error, uint32_t *tries)
{
	if (error != SABIR_BUSY && error != SABIR_DATA_LOSS)
		return false;
	cpu_relax();
	return ++*tries < MOST_LOOKS;
}

static inline enum sabir_error look_once(const struct dict *d, const struct dict_key *key, struct dict_found *found,
					 struct bytes *out)
{
	uint64_t seq = load64_acquire(&d->body->committed);
	found->now = 0;
	enum sabir_error error = dict_look(d, key, found);
	if (!error)
		error = dict_visible(d, seq, found);
	return !error && out ? copy_value(d, found, out) : error;
}

/* Nobody changes anything meanwhile, or he must not. */
static __attribute__((noinline, cold)) enum sabir_error look_locked(const struct dict *d, const struct dict_key *key,
								    struct dict_found *found, struct bytes *out)
{
	enum sabir_error error = dict_lock(d);
	if (error)
		return error;
	error = look_once(d, key, found, out);
	dict_unlock(d);
	return error == SABIR_BUSY || error == SABIR_DATA_LOSS ? object_damaged(d->object) : error;
}

/* The value of a key, without `out` only whether there is one, and with `ttl_ns` what is left to it. */
static enum sabir_error read_key(struct lane *lane, uint64_t handle, struct span key, struct bytes *out,
				 uint64_t *ttl_ns)
{
	struct dict d;
	struct dict_found found;
	uint32_t tries = 0;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	struct dict_key k = { key, dict_hash(&d, key) };
	do {
		error = look_once(&d, &k, &found, out);
	} while (again(error, &tries));
	if (error == SABIR_BUSY || error == SABIR_DATA_LOSS)
		error = look_locked(&d, &k, &found, out);
	object_leave(lane);
	if (!error && ttl_ns)
		*ttl_ns = found.ends ? found.ends - found.now : 0;
	return error;
}

enum sabir_error dict_get(struct lane *lane, uint64_t handle, struct span key, struct bytes *out)
{
	return read_key(lane, handle, key, out, NULL);
}

enum sabir_error dict_ttl(struct lane *lane, uint64_t handle, struct span key, uint64_t *ttl_ns)
{
	return read_key(lane, handle, key, NULL, ttl_ns);
}

enum sabir_error dict_contains(struct lane *lane, uint64_t handle, struct span key, bool *found)
{
	enum sabir_error error = read_key(lane, handle, key, NULL, NULL);
	if (error && error != SABIR_KEY_NOT_FOUND)
		return error;
	*found = !error;
	return SABIR_OK;
}

enum sabir_error dict_len(struct lane *lane, uint64_t handle, uint64_t *length)
{
	struct dict d;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	error = dict_count(&d, length);
	object_leave(lane);
	return error;
}

/* ---------------------------------------------------------------- pages */

struct page {
	enum dict_part part;
	uint32_t n;
	uint64_t cursor; /* in: behind which entry it begins; out: behind which one the next page does */
	struct bytes *out;
	size_t n_before; /* items in `out` before the page */
	size_t len_before;
};

static enum sabir_error copy_key(const struct dict *d, const struct seg_node *node, uint32_t len, struct bytes *out)
{
	if (len > d->seg->max_item_bytes ||
	    !segment_at(d->seg, segment_ref(d->seg, node), sizeof(*node) + (uint64_t)len))
		return SABIR_DATA_LOSS;
	return bytes_add(out, node + 1, len);
}

static enum sabir_error add_entry(const struct dict *d, const struct page *p, const struct dict_found *found,
				  uint32_t key_len)
{
	enum sabir_error error = p->part & DICT_KEYS ? copy_key(d, found->node, key_len, p->out)
						     : bytes_add(p->out, NULL, 0);
	if (!error)
		error = p->part & DICT_VALUES ? copy_value(d, found, p->out) : bytes_add(p->out, NULL, 0);
	if (!error && p->part & DICT_ENDS)
		error = bytes_add(p->out, &found->ends, sizeof(found->ends));
	fence_acquire();
	if (!error && load64_relaxed(&found->node->block.word) != found->node_word)
		return SABIR_BUSY;
	return error;
}

static bool is_full(const struct page *p, const struct dict_found *found, uint32_t key_len)
{
	size_t n = (p->out->n_items - p->n_before) / (p->part & DICT_ENDS ? 3 : 2);
	size_t len = p->part & DICT_KEYS ? key_len : 0;
	len += p->part & DICT_VALUES ? found->value_len : 0;
	return n >= p->n || !bytes_fits(p->out, len) || (n > 0 && p->out->len - p->len_before + len > PAGE_BYTES);
}

/* The node with this insertion number, which the order tree led to. */
static enum sabir_error open_node(const struct dict *d, uint32_t ref, uint64_t order, struct dict_found *found,
				  uint32_t *key_len)
{
	found->node = segment_at(d->seg, ref, sizeof(*found->node));
	if (!found->node)
		return SABIR_DATA_LOSS;
	found->node_word = load64_acquire(&found->node->block.word);
	if (!dict_word_is_live(d, found->node_word) || load64_relaxed(&found->node->order) != order)
		return SABIR_DATA_LOSS;
	*key_len = load32_relaxed(&found->node->block.len);
	fence_acquire();
	return load64_relaxed(&found->node->block.word) == found->node_word ? SABIR_OK : SABIR_BUSY;
}

/* The next entry of a page behind `*order`, whose insertion number becomes *order. */
static enum sabir_error step(const struct dict *d, const struct page *p, uint64_t floor, uint64_t *order,
			     uint32_t *node)
{
	if (!(p->part & DICT_REVERSED))
		return *order == UINT64_MAX ? SABIR_KEY_NOT_FOUND : dict_order_next(d, *order + 1, order, node);
	if (*order <= 1 || *order <= floor)
		return SABIR_KEY_NOT_FOUND;
	enum sabir_error error = dict_order_prev(d, *order - 1, order, node);
	return !error && *order < floor ? SABIR_KEY_NOT_FOUND : error;
}

static enum sabir_error read_page(const struct dict *d, struct page *p)
{
	uint64_t seq = load64_acquire(&d->body->committed);
	uint64_t floor = load64_acquire(&d->body->floor[seq & 1]);
	uint64_t order = p->cursor, last = p->cursor;
	struct dict_found found = { .now = 0 };
	enum sabir_error error;
	uint32_t ref, key_len;
	if (p->part & DICT_REVERSED)
		order = order ? order : UINT64_MAX;
	else if (order < floor)
		order = floor - 1;
	for (;;) {
		error = step(d, p, floor, &order, &ref);
		FAULT("dict_page.led");
		if (!error)
			error = open_node(d, ref, order, &found, &key_len);
		if (error)
			break; /* KEY_NOT_FOUND: the end */
		error = dict_visible(d, seq, &found);
		if (error == SABIR_KEY_NOT_FOUND)
			continue;
		if (error || is_full(p, &found, key_len))
			break;
		error = add_entry(d, p, &found, key_len);
		if (error)
			break;
		last = order;
	}
	if (error == SABIR_KEY_NOT_FOUND)
		last = 0;
	else if (error)
		return error;
	error = absent(d, seq);
	if (error != SABIR_KEY_NOT_FOUND)
		return error;
	p->cursor = last;
	return SABIR_OK;
}

enum sabir_error dict_page(struct lane *lane, uint64_t handle, enum dict_part part, uint32_t n, uint64_t *cursor,
			   struct bytes *out)
{
	struct page p = { part, n, *cursor, out, out->n_items, out->len };
	struct dict d;
	enum sabir_error error = dict_enter(lane, SEG_OP_READ, handle, &d);
	if (error)
		return error;
	error = SABIR_BUSY;
	for (uint32_t i = 0; i < PAGE_TRIES && (error == SABIR_BUSY || error == SABIR_DATA_LOSS); i++) {
		bytes_truncate(out, p.n_before);
		error = read_page(&d, &p);
	}
	if (error == SABIR_BUSY || error == SABIR_DATA_LOSS) {
		bytes_truncate(out, p.n_before);
		error = dict_lock(&d);
		if (!error) {
			error = read_page(&d, &p);
			dict_unlock(&d);
			if (error == SABIR_BUSY || error == SABIR_DATA_LOSS)
				error = object_damaged(d.object);
		}
	}
	object_leave(lane);
	if (error)
		bytes_truncate(out, p.n_before);
	else
		*cursor = p.cursor;
	return error;
}
