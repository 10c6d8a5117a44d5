/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_TESTS_STORM_H
#define SABIR_TESTS_STORM_H

#include <sabir.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The ledger of the storm: memory of this program alone, shared by its processes, that no kill takes away. Each process
 * writes down what it is about to do and, behind it, what it was answered; so what a killed one left unsaid is known, and
 * only that may be either way.
 */
#define N_SLOTS_MAX 64
#define N_PRODUCERS 8
#define N_NUMBERS (1u << 20)
#define BUFFER_SIZE 2048
#define N_PIPES 4
#define SEMAPHORE_VALUE 3

/* Items, of one producer and number each, that pass through one object. */
enum account { PLAIN, REMOTE, TASKS, LIST, N_ACCOUNTS };

struct item {
	uint64_t magic;
	uint32_t producer;
	uint32_t number;
};
#define ITEM_MAGIC 0x5ab1a5ab1a5ab1a5u

enum put_state { NOT_PUT, STARTED, ACCEPTED };

/* One process of the storm; who is killed is followed by another one in the same slot. */
struct slot {
	uint32_t life;       /* which one it is, from 1 on */
	uint32_t dying;      /* is being killed: what it holds may be somebody else's now */
	uint32_t producer;   /* of items, in its account */
	uint32_t in_get;     /* what it gets stands in `buffer` before it is counted */
	uint32_t next;       /* number of the next item */
	uint32_t stopped;    /* by SIGSTOP */
	uint64_t since_ns;   /* when its operation began; 0: it is in none */
	uint64_t allowed_ns; /* how long it may take */
	uint64_t n_done;
	char op[40];
	uint8_t buffer[BUFFER_SIZE];
};

/* A pipe has one life from its sender's making it to its end. */
struct pipe_life {
	uint32_t life;
	uint32_t taken; /* by its one receiver */
	uint32_t sent;  /* messages, said to be sent */
};

struct ledger {
	uint32_t stop;
	uint32_t n_wrong;
	bool pauses;                      /* nobody is killed */
	uint64_t beat_ns, stood_still_ns; /* the driver looked last; all stood still until then */
	uint64_t lock_holder;             /* slot + 1 | life << 32; 0: nobody */
	uint64_t lock_token;
	uint64_t protected[2]; /* by the lock: the holder alone writes them, and makes them equal */
	uint32_t in_semaphore[N_SLOTS_MAX];
	uint64_t n_into_semaphore; /* how often somebody has come to be there, or is about to */
	uint64_t counts_started[N_SLOTS_MAX], counts_done[N_SLOTS_MAX]; /* increments of the dict and of the value */
	/* Of REMOTE and LIST: getters that were killed in a get, each of whom may have taken one item with him. */
	uint64_t unsaid[N_ACCOUNTS];
	int64_t tokens; /* protected by the lock of the condition */
	struct pipe_life pipes[N_PIPES];
	struct slot slots[N_SLOTS_MAX];
	uint8_t put[N_ACCOUNTS][N_PRODUCERS][N_NUMBERS];   /* enum put_state */
	uint8_t got[N_ACCOUNTS][N_PRODUCERS][N_NUMBERS];   /* how often; of TASKS, acknowledged */
	uint8_t maybe[N_ACCOUNTS][N_PRODUCERS][N_NUMBERS]; /* was in the hands of somebody who was killed */
	uint64_t leased[N_PRODUCERS][N_NUMBERS];           /* to whom last, as lock_holder */
};

/* What a process knows. */
struct me {
	struct ledger *ledger;
	struct slot *slot;
	uint32_t index;
	bool local;
	sabir_conn *conn;
	uint32_t random;
};

/* A role works until the storm is over; it is killed at any instruction. */
typedef void role(struct me *me);
role produce_plain, consume_plain, produce_remote, consume_remote, produce_tasks, work_tasks, append, pop;
role hold_lock, hold_semaphore, count, notify, meet, signal_event, send_pipe, receive_pipe, hold_anonymous;

/* How long an operation may take beyond its own time-out, whatever dies or is stopped beside it. */
#define BOUND_NS (40 * SABIR_SECOND)
#define LEASE_NS (10 * SABIR_SECOND)

uint64_t storm_now(void);
void storm_wrong(struct ledger *ledger, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint32_t storm_random(struct me *me, uint32_t below);
/* Around each operation: a supervisor looks how long it takes. */
void storm_begin(struct me *me, const char *op, uint64_t timeout_ns);
void storm_end(struct me *me);
/*
 * Whether all stood still a while ago, for longer than a bit: a machine that is stopped or too slow. Who was silent for longer
 * than his lease has rightly lost what he had.
 */
bool storm_stood_still(const struct ledger *ledger);
/* Whether it is one of the two; anything else than OK is said. */
bool storm_fine(struct me *me, const char *op, enum sabir_error error, enum sabir_error also);
bool storm_is_over(const struct me *me);
/* Ends the process where an object is missing, which is not the storm's work. */
void storm_need(struct me *me, const char *what, enum sabir_error error);
/* Whether who is named so, slot + 1 | life << 32, lives. */
bool storm_lives(const struct ledger *ledger, uint64_t who);
uint64_t storm_me(const struct me *me);
/* One item was got; in `order`: the numbers of its producer rise. False: it is not one. */
bool storm_got(struct me *me, enum account account, const void *data, size_t len, uint32_t order[N_PRODUCERS]);

/* Before and after all of them, in processes of their own. */
void settle_prepare(struct me *me);
void settle_check(struct me *me);

#endif
