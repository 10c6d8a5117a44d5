/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gives all of a list's elements other places: sort, reverse, repeat. The elements stay where they are; the tree
 * above them is made anew.
 *
 * Sorting is a merge sort of indexes, from short runs up. A comparison that fails ends it, so a list whose elements
 * have no common order stays as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "server/base/fault.h"
#include "server/base/value_order.h"
#include "server/objects/list_parts.h"

#define RUN 16u

/* An element, or what stands for it. */
struct sort_key {
	struct value_view view; /* into the segment, or into `small` */
	uint64_t entry;
	uint8_t small[8];
};

struct sort {
	struct sort_key *keys;
	uint32_t *order, *other;
	uint32_t n;
	bool reverse;
	struct list_trouble *trouble;
};

static enum sabir_error trouble(struct sort *s, enum sabir_error error, uint64_t first, uint64_t second)
{
	s->trouble->first = first < second ? first : second;
	s->trouble->second = first < second ? second : first;
	return error;
}

/* Whether element b must stand in front of a, which stands there now. */
static enum sabir_error goes_first(struct sort *s, uint32_t b, uint32_t a, bool *first)
{
	int order;
	enum sabir_error error = value_compare_views(&s->keys[b].view, &s->keys[a].view, &order);
	if (error)
		return trouble(s, error, a, b);
	*first = s->reverse ? order > 0 : order < 0;
	return SABIR_OK;
}

static enum sabir_error sort_run(struct sort *s, uint32_t begin, uint32_t end)
{
	for (uint32_t i = begin + 1; i < end; i++) {
		uint32_t moved = s->order[i], k = i;
		for (; k > begin; k--) {
			bool first;
			enum sabir_error error = goes_first(s, moved, s->order[k - 1], &first);
			if (error)
				return error;
			if (!first)
				break;
			s->order[k] = s->order[k - 1];
		}
		s->order[k] = moved;
	}
	return SABIR_OK;
}

static enum sabir_error merge(struct sort *s, uint32_t begin, uint32_t middle, uint32_t end)
{
	uint32_t i = begin, k = middle, to = begin;
	while (i < middle && k < end) {
		bool first;
		enum sabir_error error = goes_first(s, s->order[k], s->order[i], &first);
		if (error)
			return error;
		s->other[to++] = first ? s->order[k++] : s->order[i++];
	}
	memcpy(s->other + to, s->order + i, (middle - i) * sizeof(*s->order));
	memcpy(s->other + to + (middle - i), s->order + k, (end - k) * sizeof(*s->order));
	return SABIR_OK;
}

static uint32_t at_most(uint64_t i, uint32_t n)
{
	return i < n ? (uint32_t)i : n;
}

static enum sabir_error sort_all(struct sort *s)
{
	enum sabir_error error = SABIR_OK;
	for (uint64_t i = 0; !error && i < s->n; i += RUN)
		error = sort_run(s, (uint32_t)i, at_most(i + RUN, s->n));
	for (uint64_t len = RUN; !error && len < s->n; len *= 2) {
		for (uint64_t i = 0; !error && i < s->n; i += 2 * len)
			error = merge(s, (uint32_t)i, at_most(i + len, s->n), at_most(i + 2 * len, s->n));
		uint32_t *merged = s->other;
		s->other = s->order;
		s->order = merged;
	}
	return error;
}

/* What the element of an entry is sorted by. */
static enum sabir_error read_key(const struct list *l, uint64_t entry, struct span field, struct sort_key *key)
{
	struct span value, found = { NULL, 0 };
	enum sabir_error error = list_value(l, entry, key->small, &value);
	if (!error && value_view(value, &key->view))
		error = SABIR_DATA_LOSS;
	key->entry = entry;
	if (error || !field.data)
		return error;
	error = value_map_find(&key->view, field, &found);
	if (!error && !found.data)
		error = SABIR_KEY_NOT_FOUND;
	if (!error && value_view(found, &key->view))
		error = SABIR_DATA_LOSS;
	return error;
}

