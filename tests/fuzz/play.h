/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_FUZZ_PLAY_H
#define SABIR_TESTS_FUZZ_PLAY_H

#include "server/ops/sessions.h"
#include "server/ops/snapshots.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/stage.h"

/*
 * What an input tells: requests, one behind the other, each from whom it says; answered, parked or undone; with the
 * deaths and the upkeep between them that a server sees, and damage to the memory.
 *
 * It is a list of pieces: which operation (2 bytes, stage_op_number) or event, who asks and what becomes of it (1
 * byte), the request's length (2 bytes), the request.
 */
#define PLAY_HEAD 3u
/* In the third byte, above two bits that say who: */
#define PLAY_UNDO 4u /* it is undone; who was to be answered has gone; of upkeep: it is the heir's, who may die in it */
#define PLAY_WAIT 8u /* it is parked if it can't be done now */
#define PLAY_ASKED 16u    /* it is a request with an id, of a session */
#define PLAY_ABANDON 32u  /* its place in a line is given up at once; who dies in it is not recovered yet */
#define PLAY_LARGE 64u    /* its texts and bytes are large: how large, their lengths tell */
#define PLAY_FOLLOWS 128u /* its numbers are those of answers before: which, they tell */

/* All three highest, of damage: its words are told by where they stand, not by region. */
#define PLAY_EXACT 0xa0u
static inline bool play_is_exact(unsigned how)
{
	return (how & 0xe0) == PLAY_EXACT;
}

/* Numbers that are no operation's of the table. */
#define EVENT 0xff00u
enum event {
	EVENT_RING,
	EVENT_EXPIRE,
	EVENT_SETTLE,
	EVENT_CANCEL,
	EVENT_DEATH,
	EVENT_SWEEP,
	EVENT_COLLECT,
	EVENT_TRIM,
	EVENT_DAMAGE,
	EVENT_FLOW, /* and those of op_flow behind it but the last, which is never the first */
	EVENT_DUE = EVENT_FLOW + OP_FLOW_AWAIT_LOCK,
	EVENT_START,
	EVENT_KEEP,
	EVENT_SAVE,
	EVENT_SESSIONS,
	EVENT_DIES, /* at so many steps; who recovers him, at so many more */
	EVENT_PASS,
	EVENT_END,
	EVENT_HOLD,   /* of an object: its lock */
	EVENT_LET_GO, /* of it */
	EVENT_FILL,   /* the memory, but for so many blocks of each size */
	EVENT_AGAIN,  /* the last request, so many times; two of its bytes differ each time */
	N_EVENTS
};

#define STEPS_MOST 512u

struct play {
	struct world *world;
	struct park *park;
	struct sessions *sessions;
	struct snapshots *snapshots;
	struct op_front front;
	uint64_t parked; /* the last */
	uint32_t n_waiters;
	bool dead;      /* the victim */
	uint32_t dies;  /* not 0: he does at this step of what he does next; or who recovers him, of that */
	uint64_t asked; /* the id of the last request that had one */
	bool ended;     /* the session of those */
	bool heir_dead;
	unsigned how;          /* the third byte of the last event */
	uint32_t heir_dies;    /* as `dies`: who recovers the victim when he has died in something */
	uint32_t unrecovered;  /* bits of persons: something was in the way */
	unsigned died;         /* result: DIED_* */
	uint32_t held;         /* the object's index + 1 */
	const struct op *last; /* what was asked for last */
	unsigned last_how;
	struct span last_request;
	uint32_t n_again; /* how often it was asked for once more */
	bool damaged;     /* in: whether overwrites of the memory are done */
	bool saved;       /* there was a snapshot: one in a run, for they take most of its time */
};

void play_begin(struct play *play);
void play_pieces(struct play *play, struct span input);
void play_end(struct play *play);
/* Called in front of each piece, if it is not NULL. */
extern void (*play_on_piece)(void);

extern const struct piece_form play_form, play_damage_form;

#define DIED_ACTING 1u
#define DIED_RECOVERING 2u

/* The victim's; in the operation, if p->dies steps are not more than it has. */
void death(struct play *play);
void death_in(struct play *play, const struct op *op, unsigned how, struct span request);
/* The heir's. */
void death_in_upkeep(struct play *play, unsigned event,
		     void (*upkeep)(struct play *play, unsigned event, struct lane *lane));
/* Recovers those who could not be before. */
void death_again(struct play *play);

/* The companion is stopped with the lock of an object. */
void hinder_hold(struct play *play, uint32_t number);
void hinder_let_go(struct play *play);
void hinder_fill(struct play *play, uint32_t spare);

/* Both are valid until the next. With its texts and bytes grown. */
struct span request_large(struct span request);
/* With tokens and sequences of the last answers for its numbers, 0 the newest. */
struct span request_following(const struct op *op, struct span request);
void request_forget(void);
void request_note(struct span response);

/* What a server does of itself: what is due, what its start finds, what a snapshot reads, and a snapshot. */
void upkeep_due(struct lane *lane, uint64_t late_ns);
void upkeep_start(struct lane *lane);
void upkeep_keep(struct lane *lane);
void upkeep_save(struct lane *lane);

/* For the stage: a session is there. */
void asked_prepare(struct world *world);
/* The operation is the session's, its request has an id, and its answer is kept; not wanted: it is undone before it is over. */
void asked_run(struct play *play, enum person who, const struct op *op, struct span request, bool wanted);
/* Whoever dies next does so as a server: what he was asked for by the session is looked into. */
void asked_dies_as_a_server(struct world *world);
/* The session ends, or goes on to end. */
void asked_end(struct play *play, struct lane *lane);

/* An overwrite's message is a list of these, of 12 bytes: the word, by region or exactly, how, and what. */
#define DAMAGE_LEN 12u
void damage(const struct segment *seg, struct span changes, bool exact);
/* Remembers which words of the stage have something in them. */
void damage_init(const struct segment *seg);
/*
 * A change that is new, or one that is like it. An exact one is mostly of a word that means something, to what it could
 * almost be.
 */
void damage_new(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN]);
void damage_mutate(struct dice *dice, bool exact, uint8_t change[DAMAGE_LEN]);

#endif
