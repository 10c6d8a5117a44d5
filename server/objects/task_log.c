/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a task queue that is being copied: which items were touched, for who copies it a slice at a time (keep_tasks.c).
 *
 * It is a ring in a block of the queue's. Under the queue's lock each transaction writes its items into it in front of its
 * commit: whoever dies has logged what he did, and perhaps what he did not, which costs the copier one look. Nothing is ever
 * repaired here. A copier that dies leaves the log; the next one begins with another, and the queue's end frees it.
 */
#include "server/objects/task_parts.h"

static struct seg_task_log *log_at(const struct tasks *q, uint32_t ref)
{
	const uint64_t size = sizeof(struct seg_task_log) + SEG_TASK_LOG * sizeof(struct seg_task_touch);
	struct seg_task_log *log = block_size(q->seg, ref) >= size ? segment_at(q->seg, ref, size) : NULL;
	uint64_t word = log ? load64_relaxed(&log->block.word) : 0;
	return block_state(word) == SEG_BLOCK_LIVE && block_object(word) == q->index ? log : NULL;
}

static struct seg_task_touch *entry_at(struct seg_task_log *log, uint64_t n)
{
	return (struct seg_task_touch *)(log + 1) + n % SEG_TASK_LOG;
}

void tasks_log(struct tasks *q, uint32_t ref, uint64_t ordinal)
{
	struct seg_task_log *log = log_at(q, load32_relaxed(&q->body->log));
	if (!log)
		return;
	uint64_t n = load64_relaxed(&log->n_touched);
	struct seg_task_touch *entry = entry_at(log, n);
	store64_relaxed(&entry->ordinal, ordinal);
	store32_relaxed(&entry->ref, ref);
	/* Whoever dies in between has done nothing yet. */
	store64_relaxed(&log->n_touched, n + 1);
}

enum sabir_error tasks_log_begin(struct tasks *q, uint64_t number)
{
	struct seg_block *block;
	size_t size = sizeof(struct seg_task_log) + SEG_TASK_LOG * sizeof(struct seg_task_touch);
	tasks_log_end(q);
	enum sabir_error error = block_alloc(q->lane, size, TASK_HAND_ITEM, &block);
	if (error)
		return error;
	struct seg_task_log *log = (struct seg_task_log *)block;
	block->next = 0;
	block->len = 0;
	log->number = number;
	log->n_touched = 0;
	FAULT("task_log.made");
	tasks_adopt(q, block);
	journal_store32(q->lane, &q->body->log, segment_ref(q->seg, block));
	journal_store32(q->lane, &q->lane->shared->hand[TASK_HAND_ITEM], 0);
	FAULT("task_log.beginning");
	journal_commit(q->lane);
	FAULT("task_log.begun");
	return SABIR_OK;
}

void tasks_log_end(struct tasks *q)
{
	uint32_t ref = load32_relaxed(&q->body->log);
	struct seg_task_log *log = ref ? log_at(q, ref) : NULL;
	if (!log)
		return;
	record32(&q->lane->shared->hand[TASK_HAND_FREED], ref);
	fence_compiler();
	journal_store32(q->lane, &q->body->log, 0);
	tasks_disown(q, &log->block);
	FAULT("task_log.ending");
	journal_commit(q->lane);
	FAULT("task_log.ended");
	block_free(q->lane, &log->block);
}

enum sabir_error tasks_log_read(const struct tasks *q, uint64_t number, uint64_t *seen, struct task_touch *touch)
{
	struct seg_task_log *log = log_at(q, load32_relaxed(&q->body->log));
	uint64_t n = log ? load64_relaxed(&log->n_touched) : 0;
	if (!log || load64_relaxed(&log->number) != number || n < *seen || n - *seen > SEG_TASK_LOG)
		return SABIR_CHANGED;
	if (n == *seen)
		return SABIR_EMPTY;
	const struct seg_task_touch *entry = entry_at(log, (*seen)++);
	*touch = (struct task_touch){ load64_relaxed(&entry->ordinal), load32_relaxed(&entry->ref) };
	return SABIR_OK;
}
