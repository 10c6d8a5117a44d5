/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_SHM_LANE_H
#define SABIR_SHM_LANE_H

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/shm/atomic.h"
#include "server/shm/segment.h"

/*
 * Where in a queue a lane worked last, kept in its process's own memory: what was checked there need not be checked again
 * as long as the segment's block has the same word. The queue's files use it.
 */
struct lane_cursor {
	uint64_t handle; /* of the queue, 0 = none */
	struct seg_queue *body;
	struct seg_slots *slots;
	uint64_t word; /* of the segment's block */
	uint32_t ref;
	uint32_t n;
	uint32_t i;
	uint64_t ordinal; /* of the item that will stand there, for puts */
};

/*
 * Whom an operation is done for: who holds the lock, the lease, the end of the pipe. In a local program that is the
 * lane's own owner and thread; a lane of the server acts for the session that its front has set before the operation.
 */
struct actor {
	uint64_t owner; /* index + 1 | generation << 32, as in seg_object.owner; 0 = nobody: a call without a session */
	uint64_t thread;  /* tells the owner's threads apart: a lane's id and generation, or what the client says */
	uint64_t request; /* the id of the session's request that it is done for; 0 = it has none */
};

/*
 * A lane is one thread's place in the segment: the record of what it is in the middle of, the blocks in its hands and
 * its undo journal. All functions that change shared memory take the caller's lane, and a lane serves one thread at a
 * time. A lane whose owner has died is recovered from this record (recovery.h).
 */
/* The same for the table of a dict: its size can't change while its block has the same word. */
struct lane_table {
	struct seg_table *at;
	uint64_t word;
	uint32_t ref;       /* 0 = none */
	uint32_t mask;      /* cells - 1 */
	uint32_t part_mask; /* cells of a part - 1 */
};
/* The same for the body of the object that was entered last: it is that large at least. */
struct lane_body {
	uint64_t word;
	uint64_t size;
	uint32_t ref; /* 0 = none */
};
/* The same for the part of such a table that was written to last: it is that large at least. */
struct lane_part {
	uint64_t word;
	uint64_t size;
	uint32_t ref; /* 0 = none */
};

/*
 * Who sleeps looks again after this time: somebody may have written over the words by which he would be woken. Test builds can
 * change it: in a test of waking nobody may find out by himself what he should have been told.
 */
#ifdef SABIR_FAULTS
extern uint64_t lane_look_again;
#define LANE_LOOK_AGAIN lane_look_again
#else
#define LANE_LOOK_AGAIN (10 * CLOCK_SECOND)
#endif

struct lane {
	struct segment *seg;
	struct seg_lane *shared;
	uint32_t id; /* index + 1: what is written into claimed words */
	uint32_t owner;
	bool directory;            /* this operation may work on object 0 */
	uint64_t lock_patience_ns; /* how long to wait for a lock; 0 = until its holder releases it or is recovered */
	bool lock_rings;           /* it does not sleep for a lock: the lock's release rings the server's doorbell */
	uint32_t busy_object;      /* lock_rings: the object whose lock was BUSY last */
	uint64_t n_doubts;         /* put into locks' words, from some number on */
	struct actor actor;
	uint32_t *
		returned; /* not NULL: each item that an undoing puts back is counted there, in the transaction that does it */
	struct lane_cursor took, put;
	uint64_t got_ordinal; /* of the first item of the last get from a queue */
	struct lane_table table;
	struct lane_part part;
	struct lane_body body;
	uint8_t slab_word[SEG_N_CLASSES]; /* where in a slab's bits it found free blocks last; any value is correct */
};

#define LANE_NOT_BUSY UINT32_MAX

/*
 * Stores into a lane's record that only its recovery reads. A build with SABIR_BARE, which is never installed, leaves them
 * and the undo journal out: tests/bench measures by it what the promise costs that nobody's death hurts anyone.
 */
#ifdef SABIR_BARE
#define LANE_RECORDS false
#else
#define LANE_RECORDS true
#endif

static inline void record32(uint32_t *p, uint32_t v)
{
	if (LANE_RECORDS)
		store32_relaxed(p, v);
}
static inline void record64(uint64_t *p, uint64_t v)
{
	if (LANE_RECORDS)
		store64_relaxed(p, v);
}

