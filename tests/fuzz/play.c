/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's part is played by one thread: what it would do on the doorbell, at a deadline or on a death are events
 * of the input. At the end what waits yet is ended, as when a server ends.
 */
#include "tests/fuzz/play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/objects/change.h"
#include "server/objects/collect.h"
#include "server/shm/chunk.h"
#include "tests/fuzz/moment.h"

/* Who waits for a parked operation. */
static struct waiter {
	const struct op *op;
	unsigned how;
	bool gone;
	struct actor actor;
	struct op_receipt receipt;
	struct lane *lane; /* who undoes what he was not to be told */
	struct park *park;
} waiters[256];
#define N_WAITERS (sizeof(waiters) / sizeof(waiters[0]))

/* What a server may do as soon as it has answered. */
static void go_on(const struct waiter *w)
{
	if (w->how & PLAY_FOLLOWS && w->how & PLAY_LARGE)
		park_end(w->park, w->actor.owner, SABIR_CANCELLED);
	else if (w->how & PLAY_FOLLOWS)
		park_ring(w->park, w->lane);
	else if (w->how & PLAY_LARGE)
		park_expire(w->park, UINT64_MAX - 1);
}

static void on_done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	struct waiter *w = context;
	if (error ? strnlen(detail, OP_DETAIL_SIZE) == OP_DETAIL_SIZE : response->n_items != 1)
		abort();
	go_on(w);
	if (error)
		return;
	if (w->how & PLAY_UNDO && op_can_undo(w->op)) {
		const struct actor own = w->lane->actor;
		w->lane->actor = w->actor;
		(void)op_undo_last(w->op, w->lane, &w->receipt, bytes_item(response, 0));
		w->lane->actor = own;
	}
	op_receipt_fini(&w->receipt);
}

static bool has_gone(void *context)
{
	return ((const struct waiter *)context)->gone;
}

/* A server would look at its clock again, or at what else there is to do. */
static void nothing(void *context)
{
	(void)context;
}

static void peer(void *context, char *to, size_t size)
{
	(void)context;
	snprintf(to, size, "a fuzzer");
}

void (*play_on_piece)(void);

void play_begin(struct play *p)
{
	*p = (struct play){ .world = stage_begin() };
	request_forget();
	p->park = park_new(&p->world->seg, nothing, NULL);
	park_set_after(p->park, nothing, NULL);
	p->sessions = sessions_new(&(struct sessions_options){ .seg = &p->world->seg, .admin = SESSION_ADMIN_ALL },
				   p->park);
	p->snapshots = snapshots_new(&p->world->seg);
	park_set_snapshots(p->park, p->snapshots);
	p->front = (struct op_front){ .sessions = p->sessions, .snapshots = p->snapshots, .peer = peer };
}

void play_end(struct play *p)
{
	hinder_let_go(p);
	death_again(p);
	park_drain(p->park, SABIR_UNAVAILABLE);
	park_ring(p->park, &p->world->lane[SERVER]);
	sessions_free(p->sessions);
	park_free(p->park);
	snapshots_free(p->snapshots);
}

/* ---------------------------------------------------------------- requests */

/* What has mutexes of the process while it works: with their holder everybody would die. */
static bool is_of_the_server(const struct op *op)
{
	return strstr(op_path(op), ".SessionService/") || strstr(op_path(op), ".AdminService/");
}

static enum person person_of(const struct play *p, unsigned how)
{
	static const enum person persons[] = { SURVIVOR, VICTIM, SERVER, COMPANION };
	enum person who = persons[how & 3];
	return (who == VICTIM && p->dead) || (who == COMPANION && p->held) ? SURVIVOR : who;
}

static void wait_for(struct play *p, enum person who, const struct op *op, unsigned how, struct span request,
		     const struct stage_answer *answer)
{
	struct waiter *w = &waiters[p->n_waiters % N_WAITERS];
	const struct op_wait wait = *answer->wait;
	*w = (struct waiter){ op, how, false, p->world->lane[who].actor, { 0 }, &p->world->lane[BYSTANDER], p->park };
	const struct park_entry entry = {
		.op = op,
		.request = request,
		.actor = w->actor,
		.wait = &wait,
		.error = SABIR_WOULD_BLOCK,
		.detail = answer->detail,
		.deadline_ns = park_deadline(wait.timeout_ns),
		.done = on_done,
		.gone = has_gone,
		.context = w,
		.receipt = &w->receipt,
	};
	/* The last one would be another's. */
	if (how & PLAY_ABANDON || p->n_waiters == N_WAITERS) {
		park_abandon(p->park, &p->world->lane[SERVER], &entry);
		return;
	}
	p->n_waiters++;
	if (park_add(p->park, &p->world->lane[SERVER], &entry, &p->parked) == SABIR_NO_MEMORY)
		abort();
}

