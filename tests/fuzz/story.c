/* SPDX-License-Identifier: Apache-2.0 */
/* Tells stories (stories.c) as inputs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ops/test_kit.h"
#include "tests/fuzz/play.h"
#include "tests/fuzz/seeds.h"

static const struct {
	const char *name;
	enum event event;
} events[] = {
	{ "RING", EVENT_RING },   { "EXPIRE", EVENT_EXPIRE }, { "SETTLE", EVENT_SETTLE }, { "CANCEL", EVENT_CANCEL },
	{ "DEATH", EVENT_DEATH }, { "SWEEP", EVENT_SWEEP },   { "DUE", EVENT_DUE },       { "COLLECT", EVENT_COLLECT },
	{ "START", EVENT_START }, { "KEEP", EVENT_KEEP },     { "SAVE", EVENT_SAVE },     { "DIES", EVENT_DIES },
	{ "PASS", EVENT_PASS },   { "END", EVENT_END },       { "HOLD", EVENT_HOLD },     { "LET_GO", EVENT_LET_GO },
	{ "FILL", EVENT_FILL },   { "AGAIN", EVENT_AGAIN },
};

static struct span event_message(const char *text, uint16_t *number)
{
	static uint8_t message[4];
	char name[16];
	unsigned first = 0, second = 0;
	int n = sscanf(text, "%15[A-Z_] %u %u", name, &first, &second);
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!strcmp(events[i].name, name))
			*number = (uint16_t)(EVENT + events[i].event);
	memcpy(message,
	       (const uint8_t[]){ (uint8_t)first, (uint8_t)(first >> 8), (uint8_t)second, (uint8_t)(second >> 8) }, 4);
	return (struct span){ message, n < 1 ? 0 : 2 * (size_t)(n - 1) };
}

static char page_token[64];

/* What a token is, is known when the request before it has been run. */
static void note_page(const char *method, struct span request)
{
	static const char name[] = "next_page_token='";
	struct stage_answer answer;
	const char *at = NULL;
	if (!stage_run_front(SURVIVOR, NULL, ops_op(method), request, &answer)) {
		FILE *out = fmemopen(ops_text, sizeof(ops_text), "w");
		ops_decode(ops_method(method)->output, bytes_item(answer.response, 0), out);
		fclose(out);
		at = strstr(ops_text, name);
	}
	if (at)
		snprintf(page_token, sizeof(page_token), "%.*s", (int)strcspn(at + strlen(name), "'"),
			 at + strlen(name));
	op_receipt_fini(&answer.wait->receipt);
}

static struct span request_message(const char *text, bool is_run, uint16_t *number)
{
	static uint8_t request[8192];
	const char *blank = strchr(text, ' '), *mark = strchr(text, '%');
	char method[64], line[8192];
	snprintf(method, sizeof(method), "%.*s", (int)strcspn(text, " "), text);
	if (!ops_op(method))
		abort();
	*number = stage_op_number(ops_op(method));
	snprintf(line, sizeof(line), "%.*s%s%s", (int)strcspn(blank ? blank + 1 : "", "%"), blank ? blank + 1 : "",
		 mark ? page_token : "", mark ? mark + 1 : "");
	struct span message = ops_request(method, line, request);
	if (is_run)
		note_page(method, message);
	return message;
}

static uint8_t *put_line(const char *line, bool is_run, uint8_t *to, const uint8_t *end)
{
	char *text;
	unsigned long how = strtoul(line, &text, 10);
	uint16_t number = EVENT;
	struct span message = text[1] == '#' ? event_message(text + 2, &number)
					     : request_message(text + 1, is_run, &number);
	const uint8_t head[] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)how };
	return piece_put(&play_form, to, end, head, message);
}

/* Of the story, so many lines, and where the last of them begins. False: it has no more. */
static bool put_story(const char *story, size_t n_lines, struct span *told, const uint8_t **last)
{
	static uint8_t input[SEED_MAX];
	char text[8192], *rest;
	uint8_t *to = input;
	bool is_run = strchr(story, '%');
	snprintf(text, sizeof(text), "%s", story);
	if (is_run)
		stage_begin();
	*last = input;
	for (char *line = strtok_r(text, "\n", &rest); line && to && n_lines;
	     line = strtok_r(NULL, "\n", &rest), n_lines--) {
		*last = to;
		to = put_line(line, is_run, to, input + sizeof(input));
	}
	if (!to)
		abort();
	*told = (struct span){ input, (size_t)(to - input) };
	return n_lines == 0;
}

void stories_write(const char *folder)
{
	struct span told;
	const uint8_t *last;
	for (size_t i = 0; i < n_stories; i++) {
		(void)put_story(stories[i], SIZE_MAX, &told, &last);
		seed_write(folder, "story", i, told);
	}
}

static size_t count_lines(const char *story)
{
	size_t n = 0;
	for (; *story; story++)
		n += *story == '\n';
	return n;
}

size_t stories_count(void)
{
	size_t n = 0;
	for (size_t i = 0; i < n_stories; i++)
		n += count_lines(stories[i]);
	return n;
}

/* What comes many times takes too long to be told again for each step. */
bool story_parts(size_t i, struct seed_parts *parts)
{
	size_t which = 0, n;
	struct span told, rest;
	const uint8_t *last, *head;
	while (i >= (n = count_lines(stories[which])))
		i -= n, which++;
	if (strstr(stories[which], "#AGAIN") || !put_story(stories[which], i + 1, &told, &last))
		return false;
	parts->setup = (struct span){ told.data, (size_t)(last - told.data) };
	rest = (struct span){ last, told.len - parts->setup.len };
	if (!piece_next(&play_form, &rest, &head, &parts->act))
		return false;
	parts->number = (uint16_t)(head[0] | head[1] << 8);
	parts->how = head[2] & (PLAY_LARGE | PLAY_FOLLOWS);
	return parts->number < EVENT;
}
