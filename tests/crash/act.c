/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as text: those of a setup, and the one in which the victim dies. */
#include "tests/crash/act.h"

#include "server/ops/test_kit.h"
#include "tests/crash/asked.h"
#include "tests/crash/asleep.h"
#include "tests/crash/front.h"
#include "tests/crash/look.h"

#define LINE_MAX_LEN (512u << 10)

/* ~n~ becomes n letters, % the number, @ the lease, & and ! handles, ^ the token, ` the session, # the change. */
static void expand(const char *from, size_t len, unsigned number, const struct prepared *prepared, char *to)
{
	FILE *out = fmemopen(to, LINE_MAX_LEN, "w");
	for (size_t i = 0; i < len; i++) {
		if (from[i] == '%') {
			fprintf(out, "%u", number);
		} else if (from[i] == '@') {
			fprintf(out, "%llu", prepared->lease);
		} else if (from[i] == '&') {
			fprintf(out, "%llu", prepared->made);
		} else if (from[i] == '!') {
			fprintf(out, "%llu", prepared->before);
		} else if (from[i] == '^') {
			fputs(prepared->token, out);
		} else if (from[i] == '#') {
			fprintf(out, "%llu", prepared->sequence);
		} else if (from[i] == '`') {
			fprintf(out, "%llu", prepared->session);
		} else if (from[i] == '~') {
			char *end;
			for (unsigned long n = strtoul(from + i + 1, &end, 10); n; n--)
				fputc('a' + (char)(n % 26), out);
			i = (size_t)(end - from);
		} else {
			fputc(from[i], out);
		}
	}
	fputc(0, out);
	fclose(out);
}

/* "Service/Method request" into its parts. */
static bool encode(const char *line, struct act *act)
{
	const char *blank = strchr(line, ' ');
	snprintf(act->method, sizeof(act->method), "%.*s", (int)(blank ? blank - line : (long)strlen(line)), line);
	act->len = 0;
	if (typed_is(act->method))
		return true;
	if (!strchr(act->method, '/') || !ops_method(act->method) || strlen(line) > sizeof(act->request))
		return false;
	act->len = ops_request(act->method, blank ? blank + 1 : "", act->request).len;
	return true;
}

/* Goes past it, if it does. */
static bool begins(const char **line, const char *with)
{
	bool does = !strncmp(*line, with, strlen(with));
	*line += does ? strlen(with) : 0;
	return does;
}

/* How one that was begun goes on; goes past it. */
static uint32_t read_over(const char **line)
{
	(void)begins(line, "again:");
	return begins(line, "late:") ? OP_TIMED_OUT : begins(line, "left:") ? OP_ABANDONED : OP_GOES_ON;
}

bool act_read(const char *line, const struct prepared *prepared, struct act *act)
{
	static char expanded[LINE_MAX_LEN];
	if (act->begun)
		return true;
	act->undoes = begins(&line, "undo:");
	act->asked = begins(&line, "asked:");
	act->over = read_over(&line);
	memcpy(act->token, prepared->token, sizeof(act->token));
	expand(line, strlen(line), 0, prepared, expanded);
	return encode(expanded, act);
}

void act_fini(struct act *act)
{
	op_receipt_fini(&act->receipt);
	bytes_fini(&act->response);
}

bool act_take(struct act *act, struct world *world, FILE *out)
{
	const struct span request = { act->request, act->len };
	struct op_wait wait = { .undoable = true };
	enum sabir_error error = op_run_front(ops_op(act->method), &world->lane[SURVIVOR], NULL, request,
					      &act->response, &wait, ops_detail);
	act->receipt = wait.receipt;
	if (error)
		fprintf(out, "    the act: %s %s\n", error_name(error), ops_detail);
	return !error;
}

bool act_needs_front(const struct act *act)
{
	return !strncmp(act->method, "SessionService/", 15) || !strncmp(act->method, "AdminService/", 13) ||
	       !strcmp(act->method, "server:sessions");
}

