/* SPDX-License-Identifier: Apache-2.0 */
/* What a request needs of the answer to one before it, a handle or the token of a lease, is known by running them. */
#include "tests/fuzz/seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/test_kit.h"
#include "tests/crash/scenario.h"
#include "tests/fuzz/play.h"

#define LONGEST 1000u /* of ~n~ */

struct seed {
	const struct piece_form *form;
	uint8_t input[SEED_MAX];
	uint8_t *end;        /* NULL: it has become too long */
	uint8_t *act;        /* where the last piece begins */
	unsigned how;        /* of the next */
	const struct op *op; /* of the last request, NULL: there is no such */
	unsigned long long lease, made, before, sequence;
	struct world *world;
};

void seed_write(const char *folder, const char *name, size_t number, struct span input)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s%zu", folder, name, number);
	FILE *to = fopen(path, "w");
	if (!to || fwrite(input.data, 1, input.len, to) != input.len || fclose(to))
		abort();
}

static const unsigned long long *number_of(const struct seed *seed, char sign)
{
	return sign == '@'   ? &seed->lease
	       : sign == '&' ? &seed->made
	       : sign == '!' ? &seed->before
	       : sign == '#' ? &seed->sequence
			     : NULL;
}

/* As tests/crash/scenario.h says. */
static void expand(const struct seed *seed, const char *line, size_t len, unsigned number, char *to, size_t size)
{
	FILE *out = fmemopen(to, size, "w");
	for (size_t i = 0; i < len; i++) {
		if (line[i] == '%') {
			fprintf(out, "%u", number);
		} else if (number_of(seed, line[i])) {
			fprintf(out, "%llu", *number_of(seed, line[i]));
		} else if (line[i] == '~') {
			char *end;
			unsigned long n = strtoul(line + i + 1, &end, 10);
			for (n = n < LONGEST ? n : LONGEST; n; n--)
				fputc('a' + (char)(n % 26), out);
			i = (size_t)(end - line);
		} else {
			fputc(line[i], out);
		}
	}
	fputc(0, out);
	fclose(out);
}

static void note(struct seed *seed, const char *method, struct span response)
{
	const char *at;
	FILE *out = fmemopen(ops_text, sizeof(ops_text), "w");
	ops_decode(ops_method(method)->output, response, out);
	fclose(out);
	if ((at = strstr(ops_text, "lease_token=")) != NULL)
		seed->lease = strtoull(at + strlen("lease_token="), NULL, 10);
	if ((at = strstr(ops_text, "last_sequence=")) != NULL)
		seed->sequence = strtoull(at + strlen("last_sequence="), NULL, 10);
	if (strstr(method, "/Create") && (at = strstr(ops_text, "handle=")) != NULL) {
		seed->before = seed->made;
		seed->made = strtoull(at + strlen("handle="), NULL, 10);
	}
}

static void put(struct seed *seed, uint16_t number, unsigned how, struct span message)
{
	const uint8_t head[] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)how };
	seed->act = seed->end;
	seed->end = piece_put(seed->form, seed->end, seed->input + SEED_MAX, head, message);
}

/* What it is answered is known when it has been run. */
static struct span run(struct seed *seed, enum person who, const char *line)
{
	static uint8_t request[2][8192];
	static unsigned which;
	struct stage_answer answer;
	const char *blank = strchr(line, ' ');
	char method[64];
	snprintf(method, sizeof(method), "%.*s", (int)strcspn(line, " "), line);
	seed->op = strchr(method, '/') ? ops_op(method) : NULL;
	if (!seed->op)
		return (struct span){ NULL, 0 };
	struct span span = ops_request(method, blank ? blank + 1 : "", request[++which % 2]);
	if (!stage_run_front(who, NULL, seed->op, span, &answer))
		note(seed, method, bytes_item(answer.response, 0));
	op_receipt_fini(&answer.wait->receipt);
	return span;
}

#define FEW 8u /* as pieces of their own */

/* Where they differ, as far as that can be said in one piece for many (EVENT_AGAIN). */
static uint32_t difference(struct span a, struct span b)
{
	uint32_t at = 0;
	while (at + 1 < a.len && at + 1 < b.len && a.data[at] == b.data[at])
		at++;
	return at;
}

