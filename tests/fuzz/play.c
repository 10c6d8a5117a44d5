/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's part is played by one thread: what it would do on the doorbell, at a deadline or on a death are events
 * of the input. At the end what waits yet is ended, as when a server ends.
 */
#include "tests/fuzz/play.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/base/fault.h"
#include "server/objects/collect.h"
#include "server/shm/chunk.h"
#include "tests/fuzz/moment.h"

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
	EVENT_DIES,
	EVENT_PASS,
	EVENT_END,
	N_EVENTS
};

/* The third byte: who, and */
#define THEN_UNDO 4u

static void on_done(void *context, enum sabir_error error, struct bytes *response, const char *detail)
{
	(void)context;
	if (error ? strnlen(detail, OP_DETAIL_SIZE) == OP_DETAIL_SIZE : response->n_items != 1)
		abort();
}

static void peer(void *context, char *to, size_t size)
{
	(void)context;
	snprintf(to, size, "a fuzzer");
}

void play_begin(struct play *p)
{
	*p = (struct play){ .world = stage_begin() };
	p->park = park_new(&p->world->seg, NULL, NULL);
	p->sessions = sessions_new(&(struct sessions_options){ .seg = &p->world->seg, .admin = SESSION_ADMIN_ALL },
				   p->park);
	p->front = (struct op_front){ .sessions = p->sessions, .peer = peer };
}

void play_end(struct play *p)
{
	park_drain(p->park, SABIR_UNAVAILABLE);
	park_ring(p->park, &p->world->lane[SERVER]);
	sessions_free(p->sessions);
	park_free(p->park);
}

/* ---------------------------------------------------------------- death */

/*
 * Who dies in the midst of something does not come back from there. What he had from malloc stays: as much as any process
 * leaves, but it is this one that has it then.
 */
static sigjmp_buf end_of_life;
/* The leak sanitizer's: what is made in between is no leak. */
void __lsan_disable(void);
void __lsan_enable(void);
static uint32_t steps_left;

static void step(const char *name, void *context)
{
	(void)name, (void)context;
	if (--steps_left == 0)
		siglongjmp(end_of_life, 1);
}

static void live_for(uint32_t steps)
{
	steps_left = steps;
	fault_trace(step, NULL);
	__lsan_disable();
}

static void live_no_more(void)
{
	__lsan_enable();
	fault_trace(NULL, NULL);
}

/* Who recovers him may die of it, too. */
static void recover(struct play *p, uint32_t owner)
{
	struct lane *server = &p->world->lane[SERVER], *heir = &p->world->lane[HEIR];
	uint32_t steps = p->dies;
	p->dies = 0;
	if (steps) {
		if (!sigsetjmp(end_of_life, 0)) {
			live_for(steps);
			(void)owner_recover(heir, owner);
		}
		live_no_more();
		(void)owner_recover(server, heir->owner);
	}
	(void)owner_recover(server, owner);
}

static void die(struct play *p)
{
	uint32_t owner = p->world->lane[VICTIM].owner;
	park_end(p->park, p->world->lane[VICTIM].actor.owner, SABIR_CANCELLED);
	park_ring(p->park, &p->world->lane[SERVER]);
	p->dead = true;
	recover(p, owner);
}

static void die_in(struct play *p, const struct op *op, unsigned how, struct span request)
{
	const struct actor own = p->world->lane[VICTIM].actor;
	struct stage_answer answer;
	uint32_t steps = p->dies;
	p->dies = 0;
	if (how & PLAY_ASKED)
		asked_dies_as_a_server(p->world);
	if (!sigsetjmp(end_of_life, 0)) {
		live_for(steps);
		if (how & PLAY_ASKED)
			asked_run(p, VICTIM, op, request, true);
		else
			(void)stage_run_front(VICTIM, NULL, op, request, &answer);
	}
	live_no_more();
	p->world->lane[VICTIM].actor = own; /* who may have died as another's */
	die(p);
}

/* What has mutexes of the process while it works: with their holder everybody would die. */
static bool is_of_the_server(const struct op *op)
{
	return strstr(op_path(op), ".SessionService/") || strstr(op_path(op), ".AdminService/");
}

/* ---------------------------------------------------------------- requests */

static enum person person_of(const struct play *p, unsigned how)
{
	static const enum person persons[] = { SURVIVOR, VICTIM, SERVER, COMPANION };
	enum person who = persons[how & 3];
	return who == VICTIM && p->dead ? SURVIVOR : who;
}

