/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms: a heap of times, and for each object the place of its own in it.
 *
 * An alarm is set from the object when the doorbell rings for it, and again when it has gone off. An object whose lock is
 * held when its time comes keeps none: the lock's release rings the bell, and it is set anew. Alarms come too early
 * rather than too late: a time that is no longer true costs one look.
 *
 * Objects count by CLOCK_BOOTTIME and the event loop by CLOCK_MONOTONIC, which stands still while the machine sleeps: what is
 * due is told by the object, each time anew.
 */
#include "server/ops/alarms.h"

#include <stdlib.h>

#include "server/base/clock.h"
#include "server/objects/dict.h"
#include "server/objects/task_queue.h"

struct alarm {
	struct deadline deadline;
	uint32_t object;
};

#define ALARM_OF(node) ((struct alarm *)((uint8_t *)(node)-offsetof(struct alarm, deadline)))

static bool next_of(struct lane *lane, uint32_t object, uint64_t *handle, uint64_t *at_ns)
{
	return task_queue_alarm(lane, object, handle, at_ns) || dict_alarm(lane, object, handle, at_ns);
}

/* WRONG_KIND: it is the other one. */
static enum sabir_error do_due(struct lane *lane, uint64_t handle)
{
	enum sabir_error error = task_queue_settle(lane, handle);
	return error == SABIR_WRONG_KIND ? dict_remove_due(lane, handle) : error;
}

bool alarms_init(struct alarms *alarms, struct segment *seg)
{
	*alarms = (struct alarms){ .seg = seg };
	alarms->of_object = calloc(seg->n_objects, sizeof(*alarms->of_object));
	return alarms->of_object != NULL;
}

static void drop(struct alarms *alarms, struct alarm *alarm)
{
	deadlines_remove(&alarms->deadlines, &alarm->deadline);
	alarms->of_object[alarm->object] = NULL;
	free(alarm);
}

void alarms_fini(struct alarms *alarms)
{
	struct deadline *first;
	while ((first = deadlines_first(&alarms->deadlines)))
		drop(alarms, ALARM_OF(first));
	deadlines_fini(&alarms->deadlines);
	free(alarms->of_object);
}

void alarms_note(struct alarms *alarms, struct lane *lane, uint32_t object)
{
	struct alarm *alarm = alarms->of_object[object];
	uint64_t handle, at_ns, now = task_clock();
	if (!next_of(lane, object, &handle, &at_ns) || at_ns == UINT64_MAX) {
		if (alarm)
			drop(alarms, alarm);
		return;
	}
	if (alarm)
		deadlines_remove(&alarms->deadlines, &alarm->deadline);
	else if (!(alarm = calloc(1, sizeof(*alarm))))
		return; /* without memory it waits until the object is touched */
	alarm->object = object;
	alarm->deadline.ns = clock_deadline(at_ns > now ? at_ns - now : 0);
	alarms->of_object[object] = alarm;
	if (deadlines_reserve(&alarms->deadlines))
		(void)deadlines_add(&alarms->deadlines, &alarm->deadline);
	else
		drop(alarms, alarm);
}

uint64_t alarms_next(const struct alarms *alarms)
{
	struct deadline *first = deadlines_first(&alarms->deadlines);
	return first ? first->ns : CLOCK_NEVER;
}

void alarms_answer(struct alarms *alarms, struct lane *lane, uint64_t now_ns)
{
	struct deadline *first;
	while ((first = deadlines_first(&alarms->deadlines)) && first->ns <= now_ns) {
		uint32_t object = ALARM_OF(first)->object;
		uint64_t handle, at_ns;
		drop(alarms, ALARM_OF(first));
		if (next_of(lane, object, &handle, &at_ns) && do_due(lane, handle) == SABIR_OK)
			alarms_note(alarms, lane, object);
	}
}