/* A line of the scenario, so many times. */
static void add(struct seed *seed, enum person who, const char *line, size_t len, unsigned long times)
{
	static char text[16384];
	unsigned how = PLAY_WAIT | seed->how | (who == VICTIM);
	struct span first = { NULL, 0 }, next;
	uint32_t varies = 0;
	for (unsigned i = 0; i < times && seed->end; i++) {
		expand(seed, line, len, i, text, sizeof(text));
		next = run(seed, who, text);
		if (!seed->op)
			return;
		if (i == 0 || times <= FEW)
			put(seed, stage_op_number(seed->op), how, next);
		else if (i == 1)
			varies = difference(first, next);
		first = i == 0 ? next : first;
	}
	if (times <= FEW || !seed->end)
		return;
	uint32_t n = (uint32_t)times - 1;
	const uint8_t numbers[] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)varies, (uint8_t)(varies >> 8) };
	put(seed, EVENT + EVENT_AGAIN, 0, (struct span){ numbers, memchr(line, '%', len) ? 4 : 2 });
}

static void add_line(struct seed *seed, const char *line, size_t len)
{
	static const char victim[] = "victim ", undo[] = "undo:";
	enum person who = SURVIVOR;
	unsigned long times = 1;
	if (len > strlen(victim) && !strncmp(line, victim, strlen(victim))) {
		who = VICTIM;
		line += strlen(victim), len -= strlen(victim);
	}
	if (len > strlen(undo) && !strncmp(line, undo, strlen(undo)))
		line += strlen(undo), len -= strlen(undo), seed->how = PLAY_UNDO;
	const char *star = memchr(line, '*', len < 8 ? len : 8);
	if (star) {
		times = strtoul(line, NULL, 10);
		len -= (size_t)(star + 1 - line);
		line = star + 1;
	}
	add(seed, who, line, len, times);
}

static void make_seed(struct seed *seed, const struct scenario *scenario)
{
	seed->world = stage_begin();
	seed->end = seed->input;
	for (const char *line = scenario->setup; *line && seed->end;) {
		size_t len = strcspn(line, "\n");
		if (len)
			add_line(seed, line, len);
		line += len + (line[len] == '\n');
	}
	if (seed->end)
		add_line(seed, scenario->act, strlen(scenario->act));
}

size_t seed_count(void)
{
	return scenario_request_count() + stories_count();
}

bool seed_parts(size_t i, struct seed_parts *parts)
{
	static struct seed seed;
	static size_t of = SIZE_MAX;
	if (i >= scenario_request_count())
		return story_parts(i - scenario_request_count(), parts);
	if (of != i) {
		seed = (struct seed){ .form = &play_form };
		make_seed(&seed, scenario_request_at(i));
		of = i;
	}
	if (!seed.end || !seed.act)
		return false;
	struct span rest = { seed.act, (size_t)(seed.end - seed.act) };
	const uint8_t *head;
	parts->setup = (struct span){ seed.input, (size_t)(seed.act - seed.input) };
	bool there = piece_next(seed.form, &rest, &head, &parts->act);
	parts->how = 0;
	if (there)
		parts->number = (uint16_t)(head[0] | head[1] << 8);
	return there;
}

void seeds_of_requests(const struct piece_form *form, const char *folder)
{
	static struct seed seed;
	stories_write(folder);
	for (size_t i = 0; i < scenario_request_count(); i++) {
		seed = (struct seed){ .form = form };
		make_seed(&seed, scenario_request_at(i));
		if (seed.end)
			seed_write(folder, "scenario", i, (struct span){ seed.input, (size_t)(seed.end - seed.input) });
	}
}

void seeds_of_memory(void (*write)(void *context, size_t number, struct lane *lane), void *context)
{
	static struct seed seed;
	write(context, 0, &stage_begin()->lane[SERVER]);
	for (size_t i = 0; i < scenario_request_count(); i++) {
		seed = (struct seed){ .form = &play_form };
		make_seed(&seed, scenario_request_at(i));
		write(context, i + 1, &seed.world->lane[SERVER]);
	}
}