static void wait_for(struct play *p, enum person who, const struct op *op, struct span request,
		     const struct stage_answer *answer)
{
	const struct op_wait wait = *answer->wait;
	const struct park_entry entry = {
		.op = op,
		.request = request,
		.actor = p->world->lane[who].actor,
		.wait = &wait,
		.error = SABIR_WOULD_BLOCK,
		.detail = answer->detail,
		.deadline_ns = park_deadline(wait.timeout_ns),
		.done = on_done,
	};
	if (park_add(p->park, &p->world->lane[SERVER], &entry, &p->parked) == SABIR_NO_MEMORY)
		abort();
}

static void ask(struct play *p, const struct op *op, unsigned how, struct span request)
{
	enum person who = person_of(p, how);
	struct stage_answer answer;
	if (p->dies && !p->dead && !is_of_the_server(op)) {
		die_in(p, op, how, request);
		return;
	}
	if (how & PLAY_ASKED) {
		asked_run(p, who, op, request, !(how & THEN_UNDO));
		return;
	}
	(void)op_is_heavy(op, &p->world->lane[who], request);
	enum sabir_error error = stage_run_front(who, &p->front, op, request, &answer);
	if (answer.wait->wanted && (how & PLAY_WAIT || op_lasts(op, answer.wait)))
		wait_for(p, who, op, request, &answer);
	else if (!error && how & THEN_UNDO && op_can_undo(op))
		(void)op_undo(op, &p->world->lane[who], &answer.wait->receipt, bytes_item(answer.response, 0));
	op_receipt_fini(&answer.wait->receipt);
}

/* ---------------------------------------------------------------- events */

static void collect(struct play *p)
{
	uint32_t stop = 0;
	struct collect_result result;
	struct collector *collector = collector_new(&p->world->seg, 0);
	for (int i = 0; i < 2; i++)
		(void)collect_run(collector, &p->world->lane[SERVER], &stop, &result);
	collector_free(collector);
}

static void cancel(struct play *p, unsigned how)
{
	struct lane *lane = &p->world->lane[person_of(p, how)];
	if (how & THEN_UNDO)
		(void)park_cancel_thread(p->park, lane->actor.owner, lane->actor.thread);
	else
		(void)park_cancel(p->park, p->parked);
}

/* Those of the server alone. */
static void do_upkeep(struct play *p, unsigned event)
{
	struct lane *server = &p->world->lane[SERVER];
	if (event == EVENT_DUE)
		upkeep_due(server);
	else if (event == EVENT_START)
		upkeep_start(server);
	else if (event == EVENT_KEEP)
		upkeep_keep(server);
	else if (event == EVENT_SESSIONS)
		sessions_expire(p->sessions, server, clock_now() + SESSION_LEASE_MAX);
	else if (!p->damaged && !p->saved) {
		p->saved = true;
		upkeep_save(server);
	}
}

static bool is_exact(unsigned how)
{
	return (how & 0xe0) == PLAY_EXACT;
}

#define STEPS_MOST 512u

static uint32_t number_in_payload(struct span payload)
{
	uint32_t n = 0;
	for (size_t i = 0; i < 2 && i < payload.len; i++)
		n |= (uint32_t)payload.data[i] << 8 * i;
	return n;
}

static void happen(struct play *p, unsigned event, unsigned how, struct span request)
{
	struct lane *server = &p->world->lane[SERVER];
	switch (event % N_EVENTS) {
	case EVENT_RING:
		park_ring(p->park, server);
		break;
	case EVENT_EXPIRE:
		park_expire(p->park, UINT64_MAX - 1);
		break;
	case EVENT_SETTLE:
		park_settle(p->park, server, clock_now());
		break;
	case EVENT_CANCEL:
		cancel(p, how);
		break;
	case EVENT_DEATH:
		if (!p->dead)
			die(p);
		break;
	case EVENT_SWEEP:
		object_sweep(server);
		break;
	case EVENT_COLLECT:
		collect(p);
		break;
	case EVENT_TRIM:
		arena_trim(server, 1);
		break;
	case EVENT_DAMAGE:
		if (p->damaged)
			damage(&p->world->seg, request, is_exact(how));
		break;
	case EVENT_DIES:
		p->dies = 1 + number_in_payload(request) % STEPS_MOST;
		break;
	case EVENT_PASS:
		moment_pass(1ull << number_in_payload(request) % 64);
		break;
	case EVENT_END:
		asked_end(p);
		break;
	default:
		if (event % N_EVENTS >= EVENT_DUE)
			do_upkeep(p, event % N_EVENTS);
		else
			ask(p, op_flow((enum op_flow)(event % N_EVENTS - EVENT_FLOW)), how, request);
	}
}

/* ---------------------------------------------------------------- inputs */

/* What has cost so much ends there: large lists that are sorted again and again find nothing new. */
#define BUDGET_NS 40000000ull
#define LOOK_EACH 4

