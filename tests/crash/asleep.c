/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits: he says so, looks again, and sleeps; then something happens, and he goes on. */
#include "tests/crash/asleep.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "server/objects/turns.h"
#include "server/shm/event.h"
#include "tests/crash/step.h"

/* ---------------------------------------------------------------- between the steps of a request */

bool asleep_falls(struct act *act, struct lane *lane)
{
	struct segment *seg = lane->seg;
	struct op_wait *wait = &act->wait, before;
	struct bytes response = { 0 };
	bool server = load32_relaxed(&seg->owners[lane->owner].flags) & SEG_OWNER_SERVER;
	if (!act->begun)
		wait->undoable = server && op_can_undo(act_op(act));
	do {
		before = *wait;
		enum sabir_error error = act_step(act, lane, &response, wait);
		act->begun = error_would_wait(error) && wait->wanted;
		if (!act->begun)
			break;
		act->over = OP_GOES_ON;
		act->key = event_prepare(&seg->objects[wait->object].event[wait->side],
					 server ? SEG_WAITING_SERVER : SEG_WAITING_LOCAL);
	} while (wait->object != before.object || wait->side != before.side);
	bytes_fini(&response);
	if (act->begun && !server)
		event_wait_call(lane, wait->object, wait->side, act->key, 0, turn_bits(wait->memory));
	return act->begun;
}

enum sabir_error asleep_wakes(const struct act *act, struct lane *lane, struct bytes *response, struct op_wait *wait)
{
	if (act->over != OP_TIMED_OUT)
		event_prepare(&lane->seg->objects[act->wait.object].event[act->wait.side], SEG_WAITING_LOCAL);
	return act_step(act, lane, response, wait);
}

bool asleep_long(void)
{
	const struct timespec moment = { 0, 2 * TURN_FAIR_NS };
	return !nanosleep(&moment, NULL);
}

/* ---------------------------------------------------------------- in the midst of a function */

static struct {
	const char *lines; /* of what is to happen then; NULL: nothing */
	struct world *world;
	bool stops;
} sleeping;

void asleep_meanwhile(const struct act *act, struct world *world)
{
	sleeping.lines = act ? act->meanwhile : NULL;
	sleeping.world = world;
	sleeping.stops = act && act->stops;
}

static void happen(void)
{
	static const char again[] = "sleeps\n";
	struct prepared prepared = { 0 };
	const char *end = strstr(sleeping.lines, again);
	size_t len = end ? (size_t)(end - sleeping.lines) : strlen(sleeping.lines);
	char *lines = strndup(sleeping.lines, len);
	sleeping.lines = end ? end + strlen(again) : NULL;
	if (!lines || !act_set_up(lines, sleeping.world, &prepared, stdout))
		abort();
	free(lines);
	if (sleeping.lines)
		return;
	if (sleeping.stops)
		_exit(0);
	step_begin();
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (sleeping.lines && number == SYS_futex && (int)b == FUTEX_WAIT_BITSET)
		happen();
	return __real_syscall(number, a, b, c, d, e, f);
}