static void ask(struct play *p, const struct op *op, unsigned how, struct span request)
{
	enum person who = person_of(p, how);
	struct stage_answer answer;
	if (how & PLAY_FOLLOWS)
		request = request_following(op, request);
	if (how & PLAY_LARGE)
		request = request_large(request);
	if (p->dies && !p->dead && !is_of_the_server(op)) {
		death_in(p, op, how, request);
		return;
	}
	if (how & PLAY_ASKED) {
		asked_run(p, who, op, request, !(how & PLAY_UNDO));
		return;
	}
	(void)op_is_heavy(op, &p->world->lane[who], request);
	enum sabir_error error = stage_run_front(who, &p->front, op, request, &answer);
	if (!error)
		request_note(bytes_item(answer.response, 0));
	if (answer.wait->wanted && (how & PLAY_WAIT || op_lasts(op, answer.wait)))
		wait_for(p, who, op, how, request, &answer);
	else if (!error && how & PLAY_UNDO && op_can_undo(op))
		(void)op_undo(op, &p->world->lane[who], &answer.wait->receipt, bytes_item(answer.response, 0));
	op_receipt_fini(&answer.wait->receipt);
}

/* ---------------------------------------------------------------- events */

static void collect(struct play *p, struct lane *lane)
{
	uint32_t stop = p->how & PLAY_ASKED ? 1 : 0;
	struct collect_result result;
	struct collector *collector = collector_new(&p->world->seg, p->how & PLAY_WAIT ? CLOCK_SECOND : 0);
	for (int i = 0; i < 2; i++)
		(void)collect_run(collector, lane, &stop, &result);
	collector_free(collector);
}

static void cancel(struct play *p, unsigned how)
{
	struct lane *lane = &p->world->lane[person_of(p, how)];
	if (how & PLAY_WAIT && p->n_waiters)
		waiters[p->n_waiters - 1].gone = true;
	else if (how & PLAY_UNDO)
		(void)park_cancel_thread(p->park, lane->actor.owner, lane->actor.thread);
	else
		(void)park_cancel(p->park, p->parked);
}

/* What a server does of itself, all of it in shared memory. */
static void do_upkeep(struct play *p, unsigned event, struct lane *lane)
{
	switch (event) {
	case EVENT_SWEEP:
		object_sweep(lane);
		break;
	case EVENT_COLLECT:
		collect(p, lane);
		break;
	case EVENT_TRIM:
		arena_trim(lane, 1, CLOCK_NEVER);
		break;
	case EVENT_DUE:
		upkeep_due(lane, p->how & PLAY_WAIT ? 0 : 2 * CHANGE_IDLE_NS);
		break;
	case EVENT_START:
		upkeep_start(lane);
		break;
	case EVENT_KEEP:
		upkeep_keep(lane);
		break;
	case EVENT_END:
		asked_end(p, lane);
	}
}

static bool is_upkeep(unsigned event)
{
	return event == EVENT_SWEEP || event == EVENT_COLLECT || event == EVENT_TRIM || event == EVENT_DUE ||
	       event == EVENT_START || event == EVENT_KEEP || event == EVENT_END;
}

static void save(struct play *p, unsigned how)
{
	struct snapshot_report report = { .file = "a file", .n_objects = 1 };
	bool begun = snapshots_await(p->snapshots, 0);
	if (how & PLAY_UNDO)
		snapshots_close(p->snapshots);
	if (!p->damaged && !p->saved) {
		p->saved = true;
		hinder_let_go(p);
		death_again(p);
		upkeep_save(&p->world->lane[SERVER]);
	} else {
		report = (struct snapshot_report){ .error = SABIR_UNAVAILABLE, .detail = "one is enough" };
	}
	if (begun)
		snapshots_done(p->snapshots, &report);
}

/* The n-th number of two bytes. */
static uint32_t number_in(struct span payload, size_t n)
{
	uint32_t number = 0;
	for (size_t i = 2 * n; i < 2 * n + 2 && i < payload.len; i++)
		number |= (uint32_t)payload.data[i] << 8 * (i - 2 * n);
	return number;
}

static void happen_to_park(struct play *p, unsigned event, unsigned how)
{
	struct lane *server = &p->world->lane[SERVER];
	if (event == EVENT_RING)
		park_ring(p->park, server);
	else if (event == EVENT_EXPIRE)
		park_expire(p->park, UINT64_MAX - 1);
	else if (event == EVENT_SETTLE)
		park_settle(p->park, server, clock_now());
	else
		cancel(p, how);
}

static void again(struct play *p, struct span payload);

