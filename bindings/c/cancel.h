/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SABIR_C_CANCEL_H
#define SABIR_C_CANCEL_H

#include <grpc/grpc.h>

#include "bindings/c/conn.h"

/*
 * What cancels the waits of a thread. Who sleeps in shared memory sits on the thread's seat at its token, where who fires
 * finds what he sleeps on; who waits for an answer of gRPC stands in a list of the whole process, for which a thread of the
 * library asks the server (cancel_call.c): gRPC is not to be called in a signal handler.
 */
struct cancel_seat {
	uint64_t event; /* address of the seg_event that its thread may be asleep on, 0: none */
	uint64_t next;  /* address of the token's next one */
	uint32_t taken; /* by a thread */
	uint32_t bits;  /* that it sleeps with */
};

struct sabir_cancel {
	uint64_t seats; /* address of the first; they are freed with the token */
	uint32_t fired;
	uint32_t firing; /* how many look at the seats */
	uint32_t calls;  /* of gRPC */
	uint32_t life;   /* in which process the seats are taken */
};

/* The token of the thread. */
struct cancel_attached {
	struct sabir_cancel *token;
	struct cancel_seat *seat;
};
extern __thread struct cancel_attached cancel_attached __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Whether a wait of this thread is to end. */
static inline bool cancel_is_due(void)
{
	return cancel_attached.token && load32_seq(&cancel_attached.token->fired);
}

/*
 * Around the sleeps of a local wait. Between the two cancel_sits, with the key of the event in hand, says whether to sleep: true:
 * who fires from now on wakes this thread; false: the token is fired.
 */
void cancel_sit_down(struct seg_event *event);
void cancel_stand_up(void);
static inline bool cancel_sits(uint32_t bits)
{
	if (!cancel_attached.token)
		return true;
	/* Pairs with sabir_cancel_fire: either it sees these bits, or we see that it is fired. */
	store32_seq(&cancel_attached.seat->bits, bits);
	return !load32_seq(&cancel_attached.token->fired);
}

/* A call of gRPC that can be cancelled, on its thread's stack. */
struct cancel_call {
	struct cancel_call *next;
	struct cancel_call **link;
	struct sabir_cancel *token;
	struct sabir_conn *conn;
	grpc_call *call;
	const char *session; /* that it is made for, "": none */
	uint64_t thread;
	enum cancel_state {
		CANCEL_IDLE,
		CANCEL_WANTED, /* the server did not have it yet */
		CANCEL_ASKING,
		CANCEL_DONE, /* the server answers it */
		CANCEL_CUT,
	} state;
	uint64_t since_ns; /* that it is to be cancelled */
	uint64_t round;    /* in which it was looked at last */
};
/* Before it is started; it lives until cancel_call_end. Errors: NO_MEMORY, without an end. */
enum sabir_error cancel_call_begin(struct cancel_call *c);
/* Whether it was cut off. */
bool cancel_call_end(struct cancel_call *c);
/* Has the fired tokens' calls cancelled. Safe in a signal handler. */
void cancel_calls_alarm(void);
/* No token is left: neither is the thread. */
void cancel_calls_stop(void);
/* In a child of fork: there is nobody but this thread. */
void cancel_calls_in_child(void);

#endif