static uint64_t spent(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * CLOCK_SECOND + (uint64_t)t.tv_nsec;
}

/* Where memory is short there is something to find, but everything takes long: a few pieces are enough. */
#define GROWN_CHUNKS 24u
#define GROWN_PIECES 6u

static bool has_grown(const struct segment *seg)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < seg->n_chunks; i++)
		n += chunk_state(load64_relaxed(&seg->chunks[i].word)) != SEG_CHUNK_FREE;
	return n >= GROWN_CHUNKS;
}

void play_pieces(struct play *p, struct span input)
{
	struct span request;
	const uint8_t *head;
	uint64_t begin = spent();
	uint32_t n = 0, grown = 0;
	while ((++n % LOOK_EACH || spent() - begin < BUDGET_NS) && grown < GROWN_PIECES &&
	       piece_next(&play_form, &input, &head, &request)) {
		uint16_t number = (uint16_t)(head[0] | head[1] << 8);
		if (number >= EVENT)
			happen(p, number - EVENT, head[2], request);
		else
			ask(p, stage_op(number), head[2], request);
		grown += has_grown(&p->world->seg);
	}
}

static void new_head(struct dice *dice, bool damages, uint8_t *head)
{
	uint16_t number = stage_op_number(op_at(dice_roll(dice, (uint32_t)op_count())));
	if (dice_roll(dice, 5) == 0)
		number = (uint16_t)(EVENT + dice_roll(dice, N_EVENTS));
	if (damages ? dice_roll(dice, 3) == 0 : number == EVENT + EVENT_DAMAGE)
		number = damages ? EVENT + EVENT_DAMAGE : EVENT;
	head[0] = (uint8_t)number;
	head[1] = (uint8_t)(number >> 8);
	head[2] = (uint8_t)(dice_roll(dice, 3) ? PLAY_WAIT : dice_roll(dice, 32));
	if (number == EVENT + EVENT_DAMAGE && dice_roll(dice, 2))
		head[2] |= PLAY_EXACT;
}

static void new_honest_head(struct dice *dice, uint8_t *head)
{
	new_head(dice, false, head);
}

static void new_damaging_head(struct dice *dice, uint8_t *head)
{
	new_head(dice, true, head);
}

/* Of an event that has a number: mostly a low one. */
static void new_number(struct dice *dice, struct bytes_out *to)
{
	uint32_t n = dice_roll(dice, dice_roll(dice, 3) ? 48 : STEPS_MOST);
	to->data[0] = (uint8_t)n;
	to->data[1] = (uint8_t)(n >> 8);
	to->len = 2;
}

/* Now and then all of it is new. */
static bool mutate_request(struct dice *dice, const uint8_t *head, struct span from, size_t max, struct bytes_out *to)
{
	unsigned number = head[0] | (unsigned)head[1] << 8;
	if (number == EVENT + EVENT_DIES || number == EVENT + EVENT_PASS) {
		new_number(dice, to);
		return true;
	}
	if (number >= EVENT || max < REQUEST_NEW_MAX || (from.len && dice_roll(dice, 6)))
		return false;
	to->len = request_new(dice, stage_op((uint16_t)number), to->data);
	return true;
}

/* Another change, or one change more, or less. */
static bool mutate_damage(struct dice *dice, const uint8_t *head, struct span from, size_t max, struct bytes_out *to)
{
	if ((head[0] | head[1] << 8) != (EVENT | EVENT_DAMAGE))
		return mutate_request(dice, head, from, max, to);
	size_t n = from.len / DAMAGE_LEN, which = n ? dice_roll(dice, (uint32_t)n) : 0;
	if (n)
		memcpy(to->data, from.data, n * DAMAGE_LEN);
	uint8_t *at = to->data + which * DAMAGE_LEN;
	uint32_t what = dice_roll(dice, 8);
	bool exact = is_exact(head[2]);
	if (n == 0 || (what == 0 && (n + 1) * DAMAGE_LEN <= max)) {
		damage_new(dice, exact, to->data + n * DAMAGE_LEN);
		n++;
	} else if (what == 1) {
		memmove(at, at + DAMAGE_LEN, (n - which - 1) * DAMAGE_LEN);
		n--;
	} else if (what == 2) {
		damage_new(dice, exact, at);
	} else {
		damage_mutate(dice, exact, at);
	}
	to->len = n * DAMAGE_LEN;
	return true;
}

const struct piece_form play_form = { PLAY_HEAD, new_honest_head, mutate_request };
const struct piece_form play_damage_form = { PLAY_HEAD, new_damaging_head, mutate_damage };