/* In the name of the survivor, for whom it was done. */
static enum sabir_error undo_it(const struct act *act, struct world *world, enum person who)
{
	struct lane *lane = &world->lane[who];
	struct actor own = lane->actor;
	lane->actor = world->lane[SURVIVOR].actor;
	struct op_receipt receipt = act->receipt; /* its places are only read */
	(void)op_undo(ops_op(act->method), lane, &receipt, bytes_item(&act->response, 0));
	lane->actor = own;
	return SABIR_OK;
}

enum sabir_error act_step(const struct act *act, struct lane *lane, struct bytes *response, struct op_wait *wait)
{
	const struct span request = { act->request, act->len };
	if (!act->begun)
		return op_run_front(act_op(act), lane, NULL, request, response, wait, ops_detail);
	*wait = act->wait;
	wait->over = act->over;
	return op_run_again(act_op(act), lane, request, response, wait, ops_detail);
}

enum sabir_error act_run(const struct act *act, struct world *world, enum person who, FILE *answer)
{
	enum sabir_error error;
	if (act->undoes)
		return undo_it(act, world, who);
	if (typed_is(act->method)) {
		asleep_meanwhile(who == VICTIM ? act : NULL, world);
		error = typed_run(act->method, &act->o, world, who, answer);
		asleep_meanwhile(NULL, world);
		return error;
	}
	const struct span request = { act->request, act->len };
	const struct op_front *front = act_needs_front(act) ? front_of(world) : NULL;
	ops_lane = world->lane[who];
	ops_wait = (struct op_wait){ 0 };
	if (act->begun && who != SURVIVOR)
		error = asleep_wakes(act, &ops_lane, &ops_response, &ops_wait);
	else
		error = op_run_front(act_op(act), &ops_lane, front, request, &ops_response, &ops_wait, ops_detail);
	if (front)
		front_turn(world, &ops_lane);
	world->lane[who] = ops_lane;
	if (answer && error)
		fputs(ops_detail, answer);
	else if (answer)
		ops_decode(ops_method(act->method)->output, bytes_item(&ops_response, 0), answer);
	return error;
}

void act_decode(const struct act *act, struct span response, FILE *to)
{
	static char text[LINE_MAX_LEN];
	FILE *all = fmemopen(text, sizeof(text), "w");
	ops_decode(ops_method(act->method)->output, response, all);
	fputc(0, all);
	fclose(all);
	look_drop(text, "create_time={", "}");
	look_drop(text, "ttl={", "}");
	look_drop(text, "last_sequence=", " }");
	look_drop_session(text);
	fputs(text, to);
}

const struct op *act_op(const struct act *act)
{
	return ops_op(act->method);
}

bool act_waits_on(const struct act *act)
{
	return ops_wait.wanted && ops_wait.object == act->wait.object && ops_wait.side == act->wait.side;
}

/* ---------------------------------------------------------------- setups */

static void note(const struct act *act, struct prepared *prepared)
{
	char *text = NULL, *at;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	ops_decode(ops_method(act->method)->output, bytes_item(&ops_response, 0), to);
	fclose(to);
	if ((at = strstr(text, "lease_token=")) != NULL)
		prepared->lease = strtoull(at + strlen("lease_token="), NULL, 10);
	if ((at = strstr(text, "last_sequence=")) != NULL)
		prepared->sequence = strtoull(at + strlen("last_sequence="), NULL, 10);
	if ((at = strstr(text, "token='")) != NULL)
		snprintf(prepared->token, sizeof(prepared->token), "%.32s", at + strlen("token='"));
	if (!strcmp(act->method, "SessionService/Open") && (at = strstr(text, "id=")) != NULL)
		prepared->session = strtoull(at + strlen("id="), NULL, 10);
	if (strstr(act->method, "/Create") && (at = strstr(text, "handle=")) != NULL) {
		prepared->before = prepared->made;
		prepared->made = strtoull(at + strlen("handle="), NULL, 10);
	}
	free(text);
}

static bool begin_act(const struct prepared *prepared, struct world *world, uint32_t over)
{
	struct act *act = prepared->act;
	struct lane *lane = &world->lane[VICTIM];
	struct actor own = lane->actor;
	if (!act_read(prepared->act_line, prepared, act))
		return false;
	uint32_t goes_on = act->over;
	act->over = over;
	asked_in_its_name(lane);
	bool waits = asleep_falls(act, lane);
	lane->actor = own;
	act->over = goes_on;
	return waits;
}

