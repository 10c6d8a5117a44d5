/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sabird --owners: who is served. sabird --evict: an end to one of them; it is over when the server does not list it any
 * more, for then all that it held is free.
 */
#include "server/main/owners.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "server/base/clock.h"
#include "server/main/signals.h"
#include "server/main/talk.h"

#define LOOK_AGAIN (20 * CLOCK_MILLISECOND)

/* Shows each owner to `visit`, page by page, until it returns false. */
static enum sabir_error each(struct talk *t, bool (*visit)(void *context, const attach_Owner *o), void *context)
{
	struct attach_message question = { .type = ATTACH_LIST_OWNERS }, answer;
	do {
		enum sabir_error error = talk_ask(t, &question, ATTACH_OWNER_LIST, &answer);
		if (error)
			return error;
		for (pb_size_t i = 0; i < answer.owner_list.owners_count; i++)
			if (!visit(context, &answer.owner_list.owners[i]))
				return SABIR_OK;
		question.list_owners.from = answer.owner_list.next;
	} while (question.list_owners.from);
	return SABIR_OK;
}

/* ---------------------------------------------------------------- the list */

static void write_age(uint64_t ms, char *to, size_t size)
{
	uint64_t s = ms / 1000;
	if (s < 60)
		snprintf(to, size, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(to, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else
		snprintf(to, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
}

static void write_doing(const attach_Owner *o, char *to, size_t size)
{
	const char *what = o->remote     ? "a session"
			   : o->stopped  ? "stopped"
			   : o->n_busy   ? "working"
			   : o->orphaned ? "its socket is closed"
					 : "";
	bool on = o->n_busy && o->object[0];
	snprintf(to, size, "%s%s%s", o->server ? "the server" : what,
		 o->server                 ? ""
		 : on                      ? " in "
		 : o->stopped && o->n_busy ? " in an operation"
					   : "",
		 !o->server && on ? o->object : "");
}

static bool print(void *context, const attach_Owner *o)
{
	char age[32], pid[16] = "-", doing[128];
	(void)context;
	write_age(o->age_ms, age, sizeof(age));
	write_doing(o, doing, sizeof(doing));
	if (o->pid)
		snprintf(pid, sizeof(pid), "%u", (unsigned)o->pid);
	printf("%-19" PRIu64 " %8s %9s %7u  %-30s %s\n", o->id, pid, age, (unsigned)o->n_lanes, doing, o->label);
	return true;
}

int owners_list(const char *socket_path)
{
	struct talk t;
	if (!talk_begin(&t, socket_path))
		return EXIT_FAILED;
	printf("%-19s %8s %9s %7s  %-30s %s\n", "NUMBER", "PROCESS", "SINCE", "THREADS", "DOING", "LABEL");
	enum sabir_error error = each(&t, print, NULL);
	if (error)
		fprintf(stderr, "sabird: %s\n", t.detail);
	talk_end(&t);
	return error ? EXIT_FAILED : EXIT_IN_ORDER;
}

/* ---------------------------------------------------------------- the end of one */

static bool is_another(void *context, const attach_Owner *o)
{
	uint64_t *id = context;
	if (o->id != *id)
		return true;
	*id = 0;
	return false;
}

static enum sabir_error await_end(struct talk *t, uint64_t id)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN };
	for (;;) {
		uint64_t wanted = id;
		enum sabir_error error = each(t, is_another, &wanted);
		if (error || wanted)
			return error;
		if (!clock_left(t->deadline)) {
			snprintf(
				t->detail, sizeof(t->detail),
				"it was killed, but what it held is not free yet: somebody is in the way of the repair");
			return SABIR_TIMED_OUT;
		}
		nanosleep(&pause, NULL);
	}
}

int owners_evict(const char *socket_path, uint64_t id)
{
	const struct attach_message question = { .type = ATTACH_EVICT_OWNER, .evict_owner = { .id = id } };
	struct attach_message answer;
	struct talk t;
	if (!talk_begin(&t, socket_path))
		return EXIT_FAILED;
	enum sabir_error error = talk_ask(&t, &question, ATTACH_EVICTED, &answer);
	if (!error)
		error = await_end(&t, id);
	talk_end(&t);
	if (error)
		fprintf(stderr, "sabird: %s\n", t.detail);
	else
		printf("%" PRIu64 " is gone, and what it held is free\n", id);
	return error ? EXIT_FAILED : EXIT_IN_ORDER;
}
