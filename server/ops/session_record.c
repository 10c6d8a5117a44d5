/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a session, beside the entry of its owner.
 *
 *   owner opened ──► REMOTE ──► written ──the record's word──► a session ──SEG_SESSION_ENDS──► its items go back ──the word is 0──► an
 *   owner to be recovered
 *
 * A server that dies on the way leaves an owner without a record, which the next one recovers, or a session that ends, which it
 * goes on with (session_end.c). A record that was left behind is that of no owner: its word is that of an earlier generation.
 */
#include "server/ops/session_record.h"

#include <stdio.h>
#include <string.h>

#include "server/base/fault.h"

void session_record_write(struct segment *seg, uint32_t owner, const struct session_record *record)
{
	struct seg_session *to = &seg->sessions[owner];
	FAULT("session.owner_opened");
	store32_relaxed(&seg->owners[owner].flags, SEG_OWNER_REMOTE);
	FAULT("session.remote");
	to->lease_ns = record->lease_ns;
	store64_relaxed(&to->lost_below, 0);
	store64_relaxed(&to->acked_below, 0);
	store64_relaxed(&to->answers, 0);
	store32_relaxed(&to->n_returned, 0);
	store32_relaxed(&to->holds_items, 0);
	memcpy(to->print, record->print, sizeof(to->print));
	memcpy(to->peer, record->peer, sizeof(to->peer));
	FAULT("session.written");
	/* Whoever reads it is a later server: only the order of the stores counts. */
	store64_release(&to->word, owner_word(seg, owner));
	FAULT("session.published");
}

void session_record_end(struct segment *seg, uint32_t owner)
{
	(void)fetch_or64(&seg->sessions[owner].word, SEG_SESSION_ENDS);
	FAULT("session.ends");
}

void session_record_remove(struct segment *seg, uint32_t owner)
{
	store64_release(&seg->sessions[owner].word, 0);
	FAULT("session.removed");
}

/* The owner of one that ends may have been let go of, but for its entry. */
static bool is_session(uint64_t word, uint64_t owner_word)
{
	bool ends = word & SEG_SESSION_ENDS;
	uint64_t live = (owner_word & ~15ull) | SEG_OWNER_LIVE;
	return (word & ~SEG_SESSION_ENDS) == live &&
	       (owner_word == live || (ends && (owner_word & 15) == SEG_OWNER_DEAD));
}

bool session_record_read(const struct segment *seg, uint32_t owner, struct session_record *record)
{
	if (owner >= seg->n_owners)
		return false;
	const struct seg_session *from = &seg->sessions[owner];
	uint64_t owner_word = owner_now(seg, owner), word = load64_acquire(&from->word);
	if (!is_session(word, owner_word) || !(load32_relaxed(&seg->owners[owner].flags) & SEG_OWNER_REMOTE))
		return false;
	*record = (struct session_record){
		.owner = (word & 0xffffffff00000000ull) | (owner + 1),
		.ends = word & SEG_SESSION_ENDS,
		.lease_ns = word & SEG_SESSION_ENDS ? 0 : load64_relaxed(&from->lease_ns),
	};
	memcpy(record->print, from->print, sizeof(record->print));
	snprintf(record->peer, sizeof(record->peer), "%.*s", (int)sizeof(from->peer), from->peer);
	return true;
}

uint64_t session_record_owner_word(const struct segment *seg, uint32_t owner)
{
	uint64_t word = load64_acquire(&seg->sessions[owner].word);
	return (word & 15) == SEG_OWNER_LIVE ? (word & 0xffffffff00000000ull) | SEG_OWNER_LIVE : 0;
}
