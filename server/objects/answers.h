/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_OBJECTS_ANSWERS_H
#define SABIR_OBJECTS_ANSWERS_H

#include "server/objects/object.h"

/*
 * Answers of requests with an id, kept in the memory until their clients have acknowledged them: so that a request is
 * performed once, whatever server it is sent to. Each session has a dict of them, which nobody else knows and which ends with
 * the session: before, what they hold that can go back does (server/ops/session_end.h), and until then the session's end keeps
 * them (answers_kept).
 *
 * An answer is kept a moment after what it answers. What a server that dies in between was performing stands in the record of
 * its lane (asked_*), and the lane's recovery makes an answer of that: of what was not done there is none, of what was done
 * there is what it answered, if it had got so far, else OUTCOME_UNKNOWN. A put into a plain queue always answers the
 * same. A get from a queue, without a lease, or from a pipe is not over before its answer is kept: without it the items go back.
 *
 * `owner` is the session's, as in lane->actor.owner, everywhere here.
 */
struct kept_answer {
	uint64_t id;
	uint8_t print[16];      /* of the request */
	enum sabir_error error; /* that it answers */
	bool items;             /* in: the body holds some that are to go back if it is never acknowledged */
	bool recovered;   /* not by who performed it: nobody knows the request's print, and the body is the response */
	struct span body; /* whatever its keeper needs */
	/*
	 * in: so many bytes at the end of the body are the message of those items, each a field 1. What they refer to lives as
	 * long as the answer is kept.
	 */
	size_t items_len;
};

/* More than a session keeps. A dict that has more is another one, which a faulty program has made a session's, and may never end. */
#define ANSWERS_MOST (2u << 16)

/* Whether an error is the answer to a request for ever; else nothing was done, and who asks again has it tried anew. */
bool answer_is_final(enum sabir_error error);

/*
 * Keeps one; what there is of the id already is replaced. By a lane that has not performed the request. Errors: SESSION_ENDED, those of dict_set and object_create.
 */
enum sabir_error answer_keep(struct lane *lane, uint64_t owner, const struct kept_answer *answer);
/* Of what can't be kept nobody knows the answer when this server is gone; nor, then, of requests with lower ids. */
void answer_lose(struct segment *seg, uint64_t owner, uint64_t id);
/* It was acknowledged before; one that can't be dropped is dropped with the session. Errors: those of dict_delete, but KEY_NOT_FOUND. */
enum sabir_error answer_drop(struct lane *lane, uint64_t owner, uint64_t id);
/* No request with an id below is performed again, nor answered; before their answers are dropped. One thread at a time. */
void answers_acknowledged(struct segment *seg, uint64_t owner, uint64_t below);

/* What a server has to know of a session that another one has opened. */
struct answers_state {
	uint64_t lost_below;
	uint64_t acked_below;
};
/*
 * Calls `each` for all answers that are kept and not acknowledged. Errors: SESSION_ENDED, NO_MEMORY, BUSY, those of each; DATA_LOSS: some
 * of them, or all, are damaged, and it was called for the others.
 */
typedef enum sabir_error answer_each_fn(void *context, const struct kept_answer *answer);
enum sabir_error answers_load(struct lane *lane, uint64_t owner, struct answers_state *state, answer_each_fn *each,
			      void *context);
/* Whether there may be answers that hold items. */
bool answers_hold_items(const struct segment *seg, uint64_t owner);
/* The handle of the dict, if the owner is a session whose answers are not done with yet; else 0. */
uint64_t answers_kept(const struct segment *seg, uint32_t owner);
/*
 * For the end of a session: the next answer; `page`, empty, holds it. Errors: EMPTY (there is none any more); INVALID_VALUE (it is none:
 * the walk has gone on); those of dict_page; DATA_LOSS also: there are more than ANSWERS_MOST.
 */
struct answers_walk { /* all zero: from the first on */
	uint64_t cursor;
	uint32_t n;
	bool over;
};
enum sabir_error answers_next(struct lane *lane, uint64_t owner, struct answers_walk *walk, struct bytes *page,
			      struct kept_answer *answer);
/*
 * Begins the giving back of an answer's items, or goes on with it: where they are counted (lane->returned), which says how many of
 * them are back. NULL: the session has ended. One thread at a time; each is dropped before the next one is begun.
 */
uint32_t *answer_returning(struct segment *seg, uint64_t owner, uint64_t id);
/*
 * How many dead servers' lanes have performed a request, anybody's, of which the answer is not there yet: their recovery had to
 * wait. When they have become fewer there may be answers that were not there before. *may_come: one may have performed this one.
 */
uint32_t answers_to_come(const struct segment *seg, uint32_t server, uint64_t owner, uint64_t id, bool *may_come);
/*
 * Whether one of them was giving items to this owner (0: to any), and has not been told yet whether he has got them: by whether the answer is
 * kept. Until then the session's answers have to stay.
 */
bool answers_are_given(const struct segment *seg, uint32_t server, uint64_t owner);

/*
 * What a lane is doing for lane->actor.request, if that is not 0: set around an operation.
 * begins     nothing is done yet
 * runs       from here on it may be
 * putting    all that is done is one put of one item into a plain queue, and its answer is empty
 * giving     all that is done is one queue_get_open or task_queue_take_open
 * goes_on    it is not such a one after all
 * ends       it answers `error`, or waits and has done nothing; or it answers the response
 * closed     the get that was open is over: what the lane takes from now on is not for the request
 */
void asked_begins(struct lane *lane);
void asked_runs(struct lane *lane);
void asked_putting(struct lane *lane);
void asked_giving(struct lane *lane);
void asked_goes_on(struct lane *lane);
void asked_ends(struct lane *lane, enum sabir_error error, bool waits, struct span response);
void asked_closed(struct lane *lane);

/* For lane_recover. Before anything is repaired: what became of the request. Errors: BUSY: nothing is repaired yet; again later. */
enum sabir_error asked_decide(struct lane *by, struct seg_lane *dead, uint32_t dead_id);
/* Behind the repairs: the answer, if there has to be one. Errors: BUSY: again later. */
enum sabir_error asked_settle(struct lane *by, struct seg_lane *dead);

#endif
