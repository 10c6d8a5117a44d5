/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LINEARIZABILITY_HISTORY_H
#define TESTS_LINEARIZABILITY_HISTORY_H

/*
 * What one history is made of: its clients, and what each of them called and was answered. It lies in memory that all
 * processes share, so what a killed one had written stays readable: the arguments are there before `call` is set, the
 * results before `ret`. A call without a `ret` may have been performed or not.
 */
#include <sabir.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_PROCESSES 4u /* half of them local, half remote */
#define N_THREADS 2u
#define N_CLIENTS (N_PROCESSES * N_THREADS)
#define PARENT N_CLIENTS     /* the client that looks at the object in the end */
#define NEMESIS (PARENT + 1) /* the client whose operations are deaths */
#define MAX_RECORDS 96u
#define MAX_ARGS 5u
#define MAX_RESULTS 9u
#define NONE INT64_MIN /* no value, where a dict has or expects none */

struct record {
	const char *op; /* a constant: forked processes have it at the same place */
	uint64_t call;
	uint64_t ret;
	int64_t arg[MAX_ARGS];
	int64_t result[MAX_RESULTS];
	uint32_t error;
	uint8_t n_args;
	uint8_t n_results;
};

struct client {
	uint32_t id;
	uint32_t n;
	uint64_t random_state;
	int64_t seen;   /* what it read last, for compare_exchange */
	uint32_t holds; /* semaphore: how many it took */
	struct record records[MAX_RECORDS];
};

/* A client's handle of the history's object; which member counts follows from the kind. */
union object {
	sabir_queue *queue;
	sabir_value *value;
	sabir_array *array;
	sabir_dict *dict;
	sabir_lock *lock;
	sabir_semaphore *semaphore;
	sabir_event *event;
};

static inline uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SABIR_SECOND + (uint64_t)t.tv_nsec;
}

static inline unsigned random_below(struct client *c, unsigned n)
{
	c->random_state = c->random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((c->random_state >> 33) % n);
}

/* A number that no other call of the history writes. */
static inline int64_t fresh(const struct client *c)
{
	return (int64_t)((c->id + 1) * 1000 + c->n * 4);
}

/* Mostly none, so that a history is not made of waiting. */
static inline uint64_t random_timeout(struct client *c)
{
	return random_below(c, 8) ? 0 : random_below(c, 3000) * SABIR_MICROSECOND;
}

static inline struct record *begin(struct client *c, const char *op, uint8_t n_args, int64_t a, int64_t b, int64_t d)
{
	struct record *r = &c->records[c->n];
	r->op = op;
	r->n_args = n_args;
	r->arg[0] = a;
	r->arg[1] = b;
	r->arg[2] = d;
	__atomic_store_n(&r->call, now_ns(), __ATOMIC_RELEASE);
	return r;
}

/* The results are in their places already; they count where there was no error. */
static inline void end(struct client *c, struct record *r, enum sabir_error error, uint8_t n_results)
{
	uint64_t now = now_ns();
	r->error = error;
	r->n_results = error ? 0 : n_results;
	__atomic_store_n(&r->ret, now, __ATOMIC_RELEASE);
	__atomic_store_n(&c->n, c->n + 1, __ATOMIC_RELEASE);
}

/* Whether the call may have been performed though its answer is an error. */
static inline int is_unknown(const struct record *r)
{
	return !r->ret || r->error == SABIR_TIMED_OUT || r->error == SABIR_UNAVAILABLE || r->error == SABIR_CANCELLED;
}

/* client process call return error op [args] / [results] */
static inline void print_record(const struct client *c, const struct record *r)
{
	unsigned process = c->id < N_CLIENTS ? c->id / N_THREADS : N_PROCESSES;
	printf("O %u %u %llu ", c->id, process, (unsigned long long)r->call);
	if (is_unknown(r))
		printf("- ? %s", r->op);
	else
		printf("%llu %s %s", (unsigned long long)r->ret, sabir_error_name(r->error), r->op);
	for (unsigned i = 0; i < r->n_args; i++)
		printf(" %lld", (long long)r->arg[i]);
	printf(" /");
	for (unsigned i = 0; i < r->n_results && !is_unknown(r); i++)
		printf(" %lld", (long long)r->result[i]);
	putchar('\n');
}

#endif