/* Who makes a request of a setup, and how. */
enum manner {
	BY_SURVIVOR,
	BY_VICTIM,
	BY_NEXT,
	NEXT_WAITS,
	BY_SESSION, /* in its name */
	ASKED_BY_SESSION,
	WAITS_FOR_SESSION,
};

static enum sabir_error set_up_for_session(const struct act *act, struct world *world, enum manner manner,
					   uint64_t session)
{
	struct lane *lane = &world->lane[SURVIVOR];
	struct actor own = lane->actor;
	if (manner == ASKED_BY_SESSION)
		return asked_for_session(act, world, session);
	lane->actor = (struct actor){ .owner = session };
	enum sabir_error error = act_run(act, world, SURVIVOR, NULL);
	if (manner == WAITS_FOR_SESSION)
		front_add_waiting(act_op(act), lane->actor, (struct span){ act->request, act->len }, &ops_wait, error);
	lane->actor = own;
	return error;
}

static bool set_up_once(const char *line, size_t len, unsigned number, enum manner manner, struct world *world,
			struct prepared *prepared, FILE *out)
{
	static const enum person people[] = { SURVIVOR, VICTIM, BYSTANDER };
	static char expanded[LINE_MAX_LEN];
	static struct act ordinary, waiting; /* the request of what waits is used as long as it does */
	struct act *act = manner == WAITS_FOR_SESSION ? &waiting : manner == NEXT_WAITS ? prepared->next : &ordinary;
	expand(line, len, number, prepared, expanded);
	bool known = encode(expanded, act);
	if (known && manner == NEXT_WAITS)
		return asleep_falls(act, &world->lane[BYSTANDER]);
	if (known && typed_is(act->method))
		act->o = typed_target(world, prepared->made);
	enum sabir_error error = !known                 ? SABIR_UNIMPLEMENTED
				 : manner >= BY_SESSION ? set_up_for_session(act, world, manner, prepared->session)
							: act_run(act, world, people[manner], NULL);
	/* Who would wait has his place. */
	if (error && !ops_wait.wanted) {
		fprintf(out, "    set-up: %.80s: %s %s\n", expanded, error_name(error), ops_detail);
		return false;
	}
	if (!error && !typed_is(act->method) && manner < ASKED_BY_SESSION)
		note(act, prepared);
	return true;
}

static enum manner manner_of(const char **line, size_t *len)
{
	static const char *const prefixes[] = { "", "victim ", "next ", "waits ", "session ", "asked ", "waiting " };
	for (size_t i = 1; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i]);
		if (*len <= n || strncmp(*line, prefixes[i], n) != 0)
			continue;
		*line += n;
		*len -= n;
		return (enum manner)i;
	}
	return BY_SURVIVOR;
}

static bool is_line(const char *line, size_t len, const char *word)
{
	return len == strlen(word) && !strncmp(line, word, len);
}

static bool set_up_line(const char *line, size_t len, struct world *world, struct prepared *prepared, FILE *out)
{
	if (is_line(line, len, "pause"))
		return asleep_long();
	if (is_line(line, len, "begun"))
		return begin_act(prepared, world, OP_GOES_ON);
	if (is_line(line, len, "late"))
		return begin_act(prepared, world, OP_TIMED_OUT);
	enum manner manner = manner_of(&line, &len);
	unsigned long times = 1;
	const char *star = memchr(line, '*', len < 8 ? len : 8);
	if (star) {
		times = strtoul(line, NULL, 10);
		len -= (size_t)(star + 1 - line);
		line = star + 1;
	}
	for (unsigned i = 0; i < times; i++)
		if (!set_up_once(line, len, i, manner, world, prepared, out))
			return false;
	return true;
}

bool act_set_up(const char *setup, struct world *world, struct prepared *prepared, FILE *out)
{
	for (const char *line = setup; *line;) {
		size_t len = strcspn(line, "\n");
		if (len && !set_up_line(line, len, world, prepared, out)) {
			fprintf(out, "    set-up: not done: %.*s\n", (int)len, line);
			return false;
		}
		line += len + (line[len] == '\n');
	}
	return true;
}
