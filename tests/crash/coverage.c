/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which operations have scenarios, and what came of them. The operation table has every method of the contract that is no
 * stream, and so every row of bindings/README.md: tests/lint/table holds the three to be the same.
 */
#include "tests/crash/coverage.h"

#include <stdio.h>
#include <string.h>

#include "server/ops/ops.h"
#include "tests/crash/typed.h"

#define PACKAGE "/sabir.v1."
#define N_MAX 512

static struct row {
	const struct scenario *first;
	unsigned runs, passed;
	struct swept sum;
} rows[N_MAX];
static unsigned n_rows;

static size_t name_len(const struct scenario *s)
{
	return strcspn(s->act, " ");
}

static bool is_about(const struct scenario *s, const char *name)
{
	return strlen(name) == name_len(s) && !strncmp(s->act, name, name_len(s));
}

static bool has_scenario(const char *name)
{
	for (size_t i = 0; i < scenario_count(); i++)
		if (is_about(scenario_at(i), name))
			return true;
	return false;
}

/*
 * What the contract has as a stream is no operation of the table: it is made of operations, each of which is swept. Behind its name
 * those, up to a NULL.
 */
static const char *const streams[][6] = {
	{ "QueueService/Produce", "QueueService/Put", "QueueService/PutMany" },
	{ "QueueService/Consume", "sabir_consumer_next(waits)", "sabir_consumer_ack", "sabir_consumer_close",
	  "sabir_consumer_nack" },
	{ "WatchService/Watch", "WatchService/Next" },
};
#define N_STREAMS (sizeof(streams) / sizeof(streams[0]))

static unsigned look_for(const char *name)
{
	if (has_scenario(name))
		return 0;
	printf("FAILED  %s has no scenario in tests/crash\n", name);
	return 1;
}

unsigned coverage_missing(void)
{
	unsigned missing = 0;
	for (size_t i = 0; i < op_count(); i++)
		missing += look_for(op_path(op_at(i)) + strlen(PACKAGE));
	for (size_t i = 0; i < typed_count(); i++)
		missing += look_for(typed_at(i));
	return missing;
}

static struct row *row_of(const struct scenario *s)
{
	unsigned i = 0;
	while (i < n_rows &&
	       (name_len(rows[i].first) != name_len(s) || strncmp(rows[i].first->act, s->act, name_len(s)) != 0))
		i++;
	if (i == n_rows && n_rows < N_MAX)
		rows[n_rows++] = (struct row){ .first = s };
	return i < N_MAX ? &rows[i] : NULL;
}

void coverage_add(const struct scenario *s, const struct swept *swept)
{
	struct row *row = row_of(s);
	if (!row)
		return;
	row->runs++;
	row->passed += swept->passed;
	row->sum.instructions += swept->instructions;
	row->sum.states += swept->states;
}

static struct row *find_row(const char *name)
{
	for (unsigned i = 0; i < n_rows; i++)
		if (is_about(rows[i].first, name))
			return &rows[i];
	return NULL;
}

/* A stream, if all of what it is made of was swept just now. */
static void print_stream(const char *const *names)
{
	unsigned percent = 100;
	for (const char *const *name = names + 1; *name; name++) {
		const struct row *row = find_row(*name);
		if (!row)
			return;
		unsigned its = row->passed * 100 / row->runs;
		percent = its < percent ? its : percent;
	}
	printf("%3u%%  %-40s a stream:", percent, names[0]);
	for (const char *const *name = names + 1; *name; name++)
		printf(" %s", *name);
	printf("\n");
}

void coverage_print(void)
{
	unsigned whole = 0;
	for (unsigned i = 0; i < n_rows; i++) {
		const struct row *row = &rows[i];
		printf("%3u%%  %-40.*s %4u states of the memory, others' included, %8llu instructions, %6llu states in between\n",
		       row->passed * 100 / row->runs, (int)name_len(row->first), row->first->act, row->runs,
		       row->sum.instructions, row->sum.states);
		whole += row->passed == row->runs;
	}
	for (size_t i = 0; i < N_STREAMS; i++)
		print_stream(streams[i]);
	printf("%u of %u operations at 100%%\n", whole, n_rows);
	printf("Over SessionService/Session goes every operation that has a line, with or without a request id. SessionService's KeepAlive "
	       "and List and AdminService's Snapshot change nothing in the shared memory: a server's own tables are gone with it. "
	       "libsabir's functions that have no line are the operation of their row in bindings/README.md.\n");
}