/*
 * For a server, when it begins: from now on it knows itself which entries are given out, at first all that are not free. One that a
 * faulty program has written over is not given to another then, and is recovered as what it was. Once or more. Errors: NO_MEMORY.
 */
enum sabir_error owners_remember(struct segment *seg);
/* Gives such entries their words back, so that whoever asks whether an owner lives is told the truth; how many. At any time. */
uint32_t owners_mend(struct segment *seg);
/* An entry's word, for its recovery. */
uint64_t owner_word(const struct segment *seg, uint32_t owner);
/* The same for who asks whether the owner lives: in a server what it is, whatever is written there. */
uint64_t owner_now(const struct segment *seg, uint32_t owner);
/* Its death is proved. */
void owner_dies(struct segment *seg, uint32_t owner);
/* Claims an owner entry for this process. Errors: TOO_MANY_OWNERS. */
enum sabir_error owner_open(struct segment *seg, uint32_t pid, const char *label, uint32_t *owner);
/* Returns an owner whose lanes are all closed or recovered. */
void owner_close(struct segment *seg, uint32_t owner);

/* Claims a lane for the owner. Errors: TOO_MANY_OWNERS. */
enum sabir_error lane_open(struct segment *seg, uint32_t owner, struct lane *lane);
/*
 * Spare lanes: clean, and marked so for as long as they are not used. A server keeps some, because the next one on the same
 * memory needs a lane to repair anything with, and the living may have taken all that were free; lane_open gives them out
 * first, to the server alone. The lanes of a dead server become its successor's spares when they have been recovered.
 */
void lanes_spare(struct segment *seg, uint32_t owner, uint32_t n); /* so many, if there are */
/* Has epochs be looked for in all lanes that may have some, whatever has become of what says so. */
void lanes_mend(struct segment *seg);
void lane_make_spare(struct lane *by, struct seg_lane *s);
/* Takes a dead owner's over; its other lanes need not have been recovered yet. Errors: TOO_MANY_OWNERS. */
enum sabir_error lane_take_spare(struct segment *seg, uint32_t from_owner, uint32_t owner, struct lane *lane);

/* The lane's own owner, as in an actor: of a local program what its actor has already. */
uint64_t lane_own_owner(const struct lane *lane);

/* Returns the lane's cached blocks and the lane. */
void lane_close(struct lane *lane);

/*
 * Brackets around every operation. Between them memory that was reachable at the beginning is not used again for
 * something else. An operation that is to wait ends first.
 */
static inline void lane_begin(struct lane *lane, uint32_t op, uint32_t object)
{
	struct seg_lane *s = lane->shared;
	const struct segment *seg = lane->seg;
	record32(&s->object, object);
	record32(&s->op, op);
	/* Pairs with epoch_oldest(): either it sees this epoch, or we see what was retired. */
	uint64_t epoch = load64_acquire(&seg->header->epoch) | SEG_PINNED;
	if (__builtin_expect(seg->light_pins, 1)) {
		store64_release(&s->epoch, epoch);
		fence_compiler();
	} else {
		(void)exchange64(&s->epoch, epoch);
	}
}

static inline void lane_end(struct lane *lane)
{
	struct seg_lane *s = lane->shared;
	fence_compiler();
	/* Pairs with lane_pins(): who sees it sees that the operation is over, and has let go of its lock. */
	if (LANE_RECORDS)
		store32_release(&s->op, SEG_OP_NONE);
	store64_release(&s->epoch, 0);
}

/*
 * What a lane pins; 0: it is in no operation. Each has its number from before it pins until it is over: a pin without one is what
 * somebody has written over that of a lane which does not work, and would stay until it does.
 */
static inline uint64_t lane_pins(const struct seg_lane *lane)
{
	uint64_t epoch = load64_seq(&lane->epoch);
	return LANE_RECORDS && epoch && load32_seq(&lane->op) == SEG_OP_NONE ? 0 : epoch;
}

/* Once in each process that maps a segment: whether its lanes may pin with a plain store; see epoch.c. */
bool epoch_register(void);
/* Raises the epoch and returns the number, not 0, that memory retired now is marked with. */
uint64_t epoch_retire(struct segment *seg);
/*
 * For a server, now and then: an epoch that a faulty program has set back, or far ahead, is set to one that lies behind all that
 * there were; else memory that was retired could not be used again. True: it was so.
 */