static enum sabir_error read_keys(struct list_write *w, struct sort *s, struct span field)
{
	uint64_t *entries;
	enum sabir_error error = list_gather(w, 0, s->n, &entries);
	if (error)
		return error;
	for (uint32_t i = 0; !error && i < s->n; i++) {
		s->order[i] = i;
		error = read_key(w->l, entries[i], field, &s->keys[i]);
		if (error)
			(void)trouble(s, error, i, i);
	}
	free(entries);
	return error;
}

static enum sabir_error run_sort(struct list_write *w, struct list_job *job)
{
	struct sort s = { .n = list_elements(w->tree), .reverse = job->reverse, .trouble = job->trouble };
	if (!s.n)
		return SABIR_OK;
	s.keys = malloc(s.n * sizeof(*s.keys));
	s.order = malloc(s.n * sizeof(*s.order));
	s.other = malloc(s.n * sizeof(*s.other));
	uint64_t *entries = malloc(s.n * sizeof(*entries));
	enum sabir_error error = s.keys && s.order && s.other && entries ? SABIR_OK : SABIR_NO_MEMORY;
	if (!error)
		error = read_keys(w, &s, job->key);
	if (!error)
		error = sort_all(&s);
	for (uint32_t i = 0; !error && i < s.n; i++)
		entries[i] = s.keys[s.order[i]].entry;
	w->keep = true;
	if (!error)
		error = list_splice(w, 0, s.n, entries, s.n);
	free(s.keys);
	free(s.order);
	free(s.other);
	free(entries);
	return error;
}

enum sabir_error list_sort(struct lane *lane, uint64_t handle, bool reverse, struct span key,
			   struct list_trouble *where)
{
	struct list_job job = { .run = run_sort, .reverse = reverse, .key = key, .trouble = where };
	return list_run(lane, handle, &job);
}

static enum sabir_error run_reverse(struct list_write *w, struct list_job *job)
{
	uint64_t n = list_elements(w->tree), *entries;
	(void)job;
	if (n < 2)
		return SABIR_OK;
	enum sabir_error error = list_gather(w, 0, n, &entries);
	if (error)
		return error;
	for (uint64_t i = 0; i < n / 2; i++) {
		uint64_t entry = entries[i];
		entries[i] = entries[n - 1 - i];
		entries[n - 1 - i] = entry;
	}
	w->keep = true;
	error = list_splice(w, 0, n, entries, n);
	free(entries);
	return error;
}

enum sabir_error list_reverse(struct lane *lane, uint64_t handle)
{
	struct list_job job = { .run = run_reverse };
	return list_run(lane, handle, &job);
}

/* An element of its own with the same bytes. */
static enum sabir_error copy_entry(struct list_write *w, uint64_t entry, uint64_t *copy)
{
	uint8_t small[8];
	struct span value;
	enum sabir_error error = list_value(w->l, entry, small, &value);
	return error ? error : list_make_entry(w, value, copy);
}

static enum sabir_error run_repeat(struct list_write *w, struct list_job *job)
{
	uint64_t n = list_elements(w->tree), *entries;
	if (!n || job->index == 1) {
		job->number = n;
		return SABIR_OK;
	}
	if (job->index <= 0)
		return list_splice(w, 0, n, NULL, 0);
	if ((uint64_t)job->index > LIST_MAX_LENGTH / n)
		return SABIR_TOO_LARGE;
	uint64_t total = n * (uint64_t)job->index;
	/* Less than the tree alone would need: refused before this process spends as much. */
	if (total > (uint64_t)w->l->seg->n_chunks << (SEG_CHUNK_SHIFT - 3))
		return SABIR_RESOURCE_EXHAUSTED;
	enum sabir_error error = list_gather(w, 0, n, &entries);
	if (error)
		return error;
	uint64_t *all = malloc((total - n) * sizeof(*all));
	error = all ? SABIR_OK : SABIR_NO_MEMORY;
	for (uint64_t i = 0; !error && i < total - n; i++)
		error = copy_entry(w, entries[i % n], &all[i]);
	if (!error)
		error = list_splice(w, n, n, all, total - n);
	free(all);
	free(entries);
	job->number = total;
	return error;
}

enum sabir_error list_repeat(struct lane *lane, uint64_t handle, int64_t n, uint64_t *length)
{
	struct list_job job = { .run = run_repeat, .index = n };
	enum sabir_error error = list_run(lane, handle, &job);
	if (!error && length)
		*length = job.number;
	return error;
}
