/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_HOSTILE_H
#define SABIR_TESTS_HOSTILE_H

#include <sabir.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Honest programs work on honest objects, poor ones on poor objects, and one process overwrites words of the memory: those of the
 * poor, or (`all`) anybody's. What they share is a ledger outside of Sabir.
 */
#define N_SLOTS_MAX 64
#define N_ANONYMOUS 256
#define N_ERRORS_MAX 128
#define SEMAPHORE_VALUE 2
#define POOR_PREFIX "poor/" /* of the names of poor objects */
#define POOR_LABEL "poor"   /* of poor programs */

/* What the overwritten words were of. */
enum place { ROW, BLOCK, LANE, OWNER, SESSION, HEADER, TABLES, N_PLACES };

/* One process; who is killed is followed by another one in the same slot. */
struct slot {
	uint32_t dying;      /* is being killed */
	uint64_t since_ns;   /* when its call began; 0: it is in none */
	uint64_t allowed_ns; /* how long it may take; PATIENCE: for as long as it likes */
	uint64_t longest_ns; /* that one took beyond its own time-out */
	uint64_t n_answered;
	char op[96];
};

struct ledger {
	uint32_t stop;
	uint32_t attack; /* 1: words are overwritten; 2: for good too; 3: the directory's too */
	uint32_t n_wrong;
	bool all, peace;
	uint64_t bound_ns;
	uint64_t n_overwrites[N_PLACES];
	uint64_t n_slips; /* of these, words whose block was somebody else's when they had been written: at most */
	uint64_t n_errors[N_ERRORS_MAX];
	/* Objects without a name that poor programs have made: their handles, in a ring. */
	uint64_t n_anonymous, anonymous[N_ANONYMOUS];
	/* For the honest ones. */
	uint32_t in_lock, in_semaphore;
	int64_t counter; /* protected by the lock; written in two halves */
	int64_t counter_again;
	uint32_t turn;      /* whose it is, protected by the condition's lock */
	uint64_t met[2];    /* how often each came to the barrier */
	uint64_t signalled; /* how often the event was set */
	struct slot slots[N_SLOTS_MAX];
};

/* What a process knows. */
struct me {
	struct ledger *ledger;
	struct slot *slot;
	uint32_t index;
	uint32_t pair; /* which of two like it; the end that it has of what two share */
	bool local, honest;
	sabir_conn *conn;
	uint64_t random;
	uint64_t began_ns;
	uint64_t timeout_ns;
};

/* A role goes on until all is over. */
typedef void role(struct me *me);
role honest_send, honest_take, honest_put_tasks, honest_work, honest_call, honest_echo;
role honest_dict, honest_list, honest_numbers, honest_attributes, honest_bytes;
role honest_lock, honest_semaphore, honest_event, honest_condition, honest_barrier;
role honest_visit, poor_live, attack_live, attack_tell;
/* Before all of them: makes the honest objects. */
void honest_prepare(struct me *me);

uint64_t hostile_now(void);
uint32_t hostile_random(struct me *me, uint32_t below);
bool hostile_is_over(const struct me *me);
void hostile_wrong(struct ledger *ledger, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Around each call: a supervisor looks how long it takes beyond its own time-out. */
void call_begin(struct me *me, const char *what, uint64_t timeout_ns);
enum sabir_error call_end(struct me *me, enum sabir_error error);
#define CALL_FOR(me, timeout_ns, call) (call_begin(me, #call, timeout_ns), call_end(me, call))
#define CALL(me, call) CALL_FOR(me, 0, call)
/*
 * One that ends when somebody else does something: who waited on a condition returns with its lock, whoever has it for how long.
 * Where the overwritten word of a lock says that a living program has it, that is so.
 */
#define PATIENCE UINT64_MAX
#define CALL_PATIENTLY(me, call) CALL_FOR(me, PATIENCE, call)

/* The same of an honest program, to which nothing else may be answered. */
bool call_was(struct me *me, enum sabir_error error, enum sabir_error wanted);
#define GOOD_FOR(me, timeout_ns, call) call_was(me, CALL_FOR(me, timeout_ns, call), SABIR_OK)
#define GOOD(me, call) GOOD_FOR(me, 0, call)
/* What an honest program was answered: it is as it should be. */
#define RIGHT(me, condition)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			hostile_wrong((me)->ledger, "slot %u (%s): not true: %s", (me)->index,                         \
				      (me)->local ? "local" : "remote", #condition);                                   \
	} while (0)

/* An object as poor programs use it: opened or made, and some of its operations; what they are answered is all the same. */
typedef void poor_use(struct me *me, const char *name);
poor_use poor_queue, poor_tasks, poor_pipe, poor_dict, poor_list, poor_value, poor_array, poor_namespace, poor_block,
	poor_shared_list, poor_lock, poor_rlock, poor_semaphore, poor_event, poor_condition, poor_barrier;
/* For them: a time to wait, a key, an item that may be a reference, and what becomes of one that was got. */
uint64_t poor_time(struct me *me);
struct sabir_item poor_key(struct me *me);
struct sabir_item poor_item(struct me *me);
void poor_got(struct me *me, const struct sabir_item *item);

#endif