bool epoch_mend(struct segment *seg);
/* No lane can be in an operation that began in an epoch below this: memory retired with a smaller number is free. */
uint64_t epoch_oldest(const struct segment *seg);

/*
 * The undo journal. Stores through these functions take effect together when journal_commit returns: a lane that dies
 * before has them all undone. Only for words that the object's lock protects. At most SEG_JOURNAL_RECORDS stores.
 */
static inline void journal_add(struct lane *lane, const void *p, uint64_t width_bit, uint64_t old)
{
	struct seg_lane *s = lane->shared;
	uint32_t n = LANE_RECORDS ? load32_relaxed(&s->n_undo) : 0;
	/* No transaction is that long: the count was damaged, and must not lead us out of the record. */
	if (__builtin_expect(n >= SEG_JOURNAL_RECORDS, 0))
		n = SEG_JOURNAL_RECORDS - 1;
	record64(&s->undo[n].off, (uint64_t)((const uint8_t *)p - lane->seg->base) | width_bit);
	record64(&s->undo[n].old, old);
	fence_compiler();
	/* Not left out: whether there is a transaction is asked for. */
	store32_relaxed(&s->n_undo, n + 1);
	fence_compiler();
}

static inline void journal_store32(struct lane *lane, uint32_t *p, uint32_t v)
{
	journal_add(lane, p, 1, load32_relaxed(p));
	store32_release(p, v);
	FAULT("journal.stored");
}

static inline void journal_store64(struct lane *lane, uint64_t *p, uint64_t v)
{
	journal_add(lane, p, 0, load64_relaxed(p));
	store64_release(p, v);
	FAULT("journal.stored");
}

static inline void journal_commit(struct lane *lane)
{
	struct seg_lane *s = lane->shared;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const uint64_t none_and_committed = 1ull << 32;
#else
	const uint64_t none_and_committed = 1;
#endif
	_Static_assert(offsetof(struct seg_lane, committed) == offsetof(struct seg_lane, n_undo) + 4, "one word");
	fence_compiler();
	store64_relaxed((uint64_t *)(void *)&s->n_undo, none_and_committed);
	fence_compiler();
}

/* In the transaction that puts back one more item of what is undone. */
static inline void journal_count_returned(struct lane *lane)
{
	if (lane->returned)
		journal_store32(lane, lane->returned, load32_relaxed(lane->returned) + 1);
}

/*
 * Before a store that publishes something otherwise than by the journal: from here on it is not known any more that nothing was
 * (seg_lane.committed). Of operations that a server performs for requests; see server/objects/answers.h.
 */
static inline void lane_publishes(struct lane *lane)
{
	record32(&lane->shared->committed, 1);
	fence_compiler();
}

/* Undoes what was not committed. */
void journal_undo(struct lane *lane);

/*
 * The object's lock: a word with the lane of its holder, spin, then futex. A dead holder's lock is released by the recovery
 * after the object was repaired. Not re-entrant; nobody waits for a lock while he holds another, except for the
 * directory's below an object's. The holder is in an operation (lane_begin) all the while. He may be stopped: lanes that serve others (the
 * server's) have a patience, or don't sleep at all (lock_rings): BUSY then promises that the doorbell is rung for `busy_object`
 * when the lock has been released, by its holder or in its recovery. Errors: BUSY; DATA_LOSS (the word names nobody who has it, and
 * the object counts as damaged, unless it is the directory).
 */
enum sabir_error lock_acquire(struct lane *lane, uint64_t *word);
/* Takes it if it is free, and spins a moment else: for a second lock, which nobody may wait for. */
bool lock_acquire_now(struct lane *lane, uint64_t *word);
void lock_release(struct lane *lane, uint64_t *word);
/* For recovery: whether the lane holds the lock, and the wake-up that a dead releaser may have left out. */
bool lock_held_by(const uint64_t *word, uint32_t lane_id);
uint32_t lock_holder(const uint64_t *word); /* the id of its lane, 0: nobody */
void lock_wake_all(uint64_t *word);

#endif