static void happen_otherwise(struct play *p, unsigned event, unsigned how, struct span payload)
{
	switch (event) {
	case EVENT_DEATH:
		if (p->dead)
			death_again(p);
		else
			death(p);
		break;
	case EVENT_DAMAGE:
		if (p->damaged)
			damage(&p->world->seg, payload, play_is_exact(how));
		break;
	case EVENT_SAVE:
		save(p, how);
		break;
	case EVENT_SESSIONS:
		sessions_expire(p->sessions, &p->world->lane[SERVER], clock_now() + SESSION_LEASE_MAX);
		break;
	case EVENT_DIES:
		p->dies = 1 + number_in(payload, 0) % STEPS_MOST;
		p->heir_dies = number_in(payload, 1) % STEPS_MOST;
		break;
	case EVENT_PASS:
		moment_pass(1ull << number_in(payload, 0) % 64);
		break;
	case EVENT_HOLD:
		hinder_hold(p, number_in(payload, 0));
		break;
	case EVENT_LET_GO:
		hinder_let_go(p);
		break;
	case EVENT_FILL:
		hinder_fill(p, number_in(payload, 0));
		break;
	case EVENT_AGAIN:
		again(p, payload);
	}
}

static void happen(struct play *p, unsigned event, unsigned how, struct span payload)
{
	p->how = how;
	if (event >= EVENT_FLOW && event < EVENT_DUE)
		ask(p, op_flow((enum op_flow)(event - EVENT_FLOW)), how, payload);
	else if (event <= EVENT_CANCEL)
		happen_to_park(p, event, how);
	else if (!is_upkeep(event))
		happen_otherwise(p, event, how, payload);
	else if (p->dies && how & PLAY_UNDO && !p->heir_dead)
		death_in_upkeep(p, event, do_upkeep);
	else
		do_upkeep(p, event, &p->world->lane[SERVER]);
}

/* ---------------------------------------------------------------- inputs */

/*
 * Where memory is short there is something to find, but everything takes long: a few pieces are enough. So it is with long lists,
 * which cost memory or not: most of their nodes may be the same. How long it takes is not asked for: an input has to do the same
 * each time, on every machine.
 */
#define GROWN_CHUNKS 24u
#define GROWN_PIECES 6u
#define LONG_LIST 100000u
#define LONGEST_LIST 2000000u

static bool has_grown(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		n += chunk_state(load64_relaxed(&seg->chunks[i].word)) != SEG_CHUNK_FREE;
	return n >= GROWN_CHUNKS;
}

static uint64_t list_length(const struct segment *seg, const struct seg_object *o)
{
	bool is_list = (load64_relaxed(&o->word) & 15) == SEG_OBJECT_LIVE && load32_relaxed(&o->kind) == SEG_KIND_LIST;
	const struct seg_list *list = is_list ? segment_at(seg, load32_relaxed(&o->body), sizeof(*list)) : NULL;
	const struct seg_list_node *top = list ? segment_at(seg, (uint32_t)load64_relaxed(&list->top), sizeof(*top))
					       : NULL;
	return top ? load64_relaxed(&top->total) : 0;
}

/* What a piece on this memory counts for, of GROWN_PIECES. */
static uint32_t weight(const struct segment *seg)
{
	uint64_t longest = 0;
	for (uint32_t i = 0; i < seg->n_objects; i++) {
		uint64_t length = list_length(seg, &seg->objects[i]);
		longest = length > longest ? length : longest;
	}
	return longest > LONGEST_LIST ? GROWN_PIECES : longest > LONG_LIST || has_grown(seg);
}

/* Bytes of its end, so that a key is another each time. */
#define AGAIN_MOST 4096u
#define AGAIN_IN_ALL (4 * AGAIN_MOST)

static void again(struct play *p, struct span payload)
{
	static uint8_t request[UINT16_MAX];
	uint32_t n = number_in(payload, 0) % AGAIN_MOST, at = number_in(payload, 1);
	struct span from = p->last_request;
	bool varies = payload.len > 2 && from.len >= 2;
	if (!p->last)
		return;
	if (from.len)
		memcpy(request, from.data, from.len);
	for (uint32_t i = 1; i <= n && p->n_again < AGAIN_IN_ALL && !weight(&p->world->seg); i++, p->n_again++) {
		if (varies) {
			/* Of a letter, or of a number, it is the lower bits. */
			request[at % (from.len - 1)] = from.data[at % (from.len - 1)] ^ (i & 0x3f);
			request[at % (from.len - 1) + 1] = from.data[at % (from.len - 1) + 1] ^ (i >> 6 & 0x3f);
		}
		ask(p, p->last, p->last_how, (struct span){ request, from.len });
	}
}

void play_pieces(struct play *p, struct span input)
{
	struct span request;
	const uint8_t *head;
	uint32_t grown = 0;
	while (grown < GROWN_PIECES && piece_next(&play_form, &input, &head, &request)) {
		uint16_t number = (uint16_t)(head[0] | head[1] << 8);
		if (play_on_piece)
			play_on_piece();
		if (number >= EVENT) {
			happen(p, (number - EVENT) % N_EVENTS, head[2], request);
		} else {
			p->last = stage_op(number), p->last_how = head[2], p->last_request = request;
			ask(p, p->last, p->last_how, request);
		}
		grown += weight(&p->world->seg);
	}
}
